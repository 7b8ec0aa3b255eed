"""Broken bytes by the ten thousand: only the listed errors, and never a price that nobody signed."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable

from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.hermes import EventStream, HermesReader
from steelyard.feeds.live.oracles.pyth import SignedPrice, read_update
from steelyard.feeds.live.oracles.pyth_pro import Merger, ProClient, ProTerms
from steelyard.feeds.live.oracles.pyth_pro_payload import ProSigner, open_payload
from steelyard.feeds.live.oracles.wormhole import parse_vaa, read_trust
from steelyard.quantities import InputError
from tests.support.mutation import mutants
from tests.support.pyth import (
    BTC,
    ETH,
    NOW_S,
    NOW_US,
    PRO_NOW_US,
    SOL,
    Attester,
    address,
    hermes_document,
    key,
    price_message,
    pro_envelope,
    pro_frame,
    pro_payload,
    update,
)

ATTESTER = Attester(size=4)
TRUST = read_trust(ATTESTER.document())
FEEDS = {BTC.hex(), ETH.hex()}
SIGNER = key(900)
SIGNERS = (ProSigner(address(SIGNER)),)
LISTED = {"PYTH-E01", "PYTH-E02", "PYTH-E03", "PYTH-E04", "PYTH-E05"}
KINDS = {"subscribed", "refused", "halted", "clock", "unverified", "malformed"}


def updates() -> list[bytes]:
    feeds = [BTC, ETH, SOL]
    return [
        update(ATTESTER, [price_message()]),
        update(ATTESTER, [price_message(feed, publish_s=NOW_S + 1) for feed in feeds[:2]]),
        update(ATTESTER, [price_message(feed) for feed in feeds]),
        update(ATTESTER, [b"\x01" + bytes(100), price_message(ETH, price=-1, exponent=3)]),
        update(ATTESTER, [price_message()], index=8),
        update(ATTESTER, [price_message()], signers=[0, 1, 2, 3]),
    ]


def said(data: bytes, outcomes: Counter[str]) -> list[SignedPrice]:
    """The prices of an update, or none and the code counted; anything else is raised."""
    try:
        prices = read_update(data, TRUST, NOW_US, FEEDS)
    except InputError as error:
        outcomes[error.code] += 1
        return []
    outcomes["believed"] += 1
    return prices


def test_PYTH_050_broken_updates_give_listed_errors_and_no_price_that_was_not_signed() -> None:
    seeds = updates()
    signed = {
        price
        for data in seeds[:4]
        for price in read_update(data, TRUST, NOW_US)
        if price.feed in FEEDS
    }
    outcomes: Counter[str] = Counter()
    for mutant in mutants(seeds, 45_000, seed=1):
        assert signed.issuperset(said(mutant, outcomes))
    assert outcomes.keys() <= LISTED | {"believed"}
    assert sum(outcomes.values()) == 45_000
    # each stage was reached, so the mutants were not all refused at the door
    assert all(outcomes[code] > 20 for code in LISTED | {"believed"}), outcomes


def test_PYTH_050_broken_messages_that_are_signed_give_listed_errors() -> None:
    outcomes: Counter[str] = Counter()
    seeds = [price_message(), price_message(ETH, exponent=30) + b"more"]
    for mutant in mutants(seeds, 4_000, seed=2):
        prices = said(update(ATTESTER, [mutant[:65_535]]), outcomes)
        assert all(abs(each.exponent) <= 32 and each.publish_time_s >= 0 for each in prices)
    assert outcomes.keys() <= {"PYTH-E01", "PYTH-E05", "believed"}
    assert min(outcomes["PYTH-E01"], outcomes["believed"]) > 200


def test_PYTH_050_broken_roots_that_are_signed_are_malformed_or_prove_nothing() -> None:
    outcomes: Counter[str] = Counter()
    sound = update(ATTESTER, [price_message()])
    length = int.from_bytes(sound[8:10])
    payload = parse_vaa(sound[10 : 10 + length]).payload
    for mutant in mutants([payload], 3_000, seed=3):
        vaa = ATTESTER.vaa(mutant[:60_000])
        said(sound[:8] + len(vaa).to_bytes(2) + vaa + sound[10 + length :], outcomes)
    assert outcomes.keys() <= {"PYTH-E01", "PYTH-E03", "believed"}
    assert min(outcomes["PYTH-E01"], outcomes["PYTH-E03"]) > 200


def test_PYTH_051_broken_documents_give_listed_errors_and_no_price_that_was_not_signed() -> None:
    groups = [[price_message()], [price_message(ETH), price_message(BTC, publish_s=NOW_S + 1)]]
    seeds = [
        json.dumps(hermes_document([update(ATTESTER, group)], group, encoding)).encode()
        for group in groups
        for encoding in ("hex", "base64")
    ]
    signed = {
        message for data in seeds for message in HermesReader(TRUST, FEEDS).receive(data, NOW_US)
    }
    outcomes: Counter[str] = Counter()
    for mutant in mutants(seeds, 15_000, seed=4):
        try:
            messages = HermesReader(TRUST, FEEDS).receive(mutant, NOW_US)
        except InputError as error:
            outcomes[error.code] += 1
        else:
            outcomes["read"] += 1
            assert signed.issuperset(each for each in messages if isinstance(each, OraclePrice))
    assert outcomes.keys() <= (LISTED - {"PYTH-E05"}) | {"PYTH-E06", "read"}
    assert all(outcomes[code] > 20 for code in ("PYTH-E01", "PYTH-E02", "PYTH-E06", "read"))


def test_PYTH_051_broken_event_streams_give_events_or_the_listed_error() -> None:
    seeds = [b': keep\n\nevent: error\r\ndata: x\r\n\r\ndata:{"a":1}\ndata: 2\n\n' * 3]
    events, refusals = 0, Counter[str]()
    for number, mutant in enumerate(mutants(seeds, 10_000, seed=5)):
        stream = EventStream(bytes_max=40)
        try:
            for at in range(0, len(mutant), 1 + number % 97):
                events += len(stream.feed(mutant[at : at + 1 + number % 97]))
        except InputError as error:
            refusals[error.code] += 1
    assert events > 10_000
    assert refusals.keys() == {"PYTH-E01"}
    assert refusals["PYTH-E01"] > 100


def pro_frames() -> list[bytes]:
    pairs = [(1, 6_713_436_287_632), (2, 251_200_000_000)]
    frames: list[dict[str, object]] = [
        pro_frame(pairs, signer=SIGNER),
        pro_frame(pairs, PRO_NOW_US + 1, signer=SIGNER, encoding="base64"),
        pro_frame(pairs[:1], PRO_NOW_US + 2),
        pro_frame(pairs, PRO_NOW_US + 3, exponent=5, made_us=PRO_NOW_US),
        {"type": "subscribed", "subscriptionId": 1},
        {
            "type": "subscribedWithInvalidFeedIdsIgnored",
            "subscriptionId": 1,
            "ignoredInvalidFeedIds": {"unknownIds": [2], "unstable": []},
        },
        {"type": "subscriptionError", "subscriptionId": 1, "error": "no"},
        {"type": "error", "error": "no"},
    ]
    return [json.dumps(frame).encode() for frame in frames]


def check(messages: Iterable[Message]) -> list[OraclePrice]:
    """The prices among the messages, all of them sound."""
    prices = []
    for message in messages:
        if isinstance(message, Status):
            assert message.kind in KINDS
            continue
        assert isinstance(message, OraclePrice)
        assert math.isfinite(message.price)
        assert math.isfinite(message.confidence)
        assert message.price > 0.0
        assert message.confidence > 0.0
        assert 0 < message.exchange_time_us <= PRO_NOW_US + 60_000_000
        assert message.market in ("1", "2")
        prices.append(message)
    return prices


def test_PYTH_052_broken_pro_frames_give_listed_errors_and_sound_prices() -> None:
    terms = ProTerms((1, 2))
    outcomes: Counter[str] = Counter()
    for mutant in mutants(pro_frames(), 45_000, seed=6):
        try:
            prices = check(ProClient("a", terms, Merger()).receive(mutant, PRO_NOW_US))
        except InputError as error:
            outcomes[error.code] += 1
        else:
            outcomes["read"] += 1
            outcomes["prices"] += len(prices)
    assert outcomes.keys() <= {"WIRE-E01", "WIRE-E02", "WIRE-E03", "read", "prices"}
    assert all(outcomes[each] > 500 for each in outcomes), outcomes


def test_PYTH_052_broken_pro_frames_never_give_a_price_that_was_not_signed() -> None:
    terms = ProTerms((1, 2), signers=SIGNERS)
    seeds = pro_frames()[:2]
    signed = {
        message
        for frame in seeds
        for message in ProClient("a", terms, Merger()).receive(frame, PRO_NOW_US)
    }
    assert len(check(signed)) == 4
    believed, refusals = 0, set[str]()
    for mutant in mutants(seeds, 10_000, seed=7):
        try:
            prices = check(ProClient("a", terms, Merger()).receive(mutant, PRO_NOW_US))
        except InputError as error:
            refusals.add(error.code)
        else:
            assert signed.issuperset(prices)
            believed += bool(prices)
    assert believed > 500
    assert refusals == {"WIRE-E01", "WIRE-E02"}


def test_PYTH_052_broken_payloads_that_are_signed_give_listed_errors() -> None:
    payload = pro_payload(
        [(1, [(0, "q", 5), (4, "h", -8), (5, "q", 1), (6, "?", None), (12, "?", PRO_NOW_US)])]
    )
    outcomes: Counter[str] = Counter()
    for mutant in mutants([payload], 5_000, seed=8):
        try:
            open_payload(pro_envelope(SIGNER, mutant[:65_535]), "leEcdsa", SIGNERS, PRO_NOW_US)
        except InputError as error:
            outcomes[error.code] += 1
        else:
            outcomes["read"] += 1
    assert outcomes.keys() == {"WIRE-E02", "read"}
    assert min(outcomes.values()) > 200
