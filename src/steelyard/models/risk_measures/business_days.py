"""Dates of the swap markets: business days, months, 30/360, and the quarterly dates of credit default swaps.

A business day is any but Saturday and Sunday.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta

DAY = timedelta(days=1)
FRIDAY = 4  # Monday is 0
QUARTER_MONTHS = (3, 6, 9, 12)
QUARTER_DAY = 20


def is_business_day(day: date) -> bool:
    """Return whether it is neither Saturday nor Sunday."""
    return day.weekday() <= FRIDAY


def following(day: date) -> date:
    """Return the day, or the first business day after it.

    >>> following(date(2010, 6, 20)).isoformat()
    '2010-06-21'
    """
    while not is_business_day(day):
        day += DAY
    return day


def modified_following(day: date) -> date:
    """Return the following business day, or the last before if that is in another month.

    >>> modified_following(date(2009, 5, 31)).isoformat()
    '2009-05-29'
    """
    moved = following(day)
    if moved.month == day.month:
        return moved
    while not is_business_day(day):
        day -= DAY
    return day


def plus_business_days(day: date, count: int) -> date:
    """Return the business day that is `count` after a day, itself not counted.

    >>> plus_business_days(date(2009, 5, 21), 2).isoformat()
    '2009-05-25'
    """
    while count:
        day += DAY
        count -= is_business_day(day)
    return day


def plus_months(day: date, months: int) -> date:
    """Return the same day so many months later, or the last of that month if it has no such day.

    >>> plus_months(date(2023, 8, 31), 6).isoformat()
    '2024-02-29'
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def thirty_360_days(start: date, end: date) -> int:
    """Return the days between dates whose months have 30 days (bond basis).

    A 31st at the start counts as a 30th; one at the end does so after a start on the 30th or 31st.

    >>> thirty_360_days(date(2009, 5, 31), date(2009, 7, 31)), thirty_360_days(date(2009, 5, 29), date(2009, 7, 31))
    (60, 62)
    """
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + last - first


def quarter_days(start: date, end: date) -> Iterator[date]:
    """Yield every 20th of March, June, September and December of the years from start to end.

    >>> [day.month for day in quarter_days(date(2009, 5, 1), date(2009, 6, 1))]
    [3, 6, 9, 12]
    """
    for year in range(start.year, end.year + 1):
        for month in QUARTER_MONTHS:
            yield date(year, month, QUARTER_DAY)
