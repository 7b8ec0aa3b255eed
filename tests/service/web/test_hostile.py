"""What the open net sends: bytes that are nothing, half of a request, connections that only hold a place."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.web.roles import Venue, ask, request, run, venue

UPGRADE = (
    b"GET /ws/api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
)


async def sent(v: Venue, raw: bytes, seconds: float = 5.0) -> bytes:
    """Return all that comes back for bytes, until the other side closes or is silent so long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
    found = b""
    try:
        writer.write(raw)
        async with asyncio.timeout(seconds):
            while more := await reader.read(65_536):
                found += more
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return found


@pytest.mark.parametrize(
    "first",
    [b"", b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\n", b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
     b"content-length: 100\r\n\r\n{", b"GET /ws"],
)  # fmt: skip
def test_WEBT_020_a_request_that_does_not_end_is_closed(first: bytes) -> None:
    async def story() -> None:
        async with venue(request_s_max=0.6) as v:
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
            writer.write(first)

            async def drip() -> None:
                while True:  # a byte now and then does not prolong it
                    await asyncio.sleep(0.1)
                    writer.write(b"x" if first else b"")

            dripping = asyncio.create_task(drip())
            async with asyncio.timeout(10):
                told = await reader.read(100_000)
            dripping.cancel()
            assert told[:12] in (b"HTTP/1.1 408", b"")
            writer.close()
            assert await gone(v)

    run(story)


async def gone(v: Venue, left: int = 0) -> bool:
    """Return whether the server comes to hold so many connections."""
    for _ in range(100):
        if v.server.gate is not None and v.server.gate.held == left:
            return True
        await asyncio.sleep(0.05)
    return False


def test_WEBT_020_headers_have_bounds() -> None:
    async def story() -> None:
        async with venue(header_bytes_max=4_096, headers_max=20) as v:
            line = b"GET /api/v2/public/test HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
            assert (await sent(v, line + b"\r\n"))[:12] == b"HTTP/1.1 200"
            long = await sent(v, line + b"x: " + b"y" * 5_000 + b"\r\n\r\n")
            assert long[:12] == b"HTTP/1.1 431"
            unending = await sent(v, line + b"x: " + b"y" * 500_000)
            assert unending[:12] == b"HTTP/1.1 431"
            many = await sent(v, line + b"x: y\r\n" * 30 + b"\r\n")
            assert many[:12] == b"HTTP/1.1 431"
            far = await sent(v, b"GET /" + b"x" * 50_000 + b" HTTP/1.1\r\n\r\n")
            assert far[:12] == b"HTTP/1.1 431"
            for wrong in (b"\x16\x03\x01\x02\x00", b"NO HTTP\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
                assert (await sent(v, wrong))[:12] == b"HTTP/1.1 400"

    run(story)


def test_WEBT_021_connections_have_bounds_and_free_their_place() -> None:
    async def story() -> None:
        async with venue(connections_max=100, connections_per_address_max=3) as v:
            sockets = [await v.connect() for _ in range(3)]
            refused = await sent(v, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            assert refused[:12] == b"HTTP/1.1 503"
            await sockets[0].close()
            assert await gone(v, 2)
            async with v.connect() as socket:
                assert "result" in await ask(socket, "public/test")
            for each in sockets:
                each.transport.abort()  # no closing of any kind
            assert await gone(v, 0)
            assert v.service.connections == set()

    run(story)


def test_WEBT_021_a_half_open_connection_is_found_by_its_silence() -> None:
    async def story() -> None:
        async with venue(ping_s=0.3) as v:
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            assert await gone(v, 1)
            assert await gone(v, 0)  # no ping was answered
            writer.close()

    run(story)


FRAGMENTS: Any = st.lists(
    st.binary(max_size=40)
    | st.sampled_from(
        [
            json.dumps(request("public/test")).encode(), b'{"jsonrpc":"2.0","id":', b'"method":"public/auth"',
            b"[", b"]", b"}", b"\x00", b"\xff", b"NaN", b'"params":{"channels":["health.raw"]}', b"," * 50, b"[" * 40,
        ]
    ),
    max_size=6,
).map(b"".join)  # fmt: skip


def framed(payload: bytes, head: int = 0x81) -> bytes:
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return (
        bytes((head,))
        + length
        + b"\1\2\3\4"
        + bytes(c ^ (1, 2, 3, 4)[i % 4] for i, c in enumerate(payload))
    )


@given(st.lists(FRAGMENTS, min_size=40, max_size=40))
@settings(max_examples=4)
def test_WEBT_022_any_body_and_any_frame_get_an_answer_or_a_close(bodies: list[bytes]) -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            for body in bodies:
                found = await client.post("/api/v2", content=body)
                assert found.status_code in (200, 204, 400, 401, 404, 413)
                told = found.json() if found.content else []
                for each in told if isinstance(told, list) else [told]:
                    assert each["jsonrpc"] == "2.0"
                    assert ("error" in each) != ("result" in each)
            async with v.connect() as socket:
                for body in bodies:
                    await socket.send(body)
                answer = await ask(socket, "public/test", {}, "last")
                assert "result" in answer

    run(story)


@given(st.lists(st.binary(max_size=300), min_size=30, max_size=30), st.booleans())
@settings(max_examples=4)
def test_WEBT_022_any_bytes_on_either_transport_harm_nobody_else(
    raws: list[bytes], is_upgraded: bool
) -> None:
    async def story() -> None:
        async with venue(request_s_max=0.3) as v, v.connect() as good:
            first = UPGRADE if is_upgraded else b""
            await asyncio.gather(*(sent(v, first + raw, 0.2) for raw in raws))
            head = b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            await asyncio.gather(*(sent(v, head + raw, 0.2) for raw in raws))
            await asyncio.gather(*(sent(v, UPGRADE + framed(raw), 0.2) for raw in raws))
            assert "result" in await ask(good, "public/test")
            assert await gone(v, 1)

    run(story)


def test_WEBT_022_pipelined_requests_are_answered_in_order() -> None:
    async def story() -> None:
        async with venue() as v:
            parts = []
            for i in range(20):
                body = json.dumps(request("public/test", {}, i)).encode()
                close = b"connection: close\r\n" if i == 19 else b""
                parts.append(
                    b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\n" + close
                    + b"content-length: %d\r\n\r\n" % len(body) + body
                )  # fmt: skip
            told = await sent(v, b"".join(parts))
            ids = [int(part.partition(b",")[0]) for part in told.split(b'"id":')[1:]]
            assert ids == list(range(20))
            chunked = b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            body = json.dumps(request("public/test")).encode()
            chunks = b"".join(b"1\r\n" + bytes((each,)) + b"\r\n" for each in body) + b"0\r\n\r\n"
            assert b'"version"' in await sent(v, chunked + chunks)

    run(story)
