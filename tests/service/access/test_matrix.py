"""The access matrix: who may call what for which account, and that taking away never gives."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import (
    ANONYMOUS,
    SCOPES,
    AccessError,
    Matrix,
    Row,
    Session,
    TooManyRequests,
    check_routes,
)
from steelyard.service.access.errors import Reason, not_proven

ROWS = [
    Row("public/ticker", "public", "none"),
    Row("private/get_positions", "read", "one"),
    Row("private/simulate_portfolio", "simulate", "one"),
    Row("private/buy", "trade", "one"),
    Row("accounts", "risk", "every"),
    Row("keys", "admin", "none"),
]
MATRIX = Matrix(ROWS)
DESK = Session("desk", frozenset({"read", "simulate"}), frozenset({"alice"}))


def code_of(session: Session, endpoint: str, account: str | None = None) -> str:
    try:
        MATRIX.require(session, endpoint, account)
    except AccessError as error:
        assert not MATRIX.may(session, endpoint, account)
        return error.code
    assert MATRIX.may(session, endpoint, account)
    return "permitted"


@pytest.mark.parametrize(
    ("session", "endpoint", "account", "code"),
    [
        (ANONYMOUS, "public/ticker", None, "permitted"),
        (DESK, "public/ticker", None, "permitted"),
        (DESK, "public/ticker", "alice", "ACCS-E55"),
        (ANONYMOUS, "private/get_positions", "alice", "ACCS-E50"),
        (DESK, "private/get_positions", "alice", "permitted"),
        (DESK, "private/get_positions", "bob", "ACCS-E51"),
        (DESK, "private/get_positions", "", "ACCS-E51"),
        (DESK, "private/get_positions", None, "ACCS-E55"),
        (DESK, "private/buy", "alice", "ACCS-E53"),
        (DESK, "private/buy", "bob", "ACCS-E53"),
        (DESK, "private/get_position", "alice", "ACCS-E52"),
        (DESK, "PRIVATE/get_positions", "alice", "ACCS-E52"),
        (DESK, "private/get_positions ", "alice", "ACCS-E52"),
        (DESK, "", None, "ACCS-E52"),
        (Session("k", frozenset({"read"}), None), "private/get_positions", "anyone", "permitted"),
        (Session("k", frozenset({"read"}), frozenset()), "private/get_positions", "a", "ACCS-E51"),
        (Session("k", frozenset({"admin"}), None), "private/get_positions", "alice", "ACCS-E53"),
        (Session("k", frozenset({"admin"}), frozenset()), "keys", None, "permitted"),
    ],
)
def test_ACCS_070_scope_and_account_decide(
    session: Session, endpoint: str, account: str | None, code: str
) -> None:
    assert code_of(session, endpoint, account) == code


@pytest.mark.parametrize("scope", SCOPES)
def test_ACCS_070_no_scope_holds_another(scope: Any) -> None:
    matrix = Matrix([Row(name, name, "none") for name in SCOPES])
    session = Session("k", frozenset({scope}), None)
    assert [name for name in SCOPES if matrix.may(session, name)] == [scope]


def test_ACCS_071_what_touches_every_account_needs_them_all() -> None:
    risk = frozenset({"risk"})
    assert code_of(Session("k", risk, None), "accounts") == "permitted"
    assert code_of(Session("k", risk, frozenset({"alice", "bob"})), "accounts") == "ACCS-E51"
    assert code_of(Session("k", risk, None), "accounts", "alice") == "ACCS-E55"


def test_ACCS_001_a_session_of_no_key_has_no_rights() -> None:
    forged = Session("", frozenset(SCOPES), None)
    assert forged.is_anonymous
    assert not forged.reaches("alice")
    assert not ANONYMOUS.reaches("alice")
    assert (ANONYMOUS.scopes, ANONYMOUS.accounts) == (frozenset(), frozenset())
    for row in ROWS:
        for account in (None, "alice"):
            assert MATRIX.may(forged, row.endpoint, account) == MATRIX.may(
                ANONYMOUS, row.endpoint, account
            )
    assert Session("k", frozenset(), None).reaches("alice")
    assert hash(DESK) == hash(Session("desk", DESK.scopes, DESK.accounts))


def test_ACCS_002_every_refusal_says_rule_cure_and_reason() -> None:
    errors: list[AccessError] = [not_proven(), TooManyRequests(1, 5)]
    for session, endpoint, account in (
        (ANONYMOUS, "keys", None),
        (DESK, "keys", None),
        (DESK, "absent", None),
        (DESK, "private/get_positions", "bob"),
        (DESK, "private/get_positions", None),
    ):
        with pytest.raises(AccessError) as caught:
            MATRIX.require(session, endpoint, account)
        errors.append(caught.value)
    assert [error.reason for error in errors] == [
        "invalid_credentials", "too_many_requests", "unauthorized", "forbidden", "forbidden",
        "forbidden", "bad_request"]  # fmt: skip
    for error in errors:
        assert error.code.startswith("ACCS-E")
        assert error.rule
        assert error.cure
        assert error.reason in get_args(Reason)
        assert set(error.as_dict()) == {"code", "message", "where", "rule", "cure"}


def test_ACCS_072_a_route_without_a_row_fails() -> None:
    served = [row.endpoint for row in ROWS]
    check_routes(MATRIX, served)
    with pytest.raises(AccessError, match="served and has no row") as caught:
        check_routes(MATRIX, [*served, "private/withdraw"])
    assert caught.value.where["endpoint"] == "private/withdraw"
    with pytest.raises(AccessError, match="has a row and is not served") as caught:
        check_routes(MATRIX, served[1:])
    assert caught.value.where["endpoint"] == "public/ticker"


@pytest.mark.parametrize(
    "rows",
    [
        [ROWS[0], ROWS[0]],
        [Row("x", "read", "one"), Row("x", "trade", "one")],
        [Row("x", "public", "one")],
        [Row("x", "public", "every")],
        [Row("", "read", "none")],
        [Row("x", "root", "none")],  # type: ignore[arg-type]
        [Row("x", "", "none")],  # type: ignore[arg-type]
        [Row("x", None, "none")],  # type: ignore[arg-type]
        [Row("x", "read", "all")],  # type: ignore[arg-type]
    ],
)
def test_ACCS_072_rows_that_are_not_sound_make_no_matrix(rows: list[Row]) -> None:
    with pytest.raises(AccessError, match="not sound") as caught:
        Matrix(rows)
    assert caught.value.code == "ACCS-E54"


NAMES = st.sampled_from(["a", "b", "c"])
SESSIONS = st.builds(
    Session,
    st.sampled_from(["", "key"]),
    st.frozensets(st.sampled_from(SCOPES)),
    st.none() | st.frozensets(NAMES),
)
PRIVATE_ROWS = st.builds(
    Row, NAMES, st.sampled_from(SCOPES), st.sampled_from(["none", "one", "every"])
)
PUBLIC_ROWS = st.builds(Row, NAMES, st.just("public"), st.just("none"))
MATRICES = st.lists(PRIVATE_ROWS | PUBLIC_ROWS, unique_by=lambda row: row.endpoint).map(Matrix)


@given(MATRICES, SESSIONS, st.frozensets(st.sampled_from(SCOPES)), st.frozensets(NAMES))
def test_ACCS_073_taking_a_scope_or_an_account_away_never_permits_more(
    matrix: Matrix, session: Session, scopes: frozenset[str], accounts: frozenset[str]
) -> None:
    fewer = accounts if session.accounts is None else session.accounts - accounts
    for less in (
        Session(session.key_id, session.scopes - scopes, session.accounts),
        Session(session.key_id, session.scopes, fewer),
        Session(session.key_id, session.scopes - scopes, fewer),
        ANONYMOUS,
    ):
        for endpoint in ("a", "b", "c", "d"):
            for account in (None, "a", "b", "c", "d", ""):
                if matrix.may(less, endpoint, account):
                    assert matrix.may(session, endpoint, account)


@given(MATRICES, SESSIONS)
def test_ACCS_070_what_is_permitted_is_what_the_rows_say(matrix: Matrix, session: Session) -> None:
    """The rule written a second time, from the rows."""
    rows = {row.endpoint: row for row in matrix.rows()}
    for endpoint in ("a", "b", "c", "d"):
        for account in (None, "a", "d"):
            row = rows.get(endpoint)
            expected = row is not None and (account is not None) == (row.touches == "one")
            if row is not None and row.scope != "public":
                expected &= session.key_id != "" and row.scope in session.scopes
            if row is not None and row.touches == "one":
                expected &= session.accounts is None or account in session.accounts
            if row is not None and row.touches == "every":
                expected &= session.accounts is None
            assert matrix.may(session, endpoint, account) == expected


def test_ACCS_074_the_table_says_what_the_decisions_say() -> None:
    cells = MATRIX.cells()
    assert len(cells) == len(ROWS) * (1 + 2 * len(SCOPES)) * 3
    assert len({(c.endpoint, c.role, c.has_every_account, c.owner) for c in cells}) == len(cells)
    permitted = {
        (c.role, c.has_every_account, c.owner)
        for c in cells
        if c.is_permitted and c.endpoint == "private/get_positions"
    }
    assert permitted == {
        ("read", False, "own account"),
        ("read", True, "own account"),
        ("read", True, "foreign account"),
    }
    public = [c for c in cells if c.endpoint == "public/ticker" and c.is_permitted]
    assert {c.owner for c in public} == {"no account"}
    assert len(public) == 1 + 2 * len(SCOPES)
    for cell in cells:
        if cell.role == "anonymous":
            assert cell.is_permitted == (
                cell.endpoint == "public/ticker" and cell.owner == "no account"
            )


def test_ACCS_074_the_table_is_written_for_readers() -> None:
    assert MATRIX.markdown().splitlines() == [
        "| endpoint | anonymous | read | simulate | trade | risk | admin |",
        "|---|---|---|---|---|---|---|",
        "| `accounts` | – | – | – | – | any | – |",
        "| `keys` | – | – | – | – | – | yes |",
        "| `private/buy` | – | – | – | own any | – | – |",
        "| `private/get_positions` | – | own any | – | – | – | – |",
        "| `private/simulate_portfolio` | – | – | own any | – | – | – |",
        "| `public/ticker` | yes | yes | yes | yes | yes | yes |",
    ]


def test_ACCS_075_a_refusal_does_not_tell_whether_an_account_exists() -> None:
    texts = set()
    for account in ("bob", "nobody", "alice2", "a" * 1000, "\0"):
        with pytest.raises(AccessError) as caught:
            MATRIX.require(DESK, "private/get_positions", account)
        texts.add(str(caught.value))
    assert len(texts) == 1
