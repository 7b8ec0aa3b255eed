"""Tick to decision, in process: 10,000 accounts, a full pass on every tick that moves a mark.

Two sessions where both can be had: the simulated market (always), and the ten minutes of
10 October 2025 from 21:10 UTC (where the recorded data are). Times run from the event's arrival to the
end of its actions, before the journal's flush; the journal's own times stand beside them.

    python -m bench.tick_to_decision [--quick] [--accounts 10000] [--data DIR]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from bench.machine import print_machine, report
from steelyard.cli.run import flush_quantiles
from steelyard.cli.session import Session
from steelyard.cli.wiring import parse_time_us, recorded_session, simulated_session


def main() -> None:
    """Run the sessions and print their latencies and each room's share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds a session")
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--data", type=Path, default=_data_folder())
    arguments = parser.parse_args()
    people = f"population:{arguments.accounts}"
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        duration_s = 60 if arguments.quick else 600
        path = Path(folder) / "simulated.journal"
        simulated = simulated_session(
            7, people, duration_s, "crash", 1, path, None, 5_000_000, print
        )
        _measure("simulated", simulated)
        if arguments.data is None:
            print("recorded: skipped, no data folder (STEELYARD_DATA or ../shared/data)")
            return
        end = "21:12:00" if arguments.quick else "21:20:00"
        recorded = recorded_session(
            arguments.data,
            arguments.data / "deribit_chains",
            people,
            7,
            parse_time_us("2025-10-10T21:10:00Z", "from"),
            parse_time_us(f"2025-10-10T{end}Z", "to"),
            1,
            Path(folder) / "recorded.journal",
            None,
            5_000_000,
            print,
        )
        _measure("recorded", recorded)


def _data_folder() -> Path | None:
    named = os.environ.get("STEELYARD_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    if named:
        return Path(named)
    return beside if beside.is_dir() else None


def _measure(name: str, session: Session) -> None:
    for _ in session.steps():
        pass
    session.finish()
    watch = session.engine.stopwatch
    quantiles = watch.quantiles_us()
    units = len(session.engine.places)
    note = f"{session.accounts:,} accounts, {units:,} margin units, {session.applied:,} ticks"
    report(f"{name}: tick to decision p50", quantiles["p50"], "µs", note=note)
    report(f"{name}: tick to decision p99", quantiles["p99"], "µs")
    report(f"{name}: ticks per second", session.applied / session.elapsed_s, "1/s")
    flush = flush_quantiles(list(session.journaled.committer.flush_us))
    report(f"{name}: journal flush p50", flush["p50"], "µs")
    report(f"{name}: journal flush p99", flush["p99"], "µs")
    for room, share in watch.shares().items():
        report(f"{name}: share of {room}", 100 * share, "%")
    session.journaled.close()


if __name__ == "__main__":
    main()
