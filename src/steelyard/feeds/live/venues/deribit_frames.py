"""Deribit's frames: their shapes, what a market's name tells, and what a ticker, index or level says."""

from __future__ import annotations

from typing import Literal

import msgspec

from steelyard.feeds.live.messages import Message, OptionTicker, Quote, Reference, Status, Trade
from steelyard.feeds.live.venues.bounded import (
    Counter,
    Name,
    Percent,
    Price,
    PriceOrZero,
    Quantity,
    Rate,
    TimeMs,
)
from steelyard.feeds.live.venues.reading import PRICE_MIN, TEXT_MAX, other_shape

VENUE = "deribit"

Action = Literal["new", "change", "delete"]
Levels = list[tuple[Action, Price, Quantity]]


class TradeRow(msgspec.Struct, gc=False):
    trade_seq: Counter
    timestamp: TimeMs
    price: Price
    amount: Quantity
    direction: Literal["buy", "sell"]
    instrument_name: str
    trade_id: Name = ""


class Data(msgspec.Struct, gc=False):
    """What the data of any channel may hold: one pass over the frame reads it, the channel says what of."""

    timestamp: TimeMs | None = None
    instrument_name: str = ""
    index_name: str = ""
    type: str = ""
    change_id: Counter | None = None
    prev_change_id: Counter | None = None
    bids: Levels | None = None
    asks: Levels | None = None
    best_bid_price: PriceOrZero | None = None
    best_bid_amount: Quantity | None = None
    best_ask_price: PriceOrZero | None = None
    best_ask_amount: Quantity | None = None
    mark_price: PriceOrZero | None = None
    index_price: PriceOrZero | None = None
    underlying_price: PriceOrZero | None = None
    open_interest: Quantity | None = None
    mark_iv: Percent | None = None
    bid_iv: Percent | None = None
    ask_iv: Percent | None = None
    current_funding: Rate | None = None
    state: str = ""
    price: Price | None = None
    volatility: Percent | None = None
    price_index: str = ""
    locked: bool | None = None
    maintenance: bool | None = None


class Params(msgspec.Struct, gc=False):
    channel: str = ""
    type: str = ""
    data: Data | list[TradeRow] | None = None


class RpcError(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


class Frame(msgspec.Struct, gc=False):
    method: str = ""
    params: Params | None = None
    id: int | str | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: RpcError | None = None


class AnyParams(msgspec.Struct, gc=False):
    channel: str = ""


class AnyFrame(msgspec.Struct, gc=False):
    method: str = ""
    params: AnyParams | None = None


class TradesPage(msgspec.Struct, gc=False):
    trades: list[TradeRow]


class TradesReply(msgspec.Struct, gc=False):
    result: TradesPage | None = None
    error: RpcError | None = None


FRAME = msgspec.json.Decoder(Frame)
ANY_FRAME = msgspec.json.Decoder(AnyFrame)
NAMES = msgspec.json.Decoder(list[str])
TRADES = msgspec.json.Decoder(TradesReply)


class Market:
    """What is known of one market. change_id: -1 while a snapshot is awaited; trade_seq: -1 at first."""

    __slots__ = (
        "change_id",
        "is_index",
        "is_inverse",
        "is_option",
        "name",
        "state",
        "trade_seq",
        "wants",
    )

    def __init__(self, name: str) -> None:
        parts = name.split("-")
        self.name = name
        self.is_index = name == name.lower()
        self.is_option = len(parts) == 4 and parts[3] in ("C", "P")
        self.is_inverse = len(parts) == 2 and "_" not in parts[0]
        self.wants: set[str] = set()
        self.state = "open"
        self.change_id = -1
        self.trade_seq = -1

    @property
    def is_combination(self) -> bool:
        """Whether it is a future spread or a structure of options, e.g. BTC-FS-25JUN27_PERP."""
        return not (self.is_index or self.is_option) and self.name.count("-") > 1


def channel_of(market: Market, kind: str) -> str | None:
    """Return the channel of a kind of message, None where the venue has none."""
    name = market.name
    if market.is_index:
        of_index = {"reference": "deribit_price_index", "options": "deribit_volatility_index"}
        return f"{of_index[kind]}.{name}" if kind in of_index else None
    if market.is_combination or (kind == "options" and not market.is_option):
        return None
    return f"{kind if kind in ('trades', 'book') else 'ticker'}.{name}.100ms"


def levels_of(levels: Levels, is_inverse: bool) -> list[tuple[float, float]]:
    """Return (price, quantity of the base asset), 0 for a level that goes."""
    if is_inverse:
        return [
            (price, 0.0 if action == "delete" else amount / price)
            for action, price, amount in levels
        ]
    return [(price, 0.0 if action == "delete" else amount) for action, price, amount in levels]


def trade_of(market: Market, row: TradeRow) -> Message:
    quantity = row.amount / row.price if market.is_inverse else row.amount
    is_buy = row.direction == "buy"
    return Trade(market.name, row.price, quantity, is_buy, row.timestamp * 1_000, row.trade_id)


def ticker_of(market: Market, data: Data, time_us: int) -> list[Message]:
    """Return what was asked for of a ticker: quote, reference, option; and first a change of state."""
    messages: list[Message] = []
    name, wants = market.name, market.wants
    if data.state != market.state and data.state:
        market.state = data.state
        kind = "subscribed" if data.state == "open" else "halted"
        messages.append(Status(name, kind, data.state[:TEXT_MAX]))
    if "quotes" in wants:
        bid, bid_quantity = side_of(market, data.best_bid_price, data.best_bid_amount)
        ask, ask_quantity = side_of(market, data.best_ask_price, data.best_ask_amount)
        messages.append(Quote(name, bid, bid_quantity, ask, ask_quantity, time_us))
    if not ("reference" in wants or "options" in wants):
        return messages
    mark, interest = data.mark_price or None, data.open_interest
    if mark is None:
        raise other_shape(VENUE, "a ticker without mark_price")
    if market.is_inverse and interest is not None:
        interest = interest / mark if mark >= PRICE_MIN else None
    index = data.index_price or None
    if "reference" in wants:
        messages.append(Reference(name, time_us, index, mark, data.current_funding, interest))
    if "options" in wants:
        messages.append(
            OptionTicker(
                name,
                time_us,
                data.best_bid_price or None,
                data.best_ask_price or None,
                mark,
                decimal_of(data.bid_iv),
                decimal_of(data.ask_iv),
                decimal_of(data.mark_iv),
                data.underlying_price or None,
                index,
                interest,
            )
        )
    return messages


def side_of(market: Market, price: float | None, amount: float | None) -> tuple[float, float]:
    """Return price and quantity of one side, (0, 0) where it is empty."""
    if price is None or amount is None or price < PRICE_MIN or amount == 0.0:
        return 0.0, 0.0
    return price, amount / price if market.is_inverse else amount


def decimal_of(percent: float | None) -> float | None:
    """Return a volatility as a decimal; 0 is how the venue says that there is none."""
    return percent / 100.0 if percent else None


def index_of(market: Market, channel: str, data: Data, time_us: int) -> list[Message]:
    if data.index_name != market.name:
        raise other_shape(VENUE, f"{data.index_name[:TEXT_MAX]} on {channel}")
    if channel.startswith("deribit_price_index."):
        if data.price is None:
            raise other_shape(VENUE, "an index without a price")
        return [Reference(market.name, time_us, index_price=data.price)]
    if not data.volatility:
        raise other_shape(VENUE, "a volatility index without a volatility")
    return [OptionTicker(market.name, time_us, mark_volatility=data.volatility / 100.0)]


def platform_of(data: Data) -> list[Message]:
    """Return what the platform says of itself: of all of it, or of one index."""
    messages: list[Message] = []
    if data.maintenance is not None:
        kind = "halted" if data.maintenance else "subscribed"
        messages.append(Status("", kind, "maintenance" if data.maintenance else "open"))
    if data.locked is not None:
        kind = "halted" if data.locked else "subscribed"
        name = data.price_index[:TEXT_MAX]
        messages.append(Status(name, kind, "locked" if data.locked else "open"))
    return messages
