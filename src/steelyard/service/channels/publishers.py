"""From a channel's name to its publisher, and to one snapshot of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from steelyard.service.access.session import Session
from steelyard.service.channels.account import AccountPublisher
from steelyard.service.channels.accounts import AccountsPublisher
from steelyard.service.channels.feed import EventsPublisher, LiquidationsPublisher
from steelyard.service.channels.market import HealthPublisher, IndexPublisher, TickerPublisher
from steelyard.service.channels.names import ChannelName, parse_channel, require_channel
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.channels.surface import SurfacePublisher
from steelyard.service.channels.venue import OverviewPublisher, TransparencyPublisher
from steelyard.service.host.scene import Scene
from steelyard.service.rpc.messages import ChannelData, Notification, encode

_MADE: dict[str, Callable[[ChannelName, bool], Publisher[Any]]] = {
    "account": lambda name, _: AccountPublisher(name),
    "accounts": lambda _, __: AccountsPublisher(),
    "events": lambda _, __: EventsPublisher(),
    "overview": lambda _, __: OverviewPublisher(),
    "liquidations": lambda _, is_named: LiquidationsPublisher(is_named=is_named),
    "surface": lambda name, _: SurfacePublisher(name),
    "health": lambda _, __: HealthPublisher(),
    "transparency": lambda _, __: TransparencyPublisher(),
    "ticker": lambda name, _: TickerPublisher(name),
    "deribit_price_index": lambda name, _: IndexPublisher(name),
}


def publisher_of(name: ChannelName, *, is_named: bool) -> Publisher[Any]:
    """Return the publisher of a channel. is_named: whether its readers may know the units of others."""
    return _MADE[name.kind](name, is_named)


def sees_units(session: Session, name: ChannelName) -> bool:
    """Return whether a session is told which units a public channel is about."""
    is_risk = "risk" in session.scopes and session.accounts is None
    return name.kind == "liquidations" and not session.is_anonymous and is_risk


def snapshot_of(name: str, scene: Scene, session: Session) -> bytes:
    """Return one notification with the whole of a channel as of the scene's event, change_id 0.

    The same for the running engine and for one that was replayed. Errors: CHAN-E01, CHAN-E02, and the refusals of access.
    """
    parsed = parse_channel(name)
    require_channel(session, parsed)
    publisher = publisher_of(parsed, is_named=sees_units(session, parsed))
    mark = Mark(0, None, scene.engine.seq, scene.engine.market.time_us)
    return frame(name, publisher.whole(publisher.read(scene, None), mark))


def frame(channel: str, data: msgspec.Struct) -> bytes:
    """Return the notification of a payload as it goes over the wire."""
    return encode(Notification(params=ChannelData(channel, data)))
