"""`steelyard margin --cases FILE --prices`, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from steelyard.cli.app import app
from steelyard.cli.margin_prices import margin_prices_command
from tests.support.method_cases import CASES


def lines_file(folder: Path) -> Path:
    """Return a file with a perpetual, a straddle, a ranking, an account of nothing and a fault."""
    lines = [(CASES / "binance-tiers.jsonl").read_text(encoding="utf-8").splitlines()[1]]
    lines += (
        '{"case": "sold", "method": "paradex-pm", "market": {"as_of": "2026-06-01T08:00:00Z", '
        '"underlyings": {"ETH": {"index_price": 100, "expiries": [{"expiry": "2026-07-31T08:00:00Z",'
        ' "forward_price": 101, "implied_volatility": {"100": 0.6}}]}}}, "account": {"balances": '
        '{"USDC": 350}, "positions": [{"instrument": "ETH-31JUL26-100-C", "quantity": -5}, '
        '{"instrument": "ETH-31JUL26-100-P", "quantity": -5}]}}',
        (CASES / "bitmex-adl.jsonl").read_text(encoding="utf-8").splitlines()[0],
        '{"case": "empty", "method": "dydx-v4"}',
        '{"case": "bad", "method": "okx-pm", "account": {"positions": '
        '[{"instrument": "BTC-PERPETUAL", "quantity": 1}]}}',
    )
    path = folder / "cases.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_LIQP_050_text_is_a_table_and_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert margin_prices_command(lines_file(tmp_path)) == 2
    told = capsys.readouterr().out
    blocks = told.strip().split("\n\n")
    assert len(blocks) == 5
    row = next(line for line in blocks[0].splitlines() if line.startswith("  BTC"))
    assert row.split() == ["BTC", "40,000.0", "held", "—", "63,456.92", "—", "64,500.01"]
    assert "the account is liquidated with BTC at 63456.92 and above" in blocks[0]
    assert "the account holds no options" in blocks[0]
    assert "prices still, the account is not liquidated until 2026-07-31T08:00:00Z" in blocks[1]
    assert "the account is liquidated with volatilities at " in blocks[1]
    assert "XBT: the method states no maintenance requirement of the account" in blocks[2]
    assert "the account holds nothing that a price moves" in blocks[3]
    assert "METH-E01" in blocks[4]


def test_LIQP_051_json_is_one_line_a_case_with_prices_as_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert margin_prices_command(lines_file(tmp_path), as_json=True) == 2
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 5
    (price,) = told[0]["prices"]
    assert (price["underlying"], price["tick"], price["reference"]) == ("BTC", "0.01", "40000.0")
    assert price["liquidation"] == [{"price": "63456.92", "direction": "rising"}]
    assert price["liquidation_below"] is None
    assert len(told[0]["method_hash"]) == 64
    assert len(told[1]["prices"][0]["liquidation"]) == 2
    assert told[1]["times"][0]["until"] == "2026-07-31T08:00:00Z"
    assert told[1]["volatilities"][0]["liquidation_above"] is not None
    assert told[2]["prices"][0]["reason"]
    assert told[3]["prices"] == []
    assert told[4]["error"]["code"] == "METH-E01"


def test_LIQP_052_jobs_change_no_byte_and_options_do_not_mix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines_file(tmp_path)
    margin_prices_command(path, as_json=True)
    alone = capsys.readouterr().out
    margin_prices_command(path, 2, as_json=True)
    assert capsys.readouterr().out == alone
    runner = CliRunner()
    assert runner.invoke(app, ["margin", "--cases", str(path), "--prices"]).exit_code == 2
    mixed = runner.invoke(app, ["margin", "--cases", str(path), "--prices", "--explain"])
    assert mixed.exit_code == 2
    assert "without --explain" in mixed.output.replace("\n", " ")


def test_LIQP_053_the_page_shows_what_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (CASES.parents[1] / "docs" / "stated-books.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith('{"case": "long"'))
    path = tmp_path / "perpetual.jsonl"
    path.write_text(line, encoding="utf-8")
    assert margin_prices_command(path) == 0
    shown = page.split("## Liquidation price\n")[1].split("```text\n")[1].split("```")[0]
    assert capsys.readouterr().out.rstrip() == shown.rstrip()
