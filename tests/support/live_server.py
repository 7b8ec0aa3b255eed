"""A venue on this machine for tests: it speaks WebSocket and HTTP by a script, on loopback, port 0.

    script = Script(on_frame=lambda index, frame: [answer_to(frame)], routes={"/depth": Route(b"{}")})
    with live_server(script) as server:
        transcript = talk(server, MyClient, [Subscription("BTCUSDT", "trades")],
                          until=lambda t: len(t.messages) >= 3)
    assert transcript.messages[0] == Trade(...)

`index` numbers the connections from 0, so that a script can behave differently after a reconnect. What
`on_connect` and `on_frame` yield is done in order: a str is a text frame, bytes are a binary frame, and
    Pause(s)        wait
    Drop()          cut the line without a word
    Close(code)     close it politely
    RawBytes(data)  bytes that go past the WebSocket layer: half a frame, garbage
    Ping()          a WebSocket ping
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.connection import ConnectionRules, Health, RawLog, run_connection
from steelyard.feeds.live.fetching import FetchRules
from steelyard.feeds.live.messages import Message

TALK_S = 10.0

# Waits short enough for a test; everything else as in life.
QUICK = ConnectionRules(
    first_wait_us=10_000,
    wait_us_max=50_000,
    healthy_us=60_000_000,
    connect_timeout_us=3_000_000,
    close_timeout_us=100_000,
    health_interval_us=20_000,
    fetch=FetchRules(interval_us=1_000, timeout_us=2_000_000, first_wait_us=5_000),
)


@dataclass(frozen=True)
class Pause:
    """Wait so long before the next action."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Cut the line."""


@dataclass(frozen=True)
class Close:
    """Close the WebSocket with a code."""

    code: int = 1000


@dataclass(frozen=True)
class RawBytes:
    """Bytes written below the WebSocket layer."""

    data: bytes


@dataclass(frozen=True)
class Ping:
    """A WebSocket ping."""

    payload: bytes = b"are you there"


Action = str | bytes | Pause | Drop | Close | RawBytes | Ping


@dataclass(frozen=True)
class Route:
    """An HTTP answer."""

    body: bytes | str = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


Routes = Route | Sequence[Route] | Callable[[str], Route]


def _nothing(_index: int, _frame: str) -> Iterable[Action]:
    return ()


@dataclass
class Script:
    """What the server does.

    on_connect: actions, or a function of (index, path) that yields them; on_frame(index, frame) yields the
    answers to a frame. routes: path without query → a Route, a list
    of them (one a request, the last for ever) or a function of path and query. refuse: connection number
    → the answer in place of the handshake. is_compressed: offer per-message deflate.
    """

    on_connect: Callable[[int, str], Iterable[Action]] | Sequence[Action] = ()
    on_frame: Callable[[int, str], Iterable[Action]] = _nothing
    routes: dict[str, Routes] = field(default_factory=dict)
    refuse: dict[int, Route] = field(default_factory=dict)
    is_compressed: bool = True


@dataclass
class LiveServer:
    """What a running server saw: frames and their times by connection, paths, HTTP requests."""

    url: str
    rest_url: str
    frames: list[list[str]] = field(default_factory=list)
    frame_times: list[list[float]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    request_times: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    handshakes: int = 0


@dataclass
class Transcript:
    """What one connection brought: messages, when they came, and the last health."""

    messages: list[Message] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    healths: list[Health] = field(default_factory=list)

    @property
    def health(self) -> Health:
        """The newest health."""
        return self.healths[-1]

    def of(self, kind: type[Message]) -> list[Message]:
        """Return the messages of one kind."""
        return [message for message in self.messages if isinstance(message, kind)]


def now_us() -> int:
    """The wall clock, UTC microseconds."""
    return time.time_ns() // 1000


@contextmanager
def live_server(script: Script) -> Iterator[LiveServer]:
    """Run a server in a thread of its own while the block runs."""
    loop = asyncio.new_event_loop()
    host = _Host(script)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(host.start(), loop).result(TALK_S)
    finally:
        asyncio.run_coroutine_threadsafe(host.stop(), loop).result(TALK_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TALK_S)
        loop.close()


def talk(
    server: LiveServer,
    make_client: Callable[[], VenueClient],
    subscriptions: Sequence[Subscription],
    *,
    until: Callable[[Transcript], bool],
    timeout_s: float = TALK_S,
    rules: ConnectionRules = QUICK,
    raw_log: RawLog | None = None,
    clock: Callable[[], int] = now_us,
    name: str = "test",
) -> Transcript:
    """Run one connection to the server until `until` holds; fail when it does not in time."""
    transcript = Transcript()

    async def run() -> None:
        stop = asyncio.Event()

        def look() -> None:
            if until(transcript):
                stop.set()

        def on_messages(connection: str, messages: list[Message], received_us: int) -> None:
            transcript.messages.extend(messages)
            transcript.received_us.extend([received_us] * len(messages))
            look()

        def on_health(health: Health) -> None:
            transcript.healths.append(health)
            look()

        async with asyncio.timeout(timeout_s):
            await run_connection(
                name,
                make_client,
                subscriptions,
                on_messages=on_messages,
                on_health=on_health,
                clock=clock,
                stop=stop,
                base_url=server.url,
                rest_url=server.rest_url,
                raw_log=raw_log,
                rules=rules,
            )

    try:
        asyncio.run(run())
    except TimeoutError:
        seen = transcript.health if transcript.healths else None
        raise AssertionError(f"not in {timeout_s} s: {transcript.messages[-5:]}, {seen}") from None
    return transcript


class _Host:
    """The server itself, in its own loop."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.tasks: set[asyncio.Task[None]] = set()
        self.sockets: set[web.WebSocketResponse] = set()
        self.answered: dict[str, int] = {}

    async def start(self) -> LiveServer:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        port = self.runner.addresses[0][1]
        self.seen = LiveServer(f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
        return self.seen

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for socket in list(self.sockets):
            await socket.close()
        await self.runner.cleanup()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:  # a handler whose answer is still being delayed
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.converse(request)
        self.seen.requests.append(request.path_qs)
        self.seen.request_times.append(time.monotonic())
        return await self.answer(self.route(request))

    def route(self, request: web.Request) -> Route:
        found = self.script.routes.get(request.path, Route(b"not here", 404))
        if isinstance(found, Route):
            return found
        if callable(found):
            return found(request.path_qs)
        count = self.answered.get(request.path, 0)
        self.answered[request.path] = count + 1
        return found[min(count, len(found) - 1)]

    async def answer(self, route: Route) -> web.Response:
        await asyncio.sleep(route.delay_s)
        body = route.body.encode() if isinstance(route.body, str) else route.body
        return web.Response(body=body, status=route.status, headers=route.headers)

    async def converse(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket: the greeting runs beside the answers, both in their own order."""
        seen, index = self.seen, self.seen.handshakes
        seen.handshakes += 1
        if index in self.script.refuse:
            return await self.answer(self.script.refuse[index])
        socket = web.WebSocketResponse(
            autoping=False, compress=self.script.is_compressed, timeout=0.1
        )
        await socket.prepare(request)
        self.sockets.add(socket)
        number = len(seen.frames)
        seen.paths.append(request.path_qs)
        seen.headers.append(dict(request.headers))
        seen.frames.append([])
        seen.frame_times.append([])
        greet = self.script.on_connect
        actions = greet(index, request.path_qs) if callable(greet) else greet
        greeting = asyncio.create_task(self.act(request, socket, actions))
        self.tasks.add(greeting)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.PONG:
                    seen.pongs.append(bytes(frame.data))
                elif frame.type is WSMsgType.PING:
                    await socket.pong(frame.data)
                elif frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    text = frame.data if isinstance(frame.data, str) else frame.data.decode()
                    seen.frames[number].append(text)
                    seen.frame_times[number].append(time.monotonic())
                    await self.act(request, socket, self.script.on_frame(index, text))
        finally:
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)
            self.sockets.discard(socket)
        return socket

    async def act(
        self, request: web.Request, socket: web.WebSocketResponse, actions: Iterable[Action]
    ) -> None:
        for action in actions:
            if socket.closed:
                return
            try:
                await self.do(request, socket, action)
            except (ConnectionError, RuntimeError):  # the other side has gone
                return

    async def do(self, request: web.Request, socket: web.WebSocketResponse, action: Action) -> None:
        transport = request.transport
        match action:
            case str():
                await socket.send_str(action)
            case bytes():
                await socket.send_bytes(action)
            case Pause():
                await asyncio.sleep(action.seconds)
            case Close():
                await socket.close(code=action.code)
            case Ping():
                await socket.ping(action.payload)
            case RawBytes():
                if transport is not None:
                    transport.write(action.data)
            case Drop():
                if transport is not None:
                    transport.abort()
