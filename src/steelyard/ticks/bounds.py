"""Bounds that events share, and the errors of what lies outside."""

from __future__ import annotations

from steelyard.quantities import UNITS_MAX, InputError
from steelyard.ticks.events import Event

NAME_LENGTH_MAX = 96
TIME_US_MAX = 4_102_444_800_000_000  # the year 2100
PRICE_MAX = 1e12
BATCH_MAX = 100_000
REASON_LENGTH_MAX = 400


def name(event: Event, field: str, value: str) -> None:
    """Raise TICK-E04 unless a name is short and printable."""
    if not 0 < len(value) <= NAME_LENGTH_MAX or not value.isprintable():
        raise refused("TICK-E04", event, field, f"1 to {NAME_LENGTH_MAX} printable characters")


def within(event: Event, field: str, value: float, low: float, high: float) -> None:
    """Raise TICK-E03 unless low < value ≤ high."""
    # The comparison is written so that a NaN fails it.
    if not low < value <= high:
        raise refused(
            "TICK-E03", event, field, f"a finite number above {low:g} and at most {high:g}", value
        )


def units(event: Event, field: str, value: int, low: int) -> None:
    """Raise TICK-E03 unless a number of units lies in its bounds."""
    if not low <= value <= UNITS_MAX:
        raise refused("TICK-E03", event, field, f"{low} to 2^62 units", value)


def exchange_time(event: Event, exchange_time_us: int) -> None:
    """Raise TICK-E05 unless a time lies between 1970 and 2100."""
    if not 0 <= exchange_time_us <= TIME_US_MAX:
        raise refused("TICK-E05", event, "exchange_time_us", "UTC microseconds, 1970 to 2100")


def reason(event: Event, text: str) -> None:
    """Raise TICK-E06 unless a reason is given, and short."""
    if not 0 < len(text) <= REASON_LENGTH_MAX:
        raise refused(
            "TICK-E06", event, "reason", f"a reason, at most {REASON_LENGTH_MAX} characters"
        )


def ahead(event: Event, field: str, value_us: int, most_us: int, rule: str) -> None:
    """Raise TICK-E05 unless a time lies after the event, at most `most_us`."""
    if not event.time_us < value_us <= min(TIME_US_MAX, event.time_us + most_us):
        raise refused("TICK-E05", event, field, rule, value_us)


def refused(code: str, event: Event, field: str, rule: str, value: object = None) -> InputError:
    """Return the error of a field that breaks a rule."""
    shown = getattr(event, field, value) if value is None else value
    return InputError(
        code,
        f"{type(event).__name__} has {field} {shown!r}",
        rule=rule,
        cure="drop the event or mend the sender",
        origin=event.origin,
        origin_seq=event.origin_seq,
        field=field,
    )
