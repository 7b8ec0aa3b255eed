"""The matrix finds every fault it promises to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import matrix

SPEC = """# Demand

Capabilities: C1, C4

### DEMO-001 Two and two are four
Worked numbers: 2 + 2 = 4.

### DEMO-002 Three and three are six
Capabilities: C9

```
### DEMO-003 inside a fence is an example
```
"""
TESTS = """
def test_DEMO_001_sum(): ...
class TestSums:
    def test_DEMO_001_DEMO_002_both(self): ...
def helper_DEMO_009(): ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("specs", "tests/book", "bench"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "specs" / "01-DEMO.md").write_text(SPEC, encoding="utf-8")
    (tmp_path / "specs" / "README.md").write_text("### DEMO-777 not a spec\n", encoding="utf-8")
    (tmp_path / "tests" / "book" / "test_sum.py").write_text(TESTS, encoding="utf-8")
    assert matrix.main([], tmp_path) == 0
    return tmp_path


def faults(project: Path) -> list[str]:
    return matrix.read_matrix(project).faults


def test_HOUS_008_page_lists_sentence_tests_and_capabilities(project: Path) -> None:
    page = (project / "specs" / "matrix.md").read_text(encoding="utf-8")
    assert "2 of 2 criteria proven, by 2 tests." in page
    assert (
        "| DEMO-001 | Two and two are four | C1, C4 | `tests/book/test_sum.py::"
        "test_DEMO_001_DEMO_002_both`<br>`tests/book/test_sum.py::test_DEMO_001_sum` |"
    ) in page
    assert "| DEMO-002 | Three and three are six | C9 |" in page
    assert matrix.main(["--check"], project) == 0


def test_HOUS_008_stale_page_is_a_fault(project: Path) -> None:
    with (project / "specs" / "matrix.md").open("a", encoding="utf-8") as page:
        page.write("one more line\n")
    assert matrix.main(["--check"], project) == 1


def test_HOUS_008_criterion_without_test_is_a_fault(project: Path) -> None:
    with (project / "specs" / "01-DEMO.md").open("a", encoding="utf-8") as spec:
        spec.write("\n### DEMO-004 Nobody proves this\n")
    assert faults(project) == ["specs/01-DEMO.md: DEMO-004 has no test: Nobody proves this"]
    assert matrix.main([], project) == 1
    assert f"Nobody proves this | C1, C4 | {matrix.NO_TEST} |" in (
        project / "specs" / "matrix.md"
    ).read_text(encoding="utf-8")


def test_HOUS_008_test_without_criterion_is_a_fault(project: Path) -> None:
    test = project / "tests" / "test_more.py"
    test.write_text("def test_DEMO_099_unknown(): ...\n", encoding="utf-8")
    assert faults(project) == [
        "tests/test_more.py: test_DEMO_099_unknown cites DEMO-099, which no spec defines"
    ]


def test_HOUS_008_code_used_twice_is_a_fault(project: Path) -> None:
    spec = project / "specs" / "02-MORE.md"
    spec.write_text("### DEMO-001 Again\n", encoding="utf-8")
    assert "specs/02-MORE.md: DEMO-001 is defined twice" in faults(project)


def test_HOUS_008_bench_proves_a_criterion_too(project: Path) -> None:
    with (project / "specs" / "01-DEMO.md").open("a", encoding="utf-8") as spec:
        spec.write("\n### DEMO-005 It is fast\n")
    bench = project / "bench" / "speed.py"
    bench.write_text("def bench_DEMO_005_sum(): ...\n", encoding="utf-8")
    assert faults(project) == []
