"""The lines of a worker that drives ccxt.pro, and the messages they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import (
    BookSnapshot,
    Message,
    OptionTicker,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.venues.reading import (
    BASE_UNIT,
    SEQUENCE_MAX,
    TEXT_MAX,
    ContractUnit,
    Level,
    decode,
    funding_or_none,
    other_shape,
    price_of,
    price_or_none,
    quantity_of,
    quantity_or_none,
    time_us_of,
    venue_error,
    whole_side,
)
from steelyard.quantities import InputError

_RULE = "the library runs in an interpreter of its own and says a line a second"


class _Line(msgspec.Struct, frozen=True, tag_field="kind"):
    """A line of the worker."""


class _Starting(_Line, frozen=True, tag="starting"):
    pass


class _Ready(_Line, frozen=True, tag="ready"):
    version: str
    exchange: str


class _Alive(_Line, frozen=True, tag="alive"):
    pass


class _Fatal(_Line, frozen=True, tag="fatal"):
    cause: Literal["import", "exchange", "request", "markets"]
    reason: str = ""


class _Market(_Line, frozen=True, tag="market"):
    market: str
    is_contract: bool
    is_inverse: bool = False
    contract_size: float | None = None


class _Trade(_Line, frozen=True, tag="trade"):
    market: str
    price: float
    quantity: float
    side: Literal["buy", "sell"]
    time_ms: int | None = None
    trade: str = ""


class _Quote(_Line, frozen=True, tag="quote"):
    market: str
    bid: float | None = None
    bid_quantity: float | None = None
    ask: float | None = None
    ask_quantity: float | None = None
    time_ms: int | None = None


class _Book(_Line, frozen=True, tag="book"):
    market: str
    bids: list[Level]
    asks: list[Level]
    time_ms: int | None = None
    sequence: int | None = None


class _Reference(_Line, frozen=True, tag="reference"):
    market: str
    index_price: float | None = None
    mark_price: float | None = None
    funding_rate: float | None = None
    time_ms: int | None = None


class _Option(_Line, frozen=True, tag="option"):
    market: str
    bid: float | None = None
    ask: float | None = None
    mark: float | None = None
    index_price: float | None = None
    time_ms: int | None = None


class _Status(_Line, frozen=True, tag="status"):
    market: str
    status: Literal["subscribed", "refused", "gap"]
    reason: str = ""


class _Error(_Line, frozen=True, tag="error"):
    market: str
    code: str
    reason: str = ""


_Any = (
    _Starting
    | _Ready
    | _Alive
    | _Fatal
    | _Market
    | _Trade
    | _Quote
    | _Book
    | _Reference
    | _Option
    | _Status
    | _Error
)
_LINES: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Any)


def failure(code: str, message: str, cure: str, **where: object) -> InputError:
    """Return the named failure of a worker."""
    return InputError(code, message, rule=_RULE, cure=cure, **where)


class CcxtReader:
    """Lines of one worker in, messages out.

    contract_values: what a contract is, by market, where the library is wrong about it. version: of the
    library, once the worker is ready.

    >>> reader = CcxtReader("kraken", [Subscription("BTC/USD", "trades")])
    >>> reader.receive(b'{"kind":"market","market":"BTC/USD","is_contract":false}', 0)
    []
    >>> reader.receive(b'{"kind":"trade","market":"BTC/USD","price":60000.5,"quantity":0.25,'
    ...     b'"side":"sell","time_ms":1780000000123,"trade":"7"}', 0)
    [Trade(market='BTC/USD', price=60000.5, quantity=0.25, is_buy=False, \
exchange_time_us=1780000000123000, trade='7')]
    """

    def __init__(
        self,
        exchange: str,
        subscriptions: Sequence[Subscription],
        contract_values: Mapping[str, ContractUnit] | None = None,
    ) -> None:
        self.exchange = exchange
        self.venue = f"ccxt:{exchange}"
        self.version = ""
        self._wanted = {subscription.market for subscription in subscriptions}
        self._given = dict(contract_values or {})
        self._units: dict[str, ContractUnit] = {}

    def receive(self, line: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        """Return what one line says. Errors: WIRE-E01, WIRE-E02, WIRE-E03; CCXT-E02, E03 and E07 of the last."""
        said = decode(_LINES, line, self.venue)
        if isinstance(said, _Alive | _Starting):
            return [Status("", "heartbeat")]
        if isinstance(said, _Ready):
            self.version = said.version[:TEXT_MAX]
            return [Status("", "heartbeat", f"ccxt {self.version}")]
        if isinstance(said, _Fatal):
            raise self._end(said)
        if isinstance(said, _Error):
            raise venue_error(self.venue, said.code, f"{said.market[:60]} {said.reason}".strip())
        if said.market not in self._wanted:
            raise other_shape(self.venue, f"{said.market[:60]} was not asked for")
        if isinstance(said, _Market):
            return self._learn(said)
        if isinstance(said, _Status):
            return [Status(said.market, said.status, said.reason[:TEXT_MAX])]
        return self._numbers(said)

    def _end(self, said: _Fatal) -> InputError:
        """Return why the worker cannot work."""
        if said.cause == "import":
            return failure(
                "CCXT-E02",
                f"the interpreter cannot import ccxt: {said.reason[:TEXT_MAX]}",
                "make a virtual environment of its own, install ccxt there and name its python",
                exchange=self.exchange,
            )
        if said.cause == "markets":
            return failure(
                "CCXT-E07",
                f"the markets could not be loaded: {said.reason[:TEXT_MAX]}",
                "check the network and the addresses; the worker is started again",
                exchange=self.exchange,
            )
        return failure(
            "CCXT-E03",
            said.reason[:TEXT_MAX],
            "name an exchange that ccxt.pro lists",
            exchange=self.exchange,
        )

    def _learn(self, said: _Market) -> list[Message]:
        """Take what a contract of a market is."""
        size = said.contract_size
        if said.market in self._given:
            self._units[said.market] = self._given[said.market]
        elif not said.is_contract:
            self._units[said.market] = BASE_UNIT
        elif size is None:
            reason = "the library does not say what a contract is: give its value"
            return [Status(said.market, "refused", reason)]
        else:
            self._units[said.market] = ContractUnit(price_of(size, self.venue), said.is_inverse)
        return []

    def _numbers(self, said: _Trade | _Quote | _Book | _Reference | _Option) -> list[Message]:
        """Return the message of a line with numbers."""
        market, venue = said.market, self.venue
        time_us = 0 if said.time_ms is None else time_us_of(said.time_ms, venue)
        if isinstance(said, _Reference):
            return [
                Reference(
                    market,
                    time_us,
                    index_price=price_or_none(said.index_price, venue),
                    mark_price=price_or_none(said.mark_price, venue),
                    funding_rate=funding_or_none(said.funding_rate, venue),
                )
            ]
        if isinstance(said, _Option):
            return [
                OptionTicker(
                    market,
                    time_us,
                    bid=price_or_none(said.bid, venue),
                    ask=price_or_none(said.ask, venue),
                    mark=price_or_none(said.mark, venue),
                    index_price=price_or_none(said.index_price, venue),
                )
            ]
        unit = self._units.get(market)
        if unit is None:  # refused for want of a contract value, or said before its market
            return []
        if isinstance(said, _Trade):
            price = price_of(said.price, venue)
            quantity = unit.base(quantity_of(said.quantity, venue), price)
            if quantity <= 0.0:
                raise other_shape(venue, "a trade of nothing")
            is_buy = said.side == "buy"
            return [Trade(market, price, quantity, is_buy, time_us, said.trade[:60])]
        if isinstance(said, _Quote):
            bid, ask = price_or_none(said.bid, venue), price_or_none(said.ask, venue)
            bid_quantity = quantity_or_none(said.bid_quantity, venue) or 0.0
            ask_quantity = quantity_or_none(said.ask_quantity, venue) or 0.0
            return [
                Quote(
                    market,
                    bid or 0.0,
                    unit.base(bid_quantity, bid) if bid else 0.0,
                    ask or 0.0,
                    unit.base(ask_quantity, ask) if ask else 0.0,
                    time_us,
                )
            ]
        sequence = -1 if said.sequence is None else said.sequence
        if not -1 <= sequence <= SEQUENCE_MAX:
            raise other_shape(venue, "a number of a book out of bounds")
        bids = whole_side(said.bids, unit, venue, is_bid=True)
        asks = whole_side(said.asks, unit, venue, is_bid=False)
        return [BookSnapshot(market, bids, asks, time_us, sequence)]
