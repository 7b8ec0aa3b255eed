"""A stage: a truth, sources that follow it, and accounts of which one is due in the fall, the others never.

index       BTC falls; its sources have the fault
collateral  ETH falls, which backs positions in BTC; the sources of ETH have the fault
fx          BTC falls, half of its sources quote in USDT; the sources of USDT have the fault
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

from steelyard.engine import Engine
from steelyard.marks import Source, SourceTerms
from steelyard.marks.index import capped_weights
from steelyard.terms import AccountRecord, Asset, Instrument, PositionRecord, load_method
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Event,
    InstrumentsListed,
    PriceTick,
    SourceListed,
)
from tests.faults.words import (
    FROZEN_US,
    SECOND_US,
    STALE_US,
    START_US,
    Path,
    Speaker,
    Word,
    falling,
    faulty_words,
    honest_words,
    level,
)

METHOD = load_method()
SHARE_MAX = METHOD.index_rules("default").operator_share_ppm_max
USD = 10**6
BTC, ETH, USDT = Asset("BTC", 8, 2), Asset("ETH", 8, 4), Asset("USDT", 6, 6)
BTC_LINEAR = Instrument("BTC_USDC-PERPETUAL", "perpetual", "BTC", "USDC", False, 4, 2, 10**9)
ETH_LINEAR = Instrument("ETH_USDC-PERPETUAL", "perpetual", "ETH", "USDC", False, 3, 4, 10**9)
PRICES = {"BTC": 100_000.0, "ETH": 4_000.0}
COINS = 10 * 10**8
FAULTED = {"index": "BTC", "collateral": "ETH", "fx": "USDT"}
FALLS = {"index": "BTC", "collateral": "ETH", "fx": "BTC"}
TIGHT, WIDE = 0.005, 0.04
"""How far beyond the truth a safe account becomes due: by the bound of a minority, and of a half."""

EQUAL = tuple(Speaker(f"s{n}", f"o{n}", 1) for n in range(6))
UNEQUAL = (
    Speaker("s0", "heavy", 9), Speaker("s1", "two", 2), Speaker("s2", "three", 2),
    Speaker("s3", "twin", 3), Speaker("s4", "twin", 3), Speaker("s5", "four", 2),
)  # fmt: skip
"""The heavy one is brought down to 40 %: 8, 2, 2, 3, 3, 2; the twins are two markets of one operator."""

LAYOUTS = (EQUAL, UNEQUAL)


class Role(NamedTuple):
    """An account: what it holds, and the price of what falls at which it becomes due."""

    name: str
    instrument: Instrument
    lots: int
    coins: int
    due_at: float


class Stage(NamedTuple):
    """Everything of one seed but the fault. words: of each asset by source, all honest. due_at: the price
    at which the account that is due becomes so."""

    target: str
    seed: int
    path: Path
    speakers: dict[str, tuple[Speaker, ...]]
    words: dict[str, dict[str, list[Word]]]
    records: list[AccountRecord]
    truths: dict[str, Path]
    due_at: float


class Clerk:
    """Sends events to an engine, each a number later, none before the one before it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.number = max(engine.origin_seqs.values(), default=0)

    def send(self, kind: type[Event], at_us: int, *fields: object) -> list[object]:
        """Submit an event and return its outcomes."""
        self.number += 1
        event = kind(max(at_us, self.engine.market.time_us), "feed", self.number, *fields)
        return list(self.engine.submit(event).outcomes)

    def say(self, asset: str, word: Word) -> list[object]:
        """Let a source say a price."""
        return self.send(
            PriceTick, word.received_us, word.source, asset, word.price, word.exchange_us
        )


def opened(speakers: dict[str, tuple[Speaker, ...]], at_us: int = START_US) -> Clerk:
    """Return an engine with assets, sources and perpetuals listed, and no price."""
    clerk = Clerk(Engine(METHOD))
    for asset in (BTC, ETH, USDT):
        if asset.name in speakers:
            clerk.send(AssetListed, at_us, asset)
    for name in sorted(speakers, reverse=True):  # USDT first: others quote in it
        for one in speakers[name]:
            clerk.send(
                SourceListed, at_us, one.name, name, one.operator, one.weight, STALE_US, "spot",
                one.quote, 1, [], 0 if one.name.startswith("calm") else FROZEN_US,
            )  # fmt: skip
    linear = [BTC_LINEAR, ETH_LINEAR] if "ETH" in speakers else [BTC_LINEAR]
    clerk.send(InstrumentsListed, at_us, linear)
    return clerk


CALM = (Speaker("calm0", "calm one", 1), Speaker("calm1", "calm two", 1))


@cache
def stage(target: str, seed: int, is_cliff: bool = False) -> Stage:
    """Return the stage of a seed: layouts take turns. is_cliff: the fall takes a fifth of a second."""
    rng = random.Random(f"{target}/{seed}")
    layout = LAYOUTS[seed % 2]
    falls = FALLS[target]
    path = falling(PRICES[falls], rng)
    if is_cliff:
        path = path._replace(depth=rng.uniform(0.17, 0.25), fall_us=SECOND_US // 5)
    truths = {falls: path}
    speakers = {falls: layout}
    if target == "collateral":
        truths["BTC"] = level(PRICES["BTC"], path.end_us)
        speakers["BTC"] = CALM
    if target == "fx":
        truths["USDT"] = level(rng.uniform(0.995, 1.003), path.end_us)
        speakers["USDT"] = layout
        quoting = (1, 3, 5) if layout is EQUAL else (2, 4, 5)
        speakers["BTC"] = tuple(
            one._replace(quote="USDT") if n in quoting else one for n, one in enumerate(layout)
        )
    words = {
        asset: {one.name: _words(asset, one, truths, rng) for one in speakers[asset]}
        for asset in sorted(speakers)
    }
    roles = _roles(target, path, rng)
    records = [calibrated(role, falls, speakers) for role in roles]
    return Stage(target, seed, path, speakers, words, records, truths, roles[0].due_at)


def _words(asset: str, one: Speaker, truths: dict[str, Path], rng: random.Random) -> list[Word]:
    truth = truths[asset]
    at = truth.at
    if one.quote != "USD":
        at = partial(_in_currency, truth, truths[one.quote])
    end_us = truth.end_us
    if one in CALM:
        return honest_words(one.name, at, end_us, rng, 3 * SECOND_US, 0.0)
    if asset == "USDT":
        return honest_words(one.name, at, end_us, rng, 3 * SECOND_US // 2, 0.0002)
    return honest_words(one.name, at, end_us, rng)


def _in_currency(truth: Path, currency: Path, time_us: int) -> float:
    return truth.at(time_us) / currency.at(time_us)


def _roles(target: str, path: Path, rng: random.Random) -> list[Role]:
    """One becomes due in the fall; the safe ones would beyond its ends, by the bound and by more."""
    due_at = path.start * (1.0 - path.depth * rng.uniform(0.3, 0.8))
    below = [("due", due_at)]
    below += [(f"{n} long", path.bottom * (1.0 - m)) for n, m in (("tight", TIGHT), ("wide", WIDE))]
    above = [(f"{n} short", path.start * (1.0 + m)) for n, m in (("tight", TIGHT), ("wide", WIDE))]
    if target == "collateral":
        return [
            *(Role(name, BTC_LINEAR, 10_000, COINS, at) for name, at in below),
            *(Role(name, ETH_LINEAR, -10_000, 0, at) for name, at in above),
        ]
    return [
        *(Role(name, BTC_LINEAR, 10_000, 0, at) for name, at in below),
        *(Role(name, BTC_LINEAR, -10_000, 0, at) for name, at in above),
    ]


def calibrated(role: Role, falls: str, speakers: dict[str, tuple[Speaker, ...]]) -> AccountRecord:
    """Return the account whose buffer is nil at the role's price: cash for what it lacks, or a worse
    entry for what it has too much."""
    clerk = opened(speakers)
    for asset in sorted(speakers, reverse=True):
        price = role.due_at if asset == falls else PRICES.get(asset, 1.0)
        for one in speakers[asset]:
            clerk.say(asset, Word(START_US, START_US, one.name, price))
    probe_usd = 10**6 * USD
    clerk.send(AccountsLoaded, START_US, [_record(role, probe_usd, 0)])
    risk = clerk.engine.risk_of(role.name)
    cash = probe_usd - risk.buffer
    if cash >= 0:
        return _record(role, cash, 0)
    units = abs(role.lots) / 10**role.instrument.lot_exponent
    return _record(role, 0, int(-cash / USD / units * 10**role.instrument.mark_exponent))


def _record(role: Role, cash: int, worse_marks: int) -> AccountRecord:
    instrument = role.instrument
    mark = int(PRICES[instrument.underlying] * 10**instrument.mark_exponent)
    mark += worse_marks if role.lots > 0 else -worse_marks
    balances = {"USDC": cash} | ({"ETH": role.coins} if role.coins else {})
    held = PositionRecord(instrument.name, role.lots, mark)
    return AccountRecord(role.name, "cross", balances, [held])


# -- faults --------------------------------------------------------------------------------------


def weights_of(speakers: Sequence[Speaker]) -> list[int]:
    """Return their weights after the cap of operators."""
    operators = sorted({one.operator for one in speakers})
    sources = [
        Source(
            one.name,
            SourceTerms(operators.index(one.operator), one.weight, 1, "spot", -1, 1, (), 0),
        )
        for one in speakers
    ]
    return capped_weights(sources, SHARE_MAX)


def chosen(share: str, speakers: Sequence[Speaker], rng: random.Random) -> list[str]:
    """Return the names of a share of the sources: by weight after the cap."""
    names = [one.name for one in speakers]
    if share == "all":
        return names
    if share == "one":
        return [rng.choice(names)]
    weights = dict(zip(names, weights_of(speakers), strict=True))
    total = sum(weights.values())
    fits = [
        list(some)
        for count in range(2, len(names))
        for some in itertools.combinations(names, count)
        if (
            2 * sum(weights[n] for n in some) == total
            if share == "half"
            else 2 * sum(weights[n] for n in some) < total
        )
    ]
    return rng.choice(fits)


class Play(NamedTuple):
    """What is said on a stage: (asset, word) in order of receipt, who has the fault, and when each of them
    last said something new."""

    words: list[tuple[str, Word]]
    faulty: list[str]
    frozen_since: dict[str, int]


def clean(on: Stage) -> Play:
    """Return the stage as it is without a fault."""
    said = [(a, w) for a, by in on.words.items() for words in by.values() for w in words]
    return Play(sorted(said, key=_order), [], {})


def struck(on: Stage, fault: str, share: str) -> Play:
    """Return the stage with a fault in a share of the sources. The liars may share their dice."""
    rng = random.Random(f"{on.target}/{on.seed}/{fault}/{share}")
    asset = FAULTED[on.target]
    faulty = chosen(share, on.speakers[asset], rng)
    from_us = START_US + rng.randint(1_600_000, 5 * SECOND_US)
    dice, is_shared = rng.random(), rng.random() < 0.5
    said, last = [], {}
    for name, by in on.words.items():
        for source, words in by.items():
            if name == asset and source in faulty:
                own = random.Random(f"{dice}/{'' if is_shared else source}")
                last[source] = max(w.exchange_us for w in words if w.exchange_us < from_us)
                said += [(name, word) for word in faulty_words(fault, words, from_us, own)]
            else:
                said += [(name, word) for word in words]
    heard = [each for each in said if each[1].received_us <= on.path.end_us]
    return Play(sorted(heard, key=_order), faulty, last)


def _order(said: tuple[str, Word]) -> tuple[int, str, str, int]:
    asset, word = said
    return word.received_us, asset, word.source, word.exchange_us
