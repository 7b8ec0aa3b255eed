"""Calls over HTTP, one at a time and without asyncio: for a script or a notebook."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from steelyard.service.client.errors import UNPROVEN, ErrorBody, Refused, lost, no_sense, refused
from steelyard.service.client.proofs import Proof, http_address

REFRESH_AT = 0.8  # of a token's life
BYTES_MAX = 64 << 20


class _Answer(msgspec.Struct, frozen=True):
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorBody | None = None


class _Tokens(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int


class HttpClient:
    """Calls over HTTP; url, key_id, secret, is_signed and scope as of `Client`.

    A token is asked for with the first private method, and again before it expires.
    """

    def __init__(
        self, url: str, *, key_id: str = "", secret: str = "", is_signed: bool = False,
        scope: str = "", timeout_s: float = 10.0,
    ) -> None:  # fmt: skip
        self.url = http_address(url)
        self._proof = Proof(key_id, secret, is_signed, "", scope)
        self._timeout_s = timeout_s
        self._token = ""
        self._until = 0.0
        self._opener = build_opener(ProxyHandler({}))

    def __repr__(self) -> str:
        return f"HttpClient({self.url!r}, {self._proof.key_id or 'nobody'})"

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, as_type: Any = Any,
        **named: Any,
    ) -> Any:  # fmt: skip
        """Return the result of a method. Errors: Refused, CLNT-E01, CLNT-E02."""
        asked = {**(params or {}), **named}
        is_proven = method.startswith("private/") and self._proof.is_given
        if is_proven and time.monotonic() >= self._until:
            self._prove()
        try:
            found = self._ask(method, asked, is_proven)
        except Refused as error:
            if not is_proven or error.code not in UNPROVEN:
                raise
            self._prove()
            found = self._ask(method, asked, is_proven)
        return _decoded(found, as_type)

    def _prove(self) -> None:
        tokens: _Tokens = _decoded(
            self._ask("public/auth", self._proof.params(), is_proven=False), _Tokens
        )
        self._token = tokens.access_token
        self._until = time.monotonic() + REFRESH_AT * tokens.expires_in

    def _ask(self, method: str, params: Mapping[str, Any], is_proven: bool) -> msgspec.Raw:
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        headers = {"content-type": "application/json"}
        if is_proven:
            headers["authorization"] = f"bearer {self._token}"
        request = Request(self.url, body, headers)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answered:
                raw = answered.read(BYTES_MAX)
        except HTTPError as error:
            with error:
                raw = error.read(BYTES_MAX)
        except (URLError, OSError) as error:
            raise lost(str(getattr(error, "reason", error))) from None
        answer: _Answer = _decoded(raw, _Answer)
        if answer.error is not None:
            raise refused(answer.error)
        return answer.result


def _decoded(raw: bytes | msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise no_sense(str(error)) from None
