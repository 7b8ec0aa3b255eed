"""What the engine can be asked between events, and the small verbs its rooms share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from steelyard.book.orders import RestingOrder
from steelyard.engine.controls import Controls
from steelyard.engine.shard import Shard
from steelyard.margin import AccountRisk, RiskColumns, explain_unit
from steelyard.margin.order_margin import order_margin
from steelyard.marks.guard import TRUSTED
from steelyard.quantities import InvariantError
from steelyard.terms import Method
from steelyard.terms.account import UNIT_SEPARATOR, unit_name
from steelyard.valuation.revalue import configure, revalue

if TYPE_CHECKING:
    from steelyard.actions import DepthState, Venue
    from steelyard.book import Book, SystemLedger
    from steelyard.marks import MarketState
    from steelyard.valuation.columns import ValuationColumns
    from steelyard.valuation.grid import ScenarioColumns

EQUITY = RiskColumns.NAMES.index("equity")
INITIAL_BALANCE = RiskColumns.NAMES.index("initial_balance")
INITIAL_REQUIREMENT = RiskColumns.NAMES.index("initial_requirement")


class EngineQueries:
    """State of the engine, declared, and everything that reads it or refreshes what is derived."""

    method: Method
    market: MarketState
    columns: ValuationColumns
    grid: ScenarioColumns
    ledger: SystemLedger
    depth: DepthState
    venue: Venue
    shards: list[Shard]
    places: dict[str, tuple[Shard, int]]
    origin_seqs: dict[str, int]
    expiries: list[tuple[int, int]]
    valued_at_us: dict[int, int]
    seq: int
    needs_pass: bool
    controls: Controls

    def __init__(self) -> None:
        self.touched: dict[str, tuple[Shard, int]] = {}

    # -- refreshing what is derived --------------------------------------------------------------

    def revalue(self, assets: list[int]) -> None:
        """Refresh marks and scenario rows of assets, and remember when."""
        revalue(self.columns, self.market, self.method, self.grid, assets)
        for asset in assets:
            self.valued_at_us[asset] = self.market.time_us

    def widen(self) -> None:
        """Give new assets and instruments their columns everywhere."""
        market = self.market
        self.ledger.widen(len(market.assets), len(market.instruments))
        for shard in self.shards:
            shard.book.widen_assets(len(market.assets))
        self.grid = configure(self.columns, market, self.method)

    def set_method(self, method: Method) -> None:
        """Let another method hold from now on."""
        self.method = method
        self.venue.method = method
        self.grid = configure(self.columns, self.market, method)

    def touch(self, unit: str) -> None:
        """Note that an event was about one unit alone."""
        place = self.places.get(unit)
        if place is not None:
            self.touched[unit] = place

    def closable(self) -> Sequence[bool]:
        """Return, per instrument slot, whether it may be closed now: marked, not protected."""
        market = self.market
        count = len(market.instruments)
        protected = market.is_protected[market.underlying_of[:count]]
        mask: list[bool] = (market.has_mark[:count] & ~protected).tolist()
        return mask

    def mark_ages_us(self) -> list[int]:
        """Return how old the index of every asset is that may be decided on now."""
        market = self.market
        return [
            market.time_us - index.price_time_us
            for index in market.indices
            if index.condition in TRUSTED and index.good_price > 0.0
        ]

    # -- asking ----------------------------------------------------------------------------------

    def locate(self, unit: str) -> tuple[Book, int] | None:
        """Return the book and row of a unit, or None."""
        place = self.places.get(unit)
        return None if place is None else (place[0].book, place[1])

    def trading_unit(self, account: str, instrument: str) -> str | None:
        """Return the margin unit that trades an instrument for an account, or None if not open."""
        place = self.places.get(account)
        if place is None:
            return None
        if place[0].book.mode[place[1]] != 0 or UNIT_SEPARATOR in account:
            is_other = (
                UNIT_SEPARATOR in account and account.partition(UNIT_SEPARATOR)[2] != instrument
            )
            return None if is_other else account
        unit = unit_name(account, instrument)
        return unit if unit in self.places else None

    def may_open_unit(self, name: str) -> bool:
        """Return whether a transfer to `name` may open an isolated position of a known account."""
        owner, _, instrument = name.partition(UNIT_SEPARATOR)
        place = self.places.get(owner)
        is_isolated = place is not None and place[0].book.mode[place[1]] == 0
        return is_isolated and instrument in self.market.instrument_slots

    def locate_order(self, account: str, order: str) -> str | None:
        """Return the margin unit of an account in which an order rests, or None.

        Of several isolated positions with an order of that name it is the first by name.
        """
        place = self.places.get(account)
        if place is not None and (UNIT_SEPARATOR in account or place[0].book.mode[place[1]] != 0):
            return account if order in place[0].book.orders.get(place[1], {}) else None
        prefix = account + UNIT_SEPARATOR
        found = [
            shard.book.names[row]
            for shard in self.shards
            for row, orders in shard.book.orders.items()
            if order in orders
        ]
        return min((n for n in found if n == account or n.startswith(prefix)), default=None)

    def balance(self, account: str, asset: int) -> int:
        """Return a balance in ledger units; 0 for a unit that is not open yet."""
        if account not in self.ledger.balances and account not in self.places:
            return 0
        return self.venue.balance(account, asset)

    def risk_of(self, unit: str) -> AccountRisk:
        """Return the risk of one unit now, with every part named. KeyError if it is not open."""
        shard, row = self.places[unit]
        extra = order_margin(shard.book, row, self.market, self.columns, self.method)
        return explain_unit(shard.book, row, self.market, self.columns, self.method, extra)

    def equity_of(self, unit: str) -> int:
        """Return the equity of one unit now, micro-USDC; its row of results is fresh after it."""
        shard, row = self.places[unit]
        shard.require(self.market, self.columns, self.method, np.array([row], np.int64))
        return int(shard.results[EQUITY, row])

    def margin_missing_with_order(
        self, unit: str, order: str, slot: int, quantity: int, price_mark: int
    ) -> int:
        """Return the micro-USDC that would be missing if the order rested; ≤ 0 when it is covered."""
        book, row = self.venue.find(unit)
        kept = book.orders.get(row, {}).get(order)
        book.put_order(row, RestingOrder(order, slot, quantity, price_mark))
        shard = self.places[unit][0]
        before = shard.results[:, row].copy()
        shard.require(self.market, self.columns, self.method, np.array([row], np.int64))
        missing = int(shard.results[INITIAL_REQUIREMENT, row] - shard.results[INITIAL_BALANCE, row])
        shard.results[:, row] = before
        if kept is None:
            book.drop_order(row, order)
        else:
            book.put_order(row, kept)
        return missing

    def missing_after_withdrawal(self, account: str, asset: int, units: int) -> int:
        """Return the micro-USDC that would be missing after a withdrawal; ≤ 0 when it is free.

        A balance is not overdrawn, the initial requirement stays covered, and a profit that is not
        realised counts for nothing.
        """
        over = units - self.venue.balance(account, asset)
        if over > 0 or account in self.ledger.balances:
            return over
        book, row = self.venue.find(account)
        book.balances[row, asset] -= units
        risk = self.risk_of(account)
        book.balances[row, asset] += units
        profit = sum(p.amount for p in risk.equity_parts if p.name == "position_value")
        return risk.initial_requirement + max(0, profit) - risk.initial_balance

    def withdrawable(self, account: str, asset: int) -> int:
        """Return the ledger units of an asset that may leave an account.

        The more leaves the less is covered (coins that hedge: up to a point the other way round, but
        never twice), so the edge is found by halving.
        """
        most = max(0, self.venue.balance(account, asset))
        if self.missing_after_withdrawal(account, asset, 0) > 0:
            return 0
        if self.missing_after_withdrawal(account, asset, most) <= 0:
            return most
        least = 0
        while most - least > 1:
            middle = (least + most) // 2
            if self.missing_after_withdrawal(account, asset, middle) <= 0:
                least = middle
            else:
                most = middle
        return least

    def leans_on_protected(self, account: str) -> bool:
        """Return whether an account must hold margin and holds something whose price is not known."""
        if account in self.ledger.balances:
            return False
        book, row = self.venue.find(account)
        market = self.market
        balances = book.balances[row, : len(market.assets)].tolist()
        positions = [int(market.underlying_of[slot]) for slot, _, _ in book.positions(row)]
        if not positions and row not in book.orders and min(balances) >= 0:
            return False
        held = positions + [asset for asset, units in enumerate(balances) if units]
        return any(bool(market.is_protected[asset]) for asset in held)

    # -- proving ---------------------------------------------------------------------------------

    def check_sums(self) -> None:
        """Stop unless money sums to zero per asset, and lots and costs per instrument."""
        assets, count = len(self.market.assets), len(self.market.instruments)
        for asset in range(assets):
            total = sum(row[asset] for row in self.ledger.balances.values())
            total += sum(int(s.book.balances[: s.book.units, asset].sum()) for s in self.shards)
            if total:
                raise InvariantError(f"{self.market.assets[asset].name} sums to {total} units")
        lots = np.array(self.ledger.market_quantity, object)
        costs = np.array(self.ledger.market_cost, object)
        for shard in self.shards:
            book = shard.book
            np.add.at(lots, book.instrument[: book.pool_used], book.quantity[: book.pool_used])
            np.add.at(costs, book.instrument[: book.pool_used], book.cost[: book.pool_used])
        for slot in range(count):
            if lots[slot] or costs[slot]:
                name = self.market.instruments[slot].name
                raise InvariantError(f"{name} sums to {lots[slot]} lots and {costs[slot]} of cost")
