"""Snapshots over HTTP: one request at a time, bounded in time and size, patient when told to wait."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from steelyard.feeds.live.troubles import FetchTrouble

_CHUNK_BYTES = 65_536
_STATUS_OK = 200
_TRY_AGAIN = frozenset({408, 418, 425, 429})  # too slow, too often (418 is a ban for a stated time)
_STATUS_SERVER = 500


class FetchRules(msgspec.Struct, frozen=True):
    """Limits of fetching.

    interval_us: least time between two requests. tries_max: attempts for one path. first_wait_us: the
    wait before attempt n is first_wait_us·2ⁿ, or what the venue's Retry-After says, at most wait_us_max.
    """

    interval_us: int = 100_000
    timeout_us: int = 10_000_000
    bytes_max: int = 32 * 1024 * 1024
    tries_max: int = 6
    first_wait_us: int = 500_000
    wait_us_max: int = 120_000_000
    queue_max: int = 1_000


def retry_after_us(headers: Mapping[str, str] | None, now_us: int, wait_us_max: int) -> int:
    """Return how long a Retry-After header asks to wait, 0 without one, at most wait_us_max.

    It states seconds or a date (RFC 9110, 10.2.3).

    >>> retry_after_us({"Retry-After": "3"}, 0, 60_000_000)
    3000000
    >>> retry_after_us({"Retry-After": "Thu, 01 Jan 1970 00:00:05 GMT"}, 1_000_000, 60_000_000)
    4000000
    >>> retry_after_us({"Retry-After": "soon"}, 0, 60_000_000)
    0
    """
    stated = (headers or {}).get("Retry-After", "").strip()
    if not stated:
        return 0
    if stated.isascii() and stated.isdigit():
        return min(int(stated[:12]) * 1_000_000, wait_us_max)
    try:
        at_us = int(parsedate_to_datetime(stated).timestamp()) * 1_000_000
    except (ValueError, OverflowError):
        return 0
    return min(max(at_us - now_us, 0), wait_us_max)


class Fetcher:
    """Fetches paths of one REST address in the order asked; a path that still waits is asked once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        rest_url: str,
        rules: FetchRules,
        on_body: Callable[[str, bytes], None],
        on_trouble: Callable[[FetchTrouble], None],
        on_refused: Callable[[FetchTrouble], None],
        tls: ssl.SSLContext | bool,
        clock: Callable[[], int],
    ) -> None:
        self._session = session
        self._base = rest_url.rstrip("/")
        self._rules = rules
        self._on_body = on_body
        self._on_trouble = on_trouble
        self._on_refused = on_refused
        self._tls = tls
        self._clock = clock
        self._paths: deque[str] = deque()
        self._is_filled = asyncio.Event()

    def put(self, path: str) -> None:
        """Ask for a path. Errors: CONN-E08 when too many wait."""
        if path in self._paths:
            return
        if len(self._paths) >= self._rules.queue_max:
            raise FetchTrouble(
                "CONN-E08",
                f"{len(self._paths)} fetches wait",
                rule="what waits fits queue_max",
                cure="split the markets over more connections",
            )
        self._paths.append(path)
        self._is_filled.set()

    async def run(self) -> None:
        """Fetch what is asked for, for ever. Errors: CONN-E07 when a path fails tries_max times."""
        while True:
            await self._is_filled.wait()
            path = self._paths.popleft()
            if not self._paths:
                self._is_filled.clear()
            await self._fetch(path)
            await asyncio.sleep(self._rules.interval_us / 1e6)

    async def _fetch(self, path: str) -> None:
        """Fetch one path, with patience; a path the venue refuses is reported and left."""
        rules = self._rules
        for attempt in range(rules.tries_max):
            wait_us = min(rules.first_wait_us * (1 << attempt), rules.wait_us_max)
            try:
                async with asyncio.timeout(rules.timeout_us / 1e6):
                    status, headers, body = await self._get(path)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                trouble = _trouble(path, str(error) or type(error).__name__)
            else:
                if status == _STATUS_OK and body is not None:
                    self._on_body(path, body)
                    return
                if status == _STATUS_OK:
                    self._on_refused(_trouble(path, f"more than {rules.bytes_max} bytes"))
                    return
                trouble = _trouble(path, f"status {status}")
                if status not in _TRY_AGAIN and status < _STATUS_SERVER:
                    self._on_refused(trouble)
                    return
                asked_us = retry_after_us(headers, self._clock(), rules.wait_us_max)
                wait_us = max(wait_us, asked_us)
            self._on_trouble(trouble)
            await asyncio.sleep(wait_us / 1e6)
        raise _trouble(path, f"{rules.tries_max} attempts failed")

    async def _get(self, path: str) -> tuple[int, Mapping[str, str], bytes | None]:
        """Return status, headers and body; the body is None when it is above the limit."""
        address = f"{self._base}/{path.lstrip('/')}"
        async with self._session.get(address, ssl=self._tls) as answer:
            body = bytearray()
            async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > self._rules.bytes_max:
                    return answer.status, answer.headers, None
            return answer.status, answer.headers, bytes(body)


def _trouble(path: str, reason: str) -> FetchTrouble:
    return FetchTrouble(
        "CONN-E07",
        f"a fetch failed: {reason}",
        rule="the venue's REST address answers with 200 and a body within the limits",
        cure="check the REST address, the market's name and the rate of requests",
        path=path,
    )
