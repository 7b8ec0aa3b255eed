"""Quotes of a chain made into points of its smiles, each with a verdict.

A quote's worth is judged in volatility: bid and ask are inverted, the target is their mid or the venue's
mark, and its uncertainty is half the spread over vega plus a floor. What cannot serve says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from steelyard.feeds.option_chain import ChainQuotes
from steelyard.feeds.tables import NO_TIME
from steelyard.valuation.greeks import black76_greeks
from steelyard.valuation.implied_volatility import QuoteStatus, implied_volatility
from steelyard.valuation.surfaces import YEAR_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PER_POINT = 100.0  # greeks' vega is per volatility point


class FitTarget(StrEnum):
    """What a surface is fitted to: the middle of two-sided quotes, or the venue's mark volatility."""

    MID = "mid"
    MARK = "mark"


class QuoteUse(IntEnum):
    """Whether a quote serves the fit, or why not."""

    USED = 0
    BAD_NUMBER = 1  # strike, price or volatility is no positive number
    EXPIRED = 2
    NO_FORWARD = 3
    DUPLICATE = 4  # an earlier row has the same option
    CROSSED = 5
    ONE_SIDED = 6  # no bid or no ask, and the target is the mid
    STALE = 7
    NO_VOLATILITY = (
        8  # no volatility gives this price: below intrinsic, above the bound, zero time value
    )
    WIDE = 9  # the spread leaves the volatility open by more than the limit
    OUTLIER = 10  # far from its neighbours, or from the fit, by what its spread allows


@dataclass(frozen=True, slots=True)
class SurfaceSettings:
    """What a fit is asked for.

    target: `FitTarget`. stale_after_us: age beyond which a quote with a time is not used (None: any age).
    wide_volatility: half-spread in volatility from which a quote says nothing (0.05 = 5 points).
    floor_volatility: the least uncertainty of a quote, what marks and mids scatter by. least_price_error:
    of the forward, half a tick. outlier_share: of the neighbours' median volatility; outlier_spreads: of the
    quote's own uncertainty. least_strikes: for a correction. ridge, bend: what size
    and curvature of a correction cost, in spreads. knot_widths: its knots apart, and reach_widths: how far it
    reaches beyond the quotes, in √w at the money.
    """

    target: FitTarget = FitTarget.MID
    stale_after_us: int | None = None
    wide_volatility: float = 0.05
    floor_volatility: float = 0.001
    least_price_error: float = 5e-5
    outlier_share: float = 0.35
    outlier_spreads: float = 15.0
    least_strikes: int = 5
    ridge: float = 0.005
    bend: float = 0.01
    knot_widths: float = 0.3
    reach_widths: float = 3.5


@dataclass(slots=True)
class SmilePoints:
    """The chain's quotes in volatility, one entry a quote, in the order of the chain.

    use: `QuoteUse`. bid, ask, target: volatilities, NaN where there is none. uncertainty: of the target.
    log_moneyness: ln(strike/forward). expiry_of: place of the expiry in `expiry_us`, which ascends.
    """

    expiry_us: Ints
    expiry_of: Ints
    forward: Floats
    time_years: Floats
    log_moneyness: Floats
    bid_volatility: Floats
    ask_volatility: Floats
    target: Floats
    uncertainty: Floats
    use: NDArray[np.int8]


def find_points(
    quotes: ChainQuotes,
    settings: SurfaceSettings,
    expiry_us: Ints,
    expiry_of: Ints,
    forwards: Floats,
) -> SmilePoints:
    """Return the quotes in volatility with their verdicts; forwards: one an expiry, NaN if unknown."""
    count = len(quotes)
    forward = forwards[expiry_of]
    time_years = (expiry_us[expiry_of] - quotes.time_us) / YEAR_US
    use = np.zeros(count, np.int8)
    unit = forward if quotes.is_inverse else np.ones(count)
    good_strike = quotes.strike > 0.0
    is_bid, is_ask = quotes.bid > 0.0, quotes.ask > 0.0
    with np.errstate(all="ignore"):
        k = np.log(np.where(good_strike, quotes.strike, np.nan) / forward)
    is_call = np.tile(quotes.is_call, 2)
    found = implied_volatility(
        is_call, np.tile(forward, 2), np.tile(quotes.strike, 2),
        np.concatenate([quotes.bid * unit, quotes.ask * unit]), np.tile(time_years, 2),
    )  # fmt: skip
    solved = (found.status == QuoteStatus.SOLVED) | (found.status == QuoteStatus.NO_INFORMATION)
    volatility = np.where(solved, found.volatility, np.nan)
    bid_volatility, ask_volatility = volatility[:count], volatility[count:]
    target, uncertainty = find_target(
        quotes, settings, bid_volatility, ask_volatility, forward, time_years
    )
    is_mid = settings.target is FitTarget.MID
    age = quotes.time_us - quotes.quote_time_us
    is_stale = (
        (quotes.quote_time_us != NO_TIME) & (age > settings.stale_after_us)
        if settings.stale_after_us is not None
        else np.zeros(count, np.bool_)
    )
    verdicts = (
        (QuoteUse.WIDE, ~(uncertainty < settings.wide_volatility)),
        (QuoteUse.NO_VOLATILITY, ~(target > 0.0)),
        (QuoteUse.STALE, is_stale),
        (QuoteUse.ONE_SIDED, ~(is_bid & is_ask) & is_mid),
        (QuoteUse.CROSSED, quotes.bid > quotes.ask),
        (QuoteUse.DUPLICATE, _repeats(quotes, expiry_of)),
        (QuoteUse.NO_FORWARD, ~(forward > 0.0)),
        (QuoteUse.EXPIRED, ~(time_years > 0.0)),
        (QuoteUse.BAD_NUMBER, _is_bad(quotes, good_strike)),
    )
    for verdict, holds in verdicts:  # the later ones are the graver
        use[holds] = verdict
    points = SmilePoints(
        expiry_us, expiry_of, forward, time_years, k, bid_volatility, ask_volatility, target, uncertainty, use
    )  # fmt: skip
    mark_lonely(points, quotes.strike, settings.outlier_share)
    return points


def find_target(
    quotes: ChainQuotes,
    settings: SurfaceSettings,
    bid_volatility: Floats,
    ask_volatility: Floats,
    forward: Floats,
    time_years: Floats,
) -> tuple[Floats, Floats]:
    """Return (target volatility, its uncertainty): half the spread over vega, plus the floor.

    A spread is taken as a tick at least. The venue's mark counts as known to half of the spread, plus half a
    tick; where only one side is quoted, to a tick.
    """
    is_mark = settings.target is FitTarget.MARK
    if is_mark:
        target = np.where(quotes.mark_volatility > 0.0, quotes.mark_volatility, np.nan)
    else:
        target = 0.5 * (bid_volatility + ask_volatility)
    unit = forward if quotes.is_inverse else np.ones(len(quotes))
    vega = black76_greeks(True, forward, quotes.strike, target, time_years).vega * PER_POINT
    half_price = 0.5 * (quotes.ask - quotes.bid) * unit
    least = settings.least_price_error * forward
    half_price = np.where(half_price >= least, half_price, least)
    if is_mark:
        is_both = (quotes.bid > 0.0) & (quotes.ask > 0.0)
        half_price = 0.5 * np.where(is_both, half_price, least) + least
    with np.errstate(all="ignore"):
        return target, settings.floor_volatility + half_price / vega


def _is_bad(quotes: ChainQuotes, good_strike: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows with a strike, bid or ask that is no number of a quote."""
    wrong: NDArray[np.bool_] = ~(good_strike & np.isfinite(quotes.strike))
    for price in (quotes.bid, quotes.ask):
        wrong |= (price < 0.0) | np.isinf(price)
    return wrong | (quotes.mark_volatility < 0.0) | np.isinf(quotes.mark_volatility)


def _repeats(quotes: ChainQuotes, expiry_of: Ints) -> NDArray[np.bool_]:
    """Return the rows whose option an earlier row has."""
    order = np.lexsort((quotes.is_call, quotes.strike, expiry_of))
    same = np.zeros(len(quotes), np.bool_)
    a, b = order[:-1], order[1:]
    same[b] = (
        (quotes.strike[a] == quotes.strike[b])
        & (quotes.is_call[a] == quotes.is_call[b])
        & (expiry_of[a] == expiry_of[b])
    )
    return same


def mark_lonely(points: SmilePoints, strike: Floats, share: float) -> None:
    """Mark OUTLIER what lies further from the median of its five neighbours than a share of it.

    Neighbours are the used quotes of the expiry in order of strike. A quote at the end of a steep wing is
    judged against the wing's last five, and by what its own uncertainty allows.
    """
    used = np.flatnonzero(points.use == QuoteUse.USED)
    order = used[np.lexsort((strike[used], points.expiry_of[used]))]
    if len(order) < 3:
        return
    value, of = points.target[order], points.expiry_of[order]
    first = np.searchsorted(of, of, side="left")
    last = np.searchsorted(of, of, side="right")
    start = np.clip(np.arange(len(order)) - 2, first, np.maximum(first, last - 5))
    window = np.minimum(start[:, None] + np.arange(5), (last - 1)[:, None])
    middle = np.median(value[window], axis=1)
    allowed = share * middle + 3.0 * points.uncertainty[order]
    lonely = (np.abs(value - middle) > allowed) & (last - first >= 3)
    points.use[order[lonely]] = QuoteUse.OUTLIER
