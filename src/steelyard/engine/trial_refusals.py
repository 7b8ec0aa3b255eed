"""What a trial refuses, each with its rule and cure.

UNIT-E01  no such instrument, or it is settled      UNIT-E04  a position beyond its limit
UNIT-E02  an isolated unit and another instrument   UNIT-E05  no mark to trade at
UNIT-E03  no such asset                             UNIT-E06  a price, volatility or time out of bounds
"""

from __future__ import annotations

from steelyard.quantities.errors import InputError
from steelyard.terms import Instrument
from steelyard.terms.account import UNIT_SEPARATOR, unit_name


def no_instrument(name: str) -> InputError:
    """Return UNIT-E01."""
    return InputError(
        "UNIT-E01", f"there is no instrument {name[:80]!r} to trade",
        rule="instruments are those that are listed and not settled",
        cure="see public/get_instruments", field=f"simulated_positions.{name[:80]}",
    )  # fmt: skip


def not_its_own(unit: str, name: str) -> InputError:
    """Return UNIT-E02: of a position of its own, or of the account that owns such."""
    owner, _, own = unit.partition(UNIT_SEPARATOR)
    cure = f"ask about {unit_name(owner, name)!r}, the unit of that position"
    if own:
        cure = f"{cure}, or about {own}"
    return InputError(
        "UNIT-E02", f"the margin unit {unit!r} does not trade {name[:80]}",
        rule="in isolated mode every instrument is held by a margin unit of its own",
        cure=cure, field=f"simulated_positions.{name[:80]}",
    )  # fmt: skip


def no_asset(name: str) -> InputError:
    """Return UNIT-E03."""
    return InputError(
        "UNIT-E03", f"there is no asset {name[:40]!r} whose price could move, or to be paid in",
        rule="assets are those that are listed; the accounting asset has no price",
        cure="name a listed asset", field="asset",
    )  # fmt: skip


def beyond_limit(terms: Instrument, lots: int) -> InputError:
    """Return UNIT-E04."""
    return InputError(
        "UNIT-E04", f"{lots} lots of {terms.name} would be held",
        rule=f"at most {terms.position_limit} lots of it, long or short",
        cure="simulate a smaller position", field=f"simulated_positions.{terms.name}",
    )  # fmt: skip


def no_mark(terms: Instrument) -> InputError:
    """Return UNIT-E05."""
    return InputError(
        "UNIT-E05", f"{terms.name} has no mark now", rule="a simulated position trades at the mark",
        cure="wait for its first price or volatility, or leave it out",
        field=f"simulated_positions.{terms.name}",
    )  # fmt: skip


def out_of_bounds(what: str, rule: str, cure: str) -> InputError:
    """Return UNIT-E06."""
    return InputError("UNIT-E06", what, rule=rule, cure=cure)
