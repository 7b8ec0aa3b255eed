"""Frames of Pyth Pro: read, verified, merged; and endpoints of our own on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from steelyard.feeds.live.connection import ConnectionRules
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.pyth_pro import Merger, ProClient, ProTerms
from steelyard.feeds.live.oracles.pyth_pro_connection import EndpointHealth, run_pro
from steelyard.feeds.live.oracles.pyth_pro_payload import (
    ProPrice,
    ProSigner,
    SignedFormat,
    open_payload,
)
from steelyard.quantities import InputError
from tests.support.pyth import (
    NOW_S,
    PRO_NOW_US,
    address,
    key,
    pro_envelope,
    pro_frame,
    pro_payload,
)

SIGNER = key(900)
SIGNERS = (ProSigner("0x" + address(SIGNER).upper()),)
PLAIN = ProTerms((1, 2))
SIGNED = ProTerms((1, 2), signers=SIGNERS)
BTC, ETH = 6_713_436_287_632, 251_200_000_000


def coded(frame: dict[str, object]) -> bytes:
    return json.dumps(frame).encode()


def read(frame: bytes | dict[str, object], terms: ProTerms = PLAIN) -> list[Message]:
    whole = frame if isinstance(frame, bytes) else coded(frame)
    return ProClient("a", terms, Merger()).receive(whole, PRO_NOW_US)


def altered(change: Callable[[dict[str, Any]], object], **form: Any) -> bytes:
    frame: dict[str, Any] = pro_frame([(1, BTC), (2, ETH)], **form)
    change(frame)
    return coded(frame)


# ---- frames


def test_PYTH_040_the_subscription_asks_for_what_a_price_needs() -> None:
    (frame,) = ProClient("a", SIGNED, Merger()).opening([])
    asked = json.loads(frame)
    assert asked == {
        "type": "subscribe",
        "subscriptionId": 1,
        "priceFeedIds": [1, 2],
        "properties": ["price", "exponent", "confidence", "feedUpdateTimestamp"],
        "formats": ["leEcdsa"],
        "deliveryFormat": "json",
        "jsonBinaryEncoding": "hex",
        "parsed": True,
        "channel": "fixed_rate@200ms",
        "ignoreInvalidFeeds": True,
    }
    terms = ProTerms((7,), channel="real_time")
    asked = json.loads(ProClient("a", terms, Merger()).opening([])[0])
    assert (asked["formats"], asked["channel"]) == ([], "real_time")


@pytest.mark.parametrize(
    "change",
    [
        {"feeds": ()},
        {"feeds": (1, 1)},
        {"feeds": (0,)},
        {"feeds": (2**32,)},
        {"endpoints": ()},
        {"endpoints": ("a", "a")},
    ],
)
def test_PYTH_040_terms_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="PYTH-E08"):
        ProTerms(**({"feeds": (1,)} | change))
    for signer in ({"address": "12"}, {"address": "zz" * 20}, {"address": "12" * 20 + " "}):
        with pytest.raises(InputError, match="PYTH-E08"):
            ProSigner(**signer)
    with pytest.raises(InputError, match="PYTH-E08"):
        ProSigner("12" * 20, -1)


def test_PYTH_041_an_update_gives_its_prices_with_the_time_they_were_made() -> None:
    frame = pro_frame([(1, BTC), (2, ETH)], made_us=PRO_NOW_US - 7_000_000)
    assert read(frame) == [
        OraclePrice("1", 67134.36287632, 15.0058086, PRO_NOW_US - 7_000_000),
        OraclePrice("2", 2512.0, 15.0058086, PRO_NOW_US - 7_000_000),
    ]


def test_PYTH_041_without_a_time_of_its_own_a_price_has_the_frames() -> None:
    def forget(frame: dict[str, Any]) -> None:
        del frame["parsed"]["priceFeeds"][0]["feedUpdateTimestamp"]

    first = read(altered(forget))[0]
    assert isinstance(first, OraclePrice)
    assert first.exchange_time_us == PRO_NOW_US


def test_PYTH_041_numbers_may_come_as_numbers_or_text_and_with_more_fields() -> None:
    def as_numbers(frame: dict[str, Any]) -> None:
        frame["more"] = {"x": [1]}
        for feed in frame["parsed"]["priceFeeds"]:
            feed.update(price=int(feed["price"]), publisherCount=18, marketSession="regular")
            feed["feedUpdateTimestamp"] = str(feed["feedUpdateTimestamp"])

    assert read(altered(as_numbers)) == read(pro_frame([(1, BTC), (2, ETH)]))


def test_PYTH_041_a_feed_without_price_is_said_once_and_again_when_it_stops_again() -> None:
    client = ProClient("a", PLAIN, Merger())

    def said(price: int | None, step: int) -> list[Message]:
        frame: dict[str, Any] = pro_frame([(1, price or 0)], PRO_NOW_US + step)
        if price is None:
            del frame["parsed"]["priceFeeds"][0]["price"]
        return client.receive(coded(frame), PRO_NOW_US)

    (halted,) = said(None, 0)
    assert isinstance(halted, Status)
    assert (halted.market, halted.kind) == ("1", "halted")
    assert said(0, 1) == []
    assert isinstance(said(BTC, 2)[0], OraclePrice)
    assert isinstance(said(None, 3)[0], Status)


@pytest.mark.parametrize("missing", ["confidence", "price"])
def test_PYTH_041_a_price_without_confidence_is_none(missing: str) -> None:
    status, other = read(altered(lambda f: f["parsed"]["priceFeeds"][0].pop(missing)))
    assert isinstance(status, Status)
    assert status.kind == "halted"
    assert isinstance(other, OraclePrice)


def test_PYTH_041_a_negative_price_and_a_feed_not_asked_for_are_said() -> None:
    negative, other = read(altered(lambda f: f["parsed"]["priceFeeds"][0].update(price="-5")))
    assert isinstance(negative, Status)
    assert (negative.market, negative.kind) == ("1", "malformed")
    assert isinstance(other, OraclePrice)
    (stranger,) = read(pro_frame([(9, BTC)]))
    assert isinstance(stranger, Status)
    assert (stranger.market, stranger.kind) == ("9", "unverified")
    assert stranger.reason.startswith("PYTH-E05")


def test_PYTH_041_a_frame_from_the_future_is_a_status_of_the_clock() -> None:
    assert isinstance(read(pro_frame([(1, BTC)], PRO_NOW_US + 60_000_000))[0], OraclePrice)
    (status,) = read(pro_frame([(1, BTC)], PRO_NOW_US + 60_000_001))
    assert isinstance(status, Status)
    assert (status.market, status.kind) == ("1", "clock")


def test_PYTH_042_answers_to_the_subscription_are_statuses() -> None:
    subscribed = read({"type": "subscribed", "subscriptionId": 1}, SIGNED)
    assert subscribed == [Status("", "subscribed", "fixed_rate@200ms")]
    ignored = {
        "type": "subscribedWithInvalidFeedIdsIgnored",
        "subscriptionId": 1,
        "subscribedFeedIds": [1],
        "ignoredInvalidFeedIds": {"unknownIds": [2], "unsupportedChannels": [], "unstable": [3]},
    }
    kinds = [(each.market, each.kind) for each in read(ignored, SIGNED) if isinstance(each, Status)]
    assert kinds == [("", "subscribed"), ("2", "refused"), ("3", "refused")]
    (refused,) = read({"type": "subscriptionError", "subscriptionId": 1, "error": "no such feed"})
    assert refused == Status("", "refused", "no such feed")
    (other,) = read({"type": "surprise"})
    assert isinstance(other, Status)
    assert other.kind == "malformed"
    with pytest.raises(InputError, match=r"WIRE-E03.*token"):
        read({"type": "error", "error": "token expired"})


def test_PYTH_042_without_signers_it_is_said_that_nothing_is_verified() -> None:
    messages = read({"type": "subscribed", "subscriptionId": 1}, PLAIN)
    assert [each.kind for each in messages if isinstance(each, Status)] == [
        "subscribed",
        "unverified",
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "WIRE-E01"),
        (b"{", "WIRE-E01"),
        (b"\xff\xfe", "WIRE-E01"),
        (b'{"type":"\xff"}', "WIRE-E01"),
        (b"[" * 100_000, "WIRE-E02"),
        (b" " * 4_194_305, "WIRE-E01"),
        (b"[]", "WIRE-E02"),
        (b"{}", "WIRE-E02"),
        (b'{"type":1}', "WIRE-E02"),
        (b'{"type":"streamUpdated","subscriptionId":1}', "WIRE-E02"),
        (b'{"type":"streamUpdated","subscriptionId":1,"parsed":{}}', "WIRE-E02"),
        (altered(lambda f: f["parsed"].update(timestampUs="-1")), "WIRE-E02"),
        (altered(lambda f: f["parsed"].update(timestampUs="1e400")), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].update(exponent=33)), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].pop("exponent")), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].update(confidence="-1")), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].update(price="9" * 19)), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].update(price="1.5")), "WIRE-E02"),
        (altered(lambda f: f["parsed"]["priceFeeds"][0].update(priceFeedId=-1)), "WIRE-E02"),
        (
            altered(
                lambda f: f["parsed"]["priceFeeds"][0].update(feedUpdateTimestamp=PRO_NOW_US + 1)
            ),
            "WIRE-E02",
        ),
    ],
)
def test_PYTH_043_what_is_no_frame_is_named(data: bytes, code: str) -> None:
    with pytest.raises(InputError) as caught:
        read(data)
    assert caught.value.code == code


def test_PYTH_043_an_update_of_another_subscription_is_none_of_ours() -> None:
    (status,) = read(altered(lambda f: f.update(subscriptionId=2)))
    assert isinstance(status, Status)
    assert status.kind == "malformed"


# ---- signed bytes


@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize(("order", "kind"), [("<", "leEcdsa"), (">", "evm")])
def test_PYTH_044_signed_bytes_of_both_formats_are_verified(
    order: str, kind: SignedFormat, encoding: str
) -> None:
    terms = ProTerms((1, 2), signers=SIGNERS, format=kind)
    frame = pro_frame([(1, BTC), (2, ETH)], signer=SIGNER, order=order, encoding=encoding)
    assert read(frame, terms) == read(pro_frame([(1, BTC), (2, ETH)]))
    del frame["parsed"]
    assert read(frame, terms) == read(pro_frame([(1, BTC), (2, ETH)]))


def test_PYTH_044_every_property_of_a_payload_is_read_or_passed_over() -> None:
    properties: list[tuple[int, str, int | None]] = [
        *((0, "q", BTC), (1, "q", BTC - 1), (2, "q", BTC + 1), (3, "H", 18), (4, "h", -8)),
        *((5, "q", 7), (6, "?", None), (7, "?", 1), (8, "?", 2), (9, "h", 0)),
        *((10, "q", 1), (11, "q", 2), (12, "?", PRO_NOW_US - 5)),
    ]
    for order, kind in (("<", "leEcdsa"), (">", "evm")):
        payload = pro_payload([(1, properties), (2, [])], order=order)
        data = pro_envelope(SIGNER, payload, order)
        prices = open_payload(data, kind, SIGNERS, PRO_NOW_US)  # type: ignore[arg-type]
        assert prices == [
            ProPrice(1, PRO_NOW_US, BTC, -8, 7, PRO_NOW_US - 5),
            ProPrice(2, PRO_NOW_US),
        ]


def test_PYTH_044_every_cut_and_every_byte_more_is_named() -> None:
    payload = pro_payload([(1, [(0, "q", BTC), (4, "h", -8), (12, "?", PRO_NOW_US)])])
    whole = pro_envelope(SIGNER, payload)
    for broken in [*(whole[:length] for length in range(len(whole))), whole + b"\x00"]:
        with pytest.raises(InputError, match="WIRE-E02"):
            open_payload(broken, "leEcdsa", SIGNERS, PRO_NOW_US)
    for length in range(len(payload)):  # cut, and signed as it is
        with pytest.raises(InputError, match="WIRE-E02"):
            open_payload(pro_envelope(SIGNER, payload[:length]), "leEcdsa", SIGNERS, PRO_NOW_US)
    for wrong in (payload + b"\x00", pro_payload([(1, [(13, "q", 1)])])):
        with pytest.raises(InputError, match="WIRE-E02"):
            open_payload(pro_envelope(SIGNER, wrong), "leEcdsa", SIGNERS, PRO_NOW_US)
    with pytest.raises(InputError, match="WIRE-E02"):
        open_payload(whole, "evm", SIGNERS, PRO_NOW_US)


def test_PYTH_044_a_strangers_signature_gives_no_price() -> None:
    merger = Merger()
    client = ProClient("a", SIGNED, merger)
    frame = pro_frame([(1, BTC)], signer=key(901))
    (status,) = client.receive(coded(frame), PRO_NOW_US)
    assert isinstance(status, Status)
    assert (status.kind, status.reason[:8]) == ("unverified", "PYTH-E02")
    assert merger.counts["a"].unverified == 1
    # and it keeps no sound one out
    sound = client.receive(coded(pro_frame([(1, BTC)], signer=SIGNER)), PRO_NOW_US)
    assert isinstance(sound[0], OraclePrice)


def test_PYTH_044_a_changed_payload_gives_no_price() -> None:
    frame: dict[str, Any] = pro_frame([(1, BTC)], signer=SIGNER)
    data = bytearray(bytes.fromhex(frame["leEcdsa"]["data"]))
    data[-30] ^= 1
    frame["leEcdsa"]["data"] = data.hex()
    del frame["parsed"]
    (status,) = read(frame, SIGNED)
    assert isinstance(status, Status)
    assert status.reason[:8] == "PYTH-E02"


def test_PYTH_044_an_expired_signer_is_believed_until_its_last_second() -> None:
    frame = pro_frame([(1, BTC)], signer=SIGNER)
    signer = ProSigner(address(SIGNER), NOW_S)
    client = ProClient("a", ProTerms((1,), signers=(signer,)), Merger())
    (price,) = client.receive(coded(frame), NOW_S * 1_000_000)
    assert isinstance(price, OraclePrice)
    (status,) = client.receive(coded(frame), NOW_S * 1_000_000 + 1)
    assert isinstance(status, Status)
    assert "expired" in status.reason


def test_PYTH_044_plain_numbers_alone_are_not_believed_when_signers_are_named() -> None:
    (status,) = read(pro_frame([(1, BTC)]), SIGNED)
    assert isinstance(status, Status)
    assert (status.kind, status.reason[:8]) == ("unverified", "PYTH-E02")


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["parsed"]["priceFeeds"][0].update(price=str(BTC + 1)),
        lambda f: f["parsed"]["priceFeeds"][0].update(exponent=-7),
        lambda f: f["parsed"]["priceFeeds"][0].update(confidence="1"),
        lambda f: f["parsed"]["priceFeeds"][0].update(priceFeedId=5),
        lambda f: f["parsed"]["priceFeeds"][1].update(feedUpdateTimestamp=5),
        lambda f: f["parsed"].update(timestampUs=str(PRO_NOW_US + 1)),
    ],
)
def test_PYTH_045_plain_numbers_that_differ_from_the_signed_give_no_price(
    change: Callable[[dict[str, Any]], object],
) -> None:
    (status,) = read(altered(change, signer=SIGNER), SIGNED)
    assert isinstance(status, Status)
    assert (status.kind, status.reason[:8]) == ("unverified", "PYTH-E06")


def test_PYTH_044_signed_bytes_that_are_no_bytes_are_named() -> None:
    for data in ("zz", "0", "\u0661"):
        with pytest.raises(InputError, match="WIRE-E02"):
            read(altered(lambda f, d=data: f["leEcdsa"].update(data=d), signer=SIGNER), SIGNED)
    with pytest.raises(InputError, match="WIRE-E02"):
        read(
            altered(lambda f: f.update(leEcdsa={"encoding": "base64", "data": "*"}), signer=SIGNER),
            SIGNED,
        )
    assert base64.b64decode("", validate=True) == b""


# ---- many endpoints, one stream


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
