"""Halts, the kill switch, and what takes two persons."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from steelyard.service.rewind.impact import Change, ImpactReport, impact
from steelyard.terms.controls import OVERRIDE_US_MAX
from steelyard.ticks import SourceStatus, TimeTick
from tests.service.control.roles import BTC, Desk, check_problem

ORDER = {"order": "o-1", "instrument": BTC, "quantity": "-0.1", "price": "121000"}
RESERVATIONS = "/accounts/alice/reservations"
RANGE = "underlying.BTC.range_ppm"
SECOND_US = 1_000_000


def _pass(desk: Desk, us: int) -> None:
    engine = desk.engine
    number = engine.origin_seqs.get("clock", 0) + 1
    engine.submit(TimeTick(engine.market.time_us + us, "clock", number))


@pytest.mark.parametrize(
    "scope", [{"scope": "venue"}, {"scope": "underlying", "subject": "BTC"},
              {"scope": "instrument", "subject": BTC}, {"scope": "account", "subject": "alice"}],
)  # fmt: skip
def test_PLAN_040_one_person_halts(fresh: Desk, scope: dict[str, str]) -> None:
    begun = fresh.do("risk", "/halts", {"kind": "halt", "reason": "attack"} | scope)
    assert begun.status_code == 201
    name = begun.json()["id"]
    check_problem(fresh.do("trader", RESERVATIONS, ORDER), 409, "CTRL-E01")
    (told,) = fresh.ask("trader", "/halts?standing=open").json()["items"]
    assert (told["id"], told["author"], told["reason"], told["state"]) == (
        name,
        "risk",
        "attack",
        "active",
    )
    assert (told["scope"], told["subject"]) == (scope["scope"], scope.get("subject"))
    assert told["since_seq"] == begun.json()["seq"]
    assert fresh.do("risk2", f"/halts/{name}/resume", {"reason": "over"}).status_code == 201
    assert fresh.ask("trader", "/halts?standing=open").json()["items"] == []
    (ended,) = fresh.ask("trader", "/halts?standing=ended").json()["items"]
    assert ended["ended"] == {"time_us": told["since_us"], "by": "risk2", "reason": "over"}
    assert fresh.do("trader", RESERVATIONS, ORDER).status_code == 201


def test_PLAN_040_reduce_only_lets_reductions_through(fresh: Desk) -> None:
    body = {"kind": "reduce_only", "scope": "venue", "reason": "thin",
            "until_us": fresh.engine.market.time_us + SECOND_US}  # fmt: skip
    fresh.do("risk", "/halts", body)
    check_problem(fresh.do("trader", RESERVATIONS, ORDER), 409, "CTRL-E02")
    assert fresh.do("trader", RESERVATIONS, ORDER | {"quantity": "0.1"}).status_code == 201
    _pass(fresh, SECOND_US)
    assert fresh.do("trader", RESERVATIONS, ORDER | {"order": "o-2"}).status_code == 201
    assert fresh.ask("trader", "/halts?standing=ended").json()["items"][0]["state"] == "expired"


def test_PLAN_040_a_halt_of_a_foreign_account_is_not_told(fresh: Desk) -> None:
    body = {"kind": "halt", "scope": "account", "subject": "carol", "reason": "a lost key"}
    fresh.do("risk", "/halts", body)
    assert fresh.ask("trader", "/halts").json()["items"] == []
    assert len(fresh.ask("risk", "/halts").json()["items"]) == 1


def test_PLAN_041_the_kill_switch_takes_two_to_lift(fresh: Desk) -> None:
    assert fresh.do("trader", RESERVATIONS, ORDER).status_code == 201
    pulled = fresh.do("risk", "/kill-switch", {"mode": "freeze", "reason": "fire"}).json()["id"]
    assert fresh.ask("trader", RESERVATIONS).json()["items"] == []
    found = fresh.ask("reader", "/kill-switch").json()
    assert (found["is_on"], found["restriction"]["id"]) == (True, pulled)
    check_problem(fresh.do("trader", RESERVATIONS, ORDER | {"order": "o-2"}), 409, "CTRL-E03")
    check_problem(fresh.do("risk", f"/halts/{pulled}/resume", {"reason": "r"}), 403, "CTRL-E06")
    ask = {
        "control": pulled,
        "reason": "found",
        "until_us": fresh.engine.market.time_us + SECOND_US,
    }
    check_problem(fresh.do("risk", "/kill-switch/lift", ask), 403, "ACCS-E53")
    asked = fresh.do("admin", "/kill-switch/lift", ask).json()["id"]
    check_problem(fresh.do("admin", f"/overrides/{asked}/approve", {}), 403, "CTRL-E06")
    check_problem(fresh.do("risk", f"/overrides/{asked}/approve", {}), 403, "ACCS-E53")
    assert fresh.ask("reader", "/kill-switch").json()["is_on"] is True
    assert fresh.do("admin2", f"/overrides/{asked}/approve", {}).status_code == 201
    assert fresh.ask("reader", "/kill-switch").json() | {"as_of_seq": 0, "time_us": 0} == {
        "as_of_seq": 0, "time_us": 0, "is_on": False, "restriction": None,
    }  # fmt: skip
    (told,) = fresh.ask("risk", "/overrides").json()["items"]
    assert (told["author"], told["approver"], told["state"]) == ("admin", "admin2", "done")


def test_PLAN_041_an_override_holds_when_another_approves(fresh: Desk) -> None:
    until_us = fresh.engine.market.time_us + SECOND_US
    body = {"kind": "withdrawal_hold", "subject": "carol", "reason": "r", "until_us": until_us}
    name = fresh.do("risk", "/overrides", body).json()["id"]
    pay = {"asset": "USDC", "amount": "1"}
    assert fresh.do("admin", "/accounts/carol/withdrawals", pay).status_code == 201
    assert fresh.do("admin", f"/overrides/{name}/approve", {}).status_code == 201
    check_problem(fresh.do("admin", "/accounts/carol/withdrawals", pay), 409, "CTRL-E08")
    check_problem(fresh.do("admin2", f"/overrides/{name}/approve", {}), 409, "CTRL-E07")
    assert fresh.do("risk2", f"/overrides/{name}/withdraw", {"reason": "over"}).status_code == 201
    assert fresh.do("admin", "/accounts/carol/withdrawals", pay).status_code == 201
    check_problem(fresh.do("risk", f"/overrides/{name}/withdraw", {"reason": "r"}), 404, "CTRL-E04")
    late = body | {"until_us": until_us + OVERRIDE_US_MAX}
    check_problem(fresh.do("risk", "/overrides", late), 422, "TICK-E05")
    lift = body | {"kind": "lift_kill_switch"}
    check_problem(fresh.do("risk", "/overrides", lift), 422, "PLAN-E04")


def test_PLAN_042_parameters_change_by_two_persons_at_their_time(fresh: Desk) -> None:
    effective_us = fresh.engine.market.time_us + SECOND_US
    body = {"changes": [{"path": RANGE, "value": 200_000}], "reason": "wilder",
            "effective_us": effective_us}  # fmt: skip
    name = fresh.do("risk", "/proposals", body).json()["id"]
    path = f"/proposals/{name}"
    told = fresh.ask("risk", path).json()
    assert (told["state"], told["author"], told["approver"]) == ("proposed", "risk", None)
    assert told["changes"] == [{"path": RANGE, "base": 150_000, "value": 200_000}]
    assert told["effective_us"] == effective_us
    check_problem(fresh.do("risk", f"{path}/approve", {}), 403, "ACCS-E53")
    assert fresh.do("admin", f"{path}/approve", {}).status_code == 201
    assert fresh.ask("risk", path).json()["state"] == "approved"
    before = fresh.ask("reader", "/parameters").json()["digest"]
    _pass(fresh, SECOND_US)
    told = fresh.ask("risk", path).json()
    assert (told["state"], told["approver"]) == ("applied", "admin")
    assert fresh.ask("reader", "/parameters").json()["digest"] != before
    assert fresh.engine.method.underlying_rules("BTC").range_ppm == 200_000
    check_problem(fresh.do("risk", f"{path}/reject", {"reason": "late"}), 404, "CTRL-E04")


def test_PLAN_042_the_author_does_not_approve_and_anyone_rejects(fresh: Desk) -> None:
    body = {"changes": [{"path": RANGE, "value": 200_000}], "reason": "wilder"}
    name = fresh.do("admin", "/proposals", body).json()["id"]
    check_problem(fresh.do("admin", f"/proposals/{name}/approve", {}), 403, "CTRL-E06")
    assert fresh.do("risk", f"/proposals/{name}/reject", {"reason": "no"}).status_code == 201
    listed = fresh.ask("risk", "/proposals?standing=ended").json()["items"]
    assert [(each["id"], each["state"]) for each in listed] == [(name, "rejected")]
    assert fresh.engine.method.underlying_rules("BTC").range_ppm != 200_000


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"path": "underlying.BTC.nothing", "value": 1}, 404, "TERM-E04"),
        ({"path": RANGE, "value": 10**9}, 422, "TERM-E03"),
        ({"path": RANGE, "value": "much"}, 422, "TERM-E03"),
        ({"path": RANGE, "value": None}, 422, "TERM-E03"),
        ({"path": "a b", "value": 1}, 422, "PLAN-E04"),
        ({"path": RANGE}, 422, "PLAN-E04"),
        ({"path": RANGE, "value": "x" * 4096}, 422, "PLAN-E04"),
    ],
)
def test_PLAN_042_values_that_do_not_fit(
    desk: Desk, change: dict[str, object], status: int, code: str
) -> None:
    body = {"changes": [change], "reason": "r"}
    check_problem(desk.do("risk", "/proposals", body), status, code)
    check_problem(desk.do("risk", "/parameters/impact", {"changes": [change]}), status, code)


def test_PLAN_043_the_impact_is_told_before_the_decision(tmp_path: Path) -> None:
    changes = [{"path": RANGE, "value": 280_000}]
    with Desk(tmp_path / "venue.journal") as desk:

        async def beside(changes: Sequence[tuple[str, str]]) -> ImpactReport:
            return impact(desk.engine, [Change(*each) for each in changes])

        desk.app.state.plane.impact = beside
        before = desk.engine.risk_of("alice")
        name = desk.do("risk", "/proposals", {"changes": changes, "reason": "r"}).json()["id"]
        told = desk.ask("risk", f"/proposals/{name}/impact").json()
        (alice,) = told["accounts"]
        assert (alice["unit"], told["units"], told["changed"]) == ("alice", 4, 1)
        assert told["changes"] == [{"path": RANGE, "before": 150_000, "after": 280_000}]
        asked = desk.do("risk", "/parameters/impact", {"changes": changes},
                        headers={"Idempotency-Key": ""})  # fmt: skip
        assert asked.json() == told
        assert desk.ask("", "/service").json()["has_impact"] is True
        desk.do("admin", f"/proposals/{name}/approve", {})
        after = desk.engine.risk_of("alice")
        for moment, risk in (("before", before), ("after", after)):
            assert Decimal(alice[f"buffer_{moment}"]) * 10**6 == risk.buffer
            requirement = Decimal(alice[f"maintenance_requirement_{moment}"])
            assert requirement * 10**6 == risk.maintenance_requirement
        assert Decimal(alice["buffer_change"]) * 10**6 == after.buffer - before.buffer < 0
        assert alice["state_before"] == "healthy"
        check_problem(desk.ask("risk", f"/proposals/{name}/impact"), 409, "PLAN-E15")


def test_PLAN_043_without_a_second_process(desk: Desk) -> None:
    body = {"changes": [{"path": RANGE, "value": 200_000}]}
    check_problem(desk.do("risk", "/parameters/impact", body), 503, "PLAN-E14")
    check_problem(desk.ask("risk", "/proposals/proposal-999/impact"), 404, "PLAN-E10")


@pytest.fixture
def protected(fresh: Desk) -> Desk:
    """Return a venue in which nobody knows the price of BTC."""
    engine = fresh.engine
    slot = engine.market.asset_slots["BTC"]
    for number, source in enumerate(engine.market.indices[slot].sources):
        engine.submit(
            SourceStatus(engine.market.time_us, "feed", number + 1, source.name, "BTC", "down",
                         "no connection", engine.market.time_us)
        )  # fmt: skip
    assert engine.market.is_protected[slot]
    return fresh


def test_PLAN_044_a_price_takes_two_persons(protected: Desk) -> None:
    desk = protected
    until_us = desk.engine.market.time_us + SECOND_US
    body = {"asset": "BTC", "price": "119999.50", "basis": "judgement", "reason": "all are down",
            "until_us": until_us}  # fmt: skip
    before = desk.engine.seq
    proposed = desk.do("risk", "/price-decisions", body)
    assert (proposed.status_code, desk.engine.seq) == (202, before)
    name = proposed.json()["id"]
    (told,) = desk.ask("risk2", "/price-decisions").json()["items"]
    assert told == {"id": name, "author": "risk"} | body
    check_problem(desk.do("risk", f"/price-decisions/{name}/approve", {}), 403, "ACCS-E53")
    assert desk.do("admin", f"/price-decisions/{name}/approve", {}).status_code == 201
    assert desk.ask("reader", "/assets").json()["items"][1]["index_price"] == "119999.50"
    assert desk.ask("risk", "/price-decisions").json()["items"] == []
    check_problem(desk.do("admin", f"/price-decisions/{name}/approve", {}), 404, "PLAN-E10")


def test_PLAN_044_the_same_person_and_the_end(protected: Desk) -> None:
    desk = protected
    body = {"asset": "BTC", "price": "119999.50", "basis": "settlement", "reason": "all are down",
            "until_us": desk.engine.market.time_us + SECOND_US}  # fmt: skip
    name = desk.do("admin", "/price-decisions", body).json()["id"]
    check_problem(desk.do("admin", f"/price-decisions/{name}/approve", {}), 403, "PLAN-E11")
    _pass(desk, SECOND_US)
    check_problem(desk.do("admin2", f"/price-decisions/{name}/approve", {}), 404, "PLAN-E10")
    again = body | {"until_us": desk.engine.market.time_us + SECOND_US}
    name = desk.do("admin", "/price-decisions", again).json()["id"]
    assert desk.do("risk", f"/price-decisions/{name}", verb="DELETE").status_code == 200
    check_problem(desk.do("admin2", f"/price-decisions/{name}/approve", {}), 404, "PLAN-E10")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"price": "0"}, 422, "TICK-E03"),
        ({"price": "-5"}, 422, "PLAN-E04"),
        ({"price": 5}, 422, "PLAN-E04"),
        ({"price": "NaN"}, 422, "PLAN-E04"),
        ({"price": "1e5"}, 422, "PLAN-E04"),
        ({"until_us": 0}, 422, "TICK-E05"),
        ({"asset": "ETH"}, 422, "ADMT-E08"),
        ({"asset": "GOLD"}, 404, "ADMT-E03"),
        ({"basis": "taste"}, 422, "PLAN-E04"),
    ],
)
def test_PLAN_044_what_the_engine_would_refuse(
    protected: Desk, change: dict[str, object], status: int, code: str
) -> None:
    body = {"asset": "BTC", "price": "119999.50", "basis": "judgement", "reason": "r",
            "until_us": protected.engine.market.time_us + SECOND_US}  # fmt: skip
    check_problem(protected.do("risk", "/price-decisions", body | change), status, code)
    assert protected.ask("risk", "/price-decisions").json()["items"] == []


def test_PLAN_044_only_so_many_wait(protected: Desk) -> None:
    body = {"asset": "BTC", "price": "119999.50", "basis": "judgement", "reason": "r",
            "until_us": protected.engine.market.time_us + SECOND_US}  # fmt: skip
    for _ in range(100):
        assert protected.do("risk", "/price-decisions", body).status_code == 202
    check_problem(protected.do("risk", "/price-decisions", body), 409, "PLAN-E16")
    first = protected.ask("risk", "/price-decisions?limit=99").json()
    assert [each["id"] for each in first["items"]][-1] == "decision-99"
    rest = protected.ask("risk", first["next"].removeprefix("/v1")).json()
    assert [each["id"] for each in rest["items"]] == ["decision-100"]
