"""What ends an attempt of a connection: told apart from every error of those who read its messages."""

from __future__ import annotations

from steelyard.quantities import InputError


class ConnectionTrouble(InputError):
    """A named failure of a connection (CONN-…), answered by a new attempt."""


class FetchTrouble(ConnectionTrouble):
    """A fetch that failed (CONN-E07), or one too many (CONN-E08)."""


def trouble(code: str, message: str, rule: str, cure: str, **where: object) -> ConnectionTrouble:
    """Return the named failure of a connection."""
    return ConnectionTrouble(code, message, rule=rule, cure=cure, **where)
