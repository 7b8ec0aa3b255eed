"""AccountRisk: what a margin unit has, what it must hold, and why."""

from __future__ import annotations

import msgspec
import numpy as np

MONEY_MAX = 10**18
"""Micro-USDC at which equity saturates: a trillion dollars; beyond it nothing is told apart."""

REQUIREMENT_MAX = 4 * 10**18
"""Micro-USDC at which a requirement saturates, above any balance, so that it is never met."""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A named share of a requirement. scope: underlying or asset it comes from, or empty.

    Units: micro-USDC (10^-6), integers; the parts of one requirement sum to it exactly.
    """

    name: str
    scope: str
    amount: int


class AccountRisk(msgspec.Struct, frozen=True):
    """The risk of one margin unit, all amounts in micro-USDC.

    equity: collateral at mark, no haircut, plus unrealised P&L and option marks.
    initial_balance, maintenance_balance: equity less the haircuts of that level.
    initial_requirement, maintenance_requirement: what those balances must be at least.
    buffer: maintenance_balance − maintenance_requirement, signed.
    certain_buffer: the buffer with every protected asset seen at its kindest; a unit is liquidated
    only when even this is negative.
    """

    unit: str
    mode: str
    equity: int
    initial_balance: int
    maintenance_balance: int
    initial_requirement: int
    maintenance_requirement: int
    certain_buffer: int
    equity_parts: list[Part]
    haircut_initial_parts: list[Part]
    haircut_maintenance_parts: list[Part]
    initial_parts: list[Part]
    maintenance_parts: list[Part]
    worst_scenarios: dict[str, int]

    @property
    def buffer(self) -> int:
        """Return the signed distance from the maintenance requirement."""
        return self.maintenance_balance - self.maintenance_requirement


class RiskColumns:
    """Results of one pass over a book, one int64 entry a unit, in micro-USDC (see AccountRisk)."""

    NAMES = (
        "equity",
        "initial_balance",
        "maintenance_balance",
        "initial_requirement",
        "maintenance_requirement",
        "certain_buffer",
    )

    def __init__(self, units: int) -> None:
        self.equity = np.zeros(units, np.int64)
        self.initial_balance = np.zeros(units, np.int64)
        self.maintenance_balance = np.zeros(units, np.int64)
        self.initial_requirement = np.zeros(units, np.int64)
        self.maintenance_requirement = np.zeros(units, np.int64)
        self.certain_buffer = np.zeros(units, np.int64)

    def fit(self, units: int) -> None:
        """Make room for `units` rows; values are rewritten by the next pass."""
        if len(self.equity) < units:
            self.__init__(max(units, 2 * len(self.equity)))  # type: ignore[misc]
