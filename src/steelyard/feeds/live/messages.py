"""What a venue's frames say, in one form for all venues.

Prices are in the quote currency of the market, quantities in units of its base asset, times are the
exchange's, UTC microseconds (0 where a venue states none). A market is named as its venue names it.
"""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False, tag=True):
    """What all messages share: the market they are about, empty for the connection itself."""

    market: str


class Trade(Message, frozen=True, gc=False, tag=True):
    """A trade. is_buy: the taker bought. trade: the venue's own number or name of it."""

    price: float
    quantity: float
    is_buy: bool
    exchange_time_us: int
    trade: str = ""


class Quote(Message, frozen=True, gc=False, tag=True):
    """Best bid and ask; a side that is empty has price and quantity 0."""

    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float
    exchange_time_us: int


class BookSnapshot(Message, frozen=True, gc=False, tag=True):
    """A whole order book, or its top, as (price, quantity), best first. sequence: -1 where none is."""

    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    exchange_time_us: int
    sequence: int = -1


class BookChange(Message, frozen=True, gc=False, tag=True):
    """Levels that changed; quantity 0 takes a level away.

    first_sequence … last_sequence: the numbers it covers; previous_sequence: that of the change before,
    where the venue states it (-1 otherwise). checksum: of the book after it, by the venue's rule.
    """

    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]
    exchange_time_us: int
    first_sequence: int = -1
    last_sequence: int = -1
    previous_sequence: int = -1
    checksum: int | None = None


class Reference(Message, frozen=True, gc=False, tag=True):
    """What a venue publishes of a market beside trades; None for what a frame does not say.

    funding_rate: fraction an interval. open_interest: units of the base asset.
    """

    exchange_time_us: int
    index_price: float | None = None
    mark_price: float | None = None
    funding_rate: float | None = None
    open_interest: float | None = None


class OptionTicker(Message, frozen=True, gc=False, tag=True):
    """An option's quotes in its premium currency, volatilities as decimals; None for what is not there."""

    exchange_time_us: int
    bid: float | None = None
    ask: float | None = None
    mark: float | None = None
    bid_volatility: float | None = None
    ask_volatility: float | None = None
    mark_volatility: float | None = None
    forward: float | None = None
    index_price: float | None = None
    open_interest: float | None = None


class OraclePrice(Message, frozen=True, gc=False, tag=True):
    """A price of an oracle network whose signatures held. confidence: half-width, same currency."""

    price: float
    confidence: float
    exchange_time_us: int


class Status(Message, frozen=True, gc=False, tag=True):
    """Something about a market or the connection that is no price.

    kind: subscribed, refused (the venue does not take the subscription), halted, gap (messages are
    missing; a fresh snapshot is on its way), restart (the venue asks for a new connection), clock,
    unverified, malformed, heartbeat.
    """

    kind: str
    reason: str = ""


class Send(Message, frozen=True, gc=False, tag=True):
    """A frame that has to go out now, such as the answer to a heartbeat."""

    frame: str


class Fetch(Message, frozen=True, gc=False, tag=True):
    """Something to be fetched over HTTP from the venue's REST address: its answer goes to `fetched`."""

    path: str
