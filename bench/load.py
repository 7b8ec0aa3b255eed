"""How late 200 readers are told of ticks by a real `steelyard serve` with 10,000 accounts, and whether it stays small.

The service is a process of its own, over the simulated market at its own pace; the readers are connections of this
process: accounts, one account, a ticker and health in equal parts. They look for the head of each message
alone (its kind, its change, its time), so that they are not the limit: what a client does with all
accounts five times a second is its own. One more never reads, and one reads
for a moment each second; the others must not notice. Latency is from the instant of the event that a change names to
when its reader has it, less the least of that over all readers: engine time has no other clock in common with the
readers', so what the fastest is told late is not in it. Both processes share the machine's cores.

Goals: no gap in any reader; p99 of the latency of raw channels below 100 ms; memory in the second half of the run
within a hundredth of what it was at its middle: what is remembered is bounded, and takes a quarter of an hour to fill.
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
from pathlib import Path
from typing import Any

from bench.machine import print_machine, report
from bench.taps import Tally, Tap, open_tap

QUICK_MINUTES = 0.25
LONG_MINUTES = 30.0
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


async def read_slowly(tap: Tap, every_s: float) -> None:
    """Let a connection read for a moment each so often."""
    while True:
        tap.transport.pause_reading()
        await asyncio.sleep(every_s)
        tap.transport.resume_reading()
        await asyncio.sleep(0.0)


async def load(
    told: Any, keys: list[tuple[str, str]], readers: int, minutes: float
) -> dict[str, Any]:
    """Return what was measured."""
    from steelyard.service.client import Client
    from steelyard.service.client.proofs import Proof

    url = told["websocket"]
    async with (
        Client(url, key_id=keys[0][0], secret=keys[0][1], is_signed=True) as client,
        client.subscribe("accounts.1000ms") as accounts,
    ):
        units: list[str] = (await anext(accounts))["units"]
    channels = ("accounts.200ms", "account", TICKER, "health.200ms")
    tallies = {name: Tally() for name in channels}
    taps = []
    for number in range(readers):
        name = channels[number % len(channels)]
        full = f"account.{units[number * 37 % len(units)]}.raw" if name == "account" else name
        proof = Proof(*keys[number // READERS_A_KEY], is_signed=True)
        taps.append(await open_tap(url, tallies[name], proof, [full]))
    slowly, nothing = Tally(), Tally()
    proof = Proof(*keys[-1], is_signed=True)
    slow = await open_tap(url, slowly, proof, ["accounts.raw"])
    slow.is_counting = True
    never = await open_tap(url, nothing, proof, ["accounts.raw"])
    never.transport.pause_reading()
    slow_reading = asyncio.ensure_future(read_slowly(slow, SLOW_EVERY_S))
    await asyncio.sleep(WARM_S)
    for tap in taps:
        tap.is_counting = True
    looks = [Look(told["pid"])]
    steps = max(4, int(minutes * 2))
    for _ in range(steps):
        await asyncio.sleep(minutes * 60.0 / steps)
        looks.append(Look(told["pid"]))
    closed = {name: tally.closed for name, tally in tallies.items()}
    slow_reading.cancel()
    never.transport.resume_reading()  # what was cut off is seen by whoever reads
    await asyncio.sleep(1.0)
    for tap in (*taps, slow):
        tap.transport.abort()
    return figures(tallies, closed, looks, slowly, nothing)


class Look:
    """What a process uses at an instant: resident memory, its processor's time, and the machine's load."""

    def __init__(self, pid: int) -> None:
        self.memory_mib = memory_mib(pid)
        self.own_s = time.process_time()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        self.served_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        self.wall_s = time.monotonic()
        self.load = os.getloadavg()[0]


def figures(
    tallies: dict[str, Tally],
    closed: dict[str, int],
    looks: list[Look],
    slowly: Tally,
    nothing: Tally,
) -> dict[str, Any]:
    """Return the figures of a run."""
    least = min((min(each.ages_us) for each in tallies.values() if each.ages_us), default=0.0)
    found: dict[str, Any] = {"channels": {}}
    for name, tally in tallies.items():
        ages = sorted((age - least) / 1e3 for age in tally.ages_us)
        row: dict[str, Any] = {
            "told": tally.told, "gaps": tally.gaps, "restarts": tally.snapshots, "closed": closed[name],
        }  # fmt: skip
        if ages:
            row |= {"p50_ms": ages[len(ages) // 2], "p99_ms": ages[int(0.99 * (len(ages) - 1))]}
        found["channels"][name] = row
    wall_s = looks[-1].wall_s - looks[0].wall_s
    return found | {
        "memory_mib": [round(each.memory_mib, 1) for each in looks],
        "served_share": (looks[-1].served_s - looks[0].served_s) / wall_s,
        "reading_share": (looks[-1].own_s - looks[0].own_s) / wall_s,
        "slow": {"told": slowly.told, "snapshots": slowly.snapshots, "gaps": slowly.gaps, "closed": slowly.closed},
        "never_is_cut_off": nothing.closed == 1,
        "load_average": [round(each.load, 1) for each in looks],
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
    import uvloop

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
            found = uvloop.run(load(told, keys, options.readers, minutes))
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
        report(f"load {name} gaps", row["gaps"], "", goal="<= 0")
        report(f"load {name} restarts", row["restarts"], "", goal="<= 0")
        report(f"load {name} cut off", row["closed"], "", goal="<= 0")
        if "p50_ms" in row:
            goal = "<= 100" if name in ("account", TICKER) else ""
            report(f"load {name} p50", row["p50_ms"], "ms", note="beyond the fastest notice")
            report(f"load {name} p99", row["p99_ms"], "ms", goal=goal, note=beside)
    report("load service's share of a core", 100.0 * found["served_share"], "%",
           note=f"readers {100.0 * found['reading_share']:.0f} %")  # fmt: skip
    memory = found["memory_mib"]
    middle = memory[len(memory) // 2]
    report("load memory at first", memory[0], "MiB")
    report("load memory in the middle", middle, "MiB")
    report("load memory at last", memory[-1], "MiB", note=f"after {minutes:g} min")
    report("load growth in the second half", 100.0 * (memory[-1] / middle - 1.0), "%",
           goal="<= 1" if minutes >= LONG_MINUTES else "")  # fmt: skip
    report("load slow reader gaps", found["slow"]["gaps"], "", goal="<= 0", note=f"{found['slow']}")
    report("load who never reads is cut off", float(found["never_is_cut_off"]), "", goal=">= 1")


if __name__ == "__main__":
    main()
