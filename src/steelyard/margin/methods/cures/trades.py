"""The smallest trade of each contract that cures, and their order by cost."""

from __future__ import annotations

from decimal import Decimal
from math import inf, isfinite

from steelyard.margin.methods.cures.desks import Desk, is_priced
from steelyard.margin.methods.cures.levels import Floats, plain_number, ratio_of
from steelyard.margin.methods.cures.results import Number, Trade
from steelyard.margin.methods.cures.search import Best, doublings, least_steps
from steelyard.terms.stated import parse_contract

REACH = 1_000  # times the size of the position: beyond it no trade is tried


def trades_of(
    desk: Desk, requirement: Number, short: float, step: float, count: int
) -> list[Trade]:
    """Return the smallest curing trades, each contract bought or sold, the `count` cheapest in order.

    Quantities are whole numbers of the contract's step, the power of ten at or below `step` times the
    size of the position; without one that of the largest position in the underlying, else of all.
    """
    names = [name for name in desk.tradable if is_priced(desk.quotes[name])]
    steps = dict(zip(names, steps_of(desk, names, step), strict=True))
    candidates = [(name, sign) for name in names for sign in (1, -1)]
    grids = [_grid(desk, name, steps[name]) for name, _ in candidates]

    def quantity_of(place: int, count: int) -> Decimal:
        name, sign = candidates[place]
        return Decimal(sign * count).scaleb(steps[name])

    def slack_of(places: list[int], counts: list[int]) -> Floats:
        quantities = [
            quantity_of(place, count) for place, count in zip(places, counts, strict=True)
        ]
        return desk.trades([candidates[place][0] for place in places], quantities).slack

    def price_of(place: int, count: int) -> tuple[float, float]:
        return price(desk, candidates[place][0], float(quantity_of(place, count)))

    best = Best(count, price_of)
    found = least_steps(grids, [short] * len(candidates), slack_of, desk.width, best)
    curing = [(place, count) for place, count in enumerate(found) if count is not None]
    if not curing:
        return []
    quantities = [quantity_of(place, count) for place, count in curing]
    after = desk.trades([candidates[place][0] for place, _ in curing], quantities)
    told = []
    for row, (place, _) in enumerate(curing):
        new = plain_number(after.equity[row]), plain_number(after.requirement[row])
        told.append(trade(desk, candidates[place][0], quantities[row], requirement, *new))
    return sorted(told, key=order_of)[:count]


def trade(
    desk: Desk, name: str, quantity: Decimal, before: Number, equity: Number, after: Number
) -> Trade:
    """Return a trade with its notional and cost."""
    quote, amount = desk.quotes[name], float(quantity)
    return Trade(
        name, quantity, quote.size(amount), quote.cost(amount, desk.taker_fee), before, after,
        ratio_of(equity, after),
    )  # fmt: skip


def price(desk: Desk, name: str, quantity: float) -> tuple[float, float]:
    """Return the cost of a trade, and its notional."""
    quote = desk.quotes[name]
    size = quote.size(quantity)
    return quote.cost(quantity, desk.taker_fee), inf if size is None else size


def order_of(trade: Trade) -> tuple[float, float, str, bool]:
    """Return what trades are ordered by: cost, then notional, then name, bought before sold."""
    notional = inf if trade.notional is None else trade.notional
    return trade.cost, notional, trade.instrument, trade.quantity < 0


def steps_of(desk: Desk, names: list[str], step: float) -> list[int]:
    """Return the exponent of ten of each contract's quantity step."""
    return [exponent(step * size_of(desk, name)) for name in names]


def exponent(value: float) -> int:
    """Return the exponent of the power of ten at or below a value above zero.

    >>> exponent(0.0003), exponent(1.0)
    (-4, 0)
    """
    return Decimal(repr(value)).adjusted()


def size_of(desk: Desk, name: str) -> float:
    """Return the size that a contract's step is a fraction of."""
    own = abs(float(desk.quantity(name)))
    if own > 0.0 and isfinite(own):
        return own
    underlying = parse_contract(name).underlying
    near = [each for each in desk.held if parse_contract(each).underlying == underlying]
    for some in (near, desk.held):
        largest = max((abs(float(desk.quantity(each))) for each in some), default=0.0)
        if largest > 0.0 and isfinite(largest):
            return largest
    return 1.0


def _grid(desk: Desk, name: str, digits: int) -> list[int]:
    """Return counts of steps to try: doublings, and what closes and turns round the position."""
    most = int(REACH * Decimal(repr(size_of(desk, name))).scaleb(-digits))
    whole = int(Decimal(repr(abs(float(desk.quantity(name))))).scaleb(-digits))
    return [*doublings(1, max(1, most)), whole, 2 * whole]
