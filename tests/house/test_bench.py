"""The timing of the benches is fair."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import machine, run


def test_HOUS_016_programs_are_timed_in_turn_and_neighbours_compared() -> None:
    order: list[str] = []
    spent = {"first": iter([0, 1, 3, 4]), "second": iter([0, 2, 6, 40])}
    now = [0.0]

    def program(name: str) -> None:
        order.append(name)
        now[0] += next(spent[name])

    result = machine.paired(
        lambda: program("first"), lambda: program("second"), 3, warm_up=1, clock=lambda: now[0]
    )
    assert order == ["first", "second", "first", "second", "second", "first", "first", "second"]
    assert (result.first_s, result.second_s, result.ratio) == (3.0, 6.0, 2.0)
    assert result.low <= result.ratio <= result.high


def test_HOUS_016_missed_goal_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setenv(machine.RESULTS_VARIABLE, str(results))
    machine.report("kernel against C", 0.95, "x", goal=">= 0.9")
    machine.report("tick to decision p99", 400.0, "us", goal="<= 300")
    machine.report("rows", 12.0, "")
    lines = capsys.readouterr().out.splitlines()
    assert [("met" in line, "MISSED" in line) for line in lines] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    assert [row["value"] for row in rows] == [0.95, 400.0, 12.0]


def test_HOUS_016_absent_peer_is_skipped_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.peer("no_such_peer") is None
    assert "no_such_peer is not installed" in capsys.readouterr().out
    assert machine.peer("json") is json


def test_HOUS_016_only_modules_with_a_main_are_benches(tmp_path: Path) -> None:
    (tmp_path / "black76.py").write_text("def main():\n    pass\n", encoding="utf-8")
    (tmp_path / "shared.py").write_text("def help():\n    pass\n", encoding="utf-8")
    (tmp_path / "machine.py").write_text("def main():\n    pass\n", encoding="utf-8")
    assert run.benches([], tmp_path) == ["black76"]
    assert run.benches(["margin"], tmp_path) == []
