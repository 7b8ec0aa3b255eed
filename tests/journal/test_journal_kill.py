"""A writing process is killed at random moments; its journal goes on where it was."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from steelyard.journal import SqliteJournal
from tests.journal.kill_child import payload_at

CHILD = Path(__file__).with_name("kill_child.py")
KILLS = 50


def killed_run(path: Path, manner: str, seed: int, wait_s: float) -> int:
    """Run a child, kill it `wait_s` after its first word, return the last position it promised."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(path), manner, str(seed)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    said = b""
    try:
        assert select.select([child.stdout], [], [], 60)[0], "the child never spoke"
        time.sleep(wait_s)
    finally:
        child.kill()
        said, _ = child.communicate()
    assert child.returncode == -9, said
    # The last line may be cut: only whole ones are promises.
    return int(said[: said.rindex(b"\n")].split(b"\n")[-1])


@pytest.mark.slow
def test_JOUR_024_killed_process_loses_nothing_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "journal.db"
    SqliteJournal.create(path, b"killed").close()
    random = Random(24)
    promised = reached = beyond = 0
    for kill in range(KILLS):
        wait_s = random.choice((0.0, random.uniform(0, 0.01), random.uniform(0, 0.1)))
        last = killed_run(path, random.choice(("direct", "committer")), kill, wait_s)
        assert last >= promised
        promised = last
        depth = "whole" if kill % 10 == 9 else "tail"
        with SqliteJournal.open(path, verify=depth) as journal:
            assert journal.durable_position >= max(promised, reached), f"kill {kill}"
            for record in journal.read(reached + 1):
                assert record.payload == payload_at(record.position), f"kill {kill}"
                assert record.seq == record.position // 3
            beyond += journal.durable_position > promised
            reached = journal.durable_position
            # The parent goes on itself, then the next child does.
            journal.append((reached + 1) // 3, 0, payload_at(reached + 1))
            promised = reached = journal.flush()
    with capsys.disabled():
        print(f"\n  {KILLS} kills, {promised} records, 0 lost, {beyond} kept more than promised")
