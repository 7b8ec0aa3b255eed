"""Documents: fields, units, values, the hash, overrides, entries."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from decimal import Decimal
from typing import Any

import pytest

from steelyard.quantities import TermsError
from steelyard.terms.documents import MethodDocument, parse_document
from tests.terms.documents.roles import TREE, fault_of, made, method, tree


def refusal(fields: dict[str, Any]) -> tuple[str, object]:
    with pytest.raises(TermsError) as caught:
        made(**fields)
    return fault_of(caught.value)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"name": "Paradex PM"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"version": ""}, "version"),
        ({"version": "1/2"}, "version"),
        ({"valid_from": "2026-01-01"}, "valid_from"),
        ({"valid_from": "2026-02-30T00:00:00Z"}, "valid_from"),
        ({"valid_from": "2026-01-01T00:00:00+00:00"}, "valid_from"),
        ({"currency": "us dollars"}, "currency"),
        ({"title": 3}, "title"),
        ({"title": "x" * 1_001}, "title"),
        ({"units": []}, "units"),
        ({"rules": None}, "rules"),
        ({"notes": "x"}, "notes"),
    ],
)
def test_DOCU_001_a_field_out_of_form_is_named(fields: dict[str, Any], field: str) -> None:
    assert refusal(fields) == ("TERM-E11", field)


@pytest.mark.parametrize("field", sorted(TREE))
def test_DOCU_001_a_missing_field_is_named(field: str) -> None:
    fields = tree()
    del fields[field]
    with pytest.raises(TermsError) as caught:
        parse_document(json.dumps(fields).encode(), "json")
    assert fault_of(caught.value) == ("TERM-E11", field)


def test_DOCU_001_a_date_of_toml_is_no_text() -> None:
    text = 'schema = 1\nname = "a"\nversion = "1"\nvalid_from = 2026-01-01T00:00:00Z\n'
    with pytest.raises(TermsError, match="valid_from") as caught:
        parse_document(
            (text + 'title=""\nsource=""\ncurrency="USD"\n[units]\n[parameters]\n[rules]').encode(),
            "toml",
        )
    assert caught.value.code == "TERM-E11"


def test_DOCU_001_a_sound_header_is_kept() -> None:
    document = made(valid_from="2026-01-01T00:00:00.25Z", currency="underlying", version="2.0-rc1")
    assert document.valid_from_us == 1_767_225_600_250_000
    assert (document.currency, document.version, document.core) == (
        "underlying",
        "2.0-rc1",
        "scenario",
    )


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ("percent", "units.x"),
        ("Ratio", "units.x"),
        ("", "units.x"),
        ("?", "units.x"),
        ("choice:", "units.x"),
        ("choice:a|", "units.x"),
        (3, "units.x"),
        (["ratio"], "units.x"),
        ({"list": "percent"}, "units.x.list"),
        ({"keyed": {"rate": "percent"}}, "units.x.keyed.rate"),
        ({"rows": ["ratio", "percent"]}, "units.x.rows[1]"),
        ({"rows": []}, "units.x.rows"),
        ({"rows": "ratio"}, "units.x.rows"),
        ({"rows": [{"list": "ratio"}]}, "units.x.rows"),
        ({"table": "ratio"}, "units.x"),
        ({"list": "ratio", "rows": ["ratio"]}, "units.x"),
        ({"list": "ratio", "other": "ratio"}, "units.x"),
    ],
)
def test_DOCU_002_what_is_no_unit_is_named(shape: Any, field: str) -> None:
    assert refusal({"units": {"x": shape}, "parameters": {}}) == ("TERM-E12", field)


def test_DOCU_002_percent_is_told_how_to_be_a_ratio() -> None:
    with pytest.raises(TermsError) as caught:
        made(units={"maintenance_factor": "percent"}, parameters={})
    assert caught.value.rule.startswith("units are ratio, factor, ppm, ")
    assert "ratio" in caught.value.cure
    assert caught.value.where["field"] == "units.maintenance_factor"


def test_DOCU_002_a_field_may_have_the_name_of_a_shape_within_table() -> None:
    document = method({"x": {"table": {"list": "ratio"}}}, {"x": {"list": 1}})
    assert document.parameters == {"x": {"list": 1.0}}


BAD: list[tuple[Any, Any, str]] = [
    ("ratio", "0.1", "parameters.x"),
    ("ratio", True, "parameters.x"),
    ("ratio", None, "parameters.x"),
    ("ratio", [1], "parameters.x"),
    ("ratio", 10**400, "parameters.x"),
    ("integer", True, "parameters.x"),
    ("integer", 0.5, "parameters.x"),
    ("integer", 2**63, "parameters.x"),
    ("integer", "1", "parameters.x"),
    ("ppm", 0.05, "parameters.x"),
    ("slots", -1, "parameters.x"),
    ("factor", -1, "parameters.x"),
    ("price", -1, "parameters.x"),
    ("days", -0.5, "parameters.x"),
    ("direction", "sideways", "parameters.x"),
    ("direction", ["up"], "parameters.x"),
    ("choice:a|b", "c", "parameters.x"),
    ("choice:a|b", {}, "parameters.x"),
    ("text", 1, "parameters.x"),
    ("text", "x" * 1_001, "parameters.x"),
    ("text", "\ud800", "parameters.x"),
    ("boolean", 1, "parameters.x"),
    ("decimal", 0.05, "parameters.x"),
    ("decimal", "1e40", "parameters.x"),
    ("decimal", "1.25e-39", "parameters.x"),
    ("decimal", "1e999999999", "parameters.x"),
    ("decimal", "1e", "parameters.x"),
    ("decimal", "1e٣", "parameters.x"),
    ("decimal", "e5", "parameters.x"),
    ("decimal", 1e-6, "parameters.x"),
    ("decimal", "٣", "parameters.x"),
    ("decimal", "1" * 41, "parameters.x"),
    ("decimal", True, "parameters.x"),
    ({"list": "ratio"}, 1.0, "parameters.x"),
    ({"list": "ratio"}, [1, "a"], "parameters.x[1]"),
    ({"list": "ratio"}, [0] * 10_001, "parameters.x"),
    ({"list": {"a": "ratio", "b": "ratio?"}}, [{"b": 1}], "parameters.x[0].a"),
    ({"rows": ["ratio", "text"]}, [[1]], "parameters.x[0]"),
    ({"rows": ["ratio", "text"]}, [1], "parameters.x[0]"),
    ({"rows": ["ratio", "text"]}, [[1, "a"], [1, 2]], "parameters.x[1][1]"),
    ({"keyed": {"a": "ratio"}}, {"BTC": 1}, "parameters.x.BTC"),
    ({"keyed": {"a": "ratio"}}, {"BTC": {"a": "1"}}, "parameters.x.BTC.a"),
    ({"keyed": {"a": "ratio"}}, {"": {}}, "parameters.x"),
    ({"a": "ratio"}, [], "parameters.x"),
]


@pytest.mark.parametrize(("shape", "value", "field"), BAD)
def test_DOCU_003_a_value_out_of_its_unit_is_named(shape: Any, value: Any, field: str) -> None:
    assert refusal({"units": {"x": shape}, "parameters": {"x": value}}) == ("TERM-E13", field)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), Decimal("nan")])
@pytest.mark.parametrize("unit", ["ratio", "integer", "decimal", "days", "factor"])
def test_DOCU_003_what_is_not_finite_is_refused_in_overrides(unit: str, value: Any) -> None:
    document = method({"x": unit}, {"x": 1})
    with pytest.raises(TermsError) as caught:
        document.with_parameters({"x": value})
    assert fault_of(caught.value) == ("TERM-E13", "parameters.x")
    assert caught.value.where["method"] == "small-pm"


@pytest.mark.parametrize(
    ("unit", "value", "kept"),
    [
        ("ratio", 1, 1.0), ("ratio", -0.0, 0.0), ("ppm", 2.0, 2), ("integer", -5, -5),
        ("amount", -3, -3.0), ("volatility", -0.1, -0.1), ("slots", 0, 0), ("days?", None, None),
        ("days?", "none", None), ("text?", "none", "none"), ("direction", "none", "none"),
        ("boolean", False, False), ("choice:a|b?", None, None), ("choice:a|b", "b", "b"),
    ],
)  # fmt: skip
def test_DOCU_003_a_value_is_brought_into_one_form(unit: str, value: Any, kept: Any) -> None:
    found = method({"x": unit}, {"x": value}).parameters["x"]
    assert (repr(found), type(found)) == (repr(kept), type(kept))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("0.050", "0.05"), (3, "3"), ("-0.0", "0"), ("007", "7"), ("-1.50", "-1.5"), ("12.000", "12"),
        ("1e-6", "0.000001"), ("1.5E+3", "1500"), ("-25e-2", "-0.25"), ("0e12", "0"), ("-0e-3", "0"),
        ("1e39", "1" + "0" * 39), ("1.5e-39", "0." + "0" * 38 + "15"),
        ("1234567890123456789012345678901234567890e-40", "0.123456789012345678901234567890123456789"),
    ],
)  # fmt: skip
def test_DOCU_004_an_exact_decimal_is_plain_text(value: Any, kept: str) -> None:
    assert method({"x": "decimal"}, {"x": value}).parameters["x"] == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.05, "0.05"), (1e-7, "0.0000001"), (1e22, "10000000000000000000000"), (0.1 + 0.2, "0.30000000000000004"),
        (Decimal("0.10"), "0.1"), (Decimal("1E+3"), "1000"), ("0.050", "0.05"), ("1e-6", "0.000001"),
        (1e-6, "0.000001"),
    ],
)  # fmt: skip
def test_DOCU_004_a_number_of_a_case_is_read_by_its_shortest_text(value: Any, kept: str) -> None:
    document = method({"x": "decimal", "y": {"keyed": {"z": "decimal"}}}, {"x": "1"})
    assert document.with_parameters({"x": value}).parameters["x"] == kept
    nested = document.with_parameters({"y": {"SOL": {"z": value}}})
    assert nested.entry("y", "SOL") == {"z": kept}


CANONICAL = (
    b'{"currency":"USD","name":"a","parameters":{"f":0.1,"n":2,"w":1},"rules":{"core":"own","k":1,"z":null},'
    b'"schema":1,"source":"\\u03c3","title":"","units":{"f":"ratio","n":"ppm","w":"ratio"},'
    b'"valid_from":"2026-01-01T00:00:00Z","version":"1"}'
)
PINNED = "914731301e82482229d96000b768bf78f3c98a81c348256d8742082e4a0d6bbc"


def test_DOCU_005_the_canonical_text_and_its_hash_are_pinned() -> None:
    document = MethodDocument(
        1, "a", "1", "2026-01-01T00:00:00Z", "", "σ", "USD", {"w": "ratio", "n": "ppm", "f": "ratio"},
        {"w": 1, "n": 2, "f": 0.1}, {"z": None, "core": "own", "k": 1.0},
    )  # fmt: skip
    assert document.canonical() == CANONICAL
    assert document.digest() == hashlib.sha256(CANONICAL).hexdigest() == PINNED


def test_DOCU_005_the_hash_knows_no_order_and_no_kind_of_file() -> None:
    def backwards(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: backwards(value[name]) for name in reversed(list(value))}
        return [backwards(each) for each in value] if isinstance(value, list) else value

    assert made(**backwards(tree())).digest() == made().digest()
    small = tree(units={"x": "ratio"}, parameters={"x": 1}, rules={"core": "own", "k": 2.0})
    toml = (
        'currency = "USD"\nsource = "a test"\nschema = 1\nname = "small-pm"\nversion = "2026.1"\n'
        'valid_from = "2026-01-01T00:00:00Z"\ntitle = "A small method"\n'
        '[rules]\nk = 2\ncore = "own"\n[units]\nx = "ratio"\n[parameters]\nx = 1.0\n'
    )
    assert parse_document(toml.encode(), "toml").digest() == made(**small).digest()


def test_DOCU_005_any_change_changes_the_hash() -> None:
    digests = {made().digest()}
    changes: list[dict[str, Any]] = [
        {"name": "other"}, {"version": "2026.2"}, {"valid_from": "2026-01-01T00:00:01Z"},
        {"title": "x"}, {"source": "x"}, {"currency": "USDC"}, {"rules": {"core": "own"}},
        {"rules": {**TREE["rules"], "on": 1}}, {"units": {**TREE["units"], "more": "ratio"}},
        {"parameters": {**TREE["parameters"], "maintenance_factor": 0.5000000000000001}},
        {"parameters": {**TREE["parameters"], "style": "american"}},
    ]  # fmt: skip
    for change in changes:
        digests.add(made(**change).digest())
    assert len(digests) == 1 + len(changes)
    document = made()
    changed = document.with_parameters({"maintenance_factor": 0.6})
    assert changed.digest() != document.digest()
    assert changed.with_parameters({"maintenance_factor": 0.5}).digest() == document.digest()


def test_DOCU_005_the_hash_of_an_overridden_document_is_that_of_one_read_anew() -> None:
    document = made()
    for overrides in (
        {"maintenance_factor": 0.25}, {"scenarios": [[0.3, "up", 1]]}, {"floor": 2}, {"given": {"b": "σ"}},
        {"risk_units": {"SOL": {"move": 1}}}, {"weights": {"SOL": {"initial": 0.9}}, "share_ppm": 1},
    ):  # fmt: skip
        for _ in range(2):  # with and without what is known of the parent
            changed = document.with_parameters(overrides)
            anew = json.dumps({n: getattr(changed, n) for n in changed.__struct_fields__}).encode()
            assert changed.digest() == parse_document(anew, "json").digest()
            back = changed.with_parameters({"share_ppm": 2}).with_parameters({"share_ppm": 3})
            assert back.digest() == document.with_parameters(overrides | {"share_ppm": 3}).digest()
            document.digest()


def test_DOCU_005_equal_documents_are_one_key_and_survive_a_copy() -> None:
    document = made().with_parameters({"maintenance_factor": 0.6})
    for other in (
        copy.copy(document),
        copy.deepcopy(document),
        pickle.loads(pickle.dumps(document)),
    ):
        assert {document: 1}[other] == 1
        assert other.with_parameters({"share_ppm": 1}).parameters["share_ppm"] == 1
        assert other.entry("risk_units", "BTC") == {"move": 0.24, "rate": 0.002}


def test_DOCU_006_lists_replace_and_tables_merge() -> None:
    document = made()
    changed = document.with_parameters(
        {
            "scenarios": [[0, "none", 1]],
            "risk_units": {"BTC": {"rate": 0.003}, "SOL": {"move": 0.6}},
            "given": {"b": "x"},
        }
    )
    assert changed.parameters["scenarios"] == [[0.0, "none", 1.0]]
    units = changed.parameters["risk_units"]
    assert units["BTC"] == {"move": 0.24, "rate": 0.003}
    assert units["SOL"] == {"move": 0.6, "rate": 0.008}
    assert units["default"] == {"move": 0.5, "rate": 0.008}
    assert changed.parameters["given"] == {"a": 1, "b": "x"}
    assert document == made()
    assert (changed.name, changed.version, changed.rules) == ("small-pm", "2026.1", document.rules)


def test_DOCU_006_a_new_entry_starts_from_the_overridden_default() -> None:
    changed = made().with_parameters(
        {"risk_units": {"SOL": {"move": 0.6}, "default": {"rate": 0.01}}}
    )
    assert changed.entry("risk_units", "SOL") == {"move": 0.6, "rate": 0.01}
    assert changed.entry("risk_units", "DOGE") == {"move": 0.5, "rate": 0.01}
    assert changed.entry("risk_units", "BTC") == {"move": 0.24, "rate": 0.002}


def test_DOCU_006_a_keyed_table_without_default_takes_what_is_given() -> None:
    changed = made().with_parameters({"weights": {"SOL": {"initial": "0.9", "cap": None}}})
    assert changed.entry("weights", "SOL") == {"initial": "0.9", "cap": None}
    again = changed.with_parameters({"weights": {"SOL": {"cap": 5}}})
    assert again.entry("weights", "SOL") == {"initial": "0.9", "cap": 5.0}


@pytest.mark.parametrize(
    ("overrides", "field", "like"),
    [
        ({"maintenence_factor": 1}, "parameters.maintenence_factor", "maintenance_factor"),
        ({"risk_units": {"BTC": {"mvoe": 1}}}, "parameters.risk_units.BTC.mvoe", "move"),
        ({"given": {"c": 1}}, "parameters.given.c", "a, b"),
        ({"name": "x"}, "parameters.name", "known name"),
    ],
)
def test_DOCU_007_an_unknown_name_comes_with_those_like_it(
    overrides: dict[str, Any], field: str, like: str
) -> None:
    with pytest.raises(TermsError) as caught:
        made().with_parameters(overrides)
    assert fault_of(caught.value) == ("TERM-E14", field)
    assert like in caught.value.cure


def test_DOCU_007_a_parameter_without_a_unit_is_unknown() -> None:
    assert refusal({"parameters": {"other": 1}}) == ("TERM-E14", "parameters.other")


def test_DOCU_008_without_overrides_it_is_the_document_itself() -> None:
    document = made()
    assert document.with_parameters({}) is document
    for wrong in (5, None, [1], "x"):
        with pytest.raises(TermsError) as caught:
            document.with_parameters(wrong)  # type: ignore[arg-type]
        assert fault_of(caught.value) == ("TERM-E13", "parameters")


def test_DOCU_009_an_entry_is_completed_by_default() -> None:
    document = made()
    assert document.entry("risk_units", "BTC") == {"move": 0.24, "rate": 0.002}
    assert document.entry("risk_units", "ETH") == {"move": 0.5, "rate": 0.004}
    assert document.entry("risk_units", "SOL") == {"move": 0.5, "rate": 0.008}
    nested = method({"a": {"b": {"keyed": "ratio"}}}, {"a": {"b": {"default": 1, "X": 2}}})
    assert (nested.entry("a.b", "X"), nested.entry("a.b", "Y")) == (2.0, 1.0)


def test_DOCU_009_a_missing_entry_says_how_to_give_it() -> None:
    with pytest.raises(TermsError) as caught:
        made().entry("weights", "SOL")
    assert fault_of(caught.value) == ("TERM-E15", "parameters.weights.SOL")
    assert '{"weights": {"SOL": …}}' in caught.value.cure
    for table in ("weight", "maintenance_factor", "given.a", "risk_units.BTC"):
        with pytest.raises(TermsError) as caught:
            made().entry(table, "SOL")
        assert caught.value.code == "TERM-E14"


def test_DOCU_010_a_parameter_that_nobody_gave_is_named() -> None:
    document = method({"needed": "ratio", "left": "ratio?", "table": {"keyed": "ratio"}}, {})
    assert document.parameter("left") is None
    for name in ("needed", "table"):
        with pytest.raises(TermsError) as caught:
            document.parameter(name)
        assert fault_of(caught.value) == ("TERM-E15", f"parameters.{name}")
    assert document.with_parameters({"needed": 0}).parameter("needed") == 0.0
    with pytest.raises(TermsError) as caught:
        document.parameter("neded")
    assert caught.value.code == "TERM-E14"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"core": "own", "k": "x" * 1_001}, "rules.k"),
        ({"core": "own", "k": [1, {"a": 2**70}]}, "rules.k[1].a"),
    ],
)
def test_DOCU_003_rules_are_plain_data(rules: dict[str, Any], field: str) -> None:
    assert refusal({"rules": rules}) == ("TERM-E13", field)
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    assert refusal({"rules": {"k": deep}})[0] == "TERM-E13"
