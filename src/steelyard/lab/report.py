"""What a generated population turned out to be, to hold against the stated shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from steelyard.lab.market import Floats
from steelyard.lab.option_marks import OptionMarks, mark_units, opening_terms
from steelyard.terms import AccountRecord, Asset, Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET


@dataclass(frozen=True)
class PopulationReport:
    """Percentiles and shares. Sizes are equities in USD at the given prices; leverage is gross
    notional over equity; long_share counts perpetual positions; notional_by_instrument is gross."""

    accounts: int
    positions: int
    size_usd: dict[str, float]
    size_p99_over_p50: float
    leverage: dict[str, float]
    leveraged_share: float
    modes: dict[str, float]
    roles: dict[str, float]
    coin_collateral_share: float
    long_share: float
    unrealised_over_equity_p99: float
    notional_by_instrument: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return the report as a JSON-ready mapping."""
        return asdict(self)


def population_report(
    accounts: Sequence[AccountRecord],
    assets: Sequence[Asset],
    instruments: Sequence[Instrument],
    prices: Mapping[str, float],
    volatilities: Mapping[str, float] | None = None,
    option_marks: OptionMarks | None = None,
    *,
    time_us: int = 0,
) -> PopulationReport:
    """Return what the accounts are worth and hold, at these prices and option marks.

    The arguments are those of `generate_population`; so are the errors.
    """
    listed = [item for item in instruments if not item.is_option or item.expiry_us > time_us]
    _, marks = opening_terms(listed, prices, volatilities, option_marks, time_us)
    units = mark_units(listed, marks)
    equity, gross, unrealised, by_row, sides = _worth(accounts, assets, listed, prices, units)
    leverage = gross / np.maximum(equity, 1e-9)
    return PopulationReport(
        accounts=len(accounts),
        positions=sum(len(account.positions) for account in accounts),
        size_usd=_quantiles(
            equity, {"p1": 1.0, "p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
        ),
        size_p99_over_p50=float(np.percentile(equity, 99.0) / np.percentile(equity, 50.0)),
        leverage=_quantiles(leverage, {"p50": 50.0, "p90": 90.0, "p99": 99.0}),
        leveraged_share=float(np.mean(leverage > 1.0)),
        modes=_shares([account.mode for account in accounts]),
        roles=_shares([account.account.split("-", 1)[0] for account in accounts]),
        coin_collateral_share=float(
            np.mean([any(name != ACCOUNTING_ASSET for name in a.balances) for a in accounts])
        ),
        long_share=sides[0] / max(sum(sides), 1),
        unrealised_over_equity_p99=float(
            np.percentile(np.abs(unrealised) / np.maximum(equity, 1e-9), 99.0)
        ),
        notional_by_instrument={
            item.name: round(float(by_row[row]), 2)
            for row, item in enumerate(listed)
            if by_row[row] > 0.0
        },
    )


def _worth(
    accounts: Sequence[AccountRecord],
    assets: Sequence[Asset],
    listed: list[Instrument],
    prices: Mapping[str, float],
    units: Floats,
) -> tuple[Floats, Floats, Floats, Floats, tuple[int, int]]:
    """Return equity, gross notional, unrealised amount per account; notional a row; long, short."""
    asset_of = {asset.name: asset for asset in assets}
    dollar = {name: 1.0 if name == ACCOUNTING_ASSET else prices.get(name, 0.0) for name in asset_of}
    row_of = {item.name: row for row, item in enumerate(listed)}
    equity = np.zeros(len(accounts))
    gross = np.zeros(len(accounts))
    unrealised = np.zeros(len(accounts))
    by_row = np.zeros(len(listed))
    sides = [0, 0]
    for number, account in enumerate(accounts):
        for name, amount in account.balances.items():
            equity[number] += amount / 10 ** asset_of[name].exponent * dollar[name]
        for position in account.positions:
            row = row_of[position.instrument]
            item = listed[row]
            fine = 10.0 ** (item.lot_exponent + item.mark_exponent)
            base = 0 if item.is_option else position.entry_mark
            worth = position.quantity * (units[row] - base) / fine * dollar[item.settlement]
            unit_usd = item.contract_usd or prices[item.underlying]
            notional = abs(position.quantity) / 10**item.lot_exponent * unit_usd
            equity[number] += worth
            gross[number] += notional
            by_row[row] += notional
            if not item.is_option:
                unrealised[number] += worth
                sides[position.quantity < 0] += 1
    return equity, gross, unrealised, by_row, (sides[0], sides[1])


def _quantiles(values: Floats, at: dict[str, float]) -> dict[str, float]:
    found = {name: float(np.percentile(values, percent)) for name, percent in at.items()}
    return found | {"max": float(values.max())}


def _shares(labels: list[str]) -> dict[str, float]:
    return {label: labels.count(label) / len(labels) for label in sorted(set(labels))}
