"""Any other exchange, through ccxt.pro in a process of its own.

The library pins the exact versions of what it needs and takes seconds to import, so it lives in an
interpreter of its own (a virtual environment with nothing else in it) that runs `ccxt_worker.py` and
prints one JSON object a line; here the lines become the messages all venues have. A market is named as the
library names it, e.g. BTC/USDT or BTC/USDT:USDT. Books come whole, the best levels of them.

Quantities of contracts become units of the base asset by what the library says a contract is, unless the
table given says otherwise; where neither says anything, the market is refused.

    CCXT-E01 the interpreter cannot be started
    CCXT-E02 it cannot import ccxt
    CCXT-E03 the library has no such exchange
    CCXT-E04 the worker ended
    CCXT-E05 the worker is silent
    CCXT-E06 a line above the size limit
    CCXT-E07 the venue's list of markets could not be loaded

The first three end the run, as they would not get better; after the others a new worker is started, after
a wait that doubles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from steelyard.feeds.live.ccxt_lines import CcxtReader, failure
from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.health import Health
from steelyard.feeds.live.messages import Message, Status
from steelyard.feeds.live.run_state import RawLog, RunState
from steelyard.feeds.live.venues.reading import TEXT_MAX, ContractUnit, unreadable
from steelyard.quantities import InputError

WORKER = Path(__file__).with_name("ccxt_worker.py")


class CcxtRules(msgspec.Struct, frozen=True):
    """How a worker is started, watched and replaced.

    first_wait_us, wait_us_max, jitter, seed, healthy_us: of the wait before a new worker, as of a
    connection. start_timeout_us: until the markets are loaded. silence_us: a worker that says nothing for
    so long is hung. errors_in_row_max: so many lines in a row that cannot be read end it. depth: levels of
    books.
    """

    first_wait_us: int = 500_000
    wait_us_max: int = 60_000_000
    jitter: float = 0.5
    seed: int = 0
    healthy_us: int = 60_000_000
    start_timeout_us: int = 120_000_000
    silence_us: int = 10_000_000
    end_timeout_us: int = 2_000_000
    line_bytes_max: int = 4 * 1024 * 1024
    errors_in_row_max: int = 50
    health_interval_us: int = 1_000_000
    depth: int = 50


async def run_ccxt(
    name: str,
    exchange: str,
    subscriptions: Sequence[Subscription],
    *,
    python: str,
    on_messages: Callable[[str, list[Message], int], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
    on_health: Callable[[Health], None] | None = None,
    raw_log: RawLog | None = None,
    contract_values: Mapping[str, ContractUnit] | None = None,
    urls: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    rules: CcxtRules | None = None,
    worker: Path = WORKER,
) -> Health:
    """Keep one worker alive until `stop` is set; return its last health.

    on_health gets a copy at every change of state and every health_interval_us.
    python: the interpreter that has ccxt. urls: replace addresses of the library's `urls["api"]`.
    options: given to the library's exchange. raw_log: gets every line of the worker. on_messages, clock: as of `run_connection`.
    Errors: CCXT-E01, CCXT-E02, CCXT-E03.
    """
    request = msgspec.json.encode(
        {
            "exchange": exchange,
            "subscriptions": [
                {"market": each.market, "channel": each.channel} for each in subscriptions
            ],
            "urls": dict(urls or {}),
            "options": dict(options or {}),
            "depth": (rules or CcxtRules()).depth,
        }
    )
    run = _Run(name, exchange, python, worker, request, clock, rules or CcxtRules())
    run.make_reader = lambda: CcxtReader(exchange, subscriptions, contract_values)
    run.on_messages, run.on_health, run.raw_log = on_messages, on_health, raw_log
    await run.run(stop)
    return run.health


class _Run(RunState):
    """The state of one run; one worker after the other uses it."""

    make_reader: Callable[[], CcxtReader]
    on_messages: Callable[[str, list[Message], int], None]

    def __init__(
        self,
        name: str,
        exchange: str,
        python: str,
        worker: Path,
        request: bytes,
        clock: Callable[[], int],
        rules: CcxtRules,
    ) -> None:
        super().__init__(name, f"ccxt:{exchange}", clock, rules)
        self.exchange = exchange
        self.python = python
        self.worker = worker
        self.request = request
        self.rules = rules
        self.reported_us = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Worker after worker, until `stop`. Errors: CCXT-E01, CCXT-E02, CCXT-E03."""
        loop = asyncio.get_running_loop()
        try:
            while not stop.is_set():
                started_s = loop.time()
                try:
                    await self._attempt(stop)
                except InputError as error:
                    self.note(error)
                    if error.code in ("CCXT-E01", "CCXT-E02", "CCXT-E03"):
                        raise
                if stop.is_set():
                    break
                if loop.time() - started_s >= self.rules.healthy_us / 1e6:
                    self.failures = 0
                wait_s = self.wait_s()
                self.failures += 1
                self.health.next_attempt_us = self.clock() + int(wait_s * 1e6)
                self.change_state("waiting")
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait_s)
        finally:
            self.change_state("stopped")

    async def _attempt(self, stop: asyncio.Event) -> None:
        """One worker from start to end: returns when `stop` is set, raises what ended it."""
        self.health.attempts += 1
        self.health.errors_in_row = 0
        self.change_state("connecting")
        try:
            process = await asyncio.create_subprocess_exec(
                self.python,
                "-I",  # neither this package's folder nor the user's own modules are on its path
                "-u",
                str(self.worker),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=self.rules.line_bytes_max,
            )
        except (OSError, ValueError) as error:
            raise failure(
                "CCXT-E01",
                f"the interpreter cannot be started: {error}",
                "name the python of a virtual environment that has ccxt",
                python=self.python,
            ) from None
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        complaints = asyncio.create_task(_last_words(process.stderr))
        reading = asyncio.create_task(self._read(process.stdout))
        stopping = asyncio.create_task(stop.wait())
        tasks: list[asyncio.Task[Any]] = [reading, stopping]
        try:
            with suppress(ConnectionError):
                process.stdin.write(self.request + b"\n")
                await process.stdin.drain()
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcome, _ = await asyncio.gather(*tasks, return_exceptions=True)
            # What it still says is read to its end: a full pipe would keep it from ending.
            rest = asyncio.create_task(_last_words(process.stdout))
            status = await self._end(process)
            ends_s = self.rules.end_timeout_us / 1e6
            await asyncio.wait([complaints, rest], timeout=ends_s)
            for task in (complaints, rest):
                task.cancel()
            await asyncio.gather(complaints, rest, return_exceptions=True)
            words = "" if complaints.cancelled() else complaints.result()
        if isinstance(outcome, Exception):
            raise outcome
        if not stop.is_set():
            raise failure(
                "CCXT-E04",
                f"the worker ended with status {status}: {words}",
                "none needed: it is started again; see what it said",
                connection=self.name,
            )

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        """End a worker: by the end of its input, by asking, by force."""
        assert process.stdin is not None
        wait_s = self.rules.end_timeout_us / 2e6
        with suppress(ConnectionError):
            process.stdin.close()
        for end in (process.terminate, process.kill):
            try:
                return await asyncio.wait_for(process.wait(), wait_s)
            except TimeoutError:
                with suppress(ProcessLookupError):
                    end()
        return await process.wait()

    async def _read(self, lines: asyncio.StreamReader) -> None:
        """Read lines until they end. Errors: CCXT-E02, E03, E05, E06 and E07."""
        reader = self.make_reader()
        self.record("opened", self.clock(), self.exchange.encode())
        timeout_s = self.rules.start_timeout_us / 1e6
        loop = asyncio.get_running_loop()
        start_ends_s = loop.time() + timeout_s
        while True:
            if not reader.version:
                timeout_s = max(0.0, start_ends_s - loop.time())
            try:
                async with asyncio.timeout(timeout_s):
                    line = await lines.readline()
            except TimeoutError:
                raise failure(
                    "CCXT-E05",
                    f"the worker is silent or not ready after {timeout_s:.1f} s",
                    "none needed: it is started again",
                    connection=self.name,
                ) from None
            except ValueError:
                raise failure(
                    "CCXT-E06",
                    f"a line above {self.rules.line_bytes_max} bytes",
                    "ask for fewer levels or raise line_bytes_max",
                    connection=self.name,
                ) from None
            if not line:
                return
            self._take(reader, line.rstrip(b"\n"))
            if self.health.last_frame_us - self.reported_us >= self.rules.health_interval_us:
                self.report()
            if reader.version and self.health.state != "up":
                timeout_s = self.rules.silence_us / 1e6
                self.health.connects += 1
                self.change_state("up")

    def _take(self, reader: CcxtReader, line: bytes) -> None:
        """Read one line and hand on what it says. Errors: those that end the worker."""
        received_us = self.clock()
        health = self.health
        health.frames += 1
        health.bytes += len(line)
        health.last_frame_us = received_us
        self.record("received", received_us, line)
        try:
            messages = reader.receive(line, received_us)
        except InputError as error:
            if error.code.startswith("CCXT"):
                raise
            self.note(error)
            self.on_messages(self.name, [Status("", "malformed", str(error))], received_us)
            # The worker speaks well where it tells of an error of the venue.
            health.errors_in_row += error.code != "WIRE-E03"
            if health.errors_in_row >= self.rules.errors_in_row_max:
                raise unreadable(reader.venue, f"{health.errors_in_row} lines in a row") from None
            return
        health.errors_in_row = 0
        health.messages += len(messages)
        health.gaps += sum(isinstance(m, Status) and m.kind == "gap" for m in messages)
        if messages:
            self.on_messages(self.name, messages, received_us)

    def report(self) -> None:
        """Note when the health was last handed out, and do it."""
        self.reported_us = self.clock()
        super().report()


async def _last_words(stream: asyncio.StreamReader) -> str:
    """Read what a worker complains about to its end, so that it never waits; return the last of it."""
    last = b""
    while block := await stream.read(65_536):
        last = (last + block)[-TEXT_MAX:]
    return last.decode(errors="replace").strip()
