"""The key file: make, list, revoke and rotate keys, one writer at a time, all or nothing.

A change is written to a new file (mode 0600), forced to disk and put in the place of the old one, so
a reader sees the old keys or the new ones. Writers wait for each other on `NAME.lock`.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from steelyard.service.access.errors import AccessError, key_revoked
from steelyard.service.access.keys import (
    FILE_BYTES_MAX,
    Created,
    Ed25519Proof,
    HmacProof,
    Key,
    Kind,
    Proof,
    Rights,
    ScryptProof,
    check_key,
    check_rights,
    keys_bytes,
    parse_keys,
)
from steelyard.service.access.sealing import (
    SEAL_NONCE_BYTES,
    MasterKey,
    OnceSecret,
    Random,
    ScryptCost,
    drawn,
    master_missing,
    new_secret,
    read_private,
    scrypt_hash,
    unreadable,
)

KEY_ID_BYTES = 8
SALT_BYTES = 16
DEFAULT_COST = ScryptCost()


def list_keys(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file, in the order of their making.

    Errors: ACCS-E01 (absent, unreadable), ACCS-E02 (others may read it), ACCS-E03, ACCS-E04.
    """
    return parse_keys(read_private(path, FILE_BYTES_MAX))


def create_key(
    path: Path,
    kind: Kind,
    rights: Rights,
    *,
    time_us: int,
    random: Random,
    master: MasterKey | None = None,
    public_key: bytes | None = None,
    cost: ScryptCost = DEFAULT_COST,
) -> Created:
    """Add a key to a file, which is begun if it is not there, and return it with its secret.

    master: for kind hmac. public_key: 32 bytes, for kind ed25519. Errors: ACCS-E01 … E05, ACCS-E07.
    """
    check_rights(rights, time_us)
    with _locked(path):
        keys = list_keys(path) if os.path.lexists(path) else ()
        key_id = drawn(random, KEY_ID_BYTES).hex()
        if any(key.id == key_id for key in keys):
            raise AssertionError("the random source gave the id of another key")
        proof, secret = _proof(kind, key_id, 1, random, master, public_key, cost)
        key = Key(
            id=key_id,
            label=rights.label,
            scopes=rights.scopes,
            accounts=rights.accounts,
            created_us=time_us,
            expires_us=rights.expires_us,
            revoked_us=None,
            generation=1,
            proof=proof,
        )
        check_key(key)
        _write(path, (*keys, key))
    return Created(key, secret)


def revoke_key(path: Path, key_id: str, *, time_us: int) -> Key:
    """Revoke a key for good and return it; one that is revoked keeps its first time.

    Errors: ACCS-E08 if no key has the id, and those of `list_keys`.
    """
    with _locked(path):
        keys = list_keys(path)
        key = _named(keys, key_id)
        if key.revoked_us is None:
            key = msgspec.structs.replace(key, revoked_us=max(time_us, key.created_us))
            _write(path, tuple(key if other.id == key_id else other for other in keys))
    return key


def rotate_key(
    path: Path,
    key_id: str,
    *,
    random: Random,
    master: MasterKey | None = None,
    public_key: bytes | None = None,
    cost: ScryptCost = DEFAULT_COST,
) -> Created:
    """Replace what proves a key and return it with its new secret; id and rights stay.

    The old secret, and every token made with it, is void at once. For a change without a gap make a
    second key, move the clients, and revoke the first. Errors: ACCS-E08, ACCS-E11 if it is revoked,
    and those of `create_key`.
    """
    with _locked(path):
        keys = list_keys(path)
        old = _named(keys, key_id)
        if old.revoked_us is not None:
            raise key_revoked(key_id)
        generation = old.generation + 1
        proof, secret = _proof(old.kind, key_id, generation, random, master, public_key, cost)
        if proof == old.proof:
            raise _unmade("the public key is the one that the key has", "a rotation changes it")
        key = msgspec.structs.replace(old, proof=proof, generation=generation)
        check_key(key)
        _write(path, tuple(key if other.id == key_id else other for other in keys))
    return Created(key, secret)


def reseal_keys(path: Path, old: MasterKey, new: MasterKey, *, random: Random) -> int:
    """Seal every signing secret of a file under a new master key; return how many.

    Clients notice nothing. Errors: ACCS-E06 if one does not open under the old key; nothing is changed.
    """
    with _locked(path):
        keys = list_keys(path)
        changed = []
        for key in keys:
            if isinstance(key.proof, HmacProof):
                secret = opened(key, old)
                proof = _sealed(secret, key.id, key.generation, random, new)
                key = msgspec.structs.replace(key, proof=proof)
            changed.append(key)
        _write(path, tuple(changed))
    return sum(isinstance(key.proof, HmacProof) for key in keys)


def opened(key: Key, master: MasterKey) -> bytes:
    """Return the signing secret of an HMAC key. Errors: ACCS-E06."""
    assert isinstance(key.proof, HmacProof)
    return master.open(
        bytes.fromhex(key.proof.sealed),
        key.id,
        key.generation,
        bytes.fromhex(key.proof.nonce),
    )


def _proof(
    kind: Kind,
    key_id: str,
    generation: int,
    random: Random,
    master: MasterKey | None,
    public_key: bytes | None,
    cost: ScryptCost,
) -> tuple[Proof, OnceSecret | None]:
    if (kind == "ed25519") != (public_key is not None):
        raise _unmade(
            "a public key is missing or too many", "an ed25519 key, and no other, has one"
        )
    if public_key is not None:
        if len(public_key) != 32:
            raise _unmade(
                f"the public key has {len(public_key)} bytes", "a public key has 32 bytes"
            )
        return Ed25519Proof(public_key=public_key.hex()), None
    secret = new_secret(random)
    if kind == "hmac":
        if master is None:
            raise master_missing()
        return _sealed(secret.encode(), key_id, generation, random, master), OnceSecret(secret)
    salt = drawn(random, SALT_BYTES)
    digest = scrypt_hash(secret.encode(), salt, cost)
    return ScryptProof(cost=cost, salt=salt.hex(), hash=digest.hex()), OnceSecret(secret)


def _sealed(
    secret: bytes, key_id: str, generation: int, random: Random, master: MasterKey
) -> HmacProof:
    nonce = drawn(random, SEAL_NONCE_BYTES)
    sealed = master.seal(secret, key_id, generation, nonce)
    return HmacProof(nonce=nonce.hex(), sealed=sealed.hex())


def _named(keys: tuple[Key, ...], key_id: str) -> Key:
    for key in keys:
        if key.id == key_id:
            return key
    raise AccessError(
        "ACCS-E08",
        "no key has this id",
        rule="a key is named by its id",
        cure="list the keys and take an id from there",
        key=key_id[:64],
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unreadable(lock, error.strerror or "") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    data = keys_bytes(keys)
    parse_keys(data)  # what is written can be read again
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)  # of a writer that was stopped: the lock is ours
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask says
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise unreadable(path, error.strerror or "") from None


def _unmade(why: str, rule: str) -> AccessError:
    return AccessError(
        "ACCS-E07", why, rule=rule, cure="give what this kind of key needs and nothing else"
    )
