"""Secrets: shown once, hashed by scrypt, or sealed by AES-256-GCM under a master key.

A secret that the service only compares is kept as its scrypt hash (RFC 7914). One that it must read
again, to check an HMAC, is sealed (AES-256-GCM, NIST SP 800-38D) with the key's id and generation
as associated data, so that a sealed secret moved to another key does not open. No object here
shows what it holds in `repr`, in `str` or in a pickle.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import msgspec

from steelyard.service.access.errors import AccessError

Random = Callable[[int], bytes]

SECRET_BYTES = 32
MASTER_BYTES = 32
SEAL_NONCE_BYTES = 12
SEAL_TAG_BYTES = 16
MASTER_KEY_VARIABLE = "STEELYARD_MASTER_KEY"
MASTER_KEY_FILE_VARIABLE = "STEELYARD_MASTER_KEY_FILE"
_SEAL_CONTEXT = "steelyard api key 1"
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


class ScryptCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cost of a scrypt hash: n rounds of blocks of r, p lanes; memory 128 n r bytes.

    The secrets are 256 random bits, which no search finds; the hash keeps a stolen key file from
    being used, and its 16 MiB need not be more.
    """

    n: int = 1 << 14
    r: int = 8
    p: int = 1

    def is_sound(self) -> bool:
        """Return whether the cost is neither weak nor a way to exhaust the machine."""
        power = self.n > 0 and self.n & (self.n - 1) == 0
        return power and 1 << 12 <= self.n <= 1 << 16 and self.r == 8 and 1 <= self.p <= 4


class OnceSecret:
    """A secret that can be read once, by who asked for it to be made.

    >>> secret = OnceSecret("abc")
    >>> print(secret, secret.reveal())
    OnceSecret(…) abc
    >>> secret.reveal()
    Traceback (most recent call last):
    steelyard.service.access.errors.AccessError: ACCS-E09: the secret was shown before. Rule: a \
secret is shown once, when it is made. Cure: rotate the key.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text: str | None = text

    def reveal(self) -> str:
        """Return the secret and forget it. Errors: ACCS-E09 the second time."""
        text, self.__text = self.__text, None
        if text is None:
            raise AccessError(
                "ACCS-E09",
                "the secret was shown before",
                rule="a secret is shown once, when it is made",
                cure="rotate the key",
            )
        return text

    def __repr__(self) -> str:
        return "OnceSecret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied or pickled")


class MasterKey:
    """The key that seals the signing secrets. It comes from outside and is never written.

    >>> MasterKey(bytes(32))
    MasterKey(…)
    """

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != MASTER_BYTES:
            raise _no_master(f"the master key has {len(key)} bytes")
        self.__key = key

    def seal(self, secret: bytes, key_id: str, generation: int, nonce: bytes) -> bytes:
        """Return ciphertext and tag of a secret. nonce: 12 bytes, never used twice."""
        from Crypto.Cipher import AES

        cipher = AES.new(self.__key, AES.MODE_GCM, nonce=nonce, mac_len=SEAL_TAG_BYTES)
        cipher.update(_associated(key_id, generation))
        sealed, tag = cipher.encrypt_and_digest(secret)
        return bytes(sealed + tag)

    def open(self, sealed: bytes, key_id: str, generation: int, nonce: bytes) -> bytes:
        """Return a sealed secret. Errors: ACCS-E06 if it was sealed by another key, or changed."""
        from Crypto.Cipher import AES

        cipher = AES.new(self.__key, AES.MODE_GCM, nonce=nonce, mac_len=SEAL_TAG_BYTES)
        cipher.update(_associated(key_id, generation))
        try:
            return bytes(
                cipher.decrypt_and_verify(sealed[:-SEAL_TAG_BYTES], sealed[-SEAL_TAG_BYTES:])
            )
        except ValueError:
            raise AccessError(
                "ACCS-E06",
                "a sealed secret does not open",
                rule="a secret opens under the master key, key id and generation it was sealed for",
                cure="give the master key of this key file, or rotate the key",
                key=key_id,
            ) from None

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a master key is not copied or pickled")


def read_master_key(environment: Mapping[str, str]) -> MasterKey | None:
    """Return the master key that an environment names, or None where it names none.

    STEELYARD_MASTER_KEY holds 64 hexadecimal digits; STEELYARD_MASTER_KEY_FILE names a file with
    them that only its owner can read. Errors: ACCS-E05, ACCS-E02, ACCS-E01; both at once is ACCS-E05.
    """
    text, name = environment.get(MASTER_KEY_VARIABLE), environment.get(MASTER_KEY_FILE_VARIABLE)
    if text is not None and name is not None:
        raise _no_master(f"{MASTER_KEY_VARIABLE} and {MASTER_KEY_FILE_VARIABLE} are both set")
    if name is not None:
        text = read_private(Path(name), 1024).decode("latin-1")
    if text is None:
        return None
    if not _HEX_KEY.fullmatch(text.strip()):
        raise _no_master("the master key is not 64 hexadecimal digits")
    return MasterKey(bytes.fromhex(text.strip()))


def new_secret(random: Random) -> str:
    """Return 256 random bits as 43 characters of base64url.

    >>> new_secret(lambda count: bytes(count))
    'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return base64.urlsafe_b64encode(drawn(random, SECRET_BYTES)).rstrip(b"=").decode()


def drawn(random: Random, count: int) -> bytes:
    """Return `count` bytes of a random source, which must give as many as it was asked for."""
    value = random(count)
    if len(value) != count:
        raise AssertionError(f"the random source gave {len(value)} bytes of {count}")
    return value


def scrypt_hash(secret: bytes, salt: bytes, cost: ScryptCost) -> bytes:
    """Return the 32-byte scrypt hash of a secret (RFC 7914). It takes time and 128 n r bytes.

    >>> scrypt_hash(b"secret", b"salt" * 4, ScryptCost(n=4096)).hex()[:16]
    '4b98181a381d2220'
    """
    return hashlib.scrypt(
        secret, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=256 * cost.n * cost.r, dklen=32
    )


def is_secret(secret: bytes, salt: bytes, cost: ScryptCost, expected: bytes) -> bool:
    """Return whether a secret has a hash, in a time that does not tell how nearly."""
    return hmac.compare_digest(scrypt_hash(secret, salt, cost), expected)


def read_private(path: Path, bytes_max: int) -> bytes:
    """Return a file that its owner alone can read and write.

    What is checked is the file that was opened, not its name. Errors: ACCS-E01 (absent, unreadable,
    a link, too large), ACCS-E02 (others may read or write it, or it is another user's).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    try:
        _check_private(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(bytes_max + 1)
    finally:
        os.close(handle)
    if len(data) > bytes_max:
        raise unreadable(path, f"it has more than {bytes_max} bytes")
    return data


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise unreadable(path, "it is no regular file")
    if status.st_mode & 0o177 or status.st_uid not in (os.geteuid(), 0):
        raise AccessError(
            "ACCS-E02",
            "others may read or change the file",
            rule="a file of keys is its owner's alone, mode 0600",
            cure=f"chmod 600 {path.name}, as the user who runs the service",
            file=path,
            mode=oct(stat.S_IMODE(status.st_mode)),
        )


def unreadable(path: Path, why: str) -> AccessError:
    """Return the refusal of a file that cannot be read or written (ACCS-E01)."""
    return AccessError(
        "ACCS-E01",
        f"the file cannot be used: {why}",
        rule="the file is there, is no link, and can be read and written by its owner",
        cure="name the right file, or make a key to begin a new one",
        file=path,
    )


def _associated(key_id: str, generation: int) -> bytes:
    return f"{_SEAL_CONTEXT}\n{key_id}\n{generation}".encode()


def _no_master(why: str) -> AccessError:
    return AccessError(
        "ACCS-E05",
        why,
        rule="signing secrets are sealed under one master key of 32 bytes, 64 hexadecimal digits",
        cure=f"set {MASTER_KEY_VARIABLE}, or {MASTER_KEY_FILE_VARIABLE} to a file with mode 0600",
    )


def master_missing() -> AccessError:
    """Return the refusal of HMAC keys where no master key was given (ACCS-E05)."""
    return _no_master("there are HMAC keys and no master key")
