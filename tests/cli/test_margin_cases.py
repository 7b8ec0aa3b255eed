"""`steelyard margin --cases`: published cases mixed, order, jobs, bad input, damaged lines, what is printed."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.cli import case_files
from steelyard.cli.case_lines import answers, read_line
from steelyard.cli.margin_cases import family, margin_cases_command
from steelyard.cli.margin_explain import margin_explain_command
from steelyard.terms.documents import documents
from steelyard.terms.documents.writing import toml_text
from tests.cli.margin_mutations import holder_of, mutated, places
from tests.support.method_cases import check_case

CASES = Path(__file__).resolve().parents[1] / "cases"
METHODS = (
    "binance-tiers", "bitmex-adl", "bybit", "deribit-pm", "deribit-sm", "derive-auction", "derive-pmrm",
    "derive-pmrm2", "derive-srm", "drift-v2", "dydx-v4", "okx-pm", "paradex-pm", "span", "tims", "vega",
)  # fmt: skip
CODE = re.compile(r"(CASE|METH|STAT|TERM)-E\d\d")
DOCUMENT_FAULTS = {
    "TERM-E10",
    "TERM-E11",
    "TERM-E12",
    "TERM-E20",
    "TERM-E21",
    "TERM-E22",
    "TERM-E23",
}
KEPT = ("case", "method", "method_version", "method_hash")
EXPLAINED = partial(margin_explain_command, as_json=True)
HASHES = ("method_hash", "parameters_hash")
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def texts_of(method: str) -> list[str]:
    text = (CASES / f"{method}.jsonl").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip()]


def mixed() -> list[str]:
    """Return every published line, the methods taking turns."""
    files = [texts_of(method) for method in METHODS]
    return [lines[i] for i in range(max(map(len, files))) for lines in files if i < len(lines)]


def case_of(name: str) -> dict[str, Any]:
    """Return the inputs of a published case."""
    found = next(case for line in mixed() if (case := json.loads(line))["case"] == name)
    return {k: v for k, v in found.items() if k not in ("expect", "tolerance", "derived")}


def changed(name: str, *path: str | int, to: Any = ...) -> str:
    """Return the line of a published case with one value changed or put in; `...` takes it out."""
    tree = copy.deepcopy(case_of(name))
    holder = holder_of(tree, path)
    if to is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = to
    return json.dumps(tree)


def told(line: str | bytes) -> dict[str, Any]:
    """Return the answer to one line, the seventh of its file."""
    text = line.encode() if isinstance(line, str) else line
    return answers([read_line(text, 7, family())], family())[0]


def ask(
    lines: list[str], folder: Path, capsys: pytest.CaptureFixture[str], jobs: int = 1
) -> tuple[int, list[Any]]:
    path = folder / "any-name.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    code = margin_cases_command(path, jobs)
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def steelyard(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steelyard.cli.app", "margin", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=240)


def test_MCAS_001_every_published_case_agrees_in_one_mixed_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = mixed()
    assert {json.loads(line)["method"] for line in lines} == set(METHODS)
    code, found = ask(lines, tmp_path, capsys)
    assert code == 0
    assert [each["case"] for each in found] == [json.loads(line)["case"] for line in lines]
    for line, answer in zip(lines, found, strict=True):
        check_case(line, answer)


def test_MCAS_002_what_is_expected_is_not_read() -> None:
    for line in mixed():
        case = json.loads(line)
        bare = {k: v for k, v in case.items() if k not in ("expect", "tolerance", "derived")}
        sound = told(json.dumps(bare))
        assert "error" not in sound
        for other in ("nonsense", None, {"equity": float(10**9), "native": []}):
            assert (
                told(json.dumps(bare | {"expect": other, "tolerance": 5, "derived": []})) == sound
            )


def test_MCAS_003_two_processes_print_the_same_bytes(tmp_path: Path) -> None:
    base = mixed()
    lines = [*base, "{", *base, changed("span-05", "method", to="unheard-of"), *base]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    done = [steelyard("--cases", str(path), "--jobs", jobs) for jobs in ("1", "2")]
    assert [each.returncode for each in done] == [2, 2], done[1].stderr
    assert done[0].stdout == done[1].stdout
    found = [json.loads(line) for line in done[0].stdout.splitlines()]
    assert len(found) == len(lines)
    assert [i for i, each in enumerate(found) if "error" in each] == [112, 225]


def test_MCAS_004_standard_input_and_exit_codes(tmp_path: Path) -> None:
    sound = json.dumps(case_of("paradex-pm-02"))
    done = steelyard("--cases", "-", text=sound + "\n\n" + sound + "\n")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2), done.stderr
    done = steelyard("--cases", "-", text="\n{\n" + sound + "\n")
    assert done.returncode == 2
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["error"]["where"] == {"line": 2}
    assert "error" not in second
    done = steelyard("--cases", str(tmp_path / "gone.jsonl"))
    assert done.returncode == 2
    assert "CASE-E10" in done.stderr


def test_MCAS_005_lines_are_answered_in_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_files, "CASES_AT_ONCE", 4)
    sizes: list[int] = []
    original = case_files.answers
    monkeypatch.setattr(
        case_files, "answers", lambda lines, of: sizes.append(len(lines)) or original(lines, of)
    )
    lines = [json.dumps(case_of("okx-pm-02") | {"case": i}) for i in range(10)]
    code, found = ask(lines, tmp_path, capsys)
    assert (code, sizes) == (0, [4, 4, 2])
    assert [each["case"] for each in found] == list(range(10))


def test_MCAS_006_result_keys_and_kinds_of_numbers() -> None:
    keys = {*KEPT, "currency", "equity", "initial_requirement", "maintenance_requirement", "native"}
    for line in mixed():
        answer = told(line)
        overrides = {"parameters_hash"} if json.loads(line).get("parameters") else set()
        assert keys | overrides >= answer.keys() >= {*KEPT, *overrides}
        assert re.fullmatch("[0-9a-f]{64}", answer["method_hash"])
        text = case_files._ENCODER.encode(answer).decode()
        assert "-0.0," not in text
        assert "-0.0}" not in text
        for name in ("initial_requirement", "maintenance_requirement"):
            if answer["method"] == "vega":
                assert type(answer.get(name, 0)) is int
            elif answer["method"] in ("dydx-v4", "drift-v2"):
                assert re.fullmatch(r"-?\d+\.\d{6}", answer.get(name, "0.000000"))
            else:
                assert type(answer.get(name, 0.0)) is float
        assert json.loads(text) == answer


def test_MCAS_007_parameters_of_one_line_do_not_reach_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = case_of("paradex-pm-02")
    other = base | {"parameters": {"maintenance_factor": 0.25}}
    code, (first, second, third) = ask(
        [json.dumps(each) for each in (base, other, base)], tmp_path, capsys
    )
    assert code == 0
    assert first == third
    assert second["maintenance_requirement"] != first["maintenance_requirement"]
    assert second["initial_requirement"] == first["initial_requirement"]


@pytest.mark.parametrize("command", [margin_cases_command, EXPLAINED])
def test_MCAS_008_overridden_parameters_have_a_hash_of_their_own(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = case_of("paradex-pm-02") | {"parameters": {}}
    other = base | {"parameters": {"maintenance_factor": 0.25}}
    path = tmp_path / "cases.jsonl"
    path.write_text(f"{json.dumps(base)}\n{json.dumps(other)}\n", encoding="utf-8")
    assert command(path) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    document = documents().get("paradex-pm")
    assert first["method_hash"] == second["method_hash"] == document.digest()
    assert "parameters_hash" not in first
    changed = document.with_parameters({"maintenance_factor": 0.25})
    assert second["parameters_hash"] == changed.digest() != document.digest()


def harbour_line() -> str:
    """Return a perpetual under the method of the examples' folder."""
    underlyings = {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}
    position = {"instrument": "BTC-PERPETUAL", "quantity": 1}
    return json.dumps(
        {
            "case": "own", "method": "harbour-pm",
            "market": {"as_of": "2026-06-01T08:00:00Z", "underlyings": underlyings},
            "account": {"balances": {"USDC": 20_000}, "positions": [position]},
        }
    )  # fmt: skip


def test_MCAS_009_a_folder_adds_methods_for_every_number_of_processes(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    lines = [harbour_line(), json.dumps(case_of("paradex-pm-02"))] * 150
    path.write_text("\n".join(lines), encoding="utf-8")
    folder = str(EXAMPLES)
    done = [
        steelyard("--cases", str(path), "--methods", folder, "--jobs", jobs) for jobs in ("1", "2")
    ]
    assert [each.returncode for each in done] == [0, 0], done[1].stderr
    assert done[0].stdout == done[1].stdout
    own, known = (json.loads(line) for line in done[0].stdout.splitlines()[:2])
    assert own["initial_requirement"] == 14_000.0  # half the price at a weight of 0.4
    assert own["method_hash"] == documents().with_folder(EXAMPLES).get("harbour-pm").digest()
    assert known["method_hash"] == documents().get("paradex-pm").digest()
    alone = steelyard("--cases", str(path))
    assert alone.returncode == 2
    assert json.loads(alone.stdout.splitlines()[0])["error"]["code"] == "CASE-E03"


def test_MCAS_009_a_newer_version_of_the_folder_answers_and_explains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = documents().get("paradex-pm")
    later = document.with_parameters({"maintenance_factor": 0.75})
    later = msgspec.structs.replace(later, version="2099.1", valid_from="2099-01-01T00:00:00Z")
    (tmp_path / "later.toml").write_text(toml_text(later), encoding="utf-8")
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(case_of("paradex-pm-02")), encoding="utf-8")
    told = {}
    for folder in (None, tmp_path):
        assert margin_cases_command(path, 1, folder) == 0
        told[folder] = json.loads(capsys.readouterr().out)
    assert told[tmp_path]["method_version"] == "2099.1"
    maintenance = [told[folder]["maintenance_requirement"] for folder in (None, tmp_path)]
    assert maintenance[1] == pytest.approx(1.5 * maintenance[0], rel=1e-12)
    assert EXPLAINED(path, 1, tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["method_hash"] == later.digest()


def test_MCAS_009_a_fault_of_the_folder_is_told_before_any_answer(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(case_of("paradex-pm-02")), encoding="utf-8")
    (tmp_path / "broken.toml").write_text("schema = 2", encoding="utf-8")
    for arguments in (["--methods", str(tmp_path)], ["--methods", str(tmp_path), "--explain"]):
        done = steelyard("--cases", str(path), *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "TERM-E11" in done.stderr
        assert "broken.toml" in done.stderr
    done = steelyard("--cases", str(path), "--methods", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "TERM-E10" in done.stderr
    done = steelyard(str(path), "--methods", str(EXAMPLES))
    assert done.returncode == 2
    assert "--cases" in done.stderr


ETH_DAY = ("market", "underlyings", "ETH", "expiries", 0)
BTC_DAY = ("market", "underlyings", "BTC", "expiries", 0)
BAD_LINES: dict[str, tuple[str, str, str | None]] = {
    "no object": ("[]", "CASE-E01", None),
    "cut off": (json.dumps(case_of("span-05"))[:200], "CASE-E01", None),
    "unknown method": (changed("span-05", "method", to="spam"), "CASE-E03", "method"),
    "no method": (changed("span-05", "method"), "CASE-E02", "method"),
    "no case": (changed("span-05", "case"), "CASE-E02", "case"),
    "positions no list": (changed("span-05", "account", "positions", to={}), "CASE-E02", "account.positions"),
    "quantity a text": (changed("span-05", "account", "positions", 0, "quantity", to="1"), "CASE-E02", "account.positions[0].quantity"),
    "no quantity": (changed("span-05", "account", "positions", 0, "quantity"), "CASE-E02", "account.positions[0].quantity"),
    "quantity NaN": (changed("span-05", "account", "positions", 0, "quantity", to=float("nan")), "CASE-E04", "account.positions[0].quantity"),
    "price infinite": (changed("derive-pmrm-01", "market", "underlyings", "ETH", "index_price", to=float("inf")), "CASE-E04", "market.underlyings.ETH.index_price"),
    "confidence above 1": (changed("derive-pmrm-01", *ETH_DAY, "confidence", to=1.5), "CASE-E04", "market.underlyings.ETH.expiries[0].confidence"),
    "negative mark": (changed("deribit-sm-07", "account", "positions", 0, "mark_price", to=-0.1), "CASE-E04", "account.positions[0].mark_price"),
    "bad name": (changed("span-05", "account", "positions", 0, "instrument", to="BTC-31FEB26-1-C"), "STAT-E02", "instrument"),
    "bad instant": (changed("span-05", "market", "as_of", to="yesterday"), "STAT-E01", "market.as_of"),
    "beyond the calendar": (changed("span-05", *BTC_DAY, "expiry", to="9999-12-31T23:59:59-10:00"), "STAT-E01", "expiry"),
    "no index": (changed("derive-pmrm-01", "market", "underlyings", "ETH", "index_price"), "METH-E01", "market.underlyings.ETH.index_price"),
    "index not above zero": (changed("derive-pmrm-01", "market", "underlyings", "ETH", "index_price", to=0), "METH-E01", "market.underlyings.ETH.index_price"),
    "no perpetual mark": (changed("okx-pm-02", "market", "underlyings", "BTC", "perpetual"), "METH-E01", "market.underlyings.BTC.perpetual.mark_price"),
    "unknown parameter": (changed("paradex-pm-02", "parameters", to={"maintenance_facto": 1}), "TERM-E14", "parameters.maintenance_facto"),
    "wrong kind of parameter": (changed("paradex-pm-02", "parameters", to={"maintenance_factor": "half"}), "TERM-E13", "parameters.maintenance_factor"),
    "parameter NaN": (changed("paradex-pm-02", "parameters", to={"maintenance_factor": float("nan")}), "CASE-E04", "parameters.maintenance_factor"),
    "empty coin account": ('{"case": 1, "method": "deribit-pm"}', "METH-E01", "market.underlyings"),
    "foreign balance": (changed("okx-pm-02", "account", "balances", "USDC", to=5), "METH-E04", "account.balances.USDC"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_LINES)
def test_MCAS_010_bad_line_names_line_field_rule_and_cure(what: str) -> None:
    line, code, field = BAD_LINES[what]
    answer = told(line)
    error = answer["error"]
    assert (error["code"], error["where"].get("field")) == (code, field), error
    assert error["where"]["line"] == 7
    assert all(error[name] for name in ("message", "rule", "cure"))
    assert answer.keys() == {"case", "method", "error"}


def test_MCAS_011_unknown_parameter_names_the_closest() -> None:
    error = told(BAD_LINES["unknown parameter"][0])["error"]
    assert "maintenance_factor" in error["message"] + error["rule"] + error["cure"]


def test_MCAS_012_every_method_refuses_what_stands_twice_and_what_has_no_end() -> None:
    for line in mixed():
        case = {k: v for k, v in json.loads(line).items() if k != "expect"}
        positions = case.get("account", {}).get("positions", [])
        if not positions or case["method"] in ("bitmex-adl", "vega"):  # these list several holders
            continue
        doubled = copy.deepcopy(case)
        doubled["account"]["positions"].append(positions[0])
        assert told(json.dumps(doubled))["error"]["code"] == "METH-E03", case["case"]
        endless = copy.deepcopy(case)
        exact = isinstance(positions[0]["quantity"], str)
        endless["account"]["positions"][0]["quantity"] = "1" + "0" * 308 if exact else 1e308
        answer = told(json.dumps(endless))
        if "error" in answer:
            assert answer["error"]["code"] in ("METH-E05", "CASE-E05"), answer
        else:
            assert_finite(answer)


def test_MCAS_013_rest_is_answered_beside_bad_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = json.dumps(case_of("tims-02"))
    bad = [line for line, _, _ in BAD_LINES.values()]
    lines = [each for line in bad for each in (line, sound)]
    code, found = ask(lines, tmp_path, capsys)
    assert code == 2
    assert all("error" in each for each in found[::2])
    assert [each["error"]["where"]["line"] for each in found[::2]] == list(range(1, len(lines), 2))
    assert all(each == told(sound) for each in found[1::2])


def test_MCAS_014_unknown_keys_are_left_alone() -> None:
    base = case_of("derive-pmrm2-001")
    more = copy.deepcopy(base) | {"venue": "x", "note": [1, {"a": None}]}
    for part in (more["market"], more["account"], *more["account"]["positions"]):
        part["further"] = {"x": 1}
    assert told(json.dumps(more)) == told(json.dumps(base))


@pytest.mark.parametrize("method", METHODS)
def test_MCAS_015_empty_account_owes_nothing_or_says_what_is_missing(method: str) -> None:
    for rest in ({}, {"market": {}, "account": {}}, {"account": {"balances": {}, "positions": []}}):
        answer = told(json.dumps({"case": 1, "method": method, **rest}))
        if "error" in answer:
            assert answer["error"]["where"]["field"] in ("auction", "market.underlyings")
            assert method in ("derive-auction", "deribit-pm", "deribit-sm")
        else:
            assert float(answer.get("initial_requirement", 0)) == 0.0
            assert float(answer.get("maintenance_requirement", 0)) == 0.0
            assert float(answer.get("equity", 0)) == 0.0


SCENARIO_METHODS = tuple(
    m for m in METHODS if m.startswith("deri") or m in ("okx-pm", "paradex-pm", "span", "tims")
)


@pytest.mark.parametrize("method", SCENARIO_METHODS)
def test_MCAS_016_missing_market_number_never_changes_an_answer(method: str) -> None:
    """What the sheets give a default (rate, confidence, fixed part, a settlement asset at 1) may."""
    dropped = 0
    for line in texts_of(method):
        case = {k: v for k, v in json.loads(line).items() if k not in ("expect", "tolerance")}
        sound = told(json.dumps(case))
        for path in places(case):
            if path[0] != "market" or _has_default(case, path):
                continue
            less = copy.deepcopy(case)
            del holder_of(less, path)[path[-1]]
            answer = told(json.dumps(less))
            if "error" in answer:
                dropped += 1
                assert answer["error"]["code"] in (
                    "METH-E01",
                    "METH-E02",
                    "METH-E04",
                    "CASE-E02",
                ), (
                    path,
                    answer,
                )
            else:
                assert answer == sound, path
    assert dropped > 2


def test_MCAS_018_a_balance_of_nothing_changes_nothing() -> None:
    refused = 0
    for line in mixed():
        case = json.loads(line)
        if "account" not in case or "balances" not in case["account"]:
            continue
        sound = told(line)
        for nothing in (0, -0.0):
            case["account"]["balances"]["UNHEARD"] = nothing
            assert told(json.dumps(case)) == sound, case["case"]
        case["account"]["balances"]["UNHEARD"] = 1e-9
        found = told(json.dumps(case))
        if "error" in found:
            assert found["error"]["code"] in ("METH-E04", "METH-E01"), found
            assert found["error"]["where"]["field"].split(".")[2] == "UNHEARD"
            refused += 1
        else:
            assert case["method"] in ("bitmex-adl", "drift-v2", "vega"), case["case"]
    assert refused > 50


def _has_default(case: dict[str, Any], path: tuple[str | int, ...]) -> bool:
    name = str(path[-1])
    settles = {"USDC", "USDT", "USD"}
    is_settlement = path[1:2] == ("assets",) and (len(path) == 2 or path[2] in settles)
    is_index_of_okx = (
        case["method"] == "okx-pm" and name == "index_price"
    )  # its default is the mark
    # Coins alone ask their underlying for the confidence of its index, which is 1 by default.
    is_idle = not case["account"].get("positions") and path[1:2] in ((), ("underlyings",))
    if is_settlement or is_index_of_okx or is_idle:
        return True
    return name.endswith(("rate", "confidence", "forward_fixed"))


def assert_finite(value: Any) -> None:
    """Raise AssertionError for a number, or a text of one, that is not finite."""
    if isinstance(value, dict):
        for inner in value.values():
            assert_finite(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_finite(inner)
    elif isinstance(value, float):
        assert isfinite(value)
    elif isinstance(value, str):
        assert not re.fullmatch(r"[+-]?(nan|inf|infinity)", value, re.IGNORECASE)
        if re.fullmatch(r"-?\d+\.\d+", value):
            assert Decimal(value).is_finite()


def test_MCAS_017_damaged_lines_are_answered_or_refused() -> None:
    cases = [json.loads(line) for line in mixed()]
    for case in cases:
        for name in ("expect", "tolerance", "derived"):
            case.pop(name, None)
    counts: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(4_000):
            answer = told(mutated(seed, cases, family().methods))
            if "error" not in answer:
                counts["answered"] += 1
                assert_finite({k: v for k, v in answer.items() if k not in (*KEPT, *HASHES)})
                assert answer.keys() > set(KEPT), seed
                continue
            error = answer["error"]
            counts[error["code"]] += 1
            assert CODE.fullmatch(error["code"]), seed
            is_of_parameter = str(error["where"].get("field")).startswith("parameters.")
            assert is_of_parameter or error["code"] not in DOCUMENT_FAULTS, (seed, error)
            assert error["where"]["line"] == 7
            assert all(error[name] for name in ("message", "rule", "cure")), seed
    assert counts["answered"] > 500
    assert len(counts) > 10, counts
