"""What is remembered of the liquidity of every market and asset, and the verbs that write it.

Prices are USD, quantities units of the asset, notionals USD at the mid. Books are believed as far as their
reliability goes; which of them an unwinding can use is told here too.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from steelyard.marks.book_curve import BookCurve
from steelyard.marks.book_health import MarketBook, faded
from steelyard.quantities import PPM
from steelyard.terms.liquidity_rules import LiquidityRules
from steelyard.ticks import BookTick, OpenInterestTick, TradeTick

MARKETS_MAX: Final = 256
DAY_US: Final = 86_400_000_000

BookSource = Literal["own_books", "other_books", "none"]


class TradeFlow:
    """Trades of a market, faded: signed and absolute quantity, and value in USD."""

    __slots__ = ("quantity", "signed", "time_us", "value")

    def __init__(self, time_us: int, signed: float, quantity: float, value: float) -> None:
        self.time_us = time_us
        self.signed = signed
        self.quantity = quantity
        self.value = value


class AssetLiquidity:
    """What is known of one asset, by source: books, trades, open interest as (units, is own, time)."""

    __slots__ = ("books", "merged", "open_interest", "trades")

    def __init__(self) -> None:
        self.books: dict[str, MarketBook] = {}
        self.trades: dict[str, TradeFlow] = {}
        self.open_interest: dict[str, tuple[float, bool, int]] = {}
        self.merged: dict[bool, tuple[tuple[Any, ...], BookCurve]] = {}


class LiquidityState:
    """The liquidity of all assets, by name; the verbs below write and read it."""

    def __init__(self) -> None:
        self.assets: dict[str, AssetLiquidity] = {}

    def record(self) -> dict[str, Any]:
        """Return all that is remembered as dicts, lists and numbers, for a snapshot."""
        return {
            name: {
                "books": {source: book.record() for source, book in asset.books.items()},
                "trades": {
                    source: [flow.time_us, flow.signed, flow.quantity, flow.value]
                    for source, flow in asset.trades.items()
                },
                "open_interest": {s: list(each) for s, each in asset.open_interest.items()},
            }
            for name, asset in self.assets.items()
        }

    @classmethod
    def restore(cls, recorded: dict[str, Any]) -> LiquidityState:
        """Return the state that `record` told of: every reading of it is the same to the last bit."""
        state = cls()
        for name, each in recorded.items():
            asset = state.assets[name] = AssetLiquidity()
            asset.books = {s: MarketBook.restore(row) for s, row in each["books"].items()}
            asset.trades = {s: TradeFlow(*row) for s, row in each["trades"].items()}
            asset.open_interest = {
                s: (row[0], row[1], row[2]) for s, row in each["open_interest"].items()
            }
        return state


def apply_book(
    state: LiquidityState, tick: BookTick, index_price: float, rules: LiquidityRules
) -> bool:
    """Take a market's book; False where it is older than the last one or the asset has too many markets.

    index_price: USD now, 0.0 while there is none.
    """
    asset = _asset(state, tick.asset)
    book = asset.books.get(tick.source)
    if book is not None:
        return book.take(tick, index_price, rules)
    if len(asset.books) >= MARKETS_MAX:
        return False
    asset.books[tick.source] = MarketBook(tick, index_price)
    return True


def apply_trade(state: LiquidityState, tick: TradeTick, rules: LiquidityRules) -> bool:
    """Add a trade to the flow of its market; one that comes late counts as if it were the latest."""
    asset = _asset(state, tick.asset)
    time_us = min(tick.exchange_time_us, tick.time_us)
    flow = asset.trades.get(tick.source)
    if flow is None:
        if len(asset.trades) >= MARKETS_MAX:
            return False
        flow = asset.trades[tick.source] = TradeFlow(time_us, 0.0, 0.0, 0.0)
    time_us = max(time_us, flow.time_us)
    left = faded(time_us - flow.time_us, rules.flow_time_us)
    quantity = abs(tick.quantity)
    flow.time_us = time_us
    flow.signed = left * flow.signed + tick.quantity
    flow.quantity = left * flow.quantity + quantity
    flow.value = left * flow.value + quantity * tick.price
    return True


def apply_open_interest(state: LiquidityState, tick: OpenInterestTick) -> bool:
    """Take a venue's open interest; False where it is older than its last or there are too many venues."""
    asset = _asset(state, tick.asset)
    known = asset.open_interest.get(tick.source)
    time_us = min(tick.exchange_time_us, tick.time_us)
    if (known is not None and time_us < known[2]) or (
        known is None and len(asset.open_interest) >= MARKETS_MAX
    ):
        return False
    asset.open_interest[tick.source] = (tick.open_interest, tick.is_own, time_us)
    return True


def _asset(state: LiquidityState, name: str) -> AssetLiquidity:
    known = state.assets.get(name)
    if known is None:
        known = state.assets[name] = AssetLiquidity()
    return known


def trade_flow(
    flow: TradeFlow | None, now_us: int, rules: LiquidityRules
) -> tuple[float, float, float]:
    """Return faded signed and absolute quantity, and the USD a day that the faded value stands for."""
    if flow is None:
        return 0.0, 0.0, 0.0
    left = faded(max(0, now_us - flow.time_us), rules.flow_time_us)
    return left * flow.signed, left * flow.quantity, left * flow.value * DAY_US / rules.flow_time_us


def open_interest(asset: AssetLiquidity, now_us: int, rules: LiquidityRules) -> tuple[float, float]:
    """Return open interest over all venues whose word is not too old, and our own part, in units."""
    total = own = 0.0
    # In order of name: a state that was restored adds up in the same order, to the last bit.
    for _, (units, is_own, time_us) in sorted(asset.open_interest.items()):
        if now_us - time_us <= rules.open_interest_stale_after_us:
            total += units
            own += units if is_own else 0.0
    return total, own


Trusted = list[tuple[str, MarketBook, float]]
Usable = list[tuple[str, MarketBook, float, float]]


def trusted_books(asset: AssetLiquidity, now_us: int, rules: LiquidityRules) -> Trusted:
    """Return (source, book, reliability) of the books above the least reliability, in order of name."""
    return [
        (source, book, reliability)
        for source, book in sorted(asset.books.items())
        if (reliability := book.reliability(now_us, rules)) * PPM > rules.reliability_min_ppm
    ]


def usable_books(trusted: Trusted, rules: LiquidityRules) -> tuple[BookSource, Usable]:
    """Return (source, book, share of its depth, reliability): our own books, or a part of others'."""
    own = [(name, book, 1.0, each) for name, book, each in trusted if book.instrument]
    if own:
        return "own_books", own
    share = rules.foreign_share_ppm / PPM
    others = [(name, book, share, each) for name, book, each in trusted]
    return ("other_books", others) if others else ("none", [])
