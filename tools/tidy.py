"""Check the shape of the house: sizes, docstrings, export lists, banned calls, foreign words.

python -m tools.tidy        prints each finding, exits 1 when there is one
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.tidy_calls import Finding, banned_calls

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60
ROOM_DOCSTRING_LENGTH_MIN = 80
LONG_MARKER = re.compile(r"#\s*tidy: long because \S+ \S+")
CODE_FOLDERS = ("src", "tests", "tools", "bench")
TEXT_SUFFIXES = frozenset({".py", ".md", ".toml", ".lock", ".sh", ".json", ".csv", ".cfg", ""})
SKIPPED_FOLDERS = frozenset(
    {".git", ".venv", ".hypothesis", "__pycache__", "_build", "dist", "build", "node_modules"}
)

# The project speaks of itself alone: a clone must not point to anyone's machine, to a package
# host, or to a text that is not in it. The brackets keep this list from finding itself.
FOREIGN_WORDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<![\w.])/([h]ome|[r]oot|[U]sers)/\w",
        r"(?<![\w.])/[t]mp/\w",
        r"[i]ndex-url\s*=?\s*http|[f]ind-links\s*=?\s*[\w/]|[f]iles?\.\w+hosted\.",
    )
)


def file_too_long(source: str, path: str) -> list[Finding]:
    """Return a finding when a module has more than 600 lines."""
    lines = len(source.splitlines())
    if lines <= FILE_LINES_MAX:
        return []
    return [Finding(path, 1, "file-length", f"{lines} lines; a module stops at {FILE_LINES_MAX}")]


def functions_too_long(source: str, path: str) -> list[Finding]:
    """Return every function over 60 lines that does not say `# tidy: long because …`."""
    lines = source.splitlines()
    findings = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        own = lines[node.lineno - 1 : node.end_lineno]
        if length > FUNCTION_LINES_MAX and not any(LONG_MARKER.search(line) for line in own):
            message = f"`{node.name}` has {length} lines; a function stops at {FUNCTION_LINES_MAX}"
            findings.append(Finding(path, node.lineno, "function-length", message))
    return findings


def docstring_missing(source: str, path: str) -> list[Finding]:
    """Return a finding when a module says nothing of itself, or a room less than a paragraph."""
    text = (ast.get_docstring(ast.parse(source)) or "").strip()
    if not text:
        return [Finding(path, 1, "docstring", "a module says in a sentence what it holds")]
    is_room = path.endswith("/__init__.py") and path.count("/") == 3 and path.startswith("src/")
    if is_room and (len(text) < ROOM_DOCSTRING_LENGTH_MIN or "." not in text):
        return [Finding(path, 1, "docstring", "a room says in a paragraph what it does")]
    return []


def export_list_wrong(source: str, path: str) -> list[Finding]:
    """Return what is wrong with `__all__`: a name that is not bound, or an order not sorted."""
    tree = ast.parse(source)
    exported = _export_list(tree)
    if exported is None:
        return []
    findings = []
    bound = _bound_names(tree)
    if "__getattr__" not in bound:  # a lazy module makes its names on demand
        findings += [
            Finding(path, 1, "exports", f"`__all__` names `{name}`, which is not bound here")
            for name in exported
            if name not in bound
        ]
    if exported != sorted(set(exported), key=_export_order):
        findings.append(Finding(path, 1, "exports", "`__all__` is sorted and holds no name twice"))
    return findings


def _export_list(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


def _bound_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            waiting.extend(ast.iter_child_nodes(node))
    return names


def _export_order(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    """Order as ruff's RUF022: constants, then classes, then the rest; digits by value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]
    return kind, parts


def foreign_words(text: str, path: str) -> list[Finding]:
    """Return every line that speaks of something outside the project."""
    return [
        Finding(path, number, "foreign-word", f"`{found[0]}` does not belong to the project")
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern in FOREIGN_WORDS
        if (found := pattern.search(line))
    ]


def project_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield every text file of the project, in a fixed order."""
    for path in sorted(root.iterdir()):
        if path.name in SKIPPED_FOLDERS or path.name.endswith(("cache", ".egg-info")):
            continue
        if path.is_dir():
            yield from project_files(path)
        elif path.suffix in TEXT_SUFFIXES and path.stat().st_size < 2_000_000:
            yield path


def check_module(source: str, path: str) -> list[Finding]:
    """Return every finding in one Python module whose path is relative to the root."""
    parts = path.split("/")
    findings = file_too_long(source, path) + functions_too_long(source, path)
    if parts[0] != "src":
        return findings
    room = parts[2] if len(parts) > 3 else ""
    findings += docstring_missing(source, path) + export_list_wrong(source, path)
    return findings + banned_calls(source, path, room)


def check_tree(root: Path = ROOT) -> list[Finding]:
    """Return every finding in the project below `root`."""
    findings = []
    for file in project_files(root):
        path = file.relative_to(root).as_posix()
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        findings += foreign_words(text, path)
        if file.suffix == ".py" and path.split("/")[0] in CODE_FOLDERS:
            findings += check_module(text, path)
    return findings


def main() -> int:
    """Print the findings of the whole project; return 1 when there is one."""
    findings = check_tree()
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
