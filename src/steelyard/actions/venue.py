"""The venue as the actions see it: books, ledger, market and method, with balanced postings.

The engine builds one and passes it in; it holds references, no state of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steelyard.actions.depth import DepthState
from steelyard.book import DUST, MARKET, Book, SystemLedger
from steelyard.book.ledger import Posting, check_balanced, check_bounds
from steelyard.marks import MarketState
from steelyard.quantities import PPM, ceil_div
from steelyard.terms import Method
from steelyard.terms.asset import ACCOUNTING_EXPONENT


class Venue:
    """References to everything an action touches. `locate` finds the book and row of a unit."""

    def __init__(
        self,
        market: MarketState,
        ledger: SystemLedger,
        depth: DepthState,
        method: Method,
        locate: Callable[[str], tuple[Book, int] | None],
        equity_of: Callable[[str], int],
    ) -> None:
        self.market = market
        self.ledger = ledger
        self.depth = depth
        self.method = method
        self.locate = locate
        self.equity_of = equity_of

    def find(self, unit: str) -> tuple[Book, int]:
        """Return the book and row of a unit that exists."""
        place = self.locate(unit)
        assert place is not None, f"{unit} was admitted, so it exists"
        return place

    def balance(self, account: str, asset: int) -> int:
        """Return a balance in ledger units, of a system account or a unit."""
        if account in self.ledger.balances:
            return self.ledger.balances[account][asset]
        book, row = self.find(account)
        return int(book.balances[row, asset])

    def post(self, postings: Sequence[Posting]) -> None:
        """Apply a set of postings that sums to zero per asset: all of them, or none."""
        check_balanced(postings)
        for account, asset, amount in postings:
            check_bounds(account, self.balance(account, asset) + amount)
        for account, asset, amount in postings:
            if account in self.ledger.balances:
                self.ledger.post(account, asset, amount)
            else:
                book, row = self.find(account)
                book.balances[row, asset] += amount

    # -- conversions, exact ----------------------------------------------------------------------

    def notional_micro(self, instrument: int, lots: int) -> int:
        """Return the index notional of a number of lots in micro-USDC, rounded up."""
        terms = self.market.instruments[instrument]
        scale = int(10**terms.lot_exponent)
        if terms.contract_usd:
            return ceil_div(abs(lots) * terms.contract_usd * 10**ACCOUNTING_EXPONENT, scale)
        price = self.price_micro(int(self.market.underlying_of[instrument]))
        return ceil_div(abs(lots) * price, scale)

    def price_micro(self, asset: int) -> int:
        """Return the index price of one whole coin in micro-USDC."""
        step = int(10 ** (ACCOUNTING_EXPONENT - self.market.assets[asset].price_exponent))
        return int(self.market.index_units[asset]) * step

    def to_units_up(self, micro: int, asset: int) -> int:
        """Return ledger units of an asset that are worth `micro` USDC, rounded up."""
        units = int(10 ** self.market.assets[asset].exponent)
        return ceil_div(micro * units, self.price_micro(asset))

    def to_units_down(self, micro: int, asset: int) -> int:
        """Return ledger units of an asset that are worth `micro` USDC, rounded down."""
        return -self.to_units_up(-micro, asset)

    def half_spread_ppm(self, asset: int) -> int:
        """Return the half spread at which an asset is exchanged, in ppm."""
        return self.method.underlying_rules(self.market.assets[asset].name).half_spread_ppm

    def to_micro_down(self, units: int, asset: int) -> int:
        """Return micro-USDC that `units` of an asset are worth, rounded down."""
        return units * self.price_micro(asset) // int(10 ** self.market.assets[asset].exponent)

    def to_micro_up(self, units: int, asset: int) -> int:
        """Return micro-USDC that `units` of an asset are worth, rounded up."""
        return -self.to_micro_down(-units, asset)

    # -- trades ----------------------------------------------------------------------------------

    def trade(self, unit: str, instrument: int, lots: int, price_mark: int) -> None:
        """Let a unit buy (lots > 0) or sell from the market at a price in mark units.

        Perpetuals: the part that closes realises value − cost in cash, the rest adds to the cost.
        Options: the premium moves in cash. Cash is rounded against the unit, the rest is dust.
        """
        terms = self.market.instruments[instrument]
        settlement = int(self.market.settlement_of[instrument])
        book, row = self.find(unit)
        held, cost = book.position(row, instrument)
        if terms.is_option:
            received, cost_after = -lots * price_mark, 0
        else:
            received = realised_fine(held, cost, lots, price_mark)
            cost_after = cost + lots * price_mark + received
        fine = terms.fine_per_unit(self.market.assets[settlement])
        paid_out, charged = received // fine, ceil_div(received, fine)
        self.post(
            [
                (unit, settlement, paid_out),
                (MARKET, settlement, -charged),
                (DUST, settlement, charged - paid_out),
            ]
        )
        book.set_position(row, instrument, held + lots, cost_after, self.market.underlying_of)
        self.ledger.market_quantity[instrument] -= lots
        self.ledger.market_cost[instrument] -= cost_after - cost

    def charge(self, unit: str, receiver: str, asset: int, micro: int) -> int:
        """Let a unit pay a fee worth `micro` USDC in an asset; return the ledger units paid."""
        units = self.to_units_up(micro, asset) if micro > 0 else 0
        if units:
            self.post([(unit, asset, -units), (receiver, asset, units)])
        return units

    def trade_fee_micro(self, instrument: int, lots: int) -> int:
        """Return the fee of an ordinary fill in micro-USDC."""
        return ceil_div(
            self.notional_micro(instrument, lots) * self.method.liquidation.taker_fee_ppm, PPM
        )


def realised_fine(held: int, cost: int, lots: int, price_mark: int) -> int:
    """Return the fine units a trade of a perpetual realises.

    Only lots that go towards zero realise: closed·sign·price − their share of the cost, the share
    rounded so that a full close leaves no cost.

    >>> realised_fine(10, 1000, -4, 110), realised_fine(10, 1000, 5, 110)
    (40, 0)
    """
    if held == 0 or (held > 0) == (lots > 0):
        return 0
    closed = min(abs(lots), abs(held))
    sign = 1 if held > 0 else -1
    share = cost * closed // abs(held)
    return closed * sign * price_mark - share
