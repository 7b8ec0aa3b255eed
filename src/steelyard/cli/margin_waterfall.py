"""The waterfall of an explained requirement: its bars, their scale, and numbers as one reads them.

A bar stands from what the parts before it come to, to what they come to with it. Bars of a part are followed by
those of its underlyings, where there are several, and of its legs, the largest first. All amounts are the exact
decimals of the explanation; only the places of bars are floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil, floor, log10
from typing import Any, NamedTuple

LEVELS = ("initial", "maintenance")
LEGS_SHOWN = 8
EQUITY_REACH = 2.5
"""Equity is drawn to scale up to so many times what the bars reach; beyond, an arrow says where it is."""

PART, UNDERLYING, LEG = range(3)
Pair = tuple[Decimal, Decimal]
Node = Mapping[str, Any]


class Bar(NamedTuple):
    """One line of the waterfall: amounts and where they start, initial and maintenance."""

    depth: int
    name: str
    note: str
    amounts: Pair
    starts: Pair


class Scale(NamedTuple):
    """What lies at the left and right edge, and the ticks between."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value lies, in per cent of the width, at most 0.5 beyond the edges."""
        return min(100.5, max(-0.5, 100.0 * (value - self.low) / (self.high - self.low)))


def paired(explanation: Node) -> dict[str, Any]:
    """Return the explanation with parts of one level, named alike, as one part of both.

    `options_initial` and `options_maintenance` become `options`; their leaves meet by name and underlying, and
    every sum stays what it is.
    """
    parts: dict[str, dict[str, Any]] = {}
    names = [part["name"] for part in explanation["parts"]]
    for part in explanation["parts"]:
        name = _shared_name(part["name"], names)
        held = parts.setdefault(name, {"name": name, "initial": 0, "maintenance": 0, "leaves": {}})
        _add(held, part)
        for leaf in part["leaves"]:
            key = leaf["name"], leaf["underlying"]
            nothing = dict(zip(("name", "underlying"), key, strict=True), initial=0, maintenance=0)
            _add(held["leaves"].setdefault(key, nothing), leaf)
    told = [part | {"leaves": list(part["leaves"].values())} for part in parts.values()]
    return {**explanation, "parts": told}


def _shared_name(name: str, names: Sequence[str]) -> str:
    """Return the name that a part shares with its twin of the other level; its own if it has none."""
    for level, other in (LEVELS, LEVELS[::-1]):
        if f"_{level}" in name and name.replace(f"_{level}", f"_{other}") in names:
            return name.replace(f"_{level}", "")
    return name


def _add(held: dict[str, Any], node: Node) -> None:
    for level in LEVELS:
        held[level] = f"{Decimal(held[level]) + Decimal(node[level]):f}"


def bars(explanation: Node) -> list[Bar]:
    """Return the bars of every part, in the order of the parts."""
    found: list[Bar] = []
    start = Decimal(0), Decimal(0)
    for part in explanation["parts"]:
        leaves = part["leaves"]
        only = leaves[0]["name"] if len(leaves) == 1 else ""
        note = only or f"{len(leaves)} legs"
        found.append(Bar(PART, words(part["name"]), note, _amounts(part), start))
        if not only:
            found += _below(leaves, start)
        start = _sum(start, _amounts(part))
    return found


def _below(leaves: Sequence[Node], start: Pair) -> list[Bar]:
    groups: dict[str, list[Node]] = {}
    for leaf in leaves:
        groups.setdefault(leaf["underlying"], []).append(leaf)
    found: list[Bar] = []
    for underlying, own in groups.items():
        if len(groups) > 1 and underlying and len(own) > 1:
            found.append(Bar(UNDERLYING, underlying, f"{len(own)} legs", total_of(own), start))
        legs = _legs(own, start)
        found += legs
        start = _sum(start, total_of(own))
    return found


def _legs(leaves: Sequence[Node], start: Pair) -> list[Bar]:
    ranked = sorted(leaves, key=lambda leaf: -max(abs(each) for each in _amounts(leaf)))
    shown = ranked if len(ranked) <= LEGS_SHOWN + 1 else ranked[:LEGS_SHOWN]
    found = []
    for leaf in shown:
        found.append(Bar(LEG, leaf["name"], "", _amounts(leaf), start))
        start = _sum(start, _amounts(leaf))
    smaller = ranked[len(shown) :]
    if smaller:
        found.append(Bar(LEG, f"{len(smaller)} smaller", "", total_of(smaller), start))
    return found


def _amounts(node: Node) -> Pair:
    return Decimal(node["initial"]), Decimal(node["maintenance"])


def _sum(a: Pair, b: Pair) -> Pair:
    return a[0] + b[0], a[1] + b[1]


def total_of(nodes: Sequence[Node]) -> Pair:
    """Return the sums of some nodes, exactly."""
    total = Decimal(0), Decimal(0)
    for node in nodes:
        total = _sum(total, _amounts(node))
    return total


def scale_of(explanation: Node, drawn: Sequence[Bar]) -> Scale:
    """Return the scale on which all bars lie, and the equity if it is not far beyond them."""
    ends = [0.0, *(float(amount) for amount in _amounts(explanation))]
    for bar in drawn:
        for start, amount in zip(bar.starts, bar.amounts, strict=True):
            ends += [float(start), float(start + amount)]
    reach = max(abs(end) for end in ends)
    equity = explanation["equity"]
    if equity is not None and abs(equity) <= EQUITY_REACH * reach:
        ends.append(equity)
    return scale(ends)


def scale(values: Sequence[float]) -> Scale:
    """Return a scale that holds zero and the values, with ticks at round numbers.

    >>> scale([0.0, 9_300.0])
    Scale(low=0.0, high=9672.0, ticks=(0.0, 2500.0, 5000.0, 7500.0))
    """
    low, high = min(0.0, *values), max(0.0, *values)
    width = high - low or 1.0
    low, high = (low - 0.04 * width if low else 0.0), high + 0.04 * width
    step = _step((high - low) / 4.0)
    first, last = ceil(low / step), floor(high / step)
    return Scale(low, high, tuple(number * step for number in range(first, last + 1)))


def _step(rough: float) -> float:
    """Return the round number nearest above: 1, 2, 2.5 or 5 times a power of ten."""
    power = float(f"1e{floor(log10(rough))}")
    return power * min(each for each in (1.0, 2.0, 2.5, 5.0, 10.0) if each * power >= rough)


def words(name: str) -> str:
    """Return a formula's name as words.

    >>> words("near_short_charge")
    'near short charge'
    """
    return name.replace("_", " ")


def decimals(explanation: Node) -> int:
    """Return how many decimals the amounts are read with; the table prints them all."""
    largest = max(abs(float(each)) for each in _amounts(explanation))
    largest = largest or abs(explanation["equity"] or 0.0)
    return 0 if largest >= 1e9 else 2 if largest >= 100.0 else 4 if largest >= 1.0 else 6


def width_of(explanation: Node, drawn: Sequence[Bar]) -> int:
    """Return the characters of the longest amount that is read."""
    places = decimals(explanation)
    amounts = [*_amounts(explanation), Decimal(repr(explanation["equity"] or 0.0))]
    amounts += [amounts[2] - amounts[0], *(amount for bar in drawn for amount in bar.amounts)]
    return max(len(read(amount, places, sign=True)) for amount in amounts)


def read(amount: Decimal | float, places: int, *, sign: bool = False) -> str:
    """Return an amount with so many decimals, thousands apart, a true minus.

    >>> read(-1234.5, 2), read(0.5, 2, sign=True), read(-0.001, 2)
    ('−1,234.50', '+0.50', '0.00')
    """
    text = f"{amount:+,.{places}f}"
    if not text.strip("+-0.,"):
        return text[1:]
    return text.replace("-", "−") if sign or text[0] == "-" else text[1:]


def tick_text(value: float) -> str:
    """Return the label of a tick.

    >>> tick_text(0.0), tick_text(12_500.0), tick_text(-2e6), tick_text(5e-5)
    ('0', '12.5k', '−2M', '0.00005')
    """
    size = abs(value)
    for unit, letter in ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{value / unit:.6g}{letter}".replace("-", "−")
    return f"{Decimal(f'{value:.6g}'):f}".replace("-", "−")
