"""What operators have ordered and what is reserved: the engine's own state, and views of it for readers.

    restrictions  halts, reduce-only and the kill switch in force     by id
    overrides     proposed and in force                               by id
    proposals     of parameters: proposed and approved                by id
    graces        margin units that a change of parameters alone would have liquidated
    holding       until when a restriction holds liquidations back    by its id

What ended is kept for a while in `ended_…`, oldest first; its id stays taken for as long. `next_due_us`
says when something ends or begins by time: before it, no event pays for any of this but a comparison.
"""

from __future__ import annotations

import heapq
from typing import Any, TypeVar

import msgspec

from steelyard.terms.controls import (
    KEPT_MAX,
    Grace,
    Override,
    Proposal,
    Reservation,
    Restriction,
)

NEVER_US = 2**62

Record = TypeVar("Record", Restriction, Override, Proposal)


class Controls:
    """Records are immutable values; only the rooms of the engine replace them."""

    def __init__(self) -> None:
        self.restrictions: dict[str, Restriction] = {}
        self.overrides: dict[str, Override] = {}
        self.proposals: dict[str, Proposal] = {}
        self.graces: dict[str, Grace] = {}
        self.holding: dict[str, int] = {}
        self.ended_restrictions: dict[str, Restriction] = {}
        self.ended_overrides: dict[str, Override] = {}
        self.ended_proposals: dict[str, Proposal] = {}
        self.expiries: list[tuple[int, str, str]] = []  # of reservations: a heap, some entries gone
        # Derived, by `refresh`:
        self.next_due_us = NEVER_US
        self.applies_us = NEVER_US
        self.holds_venue = False
        self.held_accounts: frozenset[str] = frozenset()
        self.graced: frozenset[str] = frozenset()
        self.softens = False

    # -- views -----------------------------------------------------------------------------------

    @property
    def active_restrictions(self) -> tuple[Restriction, ...]:
        """Return halts, reduce-only and kill switches in force, by id."""
        return tuple(self.restrictions[key] for key in sorted(self.restrictions))

    @property
    def open_overrides(self) -> tuple[Override, ...]:
        """Return overrides that wait for an approval or are in force, by id."""
        return tuple(self.overrides[key] for key in sorted(self.overrides))

    @property
    def open_proposals(self) -> tuple[Proposal, ...]:
        """Return proposals that wait for an approval or for their time, by id."""
        return tuple(self.proposals[key] for key in sorted(self.proposals))

    @property
    def running_graces(self) -> tuple[Grace, ...]:
        """Return the units whose decisions add something back, by name."""
        return tuple(self.graces[key] for key in sorted(self.graces))

    @property
    def past_restrictions(self) -> tuple[Restriction, ...]:
        """Return the restrictions that ended, oldest first, as far as they are kept."""
        return tuple(self.ended_restrictions.values())

    @property
    def past_overrides(self) -> tuple[Override, ...]:
        """Return the overrides that ended, oldest first, as far as they are kept."""
        return tuple(self.ended_overrides.values())

    @property
    def past_proposals(self) -> tuple[Proposal, ...]:
        """Return the proposals that ended, oldest first, as far as they are kept."""
        return tuple(self.ended_proposals.values())

    @property
    def kill_switch(self) -> Restriction | None:
        """Return the kill switch that is on, the strictest if there are several, or None."""
        on = [r for r in self.active_restrictions if r.is_kill_switch]
        return min(on, key=lambda r: (r.kind != "freeze", r.since_seq), default=None)

    def restriction(self, control: str) -> Restriction | None:
        """Return a halt, reduce-only or kill switch by its id, in force or ended."""
        return self.restrictions.get(control) or self.ended_restrictions.get(control)

    def override(self, override: str) -> Override | None:
        """Return an override by its id, open or ended."""
        return self.overrides.get(override) or self.ended_overrides.get(override)

    def proposal(self, proposal: str) -> Proposal | None:
        """Return a proposal by its id, open or ended."""
        return self.proposals.get(proposal) or self.ended_proposals.get(proposal)

    def overriding(self, kind: str, subject: str, time_us: int) -> bool:
        """Return whether an override of a kind is in force on a subject."""
        return any(
            o.kind == kind and o.subject == subject and o.holds(time_us)
            for o in self.overrides.values()
        )

    # -- for the engine --------------------------------------------------------------------------

    def end_restriction(self, ended: Restriction) -> None:
        """Move a restriction among those that ended."""
        del self.restrictions[ended.control]
        self.holding.pop(ended.control, None)
        _keep(self.ended_restrictions, ended.control, ended)

    def end_override(self, ended: Override) -> None:
        """Move an override among those that ended."""
        del self.overrides[ended.override]
        _keep(self.ended_overrides, ended.override, ended)

    def end_proposal(self, ended: Proposal) -> None:
        """Move a proposal among those that ended."""
        del self.proposals[ended.proposal]
        _keep(self.ended_proposals, ended.proposal, ended)

    def reserve(self, unit: str, order: str, expires_us: int) -> None:
        """Remember when a reservation ends."""
        heapq.heappush(self.expiries, (expires_us, unit, order))
        self.next_due_us = min(self.next_due_us, expires_us)

    def refresh(self) -> None:
        """Bring what is derived in line with the records."""
        self.applies_us = min(
            (p.effective_us for p in self.proposals.values() if p.state == "approved"),
            default=NEVER_US,
        )
        due = [r.until_us for r in self.restrictions.values() if r.until_us]
        due += list(self.holding.values())
        due += [o.until_us for o in self.overrides.values()]
        due += [p.due_us for p in self.proposals.values() if p.state == "proposed"]
        due += [g.until_us for g in self.graces.values()]
        due += [self.expiries[0][0]] if self.expiries else []
        self.next_due_us = min(due, default=NEVER_US)
        held = [self.restrictions[control] for control in self.holding]
        self.holds_venue = any(r.scope == "venue" for r in held)
        accounts = [r.subject for r in held if r.scope == "account"]
        accounts += [
            o.subject
            for o in self.overrides.values()
            if o.kind == "hold_liquidation" and o.state == "active"
        ]
        self.held_accounts = frozenset(accounts)
        self.graced = frozenset(self.graces)
        self.softens = self.holds_venue or bool(accounts) or bool(self.graces)

    # -- snapshots -------------------------------------------------------------------------------

    def record(self) -> list[object]:
        """Return the controls as plain values; an empty list when there never was one."""
        kept = [
            list(self.active_restrictions), list(self.open_overrides), list(self.open_proposals),
            list(self.running_graces), sorted(self.holding.items()),
            list(self.past_restrictions), list(self.past_overrides), list(self.past_proposals),
        ]  # fmt: skip
        return list(kept) if any(kept) else []

    def restore(self, record: list[Any], reservations: list[Reservation]) -> None:
        """Fill new controls from a record, and from the reservations of the restored books."""
        if record:
            restrictions, overrides, proposals, graces, holding, *ended = record
            self.restrictions = _restored(restrictions, Restriction)
            self.overrides = _restored(overrides, Override)
            self.proposals = _restored(proposals, Proposal)
            self.graces = _restored(graces, Grace)
            self.holding = dict(holding)
            self.ended_restrictions = _restored(ended[0], Restriction)
            self.ended_overrides = _restored(ended[1], Override)
            self.ended_proposals = _restored(ended[2], Proposal)
        for each in reservations:
            heapq.heappush(self.expiries, (each.expires_us, each.unit, each.order))
        self.refresh()


Kind = TypeVar("Kind")


def _restored(records: list[Any], kind: type[Kind]) -> dict[str, Kind]:
    """Return records by their first field, in the order they were written."""
    return {record[0]: msgspec.convert(record, kind) for record in records}


def _keep(ended: dict[str, Record], key: str, record: Record) -> None:
    ended[key] = record
    if len(ended) > KEPT_MAX:
        del ended[next(iter(ended))]
