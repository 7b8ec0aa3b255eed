"""The library: names, versions in time, folders; and the documents of the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.quantities import TermsError
from steelyard.terms.documents import Library, documents, instant_us, lint, parse_document
from steelyard.terms.documents.writing import toml_text
from tests.terms.documents.roles import made, tree

MARCH = "2026-03-01T00:00:00Z"


def put(folder: Path, file: str, **fields: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps(tree(**fields)))
    return path


def fault(call: Any, *arguments: Any, **named: Any) -> TermsError:
    with pytest.raises(TermsError) as caught:
        call(*arguments, **named)
    return caught.value


@pytest.fixture
def library(tmp_path: Path) -> Library:
    put(tmp_path, "b.json", version="2026.2", valid_from=MARCH, title="later")
    put(tmp_path, "a.json")
    (tmp_path / "notes.md").write_text("not a document")
    (tmp_path / "c.toml").write_text(toml_text(made(name="other")))
    return documents().with_folder(tmp_path)


def test_DOCU_020_the_package_has_methods_and_its_engine_file_is_none() -> None:
    names = documents().names()
    assert names == sorted(set(names))
    assert {"paradex-pm", "derive-pmrm2", "dydx-v4"} <= set(names)
    assert documents() is documents()
    assert documents().get("paradex-pm") is documents().get("paradex-pm")
    for name in names:
        assert all(each.name == name and each.schema == 1 for each in documents().versions(name))


def test_DOCU_021_the_version_that_held_at_an_instant(library: Library) -> None:
    def version(text: str | None) -> str:
        return library.get("small-pm", at_us=None if text is None else instant_us(text)).version

    assert version("2026-01-01T00:00:00Z") == "2026.1"
    assert version("2026-02-28T23:59:59.999999Z") == "2026.1"
    assert version(MARCH) == "2026.2"
    assert version(None) == "2026.2"
    assert library.get("small-pm", "2026.1").title == "A small method"
    assert [each.version for each in library.versions("small-pm")] == ["2026.1", "2026.2"]


def test_DOCU_021_of_one_instant_the_higher_version_holds(tmp_path: Path) -> None:
    for version in ("2026.10", "2026.9", "2026"):
        put(tmp_path, f"{version}.json", version=version)
    found = documents().with_folder(tmp_path).versions("small-pm")
    assert [each.version for each in found] == ["2026", "2026.9", "2026.10"]


def test_DOCU_022_what_is_unknown_or_too_early_lists_what_is_known(library: Library) -> None:
    error = fault(library.get, "smal-pm")
    assert (error.code, error.where["field"]) == ("TERM-E16", "method")
    assert "small-pm" in error.cure
    assert "paradex-pm" in error.rule
    error = fault(library.get, "small-pm", "2026.3")
    assert (error.code, error.where["field"]) == ("TERM-E16", "version")
    assert "2026.1 from 2026-01-01T00:00:00Z, 2026.2 from 2026-03-01T00:00:00Z" in error.rule
    error = fault(library.get, "small-pm", at_us=instant_us("2025-12-31T23:59:59Z"))
    assert (error.code, error.where["field"]) == ("TERM-E16", "at")
    assert "2025-12-31T23:59:59Z" in error.message
    assert (
        fault(library.get, "small-pm", "2026.2", instant_us("2026-02-01T00:00:00Z")).code
        == "TERM-E16"
    )
    assert fault(library.get, "small-pm", at_us=-(10**30)).code == "TERM-E16"
    assert fault(library.versions, "nothing").code == "TERM-E16"


def test_DOCU_023_a_folder_adds_and_the_later_one_wins(library: Library, tmp_path: Path) -> None:
    assert set(documents().names()) | {"small-pm", "other"} == set(library.names())
    assert "small-pm" not in documents().names()
    more = tmp_path / "more"
    more.mkdir()
    put(
        more, "paradex.json", name="paradex-pm", version="2099.1", valid_from="2099-01-01T00:00:00Z"
    )
    put(more, "again.json")
    known = library.with_folder(more)
    assert known.get("paradex-pm").version == "2099.1"
    assert known.get("paradex-pm", at_us=instant_us(MARCH)) is documents().get("paradex-pm")
    assert len(known.versions("small-pm")) == 2


def test_DOCU_023_one_name_and_version_has_one_content(library: Library, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    file = put(more, "a.json", title="changed")
    error = fault(library.with_folder, more)
    assert (error.code, error.where["file"]) == ("TERM-E17", file)
    assert made().digest()[:12] in error.message
    assert made(title="changed").digest()[:12] in error.message
    own = documents().get("paradex-pm")
    file = put(more, "a.json", name=own.name, version=own.version)
    assert fault(documents().with_folder, more).code == "TERM-E17"


def test_DOCU_023_a_fault_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("schema = ")
    error = fault(documents().with_folder, tmp_path)
    assert (error.code, error.where["file"]) == ("TERM-E10", file)
    assert fault(documents().with_folder, file).code == "TERM-E10"


def test_DOCU_024_paradex_pm_holds_the_published_numbers() -> None:
    given = documents().get("paradex-pm").parameters
    both = [move / 100 for move in (8, 4, 0, -4, -8, -12)]
    expected = [[0.16, "up", 1.0], [0.12, "up", 1.0], [0.12, "down", 1.0]]
    expected += [[move, way, 1.0] for move in both for way in ("up", "down")]
    expected += [[-0.16, "up", 1.0], [-0.66, "up", 0.24], [-0.33, "up", 0.48]]
    expected += [[0.5, "up", 0.32], [1.0, "up", 0.16], [2.0, "up", 0.08], [3.0, "up", 0.0533]]
    expected += [[4.0, "up", 0.04], [5.0, "up", 0.032]]
    assert given["scenarios"] == expected
    assert len(expected) == 24
    assert {name: each for name, each in given.items() if name != "scenarios"} == {
        "volatility_shock_up": 0.4, "volatility_shock_down": -0.22, "short_term_power": 0.3,
        "long_term_power": 0.13, "dte_floor_days": 1.0, "net_delta_rate": 0.02,
        "hedged_delta_rate": 0.01, "maintenance_factor": 0.5, "fee_provision": 0.0,
        "funding_provision": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("name", documents().names())
def test_DOCU_025_every_document_reads_and_has_no_error(name: str) -> None:
    for document in documents().versions(name):
        assert [each for each in lint(document) if each.severity == "error"] == []
        for text, kind in ((toml_text(document).encode(), "toml"), (document.canonical(), "json")):
            assert parse_document(text, kind).digest() == document.digest()  # type: ignore[arg-type]
