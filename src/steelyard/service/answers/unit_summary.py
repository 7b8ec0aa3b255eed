"""A margin unit as it stands, and with simulated positions: the engine's numbers in the venue's fields.

    equity                             cash and collateral at mark, profit of perpetuals, marks of options
    margin_balance                     the maintenance balance: equity less the haircuts of that level
    initial_margin, maintenance_margin the two requirements, resting orders in the first
    available_funds                    the initial balance less its requirement
    projected_…                        the same without the options of the next expiry

Amounts are USDC, as numbers; `unit` has them as whole micro-USDC.
"""

from __future__ import annotations

from msgspec.structs import replace

from steelyard.engine.critical import critical_prices_of
from steelyard.engine.trial import Trial
from steelyard.service.answers.desk import Context
from steelyard.service.answers.portfolio import (
    Portfolio,
    SimulateParams,
    SummaryParams,
    maps_of,
    nearest_liquidations,
)
from steelyard.service.answers.scope import ratio_of
from steelyard.service.answers.unit_greeks import sums_of_unit
from steelyard.service.answers.units import UnitScope, dollars, simulated, unit_view


def unit_account_summary(params: SummaryParams, context: Context, scope: UnitScope) -> Portfolio:
    """Return what a unit needs as it stands."""
    del params, context
    return portfolio_of(scope, scope.units.trial(scope.name))


def unit_simulate(params: SimulateParams, context: Context, scope: UnitScope) -> Portfolio:
    """Return what a unit needs with simulated positions. Errors: those of `simulated`."""
    del context
    trial = simulated(scope, params.simulated_positions, is_added=params.add_positions)
    return portfolio_of(scope, trial)


def unit_estimate_liquidation(
    params: SimulateParams, context: Context, scope: UnitScope
) -> Portfolio:
    """Return the same with the nearest liquidation prices, found on the engine's integers."""
    del context
    trial = simulated(scope, params.simulated_positions, is_added=params.add_positions)
    found = portfolio_of(scope, trial)
    ratios, directions = nearest_liquidations(critical_prices_of(trial))
    return replace(
        found,
        estimated_liquidation_ratio=next(iter(ratios.values())) if len(ratios) == 1 else None,
        estimated_liquidation_ratio_map=ratios,
        estimated_liquidation_direction_map=directions,
    )


def portfolio_of(scope: UnitScope, trial: Trial) -> Portfolio:
    """Return a unit as it is tried."""
    numbers = trial.numbers()
    next_expiry = _next_expiry(trial)
    later = numbers
    if next_expiry:
        rest = trial.copy()
        rest.leave_out_slots(next_expiry)
        later = rest.numbers()
    sums = maps_of(sums_of_unit(trial, scope.units.greeks(), next_expiry))
    balance, keep = dollars(numbers.maintenance_balance), dollars(numbers.maintenance_requirement)
    return Portfolio(
        **scope.head,
        **sums,
        balance=trial.balances[0] / 10 ** trial.market.assets[0].exponent,
        equity=dollars(numbers.equity),
        margin_balance=balance,
        available_funds=dollars(numbers.free),
        initial_margin=dollars(numbers.initial_requirement),
        maintenance_margin=keep,
        projected_initial_margin=dollars(later.initial_requirement),
        projected_maintenance_margin=dollars(later.maintenance_requirement),
        margin_model=f"{scope.head['method']}/{trial.mode}",
        portfolio_margining_enabled=trial.mode == "portfolio",
        margin_ratio=ratio_of(balance, keep),
        unit=unit_view(scope, trial, numbers),
    )


def _next_expiry(trial: Trial) -> list[int]:
    """Return the options held that expire first."""
    market = trial.market
    ends = {
        slot: market.instruments[slot].expiry_us
        for slot in trial.positions
        if market.instruments[slot].is_option
    }
    first = min(ends.values(), default=0)
    return [slot for slot, end in ends.items() if end == first]
