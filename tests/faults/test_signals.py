"""Faults of a volatility index: a signal of six sources, on which nothing is liquidated."""

from __future__ import annotations

import itertools
import random

import pytest

from steelyard.engine import Engine
from steelyard.marks.signals import FRESH, read_signal
from steelyard.ticks import SignalListed, SignalTick, TimeTick
from tests.faults.cells import FAULTS, KNOWN, SHARES, seeds
from tests.faults.stage import METHOD, Clerk
from tests.faults.volatilities import COUNTS
from tests.faults.watch import Heard
from tests.faults.words import (
    SECOND_US,
    STALE_US,
    START_US,
    Path,
    Word,
    faulty_words,
    honest_words,
)

NAME, JUMP_MAX = "dvol", 0.1
NAMES = tuple(f"v{n}" for n in range(6))
ROWS = [row for row in itertools.product(FAULTS, SHARES) if row[0] != "forged signature"]


def said_by(fault: str, share: str, seed: int) -> tuple[list[Word], list[str]]:
    """Return words of a rise by 0.05 to 0.2 over twelve seconds, and whose have the fault."""
    rng = random.Random(f"signal/{fault}/{share}/{seed}")
    start, rise = rng.uniform(0.5, 0.8), rng.uniform(0.05, 0.2)
    from_us, rise_us = START_US + 6 * SECOND_US, 12 * SECOND_US
    path = Path(start, -rise / start, from_us, rise_us, from_us + rise_us + 6 * SECOND_US)
    faulty = rng.sample(NAMES, COUNTS[share])
    begins_us = START_US + rng.randint(1_600_000, 5 * SECOND_US)
    said = []
    for name in NAMES:
        words = honest_words(name, path.at, path.end_us, rng)
        said += faulty_words(fault, words, begins_us, rng) if name in faulty else words
    heard = [word for word in said if word.received_us <= path.end_us]
    return sorted(heard, key=lambda w: (w.received_us, w.source, w.exchange_us)), faulty


@pytest.mark.parametrize(("fault", "share"), ROWS)
def test_FALT_011_a_signal_is_within_the_honest_range_or_not_fresh(fault: str, share: str) -> None:
    for seed in seeds():
        words, faulty = said_by(fault, share, seed)
        clerk = Clerk(Engine(METHOD))
        terms = (NAME, "volatility_index", "BTC", 0.1, 3.0, JUMP_MAX, STALE_US, 0.5)
        clerk.send(SignalListed, START_US, *terms)
        heard: dict[str, Heard] = {}
        exposed: dict[str, int] = {}
        for number, word in enumerate(words):
            if number % 10 == 0:
                clerk.send(TimeTick, word.received_us)
            tick = (NAME, word.source, word.price, 1.0, word.exchange_us)
            clerk.send(SignalTick, word.received_us, *tick)
            if KNOWN[fault].how == "word" and not word.is_honest:
                exposed.setdefault(word.source, number)
            elif word.exchange_us >= heard.get(word.source, Heard(0, 0.0, True)).at_us:
                heard[word.source] = Heard(word.exchange_us, word.price, word.is_honest)
            now_us = clerk.engine.market.time_us
            reading = read_signal(clerk.engine.market.signals, NAME, now_us)
            where = f"{fault} · {share} seed {seed}, word {number}: {reading}"
            honest = [
                each.price for n, each in heard.items() if each.is_honest and n not in exposed
            ]
            is_ready = len(heard) == len(NAMES)
            if share in ("one", "minority") or KNOWN[fault].how == "harmless":
                assert not is_ready or reading.state == FRESH, where
                assert reading.value is not None
                assert min(honest) <= reading.value <= max(honest), where
            elif is_ready and reading.state == FRESH and share == "half":
                assert min(abs(reading.value - each) for each in honest) <= JUMP_MAX / 2, where
            known = [n for n in faulty if number - exposed.get(n, number) >= 2]
            if len(known) >= len(NAMES) // 2:
                assert reading.state != FRESH, where
        if share == "all" and fault == "stale":
            assert reading.state != FRESH, where
