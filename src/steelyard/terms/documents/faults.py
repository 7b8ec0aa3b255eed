"""What is said of a document that cannot be used: one code each, and how a file's name joins it.

TERM-E10 the file cannot be read, or is neither TOML nor JSON
TERM-E11 the header: a field is missing, unknown or not in its form
TERM-E12 the units: a word that is no unit, or a shape that is none
TERM-E13 a value does not fit its unit
TERM-E14 a parameter that the document does not know
TERM-E15 a parameter or an entry that the method needs and nobody gave
TERM-E16 a method or a version that is not known, or was not valid yet
TERM-E17 two documents of one name and version that differ
TERM-E18 a signature that does not verify
TERM-E19 a key or a signature file that cannot be read
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from steelyard.quantities import TermsError

LISTED_MAX = 12


def refused(
    code: str, message: str, rule: str, cure: str, field: str, **where: object
) -> TermsError:
    """Return the error of a field."""
    return TermsError(code, message, rule=rule, cure=cure, **where, field=field)


def located(error: TermsError, **where: object) -> TermsError:
    """Return the error with more of where it happened, said first."""
    known = {key: value for key, value in error.where.items() if key not in where}
    return TermsError(error.code, error.message, rule=error.rule, cure=error.cure, **where, **known)


def unknown_name(name: str, known: Iterable[str], path: str) -> TermsError:
    """Return TERM-E14 of a name, with the known names that are most like it."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:LISTED_MAX]
    field = f"{path}.{name}"
    cure = f"use a known name, such as {', '.join(close)}" if close else "leave it out"
    return refused(
        "TERM-E14", f"{field} is not known", "a parameter is one to which [units] gives a unit",
        cure, field,
    )  # fmt: skip
