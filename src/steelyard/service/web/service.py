"""What is served: the methods, the engine behind them, who may ask, and the limits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from steelyard.service.access.credits import Policy
from steelyard.service.access.replay import ReplayCache
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.sealing import Random
from steelyard.service.access.signing import Verifier
from steelyard.service.access.tokens import TokenStore
from steelyard.service.rpc.discover import with_discover
from steelyard.service.rpc.dispatch import Dispatcher, Incident
from steelyard.service.rpc.registry import Method, Registry
from steelyard.service.web.charges import Charges
from steelyard.service.web.heavy import Heavy
from steelyard.service.web.log import tell_incident
from steelyard.service.web.login import PageCodes
from steelyard.service.web.methods import connection_methods
from steelyard.service.web.proofs import Proofs
from steelyard.service.web.seams import HostSeam, HubSeam, RewindSeam
from steelyard.service.web.settings import Settings

if TYPE_CHECKING:
    from steelyard.service.web.connection import Connection

CODE_COST = 100


def now_us() -> int:
    """Return UTC microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(eq=False)
class Service:
    """All that a request needs, made once; `service_of` puts one together.

    connections: those that are open now. rewind: None where the past is not answered. code_cost: credits of
    an address for a page code that is none.
    """

    dispatcher: Dispatcher
    host: HostSeam
    hub: HubSeam
    ring: KeyRing
    verifier: Verifier
    tokens: TokenStore
    charges: Charges
    proofs: Proofs
    codes: PageCodes
    heavy: Heavy
    settings: Settings
    version: str
    clock: Callable[[], int] = now_us
    rewind: RewindSeam | None = None
    is_stopping: bool = False
    code_cost: int = CODE_COST
    connections: set[Connection] = field(default_factory=set)

    @property
    def title(self) -> str:
        """What the venue is called."""
        return self.host.title

    def close(self) -> None:
        """Let go of the threads."""
        self.heavy.close()
        self.proofs.close()


def service_of(
    methods: Iterable[Method],
    host: HostSeam,
    hub: HubSeam,
    ring: KeyRing,
    *,
    policy: Policy | None = None,
    settings: Settings | None = None,
    rewind: RewindSeam | None = None,
    random: Random = os.urandom,
    clock: Callable[[], int] = now_us,
    on_incident: Callable[[Incident], Any] = tell_incident,
    testnet: bool = False,
) -> Service:
    """Return a service of these methods beside those of a connection and rpc.discover.

    policy: of credits. on_incident: is told of failures that nobody expected; an InvariantError among them
    stops the engine, which is the caller's to do. Errors: RPCJ-E21 … E23 for methods that do not fit.
    """
    settings = settings or Settings()
    charges = Charges(policy or Policy())
    registry = with_discover(
        Registry([*connection_methods(), *methods]), host.title, package_version()
    )
    tokens = TokenStore(ring, random=random)
    verifier = Verifier(ring, ReplayCache())
    dispatcher = Dispatcher(
        registry,
        charge=charges.method,
        charge_fault=charges.fault,
        on_incident=on_incident,
        testnet=testnet,
    )
    return Service(
        dispatcher, host, hub, ring, verifier, tokens, charges,
        Proofs(ring, verifier, tokens, charges, random=random),
        PageCodes(ring, random=random, life_s=settings.page_code_s),
        Heavy(settings.heavy_credits, settings.heavy_workers, settings.heavy_waiting_max),
        settings, package_version(), clock, rewind,
    )  # fmt: skip


def package_version() -> str:
    """Return the version of the package, "0" where it is not installed."""
    try:
        return version("steelyard")
    except PackageNotFoundError:
        return "0"
