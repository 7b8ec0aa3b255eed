"""What the transport asks of the parts behind it: an engine, what is published, and the past."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from steelyard.service.access.session import Session
from steelyard.service.answers.desk import Desk


class HostSeam(Protocol):
    """The engine in this process."""

    @property
    def desk(self) -> Desk:
        """The engine as the answers see it."""

    @property
    def title(self) -> str:
        """What the venue is called."""


class ReaderSeam(Protocol):
    """One connection's subscriptions. It bounds what waits for a slow reader by itself."""

    def subscribe(self, channels: list[str]) -> list[str]:
        """Return the names that are now subscribed; raise CHAN-E… for one that cannot be."""

    def unsubscribe(self, channels: list[str] | None) -> list[str]:
        """Return the names that are no longer subscribed; None is all."""

    async def next(self) -> list[bytes]:
        """Return what is to be sent, in order, once there is something; nothing once it is closed."""

    def close(self) -> None:
        """Forget the reader."""


class HubSeam(Protocol):
    """What is published."""

    def reader(self, session_of: Callable[[], Session]) -> ReaderSeam:
        """Return a reader for whom a function says; it is asked again before each thing that is told."""


class RewindSeam(Protocol):
    """The second process, that answers as of other events."""

    async def ask(
        self,
        raw: bytes,
        session: Session,
        as_of_seq: int,
        address: str,
        *,
        reader: Hashable | None = None,
    ) -> bytes | None:
        """Return the answer to a request as of an event, None where none is wanted.

        The transport has taken its credits already. reader: whose question it is; of one reader, questions of an
        instant that it has left may be dropped.
        """

    async def channel(
        self,
        name: str,
        session: Session,
        as_of_seq: int,
        *,
        reader: Hashable | None = None,
        on_progress: Callable[[float], object] | None = None,
    ) -> bytes | None:
        """Return a channel's snapshot as of an event, None where it had none.

        on_progress: told the fraction done of a long replay.
        """

    async def seq_at(self, time_us: int) -> int:
        """Return the number of the last event at or before an instant."""
