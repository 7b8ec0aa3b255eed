"""Who is asking: the session that every decision on access is made for."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Scope = Literal["read", "simulate", "trade", "risk", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


class Session(msgspec.Struct, frozen=True):
    """What a proven key may do: its id, its scopes, and the accounts it reaches.

    accounts: None is every account, an empty set is none. No scope holds another: a session that may
    trade and read has both.

    >>> Session("desk", frozenset({"read"}), frozenset({"alice"})).reaches("bob")
    False
    """

    key_id: str
    scopes: frozenset[str]
    accounts: frozenset[str] | None

    @property
    def is_anonymous(self) -> bool:
        """Return whether nobody has been proven; such a session has no rights whatever it says."""
        return not self.key_id

    def reaches(self, account: str) -> bool:
        """Return whether an account is among those of the session."""
        return not self.is_anonymous and (self.accounts is None or account in self.accounts)


ANONYMOUS = Session("", frozenset(), frozenset())
