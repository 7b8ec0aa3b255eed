"""Find the calls that the decision rooms must not make.

A decision is the same bits on every machine, for every split of the work and at every replay.
So these rooms read no clock and no chance, touch no file, sum in a fixed order, use no function
whose last bit depends on a library, and never walk a set. Each rule looks at the syntax tree; a
line that is sound for a reason the rule cannot see says so: `# tidy-ok: the reason`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

DECISION_ROOMS = ("marks", "valuation", "book", "margin", "decisions", "actions")
LEDGER_ROOMS = ("book", "decisions", "actions")  # integers only
MODEL_ROOMS = ("marks", "valuation", "margin")  # floats that decide

MARKER = re.compile(r"#\s*tidy-ok:\s*(?P<reason>.*)$")
REASON_LENGTH_MIN = 5

IMPURE_MODULES = frozenset(
    "asyncio multiprocessing os pathlib random secrets shutil socket sqlite3 subprocess tempfile "
    "threading time uuid".split()
)
CLOCKS = frozenset({"now", "utcnow", "today"})
TRANSCENDENTAL = frozenset(
    "exp exp2 expm1 log log2 log10 log1p pow power float_power sin cos tan asin acos atan atan2 "
    "arcsin arccos arctan arctan2 sinh cosh tanh asinh acosh atanh arcsinh arccosh arctanh erf erfc "
    "gamma lgamma cbrt hypot dist logaddexp".split()
)
UNORDERED_SUMS = frozenset(
    "sum nansum dot vdot inner outer matmul tensordot einsum mean nanmean average std nanstd var "
    "nanvar prod nanprod sumprod convolve correlate cov corrcoef trapezoid".split()
)
METHOD_SUMS = frozenset({"sum", "dot", "mean", "std", "var", "prod"})
SETS = frozenset({"set", "frozenset"})
ORDERED_BY_SET = frozenset({"list", "tuple", "enumerate", "iter", "dict", "zip", "map"})


@dataclass(frozen=True)
class Finding:
    """One broken rule, where it stands and what the rule says."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


def banned_calls(source: str, path: str, room: str) -> list[Finding]:
    """Return what `source`, a module of `room`, does that a decision room must not do."""
    if room not in DECISION_ROOMS:
        return []
    tree = ast.parse(source)
    names = _imported_names(tree)
    lines = source.splitlines()
    found = [
        (node, rule, message)
        for node in ast.walk(tree)
        for rule, message in _broken_rules(node, names, room)
    ]
    found += [(node, "set-order", message) for node, message in _set_walks(tree)]
    findings = [
        Finding(path, node.lineno, rule, message)  # type: ignore[attr-defined]
        for node, rule, message in found
        if not _marker_line(node, lines)
    ]
    findings += _bare_markers(lines, path)
    return sorted(set(findings), key=lambda finding: (finding.line, finding.rule))


def _imported_names(tree: ast.AST) -> dict[str, str]:
    """Return local name → full dotted name for every import of the module."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _full_name(node: ast.AST, names: dict[str, str]) -> str:
    """Return the dotted name a node stands for, resolved through the imports, else ''."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    root = names.get(node.id)
    if root is None:
        return "" if parts else f"builtins.{node.id}"
    return ".".join([root, *reversed(parts)])


def _broken_rules(node: ast.AST, names: dict[str, str], room: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _import_rules(node)
    elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
        yield from _name_rules(_full_name(node, names))
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        yield from _operator_rules(node)
    elif isinstance(node, ast.keyword):
        yield from _keyword_rules(node)
    elif isinstance(node, ast.Global):
        yield "hidden-state", "`global` keeps state in the module; the engine owns all state"
    if isinstance(node, ast.Call):
        yield from _call_rules(node, names, room)


def _import_rules(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    modules = (
        [alias.name for alias in node.names]
        if isinstance(node, ast.Import)
        else [node.module or ""]
    )
    for module in modules:
        root = module.split(".")[0]
        if root in IMPURE_MODULES:
            yield "impure", f"`{root}` brings a clock, chance, file, socket or thread"
        if root == "scipy":
            yield "library-bits", "SciPy's last bits differ between builds"


def _name_rules(name: str) -> Iterator[tuple[str, str]]:
    root, _, rest = name.partition(".")
    last = rest.rsplit(".", 1)[-1]
    if root == "datetime" and last in CLOCKS:
        yield "clock", f"`{name}` reads the clock; time comes in with the event"
    if name.startswith("numpy.random"):
        yield "chance", f"`{name}` draws at random; seeds come in with the event"
    if root in ("math", "numpy", "cmath") and last in TRANSCENDENTAL:
        yield (
            "library-bits",
            f"`{name}` differs in its last bit between libraries; use the own kernel",
        )
    if root == "numpy" and (last in UNORDERED_SUMS or rest.startswith(("add.reduce", "linalg"))):
        yield "sum-order", f"`{name}` sums in an order that depends on the build; write the loop"
    if name in ("functools.cache", "functools.lru_cache", "functools.cached_property"):
        yield "hidden-state", f"`{name}` keeps state between calls"


def _operator_rules(node: ast.BinOp | ast.AugAssign) -> Iterator[tuple[str, str]]:
    if isinstance(node.op, ast.MatMult):
        yield "sum-order", "`@` changes bits with threads, processor and batch size; write the loop"
    if isinstance(node.op, ast.Pow):
        right = node.right if isinstance(node, ast.BinOp) else node.value
        left = node.left if isinstance(node, ast.BinOp) else node.target
        is_folded = _is_number(left) and _is_number(right)
        if not (is_folded or _is_integer(left) or _is_integer(right)):
            yield "library-bits", "`**` of two variables calls the library's pow"


def _is_number(node: ast.AST) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_integer(node: ast.AST) -> bool:
    node = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _keyword_rules(node: ast.keyword) -> Iterator[tuple[str, str]]:
    is_off = isinstance(node.value, ast.Constant) and node.value.value is False
    if node.arg == "fastmath" and not is_off:
        yield "fastmath", "`fastmath` lets the compiler reorder sums"
    if node.arg == "parallel" and not is_off:
        yield "parallel", "`parallel` splits sums by thread count"


def _call_rules(node: ast.Call, names: dict[str, str], room: str) -> Iterator[tuple[str, str]]:
    name = _full_name(node.func, names)
    if name in ("builtins.open", "io.open"):
        yield "impure", "`open` reads or writes a file"
    if name == "builtins.hash":
        yield "hash", "`hash` changes with the process; use a digest or the id"
    if name == "builtins.pow" and len(node.args) == 2:
        yield "library-bits", "`pow` calls the library's pow"
    if name == "builtins.float" and room in LEDGER_ROOMS:
        yield "float", "this room counts in integers; the border is `quantities`"
    if name == "builtins.sum" and room in MODEL_ROOMS:
        yield "sum-order", "`sum` of floats compensates from Python 3.12 on; write the loop"
    is_method = isinstance(node.func, ast.Attribute) and node.func.attr in METHOD_SUMS
    if is_method and not name.startswith(("numpy.", "math.", "steelyard.")):
        yield "sum-order", f"`.{node.func.attr}()` sums in an order that depends on the build"  # type: ignore[attr-defined]


def _set_walks(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield every place that walks a set, whose order is an accident of the process."""
    for scope, nodes in _scopes(tree):
        known = _set_names(scope, nodes)
        for node in nodes:
            if isinstance(node, ast.For) and _is_set(node.iter, known):
                yield node.iter, "a loop over a set; sort it first"
            elif isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp):
                if _is_set(node.generators[0].iter, known) and not isinstance(node, ast.SetComp):
                    yield node.generators[0].iter, "a comprehension over a set; sort it first"
            elif isinstance(node, ast.Starred) and _is_set(node.value, known):
                yield node, "a set unpacked; sort it first"
            elif (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ORDERED_BY_SET
                and any(_is_set(argument, known) for argument in node.args)
            ):
                yield node, f"`{node.func.id}` of a set; sort it first"


def _scopes(tree: ast.AST) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    """Yield the module and each function with the nodes that are its own."""
    waiting = [tree]
    while waiting:
        scope = waiting.pop()
        own: list[ast.AST] = []
        frontier = list(ast.iter_child_nodes(scope))
        while frontier:
            node = frontier.pop()
            own.append(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                waiting.append(node)
            else:
                frontier.extend(ast.iter_child_nodes(node))
        yield scope, own


def _set_names(scope: ast.AST, nodes: list[ast.AST]) -> frozenset[str]:
    known: set[str] = set()
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        every = [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]
        known |= {a.arg for a in every if a.annotation and _is_set_annotation(a.annotation)}
    for node in nodes:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if _is_set_annotation(node.annotation):
                known.add(node.target.id)
        elif isinstance(node, ast.Assign) and _is_set(node.value, frozenset(known)):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(known)


def _is_set_annotation(annotation: ast.AST) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
    return name in SETS or name in {"Set", "AbstractSet", "MutableSet", "FrozenSet"}


def _is_set(node: ast.AST, known: frozenset[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Name):
        return node.id in known
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor
    ):
        return _is_set(node.left, known) or _is_set(node.right, known)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SETS


def _marker_line(node: ast.AST, lines: list[str]) -> int:
    """Return the line of the marker that excuses `node`, or 0.

    It stands at the end of the first or last line, or as a comment of its own just above.
    """
    first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
    above = first - 1
    is_own_comment = above > 0 and lines[above - 1].lstrip().startswith("#")
    for number in (first, last, above) if is_own_comment else (first, last):
        if _has_reason(MARKER.search(lines[number - 1])):
            return int(number)
    return 0


def _has_reason(found: re.Match[str] | None) -> bool:
    return found is not None and len(found["reason"].strip()) >= REASON_LENGTH_MIN


def _bare_markers(lines: list[str], path: str) -> list[Finding]:
    return [
        Finding(path, number, "marker", "a tidy-ok marker states its reason")
        for number, line in enumerate(lines, start=1)
        if (found := MARKER.search(line)) and not _has_reason(found)
    ]
