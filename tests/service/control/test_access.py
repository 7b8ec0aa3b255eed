"""Who may do what, asked of the routes themselves."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from steelyard.service.access import SCOPES, AccessError, Policy, Session
from steelyard.service.access.credits import Limit
from steelyard.service.access.matrix import Matrix, check_routes
from steelyard.service.control import app as application
from steelyard.service.control.app import control_routes, create_control, matrix_rows, served
from steelyard.service.control.guard import ControlRoute
from tests.service.control.roles import GENEROUS, Desk, check_problem

PATHS = {"{account}": "alice", "{instrument}": "BTC_USDC-PERPETUAL", "{method}": "paradex-pm"}


def _path(route: ControlRoute) -> str:
    path = route.path_format
    for name, value in PATHS.items():
        path = path.replace(name, value)
    return re.sub(r"\{[a-z]+\}", "none-1", path)


def test_PLAN_001_every_route_has_a_row(desk: Desk) -> None:
    routes = control_routes(desk.app)
    assert len(routes) > 35
    assert len(matrix_rows(desk.app)) == len(routes) == len(served(desk.app))
    check_routes(Matrix(matrix_rows(desk.app)), served(desk.app))


def test_PLAN_001_a_route_without_a_row_is_not_served(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = APIRouter(route_class=ControlRoute)

    @bare.get("/bare")
    async def answer() -> str:
        return "anything"

    monkeypatch.setattr(application, "ROUTERS", (*application.ROUTERS, bare))
    with pytest.raises(AccessError) as caught:
        create_control(desk.parts)
    assert (caught.value.code, caught.value.where["endpoint"]) == ("ACCS-E54", "GET /v1/bare")


def test_PLAN_001_a_route_past_the_guard_is_not_served() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/open")
    async def answer() -> str:
        return "anything"

    with pytest.raises(AssertionError, match="past the guard"):
        control_routes(app)


def test_PLAN_001_the_routes_decide_as_the_matrix_says(desk: Desk) -> None:
    roles: list[tuple[str, Session]] = [("", Session("", frozenset(), frozenset()))]
    for scope in SCOPES:
        roles.append((scope, Session("trader", frozenset({scope}), frozenset({"alice"}))))
        roles.append((scope, Session("trader", frozenset({scope}), frozenset({"carol"}))))
        roles.append((scope, Session("trader", frozenset({scope}), None)))
    matrix = Matrix(matrix_rows(desk.app))
    decided = 0
    for _, session in roles:
        desk.parts.proofs = SimpleNamespace(bearer=lambda *_, who=session: who)  # type: ignore[assignment]
        for route in control_routes(desk.app):
            (verb,) = route.methods
            account = "alice" if "{account}" in route.path_format else None
            may = matrix.may(session, f"{verb} /v1{route.path_format}", account)
            before = desk.engine.seq
            # No body: who is let through meets a field that is missing, and changes nothing.
            headers = {"Idempotency-Key": ""}
            who = "trader" if session.key_id else ""
            answer = desk.send(who, verb, _path(route), headers=headers)
            assert (answer.status_code in (401, 403)) == (not may), (verb, route.path, session)
            if not may:
                check_problem(answer, answer.status_code, answer.json()["code"])
                assert desk.engine.seq == before
            decided += 1
    assert decided == len(roles) * len(control_routes(desk.app))


@pytest.fixture(autouse=True)
def proofs_come_back(desk: Desk) -> Any:
    """Put the proofs of the shared venue back after each test."""
    kept = desk.parts.proofs
    yield
    desk.parts.proofs = kept


def test_PLAN_002_a_signature_is_of_the_path_with_its_query(desk: Desk) -> None:
    path = "/v1/accounts?limit=1"
    header = {"Authorization": desk.signed("risk", "GET", path, nonce="q1")}
    other = desk.ask("", "/accounts?limit=2", headers=header)
    check_problem(other, 401, "ACCS-E10")
    found = desk.ask("", "/accounts?limit=1", headers=header)
    assert found.status_code == 200
    check_problem(desk.ask("", "/accounts?limit=1", headers=header), 401, "ACCS-E23")


def test_PLAN_002_a_signature_is_of_the_body(desk: Desk) -> None:
    body = b'{"account":"signed","mode":"cross"}'
    header = {"Authorization": desk.signed("admin", "POST", "/v1/accounts", body, nonce="b1")}
    other = desk.do("", "/accounts", raw=body.replace(b"signed", b"forged"), headers=header)
    check_problem(other, 401, "ACCS-E10")
    assert desk.do("", "/accounts", raw=body, headers=header).status_code == 201


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Bearer " + "x" * 43, 401, "ACCS-E30"),
        ("Bearer ", 401, "ACCS-E30"),
        ("Basic " + "x" * 40, 401, "ACCS-E10"),
        ("nonsense", 401, "ACCS-E20"),
        ("steelyard-ed25519 id=risk,ts=1,nonce=n,sig=" + "A" * 86, 401, "ACCS-E21"),
    ],
)
def test_PLAN_002_what_proves_nothing_is_refused(
    desk: Desk, header: str, status: int, code: str
) -> None:
    answer = desk.ask("", "/accounts", headers={"Authorization": header})
    check_problem(answer, status, code)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_PLAN_003_who_has_no_credits_is_told_when_to_come_back(tmp_path: Any) -> None:
    policy = Policy(Limit(400, 600), GENEROUS, GENEROUS)
    with Desk(tmp_path / "venue.journal", policy=policy) as desk:
        assert desk.ask("risk", "/accounts").status_code == 200
        check_problem(
            desk.ask("reader", "/overrides"), 403, "ACCS-E53"
        )  # takes none of its credits
        for _ in range(2):
            assert desk.ask("risk", "/accounts").status_code == 200
        answer = desk.ask("risk", "/accounts")
        assert check_problem(answer, 429, "ACCS-E40")["retry_after_us"] == 500_000
        assert answer.headers["Retry-After"] == "1"
        desk.now_us += 500_000
        assert desk.ask("risk", "/accounts").status_code == 200


def test_PLAN_004_no_secret_is_told(fresh: Desk) -> None:
    secret = "hunter2-in-a-body"
    token = fresh.bearers["admin"]

    async def break_down(make: Any) -> Any:
        raise RuntimeError(f"cannot reach postgres://risk:{secret}@venue")

    fresh.host.command = break_down  # type: ignore[method-assign]
    answers = [
        fresh.do("admin", "/accounts", {"account": "dave", "mode": "cross"}),
        fresh.do("admin", "/accounts", {"account": secret, "mode": secret, "more": secret}),
        fresh.do("admin", "/accounts", raw=b'{"account": "' + secret.encode() + b'",'),
        fresh.do("admin", "/accounts", {"account": "dave", "mode": "cross"}, key=secret + "\x7f"),
        fresh.ask("admin", "/accounts?cursor=" + secret),
        fresh.ask("", "/accounts", headers={"Authorization": f"Bearer {token}x"}),
    ]
    assert [each.status_code for each in answers] == [500, 422, 400, 400, 422, 401]
    for answer in answers:
        whole = answer.text + str(answer.headers)
        assert secret not in whole
        assert token not in whole
    (incident,) = fresh.incidents
    assert (incident.method, incident.key_id) == ("POST /v1/accounts", "admin")
    assert incident.name == answers[0].json()["instance"]
    assert secret not in repr(incident._replace(error=ValueError()))
