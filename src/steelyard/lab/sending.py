"""What every sender says in one minute of the simulated market, with jitter, delay and failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steelyard.lab.market import Floats
from steelyard.lab.messages import (
    Block,
    FundingBlock,
    PriceBlock,
    QuoteBlock,
    TimeBlock,
    VolatilityBlock,
)
from steelyard.lab.path import MINUTE_S, Path
from steelyard.lab.surface import Chain, implied_volatilities, level_after
from steelyard.lab.venues import Integers, Spell, Venue, arrival_times, break_factor
from steelyard.terms import Instrument
from steelyard.terms.asset import price_exponent_for

CLOCK = "clock"
QUOTE_ACTIVITY = 0.5
BASIS_SD = 0.00034
BASIS_MEMORY = 0.7
BASIS_DRAWS = 6
CRASH_BASIS = -0.018
CRASH_BASIS_KNOTS_S = (110.0, 150.0, 180.0, 420.0)
HALF_SPREAD = 0.00003
CRASH_SPREAD_FACTOR = 6.0
FUNDING_PERIOD_S = 28_800
FUNDING_INTEREST = 0.0001
FUNDING_BOUND = 0.0075
QUOTE_VENUE = Venue("perpetuals", "house", 1, QUOTE_ACTIVITY, 0.0, (1_000, 800, 20_000), 0.002, 1)
MODEL_VENUE = Venue("volatility", "house", 1, 1.0, 0.0, (30_000, 12_000, 200_000), 0.01, 1)


@dataclass(frozen=True)
class Script:
    """Everything a minute's messages depend on; see SimulatedMarket for the meaning."""

    seed: int
    start_us: int
    end_us: int
    path: Path
    venues: tuple[Venue, ...]
    perpetuals: list[Instrument]
    chains: list[Chain]
    levels: list[Floats]
    spells: list[Spell]
    breaks: tuple[float, float] | None
    breaking_venue: str
    funding_every_s: int
    volatility_every_ms: int
    clock: str


def perpetuals_of(instruments: list[Instrument]) -> list[Instrument]:
    """Return the perpetuals, in order of listing."""
    return [instrument for instrument in instruments if not instrument.is_option]


def minute_blocks(script: Script, minute: int, latest: dict[str, int]) -> list[Block]:
    """Return the blocks of one minute.

    latest: last arrival of each origin in the minutes before; brought up to date.
    """
    log_prices = script.path.minute_log_prices(minute)
    prices = script.path.prices(log_prices)
    blocks: list[Block] = [
        _venue_prices(script, minute, row, prices, latest) for row in range(len(script.venues))
    ]
    blocks.append(_quotes(script, minute, prices, latest))
    blocks += [
        _volatilities(script, minute, row, log_prices, latest) for row in range(len(script.chains))
    ]
    blocks.append(_funding(script, minute))
    seconds = np.arange(1, MINUTE_S + 1, dtype=np.int64) + minute * MINUTE_S
    blocks.append(TimeBlock(script.clock, script.start_us + 1_000_000 * seconds))
    return blocks


def _stream(script: Script, kind: int, minute: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([script.seed, kind, minute]))


def _sent(
    script: Script,
    minute: int,
    said: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
    rng: np.random.Generator,
) -> tuple[Integers, Integers, Integers]:
    """Return tick rows, columns and exchange times of the messages said, in the order sent.

    A message leaves at a uniform instant of the tick that follows the price it tells.
    """
    tick_us = script.path.tick_ms * 1000
    rows, columns = np.nonzero(said)
    jitter = rng.integers(0, tick_us, len(rows))
    sent = script.start_us + minute * MINUTE_S * 1_000_000 + (rows + 1) * tick_us + jitter
    order = np.argsort(sent, kind="stable")
    return rows[order], columns[order], sent[order]


def _received(
    sent: Integers, venue: Venue, origin: str, rng: np.random.Generator, latest: dict[str, int]
) -> Integers:
    received = np.maximum(arrival_times(sent, venue, rng), latest.get(origin, 0))
    if len(received):
        latest[origin] = int(received[-1])
    return received


def _venue_prices(
    script: Script, minute: int, venue_row: int, prices: Floats, latest: dict[str, int]
) -> PriceBlock:
    venue = script.venues[venue_row]
    rng = _stream(script, 10 + venue_row, minute)
    said = rng.uniform(size=prices.shape) < venue.activity
    noise = np.exp(venue.noise * rng.standard_normal(prices.shape))
    rows, coin, sent = _sent(script, minute, said, rng)
    received = _received(sent, venue, venue.name, rng, latest)
    price = (prices * noise)[rows, coin]
    seconds = (sent - script.start_us) / 1e6
    if venue.name == script.breaking_venue and script.breaks is not None:
        price = price * break_factor(seconds, *script.breaks, script.seed)
    speaks = np.ones(len(sent), dtype=bool)
    for spell in script.spells:
        if spell.venue == venue_row:
            speaks &= (seconds < spell.begin_s) | (seconds >= spell.end_s)
    return PriceBlock(
        venue.name,
        received[speaks],
        sent[speaks],
        coin[speaks],
        _rounded(script, price[speaks], coin[speaks]),
        tuple(c.name for c in script.path.coins),
    )


def _rounded(script: Script, price: Floats, coin: Integers) -> Floats:
    """Return prices on the grid their coin is quoted on."""
    exponents = np.array([price_exponent_for(c.first_price) for c in script.path.coins])
    scale = 10.0 ** exponents[coin]
    return np.asarray(np.rint(price * scale) / scale)


def _basis_nodes(script: Script, minute: int) -> Floats:
    """Return the basis of every perpetual at the begin of a minute, without the crash.

    A moving average over six seeded draws, one a minute: any minute is known without the others.
    """
    draws = [
        _stream(script, 30, minute + BASIS_DRAWS - back).standard_normal(len(script.perpetuals))
        * BASIS_MEMORY**back
        for back in range(BASIS_DRAWS)
    ]
    unit = np.sqrt(sum(BASIS_MEMORY ** (2 * back) for back in range(BASIS_DRAWS)))
    return np.asarray(BASIS_SD * np.sum(draws, axis=0) / unit)


def _crash_strain(script: Script, seconds: Floats) -> Floats:
    """Return how strained the perpetuals are, from 0 to 1: all of it in the crash's worst minute."""
    if script.path.crash_at_s is None:
        return np.zeros_like(seconds)
    since = seconds - script.path.crash_at_s
    return np.asarray(np.interp(since, CRASH_BASIS_KNOTS_S, (0.0, 1.0, 1.0, 0.0)))


def _quotes(script: Script, minute: int, prices: Floats, latest: dict[str, int]) -> QuoteBlock:
    rng = _stream(script, 20, minute)
    rows_of = {coin.name: row for row, coin in enumerate(script.path.coins)}
    coin_of = np.array([rows_of[p.underlying] for p in script.perpetuals])
    count = len(prices)
    said = rng.uniform(size=(count, len(coin_of))) < QUOTE_ACTIVITY
    seconds = MINUTE_S * (minute + np.arange(1, count + 1) / count)
    share = (np.arange(1, count + 1) / count)[:, None]
    strain = _crash_strain(script, seconds)[:, None]
    basis = _basis_nodes(script, minute) * (1.0 - share) + _basis_nodes(script, minute + 1) * share
    basis = basis + 0.00003 * rng.standard_normal(said.shape) + CRASH_BASIS * strain
    scales = np.array([script.path.coins[row].scale for row in coin_of])
    half = HALF_SPREAD * scales * (1.0 + (CRASH_SPREAD_FACTOR - 1.0) * strain)
    mid = prices[:, coin_of] * (1.0 + basis)
    rows, instrument, sent = _sent(script, minute, said, rng)
    coin = coin_of[instrument]
    return QuoteBlock(
        QUOTE_VENUE.name,
        _received(sent, QUOTE_VENUE, QUOTE_VENUE.name, rng, latest),
        sent,
        instrument,
        _rounded(script, (mid * (1.0 - half))[rows, instrument], coin),
        _rounded(script, (mid * (1.0 + half))[rows, instrument], coin),
        tuple(p.name for p in script.perpetuals),
    )


def _volatilities(
    script: Script, minute: int, row: int, log_prices: Floats, latest: dict[str, int]
) -> VolatilityBlock:
    chain = script.chains[row]
    coin = script.path.coins[chain.coin]
    rng = _stream(script, 40 + row, minute)
    times = 60_000 // script.volatility_every_ms
    share = np.arange(1, times + 1) / times
    ticks = np.maximum(np.rint(share * len(log_prices)).astype(np.int64) - 1, 0)
    log_price = log_prices[ticks, chain.coin]
    begin, end = script.levels[row][minute], script.levels[row][minute + 1]
    moved = log_price - script.path.opens[minute, chain.coin]
    whole = script.path.opens[minute + 1, chain.coin] - script.path.opens[minute, chain.coin]
    # The noise of the minute is what its end level has beyond the rule; it enters evenly.
    noise = end - level_after(begin, coin, whole, 1.0)
    level = level_after(begin, coin, moved, share) + noise * share
    seconds = MINUTE_S * (minute + share)
    index = coin.first_price * np.exp(log_price)
    volatilities, ratios = implied_volatilities(coin, chain, index, level, seconds)
    sent = script.start_us + np.rint(seconds * 1e6).astype(np.int64)
    origin = f"{MODEL_VENUE.name}-{coin.name}"
    received = _received(sent, MODEL_VENUE, origin, rng, latest)
    # What counts is whether an option still lives when the update arrives.
    arrives_s = (received - script.start_us) / 1e6
    useful = arrives_s < chain.expiry_s.max()
    return VolatilityBlock(
        origin,
        received[useful],
        sent[useful],
        coin.name,
        chain,
        arrives_s[useful],
        volatilities[useful],
        ratios[useful],
    )


def _funding(script: Script, minute: int) -> FundingBlock:
    """Return the funding due in a minute: the basis and the interest, for the time since the last."""
    every = script.funding_every_s
    first = (minute * MINUTE_S // every + 1) * every
    due = np.arange(first, (minute + 1) * MINUTE_S + 1, every, dtype=np.int64)
    strain = _crash_strain(script, due.astype(np.float64))[:, None]
    rate = _basis_nodes(script, minute) + CRASH_BASIS * strain + FUNDING_INTEREST
    share = min(every / FUNDING_PERIOD_S, 1.0)
    bounded = np.rint(np.clip(rate, -FUNDING_BOUND, FUNDING_BOUND) * share * 1e9)
    count = len(script.perpetuals)
    return FundingBlock(
        "funding",
        np.repeat(script.start_us + due * 1_000_000, count),
        np.tile(np.arange(count, dtype=np.int64), len(due)),
        bounded.astype(np.int64).ravel(),
        tuple(p.name for p in script.perpetuals),
    )
