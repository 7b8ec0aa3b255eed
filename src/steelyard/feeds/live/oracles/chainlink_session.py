"""Chainlink Data Streams over the network: REST requests, and a WebSocket that comes back.

Every request and every new connection is signed afresh: a signature is good for five seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType

import aiohttp
from yarl import URL

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Message, OraclePrice, Status
from steelyard.feeds.live.oracles.chainlink import (
    CHAINLINK,
    FRAME_BYTES_MAX,
    REASON_LENGTH_MAX,
    ChainlinkClient,
    at_path,
    latest_path,
    page_path,
)
from steelyard.quantities import InputError

CLOCK_OFF_US = 5_000_000
REQUEST_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 1.0
PING_S = 5.0
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


def clock_us() -> int:
    """Return this machine's time, UTC microseconds."""
    return time.time_ns() // 1_000


class ChainlinkSession:
    """Asks for reports and follows streams; used as an asynchronous context manager.

    rest_url, websocket_url: where to, the network's own by default. now_us: the clock that signs and
    judges. retry_s: first and longest pause before a new connection; it doubles in between. silence_s:
    without a frame for so long a connection is taken for dead.
    Errors: those of ChainlinkClient, CHLK-E05 no connection, CHLK-E06 this clock is off, and only these.
    """

    def __init__(
        self,
        make_client: Callable[[], ChainlinkClient],
        *,
        rest_url: str = CHAINLINK.rest_url,
        websocket_url: str = CHAINLINK.websocket_url,
        now_us: Callable[[], int] = clock_us,
        retry_s: tuple[float, float] = (0.5, 15.0),
        silence_s: float = CHAINLINK.silence_us / 1e6,
    ) -> None:
        self._make_client = make_client
        self._rest_url = rest_url.rstrip("/")
        self._websocket_url = websocket_url.rstrip("/")
        self._now_us = now_us
        self._retry_s = retry_s
        self._silence_s = silence_s
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ChainlinkSession:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        self._http = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def latest(self, feed: str) -> list[Message]:
        """Return what the latest report of a feed says."""
        return await self._ask(latest_path(feed))

    async def at(self, feed: str, seconds: int) -> list[Message]:
        """Return what the report of a feed at a time, UTC seconds, says."""
        return await self._ask(at_path(feed, seconds))

    async def page(self, feed: str, start_seconds: int, limit: int = 100) -> list[Message]:
        """Return what up to `limit` reports of a feed from a time on say."""
        return await self._ask(page_path(feed, start_seconds, limit))

    async def _ask(self, path: str) -> list[Message]:
        client = self._make_client()
        url, signed_path = _place(self._rest_url, path)
        try:
            headers = client.headers("GET", signed_path, self._now_us())
            async with self._opened().get(url, headers=headers, allow_redirects=False) as answer:
                body = await _whole(answer)
                status, date = answer.status, answer.headers.get("Date", "")
        except _FAILURES as failure:
            raise _no_connection(failure) from None
        if status >= 300:
            raise self._refusal(status, date, body)
        return client.fetched(path, body, self._now_us())

    async def follow(self, subscriptions: Sequence[Subscription]) -> AsyncIterator[list[Message]]:
        """Yield the messages of a WebSocket, connecting anew whenever it is lost, until closed.

        A lost or refused connection is a Status `gap` (or `clock`, where the server's time differs by
        more than five seconds), a frame that cannot be taken a Status `malformed`. The pause between
        attempts is back at its first length once a price has come. Errors: CHLK-E04.
        """
        first_s, longest_s = self._retry_s
        pause_s = first_s
        while True:
            client = self._make_client()
            path = client.address(subscriptions)
            try:
                async for messages in self._connected(client, path):
                    if any(isinstance(message, OraclePrice) for message in messages):
                        pause_s = first_s
                    yield messages
                lost: Message = Status("", "gap", "the connection was closed")
            except aiohttp.WSServerHandshakeError as refused:
                date = refused.headers.get("Date", "") if refused.headers else ""
                refusal = self._refusal(refused.status, date, b"")
                kind = "clock" if refusal.code == "CHLK-E06" else "gap"
                lost = Status("", kind, str(refusal)[:REASON_LENGTH_MAX])
            except _FAILURES as failure:
                lost = Status("", "gap", f"no connection: {type(failure).__name__}")
            yield [lost]
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, longest_s)

    async def _connected(self, client: ChainlinkClient, path: str) -> AsyncIterator[list[Message]]:
        url, signed_path = _place(self._websocket_url, path)
        headers = client.headers("GET", signed_path, self._now_us())
        async with self._opened().ws_connect(
            url,
            headers=headers,
            heartbeat=PING_S,
            max_msg_size=FRAME_BYTES_MAX,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),
        ) as socket:
            while True:
                frame = await socket.receive(timeout=self._silence_s)
                if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    return
                data = frame.data.encode() if isinstance(frame.data, str) else frame.data
                try:
                    messages = client.receive(data, self._now_us())
                except InputError as wrong:
                    messages = [Status("", "malformed", str(wrong)[:REASON_LENGTH_MAX])]
                if messages:
                    yield messages

    def _opened(self) -> aiohttp.ClientSession:
        assert self._http is not None, "used inside `async with`"
        return self._http

    def _refusal(self, status: int, date: str, body: bytes) -> InputError:
        """Return why the server refused: this clock, where the server's Date header shows so."""
        off_us = _clock_difference_us(date, self._now_us())
        if status in (400, 401) and abs(off_us) > CLOCK_OFF_US:
            return InputError(
                "CHLK-E06", f"the server's clock differs by {off_us // 1_000_000} s",
                rule="a request's time is at most 5 s off", cure="set this machine's clock",
                status=status,
            )  # fmt: skip
        return InputError(
            "CHLK-E03", body[:REASON_LENGTH_MAX].decode("utf-8", "replace") or "no reason given",
            rule="the server answers with reports", cure="look up the status; mend key or request",
            status=status,
        )  # fmt: skip


def _place(base: str, path: str) -> tuple[URL, str]:
    """Return the address and the path that is signed, which has the base's own path in front."""
    url = URL(base + path, encoded=True)
    return url, url.raw_path_qs


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body, cut behind the longest that the client would read."""
    parts: list[bytes] = []
    length = 0
    async for part in answer.content.iter_chunked(65_536):
        parts.append(part)
        length += len(part)
        if length > FRAME_BYTES_MAX:
            break
    return b"".join(parts)


def _clock_difference_us(date: str, now_us: int) -> int:
    """Return how far the server's clock is ahead; 0 where its Date header says nothing."""
    try:
        return int(parsedate_to_datetime(date).timestamp()) * 1_000_000 - now_us
    except (TypeError, ValueError, OverflowError):
        return 0


def _no_connection(failure: BaseException) -> InputError:
    return InputError(
        "CHLK-E05", f"no connection: {type(failure).__name__}",
        rule="the server can be reached", cure="look at the address, the network and the server",
    )  # fmt: skip
