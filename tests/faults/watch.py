"""Playing a stage through the engine, and what is asserted of it at every event."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from steelyard.actions import Closed, StateChanged
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.marks import Source
from steelyard.marks.index import capped_weights
from steelyard.marks.sources import AHEAD_US_MAX
from steelyard.ticks import AccountsLoaded, SourceStatus, TimeTick
from tests.faults.cells import KNOWN, Cell
from tests.faults.stage import (
    FALLS,
    FAULTED,
    METHOD,
    SHARE_MAX,
    TIGHT,
    WIDE,
    Play,
    Stage,
    clean,
    opened,
    stage,
    struck,
)
from tests.faults.words import (
    FROZEN_US,
    INTERVAL_US,
    LAG_US,
    SECOND_US,
    STALE_US,
    START_US,
    Word,
)

RULES = METHOD.index_rules("default")
SOURCE_LAG_US = INTERVAL_US + INTERVAL_US // 20 + LAG_US[1]
"""How old the newest word of a source may be when it comes."""

GUARD_LAG_US = RULES.jump_hold_us + RULES.resume_us
"""The longest waits of the guard: for a jump to hold, and for what disagreed to agree."""

TICKS = 2
WIDTH_MAX = 0.0335
"""Agreement 2 % and three deviations of the highest volatility, 2,000 %, over the 1.5 s of a word's age."""

COUNTED = ("used", "deviating")


class Tally(NamedTuple):
    """What a run was: events, when the due account was acted on, protection, the worst error."""

    events: int
    due_us: int
    protected_us: int
    worst_error: float


class Heard(NamedTuple):
    """The last word of a source as an engine has to take it: when it was so, and whether it is true."""

    at_us: int
    price: float
    is_honest: bool


class Watch:
    """The assertions on one run."""

    def __init__(self, on: Stage, cell: Cell | None, play: Play, engine: Engine) -> None:
        self.on, self.cell, self.play, self.engine = on, cell, play, engine
        self.market = engine.market
        self.heard: dict[tuple[str, str], Heard] = {}
        self.due_us = 0
        self.events = 0
        self.protected_us = 0
        self.last_us = START_US
        self.worst_error = 0.0
        self.lies_believed = 0
        self.exposed: dict[str, int] = {}
        self.weights: dict[tuple[str, ...], list[int]] = {}
        self.is_minority = cell is None or cell.share in ("one", "minority")
        self.falls = self.market.asset_slots[FALLS[on.target]]
        self.faulted = self.market.asset_slots[FAULTED[on.target]]

    def why(self) -> str:
        at = (self.market.time_us - START_US) / SECOND_US
        return f"{self.cell} seed {self.on.seed} at {at:.3f} s"

    # -- one event ---------------------------------------------------------------------------

    def hear(self, asset: str, word: Word) -> None:
        """Note a word, and whether it shows by itself that its source has a fault."""
        how = KNOWN[self.cell.fault].how if self.cell else ""
        if how == "word" and not word.is_honest:
            self.exposed.setdefault(word.source, self.events)
        known = self.heard.get((asset, word.source))
        at_us = min(word.exchange_us, word.received_us)
        if self.cell and self.cell.fault == "frozen" and not word.is_honest and known:
            frozen_us = at_us - self.play.frozen_since[word.source]
            if frozen_us > FROZEN_US:
                self.exposed.setdefault(word.source, self.events)
        if word.exchange_us > word.received_us + AHEAD_US_MAX or word.status:
            return
        if known is None or at_us >= known.at_us:
            self.heard[asset, word.source] = Heard(at_us, word.price, word.is_honest)

    def judge(self, outcomes: list[object]) -> None:
        """Judge what an event caused and what the engine shows after it."""
        self.events += 1
        for each in outcomes:
            if isinstance(each, Closed) or (
                isinstance(each, StateChanged) and each.current >= State.PARTIAL_REDUCTION
            ):
                self._touched(each.subject)
        market = self.market
        if market.is_protected[self.faulted]:
            self.protected_us += market.time_us - self.last_us
        self.last_us = market.time_us
        for asset in {self.falls, self.faulted}:
            if not market.is_protected[asset]:
                self._bounds(asset)
        self._exposed_are_out()

    def _touched(self, unit: str) -> None:
        """Nobody who is safe is touched, and the due one not before it is due."""
        if unit == "due":
            self.due_us = self.due_us or self.market.time_us
            reach = TIGHT if self.is_minority else WIDE
            lowest = self.on.path.at(self.market.time_us) * (1.0 - reach)
            assert lowest <= self.on.due_at, f"{self.why()}: the due one was touched too early"
            return
        is_within = unit.startswith("tight") and not self.is_minority
        assert is_within, f"{self.why()}: {unit} was touched"

    def _bounds(self, asset: int) -> None:
        """A minority cannot leave the honest range; a trusted index has an honest one beside it."""
        market = self.market
        name = market.assets[asset].name
        used = [s for s in market.indices[asset].sources if s.verdict in COUNTED]
        lied, honest = 0, []
        weights = self._capped(name, used)
        for source, weight in zip(used, weights, strict=True):
            word = self.heard[name, source.name]
            quote = source.terms.quote
            rate = 1.0 if quote < 0 else float(market.quote_rate[quote])
            if word.is_honest:
                honest.append(word.price * rate)
            else:
                lied += weight
        total = sum(weights)
        index, slack = market.index_price(asset), 0.51 / 10 ** market.assets[asset].price_exponent
        assert not self.is_minority or 2 * lied < total, f"{self.why()}: no minority any longer"
        if 2 * lied < total:
            low, high = min(honest) - slack, max(honest) + slack
            assert low <= index <= high, f"{self.why()}: {name} {index} outside {low} … {high}"
            error = abs(index / self.on.truths[name].at(market.time_us) - 1.0)
            if name != "USDT":
                self.worst_error = max(self.worst_error, error)
        elif 2 * lied == total and honest:
            nearest = min(abs(index / each - 1.0) for each in honest)
            assert nearest <= WIDTH_MAX, f"{self.why()}: {name} is {nearest:.2%} from all honest"
        is_believed = 2 * lied > total and KNOWN[self.cell.fault].how == "contradiction"
        self.lies_believed = self.lies_believed + 1 if is_believed else 0
        assert self.lies_believed <= TICKS, f"{self.why()}: a lie of many is believed"

    def _capped(self, asset: str, used: list[Source]) -> list[int]:
        key = (asset, *(source.name for source in used))
        if key not in self.weights:
            self.weights[key] = capped_weights(used, SHARE_MAX)
        return self.weights[key]

    def _exposed_are_out(self) -> None:
        """Two ticks after a fault can be known its source does not count, and without any it protects."""
        now_us, name = self.market.time_us, FAULTED[self.on.target]
        index = self.market.indices[self.faulted]
        for source in self.play.faulty:
            heard = self.heard.get((name, source))
            if heard is not None and now_us - heard.at_us > STALE_US:
                self.exposed.setdefault(source, self.events)
            elif heard is not None and self.cell and self.cell.fault in ("stale", "late"):
                self.exposed.pop(source, None)
        known = [s for s, event in self.exposed.items() if self.events - event >= TICKS]
        for source in known:
            spoken = index.source(source)
            assert spoken is not None
            assert spoken.verdict not in COUNTED, f"{self.why()}: {source} still counts"
        if len(known) == len(index.sources):
            assert self.market.is_protected[self.faulted], f"{self.why()}: not protected"


def play(on: Stage, cell: Cell | None) -> Tally:
    """Play a stage with the fault of a cell, or clean, and judge every event. Return what it was."""
    acts = clean(on) if cell is None else struck(on, cell.fault, cell.share)
    clerk = opened(on.speakers)
    watch = Watch(on, cell, acts, clerk.engine)
    is_loaded, tick_us = False, START_US + SECOND_US
    for asset, word in acts.words:
        while tick_us <= word.received_us:
            watch.judge(clerk.send(TimeTick, tick_us))
            tick_us += SECOND_US
        if not is_loaded and word.received_us > START_US:
            clerk.send(AccountsLoaded, START_US, on.records)
            is_loaded = True
        watch.hear(asset, word)
        if word.status:
            status = (word.source, asset, word.status, "by the test", word.exchange_us)
            watch.judge(clerk.send(SourceStatus, word.received_us, *status))
        else:
            watch.judge(clerk.say(asset, word))
    while tick_us <= on.path.end_us:  # who has fallen silent goes stale by the clock alone
        watch.judge(clerk.send(TimeTick, tick_us))
        tick_us += SECOND_US
    clerk.engine.check_sums()
    return Tally(watch.events, watch.due_us, watch.protected_us, watch.worst_error)


@cache
def clean_tally(target: str, seed: int) -> Tally:
    """Return the clean run of a stage: nothing is protected, and the due account is acted on."""
    tally = play(stage(target, seed), None)
    assert tally.protected_us == 0
    assert tally.due_us > 0
    return tally


def judge_cell(cell: Cell, seed: int) -> Tally:
    """Play one seed of a cell and hold it against the clean run of the same truth."""
    on = stage(cell.target, seed)
    against, tally = clean_tally(cell.target, seed), play(on, cell)
    keeps_quorum = cell.share in ("one", "minority") or KNOWN[cell.fault].how == "harmless"
    if keeps_quorum:
        assert tally.protected_us == 0, f"{cell} seed {seed}: protected"
        late_us = tally.due_us - against.due_us
        assert tally.due_us, f"{cell} seed {seed}: the due one was missed"
        assert late_us <= SOURCE_LAG_US, f"{cell} seed {seed}: {late_us} µs after the clean run"
    if cell.share == "all" and KNOWN[cell.fault].how in ("age", "contradiction"):
        is_told = cell.fault in ("stale", "frozen", "flip-flop")
        assert tally.protected_us > 0 or not is_told, f"{cell} seed {seed}: never protected"
    return tally


def judge_cliff(cell: Cell, seed: int) -> Tally:
    """Play a fall beyond the jump bound within a fifth of a second: what is due comes within the stated lag."""
    on = stage(cell.target, seed, is_cliff=True)
    tally = play(on, cell)
    assert tally.due_us, f"{cell} seed {seed}: the due one was missed"
    late_us = tally.due_us - (on.path.fall_from_us + on.path.fall_us)
    assert late_us <= GUARD_LAG_US + SOURCE_LAG_US, (
        f"{cell} seed {seed}: {late_us} µs after the fall"
    )
    return tally
