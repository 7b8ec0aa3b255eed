"""Writes: one event each, durable before the answer, once for each idempotency key."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from steelyard.engine.engine import KIND_EVENT
from steelyard.journal import JournalReader
from steelyard.quantities.errors import InputError
from steelyard.service.control.idempotency import KEPT_MAX, LIFE_US, Idempotency, Stored
from steelyard.ticks import AccountsLoaded, Event, Transfer, decode_event
from tests.service.control.roles import Desk, check_problem

OPEN = {"account": "dave", "mode": "cross"}
ANSWER = Stored(201, b"{}", "application/json")


def _recorded(desk: Desk, position: int) -> tuple[int, Event]:
    """Return the event of a record as the disk has it."""
    with JournalReader.open_reader(desk.path) as reader:
        (record,) = reader.read(position, position)
    assert record.kind == KIND_EVENT
    return record.seq, decode_event(record.payload)


def test_PLAN_020_a_write_is_one_event_and_durable(fresh: Desk) -> None:
    before = fresh.engine.seq
    opened = fresh.do("admin", "/accounts", OPEN)
    assert opened.status_code == 201
    place = opened.json()
    assert place["seq"] == before + 1 == fresh.engine.seq
    seq, event = _recorded(fresh, place["position"])
    assert isinstance(event, AccountsLoaded)
    assert (seq, event.time_us) == (place["seq"], place["time_us"])
    assert [each.account for each in event.accounts] == ["dave"]
    paid = fresh.do("admin", "/accounts/dave/deposits", {"asset": "USDC", "amount": "12.5"}).json()
    _, event = _recorded(fresh, paid["position"])
    assert isinstance(event, Transfer)
    assert (event.source_account, event.target_account, event.amount) == (
        "external",
        "dave",
        12_500_000,
    )
    fresh.engine.check_sums()


def test_PLAN_020_nobody_is_told_before_the_disk(fresh: Desk) -> None:
    order: list[str] = []
    wait = fresh.journaled.committer.wait_durable

    def slow(position: int, timeout_s: float | None = None) -> bool:
        found = wait(position, timeout_s)
        order.append("durable")
        return found

    fresh.journaled.committer.wait_durable = slow  # type: ignore[method-assign]

    async def talk(client: httpx.AsyncClient) -> None:
        await client.request(**fresh.prepared("admin", "POST", "/accounts", OPEN))
        order.append("answered")

    fresh.run(talk)
    assert order == ["durable", "answered"]


def test_PLAN_020_money_moves_and_comes_back(fresh: Desk) -> None:
    def usd(account: str) -> str:
        units = fresh.ask("admin", f"/accounts/{account}").json()["units"]
        return ",".join(each["balances"][0]["amount"] for each in units if each["balances"])

    assert usd("izzy") == "8000.000000,1000.000000"
    body = {"asset": "USDC", "amount": "500", "instrument": "ETH_USDC-PERPETUAL"}
    path = "/accounts/izzy/isolated-margin"
    there = body | {"direction": "to_position"}
    assert fresh.do("trader", path, there).status_code == 201
    assert usd("izzy") == "7500.000000,1500.000000"
    back = body | {"direction": "from_position"}
    assert fresh.do("trader", path, back).status_code == 201
    assert usd("izzy") == "8000.000000,1000.000000"
    out = fresh.do("admin", "/accounts/izzy/withdrawals", {"asset": "USDC", "amount": "8000"})
    assert out.status_code == 201
    assert usd("izzy") == "1000.000000"
    check_problem(fresh.do("trader", path, there), 409, "ADMT-E06")


def test_PLAN_020_an_instrument_is_listed(fresh: Desk) -> None:
    listed = {
        "name": "BTC-30JAN26-100000-C", "kind": "option", "underlying": "BTC", "settlement": "USDC",
        "lot_exponent": 4, "mark_exponent": 4, "position_limit_lots": 10_000_000,
        "strike": "100000", "expiry_us": 1_769_760_000_000_000, "is_call": True,
    }  # fmt: skip
    assert fresh.do("admin", "/instruments", listed).status_code == 201
    told = fresh.ask("reader", "/instruments/BTC-30JAN26-100000-C").json()
    assert (told["strike"], told["expiry_us"], told["is_call"], told["mark"]) == (
        "100000", 1_769_760_000_000_000, True, None,
    )  # fmt: skip
    assert told["position_limit"] == "1000.0000"
    check_problem(fresh.do("admin", "/instruments", listed), 409, "ADMT-E04")
    inverse = listed | {"name": "wrong", "is_inverse": True}
    check_problem(fresh.do("admin", "/instruments", inverse), 422, "TERM-E02")


# -- idempotency keys ----------------------------------------------------------------------------


def test_PLAN_021_a_write_has_a_key(desk: Desk) -> None:
    before = desk.engine.seq
    for key in ("", "a b", "x" * 129, "tab\t"):
        headers = {"Idempotency-Key": key}
        check_problem(desk.do("admin", "/accounts", OPEN, headers=headers), 400, "PLAN-E06")
    assert desk.engine.seq == before


def test_PLAN_022_again_is_answered_alike(fresh: Desk) -> None:
    first = fresh.do("admin", "/accounts", OPEN, key="k1")
    seq = fresh.engine.seq
    again = fresh.do("admin", "/accounts", OPEN, key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert fresh.engine.seq == seq


def test_PLAN_022_a_refusal_is_kept_too(fresh: Desk) -> None:
    body = {"asset": "USDC", "amount": "6000"}
    first = fresh.do("admin", "/accounts/carol/withdrawals", body, key="w1")
    check_problem(first, 409, "ADMT-E06")
    fresh.do("admin", "/accounts/carol/deposits", {"asset": "USDC", "amount": "2000"})
    again = fresh.do("admin", "/accounts/carol/withdrawals", body, key="w1")
    assert (again.status_code, again.content) == (409, first.content)
    assert fresh.do("admin", "/accounts/carol/withdrawals", body, key="w2").status_code == 201


def test_PLAN_022_fields_are_mended_under_the_same_key(fresh: Desk) -> None:
    wrong = fresh.do("admin", "/accounts", OPEN | {"mode": "margin"}, key="mended")
    check_problem(wrong, 422, "PLAN-E04")
    assert fresh.do("admin", "/accounts", OPEN, key="mended").status_code == 201
    assert len(fresh.app.state.plane.idempotency) == 1
    for amount, asset in (("0.0000001", "USDC"), ("1", "GOLD"), ("0", "USDC"), ("1", "USDC")):
        paid = fresh.do(
            "admin", "/accounts/dave/deposits", {"asset": asset, "amount": amount}, key="p"
        )
    assert paid.status_code == 201


def test_PLAN_023_a_key_stands_for_one_request(fresh: Desk) -> None:
    path = "/accounts/carol/deposits"
    assert fresh.do("admin", path, {"asset": "USDC", "amount": "1"}, key="k").status_code == 201
    for other, body in (
        (path, {"asset": "USDC", "amount": "2"}),
        ("/accounts/alice/deposits", {"asset": "USDC", "amount": "1"}),
    ):
        check_problem(fresh.do("admin", other, body, key="k"), 422, "PLAN-E07")


def test_PLAN_023_ten_at_once_are_one(fresh: Desk) -> None:
    before = fresh.engine.seq

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        request = fresh.prepared("admin", "POST", "/accounts", OPEN, key="same")
        return await asyncio.gather(*(client.request(**request) for _ in range(10)))

    answers = fresh.run(talk)
    assert sorted(each.status_code for each in answers) == [201] + [409] * 9
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"PLAN-E08"}
    assert fresh.engine.seq == before + 1
    again = fresh.run(talk)
    assert {(each.status_code, each.content) for each in again} == {
        (201, next(each.content for each in answers if each.status_code == 201))
    }


def test_PLAN_024_keys_are_of_a_person_and_a_route(fresh: Desk) -> None:
    body = {"asset": "USDC", "amount": "1"}
    before = fresh.engine.seq
    for who in ("admin", "admin2"):
        for route in ("deposits", "withdrawals"):
            answer = fresh.do(who, f"/accounts/carol/{route}", body, key="shared")
            assert answer.status_code == 201
    assert fresh.engine.seq == before + 4
    fresh.now_us += LIFE_US
    fresh.bearers["admin"] = fresh.parts.tokens.issue(
        fresh.session("admin"), fresh.now_us
    ).access_token
    assert fresh.do("admin", "/accounts/carol/deposits", body, key="shared").status_code == 201
    assert fresh.engine.seq == before + 5


def test_PLAN_024_the_newest_are_kept() -> None:
    kept = Idempotency(kept_max=3)
    for number in range(5):
        assert kept.begin("p", "r", f"k{number}", b"", number) is None
        kept.finish("p", "r", f"k{number}", ANSWER)
    assert len(kept) == 3
    assert kept.begin("p", "r", "k2", b"", 5) == ANSWER
    assert kept.begin("p", "r", "k1", b"", 5) is None  # forgotten, and begins anew
    assert kept.begin("q", "r", "k2", b"", 5) is None  # another person's are others
    assert KEPT_MAX == 4_096


def test_PLAN_024_what_is_at_work_is_never_forgotten() -> None:
    kept = Idempotency(kept_max=2)
    kept.begin("p", "r", "k1", b"", 0)
    kept.begin("p", "r", "k2", b"", 0)
    with pytest.raises(InputError, match="PLAN-E16"):
        kept.begin("p", "r", "k3", b"", 2 * LIFE_US)
    with pytest.raises(InputError, match="PLAN-E08"):
        kept.begin("p", "r", "k1", b"", 2 * LIFE_US)
    kept.finish("p", "r", "k1", ANSWER)
    assert kept.begin("p", "r", "k3", b"", 1) is None


def test_PLAN_024_what_was_not_done_is_forgotten() -> None:
    kept = Idempotency()
    kept.begin("p", "r", "k", b"", 0)
    kept.finish("p", "r", "k", None)
    assert kept.begin("p", "r", "k", b"other", 1) is None


def test_PLAN_025_a_write_outlives_its_sender(fresh: Desk) -> None:
    let_go = asyncio.Event()
    command = fresh.host.command

    async def slow(make: Any) -> Any:
        receipt = await command(make)
        await let_go.wait()
        return receipt

    fresh.host.command = slow  # type: ignore[method-assign]

    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        request = fresh.prepared("admin", "POST", "/accounts", OPEN, key="gone")
        task = asyncio.ensure_future(client.request(**request))
        while "dave" not in fresh.engine.places:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        at_work = await client.request(**request)
        check_problem(at_work, 409, "PLAN-E08")
        let_go.set()
        while fresh.app.state.plane.tasks:
            await asyncio.sleep(0.001)
        return await client.request(**request)

    answer = fresh.run(talk)
    assert (answer.status_code, answer.json()["seq"]) == (201, fresh.engine.seq)
    assert answer.headers["Idempotent-Replayed"] == "true"
