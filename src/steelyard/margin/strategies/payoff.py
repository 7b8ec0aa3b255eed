"""What a book is worth at settlement, and the most it can lose: proven, not searched.

Let S ≥ 0 be the price at which everything of one underlying and one expiry settles. Each leg is
worth, in USD,

    call    q·max(S − K, 0)         put                     q·max(K − S, 0)
    coin    q·S                     perpetual, future       q·S (bought for q·mark)
                                    coin-settled of these   q·(S − mark), gained from its mark

so the book is worth P(S), continuous and linear between neighbours of 0, the strikes and infinity.

**Settled in dollars.** A function that is linear on an interval has its least value at an end of
it. So min P is the least of P(0), P(K₁) … P(Kₙ) if the slope beyond Kₙ is not negative, and
there is no least value if it is: with every further dollar of S the book loses more.

**Settled in coins.** What pays P(S) dollars pays P(S)/S coins: a call max(S − K, 0)/S, a put
max(K − S, 0)/S, a coin 1. With x = 1/S, a + b·S becomes a·x + b: the payoff in coins is linear
between neighbours of x = 0 (an endless price), 1/Kₙ … 1/K₁ and infinity (a price of zero). So its
least value is that of these points, where x = 0 gives the last slope of P and 1/K gives P(K)/K,
if the slope beyond 1/K₁, which is P(0), is not negative. If P(0) < 0 there is no least value: near
zero the book owes −P(0)/S coins. Therefore

    a call spread        P(0) = 0: bounded, in either direction, and so is a naked call, by one coin;
    a sold put spread    P(0) = K_low − K_high < 0: **not** bounded, though it is in dollars;
    a bought put spread  P(0) = K_high − K_low > 0: it loses what was paid for it, no more.

Loss **from the marks** is Σ quantity·mark − min P (in coins: a coin counts 1, a coin-settled
perpetual 0). Legs of different underlyings have prices of their own, so their losses add up
exactly; legs of several expiries of one underlying do not settle together: there is no maximum,
only the bound of `bound_by_expiry`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.margin.strategies.legs import (
    Leg,
    check_legs,
    decimal_of,
    decimals_of,
    scaled,
    settles_in_coins,
)
from steelyard.quantities import InputError, TermsError


class Profile:
    """P(S) of legs of one underlying that settle together, in exact integers.

    unit: 10^decimals of prices. whole: unit × 10^decimals of quantities. knots: 0 and the strikes,
    × unit. worth: P at the knots, × whole. slopes: of P beyond each knot, × whole/unit; slope: the
    last. cost: Σ quantity·mark in the settlement currency.
    """

    def __init__(self, legs: Sequence[Leg]) -> None:
        prices = [leg.strike for leg in legs if leg.is_option]
        prices += [leg.mark for leg in legs if not leg.is_option and leg.is_coin_settled]
        price_decimals = decimals_of(prices)
        quantity_decimals = decimals_of(leg.quantity for leg in legs)
        self.unit = int(10**price_decimals)
        self.whole = self.unit * int(10**quantity_decimals)
        strikes = {scaled(leg.strike, price_decimals) for leg in legs if leg.is_option}
        self.knots = [0, *sorted(strikes)]
        self.is_in_coins = settles_in_coins(legs) is True
        self.currency = legs[0].underlying if self.is_in_coins else "USD"
        at_zero, self.slope, first = 0, 0, 0
        turns = dict.fromkeys(self.knots, 0)
        for leg in legs:
            count = scaled(leg.quantity, quantity_decimals)
            if not leg.is_option:
                first += count
                if leg.is_coin_settled:
                    at_zero -= count * scaled(leg.mark, price_decimals)
                continue
            strike = scaled(leg.strike, price_decimals)
            turns[strike] += count
            if not leg.is_call:
                at_zero += count * strike
                first -= count
        self.worth, self.slopes = [at_zero], [first]
        for below, knot in zip(self.knots, self.knots[1:], strict=False):
            self.worth.append(self.worth[-1] + self.slopes[-1] * (knot - below))
            self.slopes.append(self.slopes[-1] + turns[knot])
        self.slope = self.slopes[-1]
        self.cost = _cost(legs, self.is_in_coins)

    def at(self, price: float) -> Fraction:
        """Return P(price) in USD, exactly."""
        decimals = decimals_of([price])
        more = int(10**decimals)
        digits, exponent = decimal_of(price)
        point = digits * int(10 ** (exponent + decimals)) * self.unit
        i = bisect_right(self.knots, point // more) - 1
        value = self.worth[i] * more + self.slopes[i] * (point - self.knots[i] * more)
        return Fraction(value, self.whole * more)

    def extremes(self) -> tuple[Fraction | None, Fraction | None]:
        """Return the least and the largest payoff in the settlement currency; None: no such."""
        if self.is_in_coins:
            quantity_unit = self.whole // self.unit
            points = [Fraction(self.slope, quantity_unit)]
            points += [
                Fraction(w, k * quantity_unit)
                for k, w in zip(self.knots, self.worth, strict=True)
                if k
            ]
            tail = self.worth[0]
        else:
            points = [Fraction(w, self.whole) for w in self.worth]
            tail = self.slope
        least = None if tail < 0 else min(points)
        return least, None if tail > 0 else max(points)

    def break_evens(self) -> list[Fraction]:
        """Return the prices above 0 at which the payoff is the cost, ascending.

        Of an interval on which it is the cost all along, the ends.
        """
        # What the payoff is over the cost at the knots, × whole × parts of the cost, in integers.
        # In coins P(S)/S = cost: the line cost·S takes the place of the level cost.
        cost, parts = self.cost.numerator, self.cost.denominator
        quantity_unit = self.whole // self.unit
        level, tilt = (0, cost * quantity_unit) if self.is_in_coins else (cost * self.whole, 0)
        over = [w * parts - level - tilt * k for k, w in zip(self.knots, self.worth, strict=True)]
        last = self.slope * parts - tilt
        roots = {
            Fraction(k, self.unit) for k, o in zip(self.knots, over, strict=True) if o == 0 and k
        }
        for i, (low, high) in enumerate(pairwise(over)):
            if (low < 0 < high) or (high < 0 < low):
                below, above = self.knots[i], self.knots[i + 1]
                span = low - high
                roots.add(Fraction(below * span + (above - below) * low, span * self.unit))
        if (over[-1] < 0 < last) or (last < 0 < over[-1]):
            roots.add(Fraction(self.knots[-1] * last - over[-1], last * self.unit))
        return sorted(roots)


def _cost(legs: Iterable[Leg], is_in_coins: bool) -> Fraction:
    """Return Σ quantity·mark in the settlement currency, exactly."""
    digits, exponent = 0, 0
    for leg in legs:
        if leg.is_option or not leg.is_coin_settled:
            mark = 1.0 if is_in_coins and leg.kind == "coin" else leg.mark
            q, e = decimal_of(leg.quantity)
            m, f = decimal_of(mark)
            least = min(exponent, e + f)
            digits = digits * int(10 ** (exponent - least)) + q * m * int(10 ** (e + f - least))
            exponent = least
    return Fraction(digits, int(10 ** (-exponent)))


def profiles(legs: Iterable[Leg]) -> list[Profile] | None:
    """Return a profile for each underlying; None when one has several expiries or settlements."""
    groups: dict[str, list[Leg]] = {}
    for leg in check_legs(legs):
        if leg.quantity != 0.0:
            groups.setdefault(leg.underlying, []).append(leg)
    for group in groups.values():
        expiries = {leg.expiry_us for leg in group if leg.expiry_us}
        if len(expiries) > 1 or settles_in_coins(group) is None:
            return None
    return [Profile(group) for group in groups.values()]


def currency_of(legs: Iterable[Leg]) -> str | None:
    """Return what the legs settle in: USD or the one underlying; None when in more than one."""
    groups: dict[str, list[Leg]] = {}
    for leg in check_legs(legs):
        groups.setdefault(leg.underlying, []).append(leg)
    names = set()
    for underlying, group in groups.items():
        in_coins = settles_in_coins(group)
        if in_coins is None:
            return None
        names.add(underlying if in_coins else "USD")
    return "USD" if not names else names.pop() if len(names) == 1 else None


def payoff_at_expiry(legs: Iterable[Leg], prices: ArrayLike) -> NDArray[np.float64]:
    """Return P(S) in USD at each settlement price, shaped as `prices`.

    The exact value, rounded once to the nearest double; the order of the legs changes nothing. A
    price that is no number, negative or infinite gives NaN in its place. Errors: TERM-E44 (a leg),
    TERM-E46 (several underlyings or expiries).

    >>> buy = Leg("C60", "option", "BTC", 1, 60000.0, True, 1.0)
    >>> sell = Leg("C65", "option", "BTC", 1, 65000.0, True, -1.0)
    >>> payoff_at_expiry([buy, sell], [50000.0, 62500.0, 80000.0])
    array([   0., 2500., 5000.])
    """
    return _payoffs(legs, prices, in_coins=False)


def payoff_in_coins(legs: Iterable[Leg], prices: ArrayLike) -> NDArray[np.float64]:
    """Return P(S)/S, the coins that coin-settled legs pay, at each price; NaN unless S > 0.

    >>> sell = Leg("P60", "option", "BTC", 1, 60000.0, False, -1.0, True)
    >>> buy = Leg("P50", "option", "BTC", 1, 50000.0, False, 1.0, True)
    >>> payoff_in_coins([sell, buy], [80000.0, 50000.0, 10000.0, 1000.0])
    array([  0. ,  -0.2,  -1. , -10. ])
    """
    return _payoffs(legs, prices, in_coins=True)


def _payoffs(legs: Iterable[Leg], prices: ArrayLike, *, in_coins: bool) -> NDArray[np.float64]:
    held = check_legs(legs)
    expiries = {leg.expiry_us for leg in held if leg.expiry_us}
    if len({leg.underlying for leg in held}) > 1 or len(expiries) > 1:
        raise TermsError(
            "TERM-E46",
            "the legs do not settle together",
            rule="a payoff is that of one underlying and one expiry",
            cure="ask for each on its own",
        )
    try:
        points = np.asarray(prices, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            "TICK-E03", "prices are not numbers", rule="a price is a number", cure="pass floats"
        ) from error
    profile = Profile(held)
    result = np.full(points.size, np.nan)
    for i, price in enumerate(points.ravel().tolist()):
        if 0.0 <= price <= 1e300 and not (in_coins and price == 0.0):
            value = profile.at(price)
            result[i] = rounded(value / _exact(price) if in_coins else value)
    return result.reshape(points.shape)


def _exact(price: float) -> Fraction:
    digits, exponent = decimal_of(price)
    return Fraction(digits) * Fraction(10) ** exponent  # tidy-ok: exact rationals


def rounded(value: Fraction) -> float:
    """Return the nearest double; beyond the largest, infinity of that sign."""
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def maximum_loss_exact(legs: Iterable[Leg], *, from_mark: bool) -> Fraction | None:
    """Return what `maximum_loss` (or, from the marks, `maximum_loss_from_mark`) rounds."""
    parts = profiles(legs)
    if parts is None or len({part.currency for part in parts}) > 1:
        return None
    total = Fraction(0)
    for part in parts:
        least, _ = part.extremes()
        if least is None:
            return None
        total += (part.cost if from_mark else 0) - least
    return total


def maximum_loss(legs: Iterable[Leg]) -> float | None:
    """Return the most the legs can owe at settlement: −min P; None when there is no such number.

    Negative when the legs are sure to receive something. In USD, or in coins when what settles
    settles in coins. None: unbounded, or several expiries, settlements or currencies. Exact,
    rounded once; the proof is the module's text. Errors: TERM-E44.

    >>> long, short = (Leg(f"C{k}", "option", "BTC", 1, k * 1e3, True, q)
    ...                for k, q in ((65, 1.0), (60, -1.0)))
    >>> maximum_loss([long, short]), maximum_loss([long]), maximum_loss([short])
    (5000.0, 0.0, None)
    """
    value = maximum_loss_exact(legs, from_mark=False)
    return None if value is None else rounded(value)


def maximum_loss_from_mark(legs: Iterable[Leg]) -> float | None:
    """Return Σ quantity·mark − min P: the most the legs can lose from their marks; None as above.

    >>> long = Leg("C60", "option", "BTC", 1, 60000.0, True, 1.0, mark=2900.0)
    >>> short = Leg("C65", "option", "BTC", 1, 65000.0, True, -1.0, mark=1700.0)
    >>> maximum_loss_from_mark([long, short])
    1200.0
    """
    value = maximum_loss_exact(legs, from_mark=True)
    return None if value is None else rounded(value)


def defined_risk_cap(legs: Iterable[Leg]) -> float | None:
    """Return the most a book can lose from its marks, at least 0: a cap of its requirement.

    Where an option's mark is counted in equity, equity less this amount is what is left at the
    worst settlement price, so that no more need be required. It is one minimum over S of the whole
    payoff, which is at least the sum of the minima of any parts: no decomposition is tighter.
    None: there is no proven maximum (see `maximum_loss`).
    """
    value = maximum_loss_exact(legs, from_mark=True)
    return None if value is None else max(0.0, rounded(value))
