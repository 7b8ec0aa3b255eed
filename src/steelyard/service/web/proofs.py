"""Who asks: from an Authorization header, or from the grants of public/auth, to a session.

A header is one of

    Bearer TOKEN                           an access token that public/auth gave over HTTP or to a named session
    Basic base64(id:secret)                a key proven by its secret, as Deribit takes it
    steelyard-hmac-sha256 …, steelyard-ed25519 …, deri-hmac-sha256 …    a signed request, see `access.signing`

A secret takes tens of milliseconds to prove, beside the loop, a few at a time; one that was proven is known for
some minutes by its keyed digest, so that Basic on every request is bearable. A key that is revoked, expired or
rotated is refused all the same.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.errors import AccessError, not_proven
from steelyard.service.access.ring import KeyRing
from steelyard.service.access.sealing import Random
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.access.signing import AuthSignature, Verifier
from steelyard.service.access.tokens import TokenStore, digest_of
from steelyard.service.web.charges import ED25519, HMAC, SECRET, Charges
from steelyard.service.web.errors import too_much

PROOF_WORKERS = 2
PROOFS_WAITING_MAX = 16
KNOWN_MAX = 1_024
KNOWN_US = 300_000_000
CREDENTIALS_LENGTH_MAX = 1_024


class Proofs:
    """Proves headers and grants. Everything but the hash of a secret runs on the loop's thread."""

    def __init__(
        self,
        ring: KeyRing,
        verifier: Verifier,
        tokens: TokenStore,
        charges: Charges,
        *,
        random: Random,
    ) -> None:
        self.tokens = tokens
        self._ring = ring
        self._verifier = verifier
        self._charges = charges
        self._seed = random(32)
        self._known: OrderedDict[bytes, tuple[Session, int, int]] = OrderedDict()
        self._pool = ThreadPoolExecutor(PROOF_WORKERS, "steelyard-proof")
        self._held = 0

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def bearer(self, header: str, time_us: int, address: str) -> Session:
        """Return what a token opens. Errors: ACCS-E30, ACCS-E40."""
        return self.token(token_digest(header), time_us, address)

    def token(self, digest: bytes, time_us: int, address: str) -> Session:
        """Return the same for a `token_digest`."""
        try:
            return self.tokens.session_of(digest, time_us, address=address)
        except AccessError:
            self._charges.fault(ANONYMOUS, None, time_us, address)
            raise

    def signed(
        self, header: str, method: str, path: str, body: bytes, time_us: int, address: str
    ) -> Session:
        """Return the session of a signed request. Errors: those of `Verifier`, ACCS-E40."""
        cost = ED25519 if header[:17].lower() == "steelyard-ed25519" else HMAC
        self._charges.check_address(cost, time_us, address)
        try:
            session = self._verifier.verify_request(header, method, path, body, time_us)
        except SteelyardError:
            self._charges.of_address(cost, time_us, address)
            raise
        self._charges.of_key(session, cost, time_us)
        return session

    async def basic(self, header: str, time_us: int, address: str) -> Session:
        """Return the session of a key id and its secret. Errors: ACCS-E10, ACCS-E11, ACCS-E12, ACCS-E40."""
        key_id, secret = _credentials(header)
        return await self.secret(key_id, secret, time_us, address)

    async def secret(self, key_id: str, secret: str, time_us: int, address: str) -> Session:
        """Return the session of a key whose secret was given."""
        text = f"{key_id}\0{secret}".encode("utf-8", "replace")
        digest = hmac.digest(self._seed, text, "sha256")
        found = self._known.get(digest)
        if found is not None:
            session, generation, until_us = found
            if time_us < until_us:
                return self._ring.present(session, generation, time_us)
            del self._known[digest]
        self._charges.of_address(SECRET, time_us, address)
        if self._held >= PROOF_WORKERS + PROOFS_WAITING_MAX:
            raise too_much(SECRET)
        self._held += 1
        try:
            loop = asyncio.get_running_loop()
            prove = self._ring.prove_secret
            session = await loop.run_in_executor(self._pool, prove, key_id, secret, time_us)
        finally:
            self._held -= 1
        generation = self._ring.generation(key_id)
        session = self._ring.present(session, generation, time_us)  # it may have changed meanwhile
        self._known[digest] = (session, generation, time_us + KNOWN_US)
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return session

    def signature(self, auth: AuthSignature, time_us: int, address: str) -> Session:
        """Return the session of public/auth by client_signature."""
        cost = HMAC if len(auth.signature) == 64 else ED25519
        self._charges.check_address(cost, time_us, address)
        try:
            session = self._verifier.verify_auth(auth, time_us)
        except SteelyardError:
            self._charges.of_address(cost, time_us, address)
            raise
        self._charges.of_key(session, cost, time_us)
        return session


def token_digest(header: str) -> bytes:
    """Return the digest of the token in a Bearer header."""
    return digest_of(header[7:].strip(" "))


def _credentials(header: str) -> tuple[str, str]:
    """Return id and secret of a Basic header. Errors: ACCS-E10."""
    try:
        if len(header) > CREDENTIALS_LENGTH_MAX:
            raise not_proven()
        text = base64.b64decode(header[6:].strip(" "), validate=True).decode()
    except (binascii.Error, ValueError):
        raise not_proven() from None
    key_id, colon, secret = text.partition(":")
    if not colon:
        raise not_proven()
    return key_id, secret
