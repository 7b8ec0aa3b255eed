"""The two requirements of a margin unit by part and by leg, in whole micro-USDC that sum exactly.

A part is one that the engine names (scenario, short_option_minimum, tier, liquidation_cost, oracle_age,
order_margin), of one underlying; its leaves are what each position, and a coin balance, has in it:

    scenario               the loss of the leg in the worst cell; a hedge has a negative share
    short_option_minimum   the notional of a short option
    tier                   the rate of an option, the leg's share of the tiered notional
    liquidation_cost       fee, half spread and impact of closing the leg
    oracle_age             its notional, at the ages of index and volatilities
    order_margin           of the resting orders together

Leaves are rounded by largest remainder to their part, as the parts are to the requirement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from steelyard.engine.trial import Trial
from steelyard.margin import AccountRisk, Part
from steelyard.margin.twin import close_cost_twin, position_rates_twin
from steelyard.quantities import PPM, largest_remainder
from steelyard.service.answers.units import exact
from steelyard.service.answers.wire import BranchView, LeafView

ORDERS = "resting orders"


class Leg(NamedTuple):
    """A position, or a coin balance (slot −1), with what it brings to a requirement."""

    name: str
    slot: int
    lots: int
    cost: int


class Share(NamedTuple):
    """What a leg has in a part at each level, in any unit common to the part's legs."""

    initial: float
    maintenance: float


def branches_of(trial: Trial, risk: AccountRisk) -> tuple[BranchView, ...]:
    """Return the parts of both requirements, each with its leaves, in the engine's order."""
    keys: dict[tuple[str, str], list[int]] = {}
    for level, parts in enumerate((risk.initial_parts, risk.maintenance_parts)):
        for part in parts:
            keys.setdefault((part.name, part.scope), [0, 0])[level] += part.amount
    names = list(dict.fromkeys(name for name, _ in keys))
    return tuple(_branch(trial, risk, name, keys) for name in names)


def _branch(
    trial: Trial, risk: AccountRisk, name: str, keys: dict[tuple[str, str], list[int]]
) -> BranchView:
    totals = [0, 0]
    leaves: list[LeafView] = []
    for (each, scope), amounts in keys.items():
        if each == name:
            leaves += leaves_of(trial, risk, Part(name, scope, 0), (amounts[0], amounts[1]))
            totals = [a + b for a, b in zip(totals, amounts, strict=True)]
    return BranchView(name, exact(totals[0]), exact(totals[1]), tuple(leaves))


def leaves_of(
    trial: Trial, risk: AccountRisk, part: Part, totals: tuple[int, int]
) -> list[LeafView]:
    """Return what each leg has in one part of one underlying; part.amount plays no part."""
    if part.name == "order_margin":
        return [LeafView(ORDERS, "", exact(totals[0]), exact(totals[1]))]
    slot = trial.market.asset_slots[part.scope]
    shares = [(leg, _SHARES[part.name](trial, risk, slot, leg)) for leg in legs_of(trial, slot)]
    told = [(leg, share) for leg, share in shares if share.initial or share.maintenance]
    if not told:
        return [LeafView(part.name, part.scope, exact(totals[0]), exact(totals[1]))]
    initial = _split([share.initial for _, share in told], totals[0])
    keep = _split([share.maintenance for _, share in told], totals[1])
    return [
        LeafView(leg.name, part.scope, exact(a), exact(b))
        for (leg, _), a, b in zip(told, initial, keep, strict=True)
    ]


def legs_of(trial: Trial, slot: int) -> list[Leg]:
    """Return the positions of an underlying in the book's order, and its coin balance."""
    market = trial.market
    legs = [
        Leg(market.instruments[at].name, at, *trial.positions[at])
        for at in sorted(trial.positions)
        if int(market.underlying_of[at]) == slot
    ]
    if trial.balances[slot]:
        legs.append(Leg(f"{market.assets[slot].name} balance", -1, trial.balances[slot], 0))
    return legs


def _split(shares: list[float], total: int) -> list[int]:
    """Return whole amounts in proportion to shares, which sum to the total.

    >>> _split([3.0, -1.0], 10)
    [15, -5]
    """
    whole = 0.0
    for each in shares:
        whole += each
    if not abs(whole) > 0.0:
        return largest_remainder([1.0] * len(shares), total) if total else [0] * len(shares)
    return largest_remainder([each / whole * total for each in shares], total)


def _scenario(trial: Trial, risk: AccountRisk, slot: int, leg: Leg) -> Share:
    at = risk.worst_scenarios.get(trial.market.assets[slot].name, 0)
    columns = trial.columns
    spot = float(columns.spot_table[slot, at])
    if leg.slot < 0:
        gain = leg.lots / 10 ** trial.market.assets[slot].exponent * spot
    elif trial.market.instruments[leg.slot].contract_usd:
        gain = -float(leg.cost) * float(columns.coins_per_fine[leg.slot]) * spot
    else:
        gain = float(columns.table[leg.slot, at]) * leg.lots
    return Share(-gain, -gain)


def _minimum(trial: Trial, risk: AccountRisk, slot: int, leg: Leg) -> Share:
    del risk, slot
    if leg.slot < 0 or leg.lots > 0 or not trial.market.instruments[leg.slot].is_option:
        return Share(0.0, 0.0)
    amount = -leg.lots * float(trial.columns.notional[leg.slot])
    return Share(amount, amount)


def _tier(trial: Trial, risk: AccountRisk, slot: int, leg: Leg) -> Share:
    del risk
    if leg.slot < 0:
        return Share(0.0, 0.0)
    keep, opens = position_rates_twin(leg.lots, leg.slot, slot, trial.columns)
    return Share(opens, keep)


def _closing(trial: Trial, risk: AccountRisk, slot: int, leg: Leg) -> Share:
    del risk, slot
    if leg.slot < 0:
        return Share(0.0, 0.0)
    amount = close_cost_twin(abs(float(leg.lots)), leg.slot, trial.columns)
    return Share(amount, amount)


def _age(trial: Trial, risk: AccountRisk, slot: int, leg: Leg) -> Share:
    del risk
    market = trial.market
    age = float(market.age_ppm[slot]) / PPM
    if leg.slot < 0:
        coins = leg.lots / 10 ** market.assets[slot].exponent
        return Share(max(0.0, coins * market.index_price(slot)) * age, 0.0)
    if market.instruments[leg.slot].is_option:
        age += float(market.implied_age_ppm[slot]) / PPM
    return Share(abs(leg.lots) * float(trial.columns.notional[leg.slot]) * age, 0.0)


_SHARES: dict[str, Callable[[Trial, AccountRisk, int, Leg], Share]] = {
    "scenario": _scenario,
    "short_option_minimum": _minimum,
    "tier": _tier,
    "liquidation_cost": _closing,
    "oracle_age": _age,
}
