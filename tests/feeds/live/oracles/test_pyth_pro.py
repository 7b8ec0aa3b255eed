"""Frames of Pyth Pro: the subscription, updates, signed bytes, and whatever is none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.pyth_pro import Merger, ProClient, ProTerms
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
