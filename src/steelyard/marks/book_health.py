"""The last book of one market: how it flows, how long it has stood still, and how far it is believed.

Order flow is that of the best levels after Cont, Kukanov, Stoikov, The price impact of order book events,
J. Financial Econometrics 12 (2014): what was added to the best bid less what was taken from it, less the
same of the ask. Flows fade by 1/(1 + x + x²/2), x the time since over the time constant: e^-x to second
order in plain arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, Final

from steelyard.marks.book_curve import BookCurve, book_curve
from steelyard.quantities import PPM
from steelyard.terms.liquidity_rules import LiquidityRules
from steelyard.ticks import BookTick

SAME_SHAPE: Final = 1e-9  # a whole side converted at another rate keeps its ratios to this

PARTS: Final = (
    "intact", "two_sided", "uncrossed", "fresh", "near_index", "narrow", "best_moves", "depth_moves",
    "sound_again",
)  # fmt: skip
FAULTS: Final = (
    "not_intact", "empty_side", "crossed", "stale", "off_index", "wide", "frozen_best", "frozen_depth",
    "lately_unsound",
)  # fmt: skip
"""The named parts of reliability, and what a part of 0 is called."""


def faded(elapsed_us: int, time_us: int) -> float:
    """Return what is left of a flow after a time: 1/(1 + x + x²/2), x = elapsed/time.

    >>> faded(60_000_000, 60_000_000)
    0.4
    """
    x = elapsed_us / time_us
    return 1.0 / (1.0 + x * (1.0 + 0.5 * x))


def ramp(value: float, bound: float) -> float:
    """Return 1 up to half the bound, 0 from the bound on, straight between; 0 for a NaN.

    >>> ramp(5.0, 10.0), ramp(7.5, 10.0), ramp(10.0, 10.0)
    (1.0, 0.5, 0.0)
    """
    return max(0.0, min(1.0, 2.0 - 2.0 * value / bound)) if value < bound else 0.0


class Stillness:
    """Since when something stays as it is, and between which bounds the index was meanwhile."""

    __slots__ = ("high", "low", "since_us")

    def __init__(self, since_us: int, low: float, high: float) -> None:
        self.since_us = since_us
        self.low = low
        self.high = high

    def see(self, *, has_changed: bool, time_us: int, index_price: float) -> None:
        """Look once more, at an index that is 0 while there is none."""
        if has_changed:
            self.since_us, self.low, self.high = time_us, index_price, index_price
        elif index_price > 0.0:
            self.low = min(self.low, index_price) if self.low > 0.0 else index_price
            self.high = max(self.high, index_price)

    def is_against(self, move_ppm: int) -> bool:
        """Whether the index moved by so much while this did not."""
        return (self.high - self.low) * PPM >= move_ppm * self.low > 0.0


class MarketBook:
    """A market's last book with its flows and ages.

    time_us: of the book, the earlier of exchange and receive time. order_flow, order_turnover: faded sums of
    the signed and the absolute changes at the best levels, units of the asset. unsound_us: when it last was
    crossed or frozen, −1 for never: a broken feed that looks sound for a moment is still broken. stillness: of best bid, best
    ask, whole bid side, whole ask side. version: how many books were taken.
    """

    __slots__ = (
        "ask_prices", "ask_quantities", "bid_prices", "bid_quantities", "curves", "index_price",
        "instrument", "is_intact", "judged", "order_flow", "order_turnover", "stillness", "time_us",
        "unsound_us", "version",
    )  # fmt: skip

    def __init__(self, tick: BookTick, index_price: float) -> None:
        time_us = min(tick.exchange_time_us, tick.time_us)
        self.order_flow = self.order_turnover = 0.0
        self.stillness = [Stillness(time_us, index_price, index_price) for _ in range(4)]
        self.version = 0
        self._keep(tick, time_us, index_price)
        self.unsound_us = time_us if self.is_crossed else -1

    def _keep(self, tick: BookTick, time_us: int, index_price: float) -> None:
        self.instrument = tick.instrument
        self.bid_prices, self.bid_quantities = tick.bid_prices, tick.bid_quantities
        self.ask_prices, self.ask_quantities = tick.ask_prices, tick.ask_quantities
        self.is_intact = tick.is_intact
        self.index_price = index_price
        self.time_us = time_us
        self.version += 1
        self._forget()

    def _forget(self) -> None:
        """Drop what is only worked out from the book, to be worked out when it is asked for."""
        self.curves: tuple[BookCurve, BookCurve] | None = None
        self.judged: tuple[int, LiquidityRules, tuple[float, ...]] | None = None

    def take(self, tick: BookTick, index_price: float, rules: LiquidityRules) -> bool:
        """Take the next book; one older than the last changes nothing and returns False."""
        time_us = min(tick.exchange_time_us, tick.time_us)
        if time_us < self.time_us:
            return False
        left = faded(time_us - self.time_us, rules.flow_time_us)
        bid, ask = 0.0, 0.0
        if self.is_intact and tick.is_intact:
            bid, ask = order_flow(self, tick)
        self.order_flow = left * self.order_flow + (bid - ask)
        self.order_turnover = left * self.order_turnover + (abs(bid) + abs(ask))
        changes = (
            _has_moved(self.bid_prices[:1], self.bid_quantities[:1], tick.bid_prices[:1], tick.bid_quantities[:1]),
            _has_moved(self.ask_prices[:1], self.ask_quantities[:1], tick.ask_prices[:1], tick.ask_quantities[:1]),
            _has_moved(self.bid_prices, self.bid_quantities, tick.bid_prices, tick.bid_quantities),
            _has_moved(self.ask_prices, self.ask_quantities, tick.ask_prices, tick.ask_quantities),
        )  # fmt: skip
        for still, has_changed in zip(self.stillness, changes, strict=True):
            still.see(has_changed=has_changed, time_us=time_us, index_price=index_price)
        self._keep(tick, time_us, index_price)
        best, depth = self._frozen_for(rules)
        if (
            self.is_crossed
            or best >= rules.best_frozen_after_us
            or depth >= rules.depth_frozen_after_us
        ):
            self.unsound_us = time_us
        return True

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        return self.mid > 0.0 and self.bid_prices[0] >= self.ask_prices[0]

    def _frozen_for(self, rules: LiquidityRules) -> tuple[int, int]:
        """Return how long a best level, and how long a whole side, stayed while the index moved."""
        ages = [
            self.time_us - still.since_us if still.is_against(rules.frozen_move_ppm) else 0
            for still in self.stillness
        ]
        return max(ages[0], ages[1]), max(ages[2], ages[3])

    @property
    def mid(self) -> float:
        """Middle of best bid and ask, 0 where a side is empty."""
        if not (self.bid_prices and self.ask_prices):
            return 0.0
        return 0.5 * (self.bid_prices[0] + self.ask_prices[0])

    def sides(self) -> tuple[BookCurve, BookCurve]:
        """Return the curves of bids and asks; both empty where there is no mid or the book is crossed."""
        if self.curves is None:
            mid = self.mid
            if mid <= 0.0 or self.bid_prices[0] >= self.ask_prices[0]:
                self.curves = BookCurve([], [], []), BookCurve([], [], [])
            else:
                self.curves = (
                    book_curve(mid, self.bid_prices, self.bid_quantities),
                    book_curve(mid, self.ask_prices, self.ask_quantities),
                )
        return self.curves

    def parts(self, now_us: int, rules: LiquidityRules) -> tuple[float, ...]:
        """Return the named parts of reliability, each from 0 to 1, in the order of PARTS.

        Whether a book stands still is told by its own time: one that no longer comes is stale, not frozen.
        Without an index nothing can be said of nearness, so that part is 0.
        """
        judged = self.judged
        if judged is None or judged[0] != now_us or judged[1] is not rules:
            self.judged = judged = (now_us, rules, self._judge(now_us, rules))
        return judged[2]

    def _judge(self, now_us: int, rules: LiquidityRules) -> tuple[float, ...]:
        mid, index = self.mid, self.index_price
        has_sides = mid > 0.0
        spread = self.ask_prices[0] - self.bid_prices[0] if has_sides else inf
        best, depth = self._frozen_for(rules)
        is_sound = self.unsound_us < 0 or self.time_us - self.unsound_us >= rules.sound_after_us
        return (
            1.0 if self.is_intact else 0.0,
            1.0 if has_sides else 0.0,
            1.0 if spread > 0.0 else 0.0,
            ramp(now_us - self.time_us, rules.stale_after_us),
            ramp(abs(mid - index) * PPM / index, rules.mid_bound_ppm) if index > 0.0 else 0.0,
            ramp(max(0.0, spread) * PPM / mid, rules.spread_ppm_max) if has_sides else 0.0,
            ramp(best, rules.best_frozen_after_us),
            ramp(depth, rules.depth_frozen_after_us),
            1.0 if is_sound else 0.0,
        )

    def reliability(self, now_us: int, rules: LiquidityRules) -> float:
        """Return the least of the parts."""
        return min(self.parts(now_us, rules))

    def record(self) -> list[Any]:
        """Return all that is remembered, as lists and numbers."""
        return [
            self.instrument, self.bid_prices, self.bid_quantities, self.ask_prices, self.ask_quantities,
            self.is_intact, self.index_price, self.time_us, self.version, self.order_flow,
            self.order_turnover, self.unsound_us, [[still.since_us, still.low, still.high] for still in self.stillness],
        ]  # fmt: skip

    @classmethod
    def restore(cls, recorded: Sequence[Any]) -> MarketBook:
        """Return the book that `record` told of."""
        book = cls.__new__(cls)
        (
            book.instrument, book.bid_prices, book.bid_quantities, book.ask_prices, book.ask_quantities,
            book.is_intact, book.index_price, book.time_us, book.version, book.order_flow,
            book.order_turnover, book.unsound_us, stillness,
        ) = recorded  # fmt: skip
        book.stillness = [Stillness(*each) for each in stillness]
        book._forget()
        return book


def order_flow(book: MarketBook, tick: BookTick) -> tuple[float, float]:
    """Return what came to the best bid and to the best ask between two books, in units of the asset.

    Bid: +q' where the price did not fall, −q where it did not rise; ask the other way round. An empty side
    stands beyond every price with quantity 0.
    """
    before, after = book.bid_prices, tick.bid_prices
    bid_was, bid_is = before[0] if before else 0.0, after[0] if after else 0.0
    bid = (tick.bid_quantities[0] if after and bid_is >= bid_was else 0.0) - (
        book.bid_quantities[0] if before and bid_is <= bid_was else 0.0
    )
    before, after = book.ask_prices, tick.ask_prices
    ask_was, ask_is = before[0] if before else inf, after[0] if after else inf
    ask = (tick.ask_quantities[0] if after and ask_is <= ask_was else 0.0) - (
        book.ask_quantities[0] if before and ask_is >= ask_was else 0.0
    )
    return bid, ask


def _has_moved(
    prices: list[float],
    quantities: list[float],
    prices_now: list[float],
    quantities_now: list[float],
) -> bool:
    """Return whether a side changed.

    All quantities the same at prices that differ by one factor is the same book converted from its quote
    currency at another rate; of one level alone that cannot be told.
    """
    if quantities != quantities_now:
        return True
    if prices == prices_now or len(prices) < 3:
        return prices != prices_now
    last, middle = len(prices) - 1, len(prices) // 2
    return any(
        abs(prices[at] * prices_now[0] - prices_now[at] * prices[0])
        > SAME_SHAPE * prices[at] * prices_now[0]
        for at in (middle, last)
    )
