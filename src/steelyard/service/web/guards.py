"""Hosts, origins and headers: what a browser may be made to do with the service.

A page of somebody else can send requests to an address of this machine, and by a name of its own that it
lets point here, read the answers (DNS rebinding). So a service that listens on a loopback address is asked by
loopback names alone, and a request that names an origin comes from a page of the same host or from an allowed
one. What names no origin is no browser's page. Sources: Fetch Standard; RFC 6454; W3C Content Security Policy 3.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from steelyard.service.web.errors import WebError, not_served
from steelyard.service.web.settings import Settings

Header = tuple[bytes, bytes]

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_AUTHORITY = re.compile(
    r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
)
_SCHEMES = {"http": "80", "https": "443"}

SAFE: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        b"magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
    ),
)
CLOSED_POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.0.2.1")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Says which hosts and origins are served."""

    def __init__(self, settings: Settings) -> None:
        own = () if not is_loopback(settings.host) else (*LOOPBACK, _bracketed(settings.host))
        self._hosts = frozenset(name.lower() for name in (*own, *settings.allowed_hosts))
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._checked = lru_cache(maxsize=1024)(self._check)

    def check(self, host: bytes, origin: bytes) -> WebError | None:
        """Return what refuses a request of a host and an origin (b"" without one), None if nothing does."""
        return self._checked(host, origin)

    def is_shared(self, origin: bytes) -> bool:
        """Return whether a page of this origin, not of the service's own, may read answers."""
        return bool(origin) and origin.decode("latin-1").lower() in self._origins

    def _check(self, host: bytes, origin: bytes) -> WebError | None:
        named = host.decode("latin-1").lower()
        found = _AUTHORITY.fullmatch(named)
        if found is None or (self._hosts and found["name"] not in self._hosts):
            return not_served("host", named)
        text = origin.decode("latin-1").lower()
        if text and text not in self._origins and not _is_own(text, named):
            return not_served("origin", text)
        return None


def _is_own(origin: str, host: str) -> bool:
    """Return whether an origin is a page of a host, whichever of http and https it came by.

    >>> [_is_own(o, "a.example:80") for o in ("http://a.example", "https://a.example", "http://a.example:81", "null")]
    [True, False, False, False]
    """
    scheme, _, authority = origin.partition("://")
    port = _SCHEMES.get(scheme)
    if port is None:
        return False
    name, _, named_port = host.rpartition(":") if re.search(r":[0-9]+$", host) else (host, "", port)
    of, _, of_port = (
        authority.rpartition(":") if re.search(r":[0-9]+$", authority) else (authority, "", port)
    )
    return (of, of_port or port) == (name, named_port or port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def page_policy(host: bytes, style_hashes: tuple[str, ...] = ()) -> bytes:
    """Return the Content-Security-Policy of the page; host: a host that is served.

    >>> page_policy(b"127.0.0.1:8710").decode().split("; ")[3]
    "connect-src 'self' ws://127.0.0.1:8710 wss://127.0.0.1:8710"
    """
    named = host.decode("latin-1").lower()
    sockets = f" ws://{named} wss://{named}" if _AUTHORITY.fullmatch(named) else ""
    styles = "".join(f" '{each}'" for each in style_hashes)
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'{styles}; connect-src 'self'{sockets}; "
        "img-src 'self' data:; font-src 'self'; worker-src 'self'; manifest-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ).encode()
