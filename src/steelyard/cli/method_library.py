"""The methods that a command knows: the package's documents, those of a folder, and one in a file."""

from __future__ import annotations

from pathlib import Path

from steelyard.quantities import InputError
from steelyard.terms.documents import (
    Library,
    MethodDocument,
    documents,
    instant_us,
    load_document,
)


def library(folder: Path | None) -> Library:
    """Return the known methods, with those of a folder."""
    known = documents()
    return known if folder is None else known.with_folder(folder)


def found(
    name: str, version: str | None = None, at: str | None = None, folder: Path | None = None
) -> MethodDocument:
    """Return the document of a file, or of a name as `paradex-pm` or `paradex-pm@2026.1`.

    A file ends in .toml or .json. Errors: DOCU-E01 a version said in two ways, DOCU-E02 no instant, and those
    of the library and of reading.
    """
    at_us = None if at is None else _at_us(at)
    if name.lower().endswith((".toml", ".json")):
        document = load_document(Path(name))
        known = Library({}, {document.name: (document,)})
        return known.get(document.name, version, at_us)
    method, _, asked = name.partition("@")
    if asked and version not in (None, asked):
        raise InputError(
            "DOCU-E01", f"the version is {asked} in the name and {version} in --version",
            rule="a version is said once", cure="drop --version", field="version",
        )  # fmt: skip
    return library(folder).get(method, version or asked or None, at_us)


def _at_us(text: str) -> int:
    try:
        return instant_us(text)
    except ValueError as error:
        raise InputError(
            "DOCU-E02", f"{text[:40]!r} is no instant", rule=str(error),
            cure="write it in UTC, as 2026-01-01T00:00:00Z", field="at",
        ) from None  # fmt: skip
