"""What the control plane needs of the service that it is a part of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from steelyard.engine.engine import Engine, Receipt
from steelyard.engine.recovery import JournaledEngine
from steelyard.service.access.credits import Credits
from steelyard.service.access.signing import Verifier
from steelyard.service.access.tokens import TokenStore
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


class AccountImpact(msgspec.Struct, frozen=True):
    """What a change does to one margin unit: its state and maintenance buffer before and after."""

    unit: str
    state_before: str
    state_after: str
    buffer_before_micro: int
    buffer_after_micro: int


class ImpactReport(msgspec.Struct, frozen=True):
    """What a change of parameters would do, worked out beside the engine as of one event.

    units: how many were margined. accounts: those whose state or buffer changes, the worst first; there
    may be `changed` of them, of which the first are listed.
    """

    as_of_seq: int
    time_us: int
    units: int
    changed: int
    accounts: list[AccountImpact]


class Rewind(Protocol):
    """What answers about another state of the world."""

    async def impact(self, changes: Sequence[tuple[str, str]]) -> ImpactReport:
        """Return what changes, (path, value as JSON) each, would do to the accounts."""


class Service(Protocol):
    """The parts of a running service; `rewind` may be None."""

    @property
    def host(self) -> Host:
        """The engine in the process."""

    @property
    def verifier(self) -> Verifier:
        """Who proves signed requests."""

    @property
    def tokens(self) -> TokenStore:
        """Who knows what a token opens."""

    @property
    def credits(self) -> Credits:
        """Who counts what is asked."""


Impacting = Callable[[Sequence[tuple[str, str]]], Awaitable[ImpactReport]]
