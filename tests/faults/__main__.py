"""`python -m tests.faults`: judge every cell and print what was played. STEELYARD_FAULT_SEEDS: seeds of a cell."""

from __future__ import annotations

import time
from collections import Counter

from tests.faults.cells import CANNOT_OCCUR, UNKNOWABLE, every_cell, seeds
from tests.faults.rows import judge_row


def main() -> None:
    """Judge all cells, one row of targets after another."""
    runs: Counter[str] = Counter()
    events: Counter[str] = Counter()
    worst: dict[str, float] = {}
    began = time.perf_counter()
    for cell in every_cell():
        if cell in CANNOT_OCCUR:
            continue
        for seed in seeds():
            tally = judge_row(cell, seed)
            runs[cell.target] += 1
            events[cell.target] += tally.events
            if cell.share in ("one", "minority"):
                worst[cell.target] = max(worst.get(cell.target, 0.0), tally.worst_error)
    cells = every_cell()
    print(
        f"{len(cells)} cells: {len(cells) - len(CANNOT_OCCUR)} judged, {len(CANNOT_OCCUR)} cannot occur,"
    )
    print(
        f"{len(UNKNOWABLE)} of the judged cannot be known while they last; {len(seeds())} seeds each"
    )
    for target in runs:
        print(
            f"{target:10}  {runs[target]:6} runs  {events[target]:8} events  "
            f"worst error under a minority {worst.get(target, 0.0):.3%}"
        )
    print(
        f"{sum(runs.values())} runs, {sum(events.values())} events, {time.perf_counter() - began:.0f} s"
    )


main()
