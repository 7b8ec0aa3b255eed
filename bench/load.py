"""How late 200 readers are told of ticks by a real `steelyard serve` with 10,000 accounts, and whether it stays small.

The service is a process of its own, over the simulated market at its own pace; the readers are connections of this
process: accounts, one account, a ticker and health in equal parts. One more never reads, and one reads a
message a second; the others must not notice. Latency is from the instant of the event that a change names to
when its reader has it, less the least of that over all readers: engine time has no other clock in common with the
readers', so what the fastest is told late is not in it. Both processes share the machine's cores.

Goals: no gap in any reader; p99 of the latency of raw channels below 100 ms; memory within a tenth of what it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.machine import print_machine, report

QUICK_MINUTES = 0.25
ACCOUNTS = 10_000
TICKER = "ticker.BTC_USDC-PERPETUAL.raw"
SLOW_EVERY_S = 1.0
WARM_S = 5.0
READERS_A_KEY = 50  # a key has 64 grants
DOCUMENT = """
[accounts]
source = "population:{accounts}"
[server]
port = 0
connections_max = 4000
connections_per_address_max = 4000
[access]
keys = "keys.json"
reading_per_s = 10000000
reading_burst = 100000000
[rewind]
is_on = false
"""


class Step(msgspec.Struct, frozen=True):
    """What is looked at of a channel's data; a ticker's time is in milliseconds."""

    type: str = ""
    change_id: int | None = None
    previous_change_id: int | None = None
    time_us: int = 0
    timestamp: int = 0

    @property
    def instant_us(self) -> int:
        """Return when it happened, in engine time."""
        return self.time_us or self.timestamp * 1_000


class Kind:
    """What the readers of one kind of channel were told."""

    def __init__(self) -> None:
        self.ages: list[float] = []
        self.told = 0
        self.restarts = 0


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def keys_in(folder: Path, count: int) -> tuple[list[tuple[str, str]], str]:
    """Return signing keys of every account with their secrets, and the master key they are sealed under."""
    from steelyard.service.access import MasterKey, Rights, create_key

    master = secrets.token_bytes(32)
    rights = Rights(label="load", scopes=("read", "risk"), accounts="all", expires_us=None)
    found = []
    for _ in range(count):
        made = create_key(
            folder / "keys.json", "hmac", rights, time_us=time.time_ns() // 1_000,
            random=os.urandom, master=MasterKey(master),
        )  # fmt: skip
        assert made.secret is not None
        found.append((made.key.id, made.secret.reveal()))
    return found, master.hex()


async def follow(client: Any, channel: str, kind: Kind, is_on: asyncio.Event) -> None:
    """Read a channel for good."""
    reader = client.subscribe(channel, as_type=Step)
    try:
        async for step in reader:
            if is_on.is_set():
                kind.told += 1
                if step.instant_us and step.type != "snapshot":
                    kind.ages.append(time.time() * 1e6 - step.instant_us)
    finally:
        kind.restarts += reader.restarts


async def read_slowly(url: str, proof: Any, every_s: float | None) -> dict[str, int]:
    """Read a message each so often, or none at all; return what was told, with gaps and snapshots."""
    found = {"told": 0, "snapshots": 0, "gaps": 0, "closed": 0}
    last: int | None = None
    with suppress(ConnectionClosed):
        async with connect(
            url, max_queue=1, max_size=None, compression=None, ping_interval=None
        ) as ws:
            for number, (method, params) in enumerate(
                (
                    ("public/auth", proof.params()),
                    ("private/subscribe", {"channels": ["accounts.raw"]}),
                )
            ):
                asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                await ws.send(json.dumps(asked))
            try:
                while every_s is None:
                    await asyncio.sleep(3_600)
                while True:
                    message = json.loads(await ws.recv())
                    if message.get("method") != "subscription":
                        continue
                    data = message["params"]["data"]
                    found["told"] += 1
                    if data["type"] == "snapshot":
                        found["snapshots"] += 1
                    elif data["previous_change_id"] != last:
                        found["gaps"] += 1
                    last = data["change_id"]
                    await asyncio.sleep(every_s)
            except asyncio.CancelledError:
                return found
    found["closed"] = 1
    return found


async def load(
    told: Any, keys: list[tuple[str, str]], readers: int, minutes: float
) -> dict[str, Any]:
    """Return what was measured."""
    from steelyard.service.client import Client
    from steelyard.service.client.proofs import Proof

    def client(key: tuple[str, str]) -> Client:
        return Client(
            told["websocket"], key_id=key[0], secret=key[1], is_signed=True, timeout_s=120.0,
            heartbeat_s=None,
        )  # fmt: skip

    clients = [client(keys[number // READERS_A_KEY]) for number in range(readers)]
    for each in clients:
        await each.__aenter__()
    async with clients[0].subscribe("accounts.1000ms") as accounts:
        units: list[str] = (await anext(accounts))["units"]
    channels = ("accounts.200ms", "account", TICKER, "health.200ms")
    kinds = {name: Kind() for name in channels}
    is_on = asyncio.Event()
    tasks = []
    for number, each in enumerate(clients):
        name = channels[number % len(channels)]
        full = f"account.{units[number * 37 % len(units)]}.raw" if name == "account" else name
        tasks.append(asyncio.ensure_future(follow(each, full, kinds[name], is_on)))
    proof = Proof(*keys[-1], is_signed=True)
    slow = asyncio.ensure_future(read_slowly(told["websocket"], proof, SLOW_EVERY_S))
    never = asyncio.ensure_future(read_slowly(told["websocket"], proof, None))
    await asyncio.sleep(WARM_S)
    is_on.set()
    memory, loads = [memory_mib(told["pid"])], [os.getloadavg()[0]]
    steps = max(4, int(minutes * 2))
    for _ in range(steps):
        await asyncio.sleep(minutes * 60.0 / steps)
        memory.append(memory_mib(told["pid"]))
        loads.append(os.getloadavg()[0])
    is_on.clear()
    for task in (*tasks, slow, never):
        task.cancel()
    ended = await asyncio.gather(*tasks, slow, never, return_exceptions=True)
    for each in clients:
        await each.close()
    slowly, nothing = (each if isinstance(each, dict) else {} for each in ended[-2:])
    return figures(kinds, memory, loads, slowly, nothing, sum(each.reconnects for each in clients))


def figures(
    kinds: dict[str, Kind], memory: list[float], loads: list[float], slowly: Any, nothing: Any,
    reconnects: int,
) -> dict[str, Any]:  # fmt: skip
    """Return the figures of a run."""
    least = min((min(kind.ages) for kind in kinds.values() if kind.ages), default=0.0)
    found: dict[str, Any] = {"channels": {}}
    for name, kind in kinds.items():
        ages = sorted((age - least) / 1e3 for age in kind.ages)
        row: dict[str, Any] = {"told": kind.told, "restarts": kind.restarts}
        if ages:
            row |= {"p50_ms": ages[len(ages) // 2], "p99_ms": ages[int(0.99 * (len(ages) - 1))]}
        found["channels"][name] = row
    return found | {
        "memory_mib": [round(each, 1) for each in memory], "slow": slowly, "never": nothing,
        "load_average": [round(each, 1) for each in loads], "reconnects": reconnects,
    }  # fmt: skip


def main() -> None:
    """Start the service, load it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    parser.add_argument("--quick", action="store_true", help="a quarter of a minute")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON too")
    options = parser.parse_args()
    minutes = QUICK_MINUTES if options.quick else options.minutes
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "serve.toml").write_text(DOCUMENT.format(accounts=options.accounts))
        keys, master = keys_in(folder, -(-options.readers // READERS_A_KEY) + 1)
        words = [sys.executable, "-m", "steelyard.cli.app", "serve", "serve.toml", "--json"]
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder,
            env=os.environ | {"STEELYARD_MASTER_KEY": master}, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            found = asyncio.run(load(told, keys, options.readers, minutes))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    show(found, minutes)
    if options.json:
        print(json.dumps(found))


def show(found: dict[str, Any], minutes: float) -> None:
    """Print the figures with their goals."""
    beside = f"load average {found['load_average'][0]} to {found['load_average'][-1]}"
    for name, row in found["channels"].items():
        report(f"load {name} told", row["told"], "notices", note=beside)
        report(f"load {name} restarts", row["restarts"], "", goal="<= 0")
        if "p50_ms" in row:
            goal = "<= 100" if name in ("account", TICKER) else ""
            report(f"load {name} p50", row["p50_ms"], "ms", note="beyond the fastest notice")
            report(f"load {name} p99", row["p99_ms"], "ms", goal=goal, note=beside)
    memory = found["memory_mib"]
    report("load memory first", memory[0], "MiB")
    report("load memory last", memory[-1], "MiB", note=f"after {minutes:g} min")
    report("load memory growth", 100.0 * (memory[-1] / memory[0] - 1.0), "%", goal="<= 10")
    report("load slow reader gaps", found["slow"].get("gaps", -1), "", goal="<= 0",
           note=f"{found['slow']}")  # fmt: skip
    report("load reconnects of the others", found["reconnects"], "", goal="<= 0",
           note=f"the one that never reads: {found['never']}")  # fmt: skip


if __name__ == "__main__":
    main()
