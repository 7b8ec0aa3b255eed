"""Playing a market: its pace, joined prices, the loop between events, threads, and what comes after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities import InvariantError
from steelyard.service.host import host as hosting
from steelyard.service.host.playing import JOINED_ORIGIN, from_thread, joined, paced
from steelyard.ticks import Event, PriceBatch, PriceTick, QuoteTick, TimeTick
from tests.service.host.hosts import Disk, hosted, make_disk, run, until
from tests.support.venue import BTC_INVERSE, BTC_LINEAR, SECOND_US, START_US

__all__ = ["make_disk"]


@pytest.fixture(name="path")
def make_path(tmp_path: Path) -> Path:
    return tmp_path / "played.journal"


def price(number: int, asset: str = "BTC", at_us: int = 0) -> PriceTick:
    time_us = START_US + at_us
    return PriceTick(time_us, "test:prices", number, "alpha", asset, 99_000.0 + number, time_us)


def quote(number: int, instrument: str, at_us: int = 0) -> QuoteTick:
    time_us = START_US + at_us
    return QuoteTick(
        time_us, "test:quotes", number, instrument, 99_000.0, 99_001.0 + number, time_us
    )


def numbers() -> Any:
    counter = iter(range(1, 10**6))
    return lambda: next(counter)


# -- joining -------------------------------------------------------------------------------------


def test_HOST_006_prices_of_a_run_are_joined_in_order() -> None:
    clock = TimeTick(START_US + 5, "clock", 1)
    events: list[Event] = [
        price(1, at_us=1), quote(1, BTC_LINEAR, 2), price(2, "ETH", 3), quote(2, BTC_LINEAR, 4),
        clock, price(3, at_us=6), quote(3, BTC_INVERSE, 7),
    ]  # fmt: skip
    first, second, third, alone, last = joined(events, numbers())
    assert isinstance(first, PriceBatch)
    assert [(p.asset, p.price) for p in first.prices] == [("BTC", 99_001.0), ("ETH", 99_002.0)]
    assert (first.time_us, first.origin, first.origin_seq) == (START_US + 3, JOINED_ORIGIN, 1)
    assert [second, third, alone, last] == [events[3], clock, events[5], events[6]]


@given(st.lists(st.sampled_from("bcqrt"), max_size=60))
def test_HOST_006_joining_keeps_every_price_and_the_last_quotes(kinds: list[str]) -> None:
    events: list[Event] = []
    for number, kind in enumerate(kinds, start=1):
        if kind in "bc":
            events.append(price(number, "BTC" if kind == "b" else "ETH", number))
        elif kind in "qr":
            events.append(quote(number, BTC_LINEAR if kind == "q" else BTC_INVERSE, number))
        else:
            events.append(TimeTick(START_US + number, "clock", number))
    found = joined(events, numbers())
    times = [event.time_us for event in found]
    assert times == sorted(times)
    said: list[tuple[str, float]] = []
    for event in found:
        if isinstance(event, PriceBatch):
            assert len(event.prices) > 1
            said += [(each.asset, each.price) for each in event.prices]
        elif isinstance(event, PriceTick):
            said.append((event.asset, event.price))
    assert said == [(e.asset, e.price) for e in events if isinstance(e, PriceTick)]
    assert [e for e in found if isinstance(e, TimeTick)] == [
        e for e in events if isinstance(e, TimeTick)
    ]
    for name in (BTC_LINEAR, BTC_INVERSE):
        before = [e for e in events if isinstance(e, QuoteTick) and e.instrument == name]
        after = [e for e in found if isinstance(e, QuoteTick) and e.instrument == name]
        assert after[-1:] == before[-1:]


# -- pace ----------------------------------------------------------------------------------------


class Wall:
    """A clock that sleeping moves, and work too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 50.0
        real = asyncio.sleep

        async def slept(seconds: float) -> None:
            self.now += seconds
            await real(0)

        monkeypatch.setattr("steelyard.service.host.playing.perf_counter", lambda: self.now)
        monkeypatch.setattr("steelyard.service.host.playing.asyncio.sleep", slept)


def test_HOST_005_events_come_when_they_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch)
    events = [price(k, at_us=k * SECOND_US) for k in range(6)]
    seen: list[tuple[Event, float]] = []

    async def work() -> None:
        seen.extend([(event, wall.now) async for event in paced(iter(events), 2.0, numbers())])

    run(work)
    assert [event for event, _ in seen] == events
    assert [at - 50.0 for _, at in seen] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])


def test_HOST_006_a_market_that_fell_behind_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Wall(monkeypatch)
    events = [price(k, at_us=k * SECOND_US // 100) for k in range(1000)]
    seen: list[Event] = []

    async def work() -> None:
        async for event in paced(iter(events), 1.0, numbers()):
            seen.append(event)
            wall.now += 0.05  # each takes five times as long as there is

    run(work)
    prices = [
        p
        for e in seen
        for p in (e.prices if isinstance(e, PriceBatch) else [e])  # type: ignore[list-item]
    ]
    assert [p.price for p in prices] == [e.price for e in events]
    assert wall.now - 50.0 < 10.0 + 0.25, "the market has ten seconds, and takes no longer"
    assert len(seen) < 250
    assert not any(isinstance(each, PriceBatch) for each in seen[:2])


def test_HOST_005_at_full_speed_nothing_is_joined() -> None:
    events = [price(k, at_us=k * SECOND_US) for k in range(50)]

    async def work() -> list[Event]:
        return [event async for event in paced(iter(events), None, numbers())]

    assert run(work) == events


def test_HOST_005_the_loop_is_answered_between_two_events(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            asked: list[int] = []

            async def ask() -> None:
                while True:
                    asked.append(venue.engine.seq)
                    await asyncio.sleep(0)

            asking = asyncio.create_task(ask())
            first = venue.engine.seq
            await venue.host.drive(iter([price(k, at_us=k) for k in range(1, 41)]), speed=None)
            asking.cancel()
            assert set(range(first, first + 40)) <= set(asked), "between any two events"

    run(work)


def test_HOST_005_refused_events_are_passed_over(path: Path) -> None:
    async def work() -> None:
        async with hosted(path) as venue:
            again = price(3, at_us=3)
            await venue.host.drive(
                iter([price(1, at_us=1), again, again, price(4, at_us=4)]), speed=None
            )
            told = [step.error.code if step.error else "" for step in venue.steps]
            assert told == ["", "", "ADMT-E02", ""]

    run(work)


def test_HOST_005_the_market_waits_for_a_disk_that_is_far_behind(
    path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "BACKLOG_MAX", 20)

    async def work() -> None:
        async with hosted(path) as venue:
            await venue.host.durable(venue.host.position)
            disk.hold()
            first = venue.engine.seq
            events = [price(k, at_us=k) for k in range(1, 101)]
            driving = asyncio.create_task(venue.host.drive(iter(events), speed=None))
            await asyncio.sleep(0.05)
            assert 15 <= venue.engine.seq - first <= 25
            disk.release()
            await driving
            assert venue.engine.seq == first + 100

    run(work)


# -- afterwards ----------------------------------------------------------------------------------


def test_HOST_008_a_host_without_a_market_keeps_time_and_says_it_is_stale(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "TICK_S", 0.02)
    monkeypatch.setattr(hosting, "STALE_AFTER_US", 100_000)

    async def work() -> None:
        async with hosted(path) as venue:
            host = venue.host
            await asyncio.sleep(0.05)
            assert not venue.steps, "before a market begins its time is its own"
            await host.drive(iter([price(1, at_us=SECOND_US)]), speed=None)
            assert not host.vitals().is_stale
            ended_us = venue.engine.market.time_us
            await until(lambda: len(venue.steps) > 10)
            ticks = [step.event for step in venue.steps[1:]]
            assert {type(each) for each in ticks} == {TimeTick}
            assert [each.origin_seq for each in ticks] == list(range(1, len(ticks) + 1))
            passed_us = ticks[9].time_us - ended_us
            assert 200_000 <= passed_us < 5_000_000, "ten fiftieths of a second, or a slow machine"
            await until(lambda: host.vitals().is_stale)
            await host.command(lambda time_us, origin, seq: TimeTick(time_us, origin, seq))
            assert not host.vitals().is_stale
            count = len(venue.steps)
            later_us = venue.engine.market.time_us - START_US
            slow = iter([price(2, at_us=later_us), price(3, at_us=later_us + SECOND_US // 10)])
            await host.drive(slow, speed=1.0)
            assert [type(s.event) for s in venue.steps[count:]] == [PriceTick, PriceTick]

    run(work)


def test_HOST_008_a_clock_that_meets_a_failure_ends_with_the_host(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "TICK_S", 0.01)

    async def work() -> None:
        async with hosted(path) as venue:
            venue.host.keep_time()
            await until(lambda: len(venue.steps) > 2)

            def broken(*_: object) -> None:
                raise InvariantError("money does not sum to zero")

            monkeypatch.setattr(venue.engine, "apply", broken)
            await until(lambda: venue.host.failure is not None)
            clock = venue.host._clock
            assert clock is not None
            await until(clock.done)
            assert clock.exception() is None
            assert "does not sum to zero" in venue.host.vitals().failure

    run(work)


# -- threads -------------------------------------------------------------------------------------


def waiting(events: list[Event], pause_s: float, error: Exception | None = None) -> Iterator[Event]:
    for event in events:
        sleep(pause_s)
        yield event
    if error is not None:
        raise error


def test_HOST_014_a_market_that_waits_is_read_by_a_thread(path: Path) -> None:
    events: list[Event] = [price(k, at_us=k) for k in range(1, 31)]

    async def work() -> None:
        async with hosted(path) as venue:
            beats = 0

            async def beat() -> None:
                nonlocal beats
                while True:
                    beats += 1
                    await asyncio.sleep(0.002)

            beating = asyncio.create_task(beat())
            seqs = lambda: venue.host.next_seq(JOINED_ORIGIN)  # noqa: E731
            await venue.host.drive(from_thread(waiting(events, 0.004), seqs), speed=None)
            beating.cancel()
            assert beats > 20, "the loop is free while the market is silent"
            prices = [
                p.price
                for s in venue.steps
                for p in (s.event.prices if isinstance(s.event, PriceBatch) else [s.event])  # type: ignore[attr-defined]
            ]
            assert prices == [e.price for e in events]  # type: ignore[attr-defined]

    run(work)


def test_HOST_014_what_gathered_is_joined_and_errors_are_raised() -> None:
    events: list[Event] = [price(k, at_us=k) for k in range(1, 1001)]

    async def work() -> None:
        found: list[Event] = []

        async def read() -> None:
            cut = waiting(events, 0.0, OSError("the line is cut"))
            async for event in from_thread(cut, numbers()):
                found.append(event)
                await asyncio.sleep(0.01)

        with pytest.raises(OSError, match="the line is cut"):
            await read()
        prices = [
            p.price
            for e in found
            for p in (e.prices if isinstance(e, PriceBatch) else [e])  # type: ignore[attr-defined]
        ]
        assert prices == [e.price for e in events]  # type: ignore[attr-defined]
        assert len(found) < 200

    run(work)


def test_HOST_014_a_thread_ends_with_its_reader() -> None:
    draw, closed = Random(1), []

    def endless() -> Iterator[Event]:
        try:
            number = 0
            while True:
                number += 1
                yield price(number, at_us=draw.randrange(3))
        finally:
            closed.append(True)

    async def work() -> None:
        market = from_thread(endless(), numbers())
        async for _ in market:
            break
        await market.aclose()  # type: ignore[attr-defined]
        await until(lambda: bool(closed))

    run(work)
