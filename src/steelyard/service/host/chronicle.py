"""What happened, within bounds: tally, feed, closes, and the story of each account."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from steelyard.actions import Closed, Outcome
from steelyard.publish import StoryLine, Tally, story_lines
from steelyard.publish.feed import feed_lines
from steelyard.publish.story import quoted_price
from steelyard.quantities import SteelyardError, from_units
from steelyard.terms import Instrument
from steelyard.terms.account import owner_of
from steelyard.ticks import Event

FEED_MAX = 200
CLOSES_MAX = 200
STORY_LINES_MAX = 50
"""Lines of one account's story, those of all its units together."""
STORIES_LINES_MAX = 100_000
"""Lines of all stories together: some 30 MB."""


class Close(msgspec.Struct, frozen=True):
    """A position that the engine closed, or part of one. is_long: a long was sold; amounts as text, see `plain`."""

    seq: int
    time_us: int
    unit: str
    instrument: str
    is_long: bool
    quantity: str
    price: str
    mark: str
    is_full: bool


class Chronicle:
    """Takes note of every event. Bounds: the last 200 lines of the feed, 200 closes, 50 lines of a story.

    All stories have 100,000 lines at most: those of the accounts to which something happened last. tally: counts since the chronicle
    began, or since the one it was given did. told, closed: lines and closes so far, those forgotten too.
    """

    def __init__(self, tally: Tally | None = None) -> None:
        self.tally = Tally() if tally is None else tally
        self.refused: Counter[str] = Counter()
        self.lines: deque[StoryLine] = deque(maxlen=FEED_MAX)
        self.told = 0
        self.closes: deque[Close] = deque(maxlen=CLOSES_MAX)
        self.closed = 0
        self._stories: OrderedDict[str, deque[StoryLine]] = OrderedDict()
        self._story_lines = 0

    def take(
        self,
        event: Event,
        seq: int,
        outcomes: list[Outcome],
        instruments: dict[str, Instrument],
    ) -> None:
        """Take note of an event that was applied."""
        if not outcomes:
            return
        self.tally.count(outcomes, seq)
        self._tell(feed_lines(outcomes, seq, event.time_us, instruments))
        for line in story_lines(outcomes, seq, event.time_us, instruments):
            self._keep(line)
        for outcome in outcomes:
            if isinstance(outcome, Closed):
                terms = instruments[outcome.instrument]
                self.closes.append(_close(outcome, seq, event.time_us, terms))
                self.closed += 1

    def refuse(self, event: Event, seq: int, error: SteelyardError) -> None:
        """Take note of an event that broke a rule; seq: of the last one that did not."""
        self.refused[error.code] += 1
        line = StoryLine(
            seq, event.time_us, event.origin, "refused", f"{error.code}: {error.message}"
        )
        self._tell([line])

    def story(self, name: str) -> list[StoryLine]:
        """Return the latest lines of an account, or of one of its units, oldest first; none where nothing is known."""
        owner = owner_of(name)
        lines = self._stories.get(owner, ())
        return [line for line in lines if name in (owner, line.unit)]

    def _tell(self, lines: Iterable[StoryLine]) -> None:
        for line in lines:
            self.lines.append(line)
            self.told += 1

    def _keep(self, line: StoryLine) -> None:
        owner = owner_of(line.unit)
        story = self._stories.get(owner)
        if story is None:
            story = self._stories[owner] = deque(maxlen=STORY_LINES_MAX)
        else:
            self._stories.move_to_end(owner)
        self._story_lines += len(story) < STORY_LINES_MAX
        story.append(line)
        while self._story_lines > STORIES_LINES_MAX:
            self._story_lines -= len(self._stories.popitem(last=False)[1])


def _close(closed: Closed, seq: int, time_us: int, terms: Instrument) -> Close:
    price, mark = (quoted_price(terms, units) for units in (closed.price_mark, closed.mark))
    return Close(
        seq=seq,
        time_us=time_us,
        unit=closed.subject,
        instrument=closed.instrument,
        is_long=closed.lots > 0,
        quantity=f"{from_units(abs(closed.lots), terms.lot_exponent).normalize():f}",
        price=plain(price),
        mark=plain(mark),
        is_full=closed.is_full,
    )


def plain(value: Decimal) -> str:
    """Return a decimal with at most twelve digits that count, without an exponent.

    >>> plain(Decimal("1.23E-8")), plain(Decimal("1E+5"))
    ('0.0000000123', '100000')
    """
    return f"{Decimal(f'{value:.12g}'):f}"
