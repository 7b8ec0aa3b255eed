"""The scope strings of Deribit's public/auth, and what they mean here.

A scope string is words parted by spaces. Words of access give our scopes:

    account:read         read, simulate            trade:read           read, simulate
    account:read_write   read, simulate, admin     trade:read_write     read, simulate, trade
    wallet:…, block_trade:…, block_rfq:…, custody:…: read for read and read_write, since nothing is
    withdrawn or traded in blocks here; AREA:none gives nothing
    read, simulate, trade, risk, admin             that scope of ours

Together they give the union, of which a key grants what it has; where words of ours stand, they alone
count. No word of access at all asks for everything the key has; a lone `trade:none` asks for nothing. Words of form say how long and where a
token holds: `session:NAME`, `connection`, `expires:SECONDS`, `ip:ADDRESS`; `mainaccount` and `name:…`,
which Deribit's server adds to its answers, are read and mean nothing. Any other word is refused: to
skip what is not understood might grant more than was meant.

Source: docs.deribit.com, article "Access scope".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.session import SCOPES

SCOPE_LENGTH_MAX = 512
_AREAS: dict[str, dict[str, frozenset[str]]] = {
    "account": {
        "read": frozenset({"read", "simulate"}),
        "read_write": frozenset({"read", "simulate", "admin"}),
    },
    "trade": {
        "read": frozenset({"read", "simulate"}),
        "read_write": frozenset({"read", "simulate", "trade"}),
    },
} | {
    area: {"read": frozenset({"read"}), "read_write": frozenset({"read"})}
    for area in ("wallet", "block_trade", "block_rfq", "custody")
}
_SESSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")


class Asked(msgspec.Struct, frozen=True):
    """What a scope string asks for. scopes: None is all that the key has."""

    scopes: frozenset[str] | None
    session: str
    expires_s: int | None
    address: str


def parse_scope(text: str) -> Asked:
    """Return what a scope string asks for. Errors: ACCS-E32.

    >>> sorted(parse_scope("session:desk trade:read_write expires:60").scopes)
    ['read', 'simulate', 'trade']
    >>> parse_scope("session:desk").scopes is None
    True
    """
    if len(text) > SCOPE_LENGTH_MAX:
        raise _refused(f"the scope has more than {SCOPE_LENGTH_MAX} characters")
    own: set[str] = set()
    scopes: set[str] = set()
    said: dict[str, str] = {}
    is_access = False
    for word in text.split(" ") if text else ():
        area, colon, level = word.partition(":")
        if said.setdefault(area + colon, level) != level:
            raise _refused("a word is there twice and differs")
        if word in SCOPES:
            own.add(word)
            is_access = True
        elif area in _AREAS and (level in _AREAS[area] or level == "none"):
            scopes |= _AREAS[area].get(level, frozenset())
            is_access = True
        elif not _is_form(area, level, word):
            raise _refused("a word is unknown")
    if "session:" in said and "connection" in said:
        raise _refused("a token is of a session or of a connection")
    seconds = said.get("expires:")
    return Asked(
        frozenset(own or scopes) if is_access else None,
        said.get("session:", ""),
        int(seconds) if seconds else None,
        plain_address(said["ip:"]) if "ip:" in said else "",
    )


def scope_text(scopes: Iterable[str], session: str, address: str, life_s: int | None) -> str:
    """Return the scope string of what was granted; asked for again, it grants the same.

    Deribit's words stand beside ours, so that a client of either reads what it knows.

    >>> scope_text({"read", "trade"}, "", "", None)
    'account:read connection read trade trade:read_write wallet:none'
    """
    granted = set(scopes)
    has_read = "read" in granted
    words = granted | {
        f"account:{'read_write' if 'admin' in granted else 'read' if has_read else 'none'}",
        f"trade:{'read_write' if 'trade' in granted else 'read' if has_read else 'none'}",
        "wallet:none",
        f"session:{session}" if session else "connection",
    }
    if address:
        words.add(f"ip:{address}")
    if life_s is not None:
        words.add(f"expires:{life_s}")
    return " ".join(sorted(words))


def plain_address(text: str) -> str:
    """Return an address in its one plain form, an IPv4 address inside IPv6 as IPv4. Errors: ACCS-E32.

    >>> plain_address("::ffff:192.0.2.1"), plain_address("2001:DB8::0:1")
    ('192.0.2.1', '2001:db8::1')
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _refused("an address is no IP address") from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _is_form(area: str, level: str, word: str) -> bool:
    if word in ("connection", "mainaccount"):
        return True
    if area == "expires":
        return _SECONDS.fullmatch(level) is not None
    if area == "ip":
        return bool(level)
    return area in ("session", "name") and _SESSION.fullmatch(level) is not None


def _refused(why: str) -> AccessError:
    return AccessError(
        "ACCS-E32",
        f"the scope cannot be granted: {why}",
        rule="a scope is known words parted by single spaces, each said once",
        cure="ask for words such as account:read, trade:read_write, session:NAME, expires:SECONDS",
    )
