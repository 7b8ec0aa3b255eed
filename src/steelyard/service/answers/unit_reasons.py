"""Why the engine asks a margin unit for what it does, how to mend it, where it ends, and beside the library.

Amounts are exact decimals of USDC, strings on the wire: whole micro-USDC, which the engine decides by.
"""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

import msgspec

from steelyard.engine.critical import critical_prices_of
from steelyard.engine.curing import cures_of_unit
from steelyard.engine.trial import Trial
from steelyard.margin.methods.explanation import OneMore, ScenarioLine
from steelyard.publish.explain import explain_risk
from steelyard.quantities import PPM
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import cannot, too_many, wrong
from steelyard.service.answers.reasons import (
    REACH_MAX,
    Compared,
    CompareParams,
    Comparison,
    Critical,
    CriticalParams,
    Cured,
    CureParams,
    Explained,
    ExplainParams,
    UnitReasons,
    compare,
    tick_of,
)
from steelyard.service.answers.scope import ratio_of
from steelyard.service.answers.unit_parts import branches_of
from steelyard.service.answers.units import UnitScope, dollars, exact, unit_view
from steelyard.service.answers.wire import CriticalView, CuresView, wired

ENGINE = "engine"
TRADABLE_MAX = 100
SCENARIOS_TOLD = 3
WANTED_MAX = 1_000.0


def unit_explain(params: ExplainParams, context: Context, scope: UnitScope) -> Explained:
    """Return both requirements part by part, the worst cells, and the engine's tree of equity and haircuts.

    Errors: ANSW-E06 where strategies are asked for.
    """
    del context
    if params.names_strategies:
        raise cannot(
            "strategies are named by methods of the library", "the engine names legs",
            "name a method, such as deribit-pm", "names_strategies",
        )  # fmt: skip
    trial = scope.units.trial(scope.name)
    risk = trial.risk()
    return Explained(
        **scope.head,
        equity=dollars(risk.equity),
        initial_margin=exact(risk.initial_requirement),
        maintenance_margin=exact(risk.maintenance_requirement),
        parts=branches_of(trial, risk),
        scenarios=_scenarios(trial),
        one_more=_one_more(trial),
        strategies=None,
        strategies_missing="",
        unit=UnitReasons(
            unit_view(scope, trial, trial.numbers()), tuple(explain_risk(risk, trial.method))
        ),
    )


def _scenarios(trial: Trial) -> tuple[ScenarioLine, ...]:
    """Return the worst cells of each underlying, the worst first; it binds in portfolio mode."""
    found = []
    for slot, row in trial.scenario_profits().items():
        name = trial.market.assets[slot].name
        range_ppm = trial.method.underlying_rules(name).range_ppm
        values = row[: trial.grid.used].tolist()
        worst = sorted(range(len(values)), key=lambda at: (values[at], at))[:SCENARIOS_TOLD]
        for rank, at in enumerate(worst):
            if values[at] < 0.0:
                binds = rank == 0 and trial.mode == "portfolio"
                words = trial.grid.describe(at, range_ppm)
                found.append(ScenarioLine(name, at + 1, words, values[at], binds))
    return tuple(found)


def _one_more(trial: Trial) -> tuple[OneMore, ...]:
    """Return what a lot more of each leg, bought and sold at its mark, adds to the two requirements."""
    now = trial.numbers()
    found = []
    for slot in sorted(trial.positions):
        terms = trial.market.instruments[slot]
        adds: list[float] = []
        for lots in (1, -1):
            after = trial.copy()
            try:
                after.trade(terms.name, lots)
            except SteelyardError:  # at its limit, or without a mark: there is no such lot
                break
            then = after.numbers()
            adds.append(dollars(then.initial_requirement - now.initial_requirement))
            adds.append(dollars(then.maintenance_requirement - now.maintenance_requirement))
        if len(adds) == 4:
            found.append(OneMore(terms.name, *adds))
    return tuple(found)


def unit_cure(params: CureParams, context: Context, scope: UnitScope) -> Cured:
    """Return the least deposit, smaller book and single trades that bring a unit back; each was tried.

    What trades cost: the engine's own fee of a fill, and the stated fractions of the notional beside it.
    Errors: ANSW-E01, ANSW-E05, ANSW-E06, UNIT-E01.
    """
    del context
    wanted, cost = params.wanted, params.taker_fee + params.half_spread
    if not 0.0 < wanted <= WANTED_MAX:
        raise wrong(
            f"wanted is {wanted}", f"it is above 0 and at most {WANTED_MAX:g}", "give for example 1.1",
            "wanted",
        )  # fmt: skip
    if not (isfinite(cost) and min(params.taker_fee, params.half_spread) >= 0.0 and cost < 1.0):
        raise wrong(
            f"trading costs {cost} of a notional", "fractions from 0 to 1", "give for example 0.0005",
            "taker_fee",
        )  # fmt: skip
    if params.volatility_half_spread:
        raise cannot(
            "the engine counts no spread of volatilities", "a trade costs its fee and a share of its notional",
            "leave volatility_half_spread out, or name a method", "volatility_half_spread",
        )  # fmt: skip
    tradable = params.tradable
    if tradable is not None and len(tradable) > TRADABLE_MAX:
        raise too_many(len(tradable), TRADABLE_MAX)
    trial = scope.units.trial(scope.name, tradable or ())
    found = cures_of_unit(
        trial, level=params.level, wanted=wanted, tradable=tradable,
        cost_ppm=-int(-Fraction(cost) * PPM // 1),
    )  # fmt: skip
    return Cured(**scope.head, cures=wired(found, CuresView))


def unit_critical(params: CriticalParams, context: Context, scope: UnitScope) -> Critical:
    """Return the prices at which a unit is liquidated and bankrupt, exactly, in steps of the index's unit.

    tick: a whole multiple of that unit. Errors: ANSW-E05.
    """
    del context
    if not 1.0 < params.reach <= REACH_MAX:
        raise wrong(
            f"reach is {params.reach}", f"it is above 1 and at most {REACH_MAX:g}", "give for example 10",
            "reach",
        )  # fmt: skip
    trial = scope.units.trial(scope.name)
    tick, steps = tick_of(params.tick), {}
    for asset in trial.market.assets[1:]:
        if tick is not None:
            try:
                step = tick.scaleb(asset.price_exponent)
                is_whole = step.is_finite() and 1 <= step <= 2**62 and step == int(step)
            except ArithmeticError:
                is_whole = False
            if is_whole:
                steps[asset.name] = int(step)
            elif _is_open_to(trial, asset.name):
                unit = 10**-asset.price_exponent
                raise wrong(
                    f"the tick is {params.tick}", f"prices of {asset.name} are whole steps of {unit:g}",
                    "give a multiple of it, or leave it out", "tick",
                )  # fmt: skip
    found = critical_prices_of(trial, steps=steps, reach=params.reach)
    return Critical(**scope.head, prices=tuple(wired(each, CriticalView) for each in found))


def _is_open_to(trial: Trial, name: str) -> bool:
    slot = trial.market.asset_slots[name]
    return bool(trial.balances[slot]) or any(
        int(trial.market.underlying_of[at]) == slot for at in trial.positions
    )


def unit_compare(params: CompareParams, context: Context, scope: UnitScope) -> Comparison:
    """Return the engine's own numbers as a first row, then those of the library's methods.

    The unit is stated for the library; a method that does not cover it says why in its row.
    """
    numbers = scope.units.trial(scope.name).numbers()
    balance = dollars(numbers.maintenance_balance)
    keep = dollars(numbers.maintenance_requirement)
    own = Compared(
        ENGINE, scope.head["version"], scope.head["method_hash"], scope.head["currency"],
        dollars(numbers.equity), dollars(numbers.initial_requirement), keep, ratio_of(balance, keep),
    )  # fmt: skip
    names = params.methods
    if names is not None and ENGINE in names:
        names = tuple(name for name in names if name != ENGINE)
        if not names:
            return Comparison(scope.name, scope.head["as_of_seq"], scope.head["as_of_us"], (own,))
    asked = msgspec.structs.replace(params, methods=names, account=scope.name)
    found = compare(asked, context)
    return msgspec.structs.replace(found, rows=(own, *found.rows))
