"""Instants: ISO 8601 text to UTC microseconds, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from steelyard.quantities.errors import InputError
from steelyard.terms.instants import utc_us


@lru_cache(maxsize=4096)
def instant_us(text: str, field: str = "as_of") -> int:
    """Return UTC microseconds since 1970 of an ISO 8601 instant; without a zone it is UTC.

    Errors: STAT-E01, with the field.

    >>> instant_us("2026-01-07T08:00:00Z")
    1767772800000000
    """
    try:
        return utc_us(text)
    except ValueError:
        raise InputError(
            "STAT-E01",
            f"{text!r} is not an instant",
            rule="times are ISO 8601, UTC",
            cure="write for example 2026-01-07T08:00:00Z",
            field=field,
        ) from None


def instant_text(time_us: int) -> str:
    """Return the ISO 8601 text of UTC microseconds.

    >>> instant_text(1767772800000000)
    '2026-01-07T08:00:00Z'
    """
    seconds, rest = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.isoformat().replace("+00:00", "Z")
