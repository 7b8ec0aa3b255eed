"""One connection to one venue: connect, subscribe, keep alive, fetch, watch for silence, come back.

The venue's client reads and says what to send; this module has the socket. It never gives up until
`stop` is set: every failure is named, counted in `Health` and answered by a new attempt with a fresh
client and all subscriptions, after a wait that doubles and is spread by a seeded generator.

    CONN-E01 no connection (refused, unknown host, TLS, too slow)
    CONN-E02 the handshake was answered with another HTTP status
    CONN-E03 the venue closed the connection or broke the WebSocket protocol
    CONN-E04 silence longer than the venue's terms allow
    CONN-E05 a frame above the size limit
    CONN-E06 too many frames in a row that cannot be read
    CONN-E07 a fetch failed
    CONN-E08 more to send or to fetch than the limit
    CONN-E09 a raw frame could not be recorded
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import aiohttp
import msgspec

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.fetching import Fetcher, FetchRules, retry_after_us
from steelyard.feeds.live.health import ConnectionState as ConnectionState
from steelyard.feeds.live.health import Health as Health
from steelyard.feeds.live.messages import Fetch, Message, Send, Status
from steelyard.feeds.live.outbox import Outbox
from steelyard.feeds.live.run_state import RawLog as RawLog
from steelyard.feeds.live.run_state import RunState
from steelyard.feeds.live.skew import SkewEstimator, SkewRules
from steelyard.feeds.live.troubles import ConnectionTrouble, FetchTrouble
from steelyard.feeds.live.troubles import trouble as trouble
from steelyard.quantities import InputError

_KEEPER_WAIT_US = 200_000  # how often the keeper looks, when nothing asks for more
_FRAMES_PER_TURN = 64  # after so many frames at once the other tasks get their turn
_HANDLED_HERE = frozenset({Send, Fetch, Status})
_CLOSED_TOO_BIG = 1009


class ConnectionRules(msgspec.Struct, frozen=True):
    """How a connection behaves when something goes wrong, and its limits.

    first_wait_us, wait_us_max: the wait before attempt n is first_wait_us·2ⁿ, at most wait_us_max, less
    up to the share `jitter` of it. healthy_us: a connection that lived so long starts counting anew.
    seed: of the generator of the jitter, together with the connection's name. errors_in_row_max: so many
    frames in a row that cannot be read end the connection. queue_max: frames waiting to be sent.
    """

    first_wait_us: int = 250_000
    wait_us_max: int = 30_000_000
    jitter: float = 0.5
    seed: int = 0
    healthy_us: int = 30_000_000
    connect_timeout_us: int = 10_000_000
    close_timeout_us: int = 1_000_000
    errors_in_row_max: int = 50
    frame_bytes_max: int = 16 * 1024 * 1024
    queue_max: int = 10_000
    health_interval_us: int = 1_000_000
    fetch: FetchRules = FetchRules()
    skew: SkewRules = SkewRules()


class _RestartAskedError(Exception):
    """The venue asks for a new connection: no failure, so the first time there is no wait."""


async def run_connection(
    name: str,
    make_client: Callable[[], VenueClient],
    subscriptions: Sequence[Subscription],
    *,
    on_messages: Callable[[str, list[Message], int], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
    on_health: Callable[[Health], None] | None = None,
    base_url: str | None = None,
    rest_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    raw_log: RawLog | None = None,
    rules: ConnectionRules | None = None,
    tls: ssl.SSLContext | bool = True,
) -> Health:
    """Keep one connection alive until `stop` is set; return its last health.

    on_messages(name, messages, received_us) gets what every frame says, in order; a frame that cannot be
    read arrives as one Status of kind "malformed", an error of the venue's own as one of kind "refused". on_health gets a copy at every change of state and
    every health_interval_us. base_url and rest_url replace the public addresses of the venue's terms.
    clock: UTC microseconds. What on_messages or on_health raises ends the run.
    """
    connection = _Connection(name, make_client, subscriptions, clock, rules or ConnectionRules())
    connection.on_messages = on_messages
    connection.on_health = on_health
    connection.raw_log = raw_log
    connection.websocket_url = base_url
    connection.rest_url = rest_url
    connection.tls = tls
    async with aiohttp.ClientSession(
        headers={"User-Agent": "steelyard", **(headers or {})}
    ) as session:
        await connection.run(session, stop)
    return connection.health


def websocket_address(base: str, behind: str) -> str:
    """Return the address of a connection.

    >>> websocket_address("wss://stream.example/", "/stream?streams=btcusdt@trade")
    'wss://stream.example/stream?streams=btcusdt@trade'
    >>> websocket_address("wss://www.example/ws/api/v2", "")
    'wss://www.example/ws/api/v2'
    """
    return base.rstrip("/") + behind if behind.startswith(("/", "?")) else base + behind


class _Connection(RunState):
    """The state of one run; one attempt after the other uses it."""

    on_messages: Callable[[str, list[Message], int], None]
    websocket_url: str | None
    rest_url: str | None
    tls: ssl.SSLContext | bool

    def __init__(
        self,
        name: str,
        make_client: Callable[[], VenueClient],
        subscriptions: Sequence[Subscription],
        clock: Callable[[], int],
        rules: ConnectionRules,
    ) -> None:
        self.client = make_client()
        super().__init__(name, self.client.terms.name, clock, rules)
        self.make_client = make_client
        self.subscriptions = list(subscriptions)
        self.rules = rules
        self.outbox = Outbox(self.client.terms.send_interval_us, rules.queue_max)
        self.skew = SkewEstimator(rules.skew)
        self.last_frame_s = 0.0
        self.not_before_s = 0.0

    # -- the long loop -----------------------------------------------------------------------------

    async def run(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """Attempt after attempt, until `stop`."""
        loop = asyncio.get_running_loop()
        while not stop.is_set():
            started_s = loop.time()
            is_first_restart = False
            try:
                await self._attempt(session, stop)
            except _RestartAskedError:
                self.health.restarts += 1
                is_first_restart = self.failures == 0
            except ConnectionTrouble as error:
                self.note(error)
            if stop.is_set():
                break
            if loop.time() - started_s >= self.rules.healthy_us / 1e6:
                self.failures = 0
            wait_s = 0.0 if is_first_restart else self.wait_s()
            self.failures += 1
            wait_s = max(wait_s, self.not_before_s - loop.time())
            self.health.next_attempt_us = self.clock() + int(wait_s * 1e6)
            self.change_state("waiting")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
        self.change_state("stopped")

    async def _attempt(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """One connection from handshake to end: returns when `stop` is set, raises what ended it."""
        self.client = self.make_client()
        self.outbox.clear()
        self.health.attempts += 1
        self.health.errors_in_row = 0
        self.change_state("connecting")
        socket = await self._connect(session)
        fetcher = Fetcher(
            session,
            self.rest_url or self.client.terms.rest_url,
            self.rules.fetch,
            self._fetched,
            self.note,
            self._fetch_refused,
            self.tls,
            self.clock,
        )
        self.fetcher = fetcher
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._read(socket),
                self._write(socket),
                self._keep(),
                fetcher.run(),
                stop.wait(),
            )
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _connect(
        self, session: aiohttp.ClientSession
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        """Return an open socket whose opening frames are queued. Errors: CONN-E01, CONN-E02."""
        terms, rules = self.client.terms, self.rules
        address = websocket_address(
            self.websocket_url or terms.websocket_url, self.client.address(self.subscriptions)
        )
        try:
            async with asyncio.timeout(rules.connect_timeout_us / 1e6):
                socket = await session.ws_connect(
                    address,
                    autoping=False,
                    compress=15,
                    decode_text=False,
                    max_msg_size=rules.frame_bytes_max,
                    ssl=self.tls,
                    timeout=aiohttp.ClientWSTimeout(ws_close=rules.close_timeout_us / 1e6),
                )
        except aiohttp.WSServerHandshakeError as error:
            wait_us = retry_after_us(error.headers, self.clock(), rules.fetch.wait_us_max)
            self.not_before_s = asyncio.get_running_loop().time() + wait_us / 1e6
            raise trouble(
                "CONN-E02",
                f"the handshake was answered with status {error.status}",
                "a WebSocket handshake is answered with 101",
                "check the address and whether the venue serves this place",
                connection=self.name,
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise trouble(
                "CONN-E01",
                f"no connection: {str(error) or type(error).__name__}",
                "the venue's address answers in time",
                "check the address, the network and the certificate",
                connection=self.name,
            ) from None
        self.last_frame_s = asyncio.get_running_loop().time()
        self.health.connects += 1
        self.record("opened", self.clock(), address.encode())
        self.change_state("open")
        for frame in self.client.opening(self.subscriptions):
            self.outbox.put(frame)
        return socket

    # -- the tasks of one attempt ------------------------------------------------------------------

    async def _read(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """Read frames until the connection ends. Errors: CONN-E03, CONN-E05, CONN-E06."""
        kinds = aiohttp.WSMsgType
        loop = asyncio.get_running_loop()
        in_turn = 0
        while True:
            try:
                frame = await socket.receive()
            except (aiohttp.ClientError, OSError, zlib.error) as error:
                raise self._closed(socket, str(error)) from None
            self.last_frame_s = loop.time()
            if frame.type is kinds.TEXT or frame.type is kinds.BINARY:
                self._take(frame.data)
            elif frame.type is kinds.PING:
                self.outbox.put_pong(frame.data)
            elif frame.type is not kinds.PONG:
                raise self._closed(socket, str(frame.data or frame.extra or ""))
            in_turn += 1
            if in_turn >= _FRAMES_PER_TURN:
                in_turn = 0
                await asyncio.sleep(0)

    async def _write(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """Send what is queued, never faster than the venue allows."""
        while True:
            frame, is_pong = await self.outbox.get()
            try:
                if is_pong:
                    await socket.pong(frame)
                else:
                    await socket.send_str(frame.decode())
            except (aiohttp.ClientError, OSError) as error:
                raise self._closed(socket, str(error)) from None
            self.health.sent += 1
            self.record("sent", self.clock(), frame)

    async def _keep(self) -> None:
        """Send what keeps the connection alive, watch for silence, report. Errors: CONN-E04."""
        loop = asyncio.get_running_loop()
        silence_s = self.client.terms.silence_us / 1e6
        wait_s = max(0.005, min(_KEEPER_WAIT_US / 1e6, silence_s / 4))
        reported_s = loop.time()
        while True:
            await asyncio.sleep(wait_s)
            for frame in self.client.due(self.clock()):
                self.outbox.put(frame, is_urgent=True)
            silent_s = loop.time() - self.last_frame_s
            if silent_s > silence_s:
                raise trouble(
                    "CONN-E04",
                    f"no frame for {silent_s:.3f} s",
                    "a live connection is never silent for longer than its venue's terms say",
                    "none needed: the connection is made anew",
                    connection=self.name,
                )
            if (loop.time() - reported_s) * 1e6 >= self.rules.health_interval_us:
                reported_s = loop.time()
                self.report()

    # -- frames and messages -----------------------------------------------------------------------

    def _take(self, frame: bytes) -> None:
        """Read one frame and hand on what it says."""
        received_us = self.clock()
        health = self.health
        health.frames += 1
        health.bytes += len(frame)
        health.last_frame_us = received_us
        self.record("received", received_us, frame)
        try:
            messages = self.client.receive(frame, received_us)
        except InputError as error:
            self._unreadable(error, received_us)
            return
        health.errors_in_row = 0
        if health.state != "up":
            self.change_state("up")
        if messages:  # the newest one of a frame says how late it is
            self.skew.add(received_us, getattr(messages[-1], "exchange_time_us", 0))
            health.skew_us, health.is_clock_off = self.skew.skew_us, self.skew.is_off
        self._hand_on(messages, received_us)

    def _fetched(self, path: str, body: bytes) -> None:
        """Give the answer to a fetch to the client and hand on what it says."""
        received_us = self.clock()
        self.health.fetches += 1
        self.record("fetched", received_us, path.encode() + b"\n" + body)
        try:
            messages = self.client.fetched(path, body, received_us)
        except InputError as error:
            self._unreadable(error, received_us)
            return
        self._hand_on(messages, received_us)

    def _hand_on(self, messages: list[Message], received_us: int) -> None:
        """Do what is asked of the connection and hand on the rest."""
        if not messages:
            return
        self.health.messages += len(messages)
        is_restart = False
        if any(type(message) in _HANDLED_HERE for message in messages):
            others: list[Message] = []
            for message in messages:
                if isinstance(message, Send):
                    self.outbox.put(message.frame, is_urgent=True)
                elif isinstance(message, Fetch):
                    self.fetcher.put(message.path)
                else:
                    others.append(message)
                    kind = message.kind if isinstance(message, Status) else ""
                    self.health.gaps += kind == "gap"
                    is_restart |= kind == "restart"
            messages = others
        if messages:
            self.on_messages(self.name, messages, received_us)
        if is_restart:
            raise _RestartAskedError

    def _unreadable(self, error: InputError, received_us: int) -> None:
        """Count a frame that cannot be read. Errors: CONN-E06 when there are too many in a row."""
        self.note(error)
        is_readable = error.code == "WIRE-E03"  # the venue speaks well, of an error of its own
        kind = "refused" if is_readable else "malformed"
        self.on_messages(self.name, [Status("", kind, str(error))], received_us)
        if is_readable:
            return
        self.health.errors_in_row += 1
        if self.health.errors_in_row >= self.rules.errors_in_row_max:
            raise trouble(
                "CONN-E06",
                f"{self.health.errors_in_row} frames in a row cannot be read",
                "a connection speaks its venue's protocol",
                "compare the recorded frames with the venue's documents",
                connection=self.name,
            )

    # -- notes -------------------------------------------------------------------------------------

    def _fetch_refused(self, error: FetchTrouble) -> None:
        """The venue will never answer this path: said once, the connection goes on."""
        self.note(error)
        self.on_messages(self.name, [Status("", "refused", str(error))], self.clock())

    def _closed(
        self, socket: aiohttp.ClientWebSocketResponse[bool], reason: str
    ) -> ConnectionTrouble:
        """Return why the socket is closed: CONN-E05 when a frame was too big, otherwise CONN-E03."""
        code = socket.close_code
        if code == _CLOSED_TOO_BIG:
            return trouble(
                "CONN-E05",
                f"a frame above {self.rules.frame_bytes_max} bytes",
                "a frame fits the limit",
                "raise frame_bytes_max if the venue really sends such frames",
                connection=self.name,
            )
        return trouble(
            "CONN-E03",
            f"the connection ended with code {code}: {reason}",
            "the venue keeps the connection open",
            "none needed: the connection is made anew",
            connection=self.name,
        )
