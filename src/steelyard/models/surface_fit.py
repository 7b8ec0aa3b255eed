"""From the quotes of one underlying to its surface.

Steps: forwards, quotes into volatilities with verdicts, the smiles in one compiled pass (`chain_fit`); where
quotes lie far from their smile they are taken out, and the pass is made again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.chain_fit import ALONE, JOINT, SOFTENED, fit_chain
from steelyard.models.forwards import Forwards, find_forwards
from steelyard.models.groups import group_median
from steelyard.models.quotes import (
    FitTarget,
    QuoteUse,
    SmilePoints,
    SurfaceSettings,
    find_points,
)
from steelyard.models.surface import Surface
from steelyard.models.surface_report import SliceSource
from steelyard.quantities import InputError
from steelyard.valuation.smile_values import fill_total_variances
from steelyard.valuation.smiles import (
    COEFFICIENTS_MAX,
    COUNT,
    INVERSE_STEP,
    SMILE_WIDTH,
    START,
)
from steelyard.valuation.surfaces import YEAR_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTLIER_PASSES = 3


def fit_surface(quotes: ChainQuotes, settings: SurfaceSettings | None = None) -> Surface:
    """Return the surface of a chain.

    Errors: SURF-E01 no quote can serve; SURF-E02 the target is the venue's mark and there is none.

    >>> from steelyard.models.example import example_chain
    >>> surface = fit_surface(example_chain())
    >>> surface.is_arbitrage_free, surface.implied_volatility(60_000.0, 30 / 365).round(3).tolist()
    (True, 0.515)
    """
    settings = settings or SurfaceSettings()
    if settings.target is FitTarget.MARK and not (quotes.mark_volatility > 0.0).any():
        raise InputError(
            "SURF-E02",
            "no row has a mark volatility",
            rule="a fit to the venue's mark needs its column mark_iv",
            cure="give the column, or fit to the mid of the quotes",
            field="mark_iv",
        )
    expiry_us, expiry_of = np.unique(quotes.expiry_us, return_inverse=True)
    forwards = find_forwards(quotes, expiry_us, expiry_of)
    points = find_points(quotes, settings, expiry_us, expiry_of, forwards.value)
    chain = _Chain(quotes, points, settings, (expiry_us - quotes.time_us) / YEAR_US)
    chain.fit()
    for _ in range(OUTLIER_PASSES):
        if not chain.mark_outliers():
            break
        chain.fit()
    if not (chain.is_live & ~chain.is_poor).any():
        raise _nothing_usable(quotes, points, settings)
    return _surface(quotes, settings, chain, forwards)


def _nothing_usable(
    quotes: ChainQuotes, points: SmilePoints, settings: SurfaceSettings
) -> InputError:
    verdicts = {
        use.name.lower(): int((points.use == use).sum())
        for use in QuoteUse
        if (points.use == use).any()
    }
    return InputError(
        "SURF-E01",
        f"none of {len(quotes)} quotes of {quotes.underlying} gives a smile",
        rule=f"some expiry has {settings.least_strikes} strikes with a usable quote",
        cure="check the time of the quotes, their unit (coin or USD) and the forwards",
        **verdicts,
    )


class _Chain:
    """The working arrays of one fit: one entry an expiry, and the used quotes in order."""

    def __init__(
        self, quotes: ChainQuotes, points: SmilePoints, settings: SurfaceSettings, times: Floats
    ) -> None:
        count = len(points.expiry_us)
        self.quotes = quotes
        self.points = points
        self.settings = settings
        self.times = times
        self.smiles = np.zeros((count, SMILE_WIDTH))
        self.is_live = np.zeros(count, np.int64)
        self.is_poor = np.zeros(count, np.bool_)
        self.shape = np.zeros((count, 4))
        self.stiff = np.zeros((count, 2))
        self.outcome = np.full(count, ALONE)

    def prepare(self) -> None:
        """Lay the used quotes out by expiry and log-moneyness."""
        points = self.points
        used = np.flatnonzero(points.use == QuoteUse.USED)
        keys = (self.quotes.is_call[used], points.log_moneyness[used], points.expiry_of[used])
        self.order = used[np.lexsort(keys)]
        of = points.expiry_of[self.order]
        self.offsets = np.searchsorted(of, np.arange(len(points.expiry_us) + 1)).astype(np.int64)
        t = points.time_years[self.order]
        target = points.target[self.order]
        spread = 2.0 * target * t * points.uncertainty[self.order]
        w = target * target * t
        self.data = np.ascontiguousarray(
            np.vstack([points.log_moneyness[self.order], w, 1.0 / (spread * spread)])
        )
        self.spread = spread
        share = self.settings.floor_volatility / points.uncertainty[self.order]
        self.shape[:, 3] = np.bincount(of, share * share, minlength=len(points.expiry_us))

    def lay_out(self, i: int) -> None:
        """Set the range of expiry i and the room for its correction."""
        first, last = int(self.offsets[i]), int(self.offsets[i + 1])
        self.is_live[i] = last > first and self.times[i] > 0.0
        self.smiles[i] = 0.0
        if not self.is_live[i]:
            return
        k, w = self.data[0, first:last], self.data[1, first:last]
        strikes = 1 + int(np.count_nonzero(np.diff(k)))
        width = float(np.sqrt(np.interp(0.0, k, w)))
        self.shape[i, :3] = k[0], k[-1], width
        self.is_poor[i] = strikes < self.settings.least_strikes
        spread = float(np.sort(self.spread[first:last])[(last - first) // 2])
        self.stiff[i] = self.settings.ridge / spread**2, self.settings.bend / spread**2
        reach = self.settings.reach_widths * width
        low, high = k[0] - reach, k[-1] + reach
        cells = min(
            int(np.ceil((high - low) / (self.settings.knot_widths * width))), COEFFICIENTS_MAX
        )
        if not self.is_poor[i]:
            self.smiles[i, START] = low
            self.smiles[i, INVERSE_STEP] = cells / (high - low)
            self.smiles[i, COUNT] = cells - 3

    def fit(self) -> None:
        """Fit every expiry that has a usable quote."""
        self.prepare()
        for i in range(len(self.times)):
            self.lay_out(i)
        fit_chain(
            self.smiles, self.data, self.offsets, self.is_live, self.shape, self.stiff, self.outcome
        )

    def mark_outliers(self) -> bool:
        """Mark quotes far from their smile; return whether there was one."""
        points = self.points
        live = np.flatnonzero(self.is_live)
        if not len(live):
            return False
        rows = self.order
        w = np.empty(len(rows))
        fill_total_variances(
            np.ascontiguousarray(self.smiles[live]), self.times[live], self.data[0],
            points.time_years[rows], w,
        )  # fmt: skip
        fitted = np.sqrt(np.maximum(w, 0.0) / points.time_years[rows])
        miss = np.abs(fitted - points.target[rows]) / points.uncertainty[rows]
        of = points.expiry_of[rows]
        usual = np.fmax(1.0, group_median(miss, of, len(points.expiry_us)))
        far = (miss > self.settings.outlier_spreads * usual[of]) & (self.is_live[of] > 0)
        # A wild quote bends the smile at its neighbours: only the worst of those side by side goes.
        beside = np.zeros(len(miss))
        beside[1:] = np.where(of[1:] == of[:-1], miss[:-1], 0.0)
        beside[:-1] = np.maximum(beside[:-1], np.where(of[1:] == of[:-1], miss[1:], 0.0))
        far &= miss >= beside
        points.use[rows[far]] = QuoteUse.OUTLIER
        return bool(far.any())


def _surface(
    quotes: ChainQuotes, settings: SurfaceSettings, chain: _Chain, forwards: Forwards
) -> Surface:
    """Return the surface of the working arrays."""
    live = np.flatnonzero(chain.is_live)
    row_of = np.full(len(chain.times), -1, np.int64)
    row_of[live] = np.arange(len(live))
    index = quotes.index[quotes.index > 0.0]
    return Surface(
        quotes.underlying,
        quotes.time_us,
        float(np.median(index)) if len(index) else float("nan"),
        settings,
        np.ascontiguousarray(chain.smiles[live]),
        np.ascontiguousarray(chain.times[live]),
        row_of,
        [_source(chain, i, live) for i in range(len(chain.times))],
        forwards,
        quotes,
        chain.points,
    )


def _source(chain: _Chain, i: int, live: Ints) -> SliceSource:
    if not chain.times[i] > 0.0:
        return SliceSource.EXPIRED
    if chain.is_live[i] and chain.is_poor[i]:
        return SliceSource.SCALED
    if chain.is_live[i]:
        return _NAMES[int(chain.outcome[i])]
    return SliceSource.INTERPOLATED if live[0] < i < live[-1] else SliceSource.EXTRAPOLATED


_NAMES = {
    ALONE: SliceSource.FITTED,
    JOINT: SliceSource.JOINT,
    SOFTENED: SliceSource.SOFTENED,
}
