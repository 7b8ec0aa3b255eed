"""Typed inputs that are no prices: volatility indices, rates, spreads, governance, pool health …

A signal has any number of sources. Its value is the median of what they say, and it is believed under
the same guards as a price:

    unknown    nothing has been believed yet
    fresh      more than half of the known sources say the value now
    held       they say one that jumps by more than jump_max, and only one word says so
    doubtful   less than a majority agrees
    stale      no source has a word that is young enough

Only a fresh signal moves; in every other state the last believed value is shown, and its age grows. A
source is known from its first word until it has been silent for FORGET_FACTOR times stale_after_us: one
that is stale, invalid or unsure still counts among those of whom more than half must agree, so that a
lone liar gains nothing when the others fall silent (before the others have spoken at all, it is the only
one that is known). Two bounds follow for every value that is believed:

    agreement  if most known sources are honest, one of them is among those that agree, so the value is
               within half of jump_max of what an honest source says
    range      if most of those that can be used are honest, the value lies between the lowest and the
               highest honest one, as every median does
"""

from __future__ import annotations

from typing import Any, NamedTuple

from steelyard.marks.index import weighted_median
from steelyard.marks.sources import AHEAD_US_MAX, NEVER_US
from steelyard.quantities import MarketError
from steelyard.ticks import SignalListed, SignalTick

UNKNOWN, FRESH, HELD, DOUBTFUL, STALE = "unknown", "fresh", "held", "doubtful", "stale"
AGREEING, DISAGREEING, INVALID, UNSURE, CLOCK, SILENT = (
    "agreeing", "disagreeing", "invalid", "unsure", "clock", "silent",
)  # fmt: skip

SOURCES_MAX = 32
FORGET_FACTOR = 10


class SignalTerms(NamedTuple):
    """What a signal was listed with; fields as those of a SignalListed."""

    kind: str
    subject: str
    value_min: float
    value_max: float
    jump_max: float
    stale_after_us: int
    confidence_min: float


class SignalChange(NamedTuple):
    """A signal's state changed, or, where both states are the same, what is thought of one source."""

    signal: str
    old_state: str
    new_state: str
    reason: str


class SignalReading(NamedTuple):
    """A signal at one instant.

    value: last believed, None before the first. age_us: of its exchange time, 2^62 before the first.
    confidence: lowest of the sources that agreed on it, 0.0 before the first. sources: how many of them
    agree with each other now.
    """

    value: float | None
    state: str
    age_us: int
    confidence: float
    sources: int


class Word(NamedTuple):
    """The last word of a source.

    said_us: its exchange time as stated, by which words are ordered. at_us: the same, never after its
    receipt. heard_us: when anything came last, taken or not. is_ahead: the newest came from the future.
    verdict: what was thought of the source last.
    """

    source: str
    value: float
    confidence: float
    said_us: int
    at_us: int
    heard_us: int
    is_ahead: bool
    verdict: str


class Hold(NamedTuple):
    """A jump that waits for a second word. source, said_us: of the first."""

    value: float
    source: str
    said_us: int


class Signal(NamedTuple):
    """One signal: terms, last words, and what is believed of them.

    value, value_us, confidence: as last believed, None and −1 before the first. agreeing: how many
    sources agreed when it was judged last. changes_at_us: when to judge again whatever comes.
    """

    terms: SignalTerms
    words: tuple[Word, ...] = ()
    state: str = UNKNOWN
    value: float | None = None
    value_us: int = -1
    confidence: float = 0.0
    agreeing: int = 0
    hold: Hold | None = None
    changes_at_us: int = NEVER_US
    is_full: bool = False


class SignalState:
    """All signals by name, in the order of their listing."""

    def __init__(self) -> None:
        self.signals: dict[str, Signal] = {}

    def record(self) -> list[object]:
        """Return the state as plain values, for a snapshot."""
        return [
            [
                name, list(one.terms), [list(word) for word in one.words],
                None if one.hold is None else list(one.hold), one.state, one.value, one.value_us,
                one.confidence, one.agreeing, one.changes_at_us, one.is_full,
            ]
            for name, one in self.signals.items()
        ]  # fmt: skip

    @staticmethod
    def restore(record: list[Any]) -> SignalState:
        """Return the state of a record."""
        state = SignalState()
        for name, terms, words, hold, *rest in record:
            condition, value, value_us, confidence, agreeing, changes_at_us, is_full = rest
            state.signals[name] = Signal(
                terms=SignalTerms(*terms),
                words=tuple(Word(*word) for word in words),
                state=condition,
                value=value,
                value_us=value_us,
                confidence=confidence,
                agreeing=agreeing,
                hold=None if hold is None else Hold(*hold),
                changes_at_us=changes_at_us,
                is_full=is_full,
            )
        return state


def list_signal(state: SignalState, event: SignalListed) -> list[SignalChange]:
    """List a signal, or give a listed one new terms; its sources' last words are judged by these.

    A believed value outside the new bounds is dropped: the signal is unknown until it is believed anew.
    """
    terms = SignalTerms(
        event.kind, event.subject, event.value_min, event.value_max, event.jump_max,
        event.stale_after_us, event.confidence_min,
    )  # fmt: skip
    before = state.signals.get(event.signal)
    if before is None:
        state.signals[event.signal] = Signal(terms)
        return []
    kept = before._replace(terms=terms, hold=None)
    if kept.value is not None and not terms.value_min <= kept.value <= terms.value_max:
        kept = kept._replace(value=None, value_us=-1, confidence=0.0)
    return _settle(state, event.signal, kept, event.time_us)


def apply_signal(state: SignalState, tick: SignalTick) -> list[SignalChange]:
    """Take one source's value; return what changed. Errors: MARK-E38 for a signal that is not listed.

    A word older than its source's last changes nothing. One from more than five seconds ahead is not
    taken, one outside the bounds or below the least confidence is, and makes its source unusable.
    """
    signal = _listed(state, tick.signal)
    words = [word for word in signal.words if _is_known(word, signal.terms, tick.time_us)]
    at = next((n for n, word in enumerate(words) if word.source == tick.source), len(words))
    if at == SOURCES_MAX:
        return _turned_away(state, tick, signal._replace(words=tuple(words)))
    nothing = Word(tick.source, 0.0, 0.0, -1, -1, tick.time_us, False, SILENT)
    last = (words[at] if at < len(words) else nothing)._replace(heard_us=tick.time_us)
    if tick.exchange_time_us > tick.time_us + AHEAD_US_MAX:
        last = last._replace(is_ahead=True)
    elif min(tick.exchange_time_us, tick.time_us) >= last.at_us:
        last = last._replace(
            value=tick.value,
            confidence=tick.confidence,
            said_us=tick.exchange_time_us,
            at_us=min(tick.exchange_time_us, tick.time_us),
            is_ahead=False,
        )
    words[at:] = [last, *words[at + 1 :]]
    return _settle(state, tick.signal, signal._replace(words=tuple(words)), tick.time_us)


def age_signals(state: SignalState, now_us: int) -> list[SignalChange]:
    """Let time pass; return what changed: words that went stale, sources that were forgotten."""
    changes: list[SignalChange] = []
    for name in list(state.signals):
        signal = state.signals[name]
        if now_us >= signal.changes_at_us:
            changes += _settle(state, name, signal, now_us)
    return changes


def read_signal(state: SignalState, name: str, now_us: int) -> SignalReading:
    """Return a signal as it is at `now_us`, without changing it. Errors: MARK-E38 if it is not listed."""
    signal, _ = _judge(_listed(state, name), now_us)
    age_us = NEVER_US if signal.value is None else max(0, now_us - signal.value_us)
    return SignalReading(signal.value, signal.state, age_us, signal.confidence, signal.agreeing)


def _listed(state: SignalState, name: str) -> Signal:
    signal = state.signals.get(name)
    if signal is None:
        raise MarketError(
            "MARK-E38", f"no signal of the name {name!r}", rule="a signal is listed before it is used",
            cure="send its SignalListed first", signal=name,
        )  # fmt: skip
    return signal


def _turned_away(state: SignalState, tick: SignalTick, signal: Signal) -> list[SignalChange]:
    """A source beyond the limit is not taken; it is said once, until there was room again."""
    changes = _settle(state, tick.signal, signal, tick.time_us)
    settled = state.signals[tick.signal]
    if not settled.is_full:
        state.signals[tick.signal] = settled._replace(is_full=True)
        now = settled.state
        reason = f"source {tick.source}: beyond the limit of {SOURCES_MAX} sources"
        changes.append(SignalChange(tick.signal, now, now, reason))
    return changes


def _settle(state: SignalState, name: str, signal: Signal, now_us: int) -> list[SignalChange]:
    """Judge a signal, keep the outcome and return what changed in it."""
    before = state.signals[name]
    settled, reason = _judge(signal, now_us)
    state.signals[name] = settled
    old, new = before.state, settled.state
    changes = [] if new == old else [SignalChange(name, old, new, reason)]
    verdicts = {word.source: word.verdict for word in before.words}
    said = [
        f"source {word.source}: {word.verdict}"
        for word in settled.words
        if word.verdict != verdicts.pop(word.source, "")
    ]
    said += [f"source {gone}: forgotten" for gone in verdicts]
    return changes + [SignalChange(name, new, new, words) for words in said]


def _judge(signal: Signal, now_us: int) -> tuple[Signal, str]:
    """Return the signal as it is at `now_us`, and why its state is what it is. The heart of the guard."""
    terms, believed = signal.terms, signal.value
    known = [word for word in signal.words if _is_known(word, terms, now_us)]
    verdicts = [_obstacle(word, terms, now_us) for word in known]
    usable = [word for word, obstacle in zip(known, verdicts, strict=True) if not obstacle]
    median = weighted_median([word.value for word in usable], [1] * len(usable)) if usable else 0.0
    # Half of jump_max to either side: any two that agree are then at most jump_max apart.
    agreeing = [word for word in usable if abs(word.value - median) <= 0.5 * terms.jump_max]
    words = tuple(
        _with_verdict(word, obstacle, median, terms)
        for word, obstacle in zip(known, verdicts, strict=True)
    )
    settled = signal._replace(
        words=words,
        agreeing=len(agreeing),
        changes_at_us=_next_change_us(known, usable, terms),
        is_full=signal.is_full and len(known) >= SOURCES_MAX,
    )
    if 2 * len(agreeing) <= len(known):
        state, reason = _without_majority(verdicts)
        return settled._replace(state=UNKNOWN if believed is None else state), reason
    is_jump = believed is not None and abs(median - believed) > terms.jump_max
    if is_jump and not _is_confirmed(signal.hold, median, agreeing, terms):
        word, hold = agreeing[0], signal.hold
        if hold is None or (word.source, word.said_us) != (hold.source, hold.said_us):
            hold = Hold(median, word.source, word.said_us)
        reason = f"a jump of more than {terms.jump_max:g} that one word says"
        return settled._replace(state=HELD, hold=hold), reason
    times = sorted(word.at_us for word in agreeing)
    fresh = settled._replace(
        state=FRESH,
        value=median,
        value_us=times[(len(times) - 1) // 2],
        confidence=min(word.confidence for word in agreeing),
        hold=None,
    )
    return fresh, f"{len(agreeing)} of {len(known)} sources agree"


def _is_confirmed(
    hold: Hold | None, median: float, agreeing: list[Word], terms: SignalTerms
) -> bool:
    """Two sources say it, or one says it again with a later exchange time."""
    if len(agreeing) > 1:
        return True
    if hold is None or abs(median - hold.value) > terms.jump_max:
        return False
    word = agreeing[0]
    return word.source != hold.source or word.said_us > hold.said_us


def _without_majority(obstacles: list[str]) -> tuple[str, str]:
    """Return (state, reason) where no majority agrees. obstacles: of each known source, empty for none."""
    if not obstacles:
        return STALE, "no source has spoken for long"
    usable = obstacles.count("")
    if usable:
        return DOUBTFUL, f"no majority of {len(obstacles)} sources agrees, {usable} can be used"
    if all(obstacle == STALE for obstacle in obstacles):
        return STALE, "every source's last word is too old"
    return DOUBTFUL, f"no source can be used: {', '.join(dict.fromkeys(obstacles))}"


def _is_known(word: Word, terms: SignalTerms, now_us: int) -> bool:
    return now_us - word.heard_us <= FORGET_FACTOR * terms.stale_after_us


def _obstacle(word: Word, terms: SignalTerms, now_us: int) -> str:
    """Return why a word does not count, or an empty text. Comparisons are written so that a NaN fails."""
    if word.is_ahead:
        return CLOCK
    if word.said_us < 0:
        return SILENT
    if not terms.value_min <= word.value <= terms.value_max:
        return INVALID
    if not terms.confidence_min <= word.confidence <= 1.0:
        return UNSURE
    return STALE if now_us - word.at_us > terms.stale_after_us else ""


def _with_verdict(word: Word, obstacle: str, median: float, terms: SignalTerms) -> Word:
    agrees = abs(word.value - median) <= 0.5 * terms.jump_max
    verdict = obstacle or (AGREEING if agrees else DISAGREEING)
    return word if verdict == word.verdict else word._replace(verdict=verdict)


def _next_change_us(known: list[Word], usable: list[Word], terms: SignalTerms) -> int:
    """Return the first instant at which a word goes stale or a source is forgotten."""
    stale = [word.at_us + terms.stale_after_us + 1 for word in usable]
    forgotten = [word.heard_us + FORGET_FACTOR * terms.stale_after_us + 1 for word in known]
    return min(stale + forgotten, default=NEVER_US)
