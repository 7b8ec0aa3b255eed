"""Desks for the tests of answers: one account of a few legs, and random accounts under any method."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from steelyard.margin.methods.batch import account_of
from steelyard.service.answers import Context, StatedDesk
from steelyard.service.answers.portfolio import SimulateParams
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import Account, Asset, Expiry, Market, Perpetual, Position, Underlying
from tests.margin.methods import batch_books

SCENARIO = (
    "deribit-pm", "deribit-sm", "derive-pmrm", "derive-pmrm2", "derive-srm", "okx-pm", "paradex-pm",
    "span", "steelyard", "tims",
)  # fmt: skip
OWN = ("binance-tiers", "hyperliquid-tiers", "dydx-v4", "drift-v2", "vega", "bybit")


class Key(msgspec.Struct, frozen=True):
    """Who asks."""

    accounts: frozenset[str] | None = None


def market() -> Market[float]:
    """Return BTC at 70,000 and ETH at 4,000, each with two expiries of three strikes."""
    underlyings = {}
    for name, spot in (("BTC", 70_000.0), ("ETH", 4_000.0)):
        strikes = [f"{spot * share:.0f}" for share in (0.8, 1.0, 1.2)]
        expiries = tuple(
            Expiry(day, spot * 1.01, implied_volatility=dict.fromkeys(strikes, 0.5))
            for day in ("2026-06-05T08:00:00Z", "2026-06-26T08:00:00Z")
        )
        underlyings[name] = Underlying(spot, perpetual=Perpetual(spot), expiries=expiries)
    assets = {"USDC": Asset(1.0), "BTC": Asset(70_000.0), "ETH": Asset(4_000.0)}
    return Market("2026-06-01T08:00:00Z", assets=assets, underlyings=underlyings)


def context(
    method: str | MethodDocument = "paradex-pm", seen: frozenset[str] | None = None,
    stated: Market[float] | None = None, **accounts: Account[float],
) -> Context:  # fmt: skip
    """Return a context over stated accounts, as of event 7, asked at 2026-06-01 08:00:01.5."""
    document = documents().get(method) if isinstance(method, str) else method
    desk = StatedDesk(stated or market(), accounts, document, as_of_seq=7)
    return Context(Key(seen), desk, 1_780_300_801_500_000)


def holder(cash: float = 20_000.0, coin: str = "USDC", **held: float) -> Account[float]:
    """Return an account; names of contracts are written with _ for -."""
    positions = tuple(Position(name.replace("_", "-"), each) for name, each in held.items())
    return Account(balances={coin: cash}, positions=positions)


def random_context(method: str, seed: int, wrong: float) -> Context:
    """Return ten random accounts under a method, over a market of two underlyings."""
    document = documents().get(method).with_parameters(batch_books.PARAMETERS.get(method, {}))
    names = ("BTC", "ETH") if seed % 2 else ("BTC",)
    batch = batch_books.random_batch(method, seed, 10, names, wrong=wrong)
    accounts = {str(batch.accounts[i]): account_of(batch, i) for i in range(10)}
    desk = StatedDesk(batch_books.market(), accounts, document)
    return Context(Key(), desk, 0)


def random_simulation(ask: Context, account: str, draw: np.random.Generator) -> SimulateParams:
    """Return a simulation of up to seven positions, now and then with one that is wrong."""
    document = ask.desk.method_of(account)
    known = [
        name
        for coin in ("BTC", "ETH")
        for name in batch_books.contracts(coin, batch_books.kinds_of(document))
    ]
    held = [each.instrument for each in ask.desk.account(account).positions]
    if draw.random() < 0.6:  # most books are of one underlying
        known = [name for name in known if name.startswith("BTC")]
    names = [*known, *held] if draw.random() < 0.9 else [*known, *batch_books.BAD]
    count = min(int(draw.integers(0, 8)), len(names))
    chosen = draw.choice(len(names), count, replace=False)
    sizes: Any = {names[i]: float(np.round(draw.normal() * 3.0, 2)) for i in chosen}
    if sizes and draw.random() < 0.08:
        sizes[next(iter(sizes))] = float(draw.choice([np.nan, np.inf, -np.inf, 1e305]))
    if draw.random() < 0.2:
        sizes = [*sizes.items()]
        sizes += sizes[:1] if draw.random() < 0.3 else []
    coin = "BTC" if document.currency == "underlying" else None
    return SimulateParams(coin, bool(draw.random() < 0.7), sizes, account)
