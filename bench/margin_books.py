"""Books under method documents, as the benches of margin methods use them: a market, one book, many accounts."""

from __future__ import annotations

import numpy as np

from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.terms.documents import documents
from steelyard.terms.stated import Asset, Expiry, Market, Perpetual, Underlying

METHODS = ("derive-pmrm2", "paradex-pm", "deribit-pm")
SPOT = 65_000.0
STRIKES = tuple(str(40_000 + 2_000 * step) for step in range(25))
DAYS = {"5JUN26": "2026-06-05", "26JUN26": "2026-06-26", "25SEP26": "2026-09-25", "25DEC26": "2026-12-25"}  # fmt: skip
CONTRACTS = (
    "BTC-PERPETUAL",
    *(f"BTC-{name}-{strike}-{right}" for name in DAYS for strike in STRIKES for right in "CP"),
)


def market() -> Market[float]:
    """Return one underlying with a perpetual and four expiries of 25 strikes each."""
    expiries = tuple(
        Expiry(
            f"{day}T08:00:00Z", SPOT * (1.0 + 0.01 * number),
            implied_volatility={
                strike: 0.55 + 1.5e-5 * abs(float(strike) - SPOT) for strike in STRIKES
            },
        )
        for number, day in enumerate(DAYS.values())
    )  # fmt: skip
    perpetual = Perpetual(SPOT + 10.0)
    return Market(
        "2026-06-01T08:00:00Z",
        assets={"USDC": Asset(1.0)},
        underlyings={"BTC": Underlying(SPOT, perpetual=perpetual, expiries=expiries)},
    )


def prepare(method: str) -> Prepared:
    """Return a method prepared for the market and all its contracts."""
    compiled = Compiled(documents().get(method))
    return Prepared(compiled, Instruments(market(), CONTRACTS, [], is_single=compiled.is_single))


def one_book(options: int, seed: int = 1) -> Books:
    """Return one account with as many different options; rows are those of every prepared method."""
    rng = np.random.default_rng(seed)
    rows = np.sort(1 + rng.choice(len(CONTRACTS) - 1, options, replace=False)).astype(np.int32)
    return Books(1, np.zeros(options, np.int64), rows, rng.normal(0, 5, options), np.array([1e6]))


def many_books(accounts: int, positions: int, seed: int = 2) -> Books:
    """Return accounts with as many different positions each."""
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((1_000, len(CONTRACTS))), axis=1)[:, :positions]
    pattern = np.sort(chosen, axis=1)[rng.integers(0, 1_000, accounts)]
    return Books(
        accounts,
        np.repeat(np.arange(accounts), positions),
        pattern.reshape(-1).astype(np.int32),
        rng.normal(0, 1, accounts * positions),
        np.full(accounts, 1e5),
    )
