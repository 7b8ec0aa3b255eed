"""How well surfaces meet recorded chains: error, quotes met, arbitrage, and error out of sample.

    python -m bench.surface_error            every recorded snapshot, both targets
    python -m bench.surface_error --quick    six of them
    python -m bench.surface_error --worst    also the ten slices furthest from the venue's mark

Errors are in volatility points where |delta| > 0.02, slices of three days and more; shorter ones stand
apart. Arbitrage is looked for here in NumPy alone, from the rows of the table of smiles: Durrleman's g,
and total variance against the expiry before, on k from −1.5 to 1.5 in steps of 5e-4 and over the quoted
strikes.

Out of sample: at every expiry each fifth quoted strike, but no end, is left out with its call and its put;
the surface is fitted anew, and its error there compared with a cubic spline through the targets left (one
a strike, not-a-knot) and with a raw SVI by SciPy's least squares under the same weights.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.machine import peer, print_machine, report
from bench.surface_peers import recorded_chains, slice_by_scipy, svi, synthetic_chains

DAYS_LEAST = 3.0
DELTA_LEAST = 0.02
DENSE = np.linspace(-1.5, 1.5, 6001)
QUOTED = 1001  # points over the quoted strikes
EVERY, FIRST_LEFT_OUT = 5, 2
SNAPSHOTS, QUICK = 10_000, 6
WORST = 10
Array = Any


@dataclass(frozen=True)
class SliceError:
    """One expiry of one surface: errors in volatility points, two-sided quotes and how many are met."""

    name: str
    days: float
    source: str
    rmse_mark: float
    rmse_target: float
    two_sided: int
    met: int
    two_sided_all: int
    met_all: int


@dataclass
class Findings:
    """What the surfaces of one target came to."""

    slices: list[SliceError] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    butterflies: int = 0
    calendars: int = 0
    least_g: float = np.inf


@dataclass
class LeftOut:
    """Errors in volatility points at the quotes left out, by method."""

    errors: dict[str, list[Array]] = field(default_factory=dict)

    def add(self, name: str, miss: Array) -> None:
        self.errors.setdefault(name, []).append(np.abs(100.0 * miss))


def smile_in_numpy(row: Array, k: Array) -> tuple[Array, Array]:
    """Return (w, g) of a row of the table of smiles, from its definition: SVI plus cubic B-splines."""
    a, b, rho, m, sigma, start, inverse_step, count = row[:8]
    x = k - m
    r = np.sqrt(x * x + sigma * sigma)
    w = a + b * (rho * x + r)
    first, second = b * (rho + x / r), b * sigma * sigma / r**3
    place = (k - start) * inverse_step
    for j in range(int(count)):
        bump, slope, bend = cubic_bump(place - j)
        w = w + row[8 + j] * bump
        first = first + row[8 + j] * slope * inverse_step
        second = second + row[8 + j] * bend * inverse_step**2
    g = (1 - 0.5 * k * first / w) ** 2 - 0.25 * first**2 * (1 / w + 0.25) + 0.5 * second
    return w, np.where(w > 0, g, -1.0)


def cubic_bump(x: Array) -> tuple[Array, Array, Array]:
    """Return the uniform cubic B-spline on [0, 4] and its two derivatives, by truncated powers."""
    value, slope, bend = (np.zeros_like(x) for _ in range(3))
    inside = (x > 0.0) & (x < 4.0)
    near = x[inside]
    for j, sign in enumerate((1.0, -4.0, 6.0, -4.0)):
        t = np.maximum(near - j, 0.0)
        value[inside] += sign * t**3 / 6.0
        slope[inside] += sign * t**2 / 2.0
        bend[inside] += sign * t
    return value, slope, bend


def count_arbitrage(surface: Any, findings: Findings) -> None:
    """Add the smiles with a butterfly and the neighbours with a calendar trade on the dense grid."""
    before = None
    for i, row in enumerate(surface.row_of.tolist()):
        if row < 0:
            continue
        quoted = surface.points.log_moneyness[surface.points.expiry_of == i]
        quoted = quoted[np.isfinite(quoted)]
        k = np.concatenate([DENSE, np.linspace(quoted.min(), quoted.max(), QUOTED)])
        w, g = smile_in_numpy(surface.smiles[row], k)
        findings.least_g = min(findings.least_g, float(g.min()))
        findings.butterflies += bool(g.min() < 0.0)
        if before is not None:
            earlier, _ = smile_in_numpy(surface.smiles[before], k)
            findings.calendars += bool((w < earlier).any())
        before = row


def slice_errors(surface: Any, name: str) -> Iterator[SliceError]:
    """Yield the errors of each expiry that is alive."""
    from steelyard.valuation.black76 import black76_price
    from steelyard.valuation.greeks import black76_greeks

    points, quotes = surface.points, surface.quotes
    for i, expiry in enumerate(points.expiry_us.tolist()):
        years = surface.years_to(expiry)
        rows = np.flatnonzero(points.expiry_of == i)
        forward = float(surface.forwards.value[i])
        if not years > 0.0 or not forward > 0.0:
            continue
        strike, mark = quotes.strike[rows], quotes.mark_volatility[rows]
        fitted = surface.implied_volatility(strike, years, forward)
        delta = black76_greeks(True, forward, strike, mark, years).delta
        near = np.minimum(delta, 1.0 - delta) > DELTA_LEAST
        used = (points.use[rows] == 0) & near
        bid, ask = quotes.bid[rows], quotes.ask[rows]
        both = (bid > 0.0) & (ask >= bid)
        unit = forward if quotes.is_inverse else 1.0
        price = black76_price(quotes.is_call[rows], forward, strike, fitted, years) / unit
        slack = 1e-9 * forward / unit
        met = both & (price >= bid - slack) & (price <= ask + slack)
        yield SliceError(
            name, years * 365.0, str(surface.sources[i]),
            rmse(fitted[near] - mark[near]), rmse(fitted[used] - points.target[rows][used]),
            int((both & near).sum()), int((met & near).sum()), int(both.sum()), int(met.sum()),
        )  # fmt: skip


def rmse(miss: Array) -> float:
    """Return the root of the mean square in volatility points, NaN of none."""
    return 100.0 * float(np.sqrt(np.mean(miss * miss))) if len(miss) else float("nan")


def measure(chains: list[dict[str, Any]], settings: Any) -> Findings:
    """Fit every chain and return what came out."""
    from steelyard.models.surface_fit import fit_surface

    findings = Findings()
    fit_surface(next(iter(chains[0].values())), settings)
    for snapshot in chains:
        spent = 0.0
        for underlying, quotes in snapshot.items():
            start = time.perf_counter()
            surface = fit_surface(quotes, settings)
            spent += time.perf_counter() - start
            name = f"{underlying} {np.datetime64(quotes.time_us, 'us').item():%Y-%m-%d %H:%M}"
            findings.slices += slice_errors(surface, name)
            findings.sources.update(str(source) for source in surface.sources)
            count_arbitrage(surface, findings)
        findings.seconds.append(spent)
    return findings


def leave_out(chains: list[dict[str, Any]], settings: Any) -> LeftOut:
    """Return the errors at the strikes left out, of the surface and of its peers."""
    from steelyard.models.surface_fit import fit_surface

    optimize, interpolate = peer("scipy.optimize"), peer("scipy.interpolate")
    result = LeftOut()
    for snapshot in chains:
        for quotes in snapshot.values():
            full = fit_surface(quotes, settings)
            points = full.points
            is_out = np.zeros(len(quotes), np.bool_)
            for i in range(len(points.expiry_us)):
                used = (points.expiry_of == i) & (points.use == 0)
                listed = np.unique(quotes.strike[used])
                is_out |= (points.expiry_of == i) & np.isin(
                    quotes.strike, listed[1:-1][FIRST_LEFT_OUT - 1 :: EVERY]
                )
            rest = fit_surface(quotes.select(~is_out), settings)
            add_left_out(result, full, rest, is_out, optimize, interpolate)
    return result


def add_left_out(
    result: LeftOut, full: Any, rest: Any, is_out: Array, optimize: Any, interpolate: Any
) -> None:
    """Add the errors of one chain; the peers get the forwards of the whole chain."""
    points, quotes = full.points, full.quotes
    root_years = np.sqrt(points.time_years)
    deviation = points.target * root_years
    with np.errstate(invalid="ignore"):
        shift = points.log_moneyness / deviation
        is_near = np.abs(shift - 0.5 * deviation) < 2.0537489106318225  # N⁻¹(0.98)
    for i in range(len(points.expiry_us)):
        mine = (points.expiry_of == i) & (points.use == 0)
        asked, kept = np.flatnonzero(mine & is_out & is_near), np.flatnonzero(mine & ~is_out)
        years = full.years_to(int(points.expiry_us[i]))
        if years * 365.0 < DAYS_LEAST or not len(asked) or len(kept) < 6:
            continue
        target = points.target[asked]
        ours = rest.implied_volatility(quotes.strike[asked], years)
        result.add("ours", ours - target)
        kept = kept[np.argsort(points.log_moneyness[kept], kind="stable")]
        k, at = points.log_moneyness[kept], points.log_moneyness[asked]
        weight = 1.0 / points.uncertainty[kept] ** 2
        knots, place = np.unique(k, return_inverse=True)
        total = np.bincount(place, weight)
        values = np.bincount(place, weight * points.target[kept]) / total
        if interpolate is not None:
            result.add("spline", interpolate.CubicSpline(knots, values)(at) - target)
        if optimize is not None:
            w = points.target[kept] ** 2 * years
            root = np.sqrt(weight) / (2.0 * points.target[kept] * years)
            free = slice_by_scipy(optimize, k, w, root, exact=True).x
            result.add("raw SVI", np.sqrt(np.maximum(svi(free, at), 0.0) / years) - target)


def tell_errors(target: str, findings: Findings, *, is_worst: bool) -> None:
    """Report the figures of one target."""
    long = [each for each in findings.slices if each.days >= DAYS_LEAST]
    short = [each for each in findings.slices if each.days < DAYS_LEAST]
    goal = "<= 0.5" if target == "mark" else ""
    for label, chosen, bound in (("", long, goal), (", under 3 days", short, "")):
        found = np.array([each.rmse_mark for each in chosen if np.isfinite(each.rmse_mark)])
        if not len(found):
            continue
        p50, p90, p95, p99 = np.percentile(found, [50, 90, 95, 99])
        note = f"p50 {p50:.3f}, p90 {p90:.3f}, p99 {p99:.3f}, worst {found.max():.2f}, {len(found)} slices"
        report(
            f"{target}{label}: RMSE against mark, p95",
            float(p95),
            "vol points",
            goal=bound,
            note=note,
        )
        report(
            f"{target}{label}: slices within 0.5 point", 100.0 * float((found <= 0.5).mean()), "%"
        )
        own = np.array([each.rmse_target for each in chosen if np.isfinite(each.rmse_target)])
        report(
            f"{target}{label}: RMSE against target, p95",
            float(np.percentile(own, 95)),
            "vol points",
        )
        both, met = sum(each.two_sided for each in chosen), sum(each.met for each in chosen)
        both_all = sum(each.two_sided_all for each in chosen)
        met_all = sum(each.met_all for each in chosen)
        note = f"{met:,} of {both:,}; at any delta {100.0 * met_all / max(both_all, 1):.2f} %"
        inside = 100.0 * met / max(both, 1)
        inside_goal = "" if label else ">= 95"
        report(f"{target}{label}: inside bid and ask", inside, "%", goal=inside_goal, note=note)
    note = f"least g {findings.least_g:.2e}"
    report(f"{target}: smiles with a butterfly", findings.butterflies, "", goal="<= 0", note=note)
    report(f"{target}: neighbours with a calendar trade", findings.calendars, "", goal="<= 0")
    sources = ", ".join(f"{count} {name}" for name, count in findings.sources.most_common())
    spent = 1e3 * np.array(findings.seconds)
    note = f"p90 {np.percentile(spent, 90):.2f}, worst {spent.max():.2f}; {sources}"
    report(
        f"{target}: time of a snapshot's surfaces, p50", statistics.median(spent), "ms", note=note
    )
    if is_worst:
        for each in sorted(long, key=lambda each: -np.nan_to_num(each.rmse_mark))[:WORST]:
            print(
                f"  {each.name}, {each.days:7.2f} days, {each.source:<12} rmse {each.rmse_mark:6.3f} against "
                f"mark, {each.rmse_target:6.3f} against target, {each.met} of {each.two_sided} met"
            )


def tell_left_out(target: str, result: LeftOut) -> None:
    """Report the errors out of sample; the goal is to beat each peer."""
    root = {}
    for name, parts in result.errors.items():
        miss = np.concatenate(parts)
        root[name] = float(np.sqrt(np.mean(miss * miss)))
        p50, p90, p99 = np.percentile(miss, [50, 90, 99])
        note = f"|error| p50 {p50:.3f}, p90 {p90:.3f}, p99 {p99:.3f}, worst {miss.max():.1f}, {len(miss):,} quotes"
        report(f"{target}, left out: RMSE of {name}", root[name], "vol points", note=note)
    for name in list(root)[1:]:
        report(f"{target}, left out: ours over {name}", root["ours"] / root[name], "x", goal="<= 1")


def main(arguments: list[str] | None = None) -> int:
    """Print the machine and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} snapshots")
    parser.add_argument("--worst", action="store_true", help="print the worst slices")
    options = parser.parse_args(arguments)
    print_machine()
    from steelyard.models.quotes import FitTarget, SurfaceSettings

    chains = recorded_chains(QUICK if options.quick else SNAPSHOTS) or [synthetic_chains()]
    print(
        f"{len(chains)} snapshots, {sum(len(c) for each in chains for c in each.values()):,} quotes"
    )
    for target in FitTarget:
        settings = SurfaceSettings(target=target)
        tell_errors(str(target), measure(chains, settings), is_worst=options.worst)
        tell_left_out(str(target), leave_out(chains, settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
