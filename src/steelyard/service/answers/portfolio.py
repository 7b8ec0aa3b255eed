"""What a portfolio needs: `private/simulate_portfolio`, `private/get_account_summary`, and ours,
`private/estimate_liquidation`.

Field names and number habit are those of the published API of Deribit (docs.deribit.com, "Account
Management"), so that its clients parse the answer: amounts are JSON numbers in `currency`, null where a
method does not state one. Ours beside them: method, version, hash, as_of_seq, margin_ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

import msgspec
from msgspec.structs import replace

from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.prices import CriticalPrices, critical_prices
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.after import (
    Sizes,
    case_after,
    first_unpriced,
    without_next_expiry,
)
from steelyard.service.answers.desk import Context
from steelyard.service.answers.rows import Levels, Sums, levels_of
from steelyard.service.answers.scope import (
    Head,
    Scope,
    case_of,
    head_of,
    ratio_of,
    scope_of,
    within_numbers,
)
from steelyard.service.answers.sizes import Simulated, sizes_of
from steelyard.service.answers.tables import GREEKS, counting, greeks_of
from steelyard.service.answers.units import UnitView
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Market, parse_contract

BELOW_ONE = "liquidatable below 1"
Amounts = dict[str, float | None]


class SimulateParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/simulate_portfolio.

    currency: of the ledger, where the method keeps one for each coin, else of the account. add_positions:
    whether the simulated positions join those held, or stand alone beside the account's balances.
    simulated_positions: signed quantities in units of the underlying, an object, pairs, or the object as
    JSON text. They are traded at the mark, so equity stays as it is. account, method, version: ours; the
    key's only account and the account's own method if left out.
    """

    currency: str | None = None
    add_positions: bool = True
    simulated_positions: Simulated | None = None
    account: str | None = None
    method: str | None = None
    version: str | None = None


class SummaryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_account_summary: those of a simulation without trades.

    extended is taken and changes nothing: there is no personal data to leave out.
    """

    currency: str | None = None
    extended: bool = False
    account: str | None = None
    method: str | None = None
    version: str | None = None


class Portfolio(Head, frozen=True, kw_only=True):
    """A portfolio's numbers. Requirements are positive; equity less initial_margin is available_funds.

    margin_balance: what the requirements are held against (the methods put haircuts into the requirement,
    so it is equity). projected_*: without the positions of the next expiry. Sums over underlyings of
    delta and gamma are null where there are several: see the maps, by index name. margin_ratio:
    margin_balance / maintenance_margin, null without a requirement, liquidatable below 1.
    estimated_liquidation_ratio: the nearest liquidation price / the present price of the only underlying,
    null where there is none; by index name in the map, and there the direction in which it lies: falling
    (below the present price) or rising. It takes a thousand times as long as all the rest, so it stands in
    the answer of private/estimate_liquidation alone and is null in the others. unit: where the engine itself
    answers, what it decides by; margin_balance is its maintenance balance then, and available_funds the
    initial one less its requirement, haircuts standing in the balances.
    """

    balance: float
    equity: float | None
    margin_balance: float | None
    available_funds: float | None
    initial_margin: float | None
    maintenance_margin: float | None
    projected_initial_margin: float | None
    projected_maintenance_margin: float | None
    delta_total: float | None
    projected_delta_total: float | None
    options_delta: float | None
    options_gamma: float | None
    options_vega: float | None
    options_theta: float | None
    delta_total_map: Amounts
    options_delta_map: Amounts
    options_gamma_map: Amounts
    options_vega_map: Amounts
    options_theta_map: Amounts
    margin_model: str
    portfolio_margining_enabled: bool
    margin_ratio: float | None
    margin_ratio_direction: str = BELOW_ONE
    estimated_liquidation_ratio: float | None = None
    estimated_liquidation_ratio_map: Amounts = msgspec.field(default_factory=dict)
    estimated_liquidation_direction_map: dict[str, str] = msgspec.field(default_factory=dict)
    unit: UnitView | None = None


def simulate_portfolio(params: SimulateParams, context: Context) -> Portfolio:
    """Return what a portfolio with simulated positions needs.

    The numbers are those of `margin_of` for the case of `simulation_of`, bit for bit. Errors: its own,
    ANSW-E01 to ANSW-E06.
    """
    sizes = sizes_of(params.simulated_positions)
    return _portfolio(context, _scope(params, context), sizes)


def get_account_summary(params: SummaryParams, context: Context) -> Portfolio:
    """Return what the account needs as it stands. Errors: those of `simulate_portfolio`."""
    scope = scope_of(context, params.account, params.currency, params.method, params.version)
    return _portfolio(context, scope, ())


def estimate_liquidation(params: SimulateParams, context: Context) -> Portfolio:
    """Return the same with the liquidation ratios looked for, at present prices of everything else.

    Errors: those of `simulate_portfolio` and of `critical_prices`.
    """
    scope, case = simulation_of(params, context)
    found = _portfolio(context, scope, sizes_of(params.simulated_positions))
    with within_numbers(scope):
        ratios, directions = nearest_liquidations(critical_prices(case, scope.document))
    return replace(
        found,
        estimated_liquidation_ratio=next(iter(ratios.values())) if len(ratios) == 1 else None,
        estimated_liquidation_ratio_map=ratios,
        estimated_liquidation_direction_map=directions,
    )


def simulation_of(params: SimulateParams, context: Context) -> tuple[Scope, Case[Any]]:
    """Return the case, and its scope, that a simulation's numbers are those of `margin_of` for."""
    sizes = sizes_of(params.simulated_positions)
    scope = _scope(params, context)
    return scope, _case(context, scope, sizes)


def _scope(params: SimulateParams, context: Context) -> Scope:
    scope = scope_of(context, params.account, params.currency, params.method, params.version)
    if params.add_positions:
        return scope
    return scope._replace(account=replace(scope.account, positions=()))


def _case(context: Context, scope: Scope, sizes: Sizes) -> Case[Any]:
    case = case_of(context, scope)
    if scope.is_ledger and sizes and not scope.account.positions:
        case = replace(case, market=context.desk.market())  # the contracts say which coin it is
    return case_after(case, scope.document, sizes, scope.cash)


def _portfolio(context: Context, scope: Scope, sizes: Sizes) -> Portfolio:
    levels = levels_of(context, scope, sizes)
    if levels is not None:
        return _result(context, scope, levels)
    with within_numbers(scope):
        levels, currency = _asked(_case(context, scope, sizes), scope, sizes)
    return _result(context, scope._replace(currency=currency), levels)


def _result(context: Context, scope: Scope, levels: Levels) -> Portfolio:
    equity, initial, keep = levels.equity, levels.initial, levels.maintenance
    return Portfolio(
        **head_of(context, scope),
        **maps_of(levels.sums),
        balance=levels.balance,
        equity=equity,
        margin_balance=equity,
        available_funds=None if equity is None or initial is None else equity - initial,
        initial_margin=initial,
        maintenance_margin=keep,
        projected_initial_margin=levels.projected_initial,
        projected_maintenance_margin=levels.projected_maintenance,
        margin_model=scope.document.name,
        portfolio_margining_enabled=scope.document.core == "scenario",
        margin_ratio=ratio_of(equity, keep),
    )


def maps_of(sums: Sums) -> dict[str, Any]:
    """Return the fields of the Greeks: by index name, and their sums where there is one underlying."""
    pairs = [_pair(name) for name in sums.underlyings]
    if len(pairs) == 1:  # as most portfolios are
        totals = [*map(_finite, sums.amounts[0])]
        maps: list[Amounts] = [{pairs[0]: each} for each in totals]
    else:
        maps = [
            dict(zip(pairs, map(_finite, column), strict=True))
            for column in zip(*sums.amounts, strict=True)
        ] or [{} for _ in GREEKS]
        totals = [*map(_total, maps)]
    is_one = len(pairs) <= 1
    return {
        "delta_total": totals[0] if is_one else None,
        "projected_delta_total": _finite(sum(sums.projected)) if is_one else None,
        "options_delta": totals[1] if is_one else None,
        "options_gamma": totals[2] if is_one else None,
        "options_vega": totals[3],
        "options_theta": totals[4],
        "delta_total_map": maps[0],
        "options_delta_map": maps[1],
        "options_gamma_map": maps[2],
        "options_vega_map": maps[3],
        "options_theta_map": maps[4],
    }


def _pair(underlying: str) -> str:
    """Return the name of an underlying's index."""
    return f"{underlying.lower()}_usd"


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def _total(amounts: Amounts) -> float | None:
    total = 0.0
    for each in amounts.values():
        if each is None:
            return None
        total += each
    return total


# Asking for the case


def _asked(case: Case[Any], scope: Scope, sizes: Sizes) -> tuple[Levels, str]:
    """Return the numbers of a case, asked of its method, and their currency."""
    document = scope.document
    answer = margin_of(case, document)
    unpriced = first_unpriced(case.market, document, sizes)
    if unpriced is not None:
        raise unpriced
    projected: tuple[float | None, float | None] = (None, None)
    later = without_next_expiry(case.account, case.market)
    if later is case.account:
        projected = _number(answer.initial_requirement), _number(answer.maintenance_requirement)
    else:
        try:
            rest = margin_of(replace(case, account=later), document)
            projected = _number(rest.initial_requirement), _number(rest.maintenance_requirement)
        except SteelyardError:
            pass  # what is left has no requirement of its own: null
    kept = {each.instrument for each in later.positions}
    currency = answer.currency or scope.currency
    balance = case.account.balances.get(scope.cash, 0)
    initial, keep = _number(answer.initial_requirement), _number(answer.maintenance_requirement)
    levels = Levels(
        float(balance), _number(answer.equity), initial, keep,
        *projected, sums_of(case, document, kept),
    )  # fmt: skip
    return levels, currency


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def sums_of(case: Case[Any], document: MethodDocument, kept: set[str]) -> Sums:
    """Return the Greeks of a case's positions by underlying; kept: those behind the next expiry."""
    positions = sorted(
        case.account.positions, key=lambda each: parse_contract(each.instrument).underlying
    )
    market = _in_floats(case.market)
    names = [each.instrument for each in positions]
    instruments = Instruments(market, names, ())
    greeks = greeks_of(instruments, counting(document).multiplier)
    amounts: dict[str, list[float]] = {}
    later: dict[str, float] = {}
    order = {name: i for i, name in enumerate(instruments.names)}
    for position in sorted(positions, key=lambda each: order[each.instrument]):
        row = order[position.instrument]
        underlying = instruments.underlying_of[row]
        units = [float(position.quantity) * each for each in greeks[row].tolist()]
        if position.delta is not None:
            units[0] = float(position.quantity) * position.delta
            units[1] = units[0] if instruments.columns["is_option"][row] else 0.0
        if position.contract == "inverse":
            units[0] = units[0] / _price(instruments, row)  # a contract is a USD of it
        total = amounts.setdefault(underlying, [0.0] * len(GREEKS))
        for k, unit in enumerate(units):
            total[k] += unit
        is_kept = position.instrument in kept
        later[underlying] = later.get(underlying, 0.0) + (units[0] if is_kept else 0.0)
    return Sums([*amounts], [*amounts.values()], [*later.values()])


def _price(instruments: Instruments, row: int) -> float:
    columns = instruments.columns
    for name in ("forward_price", "perpetual_mark", "index"):
        if columns[name][row] > 0.0:
            return float(columns[name][row])
    return float("nan")


def _in_floats(market: Market[Any]) -> Market[float]:
    return market_in(market, float)


def nearest_liquidations(found: Iterable[CriticalPrices]) -> tuple[Amounts, dict[str, str]]:
    """Return, by index name, the nearest liquidation price over the present one, and where it lies."""
    ratios: Amounts = {}
    directions: dict[str, str] = {}
    for each in found:
        if each.reference is None or each.instrument:
            continue
        pair = _pair(each.underlying)
        sides: Sequence[tuple[Any, str]] = [
            (price, name)
            for price, name in (
                (each.liquidation_below, "falling"), (each.liquidation_above, "rising")
            )
            if price is not None
        ]  # fmt: skip
        ratios[pair] = None
        if sides:
            reference = each.reference
            price, name = min(sides, key=lambda side: abs(side[0] - reference))
            ratios[pair], directions[pair] = float(price / reference), name
    return ratios, directions
