"""Markets at a glance, and the order book of one: `public/get_book_summary_by_currency`, `…_by_instrument`,
`public/get_order_book`.

Fields are Deribit's. Trades are made elsewhere: what only trades say (last price, high, low, volume) is null. Of
books only our own are told, and only while one can be relied on; else bids and asks are empty.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from steelyard.service.answers.desk import Context
from steelyard.service.answers.listing import InstrumentParams, get_instrument
from steelyard.service.answers.market_data import (
    Greeks,
    InstrumentsParams,
    InstrumentView,
    Kind,
    Ticker,
    TickerParams,
    get_instruments,
    ticker,
    ticker_with,
)
from steelyard.service.answers.unit_market import levels_of_book, open_interests
from steelyard.service.answers.units import units_of

DEPTH_MAX = 10_000


class SummaryOfCurrency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_book_summary_by_currency: of the underlying, or of the settlement."""

    currency: str
    kind: Kind | None = None


class SummaryOfInstrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_book_summary_by_instrument."""

    instrument_name: str


class BookSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A market at a glance; null is what is not known. mark_iv: per cent. creation_timestamp: now."""

    instrument_name: str
    base_currency: str
    quote_currency: str
    creation_timestamp: int
    mark_price: float | None
    mid_price: float | None
    bid_price: float | None
    ask_price: float | None
    last: float | None
    high: float | None
    low: float | None
    volume: float | None
    price_change: float | None
    open_interest: float | None
    underlying_price: float | None
    underlying_index: str | None
    interest_rate: float | None
    mark_iv: float | None
    estimated_delivery_price: float | None
    current_funding: float | None
    funding_8h: float | None
    as_of_seq: int


def get_book_summary_by_currency(params: SummaryOfCurrency, context: Context) -> list[BookSummary]:
    """Return the summaries of a currency's instruments, those that have not expired."""
    listed = get_instruments(InstrumentsParams(params.currency, params.kind), context)
    units = units_of(context)
    if units is None:
        return [
            _summary(each, ticker(TickerParams(each.instrument_name), context)) for each in listed
        ]
    interests = open_interests(units)
    return [_summary(each, ticker_with(units, each.instrument_name, interests)) for each in listed]


def get_book_summary_by_instrument(
    params: SummaryOfInstrument, context: Context
) -> list[BookSummary]:
    """Return the summary of an instrument, as a list of one. Errors: ANSW-E07."""
    name = params.instrument_name
    listed = get_instrument(InstrumentParams(name), context)
    return [_summary(listed, ticker(TickerParams(name), context))]


def _summary(listed: InstrumentView, found: Ticker) -> BookSummary:
    bid, ask = found.best_bid_price, found.best_ask_price
    return BookSummary(
        instrument_name=listed.instrument_name, base_currency=listed.base_currency,
        quote_currency=listed.quote_currency, creation_timestamp=found.timestamp,
        mark_price=found.mark_price, bid_price=bid, ask_price=ask,
        mid_price=None if bid is None or ask is None else (bid + ask) / 2.0,
        last=None, high=None, low=None, volume=None, price_change=None,
        open_interest=found.open_interest, underlying_price=found.underlying_price,
        underlying_index=found.underlying_index, interest_rate=found.interest_rate,
        mark_iv=found.mark_iv, estimated_delivery_price=found.estimated_delivery_price,
        current_funding=found.current_funding, funding_8h=found.funding_8h,
        as_of_seq=found.as_of_seq,
    )  # fmt: skip


class OrderBookParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_order_book. depth: levels of a side at most."""

    instrument_name: str
    depth: Annotated[int, msgspec.Meta(ge=1, le=DEPTH_MAX)] = 5


class Stats(msgspec.Struct, frozen=True):
    """What trades of a day would say; null, since trades are made elsewhere."""

    high: float | None = None
    low: float | None = None
    volume: float | None = None
    price_change: float | None = None


class OrderBook(msgspec.Struct, frozen=True, kw_only=True):
    """Levels as [price, amount], the best first, and the ticker beside them. change_id: as_of_seq."""

    instrument_name: str
    timestamp: int
    state: str
    change_id: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    best_bid_price: float | None
    best_bid_amount: float | None
    best_ask_price: float | None
    best_ask_amount: float | None
    mark_price: float | None
    index_price: float | None
    last_price: float | None
    open_interest: float | None
    stats: Stats
    underlying_price: float | None
    underlying_index: str | None
    mark_iv: float | None
    interest_rate: float | None
    greeks: Greeks | None
    current_funding: float | None
    funding_8h: float | None
    as_of_seq: int


_FROM_TICKER = (
    "instrument_name", "timestamp", "state", "best_bid_price", "best_bid_amount", "best_ask_price",
    "best_ask_amount", "mark_price", "index_price", "open_interest", "underlying_price",
    "underlying_index", "mark_iv", "interest_rate", "greeks", "current_funding", "funding_8h",
    "as_of_seq",
)  # fmt: skip


def get_order_book(params: OrderBookParams, context: Context) -> OrderBook:
    """Return the book of an instrument, empty where none is known. Errors: ANSW-E07."""
    found = ticker(TickerParams(params.instrument_name), context)
    units = units_of(context)
    bids: list[tuple[float, float]] = []
    asks: list[tuple[float, float]] = []
    if units is not None:
        bids, asks = levels_of_book(units, params.instrument_name, params.depth)
    shown: dict[str, Any] = {name: getattr(found, name) for name in _FROM_TICKER}
    return OrderBook(
        **shown, change_id=found.as_of_seq, bids=bids, asks=asks, last_price=None, stats=Stats()
    )
