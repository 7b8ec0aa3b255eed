"""The page of margin in frames, and its notebook, run as they stand."""

from __future__ import annotations

import doctest
import json
import os
from pathlib import Path
from typing import Any

import pytest

import steelyard as sy

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "margin-frames.md"
NOTEBOOK = ROOT / "docs" / "examples" / "margin.ipynb"
CALLS = ("margin", "compare", "what_if", "affordable", "explain", "stress", "look_ahead")


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("at_root")
def test_SYMG_080_examples_of_the_page_are_true() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0
    text = PAGE.read_text(encoding="utf-8")
    for name in CALLS:
        assert f"| `sy.{name}` |" in text
        assert f"sy.{name}(" in text
        assert name in sy.__all__


def cells(kind: str) -> list[str]:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == kind]


def run(names: dict[str, Any]) -> dict[str, Any]:
    """Run the notebook's code in its order, from where it lies."""
    for number, source in enumerate(cells("code")):
        exec(compile(source, f"cell {number}", "exec"), names)
    return names


def test_SYMG_080_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    plots = pytest.importorskip("matplotlib.pyplot")
    plots.switch_backend("Agg")
    monkeypatch.chdir(NOTEBOOK.parent)
    names = run({})
    assert len(plots.get_fignums()) == 2
    plots.close("all")
    assert names["table"]["error"].isna().all()
    assert len(names["table"]) == 8
    assert names["moved"]["buffer"].notna().all()
    assert (names["moved"]["buffer"] < 0).any()
    assert set(names["later"]["horizon"]) == {"1h", "1d", "expiry"}
    assert os.getcwd() == str(NOTEBOOK.parent)


def test_SYMG_080_the_notebook_holds_no_results() -> None:
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    assert any(f"sy.{name}(" in "\n".join(cells("code")) for name in CALLS)
