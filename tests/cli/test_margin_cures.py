"""`steelyard margin --cases FILE --cure`, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steelyard.cli.app import app
from steelyard.cli.margin_cures import Question, margin_cures_command
from steelyard.quantities.errors import InputError
from tests.support.method_cases import CASES

ROOT = Path(__file__).resolve().parents[2]
SHORT = {
    "case": "short",
    "method": "paradex-pm",
    "market": {
        "as_of": "2026-06-01T08:00:00Z",
        "underlyings": {"BTC": {"index_price": 70000, "perpetual": {"mark_price": 70000}}},
    },
    "account": {
        "balances": {"USDC": 10000},
        "positions": [{"instrument": "BTC-PERPETUAL", "quantity": 1}],
    },
}


def lines_file(folder: Path) -> Path:
    lines = [json.dumps(SHORT)]
    lines.append('{"case": "bad", "method": "okx-pm", "account": {"positions": '
                 '[{"instrument": "BTC-PERPETUAL", "quantity": 1}]}}')  # fmt: skip
    for method in ("bitmex-adl", "dydx-v4", "derive-srm"):
        lines += (CASES / f"{method}.jsonl").read_text(encoding="utf-8").splitlines()[:2]
    path = folder / "cases.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_CURE_015_text_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert margin_cures_command(lines_file(tmp_path), Question(taker_fee=0.0005)) == 2
    told = capsys.readouterr().out
    assert (
        "sell 0.1075 BTC-PERPETUAL (notional 7,525 USD): the initial requirement falls from 11,200"
        " to 9,996 USD, which costs 3.7625 USD; or deposit 1,200 USDC"
    ) in told
    assert "keep 0.892521 of every position" in told
    assert "trades of 1 contract, cheapest first" in told
    assert "all of BTC" in told
    assert "METH-E01" in told
    assert "states no initial requirement" in told


def test_CURE_015_json_keeps_one_line_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, question = lines_file(tmp_path), Question(1.2, "maintenance")
    assert margin_cures_command(path, question, as_json=True) == 2
    first = capsys.readouterr().out
    told = [json.loads(line) for line in first.splitlines()]
    assert len(told) == 8
    # 5,600 to keep, 6,720 wanted, 10,000 there.
    assert told[0]["cures"]["is_cured"]
    assert told[0]["leave_one_out"][0]["maintenance"] == 5600.0
    assert told[0]["method_version"]
    assert told[1]["error"]["where"]["field"].startswith("market.underlyings.BTC.")
    assert told[2]["leave_one_out"] == []
    exact = told[4]["cures"]
    assert isinstance(exact["requirement"], str)
    assert margin_cures_command(path, question, jobs=2, as_json=True) == 2
    assert capsys.readouterr().out == first


def test_CURE_015_the_command_takes_ratio_level_and_fee(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(SHORT), encoding="utf-8")
    asked = ["margin", "--cases", str(path), "--cure", "--json"]
    plain = CliRunner().invoke(app, [*asked, "--wanted", "2", "--level", "maintenance"])
    assert plain.exit_code == 0
    assert json.loads(plain.stdout)["cures"]["deposits"][0]["amount"] == "1200.000000"
    charged = CliRunner().invoke(app, [*asked, "--taker-fee", "0.0005"])
    assert json.loads(charged.stdout)["cures"]["trades"][0]["quantity"] == "-0.1075"
    assert CliRunner().invoke(app, ["margin", str(path), "--cure"]).exit_code == 2


def test_CURE_015_a_question_without_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        margin_cures_command(lines_file(tmp_path), Question(wanted=0.0))
    assert refused.value.where["field"] == "wanted"


def test_CURE_015_the_page_shows_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "stated-books.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith('{"case": "long"'))
    section = page.split("\n## How to cure an account\n")[1].split("\n## ")[0]
    command, shown = re.findall(r"```(?:sh|text)\n(.*?)```", section, re.DOTALL)
    assert command.split()[4:] == ["--cure", "--wanted", "1.5", "--taker-fee", "0.0005"]
    path = tmp_path / "perpetual.jsonl"
    path.write_text(line, encoding="utf-8")
    assert margin_cures_command(path, Question(1.5, "initial", 0.0005)) == 0
    assert capsys.readouterr().out == f"{shown}\n"
