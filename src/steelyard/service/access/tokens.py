"""Access and refresh tokens, as Deribit's public/auth answers them.

A token is 256 random bits; only its SHA-256 is kept. What it opens is decided anew at each use: the
scopes it was granted, where its key still has them, while its key is neither revoked, expired nor
rotated. A refresh gives a new pair and voids the old one; a refresh token that comes a second time
was stolen by someone, so its whole grant ends (RFC 9700, 4.14.2). Tokens live in memory: a restart
ends them all.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.scope_words import Asked, parse_scope, plain_address, scope_text
from steelyard.service.access.sealing import Random, new_secret
from steelyard.service.access.session import Session

ACCESS_LIFE_S = 900
REFRESH_LIFE_S = 7 * 24 * 3600
SESSIONS_PER_KEY_MAX = 16
GRANTS_PER_KEY_MAX = 64
GRANTS_MAX = 50_000
SPENT_MAX = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Tokens(msgspec.Struct, frozen=True):
    """The answer of public/auth, by Deribit's names; expires_in is in whole seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str
    token_type: Literal["bearer"] = "bearer"

    def __repr__(self) -> str:
        return f"Tokens(…, expires_in={self.expires_in}, scope={self.scope!r})"


@dataclass(slots=True, repr=False)
class _Grant:
    """One proof and the tokens made of it, present and spent, by their SHA-256."""

    session: Session
    generation: int
    name: str
    connection: str
    address: str
    life_s: int | None
    access: bytes = b""
    access_expires_us: int = 0
    refresh: bytes = b""
    refresh_expires_us: int = 0
    spent: deque[bytes] = field(default_factory=deque)


class TokenStore:
    """The tokens of the keys of a ring.

    random: gives the tokens. access_life_s, refresh_life_s: how long they hold; a refresh begins both
    anew. Bounds: 16 named sessions a key, 64 grants a key (the oldest unnamed one goes), grants_max in all.
    """

    def __init__(
        self,
        ring: KeyRing,
        *,
        random: Random,
        access_life_s: int = ACCESS_LIFE_S,
        refresh_life_s: int = REFRESH_LIFE_S,
        grants_max: int = GRANTS_MAX,
    ) -> None:
        self._ring = ring
        self._random = random
        self._access_life_s = access_life_s
        self._refresh_life_s = refresh_life_s
        self._grants_max = grants_max
        self._grants: OrderedDict[int, _Grant] = OrderedDict()  # the longest unrefreshed first
        self._by_key: dict[str, OrderedDict[int, None]] = {}
        self._by_connection: dict[str, set[int]] = {}
        self._access: dict[bytes, int] = {}
        self._refresh: dict[bytes, int] = {}
        self._spent: dict[bytes, int] = {}
        self._next = 0

    def __repr__(self) -> str:
        return f"TokenStore({len(self._grants)} grants)"

    def __len__(self) -> int:
        return len(self._grants)

    def issue(
        self,
        session: Session,
        time_us: int,
        *,
        scope: str = "",
        connection: str = "",
        address: str = "",
    ) -> Tokens:
        """Return tokens for a session that was just proven, narrowed to what was asked for.

        scope: see `scope_words`. connection: the transport's name of a WebSocket connection, to which
        the tokens are bound unless the scope names a session; "" over HTTP, where nothing is bound.
        address: where the request came from. A session of the same name ends the one before.
        Errors: ACCS-E32 (scope), ACCS-E34, ACCS-E35 (bounds), ACCS-E30 for a session of no key.
        """
        asked = parse_scope(scope)
        generation = self._ring.generation(session.key_id)
        if session.is_anonymous or not generation:
            raise _not_valid()
        if asked.address and (not address or asked.address != plain_address(address)):
            raise _not_valid()
        self._forget(time_us)
        self._make_room(session.key_id, asked.session)
        grant = _Grant(
            _narrowed(session, asked),
            generation,
            asked.session,
            "" if asked.session else connection,
            asked.address,
            asked.expires_s,
        )
        number, self._next = self._next, self._next + 1
        self._grants[number] = grant
        self._by_key.setdefault(session.key_id, OrderedDict())[number] = None
        if grant.connection:
            self._by_connection.setdefault(grant.connection, set()).add(number)
        return self._renew(number, grant, time_us)

    def refresh(
        self,
        refresh_token: str,
        time_us: int,
        *,
        scope: str = "",
        connection: str = "",
        address: str = "",
    ) -> Tokens:
        """Return a new pair for a refresh token and void the old pair.

        scope: may narrow further; its address word must be that of the grant, or absent. A named session may
        take another name that no session of its key has; clients there are that name themselves anew each time.
        Errors: ACCS-E30 for a token that is unknown, expired, spent (then the whole grant ends) or used
        elsewhere than where it is bound; ACCS-E32.
        """
        digest = digest_of(refresh_token)
        if digest in self._spent:
            self._end(self._spent[digest])
            raise _not_valid()
        number = self._refresh.get(digest)
        if number is None:
            raise _not_valid()
        grant = self._grants[number]
        if time_us >= grant.refresh_expires_us:
            self._end(number)
            raise _not_valid()
        self._checked(number, grant, time_us, connection, address)
        asked = parse_scope(scope)
        if asked.address not in ("", grant.address) or not self._may_be(grant, asked.session):
            raise _not_valid()
        grant.name = asked.session or grant.name
        grant.session = _narrowed(grant.session, asked)
        if asked.expires_s is not None:
            grant.life_s = min(asked.expires_s, grant.life_s or asked.expires_s)
        self._grants.move_to_end(number)
        self._by_key[grant.session.key_id].move_to_end(number)
        return self._renew(number, grant, time_us)

    def session(
        self, access_token: str, time_us: int, *, connection: str = "", address: str = ""
    ) -> Session:
        """Return what an access token opens now. Errors: ACCS-E30, whatever is wrong with it."""
        return self.session_of(
            digest_of(access_token), time_us, connection=connection, address=address
        )

    def session_of(
        self, digest: bytes, time_us: int, *, connection: str = "", address: str = ""
    ) -> Session:
        """Return the same for the `digest_of` an access token."""
        number = self._access.get(digest)
        if number is None:
            raise _not_valid()
        grant = self._grants[number]
        if time_us >= grant.access_expires_us:
            raise _not_valid()
        return self._checked(number, grant, time_us, connection, address)

    def revoke(self, access_token: str) -> None:
        """End the grant of an access token (private/logout). An unknown token is already ended."""
        number = self._access.get(digest_of(access_token))
        if number is not None:
            self._end(number)

    def revoke_key(self, key_id: str) -> int:
        """End every grant of a key; return how many. A revoked key's tokens are void without it too."""
        numbers = tuple(self._by_key.get(key_id, ()))
        for number in numbers:
            self._end(number)
        return len(numbers)

    def close(self, connection: str) -> int:
        """End the grants bound to a connection that closed; return how many."""
        numbers = sorted(self._by_connection.get(connection, ()))
        for number in numbers:
            self._end(number)
        return len(numbers)

    def _checked(
        self, number: int, grant: _Grant, time_us: int, connection: str, address: str
    ) -> Session:
        is_elsewhere = grant.connection != "" and connection != grant.connection
        if grant.address and (not address or plain_address(address) != grant.address):
            is_elsewhere = True
        if is_elsewhere:
            raise _not_valid()
        try:
            return self._ring.present(grant.session, grant.generation, time_us)
        except AccessError:
            self._end(number)
            raise _not_valid() from None

    def _renew(self, number: int, grant: _Grant, time_us: int) -> Tokens:
        self._access.pop(grant.access, None)
        if self._refresh.pop(grant.refresh, None) is not None:
            self._spent[grant.refresh] = number
            grant.spent.append(grant.refresh)
            if len(grant.spent) > SPENT_MAX:
                del self._spent[grant.spent.popleft()]
        access, refresh = new_secret(self._random), new_secret(self._random)
        grant.access, grant.refresh = digest_of(access), digest_of(refresh)
        if access == refresh or grant.access in self._access or grant.refresh in self._refresh:
            raise AssertionError("the random source gave a token twice")
        self._access[grant.access] = self._refresh[grant.refresh] = number
        life_s = min(grant.life_s or self._access_life_s, self._access_life_s)
        grant.access_expires_us = time_us + life_s * 1_000_000
        grant.refresh_expires_us = time_us + self._refresh_life_s * 1_000_000
        key_expires_us = self._ring.expires_us(grant.session.key_id)
        if key_expires_us is not None:
            life_s = max(0, min(life_s, (key_expires_us - time_us) // 1_000_000))
        text = scope_text(grant.session.scopes, grant.name, grant.address, grant.life_s)
        return Tokens(access, refresh, life_s, text)

    def _may_be(self, grant: _Grant, name: str) -> bool:
        """Return whether a grant may have a session name: none said, its own, or a free one in place of it."""
        if name in ("", grant.name):
            return True
        own = self._by_key[grant.session.key_id]
        return bool(grant.name) and all(self._grants[number].name != name for number in own)

    def _make_room(self, key_id: str, name: str) -> None:
        own = self._by_key.get(key_id, OrderedDict())
        named = {self._grants[number].name: number for number in own}
        if name and name in named:
            self._end(named[name])
        elif name and len(named.keys() - {""}) >= SESSIONS_PER_KEY_MAX:
            raise AccessError(
                "ACCS-E35",
                "the key has too many sessions",
                rule=f"a key has at most {SESSIONS_PER_KEY_MAX} named sessions",
                cure="use the name of one that is no longer needed, or log one out",
                key=key_id,
            )
        elif len(own) >= GRANTS_PER_KEY_MAX:
            self._end(next(number for number in own if not self._grants[number].name))
        if len(self._grants) >= self._grants_max:
            raise AccessError(
                "ACCS-E34",
                "no more tokens can be given",
                rule=f"{self._grants_max} grants are kept at once",
                cure="wait until some expire, or log sessions out",
            )

    def _forget(self, time_us: int) -> None:
        while self._grants:
            number, grant = next(iter(self._grants.items()))
            if time_us < grant.refresh_expires_us:
                return
            self._end(number)

    def _end(self, number: int) -> None:
        grant = self._grants.pop(number)
        key_id = grant.session.key_id
        del self._access[grant.access], self._refresh[grant.refresh], self._by_key[key_id][number]
        if not self._by_key[key_id]:
            del self._by_key[key_id]
        if grant.connection:
            self._by_connection[grant.connection].discard(number)
            if not self._by_connection[grant.connection]:
                del self._by_connection[grant.connection]
        for digest in grant.spent:
            del self._spent[digest]


def digest_of(token: str) -> bytes:
    """Return the SHA-256 of a token; of what cannot be one, a value that no token has."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else b"none"


def _narrowed(session: Session, asked: Asked) -> Session:
    if asked.scopes is None:
        return session
    return Session(session.key_id, session.scopes & asked.scopes, session.accounts)


def _not_valid() -> AccessError:
    return AccessError(
        "ACCS-E30",
        "the token is not valid",
        rule="a token opens something before it expires, where it is bound, while its key lives",
        cure="authenticate again by public/auth",
    )
