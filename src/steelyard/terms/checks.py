"""What the rules of all parameter tables are stated in: how a check looks, and lengths of time."""

from __future__ import annotations

Rules = list[tuple[bool, str, str]]
"""(holds, field, rule); a comparison is written so that a NaN fails it."""

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
YEAR_US = 365 * DAY_US
