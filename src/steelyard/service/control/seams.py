"""What the control plane needs of the service that it is a part of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from steelyard.engine.engine import Engine, Receipt
from steelyard.engine.recovery import JournaledEngine
from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.session import Session
from steelyard.service.rewind.impact import ImpactReport
from steelyard.ticks import Event

Make = Callable[[int, str, int], Event]
"""(time_us, origin, origin_seq) → the event of a command, stamped by the host."""


class Host(Protocol):
    """The engine in the process; asked on the thread of its loop alone."""

    @property
    def engine(self) -> Engine:
        """The engine."""

    @property
    def journaled(self) -> JournaledEngine:
        """The engine with its journal."""

    @property
    def title(self) -> str:
        """What the service runs, in a line."""

    async def command(self, make: Make) -> Receipt:
        """Return the receipt of an event once it is durable; what refuses it is raised."""


class Proving(Protocol):
    """Who asks: from an Authorization header to a session, or the refusal of it."""

    def bearer(self, header: str, time_us: int, address: str) -> Session:
        """Return what an access token opens."""

    def signed(
        self, header: str, method: str, path: str, body: bytes, time_us: int, address: str
    ) -> Session:
        """Return the session of a signed request; path: with its query, as in the request line."""

    async def basic(self, header: str, time_us: int, address: str) -> Session:
        """Return the session of a key id and its secret."""


class Charging(Protocol):
    """What requests cost; what cannot be paid is raised."""

    def method(self, session: Session, method: Any, time_us: int, address: str) -> None:
        """Take the credits of something with a `scope` and `credits`."""

    def body(self, session: Session, size: int, time_us: int, address: str) -> None:
        """Take what the bytes of a body cost."""

    def fault(
        self, session: Session, error: SteelyardError | None, time_us: int, address: str
    ) -> None:
        """Take what a refusal before the credits costs."""


class Service(Protocol):
    """The parts of a running service. clock: UTC microseconds."""

    @property
    def host(self) -> Any:
        """The engine in the process: a `Host`, of which other parts of a service ask for less."""

    @property
    def proofs(self) -> Proving:
        """Who proves."""

    @property
    def charges(self) -> Charging:
        """Who counts what is asked."""

    @property
    def clock(self) -> Callable[[], int]:
        """What reads the wall clock."""


class Impacting(Protocol):
    """What works out what a change of parameters would do, beside the engine: `Rewind.impact`."""

    def __call__(self, changes: Sequence[tuple[str, str]]) -> Awaitable[ImpactReport]:
        """Return what changes, (path, value as JSON) each, would do to the margin units."""
