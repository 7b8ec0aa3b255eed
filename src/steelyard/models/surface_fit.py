"""From the quotes of one underlying to its surface, and from a surface and new quotes to the next.

Steps: forwards, quotes into volatilities with verdicts, the smiles in one compiled pass (`chain_fit`), quotes
that lie far from their smile taken out and their expiries fitted again, expiries with few quotes scaled from
a neighbour, and a report of what came out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.models.chain_fit import ALONE, JOINT, LIFTED, REPLACED, SOFTENED, fit_chain
from steelyard.models.forwards import Forwards, find_forwards
from steelyard.models.groups import group_median
from steelyard.models.quotes import (
    YEAR_US,
    FitTarget,
    QuoteUse,
    SmilePoints,
    SurfaceSettings,
    find_points,
)
from steelyard.models.surface import Surface
from steelyard.models.surface_report import SliceSource
from steelyard.models.wings import PULL_COLUMNS
from steelyard.quantities import InputError
from steelyard.valuation.smile_values import fill_total_variances, smile_columns
from steelyard.valuation.smiles import (
    COEFFICIENTS_MAX,
    COUNT,
    INVERSE_STEP,
    RHO,
    SMILE_WIDTH,
    START,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CORRECTION_LEAST = 8  # strikes from which a smile gets a correction
REACH_WIDTHS = 0.5  # the correction reaches this far beyond the quoted strikes
CELLS_LEAST = 4
SCALED = 100  # outcome of an expiry scaled from a neighbour


def fit_surface(quotes: ChainQuotes, settings: SurfaceSettings | None = None) -> Surface:
    """Return the surface of a chain.

    Errors: SURF-E01 no quote can serve; SURF-E02 the target is the venue's mark and there is none.

    >>> from steelyard.models.example import example_chain
    >>> surface = fit_surface(example_chain())
    >>> surface.is_arbitrage_free, surface.implied_volatility(60_000.0, 30 / 365).round(3).tolist()
    (True, 0.515)
    """
    return _fit(quotes, settings or SurfaceSettings(), None)


def refit_surface(before: Surface, quotes: ChainQuotes) -> Surface:
    """Return the surface of newer quotes, fitting only the expiries whose quotes changed.

    The others keep their volatilities: their total variance shrinks with the time left, which keeps it free of
    arbitrage. A crossing with a new neighbour still moves them. Errors as `fit_surface`.
    """
    return _fit(quotes, before.settings, before)


def _fit(quotes: ChainQuotes, settings: SurfaceSettings, before: Surface | None) -> Surface:
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
    asked = np.ones(len(expiry_us), np.int64)
    if before is not None:
        asked[_unchanged(before, quotes, expiry_us)] = 0
        chain.take_over(before, np.flatnonzero(asked == 0))
    chain.fit(asked)
    far = chain.mark_outliers()
    if far.any():
        chain.fit(far.astype(np.int64))
    if not chain.is_live.any():
        raise _nothing_usable(quotes, points, settings)
    chain.scale_poor()
    return _surface(quotes, settings, chain, forwards)


def _unchanged(before: Surface, quotes: ChainQuotes, expiry_us: Ints) -> list[int]:
    """Return the places of expiries with a smile whose quotes are as they were."""
    same = []
    known = {int(each): i for i, each in enumerate(before.points.expiry_us)}
    for i, expiry in enumerate(expiry_us.tolist()):
        place = known.get(expiry, -1)
        if place < 0 or before.row_of[place] < 0 or before.sources[place] is SliceSource.SCALED:
            continue
        if _fingerprint(before.quotes, expiry) == _fingerprint(quotes, expiry):
            same.append(i)
    return same


def _fingerprint(quotes: ChainQuotes, expiry_us: int) -> bytes:
    """Return all numbers of one expiry's quotes, in order of option."""
    rows = np.flatnonzero(quotes.expiry_us == expiry_us)
    rows = rows[np.lexsort((quotes.is_call[rows], quotes.strike[rows]))]
    columns = (quotes.strike, quotes.bid, quotes.ask, quotes.mark_volatility, quotes.forward)
    numbers = np.vstack([column[rows] for column in columns])
    return numbers.tobytes() + quotes.is_call[rows].tobytes()


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
        self.shape = np.zeros((count, 4))
        self.pull = np.zeros((count, PULL_COLUMNS))
        self.outcome = np.full(count, ALONE)
        self.prepare()

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
        self.spread = spread
        self.data = np.ascontiguousarray(
            np.vstack(
                [points.log_moneyness[self.order], target * target * t, 1.0 / (spread * spread)]
            )
        )

    def lay_out(self, i: int) -> None:
        """Set the range of expiry i and the room for its correction."""
        first, last = int(self.offsets[i]), int(self.offsets[i + 1])
        k, w = self.data[0, first:last], self.data[1, first:last]
        strikes = 1 + int(np.count_nonzero(np.diff(k))) if last > first else 0
        self.is_live[i] = strikes >= self.settings.least_strikes and self.times[i] > 0.0
        if not self.is_live[i]:
            return
        width = float(np.sqrt(np.interp(0.0, k, w)))
        spread = self.spread[first:last]
        self.shape[i] = k[0], k[-1], width, np.sum((w / spread) ** 2)
        middle = float(np.sort(spread)[(last - first) // 2])
        self.pull[i, 0] = self.settings.ridge / (middle * middle)
        reach = REACH_WIDTHS * width
        low, high = k[0] - reach, k[-1] + reach
        cells = int(np.ceil((high - low) / (self.settings.knot_widths * width)))
        cells = min(cells, COEFFICIENTS_MAX)
        self.smiles[i] = 0.0
        if strikes >= CORRECTION_LEAST and cells >= CELLS_LEAST:
            self.smiles[i, START] = low
            self.smiles[i, INVERSE_STEP] = cells / (high - low)
            self.smiles[i, COUNT] = cells - 3

    def take_over(self, before: Surface, kept: Ints) -> None:
        """Keep the smiles of an earlier surface, with the time that has passed since taken off."""
        known = {int(each): i for i, each in enumerate(before.points.expiry_us)}
        for i in kept.tolist():
            self.lay_out(i)
            row = before.row_of[known[int(self.points.expiry_us[i])]]
            self.smiles[i] = aged_smile(
                before.smiles[row], float(self.times[i] / before.times[row])
            )
            self.is_live[i] = 1

    def fit(self, asked: Ints) -> None:
        """Fit the expiries asked for; the others keep their smiles, unless a crossing moves them."""
        self.prepare()
        for i in np.flatnonzero(asked):
            self.lay_out(int(i))
        fit_chain(
            self.smiles, self.data, self.offsets, self.is_live, self.shape, self.pull, asked, self.outcome
        )  # fmt: skip

    def mark_outliers(self) -> NDArray[np.bool_]:
        """Mark quotes far from their smile; return the expiries that lose one."""
        points = self.points
        count = len(points.expiry_us)
        hit = np.zeros(count, np.bool_)
        live = np.flatnonzero(self.is_live)
        if not len(live):
            return hit
        rows = self.order
        w = np.empty(len(rows))
        fill_total_variances(
            np.ascontiguousarray(self.smiles[live]), self.times[live], self.data[0],
            points.time_years[rows], w,
        )  # fmt: skip
        fitted = np.sqrt(np.maximum(w, 0.0) / points.time_years[rows])
        miss = np.abs(fitted - points.target[rows]) / points.uncertainty[rows]
        of = points.expiry_of[rows]
        usual = np.fmax(1.0, group_median(miss, of, count))
        far = (miss > self.settings.outlier_spreads * usual[of]) & (self.is_live[of] > 0)
        points.use[rows[far]] = QuoteUse.OUTLIER
        hit[of[far]] = True
        return hit

    def scale_poor(self) -> None:
        """Give expiries with a few quotes the smile of the nearest fitted one, at the level of the quotes.

        w(k) = c·W(k/√c) keeps the shape in widths; c is found by fixed-point steps on the weighted mean ratio.
        """
        live = np.flatnonzero(self.is_live)
        poor = [
            i
            for i in range(len(self.times))
            if not self.is_live[i] and self.times[i] > 0.0 and self.offsets[i] < self.offsets[i + 1]
        ]
        for i in poor:
            nearest = int(live[np.argmin(np.abs(np.log(self.times[live] / self.times[i])))])
            first, last = int(self.offsets[i]), int(self.offsets[i + 1])
            k, w, weight = self.data[:, first:last]
            c = float(self.times[i] / self.times[nearest])
            for _ in range(20):
                shape = smile_columns(self.smiles, nearest, k / np.sqrt(c)).total_variance
                c = float((weight * w * shape).sum() / (weight * shape * shape).sum())
            self.smiles[i] = scaled_smile(self.smiles[nearest], c)
            root = np.sqrt(c)
            self.shape[i, :3] = self.shape[nearest, :3] * root
            self.shape[i, 3] = np.sum(w * w * weight)
            self.pull[i, 0] = self.pull[nearest, 0]
        if poor:
            self.is_live[poor] = 1
            before = self.outcome.copy()
            fit_chain(
                self.smiles, self.data, self.offsets, self.is_live, self.shape, self.pull,
                np.zeros(len(self.times), np.int64), self.outcome,
            )  # fmt: skip
            self.outcome = np.maximum(self.outcome, before)
            self.outcome[poor] = SCALED


def aged_smile(row: Floats, share: float) -> Floats:
    """Return the row of the smile share·w(k): the same volatilities with a share of the time."""
    result = row * share
    result[RHO : COUNT + 1] = row[RHO : COUNT + 1]
    return result


def scaled_smile(row: Floats, c: float) -> Floats:
    """Return the row of the smile w(k) = c·W(k/√c)."""
    root = float(np.sqrt(c))
    result = row * c
    result[1] = row[1] * root
    result[2] = row[2]
    result[3:6] = row[3:6] * root
    result[INVERSE_STEP] = row[INVERSE_STEP] / root
    result[COUNT] = row[COUNT]
    return result


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
    if chain.is_live[i]:
        return _NAMES[int(chain.outcome[i])]
    return SliceSource.INTERPOLATED if live[0] < i < live[-1] else SliceSource.EXTRAPOLATED


_NAMES = {
    ALONE: SliceSource.FITTED,
    JOINT: SliceSource.JOINT,
    LIFTED: SliceSource.LIFTED,
    REPLACED: SliceSource.REPLACED,
    SOFTENED: SliceSource.SOFTENED,
    SCALED: SliceSource.SCALED,
}
