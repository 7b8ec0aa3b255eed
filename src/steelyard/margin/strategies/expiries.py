"""The bound of a book of several expiries: what it loses at most if each expiry stands alone.

A calendar is no defined risk: when the near option settles, the far one is worth what the market then
says. But if each expiry's legs are held to their own settlement, the losses add up, and their
sum bounds the loss of the book. Coins and perpetuals may stand with any expiry; they are shared out so
that the sum is least. With x coins an expiry of payoff P loses at most

    L(x) = max over its knots K of −P(K) − x·K,   x ≥ −(the last slope of P),

convex and falling, made of straight pieces; so the least sum hands out the coins piece by piece, the
steepest first. In coins a coin is worth one before and after: it changes no loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from steelyard.margin.strategies.legs import Leg, check_legs, settles_in_coins
from steelyard.margin.strategies.payoff import Profile, currency_of, rounded

ZERO = Fraction(0)


def bound_by_expiry(legs: Iterable[Leg]) -> float | None:
    """Return the sum of what each expiry, held alone, loses at most from the marks; None: unbounded.

    An upper bound, not a maximum: see the module. Of one expiry it is `maximum_loss_from_mark`.
    In the settlement currency, exact, rounded once. Errors: TERM-E44.

    >>> near = Leg("P60", "option", "BTC", 1, 60000.0, False, -1.0, mark=1000.0)
    >>> far = Leg("P60F", "option", "BTC", 2, 60000.0, False, 1.0, mark=2500.0)
    >>> bound_by_expiry([near, far])
    61500.0
    """
    value = bound_by_expiry_exact(legs)
    return None if value is None else rounded(value)


def bound_by_expiry_exact(legs: Iterable[Leg]) -> Fraction | None:
    """Return what `bound_by_expiry` rounds."""
    held = [leg for leg in check_legs(legs) if leg.quantity != 0.0]
    if held and currency_of(held) is None:
        return None
    total = ZERO
    for underlying in dict.fromkeys(leg.underlying for leg in held):
        own = [leg for leg in held if leg.underlying == underlying]
        bound = _bound_in_coins(own) if settles_in_coins(own) else _bound_in_usd(own)
        if bound is None:
            return None
        total += bound
    return total


def _dated(legs: list[Leg]) -> list[list[Leg]]:
    expiries = sorted({leg.expiry_us for leg in legs if leg.expiry_us})
    return [[leg for leg in legs if leg.expiry_us == expiry] for expiry in expiries]


def _bound_in_usd(legs: list[Leg]) -> Fraction | None:
    undated = Profile([leg for leg in legs if not leg.expiry_us])
    groups = [Profile(group) for group in _dated(legs)] or [Profile([])]
    left = Fraction(undated.slope, undated.whole // undated.unit)
    shares = [_Share(group, is_owed=left < 0) for group in groups]
    for share in shares:
        left -= share.coins
    if left < 0 or any(share.coins > share.most for share in shares):
        return None
    while left > 0:
        open_shares = [share for share in shares if share.coins < share.most]
        steepest = max(open_shares, key=lambda share: share.knot)
        if steepest.knot == 0:
            break  # more coins lower nothing: the worst price is zero everywhere
        left -= steepest.take(left)
    total = undated.cost
    for group, share in zip(groups, shares, strict=True):
        total += group.cost + share.loss
    return total


class _Share:
    """One expiry and its coins: what it loses at most, and the price at which it does.

    Coins are held or owed, by all expiries alike: none lends to another, for a loan would have to
    be traded back when the first of them settles.
    """

    def __init__(self, profile: Profile, *, is_owed: bool) -> None:
        self.points = [
            (Fraction(k, profile.unit), Fraction(w, profile.whole))
            for k, w in zip(profile.knots, profile.worth, strict=True)
        ]
        needed = -Fraction(profile.slope, profile.whole // profile.unit)
        self.coins = needed if is_owed else max(ZERO, needed)
        self.most = ZERO if is_owed else Fraction(10**40)
        self._look()

    def _look(self) -> None:
        losses = [(-worth - self.coins * knot, knot) for knot, worth in self.points]
        self.loss = max(losses)[0]
        # Of several worst prices the lowest: it is the one at which more coins still help least.
        self.knot = min(knot for loss, knot in losses if loss == self.loss)

    def take(self, most: Fraction) -> Fraction:
        """Take coins until a lower price becomes the worst, at most `most`; return how many."""
        lower = [
            (self.loss - (-worth - self.coins * knot)) / (self.knot - knot)
            for knot, worth in self.points
            if knot < self.knot
        ]
        taken = min([most, self.most - self.coins, *lower])
        self.coins += taken
        self._look()
        return taken


def _bound_in_coins(legs: list[Leg]) -> Fraction | None:
    """Return the bound of a coin-settled book; its perpetuals stand, together, with one expiry.

    Coins held outright are left out: each is worth one before and after, and loses no coin.
    """
    perpetuals = [leg for leg in legs if leg.kind == "perpetual"]
    groups = _dated(legs) or [[]]
    bounds = []
    for i in range(len(groups)):
        shared = [[*group, *perpetuals] if j == i else group for j, group in enumerate(groups)]
        bounds.append(_total([_loss(group) for group in shared]))
    return min((bound for bound in bounds if bound is not None), default=None)


def _loss(legs: list[Leg]) -> Fraction | None:
    profile = Profile(legs)
    least, _ = profile.extremes()
    return None if least is None else profile.cost - least


def _total(losses: list[Fraction | None]) -> Fraction | None:
    total = ZERO
    for loss in losses:
        if loss is None:
            return None
        total += loss
    return total
