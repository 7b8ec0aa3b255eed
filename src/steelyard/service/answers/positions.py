"""What an account holds: `private/get_positions`, in the venue's field names."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from steelyard.margin.methods.core.instruments import Instruments
from steelyard.service.answers.desk import Context
from steelyard.service.answers.market_data import Kind, finite, marks_of
from steelyard.service.answers.scope import Head, Scope, head_of, named
from steelyard.service.answers.tables import greeks_of
from steelyard.service.answers.unit_positions import positions_of
from steelyard.service.answers.units import unit_of
from steelyard.terms.stated import Position, parse_contract


class PositionsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_positions; currency: of the contracts, all if left out or "any"."""

    currency: str | None = None
    kind: Kind | None = None
    account: str | None = None


class PositionView(Head, frozen=True, kw_only=True):
    """A position. size: signed, in size_unit: the underlying, of an inverse contract USD. size_currency: of a
    future, in units of the underlying, as the venue has it; of an inverse one at its mark, null without one.

    Prices in USD; Greeks of the whole position. floating_profit_loss: as stated, or in USD size·(mark −
    average price), of an inverse contract size·(mark / average price − 1); null where neither is known. currency: what the account's method counts in.
    """

    instrument_name: str
    kind: Kind
    direction: Literal["buy", "sell", "zero"]
    size: float
    size_unit: str
    size_currency: float | None
    average_price: float | None
    mark_price: float | None
    index_price: float | None
    floating_profit_loss: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    settlement_currency: str | None = None


def get_positions(params: PositionsParams, context: Context) -> list[PositionView]:
    """Return the positions of an account in their order. Errors: ANSW-E02, ANSW-E03, STAT-E02.

    Of an engine they are those of the margin unit that is named, under the engine's own names (`unit_positions`); of
    all units of the key's account where none is named.
    """
    scope = unit_of(context, params.account, None, None)
    if scope is not None:
        is_whole = params.account is None
        names = scope.units.names_of(scope.name) if is_whole else (scope.name,)
        fields = positions_of(scope, names, params.currency, params.kind)
        return [PositionView(**each) for each in fields]
    name_only = None if params.currency in (None, "any") else params.currency
    name = named(context, params.account)
    account, document = context.desk.account(name), context.desk.method_of(name)
    head = head_of(context, Scope(name, document, account, document.currency, "", False))
    chosen: list[tuple[Position[float], str, Kind]] = []
    for position in account.positions:
        contract = parse_contract(position.instrument)
        kind: Kind = "option" if contract.kind == "option" else "future"
        if name_only in (None, contract.underlying) and params.kind in (None, kind):
            chosen.append((position, contract.underlying, kind))
    market = context.desk.market()
    instruments = Instruments(market, [position.instrument for position, _, _ in chosen], ())
    units, marks = greeks_of(instruments, 1.0).tolist(), marks_of(instruments).tolist()
    found = []
    for position, underlying, kind in chosen:
        row = instruments.place[position.instrument]
        index = instruments.columns["index"][row]
        own = underlying if head["currency"] == "underlying" else head["currency"]
        found.append(
            _view(
                position,
                underlying,
                kind,
                units[row],
                (marks[row], index),
                head | {"currency": own},
            )
        )
    return found


def in_coins(size: float, mark: float | None, *, is_of_usd: bool) -> float | None:
    """Return a size in units of the underlying, of USD at the mark.

    >>> in_coins(-50_000.0, 100_000.0, is_of_usd=True), in_coins(2.0, None, is_of_usd=False)
    (-0.5, 2.0)
    """
    if not is_of_usd:
        return size
    return None if mark is None or not mark > 0.0 else size / mark


def _view(
    position: Position[float], underlying: str, kind: Kind, unit: list[float],
    prices: tuple[float, float], head: dict[str, Any],
) -> PositionView:  # fmt: skip
    size = float(position.quantity)
    mark, index = finite(prices[0]), finite(prices[1])
    delta, _, gamma, vega, theta = (finite(size * each) for each in unit)
    if position.delta is not None:
        delta = size * position.delta
    gain, entry = position.unrealised_pnl, position.entry_price
    is_inverse, is_option = position.contract == "inverse", kind == "option"
    if is_inverse and not is_option:  # a contract is a dollar of the coin
        delta = None if mark is None or not mark > 0.0 else size / mark
    is_entered = entry is not None and (entry > 0.0 or not is_inverse)
    if gain is None and not is_option and is_entered and mark is not None:
        assert entry is not None
        gain = finite(size * (mark / entry - 1.0) if is_inverse else size * (mark - entry))
    return PositionView(
        **head,
        instrument_name=position.instrument,
        kind=kind,
        direction="buy" if size > 0.0 else "sell" if size < 0.0 else "zero",
        size=size,
        size_unit="USD" if is_inverse and not is_option else underlying,
        size_currency=in_coins(size, mark, is_of_usd=is_inverse) if kind == "future" else None,
        average_price=entry,
        mark_price=mark,
        index_price=index,
        floating_profit_loss=gain,
        delta=delta,
        gamma=gamma if is_option else None,
        vega=vega if is_option else None,
        theta=theta if is_option else None,
    )
