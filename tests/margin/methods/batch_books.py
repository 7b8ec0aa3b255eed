"""Random accounts in columns over a market of two underlyings, for the tests of batches and frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from steelyard.margin.methods.batch import Batch
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import Asset, Expiry, Market, Perpetual, Underlying

DAYS = ("2026-06-03T08:00:00Z", "2026-06-26T08:00:00Z", "2026-09-25T08:00:00Z")
NAMES = ("3JUN26", "26JUN26", "25SEP26")
SPOT = {"BTC": 70_000.0, "ETH": 4_000.0}
BAD = ["nonsense", "BTC-27JUN26-70000-C", "BTC-3JUN26-71234-P", "XRP-PERPETUAL", "BTC-3JUN26"]
# What the methods without defaults are told, so that random books can be margined.
PARAMETERS: dict[str, dict[str, Any]] = {
    "vega": {"risk_factors": {"long": 0.2, "short": 0.1}, "linear_slippage": 0.01},
    "span": {"price_scan_range": 5_000.0, "volatility_scan_range": 0.1},
    "drift-v2": {
        "perpetual_markets": {
            "BTC": {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.05"},
            "ETH": {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.06"},
        }
    },
}


def market(dollar: float = 0.999) -> Market[float]:
    """Return a market with a perpetual, three expiries and nine strikes for each underlying.

    dollar: the price of a USDC.
    """
    underlyings = {}
    for k, (name, spot) in enumerate(SPOT.items()):
        expiries = tuple(
            Expiry(
                day, forward_price=spot * (1.0 + 0.004 * i), rate=0.03, confidence=1.0 - 0.2 * i,
                implied_volatility={
                    key: 0.45 + 0.02 * j + 0.01 * k for j, key in enumerate(strikes(name))
                },
            )
            for i, day in enumerate(DAYS)
        )  # fmt: skip
        underlyings[name] = Underlying(
            spot, perpetual=Perpetual(spot * 1.0003), expiries=expiries, mark_price=spot * 1.0002,
            open_interest=1000.0, auction_price=None,
        )  # fmt: skip
    assets = {
        "USDC": Asset(dollar),
        "BTC": Asset(70_000.0),
        "ETH": Asset(4_000.0),
        "SOL": Asset(150.0),
    }
    return Market("2026-06-01T08:00:00Z", assets=assets, underlyings=underlyings)


def strikes(name: str) -> list[str]:
    """Return the strikes of an underlying."""
    return [f"{SPOT[name] * (0.6 + 0.1 * i):.0f}" for i in range(9)]


def contracts(name: str, kinds: frozenset[str]) -> list[str]:
    """Return the contracts of an underlying of some kinds, one of them unknown to the market."""
    found = [f"{name}-PERPETUAL"] if "perpetual" in kinds else []
    for day in NAMES:
        found += [f"{name}-{day}"] if "future" in kinds else []
        if "option" in kinds:
            found += [
                f"{name}-{day}-{strike}-{right}" for strike in strikes(name) for right in "CP"
            ]
    return found


def kinds_of(document: MethodDocument) -> frozenset[str]:
    """Return the kinds of contracts that a method covers."""
    if document.core == "scenario":
        return frozenset(document.rules["covers"])
    return frozenset({"perpetual"})


def settlement_of(document: MethodDocument) -> str:
    """Return the asset that is cash."""
    settled = str(document.rules.get("settlement", document.currency))
    return "USDC" if settled in ("underlying", "USD") and document.core != "scenario" else settled


def random_batch(
    method: str, seed: int, accounts: int, underlyings: tuple[str, ...] = ("BTC",), wrong: float = 0.0,
    same: bool = False,
) -> Batch:  # fmt: skip
    """Return accounts of up to nine positions, a share of them wrong in one way or another.

    same: what is wrong stays within the first underlying.
    """
    draw = np.random.default_rng(seed)
    document = documents().get(method)
    names = [each for name in underlyings for each in contracts(name, kinds_of(document))]
    instruments = names + BAD
    legs: list[tuple[int, int, float]] = []
    balances: list[tuple[int, int, float]] = []
    cash = settlement_of(document)
    own = underlyings[0] if cash == "underlying" else cash
    assets = [own, *(name for name in ("ETH", "SOL", "BTC", "USDC") if name != own)]
    for account in range(accounts):
        count = int(draw.integers(0, 10))
        held = draw.choice(len(names), min(count, len(names)), replace=False).tolist()
        if draw.random() < wrong:
            bad = [1, 2, 4] if same else range(len(BAD))
            held.append(len(names) + int(draw.choice(list(bad))))
        if held and draw.random() < wrong:
            held.append(held[0])
        for place in held:
            quantity = float(np.round(draw.normal() * 3.0, int(draw.integers(0, 4))))
            if draw.random() < wrong / 4:
                quantity = float(draw.choice([np.nan, np.inf, 1e305]))
            legs.append((account, place, quantity))
        balances += [
            (account, asset, float(np.round(draw.normal() * 1e4, 2)))
            for asset in range(len(assets))
            if draw.random() < (0.8 if asset == 0 else wrong)
        ]
    order = draw.permutation(len(legs))
    legs = [legs[i] for i in order]
    stated = _stated(draw, method, [instruments[place] for _, place, _ in legs])
    return Batch(
        [f"account {i}" for i in range(accounts)], instruments,
        np.array([leg[0] for leg in legs], np.int64), np.array([leg[1] for leg in legs], np.int64),
        np.array([leg[2] for leg in legs], np.float64), assets,
        np.array([each[0] for each in balances], np.int64),
        np.array([each[1] for each in balances], np.int64),
        np.array([each[2] for each in balances], np.float64), stated,
    )  # fmt: skip


def _stated(draw: np.random.Generator, method: str, names: list[str]) -> dict[str, Any]:
    """Return what positions state, some of them, as the method wants it."""
    stated = {}
    for name in ("entry_price", "unrealised_pnl", "delta", "mark_price"):
        column = np.full(len(names), np.nan)
        for i, each in enumerate(names):
            is_option = each[-2:] in ("-C", "-P")
            if name in ("delta", "mark_price"):
                has = is_option and (method == "deribit-sm" or draw.random() < 0.3)
                column[i] = draw.random() * 0.1 if has else np.nan
            elif not is_option and (
                (name == "entry_price" and method == "bybit")
                or draw.random() < (0.4 if name == "entry_price" else 0.2)
            ):
                spot = SPOT.get(each[:3], 1.0)
                column[i] = spot * 0.97 if name == "entry_price" else draw.normal() * 100.0
        if not np.isnan(column).all():
            stated[name] = column
    if method == "bybit":
        stated["leverage"] = np.full(len(names), 10.0)
    return stated
