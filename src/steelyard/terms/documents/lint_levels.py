"""Rules of single numbers and of pairs: initial against maintenance, haircuts, discounts, shares, bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf

from steelyard.terms.documents.findings import Found, Rule, Value, View, shown

INITIAL = frozenset({"initial", "im"})
MAINTENANCE = frozenset({"maintenance", "mm"})
CHARGES = frozenset({"pct", "percent", "addition", "add"})
FACTORS = frozenset({"factor", "mult", "multiplier", "fraction", "ratio", "rate", "ppm", "margin"})
SHARES = frozenset({"pct", "rate", "haircut", "fraction", "fee", "share", "percent"})
MULTIPLIERS = frozenset({"factor", "mult", "multiplier", "add", "power", "weight"})
OPPOSITES = (("min", "max"), ("lower", "upper"), ("floor", "cap"), ("floor", "ceiling"))
PPM_TINY = 10e-6


def pairs(seen: View) -> Iterator[tuple[Value, Value, float, float]]:
    """Yield (initial, maintenance) and their numbers where names differ in that word alone."""
    for group in seen.groups:
        by_rest = {
            (each.words - MAINTENANCE, each.unit): (each, each.number)
            for each in group.values.values()
            if each.words & MAINTENANCE and each.number is not None
        }
        for each in group.values.values():
            kept = by_rest.get((each.words - INITIAL, each.unit))
            if each.words & INITIAL and each.number is not None and kept is not None:
                yield each, kept[0], each.number, kept[1]


def _below(initial: Value, kept: Value) -> tuple[str, str]:
    return initial.path, (
        f"{initial.name} {shown(initial.number)} is below {kept.name} {shown(kept.number)}"
    )


def initial_below_maintenance(seen: View) -> Found:
    """Opening must not need less than keeping; weights of assets the other way round."""
    for initial, kept, opens, keeps in pairs(seen):
        if initial.words & (CHARGES | {"haircut"}):
            continue
        if "weight" in initial.words and "liability" not in initial.words:
            if opens > keeps:
                yield (
                    initial.path,
                    (f"{initial.name} {opens:g} lends more than {kept.name} {keeps:g}"),
                )
        elif opens < keeps:
            yield _below(initial, kept)


def initial_charge_below(seen: View) -> Found:
    """Charges named by a percentage are often added one on top of the other."""
    for initial, kept, opens, keeps in pairs(seen):
        if initial.words & CHARGES and opens < keeps:
            yield _below(initial, kept)


def initial_haircut_below(seen: View) -> Found:
    """The initial haircut is at least that of maintenance."""
    for initial, kept, opens, keeps in pairs(seen):
        if "haircut" in initial.words and opens < keeps:
            yield _below(initial, kept)


def _numbers(seen: View) -> Iterator[tuple[Value, float]]:
    for each in seen.values:
        if each.number is not None:
            yield each, each.number


def _outside(words: set[str], least: float, most: float, said: str) -> Callable[[View], Found]:
    """Return what finds the numbers with these words in their name that lie outside of bounds."""

    def find(seen: View) -> Found:
        for each, number in _numbers(seen):
            if words <= each.words and not least <= number <= most:
                yield each.path, said.format(number)

    return find


haircut_outside = _outside({"haircut"}, 0.0, 1.0, "a haircut of {:g}")
short_discount_below = _outside(
    {"short", "discount"}, 1.0, inf, "short options count with {:g} of what closing them costs"
)
long_discount_above = _outside(
    {"long", "discount"}, 0.0, 1.0, "long options count with {:g} of their value"
)
liability_weight_below = _outside(
    {"liability", "weight"}, 1.0, inf, "a debt counts with {:g} of its value"
)
asset_weight_outside = _outside(
    {"asset", "weight"}, 0.0, 1.0, "an asset counts with {:g} of its value"
)


def maintenance_factor_zero(seen: View) -> Found:
    """Without a maintenance requirement nothing is ever liquidated; a haircut may be nothing."""
    for each, number in _numbers(seen):
        is_factor = each.words & FACTORS and "haircut" not in each.words
        if each.words & MAINTENANCE and is_factor and number <= 0.0:
            yield each.path, f"{each.name} is {number:g}"


def percent_as_ratio(seen: View) -> Found:
    """15 where 0.15 is meant."""
    for each, number in _numbers(seen):
        is_share = bool(each.words & SHARES) and not each.words & MULTIPLIERS
        if each.unit in ("ratio", "decimal", "ppm") and is_share and abs(number) > 1.0:
            yield each.path, f"{each.name} is {number:g}, which is {number * 100:g} %"


def ppm_as_ratio(seen: View) -> Found:
    """1 where 1,000,000 is meant."""
    for each, number in _numbers(seen):
        if each.unit == "ppm" and 0.0 < abs(number) <= PPM_TINY:
            yield each.path, f"{each.name} is {number * 1e6:g} millionths"


def negative_charge(seen: View) -> Found:
    """A charge below zero lends."""
    charges = {"fee", "haircut", "pct", "provision", "minimum", "charge"}
    for each, number in _numbers(seen):
        if each.words & charges and "maker" not in each.words and number < 0.0:
            yield each.path, f"{each.name} is {number:g}"


def power_outside(seen: View) -> Found:
    """Exponents of term scaling lie between 0 and 2."""
    for each, number in _numbers(seen):
        if each.unit == "power" and not 0.0 <= number <= 2.0:
            yield each.path, f"an exponent of {number:g}"


def floor_of_no_time(seen: View) -> Found:
    """A term is divided by: its floor is above zero."""
    for each, number in _numbers(seen):
        if each.unit in ("days", "seconds", "years") and "floor" in each.words and number <= 0.0:
            yield each.path, f"the shortest term is {number:g} {each.unit}"


def volatility_falls_to_zero(seen: View) -> Found:
    """A fall of a volatility by all of it leaves an option without time value."""
    for each, number in _numbers(seen):
        if _is_volatility(each) and "down" in each.words and abs(number) >= 1.0:
            yield each.path, f"volatility falls by {abs(number) * 100:g} %"


def volatility_does_not_rise(seen: View) -> Found:
    """The rise of a volatility raises it."""
    for each, number in _numbers(seen):
        moves = each.words & {"shock", "range", "move"}
        if _is_volatility(each) and "up" in each.words and moves and number <= 0.0:
            yield each.path, f"{each.name} is {number:g}"


def _is_volatility(value: Value) -> bool:
    return bool(value.words & {"vol", "volatility"})


def bounds_crossed(seen: View) -> Found:
    """A lower bound is not above its upper one; an upper bound of 0 is none."""
    for group in seen.groups:
        for each in group.values.values():
            for low, high in OPPOSITES:
                other = group.values.get("_".join(_swapped(each.name, low, high)))
                if low not in each.words or other is None:
                    continue
                if each.number is not None and other.number and each.number > other.number:
                    yield (
                        each.path,
                        (f"{each.name} {each.number:g} is above {other.name} {other.number:g}"),
                    )


def spot_moves_crossed(seen: View) -> Found:
    """A move up stands above the move down of the same name."""
    for group in seen.groups:
        for each in group.values.values():
            other = group.values.get("_".join(_swapped(each.name, "up", "down")))
            if "up" not in each.words or not each.words & {"spot", "price"} or other is None:
                continue
            up, down = each.number, other.number
            if up is not None and down is not None and up <= down:
                yield each.path, f"{each.name} {up:g} is not above {other.name} {down:g}"


def confidence_outside(seen: View) -> Found:
    """A confidence lies in [0, 1]."""
    for each, number in _numbers(seen):
        is_threshold = "threshold" in each.words and each.words & {"conf", "confidence"}
        if is_threshold and not 0.0 <= number <= 1.0:
            yield each.path, f"a threshold of {number:g}"


def _swapped(name: str, old: str, new: str) -> list[str]:
    return [new if word == old else word for word in name.split("_")]


RULES = (
    Rule("LINT-01", "error", "what opens needs at least what keeps",
         "raise the initial number, or lower that of maintenance", initial_below_maintenance),
    Rule("LINT-02", "warning", "an initial charge below that of maintenance is right only if it is added to it",
         "see that the rules add the two", initial_charge_below),
    Rule("LINT-03", "error", "the initial haircut is at least that of maintenance",
         "raise the initial haircut", initial_haircut_below),
    Rule("LINT-04", "error", "a haircut lies in [0, 1]", "write 15 % as 0.15", haircut_outside),
    Rule("LINT-05", "error", "a short position's value is never discounted below itself",
         "set it to 1 or more", short_discount_below),
    Rule("LINT-06", "error", "a long position counts with at most its value",
         "set it to 1 or less", long_discount_above),
    Rule("LINT-07", "error", "a maintenance factor is above 0", "state what keeps a position",
         maintenance_factor_zero),
    Rule("LINT-08", "error", "a share above 1 is a per cent in the wrong unit",
         "divide it by 100", percent_as_ratio),
    Rule("LINT-09", "warning", "a few millionths are seldom meant", "multiply by 1,000,000",
         ppm_as_ratio),
    Rule("LINT-10", "warning", "a charge is not negative", "turn its sign", negative_charge),
    Rule("LINT-11", "error", "an exponent lies in [0, 2]", "correct the exponent", power_outside),
    Rule("LINT-12", "error", "the floor of a term is above 0, since terms divide",
         "set the shortest term that is told apart, such as 1 day", floor_of_no_time),
    Rule("LINT-13", "error", "a liability's weight is at least 1", "write 1 plus the surcharge",
         liability_weight_below),
    Rule("LINT-14", "error", "an asset's weight lies in [0, 1]", "write 1 minus the haircut",
         asset_weight_outside),
    Rule("LINT-15", "error", "a volatility falls by less than all of it",
         "state the fall as a share below 1", volatility_falls_to_zero),
    Rule("LINT-16", "error", "the upward move of a volatility is above 0", "correct its sign",
         volatility_does_not_rise),
    Rule("LINT-17", "error", "a lower bound is not above its upper bound", "exchange the two",
         bounds_crossed),
    Rule("LINT-18", "error", "a move up ends above the move down", "exchange the two",
         spot_moves_crossed),
    Rule("LINT-19", "error", "a confidence lies in [0, 1]", "write 55 % as 0.55",
         confidence_outside),
)  # fmt: skip
