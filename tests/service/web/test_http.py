"""JSON-RPC over HTTP, asked by an independent client: ways of asking, proofs, bounds, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest

from steelyard.service.access import Limit, Policy, sign_request
from steelyard.service.web.service import now_us
from tests.service.access.roles import PRIVATE
from tests.service.web.roles import Slow, bearer, code, engine, keys, request, run, venue

SIMULATE = request("private/simulate_portfolio", {"simulated_positions": {"BTC-PERPETUAL": 100.0}})
NARROW = Policy(anonymous=Limit(1, 40))


def test_WEBT_001_a_request_a_batch_and_a_query_are_answered() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            one = await client.post("/api/v2", json=request("public/get_time"))
            assert (one.status_code, one.json()["id"]) == (200, 1)
            assert one.headers["content-type"] == "application/json"
            many = await client.post(
                "/api/v2/", json=[request("public/test", {}, i) for i in range(3)]
            )
            assert [each["id"] for each in many.json()] == [0, 1, 2]
            query = await client.get(
                "/api/v2/public/get_index_price", params={"index_name": "btc_usd"}
            )
            assert query.json()["result"]["index_price"] > 0
            named = await client.post("/api/v2/public/test", json=request("public/test"))
            assert "result" in named.json()
            other = await client.post("/api/v2/public/test", json=request("public/get_time"))
            assert (other.status_code, code(other.json())) == (400, "WEBT-E10")
            silent = await client.post(
                "/api/v2", json={"jsonrpc": "2.0", "method": "public/get_time"}
            )
            assert (silent.status_code, silent.content) == (204, b"")

    run(story)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_WEBT_001_the_type_of_the_content_is_not_looked_at(kind: str | None) -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = {"content-type": kind} if kind else {}
            body = json.dumps(request("public/test")).encode()
            found = await client.post("/api/v2", content=body, headers=headers)
            assert "result" in found.json()
            packed = await client.post(
                "/api/v2", content=body, headers={"content-encoding": "gzip"}
            )
            assert (packed.status_code, code(packed.json())) == (400, "WEBT-E02")
            wrong = await client.put("/api/v2", content=body)
            assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST, OPTIONS")

    run(story)


def test_WEBT_002_a_token_a_secret_and_signatures_prove_who_asks() -> None:
    known = keys()

    def signed(key: str, secret: Any, body: bytes, nonce: str, **more: Any) -> dict[str, str]:
        ts_ms = now_us() // 1000
        header = sign_request(
            key, secret, "POST", "/api/v2", body, ts_ms=ts_ms, nonce=nonce, **more
        )
        return {"authorization": header}

    async def story() -> None:
        body = json.dumps(request("private/get_account_summary", {"account": "alice"})).encode()
        basic = base64.b64encode(f"{known.alice}:{known.alice_secret}".encode()).decode()
        async with venue() as v, v.client() as client:

            async def status(headers: dict[str, str]) -> int:
                return (await client.post("/api/v2", content=body, headers=headers)).status_code

            assert await status({}) == 401
            assert await status(await bearer(client)) == 200
            assert await status({"authorization": f"Basic {basic}"}) == 200
            assert await status({"authorization": f"basic {basic}"}) == 200  # known by now
            own = signed(known.signer, known.signer_secret, body, "n1")
            assert await status(own) == 200
            deribit = signed(
                known.signer, known.signer_secret, body, "n2", scheme="deri-hmac-sha256"
            )
            assert await status(deribit) == 200
            edward = signed(known.edward, PRIVATE, body, "n3", scheme="steelyard-ed25519")
            assert await status(edward) == 200
            path = "/api/v2/private/get_account_summary?account=alice"
            ts_ms = now_us() // 1000
            header = sign_request(
                known.signer, known.signer_secret, "GET", path, b"", ts_ms=ts_ms, nonce="n4"
            )
            assert (await client.get(path, headers={"authorization": header})).status_code == 200

    run(story)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("replayed nonce", "ACCS-E23"),
        ("another body", "ACCS-E10"),
        ("another path", "ACCS-E10"),
        ("old", "ACCS-E21"),
        ("expired key", "ACCS-E12"),
        ("no form", "ACCS-E20"),
        ("unknown token", "ACCS-E30"),
        ("wrong secret", "ACCS-E10"),
        ("no base64", "ACCS-E10"),
    ],
)
def test_WEBT_003_a_proof_that_does_not_hold_is_refused(change: str, expected: str) -> None:
    known = keys()

    async def story() -> None:
        body = json.dumps(request("private/get_account_summary", {"account": "alice"})).encode()
        ts_ms = now_us() // 1000 - (60_000 if change == "old" else 0)
        path = "/api/v2/" if change == "another path" else "/api/v2"
        who = "late" if change == "expired key" else "signer"
        key, secret = getattr(known, who), getattr(known, f"{who}_secret")
        header = sign_request(key, secret, "POST", path, body, ts_ms=ts_ms, nonce="once")
        header = {
            "no form": "steelyard-hmac-sha256 id=1", "unknown token": "Bearer " + "A" * 43,
            "wrong secret": "Basic " + base64.b64encode(f"{known.alice}:no".encode()).decode(),
            "no base64": "Basic ???",
        }.get(change, header)  # fmt: skip
        async with venue() as v, v.client() as client:
            sent = body.replace(b"alice", b"bobby") if change == "another body" else body
            headers = {"authorization": header}
            found = await client.post("/api/v2", content=sent, headers=headers)
            if change == "replayed nonce":
                assert found.status_code == 200
                found = await client.post("/api/v2", content=sent, headers=headers)
            assert found.status_code in (400, 401)
            assert code(found.json()) == expected

    run(story)


def test_WEBT_003_a_foreign_account_is_refused_as_one_that_is_not_there() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = await bearer(client)
            answers = [
                await client.get(
                    "/api/v2/private/get_account_summary", params={"account": name}, headers=headers
                )
                for name in ("bob", "nobody")
            ]
            assert [each.status_code for each in answers] == [403, 403]
            said = [each.json()["error"]["data"]["reason"] for each in answers]
            assert said[0].replace("bob", "nobody") == said[1]
            twice = [("authorization", headers["authorization"])] * 2
            found = await client.post("/api/v2", json=SIMULATE, headers=twice)
            assert (found.status_code, code(found.json())) == (400, "WEBT-E02")

    run(story)


def test_WEBT_004_a_body_over_its_limit_is_cut_off_while_it_comes() -> None:
    taken = 0

    async def parts(count: int) -> Any:
        nonlocal taken
        for _ in range(count):
            taken += 1 << 16
            yield b" " * (1 << 16)

    async def story() -> None:
        async with venue() as v, v.client() as client:
            for content in (parts(128), b" " * ((1 << 20) + 1)):
                found = await client.post("/api/v2", content=content)
                assert found.status_code == 413
                assert found.json()["error"]["message"] == "request entity too large"
            with suppress(httpx.TransportError):  # it is closed while it still sends
                await client.post("/api/v2", content=parts(3_200))
            at_limit = json.dumps(request("public/test")).encode().ljust(1 << 20)
            assert "result" in (await client.post("/api/v2", content=at_limit)).json()
            deep = b'{"jsonrpc":"2.0","id":1,"method":"public/test","params":' + b"[" * 40
            assert code((await client.post("/api/v2", content=deep)).json()) == "RPCJ-E02"

    run(story)
    assert taken <= 64 << 20  # what is dropped, and what the buffers of two kernels hold


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (b"{", -32700), (b"", -32700), (b"\xff\xfe", -32700), (b"[]", -32600), (b"1", -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"public/none"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"public/get_index_price","params":{"index_name":7}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"id":1,"method":"public/test"}', -32600),
    ],
)  # fmt: skip
def test_WEBT_005_what_is_no_request_has_its_number(body: bytes, number: int) -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            found = await client.post("/api/v2", content=body)
            assert found.json()["error"]["code"] == number

    run(story)


def test_WEBT_005_numbers_that_are_none_and_too_many_positions() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = await bearer(client)
            text = json.dumps(SIMULATE).replace("100.0", "NaN")
            found = await client.post("/api/v2", content=text, headers=headers)
            assert found.json()["error"]["code"] == -32700
            text = json.dumps(SIMULATE).replace("100.0", "1e999")
            found = await client.post("/api/v2", content=text, headers=headers)
            assert found.json()["error"]["code"] == -32602
            many = {f"BTC-27MAR26-{i}-C": 1 for i in range(100_000)}
            body = request("private/simulate_portfolio", {"simulated_positions": many})
            found = await client.post("/api/v2", json=body, headers=headers)
            assert found.status_code == 413
            many = {f"B-{i}": 1 for i in range(40_000)}
            body = request("private/simulate_portfolio", {"simulated_positions": many})
            found = await client.post("/api/v2", json=body, headers=headers)
            assert code(found.json()) == "ANSW-E01"

    run(story)


def test_WEBT_006_a_flood_is_told_when_to_come_again() -> None:
    async def story() -> None:
        async with venue(policy=NARROW) as v, v.client() as client:
            told = [await client.post("/api/v2", content=b"{") for _ in range(6)]
            assert [each.status_code for each in told] == [400] * 4 + [429] * 2
            assert code(told[-1].json()) == "ACCS-E40"
            assert told[-1].json()["error"]["code"] == 10028
            assert 1 <= int(told[-1].headers["retry-after"]) <= 10

    run(story)


@pytest.mark.parametrize("how", ["unknown method", "no scope", "false token", "false code"])
def test_WEBT_006_refusals_of_every_kind_are_paid_by_the_address(how: str) -> None:
    async def story() -> None:
        async with venue(policy=Policy(anonymous=Limit(1, 200))) as v, v.client() as client:
            statuses = []
            for i in range(25):
                if how == "unknown method":
                    found = await client.post("/api/v2", json=request(f"public/none_{i}"))
                elif how == "no scope":
                    found = await client.post("/api/v2", json=SIMULATE)
                elif how == "false token":
                    headers = {"authorization": f"Bearer {i}"}
                    found = await client.post("/api/v2", json=SIMULATE, headers=headers)
                else:
                    params = {"grant_type": "page_code", "code": f"{i:032x}"}
                    found = await client.get("/api/v2/public/auth", params=params)
                statuses.append(found.status_code)
            assert statuses[0] in (400, 401, 404)
            assert statuses[-1] == 429

    run(story)


def test_WEBT_006_large_bodies_cost_more() -> None:
    async def story() -> None:
        async with venue(policy=Policy(anonymous=Limit(1, 400))) as v, v.client() as client:
            large = json.dumps(request("public/test")).encode().ljust(1 << 20)
            assert (await client.post("/api/v2", content=large)).status_code == 200
            assert (await client.post("/api/v2", content=large)).status_code == 429
            assert (await client.post("/api/v2", json=request("public/test"))).status_code == 200

    run(story)


def test_WEBT_007_methods_of_a_connection_are_refused_over_http() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = await bearer(client, "risk")
            for name, params in (
                ("public/subscribe", {"channels": ["health.raw"]}), ("private/set_as_of", {}),
                ("public/set_heartbeat", {"interval": 10}), ("private/logout", {}),
                ("private/unsubscribe_all", {}),
            ):  # fmt: skip
                found = await client.post("/api/v2", json=request(name, params), headers=headers)
                assert (found.status_code, code(found.json())) == (400, "WEBT-E03")
            names = {
                m["name"]
                for m in (await client.get("/api/v2/rpc.discover")).json()["result"]["methods"]
            }
            assert {"public/auth", "private/set_as_of", "public/set_heartbeat"} <= names

    run(story)


def test_WEBT_008_heavy_calls_do_not_hold_up_the_others() -> None:
    slow = Slow()

    async def story() -> None:
        async with venue(more=(slow.method,)) as v, v.client() as client:
            headers = await bearer(client)

            async def ask(body: Any) -> Any:
                return (await client.post("/api/v2", json=body, headers=headers)).json()

            heavy = [asyncio.create_task(ask(slow.request)) for _ in range(2)]
            told = await asyncio.gather(*(ask(SIMULATE) for _ in range(4)))
            assert all("result" in each for each in told), told
            assert not any(task.done() for task in heavy)
            slow.go_on.set()
            answers = await asyncio.gather(*heavy)
            assert [each["result"] for each in answers] == [engine().seq] * 2
            cured = await ask(request("private/cure", {"account": "alice"}))
            assert cured["result"]["as_of_seq"] == cured["as_of_seq"] == engine().seq
            assert v.service.heavy.held == 0

    run(story)


def test_WEBT_008_more_heavy_calls_than_may_wait_are_refused() -> None:
    slow = Slow()

    async def story() -> None:
        async with (
            venue(more=(slow.method,), heavy_workers=1, heavy_waiting_max=1) as v,
            v.client() as client,
        ):
            headers = await bearer(client)

            async def ask() -> int:
                found = await client.post("/api/v2", json=slow.request, headers=headers)
                return found.status_code

            first = [asyncio.create_task(ask()) for _ in range(2)]
            while v.service.heavy.held < 2:
                await asyncio.sleep(0.01)
            assert [await ask() for _ in range(3)] == [429] * 3  # not for its credits
            slow.go_on.set()
            assert await asyncio.gather(*first) == [200, 200]
            assert await ask() == 200

    run(story)
