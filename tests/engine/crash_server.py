"""A server that forks drivers of a journaled engine, so that they can be killed at any moment.

It imports and warms everything once; each line of its input starts one driver in a fork:

    path shards pace_us limit_bytes     (pace: a pause after each wait; limit 0: none)

A driver creates the journal or opens it, goes on with the script where it stands, and after every
wait says how far it is. On the output: `p PID` started, `a SEQ` acknowledged, `e CODE` refused by
the disk, `d SEQ` done, `x` ended.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path
from random import Random

from steelyard.engine import create_engine, open_engine
from steelyard.quantities import JournalError
from steelyard.ticks import Event
from tests.support.method import load_method
from tests.support.script import outcomes_and_hashes, scripted_events

COUNT = 4_000
SNAPSHOT_EVERY = 150


def say(text: str) -> None:
    """Write one line in one go."""
    os.write(1, f"{text}\n".encode())


def drive(path: Path, shards: int, pace_us: int, limit_bytes: int, events: list[Event]) -> None:
    """Submit events in groups, snapshot now and then, and say what is durable."""
    if limit_bytes:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    if Path(f"{path}.seal").exists():
        journaled = open_engine(path, shards)
    else:
        journaled = create_engine(path, load_method(), shards)
    random = Random(os.getpid())
    say(f"a {journaled.engine.seq}")
    while journaled.engine.seq < len(events):
        first = journaled.engine.seq
        for event in events[first : first + random.randrange(1, 20)]:
            journaled.engine.submit(event)
            if journaled.engine.seq % SNAPSHOT_EVERY == 0:
                journaled.snapshot()
        journaled.wait()
        say(f"a {journaled.engine.seq}")
        time.sleep(pace_us / 1e6)
    journaled.close()
    say(f"d {journaled.engine.seq}")


def serve() -> None:
    """Fork a driver for every line, and wait for its end."""
    events = scripted_events(COUNT)
    outcomes_and_hashes(events[:300], every=300)
    say("ready")
    for line in sys.stdin:
        path, shards, pace_us, limit_bytes = line.split()
        pid = os.fork()  # no thread runs here: the committer starts in the driver
        if pid == 0:
            try:
                drive(Path(path), int(shards), int(pace_us), int(limit_bytes), events)
            except JournalError as error:
                say(f"e {error.code}")
            finally:
                os._exit(0)
        say(f"p {pid}")
        os.waitpid(pid, 0)
        say("x")


if __name__ == "__main__":
    serve()
