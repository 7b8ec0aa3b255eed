"""Every example in a docstring is run; importing only the modules that have one."""

from __future__ import annotations

import ast
import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"src": ROOT / "src", "tools": ROOT, "bench": ROOT}


def docstrings(source: str) -> Iterator[tuple[str, int, str]]:
    """Yield (name, line, text) of every docstring with an example.

    They are read from the source, because a compiled function is not a function to `inspect` and
    its examples would be passed over in silence.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=True)
            if text and ">>>" in text:
                yield getattr(node, "name", "module"), node.body[0].lineno, text


def failures(source: str, names: dict[str, object], path: str) -> tuple[int, str]:
    """Run the examples of `source`; return how many there are, and what went wrong."""
    report: list[str] = []
    attempted = 0
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    for name, line, text in docstrings(source):
        test = doctest.DocTestParser().get_doctest(text, dict(names), name, path, line)
        attempted += runner.run(test, out=report.append).attempted
    return attempted, "".join(report)


def modules() -> list[str]:
    """Return the paths of the modules with at least one example in a docstring."""
    return [
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if any(docstrings(path.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("path", modules())
def test_HOUS_014_examples_are_true(path: str) -> None:
    folder = FOLDERS[path.split("/")[0]]
    parts = (ROOT / path).relative_to(folder).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    attempted, report = failures((ROOT / path).read_text(encoding="utf-8"), vars(module), path)
    assert attempted > 0
    assert not report, report


def test_HOUS_014_untrue_example_is_found() -> None:
    source = (
        'def two() -> int:\n    """Return two.\n\n    >>> two()\n    3\n    """\n    return 2\n'
    )
    names: dict[str, object] = {}
    exec(source, names)
    attempted, report = failures(source, names, "planted.py")
    assert attempted == 1
    assert "Expected:\n    3\nGot:\n    2" in report


def test_HOUS_014_example_of_a_compiled_function_is_found() -> None:
    source = '@njit\ndef two():\n    """Return two.\n\n    >>> two()\n    3\n    """\n'
    assert [name for name, _, _ in docstrings(source)] == ["two"]


# The page of the frames is run by their own tests, which take its fences off first.
ELSEWHERE = {"arrays-and-frames.md"}
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "docs").glob("*.md"))
    if path.name not in ELSEWHERE and ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", PAGES)
def test_HOUS_014_examples_of_a_page_are_true(path: str) -> None:
    result = doctest.testfile(str(ROOT / path), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
