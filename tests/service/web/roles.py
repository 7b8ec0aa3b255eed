"""Who takes part in the tests of the transport: a served engine, its keys, and a small hub and past of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from steelyard.cli.session import opening_events
from steelyard.engine.engine import Engine
from steelyard.engine.snapshot import state_hash
from steelyard.lab import SimulatedMarket
from steelyard.quantities.errors import InputError
from steelyard.service.access import (
    Created,
    KeyRing,
    Limit,
    MasterKey,
    Policy,
    Rights,
    Session,
    create_key,
)
from steelyard.service.answers.catalog import methods
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.rpc.dispatch import Incident
from steelyard.service.rpc.registry import Method, NoParams
from steelyard.service.web.app import create_app
from steelyard.service.web.errors import no_past
from steelyard.service.web.serve import WebServer
from steelyard.service.web.service import Service, now_us, service_of
from steelyard.service.web.settings import Settings
from steelyard.terms import AccountRecord, load_method
from steelyard.ticks import AccountsLoaded
from tests.service.access.roles import CHEAP, MASTER, PRIVATE, Chance

START_US = 1_760_130_000_000_000
NO_STATIC = Path(__file__).parent / "no-page"
AMPLE = Policy(
    reading=Limit(10**8, 10**9), trading=Limit(10**8, 10**9), anonymous=Limit(10**8, 10**9)
)
PUBLIC_CHANNELS = ("health.raw", "ticker.BTC-PERPETUAL.raw", "transparency.raw")
PRIVATE_CHANNELS = ("accounts.raw", "overview.raw")


@cache
def engine() -> Engine:
    """Return an engine over a simulated market's first prices, with three accounts."""
    found = Engine(load_method())
    for event in opening_events(SimulatedMarket(7, START_US, 1)):
        found.submit(event)
    records = [
        AccountRecord(name, "portfolio", {"USDC": 50_000_000_000}, [])
        for name in ("alice", "bob", "carol")
    ]
    found.load_only(AccountsLoaded(found.market.time_us, "file", 0, records))
    return found


class LittleHost:
    """An engine that is asked and not driven."""

    def __init__(self) -> None:
        self.desk = EngineDesk(engine())
        self.title = "Steelyard"


class LittleReader:
    """Subscriptions of one connection; what is published waits here, the latest of each channel."""

    def __init__(self, hub: LittleHub, session_of: Callable[[], Session]) -> None:
        self.hub, self.session_of = hub, session_of
        self.names: set[str] = set()
        self.waiting: dict[str, bytes] = {}
        self.is_closed = False
        self.told = asyncio.Event()

    def subscribe(self, channels: list[str]) -> list[str]:
        for name in channels:
            is_private = name in PRIVATE_CHANNELS and "risk" in self.session_of().scopes
            if not (is_private or name in PUBLIC_CHANNELS):
                raise InputError(
                    "CHAN-E01",
                    f"there is no channel {name!r}",
                    rule="r",
                    cure="c",
                    field="channels",
                )
        self.names |= set(channels)
        for name in channels:
            self.put(name, {"type": "snapshot", "number": self.hub.number})
        return sorted(self.names)

    def put(self, name: str, data: Any) -> None:
        if name in self.names:
            self.waiting[name] = note(name, data)
            self.told.set()

    def unsubscribe(self, channels: list[str] | None) -> list[str]:
        gone = self.names & (self.names if channels is None else set(channels))
        self.names -= gone
        for name in gone:
            self.waiting.pop(name, None)
        return sorted(gone)

    async def next(self) -> list[bytes]:
        while not self.waiting and not self.is_closed:
            self.told.clear()
            await self.told.wait()
        found, self.waiting = list(self.waiting.values()), {}
        return found

    def close(self) -> None:
        self.is_closed = True
        self.told.set()
        if self in self.hub.readers:
            self.hub.readers.remove(self)


class LittleHub:
    """Publishes numbers."""

    def __init__(self) -> None:
        self.readers: list[LittleReader] = []
        self.number = 0

    def reader(self, session_of: Callable[[], Session]) -> LittleReader:
        self.readers.append(LittleReader(self, session_of))
        return self.readers[-1]

    def publish(self, name: str, more: str = "") -> None:
        self.number += 1
        for reader in self.readers:
            reader.put(name, {"type": "change", "number": self.number, "more": more})


class LittlePast:
    """Answers that say which event they are of."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str, int, str]] = []

    async def ask(
        self,
        raw: bytes,
        session: Session,
        as_of_seq: int | None,
        address: str,
        *,
        reader: Any = None,
    ) -> bytes:
        assert reader
        self.asked.append((raw, session.key_id, as_of_seq or 0, address))
        await asyncio.sleep(0)
        request = msgspec.json.decode(raw)
        return msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "id": request["id"],
                "result": {"past": as_of_seq},
                "as_of_seq": as_of_seq,
            }
        )

    async def channel(
        self, name: str, _session: Session, as_of_seq: int, *, reader: Any = None, on_progress: Any
    ) -> bytes | None:
        assert reader
        await asyncio.sleep(0)
        if as_of_seq == 4:
            on_progress(0.25)
            if name.startswith("accounts"):
                raise no_past("there were none", "a channel is of what was listed then", "go on")
        return note(name, {"type": "snapshot", "past": as_of_seq})

    async def seq_at(self, time_us: int) -> int:
        return time_us % 10


class Slow:
    """A heavy question whose thread waits until it may go on, and then says which event its desk is of."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.method = Method(
            name="private/wait", handler=self._wait, params=NoParams, result=int, scope="simulate",
            credits=5_000, is_private=True, summary="Waits", touches="one",
        )  # fmt: skip
        self.request = request("private/wait", {})

    def _wait(self, _params: NoParams, context: Any) -> int:
        assert threading.current_thread() is not threading.main_thread()
        assert self.go_on.wait(30)
        return int(context.desk.as_of_seq())


def note(name: str, data: Any) -> bytes:
    """Return a notification."""
    return msgspec.json.encode(
        {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": name, "data": data}}
    )


@dataclass
class Keys:
    """Keys of each kind, with their secrets: alice's own, a risk manager's of every account."""

    ring: KeyRing
    alice: str
    alice_secret: str
    risk: str
    risk_secret: str
    signer: str
    signer_secret: str
    edward: str
    late: str
    late_secret: str


@cache
def keys() -> Keys:
    """Return the keys; made once, hashes are slow."""
    now, chance = now_us(), Chance("web")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys.json"

        def rights(*scopes: Any, accounts: Any = "all", expires_us: int | None = None) -> Rights:
            return Rights(label="test", scopes=scopes, accounts=accounts, expires_us=expires_us)

        def made(kind: Any, of: Rights, **more: Any) -> Created:
            at_us = now - 10_000_000
            return create_key(path, kind, of, time_us=at_us, random=chance, cost=CHEAP, **more)

        from steelyard.terms.documents.signing import public_key

        master = MasterKey(MASTER)
        alice = made("secret", rights("read", "simulate", accounts=("alice",)))
        risk = made("secret", rights("read", "simulate", "risk", "trade", "admin"))
        signer = made("hmac", rights("read", "simulate"), master=master)
        edward = made("ed25519", rights("read"), public_key=public_key(PRIVATE))
        late = made("hmac", rights("read", expires_us=now - 1), master=master)
        created = (alice, risk, signer, edward, late)
        ring = KeyRing([one.key for one in created], random=chance, master=master)
        secrets = [one.secret.reveal() if one.secret else "" for one in created]
    return Keys(ring, alice.key.id, secrets[0], risk.key.id, secrets[1], signer.key.id, secrets[2],
                edward.key.id, late.key.id, secrets[4])  # fmt: skip


@dataclass
class Venue:
    """A service that listens, and what it was seen to do."""

    service: Service
    server: WebServer
    hub: LittleHub
    past: LittlePast | None
    incidents: list[Incident]
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws/api/v2"

    def client(self, **more: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=20.0, **more)

    def connect(self, **more: Any) -> Any:
        return connect(
            self.socket_url, **{"open_timeout": 20, "ping_interval": None, "max_queue": None} | more
        )


@asynccontextmanager
async def venue(
    *,
    policy: Policy = AMPLE,
    past: bool = False,
    more: tuple[Method, ...] = (),
    routes: Any = (),
    **settings: Any,
) -> AsyncIterator[Venue]:
    """Serve the engine on a free port; at the end nothing has failed and the engine is as it was."""
    before = state_hash(engine())
    incidents: list[Incident] = []
    hub, rewind = LittleHub(), LittlePast() if past else None
    stated = Settings(**{"static": NO_STATIC, "stop_s_max": 1.0} | settings)
    service = service_of(
        [*methods(), *more], LittleHost(), hub, keys().ring, policy=policy, settings=stated,
        rewind=rewind, on_incident=incidents.append, testnet=True,
    )  # fmt: skip
    server = WebServer(create_app(service, routes), service)
    await server.start()
    try:
        yield Venue(service, server, hub, rewind, incidents)
    finally:
        await server.stop()
    assert [(each.method, repr(each.error)) for each in incidents] == []
    assert state_hash(engine()) == before


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's story in a loop of its own, no longer than a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def request(method: str, params: object = None, identity: object = 1) -> dict[str, Any]:
    """Return a request; params None are left out."""
    given = {} if params is None else {"params": params}
    return {"jsonrpc": "2.0", "id": identity, "method": method, **given}


async def ask(
    socket: ClientConnection, method: str, params: object = None, identity: Any = 1
) -> Any:
    """Return the answer to a request; notifications that come before it are dropped."""
    await socket.send(json.dumps(request(method, params, identity)))
    while True:
        told = json.loads(await socket.recv())
        if "id" in told and told["id"] == identity:
            return told


async def login(socket: ClientConnection, who: str = "risk") -> Any:
    """Prove who asks over a connection, by a secret."""
    known = keys()
    params = {
        "grant_type": "client_credentials", "client_id": getattr(known, who),
        "client_secret": getattr(known, f"{who}_secret"),
    }  # fmt: skip
    answer = await ask(socket, "public/auth", params)
    assert "result" in answer, answer
    return answer["result"]


async def bearer(client: httpx.AsyncClient, who: str = "alice") -> dict[str, str]:
    """Return the header of a token, asked for over HTTP."""
    known = keys()
    params = {
        "grant_type": "client_credentials", "client_id": getattr(known, who),
        "client_secret": getattr(known, f"{who}_secret"),
    }  # fmt: skip
    answer = await client.get("/api/v2/public/auth", params=params)
    return {"authorization": f"Bearer {answer.json()['result']['access_token']}"}


def code(answer: Any) -> str:
    """Return our code of an error."""
    return str(answer["error"]["data"]["code"])


async def closed_with(socket: ClientConnection, seconds: float = 20.0) -> int | None:
    """Return the code that a connection is closed with; what is still told is dropped."""
    from websockets.exceptions import ConnectionClosed

    try:
        async with asyncio.timeout(seconds):
            while True:
                await socket.recv()
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else None


Story = Callable[[], Awaitable[None]]
