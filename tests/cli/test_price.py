"""`steelyard price`: published cases, cases worked out here, bad lines, one option."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steelyard.cli.case_files import LINE_BYTES_MAX
from steelyard.cli.price import Asked, cases_command, option_report
from steelyard.quantities.errors import InputError
from tests.cli import pricing_reference as reference

CASES = Path(__file__).resolve().parents[1] / "cases"
BSM = {"type": "call", "strike": 65.0, "spot": 60, "time_to_expiry": 0.25, "volatility": 0.3}
SOUND = {"case": "sound", "method": "bsm", "option": BSM}


def ask(
    text: str | bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[Any]]:
    """Return the exit code and the answers to the text of a file."""
    path = folder / "cases.jsonl"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    code = cases_command(path)
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def lines_of(cases: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(case) + "\n" for case in cases)


def disagreement(got: Any, want: Any, path: str, tolerance: Any) -> str | None:
    """Say how a result differs from what is expected, None if it does not."""
    if isinstance(want, dict):
        found = (
            disagreement(got.get(n), w, f"{path}.{n}".lstrip("."), tolerance)
            for n, w in want.items()
        )
        return next((each for each in found if each), None)
    if isinstance(want, list):
        if not isinstance(got, list) or len(got) != len(want):
            return f"{path}: {got} for {want}"
        found = (disagreement(g, w, path, tolerance) for g, w in zip(got, want, strict=True))
        return next((each for each in found if each), None)
    if isinstance(want, bool | str) or want is None:
        return None if got is want or (isinstance(want, str) and got == want) else f"{path}: {got}"
    allowed = tolerance.get("fields", {}).get(path, tolerance)
    slack = max(allowed.get("absolute", 0.0), allowed.get("relative", 0.0) * abs(want))
    is_near = (
        isinstance(got, int | float) and not isinstance(got, bool) and abs(got - want) <= slack
    )
    return None if is_near else f"{path}: {got!r} for {want!r}, {slack:.1e} allowed"


def assert_expected(cases: list[dict[str, Any]], answers: list[Any]) -> None:
    assert [answer["case"] for answer in answers] == [case["case"] for case in cases]
    found = {
        case["case"]: disagreement(answer, case["expect"], "", case["tolerance"])
        for case, answer in zip(cases, answers, strict=True)
    }
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("name", ["bsm", "black76", "implied-volatility", "heston", "svi"])
def test_CASE_001_published_cases(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = CASES / f"{name}.jsonl"
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    code = cases_command(path)
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 0
    assert len(cases) >= 2
    assert_expected(cases, answers)


def test_CASE_001_comparison_finds_a_difference() -> None:
    tolerance = {"relative": 1e-9, "fields": {"b": {"absolute": 0.1}}}
    want = {"a": 1.0, "b": 2.0, "c": [1.0], "d": True}
    assert disagreement({"a": 1.0, "b": 2.05, "c": [1.0], "d": True}, want, "", tolerance) is None
    changes: list[dict[str, Any]] = [
        {"a": 1.00001},
        {"b": 2.2},
        {"c": [1.0, 1.0]},
        {"d": 1},
        {"a": None},
    ]
    for change in changes:
        got = {"a": 1.0, "b": 2.0, "c": [1.0], "d": True} | change
        assert disagreement(got, want, "", tolerance), change


def spot_options() -> list[dict[str, Any]]:
    grid = itertools.product(
        ("call", "put"), (60, 100.5, 140.0), ((0.05, 0.2), (0.5, 0.35), (2, 0.9)),
        ({}, {"rate": 0.1, "dividend_yield": 0.03}, {"rate": -0.01}),
    )  # fmt: skip
    return [
        {"type": kind, "strike": strike, "spot": 100, "time_to_expiry": t, "volatility": v} | rates
        for kind, strike, (t, v), rates in grid
        if (t, strike) != (0.05, 60) and (t, strike) != (0.05, 140.0)
    ]


def test_CASE_002_every_result_is_a_derivative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tolerance = {"relative": 1e-9, "absolute": 1e-11}
    cases: list[dict[str, Any]] = []
    for option in spot_options():
        expect = reference.bsm(option)
        cases.append({"method": "bsm", "option": option, "expect": expect})
        forward = {n: v for n, v in option.items() if n not in ("spot", "dividend_yield")}
        forward["forward"] = option["spot"]
        if "rate" not in option:
            forward["settlement"] = "inverse"
        cases.append({"method": "black76", "option": forward, "expect": reference.black76(forward)})
    cases = [{"case": f"own-{i}", **c, "tolerance": tolerance} for i, c in enumerate(cases)]
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert code == 0
    assert sum("price_coin" in answer for answer in answers) == len(cases) // 6
    assert_expected(cases, answers)


def test_CASE_003_volatilities_come_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases: list[dict[str, Any]] = []
    for strike, time, volatility in [
        (100, 1.0, 0.2), (101, 1e-4, 0.6), (300, 0.1, 0.6), (30, 0.25, 0.8), (100, 1 / 8760, 1.5),
        (140, 0.05, 0.3), (90, 5, 2.0), (100.0001, 2, 0.01),
    ]:  # fmt: skip
        is_call = strike >= 100
        price, volatility = reference.rounded_price(is_call, 100, strike, volatility, time)
        option = {
            "type": "call" if is_call else "put",
            "strike": strike,
            "forward": 100,
            "time_to_expiry": time,
        }
        expect = {"implied_volatility": volatility, "status": "solved"}
        cases.append(
            {"method": "implied-volatility", "option": option | {"price": price}, "expect": expect}
        )
    cases = [
        {"case": f"own-{i}", **c, "tolerance": {"relative": 1e-11}} for i, c in enumerate(cases)
    ]
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert code == 0
    assert_expected(cases, answers)
    option = {"type": "call", "strike": 90, "forward": 100, "time_to_expiry": 1, "price": 10}
    case = {"case": "x", "method": "implied-volatility", "option": option}
    _, (answer,) = ask(lines_of([case]), tmp_path, capsys)
    assert (answer["implied_volatility"], answer["status"]) == (0.0, "at_intrinsic")


def test_CASE_004_heston_is_discounted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("initial_variance", "mean_reversion", "long_run_variance", "vol_of_vol", "correlation")
    cases: list[dict[str, Any]] = []
    for numbers, kind, strike, time, rate in [
        ((0.04, 4, 0.25, 1.0, -0.5), "put", 80, 1, 0.05),
        ((0.09, 1.5, 0.06, 0.4, 0.3), "call", 120, 0.5, 0.0),
        ((0.1, 2.0, 0.05, 0.8, -0.7), "call", 70, 2, 0.02),
    ]:
        model = dict(zip(names, numbers, strict=True))
        option = {
            "type": kind,
            "strike": strike,
            "spot": 100,
            "rate": rate,
            "dividend_yield": 0.01,
            "time_to_expiry": time,
        }
        price, volatility = reference.heston(model, option)
        base = {"method": "heston", "model": model, "option": option}
        cases.append(base | {"expect": {"price": price}})
        both = {"price": price, "implied_volatility": volatility}
        cases.append(base | {"outputs": ["price", "implied_volatility"], "expect": both})
    fields = {"implied_volatility": {"absolute": 1e-9}}
    tolerance = {"absolute": 1e-8, "fields": fields}
    cases = [{"case": f"own-{i}", **c, "tolerance": tolerance} for i, c in enumerate(cases)]
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert code == 0
    assert ["implied_volatility" in answer for answer in answers] == [False, True] * 3
    assert_expected(cases, answers)


def test_CASE_005_every_check_of_svi(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fields = {name: {"absolute": 2e-3} for name in ("argmin_k", "negative_interval")}
    tolerance = {"absolute": 1e-6, "relative": 1e-9, "fields": fields}
    cases = [
        {"case": f"own-{i}", "method": "svi", **case, "tolerance": tolerance}
        | {"expect": reference.svi(case)}
        for i, case in enumerate(reference.svi_cases())
    ]
    assert len({case["check"] for case in cases}) == 7
    assert len({case["expect"].get("butterfly_arbitrage") for case in cases}) == 3
    code, answers = ask(lines_of(cases), tmp_path, capsys)
    assert code == 0
    assert_expected(cases, answers)


def test_CASE_006_what_is_expected_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    further: list[dict[str, Any]] = [
        {}, {"expect": {"price": 1e9}, "tolerance": {"absolute": 0}, "source": "a book"},
        {"expect": "nonsense", "tolerance": None, "derived": True},
    ]  # fmt: skip
    _, answers = ask(lines_of([SOUND | each for each in further]), tmp_path, capsys)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["price"] > 0.0


def option_with(**changes: Any) -> str:
    option = {n: v for n, v in (BSM | changes).items() if v is not None}
    return json.dumps({"case": "bad", "method": "bsm", "option": option})


BELOW = {"type": "call", "strike": 50, "forward": 100, "time_to_expiry": 1, "price": 49}
SMILE = {"a": 0.04, "b": 0.1, "rho": 2.0, "m": 0.0, "sigma": 0.1}
HESTON = {
    "initial_variance": 0.04,
    "mean_reversion": 1,
    "long_run_variance": 0.04,
    "vol_of_vol": 0.2,
}
BAD_LINES = [
    ("{", "CASE-E01", None, None),
    ("[1]", "CASE-E01", None, None),
    ('"bad"', "CASE-E01", None, None),
    ('{"case":' + "[" * 200_000, "CASE-E01", None, None),
    (option_with(strike=float("nan")), "CASE-E04", "option.strike", "bad"),
    (option_with(strike=float("inf")), "CASE-E04", "option.strike", "bad"),
    (option_with(strike=-1.0), "CASE-E04", "option.strike", "bad"),
    (option_with(strike=0), "CASE-E04", "option.strike", "bad"),
    (option_with(spot=-5), "CASE-E04", "option.spot", "bad"),
    (option_with(time_to_expiry=-0.1), "CASE-E04", "option.time_to_expiry", "bad"),
    (option_with(volatility=-0.1), "CASE-E04", "option.volatility", "bad"),
    (option_with(strike=None), "CASE-E02", "option.strike", "bad"),
    (option_with(strike="65"), "CASE-E02", "option.strike", "bad"),
    (option_with(strike=True), "CASE-E02", "option.strike", "bad"),
    (option_with(type="CALL"), "CASE-E02", "option.type", "bad"),
    (option_with(strike=1).replace('"strike": 1', '"strike": 1e999'), "CASE-E02", "option.strike", "bad"),
    (option_with(rate=1e6), "CASE-E05", "price", "bad"),
    ('{"case": "bad", "method": "bsm"}', "CASE-E02", "option", "bad"),
    ('{"case": "bad", "method": "bsm", "option": 5}', "CASE-E02", "option", "bad"),
    ('{"case": "bad"}', "CASE-E02", "method", "bad"),
    ('{"case": "bad", "method": "span"}', "CASE-E03", "method", "bad"),
    ('{"case": "bad", "method": "svi"}', "CASE-E03", "check", "bad"),
    ('{"case": "bad", "method": "svi", "check": "wings"}', "CASE-E03", "check", "bad"),
    (json.dumps({"method": "bsm", "option": BSM}), "CASE-E02", "case", None),
    (json.dumps({"case": [1], "method": "bsm", "option": BSM}), "CASE-E02", "case", None),
    (json.dumps({"case": "bad", "method": "implied-volatility", "option": BELOW}), "CASE-E05", "option.price", "bad"),
    (json.dumps({"case": "bad", "method": "svi", "check": "butterfly", "smile": SMILE}), "SVIS-E01", "smile.rho", "bad"),
    (json.dumps({"case": "bad", "method": "svi", "check": "calendar", "near": SMILE | {"rho": 0}, "far": SMILE}), "SVIS-E01", "far.rho", "bad"),
    (json.dumps({"case": "bad", "method": "svi", "check": "butterfly", "smile": SMILE | {"a": -9, "rho": 0}}), "SVIS-E04", "smile.a", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON | {"correlation": -1.5}, "option": BSM}), "CASE-E04", "model.correlation", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON, "option": BSM}), "CASE-E02", "model.correlation", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON | {"correlation": 0}, "option": BSM, "outputs": ["delta"]}), "CASE-E02", "outputs[0]", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON | {"correlation": 0}, "option": BSM, "outputs": []}), "CASE-E02", "outputs", "bad"),
    (json.dumps({"case": "bad", "method": "implied-volatility", "option": BELOW | {"time_to_expiry": 0, "price": 51}}), "CASE-E05", "option.time_to_expiry", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON | {"correlation": 0}, "option": BSM | {"time_to_expiry": 0}, "outputs": ["implied_volatility"]}), "CASE-E05", "option.time_to_expiry", "bad"),
    (json.dumps({"case": "bad", "method": "heston", "model": HESTON | {"correlation": 0}, "option": BSM | {"strike": 1e6}, "outputs": ["implied_volatility"]}), "CASE-E05", "option.strike", "bad"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "field", "case"), BAD_LINES)
def test_CASE_010_bad_line_is_answered_with_its_error(
    line: str,
    code: str,
    field: str | None,
    case: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sound = json.dumps(SOUND)
    exit_code, answers = ask(f"{sound}\n{line}\n{sound}\n", tmp_path, capsys)
    assert exit_code == 2
    assert answers[0] == answers[2]
    assert answers[0]["price"] > 0.0
    assert answers[1]["case"] == case
    error = answers[1]["error"]
    assert error["code"] == code, error
    assert error["where"] == {"line": 2} | ({"field": field} if field else {}), error
    assert all(error[name] for name in ("message", "rule", "cure"))


def test_CASE_011_blank_lines_are_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = json.dumps(SOUND)
    text = f"\ufeff{sound}\r\n\r\n   \n{sound}\n\n{{\n{sound}"
    code, answers = ask(text, tmp_path, capsys)
    assert code == 2
    assert [answer["case"] for answer in answers] == ["sound", "sound", None, "sound"]
    assert answers[2]["error"]["where"] == {"line": 6}
    assert ask("\n \n", tmp_path, capsys) == (0, [])


@pytest.mark.parametrize("end", ["\n", ""])
def test_CASE_012_long_line_is_refused(
    end: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = json.dumps(SOUND)
    whole = sound + " " * (LINE_BYTES_MAX - len(sound) - 1) + "\n"
    long = sound + " " * (3 * LINE_BYTES_MAX) + end
    code, answers = ask(whole + sound + "\n" + long + (sound if end else ""), tmp_path, capsys)
    assert code == 2
    assert answers[2]["error"]["code"] == "CASE-E06"
    assert answers[2]["error"]["where"] == {"line": 3}
    assert [i for i, answer in enumerate(answers) if "error" in answer] == [2]
    assert len(answers) == (4 if end else 3)


def test_CASE_013_long_file_is_answered_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = []
    for name in ("bsm", "black76", "implied-volatility", "svi"):
        text = (CASES / f"{name}.jsonl").read_text(encoding="utf-8")
        base += [json.loads(line) for line in text.splitlines()]
    base = [case for case in base if case.get("check") not in ("butterfly", "calendar")]
    alone = [ask(lines_of([case]), tmp_path, capsys)[1][0] for case in base]
    many = [base[i % len(base)] | {"case": i} for i in range(10_000)]
    code, answers = ask(lines_of(many), tmp_path, capsys)
    assert code == 0
    assert answers == [alone[i % len(base)] | {"case": i} for i in range(10_000)]


def test_CASE_016_jobs_change_no_byte(tmp_path: Path) -> None:
    many = "".join(
        json.dumps(SOUND | {"case": i}) + "\n" + "{\n" * (i % 97 == 5) for i in range(600)
    )
    path = tmp_path / "cases.jsonl"
    path.write_text(many, encoding="utf-8")
    one, two = (steelyard("--cases", str(path), "--jobs", jobs) for jobs in ("1", "2"))
    assert (one.returncode, two.returncode) == (2, 2), two.stderr
    assert one.stdout == two.stdout
    assert one.stdout.count("\n") == 607
    assert steelyard("--cases", str(path), "--jobs", "0").returncode == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*BSM, "case", "method", "option", "smile"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=40).map(lambda b: b.replace(b"\n", b""))
        | JSON.map(lambda tree: json.dumps(tree).encode())
        | st.tuples(st.sampled_from(sorted(BSM)), JSON).map(
            lambda pair: json.dumps(SOUND | {"option": BSM | {pair[0]: pair[1]}}).encode()
        ),
        max_size=6,
    )
)
def test_CASE_014_whatever_a_line_holds_it_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[bytes]
) -> None:
    code, answers = ask(b"\n".join(lines), tmp_path, capsys)
    counted = [
        line
        for i, line in enumerate(lines)
        if (line.removeprefix(b"\xef\xbb\xbf") if i == 0 else line).strip()
    ]
    assert len(answers) == len(counted)
    assert code == (2 if any("error" in answer for answer in answers) else 0)


def steelyard(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steelyard.cli.app", "price", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120)


def test_CASE_015_stdin_is_a_file_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    done = steelyard("--cases", "-", text=lines_of([SOUND]) + "{\n")
    assert done.returncode == 2, done.stderr
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["case"] == "sound"
    assert second["error"]["where"] == {"line": 2}
    gone = steelyard("--cases", str(tmp_path / "gone.jsonl"))
    assert gone.returncode == 2
    assert "CASE-E10" in gone.stderr


def asked(**changes: Any) -> Asked:
    names = Asked.__slots__
    base: dict[str, Any] = dict.fromkeys(names)
    base |= {"is_call": True, "rate": 0.0, "dividend_yield": 0.0, "inverse": False}
    base |= {"forward": 60_000.0, "strike": 65_000.0, "volatility": 0.6, "days": 30.0}
    return Asked(**(base | changes))


def test_CASE_020_one_option_is_priced() -> None:
    report = option_report(asked(inverse=True))
    option = {"type": "call", "strike": 65_000.0, "forward": 60_000.0, "time_to_expiry": 30 / 365}
    exact = reference.black76(option | {"volatility": 0.6, "settlement": "inverse"})
    assert report["price"] == pytest.approx(exact["price"], rel=1e-12)
    assert report["price_coin"] == pytest.approx(exact["price_coin"], rel=1e-12)
    assert report["vega"] == pytest.approx(exact["vega"] / 100, rel=1e-11)
    assert report["theta"] == pytest.approx(exact["theta"] / 365, rel=1e-11)
    spot = option_report(
        asked(forward=None, spot=60_000.0, rate=0.05, dividend_yield=0.01, is_call=False)
    )
    option = {"type": "put", "strike": 65_000.0, "spot": 60_000.0, "time_to_expiry": 30 / 365}
    exact = reference.bsm(option | {"volatility": 0.6, "rate": 0.05, "dividend_yield": 0.01})
    assert spot["price"] == pytest.approx(exact["price"], rel=1e-12)
    assert spot["rho"] == pytest.approx(exact["rho"] / 100, rel=1e-11)


def test_CASE_020_table_and_json_tell_the_same() -> None:
    option = "--put --forward 60000 --strike 54000 --volatility 0.65 --days 30".split()
    table = steelyard(*option)
    assert table.returncode == 0, table.stderr
    assert "1,887.610432" in table.stdout
    done = steelyard(*option, "--json")
    assert json.loads(done.stdout)["price"] == pytest.approx(1887.610432268160, rel=1e-13)


def test_CASE_021_price_gives_the_volatility() -> None:
    price = option_report(asked())["price"]
    report = option_report(asked(volatility=None, price=price))
    assert report["volatility"] == pytest.approx(0.6, rel=1e-12)
    assert report["status"] == "solved"
    spot = {"forward": None, "spot": 60_000.0, "rate": 0.05, "dividend_yield": 0.01}
    price = option_report(asked(**spot))["price"]
    report = option_report(asked(**spot, volatility=None, price=price))
    assert report["volatility"] == pytest.approx(0.6, rel=1e-12)
    with pytest.raises(InputError, match="CASE-E05"):
        option_report(asked(volatility=None, price=70_000.0))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"strike": None}, "strike"),
        ({"days": None}, "days"),
        ({"spot": 1.0}, "forward"),
        ({"forward": None}, "forward"),
        ({"price": 1.0}, "volatility"),
        ({"volatility": None}, "volatility"),
        ({"strike": -1.0}, "strike"),
        ({"strike": 0.0}, "strike"),
        ({"days": -1.0}, "days"),
        ({"volatility": float("nan")}, "volatility"),
        ({"rate": float("inf")}, "rate"),
    ],
)
def test_CASE_022_faulty_option_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as raised:
        option_report(asked(**changes))
    assert (raised.value.code, raised.value.where["field"]) == ("CASE-E11", field)
