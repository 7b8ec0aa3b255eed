"""A method's formulas made into a program: one straight list of steps for blocks of accounts.

The formulas run once on symbols instead of columns. A symbol is static (it depends on the market alone,
and is worked out at once, in columns over instruments, underlyings or scenarios) or it is the result of
a step that the machine carries out for every account. What a formula does that no step can is
`Untraceable`; the evaluation then runs on plain columns.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.books import ACCOUNT_NAMES, POSITION_NAMES
from steelyard.margin.methods.core.columns import Lists, round9
from steelyard.margin.methods.core.instruments import EXPIRY_NAMES, Floats
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.resolving import (
    ACCOUNT,
    BUILT_IN,
    EXPIRY,
    LEG,
    UNDERLYING,
    Resolver,
)
from steelyard.margin.methods.core.steps import (
    ABS,
    ACCOUNT_INPUT,
    ADD,
    AND,
    DIV,
    EQ,
    GATHER,
    GE,
    GT,
    LE,
    LOWEST,
    LT,
    MAX,
    MIN,
    MUL,
    NAKED_SHORTS,
    NE,
    NEG,
    NOT,
    OR,
    OUTPUT,
    QUANTITY,
    REPEAT,
    ROUND9,
    SCAN,
    SCENARIO,
    SELECT,
    SQRT,
    STATED,
    SUB,
    SUM,
    TOTALS,
    WANTED,
    WORST_PAYOFF,
    Program,
    Step,
)  # fmt: skip

_STATIC: dict[int, Callable[..., Any]] = {
    ADD: np.add, SUB: np.subtract, MUL: np.multiply, DIV: np.divide, MIN: np.minimum,
    MAX: np.maximum, LT: np.less, LE: np.less_equal, GT: np.greater, GE: np.greater_equal,
    EQ: np.equal, NE: np.not_equal, AND: np.logical_and, OR: np.logical_or, NEG: np.negative,
    ABS: np.abs, SQRT: np.sqrt, NOT: np.logical_not, ROUND9: round9, SELECT: np.where,
}  # fmt: skip


class Untraceable(Exception):
    """A formula asks of the accounts' numbers what no step can do."""


class Symbol:
    """A value that a formula works on: a static column, or the result of a step."""

    __slots__ = ("column", "scope", "step", "trace")
    __array_ufunc__ = None  # numpy leaves mixed operations to the methods below
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, trace: Trace, scope: int, column: Any, step: int = -1) -> None:
        self.trace = trace
        self.scope = scope
        self.column = column
        self.step = step

    def __add__(self, other: Any) -> Any:
        return self.trace.apply(ADD, self, other)

    def __radd__(self, other: Any) -> Any:
        return self.trace.apply(ADD, other, self)

    def __sub__(self, other: Any) -> Any:
        return self.trace.apply(SUB, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.trace.apply(SUB, other, self)

    def __mul__(self, other: Any) -> Any:
        return self.trace.apply(MUL, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.trace.apply(MUL, other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.trace.apply(DIV, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.trace.apply(DIV, other, self)

    def __neg__(self) -> Any:
        return self.trace.apply(NEG, self)

    def __lt__(self, other: Any) -> Any:
        return self.trace.apply(LT, self, other)

    def __le__(self, other: Any) -> Any:
        return self.trace.apply(LE, self, other)

    def __gt__(self, other: Any) -> Any:
        return self.trace.apply(GT, self, other)

    def __ge__(self, other: Any) -> Any:
        return self.trace.apply(GE, self, other)

    def __eq__(self, other: object) -> Any:
        return self.trace.apply(EQ, self, other)

    def __ne__(self, other: object) -> Any:
        return self.trace.apply(NE, self, other)

    def magnitude(self) -> Any:
        """Return |x|."""
        return self.trace.apply(ABS, self)

    def root(self) -> Any:
        """Return √x."""
        return self.trace.apply(SQRT, self)

    def rounded9(self) -> Any:
        """Return x rounded to nine decimals."""
        return self.trace.apply(ROUND9, self)

    def opposite(self) -> Any:
        """Return not x."""
        return self.trace.apply(NOT, self)

    def joined(self, name: str, a: Any, b: Any) -> Any:
        """Return a and b, or a or b; one of them is this."""
        return self.trace.apply(AND if name == "and" else OR, a, b)

    def chosen(self, condition: Any, yes: Any, no: Any) -> Any:
        """Return yes where the condition holds, else no; one of them is this."""
        return self.trace.apply(SELECT, condition, yes, no)

    def picked(self, name: str, a: Any, b: Any) -> Any:
        """Return the larger or smaller of two; one of them is this."""
        return self.trace.apply(MAX if name == "max" else MIN, a, b)

    def worked_out(self, function: Callable[..., Any], *operands: Any) -> Any:
        """Return a function that no step has, of static operands alone."""
        return self.trace.worked_out(function, operands)


class Trace(Resolver):
    """The formulas of a prepared method run on symbols; `program_of` reads the program off it."""

    def __init__(self, prepared: Prepared, stated: frozenset[str], account: frozenset[str]) -> None:
        super().__init__(prepared)
        self.steps: list[Step] = []
        self.constants: dict[bytes, int] = {}
        self.columns: dict[int, dict[bytes, tuple[int, Floats]]] = {0: {}, 1: {}, 2: {}}
        self.stated = tuple(name for name in POSITION_NAMES if name in stated)
        self.account = ("cash", *(name for name in ACCOUNT_NAMES if name in account))
        self.has_rows = False
        self._known: dict[Step, int] = {}

    # Steps

    def apply(self, what: int, *operands: Any) -> Any:
        """Return the result of an operation: worked out if it is static, else a step."""
        scope = self._scope(operands)
        if what == SELECT:
            condition = self._static(operands[0])
            if condition is not None and (np.all(condition) or not np.any(condition)):
                return operands[1] if np.all(condition) else operands[2]
        values = [self._static(each) for each in operands]
        if all(each is not None for each in values):
            with np.errstate(all="ignore"):
                return Symbol(self, scope, np.asarray(_STATIC[what](*values)))
        return self.step(what, scope, *(self.register(each, scope) for each in operands))

    def step(self, what: int, scope: int, *operands: int) -> Symbol:
        """Return the result of a step; the same step is not taken twice."""
        step = Step(what, scope, operands)
        if step not in self._known:
            self.steps.append(step)
            self._known[step] = len(self.steps) - 1
        return Symbol(self, scope, None, self._known[step])

    def register(self, value: Any, scope: int) -> int:
        """Return the step that holds a value on a scope's entries; of a constant −1 − its place."""
        if isinstance(value, Symbol) and value.column is None:
            if value.scope != scope:
                raise Untraceable("values of two scopes meet")
            return value.step
        column = np.asarray(value.column if isinstance(value, Symbol) else value)
        if column.ndim == 0:
            key = struct.pack("<d", float(column))
            return -1 - self.constants.setdefault(key, len(self.constants))
        kept = np.ascontiguousarray(column, np.float64)
        domain = (0, 0, 1, 1, 2)[scope]
        place, _ = self.columns[domain].setdefault(
            kept.tobytes(), (len(self.columns[domain]), kept)
        )
        return self.step(GATHER, scope, place).step

    def worked_out(self, function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
        """Return a function of static operands. Errors: Untraceable if one is not."""
        values = [self._static(each) for each in operands]
        if any(each is None for each in values):
            raise Untraceable("a function of the accounts' numbers")
        return Symbol(self, self._scope(operands), np.asarray(function(*values)))

    @staticmethod
    def _scope(operands: tuple[Any, ...]) -> int:
        scopes = {each.scope for each in operands if isinstance(each, Symbol)}
        if len(scopes) != 1:
            raise Untraceable("values of two scopes meet")
        return scopes.pop()

    @staticmethod
    def _static(value: Any) -> Any:
        """Return a static value's numbers, None of what a step gives."""
        return value.column if isinstance(value, Symbol) else value

    # What a value is

    def given(self, name: str, scope: int) -> Any:
        if name == "maximum_loss":
            raise Untraceable("a maximum loss is worked out in columns")
        if scope == LEG:
            return self._given_leg(name)
        if scope == EXPIRY:
            if name in EXPIRY_NAMES:
                return self.instruments.columns[name]
            return self.step(NAKED_SHORTS if name == "naked_shorts" else WORST_PAYOFF, EXPIRY)
        if scope == UNDERLYING:
            return self._scan() if name == "scan_min" else self._underlying(name)
        if name == "settlement_price":
            return self.prepared.settlement_price
        if name in self.account:
            return self.step(ACCOUNT_INPUT, ACCOUNT, self.account.index(name))
        return 0.0

    def _given_leg(self, name: str) -> Any:
        if name == "quantity":
            return self.step(QUANTITY, LEG)
        if name in POSITION_NAMES:
            if name not in self.stated:
                return float("nan")
            return self.step(STATED, LEG, self.stated.index(name))
        if name in self.prepared.probes:
            return Symbol(self, LEG, self.prepared.probes[name]) * self.scopes[LEG]["quantity"]
        if name in BUILT_IN:
            return BUILT_IN[name].value(self.scopes[LEG])
        return self.prepared.names[name]

    def _underlying(self, name: str) -> Floats:
        column = self.instruments.of_underlying[name]
        return column if len(column) else np.full(1, np.nan)

    def parameter(self, name: str, scope: int) -> Any:
        if scope == LEG:
            return self._wrapped(self.prepared.names[name], scope)
        known = self.instruments.underlyings or [""]
        value = self.prepared.parameter(name, known, known)
        if scope == ACCOUNT and isinstance(value, np.ndarray | Lists):
            raise Untraceable(f"{name} of an account")
        if scope == EXPIRY:
            if isinstance(value, Lists):
                raise Untraceable(f"{name} of an expiry")
            if isinstance(value, np.ndarray):
                value = value[self._unit_of_instrument()]
        return self._wrapped(value, scope)

    def whole(self, value: Any, scope: int) -> Any:
        return self._wrapped(value, scope)

    def summed(self, value: Any, scope: int) -> Symbol:
        return self.step(SUM, scope + 1, self.register(self._wrapped(value, scope), scope))

    def repeated(self, value: Any, scope: int) -> Any:
        static = self._static(value)
        if static is None:
            return self.step(REPEAT, scope, value.step)
        if np.ndim(static) and scope == EXPIRY:
            static = static[self._unit_of_instrument()]
        return self._wrapped(static, scope)

    def _wrapped(self, value: Any, scope: int) -> Any:
        """Return columns as symbols of a scope; a number or a list stays what it is."""
        if isinstance(value, np.ndarray):
            return Symbol(self, scope, value) if value.ndim else float(value)
        return value

    def _unit_of_instrument(self) -> NDArray[np.int32]:
        under = self.instruments.underlying
        return np.zeros(len(under), np.int32) if self.compiled.is_single else under

    # The scan

    def _scan(self) -> Symbol:
        steps = self.compiled.rules.scan
        if not steps or not len(self.prepared.scenarios):
            return self.step(SCAN, UNDERLYING)
        self.has_rows = True
        value: Any = self.step(TOTALS, SCENARIO)
        columns = self.prepared.scenarios.columns()
        for number, text in enumerate(steps):
            step = self.compiled.formulas.of(text, f"rules.scan[{number}]")
            names = {"x": value} | {
                name: Symbol(self, SCENARIO, column[0]) for name, column in columns.items()
            }
            for name in step.names:
                if name not in names:
                    names[name] = self._for_scenarios(self.scopes[UNDERLYING][name])
            value = step.value(names)
        return self.step(LOWEST, UNDERLYING, self.register(value, SCENARIO))

    def _for_scenarios(self, value: Any) -> Any:
        """Return an underlying's value for each of its scenarios."""
        if not isinstance(value, Symbol):
            return value
        return self.step(REPEAT, SCENARIO, self.register(value, UNDERLYING))


def program_of(prepared: Prepared, stated: frozenset[str], account: frozenset[str]) -> Program:
    """Return the program of a prepared method. Errors: Untraceable; those of its formulas.

    stated, account: which columns of positions and of accounts the books state.
    """
    trace = Trace(prepared, stated, account)
    with np.errstate(all="ignore"):
        for place, name in enumerate(WANTED):
            value = trace.scopes[ACCOUNT][name]
            trace.step(OUTPUT, ACCOUNT, trace.register(value, ACCOUNT), place)
    code, constants, registers = _allocated(trace)
    of_instruments, of_underlyings, of_scenarios = (_table(trace.columns[k]) for k in range(3))
    return Program(
        code, constants, registers, of_instruments, of_underlyings, of_scenarios, trace.stated,
        trace.account, trace.has_rows,
    )  # fmt: skip


def _table(columns: dict[bytes, tuple[int, Floats]]) -> Floats:
    kept = [column for _, column in columns.values()]
    return np.ascontiguousarray(kept) if kept else np.zeros((0, 0))


_REGISTERS_OF = {GATHER: 0, QUANTITY: 0, STATED: 0, ACCOUNT_INPUT: 0, OUTPUT: 1}


def _allocated(trace: Trace) -> tuple[NDArray[np.int32], Floats, int]:
    """Give each result a register; one is used again after the last step that reads it."""
    fixed = len(trace.constants)
    last: dict[int, int] = {}
    for at, step in enumerate(trace.steps):
        for operand in step.operands[: _REGISTERS_OF.get(step.what, 3)]:
            last[operand] = at
    free: list[int] = []
    fresh = count(fixed)
    held: dict[int, int] = {}
    code = np.zeros((len(trace.steps), 6), np.int32)
    for at, step in enumerate(trace.steps):
        reads = _REGISTERS_OF.get(step.what, 3)
        operands = [
            each if place >= reads else (-1 - each if each < 0 else held[each])
            for place, each in enumerate(step.operands)
        ]
        out = free.pop() if free else next(fresh)
        held[at] = out
        code[at, : 3 + len(operands)] = (step.what, step.scope, out, *operands)
        # A result that nobody reads, such as an output's, frees its register at once.
        read = sorted({*step.operands[:reads], at})
        free += [held[each] for each in read if each >= 0 and last.get(each, at) == at]
    constants = np.array([struct.unpack("<d", key)[0] for key in trace.constants], np.float64)
    return code, constants, next(fresh)
