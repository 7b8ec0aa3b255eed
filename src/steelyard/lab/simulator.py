"""The built-in market: listings, a warm-up, and a stream of events in the order they are received.

The same arguments give the same events, byte for byte. Nothing here reads a clock, a file or a
network; only `steelyard.lab` draws random numbers, and what it draws enters an engine as events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steelyard.lab.listings import all_instruments, listing_events
from steelyard.lab.market import COINS, LAWS, Coin, LawName
from steelyard.lab.messages import Block
from steelyard.lab.path import MINUTE_S, Path, draw_path
from steelyard.lab.sending import CLOCK, Script, minute_blocks, perpetuals_of
from steelyard.lab.surface import Chain, chains_of, implied_volatilities, level_path
from steelyard.lab.venues import BREAKING_VENUE, VENUES, Venue, stale_spells
from steelyard.quantities import InputError
from steelyard.terms import Instrument
from steelyard.ticks import Event, PriceTick, QuoteTick, VolatilityUpdate

CRASH_SHARE = 0.3
BREAK_SHARE = 0.7
DURATION_S_MAX = 31 * 86_400


@dataclass(frozen=True)
class SimulatedMarket:
    """A market of `duration_s` seconds from `start_us` (UTC microseconds).

    law: "calm", "stress", or "crash" (calm, with the scripted fall; docs/lab.md has its figures).
    crash_at_s: begin of the fall in seconds from the start; by default at 30 % of the duration under
    the law "crash" and never under the others. break_at_s, break_for_s: when one venue breaks
    20–70 % off, and for how long; by default from 70 % of the duration to the end under "crash" and
    never under the others. stale_every_s: mean time between silences of a venue, 0 for none.
    Errors: LABS-E01 an argument outside its bounds.

    >>> market = SimulatedMarket(seed=7, start_us=1_760_130_000_000_000, duration_s=2)
    >>> times = [event.time_us for event in market.ticks()]
    >>> len(times) == market.tick_count, times == sorted(times)
    (True, True)
    """

    seed: int
    start_us: int
    duration_s: int
    tick_ms: int = 250
    law: LawName = "crash"
    crash_at_s: float | None = None
    break_at_s: float | None = None
    break_for_s: float | None = None
    stale_every_s: float = 150.0
    funding_every_s: int = 300
    volatility_every_ms: int = 1000
    coins: tuple[Coin, ...] = COINS
    venues: tuple[Venue, ...] = VENUES

    def __post_init__(self) -> None:
        checks = (
            (0 <= self.seed < 2**63, "seed", "a whole number from 0 to 2^63 − 1"),
            (self.start_us >= 0, "start_us", "UTC microseconds since 1970"),
            (0 < self.duration_s <= DURATION_S_MAX, "duration_s", "1 second to 31 days"),
            (_divides(self.tick_ms), "tick_ms", "milliseconds that divide a minute"),
            (self.law in LAWS, "law", f"one of {', '.join(LAWS)}"),
            (_divides(self.volatility_every_ms), "volatility_every_ms", "it divides a minute"),
            (self.funding_every_s > 0, "funding_every_s", "above zero"),
            (self.stale_every_s >= 0.0, "stale_every_s", "zero or more"),
            (len(self.coins) > 0 and len(self.venues) > 0, "coins", "one coin and one venue"),
        )
        for holds, field, rule in checks:
            if not holds:
                raise InputError(
                    "LABS-E01",
                    f"the simulated market has {field} {getattr(self, field)!r}",
                    rule=rule,
                    cure="correct the argument",
                    field=field,
                )

    @property
    def end_us(self) -> int:
        """Return the last instant at which an event can be received."""
        return self.start_us + self.duration_s * 1_000_000

    @cached_property
    def instruments(self) -> list[Instrument]:
        """Return all instruments: perpetuals first, then option chains."""
        return all_instruments(self.start_us, self.coins)

    @cached_property
    def listings(self) -> list[Event]:
        """Return the events that list assets, sources and instruments."""
        return listing_events(self.start_us, self.coins, self.venues, self.instruments)

    @property
    def first_prices(self) -> dict[str, float]:
        """Return the USD price of every coin at the start."""
        return {coin.name: coin.first_price for coin in self.coins}

    @cached_property
    def first_volatilities(self) -> dict[str, float]:
        """Return the implied volatility of every option at the start."""
        return {
            name: volatility
            for event in self.warm_up
            if isinstance(event, VolatilityUpdate)
            for name, volatility in zip(event.instruments, event.implied_volatilities, strict=True)
        }

    @cached_property
    def warm_up(self) -> list[Event]:
        """Return the first word of every sender, all at `start_us`."""
        at = self.start_us
        events: list[Event] = []
        for venue in self.venues:
            for row, coin in enumerate(self.coins, 1):
                price = coin.first_price
                events.append(PriceTick(at, venue.name, row, venue.name, coin.name, price, at))
        prices = self.first_prices
        for row, instrument in enumerate(self._script.perpetuals, 1):
            price = prices[instrument.underlying]
            events.append(QuoteTick(at, "perpetuals", row, instrument.name, price, price, at))
        for chain in self._chains:
            coin = self.coins[chain.coin]
            volatilities, ratios = implied_volatilities(
                coin, chain, np.array([coin.first_price]), np.zeros(1), np.zeros(1)
            )
            events.append(
                VolatilityUpdate(
                    at,
                    f"volatility-{coin.name}",
                    1,
                    coin.name,
                    chain.names,
                    volatilities[0].tolist(),
                    ratios[0].tolist(),
                    at,
                )
            )
        return events

    @cached_property
    def tick_count(self) -> int:
        """Return how many events `ticks` yields."""
        return sum(
            int((block.received_us <= self.end_us).sum())
            for _, blocks in self._minutes()
            for block in blocks
        )

    def ticks(self) -> Iterator[Event]:
        """Yield the events after the warm-up in the order they are received, until the end."""
        numbers: dict[str, int] = {}
        for event in self.warm_up:
            numbers[event.origin] = event.origin_seq
        waiting: list[tuple[int, Event]] = []
        for minute, blocks in self._minutes():
            for block in blocks:
                received = block.received_us.tolist()
                first = numbers.get(block.origin, 0) + 1
                waiting.extend(zip(received, block.events(received, first), strict=True))
                numbers[block.origin] = first + len(received) - 1
            waiting.sort(key=_time_of)
            closes_us = min(self.start_us + (minute + 1) * MINUTE_S * 1_000_000, self.end_us)
            kept = []
            for item in waiting:
                if item[0] <= closes_us:
                    yield item[1]
                else:
                    kept.append(item)
            waiting = kept

    def true_prices(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the mid prices behind all messages after each tick: (ticks, coins), USD."""
        minutes = range(self._minute_count)
        log_prices = np.vstack([self._path.minute_log_prices(minute) for minute in minutes])
        return np.asarray(self._path.prices(log_prices))[: self.duration_s * 1000 // self.tick_ms]

    def _minutes(self) -> Iterator[tuple[int, list[Block]]]:
        """Yield each minute's blocks; an origin's arrivals never fall from one minute to the next."""
        latest: dict[str, int] = {}
        for minute in range(self._minute_count):
            yield minute, minute_blocks(self._script, minute, latest)

    @property
    def _minute_count(self) -> int:
        return -(-self.duration_s // MINUTE_S)

    @property
    def _crash_begin_s(self) -> float | None:
        if self.crash_at_s is not None or self.law != "crash":
            return self.crash_at_s
        return CRASH_SHARE * self.duration_s

    @property
    def _break_s(self) -> tuple[float, float] | None:
        begin = self.break_at_s
        if begin is None:
            if self.law != "crash":
                return None
            begin = BREAK_SHARE * self.duration_s
        length = self.break_for_s
        return begin, (float("inf") if length is None else begin + length)

    @cached_property
    def _path(self) -> Path:
        return draw_path(
            LAWS[self.law],
            self.coins,
            self._minute_count,
            seed=self.seed,
            tick_ms=self.tick_ms,
            crash_at_s=self._crash_begin_s,
        )

    @cached_property
    def _chains(self) -> list[Chain]:
        return chains_of(self.instruments, self.coins, self.start_us)

    @cached_property
    def _script(self) -> Script:
        returns = self._path.minute_log_returns()
        every = self.stale_every_s
        return Script(
            seed=self.seed,
            start_us=self.start_us,
            end_us=self.end_us,
            path=self._path,
            venues=self.venues,
            perpetuals=perpetuals_of(self.instruments),
            chains=self._chains,
            levels=[
                level_path(self.coins[c.coin], returns[:, c.coin], self.seed) for c in self._chains
            ],
            spells=stale_spells(self.seed, self.duration_s, self.venues, every) if every else [],
            breaks=self._break_s,
            breaking_venue=BREAKING_VENUE,
            funding_every_s=self.funding_every_s,
            volatility_every_ms=self.volatility_every_ms,
            clock=CLOCK,
        )


def _divides(milliseconds: int) -> bool:
    return 0 < milliseconds <= 60_000 and 60_000 % milliseconds == 0


def _time_of(item: tuple[int, Event]) -> int:
    return item[0]
