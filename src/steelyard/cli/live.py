"""The live view: one screen of a venue at work, redrawn at most eight times a second.

A screen is a list of lines, a line a list of (text, style name) pieces. Everything is cut and padded
to the width it was given, so no size of terminal can break it. Words and signs say what colours say.
On a pipe there is no screen: a plain line on stderr every five seconds, and important events.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from steelyard.cli.history import (
    Feed,
    FeedEntry,
    History,
    quantile_rank,
    recent_quantiles,
    units_by_state,
)
from steelyard.cli.live_sources import source_words
from steelyard.cli.session import Session, Step
from steelyard.cli.summary import micros_text, percent_text, price_text, usdc_text
from steelyard.cli.wiring import time_text
from steelyard.decisions import STATE_NAMES, State
from steelyard.publish import account_view, worst_rows
from steelyard.quantities import from_units
from steelyard.terms.account import UNIT_SEPARATOR

Line = list[tuple[str, str]]

REDRAW_S = 0.125
PLAIN_EVERY_S = 5.0
PLAIN_EVENTS_MAX = 5
RATE_WINDOW_S = 2.0
LATENCY_WINDOW = 2048
FLUSH_WINDOW = 512
WIDE = 112

STYLES = {
    "": Style(),
    "dim": Style(dim=True),
    "title": Style(bold=True, color="cyan"),
    "strong": Style(bold=True),
    "good": Style(color="cyan"),
    "warn": Style(color="yellow"),
    "bad": Style(bold=True, color="bright_red"),
    "flag": Style(bold=True, color="black", bgcolor="yellow"),
}
STATE_STYLES = ("good", "warn", "warn", "warn", "bad", "bad", "bad")
FEED_STYLES = {
    "called": "warn",
    "orders": "warn",
    "reduced": "warn",
    "PROTECTED": "flag",
    "back": "good",
}
STATE_WORDS = tuple(name.replace("_", " ") for name in STATE_NAMES)
BLOCKS = "▁▂▃▄▅▆▇█"
TO_ASCII = str.maketrans(BLOCKS + "█░─│▲▼■→−…·×µ", "_.,-=+*##.-|^v!>-~.xu")


# -- lines ---------------------------------------------------------------------------------------


def fit(line: Line, width: int) -> Line:
    """Return the line cut or padded to exactly `width` cells; a cut ends in an ellipsis.

    >>> fit([("margin call", "")], 8), fit([("ok", "")], 4)
    ([('margin …', '')], [('ok', ''), ('  ', '')])
    """
    fitted: Line = []
    used = 0
    for text, style in line:
        shown = text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
        cells = len(shown) if shown.isascii() else cell_len(shown)
        if used + cells > width:
            room = width - used
            if room > 0:
                fitted.append((set_cell_size(shown, room - 1) + "…", style))
            return fitted
        fitted.append((shown, style))
        used += cells
    if used < width:
        fitted.append((" " * (width - used), ""))
    return fitted


def heading(title: str, width: int, note: str = "") -> Line:
    """Return a section's first line: its title, a note, and a rule to the right edge."""
    told = f"· {note} " if note else ""
    rest = max(0, width - cell_len(title) - cell_len(told) - 1)
    return [(title + " ", "title"), (told, "dim"), ("─" * rest, "dim")]


def beside(left: list[Line], left_width: int, right: list[Line], right_width: int) -> list[Line]:
    """Return two sections side by side with a thin line between them."""
    rows = max(len(left), len(right))
    empty: list[Line] = [[]]
    pairs = zip(left + empty * (rows - len(left)), right + empty * (rows - len(right)), strict=True)
    return [
        [*fit(one, left_width), (" │ ", "dim"), *fit(other, right_width)] for one, other in pairs
    ]


def sparkline(values: NDArray[np.float64], width: int) -> str:
    """Return the values as `width` block characters from lowest to highest; gaps are spaces.

    >>> sparkline(np.array([1.0, 2.0, 3.0, np.nan]), 4)
    '▁▅█ '
    """
    if not len(values) or width <= 0:
        return " " * max(0, width)
    picked = values[np.linspace(0, len(values) - 1, min(width, len(values))).round().astype(int)]
    known = picked[np.isfinite(picked)]
    if not len(known):
        return " " * width
    low, span = known.min(), known.max() - known.min()
    levels = (picked - low) / span * 7 if span > 0 else np.where(np.isfinite(picked), 3.0, np.nan)
    drawn = "".join(BLOCKS[round(v)] if np.isfinite(v) else " " for v in levels.tolist())
    return drawn.ljust(width)


def bar(share: float, width: int) -> str:
    """Return a bar of `width` cells filled to a share between 0 and 1; any share above 0 shows.

    >>> bar(0.5, 4), bar(0.001, 4), bar(7.0, 4)
    ('██░░', '█░░░', '████')
    """
    filled = min(width, max(int(share > 0), round(min(1.0, share) * width)))
    return "█" * filled + "░" * (width - filled)


def feed_line(entry: FeedEntry) -> Line:
    """Return an entry of the feed as one line: market time, what, who, in words."""
    return [
        (f"{time_text(entry.time_us)[11:19]} ", "dim"),
        (f"{entry.word:<11}", FEED_STYLES.get(entry.word, "bad")),
        (entry.words(), ""),
    ]


# -- the view ------------------------------------------------------------------------------------


class LiveView:
    """Shows a session while it runs: `with LiveView(…) as view:` and `view.update(step)` a step.

    console: where the screen is drawn; when it is no terminal, plain lines go to stderr instead.
    hints: commands to try next, shown at the bottom.
    """

    def __init__(
        self,
        session: Session,
        history: History,
        *,
        console: Console,
        title: str,
        hints: Sequence[str],
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.session = session
        self.history = history
        self.console = console
        self.title = title
        self.hints = list(hints)
        self.feed = Feed(session)
        self.is_plain = not console.is_terminal or console.is_dumb_terminal
        self.seen = 0
        self.time_us = session.start_us
        self.redraws = 0
        self._clock = clock
        self._began = self._drawn = self._told = clock()
        self._rates: deque[tuple[float, int, int]] = deque([(self._began, 0, self.time_us)])
        self._unsaid = self._said = 0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self.is_plain:
            self._say(f"steelyard: {self.title}, {self.session.accounts:,} accounts")
            return self
        self._live = Live(self, console=self.console, screen=True, auto_refresh=False)
        self._live.__enter__()
        self._redraw()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._live is not None:
            self._redraw()
            self._live.__exit__(None, None, None)
            self._live = None
        else:
            self._say(self._plain_line())

    def update(self, step: Step) -> None:
        """Take note of a step, and redraw when it is time."""
        self.seen += 1
        self.time_us = step.event.time_us
        if step.outcomes:
            entries = self.feed.take(step)
            if self.is_plain:
                self._tell(entries)
        now = self._clock()
        if self.is_plain:
            if now - self._told >= PLAIN_EVERY_S:
                self._note_rate(now)
                self._say(self._plain_line())
                self._told = now
                self._said = self._unsaid = 0
        elif now - self._drawn >= REDRAW_S:
            self._redraw()

    # -- drawing ---------------------------------------------------------------------------------

    def _redraw(self) -> None:
        if self._live is not None:
            self._note_rate(self._clock())
            self._live.refresh()
            self.redraws += 1
            self._drawn = self._clock()  # a slow terminal never leaves the engine without time

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the whole screen: every line exactly as wide as the terminal."""
        width, height = options.max_width, options.height or options.size.height
        ascii_only = options.ascii_only
        for number, line in enumerate(self.lines(width, height)):
            if number:
                yield Segment.line()
            for text, style in line:
                if ascii_only:
                    text = text.translate(TO_ASCII).encode("ascii", "replace").decode()
                yield Segment(text, STYLES[style])

    def lines(self, width: int, height: int) -> list[Line]:
        """Return the screen as at most `height` lines of exactly `width` cells."""
        compose = self._wide if width >= WIDE and height >= 30 else self._narrow
        return [fit(line, width) for line in compose(width, height)[:height]]

    def _wide(self, width: int, height: int) -> list[Line]:
        hints: list[Line] = [[(f" {hint}", "dim")] for hint in self.hints[:3]]
        assets = len(self.history.assets) - 1
        # The three bands share what the header (2), the hints and the gaps between leave.
        room = height - 5 - len(hints) - bool(hints)
        top = max(8, min(1 + assets, room - 20, room // 3 + 2))
        bottom = max(9, min(14, (room - top) * 5 // 9))
        middle = room - top - bottom
        right = 44
        left = width - 3 - right
        side = 36
        bands = [
            self._header(width),
            beside(self._prices(left, top), left, self._states(right), right)[:top],
            self._worst(width, middle),
            beside(
                self._happened(width - 3 - side, bottom),
                width - 3 - side,
                self._money(side) + self._latency(side),
                side,
            )[:bottom],
            hints,
        ]
        return [line for band in bands if band for line in [*band, []]][:-1]

    def _narrow(self, width: int, height: int) -> list[Line]:
        states = units_by_state(self.session)
        shown = [(STATE_WORDS[k], int(n)) for k, n in enumerate(states) if n]
        words = "  ".join(f"{word} {count:,}" for word, count in shown) or "no accounts yet"
        p50, p99 = self._decision_quantiles()
        tally, hint = self.session.tally, self.hints
        turn = int(self._clock() - self._began) // 6 % max(1, len(hint))
        closing: list[Line] = [
            [("states   ", "title"), (words, "")],
            [
                ("fund     ", "title"),
                (f"{usdc_text(self.session.fund_micro())} USDC  ", ""),
                (f"bad debt {usdc_text(tally.bad_debt)}", "bad" if tally.bad_debt else "dim"),
            ],
            [("decision ", "title"), (f"p50 {micros_text(p50)}  p99 {micros_text(p99)}", "")],
            [(hint[turn], "dim")] if hint else [],
        ]
        room = max(6, height - 2 - len(closing))
        prices = min(1 + len(self.history.assets) - 1, max(3, room * 2 // 5))
        feed = max(2, (room - prices) * 2 // 5)
        return [
            *self._header(width),
            *self._prices(width, prices),
            *self._worst(width, room - prices - feed),
            *self._happened(width, feed),
            *closing,
        ]

    # -- sections --------------------------------------------------------------------------------

    def _header(self, width: int) -> list[Line]:
        session = self.session
        length = max(1, session.end_us - session.start_us)
        share = min(1.0, max(0.0, (self.time_us - session.start_us) / length))
        rate, pace = self._rate()
        clock = f"{time_text(self.time_us)[:21].replace('T', ' ')} UTC"
        left = f" steelyard · {self.title}"
        figures = (
            f" {share:4.0%}  {rate:,.0f} ticks/s  {pace:.1f}× real time  "
            f"{session.accounts:,} accounts  seq {session.engine.seq:,}"
        )
        refused = session.refused.total()
        extra = f"  {refused:,} refused" if refused else ""
        space = max(1, width - cell_len(left) - len(clock) - 1)
        width_bar = max(0, width - cell_len(figures) - cell_len(extra) - 1)
        return [
            [*fit([(left, "strong")], width - len(clock) - 2), (f" {clock} ", "strong")]
            if space <= 1
            else [(left, "strong"), (" " * space, ""), (clock, "strong"), (" ", "")],
            [(" " + bar(share, width_bar), "good"), (figures, ""), (extra, "warn")],
        ]

    def _prices(self, width: int, rows: int) -> list[Line]:
        """Return the price strip; when not all assets fit, protected ones come before others."""
        market = self.session.engine.market
        slots = list(range(1, len(market.assets)))
        columns = 2 if width >= 96 and len(slots) > rows - 1 else 1
        room = max(0, rows - 1) * columns
        flagged = sorted(slots, key=lambda slot: (not market.is_protected[slot], slot))
        shown = sorted(flagged[:room])
        hidden = len(slots) - len(shown)
        note = f"+{hidden} more in a taller window" if hidden else "USD, since the start"
        head = heading("Prices", width, note)
        if not shown:
            return [head, [("no asset is listed", "dim")]][:rows]
        if columns == 1:
            return [head, *(self._price(slot, width) for slot in shown)]
        half = (width - 3) // 2
        per = -(-len(shown) // 2)
        cells = [self._price(slot, half) for slot in shown]
        return [head, *beside(cells[:per], half, cells[per:], width - 3 - half)]

    def _price(self, slot: int, width: int) -> Line:
        market, history = self.session.engine.market, self.history
        name = market.assets[slot].name
        price = market.index_price(slot)
        if price <= 0:
            return [(f"{name:<6}", "strong"), ("no price yet", "dim")]
        series = history.index[slot, : history.count] if slot < len(history.assets) else np.zeros(0)
        known = series[np.isfinite(series)]
        change = price / float(known[0]) - 1 if len(known) else 0.0
        arrow = "▲" if change >= 5e-5 else "▼" if change <= -5e-5 else " "
        words, style = source_words(self.session.engine.market, slot, price)
        spark = max(6, min(24, width - 6 - 13 - 11 - 18))
        return [
            (f"{name:<6}", "strong"),
            (f"{price_text(price):>12} ", ""),
            (f"{arrow}{percent_text(change):>9} ", "good" if change >= 0 else "bad"),
            (sparkline(series, spark) + " ", "good" if change >= 0 else "bad"),
            (words, style),
        ]

    def _states(self, width: int) -> list[Line]:
        counts = units_by_state(self.session)
        total = max(1, int(counts.sum()))
        lines = [heading("Margin units by state", width, f"{int(counts.sum()):,}")]
        for state in State:
            count = int(counts[state])
            style = STATE_STYLES[state] if count else "dim"
            length = max(4, width - 27)
            lines.append(
                [
                    (f"{STATE_WORDS[state]:<18}", style),
                    (f"{count:>7,} ", style if count else "dim"),
                    (bar(count / total, length) if count else "", style),
                ]
            )
        return lines

    def _worst(self, width: int, rows: int) -> list[Line]:
        """Return the units nearest to liquidation: lowest margin ratio first."""
        if rows <= 0:
            return []
        lines = [heading("Nearest to liquidation", width, "ratio below 1 is liquidatable")]
        is_full = width >= WIDE
        name = 33 if is_full else min(33, max(12, width - 50))
        mode = f"{'mode':<10}" if is_full else ""
        titles = f"{'margin unit':<{name}} {mode}{'state':<16} {'equity USDC':>14} {'ratio':>7} "
        lines.append([(f"{titles} {'used':<8}{'biggest position' if is_full else ''}", "dim")])
        worst = self._worst_units(max(0, rows - 2))
        if not worst:
            lines.append([("nobody holds a position that needs margin", "dim")])
        lines += [self._worst_line(number, row, name, is_full) for number, row in worst]
        return lines[:rows]

    def _worst_line(self, number: int, row: int, name: int, is_full: bool) -> Line:
        engine = self.session.engine
        shard = engine.shards[number]
        view = account_view(shard.book, row, shard.results, engine.seq)
        ratio = view.margin_ratio
        assert ratio is not None, "only units with a requirement are listed"
        used = 1.0 if ratio <= 0 else float(1 / ratio)
        state = int(shard.book.state[row])
        line: Line = [*fit([(view.unit, "strong")], name), (" ", "")]
        if is_full:
            line.append((f"{view.mode:<10}", "dim"))
        line += [
            (f"{STATE_WORDS[state]:<17}", STATE_STYLES[state]),
            (f"{view.equity:>14,.2f} ".replace("-", "−"), ""),
            (f"{ratio:>7.3f} ".replace("-", "−"), "bad" if ratio < 1 else ""),
            (bar(used, 7) + " ", STATE_STYLES[state]),
        ]
        if is_full:
            line.append((self._biggest(number, row), ""))
        return line

    def _worst_units(self, count: int) -> list[tuple[int, int]]:
        """Return (shard, row) of the worst units of all shards together."""
        if not count:
            return []
        found = []
        for number, shard in enumerate(self.session.engine.shards):
            balance, requirement = shard.results[2], shard.results[4]
            for row in worst_rows(shard.book, shard.results, count):
                ratio = balance[row] / requirement[row]
                found.append((ratio, shard.book.names[row], number, row))
        return [(number, row) for _, _, number, row in sorted(found)[:count]]

    def _biggest(self, number: int, row: int) -> str:
        """Return the position with the largest index notional in words."""
        engine = self.session.engine
        book = engine.shards[number].book
        first, last = int(book.start[row]), int(book.start[row] + book.count[row])
        if first == last:
            return "no position"
        slots, lots = book.instrument[first:last], book.quantity[first:last]
        at = int(np.argmax(engine.columns.notional[slots] * np.abs(lots)))
        terms = engine.market.instruments[int(slots[at])]
        held = int(lots[at])
        quantity = from_units(abs(held), terms.lot_exponent).normalize()
        side = "long" if held > 0 else "short"
        # The name of an isolated unit ends in its instrument already.
        named = "" if UNIT_SEPARATOR in book.names[row] else f" {terms.name}"
        return f"{side} {quantity:,f}{named}"

    def _happened(self, width: int, rows: int) -> list[Line]:
        tally = self.session.tally
        note = (
            f"accounts: {len(tally.margin_called):,} called, {len(tally.reduced):,} reduced, "
            f"{len(tally.liquidated):,} liquidated, {len(tally.bankrupt):,} bankrupt"
        )
        lines = [heading("What happened", width, note)]
        if not self.feed.entries:
            lines.append([("nothing yet: no account was called, no asset protected", "dim")])
        lines += [feed_line(entry) for entry in list(self.feed.entries)[: max(0, rows - 1)]]
        return lines[:rows]

    def _money(self, width: int) -> list[Line]:
        tally, history = self.session.tally, self.history
        spark = max(0, width - 28)
        fund = history.column("fund_micro").astype(np.float64)
        debt = history.column("bad_debt_micro").astype(np.float64)
        uncovered = usdc_text(tally.bad_debt_uncovered)
        style = "bad" if tally.bad_debt else "dim"
        return [
            heading("Insurance fund, bad debt", width, "USDC"),
            [("fund     ", ""), (f"{usdc_text(self.session.fund_micro()):>17}  ", "strong"),
             (sparkline(fund, spark), "good")],
            [("bad debt ", ""), (f"{usdc_text(tally.bad_debt):>17}  ", style),
             (sparkline(debt, spark) if tally.bad_debt else "none", style)],
            [(f"not covered by the fund: {uncovered}", style)],
        ]  # fmt: skip

    def _latency(self, width: int) -> list[Line]:
        p50, p99 = self._decision_quantiles()
        flush = self._flush_quantiles()
        lines: list[Line] = [heading("Latency", width, "recent")]
        waiting = [("no tick yet", "dim")]
        lines.append(
            [("decision ", ""), (f"p50 {micros_text(p50):>8}  p99 {micros_text(p99):>8}", "strong")]
            if p50
            else [("decision ", ""), *waiting]
        )
        if flush is None:
            lines.append([("flush    ", ""), ("nothing flushed yet", "dim")])
        else:
            told = f"p50 {micros_text(flush[0]):>8}  p99 {micros_text(flush[1]):>8}"
            lines.append([("flush    ", ""), (told, "strong")])
        shares = self.session.engine.stopwatch.shares()
        largest = sorted(shares.items(), key=lambda item: -item[1])
        lines += [
            [(f"{room:<10}", "dim"), (f"{share:>5.0%} ", ""), (bar(share, width - 17), "good")]
            for room, share in largest
            if share >= 0.005
        ]
        return lines

    # -- figures ---------------------------------------------------------------------------------

    def _decision_quantiles(self) -> tuple[float, float]:
        watch = self.session.engine.stopwatch
        return recent_quantiles(watch.samples(), watch.count, LATENCY_WINDOW)

    def _flush_quantiles(self) -> tuple[float, float] | None:
        """Return p50 and p99 of the latest flushes; the committer's thread goes on adding."""
        kept = self.session.journaled.committer.flush_us
        recent = sorted(kept[-back] for back in range(1, min(len(kept), FLUSH_WINDOW) + 1))
        if not recent:
            return None
        count = len(recent)
        return recent[quantile_rank(count, 50)], recent[quantile_rank(count, 99)]

    def _note_rate(self, now: float) -> None:
        self._rates.append((now, self.seen, self.time_us))
        while len(self._rates) > 2 and now - self._rates[0][0] > RATE_WINDOW_S:
            self._rates.popleft()

    def _rate(self) -> tuple[float, float]:
        """Return events a wall second, and market seconds a wall second, of the last moments."""
        (since, seen, time_us), (now, total, latest_us) = self._rates[0], self._rates[-1]
        elapsed = now - since
        if elapsed <= 0:
            return 0.0, 0.0
        return (total - seen) / elapsed, (latest_us - time_us) / 1e6 / elapsed

    # -- plain lines -----------------------------------------------------------------------------

    def _plain_line(self) -> str:
        session, tally = self.session, self.session.tally
        share = (self.time_us - session.start_us) / max(1, session.end_us - session.start_us)
        more = f"; {self._unsaid:,} more events not shown" if self._unsaid else ""
        return (
            f"{time_text(self.time_us)[11:19]} UTC {share:4.0%}  {self.seen:,} ticks "
            f"({self._rate()[0]:,.0f}/s)  called {len(tally.margin_called):,}, "
            f"reduced {len(tally.reduced):,}, liquidated {len(tally.liquidated):,}  "
            f"fund {usdc_text(session.fund_micro())} USDC, "
            f"bad debt {usdc_text(tally.bad_debt)}{more}"
        )

    def _tell(self, entries: list[FeedEntry]) -> None:
        """Print what matters to everybody at once, a few lines an interval."""
        for entry in entries:
            if entry.word not in ("PROTECTED", "back", "fund paid", "bad debt"):
                continue
            if self._said < PLAIN_EVENTS_MAX:
                self._said += 1
                self._say(f"{time_text(entry.time_us)[11:19]} UTC  {entry.word}  {entry.words()}")
            else:
                self._unsaid += 1

    def _say(self, line: str) -> None:
        shown = "".join(_only_printable(line))
        encoding = sys.stderr.encoding or "utf-8"
        try:
            shown.encode(encoding)
        except UnicodeEncodeError:
            shown = shown.translate(TO_ASCII).encode("ascii", "replace").decode()
        print(shown, file=sys.stderr, flush=True)


def _only_printable(text: str) -> Iterable[str]:
    return (letter if letter.isprintable() else "?" for letter in text)
