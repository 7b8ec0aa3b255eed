"""The page of methods as documents says what the code says, and its example margins without code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.core import resolving, rules
from steelyard.margin.methods.core.answering import _TELLERS
from steelyard.margin.methods.core.expressions import _BINARY, _COMPARE, PUBLIC, formula
from steelyard.margin.methods.core.instruments import (
    INSTRUMENT_NAMES,
    KIND_NAMES,
    MARKET_NAMES,
)
from steelyard.margin.methods.core.scenarios import DIRECTIONS, Scenarios
from steelyard.margin.methods.registry import CORES, margin_of
from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument, documents, lint, load_document, parse_document
from steelyard.terms.documents.units import UNITS
from steelyard.terms.stated import Account, Case, Expiry, Market, Perpetual, Position, Underlying

ROOT = Path(__file__).resolve().parents[2]
PAGE = "\n".join(
    (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("methods.md", "stated-books.md")
)
HARBOUR = ROOT / "docs" / "examples" / "harbour-pm.toml"
SCRIPT = Path(sysconfig.get_path("scripts")) / "steelyard"
NAME = re.compile(r"`([^`]+)`")
AS_OF = "2026-06-01T08:00:00Z"


def section(title: str) -> str:
    """Return the text under a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no section {title!r}"
    return found[1]


def tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Return (title of the first column, rows of cells) of each table in a text."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.split("\n")]
        found.append((rows[0][0], [row for row in rows[2:] if len(row) > 1]))
    return found


def firsts(text: str) -> list[str]:
    """Return the names in the first columns of the tables of a text."""
    return [name for _, rows in tables(text) for row in rows for name in NAME.findall(row[0])]


def fenced(language: str, text: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def same(listed: list[str], known: set[str] | frozenset[str]) -> None:
    assert len(listed) == len(set(listed)), "a name stands twice"
    assert set(listed) == set(known)


def test_MDOC_001_names_of_the_scopes() -> None:
    under, expiry, instrument, leg, account = (
        firsts(section(f"Names of {what}"))
        for what in ("an underlying", "an expiry", "an instrument", "a leg", "an account")
    )
    same(under, resolving.GIVEN[resolving.UNDERLYING])
    same(expiry, resolving.GIVEN[resolving.EXPIRY])
    same(instrument, {*INSTRUMENT_NAMES, *KIND_NAMES, "model_value", "model_delta"})
    same([*instrument, *leg], resolving.GIVEN[resolving.LEG] | {"model_delta"})
    same(account, resolving.GIVEN[resolving.ACCOUNT])
    assert {*under, *expiry, *instrument} >= MARKET_NAMES


def test_MDOC_001_names_of_a_scenario() -> None:
    row: dict[str, Any] = {"m": 0.0, "s": 1.0, "move": 0.0, "weight": 1.0, "option_weight": 1.0}
    row |= {"direction": "none", "tag": "standard"}
    known = set(Scenarios([row]).columns()) - {"is_standard"}
    same(firsts(section("Names of a scenario")), known)


def test_MDOC_002_functions_and_operators() -> None:
    text = section("Formulas")
    same(firsts(text), set(PUBLIC))
    for operator in [*"+-*/", "<", "<=", ">", ">=", "==", "!="]:
        assert operator in " ".join(NAME.findall(text)).split()
        assert formula(f"a {operator} b", "here").names == ("a", "b")
    assert len(_BINARY) == 4
    assert len(_COMPARE) == 6
    for refused in ("a.b", "a[0]", "a ** b", "a < b < c", "open(a)", "lambda: a"):
        with pytest.raises(TermsError, match="TERM-E20"):
            formula(refused, "here")


def test_MDOC_002_units_directions_and_cores() -> None:
    document = section("A document").split("[units]` say what each parameter is:")[1]
    listed = NAME.findall(document.split(" A `?`")[0])
    same(listed, {*UNITS, "choice:one|other"})
    sentence = re.search(r"A direction is one of (.*?):", PAGE)
    assert sentence is not None
    same(NAME.findall(sentence[1]), set(DIRECTIONS))
    [core] = [row[1] for _, rows in tables(section("Rules")) for row in rows if row[0] == "`core`"]
    same([name.strip('"') for name in NAME.findall(core)], set(CORES))


def test_MDOC_002_keys_of_the_rules() -> None:
    same(firsts(section("Rules")), set(rules.Rules.__struct_fields__))
    same(firsts(section("Scenario blocks")), set(rules.Block.__struct_fields__))
    values = dict(tables(section("Values")))
    for table, kind in (("options", rules.OptionRules), ("linear", rules.LinearRules)):
        rows = values[f"key of `[rules.{table}]`"]
        same([name for row in rows for name in NAME.findall(row[0])], set(kind.__struct_fields__))
    assert set(rules.Probe.__struct_fields__) == {"move", "direction", "is_multiplier"}
    same(firsts(section("Native numbers")), set(_TELLERS))


def test_MDOC_003_line_gets_the_answer_shown(tmp_path: Path) -> None:
    [shown] = fenced("json")
    [commands] = fenced("sh", section("Ask for a margin"))
    line = next(line for line in commands.splitlines() if line.startswith("{"))
    file = tmp_path / "perpetual.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    found = subprocess.run(
        [str(SCRIPT), "margin", "--cases", str(file)], capture_output=True, text=True, check=True
    )
    assert found.stdout == shown
    answer = json.loads(shown)
    assert answer["initial_requirement"] == 11_235.0
    assert answer["maintenance_requirement"] == 5_635.0
    assert answer["method_hash"] == documents().get("paradex-pm").digest()


def market(*expiries: Expiry[float]) -> Market[float]:
    btc: Underlying[float] = Underlying(70_000.0, perpetual=Perpetual(70_000.0), expiries=expiries)
    return Market(AS_OF, underlyings={"BTC": btc})


def asked(
    document: MethodDocument, positions: dict[str, float], *expiries: Expiry[float]
) -> Answer:
    account = Account(positions=tuple(Position(name, q) for name, q in positions.items()))
    return margin_of(
        Case("page", document.name, market=market(*expiries), account=account), document
    )


def test_MDOC_004_the_complete_document_margins() -> None:
    [text] = [each for each in fenced("toml") if each.startswith("schema")]
    document = parse_document(text.encode(), "toml")
    assert [each for each in lint(document) if each.severity == "error"] == []
    for quantity in (1.0, -1.0):
        answer = asked(document, {"BTC-PERPETUAL": quantity})
        assert answer.initial_requirement == pytest.approx(7_000.0, rel=1e-15)
        assert answer.maintenance_requirement == pytest.approx(3_500.0, rel=1e-15)


def harbour() -> MethodDocument:
    return load_document(HARBOUR)


def test_MDOC_005_the_example_has_no_fault_and_a_core_of_formulas() -> None:
    assert lint(harbour()) == []
    assert harbour().core == "scenario"
    assert harbour().name not in documents().names()


@pytest.mark.parametrize(
    ("expiry", "name", "quantity", "charge"),
    [
        ("2026-06-02T08:00:00Z", "BTC-2JUN26-72000-C", -1.0, 2.0 / 3.0 * 1_400.0),
        ("2026-06-02T08:00:00Z", "BTC-2JUN26-72000-C", -2.0, 4.0 / 3.0 * 1_400.0),
        ("2026-06-02T08:00:00Z", "BTC-2JUN26-72000-C", 1.0, 0.0),
        ("2026-06-01T08:00:00Z", "BTC-1JUN26-72000-P", -1.0, 1_400.0),
        ("2026-06-04T08:00:00Z", "BTC-4JUN26-72000-P", -1.0, 0.0),
        ("2026-06-26T08:00:00Z", "BTC-26JUN26-72000-P", -1.0, 0.0),
    ],
)
def test_MDOC_005_short_options_are_charged_near_expiry(
    expiry: str, name: str, quantity: float, charge: float
) -> None:
    stated: Expiry[float] = Expiry(
        expiry, forward_price=70_000.0, implied_volatility={"72000": 0.5}
    )
    answer = asked(harbour(), {name: quantity}, stated)
    assert answer.native["near_short_charge"] == pytest.approx(charge, rel=1e-12, abs=1e-9)
    net = max(answer.native["scan_risk"], answer.native["delta_floor"])
    assert answer.initial_requirement == pytest.approx(net + charge, rel=1e-12)
    assert answer.maintenance_requirement == pytest.approx(0.75 * net + charge, rel=1e-12)


def test_MDOC_005_a_perpetual_loses_most_in_the_far_fall() -> None:
    answer = asked(harbour(), {"BTC-PERPETUAL": 1.0})
    assert answer.initial_requirement == pytest.approx(14_000.0, rel=1e-15)
    assert answer.maintenance_requirement == pytest.approx(10_500.0, rel=1e-15)
    assert answer.native["binding"] == "far"
    assert len(answer.native["scenario_pnl"]) == 7 * 3 + 2


def test_MDOC_005_the_floor_binds_where_scenarios_find_little() -> None:
    tomorrow: Expiry[float] = Expiry(
        "2026-06-02T08:00:00Z", forward_price=70_000.0, implied_volatility={"70000": 0.5}
    )
    answer = asked(harbour(), {"BTC-2JUN26-70000-C": 1.0}, tomorrow)
    delta = answer.native["net_delta"]
    assert delta == pytest.approx(0.5052, abs=5e-5)
    assert answer.initial_requirement == pytest.approx(0.03 * delta * 70_000.0, rel=1e-12)
    assert round(answer.native["scan_risk"], 2) == 730.83


def test_MDOC_006_commands_run_as_they_stand(tmp_path: Path) -> None:
    shutil.copy(HARBOUR, tmp_path)
    [text] = fenced("sh", section("Versions, hashes, signatures"))
    lines = text.splitlines()
    shown = {line.split()[2] for line in lines}
    assert shown == {"list", "show", "lint", "diff", "sign", "verify"}
    for line in lines:
        result = subprocess.run(
            ["bash", "-c", line.replace("steelyard", str(SCRIPT), 1)],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{line}: {result.stderr}"


def test_MDOC_007_every_document_is_in_the_table() -> None:
    [(_, rows)] = tables(section("The methods"))
    library = documents()
    same([NAME.findall(row[0])[0] for row in rows], set(library.names()))
    for name, core, covers, source, missing in rows:
        assert core == library.get(name.strip("`")).core
        assert all((covers, source, missing))


def test_MDOC_007_kinds_of_contracts_are_those_of_the_rules() -> None:
    [(_, rows)] = tables(section("The methods"))
    for name, core, covers, *_ in rows:
        if core == "scenario":
            stated = msgspec.convert(documents().get(name.strip("`")).rules, rules.Rules)
            said = {kind for kind in ("perpetual", "future", "option") if kind in covers}
            assert said == set(stated.covers), name
