"""What a size costs: impact prices of one market, and the cost of unwinding an asset.

A book counts as far as its reliability goes; below a stated one the cost comes from a model, in between
from both, so that there is always an answer and it says where it comes from.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from steelyard.marks.book_curve import (
    BookCurve,
    linear_cost,
    merged_curve,
    square_root_cost,
    walked_cost,
)
from steelyard.marks.liquidity_state import (
    AssetLiquidity,
    BookSource,
    LiquidityState,
    Usable,
    open_interest,
    trusted_books,
    usable_books,
)
from steelyard.quantities import PPM
from steelyard.terms.liquidity_rules import LiquidityRules
from steelyard.terms.method import UnderlyingRules

CostModel = Literal["linear", "square_root"]


class ImpactPrices(NamedTuple):
    """Average prices of selling and of buying a notional at once, 0 where the book is not deep enough."""

    bid: float
    ask: float
    reliability: float


class UnwindCost(NamedTuple):
    """What closing a notional costs beyond the mid.

    cost_usd; cost_ppm: of the notional. books: whose books were used; book_weight: how far, the rest is the
    model's; shown: share of the notional that those books show. model: the one that answers for the rest.
    """

    cost_usd: float
    cost_ppm: float
    books: BookSource
    book_weight: float
    shown: float
    model: CostModel


def impact_prices(
    state: LiquidityState, asset: str, source: str, notional_usd: float, now_us: int, rules: LiquidityRules
) -> ImpactPrices:  # fmt: skip
    """Return the average prices at which notional/mid units sell and buy in one market's book.

    bid = mid·(1 − cost/notional), ask = mid·(1 + cost/notional). A side that does not show the notional has
    0: what is not there sets no mark. The reliability of the book stands beside them for the caller.
    """
    known = state.assets.get(asset)
    book = known.books.get(source) if known else None
    if book is None or not notional_usd > 0.0:
        return ImpactPrices(0.0, 0.0, 0.0)
    mid, (bids, asks) = book.mid, book.sides()
    bid = ask = 0.0
    if bids.notional >= notional_usd:
        bid = mid - mid * bids.cost(notional_usd) / notional_usd
    if asks.notional >= notional_usd:
        ask = mid + mid * asks.cost(notional_usd) / notional_usd
    return ImpactPrices(bid, ask, book.reliability(now_us, rules))


def unwind_cost(
    state: LiquidityState, asset: str, notional_usd: float, is_sell: bool, now_us: int,
    rules: LiquidityRules, terms: UnderlyingRules, *, index_price: float = 0.0, volatility: float = 0.0,
) -> UnwindCost:  # fmt: skip
    """Return what selling, or buying, a notional of an asset costs beyond the mid; there is always an answer.

    terms: depth and half spread of the underlying, for the linear model. index_price (USD) and volatility
    (annual, decimal) let open interest speak by the square-root law; 0 where unknown. The model is the
    dearer of the two. With w = the books' reliability above its least, as a share of what is above it:
    cost = w·cost in the books + (1 − w)·cost by the model. Each convex in the notional, so is the sum.
    """
    assert notional_usd >= 0.0
    known = state.assets.get(asset) or AssetLiquidity()
    modelled, model = _modelled_cost(
        known, notional_usd, now_us, rules, terms, index_price, volatility
    )
    source, parts = usable_books(trusted_books(known, now_us, rules), rules)
    curve, weight = _curve(known, parts, is_sell, rules)
    cost = modelled
    if weight > 0.0:
        walked = walked_cost(
            curve, notional_usd, rules.beyond_density_ppm / PPM, terms.half_spread_ppm / PPM,
            float(terms.depth_usd), rules.cost_ppm_max / PPM,
        )  # fmt: skip
        cost = weight * walked + (1.0 - weight) * modelled
    if notional_usd == 0.0:
        return UnwindCost(0.0, 0.0, source, weight, 1.0 if weight else 0.0, model)
    return UnwindCost(
        cost_usd=cost,
        cost_ppm=cost * PPM / notional_usd,
        books=source,
        book_weight=weight,
        shown=min(1.0, curve.notional / notional_usd),
        model=model,
    )


def _curve(
    asset: AssetLiquidity, parts: Usable, is_sell: bool, rules: LiquidityRules
) -> tuple[BookCurve, float]:
    """Return the side of the usable books as one, and its weight: the mean by notional of each one's."""
    side = 0 if is_sell else 1
    least = rules.reliability_min_ppm / PPM
    if len(parts) == 1 and parts[0][2] == 1.0:
        only = parts[0][1].sides()[side]
        return only, (parts[0][3] - least) / (1.0 - least) if only.notional > 0.0 else 0.0
    depth = weighed = 0.0
    for _, book, share, reliability in parts:
        notional = share * book.sides()[side].notional
        depth += notional
        weighed += notional * (reliability - least) / (1.0 - least)
    # The curve is kept with what it was made of: many sizes are asked between two books.
    made_of = tuple((name, book.version, share) for name, book, share, _ in parts)
    kept = asset.merged.get(is_sell)
    if kept is None or kept[0] != made_of:
        curve = merged_curve([(book.sides()[side], share) for _, book, share, _ in parts])
        asset.merged[is_sell] = kept = (made_of, curve)
    return kept[1], min(1.0, weighed / depth) if depth > 0.0 else 0.0


def _modelled_cost(
    asset: AssetLiquidity, notional: float, now_us: int, rules: LiquidityRules, terms: UnderlyingRules,
    index_price: float, volatility: float,
) -> tuple[float, CostModel]:  # fmt: skip
    """Return the cost without a book, the dearer of the linear and the square-root model, and which."""
    cap, half_spread = rules.cost_ppm_max / PPM, terms.half_spread_ppm / PPM
    linear = linear_cost(notional, half_spread, float(terms.depth_usd), cap)
    volume = open_interest(asset, now_us, rules)[0] * index_price * rules.turnover_ppm / PPM
    if not (volume > 0.0 and volatility > 0.0):
        return linear, "linear"
    rooted = square_root_cost(
        notional, half_spread, volume, volatility, rules.impact_coefficient_ppm / PPM, cap
    )
    return (rooted, "square_root") if rooted > linear else (linear, "linear")
