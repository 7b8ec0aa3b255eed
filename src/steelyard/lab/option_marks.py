"""The marks and volatilities a generated population is opened at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from steelyard.lab.estimate import YEAR_US, black_usd
from steelyard.lab.market import Floats
from steelyard.quantities import InputError
from steelyard.terms import Instrument

OptionMarks = Mapping[str, float] | Callable[[str], float]
BISECTIONS = 40
VOLATILITY_ENDS = (0.01, 8.0)


def opening_terms(
    instruments: list[Instrument],
    prices: Mapping[str, float],
    volatilities: Mapping[str, float] | None,
    option_marks: OptionMarks | None,
    time_us: int,
) -> tuple[Floats, Floats]:
    """Return implied volatilities and marks in settlement coins, one an instrument.

    A perpetual's mark is its price (linear) or −contract_usd/price (inverse); its volatility is 0.
    An option's mark comes from `option_marks`, else from its volatility by Black-76 at the index;
    its volatility from `volatilities` (by its name, else by its underlying), else from its mark.
    Errors: LABS-E02 a price, or an option's mark and volatility, is not there; LABS-E03 no time.
    """
    if any(item.is_option for item in instruments) and time_us <= 0:
        raise InputError(
            "LABS-E03",
            "options are listed but the time is not stated",
            rule="options are opened at a time",
            cure="pass time_us, UTC microseconds",
            field="time_us",
        )
    sigma = np.zeros(len(instruments))
    marks = np.empty(len(instruments))
    price = np.array([_price_of(item, prices) for item in instruments], dtype=np.float64)
    lookup = option_marks.get if isinstance(option_marks, Mapping) else option_marks
    known = volatilities or {}
    for row, item in enumerate(instruments):
        if not item.is_option:
            marks[row] = -item.contract_usd / price[row] if item.is_inverse else price[row]
            continue
        mark = lookup(item.name) if lookup is not None else None
        level = known.get(item.name, known.get(item.underlying))
        if mark is None and level is None:
            raise _missing(item.name, "neither a mark nor a volatility")
        marks[row] = np.nan if mark is None else mark
        sigma[row] = np.nan if level is None else level
    rows = np.array([row for row, item in enumerate(instruments) if item.is_option], dtype=np.int64)
    if len(rows):
        _complete(rows, [instruments[row] for row in rows], price[rows], sigma, marks, time_us)
    return sigma, marks


def _complete(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    options: list[Instrument],
    price: Floats,
    sigma: Floats,
    marks: Floats,
    time_us: int,
) -> None:
    """Fill the missing marks from volatilities, then the missing volatilities from marks."""
    strike = np.array([float(item.strike) for item in options])
    call = np.array([float(item.is_call) for item in options])
    expiry = np.array([float(item.expiry_us) for item in options])
    root = np.sqrt(np.maximum((expiry - time_us) / YEAR_US, 1e-6))
    unit = np.where([item.is_inverse for item in options], price, 1.0)
    lacking = np.isnan(sigma[rows])
    if lacking.any():
        target = marks[rows][lacking] * unit[lacking]
        low = np.full(int(lacking.sum()), VOLATILITY_ENDS[0])
        high = np.full(len(low), VOLATILITY_ENDS[1])
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            deviation = middle * root[lacking]
            value, _ = black_usd(price[lacking], strike[lacking], deviation, call[lacking])
            low, high = (
                np.where(value < target, middle, low),
                np.where(value < target, high, middle),
            )
        sigma[rows[lacking]] = 0.5 * (low + high)
    unmarked = np.isnan(marks[rows])
    value, _ = black_usd(price, strike, sigma[rows] * root, call)
    marks[rows[unmarked]] = np.maximum(value / unit, 0.0)[unmarked]


def mark_units(instruments: list[Instrument], marks: Floats) -> Floats:
    """Return marks rounded to whole mark units, as floats that hold integers exactly."""
    return np.rint(marks * 10.0 ** np.array([item.mark_exponent for item in instruments]))


def _price_of(item: Instrument, prices: Mapping[str, float]) -> float:
    price = prices.get(item.underlying, 0.0)
    if not 0.0 < price < float("inf"):
        raise _missing(item.underlying, f"price {price!r}")
    return price


def _missing(name: str, what: str) -> InputError:
    return InputError(
        "LABS-E02",
        f"{name} has {what}",
        rule="every listed instrument has a positive price, and every option a mark or a volatility",
        cure="pass it, or leave the instrument out",
        name=name,
    )
