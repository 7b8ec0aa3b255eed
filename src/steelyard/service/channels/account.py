"""`account`: one margin unit with its positions."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

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
_WHEN = {"as_of_seq": 0}
_OF_POSITION = tuple(
    name for name in PositionView.__struct_fields__ if name not in Head.__struct_fields__
)


class AccountState(NamedTuple):
    """A unit as published, and its positions."""

    account: AccountView
    positions: list[PositionView]


class AccountPublisher(Publisher[AccountState]):
    """One unit; what an event did not change but its number is not told again."""

    def __init__(self, name: ChannelName) -> None:
        self._name = name

    def read(self, scene: Scene, before: AccountState | None) -> AccountState:
        """Return the unit now. Errors: CHAN-E02 where it is not open."""
        del before
        engine, unit = scene.engine, self._name.subject
        place = engine.places.get(unit)
        if place is None:
            raise no_subject(self._name)
        shard, row = place
        account = account_view(shard.book, row, shard.results, engine.seq)
        context = Context(_EVERYONE, scene.desk, engine.market.time_us)
        return AccountState(account, get_positions(PositionsParams(account=unit), context))

    def whole(self, state: AccountState, mark: Mark) -> AccountData:
        """Return the unit and all its positions."""
        return AccountData(**mark.head(), account=state.account, positions=state.positions)

    def change(self, before: AccountState, state: AccountState, mark: Mark) -> AccountData | None:
        """Return the unit, and its positions where any of them differs."""
        is_same = _shown(before.positions) == _shown(state.positions)
        if is_same and _timeless(before.account) == _timeless(state.account):
            return None
        positions = None if is_same else state.positions
        return AccountData(**mark.head(), account=state.account, positions=positions)


def _timeless(account: AccountView) -> AccountView:
    return msgspec.structs.replace(account, **_WHEN)


def _shown(positions: list[PositionView]) -> list[tuple[Any, ...]]:
    return [tuple(getattr(each, name) for name in _OF_POSITION) for each in positions]
