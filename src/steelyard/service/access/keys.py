"""API keys as data: what a key may do, for how long, and what proves it.

Three kinds of proof: `secret` (client_credentials; only a scrypt hash is kept), `hmac` (request
signatures; the secret is kept sealed) and `ed25519` (request signatures; only the public key is
kept, so that nothing in the file lets anyone sign).
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.access.sealing import OnceSecret, ScryptCost
from steelyard.service.access.session import SCOPES, Scope, Session

KEYS_MAX = 10_000
ACCOUNTS_MAX = 10_000
FILE_BYTES_MAX = 1 << 24
TIME_US_MAX = 1 << 62

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
Instant = Annotated[int, msgspec.Meta(ge=0, le=TIME_US_MAX)]
Hex12 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{24}\Z")]
Hex16 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Sealed = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2}){17,256}\Z")]
Kind = Literal["secret", "hmac", "ed25519"]

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class ScryptProof(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="secret"
):
    """The scrypt hash of a secret, with its salt and its cost."""

    cost: ScryptCost
    salt: Hex16
    hash: Hex32

    def __repr__(self) -> str:
        return "ScryptProof(…)"


class HmacProof(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hmac"
):
    """A signing secret, sealed under the master key."""

    nonce: Hex12
    sealed: Sealed

    def __repr__(self) -> str:
        return "HmacProof(…)"


class Ed25519Proof(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="ed25519"
):
    """The public half of a pair whose private half the client keeps."""

    public_key: Hex32


Proof = ScryptProof | HmacProof | Ed25519Proof


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One API key. Times are UTC microseconds.

    accounts: names, or "all". expires_us: null is never. revoked_us: null is not. generation: how often
    its proof was replaced; a token of an older one is void.
    """

    id: KeyId
    label: Annotated[str, msgspec.Meta(max_length=64)]
    scopes: tuple[Scope, ...]
    accounts: tuple[str, ...] | Literal["all"]
    created_us: Instant
    expires_us: Instant | None
    revoked_us: Instant | None
    generation: Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]
    proof: Proof

    @property
    def kind(self) -> Kind:
        """Return what proves the key."""
        if isinstance(self.proof, ScryptProof):
            return "secret"
        return "hmac" if isinstance(self.proof, HmacProof) else "ed25519"

    def session(self) -> Session:
        """Return the session of the key's full rights."""
        accounts = None if isinstance(self.accounts, str) else frozenset(self.accounts)
        return Session(self.id, frozenset(self.scopes), accounts)

    def as_dict(self) -> dict[str, object]:
        """Return the key without its proof, to be listed."""
        return {
            "id": self.id,
            "label": self.label,
            "kind": self.kind,
            "scopes": list(self.scopes),
            "accounts": self.accounts if isinstance(self.accounts, str) else list(self.accounts),
            "created_us": self.created_us,
            "expires_us": self.expires_us,
            "revoked_us": self.revoked_us,
            "generation": self.generation,
        }


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is to be allowed, as `Key` says it. Nothing is given by default."""

    label: str
    scopes: tuple[Scope, ...]
    accounts: tuple[str, ...] | Literal["all"]
    expires_us: int | None


class Created(msgspec.Struct, frozen=True):
    """A key that was just made or rotated, and its secret; None where the client has the secret."""

    key: Key
    secret: OnceSecret | None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: Literal[1]
    keys: tuple[Key, ...]


def parse_keys(data: bytes) -> tuple[Key, ...]:
    """Return the keys of a key file's bytes, each checked.

    JSON, `{"version": 1, "keys": […]}`. Errors: ACCS-E03 if the bytes are not of that form (an unknown
    or a repeated field, a wrong type, another version), ACCS-E04 if what they say does not hold.

    >>> parse_keys(b'{"version": 1, "keys": []}')
    ()
    """
    if len(data) > FILE_BYTES_MAX:
        raise _malformed(f"it has more than {FILE_BYTES_MAX} bytes")
    try:
        file = msgspec.json.decode(data, type=_File)
        json.loads(data, object_pairs_hook=_no_repeated_field)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # A decoder may quote the value it stumbled over, and here any value may be a secret.
        raise _malformed(_QUOTED.sub("'…'", str(error))) from None
    if len(file.keys) > KEYS_MAX:
        raise _unfit("keys", f"there are more than {KEYS_MAX} keys")
    seen: set[str] = set()
    for key in file.keys:
        if key.id in seen:
            raise _unfit(key.id, "the id is there twice")
        seen.add(key.id)
        check_key(key)
    return file.keys


def keys_bytes(keys: tuple[Key, ...]) -> bytes:
    """Return the bytes of a key file; `parse_keys` gives the same keys back."""
    encoded = msgspec.json.encode(_File(version=1, keys=keys))
    return msgspec.json.format(encoded, indent=2) + b"\n"


def check_key(key: Key) -> None:
    """Raise ACCS-E04 if a key's fields do not fit together."""
    check_rights(
        Rights(
            label=key.label, scopes=key.scopes, accounts=key.accounts, expires_us=key.expires_us
        ),
        key.created_us,
        key.id,
    )
    if key.revoked_us is not None and key.revoked_us < key.created_us:
        raise _unfit(key.id, "revoked_us is before created_us")
    if isinstance(key.proof, ScryptProof) and not key.proof.cost.is_sound():
        raise _unfit(key.id, "the scrypt cost is not n = 2^12 to 2^16, r = 8, p = 1 to 4")
    if isinstance(key.proof, Ed25519Proof) and not is_sound_point(
        bytes.fromhex(key.proof.public_key)
    ):
        raise _unfit(key.id, "the public key is no sound point of Ed25519")


def check_rights(rights: Rights, created_us: int, key_id: str = "") -> None:
    """Raise ACCS-E04 if rights are not well formed: an unknown scope, a repeated account, …"""
    if len(rights.label) > 64 or not rights.label.isprintable():
        raise _unfit(key_id, "the label is longer than 64 characters or cannot be printed")
    if not set(rights.scopes) <= set(SCOPES) or len(set(rights.scopes)) != len(rights.scopes):
        raise _unfit(key_id, f"a scope is unknown or there twice; known: {', '.join(SCOPES)}")
    if not isinstance(rights.accounts, str):
        accounts = rights.accounts
        if len(accounts) > ACCOUNTS_MAX or len(set(accounts)) != len(accounts):
            raise _unfit(key_id, f"an account is there twice, or more than {ACCOUNTS_MAX} are")
        if not all(0 < len(name) <= 128 and name.isprintable() for name in accounts):
            raise _unfit(key_id, "an account's name is empty, over 128 characters or unprintable")
    elif rights.accounts != "all":
        raise _unfit(key_id, 'accounts is neither a list nor "all"')
    if rights.expires_us is not None and not created_us < rights.expires_us <= TIME_US_MAX:
        raise _unfit(key_id, "expires_us is not after created_us")


def is_sound_point(public_key: bytes) -> bool:
    """Return whether 32 bytes are a public key that only one private key can sign for.

    They are the one encoding of a point of the curve (RFC 8032, 5.1.3), and not of the eight points of
    small order, under which a signature can be made without any private key.

    >>> is_sound_point(bytes([1]) + bytes(31))
    False
    """
    from Crypto.Signature import eddsa

    if len(public_key) != 32:
        return False
    try:
        key = eddsa.import_public_key(public_key)
    except ValueError:
        return False
    eightfold = key.pointQ * 8
    return bool(key.export_key(format="raw") == public_key and eightfold.xy != (0, 1))


def _no_repeated_field(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("an object has a field twice")


def _malformed(why: str) -> AccessError:
    return AccessError(
        "ACCS-E03",
        f"the key file is not of its form: {why}",
        rule='a key file is JSON {"version": 1, "keys": [...]} with known fields, each once',
        cure="restore it from a backup; change keys by the commands that make and revoke them",
    )


def _unfit(key_id: str, why: str) -> AccessError:
    return AccessError(
        "ACCS-E04",
        why,
        rule="a key has a unique id, known scopes, named accounts, sound times and a sound proof",
        cure="mend the field named",
        key=key_id,
    )
