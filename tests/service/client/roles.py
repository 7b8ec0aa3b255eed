"""A served market with its keys, as a process of its own, for clients of every kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any

from steelyard.service.access import MasterKey, Rights, create_key
from tests.service.access.roles import CHEAP, MASTER

SCRIPT = Path(sysconfig.get_path("scripts")) / "steelyard"
WAIT_S = 60.0
DOCUMENT = """
[market]
speed = 1
[accounts]
source = "population:60"
[access]
keys = "keys.json"
anonymous_per_s = 100000
anonymous_burst = 1000000
[rewind]
is_on = false
"""


@dataclass(frozen=True)
class Proof:
    """A key and what proves it."""

    id: str
    secret: str


@dataclass(frozen=True)
class Served:
    """A running service: its addresses, a unit with positions, and keys."""

    api: str
    websocket: str
    base: str
    risk: Proof
    """Every account: read, simulate, risk, trade."""
    desk: Proof
    """One account: read and simulate."""
    signer: Proof
    """The same account, by signatures."""
    account: str


def key(path: Path, kind: Any, scopes: Any, accounts: Any, **more: Any) -> Proof:
    """Return a new key of a file."""
    rights = Rights(label="", scopes=scopes, accounts=accounts, expires_us=None)
    made = create_key(
        path, kind, rights, time_us=time_ns() // 1_000, random=os.urandom,
        master=MasterKey(MASTER), cost=CHEAP, **more,
    )  # fmt: skip
    assert made.secret is not None
    return Proof(made.key.id, made.secret.reveal())


@contextmanager
def served(folder: Path, account: str = "maker-000036") -> Iterator[Served]:
    """Run `steelyard serve` over a small simulated market until the block ends; its exit code is 0."""
    (folder / "serve.toml").write_text(DOCUMENT, encoding="utf-8")
    path = folder / "keys.json"
    risk = key(path, "secret", ("read", "simulate", "risk", "trade"), "all")
    desk = key(path, "secret", ("read", "simulate"), (account,))
    signer = key(path, "hmac", ("read", "simulate"), (account,))
    clean = {name: text for name, text in os.environ.items() if not name.startswith("STEELYARD_")}
    clean["STEELYARD_MASTER_KEY"] = MASTER.hex()
    words = [str(SCRIPT), "serve", "serve.toml", "--port", "0", "--json"]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=clean
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "stderr").read_text()
            told = json.loads(line)
            base = told["api"].removesuffix("/api/v2")
            yield Served(told["api"], told["websocket"], base, risk, desk, signer, account)
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == 0, (folder / "stderr").read_text()
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
