"""Whatever goes wrong is told in one form."""

from __future__ import annotations

from typing import Any

import pytest

from steelyard.quantities import InvariantError
from steelyard.quantities.errors import InputError, JournalError, TermsError
from steelyard.service.control.errors import BY_CODE, status_of
from steelyard.service.control.guard import BODY_LIMITS
from tests.service.control.roles import Desk, check_problem

OPEN = {"account": "dave", "mode": "cross"}


def test_PLAN_010_unknown_routes_and_verbs(desk: Desk) -> None:
    for path in ("/nothing", "/accounts/", "/accounts/alice/secrets", "/docs", "/redoc"):
        found = check_problem(desk.ask("admin", path), 404, "PLAN-E01")
        assert found["where"]["path"] == f"/v1{path}"
    for verb in ("PATCH", "PUT", "DELETE", "TRACE", "OPTIONS", "HEAD"):
        answer = desk.send("admin", verb, "/accounts")
        assert answer.headers["Allow"] == "GET, POST"
        if verb != "HEAD":
            check_problem(answer, 405, "PLAN-E02")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "PLAN-E03"),
        (b'{"account": NaN}', 400, "PLAN-E03"),
        (b'{"account": -Infinity}', 400, "PLAN-E03"),
        (b'{"account": "dave", "mode": "cross"} {}', 400, "PLAN-E03"),
        (b'{"account": "\xff"}', 400, "PLAN-E03"),
        (b"[" * 10_000, 413, "RPCJ-E02"),
        (b'{"account": "' + b"x" * BODY_LIMITS.body_bytes_max + b'"}', 413, "RPCJ-E01"),
        (b"[" + b"1," * 20_000 + b"1]", 413, "RPCJ-E03"),
        (b"[]", 422, "PLAN-E04"),
        (b"null", 422, "PLAN-E04"),
        (b'"text"', 422, "PLAN-E04"),
    ],
)
def test_PLAN_010_bodies_that_are_none(desk: Desk, raw: bytes, status: int, code: str) -> None:
    before = desk.engine.seq
    check_problem(desk.do("admin", "/accounts", raw=raw), status, code)
    assert desk.engine.seq == before


def test_PLAN_010_a_body_is_said_to_be_json(desk: Desk) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = desk.do("admin", "/accounts", OPEN, headers={"Content-Type": kind})
        check_problem(answer, 415, "PLAN-E05")
    kind = "Application/JSON; charset=utf-8"
    answer = desk.do("admin", "/accounts", {"account": "typed", "mode": "cross"},
                     headers={"Content-Type": kind})  # fmt: skip
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mode": "margin"}, "body.mode"),
        ({"mode": None}, "body.mode"),
        ({"account": 5}, "body.account"),
        ({"account": ""}, "body.account"),
        ({"account": "a/b"}, "body.account"),
        ({"account": "x" * 65}, "body.account"),
        ({"account": ["dave"]}, "body.account"),
        ({"balances": {}}, "body.balances"),
    ],
)
def test_PLAN_011_fields_of_a_body(desk: Desk, change: dict[str, Any], field: str) -> None:
    before = desk.engine.seq
    found = check_problem(desk.do("admin", "/accounts", OPEN | change), 422, "PLAN-E04")
    assert found["where"] == {"field": field}
    assert [each["field"] for each in found["faults"]] == [field]
    assert desk.engine.seq == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"lot_exponent": "4"}, "body.lot_exponent"),
        ({"lot_exponent": 4.0}, "body.lot_exponent"),
        ({"lot_exponent": True}, "body.lot_exponent"),
        ({"lot_exponent": 9}, "body.lot_exponent"),
        ({"is_inverse": 1}, "body.is_inverse"),
        ({"is_inverse": "true"}, "body.is_inverse"),
        ({"strike": 5}, "body.strike"),
        ({"strike": "-5"}, "body.strike"),
        ({"strike": "1e5"}, "body.strike"),
        ({"position_limit_lots": 2**40 + 1}, "body.position_limit_lots"),
        ({"position_limit_lots": 10**30}, "body.position_limit_lots"),
    ],
)
def test_PLAN_011_nothing_is_coerced(desk: Desk, change: dict[str, Any], field: str) -> None:
    listed = {
        "name": "SOL-NEW", "kind": "perpetual", "underlying": "SOL", "settlement": "USDC",
        "lot_exponent": 1, "mark_exponent": 6, "position_limit_lots": 1_000,
    }  # fmt: skip
    found = check_problem(desk.do("admin", "/instruments", listed | change), 422, "PLAN-E04")
    assert field in [each["field"] for each in found["faults"]]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=+5", "limit=%205", "limit=5_0", "limit=5.0", "limit=", "limit=x",
     "state=well", "sort=owner", "nothing=1", "owner=", "cursor=", "limit=1&limit=2x"],
)  # fmt: skip
def test_PLAN_011_parameters_of_a_query(desk: Desk, query: str) -> None:
    check_problem(desk.ask("risk", f"/accounts?{query}"), 422, "PLAN-E04")


def test_PLAN_011_a_route_without_a_query_takes_none(desk: Desk) -> None:
    for path in ("/service?x=1", "/accounts/alice?limit=1", "/kill-switch?standing=open"):
        check_problem(desk.ask("admin", path), 422, "PLAN-E04")
    check_problem(desk.do("admin", "/accounts?limit=1", OPEN), 422, "PLAN-E04")


def test_PLAN_011_many_faults_are_told_up_to_sixteen(desk: Desk) -> None:
    body = OPEN | {f"more{i}": i for i in range(40)}
    assert len(check_problem(desk.do("admin", "/accounts", body), 422, "PLAN-E04")["faults"]) == 16


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("ADMT-E04", "m", rule="r", cure="c"), 409),
        (InputError("ADMT-E06", "m", rule="r", cure="c"), 409),
        (InputError("ADMT-E05", "m", rule="r", cure="c"), 422),
        (InputError("CTRL-E04", "m", rule="r", cure="c"), 404),
        (InputError("CTRL-E06", "m", rule="r", cure="c"), 403),
        (InputError("TICK-E05", "m", rule="r", cure="c"), 422),
        (TermsError("TERM-E03", "m", rule="r", cure="c"), 422),
        (TermsError("TERM-E04", "m", rule="r", cure="c"), 404),
        (JournalError("JOUR-E08", "m", rule="r", cure="c"), 503),
    ],
)
def test_PLAN_012_statuses(desk: Desk, error: Any, status: int) -> None:
    assert status_of(error) == status


def test_PLAN_012_every_own_code_has_a_status() -> None:
    own = {f"PLAN-E{number:02d}" for number in range(1, 17)} - {"PLAN-E04"}
    assert own <= set(BY_CODE)
    assert set(BY_CODE.values()) <= {400, 401, 403, 404, 405, 409, 413, 415, 422, 500, 503}


def test_PLAN_012_refusals_of_the_engine(desk: Desk) -> None:
    before = desk.engine.seq
    for path, body, status, code in (
        ("/accounts", {"account": "alice", "mode": "cross"}, 409, "ADMT-E04"),
        ("/accounts", {"account": "external", "mode": "cross"}, 422, "ADMT-E08"),
        ("/accounts/carol/withdrawals", {"asset": "USDC", "amount": "5000.01"}, 409, "ADMT-E06"),
        ("/accounts/carol/deposits", {"asset": "USDC", "amount": "0.0000001"}, 422, "QUAN-E02"),
        ("/accounts/carol/deposits", {"asset": "USDC", "amount": "99999999999999999999"}, 422, "QUAN-E03"),
        ("/accounts/carol/deposits", {"asset": "USDC", "amount": "0.00"}, 422, "PLAN-E04"),
        ("/accounts/carol/deposits", {"asset": "GOLD", "amount": "1"}, 422, "PLAN-E04"),
        ("/accounts/nobody/deposits", {"asset": "USDC", "amount": "1"}, 404, "PLAN-E10"),
        ("/halts/halt-999/resume", {"reason": "over"}, 404, "CTRL-E04"),
        ("/halts", {"kind": "halt", "scope": "venue", "subject": "x", "reason": "r"}, 422, "PLAN-E04"),
        ("/halts", {"kind": "halt", "scope": "venue", "reason": "r", "until_us": 5}, 422, "TICK-E05"),
    ):  # fmt: skip
        check_problem(desk.do("admin", path, body), status, code)
    assert desk.engine.seq == before


def test_PLAN_013_a_stopped_engine_takes_nothing_and_answers(fresh: Desk) -> None:
    fresh.engine.stopped = InvariantError("USDC sums to 1 units")
    for path, body in (
        ("/accounts", OPEN),
        ("/accounts/alice/deposits", {"asset": "USDC", "amount": "1"}),
        ("/kill-switch", {"mode": "freeze", "reason": "fire"}),
    ):
        answer = fresh.do("admin", path, body, key="again")
        found = check_problem(answer, 503, "PLAN-E13")
        assert "sums to" not in answer.text
        assert found["cure"]
        repeated = fresh.do("admin", path, body, key="again")
        assert "Idempotent-Replayed" not in repeated.headers  # it was not done
    assert fresh.ask("admin", "/accounts").status_code == 200
    assert fresh.ask("", "/service").json()["is_stopped"] is True


def test_PLAN_013_a_journal_that_fails_is_told(fresh: Desk) -> None:
    async def fail(make: Any) -> Any:
        raise JournalError("JOUR-E08", "the disk is full", rule="r", cure="c")

    fresh.host.command = fail  # type: ignore[method-assign]
    check_problem(fresh.do("admin", "/accounts", OPEN), 503, "JOUR-E08")
