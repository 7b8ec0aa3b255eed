"""What every bench shares: the machine it ran on, paired timing, and the line it reports.

A shared machine drifts by tens of per cent within a minute, so two programs are never timed one
after the other. `paired` runs them in turn and takes the median of the ratios of neighbours.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
RESULTS_VARIABLE = "STEELYARD_BENCH_RESULTS"
PACKAGES = ("steelyard", "numpy", "numba", "llvmlite", "msgspec", "pyarrow", "scipy")


@dataclass(frozen=True)
class Machine:
    """Where and when a figure was measured, and of which commit."""

    processor: str
    cores: int
    cache: str
    system: str
    python: str
    versions: dict[str, str]
    commit: str
    date: str

    def lines(self) -> list[str]:
        """Return the machine as the few lines that stand above every figure."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return [
            f"machine  {self.processor}, {self.cores} cores usable, cache {self.cache}",
            f"system   {self.system}, Python {self.python}",
            f"versions {versions}",
            f"commit   {self.commit}, {self.date}",
        ]


@dataclass(frozen=True)
class Paired:
    """Two programs timed in turn: seconds of each, and the ratio slower/faster of neighbours.

    `ratio` is the median of second/first: above 1 the first program is the faster one. `low` and
    `high` are the quartiles of the ratios: when they straddle 1 the two are alike.
    """

    first_s: float
    second_s: float
    ratio: float
    low: float
    high: float
    rounds: int


def read_machine() -> Machine:
    """Return the machine, the versions and the commit of this moment."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        cache=_cache(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=versions,
        commit=_commit(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def print_machine() -> None:
    """Print the machine once; a run of all benches prints it above the first."""
    if RESULTS_VARIABLE not in os.environ:
        print("\n".join(read_machine().lines()) + "\n")


def paired(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    *,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> Paired:
    """Return the two programs timed in turn, `rounds` times each, after `warm_up` unmeasured ones.

    Every second round starts with the other program, so neither always runs on the caches the
    other has left. The garbage collector is off while the clock runs.

    >>> ticks = iter(range(100))
    >>> paired(lambda: None, lambda: None, 3, clock=lambda: float(next(ticks))).ratio
    1.0
    """
    assert rounds > 0
    for _ in range(warm_up):
        first()
        second()
    times: tuple[list[float], list[float]] = ([], [])
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                program = second if which else first
                start = clock()
                program()
                times[which].append(clock() - start)
    finally:
        if was_enabled:
            gc.enable()
    ratios = [b / a for a, b in zip(*times, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if rounds > 1 else (ratios[0],) * 3
    return Paired(
        first_s=statistics.median(times[0]),
        second_s=statistics.median(times[1]),
        ratio=statistics.median(ratios),
        low=low,
        high=high,
        rounds=rounds,
    )


def peer(name: str) -> ModuleType | None:
    """Return the module of a peer, or None after saying that its comparison is skipped."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"skipped: {name} is not installed; `make setup-dev` brings it")
        return None


def report(name: str, value: float, unit: str, *, goal: str = "", note: str = "") -> None:
    """Print one figure, and hand it to the table that `make bench` prints at the end.

    `goal` is `>= 1.3`, `<= 300` or empty; a figure that misses its goal says so.
    """
    row = {"name": name, "value": value, "unit": unit, "goal": goal, "note": note}
    print(format_row(row))
    if target := os.environ.get(RESULTS_VARIABLE):
        with open(target, "a", encoding="utf-8") as results:
            results.write(json.dumps(row) + "\n")


def format_row(row: dict[str, object]) -> str:
    """Return a figure as a line: name, value, unit, goal and whether it is met."""
    verdict = {True: "met", False: "MISSED", None: ""}[is_met(row)]
    goal = f"goal {row['goal']}" if row["goal"] else ""
    number = f"{float(str(row['value'])):.4g}"
    return f"{row['name']:<58} {number:>10} {row['unit']:<12} {goal:<14} {verdict:<6} {row['note']}".rstrip()


def is_met(row: dict[str, object]) -> bool | None:
    """Return whether a figure meets its goal; None where there is no goal."""
    if not row["goal"]:
        return None
    relation, bound = str(row["goal"]).split()
    value = float(str(row["value"]))
    return value >= float(bound) if relation == ">=" else value <= float(bound)


def machine_as_dict() -> dict[str, object]:
    """Return the machine as a JSON-ready mapping, for figures kept in a file."""
    return asdict(read_machine())


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cache() -> str:
    """Return the sizes of the caches of the first core, from the inside out."""
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = []
    for index in sorted(folder.glob("index*")):
        try:
            kind = (index / "type").read_text(encoding="utf-8").strip()
            level = (index / "level").read_text(encoding="utf-8").strip()
            size = (index / "size").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if kind != "Instruction":
            sizes.append(f"L{level} {size}")
    return ", ".join(sizes) or "unknown"


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = " with changes" if git("status", "--porcelain") else ""
        return git("rev-parse", "--short=12", "HEAD") + changed
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


if __name__ == "__main__":
    print("\n".join(read_machine().lines()))
