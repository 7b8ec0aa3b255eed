"""The keys a running service knows: who proves what, and what a proven key may do now.

The ring answers the unknown and the wrong alike. Where the key id is unknown, or its key is proven
in another way, the same work is done on a decoy and the same ACCS-E10 is raised; what work that is
follows from what was sent, never from what is known. So neither the text nor the time tells
whether an id exists. Revoked and expired are told after the proof.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from steelyard.service.access.errors import (
    AccessError,
    key_expired,
    key_revoked,
    not_proven,
)
from steelyard.service.access.key_file import DEFAULT_COST, opened
from steelyard.service.access.keys import (
    Ed25519Proof,
    HmacProof,
    Key,
    ScryptProof,
    check_key,
)
from steelyard.service.access.sealing import (
    MasterKey,
    Random,
    drawn,
    is_secret,
    master_missing,
)
from steelyard.service.access.session import Session
from steelyard.terms.documents.signing import is_signed, public_key

SECRET_LENGTH_MAX = 256
_HMAC_SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")
_ED25519_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{86}(?:==)?")


class _Known(NamedTuple):
    """What a ring knows, put in place as one, so that a thread sees the old or the new."""

    keys: Mapping[str, Key]
    secrets: Mapping[str, bytes]
    scrypt: tuple[ScryptProof, ...]


class KeyRing:
    """Keys by id, their signing secrets open, and the decoys.

    keys: as `list_keys` gives them. random: for the decoys. Errors: ACCS-E05 if there are HMAC keys and
    no master key, ACCS-E06 if one does not open, ACCS-E04; then there is no ring at all.
    """

    def __init__(
        self, keys: Iterable[Key], *, random: Random, master: MasterKey | None = None
    ) -> None:
        self._decoy = drawn(random, 32)
        self._decoy_public = public_key(drawn(random, 32))
        self._known = _Known({}, {}, ())
        self._lodged: dict[str, Session] = {}
        self.replace(keys, master)

    def __repr__(self) -> str:
        return f"KeyRing({len(self._known.keys)} keys)"

    def replace(self, keys: Iterable[Key], master: MasterKey | None = None) -> None:
        """Know these keys instead, all of them or, where one is refused, those of before."""
        known: dict[str, Key] = {}
        secrets: dict[str, bytes] = {}
        for key in keys:
            check_key(key)
            if key.id in known:
                raise AssertionError(f"two keys have the id {key.id}")
            known[key.id] = key
            if isinstance(key.proof, HmacProof):
                if master is None:
                    raise master_missing()
                secrets[key.id] = opened(key, master)
        proofs = (key.proof for key in known.values())
        scrypt = tuple(proof for proof in proofs if isinstance(proof, ScryptProof))
        self._known = _Known(known, secrets, scrypt)

    def lodge(self, session: Session) -> None:
        """Know a session that this process gives out itself, as for its page; no secret proves it.

        Its id holds a colon, which no key of a file does; it lives as long as the ring, past `replace`.

        >>> ring = KeyRing((), random=lambda count: bytes(range(count)))
        >>> page = Session("page:1", frozenset({"read"}), None)
        >>> ring.lodge(page)
        >>> ring.generation("page:1"), ring.present(page, 1, 0) == page
        (1, True)
        """
        if ":" not in session.key_id or session.key_id in self._lodged:
            raise AssertionError("a lodged session has an id of its own with a colon in it")
        self._lodged[session.key_id] = session

    def prove_secret(self, key_id: str, secret: str, time_us: int) -> Session:
        """Return the session of a key whose secret was given (client_credentials).

        It takes one scrypt hash (tens of milliseconds): take credits for it first, and run it beside
        the event loop. Errors: ACCS-E10, and for the right secret ACCS-E11, ACCS-E12.
        """
        if len(secret) > SECRET_LENGTH_MAX or not secret.isascii():
            raise not_proven()
        key = self._known.keys.get(key_id)
        is_known = key is not None and isinstance(key.proof, ScryptProof)
        proof = key.proof if key is not None and is_known else self._decoy_proof(key_id)
        assert isinstance(proof, ScryptProof)
        is_right = is_secret(
            secret.encode(), bytes.fromhex(proof.salt), proof.cost, bytes.fromhex(proof.hash)
        )
        if key is None or not (is_right and is_known):
            raise not_proven()
        return self._living(key, time_us).session()

    def prove_signature(self, key_id: str, message: bytes, signature: str, time_us: int) -> Session:
        """Return the session of a key that signed a message.

        signature: 64 hexadecimal digits are an HMAC-SHA256, 86 characters of base64url an Ed25519
        signature (RFC 8032), as Deribit's client_signature writes them. Errors: ACCS-E20 for another
        form, ACCS-E10, and for the right signature ACCS-E11, ACCS-E12.
        """
        known = self._known
        key = known.keys.get(key_id)
        if _HMAC_SIGNATURE.fullmatch(signature):
            secret = known.secrets.get(key_id)
            found = hmac.digest(secret or self._decoy, message, "sha256")
            is_right = hmac.compare_digest(found, bytes.fromhex(signature)) and secret is not None
        elif _ED25519_SIGNATURE.fullmatch(signature):
            proof = key.proof if key is not None else None
            is_known = isinstance(proof, Ed25519Proof)
            public = bytes.fromhex(proof.public_key) if isinstance(proof, Ed25519Proof) else b""
            given = _base64(signature)
            is_right = is_signed(message, given, public or self._decoy_public) and is_known
        else:
            raise AccessError(
                "ACCS-E20",
                "the signature is neither an HMAC-SHA256 nor an Ed25519 signature",
                rule="a signature is 64 hexadecimal digits, or 86 characters of base64url",
                cure="encode the signature so",
            )
        if key is None or not is_right:
            raise not_proven()
        return self._living(key, time_us).session()

    def generation(self, key_id: str) -> int:
        """Return how often a key's proof was replaced; 0 for an unknown key."""
        key = self._known.keys.get(key_id)
        return key.generation if key is not None else int(key_id in self._lodged)

    def expires_us(self, key_id: str) -> int | None:
        """Return when a key expires; None is never, or an unknown key."""
        key = self._known.keys.get(key_id)
        return key.expires_us if key is not None else None

    def present(self, session: Session, generation: int, time_us: int) -> Session:
        """Return what is left of a session now: its rights where the key still has them.

        Ask before each use of a session that is held, for example by a connection. Errors: ACCS-E10 if
        the key is gone or was rotated, ACCS-E11, ACCS-E12.
        """
        key = self._known.keys.get(session.key_id)
        lodged = self._lodged.get(session.key_id)
        if key is None and lodged is not None and generation == 1:
            return narrowed(session, lodged)
        if key is None or key.generation != generation:
            raise not_proven()
        return narrowed(session, self._living(key, time_us).session())

    def _living(self, key: Key, time_us: int) -> Key:
        if key.revoked_us is not None:
            raise key_revoked(key.id)
        if key.expires_us is not None and time_us >= key.expires_us:
            raise key_expired(key.id, key.expires_us)
        return key

    def _decoy_proof(self, key_id: str) -> ScryptProof:
        """Return a proof that nobody has, of the cost that a known key has, the same for an id each time."""
        own = hmac.digest(self._decoy, key_id.encode("utf-8", "replace"), "sha256")
        index = int.from_bytes(own[:8], "big")
        scrypt = self._known.scrypt
        cost = scrypt[index % len(scrypt)].cost if scrypt else DEFAULT_COST
        return ScryptProof(cost=cost, salt=own[:16].hex(), hash=own.hex())


def narrowed(session: Session, limit: Session) -> Session:
    """Return the rights that two sessions of one key share.

    >>> narrowed(Session("k", frozenset({"read", "trade"}), None), Session("k", frozenset({"read"}),
    ...     frozenset({"a"}))).scopes
    frozenset({'read'})
    """
    if session.accounts is None or limit.accounts is None:
        accounts = session.accounts if limit.accounts is None else limit.accounts
    else:
        accounts = session.accounts & limit.accounts
    return Session(limit.key_id, session.scopes & limit.scopes, accounts)


def _base64(signature: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(signature.rstrip("=") + "==")
    except binascii.Error:
        return b""
