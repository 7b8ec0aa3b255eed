"""`steelyard methods diff A B --cases FILE`: requirements before and after, flips, totals, errors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.cli import methods_impact
from steelyard.terms.documents import documents
from steelyard.terms.documents.writing import toml_text
from tests.cli.feeds_roles import Done, steelyard

A = "paradex-pm@2026.1"
Ask = Callable[..., Done]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """Return what runs `methods diff` on lines of a file."""

    def run(before: object, after: object, lines: Iterable[Any], *options: object) -> Done:
        path = tmp_path / "book.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), encoding="utf-8")
        return steelyard(
            monkeypatch, capsys, "methods", "diff", before, after, "--cases", path, *options
        )

    return run


def later(folder: Path, name: str = "paradex-pm", **parameters: Any) -> Path:
    """Write the next version of a method, with some parameters changed, and return its file."""
    document = documents().get(name).with_parameters(parameters)
    document = msgspec.structs.replace(
        document, version="2099.1", valid_from="2099-01-01T00:00:00Z"
    )
    file = folder / f"{name}-2099.1.toml"
    file.write_text(toml_text(document), encoding="utf-8")
    return file


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    return later(tmp_path, maintenance_factor=0.7, fee_provision=500)


def book(name: str, cash: float, quantity: float = 1, **more: Any) -> dict[str, Any]:
    """Return a case of a BTC perpetual at 70,000 under paradex-pm."""
    return {
        "case": name, "method": "paradex-pm",
        "market": {
            "as_of": "2026-06-01T08:00:00Z",
            "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}},
        },
        "account": {
            "balances": {"USDC": cash},
            "positions": [{"instrument": "BTC-PERPETUAL", "quantity": quantity}],
        },
    } | more  # fmt: skip


BOOKS = [
    book("half", 6_000, 0.5), book("rich", 20_000), book("near", 11_500), book("poor", 8_000),
]  # fmt: skip


def rows_of(done: Done) -> dict[str, dict[str, Any]]:
    return {row["case"]: row for row in done.answer["cases"]["accounts"]}


def test_DIFF_001_requirements_before_and_after(ask: Ask, changed: Path) -> None:
    done = ask(A, changed, [book("near", 11_500)], "--json")
    assert done.code == 1
    assert {change["path"] for change in done.answer["changes"]} >= {"parameters.fee_provision"}
    [row] = done.answer["cases"]["accounts"]
    for name, value in {"initial_before": 11_200.0, "initial_after": 11_700.0, "initial_change": 500.0,
                        "maintenance_before": 5_600.0, "maintenance_after": 8_340.0,
                        "maintenance_change": 2_740.0, "equity_before": 11_500.0,
                        "equity_after": 11_500.0}.items():  # fmt: skip
        assert row[name] == pytest.approx(value, rel=1e-12), name
    assert (row["verdict_before"], row["verdict_after"]) == ("covered", "below initial")
    assert row["flips"] == ["newly below initial"]
    assert (row["case"], row["method"], row["currency"]) == ("near", "paradex-pm", "USD")


def test_DIFF_001_a_document_against_itself_changes_nothing(ask: Ask) -> None:
    done = ask(A, A, BOOKS, "--json")
    assert done.code == 0
    for row in rows_of(done).values():
        assert row["initial_change"] == row["maintenance_change"] == 0.0
        assert row["verdict_before"] == row["verdict_after"]
    assert done.answer["cases"]["summary"]["changed"] == 0


def test_DIFF_002_the_largest_change_stands_first(ask: Ask, changed: Path) -> None:
    assert list(rows_of(ask(A, changed, BOOKS, "--json"))) == ["rich", "near", "poor", "half"]
    back = rows_of(ask(changed, A, BOOKS, "--json"))
    assert list(back) == ["rich", "near", "poor", "half"]
    assert back["half"]["maintenance_change"] == pytest.approx(-1_620.0)


def test_DIFF_002_currency_by_currency_and_what_has_no_change_last() -> None:
    def row(case: str, currency: str | None, moved: float | str | None) -> dict[str, Any]:
        return {"case": case, "currency": currency, "maintenance_change": moved, "flips": []}

    given = [row("a", "USD", 5.0), row("b", "USD", None), row("c", "BTC", 0.1), row("d", "USD", -9.0),
             row("e", "BTC", "-0.25"), row("f", None, None)]  # fmt: skip
    found = methods_impact.impact_of(given)
    assert [each["case"] for each in found.accounts] == ["f", "e", "c", "d", "a", "b"]


def test_DIFF_003_summary_counts_flips_and_totals(ask: Ask, changed: Path) -> None:
    done = ask(A, changed, BOOKS, "--json")
    told = done.answer["cases"]["summary"]
    [totals] = told.pop("totals")
    assert told == {
        "accounts": 4, "changed": 4, "newly_below_initial": 2, "newly_below_maintenance": 1,
        "no_longer_below_initial": 0, "no_longer_below_maintenance": 0, "left_out": 0, "errors": 0,
    }  # fmt: skip
    assert totals == pytest.approx(
        {"currency": "USD", "initial_before": 39_200.0, "initial_after": 41_200.0,
         "maintenance_before": 19_600.0, "maintenance_after": 29_440.0}
    )  # fmt: skip
    rows = rows_of(done)
    assert rows["poor"]["flips"] == ["newly below maintenance"]
    assert rows["poor"]["verdict_before"] == "below initial"
    assert rows["rich"]["flips"] == []
    back = ask(changed, A, BOOKS, "--json").answer["cases"]["summary"]
    assert (back["no_longer_below_initial"], back["no_longer_below_maintenance"]) == (2, 1)
    assert (back["newly_below_initial"], back["newly_below_maintenance"]) == (0, 0)


def test_DIFF_003_equity_at_the_requirement_covers_it(ask: Ask, changed: Path) -> None:
    after = rows_of(ask(A, changed, [book("exact", 11_700)], "--json"))["exact"]
    assert after["equity_after"] == after["initial_after"] == 11_700.0
    assert after["verdict_after"] == "covered"


def test_DIFF_004_exact_methods_stay_exact(ask: Ask, tmp_path: Path) -> None:
    def line(name: str, **tier: Any) -> dict[str, Any]:
        tier = {"initial_margin_ppm": 10_000, "maintenance_fraction_ppm": 500_000} | tier
        document = later(tmp_path, "dydx-v4", liquidity_tiers={"BTC": tier})
        document.rename(tmp_path / f"{name}.toml")
        return {
            "case": name, "method": "dydx-v4",
            "market": {"as_of": "2026-03-04T00:00:00Z", "underlyings": {"BTC": {"index_price": "5555"}}},
            "account": {"balances": {"USDC": "50"}, "positions": [
                {"instrument": "BTC-PERPETUAL", "quantity": "0.7"}]},
        }  # fmt: skip

    line("low")
    case = line("high", initial_margin_ppm=20_000)
    done = ask(tmp_path / "low.toml", tmp_path / "high.toml", [case], "--json")
    [row] = done.answer["cases"]["accounts"]
    named = [row[f"initial_{name}"] for name in ("before", "after", "change")]
    assert named == ["38.885000", "77.770000", "38.885000"]
    assert done.answer["cases"]["summary"]["totals"][0]["initial_after"] == "77.770000"


def test_DIFF_004_integers_and_floats_keep_their_kind(ask: Ask, tmp_path: Path) -> None:
    vega = {
        "case": "v", "method": "vega",
        "parameters": {"risk_factors": {"long": 0.1, "short": 0.2}},
        "market": {"underlyings": {"ETH": {"mark_price": 1000}}},
        "account": {"balances": {"USDC": 5000}, "positions": [
            {"instrument": "ETH-PERPETUAL", "quantity": 10}]},
    }  # fmt: skip
    file = later(tmp_path, "vega", scaling={"initial": 2})
    done = ask("vega", file, [vega], "--json")
    [row] = done.answer["cases"]["accounts"]
    assert type(row["initial_change"]) is int
    assert row["initial_after"] == 2 * row["maintenance_after"] > 0
    assert type(done.answer["cases"]["summary"]["totals"][0]["initial_after"]) is int
    assert float(methods_impact.total([0.1] * 10)) == 1.0


def test_DIFF_005_own_parameters_stand_on_top_of_both(ask: Ask, changed: Path) -> None:
    case = book("own", 11_500, parameters={"maintenance_factor": 0.25})
    row = rows_of(ask(A, changed, [case], "--json"))["own"]
    assert (row["maintenance_before"], row["maintenance_after"]) == pytest.approx((2_800, 3_300))


def test_DIFF_006_errors_are_listed_and_the_rest_is_compared(ask: Ask, changed: Path) -> None:
    blind = book("blind", 1.0)
    del blind["market"]["underlyings"]["BTC"]["perpetual"]
    del blind["market"]["underlyings"]["BTC"]["index_price"]
    lines = [
        BOOKS[0], "{", blind, book("nobody's", 1.0, method="unheard-of"),
        {"case": "other", "method": "okx-pm"}, book("odd", 1.0, parameters={"unheard": 1}),
    ]  # fmt: skip
    done = ask(A, changed, lines, "--json")
    assert done.code == 2
    cases = done.answer["cases"]
    assert [row["case"] for row in cases["accounts"]] == ["half"]
    assert (cases["summary"]["left_out"], cases["summary"]["errors"]) == (1, 4)
    found = {row["case"]: row["error"] for row in cases["errors"]}
    assert found[None]["code"] == "CASE-E01"
    assert found["nobody's"]["code"] == "CASE-E03"
    assert found["odd"]["code"] == "TERM-E14"
    assert found["blind"]["code"] == "METH-E01"
    assert found["blind"]["where"]["line"] == 3
    assert found["blind"]["where"]["under"] == "paradex-pm 2026.1"
    text = ask(A, changed, lines)
    assert text.code == 2
    assert "METH-E01 blind" in text.out
    assert "errors 4" in text.out
    assert ask(A, A, [BOOKS[0], lines[4]]).code == 0
    assert ask(A, changed, [BOOKS[0], lines[4]]).code == 1


def test_DIFF_007_two_methods_compare_the_cases_of_both(ask: Ask, tmp_path: Path) -> None:
    ratios = {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.05"}
    drift = later(tmp_path, "drift-v2", perpetual_markets={"ETH": ratios})
    base: dict[str, Any] = {
        "market": {
            "as_of": "2026-06-01T08:00:00Z",
            "underlyings": {"ETH": {"index_price": 1_500, "perpetual": {"mark_price": 1_500}}},
        },
        "account": {
            "balances": {"USDC": 200},
            "positions": [{"instrument": "ETH-PERPETUAL", "quantity": 2}],
        },
    }
    lines = [
        {"case": "a", "method": "derive-srm", **base},
        {"case": "b", "method": "drift-v2", **base},
    ]
    rows = rows_of(ask("derive-srm", drift, lines, "--json"))
    assert rows.keys() == {"a", "b"}
    for row in rows.values():
        assert row["initial_before"] == 195.0
        assert row["initial_after"] == "300.000000"
        assert float(row["initial_change"]) == 105.0
        assert float(row["maintenance_change"]) == 0.0
        assert row["flips"] == ["newly below initial"]
    back = rows_of(ask(drift, "derive-srm", lines, "--json"))
    assert back["a"]["initial_before"] == "300.000000"


def test_DIFF_007_a_method_without_requirements_has_no_verdict(ask: Ask) -> None:
    ranked = {
        "case": "r", "method": "bitmex-adl",
        "market": {"underlyings": {"BTC": {"perpetual": {"mark_price": 60_000}}}},
        "account": {"positions": []},
    }  # fmt: skip
    row = rows_of(ask("bitmex-adl", "bitmex-adl", [ranked], "--json"))["r"]
    assert (row["maintenance_change"], row["verdict_before"], row["flips"]) == (None, None, [])
    assert "–" in ask("bitmex-adl", "bitmex-adl", [ranked]).out


def test_DIFF_007_currencies_that_differ_are_told(ask: Ask) -> None:
    empty = {"case": "e", "method": "paradex-pm"}
    done = ask(A, "derive-srm", [empty], "--json")
    [error] = done.answer["cases"]["errors"]
    assert error["error"]["code"] == "CASE-E12"
    assert "USD before, in USDC after" in error["error"]["message"]


def test_DIFF_008_the_table_shows_forty_and_counts_the_rest(ask: Ask, changed: Path) -> None:
    lines = [book(f"account {i}", 11_500) for i in range(43)]
    lines[0]["case"] = "[red]name[/red]"
    text = ask(A, changed, lines).out
    assert "[red]name[/red]" in text
    assert "account 39" in text
    assert "account 40" not in text
    assert "and 3 more accounts" in text
    assert "11,200 → 11,700" in text
    assert "+2,740" in text
    assert "covered → below initial" in text
    assert "newly below initial 43, newly below maintenance 0" in text
    assert "all USD: initial 481,600 → 503,100, maintenance 240,800 → 358,620" in text
    assert len(rows_of(ask(A, changed, lines, "--json"))) == 43


def test_DIFF_009_stdin_processes_and_no_bar_in_a_pipe(
    ask: Ask, changed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    once = ask(A, changed, BOOKS, "--json")
    assert once.err == ""
    assert ask(A, changed, BOOKS, "--json", "--jobs", 2).out == once.out

    class Stream:
        buffer = io.BytesIO("\n".join(map(json.dumps, BOOKS)).encode())

    monkeypatch.setattr("sys.stdin", Stream())
    arguments = ("methods", "diff", A, changed, "--cases", "-", "--json")
    assert steelyard(monkeypatch, capsys, *arguments).out == once.out
    nowhere = steelyard(monkeypatch, capsys, *arguments[:4], "--cases", changed.parent / "none")
    assert nowhere.code == 2
    assert "CASE-E10" in nowhere.err
