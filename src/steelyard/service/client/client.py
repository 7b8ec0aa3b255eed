"""The client: one connection that is kept, calls over it, and channels that go on after whatever breaks it.

What is under way when a connection is lost is told as CLNT-E02 and never sent again: it may have been served. Channels
are subscribed to again and go on with a snapshot. A token is refreshed before it expires; a call that is refused
for want of a session was not served, so it is asked once more after proving again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from steelyard.quantities.errors import SteelyardError
from steelyard.service.client.errors import (
    UNPROVEN,
    Disconnected,
    ErrorBody,
    Refused,
    closed,
    lost,
    no_answer,
    no_sense,
    refused,
)
from steelyard.service.client.proofs import Proof, socket_address
from steelyard.service.client.subscription import Subscription

Result = TypeVar("Result")

BYTES_MAX = 64 << 20
REFRESH_AT = 0.8  # of a token's life
LEAST_S = 0.2


class _Frame(msgspec.Struct, frozen=True):
    """What comes: an answer by its id, or a notification by its method."""

    id: int | str | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorBody | None = None


class _Note(msgspec.Struct, frozen=True):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Tokens(msgspec.Struct, frozen=True):
    refresh_token: str
    expires_in: int
    scope: str = ""


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_note = msgspec.json.Decoder(_Note).decode
_encode = msgspec.json.Encoder().encode


class Client:
    """A connection to a service, to be used within `async with`.

    url: any address of it. key_id, secret: of a key; is_signed: of kind hmac. page_code: in their place. Without either
    what is public is answered. timeout_s: of a call and of a connection. heartbeat_s: how often the service shows that
    it lives, None for not. backoff_s: first and longest wait between attempts. queue_max: of a channel.

    Errors on entering: CLNT-E02, CLNT-E03, CLNT-E05, and the refusal of the key.
    """

    def __init__(
        self, url: str, *, key_id: str = "", secret: str = "", is_signed: bool = False,
        page_code: str = "", scope: str = "", timeout_s: float = 10.0,
        heartbeat_s: int | None = 30, backoff_s: tuple[float, float] = (0.1, 10.0),
        queue_max: int = 1_000,
    ) -> None:  # fmt: skip
        self.url = socket_address(url)
        self.reconnects = 0
        self.scope = ""
        self._proof = Proof(key_id, secret, is_signed, page_code, scope)
        self._timeout_s = timeout_s
        self._heartbeat_s = heartbeat_s
        self._backoff_s = backoff_s
        self._queue_max = queue_max
        self._socket: ClientConnection | None = None
        self._tokens: _Tokens | None = None
        self._expires = 0.0
        self._number = 0
        self._waiting: dict[int, asyncio.Future[_Frame]] = {}
        self._readers: dict[str, list[Subscription[Any]]] = {}
        self._is_up = asyncio.Event()
        self._proving = asyncio.Lock()
        self._error: Exception | None = None
        self._runner: asyncio.Task[None] | None = None
        self._side: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"Client({self.url!r}, {self._proof.key_id or 'nobody'})"

    async def __aenter__(self) -> Self:
        """Connect and prove."""
        loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = loop.create_future()
        self._runner = loop.create_task(self._run(first))
        try:
            await asyncio.wait_for(asyncio.shield(first), self._timeout_s * 2)
        except TimeoutError:
            await self.close()
            raise no_answer("public/auth", self._timeout_s * 2) from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection; loops over channels end."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; loops over channels end, and what is under way is told CLNT-E04."""
        self._error = self._error or closed()
        for task in [*self._side, *([self._runner] if self._runner else [])]:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        for reader in self._every():
            await reader.close()
        self._drop(closed())

    # -- asking ----------------------------------------------------------------------------------

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *,
        as_type: type[Result] | Any = Any, timeout_s: float | None = None, **named: Any,
    ) -> Result | Any:  # fmt: skip
        """Return the result of a method, decoded as a type where one is given.

        params, named: its parameters, together. It waits for the connection where that is down now.
        Errors: Refused, with the service's code, rule and cure; CLNT-E01 … CLNT-E04.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        asked = {**(params or {}), **named}
        try:
            async with asyncio.timeout(limit_s):
                await self._up()
                frame = await self._asked(method, asked)
        except TimeoutError:
            raise no_answer(method, limit_s) from None
        try:
            return msgspec.json.decode(frame.result, type=as_type)
        except msgspec.MsgspecError as error:
            raise no_sense(f"{method}: {error}") from None

    def subscribe(
        self, channel: str, *, as_type: type[Result] | Any = Any
    ) -> Subscription[Result | Any]:
        """Return the data of a channel, to be looped over; see `Subscription`."""
        return Subscription(channel, as_type, self._queue_max, self._begin, self._end, self._again)

    async def _up(self) -> None:
        if self._runner is None:
            raise closed()
        waiting = asyncio.ensure_future(self._is_up.wait())
        try:
            await asyncio.wait((waiting, self._runner), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._error is not None:
            raise self._error
        if self._runner.done():
            raise closed()

    async def _asked(self, method: str, params: Mapping[str, Any]) -> _Frame:
        """Return the answer; proves once more where the session is gone."""
        try:
            return await self._ask(method, params)
        except Refused as error:
            if (
                error.code not in UNPROVEN
                or not method.startswith("private/")
                or not self._proof.is_given
            ):
                raise
            await self._prove_again(is_gone=True)
        return await self._ask(method, params)

    async def _ask(self, method: str, params: Mapping[str, Any]) -> _Frame:
        socket = self._socket
        if socket is None:
            raise lost("it is down")
        self._number += 1
        number = self._number
        answer: asyncio.Future[_Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            await socket.send(_encode(request).decode())
            frame = await answer
        except WebSocketException as error:
            raise lost(str(error)) from None
        finally:
            self._waiting.pop(number, None)
        if frame.error is not None:
            raise refused(frame.error)
        return frame

    # -- the connection --------------------------------------------------------------------------

    async def _run(self, first: asyncio.Future[None]) -> None:
        """Keep a connection until the client is closed or its proof is refused."""
        attempt = 0
        while True:
            try:
                await self._hold(first)
                attempt = 0
                told: Exception = lost("it was closed")
            except (OSError, WebSocketException, TimeoutError, SteelyardError) as error:
                told = (
                    error if isinstance(error, SteelyardError) else lost(str(error) or "no answer")
                )
            except asyncio.CancelledError:
                self._drop(closed())
                raise
            is_for_good = isinstance(told, Refused) and not told.is_for_now
            self._drop(told if is_for_good else lost(str(told)))
            if not first.done():
                first.set_exception(told)
                first.exception()  # told where it is awaited, or nowhere any more
                return
            if is_for_good:
                self._fail(told)
                return
            self.reconnects += 1
            least, most = self._backoff_s
            wait_s = min(most, least * 2.0 ** min(attempt, 20)) * random.uniform(0.5, 1.0)
            if isinstance(told, Refused) and told.retry_after_us:
                wait_s = max(wait_s, told.retry_after_us / 1e6)
            attempt += 1
            await asyncio.sleep(wait_s)

    async def _hold(self, first: asyncio.Future[None]) -> None:
        """Connect, prove, subscribe to what is read, and take what comes until the connection ends."""
        silent_s = None if self._heartbeat_s is None else 3.0 * self._heartbeat_s
        async with connect(
            self.url, max_size=BYTES_MAX, compression=None, open_timeout=self._timeout_s, close_timeout=1.0,
            ping_interval=20.0, ping_timeout=20.0, proxy=None,
        ) as socket:  # fmt: skip
            self._socket = socket
            reading = asyncio.ensure_future(self._read(socket, silent_s))
            keeping: asyncio.Task[None] | None = None
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._open()
                self._is_up.set()
                if not first.done():
                    first.set_result(None)
                if self._proof.is_given:
                    keeping = asyncio.ensure_future(self._keep_proven())
                await reading
            finally:
                self._socket = None
                self._is_up.clear()
                for task in (reading, keeping):
                    if task is not None:
                        task.cancel()
                        with suppress(asyncio.CancelledError, Exception):
                            await task

    async def _open(self) -> None:
        if self._proof.is_given:
            await self._prove()
        if self._heartbeat_s is not None:
            await self._ask("public/set_heartbeat", {"interval": self._heartbeat_s})
        for reader in self._every():
            reader.restart()
        await self._subscribe_again(list(self._readers))

    async def _read(self, socket: ClientConnection, silent_s: float | None) -> None:
        """Hand on what comes."""
        while True:
            raw = await asyncio.wait_for(socket.recv(), silent_s)
            try:
                frame = _decode_frame(raw)
                note = _decode_note(frame.params) if frame.method else None
            except msgspec.MsgspecError as error:
                raise no_sense(str(error)) from None
            if note is None:
                waiting = self._waiting.get(frame.id) if isinstance(frame.id, int) else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(frame)
            elif frame.method == "subscription":
                for reader in self._readers.get(note.channel, ()):
                    reader.put(note.data)
            elif frame.method == "heartbeat" and note.type == "test_request":
                self._aside(self._ask("public/test", {}))

    def _drop(self, error: Exception) -> None:
        """Tell what is under way that nothing more comes."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)

    def _fail(self, error: Exception) -> None:
        """End for good."""
        self._error = error
        for reader in self._every():
            reader.fail(error)

    def _aside(self, work: Any) -> None:
        """Do something beside reading; what fails there ends with the connection or is tried again."""

        async def done() -> None:
            with suppress(SteelyardError):
                await work

        task = asyncio.ensure_future(done())
        self._side.add(task)
        task.add_done_callback(self._side.discard)

    # -- proving ---------------------------------------------------------------------------------

    async def _prove(self) -> None:
        """Prove who asks: by the refresh token where there is one, else or where that is void by the proof."""
        tokens, self._tokens = self._tokens, None
        frame: _Frame | None = None
        if tokens is not None:
            grant = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
            try:
                frame = await self._ask("public/auth", grant)
            except Refused as error:
                if error.is_for_now or not self._proof.is_lasting:
                    self._tokens = tokens
                    raise
        if frame is None:
            frame = await self._ask("public/auth", self._proof.params())
        try:
            self._tokens = msgspec.json.decode(frame.result, type=_Tokens)
        except msgspec.MsgspecError as error:
            raise no_sense(f"public/auth: {error}") from None
        self.scope = self._tokens.scope
        self._expires = asyncio.get_running_loop().time() + self._tokens.expires_in

    async def _keep_proven(self) -> None:
        """Refresh the token before it expires."""
        loop = asyncio.get_running_loop()
        while self._tokens is not None:
            life_s = max(0.0, self._expires - loop.time())
            await asyncio.sleep(max(LEAST_S, life_s * REFRESH_AT))
            try:
                await self._prove_again()
            except Refused as error:
                if not error.is_for_now:
                    self._fail(error)
                    return

    async def _prove_again(self, *, is_gone: bool = False) -> None:
        """Prove on an open connection; where the session was gone, so were its channels."""
        asked = asyncio.get_running_loop().time()
        tokens = self._tokens
        async with self._proving:
            if self._tokens is not tokens:
                return  # somebody else has
            was_gone = is_gone or asked >= self._expires
            await self._prove()
            if was_gone:
                await self._subscribe_again(list(self._readers), may_prove=False)

    # -- channels --------------------------------------------------------------------------------

    async def _begin(self, reader: Subscription[Any]) -> None:
        """Subscribe for a reader; where another reads the channel already, both go on with a snapshot."""
        readers = self._readers.setdefault(reader.channel, [])
        readers.append(reader)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._up()
                await self._subscribe_again([reader.channel])
        except TimeoutError:
            self._forget(reader)
            raise no_answer("public/subscribe", self._timeout_s) from None
        except BaseException:
            self._forget(reader)
            raise

    async def _end(self, reader: Subscription[Any]) -> None:
        """Unsubscribe where nobody else reads the channel."""
        self._forget(reader)
        if reader.channel not in self._readers and self._is_up.is_set() and self._error is None:
            with suppress(SteelyardError, TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await self._ask("public/unsubscribe", {"channels": [reader.channel]})

    def _forget(self, reader: Subscription[Any]) -> None:
        readers = self._readers.get(reader.channel, [])
        if reader in readers:
            readers.remove(reader)
        if not readers:
            self._readers.pop(reader.channel, None)

    def _every(self) -> list[Subscription[Any]]:
        """Return all readers, of which any may leave meanwhile."""
        return [reader for readers in self._readers.values() for reader in readers]

    def _again(self, reader: Subscription[Any]) -> None:
        """Have a channel begin again with a snapshot."""
        if self._is_up.is_set():  # else the next connection does
            self._aside(self._subscribe_one(reader))

    async def _subscribe_one(self, reader: Subscription[Any]) -> None:
        try:
            await self._subscribe_again([reader.channel])
        except Refused as error:
            reader.fail(error)

    async def _subscribe_again(self, channels: list[str], *, may_prove: bool = True) -> None:
        """Subscribe to channels anew, each by itself: one that is refused says so to its readers alone."""
        if len(channels) > 1:
            for channel in channels:
                try:
                    await self._subscribe_again([channel], may_prove=may_prove)
                except Refused as error:
                    for reader in self._readers.get(channel, ()):
                        reader.fail(error)
        elif channels:
            await self._ask("public/unsubscribe", {"channels": channels})
            try:
                await self._ask("public/subscribe", {"channels": channels})
            except Refused as error:
                if error.code not in UNPROVEN or not may_prove or not self._proof.is_given:
                    raise
                await self._prove_again(is_gone=True)
                await self._subscribe_again(channels, may_prove=False)


__all__ = ["Client", "Disconnected"]
