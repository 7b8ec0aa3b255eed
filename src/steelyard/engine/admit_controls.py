"""Admission of operators' events, and what restrictions and holds refuse of everything else.

Errors, all InputError:
    CTRL-E01 halted                             CTRL-E07 not in the state for it
    CTRL-E02 only what reduces is taken         CTRL-E08 withdrawals are held
    CTRL-E03 the kill switch is on              CTRL-E09 the index is not known at this time
    CTRL-E04 not open: no such id, or ended     CTRL-E10 too many are open
    CTRL-E05 the id is taken                    CTRL-E11 the engine has stopped
    CTRL-E06 two different persons
What will have ended by the event's own time counts as ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from steelyard.book import EXTERNAL
from steelyard.engine.refusals import listed_asset, listed_instrument, refuse
from steelyard.terms.account import UNIT_SEPARATOR, owner_of
from steelyard.terms.asset import ACCOUNTING_ASSET
from steelyard.terms.controls import (
    OPEN_MAX,
    Override,
    Proposal,
    Restriction,
    is_same_person,
)
from steelyard.ticks import (
    AccountsLoaded,
    Event,
    KillSwitchPulled,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterProposed,
    ParameterRejected,
    TradingRestricted,
    TradingResumed,
    Transfer,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


# -- what restrictions refuse --------------------------------------------------------------------


def check_unrestricted(
    engine: Engine, event: Event, slot: int, account: str, *, reduces: bool
) -> None:
    """Raise if a restriction in force refuses a new order of an account in an instrument.

    The kill switch speaks first, then halts, then reduce-only. Errors: CTRL-E01, CTRL-E02, CTRL-E03.
    """
    terms = engine.market.instruments[slot]
    found = [
        r
        for r in engine.controls.active_restrictions
        if r.holds(event.time_us) and r.covers(terms.underlying, terms.name, owner_of(account))
    ]
    for kinds, code, rule in (
        (("freeze",), "CTRL-E03", "the kill switch is on: no orders are taken"),
        (("halt",), "CTRL-E01", "no new orders while trading is halted"),
        (("cancel_and_reduce_only",), "CTRL-E03", "the kill switch is on: only what reduces is taken"),
        (("reduce_only",), "CTRL-E02", "only what reduces a position is taken"),
    ):  # fmt: skip
        for restriction in found:
            refuses = restriction.kind in ("freeze", "halt") or not reduces
            if restriction.kind in kinds and refuses:
                _restricted(event, code, rule, restriction)


def check_may_leave(engine: Engine, event: Transfer) -> None:
    """Raise if money may not leave an account now; what comes in from the world always may.

    The kill switch lets deposits in, and in its milder mode an account's own transfers; a halt or a hold of
    an account keeps what it has in it. Errors: CTRL-E01, CTRL-E03, CTRL-E08.
    """
    if event.source_account == EXTERNAL:
        return
    owner = owner_of(event.source_account)
    is_own = owner == owner_of(event.target_account)
    for restriction in engine.controls.active_restrictions:
        if not restriction.holds(event.time_us):
            continue
        if restriction.is_kill_switch and not (is_own and restriction.kind != "freeze"):
            _restricted(
                event, "CTRL-E03", "the kill switch is on: nothing leaves an account", restriction
            )
        is_halted = restriction.kind == "halt" and restriction.scope == "account"
        if is_halted and restriction.subject == owner and not is_own:
            _restricted(event, "CTRL-E01", "nothing leaves an account that is halted", restriction)
    if not is_own and engine.controls.overriding("withdrawal_hold", owner, event.time_us):
        refuse(
            "CTRL-E08", event, "source_account", "nothing leaves an account whose withdrawals are "
            "held", "wait for the end of the hold, or let an operator withdraw it",
        )  # fmt: skip


def check_may_load(engine: Engine, event: AccountsLoaded) -> None:
    """Raise CTRL-E03 for accounts with their risk while the kill switch is on."""
    switch = engine.controls.kill_switch
    if switch is not None:
        _restricted(event, "CTRL-E03", "the kill switch is on: no accounts are loaded", switch)


def check_index_known(engine: Engine, event: OrderReserved, slot: int) -> None:
    """Raise CTRL-E09 if an index that margin rests on would have to be read again by now.

    Sources age between events: until the engine has looked again it does not know that it still has a quorum.
    """
    market = engine.market
    for asset in (int(market.underlying_of[slot]), int(market.settlement_of[slot])):
        if asset and market.changes_at_us[asset] <= event.time_us:
            refuse(
                "CTRL-E09", event, "instrument", f"the index of {market.assets[asset].name} is known "
                "at the time of a reservation", "send its prices, or the time, first",
            )  # fmt: skip


def _restricted(event: Event, code: str, rule: str, restriction: Restriction) -> NoReturn:
    end = "two persons lift it" if restriction.is_kill_switch else "trading is resumed"
    refuse(
        code, event, _field_of(event), f"{rule} ({restriction.control}, by {restriction.author}: "
        f"{restriction.reason})", f"send it again once {end}",
    )  # fmt: skip


def _field_of(event: Event) -> str:
    if isinstance(event, Transfer):
        return "source_account"
    return "accounts" if isinstance(event, AccountsLoaded) else "order"


# -- operators' events ---------------------------------------------------------------------------


def check_trading_restricted(engine: Engine, event: TradingRestricted) -> None:
    """Raise unless the id is new and the scope's subject exists."""
    _fresh(event, "control", event.control, engine.controls.restriction(event.control))
    _room(event, "control", len(engine.controls.restrictions))
    if event.scope == "underlying":
        listed_asset(engine, event, "subject", event.subject)
    elif event.scope == "instrument":
        listed_instrument(engine, event, "subject", event.subject)
    elif event.scope == "account":
        _open_account(engine, event)


def check_trading_resumed(engine: Engine, event: TradingResumed) -> None:
    """Raise unless a halt or reduce-only of this id is in force."""
    restriction = engine.controls.restrictions.get(event.control)
    if restriction is None or not restriction.holds(event.time_us):
        _not_open(event, "control", event.control)
    if restriction.is_kill_switch:
        refuse(
            "CTRL-E06", event, "control", "two persons lift a kill switch",
            "propose an override of kind lift_kill_switch, and let another person approve it",
        )  # fmt: skip


def check_kill_switch_pulled(engine: Engine, event: KillSwitchPulled) -> None:
    """Raise unless the id is new. A full list keeps nobody from pulling it."""
    _fresh(event, "control", event.control, engine.controls.restriction(event.control))


def check_override_proposed(engine: Engine, event: OverrideProposed) -> None:
    """Raise unless the id is new and the subject is one of its kind."""
    _fresh(event, "override", event.override, engine.controls.override(event.override))
    _room(event, "override", len(engine.controls.overrides))
    if event.kind == "lift_kill_switch":
        _kill_switch_of(engine, event, event.subject)
    elif event.kind == "protect_asset":
        listed_asset(engine, event, "subject", event.subject)
        if event.subject == ACCOUNTING_ASSET:
            refuse(
                "ADMT-E03", event, "subject", "the accounting asset is what all is counted in",
                "protect an asset that has an index",
            )  # fmt: skip
    else:
        _open_account(engine, event)


def check_override_approved(engine: Engine, event: OverrideApproved) -> None:
    """Raise unless the override waits for an approval, and this is another person."""
    override = _open_override(engine, event)
    if override.state != "proposed":
        refuse("CTRL-E07", event, "override", "an override is approved once", "drop the event")
    _other_person(event, override.author, event.approver)
    if override.kind == "lift_kill_switch":
        _kill_switch_of(engine, event, override.subject)


def check_override_withdrawn(engine: Engine, event: OverrideWithdrawn) -> None:
    """Raise unless the override is open. One person may end an exception: the rules hold again."""
    _open_override(engine, event)


def check_parameter_proposed(engine: Engine, event: ParameterProposed) -> None:
    """Raise unless the id is new and the changed method keeps its rules (TERM-E03, TERM-E04)."""
    _fresh(event, "proposal", event.proposal, engine.controls.proposal(event.proposal))
    _room(event, "proposal", len(engine.controls.proposals))
    engine.method.with_parameters((edit.path, edit.value_json) for edit in event.changes)


def check_parameter_approved(engine: Engine, event: ParameterApproved) -> None:
    """Raise unless the proposal waits for an approval, not too late, and this is another person."""
    proposal = _open_proposal(engine, event)
    if proposal.state != "proposed":
        refuse("CTRL-E07", event, "proposal", "a proposal is approved once", "drop the event")
    _other_person(event, proposal.author, event.approver)


def check_parameter_rejected(engine: Engine, event: ParameterRejected) -> None:
    """Raise unless the proposal is open and its time has not come."""
    proposal = _open_proposal(engine, event)
    if proposal.state == "approved" and proposal.effective_us <= event.time_us:
        refuse(
            "CTRL-E07", event, "proposal", "what was approved is applied once its time has come",
            "propose the parameters as they were",
        )  # fmt: skip


def _open_override(engine: Engine, event: OverrideApproved | OverrideWithdrawn) -> Override:
    override = engine.controls.overrides.get(event.override)
    if override is None or override.until_us <= event.time_us:
        _not_open(event, "override", event.override)
    return override


def _open_proposal(engine: Engine, event: ParameterApproved | ParameterRejected) -> Proposal:
    proposal = engine.controls.proposals.get(event.proposal)
    is_late = proposal is not None and proposal.state == "proposed"
    if proposal is None or (is_late and proposal.due_us <= event.time_us):
        _not_open(event, "proposal", event.proposal)
    return proposal


def _kill_switch_of(engine: Engine, event: Event, control: str) -> None:
    restriction = engine.controls.restrictions.get(control)
    if restriction is None or not restriction.is_kill_switch:
        _not_open(event, "subject", control)


def _open_account(engine: Engine, event: TradingRestricted | OverrideProposed) -> None:
    if UNIT_SEPARATOR in event.subject or engine.locate(event.subject) is None:
        refuse(
            "ADMT-E03", event, "subject", f"account {event.subject} is open",
            "name the account that owns the margin unit",
        )  # fmt: skip


def _fresh(event: Event, field: str, name: str, known: object | None) -> None:
    if known is not None:
        refuse("CTRL-E05", event, field, f"an id is used once; {name} is taken", "choose another")


def _room(event: Event, field: str, count: int) -> None:
    if count >= OPEN_MAX:
        refuse("CTRL-E10", event, field, f"at most {OPEN_MAX:,} are open at once", "end some first")


def _other_person(event: Event, author: str, approver: str) -> None:
    if is_same_person(author, approver):
        refuse(
            "CTRL-E06", event, "approver", f"another person than {author} approves",
            "let somebody else look at it",
        )  # fmt: skip


def _not_open(event: Event, field: str, name: str) -> NoReturn:
    refuse(
        "CTRL-E04", event, field, f"{name} is open: it exists and has not ended", "look its id up"
    )
