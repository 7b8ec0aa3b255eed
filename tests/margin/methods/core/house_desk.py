"""A market and portfolio units in the engine's own columns, and the same stated as cases of `steelyard`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

import numpy as np

from steelyard.book import Book
from steelyard.margin import AccountRisk, explain_unit, require_book
from steelyard.marks import MarketState
from steelyard.marks.settlement import known_part
from steelyard.marks.update import remark_perpetuals
from steelyard.terms import Asset, Instrument, Method, load_method
from steelyard.terms.asset import price_exponent_for
from steelyard.terms.stated import Account, Case, Expiry, Market, Perpetual, Position, Underlying
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.revalue import configure, revalue

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
NOW_US = 1_780_300_800_000_000
DAY_US = 86_400_000_000
MICRO = 1e-6
PRICES = {"BTC": 100_000.0, "ETH": 4_000.0, "SOL": 200.0, "DOGE": 0.25}
# Past, while its settlement is averaged, within a day, short, on both sides of 30 days, long.
DAYS = (-1.0, 0.01, 0.9, 2.5, 7.0, 25.0, 30.0, 35.0, 200.0)
MONEYNESS = (0.55, 0.9, 1.0, 1.1, 1.7)


class Contract(NamedTuple):
    """A listed contract: its name in a statement, slot, and lots in one unit of the underlying."""

    name: str
    slot: int
    lots: int
    is_option: bool


class Numbers(NamedTuple):
    """Results of the engine for a unit, in USDC; haircuts stand in the requirements."""

    equity: float
    initial_requirement: float
    maintenance_requirement: float


class HouseDesk:
    """A random market in the engine's columns, with a perpetual and options of several terms a coin.

    steady: marks equal to the index, forwards without carry and one volatility, for numbers by hand.
    """

    def __init__(self, draw: Random, method: Method | None = None, *, steady: bool = False) -> None:
        self.method = load_method() if method is None else method
        self.market = MarketState()
        self.market.time_us = NOW_US
        self.contracts: list[Contract] = []
        self.underlyings: dict[str, Underlying[float]] = {}
        for name, base in PRICES.items():
            price = base if steady else base * draw.uniform(0.8, 1.2)
            self._list(draw, name, price, steady)
        self.columns = ValuationColumns()
        self.grid = configure(self.columns, self.market, self.method)
        self.assets = len(self.market.assets)
        self.book = Book(self.assets)
        self.revalue()

    def revalue(self) -> None:
        """Refresh the columns at the market's time."""
        revalue(self.columns, self.market, self.method, self.grid, list(range(self.assets)))

    def _list(self, draw: Random, name: str, price: float, steady: bool) -> None:
        market = self.market
        asset = market.list_asset(Asset(name, 8, price_exponent_for(price)))
        scale = 10 ** market.assets[asset].price_exponent
        market.index_units[asset] = round(price * scale)
        market.indices[asset].condition = "healthy"
        market.protect(asset)
        index = market.index_price(asset)
        digits = max(0, 5 - len(str(int(price))))
        perpetual = Instrument(
            f"{name}-PERPETUAL", "perpetual", name, "USDC", False, 3, 3 + digits, 10**9
        )
        slot = market.list_instrument(perpetual)
        remark_perpetuals(market, asset)
        if not steady:
            mark = round(index * draw.uniform(0.995, 1.005) * 10**perpetual.mark_exponent)
            market.mark_units[slot] = mark
        self.contracts.append(Contract(perpetual.name, slot, 10**3, is_option=False))
        mark_price = float(market.mark_units[slot]) / 10**perpetual.mark_exponent
        self.underlyings[name] = Underlying(
            index,
            perpetual=Perpetual(mark_price),
            expiries=tuple(self._list_expiry(draw, name, index, days, steady) for days in DAYS),
        )

    def _list_expiry(
        self, draw: Random, name: str, index: float, days: float, steady: bool
    ) -> Expiry[float]:
        market = self.market
        at = NOW + timedelta(days=days)
        ratio = 1.0 if steady else draw.uniform(0.97, 1.04)
        limit = min(10**9, round(10**10 / PRICES[name]))  # so that its marks fit their bound
        volatilities = {}
        for share in MONEYNESS:
            strike = f"{PRICES[name] * share:.8g}"
            volatilities[strike] = 0.6 if steady else draw.uniform(0.2, 1.6)
            for right in "CP":
                title = f"{name}-{at.day}{at:%b%y}".upper() + f"-{strike}-{right}"
                slot = market.list_instrument(
                    Instrument(
                        title, "option", name, "USDC", False, 2, 8, limit, strike=strike,
                        expiry_us=NOW_US + round(days * DAY_US), is_call=right == "C",
                    )
                )  # fmt: skip
                market.volatility[slot] = volatilities[strike]
                market.forward_ratio[slot] = ratio
                self.contracts.append(Contract(title, slot, 10**2, is_option=True))
        known, mean = self._average(draw, name, NOW_US + round(days * DAY_US))
        return Expiry(
            f"{at:%Y-%m-%dT%H:%M:%SZ}",
            forward_price=known * mean + (1.0 - known) * (index * ratio),
            forward_fixed=known * mean,
            implied_volatility=volatilities,
        )

    def _average(self, draw: Random, name: str, expiry_us: int) -> tuple[float, float]:
        """Let a settlement average run, if its time has come; return what is known of it, and its mean."""
        market = self.market
        asset = market.asset_slots[name]
        if expiry_us - market.time_us < self.method.index_rules(name).settlement_window_us:
            units = round(int(market.index_units[asset]) * draw.uniform(0.98, 1.02))
            market.averages[expiry_us, asset] = (units * DAY_US, DAY_US)
        return known_part(market, asset, expiry_us, self.method)

    def stated_market(self) -> Market[float]:
        """Return the market as a statement."""
        return Market(f"{NOW:%Y-%m-%dT%H:%M:%SZ}", underlyings=self.underlyings)

    def contract(self, name: str) -> Contract:
        """Return a contract by its name."""
        return next(each for each in self.contracts if each.name == name)

    def unit(
        self, balances: dict[str, int], held: dict[Contract, int], moved: dict[Contract, float]
    ) -> tuple[int, Case[float]]:
        """Open a portfolio unit; return its row and the same account stated.

        balances: ledger units by asset; held: lots; moved: entry prices as multiples of the mark.
        """
        market = self.market
        row = self.book.add_unit(f"unit-{self.book.units}", "portfolio")
        slots = {asset.name: slot for slot, asset in enumerate(market.assets)}
        for name, units in balances.items():
            self.book.balances[row, slots[name]] = units
        positions = []
        for contract, lots in held.items():
            entry = round(int(market.mark_units[contract.slot]) * moved.get(contract, 1.0))
            cost = 0 if contract.is_option else lots * entry
            self.book.set_position(row, contract.slot, lots, cost, market.underlying_of)
            scale = 10 ** market.instruments[contract.slot].mark_exponent
            positions.append(
                Position(
                    contract.name, lots / contract.lots,
                    entry_price=None if contract.is_option else entry / scale,
                )
            )  # fmt: skip
        coins = {
            name: units / 10 ** market.assets[slots[name]].exponent
            for name, units in balances.items()
        }
        account = Account(mode="portfolio", balances=coins, positions=tuple(positions))
        return row, Case(
            self.book.names[row], "steelyard", market=self.stated_market(), account=account
        )

    def random_unit(self, draw: Random) -> tuple[int, Case[float]]:
        """Open a random unit: empty, coins alone, hedges, one-sided books of many sizes, debts."""
        if draw.random() < 0.05:
            return self.unit({}, {}, {})
        size = 10 ** draw.uniform(2.0, 7.5)  # USD of a position
        names = draw.sample(sorted(PRICES), draw.randint(1, len(PRICES)))
        balances = {}
        if draw.random() < 0.8:
            balances["USDC"] = round(draw.uniform(-1.0, 3.0) * size * 1e6)
        for name in names:
            if draw.random() < 0.4:
                coins = draw.uniform(-1.0, 2.0) * size / PRICES[name]
                balances[name] = round(coins * 1e8)
        pool = [each for each in self.contracts if each.name.split("-")[0] in names]
        side = draw.choice((-1, 0, 0, 1))
        held = {}
        for contract in draw.sample(pool, draw.randint(0, min(14, len(pool)))):
            price = PRICES[contract.name.split("-")[0]]
            most = self.market.instruments[contract.slot].position_limit
            count = round(draw.uniform(0.05, 1.0) * size / price * contract.lots)
            lots = min(most, max(1, count))
            sign = side if contract.is_option and side else draw.choice((-1, 1))
            held[contract] = sign * lots
        moved = {contract: draw.uniform(0.8, 1.2) for contract in held if not contract.is_option}
        return self.unit(balances, held, moved)

    def numbers(self, row: int) -> Numbers:
        """Return what the engine says of a unit, micro-USDC read as USDC."""
        results = np.zeros((6, self.book.units), np.int64)
        rows = np.array([row], np.int64)
        require_book(self.book, self.market, self.columns, self.method, results, rows)
        equity, opens, keeps, initial, maintenance, _ = (int(each) for each in results[:, row])
        return Numbers(
            equity * MICRO,
            (initial + equity - opens) * MICRO,
            (maintenance + equity - keeps) * MICRO,
        )

    def risk(self, row: int) -> AccountRisk:
        """Return the explained risk of a unit."""
        return explain_unit(self.book, row, self.market, self.columns, self.method)

    def gross(self, case: Case[float]) -> float:
        """Return USD of all that a case holds, at the index: the scale of float rounding."""
        total = 0.0
        for name, coins in case.account.balances.items():
            price = self.underlyings[name].index_price if name in self.underlyings else 1.0
            total += abs(coins) * (price or 0.0)
        for position in case.account.positions:
            index = self.underlyings[position.instrument.split("-")[0]].index_price or 0.0
            total += abs(position.quantity) * index
        return total

    def equity_steps(self, case: Case[float]) -> float:
        """Return USDC by which the engine's whole units may move an equity.

        Each position and each balance is rounded down by less than a micro-USDC, and an option's mark to
        the nearest of its units, half a unit away at most.
        """
        steps = MICRO * (len(case.account.positions) + len(case.account.balances) + 1)
        for position in case.account.positions:
            contract = self.contract(position.instrument)
            if contract.is_option:
                scale = 10 ** self.market.instruments[contract.slot].mark_exponent
                steps += abs(position.quantity) * 0.5 / scale
        return steps
