"""Simulated positions as clients send them: an object, pairs, or the object as JSON text."""

from __future__ import annotations

import json
from typing import Any

from steelyard.quantities.errors import InputError
from steelyard.service.answers.failures import POSITIONS_MAX, too_many, wrong

Simulated = dict[str, float] | list[tuple[str, float]] | str
TEXT_MAX = 64 * POSITIONS_MAX
_FORM = 'write {"BTC-PERPETUAL": -1.0}'


def sizes_of(simulated: Simulated | None) -> list[tuple[str, float]]:
    """Return names and signed quantities in their order. Errors: ANSW-E01, ANSW-E05, METH-E03.

    A text is read by its own reader, which refuses a name that stands there twice.

    >>> sizes_of({"BTC-PERPETUAL": -1.0})
    [('BTC-PERPETUAL', -1.0)]
    """
    if simulated is None:
        return []
    if isinstance(simulated, str):
        simulated = _read(simulated)
    if len(simulated) > POSITIONS_MAX:
        raise too_many(len(simulated))
    if isinstance(simulated, dict):
        return [*simulated.items()]
    return [(name, size) for name, size in simulated]


def _read(text: str) -> list[tuple[str, float]]:
    if len(text) > TEXT_MAX:
        raise too_many(text.count(":"))
    try:
        found: Any = json.loads(text, object_pairs_hook=list, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _unreadable("it is not JSON") from None
    if not isinstance(found, list) or text.lstrip()[:1] != "{":
        raise _unreadable("it is no object")
    pairs: list[tuple[str, float]] = []
    for name, size in found:
        if not isinstance(size, int | float) or isinstance(size, bool):
            raise _unreadable(f"{name[:40]!r} is no number")
        try:
            pairs.append((name, float(size)))
        except OverflowError:
            raise _unreadable(f"{name[:40]!r} is beyond what a number can hold") from None
    return pairs


def _no_number(text: str) -> float:
    raise _unreadable(f"{text} is no number")


def _unreadable(why: str) -> InputError:
    return wrong(
        f"simulated_positions cannot be read: {why}",
        "it is an object of contracts and signed quantities", _FORM, "simulated_positions",
    )  # fmt: skip
