"""Refusing an event, and the look-ups that refuse what is not listed or not open."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from steelyard.quantities import UNITS_MAX, InputError
from steelyard.terms.account import unit_name
from steelyard.ticks import Event

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

FUTURE_US_MAX = 5_000_000
VALUE_MICRO_MAX = 10**17
"""A balance is worth at most a hundred billion USD, so that no sum of a unit leaves int64."""


def refuse(code: str, event: Event, field: str, rule: str, cure: str) -> NoReturn:
    """Raise the refusal of an event: which field, which rule, what to do."""
    raise InputError(
        code,
        f"{type(event).__name__} of {event.origin} refused",
        rule=rule,
        cure=cure,
        origin=event.origin,
        origin_seq=event.origin_seq,
        field=field,
    )


def listed_asset(engine: Engine, event: Event, field: str, name: str) -> int:
    """Return the slot of an asset. Errors: ADMT-E03."""
    slot = engine.market.asset_slots.get(name)
    if slot is None:
        refuse("ADMT-E03", event, field, f"asset {name} is listed", "list it first")
    return slot


def listed_instrument(engine: Engine, event: Event, field: str, name: str) -> int:
    """Return the slot of an instrument. Errors: ADMT-E03."""
    slot = engine.market.instrument_slots.get(name)
    if slot is None:
        refuse("ADMT-E03", event, field, f"instrument {name} is listed", "list it first")
    return slot


def traded_instrument(engine: Engine, event: Event, name: str) -> int:
    """Return the slot of an instrument that has a mark and has not expired. Errors: ADMT-E03."""
    slot = listed_instrument(engine, event, "instrument", name)
    if not engine.market.has_mark[slot] or engine.market.is_settled[slot]:
        refuse(
            "ADMT-E03", event, "instrument", f"{name} trades: it has a mark and has not expired",
            "send its price or volatility first, or drop the event",
        )  # fmt: skip
    return slot


def open_trading_unit(
    engine: Engine, event: Event, field: str, account: str, instrument: str
) -> str:
    """Return the margin unit that trades for an account: itself, or its isolated position.

    Errors: ADMT-E03.
    """
    unit = engine.trading_unit(account, instrument)
    if unit is None:
        isolated = engine.locate(account) is not None
        wanted = unit_name(account, instrument) if isolated else account
        cure = "transfer its isolated margin first" if isolated else "open it first"
        refuse("ADMT-E03", event, field, f"margin unit {wanted} is open", cure)
    return unit


def check_not_future(event: Event, exchange_time_us: int) -> None:
    """Raise ADMT-E05 for an exchange time that lies ahead of the receipt."""
    if exchange_time_us > event.time_us + FUTURE_US_MAX:
        refuse(
            "ADMT-E05", event, "exchange_time_us", "exchange time is at most 5 s after receipt",
            "set the sender's clock",
        )  # fmt: skip


def check_bounded(event: Event, field: str, units: int) -> None:
    """Raise ADMT-E08 for a balance that would leave the integers."""
    if not -UNITS_MAX < units < UNITS_MAX:
        refuse(
            "ADMT-E08", event, field, "a balance stays within 2^62 units",
            "list the asset with a coarser unit",
        )  # fmt: skip


def check_value(engine: Engine, event: Event, field: str, asset: int, units: int) -> None:
    """Raise ADMT-E08 for a balance that is worth more than any account may hold."""
    check_bounded(event, field, units)
    if engine.venue.to_micro_up(abs(units), asset) > VALUE_MICRO_MAX:
        refuse(
            "ADMT-E08", event, field, "a balance is worth at most 100 billion USD",
            "split it over accounts",
        )  # fmt: skip
