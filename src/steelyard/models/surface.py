"""A volatility surface: what `fit_surface` returns, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.forwards import Forwards
from steelyard.models.quotes import SmilePoints, SurfaceSettings
from steelyard.models.surface_report import SliceReport, SliceSource, report_slices
from steelyard.valuation.smile_values import (
    SmileColumns,
    fill_total_variances,
    fill_volatilities,
    smile_columns,
)
from steelyard.valuation.surfaces import YEAR_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Surface:
    """The surface of one underlying at one moment.

    smiles: (expiries with a smile, SMILE_WIDTH), ascending; times: their years; row_of: the smile of each
    expiry of the chain, −1 if it has none; sources: one an expiry. points: every quote with its verdict.
    """

    underlying: str
    time_us: int
    index: float
    settings: SurfaceSettings
    smiles: Floats
    times: Floats
    row_of: Ints
    sources: list[SliceSource]
    forwards: Forwards
    quotes: ChainQuotes
    points: SmilePoints

    @cached_property
    def slices(self) -> list[SliceReport]:
        """Return how each expiry of the chain came out, with its arbitrage on a dense grid."""
        return report_slices(self)

    @property
    def is_arbitrage_free(self) -> bool:
        """Return whether no butterfly and no calendar trade was found on the dense grid."""
        return all(
            each.least_durrleman >= 0.0 and not each.calendar_distance < 0.0
            for each in self.slices
            if each.row >= 0
        )

    def forward(self, time_years: ArrayLike) -> Floats:
        """Return the forward at a time from now in years.

        Between expiries its logarithm is linear in time, from the index on; beyond them the last carry stays.
        """
        years = (self.forwards.expiry_us - self.time_us) / YEAR_US
        known = (self.forwards.value > 0.0) & (years > 0.0)
        times, values = years[known], np.log(self.forwards.value[known])
        asked = np.asarray(time_years, dtype=np.float64)
        if not len(times):
            return np.full(asked.shape, np.nan)
        if self.index > 0.0:
            times, values = np.append(0.0, times), np.append(np.log(self.index), values)
        inner = np.interp(asked, times, values)
        if len(times) > 1:
            carry = (values[-1] - values[-2]) / (times[-1] - times[-2])
            inner = np.where(asked > times[-1], values[-1] + carry * (asked - times[-1]), inner)
        result: Floats = np.exp(inner)
        return result

    def total_variance(self, log_moneyness: ArrayLike, time_years: ArrayLike) -> Floats:
        """Return total implied variance at k = ln(strike/forward) and a time in years; NaN for time ≤ 0."""
        k, t = np.broadcast_arrays(
            np.asarray(log_moneyness, np.float64), np.asarray(time_years, np.float64)
        )
        result = np.empty(k.shape)
        fill_total_variances(
            self.smiles, self.times, np.ascontiguousarray(k).reshape(-1),
            np.ascontiguousarray(t).reshape(-1), result.reshape(-1),
        )  # fmt: skip
        return result

    def implied_volatility(
        self, strike: ArrayLike, time_years: ArrayLike, forward: ArrayLike | None = None
    ) -> Floats:
        """Return the volatility at strikes and times in years; the forward is the surface's if not given."""
        strikes, t = np.broadcast_arrays(
            np.asarray(strike, np.float64), np.asarray(time_years, np.float64)
        )
        ahead = self.forward(t) if forward is None else np.broadcast_to(forward, strikes.shape)
        result = np.empty(strikes.shape)
        flat = [
            np.ascontiguousarray(each, dtype=np.float64).reshape(-1) for each in (ahead, strikes, t)
        ]
        fill_volatilities(self.smiles, self.times, *flat, result.reshape(-1))
        return result

    def smile(self, row: int, log_moneyness: ArrayLike) -> SmileColumns:
        """Return w, w', w'' and g of one smile of the table."""
        return smile_columns(self.smiles, row, log_moneyness)

    def years_to(self, expiry_us: int) -> float:
        """Return the time from the surface's moment to an instant, in years of 365 days."""
        return (expiry_us - self.time_us) / YEAR_US
