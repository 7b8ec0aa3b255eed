"""Reading and writing documents, and what damaged ones give."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.quantities import TermsError
from steelyard.terms.documents import MethodDocument, documents, load_document, parse_document
from steelyard.terms.documents.reading import BYTES_MAX
from steelyard.terms.documents.writing import toml_text
from tests.terms.documents.roles import fault_of, made, method, tree

LISTED = {f"TERM-E{number}" for number in range(10, 15)}


def outcome(data: bytes, kind: Any) -> str:
    """Return "read", or the code of the listed error."""
    error = listed(lambda: parse_document(data, kind).digest())
    return "read" if error is None else error.code


def listed(make: Callable[[], object]) -> TermsError | None:
    """Return the error of a call, after checking that it is a listed one with rule and cure."""
    caught = None
    try:
        make()
    except TermsError as error:
        caught = error
    if caught is not None:
        assert fault_of(caught)[0] in LISTED
    return caught


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"schema": 1, "schema": 1}', "json"),
        (b'{"schema": NaN}', "json"),
        (b"[" * 10_000, "json"),
        (b"x = " + b"[" * 10_000, "toml"),
        (b"\xff", "json"),
        (b"[]", "json"),
        (b"", "json"),
        (b"schema = 1\nschema = 1", "toml"),
        (b'{"schema": ' + b"9" * 5_000 + b"}", "json"),
        (b" " * (BYTES_MAX + 1), "toml"),
    ],
)
def test_DOCU_011_what_is_no_table_is_named(data: bytes, kind: str) -> None:
    assert outcome(data, kind) == "TERM-E10"


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_DOCU_011_damaged_bytes_give_listed_errors(kind: str) -> None:
    text = json.dumps(tree()) if kind == "json" else toml_text(documents().get("paradex-pm"))
    chance = random.Random(11)
    seen = set()
    for _ in range(1_500):
        data = bytearray(text.encode())
        for _ in range(chance.randint(1, 3)):
            i = chance.randrange(len(data))
            how = chance.randrange(4)
            if how == 0:
                data[i] = chance.choice(b'0159-.e"[]{}=,\n\x00\xff ')
            elif how == 1:
                del data[i : i + chance.randint(1, 20)]
            elif how == 2:
                data[i:i] = bytes(
                    chance.choice([b"[[", b"null", b'"', b"1e999", b"true", b"-", b"{}"])
                )
            else:
                data = data[:i] + data[max(0, i - 30) :]
        seen.add(outcome(bytes(data), kind))
    assert {"read", "TERM-E10", "TERM-E11", "TERM-E13"} <= seen


ODD = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
        st.sampled_from(["ratio", "up", "decimal", "none", "default", "rows", "keyed"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(["list", "rows", "table"])), inner, max_size=4),
    ),
    max_leaves=8,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value of a tree."""
    inner: list[Any] = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_DOCU_011_damaged_trees_give_listed_errors(data: st.DataObject) -> None:
    damaged = tree()
    path = data.draw(st.sampled_from(places(damaged)[1:]))
    holder = damaged
    for key in path[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[path[-1]] = data.draw(ODD)
    else:
        del holder[path[-1]]
    if len(path) == 1 and path[0] not in damaged:
        with pytest.raises(TypeError, match="Missing required argument"):
            MethodDocument(**damaged)
        return
    made_of: list[MethodDocument] = []
    if listed(lambda: made_of.append(MethodDocument(**damaged))) is None:
        [document] = made_of
        assert parse_document(document.canonical(), "json").digest() == document.digest()


@settings(max_examples=200, deadline=None)
@given(ODD)
def test_DOCU_011_odd_overrides_give_listed_errors(odd: Any) -> None:
    document = made()
    for name in document.units:
        changed: list[MethodDocument] = []
        if listed(lambda n=name, c=changed: c.append(document.with_parameters({n: odd}))) is None:
            again = parse_document(changed[0].canonical(), "json")
            assert again.digest() == changed[0].digest()


def test_DOCU_011_a_file_is_named_in_its_fault(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("schema = 1\n")
    for path, code in (
        (file, "TERM-E11"),
        (tmp_path / "b.json", "TERM-E10"),
        (tmp_path / "c.md", "TERM-E10"),
    ):
        with pytest.raises(TermsError) as caught:
            load_document(path)
        assert caught.value.code == code
        assert caught.value.where["file"] == path
    file = tmp_path / "d.JSON"
    file.write_text(json.dumps(tree()))
    assert load_document(str(file)) == made()


def test_DOCU_012_toml_reads_back_with_the_same_hash() -> None:
    document = method(
        {
            "tiers": {"rows": ["usd?", "factor"]},
            "keyed": {"keyed": {"a b": "text", "cap": "decimal?", "many": {"list": "ratio"}}},
            "plain": {"list": {"x": "direction", "y": "boolean"}},
            "far": "number",
        },
        {
            "tiers": [[250_000, 1], [None, 12]],
            "keyed": {"BTC.X": {"a b": 'quo"te \\ \n \x7f σ', "cap": None, "many": [0.1] * 40}},
            "plain": [{"x": "none", "y": False}],
            "far": 1e300,
        },
        nested={"a": [1, [2.5, "x"], {}], "b": []},
    )
    again = parse_document(toml_text(document).encode(), "toml")
    assert again == document
    assert again.digest() == document.digest()


def test_DOCU_012_a_null_that_toml_cannot_write_is_refused() -> None:
    for document in (method({"x": "text?"}, {"x": None}), method({}, {}, k=None)):
        with pytest.raises(TermsError) as caught:
            toml_text(document)
        assert caught.value.code == "TERM-E10"
