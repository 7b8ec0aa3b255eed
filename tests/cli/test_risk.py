"""`steelyard risk --cases`: published cases, every branch, bad lines, order, jobs, whatever a line holds."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.cli import case_files
from steelyard.cli.risk import risk_command
from tests.cli.test_price import assert_expected, lines_of

CASES = Path(__file__).resolve().parents[1] / "cases"
METHODS = ("var-es-historical", "var-es-parametric", "coverage-tests", "bond", "cds")


def ask(
    text: str | bytes, folder: Path, capsys: pytest.CaptureFixture[str], jobs: int = 1
) -> tuple[int, list[Any]]:
    path = folder / "cases.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    code = risk_command(path, jobs)
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def published(name: str) -> list[dict[str, Any]]:
    text = (CASES / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def case_of(case: str) -> dict[str, Any]:
    """Return the inputs of a published case."""
    method = case.rpartition("-")[0]
    found = next(each for each in published(method) if each["case"] == case)
    return {
        n: copy.deepcopy(v) for n, v in found.items() if n not in ("expect", "tolerance", "derived")
    }


@pytest.mark.parametrize("name", METHODS)
def test_RISK_070_published_cases(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = published(name)
    for case in cases:
        if case["tolerance"] == "exact":
            case["tolerance"] = {}
    code = risk_command(CASES / f"{name}.jsonl")
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert len(cases) >= 3
    assert all("native" not in answer for answer in answers)
    assert_expected(cases, answers)


def test_RISK_071_every_question_gets_its_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = {
        "var-es-historical-07": "value_at_risk expected_shortfall",
        "var-es-parametric-04": "standard_deviation value_at_risk expected_shortfall",
        "var-es-parametric-13": "variance volatility",
        "var-es-parametric-14": "variance volatility long_run_variance",
        "coverage-tests-01": "accept_min accept_max",
        "coverage-tests-17": "likelihood_ratio p_value reject",
        "coverage-tests-16": "pi0 pi1 pi lr_independence lr_conditional_coverage",
        "coverage-tests-d1": "pi0 pi1 pi lr_independence",
        "coverage-tests-25": "cumulative_probability zone plus_factor",
        "bond-05": "price yield_continuous duration rate_01",
        "bond-06": "clean_price",
        "cds-02": "payments payoff accrual fair_spread",
        "cds-03": "upfront",
    }
    code, answers = ask(lines_of([case_of(name) for name in expected]), tmp_path, capsys)
    assert code == 0
    for answer, (name, keys) in zip(answers, expected.items(), strict=True):
        assert answer.keys() == {"case", "method", *keys.split()}, name
    longer = case_of("coverage-tests-29") | {"observations": 500.0}
    code, (answer,) = ask(lines_of([longer]), tmp_path, capsys)
    assert "plus_factor" not in answer
    assert answer["zone"] == "green"
    few = case_of("coverage-tests-01") | {
        "observations": 3,
        "tail_probability": 0.5,
        "test_confidence": 0.01,
    }
    code, (answer,) = ask(lines_of([few]), tmp_path, capsys)
    assert (answer["accept_min"], answer["accept_max"]) == (None, None)


def test_RISK_072_what_is_expected_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = case_of("bond-04")
    further: list[dict[str, Any]] = [
        {}, {"expect": {"price": 1e9}, "tolerance": {"absolute": 0}}, {"expect": "nonsense", "derived": 5},
    ]  # fmt: skip
    code, answers = ask(lines_of([sound | each for each in further]), tmp_path, capsys)
    assert code == 0
    assert answers[0] == answers[1] == answers[2]


def changed(case: str, path: str, value: Any) -> str:
    """Return the line of a published case with one value changed; ... takes it out."""
    tree = case_of(case) | {"case": "bad"}
    holder: Any = tree
    *names, last = path.split("/")
    for name in names:
        holder = holder[int(name) if isinstance(holder, list) else name]
    if value is ...:
        del holder[last]
    else:
        holder[int(last) if isinstance(holder, list) else last] = value
    return json.dumps(tree)


BAD_LINES = [
    ("{", "CASE-E01", None),
    ('{"case": "bad", "method": "bsm"}', "CASE-E03", "method"),
    (changed("var-es-historical-07", "pnl", []), "RISK-E01", "pnl"),
    (changed("var-es-historical-07", "pnl", ...), "CASE-E02", "pnl"),
    (changed("var-es-historical-07", "pnl/3", "1"), "CASE-E02", "pnl[3]"),
    (changed("var-es-historical-07", "pnl/3", float("nan")), "CASE-E04", "pnl[3]"),
    (changed("var-es-historical-07", "confidence", 95), "RISK-E01", "confidence"),
    (changed("var-es-parametric-d1", "correlations", ...), "RISK-E01", "correlations"),
    (changed("var-es-parametric-d1", "correlations/0/1", 2), "RISK-E01", "correlations[0][1]"),
    (changed("var-es-parametric-d1", "correlations", [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]), "RISK-E01", "correlations"),
    (changed("var-es-parametric-04", "degrees_of_freedom", ...), "RISK-E01", "degrees_of_freedom"),
    (changed("var-es-parametric-04", "distribution", "cauchy"), "CASE-E02", "distribution"),
    (changed("var-es-parametric-13", "volatility_update/model", "arch"), "CASE-E03", "volatility_update.model"),
    (changed("var-es-parametric-13", "volatility_update/model", ...), "CASE-E03", "volatility_update.model"),
    (changed("var-es-parametric-13", "volatility_update", 5), "CASE-E02", "volatility_update"),
    (changed("var-es-parametric-13", "volatility_update/lambda", 1.5), "RISK-E01", "volatility_update.lambda"),
    (changed("var-es-parametric-13", "volatility_update/return", float("inf")), "CASE-E04", "volatility_update.return"),
    (changed("var-es-parametric-14", "volatility_update/beta", ...), "CASE-E02", "volatility_update.beta"),
    (changed("coverage-tests-17", "test", "basel"), "CASE-E03", "test"),
    (changed("coverage-tests-17", "test", ...), "CASE-E03", "test"),
    (changed("coverage-tests-17", "exceptions", 251), "RISK-E01", "exceptions"),
    (changed("coverage-tests-17", "tail_probability", 0), "RISK-E01", "tail_probability"),
    (changed("coverage-tests-25", "exceptions", ...), "CASE-E02", "exceptions"),
    (changed("coverage-tests-d1", "transitions/n10", -1), "RISK-E01", "transitions.n10"),
    (changed("coverage-tests-d1", "transitions/n10", ...), "CASE-E02", "transitions.n10"),
    (changed("bond-05", "curve/zero_rates/2", ...), "RISK-E01", "curve.zero_rates"),
    (changed("bond-05", "curve/zero_rates/x", 0.1), "RISK-E01", "curve.zero_rates.x"),
    (changed("bond-05", "curve/flat_rate", 0.1), "RISK-E01", "curve.flat_rate"),
    (changed("bond-04", "curve/flat_rate", ...), "RISK-E01", "curve.flat_rate"),
    (changed("bond-04", "curve/flat_rate", -1e6), "CASE-E05", None),
    (changed("bond-04", "bond/time_to_maturity", 5.2), "RISK-E01", "bond.time_to_maturity"),
    (changed("bond-04", "bond", [1]), "CASE-E02", "bond"),
    (changed("bond-06", "bond/payment_date", "2026-13-01"), "CASE-E02", "bond.payment_date"),
    (changed("bond-06", "bond/payment_date", "2026-01-01"), "RISK-E01", "bond.payment_date"),
    (changed("bond-06", "bond/coupon_frequency", 2), "RISK-E01", "bond.coupon_frequency"),
    (changed("bond-06", "curve/day_count", "actual/365"), "CASE-E02", "curve.day_count"),
    (changed("cds-02", "convention", ...), "CASE-E03", "convention"),
    (changed("cds-02", "cds/time_to_maturity", 2.5), "RISK-E01", "cds.time_to_maturity"),
    (changed("cds-03", "cds/side", "sell_protection"), "CASE-E02", "cds.side"),
    (changed("cds-03", "cds/recovery", 1), "RISK-E01", "cds.recovery"),
    (changed("cds-03", "cds/maturity_date", "2009-05-21"), "RISK-E01", "cds.maturity_date"),
    (changed("cds-03", "curve/trade_date", "1009-05-21"), "RISK-E01", "curve.trade_date"),
    (changed("cds-03", "curve/swaps_years/0", [2]), "CASE-E02", "curve.swaps_years[0]"),
    (changed("cds-03", "curve/swaps_years/0/0", 1), "RISK-E01", "curve.swaps_years[0]"),
    (changed("cds-03", "curve/deposits_months/1/1", 1e300), "RISK-E02", "curve.deposits_months[1]"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "field"), BAD_LINES)
def test_RISK_073_bad_line_is_answered_with_its_error(
    line: str, code: str, field: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = json.dumps(case_of("bond-04"))
    exit_code, answers = ask(f"{sound}\n{line}\n{sound}\n", tmp_path, capsys)
    assert exit_code == 2
    assert answers[0] == answers[2]
    assert answers[0]["price"] > 0.0
    error = answers[1]["error"]
    assert (error["code"], error["where"]) == (
        code,
        {"line": 2} | ({"field": field} if field else {}),
    ), error
    assert all(error[name] for name in ("message", "rule", "cure"))


def test_RISK_074_order_is_kept_for_every_number_of_jobs(tmp_path: Path) -> None:
    base = [
        case
        for name in METHODS
        for case in published(name)
        if case["case"] != "var-es-historical-03"
    ]
    lines = [json.dumps(base[i % len(base)] | {"case": i}) for i in range(1_000)]
    lines[500] = "{"
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    done = [steelyard("--cases", str(path), "--jobs", jobs) for jobs in ("1", "2")]
    assert [each.returncode for each in done] == [2, 2], done[1].stderr
    assert done[0].stdout == done[1].stdout
    ids = [json.loads(line)["case"] for line in done[0].stdout.splitlines()]
    assert ids == [i if i != 500 else None for i in range(1_000)]


def test_RISK_075_stream_is_answered_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    done = steelyard("--cases", "-", text=lines_of([case_of("cds-02")]) + "\n{\n")
    assert done.returncode == 2, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["case"] == "cds-02"
    assert second["error"]["where"] == {"line": 3}
    assert "CASE-E10" in steelyard("--cases", str(tmp_path / "gone.jsonl")).stderr
    assert steelyard().returncode == 2


def test_RISK_075_stream_is_read_in_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_files, "CASES_AT_ONCE", 3)
    monkeypatch.setattr(case_files, "BYTES_AT_ONCE", 2_000)
    cases = [case_of("var-es-historical-03") | {"case": i} for i in range(4)]
    cases += [case_of("bond-04") | {"case": 4 + i} for i in range(8)]
    sizes: list[int] = []
    original = case_files.answers
    monkeypatch.setattr(
        case_files,
        "answers",
        lambda lines, family: sizes.append(len(lines)) or original(lines, family),
    )
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert code == 0
    assert [answer["case"] for answer in answers] == list(range(12))
    assert sizes == [1, 1, 1, 1, 3, 3, 2]


def test_RISK_076_long_history_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pnl = [((i * 7919) % 200_003) - 100_001.25 for i in range(200_003)]
    line = json.dumps(
        {"case": "long", "method": "var-es-historical", "pnl": pnl, "confidence": 0.99}
    )
    assert len(line) > case_files.LINE_BYTES_MAX
    code, (answer,) = ask(line, tmp_path, capsys)
    assert code == 0
    assert answer["value_at_risk"] == 100_001.25 - 2_000
    assert answer["expected_shortfall"] == 100_001.25 - 1_000


VALUES = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.just([])
    | st.sampled_from([0, -1, 1e-300, 1e300, -1e9, 0.5, 10**30, {}, [[1]], "2300-01-01", "0001-01-01"])
)  # fmt: skip
CODES = {"CASE-E01", "CASE-E02", "CASE-E03", "CASE-E04", "CASE-E05", "RISK-E01", "RISK-E02"}


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value below a tree."""
    inner = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    return [
        each for name, value in inner for each in [(*path, name), *places(value, (*path, name))]
    ]


SEEDS = [
    case_of(each["case"]) for name in METHODS for each in published(name) if each["case"] != "var-es-historical-03"
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a published case with one or two values replaced or taken out."""
    tree = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([each for each in places(tree) if each[0] != "case"]))
        holder: Any = tree
        for name in path[:-1]:
            holder = holder[name]
        if draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(draw(VALUES))
        else:
            del holder[path[-1]]
    return tree


@settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.lists(mutated(), min_size=1, max_size=4))
def test_RISK_077_whatever_a_line_holds_it_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cases: list[dict[str, Any]]
) -> None:
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert [answer["case"] for answer in answers] == [case["case"] for case in cases]
    assert code == (2 if any("error" in answer for answer in answers) else 0)
    for answer in answers:
        if "error" in answer:
            assert answer["error"]["code"] in CODES
            assert all(answer["error"][name] for name in ("message", "rule", "cure"))


def steelyard(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steelyard.cli.app", "risk", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)
