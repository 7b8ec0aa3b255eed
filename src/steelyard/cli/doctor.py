"""`steelyard doctor`: is this machine fit to decide, and how fast is its disk."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from steelyard import __version__
from steelyard.cli.output import print_json

EXIT_OK, EXIT_BREACH = 0, 1


def doctor_command(warm: bool, as_json: bool) -> int:
    """Run every check, print the findings; return 1 if one says this machine must not decide.

    warm: compile every kernel into the cache by carrying a small venue through a few ticks.
    """
    checks: list[tuple[str, Callable[[], tuple[bool, str]]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("fused multiply-add", _fused),
        ("exact kernels", _exact),
        ("journal", _journal),
    ]
    if warm:
        checks.append(("kernels", _warm))
    findings: list[dict[str, Any]] = []
    for name, check in checks:
        began = perf_counter()
        try:
            is_sound, text = check()
        except Exception as error:  # a check that fails is a finding, not the end of the doctor
            is_sound, text = False, f"{type(error).__name__}: {error}"
        seconds = round(perf_counter() - began, 3)
        findings.append({"check": name, "is_sound": is_sound, "finding": text, "seconds": seconds})
    is_fit = all(finding["is_sound"] for finding in findings)
    if as_json:
        print_json({"version": __version__, "is_fit": is_fit, "checks": findings})
    else:
        console = Console()
        for f in findings:
            mark = "[green]ok  [/]" if f["is_sound"] else "[red]FAIL[/]"
            console.print(f"{mark} {f['check']:<20} {f['finding']}  [dim]{f['seconds']:.2f} s[/]")
    return EXIT_OK if is_fit else EXIT_BREACH


def _python() -> tuple[bool, str]:
    version = platform.python_version()
    return sys.version_info >= (3, 11), f"{version} on {platform.machine()}, {platform.system()}"


def _libraries() -> tuple[bool, str]:
    from importlib.metadata import version

    names = ("numpy", "numba", "llvmlite", "msgspec", "pyarrow")
    return True, ", ".join(f"{name} {version(name)}" for name in names)


def _fused() -> tuple[bool, str]:
    from steelyard.valuation.intrinsics import has_hardware_fma

    if has_hardware_fma():
        return True, "in hardware"
    return False, "not in hardware: results are the same but slow; this machine must not co-sign"


def _exact() -> tuple[bool, str]:
    from steelyard.valuation.self_check import require_exact_kernels

    require_exact_kernels()
    return True, "bit for bit as the readable twins"


def _journal() -> tuple[bool, str]:
    from steelyard.journal import SqliteJournal, verify_journal

    with tempfile.TemporaryDirectory(prefix="steelyard-doctor-", dir=Path.cwd()) as folder:
        path = Path(folder) / "doctor.journal"
        journal = SqliteJournal.create(path)
        flushes = []
        for seq in range(1, 33):
            journal.append(seq, 0, b"doctor" * 20)
            began = perf_counter()
            journal.flush()
            flushes.append(perf_counter() - began)
        journal.close()
        sound = verify_journal(path).is_sound
    median = sorted(flushes)[len(flushes) // 2] * 1e3
    return sound, f"durable flush {median:.2f} ms median, {max(flushes) * 1e3:.2f} ms worst, here"


def _warm() -> tuple[bool, str]:
    from steelyard.cli.session import opening_events
    from steelyard.engine.engine import Engine
    from steelyard.lab import SimulatedMarket, generate_population
    from steelyard.terms import load_method
    from steelyard.ticks import AccountsLoaded, OrderPlaced

    market = SimulatedMarket(1, 1_760_130_000_000_000, 2)
    engine = Engine(load_method())
    for event in opening_events(market):
        engine.submit(event)
    people = generate_population(
        50, 1, engine.market.assets, engine.market.instruments, market.first_prices,
        engine.method, market.first_volatilities, time_us=engine.market.time_us,
    )  # fmt: skip
    engine.submit(AccountsLoaded(engine.market.time_us, "doctor", 1, people))
    whole = next(p for p in people if p.mode == "portfolio")
    order = (whole.account, "1", "BTC_USDC-PERPETUAL", 1, market.first_prices["BTC"])
    engine.submit(OrderPlaced(engine.market.time_us, "doctor", 2, *order))
    for event in market.ticks():
        engine.submit(event)
    engine.check_sums()
    return True, f"compiled and cached; {engine.seq} events carried through"
