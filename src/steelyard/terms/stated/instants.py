"""Instants: ISO 8601 text to UTC microseconds, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from steelyard.quantities.errors import InputError

# The first and the last second that the calendar has in UTC; a zone may lead beyond.
SECONDS_MIN, SECONDS_MAX = -62_135_596_800, 253_402_300_799


@lru_cache(maxsize=4096)
def instant_us(text: str, field: str = "as_of") -> int:
    """Return UTC microseconds since 1970 of an ISO 8601 instant; without a zone it is UTC.

    Errors: STAT-E01, with the field.

    >>> instant_us("2026-01-07T08:00:00Z")
    1767772800000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _refused(text, field) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # A moment's own timestamp() is a float; counting whole seconds keeps the microseconds exact.
    whole = int(moment.replace(microsecond=0).timestamp())
    if not SECONDS_MIN <= whole <= SECONDS_MAX:
        raise _refused(text, field)
    return whole * 1_000_000 + moment.microsecond


def instant_text(time_us: int) -> str:
    """Return the ISO 8601 text of UTC microseconds.

    >>> instant_text(1767772800000000)
    '2026-01-07T08:00:00Z'
    """
    seconds, rest = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.isoformat().replace("+00:00", "Z")


def _refused(text: str, field: str) -> InputError:
    return InputError(
        "STAT-E01",
        f"{text!r} is not an instant",
        rule="times are ISO 8601, UTC",
        cure="write for example 2026-01-07T08:00:00Z",
        field=field,
    )
