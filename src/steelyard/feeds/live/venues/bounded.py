"""Types that hold numbers, counters and times within bounds while a frame is decoded, NaN included.

Decoding with `strict=False` takes a number also from a text, as venues write their decimals.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from steelyard.feeds.live.venues.reading import other_shape

Price = Annotated[float, msgspec.Meta(ge=1e-18, le=1e12)]
PriceOrZero = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
Quantity = Annotated[float, msgspec.Meta(ge=0.0, le=1e18)]
Percent = Annotated[float, msgspec.Meta(ge=0.0, le=10_000.0)]
Rate = Annotated[float, msgspec.Meta(ge=-10.0, le=10.0)]
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Checksum = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Decimals = Annotated[int, msgspec.Meta(ge=0, le=18)]
TimeMs = Annotated[int, msgspec.Meta(gt=0, le=4_102_444_800_000)]  # until the year 2100
Name = Annotated[str, msgspec.Meta(max_length=96)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_US_MAX = 4_102_444_800_000_000


def instant_us(instant: datetime, venue: str) -> int:
    """Return UTC microseconds of a time. Errors: WIRE-E02 outside of 1970 to 2100.

    Integers throughout: a time with up to six digits of a second is exact; of nine the decoder has
    rounded to the nearest microsecond.

    >>> from datetime import datetime
    >>> instant_us(datetime.fromisoformat("2023-10-06T17:35:55.440295+00:00"), "kraken")
    1696613755440295
    """
    since = instant - _EPOCH
    time_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if not 0 < time_us <= _TIME_US_MAX:
        raise other_shape(venue, f"a time in the year {instant.year}")
    return time_us
