"""Initial requirements written a second time, position by position, from the method's document.

Nothing here is shared with the generator: tiers are the marginal brackets, slippage is the average
over the depth that is used up, options are priced with the standard library's error function.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, log, sqrt

from steelyard.terms import AccountRecord, Instrument, Method

PPM = 1e6
YEAR_US = 365.0 * 86_400e6


@dataclass(frozen=True)
class World:
    """What a requirement depends on besides the account."""

    method: Method
    terms: dict[str, Instrument]
    exponents: dict[str, int]
    prices: dict[str, float]
    volatilities: dict[str, float]
    time_us: int

    def price(self, asset: str) -> float:
        return 1.0 if asset == "USDC" else self.prices[asset]

    def unit_usd(self, name: str) -> float:
        item = self.terms[name]
        return float(item.contract_usd) or self.prices[item.underlying]

    def contracts(self, name: str, lots: int) -> float:
        return lots / 10 ** self.terms[name].lot_exponent

    def option_usd(self, name: str, move: float = 0.0, multiple: float = 1.0) -> float:
        item = self.terms[name]
        spot = self.prices[item.underlying] * (1.0 + move)
        term = (item.expiry_us - self.time_us) / YEAR_US
        deviation = self.volatilities[name] * multiple * sqrt(term)
        sign = 1.0 if item.is_call else -1.0
        strike = float(item.strike)
        if deviation < 1e-9:
            return max(sign * (spot - strike), 0.0)
        upper = log(spot / strike) / deviation + deviation / 2.0
        return sign * (spot * normal(sign * upper) - strike * normal(sign * (upper - deviation)))


def normal(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


def value_usd(world: World, name: str, lots: int, entry_mark: int) -> float:
    """Return what a position adds to equity: an option's value, a perpetual's unrealised amount."""
    item = world.terms[name]
    count = world.contracts(name, lots)
    if item.is_option:
        return count * world.option_usd(name)
    price = world.prices[item.underlying]
    entry = entry_mark / 10**item.mark_exponent
    if item.is_inverse:
        return count * (-item.contract_usd / price - entry) * price
    return count * (price - entry)


def close_cost(world: World, name: str, lots: int) -> float:
    """Return fee and slippage of closing a position, with the average impact on the way."""
    item = world.terms[name]
    rules = world.method.underlying_rules(item.underlying)
    notional = abs(world.contracts(name, lots)) * world.unit_usd(name)
    depth = rules.depth_usd * (rules.option_depth_ppm / PPM if item.is_option else 1.0)
    slip = rules.half_spread_ppm / PPM + 0.5 * 0.01 * notional / depth
    fees = (world.method.liquidation.fee_ppm + world.method.liquidation.taker_fee_ppm) / PPM
    return notional * (fees + min(slip, rules.slippage_ppm_max / PPM))


def tiered(world: World, name: str, lots: int) -> float:
    """Return the initial requirement of a perpetual by marginal brackets, with its closing cost."""
    item = world.terms[name]
    notional = abs(world.contracts(name, lots)) * world.unit_usd(name)
    total, below = 0.0, 0.0
    for tier in world.method.underlying_rules(item.underlying).tiers:
        top = float(tier.notional_usd_max) or notional
        total += max(0.0, min(notional, top) - below) * tier.initial_ppm / PPM
        below = top
    return total + close_cost(world, name, lots)


def equity_usd(world: World, account: AccountRecord) -> float:
    cash = sum(
        units / 10 ** world.exponents[asset] * world.price(asset)
        for asset, units in account.balances.items()
    )
    return cash + sum(
        value_usd(world, p.instrument, p.quantity, p.entry_mark) for p in account.positions
    )


def haircut_usd(world: World, balances: dict[str, float]) -> float:
    """Return what the initial haircuts take off positive coin amounts."""
    return sum(
        max(coins, 0.0)
        * world.price(asset)
        * world.method.collateral_rules(asset).haircut_initial_ppm
        / PPM
        for asset, coins in balances.items()
    )


def coins_held(world: World, account: AccountRecord) -> dict[str, float]:
    """Return coins per asset, unrealised amounts and option values included."""
    held = {
        asset: units / 10 ** world.exponents[asset] for asset, units in account.balances.items()
    }
    for p in account.positions:
        settlement = world.terms[p.instrument].settlement
        worth = value_usd(world, p.instrument, p.quantity, p.entry_mark) / world.price(settlement)
        held[settlement] = held.get(settlement, 0.0) + worth
    return held


def portfolio_requirement(world: World, account: AccountRecord, factor: float) -> float:
    """Return the scenario requirement with the coins of the balance in the grid."""
    grid = world.method.grid
    scenarios = [(move, v, 1.0) for move in grid.price_moves for v in (-1, 0, 1)]
    scenarios += [(m, 1, w) for m, w in zip(grid.tail_moves, grid.tail_weights, strict=True)]
    total = 0.0
    names = {world.terms[p.instrument].underlying for p in account.positions}
    for underlying in names | (set(account.balances) - {"USDC"}):
        reach = world.method.underlying_rules(underlying).range_ppm / PPM
        mine = [p for p in account.positions if world.terms[p.instrument].underlying == underlying]
        balance = account.balances.get(underlying, 0) / 10 ** world.exponents[underlying]
        worst = 0.0
        for move, direction, weight in scenarios:
            moved = balance * world.prices[underlying] * move * reach
            for p in mine:
                count = world.contracts(p.instrument, p.quantity)
                if world.terms[p.instrument].is_option:
                    multiple = volatility_multiple(world, p.instrument, direction)
                    after = world.option_usd(p.instrument, move * reach, multiple)
                    moved += count * (after - world.option_usd(p.instrument))
                else:
                    moved += count * world.unit_usd(p.instrument) * move * reach
            worst = max(worst, -weight * moved)
        total += factor * worst
        least = world.method.portfolio.short_option_minimum_ppm / PPM
        for p in mine:
            total += close_cost(world, p.instrument, p.quantity)
            if world.terms[p.instrument].is_option and p.quantity < 0:
                notional = abs(world.contracts(p.instrument, p.quantity))
                total += least * notional * world.unit_usd(p.instrument)
    return total


def volatility_multiple(world: World, name: str, direction: int) -> float:
    grid = world.method.grid
    days = (world.terms[name].expiry_us - world.time_us) / 86_400e6
    power = grid.short_term_power if days < 30.0 else grid.long_term_power
    scale = (30.0 / max(days, grid.term_floor_days)) ** power
    if direction > 0:
        return 1.0 + grid.volatility_range_up * scale
    return max(0.0, 1.0 - grid.volatility_range_down * scale) if direction < 0 else 1.0
