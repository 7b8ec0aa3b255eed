"""The liquidity of a market and of an asset as it is read: depth, spread, flow, health, open interest.

The verbs that write the state stand in liquidity_state, the cost of a size in unwinding; all of them are
named here.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from steelyard.marks.book_curve import merged_curve
from steelyard.marks.book_health import FAULTS, PARTS, faded
from steelyard.marks.liquidity_state import (
    AssetLiquidity,
    BookSource,
    LiquidityState,
    apply_book,
    apply_open_interest,
    apply_trade,
    open_interest,
    trade_flow,
    trusted_books,
    usable_books,
)
from steelyard.marks.unwinding import ImpactPrices, UnwindCost, impact_prices, unwind_cost
from steelyard.quantities import PPM
from steelyard.terms.liquidity_rules import LiquidityRules

__all__ = [
    "FAULTS",
    "PARTS",
    "AssetReading",
    "ImpactPrices",
    "LiquidityState",
    "MarketReading",
    "UnwindCost",
    "apply_book",
    "apply_open_interest",
    "apply_trade",
    "impact_prices",
    "read_asset",
    "read_market",
    "unwind_cost",
]


class MarketReading(NamedTuple):
    """One market at one time.

    spread_ppm: of the mid. bid_depth, ask_depth: USD within each band of the rules. order_flow: faded flow
    at the best levels, units; order_flow_share: of its turnover, −1 to 1, positive where buyers press.
    trade_flow, trade_flow_share: the same of trades; trade_value_day: USD a day at their pace. age_us: of the
    book. level_ages_us: how long, by its own time, best bid, best ask, all bids and all asks have stayed as
    they are. parts: the named parts of `reliability`, which is the least; faults: those at 0, by name, or
    `absent`.
    """

    mid: float
    spread_ppm: float
    bid_depth: tuple[float, ...]
    ask_depth: tuple[float, ...]
    order_flow: float
    order_flow_share: float
    trade_flow: float
    trade_flow_share: float
    trade_value_day: float
    age_us: int
    level_ages_us: tuple[int, ...]
    parts: dict[str, float]
    faults: tuple[str, ...]
    reliability: float


class AssetReading(NamedTuple):
    """One asset at one time, over its markets.

    books_reliable: books above the least reliability, of `books`. reliability: the best among our own books,
    or among others where we have none. bid_depth, ask_depth: USD within each band in the books that an
    unwinding uses. open_interest, own_share: units over all venues heard of in time, and our part of it.
    """

    books: int
    books_reliable: int
    reliability: float
    source: BookSource
    bid_depth: tuple[float, ...]
    ask_depth: tuple[float, ...]
    order_flow_share: float
    trade_flow_share: float
    trade_value_day: float
    open_interest: float
    own_share: float


def read_market(
    state: LiquidityState, asset: str, source: str, now_us: int, rules: LiquidityRules
) -> MarketReading:
    """Return what is known of one market; one never heard of has the fault `absent` and reliability 0."""
    known = state.assets.get(asset)
    book = known.books.get(source) if known else None
    flow = known.trades.get(source) if known else None
    signed, traded, value_day = trade_flow(flow, now_us, rules)
    share = signed / traded if traded > 0.0 else 0.0
    if book is None:
        none = tuple(0.0 for _ in rules.bands_ppm)
        return MarketReading(
            0.0, inf, none, none, 0.0, 0.0, signed, share, value_day, now_us, (),
            dict.fromkeys(PARTS, 0.0), ("absent",), 0.0,
        )  # fmt: skip
    parts = book.parts(now_us, rules)
    left = faded(max(0, now_us - book.time_us), rules.flow_time_us)
    turnover = book.order_turnover
    mid, (bids, asks) = book.mid, book.sides()
    return MarketReading(
        mid=mid,
        spread_ppm=(book.ask_prices[0] - book.bid_prices[0]) * PPM / mid if mid > 0.0 else inf,
        bid_depth=tuple(bids.depth(band / PPM) for band in rules.bands_ppm),
        ask_depth=tuple(asks.depth(band / PPM) for band in rules.bands_ppm),
        order_flow=left * book.order_flow,
        order_flow_share=book.order_flow / turnover if turnover > 0.0 else 0.0,
        trade_flow=signed,
        trade_flow_share=share,
        trade_value_day=value_day,
        age_us=now_us - book.time_us,
        level_ages_us=tuple(book.time_us - still.since_us for still in book.stillness),
        parts=dict(zip(PARTS, parts, strict=True)),
        faults=tuple(name for name, part in zip(FAULTS, parts, strict=True) if part == 0.0),
        reliability=min(parts),
    )


def read_asset(
    state: LiquidityState, asset: str, now_us: int, rules: LiquidityRules
) -> AssetReading:
    """Return what is known of an asset over its markets; one never heard of has nothing."""
    known = state.assets.get(asset) or AssetLiquidity()
    trusted = trusted_books(known, now_us, rules)
    source, parts = usable_books(trusted, rules)
    bids = merged_curve([(book.sides()[0], share) for _, book, share, _ in parts])
    asks = merged_curve([(book.sides()[1], share) for _, book, share, _ in parts])
    flow = turnover = 0.0
    for _, book, _ in trusted:
        left = faded(max(0, now_us - book.time_us), rules.flow_time_us)
        flow += left * book.order_flow
        turnover += left * book.order_turnover
    signed = traded = value_day = 0.0
    for _, each in sorted(known.trades.items()):
        one = trade_flow(each, now_us, rules)
        signed, traded, value_day = signed + one[0], traded + one[1], value_day + one[2]
    total, own = open_interest(known, now_us, rules)
    return AssetReading(
        books=len(known.books),
        books_reliable=len(trusted),
        reliability=max((reliability for *_, reliability in parts), default=0.0),
        source=source,
        bid_depth=tuple(bids.depth(band / PPM) for band in rules.bands_ppm),
        ask_depth=tuple(asks.depth(band / PPM) for band in rules.bands_ppm),
        order_flow_share=flow / turnover if turnover > 0.0 else 0.0,
        trade_flow_share=signed / traded if traded > 0.0 else 0.0,
        trade_value_day=value_day,
        open_interest=total,
        own_share=own / total if total > 0.0 else 0.0,
    )
