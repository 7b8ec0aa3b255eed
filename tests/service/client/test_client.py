"""The client over a real server on loopback: answers, refusals, gaps, slow readers, lost connections, tokens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.market_data import IndexPrice
from steelyard.service.client import Client, Disconnected, HttpClient, NoAnswer, Refused
from steelyard.service.client import client as client_module
from tests.service.web import roles
from tests.service.web.roles import LittleReader, Slow, Venue, keys, run, venue

ACCOUNTS, HEALTH = "accounts.raw", "health.raw"


def risk(v: Venue, **more: Any) -> Client:
    """Return a client of the risk manager's key."""
    known = keys()
    return Client(v.url, key_id=known.risk, secret=known.risk_secret, **more)


@pytest.fixture(autouse=True)
def numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give what the little hub tells of accounts the numbers of changes."""
    put = LittleReader.put

    def put_numbered(self: LittleReader, name: str, data: dict[str, Any]) -> None:
        number = data["number"]
        before = None if data["type"] == "snapshot" else number - 1
        is_whole = not name.startswith("accounts")
        put(
            self,
            name,
            data if is_whole else data | {"change_id": number, "previous_change_id": before},
        )

    monkeypatch.setattr(roles.LittleReader, "put", put_numbered)


async def until(holds: Any) -> None:
    """Wait until something holds."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never held")


async def told(v: Venue, client: Client, channel: str, more: str = "") -> None:
    """Publish, and wait until the client has it."""
    v.hub.publish(channel, more)
    await until(lambda: not any(reader.waiting for reader in v.hub.readers))
    await client.call("public/get_time")


def shut(v: Venue) -> None:
    """Close every connection of a service."""
    for connection in list(v.service.connections):
        connection.close(1001, "for a test")


def test_CLNT_001_results_are_decoded_plain_or_into_a_type() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client:
            plain = await client.call("public/get_index_price", index_name="btc_usd")
            typed = await client.call(
                "public/get_index_price", {"index_name": "btc_usd"}, as_type=IndexPrice
            )
            assert isinstance(typed, IndexPrice)
            assert msgspec.to_builtins(typed) == plain
            both = await asyncio.gather(
                *(
                    client.call("private/get_account_summary", account=name)
                    for name in ("alice", "bob")
                )
            )
            assert [each["account"] for each in both] == ["alice", "bob"]
            assert "risk" in client.scope.split()

    run(work)


def test_CLNT_002_a_refusal_has_the_code_the_rule_and_the_cure() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client:
            with pytest.raises(Refused) as found:
                await client.call("public/get_index_price", index_name="nothing")
            error = found.value
            assert (error.code, error.number) == ("ANSW-E07", 13020)
            assert all((error.reason, error.rule, error.cure))
            assert "index_name" in error.where.values()
            with pytest.raises(SteelyardError, match="CLNT-E01"):
                await client.call("public/get_time", as_type=dict)

    run(work)


@pytest.mark.parametrize("how", ["secret", "signature", "code"])
def test_CLNT_003_a_key_a_signature_or_a_code_proves_who_asks(how: str) -> None:
    async def work() -> None:
        known = keys()
        async with venue() as v:
            code = v.service.codes.issue(["read", "simulate", "risk"], None, v.service.clock())
            proof: Any = {
                "secret": {"key_id": known.alice, "secret": known.alice_secret},
                "signature": {
                    "key_id": known.signer,
                    "secret": known.signer_secret,
                    "is_signed": True,
                },
                "code": {"page_code": code},
            }[how]
            async with Client(v.url, **proof) as client:
                found = await client.call("private/get_account_summary", account="alice")
                assert found["account"] == "alice"
                shut(v)  # a code holds once; its tokens hold on
                await until(lambda: client.reconnects == 1)
                assert await client.call("private/get_account_summary", account="alice")
                assert proof.get("secret", code) not in repr(client)

    run(work)


def test_CLNT_004_a_refused_key_and_an_absent_service_are_told_at_once() -> None:
    async def work() -> None:
        async with venue() as v:
            with pytest.raises(Refused, match="ACCS-E10") as found:
                async with Client(v.url, key_id=keys().risk, secret="wrong"):
                    raise AssertionError("nobody is let in")
            assert found.value.rule
            async with Client(v.url) as client:
                with pytest.raises(Refused, match="RPCJ-E09"):
                    await client.call("private/get_positions", account="alice")
        with pytest.raises(Disconnected, match="CLNT-E02"):
            async with Client(v.url, timeout_s=2.0):
                raise AssertionError("nobody is there")
        with pytest.raises(SteelyardError, match="CLNT-E04"):
            await client.call("public/get_time")

    run(work)


def test_CLNT_005_an_address_or_a_proof_that_cannot_be_is_refused() -> None:
    for url in ("venue", "ftp://venue", "ws://", "ws://user:password@venue"):
        with pytest.raises(SteelyardError, match="CLNT-E05") as found:
            Client(url)
        assert "password" not in str(found.value)
    for proof in (
        {"key_id": "a"},
        {"secret": "b"},
        {"key_id": "a", "secret": "b", "page_code": "c"},
    ):
        with pytest.raises(SteelyardError, match="CLNT-E05"):
            Client("ws://venue", **proof)  # type: ignore[arg-type]


def test_CLNT_006_no_answer_in_time_and_a_lost_connection_are_told_apart() -> None:
    async def work() -> None:
        slow = Slow()
        async with venue(more=(slow.method,)) as v, risk(v) as client:
            try:
                with pytest.raises(NoAnswer, match="CLNT-E03"):
                    await client.call("private/wait", timeout_s=0.2)
                waiting = asyncio.ensure_future(client.call("private/wait"))
                await asyncio.sleep(0.2)
                shut(v)
                with pytest.raises(Disconnected, match="CLNT-E02"):
                    await waiting
            finally:
                slow.go_on.set()
            assert await client.call("public/get_time") > 0

    run(work)


def test_CLNT_010_a_channel_is_a_snapshot_and_its_changes() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(ACCOUNTS) as accounts:
            assert (await anext(accounts))["type"] == "snapshot"
            for number in (1, 2, 3):
                v.hub.publish(ACCOUNTS)
                assert (await anext(accounts))["change_id"] == number
            assert accounts.restarts == 0
        assert v.hub.readers == []

    run(work)


def test_CLNT_011_after_a_gap_a_channel_goes_on_with_a_new_snapshot() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(ACCOUNTS) as accounts:
            await anext(accounts)
            v.hub.number += 1  # a change that nobody is told
            v.hub.publish(ACCOUNTS)
            found = await anext(accounts)
            assert (found["type"], found["change_id"]) == ("snapshot", 2)
            v.hub.publish(ACCOUNTS)
            assert (await anext(accounts))["change_id"] == 3
            assert accounts.restarts == 1

    run(work)


def test_CLNT_012_a_slow_reader_goes_on_with_a_snapshot_and_holds_nobody_up() -> None:
    async def work() -> None:
        async with venue() as v, risk(v, queue_max=3) as client:
            async with client.subscribe(ACCOUNTS) as slow, client.subscribe(HEALTH) as other:
                await until(lambda: len(slow._queue) == 1)
                for _ in range(6):  # not read meanwhile
                    await told(v, client, ACCOUNTS)
                assert len(slow._queue) <= 3
                v.hub.publish(HEALTH, "at once")
                while (await anext(other)).get("more") != "at once":
                    pass
                found = await anext(slow)
                assert (found["type"], found["change_id"]) == ("snapshot", v.hub.number)
                assert slow.restarts == 1
            async with client.subscribe(HEALTH) as whole:
                await until(lambda: len(whole._queue) == 1)
                for number in range(8):
                    await told(v, client, HEALTH, str(number))
                assert [(await anext(whole))["more"] for _ in range(3)] == ["5", "6", "7"]

    run(work)


def test_CLNT_013_after_a_lost_connection_channels_go_on_with_a_snapshot() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(ACCOUNTS) as accounts:
            await anext(accounts)
            shut(v)
            found = await anext(accounts)
            assert found["type"] == "snapshot"
            assert client.reconnects == 1
            v.hub.publish(ACCOUNTS)
            assert (await anext(accounts))["type"] == "change"

    run(work)


def test_CLNT_014_a_refused_channel_says_so_and_leaves_the_others() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(HEALTH) as health:
            with pytest.raises(Refused, match="CHAN-E01"):
                await anext(client.subscribe("nothing.raw"))
            await anext(health)
            v.hub.publish(HEALTH)
            assert (await anext(health))["number"] == 1

    run(work)


def test_CLNT_015_two_readers_of_a_channel_each_begin_with_a_snapshot() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(ACCOUNTS) as first:
            await anext(first)
            async with client.subscribe(ACCOUNTS) as second:
                assert (await anext(second))["type"] == "snapshot"
                assert (await anext(first))["type"] == "snapshot"
            v.hub.publish(ACCOUNTS)
            assert (await anext(first))["type"] == "change"

    run(work)


def test_CLNT_016_a_token_is_refreshed_before_it_expires() -> None:
    async def work() -> None:
        async with venue() as v, risk(v, scope="expires:1") as client:
            first = client._tokens
            async with client.subscribe(ACCOUNTS) as accounts:
                await anext(accounts)
                await asyncio.sleep(2.5)
                assert client._tokens != first
                assert await client.call("private/get_account_summary", account="alice")
                v.hub.publish(ACCOUNTS)
                assert (await anext(accounts))["change_id"] == 1
            assert client.reconnects == 0

    run(work)


def test_CLNT_017_after_an_expired_token_a_call_and_its_channels_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_module, "REFRESH_AT", 1_000.0)  # as on a machine that slept

    async def work() -> None:
        async with (
            venue() as v,
            risk(v, scope="expires:1") as client,
            client.subscribe(ACCOUNTS) as accounts,
        ):
            await anext(accounts)
            await asyncio.sleep(1.3)
            found = await client.call("private/get_account_summary", account="alice")
            assert found["account"] == "alice"
            assert (await anext(accounts))["type"] == "snapshot"

    run(work)


def test_CLNT_018_heartbeats_are_answered() -> None:
    async def work() -> None:
        async with venue(heartbeat_s_min=1) as v, risk(v, heartbeat_s=1) as client:
            await asyncio.sleep(3.5)
            assert client.reconnects == 0
            assert await client.call("public/get_time") > 0

    run(work)


def test_CLNT_019_a_revoked_key_ends_the_client() -> None:
    async def work() -> None:
        async with venue() as v, risk(v) as client, client.subscribe(ACCOUNTS) as accounts:
            await anext(accounts)
            client._proof = type(client._proof)(keys().risk, "no longer")
            client._tokens = None
            shut(v)
            with pytest.raises(Refused, match="ACCS-E10"):
                await anext(accounts)
            with pytest.raises(Refused, match="ACCS-E10"):
                await client.call("public/get_time")

    run(work)


def test_CLNT_028_over_http_without_asyncio() -> None:
    async def work() -> None:
        async with venue() as v:
            known = keys()
            client = HttpClient(
                v.url, key_id=known.signer, secret=known.signer_secret, is_signed=True
            )
            call = asyncio.to_thread
            assert await call(client.call, "public/get_time") > 0
            found = await call(client.call, "private/get_account_summary", account="alice")
            assert found["account"] == "alice"
            client._token = "expired"
            assert await call(client.call, "private/get_positions", account="alice") == []
            with pytest.raises(Refused, match="ANSW-E07"):
                await call(client.call, "public/ticker", instrument_name="x")
            assert known.signer_secret not in repr(client)
        with suppress(Disconnected):
            await call(client.call, "public/get_time")
            raise AssertionError("nobody is there")

    run(work)


def test_CLNT_004_closing_ends_loops_that_go_on() -> None:
    async def work() -> None:
        async with venue() as v:
            read: list[str] = []

            async def follow(client: Client, channel: str) -> None:
                async for data in client.subscribe(channel):
                    read.append(data["type"])  # noqa: PERF401

            async with risk(v) as client:
                names = (ACCOUNTS, HEALTH)
                loops = [asyncio.ensure_future(follow(client, name)) for name in names]
                await until(lambda: len(read) == 2)
            await asyncio.gather(*loops)

    run(work)
