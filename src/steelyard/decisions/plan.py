"""From a unit's state to its instructions: what to close, and how much of it.

Partial reduction closes a share of all positions in the underlying that needs the most maintenance
margin; the share is what brings the margin ratio to the target, at most one step of the method. A
whole underlying is scaled, hedges included, so that a reduction cannot unbalance a hedged book.
"""

from __future__ import annotations

from collections.abc import Sequence

from steelyard.decisions.instructions import CancelOrders, Instruction, Liquidate, Reduce
from steelyard.decisions.states import State
from steelyard.quantities import PPM, ceil_div
from steelyard.terms.method import Liquidation

Position = tuple[int, int, int]
"""(instrument slot, signed lots, underlying slot)."""


def plan_unit(
    unit: str,
    state: State,
    has_orders: bool,
    is_due: bool,
    shortfall: int,
    positions: Sequence[Position],
    maintenance_by_underlying: dict[int, int],
    cost_by_underlying: dict[int, int],
    closable: Sequence[bool],
    rules: Liquidation,
) -> list[Instruction]:
    """Return the instructions for one unit.

    shortfall: target ratio × maintenance requirement − maintenance balance, micro-USDC; the two
    tables hold what each underlying requires and what closing it whole would cost; closable says,
    per instrument slot, that neither its asset is protected nor its mark missing; is_due: the pause
    since the unit's last reduction is over. Nothing is reduced without a shortfall: a state lasts a
    little longer than its cause (hysteresis).
    """
    plan: list[Instruction] = []
    if state >= State.ORDERS_CANCELLED and has_orders:
        plan.append(CancelOrders(unit))
    if not is_due:
        return plan
    if state is State.FULL_LIQUIDATION:
        plan.append(Liquidate(unit))
    elif state is State.PARTIAL_REDUCTION and shortfall > 0:
        plan.extend(
            _reductions(
                unit, shortfall, positions, maintenance_by_underlying, cost_by_underlying,
                closable, rules,
            )
        )  # fmt: skip
    return plan


def reduction_share_ppm(
    shortfall: int, maintenance: int, cost: int, target_ratio_ppm: int, step_ppm: int
) -> int:
    """Return the share of an underlying to close, in ppm.

    Closing a share f frees f·target·maintenance of what the balance must be and spends f·cost of
    the balance, so f = shortfall / (target·maintenance − cost), at most one step; a full step where
    closing frees less than it costs.

    >>> reduction_share_ppm(11, 100, 10, 1_100_000, 250_000)
    110000
    """
    frees = maintenance * target_ratio_ppm // PPM - cost
    if frees <= 0:
        return step_ppm
    return min(step_ppm, max(1, ceil_div(shortfall * PPM, frees)))


def _reductions(
    unit: str,
    shortfall: int,
    positions: Sequence[Position],
    maintenance_by_underlying: dict[int, int],
    cost_by_underlying: dict[int, int],
    closable: Sequence[bool],
    rules: Liquidation,
) -> list[Instruction]:
    candidates = sorted(
        (
            (-maintenance, underlying)
            for underlying, maintenance in maintenance_by_underlying.items()
            if any(u == underlying and closable[i] for i, _, u in positions)
        ),
    )
    if not candidates:
        return []
    underlying = candidates[0][1]
    share = reduction_share_ppm(
        shortfall,
        maintenance_by_underlying[underlying],
        cost_by_underlying.get(underlying, 0),
        rules.target_ratio_ppm,
        rules.step_ppm,
    )
    return [
        Reduce(unit, i, min(abs(lots), ceil_div(abs(lots) * share, PPM)))
        for i, lots, u in positions
        if u == underlying and closable[i]
    ]
