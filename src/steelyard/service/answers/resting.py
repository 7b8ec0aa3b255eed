"""What a key has: one position, its summaries, and the orders that rest and need margin.

Fields are Deribit's. The engine keeps of an order what margin needs: instrument, what is still open of it,
price; not when it was placed, nor what was filled before. So `amount` is what rests, `filled_amount` nothing of
that, and times are left out. A reservation is an order that leaves by itself (`expires_us`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from steelyard.engine.curing import quantity_of
from steelyard.publish.story import quoted_price
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import unknown
from steelyard.service.answers.listing import InstrumentParams, get_instrument
from steelyard.service.answers.market_data import Kind, TickerParams, ticker
from steelyard.service.answers.portfolio import Portfolio, SummaryParams, get_account_summary
from steelyard.service.answers.positions import PositionsParams, PositionView, get_positions
from steelyard.service.answers.scope import head_of, named, scope_of
from steelyard.service.answers.unit_summary import unit_account_summary
from steelyard.service.answers.units import UnitScope, unit_of
from steelyard.terms import Instrument


class PositionParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_position."""

    instrument_name: str
    account: str | None = None


def get_position(params: PositionParams, context: Context) -> PositionView:
    """Return the position in an instrument, of direction "zero" where none is held.

    Of an account whose units each hold some of it, the first one's. Errors: ANSW-E02, ANSW-E03, ANSW-E07.
    """
    name = params.instrument_name
    for each in get_positions(PositionsParams(account=params.account), context):
        if each.instrument_name == name:
            return each
    listed = get_instrument(InstrumentParams(name), context)
    found = ticker(TickerParams(name), context)
    zero = 0.0 if listed.kind == "option" else None
    return PositionView(
        **_head(context, params.account), instrument_name=name, kind=listed.kind,
        direction="zero", size=0.0,
        size_currency=None if listed.kind == "option" else 0.0,
        size_unit="USD" if listed.quote_currency == "USD" and listed.settlement_currency
        else listed.base_currency,
        average_price=None, mark_price=found.mark_price, index_price=found.index_price,
        floating_profit_loss=0.0, delta=0.0, gamma=zero, vega=zero, theta=zero,
        settlement_currency=listed.settlement_currency,
    )  # fmt: skip


def _head(context: Context, account: str | None) -> dict[str, Any]:
    scope = unit_of(context, account, None, None)
    if scope is not None:
        return scope.head
    return head_of(context, scope_of(context, account, None))


class SummariesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_account_summaries; extended is taken and changes nothing."""

    extended: bool = False
    account: str | None = None


class Summaries(msgspec.Struct, frozen=True):
    """An account with a summary of every currency that it is kept in; an engine keeps it in one."""

    account: str
    summaries: list[Portfolio]
    as_of_seq: int


def get_account_summaries(params: SummariesParams, context: Context) -> Summaries:
    """Return what an account needs, by currency. Errors: those of private/get_account_summary.

    Of a stated account it is asked once, in the currency of its method.
    """
    scope = unit_of(context, params.account, None, None)
    asked = SummaryParams(account=params.account)
    if scope is not None:
        found = unit_account_summary(asked, context, scope)
    else:
        found = get_account_summary(asked, context)
    return Summaries(found.account, [found], found.as_of_seq)


OrderType = Literal[
    "all", "limit", "trigger_all", "stop_all", "stop_limit", "stop_market", "take_all",
    "take_limit", "take_market", "trailing_all", "trailing_stop",
]  # fmt: skip


class OrdersParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_open_orders; every order that rests is a limit order."""

    kind: Kind | None = None
    type: OrderType = "all"
    account: str | None = None


class OrdersOfCurrency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_open_orders_by_currency: of the underlying, the settlement, or "any"."""

    currency: str
    kind: Kind | None = None
    type: OrderType = "all"
    account: str | None = None


class OrdersOfInstrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_open_orders_by_instrument."""

    instrument_name: str
    type: OrderType = "all"
    account: str | None = None


class OrderStateParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_order_state."""

    order_id: str
    account: str | None = None


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that rests. amount: units of the underlying, of an inverse perpetual USD. price: USD, of an
    option in its settlement asset. account: its margin unit. expires_us: of a reservation, else 0."""

    order_id: str
    instrument_name: str
    direction: Literal["buy", "sell"]
    amount: float
    price: float
    order_state: str = "open"
    order_type: str = "limit"
    time_in_force: str = "good_til_cancelled"
    filled_amount: float = 0.0
    account: str
    expires_us: int
    as_of_seq: int


def get_open_orders(params: OrdersParams, context: Context) -> list[OpenOrder]:
    """Return the orders of an account, of all its units where none is named. Errors: ANSW-E02, ANSW-E03."""
    return _orders(context, params.account, params.type, lambda terms: _is_of(terms, params.kind))


def get_open_orders_by_currency(params: OrdersOfCurrency, context: Context) -> list[OpenOrder]:
    """Return the orders in a currency's instruments. Errors: ANSW-E02, ANSW-E03."""

    def is_asked(terms: Instrument) -> bool:
        is_known = params.currency in ("any", terms.underlying, terms.settlement)
        return is_known and _is_of(terms, params.kind)

    return _orders(context, params.account, params.type, is_asked)


def get_open_orders_by_instrument(params: OrdersOfInstrument, context: Context) -> list[OpenOrder]:
    """Return the orders in an instrument. Errors: ANSW-E02, ANSW-E03, ANSW-E07 for one not listed."""
    name = params.instrument_name
    get_instrument(InstrumentParams(name), context)
    return _orders(context, params.account, params.type, lambda terms: terms.name == name)


def get_order_state(params: OrderStateParams, context: Context) -> OpenOrder:
    """Return an order that rests. Errors: ANSW-E02, ANSW-E03, ANSW-E07 for one that does not, or no more."""
    for each in _orders(context, params.account, "all", lambda _terms: True):
        if each.order_id == params.order_id:
            return each
    raise unknown(f"order {params.order_id!r} that rests", "order_id")


def _is_of(terms: Instrument, kind: Kind | None) -> bool:
    return kind in (None, "option" if terms.is_option else "future")


def _orders(
    context: Context, account: str | None, kind: OrderType, is_asked: Callable[[Instrument], bool]
) -> list[OpenOrder]:
    scope = unit_of(context, account, None, None)
    if scope is None:
        context.desk.account(named(context, account))
        return []  # a stated account has no orders
    if kind not in ("all", "limit"):
        return []
    names = scope.units.names_of(scope.name) if account is None else (scope.name,)
    return [order for name in names for order in _of_unit(scope, name, is_asked)]


def _of_unit(
    scope: UnitScope, name: str, is_asked: Callable[[Instrument], bool]
) -> list[OpenOrder]:
    place = scope.units.source.locate(name)
    assert place is not None
    book, row = place
    instruments = scope.units.source.market.instruments
    found = []
    for order in book.orders_of(row):
        terms = instruments[order.instrument]
        if is_asked(terms):
            found.append(
                OpenOrder(
                    order_id=order.order, instrument_name=terms.name,
                    direction="buy" if order.quantity > 0 else "sell",
                    amount=float(quantity_of(terms, abs(order.quantity))),
                    price=float(quoted_price(terms, order.price_mark)),
                    account=name, expires_us=order.expires_us, as_of_seq=scope.head["as_of_seq"],
                )
            )  # fmt: skip
    return found
