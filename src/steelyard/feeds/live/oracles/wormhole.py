"""Wormhole attestations (VAAs): parse one, and verify it against guardian sets that the caller gives.

    byte     version, 1
    uint32   index of the guardian set
    byte     how many signatures; each: byte guardian, then r, s and recovery id (65 bytes)
    body     uint32 timestamp (s), uint32 nonce, uint16 emitter chain, 32 bytes emitter address,
             uint64 sequence, byte consistency level, payload

All big-endian. What is signed is keccak256(keccak256(body)). Nothing is trusted that a `Trust`
document does not name: which sets there are, who is in them, until when, how many must sign, and whose
statements (emitters) are meant. No set is built in, since a set that silently grew old is worse than
none. Layout: wormhole.com/docs/protocol/infrastructure/vaas, read November 2026.

    PYTH-E01  the bytes are no VAA
    PYTH-E02  a signature is missing, forged, out of order or there are too few
    PYTH-E04  the guardian set is not known or has expired, or the emitter is another
    PYTH-E08  the trust document breaks a rule
"""

from __future__ import annotations

import string
import tomllib

import msgspec

from steelyard.feeds.live.oracles.signatures import (
    ADDRESS_BYTES,
    SIGNATURE_BYTES,
    keccak256,
    recover_address,
)
from steelyard.quantities import InputError

VERSION = 1
_HEADER_BYTES = 6
_SIGNED_BYTES = 1 + SIGNATURE_BYTES
_BODY_BYTES = 51
_EMITTER_DIGITS = 64
_GUARDIANS_MAX = 255
_UINT32_MAX = 2**32 - 1
_UINT16_MAX = 2**16 - 1
_SECONDS_MAX = 253_402_300_799  # the last second of the year 9999
_HEX = frozenset(string.hexdigits)


class Emitter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose statements are meant. chain: Wormhole's number of it. address: 64 hexadecimal digits."""

    chain: int
    address: str

    def __post_init__(self) -> None:
        _require(0 <= self.chain <= _UINT16_MAX, "chain", "a chain is a number of 16 bits")
        address = _plain(self.address)
        _require(
            len(address) == _EMITTER_DIGITS and _HEX.issuperset(address),
            "address",
            "an emitter's address is 64 hexadecimal digits",
        )
        msgspec.structs.force_setattr(self, "address", address)


class GuardianSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may sign.

    index: the set's number, as attestations state it. addresses: of guardian 0, 1, 2 …, 40 hexadecimal
    digits each; an empty one is a guardian whose address is not known, who counts in the size of the
    set and whose signature is never accepted. expires_at_s: UTC second after which nothing of this set
    is accepted, 0 while it is in force. quorum: signatures needed, 0 for Wormhole's rule, two thirds of
    the set rounded down plus one; a stated one is more than half of the set. source: where the
    addresses were read, for whoever checks the document.
    """

    index: int
    addresses: tuple[str, ...]
    expires_at_s: int = 0
    quorum: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        _require(0 <= self.index <= _UINT32_MAX, "index", "a set's index is a number of 32 bits")
        size = len(self.addresses)
        _require(1 <= size <= _GUARDIANS_MAX, "addresses", "a set has 1 to 255 guardians")
        addresses = tuple(_plain(address) for address in self.addresses)
        for address in addresses:
            _require(
                address == "" or (len(address) == 2 * ADDRESS_BYTES and _HEX.issuperset(address)),
                "addresses",
                "a guardian's address is 40 hexadecimal digits, or empty where it is not known",
            )
            _require(
                address == "" or int(address, 16) != 0,
                "addresses",
                "the address of zeros belongs to nobody",
            )
        known = [address for address in addresses if address]
        _require(len(set(known)) == len(known), "addresses", "no guardian stands twice in a set")
        _require(
            0 <= self.expires_at_s <= _SECONDS_MAX,
            "expires_at_s",
            "an expiry is a UTC second, or 0 for none",
        )
        _require(
            self.quorum == 0 or size < 2 * self.quorum <= 2 * size,
            "quorum",
            "a stated quorum is more than half of the set and no more than all of it",
        )
        msgspec.structs.force_setattr(self, "addresses", addresses)
        _require(
            len(known) >= self.signatures_needed,
            "addresses",
            "as many addresses are known as have to sign",
        )

    @property
    def signatures_needed(self) -> int:
        """Return the quorum: the stated one, else two thirds rounded down plus one.

        >>> GuardianSet(0, tuple(f"{n:040x}" for n in range(1, 20))).signatures_needed
        13
        >>> GuardianSet(0, tuple(f"{n:040x}" for n in range(1, 6)), quorum=3).signatures_needed
        3
        """
        return self.quorum or len(self.addresses) * 2 // 3 + 1


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document: the emitters that are meant, and the guardian sets that are believed."""

    emitters: tuple[Emitter, ...]
    guardian_sets: tuple[GuardianSet, ...]

    def __post_init__(self) -> None:
        _require(bool(self.emitters), "emitters", "at least one emitter is named")
        _require(bool(self.guardian_sets), "guardian_sets", "at least one guardian set is named")
        indices = [each.index for each in self.guardian_sets]
        _require(len(set(indices)) == len(indices), "guardian_sets", "no guardian set stands twice")

    def guardian_set(self, index: int) -> GuardianSet | None:
        """Return the set of that index, or None."""
        for each in self.guardian_sets:
            if each.index == index:
                return each
        return None


class Signature(msgspec.Struct, frozen=True):
    """One guardian's signature: r, s and recovery id, 65 bytes."""

    guardian: int
    signature: bytes


class Vaa(msgspec.Struct, frozen=True):
    """A parsed attestation, not verified. timestamp_s: UTC. digest: what was signed."""

    guardian_set: int
    signatures: tuple[Signature, ...]
    timestamp_s: int
    nonce: int
    emitter: Emitter
    sequence: int
    consistency_level: int
    payload: bytes
    digest: bytes


def read_trust(document: str) -> Trust:
    """Return the trust of a TOML document.

        [[emitters]]
        chain = 26
        address = "e101faed…"

        [[guardian_sets]]
        index = 4
        addresses = ["0x5893…", …]
        expires_at_s = 0
        quorum = 0
        source = "…"

    Errors: PYTH-E08 with the field.

    >>> read_trust("emitters = []")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: PYTH-E08: the trust document cannot be read: Object missing \
required field `guardian_sets`. Rule: it names emitters and guardian sets, as documented, and nothing \
else. Cure: mend the document.
    """
    try:
        return msgspec.convert(tomllib.loads(document), Trust)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(
            "PYTH-E08",
            f"the trust document cannot be read: {error}",
            rule="it names emitters and guardian sets, as documented, and nothing else",
            cure="mend the document",
        ) from None


def parse_vaa(data: bytes) -> Vaa:
    """Return the attestation that `data` is, from its first byte to its last. Errors: PYTH-E01."""
    if len(data) < _HEADER_BYTES:
        raise malformed("an attestation has a header of 6 bytes", length=len(data))
    if data[0] != VERSION:
        raise malformed("an attestation is of version 1", version=data[0])
    count = data[5]
    start = _HEADER_BYTES + _SIGNED_BYTES * count
    body = data[start:]
    if len(body) < _BODY_BYTES:
        raise malformed(
            "all signatures stated and a body of at least 51 bytes follow the header",
            signatures=count,
            length=len(data),
        )
    signatures = tuple(
        Signature(data[at], data[at + 1 : at + _SIGNED_BYTES])
        for at in range(_HEADER_BYTES, start, _SIGNED_BYTES)
    )
    return Vaa(
        guardian_set=int.from_bytes(data[1:5]),
        signatures=signatures,
        timestamp_s=int.from_bytes(body[0:4]),
        nonce=int.from_bytes(body[4:8]),
        emitter=Emitter(int.from_bytes(body[8:10]), body[10:42].hex()),
        sequence=int.from_bytes(body[42:50]),
        consistency_level=body[50],
        payload=body[_BODY_BYTES:],
        digest=keccak256(keccak256(body)),
    )


def recover_signers(vaa: Vaa) -> tuple[str, ...]:
    """Return the address recovered from each signature, empty where there is none.

    This is whoever signed, trusted or not: `verify_vaa` decides.
    """
    found = (recover_address(vaa.digest, each.signature) for each in vaa.signatures)
    return tuple(address.hex() if address else "" for address in found)


def verify_vaa(vaa: Vaa, trust: Trust, now_us: int) -> GuardianSet:
    """Return the guardian set by which the attestation holds.

    now_us: the receiver's clock, against which a set's expiry is held. Every signature must be of the
    guardian of its index, indices rise strictly, and there are at least as many as the set needs: one
    bad signature refuses the whole, as on every chain. Errors: PYTH-E02, PYTH-E04.
    """
    guardians = trust.guardian_set(vaa.guardian_set)
    if guardians is None:
        raise _untrusted("the guardian set is not known", guardian_set=vaa.guardian_set)
    if guardians.expires_at_s and now_us > guardians.expires_at_s * 1_000_000:
        raise _untrusted(
            "the guardian set has expired",
            guardian_set=guardians.index,
            expires_at_s=guardians.expires_at_s,
        )
    if vaa.emitter not in trust.emitters:
        raise _untrusted(
            "the emitter is none of those named",
            chain=vaa.emitter.chain,
            address=vaa.emitter.address,
        )
    _check_indices(vaa, guardians)
    for each, address in zip(vaa.signatures, recover_signers(vaa), strict=True):
        expected = guardians.addresses[each.guardian]
        if not expected:
            raise _unsigned("this guardian's address is not known", guardian=each.guardian)
        if address != expected:
            raise _unsigned(
                "the signature is not of the guardian it names",
                guardian=each.guardian,
                expected=expected,
                recovered=address or "nobody",
            )
    return guardians


def malformed(rule: str, **where: object) -> InputError:
    """Return PYTH-E01: the bytes are not what the format says."""
    return InputError(
        "PYTH-E01",
        "the bytes are not of the documented form",
        rule=rule,
        cure="none needed if it is rare; otherwise check the address of the feed and its format",
        **where,
    )


def _check_indices(vaa: Vaa, guardians: GuardianSet) -> None:
    """Refuse before the costly part what cannot hold. Errors: PYTH-E02."""
    last = -1
    for each in vaa.signatures:
        if each.guardian <= last:
            raise _unsigned("guardians do not rise strictly", guardian=each.guardian, after=last)
        last = each.guardian
    if last >= len(guardians.addresses):
        raise _unsigned(
            "there is no such guardian in the set", guardian=last, guardian_set=guardians.index
        )
    if len(vaa.signatures) < guardians.signatures_needed:
        raise _unsigned(
            "too few signatures",
            signatures=len(vaa.signatures),
            needed=guardians.signatures_needed,
        )


def _plain(digits: str) -> str:
    """Return hexadecimal digits in one spelling: small letters, nothing before them."""
    return digits.lower().removeprefix("0x")


def _require(holds: bool, field: str, rule: str) -> None:
    """Errors: PYTH-E08."""
    if not holds:
        raise InputError(
            "PYTH-E08",
            "the trust document breaks a rule",
            rule=rule,
            cure="mend the document",
            field=field,
        )


def _unsigned(message: str, **where: object) -> InputError:
    return InputError(
        "PYTH-E02",
        message,
        rule="enough guardians of the set sign, each once, in the order of their indices",
        cure="do not use this update; if all are so, check the guardian set in the trust document",
        **where,
    )


def _untrusted(message: str, **where: object) -> InputError:
    return InputError(
        "PYTH-E04",
        message,
        rule="the trust document names the guardian set, in force, and the emitter",
        cure="if the network has a new set, add it to the trust document from a source you trust",
        **where,
    )
