"""What operators' events do, and what begins or ends by time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from steelyard.actions import (
    ControlChanged,
    GraceEnded,
    Outcome,
    OverrideChanged,
    ProposalChanged,
    execute,
)
from steelyard.decisions import CancelOrders
from steelyard.engine.apply_market import Applied
from steelyard.engine.grace import change_method
from steelyard.engine.reservations import expire_reservations
from steelyard.quantities import TermsError
from steelyard.terms.controls import Override, Proposal, Restriction, is_same_person
from steelyard.ticks import (
    Event,
    KillSwitchPulled,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
    TradingRestricted,
    TradingResumed,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


# -- time ----------------------------------------------------------------------------------------


def end_due(engine: Engine) -> list[Outcome]:
    """End what has come to its time: reservations, restrictions, holds, overrides, proposals, graces."""
    controls, now_us = engine.controls, engine.market.time_us
    outcomes = expire_reservations(engine)
    for restriction in controls.active_restrictions:
        if not restriction.holds(now_us):
            outcomes.append(_end_restriction(engine, restriction, "expired", "", ""))
        elif controls.holding.get(restriction.control, now_us + 1) <= now_us:
            del controls.holding[restriction.control]
            outcomes.append(_told(restriction, "", "liquidations go on"))
    for override in controls.open_overrides:
        if override.until_us <= now_us:
            outcomes.append(_end_override(engine, override, "expired", "", ""))
    for proposal in controls.open_proposals:
        if proposal.state == "proposed" and proposal.due_us <= now_us:
            outcomes.append(
                _end_proposal(engine, proposal, "lapsed", "", "nobody approved it in time")
            )
    for grace in controls.running_graces:
        if grace.until_us <= now_us:
            del controls.graces[grace.unit]
            outcomes.append(GraceEnded(grace.unit))
    _changed(engine)
    return outcomes


def apply_proposals(engine: Engine) -> Applied:
    """Apply approved proposals whose time has come, in order of time and id, each whole or not at all.

    One that no longer fits the method in force, or finds a parameter changed since it was proposed, is void.
    """
    outcomes: list[Outcome] = []
    moved: list[int] = []
    due = [
        p
        for p in engine.controls.open_proposals
        if p.state == "approved" and p.effective_us <= engine.market.time_us
    ]
    for proposal in sorted(due, key=lambda p: (p.effective_us, p.proposal)):
        try:
            method = engine.method.with_parameters((e.path, e.value_json) for e in proposal.changes)
            conflict = _changed_since(engine, proposal)
        except TermsError as error:
            conflict = f"{error.code}: {error.rule}"
        if conflict:
            outcomes.append(_end_proposal(engine, proposal, "voided", "", conflict))
            continue
        outcomes.append(_end_proposal(engine, proposal, "applied", "", ""))
        outcomes += change_method(engine, method)
        moved = list(range(len(engine.market.assets)))
    _changed(engine)
    return outcomes, moved


def _changed_since(engine: Engine, proposal: Proposal) -> str:
    """Return in words which parameter has another value than when it was proposed; empty for none."""
    for edit, base in zip(proposal.changes, proposal.bases, strict=True):
        if engine.method.parameter_json(edit.path) != base:
            return f"{edit.path} was changed after it was proposed"
    return ""


def _changed(engine: Engine) -> None:
    """Bring what is derived in line; let everybody be decided on anew where a hold or grace has moved."""
    controls = engine.controls
    before = controls.holds_venue, controls.held_accounts, controls.graced
    controls.refresh()
    if before != (controls.holds_venue, controls.held_accounts, controls.graced):
        engine.needs_pass = True


# -- restrictions --------------------------------------------------------------------------------


def _trading_restricted(engine: Engine, event: TradingRestricted) -> Applied:
    restriction = Restriction(
        event.control, event.kind, event.scope, event.subject, event.author, event.reason,
        event.time_us, engine.seq, event.until_us, event.liquidations_held_until_us,
    )  # fmt: skip
    return [_restrict(engine, restriction)], []


def _kill_switch_pulled(engine: Engine, event: KillSwitchPulled) -> Applied:
    restriction = Restriction(
        event.control, event.mode, "venue", "", event.author, event.reason, event.time_us,
        engine.seq, 0, event.liquidations_held_until_us,
    )  # fmt: skip
    outcomes: list[Outcome] = [_restrict(engine, restriction)]
    for unit in sorted(
        s.book.names[row] for s in engine.shards for row in s.book.orders
    ):  # tidy-ok: sorted
        outcomes += execute(engine.venue, CancelOrders(unit))
        engine.touch(unit)
    return outcomes, []


def _restrict(engine: Engine, restriction: Restriction) -> Outcome:
    engine.controls.restrictions[restriction.control] = restriction
    if restriction.liquidations_held_until_us:
        engine.controls.holding[restriction.control] = restriction.liquidations_held_until_us
    _changed(engine)
    return _told(
        restriction, restriction.author, restriction.reason, restriction.liquidations_held_until_us
    )


def _trading_resumed(engine: Engine, event: TradingResumed) -> Applied:
    restriction = engine.controls.restrictions[event.control]
    told = _end_restriction(engine, restriction, "resumed", event.author, event.reason)
    _changed(engine)
    return [told], []


def _end_restriction(
    engine: Engine, restriction: Restriction, state: str, person: str, reason: str
) -> Outcome:
    ended = msgspec.structs.replace(
        restriction, state=state, ended_us=engine.market.time_us, ended_by=person, end_reason=reason
    )
    engine.controls.end_restriction(ended)
    return _told(ended, person, reason)


def _told(restriction: Restriction, person: str, reason: str, held_until_us: int = 0) -> Outcome:
    return ControlChanged(
        restriction.subject or restriction.scope, restriction.control, restriction.kind,
        restriction.state, person, reason, restriction.until_us, held_until_us,
    )  # fmt: skip


# -- overrides -----------------------------------------------------------------------------------


def _override_proposed(engine: Engine, event: OverrideProposed) -> Applied:
    override = Override(
        event.override, event.kind, event.subject, event.author, event.reason, event.time_us,
        engine.seq, event.until_us,
    )  # fmt: skip
    engine.controls.overrides[event.override] = override
    _changed(engine)
    return [_override_told(override, event.author, event.reason)], []


def _override_approved(engine: Engine, event: OverrideApproved) -> Applied:
    controls = engine.controls
    override = msgspec.structs.replace(
        controls.overrides[event.override], state="active", approver=event.approver,
        approved_us=event.time_us,
    )  # fmt: skip
    controls.overrides[event.override] = override
    outcomes = [_override_told(override, event.approver, override.reason)]
    if override.kind == "lift_kill_switch":
        both = f"{override.author}, {override.approver}"
        lifted = controls.restrictions[override.subject]
        outcomes.append(_end_restriction(engine, lifted, "lifted", both, override.reason))
        outcomes.append(_end_override(engine, override, "done", "", ""))
    elif override.kind == "protect_asset":
        slot = engine.market.asset_slots[override.subject]
        engine.market.ordered_protection[slot] = None
        engine.market.protect(slot)
    _changed(engine)
    return outcomes, []


def _override_withdrawn(engine: Engine, event: OverrideWithdrawn) -> Applied:
    override = engine.controls.overrides[event.override]
    told = _end_override(engine, override, "withdrawn", event.author, event.reason)
    _changed(engine)
    return [told], []


def _end_override(
    engine: Engine, override: Override, state: str, person: str, reason: str
) -> Outcome:
    ended = msgspec.structs.replace(
        override, state=state, ended_us=engine.market.time_us, ended_by=person, end_reason=reason
    )
    engine.controls.end_override(ended)
    if override.kind == "protect_asset":
        slot = engine.market.asset_slots[override.subject]
        if not engine.controls.overriding("protect_asset", override.subject, engine.market.time_us):
            engine.market.ordered_protection.pop(slot, None)
        engine.market.protect(slot)
    return _override_told(ended, person, reason)


def _override_told(override: Override, person: str, reason: str) -> Outcome:
    return OverrideChanged(
        override.subject, override.override, override.kind, override.state, person, reason,
        override.until_us,
    )  # fmt: skip


# -- proposals -----------------------------------------------------------------------------------


def _parameter_proposed(engine: Engine, event: ParameterProposed) -> Applied:
    proposal = Proposal(
        event.proposal, tuple(event.changes),
        tuple(engine.method.parameter_json(edit.path) for edit in event.changes),
        event.effective_us, event.author, event.reason, event.time_us, engine.seq,
    )  # fmt: skip
    engine.controls.proposals[event.proposal] = proposal
    _changed(engine)
    return [_proposal_told(proposal, event.author, event.reason)], []


def _parameter_approved(engine: Engine, event: ParameterApproved) -> Applied:
    proposal = msgspec.structs.replace(
        engine.controls.proposals[event.proposal], state="approved", approver=event.approver,
        approved_us=event.time_us,
    )  # fmt: skip
    engine.controls.proposals[event.proposal] = proposal
    _changed(engine)
    return [_proposal_told(proposal, event.approver, proposal.reason)], []


def _parameter_rejected(engine: Engine, event: ParameterRejected) -> Applied:
    proposal = engine.controls.proposals[event.proposal]
    is_own = is_same_person(proposal.author, event.author)
    state = "withdrawn" if is_own else "rejected"
    told = _end_proposal(engine, proposal, state, event.author, event.reason)
    _changed(engine)
    return [told], []


def _end_proposal(
    engine: Engine, proposal: Proposal, state: str, person: str, reason: str
) -> Outcome:
    ended = msgspec.structs.replace(
        proposal, state=state, ended_us=engine.market.time_us, ended_by=person, end_reason=reason
    )
    engine.controls.end_proposal(ended)
    return _proposal_told(ended, person, reason)


def _proposal_told(proposal: Proposal, person: str, reason: str) -> Outcome:
    paths = [edit.path for edit in proposal.changes]
    return ProposalChanged(
        proposal.proposal, proposal.state, person, reason, proposal.effective_us, paths
    )


CONTROL_VERBS: dict[type[Event], Callable[[Engine, Any], Applied]] = {
    TradingRestricted: _trading_restricted,
    TradingResumed: _trading_resumed,
    KillSwitchPulled: _kill_switch_pulled,
    OverrideProposed: _override_proposed,
    OverrideApproved: _override_approved,
    OverrideWithdrawn: _override_withdrawn,
    ParameterProposed: _parameter_proposed,
    ParameterApproved: _parameter_approved,
    ParameterRejected: _parameter_rejected,
}
