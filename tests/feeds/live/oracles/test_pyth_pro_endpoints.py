"""Many endpoints of Pyth Pro, one stream: the merger, and endpoints of our own on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from steelyard.feeds.live.connection import ConnectionRules
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.pyth_pro import Merger, ProTerms
from steelyard.feeds.live.oracles.pyth_pro_connection import EndpointHealth, run_pro
from steelyard.feeds.live.oracles.pyth_pro_payload import ProPrice, ProSigner
from steelyard.quantities import InputError
from tests.support.pyth import PRO_NOW_US, address, key, pro_frame

SIGNER = key(900)
SIGNERS = (ProSigner(address(SIGNER)),)
BTC = 6_713_436_287_632


def offer(merger: Merger, endpoint: str, step: int, price: int = BTC, feed: int = 1) -> object:
    return merger.take(endpoint, ProPrice(feed, PRO_NOW_US + step, price, -8, 1_000))


def test_PYTH_046_each_update_passes_once_from_whoever_is_first() -> None:
    merger = Merger()
    passed = [
        (endpoint, step)
        for endpoint, step in [
            *(("a", 1), ("b", 1), ("b", 2), ("a", 2), ("c", 1)),
            *(("c", 4), ("c", 3), ("a", 3), ("b", 4), ("a", 1)),
        ]
        if isinstance(offer(merger, endpoint, step), OraclePrice)
    ]
    assert passed == [("a", 1), ("b", 2), ("c", 4), ("c", 3)]
    counts = {name: (each.first, each.repeats) for name, each in merger.counts.items()}
    assert counts == {"a": (1, 3), "b": (1, 2), "c": (2, 1)}


def test_PYTH_046_feeds_do_not_stand_in_each_others_way() -> None:
    merger = Merger()
    assert isinstance(offer(merger, "a", 1, feed=1), OraclePrice)
    assert isinstance(offer(merger, "b", 1, feed=2), OraclePrice)


def test_PYTH_046_what_is_forgotten_never_passes_twice() -> None:
    merger = Merger(kept=3)
    assert all(isinstance(offer(merger, "a", step), OraclePrice) for step in (5, 1, 2, 6, 7))
    for step in (5, 1, 2, 6, 7):
        assert offer(merger, "b", step) is None
    assert offer(merger, "b", 4) is None  # no newer than 5, which is forgotten
    assert isinstance(offer(merger, "b", 8), OraclePrice)
    assert merger.counts["b"].too_late + merger.counts["b"].repeats == 6


def test_PYTH_047_a_small_difference_is_counted_and_a_large_one_said() -> None:
    merger = Merger()
    offer(merger, "a", 1)
    assert offer(merger, "b", 1, BTC + 2_000) is None
    status = offer(merger, "c", 1, BTC + 2_001)
    assert isinstance(status, Status)
    assert (status.market, status.kind) == ("1", "unverified")
    assert (merger.counts["b"].differing, merger.counts["b"].unverified) == (1, 0)
    assert (merger.counts["c"].differing, merger.counts["c"].unverified) == (1, 1)


class Endpoint:
    """A local endpoint: waits for a subscription, then sends what the test puts into `outbox`."""

    def __init__(self) -> None:
        self.outbox: asyncio.Queue[dict[str, object] | None] = asyncio.Queue()
        self.subscriptions: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.WebSocketResponse:
        self.tokens.append(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        asked = await socket.receive()
        if asked.type is not WSMsgType.TEXT:
            return socket
        self.subscriptions.append(json.loads(asked.data))
        await socket.send_str('{"type":"subscribed","subscriptionId":1}')
        while (frame := await self.outbox.get()) is not None:
            await socket.send_str(json.dumps(frame))
        await socket.close()
        return socket

    async def __aenter__(self) -> Endpoint:
        app = web.Application()
        app.router.add_get("/v1/stream", self.answer)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"ws://127.0.0.1:{port}/v1/stream"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


class Listener:
    """What comes out of a run, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Message]] = []
        self.changed = asyncio.Event()

    def on_messages(self, name: str, messages: list[Message], received_us: int) -> None:
        assert received_us == PRO_NOW_US
        self.heard.extend((name, message) for message in messages)
        self.changed.set()

    def prices(self) -> list[tuple[str, float]]:
        return [(name, each.price) for name, each in self.heard if isinstance(each, OraclePrice)]

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.changed.clear()
            await self.changed.wait()


RULES = ConnectionRules(first_wait_us=1_000, wait_us_max=20_000)


def played(
    play: Callable[[list[Endpoint], Listener], Any], monkeypatch: pytest.MonkeyPatch, count: int = 3
) -> tuple[Listener, list[Endpoint], list[EndpointHealth]]:
    """Run all endpoints and the client, let the test play, stop."""
    monkeypatch.setenv("PYTH_API_KEY", "s3cret")

    async def run() -> tuple[Listener, list[Endpoint], list[EndpointHealth]]:
        stop = asyncio.Event()
        listener = Listener()
        endpoints = [Endpoint() for _ in range(count)]
        for endpoint in endpoints:
            await endpoint.__aenter__()
        terms = ProTerms(
            (1, 2), tuple(endpoint.url for endpoint in endpoints), "fixed_rate@50ms", SIGNERS
        )
        task = asyncio.create_task(
            run_pro(
                "pro",
                terms,
                on_messages=listener.on_messages,
                on_health=lambda _: listener.changed.set(),
                clock=lambda: PRO_NOW_US,
                stop=stop,
                rules=RULES,
            )
        )
        try:
            await listener.until(lambda: all(each.subscriptions for each in endpoints))
            await play(endpoints, listener)
        finally:
            stop.set()
            health = await task
            for endpoint in endpoints:
                endpoint.outbox.put_nowait(None)
                await endpoint.__aexit__()
        return listener, endpoints, health

    return asyncio.run(asyncio.wait_for(run(), 20))


def signed(step: int, price: int) -> dict[str, object]:
    return pro_frame([(1, price)], PRO_NOW_US + step, signer=SIGNER)


def test_PYTH_048_three_endpoints_make_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(endpoints: list[Endpoint], listener: Listener) -> None:
        for step in range(30):
            leader = endpoints[step % 3]
            leader.outbox.put_nowait(signed(step, (step + 1) * 10**8))
            await listener.until(lambda step=step: len(listener.prices()) == step + 1)  # type: ignore[misc]
            for endpoint in endpoints:
                if endpoint is not leader:
                    endpoint.outbox.put_nowait(signed(step, (step + 1) * 10**8))
        endpoints[0].outbox.put_nowait(signed(30, 31 * 10**8))
        await listener.until(lambda: len(listener.prices()) == 31)

    listener, endpoints, health = played(play, monkeypatch)
    assert listener.prices() == [(f"pro/{step % 3}", step + 1.0) for step in range(31)]
    assert [each.counts.first for each in health] == [11, 10, 10]
    assert [each.endpoint for each in health] == [each.url for each in endpoints]
    for endpoint in endpoints:
        assert endpoint.tokens == ["Bearer s3cret"]
        assert endpoint.subscriptions[0]["channel"] == "fixed_rate@50ms"
    assert "s3cret" not in repr(health)


def test_PYTH_048_all_but_one_may_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(endpoints: list[Endpoint], listener: Listener) -> None:
        for endpoint in endpoints[:2]:
            endpoint.outbox.put_nowait(None)
            await endpoint.runner.cleanup()
        for step in range(5):
            endpoints[2].outbox.put_nowait(signed(step, (step + 1) * 10**8))
        await listener.until(lambda: len(listener.prices()) == 5)
        await asyncio.sleep(0.05)

    listener, _, health = played(play, monkeypatch)
    assert listener.prices() == [("pro/2", step + 1.0) for step in range(5)]
    assert [bool(each.connection.errors) for each in health] == [True, True, False]
    assert health[0].connection.attempts > 1


def test_PYTH_048_an_endpoint_that_comes_back_is_subscribed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(endpoints: list[Endpoint], listener: Listener) -> None:
        first = endpoints[0]
        first.outbox.put_nowait(signed(1, 10**8))
        await listener.until(lambda: len(listener.prices()) == 1)
        first.outbox.put_nowait(None)
        await listener.until(lambda: len(first.subscriptions) == 2)
        first.outbox.put_nowait(signed(1, 10**8))
        first.outbox.put_nowait(signed(2, 2 * 10**8))
        await listener.until(lambda: len(listener.prices()) == 2)

    listener, _, health = played(play, monkeypatch, count=2)
    assert listener.prices() == [("pro/0", 1.0), ("pro/0", 2.0)]
    assert health[0].connection.connects == 2
    assert health[0].counts.repeats == 1


def test_PYTH_048_an_endpoint_that_forges_keeps_no_price_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(endpoints: list[Endpoint], listener: Listener) -> None:
        liar, honest = endpoints
        liar.outbox.put_nowait(pro_frame([(1, 5 * 10**8)], PRO_NOW_US, signer=key(901)))
        await listener.until(
            lambda: any(
                isinstance(each, Status) and each.kind == "unverified" for _, each in listener.heard
            )
        )
        honest.outbox.put_nowait(signed(0, 10**8))
        await listener.until(lambda: bool(listener.prices()))

    listener, _, health = played(play, monkeypatch, count=2)
    assert listener.prices() == [("pro/1", 1.0)]
    assert [each.counts.unverified for each in health] == [1, 0]


def test_PYTH_048_what_the_listener_raises_ends_the_run() -> None:
    async def run() -> None:
        def on_messages(*_: object) -> None:
            raise LookupError("the listener's own")

        async with Endpoint() as first, Endpoint() as second:
            try:
                await run_pro(
                    "pro",
                    ProTerms((1,), (first.url, second.url), token_variable=""),
                    on_messages=on_messages,
                    clock=lambda: PRO_NOW_US,
                    stop=asyncio.Event(),
                    rules=RULES,
                )
            finally:
                first.outbox.put_nowait(None)
                second.outbox.put_nowait(None)

    with pytest.raises(LookupError, match="listener"):
        asyncio.run(asyncio.wait_for(run(), 20))


def test_PYTH_048_without_a_token_nothing_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTH_API_KEY", raising=False)

    async def run() -> None:
        await run_pro(
            "pro",
            ProTerms((1,)),
            on_messages=lambda *_: None,
            clock=lambda: PRO_NOW_US,
            stop=asyncio.Event(),
        )

    with pytest.raises(InputError, match="PYTH-E09"):
        asyncio.run(run())
