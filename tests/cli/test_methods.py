"""`steelyard methods`: list, show, lint, diff, sign, verify, schema, and what wrong arguments give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steelyard.terms.documents import documents, parse_document
from steelyard.terms.documents.schema import schema_bytes
from steelyard.terms.documents.writing import toml_text
from tests.cli.feeds_roles import Done, steelyard
from tests.terms.documents.roles import made, method

Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: steelyard(monkeypatch, capsys, "methods", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two versions of the small method."""
    (tmp_path / "a.toml").write_text(toml_text(made()))
    later = made(version="2026.2", valid_from="2026-03-01T00:00:00Z").with_parameters(
        {"maintenance_factor": 0.6}
    )
    (tmp_path / "b.json").write_bytes(later.canonical())
    return tmp_path


def test_DOCU_070_list_names_every_version(run: Run, folder: Path) -> None:
    done = run("list", "--json", "--folder", folder)
    rows = {(row["name"], row["version"]): row for row in done.answer["methods"]}
    assert done.code == 0
    assert {("small-pm", "2026.1"), ("small-pm", "2026.2")} <= set(rows)
    assert {name for name, _ in rows} == {*documents().names(), "small-pm"}
    small = rows["small-pm", "2026.1"]
    assert small == {
        "name": "small-pm", "version": "2026.1", "valid_from": "2026-01-01T00:00:00Z", "title": "A small method",
        "source": "a test", "currency": "USD", "core": "scenario", "sha256": made().digest(),
    }  # fmt: skip
    text = run("list").out
    assert "paradex-pm" in text
    assert documents().get("paradex-pm").digest()[:12] in text
    assert "small-pm" not in text


def test_DOCU_071_show_prints_parameters_with_units_and_rules(run: Run) -> None:
    text = run("show", "paradex-pm").out
    assert documents().get("paradex-pm").digest() in text
    lines = [line.split() for line in text.splitlines()]
    assert ["maintenance_factor", "0.5", "factor"] in lines
    assert ["scenarios[16]", "-0.66", "up", "0.24"] in lines
    assert ["core", "scenario"] in lines


def test_DOCU_071_show_prints_what_comes_with_the_case(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    units = {
        "needed": "ratio",
        "left": "days?",
        "table": {"keyed": {"a": "decimal"}},
        "many": {"list": "ratio"},
    }
    file.write_bytes(
        method(units, {"table": {}, "many": [0.1, 0.2]}, nested={"x": [{"y": True}]}).canonical()
    )
    lines = [line.split() for line in run("show", file).out.splitlines()]
    assert ["needed", "with", "the", "case", "ratio"] in lines
    assert ["left", "–", "days?"] in lines
    assert ["table", "with", "the", "case", "keyed", "of", "a:", "decimal"] in lines
    assert ["many", "0.1", "0.2", "a", "list", "of", "ratio"] in lines
    assert ["nested.x[0].y", "true"] in lines


def test_DOCU_071_show_prints_json_and_toml_that_read_back(run: Run) -> None:
    document = documents().get("paradex-pm")
    answer = run("show", "paradex-pm", "--json").answer
    assert answer["sha256"] == document.digest()
    assert parse_document(json.dumps(answer["document"]).encode(), "json") == document
    assert parse_document(run("show", "paradex-pm", "--toml").out.encode(), "toml") == document


def test_DOCU_071_a_version_an_instant_or_a_file_is_shown(run: Run, folder: Path) -> None:
    def version(*arguments: object) -> str:
        return str(run("show", *arguments, "--json").answer["document"]["version"])

    known = ("--folder", folder)
    assert version("small-pm", *known) == "2026.2"
    assert version("small-pm@2026.1", *known) == "2026.1"
    assert version("small-pm", "--version", "2026.1", *known) == "2026.1"
    assert version("small-pm", "--at", "2026-02-01T00:00:00Z", *known) == "2026.1"
    assert version(folder / "a.toml") == "2026.1"


def test_DOCU_072_lint_ends_with_one_if_there_is_an_error(run: Run, tmp_path: Path) -> None:
    done = run("lint", "paradex-pm", "--json")
    assert (done.code, done.answer["errors"]) == (0, 0)
    assert run("lint", "derive-pmrm2").code == 0  # warnings
    file = tmp_path / "bad.json"
    file.write_bytes(
        method({"maintenance_factor": "factor"}, {"maintenance_factor": 0}).canonical()
    )
    done = run("lint", file)
    assert done.code == 1
    assert "error LINT-07 parameters.maintenance_factor" in done.out
    assert "rule" in done.out
    assert "cure" in done.out
    answer = run("lint", file, "--json").answer
    assert answer["findings"][0]["code"] == "LINT-07"
    assert set(answer["findings"][0]) == {"code", "severity", "field", "message", "rule", "cure"}


def test_DOCU_072_a_document_that_cannot_be_used_is_two(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(
        toml_text(made()).replace('maintenance_factor = "factor"', 'maintenance_factor = "percent"')
    )
    done = run("lint", file)
    assert done.code == 2
    assert "TERM-E12" in done.err
    assert "units.maintenance_factor" in done.err
    assert str(file) in done.err


def test_DOCU_073_diff_ends_with_one_if_they_differ(run: Run, folder: Path) -> None:
    done = run("diff", "paradex-pm", "paradex-pm@2026.1")
    assert done.code == 0
    assert "0 differences" in done.out
    done = run("diff", "small-pm@2026.1", folder / "b.json", "--folder", folder)
    assert done.code == 1
    lines = [line.split() for line in done.out.splitlines()]
    assert ["parameters.maintenance_factor", "0.5", "0.6", "+20.0%", "factor"] in lines
    answer = run("diff", folder / "a.toml", folder / "b.json", "--json").answer
    assert [change["path"] for change in answer["changes"]] == [
        "version", "valid_from", "parameters.maintenance_factor",
    ]  # fmt: skip
    assert answer["before"]["sha256"] == made().digest()


def test_DOCU_074_a_signature_verifies_or_ends_with_four(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    made_key = run("sign", "--new-key", "key", "--json")
    public = made_key.answer["public_key"]
    assert made_key.code == 0
    done = run("sign", "a.toml", "--key", "key", "--signed-at", "2026-01-02T00:00:00Z", "--json")
    assert done.answer["file"] == "small-pm-2026.1.sig"
    assert (done.answer["signed_at"], done.answer["public_key"]) == ("2026-01-02T00:00:00Z", public)
    done = run(
        "verify", "a.toml", "--signature", "small-pm-2026.1.sig", "--public-key", public, "--json"
    )
    assert (done.code, done.answer["is_verified"], done.answer["is_key_expected"]) == (
        0,
        True,
        True,
    )
    done = run("verify", "a.toml", "--signature", "small-pm-2026.1.sig")
    assert done.code == 0
    assert "--public-key" in done.out
    Path("c.toml").write_text(toml_text(made().with_parameters({"maintenance_factor": 0.6})))
    changed = made().with_parameters({"maintenance_factor": 0.6}).digest()
    done = run("verify", "c.toml", "--signature", "small-pm-2026.1.sig")
    assert done.code == 4
    assert f"hash found {changed}, expected {made().digest()}" in done.err
    other = run("sign", "--new-key", "other", "--json").answer["public_key"]
    done = run(
        "verify", "a.toml", "--signature", "small-pm-2026.1.sig", "--public-key", other, "--json"
    )
    assert (done.code, done.answer["error"]["code"]) == (4, "TERM-E18")


def test_DOCU_074_a_new_key_signs_at_once(run: Run, folder: Path) -> None:
    out = folder / "deep.sig"
    done = run("sign", "small-pm", "--folder", folder, "--new-key", folder / "key", "--out", out)
    assert done.code == 0
    assert run("verify", "small-pm@2026.2", "--folder", folder, "--signature", out).code == 0
    assert run("verify", "small-pm@2026.1", "--folder", folder, "--signature", out).code == 4


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "paradex"), "TERM-E16"),
        (("show", "paradex-pm@1"), "TERM-E16"),
        (("show", "paradex-pm", "--at", "2020-01-01T00:00:00Z"), "TERM-E16"),
        (("show", "paradex-pm", "--at", "yesterday"), "DOCU-E02"),
        (("show", "paradex-pm@2026.1", "--version", "2"), "DOCU-E01"),
        (("show", "paradex-pm", "--json", "--toml"), "DOCU-E01"),
        (("lint", "absent.toml"), "TERM-E10"),
        (("list", "--folder", "absent"), "TERM-E10"),
        (("sign", "paradex-pm"), "DOCU-E03"),
        (("sign",), "DOCU-E03"),
        (("sign", "paradex-pm", "--key", "a", "--new-key", "b"), "DOCU-E03"),
        (("sign", "paradex-pm", "--key", "absent"), "TERM-E19"),
        (("sign", "paradex-pm", "--new-key", "key", "--out", "absent/x.sig"), "DOCU-E04"),
        (("sign", "paradex-pm", "--new-key", "key", "--signed-at", "now"), "TERM-E19"),
        (("verify", "paradex-pm", "--signature", "absent"), "TERM-E19"),
        (("verify", "paradex-pm", "--signature", "absent", "--public-key", "00"), "TERM-E19"),
    ],
)
def test_DOCU_075_a_wrong_argument_is_a_named_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []  # nothing half done
    assert f"error {code}" in done.err
    assert "rule" in done.err
    assert "cure" in done.err


def test_DOCU_060_the_schema_is_printed(run: Run) -> None:
    done = run("schema")
    assert (done.code, done.out.encode()) == (0, schema_bytes())
