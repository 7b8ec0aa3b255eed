"""What an account holds: `private/get_positions`, in the venue's field names."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from steelyard.margin.methods.core.instruments import Instruments
from steelyard.service.answers.desk import Context
from steelyard.service.answers.market_data import Kind, TickerParams, finite, ticker
from steelyard.service.answers.scope import Head, Scope, head_of, named
from steelyard.service.answers.tables import greeks_of
from steelyard.terms.stated import parse_contract


class PositionsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_positions; currency: of the contracts, all if left out or "any"."""

    currency: str | None = None
    kind: Kind | None = None
    account: str | None = None


class PositionView(Head, frozen=True, kw_only=True):
    """A position. size: signed, in units of the underlying; prices in USD; Greeks of the whole position.

    floating_profit_loss: as stated, or of a linear contract size·(mark − average price) in USD, null where
    neither is known. currency: what the account's method counts in.
    """

    instrument_name: str
    kind: Kind
    direction: Literal["buy", "sell", "zero"]
    size: float
    size_currency: str
    average_price: float | None
    mark_price: float | None
    index_price: float | None
    floating_profit_loss: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None


def get_positions(params: PositionsParams, context: Context) -> list[PositionView]:
    """Return the positions of an account in their order. Errors: ANSW-E02, ANSW-E03, STAT-E02."""
    name_only = None if params.currency in (None, "any") else params.currency
    name = named(context, params.account)
    account, document = context.desk.account(name), context.desk.method_of(name)
    head = head_of(context, Scope(name, document, account, document.currency, "", False))
    found = []
    for position in account.positions:
        contract = parse_contract(position.instrument)
        kind: Kind = "option" if contract.kind == "option" else "future"
        if name_only not in (None, contract.underlying) or params.kind not in (None, kind):
            continue
        found.append(_view(position, kind, contract.underlying, head, context))
    return found


def _view(
    position: Any, kind: Kind, underlying: str, head: dict[str, Any], context: Context
) -> PositionView:
    size = float(position.quantity)
    seen = ticker(TickerParams(position.instrument), context)
    instruments = Instruments(context.desk.market(), [position.instrument], ())
    units = [finite(size * each) for each in greeks_of(instruments, 1.0)[0]]
    if position.delta is not None:
        units[0] = size * position.delta
    gain = position.unrealised_pnl
    entry, mark = position.entry_price, seen.mark_price
    if gain is None and kind == "future" and entry is not None and mark is not None:
        gain = size * (mark - entry)
    is_option = kind == "option"
    own = underlying if head["currency"] == "underlying" else head["currency"]
    return PositionView(
        **head | {"currency": own},
        instrument_name=position.instrument,
        kind=kind,
        direction="buy" if size > 0.0 else "sell" if size < 0.0 else "zero",
        size=size,
        size_currency=underlying,
        average_price=entry,
        mark_price=mark,
        index_price=seen.index_price,
        floating_profit_loss=gain,
        delta=units[0],
        gamma=units[2] if is_option else None,
        vega=units[3] if is_option else None,
        theta=units[4] if is_option else None,
    )
