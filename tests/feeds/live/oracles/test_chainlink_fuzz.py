"""Mutants of frames and of signed reports: listed errors, messages, and no price that nobody signed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator

from steelyard.feeds.live.messages import OraclePrice, Status
from steelyard.feeds.live.oracles.chainlink import ChainlinkClient, StreamTerms
from steelyard.quantities import InputError
from tests.feeds.live.oracles.chainlink_reports import (
    BTC,
    ETH,
    KEYS,
    NOW_US,
    OBSERVED,
    believed,
    envelope,
    feed_id,
    frame,
    full_report,
    make_client,
    report_bytes,
)
from tests.support.mutation import mutants

CODES = {"CHLK-E01", "CHLK-E02", "CHLK-E03"}
COUNT = 45_000
FEEDS = [BTC, feed_id(2), feed_id(4), feed_id(8), feed_id(10), feed_id(11)]
REPORTS = [full_report(report_bytes(feed)) for feed in FEEDS]
REPORTS += [
    full_report(keys=KEYS),
    full_report(report_bytes(ETH), keys=KEYS[4:]),
    full_report(keys=[]),
]
NUMBERS = [0, 1, 2, 3, 27, 31, 32, 0xE0, 0x220, 0x280, 2**31, 2**32, 2**63, 2**64, 2**191, 2**192]
NUMBERS += [OBSERVED, OBSERVED + 86_401, 2**255, 2**256 - 1, 2**256 - 2**191, 2**256 - 2**191 - 1]


def fresh() -> ChainlinkClient:
    return ChainlinkClient([believed()], [StreamTerms(feed) for feed in [*FEEDS, ETH]])


def genuine() -> set[OraclePrice]:
    """Every price that the reports, as they were signed, hold."""
    told: set[OraclePrice] = set()
    for raw in REPORTS:
        feed = "0x" + raw[8 * 32 : 9 * 32].hex()
        told |= {
            one for one in fresh().receive(frame(raw, feed), NOW_US) if isinstance(one, OraclePrice)
        }
    assert len(told) == 7
    return told


def endure(frames: Iterator[bytes]) -> Counter[str]:
    """Count what came of the frames; anything but a message or a listed error is a failure."""
    allowed, outcomes = genuine(), Counter[str]()
    for raw in frames:
        try:
            messages = fresh().receive(raw, NOW_US)
        except InputError as refusal:
            outcomes[refusal.code] += 1
            continue
        for message in messages:
            assert isinstance(message, OraclePrice | Status)
            if isinstance(message, OraclePrice):
                assert message in allowed, raw
                outcomes["price"] += 1
            else:
                assert message.kind in ("unverified", "refused", "halted")
                outcomes[message.kind] += 1
    assert set(outcomes) <= CODES | {"price", "unverified", "refused", "halted"}, outcomes
    return outcomes


def test_CHLK_030_mutants_of_frames() -> None:
    rows = [envelope(raw, feed) for raw, feed in zip(REPORTS[:6], FEEDS, strict=True)]
    seeds = [json.dumps({"report": row}).encode() for row in rows]
    seeds += [
        frame(REPORTS[0], BTC, validFromTimestamp=OBSERVED - 1, observationsTimestamp=OBSERVED),
        json.dumps({"reports": rows[:3]}).encode(),
        b'{"message": "report not found"}',
        b'{"error": "unauthorized"}',
    ]
    outcomes = endure(mutants(seeds, COUNT, seed=37_001))
    for outcome in (*CODES, "price", "unverified", "refused"):
        assert outcomes[outcome] > 50, outcomes


def mutated_words(count: int, seed: int) -> Iterator[bytes]:
    """Reports with words replaced, moved, doubled, dropped or changed by a bit or by one."""
    chance = random.Random(seed)
    for _ in range(count):
        raw = chance.choice(REPORTS)
        words = [raw[at : at + 32] for at in range(0, len(raw), 32)]
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            at = chance.randrange(len(words))
            other = chance.choice(REPORTS)
            start = 32 * chance.randrange(len(other) // 32)
            way = chance.randrange(7)
            if way == 0:
                words[at] = chance.choice(NUMBERS).to_bytes(32)
            elif way == 1:
                words[at] = other[start : start + 32]
            elif way == 2:
                del words[at]
            elif way == 3:
                words.insert(at, other[start : start + 32])
            elif way == 4:
                byte = chance.randrange(32)
                flipped = words[at][byte] ^ (1 << chance.randrange(8))
                words[at] = words[at][:byte] + bytes((flipped,)) + words[at][byte + 1 :]
            elif way == 5:
                near = int.from_bytes(words[at]) + chance.choice((-32, -1, 1, 32))
                words[at] = (near % 2**256).to_bytes(32)
            else:
                words[at], words[-1] = words[-1], words[at]
            if not words:
                words = [bytes(32)]
        yield b"".join(words)


def framed(reports: Iterator[bytes]) -> Iterator[bytes]:
    """Each in a frame of the feed that it says it is of, where that is one."""
    for raw in reports:
        feed = "0x" + raw[8 * 32 : 9 * 32].hex()
        yield frame(raw, feed if len(feed) == 66 else BTC)


def test_CHLK_030_mutants_of_reports() -> None:
    outcomes = endure(framed(mutated_words(25_000, seed=37_002)))
    outcomes += endure(framed(mutants(REPORTS, COUNT - 25_000, seed=37_003)))
    for outcome in ("CHLK-E02", "unverified", "refused"):
        assert outcomes[outcome] > 1_000, outcomes
    assert sum(outcomes.values()) == COUNT
    assert make_client().receive(frame(full_report()), NOW_US)  # and the good one is still told
