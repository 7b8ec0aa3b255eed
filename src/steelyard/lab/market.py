"""The law of the simulated market: one-minute log returns of several coins.

A market factor with Student-t shocks, a log-normal variance that clusters and rises after a fall,
common jumps that leave a burst of variance behind, and idiosyncratic noise that shrinks when the
factor falls (coins move together in a fall). Ticks refine a minute afterwards, so what holds for the
minutes holds for every tick length. Targets and what is achieved: docs/lab.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LawName = Literal["calm", "stress", "crash"]


@dataclass(frozen=True)
class Law:
    """Parameters of the market factor, which is scaled like BTC.

    minute_sd: standard deviation of a minute without jumps and bursts. shock_freedom: degrees of
    freedom of the Student-t shocks. log_variance_sd, log_variance_persistence: stationary spread and
    minute-to-minute persistence of the log variance. fall_response: correlation of its innovations
    with the shocks. jump_rate: jumps a minute; jump_mean: mean magnitude (log return) beyond
    jump_least; jump_cap bounds it. burst_gain, burst_decay: a jump of j standard deviations adds
    gain·j² to the variance multiple, which decays by burst_decay a minute.
    """

    minute_sd: float
    shock_freedom: float
    log_variance_sd: float
    log_variance_persistence: float
    fall_response: float
    jump_rate: float
    jump_least: float
    jump_mean: float
    jump_cap: float
    jump_fall_share: float
    burst_gain: float
    burst_decay: float


@dataclass(frozen=True)
class Coin:
    """A coin of the market: its first price, its scale against the factor and how it follows it.

    scale: standard deviation against the factor's. correlation: with the factor in a rise.
    jump_response: multiple of a jump of the factor. crash_log_fall: five-minute log return of the
    scripted crash. implied_level: its implied volatility at 30 days in calm, a decimal.
    implied_response: rise of the log implied volatility at 30 days for a log fall of one.
    """

    name: str
    first_price: float
    scale: float
    correlation: float
    jump_response: float
    crash_log_fall: float
    implied_level: float = 0.0
    implied_response: float = 0.0


CALM = Law(
    minute_sd=0.00045,
    shock_freedom=8.0,
    log_variance_sd=1.02,
    log_variance_persistence=0.985,
    fall_response=-0.35,
    jump_rate=1.0 / 2880.0,
    jump_least=0.0015,
    jump_mean=0.0012,
    jump_cap=0.01,
    jump_fall_share=0.6,
    burst_gain=0.015,
    burst_decay=0.85,
)

STRESS = Law(
    minute_sd=0.00115,
    shock_freedom=6.0,
    log_variance_sd=1.0,
    log_variance_persistence=0.99,
    fall_response=-0.4,
    jump_rate=1.0 / 2880.0,
    jump_least=0.008,
    jump_mean=0.011,
    jump_cap=0.07,
    jump_fall_share=0.65,
    burst_gain=0.006,
    burst_decay=0.85,
)

LAWS: dict[LawName, Law] = {"calm": CALM, "stress": STRESS, "crash": CALM}
"""The crash is scripted on a calm background, so that its size does not depend on the seed."""

COINS: tuple[Coin, ...] = (
    Coin("BTC", 121_000.0, 1.0, 0.96, 1.0, -0.0968, 0.46, 3.4),
    Coin("ETH", 4_350.0, 1.35, 0.9, 1.3, -0.1258, 0.66, 2.8),
    Coin("SOL", 220.0, 1.7, 0.84, 1.8, -0.2231),
    Coin("XRP", 2.8, 1.6, 0.76, 1.6, -0.2),
    Coin("AVAX", 28.0, 1.8, 0.78, 1.9, -0.25),
    Coin("DOGE", 0.25, 1.9, 0.78, 1.9, -0.24),
)

IDIOSYNCRATIC_SHRINK = 0.5
"""Share of the idiosyncratic noise that vanishes when the factor falls by three of its sd or more."""


@dataclass(frozen=True)
class Minutes:
    """Simulated minutes; arrays (paths, minutes, coins), log returns.

    diffusion: what the minute moved without jumps. jumps: what its jump moved. scale: standard
    deviation of the minute's diffusion given its variance. jump_start: (paths, minutes), the share
    of the minute after which the jump begins.
    """

    diffusion: Floats
    jumps: Floats
    scale: Floats
    jump_start: Floats

    @property
    def log_returns(self) -> Floats:
        """Return the whole one-minute log returns."""
        return self.diffusion + self.jumps


def simulate_minutes(
    law: Law, coins: tuple[Coin, ...], minutes: int, seed: int, paths: int = 1
) -> Minutes:
    """Return `paths` independent paths of `minutes` one-minute log returns of `coins`.

    With V the variance multiple, z normal, w = χ²(ν)/(ν−2), e normal and J the jump:
        factor f = √V · z/√w,   return = scale·sd·(c·f + √(1−c²)·k(z/√w)·√V·e) + response·J
    k falls from 1 to 1 − IDIOSYNCRATIC_SHRINK as the shock falls from 0 to −3.

    >>> m = simulate_minutes(CALM, COINS[:2], 5, seed=1)
    >>> m.log_returns.shape
    (1, 5, 2)
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    shape = (paths, minutes)
    normal = rng.standard_normal(shape)
    shock = normal / np.sqrt(rng.chisquare(law.shock_freedom, shape) / (law.shock_freedom - 2.0))
    jump = _jumps(law, rng, shape)
    multiple = _variance_multiple(law, rng, normal, jump)
    shrink = 1.0 - IDIOSYNCRATIC_SHRINK * np.clip(-shock / 3.0, 0.0, 1.0)
    root = np.sqrt(multiple)[..., None] * law.minute_sd
    noise = rng.standard_normal((paths, minutes, len(coins)))
    scales = np.array([coin.scale for coin in coins])
    correlation = np.array([coin.correlation for coin in coins])
    responses = np.array([coin.jump_response for coin in coins])
    own = np.sqrt(1.0 - correlation**2) * shrink[..., None] * noise
    scatter = np.exp(0.15 * rng.standard_normal((paths, minutes, len(coins))) - 0.01125)
    return Minutes(
        diffusion=root * scales * (correlation * shock[..., None] + own),
        jumps=jump[..., None] * responses * scatter,
        scale=root * scales,
        jump_start=rng.uniform(0.0, 0.85, shape),
    )


def _jumps(law: Law, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Return the jump of the factor in each minute: zero in nearly all."""
    happens = rng.uniform(size=shape) < law.jump_rate
    magnitude = np.minimum(law.jump_least + rng.exponential(law.jump_mean, shape), law.jump_cap)
    sign = np.where(rng.uniform(size=shape) < law.jump_fall_share, -1.0, 1.0)
    return np.asarray(happens * magnitude * sign, dtype=np.float64)


def _variance_multiple(law: Law, rng: np.random.Generator, normal: Floats, jump: Floats) -> Floats:
    """Return the variance multiple V of each minute: exp(h)·(1 + burst), E[exp(h)] = 1."""
    paths, minutes = normal.shape
    spread = law.log_variance_sd
    persistence = law.log_variance_persistence
    fresh = np.sqrt(1.0 - law.fall_response**2) * rng.standard_normal((paths, minutes))
    step = np.sqrt(1.0 - persistence**2) * spread * (law.fall_response * normal + fresh)
    kick = law.burst_gain * (jump / law.minute_sd) ** 2
    level = spread * rng.standard_normal(paths)
    burst = np.zeros(paths)
    levels = np.empty((minutes, paths))
    bursts = np.empty((minutes, paths))
    for minute in range(minutes):
        levels[minute] = level
        bursts[minute] = burst
        level = persistence * level + step[:, minute]
        burst = law.burst_decay * burst + kick[:, minute]
    return np.ascontiguousarray((np.exp(levels - 0.5 * spread**2) * (1.0 + bursts)).T)


CRASH_KNOTS_S = (0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 1_500.0)
CRASH_SHARES = (0.0, 0.05, 0.15, 0.9, 0.96, 1.0, 0.65)
"""The scripted crash: share of the whole fall reached at each knot; three quarters in one minute."""


def crash_share(seconds: Floats) -> Floats:
    """Return the share of the scripted fall reached `seconds` after its begin.

    >>> crash_share(np.array([-5.0, 150.0, 300.0, 9_999.0])).tolist()
    [0.0, 0.525, 1.0, 0.65]
    """
    return np.interp(seconds, CRASH_KNOTS_S, CRASH_SHARES)


def excess_kurtosis(returns: Floats) -> Floats:
    """Return the excess kurtosis along the last axis: m4/m2² − 3.

    >>> float(excess_kurtosis(np.array([1.0, -1.0, 1.0, -1.0])))
    -2.0
    """
    centred = returns - returns.mean(axis=-1, keepdims=True)
    second = (centred**2).mean(axis=-1)
    return np.asarray((centred**4).mean(axis=-1) / second**2 - 3.0, dtype=np.float64)
