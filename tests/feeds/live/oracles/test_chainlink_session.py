"""Requests and streams against a server that checks what the network's documents say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.chainlink import Credentials
from steelyard.feeds.live.oracles.chainlink_session import ChainlinkSession
from steelyard.quantities import InputError
from tests.feeds.live.oracles.chainlink_reports import (
    BTC,
    ETH,
    NOW_US,
    OBSERVED,
    envelope,
    feed_id,
    full_report,
    make_client,
    report_bytes,
)
from tests.feeds.live.oracles.chainlink_server import KEY, SECRET, Server, as_json, serving

WANTED = [Subscription(BTC, "reference"), Subscription(ETH, "reference")]


def report_at(seconds: int, feed: str = BTC) -> dict[str, object]:
    body = report_bytes(feed, observed=seconds, valid_from=seconds, price=seconds * 10**15)
    return envelope(
        full_report(body), feed, validFromTimestamp=seconds, observationsTimestamp=seconds
    )


def price_at(seconds: int, feed: str = BTC) -> OraclePrice:
    return OraclePrice(feed, seconds / 1_000, 10.0, seconds * 1_000_000)


def session_for(
    server: Server, clock: Callable[[], int], secret: str = SECRET, prefix: str = ""
) -> ChainlinkSession:
    return ChainlinkSession(
        lambda: make_client(credentials=Credentials(KEY, secret)),
        rest_url=server.url + prefix,
        websocket_url=server.url.replace("http", "ws") + prefix,
        now_us=clock,
        retry_s=(0.01, 0.04),
    )


def within(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(seconds):
            await work()

    asyncio.run(limited())


def now() -> int:
    return NOW_US


async def code_of(work: Awaitable[object]) -> InputError:
    with pytest.raises(InputError) as caught:
        await work
    assert SECRET not in str(caught.value)
    assert KEY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("prefix", ["", "/proxy/v9"])
def test_CHLK_040_latest_at_and_page(prefix: str) -> None:
    async def work() -> None:
        async with serving(now, prefix) as server:
            server.reports[BTC] = {OBSERVED - n: report_at(OBSERVED - n) for n in range(5)}
            slash = session_for(server, now, prefix=prefix + "/")
            async with session_for(server, now, prefix=prefix) as session, slash:
                assert await session.latest(BTC) == [price_at(OBSERVED)]
                assert await slash.latest(BTC) == [price_at(OBSERVED)]
                assert await session.at(BTC, OBSERVED - 3) == [price_at(OBSERVED - 3)]
                page = await session.page(BTC, OBSERVED - 3, limit=3)
                assert page == [price_at(OBSERVED - n) for n in (3, 2, 1)]
                assert server.asked[0] == f"{prefix}/api/v1/reports/latest?feedID={BTC}"
                assert (await code_of(session.at(BTC, 5))).where["status"] == 404

    within(10.0, work)


def test_CHLK_040_what_the_server_refuses() -> None:
    async def work() -> None:
        async with serving(now) as server:
            server.reports[BTC] = {OBSERVED: report_at(OBSERVED)}
            async with session_for(server, now, secret="another-secret") as stranger:
                refusal = await code_of(stranger.latest(BTC))
                assert (refusal.code, refusal.where["status"]) == ("CHLK-E03", 401)
                assert "HMAC does not match" in str(refusal)
            async with session_for(server, now) as session:
                refusal = await code_of(session.latest(feed_id(3, 77)))
                assert (refusal.code, refusal.where["status"]) == ("CHLK-E03", 404)
                assert await session.latest(BTC) == [price_at(OBSERVED)]
            async with session_for(server, now, prefix="/moved") as session:
                refusal = await code_of(session.latest(BTC))
                assert (refusal.code, refusal.where["status"]) == ("CHLK-E03", 302)
            asked = len(server.asked)
        async with session_for(server, now) as session:  # the server is gone
            assert (await code_of(session.latest(BTC))).code == "CHLK-E05"
        assert asked == 4
        broken = Server(now)
        broken.url = "http://no host at all"
        async with session_for(broken, now) as session:
            assert (await code_of(session.latest(BTC))).code == "CHLK-E05"

    within(10.0, work)


@pytest.mark.parametrize("off_s", [-60, -6, 7, 60])
def test_CHLK_041_a_clock_that_is_off(off_s: int) -> None:
    async def work() -> None:
        async with serving(now) as server:
            server.reports[BTC] = {OBSERVED - 90: report_at(OBSERVED - 90)}
            async with session_for(server, lambda: NOW_US + off_s * 1_000_000) as session:
                assert (await code_of(session.latest(BTC))).code == "CHLK-E06"
                async with aclosing(session.follow(WANTED)) as stream:
                    (said,) = await anext(stream)
                assert isinstance(said, Status)
                assert said.kind == "clock"
            async with session_for(server, lambda: NOW_US + off_s * 60_000) as session:
                assert await session.latest(BTC) == [price_at(OBSERVED - 90)]

    within(10.0, work)


def test_CHLK_042_a_dropped_stream_comes_back_and_goes_on() -> None:
    clock = [NOW_US]

    def ticking() -> int:
        clock[0] += 2_000  # no two connections are signed in the same millisecond
        return clock[0]

    async def work() -> None:
        async with serving(ticking) as server:
            rows = [(BTC if n % 2 else ETH, OBSERVED - 20 + n) for n in range(10)]
            server.frames = [as_json(report_at(seconds, feed)) for feed, seconds in rows]
            server.frames.insert(5, b'{"report": ')
            server.frames_a_connection = 2
            server.refuse_next = 1
            heard: list[Message] = []
            async with (
                session_for(server, ticking) as session,
                aclosing(session.follow(WANTED)) as stream,
            ):
                async for messages in stream:
                    heard += messages
                    if sum(isinstance(message, OraclePrice) for message in heard) == len(rows):
                        break
            prices = [message for message in heard if isinstance(message, OraclePrice)]
            assert prices == [price_at(seconds, feed) for feed, seconds in rows]
            kinds = [message.kind for message in heard if isinstance(message, Status)]
            assert kinds.count("malformed") == 1
            assert kinds.count("gap") == 6  # one refused handshake, five connections that were cut
            assert set(kinds) == {"malformed", "gap"}
            assert set(server.asked) == {f"/api/v1/ws?feedIDs={BTC},{ETH}"}
            assert len(server.asked) == 7
            assert len(set(server.signatures)) == len(server.signatures)

    within(20.0, work)


def test_CHLK_042_a_silent_connection_is_taken_for_dead() -> None:
    async def work() -> None:
        async with serving(now) as server:
            session = ChainlinkSession(
                lambda: make_client(credentials=Credentials(KEY, SECRET)),
                websocket_url=server.url.replace("http", "ws"),
                now_us=now,
                retry_s=(0.01, 0.01),
                silence_s=0.05,
            )
            server.silent_next = 2
            server.frames = [as_json(report_at(OBSERVED))]
            silent = [Status("", "gap", "no connection: TimeoutError")]
            async with session, aclosing(session.follow(WANTED)) as stream:
                heard = [await anext(stream) for _ in range(3)]
            assert heard == [silent, silent, [price_at(OBSERVED)]]

    within(10.0, work)


def test_CHLK_042_a_wrong_secret_keeps_trying_and_says_so() -> None:
    async def work() -> None:
        async with serving(now) as server:
            async with (
                session_for(server, now, secret="another-secret") as session,
                aclosing(session.follow(WANTED)) as stream,
            ):
                for _ in range(3):
                    (said,) = await anext(stream)
                    assert isinstance(said, Status)
                    assert said.kind == "gap"
                    assert "401" in said.reason
                    assert "another-secret" not in said.reason
            assert len(server.asked) == 3

    within(10.0, work)
