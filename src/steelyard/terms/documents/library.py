"""The library: every known document by name and version, and which one held at an instant.

The documents of the package stand in `terms/methods/`. Only their first lines are read until one is
asked for, so a command that uses one method parses one document.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from steelyard.quantities import TermsError
from steelyard.terms.documents.document import MethodDocument
from steelyard.terms.documents.faults import located, refused
from steelyard.terms.documents.reading import KINDS, load_document, parse_document

_NUMBER = re.compile(r"\d+")
Bundled = dict[str, list[str]]


class Library:
    """Documents by name; those of one name are a time series. Made by `documents` and `with_folder`."""

    def __init__(self, bundled: Bundled, added: Mapping[str, tuple[MethodDocument, ...]]) -> None:
        self._bundled = bundled
        self._added = added
        self._series: dict[str, tuple[MethodDocument, ...]] = {}

    def names(self) -> list[str]:
        """Return the names of all methods, sorted."""
        return sorted({*self._bundled, *self._added})

    def versions(self, name: str) -> tuple[MethodDocument, ...]:
        """Return every version of a method, the one that holds last at the end.

        Order: valid_from, then the version with its numbers by value. Errors: TERM-E16.
        """
        if name not in self._series:
            if name not in self._bundled and name not in self._added:
                raise self._unknown(name)
            found = [_bundled_document(file) for file in self._bundled.get(name, [])]
            self._series[name] = _in_order([*found, *self._added.get(name, ())])
        return self._series[name]

    def get(
        self, name: str, version: str | None = None, at_us: int | None = None
    ) -> MethodDocument:
        """Return a method: a version, the one that held at an instant, or the newest.

        at_us: microseconds since 1970 UTC. Errors: TERM-E16 if the method or version is unknown or did
        not hold yet.

        >>> documents().get("paradex-pm").version
        '2026.1'
        """
        series = self.versions(name)
        if version is not None:
            series = tuple(each for each in series if each.version == version)
            if not series:
                raise self._absent(name, f"{name} has no version {version!r}", "version")
        if at_us is not None:
            series = tuple(each for each in series if each.valid_from_us <= at_us)
            if not series:
                said = f"{name} {version or ''}".strip()
                raise self._absent(name, f"{said} did not hold yet at {_instant(at_us)}", "at")
        return series[-1]

    def with_folder(self, path: Path | str) -> Library:
        """Return the library with the documents of a folder (every .toml and .json in it) added.

        Errors: TERM-E10 to TERM-E14 of a file, TERM-E17 if a name and version is known with other content.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise refused("TERM-E10", f"{folder} is no folder", "documents stand in a folder",
                          "correct the path", "", file=folder)  # fmt: skip
        added = dict(self._added)
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() not in KINDS or not file.is_file():
                continue
            document = load_document(file)
            name = document.name
            known = self.versions(name) if name in self._bundled else ()
            try:
                _in_order([*known, *added.get(name, ()), document])
            except TermsError as error:
                raise located(error, file=file) from None
            added[name] = (*added.get(name, ()), document)
        return Library(self._bundled, added)

    def _unknown(self, name: str) -> TermsError:
        names = self.names()
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        cure = (
            f"name one that is known, such as {' or '.join(close)}"
            if close
            else "see steelyard methods list"
        )
        return refused(
            "TERM-E16", f"there is no method {name[:60]!r}", f"methods are {', '.join(names)}",
            cure, "method",
        )  # fmt: skip

    def _absent(self, name: str, message: str, field: str) -> TermsError:
        known = [f"{each.version} from {each.valid_from}" for each in self.versions(name)]
        return refused(
            "TERM-E16", message, f"known versions are {', '.join(known)}",
            "ask for one of these, or a later instant", field, method=name,
        )  # fmt: skip


@cache
def documents() -> Library:
    """Return the library of the package, read once.

    >>> "paradex-pm" in documents().names()
    True
    """
    bundled: Bundled = {}
    for file in sorted(_folder().iterdir(), key=lambda each: each.name):
        if file.name.endswith(".toml"):
            # The header stands before the first table; the house engine's own file has no schema.
            head, _, _ = ("\n" + file.read_text("utf-8")).partition("\n[")
            header = tomllib.loads(head)
            if "schema" in header:
                bundled.setdefault(str(header["name"]), []).append(file.name)
    return Library(bundled, {})


def _folder() -> Traversable:
    return resources.files("steelyard.terms").joinpath("methods")


@cache
def _bundled_document(file: str) -> MethodDocument:
    try:
        return parse_document(_folder().joinpath(file).read_bytes(), "toml")
    except TermsError as error:
        raise located(error, file=file) from None


def _in_order(found: list[MethodDocument]) -> tuple[MethodDocument, ...]:
    """Return documents of one name in the order in which they hold. Errors: TERM-E17."""
    by_version: dict[str, MethodDocument] = {}
    for each in found:
        known = by_version.setdefault(each.version, each)
        if known.digest() != each.digest():
            raise refused(
                "TERM-E17", f"{each.name} {each.version} is known with hash {known.digest()[:12]}…, "
                f"not {each.digest()[:12]}…", "a name and version stand for one content",
                "give the changed document another version", "version",
            )  # fmt: skip
    return tuple(sorted(by_version.values(), key=_order))


def _order(document: MethodDocument) -> tuple[int, list[tuple[int, str]]]:
    parts = re.split(r"(\d+)", document.version)
    numbered = [(int(p), "") if _NUMBER.fullmatch(p) else (-1, p) for p in parts if p]
    return document.valid_from_us, numbered


def _instant(at_us: int) -> str:
    try:
        return (
            f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us):%Y-%m-%dT%H:%M:%SZ}"
        )
    except OverflowError:
        return f"{at_us} us"
