"""Instants: ISO 8601 text to UTC microseconds; whoever reads one says in its own words what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime

# The first and the last second that the calendar has in UTC; a zone may lead beyond.
SECONDS_MIN, SECONDS_MAX = -62_135_596_800, 253_402_300_799


def utc_us(text: str) -> int:
    """Return UTC microseconds since 1970 of an ISO 8601 instant; without a zone it is UTC.

    Errors: ValueError for a text that is no instant, and for one outside the calendar.

    >>> utc_us("1970-01-02T00:00:00.5Z")
    86400500000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # A moment's own timestamp() is a float; counting whole seconds keeps the microseconds exact.
    whole = int(moment.replace(microsecond=0).timestamp())
    if not SECONDS_MIN <= whole <= SECONDS_MAX:
        raise ValueError("the calendar ends before")
    return whole * 1_000_000 + moment.microsecond
