"""A case in a moved market: the same book, other prices, other volatilities, a later instant.

What moves, and what stays:

- An underlying goes from its reference to the new price: the index, else the perpetual's mark, else the
  underlying's own mark, else the forward of the nearest expiry. Everything that is a price of it moves by
  the same ratio new/reference: index, perpetual, own mark, forwards, an SVI slice's forward, and the asset
  of the same name. Of a forward only the part that settlement averaging has not fixed moves. What is no
  price of the market stays: order, auction and limit prices, funding, amounts given with the account.
- Volatilities stay with their strikes; those of an SVI slice with their distance from its forward, which
  moves. `volatility` multiplies them: each stated one, and a slice's `a` and `b` by its square.
- Time moves `as_of`; expiries and forwards keep theirs. A contract that is past its expiry then pays at
  the moved forward (the index where none is stated), and is gone: `settling`.
- Positions keep their contracts: `moving_positions`.

Floats move by one rounded ratio. Decimals move by value·new/reference, worked out exactly and rounded
once, half to even, at 40 digits; what equals the reference becomes the new price exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import isfinite
from typing import Any, TypeVar

import msgspec

from steelyard.margin.methods.moving_counting import Counting, counting_for
from steelyard.margin.methods.moving_positions import moved_positions
from steelyard.margin.methods.needs import above_zero, given, refuse
from steelyard.margin.methods.settling import settled
from steelyard.terms.stated import Case, Expiry, Market, Svi, Underlying, instant_text, instant_us

N = TypeVar("N", float, Decimal)
replace = msgspec.structs.replace

DIGITS = Context(prec=40, rounding=ROUND_HALF_EVEN)
AVERAGED_SECONDS = 1800.0


class Move:
    """One price's way from old to new: `of` moves every other price along."""

    def __init__(self, old: Any, new: Any) -> None:
        self.old = old
        self.new = new
        self.is_still = bool(new == old)
        self._exact: Fraction | None = None
        self.ratio = 1.0 if self.is_still else float(new) / float(old)
        if isinstance(old, Decimal):
            self._exact = Fraction(new) / Fraction(old)

    def of(self, value: Any) -> Any:
        """Return a price moved along, None for None."""
        if value is None or self.is_still:
            return value
        if value == self.old:
            return self.new
        if self._exact is None:
            return value * self.ratio
        if not value.is_finite():
            return value
        found = Fraction(value) * self._exact
        return DIGITS.divide(Decimal(found.numerator), Decimal(found.denominator))


def moved(
    case: Case[N],
    *,
    prices: Mapping[str, N] | None = None,
    volatility: float = 1.0,
    later_us: int = 0,
) -> Case[N]:
    """Return the case with prices, volatilities and the instant moved; the same case if nothing is.

    prices: underlying (or an asset that is none) → its new price; volatility: multiplier of every
    volatility; later_us: microseconds. How marks and profits are counted is the method's that the case
    names; for a document that the library lacks ask `moved_as` with its `counting_of`.
    Errors: METH-E01 for a price, volatility or instant that the move needs and the case lacks,
    METH-E05 for a number out of bounds, METH-E02 where nothing says which asset is cash.

    >>> from steelyard.terms.stated import Account, Perpetual, Position
    >>> market = Market(underlyings={"BTC": Underlying(100.0, perpetual=Perpetual(101.0))})
    >>> held = Account(positions=(Position("BTC-PERPETUAL", 2.0, unrealised_pnl=3.0),))
    >>> after = moved(Case("c", "paradex-pm", market=market, account=held), prices={"BTC": 50.0})
    >>> after.market.underlyings["BTC"].perpetual.mark_price, after.account.positions[0].unrealised_pnl
    (50.5, -98.0)
    """
    return moved_as(case, counting_for(case), prices, volatility, later_us)


def moved_as(
    case: Case[N],
    counting: Counting,
    prices: Mapping[str, N] | None = None,
    volatility: float = 1.0,
    later_us: int = 0,
) -> Case[N]:
    """Return the moved case of a method that counts so; the rest as `moved`."""
    moves = {name: move_of(case, name, price) for name, price in (prices or {}).items()}
    moves = {name: move for name, move in moves.items() if not move.is_still}
    _check(volatility, later_us)
    if not moves and volatility == 1.0 and later_us == 0:
        return case
    market = _market(case.market, moves, volatility, later_us, counting)
    positions = moved_positions(case, market, moves, volatility, later_us != 0, counting)
    account = replace(case.account, positions=positions)
    after = replace(case, market=market, account=account)
    return settled(after, counting) if later_us else after


def reference_price(case: Case[N], name: str) -> N:
    """Return the price that an underlying's moves start from, above zero. Errors: METH-E01, METH-E05.

    Index, perpetual, own mark, forward of the nearest expiry that is not past; of a name that is no
    underlying the asset's price.
    """
    field = f"market.underlyings.{name}"
    stated = case.market.underlyings.get(name)
    if stated is None:
        asset = case.market.assets.get(name)
        why = "a price moves from where it is"
        return above_zero(given(None if asset is None else asset.price, field, why), field)
    perpetual = None if stated.perpetual is None else stated.perpetual.mark_price
    for value in (stated.index_price, perpetual, stated.mark_price, _nearest(case.market, stated)):
        if value is not None:
            return above_zero(given(value, field), field)
    missing: N | None = None
    return given(missing, f"{field}.index_price", "a price moves from where it is")


def _nearest(market: Market[N], stated: Underlying[N]) -> N | None:
    """Return the forward of the nearest expiry that is not past, else of the first stated."""
    priced = [expiry for expiry in stated.expiries if expiry.forward_price is not None]
    if not priced:
        return None
    as_of = instant_us(market.as_of) if market.as_of else 0
    times = [instant_us(expiry.expiry, "expiry") for expiry in priced]
    places = sorted(range(len(priced)), key=lambda i: (times[i] < as_of, times[i]))
    return priced[places[0]].forward_price


def move_of(case: Case[N], name: str, price: Any) -> Move:
    """Return the move of an underlying to a price. Errors: METH-E01, METH-E05."""
    old = reference_price(case, name)
    new: Any = price
    if isinstance(old, Decimal):
        new = price if isinstance(price, Decimal) else Decimal(str(price))
    else:
        new = float(price)
    field = f"prices.{name}"
    return Move(old, above_zero(given(new, field), field))


def _check(volatility: float, later_us: int) -> None:
    if not (isfinite(volatility) and volatility > 0.0):
        refuse(
            "METH-E05", f"volatility is {volatility}", "a multiplier is above zero",
            "1 leaves the volatilities as they are", "volatility",
        )  # fmt: skip
    if later_us < 0:
        refuse(
            "METH-E05", f"later_us is {later_us}", "time moves forward", "give at least 0",
            "later_us",
        )  # fmt: skip


def _market(
    market: Market[Any],
    moves: dict[str, Move],
    volatility: float,
    later_us: int,
    counting: Counting,
) -> Market[Any]:
    as_of = _later(market.as_of, later_us) if later_us else market.as_of
    underlyings = {
        name: _underlying(stated, moves.get(name), volatility, as_of, counting)
        for name, stated in market.underlyings.items()
    }
    assets = {
        name: replace(asset, price=moves[name].of(asset.price)) if name in moves else asset
        for name, asset in market.assets.items()
    }
    return Market(as_of, assets, underlyings)


def _later(as_of: str, later_us: int) -> str:
    if not as_of:
        given(None, "market.as_of", "time moves on from it")
    try:
        return instant_text(instant_us(as_of, "market.as_of") + later_us)
    except (OverflowError, ValueError):
        refuse(
            "METH-E05", f"later_us is {later_us}", "the moved instant is one of the calendar",
            "move less far", "later_us",
        )  # fmt: skip


def _underlying(
    stated: Underlying[Any], move: Move | None, volatility: float, as_of: str, counting: Counting
) -> Underlying[Any]:
    if move is None and volatility == 1.0:
        return stated
    expiries = tuple(_expiry(each, move, volatility, as_of, counting) for each in stated.expiries)
    if move is None:
        return replace(stated, expiries=expiries)
    perpetual = stated.perpetual
    if perpetual is not None:
        perpetual = replace(perpetual, mark_price=move.of(perpetual.mark_price))
    return replace(
        stated,
        index_price=move.of(stated.index_price),
        perpetual=perpetual,
        expiries=expiries,
        mark_price=move.of(stated.mark_price),
    )


def _expiry(
    stated: Expiry[Any], move: Move | None, volatility: float, as_of: str, counting: Counting
) -> Expiry[Any]:
    forward, svi, volatilities = stated.forward_price, stated.svi, stated.implied_volatility
    if move is not None:
        forward, ratio = _forward(stated, move, as_of, counting)
        svi = None if svi is None else replace(svi, forward=svi.forward * ratio)
    if volatility != 1.0:
        if volatilities is not None:
            volatilities = {strike: each * volatility for strike, each in volatilities.items()}
        svi = None if svi is None else _stretched(svi, volatility)
    return replace(stated, forward_price=forward, svi=svi, implied_volatility=volatilities)


def _forward(stated: Expiry[Any], move: Move, as_of: str, counting: Counting) -> tuple[Any, float]:
    """Return the moved forward and its ratio to the old one: what is fixed already stays."""
    forward = stated.forward_price
    if forward is None:
        return None, move.ratio
    fixed = _fixed_part(stated, as_of, counting)
    if not fixed:
        return move.of(forward), move.ratio
    if isinstance(forward, Decimal):
        part = Decimal(repr(fixed))
        after: Any = DIGITS.add(move.of(DIGITS.subtract(forward, part)), part)
    else:
        after = (forward - fixed) * move.ratio + fixed
    return after, float(after) / float(forward) if forward else move.ratio


def _fixed_part(stated: Expiry[Any], as_of: str, counting: Counting) -> float:
    """Return what settlement averaging has fixed of a forward: as stated, or by the time that is left."""
    if not (counting.splits_forward and as_of):
        return stated.forward_fixed
    left = (instant_us(stated.expiry, "expiry") - instant_us(as_of)) / 1e6
    share = 1.0 - min(max(left, 0.0), AVERAGED_SECONDS) / AVERAGED_SECONDS
    return float(stated.forward_price or 0.0) * share


def _stretched(svi: Svi, volatility: float) -> Svi:
    """Return the slice of volatilities times a number: total variance times its square."""
    square = volatility * volatility
    return replace(svi, a=svi.a * square, b=svi.b * square)
