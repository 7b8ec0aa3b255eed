"""The service put together: host, hub, second process, methods, transport, control plane, metrics, keys.

Running(config, journaled, …)   everything made, nothing started
await running.start()           the host writes its first snapshot, then connections are let in
await running.stop()            connections end, the second process ends, the journal is closed
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from steelyard.engine.recovery import JournaledEngine
from steelyard.publish import Tally
from steelyard.quantities import SteelyardError
from steelyard.service.access.credits import Limit, Policy
from steelyard.service.access.key_file import list_keys
from steelyard.service.access.keys import Key
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.sealing import MasterKey, read_master_key
from steelyard.service.answers import catalog
from steelyard.service.channels import Hub
from steelyard.service.channels.methods import memory_methods
from steelyard.service.config import ServeConfig
from steelyard.service.control.app import create_control
from steelyard.service.control.trade_methods import trade_methods
from steelyard.service.host import Host, SnapshotPolicy, Step
from steelyard.service.rewind.methods import HISTORY
from steelyard.service.rewind.options import RewindOptions
from steelyard.service.rewind.rewind import Rewind
from steelyard.service.telemetry import Metrics
from steelyard.service.telemetry.state import StateReader
from steelyard.service.web.app import App
from steelyard.service.web.charges import Charges
from steelyard.service.web.log import tell, tell_incident
from steelyard.service.web.login import login_url
from steelyard.service.web.proofs import Proofs
from steelyard.service.web.serve import WebServer
from steelyard.service.web.service import Service, now_us, service_of
from steelyard.service.web.settings import Settings
from steelyard.ticks import Event

KEYS_EVERY_S = 2.0


@dataclass(frozen=True)
class ControlParts:
    """What the control plane is given of a service."""

    host: Host
    proofs: Proofs
    charges: Charges
    clock: Callable[[], int]


class Running:
    """A service over one engine. title, tally: of the venue and what it went through before."""

    def __init__(
        self,
        config: ServeConfig,
        journaled: JournaledEngine,
        *,
        title: str,
        tally: Tally,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.config = config
        self.host = Host(journaled, title=title, tally=tally, snapshots=_snapshots(config))
        self.hub = Hub(self.host)
        self._master = read_master_key(environment)
        self._keys = Path(config.access.keys) if config.access.keys else None
        self.ring = KeyRing(_keys_of(self._keys), random=os.urandom, master=self._master)
        self._keys_seen = _stamp(self._keys)
        self.rewind = self._rewind(journaled.path) if config.rewind.is_on else None
        self.service = self._service()
        self.metrics = Metrics(
            StateReader(self.host, self.hub, self.service, self.rewind).read,
            [method.name for method in self.service.dispatcher.registry],
        )
        self._watch = _Watch(self.host, self.metrics)
        self.service.dispatcher.on_answer = self.metrics.answered
        self.app = App(self.service, self._routes())
        self.server = WebServer(self.app, self.service)
        self._tasks: list[asyncio.Task[None]] = []

    # -- living ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the host, the second process and the server. Errors: WEBT-E08, JOUR."""
        await self.host.start()
        if self.rewind is not None:
            await self.rewind.start()
        await self.server.start()
        loop = asyncio.get_running_loop()
        if self._keys is not None:
            self._tasks.append(loop.create_task(self._follow_keys(self._keys, self._master)))

    async def play(
        self, events: Iterator[Event] | AsyncIterator[Event] | None, speed: float | None
    ) -> None:
        """Play a market until it ends, then keep time until the host fails. Raises what stopped the host."""
        if events is not None:
            await self.host.drive(events, speed=speed)
        self.host.keep_time()
        while self.host.failure is None:
            await asyncio.sleep(0.5)
        raise self.host.failure

    async def stop(self) -> None:
        """End connections, the second process and the host, in this order."""
        for task in self._tasks:
            task.cancel()
        await self.server.stop()
        if self.rewind is not None:
            await self.rewind.close()
        await self.host.close()

    def page_address(self) -> str:
        """Return the address of the page, with a code that opens it once where the document has page logins."""
        if not self.config.access.page_login:
            return self.server.url
        code = self.service.codes.issue(self.config.access.page_scopes, None, now_us())
        return login_url(self.server.url, code)

    # -- making ----------------------------------------------------------------------------------

    def _rewind(self, path: Path) -> Rewind:
        options = RewindOptions(
            memory_bytes_max=self.config.rewind.memory_mb << 20,
            testnet=self.config.server.testnet, title=self.host.title,
        )  # fmt: skip
        beside = [each for each in memory_methods(self.host.scene) if each.name == HISTORY]
        return Rewind(path, options, on_incident=tell_incident, beside=beside)

    def _service(self) -> Service:
        methods = [
            *catalog.methods(), *memory_methods(self.host.scene), *trade_methods(self.host),
        ]  # fmt: skip
        if self.rewind is not None:
            methods += self.rewind.methods()
        return service_of(
            methods, self.host, self.hub, self.ring, policy=_policy(self.config),
            settings=_settings(self.config), rewind=self.rewind,
            testnet=self.config.server.testnet,
        )  # fmt: skip

    def _routes(self) -> list[Mount | Route]:
        service = self.service
        parts = ControlParts(self.host, service.proofs, service.charges, service.clock)
        impact = None if self.rewind is None else self.rewind.impact
        control = create_control(parts, impact=impact, on_incident=tell_incident)
        return [Mount("/v1", control), Route("/metrics", self._metrics)]

    async def _metrics(self, request: Request) -> Response:
        """Answer a scraper; from another machine only with a key of scope read that reaches every account."""
        if not _is_local(request) and not await self._is_scraper(request):
            return PlainTextResponse("a key with the scope read is needed\n", 401)
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _is_scraper(self, request: Request) -> bool:
        header = request.headers.get("authorization", "")
        kind, _, token = header.partition(" ")
        address = request.client.host if request.client else ""
        try:
            if kind.lower() == "basic":
                session = await self.service.proofs.basic(header, now_us(), address)
            else:
                session = self.service.tokens.session(token.strip(), now_us(), address=address)
        except SteelyardError:
            return False
        return "read" in session.scopes and session.accounts is None

    async def _follow_keys(self, path: Path, master: MasterKey | None) -> None:
        """Read the key file again when it changed; one that cannot be read leaves the keys as they are."""
        while True:
            await asyncio.sleep(KEYS_EVERY_S)
            stamp = _stamp(path)
            if stamp == self._keys_seen:
                continue
            self._keys_seen = stamp
            try:
                self.ring.replace(list_keys(path), master)
            except SteelyardError as error:
                tell("keys not read", level=logging.ERROR, code=error.code, reason=error.message)
            else:
                tell("keys read")


class _Watch:
    """Counts the host's events for the metrics."""

    def __init__(self, host: Host, metrics: Metrics) -> None:
        self._watch = host.engine.stopwatch
        self._metrics = metrics
        host.observe(self._step)

    def _step(self, step: Step) -> None:
        if step.error is None:
            self._metrics.event(type(step.event).__name__, self._watch.last_us / 1e6)
        else:
            self._metrics.refused(step.error.code)


def _keys_of(path: Path | None) -> Sequence[Key]:
    return () if path is None else list_keys(path)


def _stamp(path: Path | None) -> tuple[int, int]:
    """Return what changes when a file is written: its time and number, zeros where there is none."""
    try:
        status = os.stat(path) if path is not None else None
    except OSError:
        return 0, 0
    return (0, 0) if status is None else (status.st_mtime_ns, status.st_ino)


def _is_local(request: Request) -> bool:
    """Return whether a request began on this machine: no proxy hands it on for somebody else."""
    is_handed_on = {"x-forwarded-for", "forwarded", "x-real-ip"} & set(request.headers.keys())
    is_here = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    return is_here and not is_handed_on


def _snapshots(config: ServeConfig) -> SnapshotPolicy:
    stated = config.snapshots
    return SnapshotPolicy(stated.every_events, stated.every_s, stated.apart_s)


def _policy(config: ServeConfig) -> Policy:
    access = config.access
    return Policy(
        reading=Limit(access.reading_per_s, access.reading_burst),
        trading=Limit(access.trading_per_s, access.trading_burst),
        anonymous=Limit(access.anonymous_per_s, access.anonymous_burst),
        own=Limit(access.page_per_s, access.page_burst),
    )


def _settings(config: ServeConfig) -> Settings:
    server = config.server
    return Settings(
        host=server.host, port=server.port, tls_certificate=server.tls_certificate,
        tls_key=server.tls_key, allowed_hosts=server.allowed_hosts,
        allowed_origins=server.allowed_origins, connections_max=server.connections_max,
        connections_per_address_max=server.connections_per_address_max,
    )  # fmt: skip
