"""A process that appends and says what is durable, until it is killed.

python kill_child.py JOURNAL direct|committer SEED
"""

from __future__ import annotations

import os
import sys
from random import Random

from steelyard.journal import GroupCommitter, SqliteJournal


def payload_at(position: int) -> bytes:
    """Return the payload that every child gives to this position."""
    return Random(position).randbytes(20 + position % 180)


def say(position: int) -> None:
    os.write(1, b"%d\n" % position)


def write_directly(path: str, random: Random) -> None:
    """Append and flush groups of 1 to 20."""
    journal = SqliteJournal.open(path)
    say(journal.durable_position)
    while True:
        for _ in range(random.randint(1, 20)):
            position = journal.position + 1
            journal.append(position // 3, 0, payload_at(position))
        say(journal.flush())
        if random.random() < 0.1:
            position = journal.durable_position
            journal.put_snapshot(position, position // 3, b"hash", payload_at(position) * 20)


def write_behind(path: str, random: Random) -> None:
    """Append through the committer, asking now and then."""
    committer = GroupCommitter(lambda: SqliteJournal.open(path), group_wait_ms=1.0)
    say(committer.durable_position)
    while True:
        for _ in range(random.randint(1, 60)):
            position = committer.position + 1
            committer.append(position // 3, 0, payload_at(position))
        if random.random() < 0.3:
            committer.flush()
        say(committer.durable_position)


if __name__ == "__main__":
    _, journal_path, manner, seed = sys.argv
    {"direct": write_directly, "committer": write_behind}[manner](journal_path, Random(seed))
