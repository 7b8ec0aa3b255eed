"""A stage of volatilities: six fitters that follow a rise, some of which have a fault.

Writers of a put are due where volatility is high, a holder who leans on his put where it is low. An update is used
while its level agrees with the median of all, so the bound of a minority is the honest range and the agreement.
"""

from __future__ import annotations

import random
from functools import cache
from typing import NamedTuple

from steelyard.actions import Closed, StateChanged
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.quantities import InputError
from steelyard.terms import AccountRecord, Instrument, PositionRecord
from steelyard.ticks import AccountsLoaded, InstrumentsListed, TimeTick, VolatilityUpdate
from tests.faults.cells import KNOWN, Cell
from tests.faults.stage import BTC_LINEAR, CALM, METHOD, USD, Clerk, opened
from tests.faults.watch import SOURCE_LAG_US, Heard, Tally
from tests.faults.words import (
    SECOND_US,
    START_US,
    Path,
    Word,
    faulty_words,
    honest_words,
    level,
)

PUT = Instrument(
    "BTC_USDC-14FEB27-100000-P", "option", "BTC", "USDC", False, 2, 6, 10**7,
    strike="100000", expiry_us=START_US + 30 * 86_400 * SECOND_US, is_call=False,
)  # fmt: skip
FITTERS = tuple(f"f{n}" for n in range(6))
COUNTS = {"one": 1, "minority": 2, "half": 3, "all": 6}
RULES = METHOD.implied_rules("BTC")
AGREEMENT = RULES.agreement_ppm / 1e6
TIGHT, WIDE = 0.18, 0.42
"""Beyond the truth by the agreement and a word's age; and twice over, for a half."""
REFUSED = ("zero", "negative", "nan")


class Role(NamedTuple):
    """Lots of the put and of the perpetual, and the volatility at which the account becomes due."""

    name: str
    puts: int
    perpetuals: int
    due_at: float


class Stage(NamedTuple):
    """Everything of one seed but the fault."""

    seed: int
    path: Path
    fits: dict[str, list[Word]]
    prices: list[Word]
    records: list[AccountRecord]
    due_at: float


@cache
def stage(seed: int) -> Stage:
    """Return the stage of a seed: volatility rises by 20 to 60 % in ten seconds and more."""
    rng = random.Random(f"volatility/{seed}")
    rise = rng.uniform(0.2, 0.6)
    from_us, rise_us = START_US + 6 * SECOND_US, int(rng.uniform(10, 20) * SECOND_US)
    path = Path(rng.uniform(0.4, 0.8), -rise, from_us, rise_us, from_us + rise_us + 6 * SECOND_US)
    fits = {name: honest_words(name, path.at, path.end_us, rng, noise=0.002) for name in FITTERS}
    calm = level(100_000.0, path.end_us)
    prices = [
        word for one in CALM
        for word in honest_words(one.name, calm.at, path.end_us, rng, 3 * SECOND_US, 0.0)
    ]  # fmt: skip
    top, due_at = path.bottom, path.start * (1.0 + rise * rng.uniform(0.3, 0.8))
    roles = [
        Role("due", -100, 0, due_at),
        Role("tight writer", -100, 0, top * (1.0 + TIGHT)),
        Role("wide writer", -100, 0, top * (1.0 + WIDE)),
        Role("tight holder", 100, 10, path.start * (1.0 - TIGHT)),
        Role("wide holder", 100, 10, path.start * (1.0 - WIDE)),
    ]
    return Stage(seed, path, fits, prices, [_calibrated(role) for role in roles], due_at)


def listed() -> Clerk:
    """Return an engine with BTC, its calm sources, the perpetual and the put."""
    clerk = opened({"BTC": CALM})
    clerk.send(InstrumentsListed, START_US, [PUT])
    for one in CALM:
        clerk.say("BTC", Word(START_US, START_US, one.name, 100_000.0))
    return clerk


def fit(clerk: Clerk, word: Word) -> list[object]:
    """Let a fitter say a volatility; each counts its own events."""
    engine = clerk.engine
    number = engine.origin_seqs.get(word.source, 0) + 1
    at_us = max(word.received_us, engine.market.time_us)
    update = VolatilityUpdate(
        at_us, word.source, number, "BTC", [PUT.name], [word.price], [1.0], word.exchange_us
    )
    return list(engine.submit(update).outcomes)


def _calibrated(role: Role) -> AccountRecord:
    """Return the account whose buffer is nil at the role's volatility."""
    clerk = listed()
    fit(clerk, Word(START_US, START_US, "probe", role.due_at))
    probe = 10**6 * USD
    clerk.send(AccountsLoaded, START_US, [_record(role, probe, 0)])
    cash = probe - clerk.engine.risk_of(role.name).buffer
    if cash >= 0:
        return _record(role, cash, 0)
    units = role.perpetuals / 10**BTC_LINEAR.lot_exponent
    return _record(role, 0, int(-cash / USD / units * 100))


def _record(role: Role, cash: int, worse_marks: int) -> AccountRecord:
    held = [PositionRecord(PUT.name, role.puts, 0)]
    if role.perpetuals:
        held.append(PositionRecord(BTC_LINEAR.name, role.perpetuals, 10_000_000 + worse_marks))
    return AccountRecord(role.name, "portfolio", {"USDC": cash}, held)


class Watch:
    """The assertions on one run."""

    def __init__(self, on: Stage, cell: Cell | None, faulty: list[str], engine: Engine) -> None:
        self.on, self.cell, self.faulty, self.engine = on, cell, faulty, engine
        self.heard: dict[str, Heard] = {}
        self.exposed: dict[str, int] = {}
        self.events = self.due_us = self.protected_us = 0
        self.last_us = START_US
        self.worst = 0.0
        self.is_minority = cell is None or cell.share in ("one", "minority")
        self.how = KNOWN[cell.fault].how if cell else ""

    def why(self) -> str:
        at = (self.engine.market.time_us - START_US) / SECOND_US
        return f"{self.cell} seed {self.on.seed} at {at:.3f} s"

    def hear(self, word: Word) -> None:
        """Note what a fitter said last."""
        if self.how == "word" and not word.is_honest:
            self.exposed.setdefault(word.source, self.events)
            return
        at_us = min(word.exchange_us, word.received_us)
        known = self.heard.get(word.source)
        if known is None or at_us >= known.at_us:
            self.heard[word.source] = Heard(at_us, word.price, word.is_honest)

    def judge(self, outcomes: list[object]) -> None:
        """Judge what an event caused and what volatility is in use after it."""
        self.events += 1
        market = self.engine.market
        for each in outcomes:
            if isinstance(each, Closed) or (
                isinstance(each, StateChanged) and each.current >= State.PARTIAL_REDUCTION
            ):
                self._touched(each.subject)
        is_protected = bool(market.is_protected[1])
        if is_protected:
            self.protected_us += market.time_us - self.last_us
        self.last_us = market.time_us
        used = float(market.volatility[market.instrument_slots[PUT.name]])
        honest = [
            h.price for name, h in self.heard.items() if h.is_honest and name not in self.exposed
        ]
        if self.is_minority and honest:
            low, high = min(honest) * (1 - AGREEMENT), max(honest) * (1 + AGREEMENT)
            assert 0.98 * low <= used <= 1.02 * high, f"{self.why()}: {used} not in {low} … {high}"
            self.worst = max(self.worst, abs(used / self.on.path.at(market.time_us) - 1.0))
        is_exposed = len([s for s, at in self.exposed.items() if self.events - at >= 2]) == 6
        is_told = self.cell is not None and self.cell.fault in ("times ten", "over ten")
        if is_exposed and is_told:
            assert is_protected, f"{self.why()}: not protected"

    def refuse(self, word: Word, error: InputError) -> None:
        """Judge a refusal: of what is no volatility, or comes from the future."""
        assert self.cell is not None
        assert not word.is_honest
        expected = "TICK-E03" if self.cell.fault in REFUSED else "ADMT-E05"
        assert error.code == expected, str(error)

    def _touched(self, unit: str) -> None:
        now_us = self.engine.market.time_us
        if unit == "due":
            self.due_us = self.due_us or now_us
            highest = self.on.path.at(now_us) * (1.0 + (TIGHT if self.is_minority else WIDE))
            assert highest >= self.on.due_at, f"{self.why()}: the due one was touched too early"
            return
        is_within = unit.startswith("tight") and not self.is_minority
        assert is_within, f"{self.why()}: {unit} was touched"


def play(on: Stage, cell: Cell | None) -> Tally:
    """Play a stage with the fault of a cell, or clean, and judge every event."""
    said, faulty = [], []
    if cell is not None:
        rng = random.Random(f"volatility/{on.seed}/{cell.fault}/{cell.share}")
        faulty = rng.sample(FITTERS, COUNTS[cell.share])
        from_us, dice = START_US + rng.randint(1_600_000, 5 * SECOND_US), rng.random()
        is_shared = rng.random() < 0.5
    for name, words in on.fits.items():
        if cell is not None and name in faulty:
            own = random.Random(f"{dice}/{'' if is_shared else name}")
            # Volatility may rightly move by half: only what is further can be known for a lie.
            fault = "flip-flop far" if cell.fault == "flip-flop" else cell.fault
            words = faulty_words(fault, words, from_us, own)
        said += [word for word in words if word.received_us <= on.path.end_us]
    said = sorted(said + on.prices, key=lambda w: (w.received_us, w.source, w.exchange_us))
    clerk = listed()
    watch = Watch(on, cell, faulty, clerk.engine)
    tick_us, is_loaded = START_US + SECOND_US, False
    for word in said:
        while tick_us <= word.received_us:
            watch.judge(clerk.send(TimeTick, tick_us))
            tick_us += SECOND_US
        if not is_loaded and word.received_us > START_US:
            clerk.send(AccountsLoaded, START_US, on.records)
            is_loaded = True
        if word.source not in FITTERS:
            watch.judge(clerk.say("BTC", word))
            continue
        watch.hear(word)
        try:
            outcomes = fit(clerk, word)
        except InputError as error:
            watch.refuse(word, error)
            continue
        assert cell is None or word.is_honest or cell.fault not in REFUSED
        watch.judge(outcomes)
    while tick_us <= on.path.end_us:
        watch.judge(clerk.send(TimeTick, tick_us))
        tick_us += SECOND_US
    clerk.engine.check_sums()
    return Tally(watch.events, watch.due_us, watch.protected_us, watch.worst)


@cache
def clean_tally(seed: int) -> Tally:
    """Return the clean run of a stage."""
    tally = play(stage(seed), None)
    assert tally.protected_us == 0
    assert tally.due_us > 0
    return tally


def judge_volatility(cell: Cell, seed: int) -> Tally:
    """Play one seed of a cell and hold it against the clean run of the same truth."""
    against, tally = clean_tally(seed), play(stage(seed), cell)
    if cell.share in ("one", "minority") or KNOWN[cell.fault].how == "harmless":
        assert tally.protected_us == 0, f"{cell} seed {seed}: protected"
        assert tally.due_us, f"{cell} seed {seed}: the due one was missed"
        late_us = tally.due_us - against.due_us
        assert late_us <= SOURCE_LAG_US, f"{cell} seed {seed}: {late_us} µs after the clean run"
    return tally
