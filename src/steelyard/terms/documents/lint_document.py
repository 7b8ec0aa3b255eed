"""Rules of the document as a whole: its source and dates, its core, parameters that nothing uses or gives."""

from __future__ import annotations

import re
from typing import Any

from steelyard.terms.documents.document import instant_us
from steelyard.terms.documents.findings import Found, Rule, View
from steelyard.terms.documents.shapes import DEFAULT, Keyed, Listed, Shape, Table

SCENARIO_CORES = frozenset({"scenario"})
"""Cores that know a parameter only by what the rules say; any other core is code of its own."""

SELECTING = ("by", "choice")
"""Tables of rules whose keys are parameters: by whose entry, and by whose value, something is chosen."""

EARLIEST_US = instant_us("2009-01-03T00:00:00Z")
LATEST_US = instant_us("2100-01-01T00:00:00Z")

_NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names_in(rules: Any) -> set[str]:
    """Return every name that the texts of a tree of rules hold: in expressions, or as $name.

    >>> sorted(names_in({"net": "max(scan, $floor)", "rows": [1, "scan * 2"]}))
    ['floor', 'max', 'scan']
    """
    if isinstance(rules, str):
        return set(_NAMES.findall(rules))
    if isinstance(rules, dict):
        return set().union(*map(names_in, rules.values()))
    if isinstance(rules, list):
        return set().union(*map(names_in, rules))
    return set()


def no_source(seen: View) -> Found:
    """A number comes from somewhere."""
    if not seen.document.source.strip():
        yield "source", "the document does not say where its numbers come from"


def no_title(seen: View) -> Found:
    """A method is called something."""
    if not seen.document.title.strip():
        yield "title", "the document has no title"


def odd_valid_from(seen: View) -> Found:
    """A method holds from an instant at which there were coins."""
    at = seen.document.valid_from_us
    if not EARLIEST_US <= at < LATEST_US:
        yield "valid_from", f"the method holds from {seen.document.valid_from}"
    elif at % 1_000_000:
        yield "valid_from", f"{seen.document.valid_from} is within a second"


def no_core(seen: View) -> Found:
    """Rules name what applies them."""
    if not seen.document.core:
        yield "rules.core", "the rules name no core"


def names_of(name: str, shape: Shape) -> set[str]:
    """Return what rules may call a parameter: its name, `name_field` of a table, a field of an entry or row."""
    if isinstance(shape, Table):
        parts = {f"{name}_{field}": each for field, each in shape.fields.items()}
        return {name}.union(*(names_of(part, each) for part, each in parts.items()))
    if isinstance(shape, Keyed | Listed):
        if isinstance(shape.of, Table):
            return {name}.union(*(names_of(n, each) for n, each in shape.of.fields.items()))
        return {name} | names_of(name, shape.of)
    return {name}


def unused(seen: View) -> Found:
    """A parameter that no rule names, nor any field of it, changes nothing."""
    document = seen.document
    if document.core not in SCENARIO_CORES:
        return
    named = names_in({key: each for key, each in document.rules.items() if key != "core"})
    for table in SELECTING:
        selected = document.rules.get(table)
        named |= set(selected) if isinstance(selected, dict) else set()
    for name, shape in document.shape.fields.items():
        if named.isdisjoint(names_of(name, shape)):
            yield f"parameters.{name}", f"no rule names {name}"


def without_default(seen: View) -> Found:
    """An underlying without an entry has no numbers."""
    for name, shape in seen.document.shape.fields.items():
        entries = seen.document.parameters.get(name)
        if isinstance(shape, Keyed) and entries and DEFAULT not in entries:
            known = ", ".join(sorted(entries)[:6])
            yield f"parameters.{name}", f"only {known} are covered"


def left_to_the_case(seen: View) -> Found:
    """A unit without a value asks the case."""
    for name, shape in seen.document.shape.fields.items():
        if name not in seen.document.parameters and not shape.is_optional:
            yield f"parameters.{name}", f"{name} has a unit and no value"


RULES = (
    Rule("LINT-40", "warning", "a document names its source", "state who published the numbers, and where",
         no_source),
    Rule("LINT-41", "note", "a document has a title", "state one", no_title),
    Rule("LINT-42", "warning", "valid_from is a whole second from 2009 to 2099",
         "state since when the venue applies these numbers", odd_valid_from),
    Rule("LINT-43", "error", "rules.core names what applies the rules", 'state it, such as core = "scenario"',
         no_core),
    Rule("LINT-44", "warning", "a rule names every parameter", "remove the parameter, or name it in [rules]",
         unused),
    Rule("LINT-45", "note", 'an entry "default" is what others leave out', "add one if others are to be covered",
         without_default),
    Rule("LINT-46", "note", "a parameter without a value comes with the case", "add a value if there is a default",
         left_to_the_case),
)  # fmt: skip
