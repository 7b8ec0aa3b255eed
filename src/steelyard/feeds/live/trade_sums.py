"""Trades that wait for the engine: kept one by one, and added up when there are too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from steelyard.feeds.live.config import BookRow
from steelyard.feeds.live.messages import Trade
from steelyard.ticks.bounds import PRICE_MAX
from steelyard.ticks.events import Event, TradeTick


class TradeSums:
    """Up to `trades_max` trades as they came; the rest by market and side, at their average price.

    An added-up trade has the sum of quantities, the volume-weighted price and the newest exchange time, so
    that volume, flow and turnover stay what they were.
    """

    def __init__(self, trades_max: int) -> None:
        self._trades_max = trades_max
        self.left_out = 0
        self._trades: list[tuple[BookRow, bool, float, float, int]] = []
        self._sums: dict[tuple[str, str, bool], tuple[BookRow, float, float, int]] = {}

    def add(self, row: BookRow, trade: Trade, received_us: int) -> bool:
        """Take a trade; return whether it was added up."""
        at_us = trade.exchange_time_us or received_us
        if len(self._trades) < self._trades_max:
            self._trades.append((row, trade.is_buy, trade.price, trade.quantity, at_us))
            return False
        key = (row.name, row.asset, trade.is_buy)
        _, turnover, quantity, newest_us = self._sums.get(key, (row, 0.0, 0.0, 0))
        self._sums[key] = (
            row,
            turnover + trade.price * trade.quantity,
            quantity + trade.quantity,
            max(newest_us, at_us),
        )
        return True

    def drain(
        self, stamp: Callable[[], tuple[int, str, int]], rate: Callable[[str], float | None]
    ) -> Iterator[Event]:
        """Yield the trades in USD; those of a currency without a rate are counted in left_out."""
        trades, self._trades = self._trades, []
        sums, self._sums = self._sums, {}
        for (_, _, is_buy), (row, turnover, quantity, at_us) in sums.items():
            trades.append((row, is_buy, turnover / quantity, quantity, at_us))
        for row, is_buy, price, quantity, at_us in trades:
            usd = rate(row.quote)
            if usd is None or not price * usd <= PRICE_MAX:
                self.left_out += 1
                continue
            signed = min(quantity, PRICE_MAX) * (1.0 if is_buy else -1.0)
            yield TradeTick(*stamp(), row.name, row.asset, price * usd, signed, at_us)
