"""One WebSocket connection, by an independent client: sessions, signs of life, subscriptions, the past."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from steelyard.service.access import sign_auth
from steelyard.service.rpc.registry import Method, NoParams
from steelyard.service.web.service import now_us
from tests.service.access.roles import PRIVATE
from tests.service.web.roles import Slow, ask, closed_with, code, keys, login, request, run, venue

SUMMARY = ("private/get_account_summary", {"account": "alice"})


def test_WEBT_010_a_connection_is_the_session_it_proved() -> None:
    known = keys()

    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            assert (await ask(socket, *SUMMARY))["error"]["code"] == 13009
            granted = await login(socket, "alice")
            assert granted["key_id"] == known.alice
            assert "result" in await ask(socket, *SUMMARY)
            assert (await ask(socket, "private/get_account_summary", {"account": "bob"}))["error"][
                "code"
            ] == 13021
            async with v.connect() as other:  # the tokens are bound to their connection
                params = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
                assert code(await ask(other, "public/auth", params)) == "ACCS-E30"
            params = {
                "grant_type": "refresh_token",
                "refresh_token": granted["refresh_token"],
                "state": "s",
            }
            renewed = await ask(socket, "public/auth", params)
            assert renewed["result"]["state"] == "s"
            assert "result" in await ask(socket, *SUMMARY)
            again = await ask(socket, "public/auth", params)
            assert code(again) == "ACCS-E30"  # spent: its whole grant ends
            assert (await ask(socket, *SUMMARY))["error"]["code"] == 13009

    run(story)


def test_WEBT_010_every_grant_and_its_parts() -> None:
    known = keys()

    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            for key, secret, nonce in (
                (known.signer, known.signer_secret, "a1"), (known.edward, PRIVATE, "a2"),
            ):  # fmt: skip
                signed = sign_auth(key, secret, ts_ms=now_us() // 1000, nonce=nonce, data="d")
                params = {name: getattr(signed, name) for name in signed.__struct_fields__}
                assert (await ask(socket, "public/auth", params))["result"]["key_id"] == key
                assert code(await ask(socket, "public/auth", params)) == "ACCS-E23"
            for wrong in (
                {"grant_type": "client_credentials", "client_id": known.alice},
                {"grant_type": "page_code", "code": "1", "client_id": "x"},
                {"grant_type": "refresh_token"},
            ):
                assert code(await ask(socket, "public/auth", wrong)) == "WEBT-E07"
            wrong = {
                "grant_type": "client_credentials",
                "client_id": known.alice,
                "client_secret": "no",
            }
            answer = await ask(socket, "public/auth", wrong)
            assert (answer["error"]["code"], code(answer)) == (13004, "ACCS-E10")

    run(story)


def test_WEBT_010_logout_ends_the_session_and_the_connection() -> None:
    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await login(socket)
            assert (await ask(socket, "private/logout"))["result"] == "ok"
            assert await closed_with(socket) == 1000
            assert len(v.service.tokens) == 0

    run(story)


def test_WEBT_010_a_revoked_session_is_nobody_at_once() -> None:
    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await login(socket, "alice")
            v.service.tokens.revoke_key(keys().alice)
            assert (await ask(socket, *SUMMARY))["error"]["code"] == 13009
            assert (await ask(socket, "public/test"))["result"]["version"]

    run(story)


def test_WEBT_011_requests_are_answered_in_any_frame_and_batch() -> None:
    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await socket.send(json.dumps(request("public/test", {}, "text")))
            await socket.send(json.dumps(request("public/test", {}, "binary")).encode())
            await socket.send(["{", json.dumps(request("public/test", {}, "parts"))[1:]])
            told = [json.loads(await socket.recv()) for _ in range(3)]
            assert [each["id"] for each in told] == ["text", "binary", "parts"]
            await socket.send(json.dumps([request("public/test", {}, i) for i in range(3)]))
            assert [each["id"] for each in json.loads(await socket.recv())] == [0, 1, 2]
            await socket.send(b"\xff{")  # a binary frame is read as text and is none
            assert json.loads(await socket.recv())["error"]["code"] == -32700
            await socket.send("[")
            assert json.loads(await socket.recv())["error"]["code"] == -32700
            hello = await ask(socket, "public/hello", {"client_name": "c", "client_version": "1"})
            assert hello["result"]["version"]
            wanted = await ask(socket, "public/test", {"expected_result": "exception"})
            assert code(wanted) == "WEBT-E09"

    run(story)


def test_WEBT_012_subscriptions_are_told_and_ended() -> None:
    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            found = await ask(socket, "public/subscribe", {"channels": ["health.raw"]})
            assert found["result"] == ["health.raw"]
            assert json.loads(await socket.recv())["params"]["data"]["type"] == "snapshot"
            v.hub.publish("health.raw")
            told = json.loads(await socket.recv())
            assert (told["method"], told["params"]["data"]["number"]) == ("subscription", 1)
            refused = await ask(socket, "public/subscribe", {"channels": ["accounts.raw"]})
            assert code(refused) == "CHAN-E01"
            await login(socket)
            await ask(socket, "private/subscribe", {"channels": ["accounts.raw"]})
            assert json.loads(await socket.recv())["params"]["channel"] == "accounts.raw"
            gone = await ask(socket, "public/unsubscribe", {"channels": ["health.raw", "none"]})
            assert gone["result"] == ["health.raw"]
            v.hub.publish("health.raw")
            v.hub.publish("accounts.raw")
            assert json.loads(await socket.recv())["params"]["channel"] == "accounts.raw"
            assert (await ask(socket, "private/unsubscribe_all"))["result"] == "ok"
            v.hub.publish("accounts.raw")
            assert (await ask(socket, "public/test", {}, 7))["id"] == 7
            assert code(await ask(socket, "public/subscribe", {"channels": []})) == "WEBT-E05"
        await asyncio.sleep(0.05)
        assert v.hub.readers == []

    run(story)


def test_WEBT_012_where_nothing_is_published_any_more_the_connection_is_closed() -> None:
    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await ask(socket, "public/subscribe", {"channels": ["health.raw"]})
            await socket.recv()
            v.hub.readers[0].close()
            assert await closed_with(socket) == 1013

    run(story)


def test_WEBT_013_a_heartbeat_is_sent_and_a_silent_client_is_closed() -> None:
    async def story() -> None:
        async with venue(heartbeat_s_min=1) as v, v.connect() as socket:
            low = await ask(socket, "public/set_heartbeat", {"interval": 0})
            assert code(low) == "WEBT-E05"
            assert (await ask(socket, "public/set_heartbeat", {"interval": 1}))["result"] == "ok"
            kinds = []
            for _ in range(3):
                told = json.loads(await socket.recv())
                kinds.append(told["params"]["type"])
                if told["params"]["type"] == "test_request":
                    await socket.send(json.dumps(request("public/test")))
                    assert "result" in json.loads(await socket.recv())
            assert kinds == ["heartbeat", "test_request", "heartbeat"]
            assert await closed_with(socket) == 1008

    run(story)


def test_WEBT_013_a_heartbeat_that_is_disabled_closes_nothing() -> None:
    async def story() -> None:
        async with venue(heartbeat_s_min=1) as v, v.connect() as socket:
            await ask(socket, "public/set_heartbeat", {"interval": 1})
            assert (await ask(socket, "public/disable_heartbeat"))["result"] == "ok"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2.5):
                    await socket.recv()
            assert "result" in await ask(socket, "public/test")

    run(story)


def test_WEBT_014_answers_of_heavy_calls_come_when_they_are_ready() -> None:
    slow = Slow()

    async def story() -> None:
        async with venue(more=(slow.method,)) as v, v.connect() as socket:
            await login(socket)
            await socket.send(json.dumps(slow.request | {"id": "heavy"}))
            for i in range(3):
                await socket.send(json.dumps(request(*SUMMARY, i)))
            order = [json.loads(await socket.recv())["id"] for _ in range(3)]
            slow.go_on.set()
            order.append(json.loads(await socket.recv())["id"])
            assert order == [0, 1, 2, "heavy"]

    run(story)


def test_WEBT_014_commands_are_begun_in_their_order_and_waited_for_together() -> None:
    begun: list[int] = []
    gate: list[asyncio.Event] = []

    async def command(_params: NoParams, _context: Any) -> int:
        begun.append(len(begun))
        number = begun[-1]
        await gate[0].wait()
        return number

    method = Method(
        name="private/hold", handler=command, params=NoParams, result=int, scope="trade", credits=1,
        is_private=True, summary="Waits",
    )  # fmt: skip

    async def story() -> None:
        gate.append(asyncio.Event())
        async with venue(more=(method,)) as v, v.connect() as socket:
            await login(socket)
            for i in range(5):
                await socket.send(json.dumps(request("private/hold", {}, i)))
            assert (await ask(socket, "public/test", {}, "t"))["id"] == "t"
            gate[0].set()
            told = [json.loads(await socket.recv()) for _ in range(5)]
            assert [(each["id"], each["result"]) for each in told] == [(i, i) for i in range(5)]
            async with httpx.AsyncClient(base_url=v.url) as client:
                refused = await client.get("/api/v2/private/hold")
                assert refused.status_code in (400, 401)

    run(story)


def test_WEBT_015_a_connection_goes_to_the_past_and_comes_back() -> None:
    async def story() -> None:
        async with venue(past=True) as v, v.connect() as socket:
            assert (await ask(socket, "private/set_as_of", {"as_of_seq": 3}))["error"][
                "code"
            ] == 13009
            await login(socket)
            await ask(socket, "public/subscribe", {"channels": ["health.raw", "accounts.raw"]})
            await socket.recv(), await socket.recv()
            found = await ask(socket, "private/set_as_of", {"as_of_seq": 3})
            assert found["result"] == {"set_to_seq": 3}
            notes = [json.loads(await socket.recv())["params"] for _ in range(2)]
            assert {each["channel"]: each["data"]["past"] for each in notes} == {
                "health.raw": 3, "accounts.raw": 3,
            }  # fmt: skip
            v.hub.publish("health.raw")
            assert (await ask(socket, *SUMMARY))["result"] == {"past": 3}
            await socket.send(json.dumps([request(*SUMMARY, 8), request("public/hello", {}, 9)]))
            batch = json.loads(await socket.recv())
            assert batch[0]["result"] == {"past": 3}
            await ask(socket, "public/subscribe", {"channels": ["transparency.raw"]})
            assert json.loads(await socket.recv())["params"]["data"] == {
                "type": "snapshot",
                "past": 3,
            }
            assert v.past is not None
            assert {each[1:] for each in v.past.asked} == {(keys().risk, 3, "127.0.0.1")}
            assert (await ask(socket, "private/set_as_of", {"time_us": 25}))["result"] == {
                "set_to_seq": 5
            }
            for _ in range(3):
                assert json.loads(await socket.recv())["params"]["data"]["past"] == 5
            late = await ask(socket, "private/set_as_of", {"as_of_seq": 10**9})
            assert code(late) == "WEBT-E05"
            assert (await ask(socket, "private/set_as_of", {"as_of_seq": None}))["result"] == {
                "set_to_seq": None
            }
            notes = [json.loads(await socket.recv())["params"]["data"] for _ in range(3)]
            assert all(each == {"type": "snapshot", "number": 1} for each in notes)
            assert (await ask(socket, *SUMMARY))["result"]["account"] == "alice"

    run(story)


def test_RWND_049_a_connection_is_told_how_far_and_which_channel_has_no_past() -> None:
    async def story() -> None:
        async with venue(past=True) as v, v.connect() as socket:
            await login(socket)
            await ask(socket, "public/subscribe", {"channels": ["health.raw", "accounts.raw"]})
            await socket.recv(), await socket.recv()
            await ask(socket, "private/set_as_of", {"as_of_seq": 4})
            notes = [json.loads(await socket.recv()) for _ in range(4)]
            assert [each["method"] for each in notes] == ["as_of", "subscription", "as_of", "as_of"]
            assert notes[0]["params"] == {"as_of_seq": 4, "fraction": 0.25}
            assert notes[1]["params"]["data"]["past"] == 4
            refused = notes[3]["params"]
            assert (refused["as_of_seq"], refused["channel"]) == (4, "accounts.raw")
            assert refused["error"]["data"]["code"] == "WEBT-E06"
            assert refused["error"]["data"]["reason"] == "there were none"

    run(story)


def test_WEBT_015_without_a_past_it_is_said_so_and_the_past_is_not_changed() -> None:
    async def command(_params: NoParams, _context: Any) -> str:
        raise AssertionError("the past was changed")

    method = Method(
        name="private/order", handler=command, params=NoParams, result=str, scope="trade", credits=1,
        is_private=True, summary="Changes",
    )  # fmt: skip

    async def story() -> None:
        async with venue() as v, v.connect() as socket:
            await login(socket)
            assert code(await ask(socket, "private/set_as_of", {"as_of_seq": 3})) == "WEBT-E06"
        async with venue(past=True, more=(method,)) as v, v.connect() as socket:
            await login(socket)
            await ask(socket, "private/set_as_of", {"as_of_seq": 3})
            assert code(await ask(socket, "private/order", {})) == "WEBT-E06"

    run(story)


def test_WEBT_016_answers_are_not_held_up_by_notifications() -> None:
    async def story() -> None:
        async with venue(unread_s_max=60.0) as v, v.connect(max_queue=1) as socket:
            await ask(socket, "public/subscribe", {"channels": ["health.raw"]})
            big = "x" * 100_000
            for _ in range(200):  # the client does not read meanwhile
                v.hub.publish("health.raw", big)
                await asyncio.sleep(0)
            await socket.send(json.dumps(request("public/test", {}, "answer")))
            before = 0
            while json.loads(await socket.recv()).get("id") != "answer":
                before += 1
            assert before < 150  # what was in the buffers of two kernels and no more
            v.hub.publish("health.raw", "last")
            while json.loads(await socket.recv())["params"]["data"].get("more") != "last":
                pass

    run(story)


def test_WEBT_017_a_client_that_never_reads_is_cut_off_and_nothing_grows() -> None:
    async def story() -> None:
        async with venue(unread_s_max=0.5, answers_max=16) as v, v.connect() as good:
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port, limit=1024)
            writer.write(
                b"GET /ws/api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps(request("rpc.discover")).encode()
            frame = bytes((0x81, 0x80 | len(body))) + bytes(4) + body
            try:
                async with asyncio.timeout(15):
                    for _ in range(100_000):
                        writer.write(frame * 20)
                        await writer.drain()
                        assert all(len(each._answers) <= 17 for each in v.service.connections)
            except (ConnectionError, TimeoutError):
                pass
            for _ in range(100):
                if len(v.service.connections) == 1:
                    break
                await asyncio.sleep(0.05)
            assert len(v.service.connections) == 1
            assert "result" in await ask(good, "public/test")
            writer.close()

    run(story)


def test_WEBT_018_frames_beyond_their_bounds_close_the_connection() -> None:
    async def story() -> None:
        async with venue(message_bytes_max=10_000, fragments_max=8) as v:
            async with v.connect() as socket:
                await socket.send(" " * 10_001)
                assert await closed_with(socket) == 1009
            async with v.connect() as socket:
                await socket.send(["x"] * 20)
                assert await closed_with(socket) == 1009
            for raw in (b"\xc3(", b"\xff"):
                async with v.connect() as socket:
                    await socket.send(raw, text=True)
                    assert await closed_with(socket) == 1007
            async with v.connect() as socket:
                assert "result" in await ask(socket, "public/test")

    run(story)


def test_WEBT_019_stopping_closes_connections_with_1001() -> None:
    async def story() -> None:
        async with venue() as v:
            sockets = [await v.connect() for _ in range(3)]
            stopping = asyncio.create_task(v.server.stop())
            assert [await closed_with(each) for each in sockets] == [1001] * 3
            await stopping
            with pytest.raises((OSError, ConnectionClosed)):
                await v.connect()

    run(story)
