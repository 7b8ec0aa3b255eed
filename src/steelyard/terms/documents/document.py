"""The document of a margin method: who says what since when, its numbers with their units, its rules.

A document is checked when it is made, so one that exists keeps its form: every parameter has a unit
and every value fits it. Its numbers are never changed in place: `with_parameters` returns another.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from steelyard.quantities import TermsError
from steelyard.terms.documents.faults import located, refused, unknown_name
from steelyard.terms.documents.shapes import DEFAULT, DEPTH_MAX, Keyed, Table
from steelyard.terms.documents.units import INTEGER_MAX, Unfit, plain_text
from steelyard.terms.instants import utc_us

SCHEMA = 1
INTEGRAL_MAX = 2**53

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
VERSION = re.compile(r"[0-9A-Za-z]+([.+_-][0-9A-Za-z]+)*")
CURRENCY = re.compile(r"underlying|[A-Z][A-Z0-9a-z]{0,15}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
TEXTS = ("name", "version", "valid_from", "title", "source", "currency")
FORMS = {
    "name": (NAME, "small letters, digits and single hyphens, as paradex-pm"),
    "version": (VERSION, "letters and digits in parts, as 2026.1"),
    "currency": (CURRENCY, 'the name of an asset, as USD, or "underlying" for its coin'),
    "valid_from": (INSTANT, "an instant in UTC as a text, 2026-01-01T00:00:00Z"),
}


class MethodDocument(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True, weakref=True
):
    """A margin method as data. Treat its tables as frozen: documents share them.

    schema: 1. name, version, valid_from: which method, and since when it holds (ISO 8601 UTC).
    title, source: what it is and where the numbers come from. currency: that of the requirements;
    "underlying" is the coin of the underlying. units: the schema of the parameters. parameters: the
    venue's own names and numbers. rules: how a core puts them together; `rules["core"]` names it.
    Errors: TERM-E11 header, TERM-E12 units, TERM-E13 values, TERM-E14 a parameter without a unit.
    """

    schema: int
    name: str
    version: str
    valid_from: str
    title: str
    source: str
    currency: str
    units: dict[str, Any]
    parameters: dict[str, Any]
    rules: dict[str, Any]

    def __post_init__(self) -> None:
        _check_header(self)
        force_setattr(self, "parameters", self.shape.check(self.parameters, "parameters"))
        force_setattr(self, "rules", _plain(self.rules, "rules", 0))

    def __hash__(self) -> int:
        return hash(self.digest())

    def digest(self) -> str:
        """Return the SHA-256 of the canonical encoding, as 64 hexadecimal digits.

        The encoding is the JSON of all ten fields in ASCII: keys sorted by code point, no spaces, a
        number that is whole and within ±2^53 without a fraction, any other float by the shortest
        decimal that reads back as it, texts with everything beyond ASCII as \\uXXXX. It depends on
        no order of keys, and not on whether the document was TOML or JSON.

        >>> from steelyard.terms.documents import documents
        >>> len(documents().get("paradex-pm").digest())
        64
        """
        known = self.__dict__.get("digest_known")
        if known is None:
            known = hashlib.sha256(self.canonical()).hexdigest()
            self.__dict__["digest_known"] = known
        return str(known)

    def canonical(self) -> bytes:
        """Return the bytes that `digest` hashes and a signature signs."""
        members = self._encoded("fields_known", {n: getattr(self, n) for n in _OTHER_FIELDS})
        parameters = self._encoded("parameters_known", self.parameters)
        members["parameters"] = f'"parameters":{_object(parameters)}'
        return _object(members).encode()

    def _encoded(self, store: str, values: dict[str, Any]) -> dict[str, str]:
        """Return the encoding of each member of an object, `"name":value`.

        A document shares what is known with those made from it: a value is known by its identity.
        """
        known: dict[str, tuple[Any, str]] = self.__dict__.setdefault(store, {})
        encoded = {}
        for name, value in values.items():
            at_hand = known.get(name)
            if at_hand is not None and at_hand[0] is value:
                encoded[name] = at_hand[1]
                continue
            text = json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
            encoded[name] = f"{json.dumps(name)}:{text}"
            known.setdefault(name, (value, encoded[name]))
        return encoded

    @property
    def shape(self) -> Table:
        """What the parameters look like: [units], compiled once."""
        known: Table | None = self.__dict__.get("shape_known")
        if known is None:
            known = self.__dict__["shape_known"] = Table(self.units, "units", 0)
        return known

    @property
    def valid_from_us(self) -> int:
        """The instant from which the document holds, in microseconds since 1970 UTC."""
        return instant_us(self.valid_from)

    @property
    def core(self) -> str:
        """The name of the core that applies the rules, or "" if they name none."""
        core = self.rules.get("core", "")
        return core if isinstance(core, str) else ""

    def with_parameters(self, overrides: Mapping[str, Any]) -> MethodDocument:
        """Return the document with some parameters changed; itself without overrides.

        A list replaces the whole list. Tables and keyed tables merge: what an entry leaves out stays;
        a new entry starts from `default` if there is one.
        Errors: TERM-E13 a value that does not fit its unit, TERM-E14 an unknown name, with those
        most like it.

        >>> from steelyard.terms.documents import documents
        >>> method = documents().get("paradex-pm").with_parameters({"maintenance_factor": 0.6})
        >>> method.parameters["maintenance_factor"], method.parameters["net_delta_rate"]
        (0.6, 0.02)
        """
        if isinstance(overrides, Mapping) and not overrides:
            return self
        try:
            merged = self.shape.merge(self.parameters, overrides, "parameters")
        except TermsError as error:
            raise located(error, method=self.name, version=self.version) from None
        changed = copy.copy(self)  # neither checked again, nor with what is known of this one
        changed.__dict__["shape_known"] = self.shape
        for store in ("fields_known", "parameters_known"):
            changed.__dict__[store] = self.__dict__.setdefault(store, {})
        force_setattr(changed, "parameters", merged)
        return changed

    def parameter(self, name: str) -> Any:
        """Return a parameter; None if it may be left out and is.

        Errors: TERM-E15 if the method needs it and neither document nor case gave it, TERM-E14 if it
        has no unit.
        """
        value = self.parameters.get(name)
        if value is not None:
            return value
        shape = self.shape.fields.get(name)
        if shape is None:
            raise located(
                unknown_name(name, self.units, "parameters"), method=self.name, version=self.version
            )
        if shape.is_optional:
            return None
        raise self._missing(f"parameters.{name}", "the document has no default for it")

    def entry(self, table: str, key: str) -> Any:
        """Return the entry of a keyed parameter, completed by `default`; or `default` itself.

        table: the parameter, or a dotted path to it. key: an underlying, asset or instrument.
        Errors: TERM-E15 if there is neither, TERM-E14 if there is no such keyed parameter.
        """
        shape: Any = self.shape
        entries: Any = self.parameters
        for name in table.split("."):
            shape = shape.fields.get(name) if isinstance(shape, Table) else None
            entries = entries.get(name) or {} if shape is not None else {}
        if not isinstance(shape, Keyed):
            keyed = [n for n, s in self.shape.fields.items() if isinstance(s, Keyed)]
            raise located(unknown_name(table, keyed, "parameters"), method=self.name)
        default = entries.get(DEFAULT)
        found = entries.get(key, default)
        if found is None:
            raise self._missing(f"parameters.{table}.{key}", "there is no entry called default")
        return found if found is default else shape.completed(found, default)

    def _missing(self, field: str, why: str) -> TermsError:
        path = field.removeprefix("parameters.").split(".")
        given = "{" + ": {".join(f'"{name}"' for name in path) + ": …" + "}" * len(path)
        return refused(
            "TERM-E15", f"{self.name} needs {field}, and {why}",
            "what the document leaves open comes with the case",
            f"give it in the case's parameters: {given}, or add it to the document", field,
            method=self.name, version=self.version,
        )  # fmt: skip


_OTHER_FIELDS = tuple(name for name in MethodDocument.__struct_fields__ if name != "parameters")


def _object(encoded: dict[str, str]) -> str:
    """Return a JSON object of encoded members, sorted by the code points of their names."""
    return "{" + ",".join([encoded[name] for name in sorted(encoded)]) + "}"


def instant_us(text: str) -> int:
    """Return an instant of the form 2026-01-01T00:00:00Z in microseconds since 1970. Errors: ValueError.

    >>> instant_us("1970-01-02T00:00:00.5Z")
    86400500000
    """
    if not INSTANT.fullmatch(text):
        raise ValueError("the instant is not of the form 2026-01-01T00:00:00Z")
    return utc_us(text)


def _check_header(document: MethodDocument) -> None:
    """Raise TERM-E11 at the first field that is not in its form, TERM-E12 if units are no table."""
    if isinstance(document.schema, bool) or document.schema != SCHEMA:
        raise _header("schema", document.schema, f"this release reads schema {SCHEMA}")
    for name in TEXTS:
        value = getattr(document, name)
        try:
            plain_text(value)
        except Unfit as error:
            raise _header(name, value, str(error)) from None
        form, said = FORMS.get(name, (None, ""))
        if form is not None and (len(value) > 64 or not form.fullmatch(value)):
            raise _header(name, value, said)
    try:
        instant_us(document.valid_from)
    except ValueError:
        raise _header("valid_from", document.valid_from, "an instant that exists") from None
    for name in ("units", "parameters", "rules"):
        if not isinstance(getattr(document, name), dict):
            raise _header(name, getattr(document, name), "a table")


def _header(field: str, value: object, rule: str) -> TermsError:
    return refused("TERM-E11", f"{field} is {str(value)[:60]!r}", rule, f"correct {field}", field)


def _plain(value: Any, path: str, depth: int) -> Any:
    """Return a tree of rules if it is plain data that JSON can hold, else raise TERM-E13."""
    if depth > DEPTH_MAX:
        raise _not_plain(path, f"tables within tables at most {DEPTH_MAX} deep")
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise _not_plain(path, "names are texts")
            _plain(name, path, depth + 1)
        return {name: _plain(each, f"{path}.{name}", depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{path}[{i}]", depth + 1) for i, each in enumerate(value)]
    if isinstance(value, str):
        try:
            return plain_text(value)
        except Unfit as error:
            raise _not_plain(path, str(error)) from None
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= INTEGER_MAX:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _not_plain(path, "texts, finite numbers, booleans, lists and tables; instants as texts")


def _not_plain(path: str, rule: str) -> TermsError:
    return refused("TERM-E13", f"{path} is not plain data", rule, "write it as one of these", path)


def _whole(value: Any) -> Any:
    """Return a tree in which whole floats are integers, for the canonical encoding."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= INTEGRAL_MAX else value
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return value
