"""The truth, what honest sources say of it, and what faults make of their words."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

SECOND_US = 1_000_000
START_US = 1_800_000_000_000_000
STALE_US = 4 * SECOND_US
FROZEN_US = 6 * SECOND_US
INTERVAL_US = 1 * SECOND_US
FLIP_US = 400_000
LAG_US = (5_000, 300_000)
NOISE = 0.0003
HARMLESS = ("out of order", "duplicate")


class Path(NamedTuple):
    """A truth: calm at `start`, from fall_from_us a fall by `depth` over fall_us, and calm again."""

    start: float
    depth: float
    fall_from_us: int
    fall_us: int
    end_us: int

    def at(self, time_us: int) -> float:
        """Return the true price."""
        done = min(1.0, max(0.0, (time_us - self.fall_from_us) / self.fall_us))
        return self.start * (1.0 - self.depth * done)

    @property
    def bottom(self) -> float:
        return self.start * (1.0 - self.depth)


def falling(start: float, rng: random.Random) -> Path:
    """A fall of 5 to 25 %, by about one per cent a second at most, between two calms of six seconds."""
    depth = rng.uniform(0.05, 0.25)
    fall_us = int(max(10.0, depth * 100.0 * rng.uniform(1.0, 1.3)) * SECOND_US)
    fall_from_us = START_US + 6 * SECOND_US
    return Path(start, depth, fall_from_us, fall_us, fall_from_us + fall_us + 4 * SECOND_US)


def level(price: float, until_us: int) -> Path:
    """A truth that does not move."""
    return Path(price, 0.0, START_US, 1, until_us)


class Speaker(NamedTuple):
    """A source as it is listed: its operator, weight and what it quotes in."""

    name: str
    operator: str
    weight: int
    quote: str = "USD"


class Word(NamedTuple):
    """What a source says. status: a state its feed tells instead of a price. is_honest: it is the truth
    as the source knew it, however often or late it comes."""

    received_us: int
    exchange_us: int
    source: str
    price: float
    is_honest: bool = True
    status: str = ""


def honest_words(
    name: str,
    truth: Callable[[int], float],
    until_us: int,
    rng: random.Random,
    interval_us: int = INTERVAL_US,
    noise: float = NOISE,
) -> list[Word]:
    """Return a source's words: at its own phase, once an interval, a little off, and 5 to 300 ms late."""
    words = [Word(START_US, START_US, name, truth(START_US))]
    at_us = START_US + rng.randrange(interval_us // 10, interval_us)
    while at_us < until_us:
        price = truth(at_us) * (1.0 + rng.uniform(-noise, noise))
        words.append(Word(at_us + rng.randint(*LAG_US), at_us, name, price))
        at_us += interval_us + rng.randint(-interval_us // 20, interval_us // 20)
    return words


def faulty_words(fault: str, words: list[Word], from_us: int, rng: random.Random) -> list[Word]:
    """Return the words of a source that has a fault from `from_us` on."""
    before = [word for word in words if word.exchange_us < from_us]
    after = [word for word in words if word.exchange_us >= from_us]
    return before + _FAULTS[fault](before[-1], after, rng)


Fault = Callable[[Word, list[Word], random.Random], list[Word]]


def _lying(change: Callable[[float], float]) -> Fault:
    def fault(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
        return [word._replace(price=change(word.price), is_honest=False) for word in words]

    return fault


def _stale(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    """Silence; or yesterday's words at other prices, which are older than the last one."""
    if rng.random() < 0.5:
        return []
    old_us = rng.choice([1, SECOND_US, 86_400 * SECOND_US])
    return [
        word._replace(
            exchange_us=last.exchange_us - old_us,
            price=last.price * rng.uniform(0.5, 1.5),
            is_honest=False,
        )
        for word in words
    ]


def _frozen(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    return [word._replace(price=last.price, is_honest=False) for word in words]


def flip_flop(words: list[Word], factor: float, is_lie_first: bool) -> list[Word]:
    """Return each word once as it is and once a lie, the second 400 ms after the first.

    So a lie lasts for less than the guard waits for those that disagreed (1 s); what most sources say for
    longer cannot be told from the truth.
    """
    said = []
    for word in words:
        lie = word._replace(price=word.price * factor, is_honest=False)
        first, second = (lie, word) if is_lie_first else (word, lie)
        later = second._replace(
            received_us=second.received_us + FLIP_US, exchange_us=second.exchange_us + FLIP_US
        )
        said += [first, later]
    return said


def _flip_flop(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    factor = rng.choice([rng.uniform(0.4, 0.8), rng.uniform(1.2, 1.6)])
    return flip_flop(words, factor, rng.random() < 0.5)


def _flip_flop_far(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    factor = rng.choice([rng.uniform(0.3, 0.6), rng.uniform(1.7, 2.5)])
    return flip_flop(words, factor, rng.random() < 0.5)


def _late(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    delay_us = rng.randint(SECOND_US, 3 * STALE_US)
    return [
        word._replace(received_us=word.received_us + delay_us, is_honest=False) for word in words
    ]


def _out_of_order(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    """One word in two arrives after the one that follows it."""
    moved = []
    for n, word in enumerate(words):
        if n + 1 < len(words) and rng.random() < 0.5:
            word = word._replace(received_us=words[n + 1].received_us + rng.randint(1, 50_000))
        moved.append(word)
    return moved


def _duplicate(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    """Every word comes up to four times, some after the next ones."""
    return [
        word._replace(received_us=word.received_us + (rng.randint(0, 3 * SECOND_US) if copy else 0))
        for word in words
        for copy in range(rng.randint(1, 4))
    ]


def _future(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    """Far ahead with a lie, or a little ahead with the truth."""
    if rng.random() < 0.5:
        ahead_us = rng.randint(SECOND_US, 4_900_000)
        return [word._replace(exchange_us=word.received_us + ahead_us) for word in words]
    ahead_us = rng.choice([5_100_000, 60 * SECOND_US, 3_600 * SECOND_US, 86_400 * SECOND_US])
    factor = rng.uniform(0.8, 1.2)
    return [
        word._replace(
            exchange_us=word.received_us + ahead_us, price=word.price * factor, is_honest=False
        )
        for word in words
    ]


def _forged(last: Word, words: list[Word], rng: random.Random) -> list[Word]:
    """Nothing verifies any longer, so no price comes out of its feed."""
    return [word._replace(status="unverified", is_honest=False) for word in words]


_FAULTS: dict[str, Fault] = {
    "stale": _stale,
    "frozen": _frozen,
    "zero": _lying(lambda _: 0.0),
    "negative": _lying(lambda price: -price),
    "nan": _lying(lambda _: math.nan),
    "times ten": _lying(lambda price: 10.0 * price),
    "over ten": _lying(lambda price: price / 10.0),
    "flip-flop": _flip_flop,
    "flip-flop far": _flip_flop_far,
    "late": _late,
    "out of order": _out_of_order,
    "duplicate": _duplicate,
    "future time": _future,
    "forged signature": _forged,
}
