"""Formulas of a method document: a small arithmetic language, checked before it is ever evaluated.

A formula is written like Python: numbers, names, `+ − * /`, comparisons, `and or not`, the choice
`a if condition else b`, and the functions of `FUNCTIONS`. Nothing else parses: no attribute, no index,
no call of anything that is not listed, so a document from elsewhere can compute and do nothing more.

One formula serves numbers, columns, dual numbers (`dual`) and symbols (`tracing`): the functions ask
their operands.
Every operation is exactly rounded or one of our own kernels, so its bits are the same everywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

from steelyard.margin.methods.core import columns
from steelyard.quantities.errors import TermsError

LENGTH_MAX = 1_000
_BINARY = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_COMPARE = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


def _where(condition: Any, yes: Any, no: Any) -> Any:
    for value in (yes, no, condition):
        if hasattr(value, "chosen"):
            return value.chosen(condition, yes, no)
    return np.where(condition, yes, no)


def _pick(name: str, a: Any, b: Any) -> Any:
    """Return the larger or smaller; a NaN on either side stays one."""
    for value in (a, b):
        if hasattr(value, "picked"):
            return value.picked(name, a, b)
    return np.maximum(a, b) if name == "max" else np.minimum(a, b)


def _folded(name: str, values: tuple[Any, ...]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = _pick(name, result, value)
    return result


def _one(kernel: Any, dual: str) -> Any:
    def applied(value: Any) -> Any:
        verb = getattr(value, dual, None)
        return verb() if verb is not None else kernel(value)

    return applied


def _of_plain(kernel: Any) -> Any:
    """Return a function that a symbol is asked for, since only plain numbers can be put into it."""

    def applied(*operands: Any) -> Any:
        for value in operands:
            if hasattr(value, "worked_out"):
                return value.worked_out(kernel, *operands)
        return kernel(*operands)

    return applied


def _joined(name: str, verb: Any) -> Any:
    def applied(a: Any, b: Any) -> Any:
        for value in (a, b):
            if hasattr(value, "joined"):
                return value.joined(name, a, b)
        return verb(a, b)

    return applied


FUNCTIONS: dict[str, Any] = {
    "min": lambda *values: _folded("min", values),
    "max": lambda *values: _folded("max", values),
    "abs": _one(np.abs, "magnitude"),
    "sqrt": _one(np.sqrt, "root"),
    "exp": _of_plain(columns.exp),
    "log": _of_plain(columns.log),
    "power": _of_plain(columns.power),
    "round9": _one(columns.round9, "rounded9"),
    "brackets": columns.brackets,
    "largest": columns.largest,
    "_where": _where,
    "_both": _joined("and", np.logical_and),
    "_either": _joined("or", np.logical_or),
    "_not": _one(np.logical_not, "opposite"),
}
PUBLIC = tuple(name for name in FUNCTIONS if not name.startswith("_"))


class Formula:
    """A checked formula: its text, the names it asks for, and its value over any mapping of names."""

    __slots__ = ("_function", "names", "text")

    def __init__(self, text: str, code: CodeType, names: tuple[str, ...]) -> None:
        self.text = text
        self.names = names
        self._function = eval(code, {"__builtins__": {}, **FUNCTIONS})

    def value(self, names: Mapping[str, Any]) -> Any:
        """Return the value; a name that the mapping lacks raises what the mapping raises."""
        return self._function(*[names[name] for name in self.names])


def formula(text: str, field: str) -> Formula:
    """Return the checked formula of a text; `field` is its place in the document, for errors.

    Errors: TERM-E20 for what is no formula, with the place and what is wrong.

    >>> f = formula("max(0, loss) if loss > 1 else rate * loss", "rules.account.worst")
    >>> f.names, float(f.value({"loss": 3.0, "rate": 0.5}))
    (('loss', 'rate'), 3.0)
    """
    if len(text) > LENGTH_MAX:
        raise _refused(field, f"it is {len(text)} characters long", text[:40])
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(field, f"it does not parse: {error}", text) from None
    names: dict[str, None] = {}
    body = _checked(tree.body, names, field, text)
    # A function of the names it asks for: the checked tree is all that it can run.
    arguments = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    code = compile(tree, f"<{field}>", "eval")
    return Formula(text, code, tuple(names))


class Formulas(dict[str, Formula]):
    """The formulas of one document, each checked once."""

    def of(self, text: str, field: str) -> Formula:
        """Return the checked formula of a text. Errors: TERM-E20."""
        found = self.get(text)
        if found is None:
            found = self[text] = formula(text, field)
        return found


def _checked(node: ast.expr, names: dict[str, None], field: str, text: str) -> ast.expr:
    """Return the node in the form that works on columns, or raise TERM-E20."""

    def down(child: ast.expr) -> ast.expr:
        return _checked(child, names, field, text)

    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return ast.Constant(float(number))
        case ast.Name(id=name) if not name.startswith("_"):
            if name not in FUNCTIONS:
                names[name] = None
                return node
        case ast.BinOp(op=op) if isinstance(op, _BINARY):
            return ast.BinOp(down(node.left), op, down(node.right))
        case ast.UnaryOp(op=ast.USub()):
            return ast.UnaryOp(ast.USub(), down(node.operand))
        case ast.UnaryOp(op=ast.Not()):
            return _call("_not", down(node.operand))
        case ast.Compare(ops=[op]) if isinstance(op, _COMPARE):
            return ast.Compare(down(node.left), [op], [down(node.comparators[0])])
        case ast.BoolOp(op=op, values=values):
            verb = "_both" if isinstance(op, ast.And) else "_either"
            result = down(values[0])
            for value in values[1:]:
                result = _call(verb, result, down(value))
            return result
        case ast.IfExp():
            return _call("_where", down(node.test), down(node.body), down(node.orelse))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in PUBLIC and node.args:
            return _call(name, *(down(each) for each in node.args))
    raise _refused(field, f"`{ast.unparse(node)}` is no part of the language", text)


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _refused(field: str, why: str, text: str) -> TermsError:
    return TermsError(
        "TERM-E20",
        f"{field} is no formula: {why}",
        rule="a formula holds numbers, names, + - * /, comparisons, and, or, not, `a if c else b` and "
        + ", ".join(PUBLIC),
        cure="write it with these",
        field=field,
        formula=text,
    )
