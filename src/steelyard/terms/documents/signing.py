"""Signatures: Ed25519 (RFC 8032) over a document's canonical encoding, in a file beside it.

The file `NAME-VERSION.sig` is JSON: name, version, sha256, public_key, signature, signed_at. What is
signed is the line `steelyard method document 1`, a line feed and the canonical encoding of the
document, so a signature holds for TOML and JSON alike and for nothing but a method. The signature
says that the key's owner signed this content; whose key it is, the reader has to know.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from steelyard.quantities import TermsError
from steelyard.terms.documents.document import MethodDocument, instant_us
from steelyard.terms.documents.faults import located, refused

if TYPE_CHECKING:
    from Crypto.PublicKey.ECC import EccKey

CONTEXT = b"steelyard method document 1\n"
KEY_BYTES = 32
SIGNATURE_BYTES = 64
FILE_BYTES_MAX = 65_536

_HEX = re.compile(r"[0-9a-fA-F]*")


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A detached signature: which document, its hash, whose key, the signature, when it was made."""

    name: str
    version: str
    sha256: str
    public_key: str
    signature: str
    signed_at: str


def sign_bytes(message: bytes, private_key: bytes) -> bytes:
    """Return the 64-byte Ed25519 signature of a message by a 32-byte private key (RFC 8032).

    >>> key = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    >>> sign_bytes(b"", key).hex()[:16]
    'e5564300c360ac72'
    """
    from Crypto.Signature import eddsa

    return bytes(eddsa.new(_private(private_key), "rfc8032").sign(message))


def public_key(private_key: bytes) -> bytes:
    """Return the 32-byte public key of a private key. Errors: TERM-E19 if it has not 32 bytes."""
    return bytes(_private(private_key).public_key().export_key(format="raw"))


def is_signed(message: bytes, signature: bytes, by_public_key: bytes) -> bool:
    """Return whether a signature of a message is by the owner of a public key."""
    from Crypto.Signature import eddsa

    if len(signature) != SIGNATURE_BYTES or len(by_public_key) != KEY_BYTES:
        return False
    try:
        key = eddsa.import_public_key(by_public_key)
        eddsa.new(key, "rfc8032").verify(message, signature)
    except ValueError:
        return False
    return True


def sign(document: MethodDocument, private_key: bytes, signed_at: str) -> Signature:
    """Return a document's signature.

    private_key: 32 bytes. signed_at: an instant as 2026-01-01T00:00:00Z; it stands beside the signature
    and is not covered by it. Errors: TERM-E19.
    """
    check_signed_at(signed_at)
    return Signature(
        document.name,
        document.version,
        document.digest(),
        public_key(private_key).hex(),
        sign_bytes(CONTEXT + document.canonical(), private_key).hex(),
        signed_at,
    )


def check_signed_at(text: str) -> None:
    """Raise TERM-E19 if a text is no instant as 2026-01-01T00:00:00Z."""
    try:
        instant_us(text)
    except ValueError:
        raise _unusable(
            f"signed_at is {text[:40]!r}", "an instant is 2026-01-01T00:00:00Z", "signed_at"
        ) from None


def verify(
    document: MethodDocument, signature: Signature, by_public_key: bytes | None = None
) -> None:
    """Return if a signature is that of the document, else raise TERM-E18 with the hashes.

    by_public_key: whose signature is asked for; without it the key that the file names, which shows
    that the content is whole and not who signed it.
    """
    found = document.digest()
    said = f"{signature.name} {signature.version}"
    if (signature.name, signature.version) != (document.name, document.version):
        raise _unsigned(document, f"the signature is of {said}", found, signature.sha256)
    if signature.sha256.lower() != found:
        raise _unsigned(document, "the document is not what was signed", found, signature.sha256)
    key = _hex(signature.public_key)
    if by_public_key is not None and key != by_public_key:
        raise _unsigned(
            document, f"the signature is by {signature.public_key[:64]}, not {by_public_key.hex()}",
            found, signature.sha256,
        )  # fmt: skip
    if not is_signed(CONTEXT + document.canonical(), _hex(signature.signature), key):
        raise _unsigned(document, "the signature is false", found, signature.sha256)


def signature_name(document: MethodDocument) -> str:
    """Return the name of a document's signature file."""
    return f"{document.name}-{document.version}.sig"


def write_signature(signature: Signature, path: Path) -> None:
    """Write a signature file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(signature), indent=2) + b"\n")


def read_signature(path: Path) -> Signature:
    """Return the signature of a file. Errors: TERM-E19."""
    data = _read(path)
    try:
        return msgspec.json.decode(data, type=Signature)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise located(
            _unusable(f"the file is no signature: {error}",
                      "name, version, sha256, public_key, signature and signed_at, as JSON texts", ""),
            file=path,
        ) from None  # fmt: skip


def read_private_key(path: Path) -> bytes:
    """Return the private key of a file: 64 hexadecimal digits, or PEM. Errors: TERM-E19."""
    text = _read(path).decode("latin-1").strip()
    if "-----BEGIN" in text:
        return _pem(text, path)
    key = _hex(text)
    if len(key) != KEY_BYTES:
        raise located(_unusable("the file holds no key", "a key is 64 hexadecimal digits or PEM", ""),
                      file=path)  # fmt: skip
    return key


def new_key(path: Path) -> bytes:
    """Write a new private key that only its owner can read, and return its public key. Errors: TERM-E19."""
    key = os.urandom(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise located(
            _unusable(f"the key cannot be written: {error.strerror}", "a key goes into a new file", ""),
            file=path,
        ) from None  # fmt: skip
    with os.fdopen(handle, "w") as file:
        file.write(key.hex() + "\n")
    return public_key(key)


def parse_public_key(text: str) -> bytes:
    """Return a public key of 64 hexadecimal digits. Errors: TERM-E19."""
    key = _hex(text.strip())
    if len(key) != KEY_BYTES:
        raise _unusable(
            f"{text[:70]!r} is no public key", "a public key is 64 hexadecimal digits", ""
        )
    return key


def _private(private_key: bytes) -> EccKey:
    from Crypto.PublicKey import ECC

    if len(private_key) != KEY_BYTES:
        raise _unusable(f"the key has {len(private_key)} bytes", "a private key has 32 bytes", "")
    return ECC.construct(curve="Ed25519", seed=private_key)


def _pem(text: str, path: Path) -> bytes:
    from Crypto.PublicKey import ECC

    try:
        key: Any = ECC.import_key(text)
        if key.curve == "Ed25519" and key.has_private():
            return bytes(key.seed)
    except (ValueError, IndexError, TypeError):
        pass
    raise located(
        _unusable("the PEM holds no Ed25519 private key", "a key is Ed25519, not enciphered", ""),
        file=path,
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError as error:
        raise located(
            _unusable(f"the file cannot be read: {error.strerror}", "the file can be read", ""),
            file=path,
        ) from None


def _hex(text: str) -> bytes:
    return bytes.fromhex(text) if _HEX.fullmatch(text) and len(text) % 2 == 0 else b""


def _unusable(message: str, rule: str, field: str) -> TermsError:
    return refused("TERM-E19", message, rule, "give the right file or key", field)


def _unsigned(document: MethodDocument, message: str, found: str, expected: str) -> TermsError:
    return refused(
        "TERM-E18", f"{message}; hash found {found}, expected {expected[:64]}",
        "a signature is by its key, over this content", "get the document again from who signed it",
        "signature", method=document.name, version=document.version, found=found,
        expected=expected[:64],
    )  # fmt: skip
