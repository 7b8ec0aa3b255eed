"""Where a service is, and how a client proves who it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from time import time_ns
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from steelyard.service.client.errors import cannot_be

SOCKET_PATH, HTTP_PATH = "/ws/api/v2", "/api/v2"
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}


def socket_address(url: str) -> str:
    """Return the address of the WebSocket for any address of a service. Errors: CLNT-E05.

    >>> socket_address("http://127.0.0.1:8710"), socket_address("wss://venue.example/ws/api/v2")
    ('ws://127.0.0.1:8710/ws/api/v2', 'wss://venue.example/ws/api/v2')
    """
    return _address(url, ("ws", "wss"), SOCKET_PATH)


def http_address(url: str) -> str:
    """Return the address of JSON-RPC over HTTP for any address of a service. Errors: CLNT-E05.

    >>> http_address("ws://127.0.0.1:8710/ws/api/v2")
    'http://127.0.0.1:8710/api/v2'
    """
    return _address(url, ("http", "https"), HTTP_PATH)


def _address(url: str, schemes: tuple[str, str], path: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SECURE or not parts.netloc or parts.username is not None:
        raise cannot_be(
            f"{parts.scheme + '://' if parts.scheme else ''}{parts.netloc.rpartition('@')[2]} is no address of a service",
            "an address is ws, wss, http or https with a host, and without a user",
            "use what steelyard serve prints, as ws://127.0.0.1:8710", "url",
        )  # fmt: skip
    own = parts.path.rstrip("/")
    if own in ("", SOCKET_PATH, HTTP_PATH):
        own = path
    return urlunsplit((schemes[_SECURE[parts.scheme]], parts.netloc, own, "", ""))


@dataclass(frozen=True)
class Proof:
    """A key with its secret, by which it is sent or signs; or a code of the page, which holds once; or nothing.

    is_signed: for keys of kind hmac, whose secret never leaves the client. scope: narrows what is granted.
    """

    key_id: str = ""
    secret: str = field(default="", repr=False)
    is_signed: bool = False
    page_code: str = field(default="", repr=False)
    scope: str = ""

    def __post_init__(self) -> None:
        """Raise CLNT-E05 where parts do not belong together."""
        if bool(self.key_id) != bool(self.secret):
            raise cannot_be(
                f"the {'secret' if self.key_id else 'key'} is missing", "a key has an id and a secret",
                "give both", "secret" if self.key_id else "key_id",
            )  # fmt: skip
        if self.key_id and self.page_code:
            raise cannot_be(
                "a key and a code of the page", "one of the two proves who asks",
                "leave one out", "page_code",
            )  # fmt: skip

    @property
    def is_given(self) -> bool:
        """Return whether there is anything to prove."""
        return bool(self.key_id or self.page_code)

    @property
    def is_lasting(self) -> bool:
        """Return whether it can be given again."""
        return bool(self.key_id)

    def params(self) -> dict[str, Any]:
        """Return the params of public/auth, made anew for every use."""
        if self.page_code:
            # of a named session: its tokens outlive the connection, and the code does not
            own = f"{self.scope} session:client-{secrets.token_hex(8)}".strip()
            return {"grant_type": "page_code", "code": self.page_code, "scope": own}
        if not self.is_signed:
            found: dict[str, Any] = {
                "grant_type": "client_credentials", "client_id": self.key_id, "client_secret": self.secret,
            }  # fmt: skip
        else:
            time_ms, nonce = time_ns() // 1_000_000, secrets.token_hex(16)
            text = f"{time_ms}\n{nonce}\n".encode()
            found = {
                "grant_type": "client_signature", "client_id": self.key_id, "timestamp": time_ms,
                "nonce": nonce, "data": "",
                "signature": hmac.new(self.secret.encode(), text, hashlib.sha256).hexdigest(),
            }  # fmt: skip
        return found | ({"scope": self.scope} if self.scope else {})
