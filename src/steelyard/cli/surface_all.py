"""`steelyard surface --all`: every snapshot of a chain, and how large the errors of the fits are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from steelyard.cli.surface_json import fitted_volatilities
from steelyard.models.surface import Surface

SHORT_DAYS = 3.0
PERCENTILES = (50, 75, 90, 95, 99, 100)
GOAL_POINTS = 0.5

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Tally:
    """What is kept of the expiries of one underlying, one entry an expiry and snapshot.

    inside, two_sided: how many two-sided quotes the fit meets, of how many. distance: NaN before the first.
    """

    days: list[float] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    rmse_mark: list[float] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)
    two_sided: list[int] = field(default_factory=list)
    least_g: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    rest: int = 0  # expiries that had passed, or had no smile of their own

    def add(self, surface: Surface) -> None:
        """Take in the expiries of one surface."""
        two_sided = _two_sided(surface)
        for i, each in enumerate(surface.slices):
            if each.row < 0:
                self.rest += 1
                continue
            count = int(two_sided[surface.points.expiry_of == i].sum())
            self.days.append(each.time_years * 365.0)
            self.rmse.append(each.rmse)
            self.rmse_mark.append(each.rmse_mark)
            self.two_sided.append(count)
            self.inside.append(round(each.inside * count) if count else 0)
            self.least_g.append(each.least_durrleman)
            self.distance.append(each.calendar_distance)


def summarise(tallies: dict[str, Tally], snapshots: int) -> dict[str, Any]:
    """Return the distribution of errors, by underlying and together; short expiries apart.

    Percentiles are over expiries: the least error that the stated share of them does not exceed.
    """
    groups = dict(tallies)
    if len(groups) > 1:
        groups["all"] = _joined(tallies.values())
    rows = []
    for name, tally in groups.items():
        is_short = np.array(tally.days) < SHORT_DAYS
        for label, chosen in ((f"{SHORT_DAYS:g} days and more", ~is_short), ("shorter", is_short)):
            rows.append({"underlying": name, "expiries": label, **_figures(tally, chosen)})
    return {
        "snapshots": snapshots,
        "without_smile": sum(tally.rest for tally in tallies.values()),
        "groups": rows,
    }


def _figures(tally: Tally, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    mark = np.array(tally.rmse_mark)[chosen]
    known = mark[np.isfinite(mark)]
    two_sided = int(np.array(tally.two_sided, np.int64)[chosen].sum())
    inside = int(np.array(tally.inside, np.int64)[chosen].sum())
    least_g, distance = np.array(tally.least_g)[chosen], np.array(tally.distance)[chosen]
    return {
        "count": int(chosen.sum()),
        "rmse_mark_points": percentiles(known),
        "rmse_points": percentiles(np.array(tally.rmse)[chosen]),
        "rmse_mark_goal_points": GOAL_POINTS,
        "rmse_mark_within_goal_share": float(np.mean(known <= GOAL_POINTS)) if len(known) else None,
        "two_sided_quotes": two_sided,
        "inside_share": inside / two_sided if two_sided else None,
        "butterflies": int((~(least_g >= 0.0)).sum()),
        "calendars": int((distance < 0.0).sum()),
    }


def percentiles(values: Floats) -> dict[str, float | None]:
    """Return the percentiles by name, None of nothing.

    >>> percentiles(np.array([0.1, 0.2, 0.3, 0.4]))["p75"], percentiles(np.array([]))["p50"]
    (0.3, None)
    """
    known = np.sort(values[np.isfinite(values)])
    return {
        f"p{p}": float(known[max(0, int(np.ceil(p / 100 * len(known))) - 1)])
        if len(known)
        else None
        for p in PERCENTILES
    }


def print_summary(out: Console, summary: dict[str, Any], target: str) -> None:
    """Print the distribution as a table."""
    out.print(
        f"[bold]{summary['snapshots']:,} {'snapshot' if summary['snapshots'] == 1 else 'snapshots'}: RMSE in volatility points against the venue's "
        f"mark (where |delta| > 0.02), quotes met, arbitrage[/]"
    )
    out.print(_table(summary, "rmse_mark_points"))
    if target != "mark":
        out.print(f"\n[bold]RMSE in volatility points against the {target} of the quotes used[/]")
        out.print(_table(summary, "rmse_points", is_short=True))
    if summary["without_smile"]:
        out.print(
            f"{summary['without_smile']:,} expiries had passed or had no usable quote: not counted"
        )


def _table(summary: dict[str, Any], key: str, *, is_short: bool = False) -> Table:
    from rich import box

    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column("under-\nlying", no_wrap=True)
    table.add_column("expiries", no_wrap=True)
    heads = ["count", *(f"p{p}" if p < 100 else "worst" for p in PERCENTILES)]
    if not is_short:
        heads += [f"≤ {GOAL_POINTS:g}", "inside", "quotes", "butterflies", "calendars"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in summary["groups"]:
        if not row["count"]:
            continue
        cells = [f"{row['count']:,}"]
        cells += ["–" if value is None else f"{value:.2f}" for value in row[key].values()]
        if not is_short:
            cells += [
                _share(row["rmse_mark_within_goal_share"]),
                _share(row["inside_share"]),
                f"{row['two_sided_quotes']:,}",
                f"{row['butterflies']:,}",
                f"{row['calendars']:,}",
            ]
        table.add_row(row["underlying"], row["expiries"], *cells)
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _joined(tallies: Iterable[Tally]) -> Tally:
    """Return all tallies as one."""
    whole = Tally()
    for tally in tallies:
        for name in Tally.__slots__:
            setattr(whole, name, getattr(whole, name) + getattr(tally, name))
    return whole


def _two_sided(surface: Surface) -> NDArray[np.bool_]:
    """Return the quotes whose meeting of bid and ask is counted, as the report of a slice counts them."""
    quotes = surface.quotes
    fitted = fitted_volatilities(surface)
    found: NDArray[np.bool_] = (quotes.bid > 0.0) & (quotes.ask >= quotes.bid) & np.isfinite(fitted)
    return found
