"""The figures of a report as ordered plain data, and the columns that its pictures draw.

Shares are fractions, prices USD, times ISO 8601, durations seconds; None where there is nothing to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from steelyard.cli.market_report_figures import (
    NEAR_S,
    Fall,
    Spell,
    Track,
    bound_of,
    correlated_lag,
    crossings,
    deepest_fall,
    exchange_path,
    fresh_us,
    is_observed,
    known_path,
    quantile,
    reference,
    relative,
    seconds,
    spells,
    values_at,
    worst_moves,
    wrong_falls,
    wrong_rises,
)
from steelyard.cli.market_report_run import (
    SECOND_US,
    AssetLog,
    Floats,
    Run,
    SourceLog,
)
from steelyard.cli.wiring import time_text
from steelyard.marks.guard import TRUSTED
from steelyard.marks.regime import Regime
from steelyard.marks.sources import DEVIATING, USED
from steelyard.quantities import PPM
from steelyard.terms import Method
from steelyard.terms.index_rules import IndexRules

Record = dict[str, Any]
COUNTING = (USED, DEVIATING)


@dataclass(slots=True)
class View:
    """One asset of a run as columns over the grid, computed once for figures and pictures.

    agreement: of the method, as a share. index: where it is trusted, else NaN; shown: also the last good value while it is protected. error:
    index against reference. low, high: the band in which a trusted index must lie. derivatives: prices of perpetuals
    beside the sources; variant: what the index would have been with them.
    """

    log: AssetLog
    run: Run
    agreement: float
    index: Floats
    shown: Floats
    reference: Floats
    error: Floats
    low: Floats
    high: Floats
    paths: dict[str, Track]
    verdicts: dict[str, list[Spell]]
    conditions: list[Spell]
    derivatives: dict[str, tuple[SourceLog, Track]] = field(default_factory=dict)
    variant: View | None = None

    @property
    def left(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return where a trusted index is outside its band."""
        return (self.index < self.low) | (self.index > self.high)


def view_of(run: Run, name: str, rules: IndexRules) -> View:
    """Return the columns of one asset of a run."""
    log, grid = run.assets[name], run.grid
    shown = np.where(log.index > 0.0, log.index, np.nan)
    index = np.where(log.is_trusted, shown, np.nan)
    median = reference(log.sources.values(), grid, rules.agreement_ppm / PPM)
    verdicts = {each.name: spells(each.verdicts, run.to_us) for each in log.sources.values()}
    ages_us = np.zeros(len(grid), np.int64)
    for each in log.sources.values():
        counts = np.isin(values_at(each.verdicts, grid), COUNTING)
        ages_us = np.maximum(ages_us, np.where(counts, each.stale_after_us, 0))
    low, high = bound_of(
        median, ages_us, rules.agreement_ppm / PPM, rules.jump_hold_us + rules.resume_us, run.step_us
    )  # fmt: skip
    there = np.isfinite(median)
    return View(
        log, run, rules.agreement_ppm / PPM, index, shown, median, relative(index, median),
        np.where(there, low, np.nan), np.where(there, high, np.nan),
        {each.name: known_path(each, grid) for each in log.sources.values()},
        verdicts, spells(log.conditions, run.to_us),
    )  # fmt: skip


# -- one asset -----------------------------------------------------------------------------------


def asset_record(view: View, rules: IndexRules, method: Method) -> Record:
    """Return the figures of one asset of the run over the recording as it is."""
    log, run = view.log, view.run
    fall = deepest_fall(view.reference)
    every = [*log.sources.values(), *(source for source, _ in view.derivatives.values())]
    return {
        "asset": log.name,
        "seconds": seconds(run.to_us - run.from_us),
        "index": _extremes(view.index, run),
        "conditions": condition_records(view.conditions, run),
        **protected_record(view, run),
        "sources": [_source_record(each, view, fall) for each in every],
        "reference": {
            "operators": sorted({s.operator for s in log.sources.values() if s.kind == "spot"}),
            "fresh_for_s": sorted(
                {seconds(fresh_us(s)) for s in log.sources.values() if s.kind == "spot"}
            ),
            "share": _share(np.isfinite(view.reference)),
        },
        "error": error_record(view.error, view.index, view.reference, run),
        "wrong": _wrong_record(view.index, view.reference, run),
        "bound": _bound_record(view, rules),
        "fall": _fall_record(view, fall),
        "mark_age": _age_record(view),
        "basis": {
            "widest": float(np.max(np.abs(log.basis_ppb), initial=0)) / 1e9,
            "bound": rules.basis_bound_ppm / PPM,
        },
        "volatility": _volatility_record(log, run, method),
        "moves": [
            {
                "window_s": window_s,
                "fall": fall_,
                "fall_at": time_text(int(run.grid[low])),
                "rise": rise,
                "rise_at": time_text(int(run.grid[high])),
            }
            for window_s, fall_, low, rise, high in worst_moves(
                view.index, run.step_us // SECOND_US
            )
        ],
    }


def condition_records(told: Sequence[Spell], run: Run) -> list[Record]:
    """Return each condition's share of the time, how often it began, and its longest stretch."""
    return [
        {"condition": value, "is_protected": value not in TRUSTED} | _stretches(told, value, run)
        for value in dict.fromkeys(each.value for each in told)
    ]


def protected_record(view: View, run: Run) -> Record:
    """Return the shares trusted and protected, and the longest protected stretch with its reasons."""
    longest: list[Spell] = []
    stretch: list[Spell] = []
    for each in view.conditions:
        stretch = [] if each.value in TRUSTED else [*stretch, each]
        if _length(stretch) > _length(longest):
            longest = stretch
    total = run.to_us - run.from_us
    apart = sum(e.end_us - e.start_us for e in view.conditions if e.value not in TRUSTED)
    reasons: Counter[str] = Counter()
    for each in longest:
        reasons[each.value] += each.end_us - each.start_us
    return {
        "trusted_share": 1.0 - apart / total,
        "protected_share": apart / total,
        "longest_protected": {
            "seconds": seconds(_length(longest)),
            "from": time_text(longest[0].start_us) if longest else None,
            "to": time_text(longest[-1].end_us) if longest else None,
            "reasons": {name: seconds(us) for name, us in reasons.most_common()},
        },
    }


def _length(stretch: Sequence[Spell]) -> int:
    return stretch[-1].end_us - stretch[0].start_us if stretch else 0


def _stretches(told: Sequence[Spell], value: str, run: Run) -> Record:
    mine = [each for each in told if each.value == value]
    longest = max(mine, key=lambda each: each.end_us - each.start_us)
    total = sum(each.end_us - each.start_us for each in mine)
    return {
        "share": total / (run.to_us - run.from_us),
        "spells": len(mine),
        "longest_s": seconds(longest.end_us - longest.start_us),
        "longest_from": time_text(longest.start_us),
    }


def _source_record(source: SourceLog, view: View, fall: Fall | None) -> Record:
    run = view.run
    beside = view.derivatives.get(source.name)
    told = view.verdicts.get(source.name, [])
    if beside is None:
        counts = np.isin(values_at(source.verdicts, run.grid), COUNTING)
        price = np.where(counts, view.paths[source.name].price, np.nan)
    else:
        price = beside[1].fresh(source.stale_after_us)
    apart = np.abs(relative(price, view.index))
    measured = apart[np.isfinite(apart)]
    moved = exchange_path(source, run.grid)
    lag = correlated_lag(view.shown, moved.price, run.step_us // SECOND_US)
    return {
        "source": source.name,
        "operator": source.operator,
        "kind": source.kind,
        "weight": source.weight,
        "is_in_index": beside is None,
        "words": len(source.prices),
        "deviation": {
            "median": _number(quantile(measured, 0.5)),
            "p95": _number(quantile(measured, 0.95)),
            "max": _number(float(measured.max()) if measured.size else float("nan")),
            "max_at": time_text(int(run.grid[int(np.nanargmax(apart))])) if measured.size else None,
        },
        "lag": {
            "by_moves_s": None if lag is None else lag[0],
            "correlation": None if lag is None else lag[1],
            "by_fall_s": _fall_lag(view, moved.fresh(source.stale_after_us), fall),
        },
        "verdict_changes": max(0, len(source.verdicts) - 1),
        "verdicts": {
            value: _stretches(told, value, run) for value in dict.fromkeys(e.value for e in told)
        },
    }  # fmt: skip


def _fall_lag(view: View, price: Floats, fall: Fall | None) -> float | None:
    """Return the median over the tenths of the fall of how much later the index was there than a source."""
    if fall is None:
        return None
    late = [
        seconds(int(view.run.grid[ours] - view.run.grid[theirs]))
        for ours, theirs in zip(crossings(view.index, fall), crossings(price, fall), strict=True)
        if ours is not None and theirs is not None and is_observed(price, theirs, view.run.step_us)
    ]
    return quantile(np.array(late), 0.5) if late else None


def error_record(error: Floats, index: Floats, median: Floats, run: Run) -> Record:
    """Return median, p99 and worst error of a path against its reference, and when."""
    measured = np.abs(error[np.isfinite(error)])
    if not measured.size:
        return dict.fromkeys(("seconds", "median", "p99", "worst", "worst_at"), None) | {
            "seconds": 0
        }
    row = int(np.nanargmax(np.abs(error)))
    return {
        "seconds": int(measured.size) * (run.step_us // SECOND_US),
        "median": quantile(measured, 0.5),
        "p99": quantile(measured, 0.99),
        "worst": float(error[row]),
        "worst_at": time_text(int(run.grid[row])),
        "index_then": float(index[row]),
        "reference_then": float(median[row]),
    }


def _wrong_record(path: Floats, others: Floats, run: Run) -> Record:
    """Return the worst fall and rise that the others never made, as shares."""
    reach = max(1, NEAR_S * SECOND_US // run.step_us)
    found: Record = {}
    for name, column in (
        ("fall", wrong_falls(path, others, reach)),
        ("rise", wrong_rises(path, others, reach)),
    ):
        is_there = bool(np.isfinite(column).any())
        worst = int(np.nanargmax(column)) if is_there else -1
        found[name] = float(column[worst]) if is_there else None
        found[f"{name}_at"] = (
            time_text(int(run.grid[worst])) if is_there and column[worst] > 0.0 else None
        )
    return found


def _bound_record(view: View, rules: IndexRules) -> Record:
    left = view.left
    judged = np.isfinite(view.index) & np.isfinite(view.low)
    beyond = np.where(left, np.maximum(view.low / view.shown, view.shown / view.high) - 1.0, 0.0)
    return {
        "agreement": rules.agreement_ppm / PPM,
        "hold_s": seconds(rules.jump_hold_us + rules.resume_us),
        "seconds_judged": int(judged.sum()) * (view.run.step_us // SECOND_US),
        "seconds_left": int(left.sum()) * (view.run.step_us // SECOND_US),
        "worst_beyond": float(beyond.max(initial=0.0)),
        "left_at": time_text(int(view.run.grid[int(np.argmax(left))])) if left.any() else None,
    }


def _fall_record(view: View, fall: Fall | None) -> Record | None:
    """Return the deepest fall of the reference, and how much later the index was at each tenth of it."""
    if fall is None:
        return None
    grid = view.run.grid
    levels, late = [], []
    ours, theirs = crossings(view.index, fall), crossings(view.reference, fall)
    for tenth, (mine, their) in enumerate(zip(ours, theirs, strict=True), 1):
        assert their is not None
        is_seen = is_observed(view.reference, their, view.run.step_us)
        gap = None if mine is None or not is_seen else seconds(int(grid[mine] - grid[their]))
        if gap is not None:
            late.append(gap)
        levels.append(
            {
                "level": fall.high - tenth / 10 * (fall.high - fall.low),
                "reference_at": time_text(int(grid[their])),
                "index_at": None if mine is None else time_text(int(grid[mine])),
                "is_judged": is_seen,
                "late_s": gap,
            }
        )
    return {
        "from": time_text(int(grid[fall.start])),
        "to": time_text(int(grid[fall.end])),
        "high": fall.high,
        "low": fall.low,
        "depth": fall.depth,
        "late_median_s": quantile(np.array(late), 0.5) if late else None,
        "late_worst_s": max(late, default=None),
        "levels_judged": sum(1 for each in levels if each["is_judged"]),
        "levels_not_reached": sum(
            1 for each in levels if each["is_judged"] and each["index_at"] is None
        ),
        "levels": levels,
    }


def _age_record(view: View) -> Record:
    """Return the age of the index while it was trusted: that of the marks that decide."""
    ages = view.log.age_us[view.log.is_trusted & (view.log.age_us >= 0)].astype(np.float64) / 1e6
    if not ages.size:
        return {"p50_s": None, "p99_s": None, "longest_s": None, "longest_at": None}
    worst = np.where(view.log.is_trusted, view.log.age_us, -1)
    return {
        "p50_s": quantile(ages, 0.5),
        "p99_s": quantile(ages, 0.99),
        "longest_s": float(ages.max()),
        "longest_at": time_text(int(view.run.grid[int(np.argmax(worst))])),
    }


def _volatility_record(log: AssetLog, run: Run, method: Method) -> Record:
    counts = Counter(Regime(int(each)).name.lower() for each in log.regime)
    reading = log.volatility
    return {
        "regimes": {
            each.name.lower(): counts[each.name.lower()] / len(run.grid)
            for each in Regime
            if counts[each.name.lower()]
        },
        "regime_at_end": Regime(int(log.regime[-1])).name.lower(),
        "jumps": 0 if reading is None else reading.jump.number,
        "horizons": [
            {
                "half_life_s": seconds(horizon.half_life_us),
                "volatility": each.volatility,
                "robust_volatility": each.robust_volatility,
                "jump_share": each.jump_share,
            }
            for horizon, each in zip(
                method.volatility.horizons, () if reading is None else reading.horizons, strict=False
            )
        ],
    }  # fmt: skip


# -- comparisons ---------------------------------------------------------------------------------


def alone_record(run: Run, asset: str, whole: View, rules: IndexRules) -> Record:
    """Return how the index of one source alone would have stood against the median of the others.

    The others are the spot sources of other operators, one is enough.
    """
    log = run.assets[asset]
    (source,) = log.sources.values()
    index = np.where(log.is_trusted, log.index, np.nan)
    others = reference(
        whole.log.sources.values(), run.grid, rules.agreement_ppm / PPM, operators=1,
        without=source.operator,
    )  # fmt: skip
    return {
        "source": source.name,
        "operator": source.operator,
        "kind": source.kind,
        "trusted_share": _share(log.is_trusted),
        "others": sorted(
            each.operator
            for each in whole.log.sources.values()
            if each.kind == "spot" and each.operator != source.operator
        ),
        "error": error_record(relative(index, others), index, others, run),
        "wrong": _wrong_record(index, others, run),
    }


def variant_record(view: View, rules: IndexRules) -> Record:
    """Return the figures of an index of other sources, against the reference of the recording."""
    run = view.run
    return {
        "conditions": condition_records(view.conditions, run),
        **protected_record(view, run),
        "sources": [
            {
                "source": each.name,
                "kind": each.kind,
                "verdicts": {
                    value: _stretches(told, value, run)
                    for value in dict.fromkeys(spell.value for spell in told)
                },
            }
            for each in view.log.sources.values()
            if (told := view.verdicts[each.name])
        ],
        "error": error_record(view.error, view.index, view.reference, run),
        "wrong": _wrong_record(view.index, view.reference, run),
        "bound": _bound_record(view, rules),
    }


def changes_record(view: View) -> list[Record]:
    """Return every change of verdict and condition in order of time."""
    found = [
        (change.time_us, {"source": source.name, "verdict": change.value, "price": change.price})
        for source in view.log.sources.values()
        for change in source.verdicts[1:]
    ]
    found += [(c.time_us, {"condition": c.value}) for c in view.log.conditions[1:]]
    found.sort(key=lambda each: each[0])
    return [{"time": time_text(time_us)} | each for time_us, each in found]


def _extremes(path: Floats, run: Run) -> Record:
    there = np.flatnonzero(np.isfinite(path))
    if not there.size:
        return dict.fromkeys(("first", "last", "low", "low_at", "high", "high_at"), None)
    low, high = int(np.nanargmin(path)), int(np.nanargmax(path))
    return {
        "first": float(path[there[0]]),
        "last": float(path[there[-1]]),
        "low": float(path[low]),
        "low_at": time_text(int(run.grid[low])),
        "high": float(path[high]),
        "high_at": time_text(int(run.grid[high])),
    }


def _share(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    return float(np.count_nonzero(flags)) / len(flags) if len(flags) else 0.0


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
