"""`price`, `greeks` and `implied_volatility` for frames and columns.

An option with a `forward` is valued with Black-76, discounted by `rate` if there is one; an option
with a `spot` with Black-Scholes-Merton, where `rate` and `dividend_yield` are 0 unless given. With
both a forward and a spot, the forward counts. The numbers are those of the kernels in `valuation`,
bit for bit. See docs/arrays-and-frames.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steelyard.frames.kinds import FrameGiven
from steelyard.frames.options import Options
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.black_scholes import black76_discounted, black_scholes
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.implied_volatility import QuoteStatus
from steelyard.valuation.implied_volatility import implied_volatility as implied_kernel

WORDS = {
    QuoteStatus.AT_INTRINSIC: "price: at intrinsic value",
    QuoteStatus.BELOW_INTRINSIC: "price: below intrinsic value",
    QuoteStatus.ABOVE_BOUND: "price: not below its bound",
    QuoteStatus.NO_INFORMATION: "price: tells little of the volatility",
    QuoteStatus.BAD_INPUT: "no volatility",
}
WITHOUT_VOLATILITY = (QuoteStatus.BELOW_INTRINSIC, QuoteStatus.ABOVE_BOUND, QuoteStatus.BAD_INPUT)


class Sensitivities(NamedTuple):
    """Price and Greeks, each of the kind that was given.

    vega, vanna and volga per volatility point, theta per day, rho per percentage point of the rate.
    """

    price: Any
    delta: Any
    gamma: Any
    vega: Any
    theta: Any
    rho: Any
    vanna: Any
    volga: Any


class Implied(NamedTuple):
    """Volatility per year and the status of each row, of the kind that was given."""

    volatility: Any
    status: Any


def price(
    options: Any = None,
    forward: Any = None,
    strike: Any = None,
    volatility: Any = None,
    time_years: Any = None,
    *,
    is_call: Any = None,
    spot: Any = None,
    rate: Any = None,
    dividend_yield: Any = None,
    expiry: Any = None,
    as_of: Any = None,
    prefix: str = "",
) -> Any:
    """Return prices of European options, in the unit of the forward or spot.

    options: a frame with columns named like the arguments (and `type` for the types), or the types
    alone: booleans (True is a call) or call, put, C, P. Every further argument is a number for all
    rows, a column, or the name of a column of the frame. Volatility and rates per year as decimals,
    time in years of 365 days, or `expiry` and `as_of` as dates or ISO 8601 texts in UTC.

    A frame comes back with the columns `price` and `status` (after `prefix`); a lazy frame is read
    and comes back lazy. Columns come back as one array or Series of the same kind, numbers as one
    float. status is "ok" or names the column and the fault; such a row has no price: NaN, in Polars
    and Arrow null.

    Errors: InputError FRAM-E01 a column is missing, FRAM-E02 a text that is no number, type or
    instant, with its row, FRAM-E03 the frame has a result column already, FRAM-E04 lengths or
    indexes differ.

    >>> round(price("call", 60_000.0, 60_000.0, 0.65, 30 / 365), 6)
    4454.109024
    """
    read = Options(
        options,
        _arguments(is_call, forward, spot, rate, dividend_yield, strike, time_years, expiry, as_of)
        | {"volatility": volatility},
    )
    if read.is_on_forward and read.rate is None:
        inputs = (read.is_call, read.level, read.strike, read.measure, read.time_years)
        found = black76_price(*inputs)
    else:
        found = _discounted(read).price
    found = _final(read, {"price": found})["price"]
    if isinstance(read.given, FrameGiven):
        return read.given.answer({"price": found, "status": read.status_column()}, prefix)
    return read.given.answer_one("price", found)


def greeks(
    options: Any = None,
    forward: Any = None,
    strike: Any = None,
    volatility: Any = None,
    time_years: Any = None,
    *,
    is_call: Any = None,
    spot: Any = None,
    rate: Any = None,
    dividend_yield: Any = None,
    expiry: Any = None,
    as_of: Any = None,
    prefix: str = "",
) -> Any:
    """Return price, delta, gamma, vega, theta, rho, vanna and volga; arguments as `price`.

    vega, vanna and volga per volatility point (1 %), theta per day, rho per percentage point of the
    rate; delta and gamma by the forward if there is one, else by the spot. A frame comes back with
    a column for each and `status`; columns come back as a tuple `Sensitivities`. With a forward and
    no rate nothing is discounted, and rho says what a first rate would cost.

    >>> at_money = greeks("call", 60_000.0, 60_000.0, 0.65, 30 / 365)
    >>> [round(x, 6) for x in (at_money.delta, at_money.vega, at_money.theta)]
    [0.537118, 68.326684, -74.020575]
    """
    read = Options(
        options,
        _arguments(is_call, forward, spot, rate, dividend_yield, strike, time_years, expiry, as_of)
        | {"volatility": volatility},
    )
    discounted = _discounted(read)
    fields = {name: getattr(discounted, name) for name in Sensitivities._fields}
    if read.is_on_forward and read.rate is None:
        inputs = (read.is_call, read.level, read.strike, read.measure, read.time_years)
        fields |= black76_greeks(*inputs)._asdict()
    fields = _final(read, fields)
    if isinstance(read.given, FrameGiven):
        return read.given.answer({**fields, "status": read.status_column()}, prefix)
    return Sensitivities(*(read.given.answer_one(name, fields[name]) for name in fields))


def implied_volatility(
    options: Any = None,
    forward: Any = None,
    strike: Any = None,
    price: Any = None,
    time_years: Any = None,
    *,
    is_call: Any = None,
    spot: Any = None,
    rate: Any = None,
    dividend_yield: Any = None,
    expiry: Any = None,
    as_of: Any = None,
    prefix: str = "",
) -> Any:
    """Return the volatilities that prices imply; arguments as `price`, with prices for volatilities.

    A price is in the unit of the forward or spot, and discounted if a rate is given. A frame comes
    back with `implied_volatility` and `status`; columns as a tuple `Implied` of both. Beside "ok"
    and the faults of inputs a status says of a price: at intrinsic value (volatility 0), below it or
    not below the upper bound (none), or that it tells little of the volatility (given all the same).

    >>> found = implied_volatility("call", 60_000.0, 60_000.0, 4454.109024203806, 30 / 365)
    >>> round(found.volatility, 12), found.status
    (0.65, 'ok')
    """
    read = Options(
        options,
        _arguments(is_call, forward, spot, rate, dividend_yield, strike, time_years, expiry, as_of)
        | {"price": price},
        quoted=True,
    )
    read.fault(read.time_years == 0.0, "time_years: no time is left")
    forwards, prices = read.level, read.measure
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is told as a bad input
        if not read.is_on_forward and (read.rate is not None or read.dividend_yield is not None):
            carry = _or_zero(read.rate) - _or_zero(read.dividend_yield)
            forwards = forwards * np.exp(carry * read.time_years)
        if read.rate is not None:
            prices = prices * np.exp(read.rate * read.time_years)
    kept = np.where(read.is_good, prices, np.nan)
    found = implied_kernel(read.is_call, forwards, read.strike, kept, read.time_years)
    for status, word in WORDS.items():
        read.fault(found.status == status, word)
    volatility = found.volatility
    for status in WITHOUT_VOLATILITY:
        volatility = np.where(found.status == status, np.nan, volatility)
    if isinstance(read.given, FrameGiven):
        results = {"implied_volatility": volatility, "status": read.status_column()}
        return read.given.answer(results, prefix)
    return Implied(
        read.given.answer_one("implied_volatility", volatility),
        read.given.answer_one("status", read.status_words()),
    )


def _arguments(
    is_call: Any,
    forward: Any,
    spot: Any,
    rate: Any,
    dividend_yield: Any,
    strike: Any,
    time_years: Any,
    expiry: Any,
    as_of: Any,
) -> dict[str, Any]:
    """Return the arguments that all three functions have, by name."""
    return {
        "is_call": is_call,
        "forward": forward,
        "spot": spot,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "strike": strike,
        "time_years": time_years,
        "expiry": expiry,
        "as_of": as_of,
    }


def _or_zero(column: Any) -> Any:
    return 0.0 if column is None else column


def _discounted(read: Options) -> Any:
    """Return price and Greeks by the kernel that the inputs ask for."""
    none = np.zeros(read.given.shape)
    rate = none if read.rate is None else read.rate
    yields = none if read.dividend_yield is None else read.dividend_yield
    options = (read.is_call, read.level, read.strike, rate)
    if read.is_on_forward:
        return black76_discounted(*options, read.measure, read.time_years)
    return black_scholes(*options, yields, read.measure, read.time_years)


def _final(read: Options, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the results with NaN in faulty rows; a result beyond all numbers is a fault too."""
    for values in fields.values():
        read.fault(~np.isfinite(values), "no finite result")
    return {name: read.kept(values) for name, values in fields.items()}
