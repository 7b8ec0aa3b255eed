"""Calls that take long: worked out in a few threads, each as of the event at which it was asked."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from steelyard.service.answers.desk import Context
from steelyard.service.answers.pinned import PinnedDesk, touched
from steelyard.service.answers.tables import Tables
from steelyard.service.rpc.dispatch import Call, Elsewhere, encoded
from steelyard.service.web.errors import too_much


class Heavy:
    """A pool of workers with a bounded queue. credits: from which cost on a question is heavy.

    A worker has tables of its own, which it keeps for as long as it is asked about one market.
    """

    def __init__(self, credits: int, workers: int, waiting_max: int) -> None:
        self._credits = credits
        self._held_max = workers + waiting_max
        self._pool = ThreadPoolExecutor(workers, "steelyard-answer")
        self._local = threading.local()
        self.held = 0

    def close(self) -> None:
        """Let go of the threads; what waits for one is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def route(self, call: Call) -> Elsewhere | None:
        """Return where a call is worked out, None for here. Errors: ACCS-E40 where too many wait."""
        method, context = call.entry.method, call.context
        if method.credits < self._credits or call.entry.is_command:
            return None
        if self.held >= self._held_max:
            raise too_much(method.credits)
        accounts = context.session.accounts
        names = touched(call.params, accounts, context.desk)
        if method.touches == "every":
            names = context.desk.accounts()
        pinned = PinnedDesk(context.desk, names)
        told = Context(context.session, pinned, context.time_us)

        def work() -> bytes:
            tables = getattr(self._local, "tables", None)
            if tables is None:
                tables = self._local.tables = Tables()
            pinned.tables = tables
            return encoded(method.handler(call.params, told), call.entry)

        async def make() -> bytes:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
            finally:
                self.held -= 1

        self.held += 1
        return Elsewhere(make, pinned)
