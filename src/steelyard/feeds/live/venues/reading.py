"""What the readers of venues share: decoding with one set of errors, numbers within bounds, contract units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import msgspec

from steelyard.quantities import InputError

FRAME_BYTES_MAX = 16_000_000
PRICE_MIN, PRICE_MAX = 1e-18, 1e12
QUANTITY_MAX = 1e18
VOLATILITY_MAX = 100.0
FUNDING_RATE_MAX = 10.0
TIME_MS_MAX = 4_102_444_800_000  # the year 2100
SEQUENCE_MAX = 2**63 - 1
TEXT_MAX = 200

Blank = float | Literal[""] | None
"""A number, or nothing at all, which venues write as an empty text, as null or by leaving it out."""

T = TypeVar("T")


class Level(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """[price, quantity, …] of a book, as numbers or as texts; what follows is left alone."""

    price: float
    quantity: float


class ContractUnit(msgspec.Struct, frozen=True):
    """What one contract stands for: `value` units of the base asset, or of the quote if is_inverse.

    >>> ContractUnit(0.01).base(250.0, 60_000.0), ContractUnit(100.0, True).base(30.0, 60_000.0)
    (2.5, 0.05)
    """

    value: float
    is_inverse: bool = False

    def base(self, quantity: float, price: float) -> float:
        """Return how many units of the base asset `quantity` contracts at a price are."""
        units = quantity * self.value
        return units / price if self.is_inverse else units


BASE_UNIT = ContractUnit(1.0)


def unreadable(venue: str, reason: str) -> InputError:
    """Return WIRE-E01: bytes that are no frame."""
    return InputError(
        "WIRE-E01",
        f"the frame cannot be read: {reason[:TEXT_MAX]}",
        rule="a frame is one whole JSON text",
        cure="nothing to do for a single one; many mean a proxy or another address",
        venue=venue,
    )


def other_shape(venue: str, reason: str) -> InputError:
    """Return WIRE-E02: a frame that is not what the venue's documents say."""
    return InputError(
        "WIRE-E02",
        f"the frame is not of the documented shape: {reason[:TEXT_MAX]}",
        rule="fields, types and bounds of numbers are those of the venue's documents",
        cure="compare the frame with the documents of the venue; it may have changed its protocol",
        venue=venue,
    )


def venue_error(venue: str, code: object, reason: str) -> InputError:
    """Return WIRE-E03: the venue says that something is wrong."""
    return InputError(
        "WIRE-E03",
        f"the venue reports an error: {reason[:TEXT_MAX]}",
        rule="the venue takes what is sent to it",
        cure="look the code up in the documents of the venue",
        venue=venue,
        venue_code=str(code)[:TEXT_MAX],
    )


def decode(decoder: msgspec.json.Decoder[T], frame: bytes | msgspec.Raw, venue: str) -> T:
    """Return the decoded frame. Errors: WIRE-E01, WIRE-E02."""
    if len(frame) > FRAME_BYTES_MAX:
        raise unreadable(venue, f"{len(frame)} bytes are more than {FRAME_BYTES_MAX}")
    try:
        return decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise other_shape(venue, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(venue, str(error)) from None


def price_of(value: float, venue: str) -> float:
    """Return a price that is one. Errors: WIRE-E02."""
    if not PRICE_MIN <= value <= PRICE_MAX:
        raise other_shape(venue, f"a price of {value}")
    return value


def quantity_of(value: float, venue: str) -> float:
    """Return a quantity, 0 included. Errors: WIRE-E02."""
    if not 0.0 <= value <= QUANTITY_MAX:
        raise other_shape(venue, f"a quantity of {value}")
    return value


def price_or_none(value: Blank, venue: str) -> float | None:
    """Return a price, None for nothing or zero. Errors: WIRE-E02."""
    if value is None or value == "" or value == 0.0:
        return None
    return price_of(float(value), venue)


def quantity_or_none(value: Blank, venue: str) -> float | None:
    """Return a quantity, None for nothing. Errors: WIRE-E02."""
    return None if value is None or value == "" else quantity_of(float(value), venue)


def volatility_or_none(value: Blank, venue: str) -> float | None:
    """Return a volatility as a decimal, None for nothing or zero. Errors: WIRE-E02."""
    if value is None or value == "" or value == 0.0:
        return None
    if not 0.0 < float(value) <= VOLATILITY_MAX:
        raise other_shape(venue, f"a volatility of {value}")
    return float(value)


def funding_or_none(value: Blank, venue: str) -> float | None:
    """Return a funding rate of one interval, None for nothing. Errors: WIRE-E02."""
    if value is None or value == "":
        return None
    if not -FUNDING_RATE_MAX <= float(value) <= FUNDING_RATE_MAX:
        raise other_shape(venue, f"a funding rate of {value}")
    return float(value)


def time_us_of(time_ms: int, venue: str) -> int:
    """Return microseconds of a time in milliseconds. Errors: WIRE-E02."""
    if not 0 < time_ms <= TIME_MS_MAX:
        raise other_shape(venue, f"a time of {str(time_ms)[:30]} ms")
    return time_ms * 1_000


def levels_of(rows: Sequence[Level], unit: ContractUnit, venue: str) -> list[tuple[float, float]]:
    """Return (price, quantity in base units) of each level. Errors: WIRE-E02."""
    levels = []
    for row in rows:
        price, quantity = row.price, row.quantity
        if not (PRICE_MIN <= price <= PRICE_MAX and 0.0 <= quantity <= QUANTITY_MAX):
            raise other_shape(venue, f"a level of {quantity} at {price}")
        levels.append((price, unit.base(quantity, price)))
    return levels


def whole_side(
    rows: Sequence[Level], unit: ContractUnit, venue: str, *, is_bid: bool
) -> list[tuple[float, float]]:
    """Return the levels of one side of a whole book, best first, without empty ones. Errors: WIRE-E02."""
    levels = [level for level in levels_of(rows, unit, venue) if level[1] > 0.0]
    levels.sort(reverse=is_bid)
    return levels


def best_of(
    rows: Sequence[Level], unit: ContractUnit, venue: str, *, is_bid: bool
) -> tuple[float, float]:
    """Return price and quantity of the best level, (0, 0) where there is none. Errors: WIRE-E02."""
    levels = whole_side(rows, unit, venue, is_bid=is_bid)
    return levels[0] if levels else (0.0, 0.0)


def in_requests(arguments: Iterable[bytes], count_max: int, bytes_max: int) -> list[list[bytes]]:
    """Return the arguments in groups of at most so many, and of at most so many bytes with commas.

    >>> in_requests([b'"a"', b'"b"', b'"c"'], 2, 100)
    [[b'"a"', b'"b"'], [b'"c"']]
    """
    groups: list[list[bytes]] = []
    length = 0
    for argument in arguments:
        if not groups or len(groups[-1]) >= count_max or length + len(argument) + 1 > bytes_max:
            groups.append([])
            length = 0
        groups[-1].append(argument)
        length += len(argument) + 1
    return groups
