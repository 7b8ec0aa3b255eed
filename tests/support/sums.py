"""Money sums to zero and the fund is not negative, after every event of every test that asks."""

from __future__ import annotations

from steelyard.actions.outcomes import Outcome
from steelyard.book import BAD_DEBT, INSURANCE_FUND
from steelyard.engine import Engine
from steelyard.ticks import Event


def check_after_every_event(patch: object) -> None:
    """Let every engine check its sums after each event it applies."""
    apply = Engine.apply

    def apply_and_check(engine: Engine, event: Event) -> list[Outcome]:
        outcomes = apply(engine, event)
        engine.check_sums()
        assert min(engine.ledger.balances[INSURANCE_FUND]) >= 0
        assert max(engine.ledger.balances[BAD_DEBT]) <= 0
        return outcomes

    patch.setattr(Engine, "apply", apply_and_check)  # type: ignore[attr-defined]
