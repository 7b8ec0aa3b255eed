"""Codes for the page: whoever starts the process opens its page once, without a key.

A code is 128 random bits, shown in the fragment of an address, which no browser sends to a server and no
server writes to a log. It is exchanged once by public/auth (grant_type page_code), within minutes; only its
SHA-256 is kept, and compared in constant time with every code that is out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from itertools import count

from steelyard.service.access.errors import not_proven
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.sealing import Random
from steelyard.service.access.session import Scope, Session

CODE_BYTES = 16
CODES_MAX = 64


class PageCodes:
    """The codes that are out. ring: knows the sessions they open. life_s: how long one holds.

    >>> ring = KeyRing((), random=lambda count: bytes(range(count)))
    >>> codes = PageCodes(ring, random=lambda count: bytes(count))
    >>> code = codes.issue(["read"], None, 0)
    >>> sorted(codes.redeem(code, 1).scopes)
    ['read']
    >>> codes.redeem(code, 2)
    Traceback (most recent call last):
    steelyard.service.access.errors.AccessError: ACCS-E10: the key id or its proof is wrong. Rule: a request \
is proven by a known key's secret or signature. Cure: check the key id, the secret and what was signed; ask \
for a new key if it is lost.
    """

    def __init__(self, ring: KeyRing, *, random: Random, life_s: int = 600) -> None:
        self._ring = ring
        self._random = random
        self._life_us = life_s * 1_000_000
        self._codes: dict[bytes, tuple[int, Session]] = {}
        self._numbers = count(1)

    def __repr__(self) -> str:
        return f"PageCodes({len(self._codes)} out)"

    def issue(self, scopes: Iterable[Scope], accounts: frozenset[str] | None, time_us: int) -> str:
        """Return a new code for a session of these rights; the oldest goes where too many are out."""
        key_id = f"page:{next(self._numbers)}-{self._random(4).hex()}"
        session = Session(key_id, frozenset(scopes), accounts)
        self._ring.lodge(session)
        code = self._random(CODE_BYTES).hex()
        while len(self._codes) >= CODES_MAX:
            del self._codes[next(iter(self._codes))]
        self._codes[_digest(code)] = (time_us + self._life_us, session)
        return code

    def redeem(self, code: str, time_us: int) -> Session:
        """Return the session of a code and void it. Errors: ACCS-E10 for any that is not out."""
        given = _digest(code)
        found: bytes | None = None
        for digest in self._codes:  # every one is compared, whichever it is
            if hmac.compare_digest(digest, given):
                found = digest
        if found is None:
            raise not_proven()
        expires_us, session = self._codes.pop(found)
        if time_us >= expires_us:
            raise not_proven()
        return session


def login_url(base: str, code: str) -> str:
    """Return the address that opens the page with a code.

    >>> login_url("http://127.0.0.1:8710", "00ff")
    'http://127.0.0.1:8710/#login=00ff'
    """
    return f"{base}/#login={code}"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "replace")).digest()
