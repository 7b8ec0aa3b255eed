"""Run every bench and print one table of figures.

    python -m bench.run                  all of them, at their quick setting
    python -m bench.run --full           all of them, as long as each thinks right
    python -m bench.run black76 pass     those whose name holds one of these words

Each bench is a process of its own, so one cannot warm or disturb another.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.machine import RESULTS_VARIABLE, ROOT, format_row, is_met, read_machine

NOT_BENCHES = frozenset({"__init__.py", "machine.py", "run.py", "coefficients.py"})


def benches(words: list[str], folder: Path) -> list[str]:
    """Return the names of the modules of `folder` that have a `main`, in alphabetical order."""
    names = []
    for path in sorted(folder.glob("*.py")):
        if path.name in NOT_BENCHES or (words and not any(word in path.stem for word in words)):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
            names.append(path.stem)
    return names


def run_bench(name: str, *, is_full: bool) -> tuple[int, list[dict[str, object]]]:
    """Run one bench with its output passed through; return its exit status and its figures."""
    command = [sys.executable, "-m", f"bench.{name}"]
    if not is_full and "--quick" in (ROOT / "bench" / f"{name}.py").read_text(encoding="utf-8"):
        command.append("--quick")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.jsonl"
        results.touch()
        environment = os.environ | {RESULTS_VARIABLE: str(results)}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return status, rows


def main(arguments: list[str] | None = None) -> int:
    """Run the benches; return 1 when one of them failed to run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="run the benches whose name holds one of these")
    parser.add_argument("--full", action="store_true", help="leave out --quick")
    options = parser.parse_args(arguments)
    machine = "\n".join(read_machine().lines())
    print(machine)
    table: list[dict[str, object]] = []
    failed: list[str] = []
    for name in benches(options.words, ROOT / "bench"):
        print(f"\n── {name} " + "─" * max(0, 70 - len(name)), flush=True)
        status, rows = run_bench(name, is_full=options.full)
        table += rows
        if status:
            failed.append(name)
    print("\n══ figures " + "═" * 62)
    print(machine)
    print("\n".join(format_row(row) for row in table))
    missed = sum(1 for row in table if is_met(row) is False)
    print(f"{len(table)} figures, {missed} missed their goal")
    for name in failed:
        print(f"bench {name} did not run to its end")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
