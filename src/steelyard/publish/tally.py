"""The tally of a run: how many accounts met what, and what it cost."""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.actions import (
    BadDebt,
    Closed,
    FundDraw,
    Outcome,
    ProtectionChanged,
    Settled,
    StateChanged,
)
from steelyard.decisions import State
from steelyard.terms.account import owner_of


class Tally:
    """Counts distinct accounts (owners, not margin units) and sums amounts in micro-USDC.

    margin_called: reached the margin call or passed it. reduced, liquidated: had a position closed
    in a partial reduction, in a full liquidation.
    """

    def __init__(self) -> None:
        self.margin_called: dict[str, int] = {}
        self.reduced: dict[str, int] = {}
        self.liquidated: dict[str, int] = {}
        self.bankrupt: dict[str, int] = {}
        self.closes = 0
        self.bad_debt = 0
        self.bad_debt_uncovered = 0
        self.fund_draws = 0
        self.settled = 0
        self.protected: dict[str, bool] = {}

    def count(self, outcomes: Iterable[Outcome], seq: int) -> None:
        """Add the outcomes of one event; the first seq of each account is kept."""
        for outcome in outcomes:
            if isinstance(outcome, StateChanged):
                if outcome.current >= State.MARGIN_CALL:
                    self.margin_called.setdefault(owner_of(outcome.subject), seq)
            elif isinstance(outcome, Closed):
                self.closes += 1
                of_kind = self.liquidated if outcome.is_full else self.reduced
                of_kind.setdefault(owner_of(outcome.subject), seq)
            elif isinstance(outcome, BadDebt):
                self.bankrupt.setdefault(owner_of(outcome.subject), seq)
                self.bad_debt += outcome.amount
                self.bad_debt_uncovered += outcome.uncovered
            elif isinstance(outcome, FundDraw):
                self.fund_draws += outcome.amount
            elif isinstance(outcome, Settled):
                self.settled += 1
            elif isinstance(outcome, ProtectionChanged):
                self.protected[outcome.subject] = outcome.is_protected
