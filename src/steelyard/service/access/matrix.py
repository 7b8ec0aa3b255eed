"""Who may call what, for which account: a table made from the rows of the routes.

Each endpoint has one row: the scope it needs (or "public"), and what it touches: no account, the
one it names, or every account. A session may call it with the scope, for an account it reaches; what
touches every account needs a session of every account. All else is refused: an endpoint without a
row, an account named where none is expected, none where one is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.session import ANONYMOUS, SCOPES, Scope, Session

PUBLIC = "public"

Touches = Literal["none", "one", "every"]
Needed = Literal[Scope, "public"]
Owner = Literal["no account", "own account", "foreign account"]


class Row(msgspec.Struct, frozen=True):
    """One endpoint: a method, a route or a channel; the scope it needs; which accounts it touches."""

    endpoint: str
    scope: Needed
    touches: Touches


class Cell(msgspec.Struct, frozen=True):
    """One decision of the table. role: "anonymous" or a scope, with one account or with every one."""

    endpoint: str
    role: str
    has_every_account: bool
    owner: Owner
    is_permitted: bool


class Matrix:
    """The rows of all endpoints, and the decisions that follow.

    Errors: ACCS-E54 for two rows of an endpoint, an unknown scope, or a public row that touches accounts.

    >>> matrix = Matrix([Row("private/get_positions", "read", "one")])
    >>> desk = Session("desk", frozenset({"read"}), frozenset({"alice"}))
    >>> [matrix.may(desk, "private/get_positions", name) for name in ("alice", "bob", None)]
    [True, False, False]
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, Row] = {}
        for row in rows:
            is_known = row.scope == PUBLIC or row.scope in SCOPES
            if row.touches not in ("none", "one", "every") or not is_known:
                raise _unsound(row.endpoint, "its scope, or what it touches, is unknown")
            if row.scope == PUBLIC and row.touches != "none":
                raise _unsound(row.endpoint, "it is public and touches accounts")
            if row.endpoint in self._rows or not row.endpoint:
                raise _unsound(row.endpoint, "it has two rows or no name")
            self._rows[row.endpoint] = row

    def rows(self) -> tuple[Row, ...]:
        """Return the rows, by endpoint."""
        return tuple(self._rows[name] for name in sorted(self._rows))

    def may(self, session: Session, endpoint: str, account: str | None = None) -> bool:
        """Return whether a session may call an endpoint, for an account where it names one."""
        return self._refusal(session, endpoint, account) is None

    def require(self, session: Session, endpoint: str, account: str | None = None) -> None:
        """Raise the refusal where `may` is false.

        ACCS-E50 nobody is proven; E51 an account that the session does not reach, there or not; E52 no
        row; E53 the scope is missing; E55 an account is named where none is expected, or missing.
        """
        refusal = self._refusal(session, endpoint, account)
        if refusal is not None:
            raise refusal

    def _refusal(self, session: Session, endpoint: str, account: str | None) -> AccessError | None:
        row = self._rows.get(endpoint)
        if row is None:
            return _refused(
                "ACCS-E52", "nobody may call this", "an endpoint has a row in the access matrix",
                "call one that is listed", endpoint,
            )  # fmt: skip
        if row.scope != PUBLIC and session.is_anonymous:
            return _refused(
                "ACCS-E50", "this is not public", "a private endpoint needs a proven key",
                "authenticate by public/auth, or sign the request", endpoint,
            )  # fmt: skip
        if row.scope != PUBLIC and row.scope not in session.scopes:
            return _refused(
                "ACCS-E53", f"the scope {row.scope} is needed", "a key does what its scopes say",
                f"use a key, or ask for a token, with the scope {row.scope}", endpoint,
            )  # fmt: skip
        if (account is None) == (row.touches == "one"):
            return _refused(
                "ACCS-E55",
                "an account is missing" if account is None else "no account is expected",
                "an endpoint that touches one account names it, and no other does",
                "name the account" if account is None else "leave the account out", endpoint,
            )  # fmt: skip
        is_reached = session.accounts is None if row.touches == "every" else True
        if account is not None:
            is_reached = session.reaches(account)
        if not is_reached:
            return _refused(
                "ACCS-E51",
                "this touches every account" if account is None else "the account is not the key's",
                "a key reaches the accounts that it lists, or all",
                "use a key of every account" if account is None else "use a key of that account",
                endpoint,
            )  # fmt: skip
        return None

    def cells(self) -> tuple[Cell, ...]:
        """Return the whole table: each endpoint by each role, for no, its own and a foreign account."""
        found = []
        for row in self.rows():
            for role, session in _roles():
                for owner, account in _OWNERS:
                    is_permitted = self.may(session, row.endpoint, account)
                    has_every = not session.is_anonymous and session.accounts is None
                    found.append(Cell(row.endpoint, role, has_every, owner, is_permitted))
        return tuple(found)

    def markdown(self) -> str:
        """Return the table as text: a line an endpoint, a column a role, and where it may act.

        `own` is the accounts that the key lists, `any` every account (with a key of every account),
        `yes` no account in question.
        """
        roles = [role for role, session in _roles() if session.accounts is not None]
        lines = [
            f"| endpoint | {' | '.join(roles)} |",
            f"|---|{'---|' * len(roles)}",
        ]
        cells = {
            (c.endpoint, c.role, c.has_every_account, c.owner): c.is_permitted for c in self.cells()
        }
        for row in self.rows():
            words = []
            for role in roles:
                own = cells[row.endpoint, role, False, "own account"]
                foreign = cells.get((row.endpoint, role, True, "foreign account"), False)
                free = cells[row.endpoint, role, False, "no account"]
                every = cells.get((row.endpoint, role, True, "no account"), False)
                named = " ".join(
                    w for w, is_so in (("own", own), ("any", foreign or every)) if is_so
                )
                words.append("yes" if free else named or "–")
            lines.append(f"| `{row.endpoint}` | {' | '.join(words)} |")
        return "\n".join(lines) + "\n"


def check_routes(matrix: Matrix, routes: Iterable[str]) -> None:
    """Raise ACCS-E54 unless every route has a row and every row a route.

    Tests call it with the routes that a server has, and the server before it serves.
    """
    named, served = {row.endpoint for row in matrix.rows()}, set(routes)
    for endpoint in sorted(served - named):
        raise _unsound(endpoint, "it is served and has no row")
    for endpoint in sorted(named - served):
        raise _unsound(endpoint, "it has a row and is not served")


_OWN, _FOREIGN = "own", "foreign"
_OWNERS: tuple[tuple[Owner, str | None], ...] = (
    ("no account", None),
    ("own account", _OWN),
    ("foreign account", _FOREIGN),
)


def _roles() -> list[tuple[str, Session]]:
    roles = [("anonymous", ANONYMOUS)]
    for scope in SCOPES:
        roles.append((scope, Session("key", frozenset({scope}), frozenset({_OWN}))))
        roles.append((scope, Session("key", frozenset({scope}), None)))
    return roles


def _refused(code: str, message: str, rule: str, cure: str, endpoint: str) -> AccessError:
    return AccessError(code, message, rule=rule, cure=cure, endpoint=endpoint[:128])


def _unsound(endpoint: str, why: str) -> AccessError:
    return AccessError(
        "ACCS-E54",
        f"the access matrix is not sound: {why}",
        rule="every endpoint served has one row: its scope, and the accounts it touches",
        cure="mend the row",
        endpoint=endpoint[:128],
    )
