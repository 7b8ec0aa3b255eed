"""The live view: it fits every terminal, says what the session says, and is plain on a pipe."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from steelyard.cli.history import History
from steelyard.cli.live import LiveView, fit, sparkline
from steelyard.cli.session import Session
from steelyard.decisions import STATE_NAMES
from steelyard.publish import account_view, worst_rows
from steelyard.publish.views import money
from tests.cli.test_history import START_US, falling_session

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7]|38|48)[;m]")
SIZES = [
    (w, h) for w in (20, 40, 79, 80, 100, 111, 112, 120, 140, 160, 200) for h in (5, 24, 30, 36, 60)
]


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def terminal(width: int = 120, height: int = 40, **options: object) -> Console:
    settings: dict[str, object] = {
        "force_terminal": True, "width": width, "height": height, "file": io.StringIO(),
        "color_system": "256", "legacy_windows": False, "_environ": {"TERM": "xterm-256color"},
    }  # fmt: skip
    return Console(**(settings | options))  # type: ignore[arg-type]


def view_of(session: Session, console: Console | None = None, **options: object) -> LiveView:
    hints = ["steelyard explain whale   why", "steelyard replay J --verify   one hash"]
    return LiveView(
        session,
        History(session),
        console=console or terminal(),
        title="falling market",
        hints=hints,
        **options,  # type: ignore[arg-type]
    )


def run_to(view: LiveView, second: float) -> None:
    """Run the session of a view until a second of market time."""
    for step in view.session.steps():
        view.history.observe(step)
        view.update(step)
        if step.event.time_us >= START_US + second * 1e6:
            return


def screen(view: LiveView, width: int = 140, height: int = 44) -> str:
    return "\n".join("".join(text for text, _ in line) for line in view.lines(width, height))


def section(text: str, title: str) -> str:
    """Return a screen from the line that holds a title."""
    return text[text.index(title) :]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = falling_session(tmp_path)
    yield made
    made.journaled.close()


# -- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [0, 16, 40])
def test_VIEW_010_every_line_is_as_wide_as_the_terminal(session: Session, second: int) -> None:
    view = view_of(session, terminal(force_terminal=False))
    if second:
        run_to(view, second)
    for width, height in SIZES:
        lines = view.lines(width, height)
        assert 0 < len(lines) <= height
        assert {cell_len("".join(text for text, _ in line)) for line in lines} == {width}


@pytest.mark.parametrize("width", [80, 120, 160])
def test_VIEW_010_what_is_sent_to_the_terminal_fits(session: Session, width: int) -> None:
    console = terminal(width, 30)
    view = view_of(session, console)
    run_to(view, 20)
    with console.capture() as capture:
        console.print(view)
    sent = re.sub(r"\x1b\[[0-9;]*m", "", capture.get())
    assert max(cell_len(line) for line in sent.splitlines()) == width
    assert len(sent.splitlines()) <= 30


def test_VIEW_010_a_cut_text_ends_in_an_ellipsis() -> None:
    assert fit([("margin ", ""), ("call", "bad")], 9) == [("margin ", ""), ("c…", "bad")]
    assert fit([("保証金", "")], 5) == [("保証…", "")]
    assert sparkline(np.array([5.0, 5.0]), 2) == "▄▄"
    assert sparkline(np.array([]), 3) == "   "


# -- numbers -------------------------------------------------------------------------------------


def test_VIEW_011_screen_shows_the_numbers_of_the_session(session: Session) -> None:
    view = view_of(session, terminal(force_terminal=False))
    run_to(view, 24)
    text, engine, tally = screen(view), session.engine, session.tally
    assert f"seq {engine.seq:,}" in text
    assert "9 accounts" in text
    assert "2025-10-10 21:00:24.0 UTC" in text
    assert " 60%" in text, "24 of 40 seconds"
    bitcoin = session.prices()["BTC"]
    assert re.search(
        rf"BTC +{bitcoin:,.2f} ▼ *−{1 - bitcoin / 100_000:.2%}".replace("%", " %"), text
    )
    money_part = section(text, "Insurance fund, bad debt")
    assert f"{money(session.fund_micro()):,.2f}" in money_part
    assert tally.bad_debt > 0
    assert f"{money(tally.bad_debt):,.2f}" in money_part
    hit = tally.margin_called, tally.reduced, tally.liquidated, tally.bankrupt
    words = ("called", "reduced", "liquidated", "bankrupt")
    told = ", ".join(f"{len(met)} {word}" for met, word in zip(hit, words, strict=True))
    assert f"accounts: {told}" in text


def test_VIEW_011_units_of_each_state_are_counted(session: Session) -> None:
    view = view_of(session, terminal(force_terminal=False))
    run_to(view, 24)
    part = section(screen(view), "Margin units by state")
    states = [
        int(s) for shard in session.engine.shards for s in shard.book.state[: shard.book.units]
    ]
    for number, name in enumerate(STATE_NAMES):
        words = name.replace("_", " ")
        found = re.search(rf"│ {words} +(\d+) ", part)
        assert found, words
        assert int(found[1]) == states.count(number)


def test_VIEW_011_worst_unit_comes_first(tmp_path: Path) -> None:
    session = falling_session(tmp_path, shards=4)
    view = view_of(session, terminal(force_terminal=False))
    run_to(view, 20)
    views = [
        account_view(shard.book, row, shard.results, session.engine.seq)
        for shard in session.engine.shards
        for row in worst_rows(shard.book, shard.results, 99)
    ]
    ratios = sorted((v.margin_ratio, v) for v in views if v.margin_ratio is not None)[:3]
    rows = section(screen(view, 140, 44), "Nearest to liquidation").splitlines()[2:5]
    for (ratio, expected), row in zip(ratios, rows, strict=True):
        assert row.startswith(expected.unit)
        assert f"{expected.equity:,.2f}".replace("-", "−") in row
        assert f"{ratio:.3f}".replace("-", "−") in row
        assert expected.state.replace("_", " ") in row
        assert expected.mode in row
        assert re.search(r"(long|short) [\d,.]+", row), "its biggest position"
    session.journaled.close()


def test_VIEW_011_empty_screen_says_so(session: Session) -> None:
    text = screen(view_of(session))
    assert "nothing yet: no account was called" in text
    assert "no tick yet" in text or "p50" in text
    assert "bad debt              0.00  none" in text


# -- colour --------------------------------------------------------------------------------------


def drawn(session: Session, console: Console, second: float = 16) -> str:
    view = view_of(session, console)
    run_to(view, second)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def test_VIEW_012_protected_is_a_word_and_a_sign(session: Session) -> None:
    sent = drawn(session, terminal(color_system=None))
    assert "\x1b[" not in sent
    assert re.search(r"ETH +4,000\.00 .*■ PROTECTED 1/3", sent)
    assert re.search(r"PROTECTED +ETH: no quorum", sent)


def test_VIEW_012_no_color_sends_no_colour(session: Session) -> None:
    assert COLOUR.search(drawn(session, terminal()))


def test_VIEW_012_no_color_variable_is_respected(session: Session) -> None:
    environ = {"TERM": "xterm-256color", "NO_COLOR": "1"}
    sent = drawn(session, terminal(_environ=environ))
    assert not COLOUR.search(sent)
    assert "PROTECTED" in sent


def test_VIEW_012_ascii_terminal_gets_ascii(session: Session) -> None:
    raw = io.BytesIO()
    console = terminal(file=io.TextIOWrapper(raw, encoding="ascii"), color_system=None)
    console.print(view_of(session, console))
    console.file.flush()
    text = raw.getvalue().decode("ascii")
    assert "Prices . USD" in text
    assert "---" in text


# -- how often -----------------------------------------------------------------------------------


def test_VIEW_013_screen_is_drawn_at_most_eight_times_a_second(session: Session) -> None:
    clock, console = Clock(), terminal()
    view = view_of(session, console, clock=clock)
    events = 0
    with view:
        for step in session.steps():
            clock.now += 0.001
            view.update(step)
            events += 1
    seconds = events / 1000
    assert events > 500
    assert 4 <= view.redraws <= 2 + 8 * seconds
    sent = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[?1049h" in sent, "the screen is the alternate one"
    assert sent.index("\x1b[?1049h") < sent.index("\x1b[?1049l"), "and it is left again"


def test_VIEW_013_an_error_leaves_the_screen(session: Session) -> None:
    console = terminal()
    with pytest.raises(RuntimeError, match="stop"), view_of(session, console):
        raise RuntimeError("stop")
    assert "\x1b[?1049l" in console.file.getvalue()  # type: ignore[attr-defined]


# -- pipes ---------------------------------------------------------------------------------------


def run_plainly(session: Session, seconds_an_event: float) -> LiveView:
    clock = Clock()
    console = terminal(force_terminal=False, file=io.StringIO())
    view = view_of(session, console, clock=clock)
    with view:
        for step in session.steps():
            clock.now += seconds_an_event
            view.update(step)
    assert console.file.getvalue() == "", "nothing is drawn"  # type: ignore[attr-defined]
    return view


def test_VIEW_014_pipe_gets_a_line_every_five_seconds(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    view = run_plainly(session, 0.05)
    told = capsys.readouterr()
    assert told.out == ""
    assert not CONTROL.search(told.err)
    lines = told.err.splitlines()
    assert lines[0] == "steelyard: falling market, 9 accounts"
    progress = [line for line in lines if " ticks (" in line]
    assert len(progress) == int(view.seen * 0.05 / 5.0 + 1e-6) + 1
    tally = session.tally
    assert (
        f"liquidated {len(tally.liquidated)}  fund {money(session.fund_micro()):,.2f} USDC"
        in (progress[-1])
    )
    assert f"bad debt {money(tally.bad_debt):,.2f}" in progress[-1]
    assert "100%" in progress[-1]


def test_VIEW_014_pipe_gets_important_events_a_few_at_a_time(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    run_plainly(session, 1e-9)
    told = capsys.readouterr().err
    events = [
        line for line in told.splitlines() if re.match(r"[\d:]+ UTC  (fund|bad|PROT|back)", line)
    ]
    assert len(events) == 5
    assert re.search(r"; \d+ more events not shown", told.splitlines()[-1])
    assert any("PROTECTED  ETH" in line for line in events)


def test_VIEW_014_dumb_terminal_is_treated_as_a_pipe(session: Session) -> None:
    assert view_of(session, terminal(_environ={"TERM": "dumb"})).is_plain
    assert not view_of(session, terminal()).is_plain


# -- names and sources ---------------------------------------------------------------------------


def test_VIEW_015_names_cannot_move_the_cursor() -> None:
    assert fit([("a\x1b[2J\n", "")], 8) == [("a?[2J?", ""), ("  ", "")]


def test_VIEW_016_venue_that_is_off_or_silent_is_named(session: Session) -> None:
    view = view_of(session, terminal(force_terminal=False))
    north, south = (session.engine.market.indices[1].source(n) for n in ("north", "south"))
    assert north is not None
    assert south is not None
    assert "3/3 sources" in screen(view)
    north.price = 110_000.0
    assert "! +10% off: north" in screen(view)
    north.price = 100_000.0
    south.exchange_time_us = START_US - 9_000_000
    assert "! south silent 9 s" in screen(view)
