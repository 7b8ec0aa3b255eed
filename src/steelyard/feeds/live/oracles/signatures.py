"""Keccak-256 and the address of whoever made a recoverable secp256k1 signature.

Both oracle families and the EVM name a signer by the last 20 bytes of the Keccak-256 hash of its
public key (64 bytes, x then y), and publish signatures as r (32 bytes), s (32 bytes) and a recovery
id of 0 or 1. Keccak-256 is the hash before NIST changed the padding: it is not SHA3-256.
"""

from __future__ import annotations

import coincurve
from Crypto.Hash import keccak

SIGNATURE_BYTES = 65
ADDRESS_BYTES = 20
_DIGEST_BYTES = 32
_RECOVERY_ID_MAX = 1


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 hash of `data`, 32 bytes.

    >>> keccak256(b"").hex()[:16]
    'c5d2460186f7233c'
    """
    hashed: bytes = keccak.new(digest_bits=256, data=data).digest()
    return hashed


def address_of(public_key: bytes) -> bytes:
    """Return the 20-byte address of an uncompressed public key (65 bytes, the first is 4).

    >>> key = coincurve.PrivateKey.from_int(1).public_key.format(compressed=False)
    >>> address_of(key).hex()
    '7e5f4552091a69125d5dfcb7b8c2659029395bdf'
    """
    return keccak256(public_key[1:])[-ADDRESS_BYTES:]


def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """Return the address that signed the 32-byte `digest`, or None where no key can have done so.

    signature: r, s and a recovery id of 0 or 1, 65 bytes. None for any other length or id, for an r
    that is no point of the curve, and for an r or s of zero or beyond the group order. Some address
    comes out of nearly every other 65 bytes: who compares it with nothing has verified nothing.

    >>> key = coincurve.PrivateKey.from_int(1)
    >>> signature = key.sign_recoverable(keccak256(b"price"), hasher=None)
    >>> recover_address(keccak256(b"price"), signature) == address_of(key.public_key.format(False))
    True
    >>> recover_address(keccak256(b"price"), bytes(65)) is None
    True
    """
    if len(digest) != _DIGEST_BYTES or len(signature) != SIGNATURE_BYTES:
        return None
    if signature[-1] > _RECOVERY_ID_MAX:
        return None
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except ValueError:
        return None
    return address_of(key.format(compressed=False))
