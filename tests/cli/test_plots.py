"""The page of plots: its size, its figures, and the clear errors when it cannot be drawn."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.cli.history import History
from steelyard.cli.plots import bars_of, largest_falls, plot_page
from steelyard.cli.run import build_report
from steelyard.cli.session import Session
from steelyard.quantities import InputError
from tests.cli.test_history import START_US, falling_session, run_through

Finished = tuple[Session, History, dict[str, Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    session = falling_session(tmp_path_factory.mktemp("plotted"))
    history = History(session)
    run_through(session, history)
    digest = session.finish()
    report = build_report(
        session, r"falling $\frac$ market", digest, history.fund_micro_before, False
    )
    session.journaled.close()
    return session, history, report


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height from the header of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert head[12:16] == b"IHDR"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def inked_share(path: Path) -> float:
    """Return the share of pixels that are not white."""
    image = pytest.importorskip("matplotlib.image").imread(path)
    return float((image[..., :3].min(axis=2) < 0.98).mean())


def test_VIEW_030_page_has_the_stated_size(finished: Finished, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    _, history, report = finished
    path = tmp_path / "new folder" / "page.png"
    plot_page(history, report, path)
    assert png_size(path) == (1600, 2000)
    assert 0.03 < inked_share(path) < 0.5
    again = tmp_path / "again.png"
    plot_page(history, report, again)
    assert again.read_bytes() == path.read_bytes(), "the same session gives the same page"


def test_VIEW_030_session_without_events_has_a_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    session = falling_session(tmp_path)
    history = History(session)
    report = build_report(session, "quiet", bytes(32), history.fund_micro_before, True)
    session.journaled.close()
    plot_page(history, report, tmp_path / "quiet.png")
    assert png_size(tmp_path / "quiet.png") == (1600, 2000)


def test_VIEW_031_absent_matplotlib_is_a_clear_error(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, history, report = finished
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"CLIC-E20.*steelyard\[plots\]"):
        plot_page(history, report, tmp_path / "page.png")
    assert not (tmp_path / "page.png").exists()


def test_VIEW_031_path_that_cannot_be_written_is_a_clear_error(
    finished: Finished, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    _, history, report = finished
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="CLIC-E21"):
        plot_page(history, report, tmp_path / "file" / "page.png")
    with pytest.raises(InputError, match="CLIC-E21"):
        plot_page(history, report, tmp_path)


def test_VIEW_032_bars_add_up_to_what_was_closed(finished: Finished) -> None:
    _, history, _ = finished
    every_s, begins, amounts = bars_of(history)
    assert every_s == 1
    assert len(amounts) == len(begins) == 40
    assert begins[0] == START_US
    assert amounts.sum() == pytest.approx(history.closed_micro / 1e6, rel=1e-12)
    busiest = int(np.argmax(amounts))
    assert amounts[busiest] == history.column("closed_micro")[busiest + 1] / 1e6


def shaped(session: Session, seconds: int, prices: dict[int, float]) -> History:
    """Return a history with one row at each of the seconds, of an asset with the given prices."""
    history = History(session)
    rows = sorted({0, seconds, *prices})
    history.count = len(rows)
    for row, second in enumerate(rows):
        history.time_us[row] = START_US + second * 1_000_000
        history.index[1, row] = prices.get(second, np.nan)
        history.index[2, row] = 4_000.0
        history.column("closed_micro")[row] = 10**6
    return history


def test_VIEW_032_longer_sessions_have_longer_bars(tmp_path: Path) -> None:
    session = falling_session(tmp_path)
    session.journaled.close()
    for seconds, expected in ((240, 1), (241, 10), (600, 10), (2_401, 60), (86_400, 3_600)):
        every_s, _, amounts = bars_of(shaped(session, seconds, {}))
        assert every_s == expected
        assert len(amounts) <= 240
        assert amounts.sum() == 2.0


def test_VIEW_033_falls_are_those_of_the_samples(tmp_path: Path) -> None:
    session = falling_session(tmp_path)
    session.journaled.close()
    history = shaped(session, 180, {0: 100.0, 60: 90.0, 120: 95.0, 180: 80.0})
    ((name, last, whole, minute, peak, low_us),) = largest_falls(history)
    assert (name, last, low_us) == ("BTC", 80.0, START_US + 180_000_000)
    assert whole == pytest.approx(-0.20)
    assert minute == pytest.approx(80 / 95 - 1)
    assert peak == pytest.approx(-0.20)
    assert "ETH" not in {row[0] for row in largest_falls(history)}, "it did not fall"
