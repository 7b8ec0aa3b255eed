"""Implied volatilities of the simulated chains: they rise in a fall, the more the shorter the term.

    log level   x ← x·κ − response · (fall counts in full, rise by half) + noise, a minute
    at the money σ(T) = σ₃₀ · (30 d / T)^tilt · exp(x · w(T)),  w = (30 d / T)^0.4 within [0.35, 4]
    smile        σ(T)·(1 + skew·(1 + x⁺)·k + 2·curvature·(√(1 + k²) − 1)), k = ln(K/F)/(σ√T)
                 within ±3.5: straight in the wings, so that they hold no arbitrage

For BTC at 30 days the 25-delta risk reversal is then about −5.5 points, the butterfly about 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steelyard.lab.listings import YEAR_S
from steelyard.lab.market import Coin, Floats
from steelyard.terms import Instrument

MONTH_S = 30.0 * 86_400.0
TERM_POWER = 0.4
TERM_WEIGHTS = (0.35, 4.0)
TERM_TILT = -0.03
TERM_LEAST_S = 3_600.0
SKEW = -0.09
CURVATURE = 0.066
REACH = 3.5
VOLATILITY_BOUNDS = (0.12, 3.49)
CARRY = 0.05
RISE_SHARE = 0.5
REVERSION_MINUTES = 1_440.0
LEVEL_NOISE = 0.0012
DECIMALS = 5


@dataclass(frozen=True)
class Chain:
    """The options of one coin as columns; expiry_s counts from the start of the market."""

    coin: int
    names: list[str]
    strikes: Floats
    expiry_s: Floats


def chains_of(instruments: list[Instrument], coins: tuple[Coin, ...], start_us: int) -> list[Chain]:
    """Return the chain of every coin that has options, in the order of the coins."""
    chains = []
    for row, coin in enumerate(coins):
        held = [i for i in instruments if i.is_option and i.underlying == coin.name]
        if held:
            strikes = np.array([float(i.strike) for i in held])
            expiries = np.array([(i.expiry_us - start_us) / 1e6 for i in held])
            chains.append(Chain(row, [i.name for i in held], strikes, expiries))
    return chains


def level_path(coin: Coin, minute_returns: Floats, seed: int) -> Floats:
    """Return the log level x at the start of each minute and after the last; x(0) = 0."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    noise = LEVEL_NOISE * rng.standard_normal(len(minute_returns))
    path = np.zeros(len(minute_returns) + 1)
    for minute, moved in enumerate(minute_returns):
        path[minute + 1] = level_after(path[minute], coin, moved, 1.0) + noise[minute]
    return path


def level_after(
    level: Floats | float, coin: Coin, moved: Floats | float, share: Floats | float
) -> Floats:
    """Return the level after `share` of a minute in which the log price moved by `moved`.

    >>> round(float(level_after(0.0, Coin("BTC", 1.0, 1.0, 1.0, 1.0, 0.0, 0.5, 3.0),
    ...                         -0.05, 1.0)), 4)
    0.15
    """
    push = -np.minimum(moved, 0.0) - RISE_SHARE * np.maximum(moved, 0.0)
    return np.asarray(level * np.exp(-share / REVERSION_MINUTES) + coin.implied_response * push)


def at_the_money(coin: Coin, level: Floats, term_s: Floats) -> Floats:
    """Return the at-the-money implied volatility for a log level and a time to expiry in seconds.

    >>> btc = Coin("BTC", 121_000.0, 1.0, 1.0, 1.0, 0.0, 0.5, 3.4)
    >>> round(float(at_the_money(btc, np.float64(0.0), np.float64(MONTH_S))), 3)
    0.5
    """
    ratio = MONTH_S / np.maximum(term_s, TERM_LEAST_S)
    weight = np.clip(ratio**TERM_POWER, *TERM_WEIGHTS)
    return np.asarray(coin.implied_level * ratio**TERM_TILT * np.exp(level * weight))


def implied_volatilities(
    coin: Coin, chain: Chain, index: Floats, level: Floats, seconds: Floats
) -> tuple[Floats, Floats]:
    """Return implied volatilities and forward ratios of a chain at several times.

    index, level, seconds: (times,). Returns two arrays (times, options), rounded to five decimals.
    Columns of expired options hold numbers without meaning; the caller leaves them out.
    """
    term_s = np.maximum(chain.expiry_s - seconds[:, None], 1.0)
    ratio: Floats = np.asarray(np.round(np.exp(CARRY * term_s / YEAR_S), 7), dtype=np.float64)
    atm = at_the_money(coin, level[:, None], term_s)
    spread = atm * np.sqrt(np.maximum(term_s, TERM_LEAST_S) / YEAR_S)
    k = np.clip(np.log(chain.strikes / (index[:, None] * ratio)) / spread, -REACH, REACH)
    skew = SKEW * (1.0 + np.clip(level, 0.0, 1.0)[:, None])
    smile = atm * (1.0 + skew * k + 2.0 * CURVATURE * (np.sqrt(1.0 + k * k) - 1.0))
    bounded: Floats = np.asarray(np.clip(smile, *VOLATILITY_BOUNDS), dtype=np.float64)
    return np.asarray(np.round(bounded, DECIMALS)), ratio
