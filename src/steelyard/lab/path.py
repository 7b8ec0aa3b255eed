"""The true mid prices of a simulated market, minute by minute and refined to ticks.

A minute's ticks are a Brownian bridge to the minute's own diffusion, plus its jump over eight
seconds, plus the scripted crash: so the closes of the minutes are the law's, whatever the tick.
Every minute has its own random stream and can be made again alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steelyard.lab.market import Coin, Floats, Law, Minutes, crash_share, simulate_minutes

MINUTE_S = 60
JUMP_RAMP_S = 8.0


@dataclass(frozen=True)
class Path:
    """Mid prices of all coins.

    minutes: the law's draw (one path). opens: (minutes + 1, coins) log price relative to the start,
    with the script, at every full minute. crash_at_s: begin of the scripted crash, or None.
    """

    coins: tuple[Coin, ...]
    minutes: Minutes
    opens: Floats
    crash_at_s: float | None
    seed: int
    tick_ms: int

    @property
    def ticks_per_minute(self) -> int:
        """Return how many ticks a minute has."""
        return MINUTE_S * 1000 // self.tick_ms

    def minute_log_returns(self) -> Floats:
        """Return the log returns of the full minutes, script included: (minutes, coins)."""
        return np.diff(self.opens, axis=0)

    def minute_log_prices(self, minute: int) -> Floats:
        """Return the log price relative to the start after each tick of a minute: (ticks, coins)."""
        count = self.ticks_per_minute
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, 2, minute]))
        steps = rng.standard_normal((count, len(self.coins)))
        steps -= steps.mean(axis=0)
        bridge = np.cumsum(steps * self.minutes.scale[0, minute] / np.sqrt(count), axis=0)
        share = np.arange(1, count + 1) / count
        begin = self.minutes.jump_start[0, minute]
        ramp = np.clip((share - begin) * MINUTE_S / JUMP_RAMP_S, 0.0, 1.0)
        moved = bridge + share[:, None] * self.minutes.diffusion[0, minute]
        moved += ramp[:, None] * self.minutes.jumps[0, minute]
        seconds = MINUTE_S * (minute + share)
        begin_s = np.array([float(MINUTE_S * minute)])
        script = self._script(seconds) - self._script(begin_s)
        return np.asarray(self.opens[minute] + moved + script)

    def prices(self, log_prices: Floats) -> Floats:
        """Return prices in USD of log prices relative to the start."""
        return np.asarray(np.array([c.first_price for c in self.coins]) * np.exp(log_prices))

    def _script(self, seconds: Floats) -> Floats:
        return scripted_fall(self.coins, self.crash_at_s, seconds)


def scripted_fall(coins: tuple[Coin, ...], crash_at_s: float | None, seconds: Floats) -> Floats:
    """Return the log price the script has added by each time: (times, coins), zero without one."""
    if crash_at_s is None:
        return np.zeros((len(seconds), len(coins)))
    falls = np.array([coin.crash_log_fall for coin in coins])
    return np.asarray(crash_share(seconds - crash_at_s)[:, None] * falls)


def draw_path(
    law: Law,
    coins: tuple[Coin, ...],
    minutes: int,
    *,
    seed: int,
    tick_ms: int,
    crash_at_s: float | None,
) -> Path:
    """Return the path of a market that lasts `minutes` whole minutes."""
    drawn = simulate_minutes(law, coins, minutes, seed)
    returns = np.vstack([np.zeros((1, len(coins))), drawn.log_returns[0]])
    at = MINUTE_S * np.arange(minutes + 1, dtype=np.float64)
    opens = np.cumsum(returns, axis=0) + scripted_fall(coins, crash_at_s, at)
    return Path(coins, drawn, opens, crash_at_s, seed, tick_ms)
