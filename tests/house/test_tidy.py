"""The tidy rules hold for the whole project, and each is seen to fail on a planted sample."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import tidy
from tools.tidy_calls import DECISION_ROOMS, banned_calls


def rules(source: str, room: str = "margin") -> list[str]:
    return [finding.rule for finding in banned_calls(source, f"src/steelyard/{room}/x.py", room)]


@pytest.fixture(scope="module")
def findings() -> list[str]:
    return [str(finding) for finding in tidy.check_tree()]


def of_rule(findings: list[str], *rules: str) -> list[str]:
    return [f for f in findings if any(f": {rule}: " in f for rule in rules)]


def assert_none(findings: list[str]) -> None:
    assert not findings, "\n" + "\n".join(findings)


SHAPE_RULES = ("file-length", "function-length", "docstring", "exports", "foreign-word")


def test_HOUS_003_decision_rooms_make_no_banned_call(findings: list[str]) -> None:
    assert_none([f for f in findings if f not in of_rule(findings, *SHAPE_RULES)])


def test_HOUS_004_modules_and_functions_keep_their_size(findings: list[str]) -> None:
    assert_none(of_rule(findings, "file-length", "function-length"))


def test_HOUS_005_modules_and_rooms_say_what_they_do(findings: list[str]) -> None:
    assert_none(of_rule(findings, "docstring"))


def test_HOUS_006_export_lists_are_real_and_sorted(findings: list[str]) -> None:
    assert_none(of_rule(findings, "exports"))


def test_HOUS_007_project_speaks_of_itself_alone(findings: list[str]) -> None:
    assert_none(of_rule(findings, "foreign-word"))


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import time\n", "impure"),
        ("from random import choice\n", "impure"),
        ("from datetime import datetime\nx = datetime.now()\n", "clock"),
        ("import datetime as d\nx = d.datetime.utcnow()\n", "clock"),
        ("import numpy as np\nx = np.random.default_rng(1)\n", "chance"),
        ("import numpy as np\nx = np.exp(1.0)\n", "library-bits"),
        ("from numpy import log as ln\nx = ln(1.0)\n", "library-bits"),
        ("import math\nx = math.erfc(1.0)\n", "library-bits"),
        ("import math\nf = math.log\n", "library-bits"),
        ("import scipy.special\n", "library-bits"),
        ("def f(x, y):\n    return x ** y\n", "library-bits"),
        ("def f(n):\n    return 10.0 ** n\n", "library-bits"),
        ("def f(x):\n    x **= 0.5\n", "library-bits"),
        ("x = pow(2.0, 0.5)\n", "library-bits"),
        ("import numpy as np\nx = np.sum([1.0])\n", "sum-order"),
        ("import numpy as np\nx = np.dot(a, b)\n", "sum-order"),
        ("import numpy\nx = numpy.mean([1.0])\n", "sum-order"),
        ("import numpy as np\nx = np.add.reduceat(a, b)\n", "sum-order"),
        ("import numpy as np\nx = np.linalg.solve(a, b)\n", "sum-order"),
        ("x = column.sum()\n", "sum-order"),
        ("x = sum(values)\n", "sum-order"),
        ("x = a @ b\n", "sum-order"),
        ("a @= b\n", "sum-order"),
        ("x = open('f')\n", "impure"),
        ("x = hash('f')\n", "hash"),
        ("for x in {1, 2}:\n    pass\n", "set-order"),
        ("def f(held: set[int]) -> None:\n    for x in held:\n        pass\n", "set-order"),
        ("def f():\n    held = set()\n    return [x for x in held]\n", "set-order"),
        ("x = list(set([1]) | {2})\n", "set-order"),
        ("x = [*{1, 2}]\n", "set-order"),
        ("@njit(fastmath=True)\ndef f(): ...\n", "fastmath"),
        ("@njit(fastmath={'nnan'})\ndef f(): ...\n", "fastmath"),
        ("@njit(parallel=True)\ndef f(): ...\n", "parallel"),
        ("from functools import lru_cache\n@lru_cache\ndef f(): ...\n", "hidden-state"),
        ("def f():\n    global x\n    x = 1\n", "hidden-state"),
    ],
)
def test_HOUS_003_planted_call_is_found(source: str, rule: str) -> None:
    assert rule in rules(source)
    assert rules(source, room="engine") == [], "the rule binds the decision rooms alone"


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nx = np.sqrt(np.cumsum(np.maximum(a, b)))\n",
        "import math\nx = math.sqrt(2.0) + math.floor(1.5)\n",
        "def f(x, n):\n    return x ** -2 + 10 ** n + 2.0 ** -100\n",
        "@njit(fastmath=False, parallel=False)\ndef f(): ...\n",
        "for x in sorted({1, 2}):\n    pass\n",
        "def f(held: set[int], x: int) -> bool:\n    return x in held and len(held) > 1\n",
        "def f(time: int, hash_hex: str) -> int:\n    return time\n",
        "from datetime import timedelta\nx = timedelta(seconds=1)\n",
        "def f(log):\n    return log.exp(1)\n",
    ],
)
def test_HOUS_003_sound_code_is_left_alone(source: str) -> None:
    assert rules(source) == []


def test_HOUS_003_float_is_banned_where_integers_count() -> None:
    found = {room for room in DECISION_ROOMS if "float" in rules("x = float(1)\n", room)}
    assert found == {"book", "decisions", "actions"}


def test_HOUS_003_marker_needs_a_reason() -> None:
    assert rules("x = hash('f')  # tidy-ok: a digest of ours, not the builtin\n") == []
    assert rules("# tidy-ok: a digest of ours, not the builtin\nx = hash('f')\n") == []
    assert rules("x = hash('f')  # tidy-ok:\n") == ["hash", "marker"]
    assert rules("y = 1  # tidy-ok: a digest of ours\nx = hash('f')\n") == ["hash"]


def test_HOUS_004_601_lines_are_too_many() -> None:
    assert tidy.file_too_long("x = 1\n" * 600, "a.py") == []
    assert [f.rule for f in tidy.file_too_long("x = 1\n" * 601, "a.py")] == ["file-length"]


def test_HOUS_004_61_lines_are_too_many_for_a_function() -> None:
    fits = "def f():\n" + "    x = 1\n" * 59
    assert tidy.functions_too_long(fits, "a.py") == []
    too_long = fits + "    x = 1\n"
    assert [f.rule for f in tidy.functions_too_long(too_long, "a.py")] == ["function-length"]
    excused = too_long.replace("():\n", "():  # tidy: long because unrolled by hand\n")
    assert tidy.functions_too_long(excused, "a.py") == []
    unexplained = too_long.replace("():\n", "():  # tidy: long because\n")
    assert tidy.functions_too_long(unexplained, "a.py") != []


def test_HOUS_005_silent_module_and_terse_room_are_found() -> None:
    room, module = "src/steelyard/book/__init__.py", "src/steelyard/book/ledger.py"
    assert tidy.docstring_missing("x = 1\n", module) != []
    assert tidy.docstring_missing('"""The ledger."""\n', module) == []
    assert tidy.docstring_missing('"""The book."""\n', room) != []
    assert tidy.docstring_missing(f'"""The book.\n\n{"Who holds what. " * 8}"""\n', room) == []


@pytest.mark.parametrize(
    ("source", "is_sound"),
    [
        ("__all__ = ['LIMIT', 'Book', 'Ledger', 'apply']\nfrom x import *\n", False),
        (
            "from x import LIMIT, Book, Ledger, apply\n__all__ = ['LIMIT', 'Book', 'Ledger', 'apply']\n",
            True,
        ),
        ("from x import LIMIT, Book\n__all__ = ['Book', 'LIMIT']\n", False),
        ("from x import Book\n__all__ = ['Book', 'Book']\n", False),
        ("def f2(): ...\ndef f10(): ...\n__all__ = ['f2', 'f10']\n", True),
        ("def __getattr__(name): ...\n__all__ = ['lazy']\n", True),
        ("x = 1\n", True),
    ],
)
def test_HOUS_006_wrong_export_list_is_found(source: str, is_sound: bool) -> None:
    assert (tidy.export_list_wrong(source, "a.py") == []) is is_sound


@pytest.mark.parametrize(
    "line",
    [
        "see /ho" + "me/somebody/notes",
        "see /ro" + "ot/notes",
        "kept in /t" + "mp/scratch",
        "pip install --index" + "-url http://somewhere",
        "pip install --find" + "-links wheels",
    ],
)
def test_HOUS_007_planted_foreign_word_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(f"# Title\n\n{line}\n", encoding="utf-8")
    assert [(f.line, f.rule) for f in tidy.check_tree(tmp_path)] == [(3, "foreign-word")]


def test_HOUS_007_own_words_are_left_alone() -> None:
    text = "the network/ folder, a framework/ and the design of homework\n"
    assert tidy.foreign_words(text, "docs/page.md") == []
