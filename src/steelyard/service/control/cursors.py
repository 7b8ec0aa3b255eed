"""Pages of a list: opaque cursors that check themselves, and the link to the next page.

A cursor holds the sort key of the last item told, so a page goes on after it wherever other items have come
or gone since. It is sealed with the list, the sort and the filters of its page: in another list, or changed,
it is refused instead of understood. What is sorted by a number that moves may move across the edge of a page
meanwhile; by name nothing does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from steelyard.service.control.errors import bad_cursor

SEAL_BYTES = 8
CURSOR_CHARACTERS_MAX = 512


def seal_cursor(of: tuple[str, ...], key: tuple[Any, ...]) -> str:
    """Return the cursor after the item with a sort key. of: the list, its sort and its filters.

    >>> open_cursor(("accounts", "name"), seal_cursor(("accounts", "name"), ("alice",)))
    ('alice',)
    """
    body = msgspec.msgpack.encode(key)
    return base64.urlsafe_b64encode(_seal(of, body) + body).rstrip(b"=").decode()


def open_cursor(of: tuple[str, ...], cursor: str) -> tuple[Any, ...]:
    """Return the sort key of a cursor. Errors: PLAN-E09.

    >>> open_cursor(("accounts", "name"), "AAAA")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: PLAN-E09: the cursor is none of this list (field=cursor). \
Rule: a cursor is sent as it came, with the sort and filters of its page. Cure: follow `next`, or begin \
without a cursor.
    """
    if len(cursor) > CURSOR_CHARACTERS_MAX or not cursor.isascii():
        raise bad_cursor()
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
        if seal != _seal(of, body):
            raise bad_cursor()
        return tuple(msgspec.msgpack.decode(body, type=list[Any]))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise bad_cursor() from None


def next_link(path: str, query: Mapping[str, object], cursor: str) -> str:
    """Return where a list goes on: the same question with a cursor.

    >>> next_link("/v1/accounts", {"limit": 2, "state": None}, "abc")
    '/v1/accounts?limit=2&cursor=abc'
    """
    kept = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(kept | {'cursor': cursor})}"


def _seal(of: tuple[str, ...], body: bytes) -> bytes:
    named = msgspec.msgpack.encode(of)
    return hashlib.blake2b(named + body, digest_size=SEAL_BYTES, person=b"steelyard-page").digest()
