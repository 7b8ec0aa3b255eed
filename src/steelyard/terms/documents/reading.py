"""Reading documents: TOML or JSON, from a file or from bytes, every fault under one of the listed codes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from steelyard.quantities import TermsError
from steelyard.terms.decoding import fault_of
from steelyard.terms.documents.document import MethodDocument
from steelyard.terms.documents.faults import located, refused

BYTES_MAX = 4 * 2**20
Kind = Literal["toml", "json"]
KINDS: dict[str, Kind] = {".toml": "toml", ".json": "json"}


def load_document(path: Path | str) -> MethodDocument:
    """Return the document of a file, TOML or JSON by its suffix.

    Errors: TERM-E10 to TERM-E14, each with the file, the field, the rule and the cure.
    """
    path = Path(path)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise refused(
            "TERM-E10", f"{path.name} is neither .toml nor .json", "a document is TOML or JSON",
            "rename the file", "", file=path,
        )  # fmt: skip
    try:
        data = path.read_bytes()
    except OSError as error:
        raise refused(
            "TERM-E10", f"the file cannot be read: {error.strerror}", "a document can be read",
            "correct the path", "", file=path,
        ) from None  # fmt: skip
    try:
        return parse_document(data, kind)
    except TermsError as error:
        raise located(error, file=path) from None


def parse_document(data: bytes, kind: Kind) -> MethodDocument:
    """Return the document that the bytes hold.

    Errors: TERM-E10 no TOML or JSON, TERM-E11 header, TERM-E12 units, TERM-E13 values, TERM-E14 names.

    >>> parse_document(b'schema = 2', "toml")
    Traceback (most recent call last):
    ...
    steelyard.quantities.errors.TermsError: TERM-E11: name is missing (field=name). \
Rule: a document has the ten published fields. Cure: add name.
    """
    tree = decode_tree(data, kind)
    if not isinstance(tree, dict):
        raise _unreadable(kind, "it is no table")
    for name in tree:
        if name not in MethodDocument.__struct_fields__:
            fields = ", ".join(MethodDocument.__struct_fields__)
            raise _header(f"{name[:60]!r} is not known", f"the fields are {fields}",
                          "remove it, or move it into parameters or rules", name)  # fmt: skip
    try:
        return msgspec.convert(tree, MethodDocument)
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        field, said = fault.field(), fault.said
        if fault.missing:
            raise _header(f"{field} is missing", "a document has the ten published fields",
                          f"add {field}", field) from None  # fmt: skip
        raise _header(f"{field}: {said[:1].lower()}{said[1:]}", "texts stand in quotes, tables are tables",
                      f"correct {field}", field) from None  # fmt: skip
    except RecursionError:
        raise _unreadable(kind, "it is nested too deeply") from None


def decode_tree(data: bytes, kind: Kind) -> Any:
    """Return the plain tree of TOML or JSON bytes. Errors: TERM-E10."""
    if len(data) > BYTES_MAX:
        raise _unreadable(kind, f"it has {len(data)} bytes of at most {BYTES_MAX}")
    try:
        text = data.decode()
        if kind == "toml":
            return tomllib.loads(text)
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise _unreadable(kind, "it is nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise _unreadable(kind, str(error)[:200]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members; a name that stands twice is no accident to pass over."""
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice[:60]!r} stands twice in one table")
    return table


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _unreadable(kind: Kind, said: str) -> TermsError:
    return refused(
        "TERM-E10", f"the document is not {kind.upper()}: {said}",
        f"a document is one {kind.upper()} table", "correct the text", "",
    )  # fmt: skip


def _header(message: str, rule: str, cure: str, field: str) -> TermsError:
    return refused("TERM-E11", message, rule, cure, field)
