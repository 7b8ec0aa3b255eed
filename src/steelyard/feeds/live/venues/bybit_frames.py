"""Bybit: its frames as typed rows, and what rows of trades and tickers say."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from steelyard.feeds.live.client import VenueTerms
from steelyard.feeds.live.messages import Message, OptionTicker, Quote, Reference, Trade
from steelyard.feeds.live.venues.reading import (
    Blank,
    ContractUnit,
    Level,
    funding_or_none,
    other_shape,
    price_of,
    price_or_none,
    quantity_of,
    quantity_or_none,
    time_us_of,
    volatility_or_none,
)

VENUE = "bybit"
TERMS = VenueTerms(
    name=VENUE,
    operator="bybit",
    websocket_url="wss://stream.bybit.com",
    rest_url="https://api.bybit.com",
    send_interval_us=50_000,  # the venue states none
    # One topic each, of at most 52 characters, stays below the 21,000 characters of a connection.
    subscriptions_max=400,
    silence_us=45_000_000,
    documentation="https://bybit-exchange.github.io/docs/v5/ws/connect",
    source="documents of version 5 as of 2026 (books of 1, 50, 200, 1000; options 25, 100)",
)

Category = Literal["spot", "linear", "inverse", "option"]


class Envelope(msgspec.Struct, frozen=True):
    """Whatever the venue sends: a push of a topic, or the answer to a request."""

    topic: str = ""
    type: str = ""
    ts: int = 0
    cts: int = 0
    cs: int = 0
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""
    data: msgspec.Raw = msgspec.Raw()


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """A trade: T time, s symbol, S side of the taker, v quantity, p price, i its name, BT block trade."""

    T: int
    s: str
    S: Literal["Buy", "Sell"]
    v: float
    p: float
    i: str = ""
    BT: bool = False


class BookRow(msgspec.Struct, frozen=True):
    """A book or its change: u update number, seq number over all markets."""

    s: str
    b: list[Level]
    a: list[Level]
    u: int
    seq: int = 0


class Ticker(msgspec.Struct, frozen=True, rename="camel"):
    """A ticker of any category: a frame of changes holds only what changed."""

    symbol: str = ""
    mark_price: Blank = None
    index_price: Blank = None
    open_interest: Blank = None
    funding_rate: Blank = None
    bid_price: Blank = None
    bid_size: Blank = None
    bid_iv: Blank = None
    ask_price: Blank = None
    ask_size: Blank = None
    ask_iv: Blank = None
    mark_price_iv: Blank = None
    underlying_price: Blank = None


class Topics(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of the option stream to a request, topic by topic."""

    fail_topics: list[str] = []
    success_topics: list[str] = []


ENVELOPE = msgspec.json.Decoder(Envelope, strict=False)
TRADES = msgspec.json.Decoder(list[TradeRow], strict=False)
BOOK = msgspec.json.Decoder(BookRow, strict=False)
TICKER = msgspec.json.Decoder(Ticker, strict=False)
TOPICS = msgspec.json.Decoder(Topics, strict=False)


def merged(before: Ticker, changes: Ticker) -> Ticker:
    """Return a ticker with what a frame of changes says; a field that is not in it has not changed.

    >>> merged(Ticker("X", mark_price=5.0, funding_rate=0.1), Ticker("X", mark_price=6.0)).funding_rate
    0.1
    """
    said: dict[str, Any] = {
        name: value
        for name in Ticker.__struct_fields__
        if (value := getattr(changes, name)) is not None
    }
    return msgspec.structs.replace(before, **said)


def trade_of(row: TradeRow, unit: ContractUnit) -> Trade:
    """Return a trade in units of the base asset. Errors: WIRE-E02."""
    price = price_of(row.p, VENUE)
    quantity = unit.base(quantity_of(row.v, VENUE), price)
    if quantity <= 0.0:
        raise other_shape(VENUE, "a trade of nothing")
    return Trade(row.s, price, quantity, row.S == "Buy", time_us_of(row.T, VENUE), row.i[:60])


def reference_of(market: str, ticker: Ticker, time_us: int, unit: ContractUnit) -> Reference:
    """Return what a ticker says beside trades; open interest in units of the base. Errors: WIRE-E02."""
    mark = price_or_none(ticker.mark_price, VENUE)
    interest = quantity_or_none(ticker.open_interest, VENUE)
    if interest is not None and unit.is_inverse:
        # So many US dollars: without a mark they cannot be told in units of the base.
        interest = None if mark is None else unit.base(interest, mark)
    return Reference(
        market,
        time_us,
        index_price=price_or_none(ticker.index_price, VENUE),
        mark_price=mark,
        funding_rate=funding_or_none(ticker.funding_rate, VENUE),
        open_interest=interest,
    )


def option_of(market: str, ticker: Ticker, time_us: int) -> OptionTicker:
    """Return what a ticker says of an option. Errors: WIRE-E02."""
    return OptionTicker(
        market,
        time_us,
        bid=price_or_none(ticker.bid_price, VENUE),
        ask=price_or_none(ticker.ask_price, VENUE),
        mark=price_or_none(ticker.mark_price, VENUE),
        bid_volatility=volatility_or_none(ticker.bid_iv, VENUE),
        ask_volatility=volatility_or_none(ticker.ask_iv, VENUE),
        mark_volatility=volatility_or_none(ticker.mark_price_iv, VENUE),
        forward=price_or_none(ticker.underlying_price, VENUE),
        index_price=price_or_none(ticker.index_price, VENUE),
        open_interest=quantity_or_none(ticker.open_interest, VENUE),
    )


def option_quote_of(market: str, ticker: Ticker, time_us: int) -> Message:
    """Return the best prices of an option, which its ticker holds. Errors: WIRE-E02."""
    bid, ask = price_or_none(ticker.bid_price, VENUE), price_or_none(ticker.ask_price, VENUE)
    bid_quantity = quantity_or_none(ticker.bid_size, VENUE) or 0.0
    ask_quantity = quantity_or_none(ticker.ask_size, VENUE) or 0.0
    return Quote(
        market,
        bid or 0.0,
        bid_quantity if bid else 0.0,
        ask or 0.0,
        ask_quantity if ask else 0.0,
        time_us,
    )
