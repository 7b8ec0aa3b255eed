"""What is asked of the service's memory: its history, an account's story, what is public, and whether it is open.

Handlers are bound to a scene, since a desk knows the state of one event alone: the running engine's host has
one, and an engine that was replayed has one as of then.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.decisions import STATE_NAMES
from steelyard.service.access.errors import AccessError
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import no_account, which_account
from steelyard.service.channels.payloads import EventData, HistoryData, TransparencyData
from steelyard.service.channels.venue import transparency
from steelyard.service.host.scene import Scene
from steelyard.service.rpc.registry import Method, NoParams
from steelyard.terms.account import owner_of


class StoryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_story; account: or one of its margin units."""

    account: str | None = None


class Story(msgspec.Struct, frozen=True):
    """What happened to an account, oldest first: the latest 50 lines since the service began to note them."""

    account: str
    as_of_seq: int
    lines: list[EventData]


class Status(msgspec.Struct, frozen=True):
    """Deribit's public/status: whether the venue takes risk on, and the indices on which it does not now.

    An index is locked while its asset is protected or halted. locked: "true" where all are, the venue is
    halted or its engine stopped; "partial" where some are.
    """

    locked: Literal["true", "partial", "false"]
    locked_indices: list[str]
    as_of_seq: int


def history_of(scene: Scene, as_of_seq: int | None = None) -> HistoryData:
    """Return the venue over time, one row a sample, oldest first, up to an event; None is the last.

    As of an event of the past they are the rows that were told then, less those that were merged since.
    """
    history, market = scene.history, scene.engine.market
    seqs = history.column("seq")
    count = history.count
    if as_of_seq is not None:
        count = int(np.searchsorted(seqs, as_of_seq, side="right"))
    states = history.units_by_state[:, :count].tolist()
    return HistoryData(
        as_of_seq=scene.engine.seq if as_of_seq is None else as_of_seq,
        seq=seqs[:count].tolist(),
        time_us=history.time_us[:count].tolist(),
        index_prices={
            name: _known(history.index[slot, :count])
            for slot, name in enumerate(history.assets)
            if slot and slot < len(market.assets)
        },
        units_by_state=dict(zip(STATE_NAMES, states, strict=True)),
        insurance_fund_micro=history.column("fund_micro")[:count].tolist(),
        bad_debt_micro=history.column("bad_debt_micro")[:count].tolist(),
        liquidated=history.column("full_liquidations")[:count].tolist(),
    )


def _known(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]


def story_of(scene: Scene, params: StoryParams, context: Context) -> Story:
    """Return the story of an account of the caller's. Errors: ANSW-E02, ANSW-E03."""
    seen = context.session.accounts
    name = params.account
    if name is None:
        if seen is None or len(seen) != 1:
            raise which_account()
        name = next(iter(seen))
    owner = owner_of(name)
    is_reached = seen is None or name in seen or owner in seen
    if not is_reached or (name not in scene.engine.places and not _has_units(scene, name)):
        raise no_account(name)
    lines = [
        EventData(line.seq, line.time_us, line.unit, line.kind, line.text)
        for line in scene.chronicle.story(name)
    ]
    return Story(name, scene.engine.seq, lines)


def _has_units(scene: Scene, name: str) -> bool:
    """Return whether a name is that of an account that has closed all it had, or only isolated units."""
    return bool(scene.chronicle.story(name)) or any(
        owner_of(unit) == name for unit in scene.engine.places
    )


def status_of(scene: Scene) -> Status:
    """Return whether the venue is open, by Deribit's words."""
    engine = scene.engine
    market, now_us = engine.market, engine.market.time_us
    halts = [
        each
        for each in engine.controls.active_restrictions
        if each.kind != "reduce_only" and each.holds(now_us)
    ]
    halted = {each.subject for each in halts if each.scope == "underlying"}
    names = [asset.name for asset in market.assets[1:]]
    locked = [
        f"{name.lower()}_usd"
        for slot, name in enumerate(names, start=1)
        if bool(market.is_protected[slot]) or name in halted
    ]
    is_stopped = engine.stopped is not None or bool(scene.vitals().failure)
    is_shut = is_stopped or any(each.scope == "venue" for each in halts)
    word: Literal["true", "partial", "false"] = "false"
    if is_shut or (locked and len(locked) == len(names)):
        word = "true"
    elif locked:
        word = "partial"
    return Status(word, locked, engine.seq)


def memory_methods(scene: Scene) -> tuple[Method, ...]:
    """Return the methods that ask a scene, for the registry beside `answers.catalog.methods`."""

    def get_history(params: NoParams, context: Context) -> HistoryData:
        del params
        if context.session.accounts is not None:
            raise AccessError(
                "ACCS-E51", "this touches every account",
                rule="a key reaches the accounts that it lists, or all",
                cure="use a key of every account", endpoint="private/get_history",
            )  # fmt: skip
        return history_of(scene, context.desk.as_of_seq())

    def get_story(params: StoryParams, context: Context) -> Story:
        return story_of(scene, params, context)

    def get_transparency(params: NoParams, context: Context) -> TransparencyData:
        del params, context
        return transparency(scene)

    def status(params: NoParams, context: Context) -> Status:
        del params, context
        return status_of(scene)

    rows: tuple[tuple[Any, ...], ...] = (
        ("public/status", status, NoParams, Status, "public", 2, "none",
         "Whether the venue is open, and which indices are locked"),
        ("public/get_transparency", get_transparency, NoParams, TransparencyData, "public", 100, "none",
         "What anybody may see: accounts by state, fund, debt, indices and the proof of state"),
        ("private/get_story", get_story, StoryParams, Story, "read", 20, "one",
         "What happened to an account, in words"),
        ("private/get_history", get_history, NoParams, HistoryData, "risk", 500, "every",
         "The venue over time, with the event of each row"),
    )  # fmt: skip
    return tuple(
        Method(
            name=name, handler=handler, params=params, result=result, scope=scope, credits=credits,
            is_private=name.startswith("private/"), summary=summary, touches=touches,
        )
        for name, handler, params, result, scope, credits, touches, summary in rows
    )  # fmt: skip
