"""Signed requests: what is signed, how it is written, how it is checked.

Three layouts, told apart by their line feeds, so that a signature of one is never one of another:

    HTTP, our own            ts_ms LF nonce LF METHOD LF path LF sha256(body) as hexadecimal digits
    HTTP, Deribit's          ts_ms LF nonce LF METHOD LF path LF body LF
    WebSocket, Deribit's     ts_ms LF nonce LF data                    (grant_type client_signature)

The path has its query. HMAC-SHA256 (the key is the secret's text) is written as hexadecimal digits,
Ed25519 as base64url without padding. Over HTTP a request carries

    Authorization: SCHEME id=KEY,ts=MILLISECONDS,nonce=NONCE,sig=SIGNATURE

where SCHEME is steelyard-hmac-sha256, steelyard-ed25519 or deri-hmac-sha256.

Source of Deribit's layouts: docs.deribit.com, articles "Authentication" and "Asymmetric API keys". Two
things are asked for beyond them: a nonce is not optional, and `data` holds no line feed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Literal, get_args

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.replay import ReplayCache
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.session import Session
from steelyard.terms.documents.signing import sign_bytes

Scheme = Literal["steelyard-hmac-sha256", "steelyard-ed25519", "deri-hmac-sha256"]

HEADER_LENGTH_MAX = 512
DATA_LENGTH_MAX = 1024
TIME_MS_MAX = 10**16 - 1
# Four fields of printable characters but the comma, which parts them: one way to match, so no slow one.
_HEADER = re.compile(r"([A-Za-z0-9-]{1,32}) ([!-+\--~]{1,480}(?:, ?[!-+\--~]{1,480}){3})")
_FIELDS: dict[str, re.Pattern[str]] = {
    "id": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "ts": re.compile(r"[1-9][0-9]{0,15}"),
    "nonce": re.compile(r"[A-Za-z0-9._~+/=-]{1,64}"),
    "sig": re.compile(r"[A-Za-z0-9_=-]{64,88}"),
}
_METHOD = re.compile(r"[A-Z]{1,16}")
_PATH = re.compile(r"/[!-~]{0,4095}")


class Claim(msgspec.Struct, frozen=True):
    """What an Authorization header says of itself, well formed and not yet proven."""

    scheme: Scheme
    key_id: str
    ts_ms: int
    nonce: str
    signature: str

    def header(self) -> str:
        """Return the value of the Authorization header; `parse_header` gives the claim back."""
        return f"{self.scheme} id={self.key_id},ts={self.ts_ms},nonce={self.nonce},sig={self.signature}"


class AuthSignature(msgspec.Struct, frozen=True):
    """The parameters of public/auth with grant_type client_signature, by Deribit's names."""

    client_id: str
    timestamp: int
    nonce: str
    data: str
    signature: str
    grant_type: Literal["client_signature"] = "client_signature"


def signed_text(ts_ms: int, nonce: str, method: str, path: str, body: bytes) -> bytes:
    """Return what is signed over HTTP in our own layout.

    >>> signed_text(1700000000000, "n1", "GET", "/api/v2/private/get_positions", b"").decode()[:60]
    '1700000000000\\nn1\\nGET\\n/api/v2/private/get_positions\\ne3b0c4429'
    """
    digest = hashlib.sha256(body).hexdigest()
    return f"{ts_ms}\n{nonce}\n{method}\n{path}\n{digest}".encode("ascii")


def deribit_text(ts_ms: int, nonce: str, method: str, path: str, body: bytes) -> bytes:
    """Return what is signed over HTTP in Deribit's layout (deri-hmac-sha256)."""
    return f"{ts_ms}\n{nonce}\n{method}\n{path}\n".encode("ascii") + body + b"\n"


def auth_text(ts_ms: int, nonce: str, data: str) -> bytes:
    """Return what is signed for public/auth with client_signature.

    >>> auth_text(1700000000000, "abcd", "")
    b'1700000000000\\nabcd\\n'
    """
    return f"{ts_ms}\n{nonce}\n{data}".encode()


def sign_request(
    key_id: str,
    secret: str | bytes,
    method: str,
    path: str,
    body: bytes,
    *,
    ts_ms: int,
    nonce: str,
    scheme: Scheme = "steelyard-hmac-sha256",
) -> str:
    """Return the Authorization header of a request, for our own client.

    secret: the text shown when the key was made, or the 32 bytes of an Ed25519 private key. nonce: 1 to
    64 characters, new for each request. Errors: ACCS-E20, ACCS-E22 if a part cannot be signed.
    """
    method = _checked_line(method, path)
    text = _text(scheme, ts_ms, _checked_nonce(nonce), method, path, body)
    claim = Claim(scheme, key_id, ts_ms, nonce, _signature(text, secret, scheme))
    if parse_header(claim.header()) != claim:
        raise AssertionError("a signed header is read as another")
    return claim.header()


def sign_auth(
    key_id: str, secret: str | bytes, *, ts_ms: int, nonce: str, data: str = ""
) -> AuthSignature:
    """Return the parameters of public/auth with client_signature. Errors: ACCS-E22, ACCS-E25."""
    text = auth_text(ts_ms, _checked_nonce(nonce), _checked_data(data))
    return AuthSignature(key_id, ts_ms, nonce, data, _signature(text, secret, None))


def parse_header(header: str) -> Claim:
    """Return what an Authorization header claims.

    The scheme is read in either case; the four fields stand in any order, each once, no others. Errors:
    ACCS-E20; ACCS-E22 for a nonce that is no nonce.
    """
    found = _HEADER.fullmatch(header) if len(header) <= HEADER_LENGTH_MAX else None
    scheme = found[1].lower() if found else ""
    if found is None or scheme not in get_args(Scheme):
        raise _malformed("it is not a known scheme and four fields")
    fields: dict[str, str] = {}
    for part in found[2].split(","):
        name, _, value = part.strip(" ").partition("=")
        if name in fields or name not in _FIELDS:
            raise _malformed("a field is unknown, or there twice and another missing")
        if not _FIELDS[name].fullmatch(value):
            raise _bad_nonce() if name == "nonce" else _malformed(f"{name} is not well formed")
        fields[name] = value
    is_digits = scheme != "steelyard-ed25519"
    if is_digits != (len(fields["sig"]) == 64):
        raise _malformed("sig is not of the scheme's form")
    return Claim(
        scheme,  # type: ignore[arg-type]
        fields["id"],
        int(fields["ts"]),
        fields["nonce"],
        fields["sig"],
    )


class Verifier:
    """Checks signed requests against the keys known and the nonces seen.

    In this order: form, time, proof, nonce; so that only who has the key can use its nonces up. A proof
    costs tens of microseconds, an Ed25519 one about a millisecond, false or not: take credits of the
    sender's address first. The nonces are one process's: two that serve the same keys have to share a cache.
    """

    def __init__(self, ring: KeyRing, replay: ReplayCache) -> None:
        self._ring = ring
        self._replay = replay

    def verify_request(
        self, header: str, method: str, path: str, body: bytes, time_us: int
    ) -> Session:
        """Return the session of a signed HTTP request.

        header: the value of Authorization. path: as it stands in the request line, with its query.
        Errors: ACCS-E20, E22 (form), E21 (time), E10, E11, E12 (proof), E23, E24 (nonce).
        """
        claim = parse_header(header)
        method = _checked_line(method, path)
        sent_us = claim.ts_ms * 1000
        self._replay.check_time(sent_us, time_us)
        text = _text(claim.scheme, claim.ts_ms, claim.nonce, method, path, body)
        session = self._ring.prove_signature(claim.key_id, text, claim.signature, time_us)
        self._replay.admit(claim.key_id, claim.nonce, sent_us, time_us)
        return session

    def verify_auth(self, auth: AuthSignature, time_us: int) -> Session:
        """Return the session of public/auth with client_signature.

        Errors: as of `verify_request`, and ACCS-E25 for data with a line feed or over 1,024 characters.
        """
        if not (_FIELDS["id"].fullmatch(auth.client_id) and 0 < auth.timestamp <= TIME_MS_MAX):
            raise _malformed("client_id or timestamp is not well formed")
        text = auth_text(auth.timestamp, _checked_nonce(auth.nonce), _checked_data(auth.data))
        sent_us = auth.timestamp * 1000
        self._replay.check_time(sent_us, time_us)
        session = self._ring.prove_signature(auth.client_id, text, auth.signature, time_us)
        self._replay.admit(auth.client_id, auth.nonce, sent_us, time_us)
        return session


def _text(scheme: Scheme, ts_ms: int, nonce: str, method: str, path: str, body: bytes) -> bytes:
    layout = deribit_text if scheme == "deri-hmac-sha256" else signed_text
    return layout(ts_ms, nonce, method, path, body)


def _signature(text: bytes, secret: str | bytes, scheme: Scheme | None) -> str:
    is_ed25519 = isinstance(secret, bytes)
    if scheme is not None and is_ed25519 != (scheme == "steelyard-ed25519"):
        raise _malformed("the scheme is not the one of this kind of secret")
    if isinstance(secret, bytes):
        return base64.urlsafe_b64encode(sign_bytes(text, secret)).rstrip(b"=").decode()
    return hmac.digest(secret.encode(), text, "sha256").hex()


def _checked_line(method: str, path: str) -> str:
    """Return the method in capitals, if it and the path can stand in a request line."""
    if not (_METHOD.fullmatch(method.upper()) and _PATH.fullmatch(path)):
        raise _malformed("the method or the path cannot stand in a request line")
    return method.upper()


def _checked_nonce(nonce: str) -> str:
    if not _FIELDS["nonce"].fullmatch(nonce):
        raise _bad_nonce()
    return nonce


def _checked_data(data: str) -> str:
    if len(data) > DATA_LENGTH_MAX or not data.isprintable():
        raise AccessError(
            "ACCS-E25",
            "data cannot be signed",
            rule=f"data is at most {DATA_LENGTH_MAX} printable characters, without a line feed",
            cure="send less, or nothing: data is optional",
        )
    return data


def _malformed(why: str) -> AccessError:
    return AccessError(
        "ACCS-E20",
        f"the signature cannot be read: {why}",
        rule="Authorization is SCHEME id=KEY,ts=MILLISECONDS,nonce=NONCE,sig=SIGNATURE",
        cure="write the header so; the schemes are " + ", ".join(get_args(Scheme)),
    )


def _bad_nonce() -> AccessError:
    return AccessError(
        "ACCS-E22",
        "the nonce is missing or not well formed",
        rule="a nonce is 1 to 64 of the characters A-Z a-z 0-9 . _ ~ + / = -",
        cure="draw 16 random bytes for each request and send them as hexadecimal digits",
    )
