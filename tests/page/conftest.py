"""What the tests of the page share: where it is, its unit tests run once, and a browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools.page import PageError, find_node

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "dashboard"
STATIC = ROOT / "src" / "steelyard" / "service" / "web" / "static"
CODE = re.compile(r"PAGE-\d{3}")


class UnitTests:
    """The unit tests of the page that stand under a criterion."""

    def __init__(self, outcomes: dict[str, list[tuple[str, str]]]) -> None:
        self._outcomes = outcomes

    def prove(self, code: str) -> None:
        """Fail unless tests stand under the code and all of them passed."""
        found = self._outcomes.get(code, [])
        assert found, f"no unit test of the page stands under {code}"
        failed = [name for name, status in found if status != "passed"]
        assert not failed, f"{code}: {failed}"


@pytest.fixture(scope="session")
def unit_tests(tmp_path_factory: pytest.TempPathFactory) -> UnitTests:
    """Run `npm test` once; skipped where Node or its packages are not installed."""
    vitest = DASHBOARD / "node_modules" / "vitest" / "vitest.mjs"
    try:
        node = find_node()
    except PageError as error:
        pytest.skip(str(error))
    if not vitest.is_file():
        pytest.skip("the page's packages are not installed: python -m tools.page")
    report = tmp_path_factory.mktemp("page") / "report.json"
    command = [str(node), str(vitest), "run", "--reporter=json", f"--outputFile={report}"]
    done = subprocess.run(command, cwd=DASHBOARD, capture_output=True, text=True, check=False)
    assert report.is_file(), done.stdout + done.stderr
    outcomes: dict[str, list[tuple[str, str]]] = {}
    for file in json.loads(report.read_text(encoding="utf-8"))["testResults"]:
        for test in file["assertionResults"]:
            found = CODE.match(test["fullName"])
            assert found, f"{test['fullName']} stands under no criterion"
            outcomes.setdefault(found[0], []).append((test["title"], test["status"]))
    return UnitTests(outcomes)


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the folder of the built page; skipped where it is not built."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the page is not built: python -m tools.page")
    return STATIC


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a root with a small dashboard of its own."""
    dashboard = tmp_path / "dashboard"
    (dashboard / "src").mkdir(parents=True)
    for name in ("index.html", "package.json", "package-lock.json", "src/main.tsx"):
        (dashboard / name).write_text(name, encoding="utf-8")
    return tmp_path


@contextmanager
def chromium() -> Iterator[Any]:
    """Run a headless Chromium; the test is skipped where there is none."""
    sync = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def browser() -> Iterator[Any]:
    """Return a headless Chromium; skipped where there is none."""
    with chromium() as found:
        yield found
