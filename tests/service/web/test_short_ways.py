"""The short ways of requests through the transport, against the long ones."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from steelyard.service.rpc.registry import Method, NoParams
from steelyard.service.web import heads, wire_socket
from steelyard.service.web.framing import Boundaries, text_of
from steelyard.service.web.heads import known_of
from steelyard.service.web.wire_http import GuardedHttp
from tests.service.web.roles import Venue, ask, bearer, login, request, run, venue
from tests.service.web.test_direct import plain
from tests.service.web.test_hostile import UPGRADE, framed

HELLO = json.dumps(request("public/get_index_price_names")).encode()
SUMMARY = json.dumps(request("private/get_account_summary", {"account": "alice"})).encode()


def post(body: bytes, *lines: str, path: str = "/api/v2", length: str = "") -> bytes:
    """Return a request as bytes."""
    head = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", *lines]
    return "\r\n".join([*head, f"content-length: {length or len(body)}", "", ""]).encode() + body


class Talk:
    """A connection that is asked with bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, v: Venue) -> Talk:
        return cls(*await asyncio.open_connection("127.0.0.1", v.server.port))

    async def ask(self, raw: bytes) -> tuple[bytes, Any]:
        """Return status line and answer."""
        self.writer.write(raw)
        return await self.answer()

    async def answer(self) -> tuple[bytes, Any]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        body = await self.reader.readexactly(length)
        told = json.loads(body) if body[:1] in (b"{", b"[") else body
        return head.partition(b"\r\n")[0], plain(told) if isinstance(told, dict | list) else told

    async def is_closed(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return not await self.reader.read(1)
        except TimeoutError:
            return False


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[bool]:
    """Return a list of whether each call of a function found something."""
    calls: list[bool] = []
    inner = getattr(owner, name)

    def counting(*given: Any) -> Any:
        found = inner(*given)
        calls.append(bool(found))
        return found

    monkeypatch.setattr(owner, name, counting)
    return calls


def test_WEBT_030_the_same_head_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    again = counted(monkeypatch, GuardedHttp, "_answered_again")

    async def story() -> None:
        async with venue() as v, v.client() as client:
            line = "authorization: " + (await bearer(client))["authorization"]
            other = "authorization: Bearer " + "A" * 43
            talk = await Talk.open(v)
            steps = [
                (post(SUMMARY, line), 0), (post(SUMMARY, line), 1), (post(SUMMARY + b"   ", line), 1),
                (post(SUMMARY, other), 0), (post(SUMMARY, other), 0), (post(SUMMARY, line), 0),
                (post(HELLO, line), 1), (post(SUMMARY), 0), (post(b"{", line), 0), (post(b"[]", line), 1),
                (post(SUMMARY, line, path="/api/v2/"), 0), (post(SUMMARY, line), 1),
                (b"GET /api/v2/public/get_currencies HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n", 0),
                (b"\r\n" + post(HELLO, line), 0), (b"\r\n" + post(HELLO, line), 1), (post(HELLO, line), 0),
                (post(HELLO, line, length=f"0{len(HELLO)}"), 1), (post(HELLO, line, "x-more: 1"), 0),
                (post(HELLO, line, "host: 127.0.0.1"), 0),
            ]  # fmt: skip
            for raw, is_again in steps:
                before = sum(again)
                found = await talk.ask(raw)
                assert sum(again) - before == is_again, raw
                lone = await Talk.open(v)
                assert found == await lone.ask(raw), raw
                lone.writer.close()
            talk.writer.close()

    run(story)


@given(
    st.lists(st.sampled_from([HELLO, HELLO + b" ", b"{", b"[" + HELLO + b"]"]), min_size=2, max_size=6),
    st.lists(st.integers(1, 400), max_size=6),
)  # fmt: skip
@settings(max_examples=12)
def test_WEBT_030_packets_cut_and_joined_anywhere(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(post, bodies))
    ends = sorted({min(c * len(stream) // 400, len(stream)) for c in cuts} | {len(stream)})

    async def story() -> None:
        async with venue() as v:
            talk, lone = await Talk.open(v), await Talk.open(v)
            await talk.ask(post(HELLO))
            begin = 0
            for end in ends:
                talk.writer.write(stream[begin:end])
                await asyncio.sleep(0.01)
                begin = end
            for body in bodies:
                assert await talk.answer() == await lone.ask(post(body, "x-own: 1"))
            talk.writer.close()
            lone.writer.close()

    run(story)


def test_WEBT_030_a_token_that_ended_opens_nothing_by_a_known_head() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            token = (await bearer(client))["authorization"]
            talk = await Talk.open(v)
            for _ in range(2):
                assert "result" in (await talk.ask(post(SUMMARY, f"authorization: {token}")))[1]
            v.service.tokens.revoke(token[7:])
            status, told = await talk.ask(post(SUMMARY, f"authorization: {token}"))
            assert (status, told["error"]["data"]["code"]) == (
                b"HTTP/1.1 401 Unauthorized",
                "ACCS-E30",
            )
            talk.writer.close()

    run(story)


def test_WEBT_030_what_is_awaited_is_done_once() -> None:
    done = []

    async def command(_params: NoParams, _context: Any) -> int:
        done.append(1)
        await asyncio.sleep(0)
        return len(done)

    method = Method(
        name="public/count", handler=command, params=NoParams, result=int, scope="public", credits=1,
        is_private=False, summary="Counts",
    )  # fmt: skip

    async def story() -> None:
        async with venue(more=(method,)) as v:
            talk = await Talk.open(v)
            await talk.ask(post(HELLO))
            for i in range(1, 4):
                told = (await talk.ask(post(json.dumps(request("public/count")).encode())))[1]
                assert told["result"] == i
                assert "result" in (await talk.ask(post(HELLO)))[1]
            talk.writer.close()

    run(story)
    assert len(done) == 3


def test_WEBT_030_an_idle_connection_is_closed_and_one_in_use_is_not() -> None:
    async def story() -> None:
        async with venue(keep_alive_s=1) as v:
            used, quiet, stray = [await Talk.open(v) for _ in range(3)]
            for talk in (used, quiet, stray):
                await talk.ask(post(HELLO))
            stray.writer.write(b"\r\n")
            for _ in range(5):
                await asyncio.sleep(0.4)
                assert "result" in (await used.ask(post(HELLO)))[1]
            assert await quiet.is_closed(0.1)
            assert await stray.is_closed(0.1)
            assert not await used.is_closed(0.3)
            assert await used.is_closed(3.0)
            for talk in (used, quiet, stray):
                talk.writer.close()

    run(story)


@given(st.binary(max_size=200), st.integers(0, 300), st.data())
def test_WEBT_030_a_known_head_finds_the_body_that_the_parser_finds(
    body: bytes, more: int, data: Any
) -> None:
    import httptools

    class Parsed:
        def __init__(self) -> None:
            self.bodies: list[bytes] = []
            self.headers: list[tuple[bytes, bytes]] = []

        def on_message_begin(self) -> None:
            self.bodies.append(b"")

        def on_header(self, name: bytes, value: bytes) -> None:
            self.headers.append((name, value))

        def on_body(self, part: bytes) -> None:
            self.bodies[-1] += part

    first = post(body, "accept: */*")
    known = known_of(first, len(body), None)
    assert known is not None
    raw = bytearray(post(body + b"x" * more, "accept: */*"))
    for _ in range(data.draw(st.integers(0, 2))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = known.taken(bytes(raw))
    if found is not None:
        parsed = Parsed()
        httptools.HttpRequestParser(parsed).feed_data(bytes(raw)[: len(raw) - len(found[1])])
        assert parsed.bodies == [found[0]]
        assert bytes(raw).endswith(found[1])
        assert [each for each in parsed.headers if each[0] != b"content-length"] == [
            (b"host", b"127.0.0.1"), (b"accept", b"*/*"),
        ]  # fmt: skip
    assert known_of(first + post(body), len(body), None) is None


def frame_of(head: int, size: int, is_ascii: bool, is_masked: bool) -> bytes:
    """Return a frame; a payload of so many bytes."""
    opcode, is_last = Opcode(head & 0x0F), bool(head & 0x80)
    payload = (b"a" if is_ascii else b"\xc3\x81") * size
    if opcode is Opcode.PING:
        payload, is_last = payload[:125], True
    return Frame(opcode, payload[:size], is_last).serialize(mask=is_masked)


HEADS, SIZES = (0x81, 0x01, 0x82, 0x02, 0x80, 0x00, 0x89), (0, 1, 2, 60, 125, 126, 65_535, 65_536)
FRAMES = st.builds(
    frame_of, st.sampled_from(HEADS), st.sampled_from(SIZES), st.booleans(), st.booleans()
)


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 10**6), max_size=8))
def test_WEBT_031_ends_of_frames_are_known_however_they_are_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frames)
    ends = {sum(map(len, frames[:i])) for i in range(len(frames) + 1)}
    places = sorted({c % (len(stream) + 1) for c in cuts} | {len(stream)})
    followed, begin = Boundaries(), 0
    for place in places:
        followed.pass_by(stream[begin:place])
        assert followed.is_between == (place in ends)
        begin = place


@given(FRAMES, st.integers(-1, 1), st.integers(0, 10))
def test_WEBT_031_only_one_whole_masked_frame_of_ascii_is_taken(
    frame: bytes, cut: int, bound: int
) -> None:
    raw = frame[:-1] if cut < 0 else frame + b"\x81" * cut
    for bytes_max in (bound, 1 << 20):
        found = text_of(raw, bytes_max)
        if found is None:
            continue
        assert cut == 0
        assert raw[0] == 0x81
        assert len(found) <= bytes_max
        assert found.isascii()
        assert Frame(Opcode.TEXT, found).serialize(mask=False)[2:].endswith(found)
        assert framed(found)[: -len(found) - 4 or None][0:2] == raw[0:2]


@given(st.binary(max_size=65_535).map(lambda each: each.hex().encode()[:65_535]))
def test_WEBT_031_the_text_is_that_of_the_frame(text: bytes) -> None:
    assert text_of(Frame(Opcode.TEXT, text).serialize(mask=True), 1 << 20) == text


def test_WEBT_031_questions_in_packets_of_their_own_wake_no_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[Any] = []
    hand_on = wire_socket.GuardedSocket.hand_on

    def noted(self: Any, message: Any) -> None:
        handed.append(message)
        hand_on(self, message)

    monkeypatch.setattr(wire_socket.GuardedSocket, "hand_on", noted)

    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await login(socket, "alice")
            handed.clear()
            for i in range(4):
                assert (await ask(socket, "public/get_index_price_names", {}, i))["id"] == i
                assert "result" in await ask(
                    socket, "private/get_account_summary", {"account": "alice"}
                )
            assert handed == []
            await ask(socket, "public/hello", {"client_name": "ü", "client_version": "1"})
            await ask(socket, "public/set_heartbeat", {"interval": 30})
            assert [sorted(each) for each in handed if "found" in each]  # a command is awaited

    run(story)


async def told(socket: Any, count: int) -> list[Any]:
    """Return the ids of so many answers, or the code of a close."""
    reader, _ = socket
    found: list[Any] = []
    while len(found) < count:
        head = await reader.readexactly(2)
        length = head[1]
        if length > 125:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        body = await reader.readexactly(length)
        if head[0] == 0x88:
            found.append(int.from_bytes(body[:2], "big"))
        elif head[0] == 0x81:
            found.append(json.loads(body)["id"])
    return found


def test_WEBT_031_frames_cut_joined_and_hidden_are_read_as_ever() -> None:
    def question(identity: Any, **more: Any) -> bytes:
        return json.dumps(request("public/get_index_price_names", None, identity) | more).encode()

    hidden = framed(question("hidden"))
    # A message of bytes whose second packet is, to the last byte, a frame of text of its own.
    outer = question("outer")[:-1] + b',"x":"'
    carrier = b"\x82\xfe" + (len(outer) + len(hidden)).to_bytes(2, "big") + b"\0\0\0\0" + outer
    steps: list[tuple[list[bytes], list[Any]]] = [
        ([framed(question(1))], [1]),
        ([framed(question(2))[:1], framed(question(2))[1:]], [2]),
        ([framed(question(3)) + framed(question(4))], [3, 4]),
        ([framed(question(i)) for i in range(5, 9)], [5, 6, 7, 8]),
        ([framed(question(9)) + framed(question(10))[:3], framed(question(10))[3:]], [9, 10]),
        ([b"".join(framed(question(i)) for i in range(11, 31))], [*range(11, 31)]),
        ([framed(question(31)[:9], 0x01), framed(question(31)[9:], 0x80)], [31]),
        ([b"\x89\x80\1\2\3\4" + framed(question(32))], [32]),
        ([carrier, hidden], [None]),  # what is no JSON has no id
        ([framed(question(33)[:9], 0x01), framed(question(34))], [1002]),
    ]

    async def story() -> None:
        async with venue() as v:
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            for packets, wanted in steps:
                for packet in packets:
                    writer.write(packet)
                    await asyncio.sleep(0.02)
                assert await told((reader, writer), len(wanted)) == wanted, packets
            writer.close()

    run(story)


def test_WEBT_031_a_question_waits_for_those_before_it() -> None:
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def slow(_params: NoParams, _context: Any) -> int:
        begun.set()
        await go_on.wait()
        return 1

    def framed_call(method: str, identity: int) -> bytes:
        return framed(json.dumps(request(method, None, identity)).encode())

    method = Method(
        name="public/set_heartbeats", handler=slow, params=NoParams, result=int, scope="public",
        credits=1, is_private=False, summary="Waits",
    )  # fmt: skip

    async def story() -> None:
        async with venue(more=(method,)) as v:
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            body = [
                request("public/set_heartbeats", None, 1),
                request("public/get_index_price_names", None, 2),
            ]
            writer.write(
                framed(json.dumps(body).encode())
            )  # a batch is awaited before what follows
            await begun.wait()
            for i in (3, 4):
                writer.write(framed_call("public/get_index_price_names", i))
                await asyncio.sleep(0.02)
            go_on.set()
            found = b""
            async with asyncio.timeout(10):
                while found.count(b'"id":') < 4:
                    found += await reader.read(65_536)
            ids = [int(part.partition(b",")[0]) for part in found.split(b'"id":')[1:]]
            assert ids == [1, 2, 3, 4]
            writer.close()

    run(story)


def test_WEBT_030_heads_of_unusual_lengths_are_not_kept() -> None:
    body = b"{}"
    raw = post(body)
    known = known_of(raw, 2, None)
    assert known is not None
    assert known.taken(post(b" " * heads.BODY_BYTES_MAX)) == (b" " * heads.BODY_BYTES_MAX, b"")
    assert known.taken(post(b" " * (heads.BODY_BYTES_MAX + 1))) is None
    assert known_of(raw, 1, None) is None  # the parser found another body
    assert known_of(post(body, "x: " + "y" * heads.HEAD_BYTES_MAX), 2, None) is None
    assert known_of(raw.replace(b": 2", b":\t2"), 2, None) is None
    assert known_of(raw.replace(b"content-length: 2", b"content-length: 2 "), 2, None) is None
    twice = raw.replace(b"host: ", b"content-length: 2\r\nhost: ")
    assert known_of(twice, 2, None) is None
