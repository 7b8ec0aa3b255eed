"""A reservation over the control plane and over JSON-RPC, against the host alone; and pages of accounts.

A simulated venue of 10,000 accounts on its real host and journal. In turn: an order is reserved by the host's own
command, by POST /v1/…/reservations through the whole application (a token, an idempotency key, the models, but
no socket), and by private/reserve through the dispatcher; each time it is released again. Wall time has the
flush of the disk in it; the loop's own processor time is what a way of asking costs the engine's thread.

    python -m bench.control_plane [--quick] [--accounts 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.machine import peer, print_machine, report
from steelyard.cli.wiring import simulated_session
from steelyard.service.access import KeyRing, Policy, ReplayCache, Session, Verifier
from steelyard.service.access.credits import Limit
from steelyard.service.access.keys import Ed25519Proof, Key
from steelyard.service.access.tokens import TokenStore
from steelyard.service.control.trade_methods import trade_methods
from steelyard.service.host import Host
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Registry
from steelyard.service.web.charges import Charges
from steelyard.service.web.proofs import Proofs
from steelyard.terms.documents.signing import public_key
from steelyard.ticks import Event, OrderReserved, ReservationReleased, TimeTick

SEED = 7
LIFE_US = 10_000_000
WIDE = Limit(10**9, 10**9)
SCOPES = ("read", "trade", "risk", "admin")
Timed = dict[str, list[tuple[float, float]]]


class Venue:
    """A host, and the three ways to it."""

    def __init__(self, host: Host, create_control: Any) -> None:
        proof = Ed25519Proof(public_key=public_key(bytes(range(1, 33))).hex())
        key = Key(
            id="bench", label="", scopes=SCOPES, accounts="all", created_us=0, expires_us=None,
            revoked_us=None, generation=1, proof=proof,
        )  # type: ignore[arg-type] # fmt: skip
        ring = KeyRing([key], random=os.urandom)
        self.host = host
        self.tokens = TokenStore(ring, random=os.urandom)
        self.charges = Charges(Policy(WIDE, WIDE, WIDE))
        verifier = Verifier(ring, ReplayCache())
        self.proofs = Proofs(ring, verifier, self.tokens, self.charges, random=os.urandom)
        self.app = create_control(self)
        token = self.tokens.issue(key.session(), self.clock()).access_token
        self.bearer = f"Bearer {token}".encode()
        self.session = Session("bench", frozenset(SCOPES), None)
        self.dispatcher = Dispatcher(
            Registry(trade_methods(host)), charge=lambda *_: None, on_incident=print
        )
        self.number = 0
        engine = host.engine
        self.instrument = next(i for i in engine.market.instruments if i.kind == "perpetual")
        slot = engine.market.instrument_slots[self.instrument.name]
        self.price = int(engine.market.mark_units[slot]) / 10**self.instrument.mark_exponent
        self.quantity = f"{10**-self.instrument.lot_exponent:f}"
        # Accounts that may trade it themselves; which of them have the margin is tried first.
        self.accounts = [
            n for n in sorted(engine.places) if engine.trading_unit(n, self.instrument.name) == n
        ]

    @staticmethod
    def clock() -> int:
        """Return UTC microseconds."""
        return time.time_ns() // 1_000

    async def by_host(self, account: str) -> None:
        """Reserve by the host's own command."""

        def make(time_us: int, origin: str, number: int) -> Event:
            return OrderReserved(
                time_us, origin, number, account, "o", self.instrument.name, 1, self.price,
                time_us + LIFE_US,
            )  # fmt: skip

        await self.host.command(make)

    async def by_control_plane(self, account: str) -> None:
        """Reserve by POST."""
        body = json.dumps({"order": "o", "instrument": self.instrument.name,
                           "quantity": self.quantity, "price": f"{self.price:f}"}).encode()  # fmt: skip
        status = await self.asked("POST", f"/v1/accounts/{account}/reservations", body)
        assert status == 201, status

    async def by_json_rpc(self, account: str) -> None:
        """Reserve by private/reserve."""
        params = {"order": "o", "instrument_name": self.instrument.name, "account": account,
                  "quantity": self.quantity, "price": f"{self.price:f}"}  # fmt: skip
        raw = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "private/reserve", "params": params})
        answer = await self.dispatcher.respond_later(
            raw.encode(), self.session, self.host.desk, self.clock
        )
        assert answer.http_status == 200, answer

    async def release(self, account: str) -> None:
        """Release it."""
        await self.host.command(lambda at, by, n: ReservationReleased(at, by, n, account, "o"))

    async def asked(self, verb: str, path: str, body: bytes = b"", query: bytes = b"") -> int:
        """Return the status of a request through the application."""
        self.number += 1
        headers = [(b"authorization", self.bearer), (b"content-type", b"application/json"),
                   (b"idempotency-key", b"%d" % self.number)]  # fmt: skip
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": verb,
            "path": path, "raw_path": path.encode(), "query_string": query, "root_path": "/v1",
            "scheme": "http", "headers": headers, "client": ("192.0.2.1", 1), "server": ("venue", 80),
        }  # fmt: skip
        parts = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return int(sent[0]["status"])


async def _measure(venue: Venue, count: int) -> None:
    await venue.host.start()
    taken = []
    for account in venue.accounts:
        try:
            await venue.by_host(account)
        except Exception:  # no margin for it
            continue
        await venue.release(account)
        taken.append(account)
        if len(taken) == 50:
            break
    ways = {"host alone": venue.by_host, "control plane": venue.by_control_plane,
            "JSON-RPC": venue.by_json_rpc}  # fmt: skip
    timed: Timed = {name: [] for name in ways}
    gc.collect()
    for turn in range(count + 20):
        account = taken[turn % len(taken)]
        for name, way in ways.items():
            found = await _once(lambda way=way, account=account: way(account))  # type: ignore[misc]
            await venue.release(account)
            if turn >= 20:
                timed[name].append(found)
    for name, found in timed.items():
        _tell(f"reserve → durable, {name}", found)
    units = len(venue.host.engine.places)
    for sort in ("name", "margin_ratio"):
        found = []
        for _ in range(max(20, count // 10)):
            venue.host.submit(_tick(venue.host))  # a page of another event each time
            query = f"limit=100&sort={sort}".encode()

            async def page(query: bytes = query) -> None:
                assert await venue.asked("GET", "/v1/accounts", query=query) == 200

            found.append(await _once(page))
        _tell(f"page of 100 of {units:,} units by {sort}", found)
    await venue.host.close()


def _tick(host: Host) -> Event:
    return TimeTick(host.engine.market.time_us, "bench", host.next_seq("bench"))


async def _once(doing: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return (elapsed, own processor time of the loop's thread) in µs."""
    start, own = time.perf_counter_ns(), time.thread_time_ns()
    await doing()
    own = time.thread_time_ns() - own
    return (time.perf_counter_ns() - start) / 1_000, own / 1_000


def _tell(name: str, found: list[tuple[float, float]]) -> None:
    cuts = statistics.quantiles([elapsed for elapsed, _ in found], n=100, method="inclusive")
    own = statistics.median([processor for _, processor in found])
    report(f"{name} p50", cuts[49], "µs", note=f"{own:.0f} µs of them the loop's own")
    report(f"{name} p99", cuts[98], "µs")


def main() -> None:
    """Run the venue, then ask it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds")
    parser.add_argument("--accounts", type=int, default=10_000)
    arguments = parser.parse_args()
    print_machine()
    if peer("fastapi") is None:
        return
    from steelyard.service.control.app import create_control

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "venue.journal"
        people = f"population:{arguments.accounts}"
        session = simulated_session(SEED, people, 1, "calm", 1, path, None, 5_000_000, print)
        venue = Venue(Host(session.journaled), create_control)
        asyncio.run(_measure(venue, 200 if arguments.quick else 2_000))
        venue.proofs.close()


if __name__ == "__main__":
    main()
