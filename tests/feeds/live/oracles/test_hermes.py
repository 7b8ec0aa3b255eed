"""Documents and event streams of Hermes, without a socket and with a server of our own on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from steelyard.feeds.live.connection import ConnectionRules, Health
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.hermes import (
    EventStream,
    HermesReader,
    ServerEvent,
    as_status,
    event_message,
    plain_feed,
)
from steelyard.feeds.live.oracles.hermes_connection import HermesTerms, bearer, run_hermes
from steelyard.feeds.live.oracles.wormhole import read_trust
from steelyard.quantities import InputError
from tests.support.pyth import (
    BTC,
    ETH,
    NOW_S,
    NOW_US,
    SOL,
    Attester,
    hermes_document,
    price_message,
    update,
)

ATTESTER = Attester()
STRANGER = Attester(first_key=40)
TRUST = read_trust(ATTESTER.document())
FEEDS = (BTC.hex(), ETH.hex())


def document(*messages: bytes, encoding: str = "base64", **changes: object) -> bytes:
    """A whole document over the messages; changes go to the attestation."""
    blob = update(ATTESTER, messages, **changes)  # type: ignore[arg-type]
    return json.dumps(hermes_document([blob], messages, encoding)).encode()


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    whole = json.loads(document(price_message(BTC), price_message(ETH)))
    change(whole)
    return json.dumps(whole).encode()


def read(data: bytes) -> list[Message]:
    return HermesReader(TRUST, FEEDS).receive(data, NOW_US)


# ---- documents


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_PYTH_030_a_sound_document_gives_its_prices(encoding: str) -> None:
    messages = read(document(price_message(BTC), price_message(ETH, price=5), encoding=encoding))
    assert messages == [
        OraclePrice(BTC.hex(), 71534.47, 36.3617445, NOW_S * 1_000_000),
        OraclePrice(ETH.hex(), 5e-8, 36.3617445, NOW_S * 1_000_000),
    ]


def test_PYTH_030_several_updates_stand_in_one_document() -> None:
    blobs = [update(ATTESTER, [price_message(feed)]) for feed in (BTC, ETH)]
    both = json.dumps(hermes_document(blobs)).encode()
    assert [each.market for each in read(both)] == list(FEEDS)
    twice = json.dumps(hermes_document([blobs[0], blobs[0]])).encode()
    with pytest.raises(InputError, match="PYTH-E01"):
        read(twice)


def test_PYTH_030_without_plain_words_and_with_more_fields_it_is_the_same() -> None:
    whole = read(document(price_message(BTC), price_message(ETH)))
    assert read(altered(lambda d: d.pop("parsed"))) == whole
    assert read(altered(lambda d: d.update(parsed=None))) == whole
    assert read(altered(lambda d: d.update(version=3))) == whole
    assert read(altered(lambda d: d["parsed"].pop())) == whole
    assert read(altered(lambda d: d["parsed"][0].pop("ema_price"))) == whole
    assert read(altered(lambda d: d["parsed"][0].update(id="0x" + BTC.hex().upper()))) == whole


@pytest.mark.parametrize(
    ("where", "field", "value"),
    [
        ("price", "price", "7153447000001"),
        ("price", "conf", "3636174451"),
        ("price", "expo", -7),
        ("price", "publish_time", NOW_S + 1),
        ("ema_price", "price", "1"),
        ("ema_price", "conf", "1"),
        ("ema_price", "expo", -9),
    ],
)
def test_PYTH_031_plain_words_that_differ_from_the_signed_are_an_error(
    where: str, field: str, value: object
) -> None:
    lie = altered(lambda d: d["parsed"][0][where].update({field: value}))
    with pytest.raises(InputError) as caught:
        read(lie)
    assert caught.value.code == "PYTH-E06"
    assert caught.value.where["feed"] == BTC.hex()


def test_PYTH_031_plain_words_without_anything_signed_are_an_error() -> None:
    for lie in (
        altered(lambda d: d["binary"].update(data=[])),
        altered(lambda d: d["parsed"][1].update(id=SOL.hex())),
    ):
        with pytest.raises(InputError, match="PYTH-E06"):
            read(lie)


def test_PYTH_031_no_price_comes_out_of_plain_words_alone() -> None:
    assert (
        read(altered(lambda d: d.update(binary={"encoding": "hex", "data": []}, parsed=[]))) == []
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"binary":{}}',
        b'{"binary":{"encoding":"hex","data":["0"]}}',
        b'{"binary":{"encoding":"hex","data":["zz"]}}',
        b'{"binary":{"encoding":"hex","data":[" 50"]}}',
        b'{"binary":{"encoding":"hex","data":["50 4e"]}}',
        b'{"binary":{"encoding":"base64","data":["UE5B*VQ=="]}}',
        b'{"binary":{"encoding":"base64","data":["UE5BVQ"]}}',
        '{"binary":{"encoding":"hex","data":["\u0661\u0662"]}}'.encode(),
        b'{"binary":{"encoding":"base85","data":[]}}',
        b'{"binary":{"encoding":"hex","data":[""]}}',
        b'{"binary":{"encoding":"hex","data":"50"}}',
        b'{"binary":{"encoding":"hex","data":[]},"parsed":[{"id":"x"}]}',
        b'{"binary":{"encoding":"hex","data":["\xff"]}}',
        b"[" * 100_000,
    ],
)
def test_PYTH_030_what_is_no_document_is_malformed(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(data)
    assert caught.value.code == "PYTH-E01"
    assert as_status(caught.value).kind == "malformed"


def test_PYTH_030_a_document_above_the_limit_is_not_looked_at() -> None:
    with pytest.raises(InputError, match="mebibytes"):
        read(b" " * 4_194_305)


def test_PYTH_032_what_is_not_verified_gives_no_price_and_says_so() -> None:
    blob = update(STRANGER, [price_message(BTC)])
    forged = json.dumps(hermes_document([blob], [price_message(BTC)])).encode()
    with pytest.raises(InputError) as caught:
        read(forged)
    assert caught.value.code == "PYTH-E02"
    status = as_status(caught.value, BTC.hex())
    assert (status.market, status.kind) == (BTC.hex(), "unverified")
    assert status.reason.startswith("PYTH-E02")


def test_PYTH_032_one_forged_update_takes_the_sound_one_of_its_document_along() -> None:
    blobs = [update(ATTESTER, [price_message(BTC)]), update(STRANGER, [price_message(ETH)])]
    with pytest.raises(InputError, match="PYTH-E02"):
        read(json.dumps(hermes_document(blobs)).encode())


def test_PYTH_033_a_feed_that_was_not_asked_for_is_said_and_the_others_stand() -> None:
    price, status = read(document(price_message(BTC), price_message(SOL)))
    assert isinstance(price, OraclePrice)
    assert isinstance(status, Status)
    assert (status.market, status.kind) == (SOL.hex(), "unverified")
    assert status.reason.startswith("PYTH-E05")


def test_PYTH_033_a_signed_price_of_zero_is_said_and_the_others_stand() -> None:
    status, price = read(document(price_message(BTC, price=0), price_message(ETH)))
    assert isinstance(status, Status)
    assert (status.market, status.kind) == (BTC.hex(), "malformed")
    assert isinstance(price, OraclePrice)


def test_PYTH_034_the_same_price_again_is_counted_and_left_out() -> None:
    reader = HermesReader(TRUST, FEEDS)
    data = document(price_message(BTC), slot=5)
    assert len(reader.receive(data, NOW_US)) == 1
    assert reader.receive(data, NOW_US) == []
    assert reader.repeats == 1
    assert len(reader.receive(document(price_message(BTC, price=9), slot=6), NOW_US)) == 1


def test_PYTH_034_yesterday_replayed_is_a_status_of_the_clock() -> None:
    reader = HermesReader(TRUST, FEEDS)
    reader.receive(document(price_message(BTC), slot=5), NOW_US)
    for old in (
        document(price_message(BTC, publish_s=NOW_S - 86_400), slot=6),
        document(price_message(BTC), slot=4),
    ):
        (status,) = reader.receive(old, NOW_US)
        assert isinstance(status, Status)
        assert (status.market, status.kind) == (BTC.hex(), "clock")


def test_PYTH_034_a_refused_document_leaves_no_trace() -> None:
    reader = HermesReader(TRUST, FEEDS)
    late = price_message(BTC, publish_s=NOW_S + 50)
    forged = json.dumps(hermes_document([update(STRANGER, [late])])).encode()
    with pytest.raises(InputError):
        reader.receive(forged, NOW_US)
    assert len(reader.receive(document(price_message(BTC)), NOW_US)) == 1


def test_PYTH_033_a_feed_is_written_in_sixty_four_digits() -> None:
    assert plain_feed("0X" + "AB" * 32) == "ab" * 32
    for bad in ("", "ab", "zz" * 32, "ab" * 33):
        with pytest.raises(InputError, match="PYTH-E08"):
            HermesReader(TRUST, [bad])


# ---- event streams

STREAM = b": keep-alive\r\n\r\ndata: 1\r\ndata: 2\r\n\r\nevent: error\ndata: lost\ndata:more\nid: 4\n\ndata:{}\r\rretry: 5\n\ndata\n\n"
EVENTS = [
    ServerEvent("message", b"1\n2"),
    ServerEvent("error", b"lost\nmore"),
    ServerEvent("message", b"{}"),
    ServerEvent("message", b""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1_000])
def test_PYTH_035_events_are_the_same_however_the_stream_is_cut(size: int) -> None:
    stream = EventStream()
    events = [
        event for at in range(0, len(STREAM), size) for event in stream.feed(STREAM[at : at + size])
    ]
    assert events == EVENTS


def test_PYTH_035_half_an_event_is_none() -> None:
    stream = EventStream()
    assert stream.feed(b"data: x\n") == []
    assert stream.feed(b"\n") == [ServerEvent("message", b"x")]


@pytest.mark.parametrize("piece", [b"data:" + b"x" * 40, b"data: xxxxxxx\n", b"x" * 8])
def test_PYTH_035_an_event_without_end_is_refused(piece: bytes) -> None:
    stream = EventStream(bytes_max=30)

    def go_on() -> None:
        for _ in range(10):
            assert stream.feed(piece) == []

    with pytest.raises(InputError, match="PYTH-E01"):
        go_on()


def test_PYTH_035_the_servers_own_events_are_a_restart_or_a_gap() -> None:
    ended = event_message(ServerEvent("error", b"Connection timeout reached (24h)"))
    assert ended.kind == "restart"
    assert event_message(ServerEvent("error", b"Error receiving update: lagged")).kind == "gap"


# ---- the connection


def test_PYTH_036_the_token_is_read_from_the_variable_named() -> None:
    assert bearer("T", {"T": " abc "}) == {"Authorization": "Bearer abc"}
    for environment in ({}, {"T": ""}, {"T": "a\nb"}, {"T": "\u00e9"}):
        with pytest.raises(InputError) as caught:
            bearer("T", environment)
        assert caught.value.code == "PYTH-E09"
        assert "a\nb" not in str(caught.value)


class Server:
    """A local Hermes: what `latest` and each stream in turn answer is set by the test."""

    def __init__(self) -> None:
        self.latest: list[bytes | int] = [document(price_message(BTC, publish_s=NOW_S - 9))]
        self.streams: list[list[bytes]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.is_open_at_end = True
        self.url = ""

    async def answer_latest(self, request: web.Request) -> web.Response:
        self._note(request)
        answer = self.latest.pop(0) if len(self.latest) > 1 else self.latest[0]
        if isinstance(answer, int):
            return web.Response(status=answer, text="no", headers={"Retry-After": "0"})
        return web.Response(body=answer, content_type="application/json")

    async def answer_stream(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.streams.pop(0) if self.streams else []:
            await response.write(piece)
            await asyncio.sleep(0)
        if self.is_open_at_end and not self.streams:
            await asyncio.sleep(30)
        return response

    def _note(self, request: web.Request) -> None:
        token = request.headers.get("Authorization", "")
        self.requests.append((request.path, request.query_string, token))

    async def __aenter__(self) -> Server:
        app = web.Application()
        app.router.add_get("/hermes/v2/updates/price/latest", self.answer_latest)
        app.router.add_get("/hermes/v2/updates/price/stream", self.answer_stream)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}/hermes/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


RULES = ConnectionRules(first_wait_us=1_000, wait_us_max=20_000, errors_in_row_max=3)


def listened(
    server: Server,
    until: Callable[[list[Message], Health | None], bool],
    monkeypatch: pytest.MonkeyPatch,
    **terms: Any,
) -> tuple[list[Message], Health]:
    """What comes out of a run against the server until it is enough."""
    monkeypatch.setenv("TEST_PYTH_TOKEN", "s3cret")

    async def listen() -> tuple[list[Message], Health]:
        stop = asyncio.Event()
        heard: list[Message] = []
        healths: list[Health] = []

        def enough() -> None:
            if until(heard, healths[-1] if healths else None):
                stop.set()

        def on_messages(name: str, messages: list[Message], received_us: int) -> None:
            assert (name, received_us) == ("pyth", NOW_US)
            heard.extend(messages)
            enough()

        def on_health(health: Health) -> None:
            healths.append(health)
            enough()

        async with server:
            stated: dict[str, Any] = {"token_variable": "TEST_PYTH_TOKEN"} | terms
            health = await run_hermes(
                "pyth",
                HermesTerms(FEEDS, TRUST, base_url=server.url, **stated),
                on_messages=on_messages,
                on_health=on_health,
                clock=lambda: NOW_US,
                stop=stop,
                rules=RULES,
            )
            return heard, health

    return asyncio.run(asyncio.wait_for(listen(), 20))


def event(data: bytes) -> bytes:
    return b"data:" + data + b"\n\n"


def prices(heard: list[Message]) -> list[float]:
    return [each.price for each in heard if isinstance(each, OraclePrice)]


def test_PYTH_037_the_newest_document_comes_first_and_then_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    rising = [price_message(BTC, price=(n + 1) * 10**8, publish_s=NOW_S + n) for n in range(3)]
    whole = b": hello\n\n" + b"".join(event(document(each)) for each in rising)
    server.streams = [[whole[at : at + 700] for at in range(0, len(whole), 700)]]
    heard, health = listened(server, lambda heard, _: len(prices(heard)) == 4, monkeypatch)
    assert prices(heard) == [71534.47, 1.0, 2.0, 3.0]
    assert [path for path, _, _ in server.requests] == [
        "/hermes/v2/updates/price/latest",
        "/hermes/v2/updates/price/stream",
    ]
    for _, text, token in server.requests:
        assert token == "Bearer s3cret"
        assert text.count("ids[]=") == 2
        assert "encoding=base64&parsed=true" in text
    assert (health.state, health.connects, health.frames) == ("stopped", 1, 4)
    assert "s3cret" not in repr(health) + repr(heard)


def test_PYTH_037_a_stream_that_ends_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.streams = [
        [event(document(price_message(BTC, price=n * 10**8, publish_s=NOW_S + n)))]
        for n in range(1, 6)
    ]
    heard, health = listened(server, lambda heard, _: len(prices(heard)) == 6, monkeypatch)
    # `latest` is asked each time; what it repeats is not emitted, what is older is said
    assert prices(heard) == [71534.47, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert {each.kind for each in heard if isinstance(each, Status)} == {"clock"}
    assert health.errors == {"CONN-E03": 4}
    assert health.attempts == 5


def test_PYTH_037_a_forged_document_in_the_stream_is_said_and_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    forged = json.dumps(hermes_document([update(STRANGER, [price_message(BTC)])])).encode()
    lie = altered(lambda d: d["parsed"][0]["price"].update(price="1"))
    server.streams = [
        [event(forged), event(lie), event(b"{"), event(document(price_message(ETH)))],
    ]
    rules_kept = listened(server, lambda heard, _: len(heard) >= 4, monkeypatch)
    heard, health = rules_kept
    kinds = [each.kind for each in heard if isinstance(each, Status)]
    assert kinds == ["unverified", "unverified", "malformed"]
    assert [each.reason[:8] for each in heard if isinstance(each, Status)] == [
        "PYTH-E02",
        "PYTH-E06",
        "PYTH-E01",
    ]
    assert health.errors["CONN-E06"] == 1  # three in a row: the connection is made anew


def test_PYTH_037_a_refused_token_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    server.latest = [401, 503, 429, document(price_message(BTC))]
    heard, health = listened(server, lambda heard, _: bool(prices(heard)), monkeypatch)
    refused = [each for each in heard if isinstance(each, Status)]
    assert [(each.kind, each.reason) for each in refused] == [("refused", "401: no")]
    assert health.errors == {"CONN-E02": 3}


def test_PYTH_037_silence_and_an_absent_server_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    server.streams = [[b": hello\n\n"]]
    _, health = listened(
        server,
        lambda _, health: health is not None and "CONN-E04" in health.errors,
        monkeypatch,
        silence_us=100_000,
    )
    assert health.errors["CONN-E04"] >= 1
    nowhere = Server()
    nowhere_url = "http://127.0.0.1:9/"  # the discard port: nothing listens there

    async def run() -> Health:
        stop = asyncio.Event()

        def on_health(health: Health) -> None:
            if health.errors:
                stop.set()

        return await run_hermes(
            "pyth",
            HermesTerms(FEEDS, TRUST, base_url=nowhere_url, token_variable=""),
            on_messages=lambda *_: None,
            on_health=on_health,
            clock=lambda: NOW_US,
            stop=stop,
            rules=RULES,
        )

    health = asyncio.run(asyncio.wait_for(run(), 20))
    assert set(health.errors) == {"CONN-E01"}
    assert nowhere.requests == []


def test_PYTH_037_an_endless_event_ends_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.streams = [[b"data:" + b"x" * 1_000_000] + [b"x" * 1_000_000] * 4]
    _, health = listened(
        server,
        lambda _, health: health is not None and "CONN-E05" in health.errors,
        monkeypatch,
    )
    assert health.errors["CONN-E05"] == 1


def test_PYTH_037_what_the_listener_raises_ends_the_run() -> None:
    async def run() -> None:
        server = Server()

        def on_messages(*_: object) -> None:
            raise TimeoutError("the listener's own")

        async with server:
            await run_hermes(
                "pyth",
                HermesTerms(FEEDS, TRUST, base_url=server.url, token_variable=""),
                on_messages=on_messages,
                clock=lambda: NOW_US,
                stop=asyncio.Event(),
                rules=RULES,
            )

    with pytest.raises(TimeoutError, match="listener"):
        asyncio.run(asyncio.wait_for(run(), 20))


def test_PYTH_036_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTH_API_KEY", raising=False)
    run: Awaitable[Health] = run_hermes(
        "pyth",
        HermesTerms(FEEDS, TRUST),
        on_messages=lambda *_: None,
        clock=lambda: NOW_US,
        stop=asyncio.Event(),
    )
    with pytest.raises(InputError, match="PYTH-E09"):
        asyncio.run(run)  # type: ignore[arg-type]
