"""`steelyard methods list|show|lint|diff`: how documents, findings and differences are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from steelyard.cli.method_library import found, library
from steelyard.cli.output import console, print_json
from steelyard.quantities import InputError
from steelyard.terms.documents import Change, MethodDocument, difference, lint
from steelyard.terms.documents.shapes import Keyed, Leaf, Listed, Rows, Shape
from steelyard.terms.documents.shapes import Table as Fields
from steelyard.terms.documents.writing import toml_text

HASH_SHOWN = 12
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def list_command(folder: Path | None, as_json: bool) -> int:
    """Print every version of every method; exit code 0."""
    known = library(folder)
    series = [document for name in known.names() for document in known.versions(name)]
    if as_json:
        print_json({"methods": [heading(document) for document in series]})
        return 0
    table = _table("method", "version", "valid from", "core", "currency", "hash", "source")
    for each in series:
        table.add_row(
            each.name, each.version, each.valid_from.removesuffix("T00:00:00Z"), each.core,
            each.currency, each.digest()[:HASH_SHOWN], escape(each.source),
        )  # fmt: skip
    console().print(table)
    return 0


def heading(document: MethodDocument) -> dict[str, Any]:
    """Return what identifies a document."""
    return {
        "name": document.name,
        "version": document.version,
        "valid_from": document.valid_from,
        "title": document.title,
        "source": document.source,
        "currency": document.currency,
        "core": document.core,
        "sha256": document.digest(),
    }


def show_command(
    name: str,
    version: str | None,
    at: str | None,
    folder: Path | None,
    as_json: bool,
    as_toml: bool,
) -> int:
    """Print one method; exit code 0."""
    document = found(name, version, at, folder)
    if as_json and as_toml:
        raise InputError("DOCU-E01", "both --json and --toml are asked for", rule="one form at a time",
                         cure="drop one of them", field="toml")  # fmt: skip
    if as_toml:
        sys.stdout.write(toml_text(document))
        return 0
    if as_json:
        print_json({"sha256": document.digest(), "document": document})
        return 0
    out = console()
    out.print(
        f"[bold]{escape(document.title or document.name)}[/]  {document.name} {document.version}"
    )
    said = {
        "valid from": document.valid_from, "source": document.source,
        "currency": document.currency, "core": document.core, "sha256": document.digest(),
    }  # fmt: skip
    for label, text in said.items():
        out.print(f"  [dim]{label:<11}[/]{escape(text)}", soft_wrap=True)
    table = _table("parameter", "value", "unit")
    for path, value, unit in parameter_rows(document):
        table.add_row(escape(path), escape(value), escape(unit))
    out.print(table)
    rules = _table("rule", "")
    for path, value in _flat(document.rules, ""):
        rules.add_row(escape(path), escape(value))
    out.print(rules)
    return 0


def parameter_rows(document: MethodDocument) -> Iterator[tuple[str, str, str]]:
    """Yield (path, value, unit) of every parameter; one without a value comes with the case."""
    for name, shape in document.shape.fields.items():
        if name in document.parameters:
            yield from _values(name, document.parameters[name], shape)
        else:
            yield name, "–" if shape.is_optional else "with the case", _unit(shape)


def _values(path: str, value: Any, shape: Shape) -> Iterator[tuple[str, str, str]]:
    if isinstance(shape, Fields | Keyed) and isinstance(value, dict):
        if not value:
            yield path, "with the case", _unit(shape)
        for name, each in value.items():
            of = shape.of if isinstance(shape, Keyed) else shape.fields[name]
            yield from _values(f"{path}.{name}", each, of)
    elif isinstance(shape, Listed) and not isinstance(shape.of, Leaf):
        for i, each in enumerate(value):
            yield f"{path}[{i}]", _text(each), _unit(shape.of) if i == 0 else ""
    elif isinstance(shape, Rows):
        for i, each in enumerate(value):
            yield f"{path}[{i}]", _text(each), _unit(shape) if i == 0 else ""
    else:
        yield path, _text(value), _unit(shape)


def _unit(shape: Shape) -> str:
    if isinstance(shape, Leaf):
        return shape.unit + ("?" if shape.is_optional else "")
    if isinstance(shape, Rows):
        return ", ".join(map(_unit, shape.leaves))
    if isinstance(shape, Fields):
        return ", ".join(f"{name}: {_unit(each)}" for name, each in shape.fields.items())
    return f"{'a list' if isinstance(shape, Listed) else 'keyed'} of {_unit(shape.of)}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "  ".join(map(_text, value))
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every value of a tree."""
    if isinstance(tree, dict) and tree:
        for name, each in tree.items():
            yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(tree, list) and any(isinstance(each, dict | list) for each in tree):
        for i, each in enumerate(tree):
            yield from _flat(each, f"{path}[{i}]")
    else:
        yield path, _text(tree)


def lint_command(name: str, at: str | None, folder: Path | None, as_json: bool) -> int:
    """Print what the linter finds; exit code 1 if there is an error among it."""
    document = found(name, None, at, folder)
    findings = lint(document)
    errors = sum(each.severity == "error" for each in findings)
    if as_json:
        print_json(heading(document) | {"errors": errors, "findings": findings})
        return 1 if errors else 0
    out = console()
    for each in findings:
        out.print(
            f"[{STYLES[each.severity]}]{each.severity} {each.code}[/] "
            f"{escape(each.field)}: {escape(each.message)}", highlight=False, soft_wrap=True,
        )  # fmt: skip
        out.print(
            f"  rule   {escape(each.rule)}\n  cure   {escape(each.cure)}",
            style="dim",
            soft_wrap=True,
        )
    said = ", ".join(
        f"{sum(each.severity == severity for each in findings)} {severity}s" for severity in STYLES
    )
    out.print(f"{document.name} {document.version}: {said}")
    return 1 if errors else 0


def diff_command(
    before: str,
    after: str,
    folder: Path | None,
    as_json: bool,
    cases: Path | None = None,
    jobs: int = 1,
) -> int:
    """Print what differs between two methods, and which of the cases it hits.

    Exit code 1 if anything differs, 2 if a case is an error.
    """
    a, b = found(before, folder=folder), found(after, folder=folder)
    changes = difference(a, b)
    impact = None
    if cases is not None:
        # Imported here: margining needs what a plain comparison does not.
        from steelyard.cli.methods_impact import compared, impact_of

        impact = impact_of(compared(before, after, cases, folder, jobs))
    code = 2 if impact is not None and impact.errors else 1 if changes else 0
    if as_json:
        told = {"before": heading(a), "after": heading(b), "changes": msgspec.to_builtins(changes)}
        print_json(told if impact is None else told | {"cases": impact.as_dict()})
        return code
    table = _table("path", "before", "after", "change", "unit")
    for each in changes:
        table.add_row(escape(each.path), *map(escape, _sides(each)), _relative(each), each.unit)
    out = console()
    if changes:
        out.print(table)
    out.print(f"{len(changes)} differences between {a.name} {a.version} and {b.name} {b.version}")
    if impact is not None:
        from steelyard.cli.methods_impact import print_impact

        print_impact(out, impact)
    return code


def _sides(change: Change) -> tuple[str, str]:
    before = "" if change.is_added else _text(change.before)
    return before, "" if change.is_removed else _text(change.after)


def _relative(change: Change) -> str:
    if change.relative_change is not None:
        return f"{change.relative_change:+.1%}"
    return "new" if change.is_added else "gone" if change.is_removed else ""


def _table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
