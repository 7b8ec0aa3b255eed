"""The generator's own, cautious estimate of an initial requirement.

It keeps generated accounts within their margin without asking the engine: tiers are applied to the
whole notional of a position, closing costs to the whole impact, and the scenario loss is the worse
of the book with and without the coins that back it. The engine alone decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from steelyard.lab.market import Floats
from steelyard.lab.venues import Integers
from steelyard.quantities import PPM
from steelyard.terms import Instrument, Method
from steelyard.terms.asset import ACCOUNTING_ASSET

YEAR_US = 365.0 * 86_400e6
IMPACT_AT_DEPTH = 0.01


def _erf(values: Floats) -> Floats:
    return np.array([math.erf(value) for value in values.tolist()])


def black_usd(
    forward: Floats, strike: Floats, deviation: Floats, is_call: Floats
) -> tuple[Floats, Floats]:
    """Return undiscounted Black-76 values in USD and forward deltas.

    deviation: σ√T. is_call: 1.0 for a call, 0.0 for a put.

    >>> value, delta = black_usd(*(np.array([x]) for x in (100.0, 100.0, 0.2, 1.0)))
    >>> round(float(value[0]), 4), round(float(delta[0]), 4)
    (7.9656, 0.5398)
    """
    spread = np.maximum(deviation, 1e-9)
    upper = np.log(forward / strike) / spread + 0.5 * spread
    sign = 2.0 * is_call - 1.0
    first = 0.5 * (1.0 + _erf(sign * upper / math.sqrt(2.0)))
    second = 0.5 * (1.0 + _erf(sign * (upper - spread) / math.sqrt(2.0)))
    return sign * (forward * first - strike * second), sign * first


@dataclass(frozen=True)
class Board:
    """Instruments and coins as columns. Rows: the instruments, then one row for each coin.

    unit_usd: notional of one whole quantity. table: scenario P&L of one whole quantity, USD.
    coin: row of the underlying in `coins`. premium: USD of one whole option, 0 otherwise.
    delta: coins. tier_bounds, tier_rates: per coin row, bounds ascending, the last infinite.
    """

    coins: tuple[str, ...]
    prices: Floats
    coin: Integers
    unit_usd: Floats
    table: Floats
    premium: Floats
    delta: Floats
    is_option: Floats
    depth: Floats
    half_spread: Floats
    slip_max: Floats
    tier_bounds: list[Floats]
    tier_rates: list[Floats]
    haircut: Floats
    method: Method

    def coin_row(self, coin: int) -> int:
        """Return the table row of one unit of a coin."""
        return len(self.unit_usd) - len(self.coins) + coin

    def close_cost(self, inst: Integers, notional: Floats) -> Floats:
        """Return USD that closing positions costs: fees, half spread and the whole impact."""
        fees = (self.method.liquidation.fee_ppm + self.method.liquidation.taker_fee_ppm) / PPM
        slip = self.half_spread[inst] + IMPACT_AT_DEPTH * notional / self.depth[inst]
        return np.asarray(notional * (fees + np.minimum(slip, self.slip_max[inst])))

    def tiered(self, inst: Integers, notional: Floats) -> Floats:
        """Return the initial tier rate times the whole notional, per position."""
        rates = np.empty(len(inst))
        coin = self.coin[inst]
        for row in range(len(self.coins)):
            mine = coin == row
            tier = np.searchsorted(self.tier_bounds[row], notional[mine], side="left")
            rates[mine] = self.tier_rates[row][tier]
        return np.asarray(rates * notional + self.close_cost(inst, notional))

    def worst_losses(self, acct: Integers, inst: Integers, quantity: Floats, count: int) -> Floats:
        """Return per account the sum over underlyings of the worst scenario loss, USD."""
        losses = np.zeros(count)
        if not len(acct):
            return losses
        key = acct * len(self.coins) + self.coin[inst]
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        pnl = np.add.reduceat(self.table[inst[order]] * quantity[order, None], starts, axis=0)
        worst = np.maximum(-pnl.min(axis=1), 0.0)
        np.add.at(losses, key[order][starts] // len(self.coins), worst)
        return losses

    def portfolio(
        self, acct: Integers, inst: Integers, quantity: Floats, coin_units: Floats
    ) -> tuple[Floats, Floats]:
        """Return the estimated portfolio requirement with and without the coins held: two (n,).

        coin_units: (accounts, coins), coins in the balance.
        """
        count = len(coin_units)
        notional = np.abs(quantity) * self.unit_usd[inst]
        charges = self.close_cost(inst, notional)
        shorts = (self.is_option[inst] > 0.0) & (quantity < 0.0)
        least = self.method.portfolio.short_option_minimum_ppm / PPM
        charges = charges + least * np.where(shorts, notional, 0.0)
        fixed = np.bincount(acct, weights=charges, minlength=count)
        factor = self.method.portfolio.initial_factor_ppm / PPM
        holder, coin = np.nonzero(coin_units > 0.0)
        rows = len(self.unit_usd) - len(self.coins) + coin
        together = self.worst_losses(
            np.concatenate([acct, holder]),
            np.concatenate([inst, rows]),
            np.concatenate([quantity, coin_units[holder, coin]]),
            count,
        )
        alone = self.worst_losses(acct, inst, quantity, count)
        return factor * together + fixed, factor * alone + fixed


def make_board(
    instruments: list[Instrument],
    prices: dict[str, float],
    method: Method,
    volatilities: Floats,
    time_us: int,
) -> Board:
    """Return the columns of these instruments under a method; volatilities: one an instrument."""
    named = {i.underlying for i in instruments} | set(prices)
    coins = tuple(sorted(named - {ACCOUNTING_ASSET}))
    row_of = {name: row for row, name in enumerate(coins)}
    rules = [method.underlying_rules(name) for name in coins]
    price = np.array([prices[name] for name in coins])
    count = len(instruments)
    coin = np.array([row_of[i.underlying] for i in instruments] + list(range(len(coins))))
    is_option = np.array([float(i.is_option) for i in instruments] + [0.0] * len(coins))
    contract = np.array([float(i.contract_usd) for i in instruments] + [0.0] * len(coins))
    unit = np.where(contract > 0.0, contract, price[coin])
    moves, weights, _ = _scenarios(method)
    reach = np.array([rule.range_ppm / PPM for rule in rules])[coin]
    table = unit[:, None] * reach[:, None] * moves * weights
    premium, delta = np.zeros(len(coin)), unit / price[coin]
    held = np.array([row for row in range(count) if instruments[row].is_option], dtype=np.int64)
    if len(held):
        options = [instruments[row] for row in held]
        premium[held], delta[held], table[held] = _option_rows(
            options, price[coin[held]], reach[held], volatilities[held], method, time_us
        )
    shares = [rule.option_depth_ppm / PPM for rule in rules]
    bounds = [[float(t.notional_usd_max) for t in rule.tiers[:-1]] for rule in rules]
    depth = np.array([float(rule.depth_usd) for rule in rules])[coin]
    return Board(
        coins=coins,
        prices=price,
        coin=coin,
        unit_usd=unit,
        table=table,
        premium=premium,
        delta=delta,
        is_option=is_option,
        depth=depth * np.where(is_option > 0.0, np.array(shares)[coin], 1.0),
        half_spread=np.array([rule.half_spread_ppm / PPM for rule in rules])[coin],
        slip_max=np.array([rule.slippage_ppm_max / PPM for rule in rules])[coin],
        tier_bounds=[np.array(b) for b in bounds],
        tier_rates=[np.array([t.initial_ppm / PPM for t in rule.tiers]) for rule in rules],
        haircut=np.array([method.collateral_rules(c).haircut_initial_ppm / PPM for c in coins]),
        method=method,
    )


def _option_rows(
    options: list[Instrument],
    price: Floats,
    reach: Floats,
    sigma: Floats,
    method: Method,
    time_us: int,
) -> tuple[Floats, Floats, Floats]:
    """Return premium (USD), delta (coins) and scenario P&L (USD) of one whole option each."""
    strike = np.array([float(item.strike) for item in options])
    call = np.array([float(item.is_call) for item in options])
    expiry = np.array([float(item.expiry_us) for item in options])
    term = np.maximum((expiry - time_us) / YEAR_US, 1e-6)
    root = np.sqrt(term)
    premium, delta = black_usd(price, strike, sigma * root, call)
    moves, weights, directions = _scenarios(method)
    table = np.empty((len(options), len(moves)))
    for s, (move, weight) in enumerate(zip(moves, weights, strict=True)):
        shocked = sigma * _volatility_multiple(method, term * 365.0, directions[s])
        value, _ = black_usd(price * (1.0 + move * reach), strike, shocked * root, call)
        table[:, s] = weight * (value - premium)
    return premium, delta, table


def _scenarios(method: Method) -> tuple[Floats, Floats, list[int]]:
    """Return moves in ranges, weights of the loss, and the volatility direction of each scenario."""
    grid = method.grid
    moves = [move for move in grid.price_moves for _ in range(3)] + list(grid.tail_moves)
    weights = [1.0] * (3 * len(grid.price_moves)) + list(grid.tail_weights)
    directions = [-1, 0, 1] * len(grid.price_moves) + [1] * len(grid.tail_moves)
    return np.array(moves), np.array(weights), directions


def _volatility_multiple(method: Method, days: Floats, direction: int) -> Floats:
    grid = method.grid
    power = np.where(days < 30.0, grid.short_term_power, grid.long_term_power)
    term = (30.0 / np.maximum(days, grid.term_floor_days)) ** power
    if direction > 0:
        return np.asarray(1.0 + grid.volatility_range_up * term)
    if direction < 0:
        return np.asarray(np.maximum(0.0, 1.0 - grid.volatility_range_down * term))
    return np.ones_like(days)
