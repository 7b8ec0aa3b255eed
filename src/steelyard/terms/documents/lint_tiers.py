"""Rules of tiers: caps and rates ascend, the last one is open, deductions join without a step.

A list is one of tiers if its name says `tier`, `bracket` or `leverage_levels`. Its cap is the field
named `cap`, `max`, `limit`, `bound` or `up_to`, or the first place of a row; no cap, and 0 where the
cap is an integer, mean without end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from steelyard.terms.documents.findings import Found, Rule, Value, View, shown

LISTS = ("tier", "bracket", "leverage_levels")
CAPS = frozenset({"cap", "max", "limit", "bound", "upper", "to"})
FLOORS = frozenset({"floor", "min", "lower", "from"})
RATES = frozenset({"rate", "ppm", "ratio", "fraction", "multiplier", "factor", "pct", "haircut"})
DEDUCTIONS = frozenset({"deduction", "offset", "cum", "cumulative"})
STEP_SHARE = 1e-9


class Tier(NamedTuple):
    """One tier: its cap (None: without end), its rates by name, and what joins it to the one below."""

    path: str
    cap: float | None
    floor: float | None
    rates: dict[str, float]
    leverage: float | None
    deduction: float | None


def tiers(seen: View) -> Iterator[tuple[str, list[Tier]]]:
    """Yield (path, tiers) of every list of tiers."""
    for sequence in seen.sequences:
        if not any(word in sequence.name.lower() for word in LISTS):
            continue
        found = [_tier(row) for row in sequence.rows]
        kept = [each for each in found if each is not None]
        if len(kept) == len(found):
            yield sequence.path, kept


def _tier(row: dict[str, Value]) -> Tier | None:
    cap = next((n for n, each in row.items() if each.words & CAPS), "0" if "0" in row else None)
    if cap is None:
        return None
    number = row[cap].number
    if number == 0.0 and row[cap].unit in ("integer", "ppm", "usd", "decimal"):
        number = None
    rest = {name: each for name, each in row.items() if name != cap}
    return Tier(
        row[cap].path,
        number,
        next((each.number for each in rest.values() if each.words & FLOORS), None),
        {
            name: each.number
            for name, each in rest.items()
            if each.number is not None and (each.words & RATES or not each.name)
        },
        next((each.number for each in rest.values() if "leverage" in each.words), None),
        next((each.number for each in rest.values() if each.words & DEDUCTIONS), None),
    )


def caps_do_not_ascend(seen: View) -> Found:
    """A tier ends above the one before it."""
    for _, found in tiers(seen):
        for below, above in pairwise(found):
            if below.cap is None:
                yield below.path, "a tier without end has another behind it"
            elif above.cap is not None and above.cap <= below.cap:
                yield above.path, f"the cap {above.cap:g} follows {below.cap:g}"


def rates_do_not_ascend(seen: View) -> Found:
    """More notional never needs a lower rate, or allows more leverage."""
    for _, found in tiers(seen):
        for below, above in pairwise(found):
            for name, rate in above.rates.items():
                if rate < below.rates.get(name, rate):
                    yield above.path, f"the rate {rate:g} follows {below.rates[name]:g}"
            low, high = below.leverage, above.leverage
            if low is not None and high is not None and high > low:
                yield above.path, f"leverage {high:g} follows {low:g}"


def last_is_bounded(seen: View) -> Found:
    """A position beyond the last cap has a rate too."""
    for _, found in tiers(seen):
        if found[-1].cap is not None:
            yield found[-1].path, f"nothing is said of more than {found[-1].cap:g}"


def step_between(seen: View) -> Found:
    """Deduction of the next tier = deduction + cap·(next rate − rate); floors join caps."""
    for _, found in tiers(seen):
        for below, above in pairwise(found):
            if above.floor is not None and below.cap is not None and above.floor != below.cap:
                yield above.path, f"the tier begins at {above.floor:g}, not at {below.cap:g}"
            if below.deduction is None or above.deduction is None or below.cap is None:
                continue
            name = _maintenance_rate(above.rates)
            if name is None or name not in below.rates:
                continue
            joined = below.deduction + below.cap * (above.rates[name] - below.rates[name])
            if abs(joined - above.deduction) > STEP_SHARE * max(1.0, below.cap):
                yield (
                    above.path,
                    (
                        f"at {shown(below.cap)} the requirement jumps by {joined - above.deduction:g}"
                    ),
                )


def _maintenance_rate(rates: dict[str, float]) -> str | None:
    return next((name for name in rates if "maintenance" in name), next(iter(rates), None))


RULES = (
    Rule("LINT-30", "error", "the caps of tiers ascend", "put the tiers in order", caps_do_not_ascend),
    Rule("LINT-31", "error", "rates ascend with the notional, leverage descends",
         "correct the rate", rates_do_not_ascend),
    Rule("LINT-32", "warning", "the last tier has no cap, unless nobody may hold more", "leave its cap out, or write null",
         last_is_bounded),
    Rule("LINT-33", "error", "the requirement has no step between two tiers",
         "set each deduction to the one below plus cap·(rate − rate below)", step_between),
)  # fmt: skip
