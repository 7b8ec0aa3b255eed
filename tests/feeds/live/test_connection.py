"""One connection against a scripted server on loopback: it comes back from everything, and says why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.connection import run_connection
from steelyard.feeds.live.fetching import FetchRules
from steelyard.feeds.live.messages import Status, Trade
from steelyard.feeds.live.skew import SkewRules
from tests.support.live_server import (
    QUICK,
    Action,
    Close,
    Drop,
    LiveServer,
    Pause,
    Ping,
    RawBytes,
    Route,
    Script,
    Transcript,
    live_server,
    now_us,
    talk,
)
from tests.support.plain_client import TERMS, PlainClient, wire_error

BOTH = [Subscription("BTC", "trades"), Subscription("ETH", "quotes")]
OPENING = ["subscribe BTC trades", "subscribe ETH quotes"]
TRADE = "trade BTC 100 2 5"


def client_with(**changes: int) -> Callable[[], PlainClient]:
    """Return a maker of clients whose terms differ from the plain ones."""
    return lambda: PlainClient(msgspec.structs.replace(TERMS, **changes))


def once_subscribed(frame: str, *answers: Action) -> Iterator[Action]:
    """Answer the last subscription only."""
    return iter(answers) if frame == OPENING[-1] else iter(())


def has_trades(count: int) -> Callable[[Transcript], bool]:
    return lambda transcript: len(transcript.of(Trade)) >= count


def first_then(*first: Action) -> Script:
    """The first connection gets `first` once subscribed; every later one a trade."""
    return Script(
        on_frame=lambda index, frame: once_subscribed(frame, *(first if index == 0 else (TRADE,)))
    )


# -- coming back -----------------------------------------------------------------------------------

FRAME_WITH_RESERVED_OPCODE = b"\x83\x01x"
COMPRESSED_GARBAGE = b"\xc1\x08" + b"\xff" * 8
HALF_A_FRAME = b"\x81\x7e\x04\x00" + b"half"

FAULTS = {
    "the line is cut": ([Drop()], "CONN-E03"),
    "closed by the venue": ([Close(1012)], "CONN-E03"),
    "a frame no protocol knows": ([RawBytes(FRAME_WITH_RESERVED_OPCODE)], "CONN-E03"),
    "compressed garbage": ([RawBytes(COMPRESSED_GARBAGE)], "CONN-E03"),
    "half a frame, then the line is cut": ([RawBytes(HALF_A_FRAME), Drop()], "CONN-E03"),
    "half a frame, then silence": ([RawBytes(HALF_A_FRAME)], "CONN-E04"),
    "silence": ([], "CONN-E04"),
    "frames nobody can read": (["?"] * 5, "CONN-E06"),
    "a frame above the limit": (["trade " + "x" * 5000], "CONN-E05"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_CONN_001_every_fault_is_named_and_followed_by_a_full_resubscription(fault: str) -> None:
    actions, code = FAULTS[fault]
    rules = msgspec.structs.replace(QUICK, errors_in_row_max=5, frame_bytes_max=4096)
    silence_us = 500_000 if code == "CONN-E04" else 10_000_000
    with live_server(first_then(*actions)) as server:
        transcript = talk(
            server, client_with(silence_us=silence_us), BOTH, until=has_trades(1), rules=rules
        )
        assert server.frames == [OPENING, OPENING]
    assert transcript.health.errors[code] == 1
    assert transcript.health.last_error.startswith(code)
    assert transcript.health.connects == 2


def test_CONN_002_every_attempt_has_a_client_of_its_own() -> None:
    made: list[PlainClient] = []

    def make() -> PlainClient:
        made.append(PlainClient())
        return made[-1]

    with live_server(first_then(Drop())) as server:
        talk(server, make, BOTH, until=has_trades(1))
    assert len(made) == 3  # one for its terms, one an attempt
    assert len(set(map(id, made))) == 3


def test_CONN_003_waits_double_up_to_a_bound_and_are_spread_by_the_seed() -> None:
    rules = msgspec.structs.replace(
        QUICK, first_wait_us=8_000, wait_us_max=32_000, jitter=0.5, seed=7
    )
    waits: dict[str, list[float]] = {}
    for name in ("one", "one again", "two"):
        with live_server(Script(on_connect=[Drop()])) as server:
            transcript = talk(
                server,
                PlainClient,
                BOTH,
                rules=rules,
                name=name.split()[0],
                clock=lambda: 0,
                until=lambda t: sum(h.state == "waiting" for h in t.healths) >= 5,
            )
        waits[name] = [h.next_attempt_us for h in transcript.healths if h.state == "waiting"][:5]
    assert waits["one"] == waits["one again"]
    assert waits["one"] != waits["two"]
    for wait, most in zip(waits["one"], (8_000, 16_000, 32_000, 32_000, 32_000), strict=True):
        assert most // 2 - 1 <= wait <= most


def test_CONN_004_a_connection_that_lived_long_starts_counting_anew() -> None:
    script = Script(on_connect=[TRADE, Pause(0.06), Drop()])
    rules = msgspec.structs.replace(
        QUICK, first_wait_us=4_000, wait_us_max=10_000_000, jitter=0.0, healthy_us=50_000
    )
    with live_server(script) as server:
        transcript = talk(
            server, PlainClient, BOTH, until=has_trades(5), rules=rules, clock=lambda: 0
        )
    waits = [h.next_attempt_us for h in transcript.healths if h.state == "waiting"]
    assert waits == [4_000] * 4


def test_CONN_005_a_restart_asked_for_is_done_at_once_and_not_in_a_hot_loop() -> None:
    script = Script(on_connect=["status - restart maintenance"])
    rules = msgspec.structs.replace(QUICK, first_wait_us=20_000, jitter=0.0)
    with live_server(script) as server:
        transcript = talk(
            server,
            PlainClient,
            BOTH,
            rules=rules,
            clock=lambda: 0,
            until=lambda t: t.healths[-1].restarts >= 3 and t.healths[-1].state == "waiting",
        )
    waits = [h.next_attempt_us for h in transcript.healths if h.state == "waiting"]
    assert waits[0] == 0
    assert waits[1:3] == [40_000, 50_000]
    assert transcript.health.errors == {}
    assert transcript.messages[0] == Status("-", "restart", "maintenance")


def test_CONN_006_a_refused_handshake_is_named_and_its_retry_after_kept() -> None:
    script = Script(on_connect=[TRADE], refuse={0: Route(b"", 429, {"Retry-After": "1"})})
    with live_server(script) as server:
        started = time.monotonic()
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1))
        assert time.monotonic() - started >= 1.0
    assert transcript.health.errors == {"CONN-E02": 1}
    assert "status 429" in transcript.health.last_error


def test_CONN_007_without_a_server_it_tries_on_until_told_to_stop() -> None:
    with live_server(Script()) as server:
        gone = server
    transcript = talk(gone, PlainClient, BOTH, until=lambda t: t.healths[-1].attempts >= 4)
    assert transcript.health.state == "stopped"
    assert set(transcript.health.errors) == {"CONN-E01"}
    assert transcript.health.connects == 0


# -- frames ----------------------------------------------------------------------------------------


def test_CONN_008_a_frame_that_cannot_be_read_is_counted_and_the_connection_goes_on() -> None:
    frames = ["?", TRADE, "trade BTC x 1 1", b"\xff\xfe", "error full", TRADE]
    rules = msgspec.structs.replace(QUICK, errors_in_row_max=3)  # two in a row, three in all
    with live_server(Script(on_connect=frames)) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(2), rules=rules)
    health = transcript.health
    assert health.errors == {"WIRE-E01": 2, "WIRE-E02": 1, "WIRE-E03": 1}
    assert health.connects == 1
    assert health.frames == 6
    assert [getattr(m, "kind", "trade") for m in transcript.messages] == [
        "malformed", "trade", "malformed", "malformed", "refused", "trade",
    ]  # fmt: skip


def test_CONN_009_errors_of_the_venue_itself_never_end_the_connection() -> None:
    rules = msgspec.structs.replace(QUICK, errors_in_row_max=3)
    frames = ["error unknown market"] * 10 + [TRADE]
    with live_server(Script(on_connect=frames)) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
    assert transcript.health.errors == {"WIRE-E03": 10}
    assert transcript.health.connects == 1


@pytest.mark.parametrize("is_compressed", [True, False])
def test_CONN_010_text_and_binary_frames_compressed_or_not_are_read_alike(
    is_compressed: bool,
) -> None:
    long = "\n".join(f"trade BTC {price} 1 5" for price in range(1, 2001))
    script = Script(on_connect=[long, long.encode()], is_compressed=is_compressed)
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(4000))
        offered = server.headers[0].get("Sec-WebSocket-Extensions", "")
    assert "permessage-deflate" in offered
    prices = [m.price for m in transcript.messages if isinstance(m, Trade)]
    assert prices == [float(price) for price in range(1, 2001)] * 2
    assert transcript.health.bytes == 2 * len(long)
    assert transcript.health.connects == 1


def test_CONN_011_a_flood_arrives_whole_and_in_order() -> None:
    flood = [f"trade BTC {number} 1 5" for number in range(1, 20_001)]
    with live_server(Script(on_connect=flood)) as server:
        transcript = talk(
            server, PlainClient, BOTH, until=lambda t: len(t.messages) >= 20_000, timeout_s=30.0
        )
    prices = [m.price for m in transcript.messages if isinstance(m, Trade)]
    assert prices == [float(number) for number in range(1, 20_001)]


# -- sending ---------------------------------------------------------------------------------------


def test_CONN_012_nothing_is_sent_faster_than_the_venue_allows() -> None:
    interval_s = 0.03
    markets = [Subscription(f"M{number}", "trades") for number in range(6)]
    script = Script(
        on_frame=lambda _index, frame: [TRADE] if frame == "answer" else ["send answer"]
    )
    with live_server(script) as server:
        talk(
            server,
            client_with(send_interval_us=int(interval_s * 1e6)),
            markets,
            until=has_trades(6),
        )
        times = server.frame_times[0]
        sent = server.frames[0]
    assert sent.index("answer") < sent.index("subscribe M5 trades")  # answers go first
    # The server's stamps may come late, never early: n frames need n − 1 intervals.
    assert times[-1] - times[0] >= interval_s * (len(times) - 1) - 0.02


def test_CONN_013_pings_are_answered_and_count_as_life() -> None:
    def pings(index: int, path: str) -> Iterator[Action]:
        for _ in range(10):
            yield Pause(0.15)
            yield Ping(b"beat")
        yield TRADE

    with live_server(Script(on_connect=pings)) as server:
        transcript = talk(server, client_with(silence_us=1_000_000), BOTH, until=has_trades(1))
        assert server.pongs[:3] == [b"beat"] * 3
    assert transcript.health.connects == 1


def test_CONN_014_keep_alive_frames_go_out_when_due() -> None:
    script = Script(on_frame=lambda _index, frame: [TRADE] if frame == "alive" else [])
    with live_server(script) as server:
        talk(server, lambda: PlainClient(TERMS, keep_alive_us=30_000), BOTH, until=has_trades(3))
        assert server.frames[0].count("alive") >= 3


def test_CONN_015_what_cannot_be_sent_any_more_ends_the_connection() -> None:
    rules = msgspec.structs.replace(QUICK, queue_max=20)
    frames = "\n".join(["send answer"] * 30)
    script = Script(on_connect=lambda index, _path: [TRADE] if index else [frames])
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
    assert transcript.health.errors == {"CONN-E08": 1}


# -- fetching --------------------------------------------------------------------------------------


def fetching(**routes: Route | list[Route]) -> Script:
    """A server that asks for each of the routes once connected."""
    asked: list[Action] = [f"fetch /{name}?limit=9" for name in routes]
    return Script(
        on_connect=asked,
        routes={f"/{name}": route for name, route in routes.items()},
    )


def test_CONN_016_a_snapshot_is_fetched_and_read_by_the_client() -> None:
    with live_server(fetching(depth=Route(TRADE))) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1))
        assert server.requests == ["/depth?limit=9"]
    assert transcript.health.fetches == 1


def test_CONN_017_too_many_requests_is_waited_out_as_long_as_the_venue_says() -> None:
    busy = Route(b"", 429, {"Retry-After": "1"})
    with live_server(fetching(depth=[busy, Route(b"", 503), Route(TRADE)])) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1))
        first, second, third = server.request_times
    assert second - first >= 1.0
    assert third - second < 1.0
    assert transcript.health.errors == {"CONN-E07": 2}
    assert transcript.health.connects == 1


def test_CONN_018_a_path_the_venue_refuses_is_said_once_and_the_rest_goes_on() -> None:
    routes = {"gone": Route(b"no such market", 400), "depth": Route(TRADE)}
    with live_server(fetching(**routes)) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1))
    (refused,) = transcript.of(Status)
    assert refused.kind == "refused"
    assert "/gone" in refused.reason
    assert "status 400" in refused.reason
    assert transcript.health.connects == 1


def test_CONN_019_an_answer_too_big_or_unreadable_is_named() -> None:
    rules = msgspec.structs.replace(QUICK, fetch=FetchRules(bytes_max=1000, interval_us=1_000))
    routes = {"big": Route(b"x" * 1001), "odd": Route(b"\xff\xff"), "depth": Route(TRADE)}
    with live_server(fetching(**routes)) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
    kinds = [m.kind for m in transcript.messages if isinstance(m, Status)]
    assert kinds == ["refused", "malformed"]
    assert transcript.health.errors == {"CONN-E07": 1, "WIRE-E01": 1}


def test_CONN_020_a_slow_answer_is_given_up_and_a_path_that_never_answers_restarts() -> None:
    rules = msgspec.structs.replace(
        QUICK, fetch=FetchRules(timeout_us=300_000, tries_max=2, first_wait_us=1_000)
    )
    script = fetching(depth=[Route(TRADE, delay_s=1.0), Route(TRADE, delay_s=1.0), Route(TRADE)])
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
        assert len(server.requests) == 3
    assert transcript.health.errors == {"CONN-E07": 3}
    assert transcript.health.connects == 2


# -- the rest --------------------------------------------------------------------------------------


def test_CONN_021_a_slow_handshake_is_given_up() -> None:
    rules = msgspec.structs.replace(QUICK, connect_timeout_us=500_000)
    script = Script(on_connect=[TRADE], refuse={0: Route(b"", 200, delay_s=1.5)})
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
    assert transcript.health.errors == {"CONN-E01": 1}


def test_CONN_022_health_goes_from_connecting_to_stopped_and_counts() -> None:
    frames = ["status BTC gap 7 missing", TRADE]
    with live_server(first_then(*frames)) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1))
    states = [health.state for health in transcript.healths]
    assert states[:3] == ["connecting", "open", "up"]
    assert states[-1] == "stopped"
    health = transcript.health
    assert (health.name, health.venue, health.gaps, health.messages) == ("test", "plain", 1, 2)
    assert health.last_frame_us == transcript.received_us[-1]


def test_CONN_023_stop_ends_it_at_once_in_every_state() -> None:
    async def run(url: str, after_s: float) -> float:
        stop = asyncio.Event()
        work = asyncio.create_task(
            run_connection(
                "test", PlainClient, BOTH, base_url=url, clock=now_us, stop=stop,
                on_messages=lambda *_: None,
                rules=msgspec.structs.replace(
                    QUICK, first_wait_us=60_000_000, wait_us_max=60_000_000, jitter=0.0
                ),
            )
        )  # fmt: skip
        await asyncio.sleep(after_s)
        stop.set()
        started = time.monotonic()
        health = await asyncio.wait_for(work, 5.0)
        assert health.state == "stopped"
        return time.monotonic() - started

    with live_server(Script()) as server:
        url = server.url
        assert asyncio.run(run(url, 0.1)) < 4.0
    assert asyncio.run(run(url, 0.1)) < 4.0  # waiting a minute for the next attempt


@pytest.mark.parametrize("fault", [ZeroDivisionError("a fault"), wire_error("WIRE-E01", b"")])
def test_CONN_024_what_the_reader_of_messages_raises_ends_the_run(fault: Exception) -> None:
    def refuse(*_: object) -> None:
        raise fault

    async def run(url: str) -> None:
        await asyncio.wait_for(
            run_connection(
                "test", PlainClient, BOTH,
                base_url=url, clock=now_us, stop=asyncio.Event(), on_messages=refuse, rules=QUICK,
            ),
            5.0,
        )  # fmt: skip

    script = Script(on_connect=[TRADE])
    with live_server(script) as server, pytest.raises(type(fault)) as caught:
        asyncio.run(run(server.url))
    assert caught.value is fault


def test_CONN_025_a_recording_that_fails_does_not_stop_the_feed() -> None:
    class FullDisk:
        def write(self, *_: object) -> None:
            raise OSError(28, "no room")

    script = Script(on_connect=[TRADE])
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), raw_log=FullDisk())
    assert transcript.health.errors["CONN-E09"] >= 2
    assert "no room" in transcript.health.last_error


def test_CONN_026_every_frame_is_recorded_with_its_direction_before_it_is_read() -> None:
    kept: list[tuple[str, str, bytes]] = []

    class Kept:
        def write(self, connection: str, direction: str, _time_us: int, payload: bytes) -> None:
            kept.append((connection, direction, payload))

    frames = [b"\xff\xfe", "fetch /depth"]
    script = Script(on_connect=frames, routes={"/depth": Route(TRADE)})
    with live_server(script) as server:
        talk(server, PlainClient, BOTH, until=has_trades(1), raw_log=Kept())
        opened = server.url.encode()
    assert kept[0] == ("test", "opened", opened)
    assert [p for _, d, p in kept if d == "sent"] == [frame.encode() for frame in OPENING]
    assert [p for _, d, p in kept if d == "received"] == [b"\xff\xfe", b"fetch /depth"]
    assert [p for _, d, p in kept if d == "fetched"] == [b"/depth\n" + TRADE.encode()]


def test_CONN_027_the_address_of_the_terms_is_used_unless_replaced() -> None:
    class Stream(PlainClient):
        def address(self, _subscriptions: object) -> str:
            return "/stream?streams=btcusdt@trade/ethusdt@bookTicker"

    script = Script(on_connect=[TRADE])
    with live_server(script) as server:
        talk(server, Stream, BOTH, until=has_trades(1))
        assert server.paths == ["/stream?streams=btcusdt@trade/ethusdt@bookTicker"]


def test_CONN_028_a_decompression_bomb_is_stopped_at_the_limit() -> None:
    rules = msgspec.structs.replace(QUICK, frame_bytes_max=100_000)
    script = Script(on_connect=lambda index, _path: [TRADE] if index else ["x" * 50_000_000])
    with live_server(script) as server:
        transcript = talk(server, PlainClient, BOTH, until=has_trades(1), rules=rules)
    assert transcript.health.errors == {"CONN-E05": 1}


def test_CONN_029_an_encrypted_address_is_never_spoken_to_in_the_clear() -> None:
    with live_server(Script(on_connect=[TRADE])) as server:
        secure = LiveServer(server.url.replace("ws:", "wss:"), server.rest_url)
        transcript = talk(secure, PlainClient, BOTH, until=lambda t: t.healths[-1].attempts >= 2)
        assert server.handshakes == 0
    assert set(transcript.health.errors) == {"CONN-E01"}


def test_CONN_030_the_health_says_how_far_the_clocks_differ() -> None:
    rules = msgspec.structs.replace(
        QUICK, skew=SkewRules(bound_us=1_000_000, piece_us=10_000, pieces_min=2)
    )

    def late(index: int, path: str) -> Iterator[Action]:
        for _ in range(200):
            yield Pause(0.005)
            yield f"trade BTC 1 1 {now_us() - 3_600_000_000}"

    with live_server(Script(on_connect=late)) as server:
        transcript = talk(
            server, PlainClient, BOTH, rules=rules, until=lambda t: t.healths[-1].is_clock_off
        )
    skew_us = transcript.health.skew_us
    assert skew_us is not None
    assert 3_600_000_000 <= skew_us < 3_602_000_000
