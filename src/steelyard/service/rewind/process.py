"""Keeping the second process alive: started, asked, heard, and started again when it ends.

Nothing here blocks the loop: questions are written into a pipe whose backlog is bounded by how many may
wait, and answers are read as they come. A question that was under way when the process ended is asked
again, once: one that ends two processes is refused.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from steelyard.service.rewind.errors import overtaken, process_ended, too_many
from steelyard.service.rewind.messages import (
    Alive,
    Answer,
    Cancel,
    Frames,
    FromWorker,
    Incident,
    Progress,
    Question,
    error_of,
    framed,
)
from steelyard.service.rewind.options import RewindOptions

ATTEMPTS_MAX = 2
BACKOFF_S, BACKOFF_S_MAX = 0.05, 5.0
READ_BYTES = 1 << 18
END_S = 2.0
START_S_MAX = 300.0
_decode = msgspec.msgpack.Decoder(FromWorker).decode

OnProgress = Callable[[float], object]
"""Told the fraction done while a long replay goes on."""


class Waiting:
    """A question that waits for its answer."""

    def __init__(
        self, question: Question, future: asyncio.Future[Answer], on_progress: OnProgress | None
    ) -> None:
        self.question = question
        self.future = future
        self.on_progress = on_progress
        self.attempts = 0


class WorkerProcess:
    """The second process as the loop sees it. `ask` from the loop's thread only.

    restarts: how often it was started again. resident_bytes: its memory as it told last. pid: of the one
    that runs, 0 while none does. is_ready: whether it has said its first word.
    """

    def __init__(
        self,
        path: Path,
        options: RewindOptions,
        on_incident: Callable[[Incident], object],
        *,
        waiting_max: int,
        silent_s_max: float,
    ) -> None:
        self.path = path
        self.options = options
        self.on_incident = on_incident
        self.waiting_max = waiting_max
        self.silent_s_max = silent_s_max
        self.waiting: dict[int, Waiting] = {}
        self.restarts = 0
        self.resident_bytes = 0
        self.pid = 0
        self.is_ready = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._heard_s = 0.0
        self._is_closing = False

    def start(self) -> None:
        """Begin to keep a process alive."""
        assert self._keeper is None
        self._keeper = asyncio.get_running_loop().create_task(self._keep(), name="rewind")

    async def close(self) -> None:
        """End the process: by the end of its input, and by force after two seconds."""
        self._is_closing = True
        for number in list(self.waiting):
            self._fail(number, "was stopped")
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        if self._keeper is not None:
            done, _ = await asyncio.wait([self._keeper], timeout=END_S)
            if not done:
                self._kill()
                await asyncio.wait([self._keeper], timeout=END_S)
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    # -- asking ----------------------------------------------------------------------------------

    def ask(self, question: Question, on_progress: OnProgress | None = None) -> Waiting:
        """Send a question; its `future` gets the answer or the failure. Errors: RWND-E02, RWND-E05."""
        if self._is_closing or self._keeper is None:
            raise process_ended("does not run")
        if len(self.waiting) >= self.waiting_max:
            raise too_many(len(self.waiting))
        future = asyncio.get_running_loop().create_future()
        waiting = Waiting(question, future, on_progress)
        self.waiting[question.number] = waiting
        self._write(waiting)
        return waiting

    def drop(self, number: int, *, is_overtaken: bool = False) -> None:
        """Forget a question that nobody waits for, and tell the process."""
        waiting = self.waiting.pop(number, None)
        if waiting is None:
            return
        if is_overtaken and not waiting.future.done():
            waiting.future.set_exception(overtaken())
        self._put(framed(Cancel(number)))

    def _write(self, waiting: Waiting) -> None:
        if self.pid:
            waiting.attempts += 1
            self._put(framed(waiting.question))

    def _put(self, data: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(data)

    # -- keeping ---------------------------------------------------------------------------------

    async def _keep(self) -> None:
        backoff_s = BACKOFF_S
        while True:
            begun_s = self._now_s()
            try:
                await self._run_once()
            except OSError as error:
                self._fail_all(f"cannot be started: {error.strerror}")
            finally:
                self._kill()
            if self._ends():
                return
            self.restarts += 1
            for number, waiting in list(self.waiting.items()):
                if waiting.attempts >= ATTEMPTS_MAX:
                    self._fail(number, "ended while it worked on this")
            if self._now_s() - begun_s > BACKOFF_S_MAX:
                backoff_s = BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2.0 * backoff_s, BACKOFF_S_MAX)

    async def _run_once(self) -> None:
        """Start a process, send it what waits, and take what it says until it ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "steelyard.service.rewind.worker", str(self.path),
            msgspec.json.encode(self.options).decode(),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._process, self.pid = process, process.pid
        self._heard_s = self._now_s()
        for waiting in list(self.waiting.values()):
            self._write(waiting)
        watch = asyncio.get_running_loop().create_task(self._watch(process))
        try:
            await self._hear(process)
        finally:
            watch.cancel()
            self.pid = 0
            self.is_ready = False
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            self._process = None

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        frames = Frames()
        while data := await process.stdout.read(READ_BYTES):
            self._heard_s = self._now_s()
            self.is_ready = True
            for body in frames.cut(data):
                self._take(_decode(body))

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """End a process that says nothing for too long; its first word may take longer."""
        while self._now_s() - self._heard_s < (self.silent_s_max if self.is_ready else START_S_MAX):
            await asyncio.sleep(self.silent_s_max / 4)
        with suppress(ProcessLookupError):
            process.kill()

    def _take(self, message: FromWorker) -> None:
        if isinstance(message, Alive):
            self.resident_bytes = message.resident_bytes
            return
        if isinstance(message, Incident):
            self.on_incident(message)
            return
        waiting = self.waiting.get(message.number)
        if waiting is None:
            return
        if isinstance(message, Progress):
            if waiting.on_progress is not None:
                waiting.on_progress(message.fraction)
            return
        del self.waiting[message.number]
        if waiting.future.done():
            return
        if isinstance(message, Answer):
            waiting.future.set_result(message)
        else:
            waiting.future.set_exception(error_of(message))

    def _fail(self, number: int, how: str) -> None:
        waiting = self.waiting.pop(number)
        if not waiting.future.done():
            waiting.future.set_exception(process_ended(how))

    def _fail_all(self, how: str) -> None:
        for number in list(self.waiting):
            self._fail(number, how)

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _ends(self) -> bool:
        return self._is_closing

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
