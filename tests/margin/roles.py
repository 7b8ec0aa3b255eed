"""A market of three coins with every kind of contract, and random books on it."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from steelyard.book import Book
from steelyard.margin import AccountRisk, explain_unit, require_book
from steelyard.marks import MarketState
from steelyard.marks.update import remark_perpetuals
from steelyard.terms import Asset, Instrument, MarginMode, Method, load_method
from steelyard.valuation.columns import ValuationColumns
from steelyard.valuation.revalue import configure, revalue

NOW_US = 1_760_130_000_000_000
DAY_US = 86_400_000_000
USD = 10**6
COIN = 10**8
MODES: tuple[MarginMode, ...] = ("isolated", "cross", "portfolio")
BTC, ETH, SOL = 1, 2, 3
BTC_LINEAR, BTC_INVERSE, ETH_LINEAR, ETH_INVERSE, SOL_LINEAR = range(5)
FIRST_OPTION = 5
PRICES = {"BTC": 100_000.0, "ETH": 4_000.0, "SOL": 200.0}
STRIKES = {"BTC": (90_000, 100_000, 105_000, 200_000), "ETH": (3_500, 4_000, 4_600)}

TIERS = [(300_000, 4_000, 8_000), (3_000_000, 6_500, 13_000), (0, 15_000, 30_000)]
BTC_RULES = {
    "range_ppm": 150_000, "depth_usd": 10_000_000, "half_spread_ppm": 100, "recovery_us": 60_000_000,
    "option_depth_ppm": 100_000, "slippage_ppm_max": 150_000,
    "tiers": [
        {"notional_usd_max": end, "maintenance_ppm": keep, "initial_ppm": open_}
        for end, keep, open_ in TIERS
    ],
}  # fmt: skip


def make_method() -> Method:
    """Return the method whose numbers the specs use, whatever the house method says today."""
    method = load_method()
    for path, value in {
        "underlying.BTC": BTC_RULES,
        "collateral.BTC": {"haircut_initial_ppm": 100_000, "haircut_maintenance_ppm": 75_000},
        "grid.price_moves": [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0],
        "grid.tail_moves": [-3.0, -2.0, 2.0, 3.0],
        "grid.tail_weights": [0.2, 0.35, 0.35, 0.2],
        "portfolio": {
            "initial_factor_ppm": 1_300_000, "maintenance_factor_ppm": 1_000_000,
            "short_option_minimum_ppm": 10_000,
        },
        "cross": {
            "option_initial_ppm": 150_000, "option_initial_floor_ppm": 100_000,
            "option_maintenance_ppm": 75_000,
        },
        "liquidation.fee_ppm": 5_000,
        "liquidation.taker_fee_ppm": 500,
    }.items():  # fmt: skip
        method = method.with_parameter(path, json.dumps(value))
    return method


METHOD = make_method()


def instruments() -> list[Instrument]:
    """Return the contracts in the order of their slots."""
    listed = [
        Instrument("BTC_USDC-PERPETUAL", "perpetual", "BTC", "USDC", False, 4, 2, 10**9),
        Instrument(
            "BTC-PERPETUAL", "perpetual", "BTC", "BTC", True, 0, 12, 10**7, contract_usd=100
        ),
        Instrument("ETH_USDC-PERPETUAL", "perpetual", "ETH", "USDC", False, 3, 4, 10**9),
        Instrument("ETH-PERPETUAL", "perpetual", "ETH", "ETH", True, 0, 12, 10**6, contract_usd=10),
        Instrument("SOL_USDC-PERPETUAL", "perpetual", "SOL", "USDC", False, 1, 5, 10**9),
    ]
    listed += [
        _option(coin, strike, is_inverse, is_call)
        for coin, strikes in STRIKES.items()
        for strike in strikes
        for is_inverse in (False, True)
        for is_call in (False, True)
    ]
    return listed


def _option(coin: str, strike: int, is_inverse: bool, is_call: bool) -> Instrument:
    settlement = coin if is_inverse else "USDC"
    days = 7 if strike % 1_000 else 60
    return Instrument(
        f"{coin}_{settlement}-{days}D-{strike}-{'C' if is_call else 'P'}", "option", coin, settlement,
        is_inverse, 2, 8 if is_inverse else 6, 10**7, strike=str(strike),
        expiry_us=NOW_US + days * DAY_US, is_call=is_call,
    )  # fmt: skip


class Desk:
    """A market with its valuation columns, and a book to fill."""

    def __init__(self, method: Method = METHOD, prices: dict[str, float] | None = None) -> None:
        self.method = method
        self.market = MarketState()
        self.market.time_us = NOW_US
        for name, price in (PRICES | (prices or {})).items():
            slot = self.market.list_asset(Asset(name, 8, 2 if price > 1_000 else 4))
            self.market.index_units[slot] = round(
                price * 10 ** self.market.assets[slot].price_exponent
            )
            self.market.indices[slot].condition = "healthy"
            self.market.protect(slot)
        for instrument in instruments():
            slot = self.market.list_instrument(instrument)
            self.market.volatility[slot] = 0.6 if instrument.is_option else 0.0
            self.market.forward_ratio[slot] = 1.002
        self.columns = ValuationColumns()
        self.grid = configure(self.columns, self.market, method)
        self.assets = len(self.market.assets)
        for asset in range(1, self.assets):
            remark_perpetuals(self.market, asset)
        revalue(self.columns, self.market, method, self.grid, list(range(self.assets)))
        self.book = Book(self.assets)

    def slot(self, name: str) -> int:
        """Return the slot of an instrument."""
        return self.market.instrument_slots[name]

    def unit(
        self,
        mode: MarginMode,
        cash: dict[int, int] | None = None,
        held: dict[int, int] | None = None,
        entry: dict[int, int] | None = None,
    ) -> int:
        """Open a unit: balances in ledger units by asset, lots by instrument, entry marks (or now)."""
        row = self.book.add_unit(f"unit-{self.book.units}", mode)
        for asset, units in (cash or {}).items():
            self.book.balances[row, asset] = units
        for slot, lots in (held or {}).items():
            mark = (entry or {}).get(slot, int(self.market.mark_units[slot]))
            cost = 0 if self.market.instruments[slot].is_option else lots * mark
            self.book.set_position(row, slot, lots, cost, self.market.underlying_of)
        return row

    def results(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return the six results of the named rows (all: None), others zero."""
        results = np.zeros((6, max(1, self.book.units)), np.int64)
        chosen = np.arange(self.book.units, dtype=np.int64) if rows is None else rows
        require_book(self.book, self.market, self.columns, self.method, results, chosen)
        return results

    def risk(self, row: int) -> AccountRisk:
        """Return the explained risk of a unit."""
        return explain_unit(self.book, row, self.market, self.columns, self.method)


def fill_randomly(desk: Desk, seed: int, units: int = 30) -> Desk:
    """Open random units in every mode: debts, coins, hedges, empty ones, entries off the mark."""
    rng = np.random.default_rng(seed)
    count = len(desk.market.instruments)
    for _ in range(units):
        mode = MODES[rng.integers(3)]
        cash = {
            a: int(rng.normal(0.3, 1.0) * (1e11 if a == 0 else 1e8))
            for a in range(desk.assets)
            if rng.random() < 0.5
        }
        held, entry = {}, {}
        wanted = 1 if mode == "isolated" else int(rng.integers(0, 12))
        for slot in rng.choice(count, wanted, replace=False).tolist():
            lots = max(1, round(rng.lognormal(9.0, 1.5) / float(desk.columns.notional[slot])))
            held[slot] = lots if rng.random() < 0.5 else -lots
            entry[slot] = round(int(desk.market.mark_units[slot]) * rng.uniform(0.8, 1.2))
        desk.unit(mode, cash, held, entry)
    return desk
