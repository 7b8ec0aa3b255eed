"""OKX: its frames as typed rows, and what rows of trades and books say."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from steelyard.feeds.live.client import VenueTerms
from steelyard.feeds.live.messages import BookChange, BookSnapshot, Message, Quote, Trade
from steelyard.feeds.live.venues.reading import (
    Blank,
    ContractUnit,
    Level,
    best_of,
    levels_of,
    other_shape,
    price_of,
    quantity_of,
    time_us_of,
    whole_side,
)

VENUE = "okx"
TERMS = VenueTerms(
    name=VENUE,
    operator="okx",
    websocket_url="wss://ws.okx.com:8443/ws/v5/public",
    rest_url="https://www.okx.com",
    # 480 requests an hour on a connection: the few that open it go out a third of a second apart.
    send_interval_us=350_000,
    # The venue bounds a request (64 KiB), not their number; more than this belongs on two connections.
    subscriptions_max=500,
    silence_us=30_000_000,
    documentation="https://www.okx.com/docs-v5/en/",
    source="documents of version 5 and their change log of 2026-05-21 (checksum always 0 from 2026-06-23)",
)

InstrumentKind = Literal["SPOT", "SWAP", "FUTURES", "OPTION"]

INSTRUMENT = re.compile(r"inst(?:Id|Family)[:=\s]+([A-Za-z0-9_-]{1,60})")
NAME = re.compile(r"[A-Za-z0-9_-]{3,60}")


class Argument(msgspec.Struct, frozen=True, rename="camel"):
    channel: str = ""
    inst_id: str = ""
    inst_family: str = ""


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    event: str = ""
    arg: Argument | None = None
    action: str = ""
    code: str | int = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


class TradeRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    px: float
    sz: float
    side: Literal["buy", "sell"]
    ts: int
    trade_id: str | int = ""


class TopRow(msgspec.Struct, frozen=True, rename="camel"):
    asks: list[Level]
    bids: list[Level]
    ts: int


class BookRow(msgspec.Struct, frozen=True, rename="camel"):
    asks: list[Level]
    bids: list[Level]
    ts: int
    seq_id: int
    prev_seq_id: int = -1


class TickerRow(msgspec.Struct, frozen=True, rename="camel"):
    ts: int
    bid_px: Blank = None
    bid_sz: Blank = None
    ask_px: Blank = None
    ask_sz: Blank = None


class IndexRow(msgspec.Struct, frozen=True, rename="camel"):
    idx_px: float
    ts: int


class MarkRow(msgspec.Struct, frozen=True, rename="camel"):
    mark_px: float
    ts: int


class FundingRow(msgspec.Struct, frozen=True, rename="camel"):
    funding_rate: Blank
    ts: int


class InterestRow(msgspec.Struct, frozen=True, rename="camel"):
    oi_ccy: Blank
    ts: int


class SummaryRow(msgspec.Struct, frozen=True, rename="camel"):
    inst_id: str
    ts: int
    bid_vol: Blank = None
    ask_vol: Blank = None
    mark_vol: Blank = None
    fwd_px: Blank = None


class InstrumentRow(msgspec.Struct, frozen=True, rename="camel"):
    inst_id: str
    ct_val: Blank = None
    ct_mult: Blank = None
    ct_type: str = ""


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    code: str | int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw()


ENVELOPE = msgspec.json.Decoder(Envelope, strict=False)
ANSWER = msgspec.json.Decoder(Answer, strict=False)
TRADES = msgspec.json.Decoder(list[TradeRow], strict=False)
TOPS = msgspec.json.Decoder(list[TopRow], strict=False)
BOOKS = msgspec.json.Decoder(list[BookRow], strict=False)
TICKERS = msgspec.json.Decoder(list[TickerRow], strict=False)
INDICES = msgspec.json.Decoder(list[IndexRow], strict=False)
MARKS = msgspec.json.Decoder(list[MarkRow], strict=False)
FUNDINGS = msgspec.json.Decoder(list[FundingRow], strict=False)
INTERESTS = msgspec.json.Decoder(list[InterestRow], strict=False)
SUMMARIES = msgspec.json.Decoder(list[SummaryRow], strict=False)
INSTRUMENTS = msgspec.json.Decoder(list[InstrumentRow], strict=False)


def kind_of(market: str) -> InstrumentKind:
    """Return what a market is, from its name.

    >>> [kind_of(m) for m in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-260327", "BTC-USD-260327-80000-C")]
    ['SPOT', 'SWAP', 'FUTURES', 'OPTION']
    """
    parts = market.split("-")
    if len(parts) >= 5:
        return "OPTION"
    if len(parts) <= 2:
        return "SPOT"
    return "SWAP" if parts[-1] == "SWAP" else "FUTURES"


def family_of(market: str) -> str:
    """Return the family of a market, which also names its index: its first two parts.

    >>> family_of("BTC-USD-260327-80000-C")
    'BTC-USD'
    """
    return "-".join(market.split("-")[:2])


def trades_of(market: str, rows: list[TradeRow], unit: ContractUnit) -> list[Message]:
    trades: list[Message] = []
    for row in rows:
        price = price_of(row.px, VENUE)
        quantity = unit.base(quantity_of(row.sz, VENUE), price)
        if quantity <= 0.0:
            raise other_shape(VENUE, "a trade of nothing")
        time_us = time_us_of(row.ts, VENUE)
        name = str(row.trade_id)[:60]
        trades.append(Trade(market, price, quantity, row.side == "buy", time_us, name))
    return trades


def tops_of(market: str, rows: list[TopRow], unit: ContractUnit) -> list[Message]:
    return [
        Quote(
            market,
            *best_of(row.bids, unit, VENUE, is_bid=True),
            *best_of(row.asks, unit, VENUE, is_bid=False),
            time_us_of(row.ts, VENUE),
        )
        for row in rows
    ]


def snapshot_of(market: str, row: BookRow, unit: ContractUnit) -> BookSnapshot:
    return BookSnapshot(
        market,
        whole_side(row.bids, unit, VENUE, is_bid=True),
        whole_side(row.asks, unit, VENUE, is_bid=False),
        time_us_of(row.ts, VENUE),
        row.seq_id,
    )


def change_of(market: str, row: BookRow, unit: ContractUnit) -> BookChange:
    return BookChange(
        market,
        levels_of(row.bids, unit, VENUE),
        levels_of(row.asks, unit, VENUE),
        time_us_of(row.ts, VENUE),
        first_sequence=row.seq_id,
        last_sequence=row.seq_id,
        previous_sequence=row.prev_seq_id,
    )
