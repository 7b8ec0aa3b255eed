"""A document, two venues on loopback, and the events that come out while one of them misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
import pytest

from steelyard.feeds.live.config import ConnectionRow, FeedsConfig, MarketRow, SourceRow
from steelyard.feeds.live.driver import LiveDriver
from steelyard.feeds.live.messages import Status
from steelyard.feeds.live.registry import CLIENTS
from steelyard.feeds.live.stream import live_events, token_headers
from steelyard.quantities import InputError
from steelyard.ticks import check_event
from steelyard.ticks.events import (
    Event,
    PriceBatch,
    PriceTick,
    SourceListed,
    SourcePrice,
    SourceStatus,
)
from tests.support.live_server import (
    QUICK,
    Action,
    Drop,
    LiveServer,
    Pause,
    Script,
    live_server,
    now_us,
)
from tests.support.plain_client import PlainClient


@pytest.fixture(autouse=True)
def plain_venues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two venues of the registry speak the plain protocol."""
    import steelyard.feeds.live.registry as registry

    monkeypatch.setattr(registry, "_VENUES", "tests.support.")
    for venue in ("okx", "kraken"):
        monkeypatch.setitem(CLIENTS, venue, ("plain_client", "PlainClient", ()))


def config_of(**servers: LiveServer) -> FeedsConfig:
    """One connection a server, one source a connection."""
    return FeedsConfig(
        connections=[
            ConnectionRow(
                name,
                "okx" if number == 0 else "kraken",
                [MarketRow("BTC", ["trades"])],
                websocket_url=server.url,
                rest_url=server.rest_url,
            )
            for number, (name, server) in enumerate(servers.items())
        ],
        sources=[
            SourceRow(f"{name}-btc", "BTC", name, "BTC", "trade", operator=name) for name in servers
        ],
    )


def gather(
    driver: LiveDriver, until: Callable[[list[Event]], bool], busy_s: float = 0.0
) -> list[Event]:
    """Take events until `until` holds; the engine is busy so long with each list."""
    events: list[Event] = []

    async def run() -> None:
        stop = asyncio.Event()
        async with asyncio.timeout(10.0):
            async for some in live_events(driver, clock=now_us, stop=stop, rules=QUICK):
                events.extend(some)
                if busy_s:
                    await asyncio.sleep(busy_s)
                if until(events):
                    stop.set()

    asyncio.run(run())
    for event in events:
        check_event(event)
    return events


def prices(events: list[Event]) -> Iterator[SourcePrice | PriceTick]:
    for event in events:
        if isinstance(event, PriceTick):
            yield event
        elif isinstance(event, PriceBatch):
            yield from event.prices


def stream_of(first: int, last: int, wait_s: float) -> Iterator[Action]:
    for number in range(first, last):
        yield f"trade BTC {number} 1 {now_us()}"
        yield Pause(wait_s)


def test_LIVE_060_one_venue_that_is_lost_and_comes_back_leaves_the_other_alone() -> None:
    def breaking(index: int, frame: str) -> Iterator[Action]:
        yield from stream_of(1, 6, 0.005)
        if index == 0:
            yield Drop()
        yield from stream_of(6, 2_000, 0.005)

    steady = Script(on_frame=lambda _index, _frame: stream_of(1, 2_000, 0.005))
    with live_server(Script(on_frame=breaking)) as first, live_server(steady) as second:
        driver = LiveDriver(config_of(one=first, two=second))
        events = gather(
            driver,
            lambda seen: sum(isinstance(e, SourceStatus) and e.state == "up" for e in seen) >= 3,
        )
        assert first.frames[:2] == [["subscribe BTC trades"]] * 2
        assert second.handshakes == 1
    assert [type(event) for event in events[:2]] == [SourceListed, SourceListed]
    told: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event, SourceStatus):
            told.setdefault(event.source, []).append(event.state)
    assert told["one-btc"][:4] == ["down", "up", "down", "up"]
    assert told["two-btc"][:2] == ["down", "up"]
    assert set(told["two-btc"][2:]) <= {"down"}  # the end of the run
    assert [e.origin_seq for e in events] == list(range(1, len(events) + 1))


def test_LIVE_061_what_comes_while_the_engine_is_busy_becomes_one_batch_with_every_last_word() -> (
    None
):
    flood = Script(on_connect=lambda _index, _path: stream_of(1, 2_001, 0.0))
    with live_server(flood) as first, live_server(flood) as second:
        driver = LiveDriver(config_of(one=first, two=second))
        events = gather(
            driver,
            lambda seen: (
                {(p.source, p.price) for p in prices(seen)}
                >= {("one-btc", 2000.0), ("two-btc", 2000.0)}
            ),
            busy_s=0.05,
        )
    assert any(isinstance(event, PriceBatch) for event in events)
    taken = list(prices(events))
    assert len(taken) + driver.counts.conflated == driver.counts.prices == 4_000
    assert len(taken) < 1_000
    assert sum(price.quantity for price in taken) == 4_000.0


def test_LIVE_062_a_venue_that_sends_garbage_is_malformed_and_the_other_goes_on() -> None:
    def garbage(index: int, path: str) -> Iterator[Action]:
        yield f"trade BTC 7 1 {now_us()}"
        yield Pause(0.05)
        while True:
            yield b"\xff\x00garbage"
            yield Pause(0.01)

    steady = Script(on_connect=lambda _index, _path: stream_of(1, 2_000, 0.005))
    with live_server(Script(on_connect=garbage)) as first, live_server(steady) as second:
        driver = LiveDriver(config_of(one=first, two=second))
        events = gather(
            driver,
            lambda seen: any(isinstance(e, SourceStatus) and e.state == "malformed" for e in seen),
        )
    assert {price.source for price in prices(events)} == {"one-btc", "two-btc"}
    assert driver.health["one"].errors["WIRE-E01"] >= 3


def test_LIVE_063_a_fault_of_a_client_is_not_swallowed() -> None:
    class Faulty(PlainClient):
        def receive(self, frame: bytes, received_us: int) -> list[object]:  # type: ignore[override] # noqa: ARG002
            raise ZeroDivisionError("a fault of ours")

    async def run(driver: LiveDriver) -> None:
        async with asyncio.timeout(10.0):
            async for _ in live_events(driver, clock=now_us, stop=asyncio.Event(), rules=QUICK):
                pass

    import tests.support.plain_client as plain

    original = plain.PlainClient
    with live_server(Script(on_connect=["trade BTC 1 1 1"])) as server:
        plain.PlainClient = Faulty  # type: ignore[misc]
        try:
            with pytest.raises(ZeroDivisionError):
                asyncio.run(run(LiveDriver(config_of(one=server))))
        finally:
            plain.PlainClient = original  # type: ignore[misc]


def test_LIVE_064_a_token_comes_from_the_environment_or_is_a_named_error() -> None:
    row = ConnectionRow("one", "okx", [], token_variable="ONE_TOKEN")
    assert token_headers(row, {"ONE_TOKEN": "abc"}) == {"Authorization": "Bearer abc"}
    assert token_headers(msgspec.structs.replace(row, token_variable=None), {}) == {}
    for held in ({}, {"ONE_TOKEN": ""}, {"ONE_TOKEN": "a\r\nHost: x"}):
        with pytest.raises(InputError, match=r"LIVE-E07.*ONE_TOKEN") as caught:
            token_headers(row, held)
        assert "Host" not in str(caught.value)


def test_LIVE_065_an_oracle_is_run_by_a_runner_of_its_own() -> None:
    rows: list[str] = []

    async def runner(row: ConnectionRow, **tools: object) -> object:
        rows.append(row.name)
        tools["on_messages"](row.name, [Status("BTC", "unverified", "signer")], now_us())  # type: ignore[operator]
        await tools["stop"].wait()  # type: ignore[attr-defined]
        return None

    config = FeedsConfig(
        [ConnectionRow("pyth", "pyth-hermes", [MarketRow("BTC", ["reference"])])],
        [SourceRow("pyth-btc", "BTC", "pyth", "BTC", "oracle", kind="oracle")],
    )

    async def run() -> list[Event]:
        stop = asyncio.Event()
        seen: list[Event] = []
        async for some in live_events(
            LiveDriver(config),
            clock=now_us,
            stop=stop,
            runners={"pyth-hermes": runner},  # type: ignore[dict-item]
        ):
            seen += some
            if len(seen) >= 2:
                stop.set()
        return seen

    listed, status = asyncio.run(asyncio.wait_for(run(), 5.0))
    assert isinstance(listed, SourceListed)
    assert listed.operator == "pyth"
    assert isinstance(status, SourceStatus)
    assert status.state in ("down", "unverified")
    assert rows == ["pyth"]
