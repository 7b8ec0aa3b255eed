"""One connection to Hermes: the newest document first, then the stream, and back after every failure.

The reader verifies; this module has the socket. Failures are named as for every connection:

    CONN-E01 no connection (refused, unknown host, TLS, too slow)
    CONN-E02 answered with another HTTP status
    CONN-E03 the server ended the stream
    CONN-E04 silence longer than the terms allow (comments count as life)
    CONN-E05 an event or a document above the size limit
    CONN-E06 too many documents in a row that are refused
    CONN-E09 a raw document could not be recorded
    PYTH-E09 the access token is not where the terms say
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress

import aiohttp
import msgspec

from steelyard.feeds.live.connection import ConnectionRules, Health, RawLog, trouble
from steelyard.feeds.live.fetching import retry_after_us
from steelyard.feeds.live.messages import Message, Status
from steelyard.feeds.live.oracles.hermes import (
    DOCUMENT_BYTES_MAX,
    LATEST_PATH,
    PUBLIC_ADDRESS,
    STREAM_PATH,
    Encoding,
    EventStream,
    HermesReader,
    as_status,
    event_message,
    plain_feed,
    query,
)
from steelyard.feeds.live.oracles.wormhole import Trust
from steelyard.feeds.live.run_state import RunState
from steelyard.quantities import InputError

VENUE = "pyth-hermes"
_OK = 200
_REFUSALS = frozenset({400, 401, 403, 404})


class HermesTerms(msgspec.Struct, frozen=True):
    """What to ask for, and where.

    feeds: 64 hexadecimal digits each. trust: whose signatures are believed. base_url: the service's
    address; another one for a server of one's own. token_variable: the environment variable that holds
    the access token, empty for a server that wants none. silence_us: without a byte for so long the
    connection is taken for dead (the server sends a comment every 15 s).
    """

    feeds: tuple[str, ...]
    trust: Trust
    base_url: str = PUBLIC_ADDRESS
    token_variable: str = "PYTH_API_KEY"
    encoding: Encoding = "base64"
    silence_us: int = 45_000_000


async def run_hermes(
    name: str,
    terms: HermesTerms,
    *,
    on_messages: Callable[[str, list[Message], int], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
    on_health: Callable[[Health], None] | None = None,
    raw_log: RawLog | None = None,
    rules: ConnectionRules | None = None,
    tls: ssl.SSLContext | bool = True,
) -> Health:
    """Keep one connection alive until `stop` is set; return its last health.

    What on_messages raises ends the run. on_messages(name, messages, received_us) gets verified prices, and a Status for every document that
    is refused: kind "unverified" or "malformed". clock: UTC microseconds, also held against the expiry
    of guardian sets. Errors: PYTH-E08 for a feed that is none, PYTH-E09 without a token; nothing after
    the start.
    """
    run = _Run(name, terms, clock, rules or ConnectionRules())
    run.on_messages, run.on_health, run.raw_log, run.tls = on_messages, on_health, raw_log, tls
    headers = {"User-Agent": "steelyard", **bearer(terms.token_variable, os.environ)}
    async with aiohttp.ClientSession(headers=headers) as session:
        await run.run(session, stop)
    return run.health


def bearer(variable: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the header that carries the access token; none where no variable is named.

    Errors: PYTH-E09. The token itself is in no message.

    >>> bearer("KEY", {"KEY": "secret"})
    {'Authorization': 'Bearer secret'}
    >>> bearer("", {})
    {}
    """
    if not variable:
        return {}
    token = environment.get(variable, "").strip()
    if not token or not (token.isascii() and token.isprintable()):
        raise InputError(
            "PYTH-E09",
            "there is no access token",
            rule="the environment variable named in the terms holds the token, in plain characters",
            cure=f"set {variable}, or name no variable for a server that wants no token",
            variable=variable,
        )
    return {"Authorization": f"Bearer {token}"}


class _ListenerError(Exception):
    """What `on_messages` raised: it is no failure of the connection and ends the run."""


class _Run(RunState):
    """The state of one run; one attempt after the other uses it."""

    on_messages: Callable[[str, list[Message], int], None]
    recorded = "document"
    tls: ssl.SSLContext | bool

    def __init__(
        self, name: str, terms: HermesTerms, clock: Callable[[], int], rules: ConnectionRules
    ) -> None:
        super().__init__(name, VENUE, clock, rules)
        self.terms = terms
        self.rules = rules
        self.reader = HermesReader(terms.trust, terms.feeds)
        self.query = query([plain_feed(feed) for feed in terms.feeds], terms.encoding)
        self.not_before_s = 0.0

    async def run(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """Attempt after attempt, until `stop`."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            started_s = loop.time()
            try:
                await self._until(stop, self._attempt(session))
            except InputError as error:
                self.note(error)
            except _ListenerError as error:
                raise error.args[0] from None
            if stop.is_set():
                break
            if loop.time() - started_s >= self.rules.healthy_us / 1e6:
                self.failures = 0
            wait_s = max(self.wait_s(), self.not_before_s - loop.time())
            self.failures += 1
            self.health.next_attempt_us = self.clock() + int(wait_s * 1e6)
            self.change_state("waiting")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
        self.change_state("stopped")

    async def _until(self, stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
        """Do the work until it ends or `stop` is set; raise what ended it."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (task, stopping):
                each.cancel()
            outcome, _ = await asyncio.gather(task, stopping, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome

    async def _attempt(self, session: aiohttp.ClientSession) -> None:
        """The newest document, then the stream until it ends. Errors: CONN-E01 … CONN-E06."""
        self.health.attempts += 1
        self.health.errors_in_row = 0
        self.change_state("connecting")
        try:
            await self._latest(session)
            await self._stream(session)
        except _ListenerError:
            raise
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise self._unreachable(error) from None
        except TimeoutError:
            raise trouble(
                "CONN-E04",
                f"no byte for {self.terms.silence_us / 1e6:.3f} s",
                "a live connection is never silent for longer than its terms say",
                "none needed: the connection is made anew",
                connection=self.name,
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from None

    async def _latest(self, session: aiohttp.ClientSession) -> None:
        """Read the newest document, so that there is a price before the next change."""
        async with self._get(session, LATEST_PATH) as response:
            await self._check_status(response)
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise self._too_big()
        self._take(bytes(body))

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        """Read the stream until the server ends it. Errors: CONN-E03, CONN-E05, CONN-E06."""
        async with self._get(session, STREAM_PATH) as response:
            await self._check_status(response)
            self.health.connects += 1
            self.change_state("open" if self.health.state == "connecting" else "up")
            events = EventStream()
            async for piece in response.content.iter_any():
                self.health.bytes += len(piece)
                self.health.last_frame_us = self.clock()
                try:
                    complete = events.feed(piece)
                except InputError:
                    raise self._too_big() from None
                for event in complete:
                    if event.kind == "message":
                        self._take(event.data)
                    else:
                        self._hand_on([event_message(event)], self.clock())
        raise trouble(
            "CONN-E03",
            "the server ended the stream",
            "the server keeps the stream open",
            "none needed: the connection is made anew",
            connection=self.name,
        )

    def _get(
        self, session: aiohttp.ClientSession, path: str
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self.rules.connect_timeout_us / 1e6,
            sock_read=self.terms.silence_us / 1e6,
        )
        address = f"{self.terms.base_url.rstrip('/')}{path}?{self.query}"
        return session.get(address, timeout=timeout, ssl=self.tls)

    async def _check_status(self, response: aiohttp.ClientResponse) -> None:
        """Errors: CONN-E02; a refusal is said once more as a Status."""
        if response.status == _OK:
            return
        words = (await response.content.read(300)).decode(errors="replace")
        if response.status in _REFUSALS:
            reason = f"{response.status}: {words}"
            self._hand_on([Status("", "refused", reason)], self.clock())
        wait_us = retry_after_us(response.headers, self.clock(), self.rules.wait_us_max)
        self.not_before_s = asyncio.get_running_loop().time() + wait_us / 1e6
        raise trouble(
            "CONN-E02",
            f"answered with status {response.status}: {words}",
            "the service answers with 200",
            "check the address, the feeds and the access token",
            connection=self.name,
        )

    # -- documents and notes -----------------------------------------------------------------------

    def _take(self, document: bytes) -> None:
        """Read one document and hand on what it says. Errors: CONN-E06."""
        received_us = self.clock()
        health = self.health
        health.frames += 1
        health.last_frame_us = received_us
        self.record("received", received_us, document)
        try:
            messages = self.reader.receive(document, received_us)
        except InputError as error:
            self.note(error)
            self._hand_on([as_status(error)], received_us)
            health.errors_in_row += 1
            if health.errors_in_row >= self.rules.errors_in_row_max:
                raise trouble(
                    "CONN-E06",
                    f"{health.errors_in_row} documents in a row are refused",
                    "a server hands out documents that can be verified",
                    "check the trust document and the address",
                    connection=self.name,
                ) from None
            return
        health.errors_in_row = 0
        if health.state != "up":
            self.change_state("up")
        self._hand_on(messages, received_us)

    def _hand_on(self, messages: list[Message], received_us: int) -> None:
        self.health.messages += len(messages)
        self.health.gaps += sum(
            isinstance(each, Status) and each.kind == "gap" for each in messages
        )
        if not messages:
            return
        try:
            self.on_messages(self.name, messages, received_us)
        except Exception as error:
            raise _ListenerError(error) from error

    def _unreachable(self, error: Exception) -> InputError:
        return trouble(
            "CONN-E01",
            f"no connection: {str(error) or type(error).__name__}",
            "the service's address answers in time",
            "check the address, the network and the certificate",
            connection=self.name,
        )

    def _too_big(self) -> InputError:
        return trouble(
            "CONN-E05",
            f"a document above {DOCUMENT_BYTES_MAX} bytes",
            "a document fits the limit",
            "check the address, or spread the feeds over more connections",
            connection=self.name,
        )
