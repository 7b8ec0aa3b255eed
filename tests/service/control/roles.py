"""A venue under control: a real engine with a journal, the keys of several persons, and a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from steelyard.cli.session import opening_events
from steelyard.engine.engine import Engine, Receipt
from steelyard.engine.recovery import JournaledEngine, create_engine
from steelyard.lab import SimulatedMarket
from steelyard.service.access import SCOPES, KeyRing, Policy, ReplayCache, Session, Verifier
from steelyard.service.access.credits import Limit
from steelyard.service.access.keys import Ed25519Proof, Key
from steelyard.service.access.signing import sign_request
from steelyard.service.access.tokens import TokenStore
from steelyard.service.control.app import create_control
from steelyard.service.control.seams import Make
from steelyard.service.rpc.dispatch import Incident
from steelyard.service.web.charges import Charges
from steelyard.service.web.proofs import Proofs
from steelyard.terms import AccountRecord, load_method
from steelyard.terms.account import PositionRecord
from steelyard.terms.documents.signing import public_key
from steelyard.ticks import AccountsLoaded
from tests.service.access.roles import PRIVATE, Chance

START_US = 1_760_130_000_000_000
NOW_US = 1_767_225_600_000_000
BTC = "BTC_USDC-PERPETUAL"
ETH = "ETH_USDC-PERPETUAL"
GENEROUS = Limit(10**9, 10**9)
Found = TypeVar("Found")

PERSONS: dict[str, tuple[tuple[str, ...], tuple[str, ...] | str]] = {
    "trader": (("read", "simulate", "trade"), ("alice", "izzy")),
    "reader": (("read",), ("alice",)),
    "risk": (("read", "risk"), "all"),
    "risk2": (("read", "risk"), "all"),
    "admin": (SCOPES, "all"),
    "admin2": (SCOPES, "all"),
}


class PlainHost:
    """A host of a real engine without a loop of its own: commands wait for the disk in a thread."""

    title = "A venue under control"

    def __init__(self, journaled: JournaledEngine) -> None:
        self.journaled = journaled
        self.told_before_durable = 0

    @property
    def engine(self) -> Engine:
        return self.journaled.engine

    async def command(self, make: Make) -> Receipt:
        engine, committer = self.engine, self.journaled.committer
        number = engine.origin_seqs.get("operator", 0) + 1
        receipt = engine.submit(make(engine.market.time_us, "operator", number))
        await asyncio.to_thread(committer.wait_durable, committer.position)
        return receipt


class Parts:
    """The parts of a service that the control plane asks for."""

    def __init__(
        self, host: Any, keys: tuple[Key, ...], policy: Policy, clock: Callable[[], int]
    ) -> None:
        ring = KeyRing(keys, random=Chance("ring"))
        self.host = host
        self.tokens = TokenStore(ring, random=Chance("tokens"))
        self.charges = Charges(policy)
        verifier = Verifier(ring, ReplayCache())
        self.proofs = Proofs(ring, verifier, self.tokens, self.charges, random=Chance("proofs"))
        self.clock = clock


def a_key(name: str) -> Key:
    scopes, accounts = PERSONS[name]
    return Key(
        id=name, label=name, scopes=scopes, accounts=accounts, created_us=0, expires_us=None,
        revoked_us=None, generation=1,
        proof=Ed25519Proof(public_key=public_key(PRIVATE).hex()),
    )  # type: ignore[arg-type] # fmt: skip


class Desk:
    """The control plane over a venue, asked in process.

    alice: portfolio, 100,000 USDC and a short of 0.5 BTC. carol: cross, 5,000 USDC. izzy: isolated, with a
    position in ETH. now_us: the wall clock.
    """

    def __init__(self, path: Path, *, policy: Policy | None = None) -> None:
        self.path = path
        self.journaled = create_engine(path, load_method())
        self.engine = self.journaled.engine
        for event in opening_events(SimulatedMarket(7, START_US, 1)):
            self.engine.submit(event)
        self.engine.submit(AccountsLoaded(START_US, "file", 1, self._records()))
        self.host = PlainHost(self.journaled)
        keys = tuple(map(a_key, PERSONS))
        self.parts = Parts(
            self.host, keys, policy or Policy(GENEROUS, GENEROUS, GENEROUS), lambda: self.now_us
        )
        self.now_us = NOW_US
        self.incidents: list[Incident] = []
        self.app = create_control(self.parts, on_incident=self.incidents.append)
        self.bearers = {
            key.id: self.parts.tokens.issue(key.session(), NOW_US).access_token for key in keys
        }
        self._numbers = 0

    def _records(self) -> list[AccountRecord]:
        usd = 1_000_000
        return [
            AccountRecord("alice", "portfolio", {"USDC": 100_000 * usd}, [self.held(BTC, -0.5)]),
            AccountRecord("carol", "cross", {"USDC": 5_000 * usd}, []),
            AccountRecord(
                "izzy", "isolated", {"USDC": 9_000 * usd},
                [self.held(ETH, 1.0, isolated_margin=1_000 * usd)],
            ),
        ]  # fmt: skip

    def held(self, name: str, quantity: float, isolated_margin: int = 0) -> PositionRecord:
        slot = self.engine.market.instrument_slots[name]
        lots = round(quantity * 10 ** self.engine.market.instruments[slot].lot_exponent)
        mark = int(self.engine.market.mark_units[slot])
        return PositionRecord(name, lots, mark, isolated_margin)

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *failure: object) -> None:
        self.parts.proofs.close()
        self.journaled.close()

    def session(self, who: str) -> Session:
        """Return what a person's key may do."""
        return a_key(who).session()

    # -- asking --------------------------------------------------------------------------------

    def run(self, doing: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Found]]) -> Found:
        """Return what a conversation comes to."""
        return run(self.app, doing)

    def ask(self, who: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer to a question."""
        return self.send(who, "GET", path, **more)

    def do(self, who: str, path: str, body: object = None, **more: Any) -> httpx.Response:
        """Return the answer to a command, sent with a new idempotency key unless one is given."""
        return self.send(who, more.pop("verb", "POST"), path, body, **more)

    def send(
        self, who: str, verb: str, path: str, body: object = None, *, key: str | None = None,
        headers: dict[str, str] | None = None, raw: bytes | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Return the answer to a request of a person, "" for nobody."""
        request = self.prepared(who, verb, path, body, key=key, headers=headers, raw=raw)

        async def one(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(**request)

        return self.run(one)

    def prepared(
        self, who: str, verb: str, path: str, body: object = None, *, key: str | None = None,
        headers: dict[str, str] | None = None, raw: bytes | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return the arguments of a request."""
        self._numbers += 1
        sent: dict[str, str] = {}
        if who:
            sent["Authorization"] = f"Bearer {self.bearers[who]}"
        if verb not in ("GET", "HEAD"):
            sent["Idempotency-Key"] = f"key-{self._numbers}" if key is None else key
        content = raw
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        return {
            "method": verb, "url": path, "content": content,
            "headers": {name: value for name, value in sent.items() if value},
        }  # fmt: skip

    def signed(self, who: str, verb: str, path: str, body: bytes = b"", nonce: str = "n") -> str:
        """Return the Authorization header of a signed request, under the mount point."""
        return sign_request(
            who, PRIVATE, verb, path, body, ts_ms=self.now_us // 1000, nonce=nonce,
            scheme="steelyard-ed25519",
        )  # fmt: skip


def run(app: FastAPI, doing: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Found]]) -> Found:
    """Return what a conversation with an application comes to."""

    async def talk() -> Found:
        mounted = Starlette(routes=[Mount("/v1", app)])
        transport = httpx.ASGITransport(
            mounted, raise_app_exceptions=False, client=("192.0.2.7", 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://venue/v1") as client:
            return await doing(client)

    return asyncio.run(talk())


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return a problem that keeps the form of all problems."""
    found: dict[str, Any] = answer.json()
    assert (answer.status_code, found["code"]) == (status, code), found
    assert answer.headers["content-type"] == "application/problem+json"
    assert found["status"] == status
    assert found["type"] == f"urn:steelyard:problem:{code}"
    assert found["instance"].startswith("urn:steelyard:request:")
    for field in ("title", "detail", "rule", "cure"):
        assert found[field], field
    assert all(isinstance(each, str) for each in found["where"].values())
    return found
