"""`steelyard replay`: the same events, the same outcomes, the same hash, or the place they differ."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from steelyard.cli.output import print_json
from steelyard.engine import replay_journal
from steelyard.journal import salvage, verify_journal

EXIT_OK, EXIT_BREACH, EXIT_CORRUPT = 0, 1, 4


def replay_command(
    journal: Path,
    verify: bool,
    shards: int,
    to_seq: int | None,
    salvage_to: Path | None,
    as_json: bool,
) -> int:
    """Replay a journal and print what was compared; return the exit code.

    salvage_to: copy the records before the first bad one there, and do nothing else. verify: first
    check every record against the hash chain and the seal. A journal with a bad byte
    is not replayed: exit code 4 with the place. A difference: exit code 1.
    """
    report: dict[str, Any] = {"journal": str(journal)}
    if salvage_to is not None:
        kept = salvage(journal, salvage_to)
        report["salvage"] = asdict(kept)
        _show(report, as_json, "\n".join(f"{k}: {v}" for k, v in asdict(kept).items()))
        return EXIT_OK
    if verify:
        checked = verify_journal(journal)
        report["bytes"] = checked.as_dict()
        if not checked.is_sound:
            _show(report, as_json, f"corrupt: {checked.reason}\n{checked.advice}")
            return EXIT_CORRUPT
    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as bar:
        task = bar.add_task("replaying", total=None)
        engine, replayed = replay_journal(
            journal, shards, to_seq, on_progress=lambda n: bar.update(task, completed=n)
        )
    engine.check_sums()
    report |= {
        "shards": shards,
        "events": replayed.events,
        "outcomes_checked": replayed.outcomes_checked,
        "state_hashes_checked": replayed.checkpoints_checked,
        "seq": replayed.last_seq,
        "state_hash": replayed.state_hash,
        "sums_are_zero": True,
        "is_identical": not replayed.difference,
    }
    if replayed.difference:
        report |= {"difference_seq": replayed.difference_seq, "difference": replayed.difference}
    _show(report, as_json, _words(report))
    return EXIT_BREACH if replayed.difference else EXIT_OK


def _words(report: dict[str, Any]) -> str:
    lines = [
        f"replayed {report['events']:,} events with {report['shards']} shard(s), "
        f"compared {report['outcomes_checked']:,} outcome records and "
        f"{report['state_hashes_checked']} state hashes",
        f"state hash {report['state_hash']}",
    ]
    if report["is_identical"]:
        lines.append("identical: every outcome and hash as recorded; money sums to zero")
    else:
        lines.append(f"DIFFERENT at event {report['difference_seq']}: {report['difference']}")
    return "\n".join(lines)


def _show(report: dict[str, Any], as_json: bool, words: str) -> None:
    if as_json:
        print_json(report)
    else:
        print(words)
