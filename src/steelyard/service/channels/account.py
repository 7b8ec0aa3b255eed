"""`account`: one margin unit with its positions."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from steelyard.engine.engine import Engine
from steelyard.engine.shard import Shard
from steelyard.publish.views import AccountView, account_view
from steelyard.service.access.session import Session
from steelyard.service.answers.desk import Context
from steelyard.service.answers.positions import PositionsParams, PositionView, get_positions
from steelyard.service.answers.scope import Head
from steelyard.service.channels.names import ChannelName, no_subject
from steelyard.service.channels.payloads import AccountData
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.scene import Scene

_EVERYONE = Session("channels", frozenset({"read"}), None)
_shown = attrgetter(
    *(name for name in PositionView.__struct_fields__ if name not in Head.__struct_fields__)
)


class AccountState(NamedTuple):
    """A unit as published, and its positions.

    inputs: everything that these are worked out from, so that where it is the same nothing is; shown: the
    positions without when and under which rules they were read.
    """

    account: AccountView
    positions: list[PositionView]
    inputs: tuple[Any, ...]
    shown: list[tuple[Any, ...]]


class AccountPublisher(Publisher[AccountState]):
    """One unit; what an event did not change but its number is not told again."""

    def __init__(self, name: ChannelName) -> None:
        self._name = name

    def check(self, scene: Scene) -> None:
        """Raise CHAN-E02 where the unit is not open."""
        if self._name.subject not in scene.engine.places:
            raise no_subject(self._name)

    def read(self, scene: Scene, before: AccountState | None) -> AccountState:
        """Return the unit now. Errors: CHAN-E02 where it is not open."""
        self.check(scene)
        engine, unit = scene.engine, self._name.subject
        place = engine.places[unit]
        inputs = _inputs(engine, *place)
        if before is not None and before.inputs == inputs:
            return before
        shard, row = place
        account = account_view(shard.book, row, shard.results, engine.seq)
        context = Context(_EVERYONE, scene.desk, engine.market.time_us)
        positions = get_positions(PositionsParams(account=unit), context)
        return AccountState(account, positions, inputs, [_shown(each) for each in positions])

    def whole(self, state: AccountState, mark: Mark) -> AccountData:
        """Return the unit and all its positions."""
        return AccountData(**mark.head(), account=state.account, positions=state.positions)

    def change(self, before: AccountState, state: AccountState, mark: Mark) -> AccountData | None:
        """Return the unit, and its positions where any of them differs."""
        if before is state:
            return None
        is_same = before.shown == state.shown
        if is_same and _timeless(before.account) == _timeless(state.account):
            return None
        positions = None if is_same else state.positions
        return AccountData(**mark.head(), account=state.account, positions=positions)


def _timeless(account: AccountView) -> AccountView:
    return msgspec.structs.replace(account, as_of_seq=0)


def _inputs(engine: Engine, shard: Shard, row: int) -> tuple[Any, ...]:
    """Return what the view of a unit and its positions are functions of: bytes, numbers and the method."""
    book, market = shard.book, engine.market
    first = int(book.start[row])
    held = slice(first, first + int(book.count[row]))
    slots = book.instrument[held]
    assets = np.concatenate([market.underlying_of[slots], market.settlement_of[slots]])
    has_options = bool(engine.columns.expiry_us[slots].any())
    return (
        int(book.state[row]),
        shard.results[:, row].tobytes(),
        slots.tobytes(),
        book.quantity[held].tobytes(),
        book.cost[held].tobytes(),
        market.mark_units[slots].tobytes(),
        market.has_mark[slots].tobytes(),
        market.volatility[slots].tobytes(),
        market.forward_ratio[slots].tobytes(),
        market.index_units[assets].tobytes(),
        market.time_us if has_options else 0,  # only options know the time
        engine.method,
    )
