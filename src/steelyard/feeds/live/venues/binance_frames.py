"""Binance's frames as typed structs.

Numbers come as strings and are read as floats with their bounds checked while decoding, so that NaN,
infinity and signs never get further. Fields that are not needed are not named: they may change.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from steelyard.feeds.live.venues.reading import (
    FUNDING_RATE_MAX,
    PRICE_MAX,
    PRICE_MIN,
    QUANTITY_MAX,
    SEQUENCE_MAX,
    TIME_MS_MAX,
)

QUANTITY_MIN = 1e-18

Price = Annotated[float, Meta(ge=PRICE_MIN, le=PRICE_MAX)]
PriceOrZero = Annotated[float, Meta(ge=0.0, le=PRICE_MAX)]
Quantity = Annotated[float, Meta(ge=0.0, le=QUANTITY_MAX)]
TradedQuantity = Annotated[float, Meta(ge=QUANTITY_MIN, le=QUANTITY_MAX)]
Funding = Annotated[float, Meta(ge=-FUNDING_RATE_MAX, le=FUNDING_RATE_MAX)]
Milliseconds = Annotated[int, Meta(ge=0, le=TIME_MS_MAX)]
Number = Annotated[int, Meta(ge=0, le=SEQUENCE_MAX)]
Levels = list[tuple[Price, Quantity]]


class AggregateTrade(Struct, gc=False, tag_field="e", tag="aggTrade"):
    """Fills of one taker order at one price."""

    symbol: str = field(name="s")
    price: Price = field(name="p")
    quantity: TradedQuantity = field(name="q")
    time_ms: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")
    number: Number = field(name="a")


class SingleTrade(Struct, gc=False, tag_field="e", tag="trade"):
    """One fill. origin: MARKET, or on futures who stood in (INSURANCE_FUND, ADL, NA)."""

    symbol: str = field(name="s")
    price: PriceOrZero = field(name="p")
    quantity: Quantity = field(name="q")
    time_ms: Milliseconds = field(name="T")
    buyer_is_maker: bool = field(name="m")
    number: Number = field(name="t")
    origin: str = field(name="X", default="MARKET")


class BookTicker(Struct, gc=False):
    """Best bid and ask. The spot market states neither type nor time."""

    symbol: str = field(name="s")
    bid: PriceOrZero = field(name="b")
    bid_quantity: Quantity = field(name="B")
    ask: PriceOrZero = field(name="a")
    ask_quantity: Quantity = field(name="A")
    time_ms: Milliseconds = field(name="T", default=0)
    event_ms: Milliseconds = field(name="E", default=0)


class SpotDepth(Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """Levels that changed, covering the numbers first … last."""

    symbol: str = field(name="s")
    time_ms: Milliseconds = field(name="E")
    first: Number = field(name="U")
    last: Number = field(name="u")
    bids: Levels = field(name="b")
    asks: Levels = field(name="a")
    previous: Annotated[int, Meta(ge=-1, le=-1)] = -1


class FuturesDepth(Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """As `SpotDepth`, with the last number of the change before it."""

    symbol: str = field(name="s")
    time_ms: Milliseconds = field(name="T")
    first: Number = field(name="U")
    last: Number = field(name="u")
    previous: Number = field(name="pu")
    bids: Levels = field(name="b")
    asks: Levels = field(name="a")


class MarkPrice(Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """Mark and index price; funding is empty and its time 0 for a contract that expires."""

    symbol: str = field(name="s")
    time_ms: Milliseconds = field(name="E")
    mark: PriceOrZero = field(name="p")
    index: PriceOrZero = field(name="i", default=0.0)
    funding: float | str = field(name="r", default="")
    next_funding_ms: Milliseconds = field(name="T", default=0)


class AggregateTradeFrame(Struct, gc=False):
    """The frame of a combined stream around its payload; so are the four below."""

    data: AggregateTrade


class SingleTradeFrame(Struct, gc=False):
    data: SingleTrade


class BookTickerFrame(Struct, gc=False):
    data: BookTicker


class SpotDepthFrame(Struct, gc=False):
    data: SpotDepth


class FuturesDepthFrame(Struct, gc=False):
    data: FuturesDepth


class MarkPriceFrame(Struct, gc=False):
    data: MarkPrice


class VenueError(Struct):
    """What the venue says went wrong."""

    code: int
    msg: str = ""


class EventType(Struct):
    """The type of a payload, where it states one."""

    e: str = ""


class Other(Struct):
    """Every frame that no stream of ours sent: answers, errors, notices of the server."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")
    id: int | str | None = None
    error: VenueError | None = None
    code: int | None = None
    msg: str = ""
    e: str = ""


class DepthSnapshot(Struct):
    """The answer to a request for the whole book; the spot market states no time."""

    last: Number = field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    time_ms: Milliseconds = field(name="T", default=0)


class OpenInterest(Struct):
    """The answer to a request for the open interest."""

    symbol: str
    quantity: Quantity = field(name="openInterest")
    time_ms: Milliseconds = field(name="time")


def decoder(shape: type[Any]) -> msgspec.json.Decoder[Any]:
    """Return a decoder of a shape that reads numbers out of strings."""
    return msgspec.json.Decoder(shape, strict=False)


def funding_of(text: float | str) -> float | None:
    """Return the funding rate, None where the text is empty. Errors: msgspec.ValidationError."""
    return None if text == "" else msgspec.convert(text, Funding, strict=False)
