"""The pictures and the page of a surface: sizes, what they draw, what they say, and their errors."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.cli.surface_curves import (
    REASONS,
    calendar_gaps,
    durrleman_lines,
    headline,
    residual_limit,
    smile_views,
    variance_lines,
    volatility_grid,
)
from steelyard.feeds.option_chain import ChainQuotes, read_chain
from steelyard.models.example import example_chain
from steelyard.models.quotes import QuoteUse
from steelyard.models.surface import Surface
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities import InputError
from steelyard.valuation.smiles import COUNT, FIRST_COEFFICIENT
from tests.cli.surface_roles import ask, request, told
from tests.cli.test_plots import inked_share, png_size
from tests.cli.test_surface import crossed_surface
from tests.support.example_chain import PATH

PICTURES = ("smiles", "surface", "residuals", "arbitrage")


@pytest.fixture(scope="module")
def surface() -> Surface:
    return fit_surface(read_chain(PATH).chains["BTC"])


def bare_chain(expiries: int) -> ChainQuotes:
    """Return the first expiries of the example, of a week and more, without mark and index."""
    chain = example_chain()
    wanted = np.unique(chain.expiry_us)[1 : 1 + expiries]
    few = chain.select(np.isin(chain.expiry_us, wanted))
    nothing = np.full(len(few), np.nan)
    return replace(few, mark_volatility=nothing, index=nothing)


def test_SCMD_011_nothing_is_written_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask(capsys)[1]["files"] == []
    assert not list(tmp_path.iterdir())


def test_SCMD_011_what_is_asked_for_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    out = tmp_path / "new" / "results"
    _, document = ask(capsys, out=out)
    names = ["surface.json", *(f"{name}.png" for name in PICTURES), "surface.html"]
    assert document["files"] == [str(out / "BTC" / name) for name in names]
    assert sorted(each.name for each in (out / "BTC").iterdir()) == sorted(names)
    kept = json.loads((out / "BTC" / "surface.json").read_text(encoding="utf-8"))
    quotes = kept["surfaces"][0].pop("quotes")
    assert len(quotes) == 204
    assert kept["surfaces"] == document["surfaces"]
    for name in PICTURES:
        width, height = png_size(out / "BTC" / f"{name}.png")
        assert width == 1600
        assert height >= 900
        assert 0.02 < inked_share(out / "BTC" / f"{name}.png") < 0.5
    text = told(capsys, out=out, png=False, html=False)[1]
    assert re.findall(r"wrote .*/BTC/(.*)", text) == ["surface.json"]


def test_SCMD_011_folder_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="SCMD-E04"):
        ask(capsys, out=tmp_path / "file", png=False, html=False)
    pytest.importorskip("matplotlib")
    (tmp_path / "BTC" / "smiles.png").mkdir(parents=True)
    with pytest.raises(InputError, match="SCMD-E04"):
        ask(capsys, out=tmp_path, html=False)


def test_SCMD_020_same_chain_gives_the_same_bytes(surface: Surface, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from steelyard.cli.surface_plots import write_pictures

    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    for a, b in zip(write_pictures(surface, first), write_pictures(surface, second), strict=True):
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("expiries", [1, 2])
def test_SCMD_020_chain_with_little_in_it_can_be_drawn(expiries: int, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    from steelyard.cli.surface_page import write_page
    from steelyard.cli.surface_plots import write_pictures

    lean = fit_surface(bare_chain(expiries))
    for path in write_pictures(lean, tmp_path):
        assert png_size(path)[0] == 1600
        assert inked_share(path) > 0.01
    write_page(lean, tmp_path / "surface.html")
    assert len(figures_of(tmp_path / "surface.html")) == 4


def test_SCMD_021_views_hold_the_fit_and_its_quotes(surface: Surface) -> None:
    views = smile_views(surface)
    assert [view.name for view in views][:2] == ["2 Jan 2026", "8 Jan 2026"]
    for view in views:
        used = view.is_used
        assert used.sum() == view.report.used
        miss = view.residual[used]
        assert np.sqrt(np.mean(miss * miss)) == pytest.approx(view.report.rmse, rel=1e-9)
        middle = 0.5 * (view.bid + view.ask)[used]
        assert view.fitted[used] - middle == pytest.approx(miss, abs=1e-9)
        low, high = view.bounds()
        assert low < view.bid[used].min()
        assert view.ask[used].max() < high
        on_curve = np.interp(view.strike[used], view.curve_strike, view.curve)
        assert np.abs(on_curve - view.fitted[used]).max() < 0.05
        left_out = {QuoteUse(use) for use in view.use[~used]}
        assert left_out <= set(REASONS)
    limit = residual_limit(views)
    shown = np.concatenate([np.abs(view.residual[view.is_used]) for view in views])
    assert np.mean(shown <= limit) >= 0.98


def test_SCMD_021_grid_is_the_surface(surface: Surface) -> None:
    grid = volatility_grid(surface)
    assert grid.volatility.shape == (len(grid.days), len(grid.x))
    assert grid.days[[0, -1]] == pytest.approx([1.0, 360.0])
    middle = int(np.flatnonzero(grid.x == 0.0)[0])
    for each in surface.slices:
        at = int(np.argmin(np.abs(grid.days - each.time_years * 365.0)))
        assert grid.days[at] == pytest.approx(each.time_years * 365.0, rel=1e-12)
        assert grid.volatility[at, middle] == pytest.approx(
            100 * each.volatility_at_money, rel=1e-12
        )


def test_SCMD_022_arbitrage_is_seen_and_said(surface: Surface, tmp_path: Path) -> None:
    sound = variance_lines(surface, smile_views(surface))[1]
    assert all(gap.min() > 0.0 for _, gap in calendar_gaps(sound))
    assert "no butterfly, no calendar arbitrage" in headline(surface)[1]
    crossed = crossed_surface()
    gaps = calendar_gaps(variance_lines(crossed, smile_views(crossed))[1])
    assert [gap.min() < 0.0 for _, gap in gaps] == [False, False, False, False, True]
    assert gaps[-1][0] == "30 Jun 2026 → 27 Dec 2026"
    assert "ARBITRAGE: 2026-12-27 below 2026-06-30" in headline(crossed)[1]
    pytest.importorskip("plotly")
    from steelyard.cli.surface_page import write_page

    text = write_page(crossed, tmp_path / "surface.html").read_text(encoding="utf-8")
    assert "27 Dec 2026" in text
    assert '<p class="bad">calendar: 2026-12-27 lies' in text


def test_SCMD_022_butterfly_is_seen(surface: Surface) -> None:
    smiles = surface.smiles.copy()
    middle = int(smiles[2, COUNT]) // 2
    smiles[2, FIRST_COEFFICIENT + middle] += 0.5 * float(surface.total_variance(0.0, 30 / 365))
    broken = replace(surface, smiles=smiles)
    lines = durrleman_lines(broken, smile_views(broken))
    assert [bool(g.min() < 0.0) for _, _, g in lines] == [False, False, True, False, False, False]
    assert "ARBITRAGE: butterfly in 2026-01-31" in headline(broken)[1]


def figures_of(path: Path) -> list[list[dict[str, Any]]]:
    """Return the traces of each figure of a page."""
    text = path.read_text(encoding="utf-8")
    decoder = json.JSONDecoder()
    heads = re.finditer(r'Plotly\.newPlot\(\s*"figure-\d+",\s*', text)
    return [decoder.raw_decode(text, head.end())[0] for head in heads]


def test_SCMD_023_page_is_one_file_and_quotes_tell_themselves(
    surface: Surface, tmp_path: Path
) -> None:
    pytest.importorskip("plotly")
    from steelyard.cli.surface_page import write_page

    path = write_page(surface, tmp_path / "surface.html")
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=", text)
    assert len(text) > 3_000_000, "the script of the plots is inside"
    figures = figures_of(path)
    assert len(figures) == 4
    said = [
        each
        for trace in figures[0]
        if trace.get("text") and trace["name"] != "venue's mark"
        for each in trace["text"]
    ]
    points = surface.points
    known = np.isfinite(points.bid_volatility) | np.isfinite(points.ask_volatility)
    assert len(said) == known.sum()
    for word in ("bid ", "ask ", "mark ", "fit ", "fit less target "):
        assert all(word in each for each in said)
    served = [each for each in said if each.endswith("used")]
    assert len(served) == 161
    assert any(each.startswith("<b>27 Dec 2026 63,030 call</b>") for each in served)
    shown = [trace["name"] for trace in figures[0] if trace.get("showlegend")]
    assert len(shown) == len(set(shown))
    assert {"fit", "bid–ask, used", "venue's mark", "wide"} <= set(shown)


@pytest.mark.parametrize(
    ("package", "option"), [("matplotlib", "--no-png"), ("plotly", "--no-html")]
)
def test_SCMD_024_absent_package_is_a_clear_error_before_the_work(
    package: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"SCMD-E03.*steelyard\[plots\]") as refused:
        ask(capsys, out=tmp_path / "results", png=package == "matplotlib", html=package == "plotly")
    assert option in refused.value.cure
    assert not (tmp_path / "results").exists()
    assert request(out=tmp_path).png
    assert ask(capsys, out=tmp_path / "results", png=False, html=False)[0] == 0
