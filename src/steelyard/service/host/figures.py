"""Figures of the whole venue, each worked out once an event: states, open interest, money."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.book import INSURANCE_FUND
from steelyard.decisions import STATE_NAMES
from steelyard.engine.engine import Engine
from steelyard.margin import RiskColumns

EQUITY = RiskColumns.NAMES.index("equity")
REQUIREMENT = RiskColumns.NAMES.index("maintenance_requirement")
_LOW = (1 << 32) - 1


class Interest(NamedTuple):
    """Open interest: of each instrument in units of its underlying, and of each underlying in USD at index."""

    by_instrument: dict[str, float]
    usd_by_underlying: dict[str, float]


class MethodName(NamedTuple):
    """The rules in force: the hash is of every number of them, changed parameters too."""

    currency: str
    name: str
    version: str
    digest: str


def units_by_state(engine: Engine) -> dict[str, int]:
    """Return how many margin units are in each state, in order of gravity."""
    counts = np.zeros(len(STATE_NAMES), np.int64)
    for shard in engine.shards:
        book = shard.book
        counts += np.bincount(book.state[: book.units], minlength=len(STATE_NAMES))
    return dict(zip(STATE_NAMES, counts.tolist(), strict=True))


def open_interest(engine: Engine) -> Interest:
    """Return the sum of longs: every long has a short, in the books or at the market."""
    market = engine.market
    longs = np.zeros(len(market.instruments))  # whole numbers, exact below 2^53 lots
    for shard in engine.shards:
        used = shard.book.pool_used
        quantity = np.maximum(shard.book.quantity[:used], 0)
        longs += np.bincount(shard.book.instrument[:used], quantity, len(longs))
    by_instrument: dict[str, float] = {}
    usd: dict[str, float] = {}
    for slot in np.flatnonzero(longs).tolist():
        terms, lots = market.instruments[slot], int(longs[slot])
        index = market.index_price(int(market.underlying_of[slot]))
        notional = engine.venue.notional_micro(slot, lots) / 1e6
        coins = notional / index if terms.contract_usd and index > 0.0 else 0.0
        by_instrument[terms.name] = coins if terms.contract_usd else lots / 10**terms.lot_exponent
        usd[terms.underlying] = usd.get(terms.underlying, 0.0) + notional
    return Interest(by_instrument, usd)


def fund_micro(engine: Engine) -> int:
    """Return what the insurance fund holds, micro-USDC at index, each asset rounded down."""
    balances = engine.ledger.balances[INSURANCE_FUND]
    return sum(
        engine.venue.to_micro_down(units, asset) for asset, units in enumerate(balances) if units
    )


def totals_micro(engine: Engine) -> tuple[int, int]:
    """Return (equity, maintenance requirement) summed over every margin unit, exactly."""
    equity = required = 0
    for shard in engine.shards:
        units = shard.book.units
        equity += exact_sum(shard.results[EQUITY, :units])
        required += exact_sum(shard.results[REQUIREMENT, :units])
    return equity, required


def exact_sum(values: NDArray[np.int64]) -> int:
    """Return a sum that 64 bits need not hold.

    >>> exact_sum(np.array([2**62, 2**62, 2**62, -1]))
    13835058055282163711
    """
    return (int((values >> 32).sum()) << 32) + int((values & _LOW).sum())


def method_name(engine: Engine) -> MethodName:
    """Return the rules in force."""
    method = engine.method
    return MethodName(method.currency, method.name, method.version, method.digest().hex())
