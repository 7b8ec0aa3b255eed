"""The pre-trade check, over REST and over JSON-RPC, and over the host that a service runs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from steelyard.engine.replay import replay_journal
from steelyard.service.access import Session
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.service.control.app import create_control
from steelyard.service.control.trade_methods import trade_methods
from steelyard.service.host import Host
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Registry
from steelyard.ticks import TimeTick
from tests.service.control.roles import BTC, ETH, NOW_US, Desk, check_problem

PATH = "/accounts/alice/reservations"
ORDER = {"order": "o-1", "instrument": BTC, "quantity": "-0.1", "price": "121000"}
TRADER = Session("trader", frozenset({"trade"}), frozenset({"alice"}))


def _missing(desk: Desk, unit: str = "alice") -> int:
    """Return the initial requirement of a unit, micro-USDC."""
    return desk.engine.risk_of(unit).initial_requirement


def test_PLAN_050_a_reservation_takes_margin_and_gives_it_back(fresh: Desk) -> None:
    before = _missing(fresh)
    made = fresh.do("trader", PATH, ORDER).json()
    now_us = fresh.engine.market.time_us
    assert (made["account"], made["order"], made["expires_us"]) == (
        "alice",
        "o-1",
        now_us + 10_000_000,
    )
    assert _missing(fresh) > before
    (told,) = fresh.ask("trader", PATH).json()["items"]
    assert told == {
        "unit": "alice", "order": "o-1", "instrument": BTC, "quantity": "-0.1000",
        "expires_us": made["expires_us"],
    }  # fmt: skip
    released = fresh.do("trader", f"{PATH}/o-1", verb="DELETE")
    assert released.status_code == 200
    assert _missing(fresh) == before
    check_problem(fresh.do("trader", f"{PATH}/o-1", verb="DELETE"), 404, "CTRL-E04")


def test_PLAN_050_confirmed_it_rests_and_else_it_ends(fresh: Desk) -> None:
    for name in ("stays", "goes"):
        body = ORDER | {"order": name, "life_us": 1_000_000}
        assert fresh.do("trader", PATH, body).status_code == 201
    assert fresh.do("trader", f"{PATH}/stays/confirm").status_code == 201
    engine = fresh.engine
    engine.submit(TimeTick(engine.market.time_us + 1_000_000, "clock", 1))
    assert fresh.ask("trader", PATH).json()["items"] == []
    (unit,) = fresh.ask("trader", "/accounts/alice").json()["units"]
    assert unit["orders"] == 1
    check_problem(fresh.do("trader", f"{PATH}/goes/confirm"), 404, "CTRL-E04")


def test_PLAN_050_two_orders_never_count_on_one_margin(fresh: Desk) -> None:
    """Twenty at once, of which the margin carries some: as many as one after another."""
    bodies = [
        ORDER | {"order": f"o-{i}", "quantity": "-0.5", "life_us": 60_000_000} for i in range(20)
    ]

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        requests = [fresh.prepared("trader", "POST", PATH, body) for body in bodies]
        return await asyncio.gather(*(client.request(**each) for each in requests))

    answers = fresh.run(talk)
    made = [each for each in answers if each.status_code == 201]
    refused = [check_problem(each, 409, "ADMT-E06") for each in answers if each.status_code != 201]
    risk = fresh.engine.risk_of("alice")
    assert 0 < len(made) < 20
    assert len(made) + len(refused) == 20
    assert risk.initial_requirement <= risk.initial_balance
    listed = fresh.ask("trader", PATH).json()["items"]
    assert len(listed) == len(made)
    one_more = fresh.do("trader", PATH, ORDER | {"order": "more", "quantity": "-0.5"})
    check_problem(one_more, 409, "ADMT-E06")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"quantity": "0"}, 422, "PLAN-E04"),
        ({"quantity": "0.00001"}, 422, "QUAN-E02"),
        ({"quantity": "NaN"}, 422, "PLAN-E04"),
        ({"quantity": 1}, 422, "PLAN-E04"),
        ({"quantity": "+1"}, 422, "PLAN-E04"),
        ({"price": "-1"}, 422, "PLAN-E04"),
        ({"price": "0"}, 422, "TICK-E03"),
        ({"price": "99999999999999999999"}, 422, "TICK-E03"),
        ({"life_us": 0}, 422, "PLAN-E04"),
        ({"life_us": 60_000_001}, 422, "PLAN-E04"),
        ({"instrument": "BTC-NOTHING"}, 422, "PLAN-E04"),
        ({"order": "a b"}, 422, "PLAN-E04"),
        ({"order": "a/b"}, 422, "PLAN-E04"),
    ],
)
def test_PLAN_050_what_is_no_order(
    desk: Desk, change: dict[str, Any], status: int, code: str
) -> None:
    before = desk.engine.seq
    check_problem(desk.do("trader", PATH, ORDER | change), status, code)
    assert desk.engine.seq == before


def test_PLAN_050_over_the_host_of_a_service(fresh: Desk) -> None:
    """The same over the real host, whose loop is that of the requests."""

    async def talk() -> list[int]:
        host = Host(fresh.journaled)
        await host.start()
        fresh.parts.host = host  # type: ignore[assignment]
        app = create_control(fresh.parts)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://venue") as client:
            answers = [
                await client.request(**fresh.prepared("trader", "POST", PATH, ORDER)),
                await client.request(**fresh.prepared("trader", "POST", PATH, ORDER)),
                await client.request(**fresh.prepared("trader", "DELETE", f"{PATH}/o-1")),
            ]
        assert answers[0].json()["position"] <= host.durable_position
        return [each.status_code for each in answers]

    assert asyncio.run(talk()) == [201, 409, 200]


# -- over JSON-RPC -------------------------------------------------------------------------------


class Trader:
    """Asks the methods of the pre-trade check."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.answers = EngineDesk(desk.engine)
        self.dispatcher = Dispatcher(
            Registry(trade_methods(desk.host)), charge=lambda *_: None, on_incident=print
        )

    def ask(self, method: str, session: Session = TRADER, **params: Any) -> dict[str, Any]:
        raw = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = asyncio.run(
            self.dispatcher.respond_later(raw, session, self.answers, lambda: NOW_US)
        )
        assert answer.body is not None
        found: dict[str, Any] = json.loads(answer.body)
        return found


SENT = {"order": "o-1", "instrument_name": BTC, "quantity": "-0.1", "price": 121000}


def test_PLAN_051_the_same_over_json_rpc(fresh: Desk) -> None:
    trader, before = Trader(fresh), _missing(fresh)
    made = trader.ask("private/reserve", **SENT)["result"]
    assert (made["account"], made["order"], made["seq"]) == ("alice", "o-1", fresh.engine.seq)
    assert made["expires_us"] == made["time_us"] + 10_000_000
    assert fresh.ask("trader", PATH).json()["items"][0]["order"] == "o-1"
    released = trader.ask("private/release", order="o-1")
    assert released["result"]["seq"] == fresh.engine.seq
    assert _missing(fresh) == before
    trader.ask("private/reserve", **SENT | {"order": "o-2"}, account="alice", life_us=1_000_000)
    confirmed = trader.ask("private/confirm", order="o-2", account="alice")
    assert confirmed["result"]["position"] <= fresh.journaled.committer.durable_position


@pytest.mark.parametrize(
    ("method", "change", "number", "name", "code"),
    [
        ("private/reserve", {"quantity": "-100"}, 10009, "not_enough_funds", "ADMT-E06"),
        ("private/reserve", {"quantity": "0"}, -32602, "Invalid params", "PLAN-E04"),
        ("private/reserve", {"quantity": "NaN"}, -32602, "Invalid params", "RPCJ-E08"),
        ("private/reserve", {"price": -1}, -32602, "Invalid params", "TICK-E03"),
        ("private/reserve", {"order": "a b"}, -32602, "Invalid params", "RPCJ-E08"),
        ("private/reserve", {"life_us": 0}, -32602, "Invalid params", "RPCJ-E08"),
        ("private/reserve", {"more": 1}, -32602, "Invalid params", "RPCJ-E08"),
        ("private/reserve", {"account": "carol"}, 13021, "forbidden", "ANSW-E03"),
        ("private/confirm", {}, 10004, "order_not_found", "CTRL-E04"),
        ("private/release", {}, 10004, "order_not_found", "CTRL-E04"),
        ("private/release", {"account": "carol"}, 13021, "forbidden", "ANSW-E03"),
    ],
)  # fmt: skip
def test_PLAN_051_refusals(
    desk: Desk, method: str, change: dict[str, Any], number: int, name: str, code: str
) -> None:
    before = desk.engine.seq
    params = (SENT if method == "private/reserve" else {"order": "o-1"}) | change
    error = Trader(desk).ask(method, **params)["error"]
    assert (error["code"], error["message"], error["data"]["code"]) == (number, name, code)
    assert desk.engine.seq == before


def test_PLAN_051_scope_and_switch(fresh: Desk) -> None:
    trader = Trader(fresh)
    reader = Session("reader", frozenset({"read", "admin"}), frozenset({"alice"}))
    assert trader.ask("private/reserve", reader, **SENT)["error"]["data"]["code"] == "RPCJ-E10"
    fresh.do("risk", "/kill-switch", {"mode": "freeze", "reason": "fire"})
    error = trader.ask("private/reserve", **SENT)["error"]
    assert (error["code"], error["data"]["code"]) == (11030, "CTRL-E03")


def test_PLAN_051_a_stopped_engine_is_unavailable(fresh: Desk) -> None:
    fresh.engine.stopped = AssertionError("a secret")
    error = Trader(fresh).ask("private/reserve", **SENT)["error"]
    assert (error["code"], error["message"]) == (13503, "unavailable")
    assert "secret" not in json.dumps(error)


def test_PLAN_050_an_isolated_account_reserves_in_its_position(fresh: Desk) -> None:
    order = {"order": "i-1", "instrument": ETH, "quantity": "0.5", "price": "4000"}
    path = "/accounts/izzy/reservations"
    assert fresh.do("trader", path, order).status_code == 201
    (told,) = fresh.ask("trader", path).json()["items"]
    assert (told["unit"], told["quantity"]) == (f"izzy/{ETH}", "0.500")
    elsewhere = order | {"order": "i-2", "instrument": BTC, "price": "121000"}
    check_problem(fresh.do("trader", path, elsewhere), 404, "ADMT-E03")
    assert fresh.do("trader", f"{path}/i-1", verb="DELETE").status_code == 200
    assert fresh.ask("trader", path).json()["items"] == []


def test_PLAN_020_the_journal_of_all_writes_replays(fresh: Desk) -> None:
    """Whatever the control plane wrote comes to the same state when it is read again."""
    engine = fresh.engine
    until_us = engine.market.time_us + 1_000_000
    why = {"reason": "r"}
    fresh.do("admin", "/accounts", {"account": "dave", "mode": "cross"})
    fresh.do("admin", "/accounts/dave/deposits", {"asset": "BTC", "amount": "1.25"})
    fresh.do("trader", PATH, ORDER)
    fresh.do("trader", f"{PATH}/o-1/confirm")
    fresh.do("trader", PATH, ORDER | {"order": "o-2"})
    halt = fresh.do("risk", "/halts", {"kind": "halt", "scope": "venue"} | why).json()["id"]
    fresh.do("risk2", f"/halts/{halt}/resume", why)
    body = {"kind": "withdrawal_hold", "subject": "dave", "until_us": until_us} | why
    name = fresh.do("risk", "/overrides", body).json()["id"]
    fresh.do("admin", f"/overrides/{name}/approve", {})
    body = {"changes": [{"path": "underlying.BTC.range_ppm", "value": 160_000}]} | why
    name = fresh.do("risk", "/proposals", body).json()["id"]
    assert fresh.do("admin", f"/proposals/{name}/approve", {}).status_code == 201
    switch = fresh.do("risk", "/kill-switch", {"mode": "freeze"} | why).json()["id"]
    body = {"control": switch, "until_us": until_us} | why
    name = fresh.do("admin", "/kill-switch/lift", body).json()["id"]
    assert fresh.do("admin2", f"/overrides/{name}/approve", {}).status_code == 201
    digest = fresh.journaled.checkpoint()
    fresh.journaled.wait()
    _, report = replay_journal(fresh.path)
    assert (report.difference, report.last_seq) == ("", engine.seq)
    assert report.state_hash == digest.hex()
    assert report.checkpoints_checked == 1
