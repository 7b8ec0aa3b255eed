"""`steelyard margin --cases FILE --explain`, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.cli.margin_explain import margin_explain_command
from tests.support.method_cases import CASES


def lines_file(folder: Path) -> Path:
    lines = (CASES / "derive-pmrm.jsonl").read_text(encoding="utf-8").splitlines()[-2:]
    lines.append('{"case": "bad", "method": "okx-pm", "account": {"positions": '
                 '[{"instrument": "BTC-PERPETUAL", "quantity": 1}]}}')  # fmt: skip
    lines.append((CASES / "bitmex-adl.jsonl").read_text(encoding="utf-8").splitlines()[0])
    path = folder / "cases.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_EXPL_006_text_names_parts_scenarios_and_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert margin_explain_command(lines_file(tmp_path)) == 2
    told = capsys.readouterr().out
    assert "332.475000000" in told
    assert "binds ETH 19: price -15 %, volatility up, P&L -225.750000" in told
    assert "one more ETH-PERPETUAL: bought +332.475000, sold -332.475000 initial" in told
    assert "METH-E01" in told
    assert "states no requirement" in told


def test_EXPL_006_json_keeps_one_line_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert margin_explain_command(lines_file(tmp_path), as_json=True) == 2
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 4
    assert told[0]["explanation"]["initial"] == "332.475000000"
    assert len(told[0]["method_hash"]) == 64
    assert told[2]["error"]["where"]["field"].startswith("market.underlyings.BTC.")
    assert told[3]["explanation"] is None


def test_CURE_014_explanations_state_leave_one_out_beside_the_derivatives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    margin_explain_command(lines_file(tmp_path), as_json=True)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for each in told[:2]:
        *legs, underlying = each["leave_one_out"]
        assert legs[-1]["kind"] == "diversification"
        assert underlying["kind"] == "underlying"
        assert sum(leg["initial"] for leg in legs) == pytest.approx(
            float(each["explanation"]["initial"])
        )
    margin_explain_command(lines_file(tmp_path))
    assert "leave-one-out, USDC (does not sum)" in capsys.readouterr().out
