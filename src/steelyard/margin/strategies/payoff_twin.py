"""The readable twin of the payoff: each leg by its definition, in fractions, one price at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from steelyard.margin.strategies.legs import Leg


def exact(value: float) -> Fraction:
    """Return the shortest decimal of a float as a fraction."""
    return Fraction(repr(float(value)))


def leg_payoff_twin(leg: Leg, price: Fraction) -> Fraction:
    """Return what one leg is worth at settlement, USD."""
    quantity, strike = exact(leg.quantity), exact(leg.strike)
    if leg.kind == "option":
        inside = price - strike if leg.is_call else strike - price
        return quantity * max(inside, Fraction(0))
    if leg.is_coin_settled:
        return quantity * (price - exact(leg.mark))
    return quantity * price


def payoff_twin(legs: Sequence[Leg], price: Fraction, *, in_coins: bool = False) -> Fraction:
    """Return P(S) of legs that settle together, or P(S)/S."""
    total = Fraction(0)
    for leg in legs:
        total += leg_payoff_twin(leg, price)
    return total / price if in_coins else total


def cost_twin(legs: Sequence[Leg], *, in_coins: bool = False) -> Fraction:
    """Return Σ quantity·mark in the settlement currency."""
    total = Fraction(0)
    for leg in legs:
        if leg.kind == "coin" and in_coins:
            total += exact(leg.quantity)
        elif leg.is_option or not leg.is_coin_settled:
            total += exact(leg.quantity) * exact(leg.mark)
    return total


def least_payoff_twin(legs: Sequence[Leg], *, in_coins: bool = False) -> Fraction | None:
    """Return the least payoff over all prices, or None, from values of the definition alone.

    Beyond every strike the payoff is a line (in coins: a line in 1/S); two of its points tell its
    slope, and in coins two more its value at an endless price.
    """
    strikes = sorted({exact(leg.strike) for leg in legs if leg.is_option}) or [Fraction(1)]
    top = strikes[-1]
    if not in_coins:
        far = payoff_twin(legs, 2 * top) - payoff_twin(legs, top)
        if far < 0:
            return None
        return min(payoff_twin(legs, price) for price in [Fraction(0), *strikes])
    bottom = strikes[0]
    near = payoff_twin(legs, bottom / 2, in_coins=True) - payoff_twin(legs, bottom, in_coins=True)
    if near < 0:
        return None
    # On x = 1/S in [0, 1/top] a line through the values at 1/top and half of it.
    endless = 2 * payoff_twin(legs, 2 * top, in_coins=True) - payoff_twin(legs, top, in_coins=True)
    return min([endless, *(payoff_twin(legs, price, in_coins=True) for price in strikes)])


def maximum_loss_twin(
    legs: Sequence[Leg], *, in_coins: bool = False, from_mark: bool = False
) -> Fraction | None:
    """Return −min P, or Σ quantity·mark − min P; None when there is no least payoff."""
    least = least_payoff_twin(legs, in_coins=in_coins)
    if least is None:
        return None
    return (cost_twin(legs, in_coins=in_coins) if from_mark else 0) - least
