"""The steps that the machine knows, and the program that is made of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.instruments import Floats

SCENARIO = 4  # units × scenarios
WANTED = ("equity", "initial_requirement", "maintenance_requirement")
(
    ADD, SUB, MUL, DIV, MIN, MAX, LT, LE, GT, GE, EQ, NE, AND, OR, NEG, ABS, SQRT, NOT, ROUND9, SELECT,
    QUANTITY, STATED, ACCOUNT_INPUT, GATHER, SUM, REPEAT, NAKED_SHORTS, WORST_PAYOFF, SCAN, TOTALS,
    LOWEST, OUTPUT,
) = range(32)  # fmt: skip


class Step(NamedTuple):
    """One step: what, on which scope's entries, from which results (or column, or input)."""

    what: int
    scope: int
    operands: tuple[int, ...]


class Program(NamedTuple):
    """Steps with registers given out, and the columns that they gather from.

    code (n, 6) int32: what, scope, out, three operands; constants (K,): the first K registers;
    registers: how many; of_instruments (C, I), of_underlyings (D, U), of_scenarios (E, S).
    """

    code: NDArray[np.int32]
    constants: Floats
    registers: int
    of_instruments: Floats
    of_underlyings: Floats
    of_scenarios: Floats
    stated: tuple[str, ...]
    account: tuple[str, ...]
    has_rows: bool
