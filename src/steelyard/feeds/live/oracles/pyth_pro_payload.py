"""The signed bytes of Pyth Pro: an envelope with one signature, and the payload in it.

    envelope  uint32 magic, r and s (64 bytes), recovery id (1 byte), uint16 length, payload
    payload   uint32 magic, uint64 timestamp (us), byte channel, byte count of feeds, then each:
              uint32 feed, byte count of properties, then each: byte property, value

`leEcdsa` is little-endian throughout, `evm` big-endian; what is signed is keccak256(payload). Values:
price, best bid, best ask, confidence and averages are int64, 0 where there is none; publisher count and
market session 16 bits; exponent int16; rates, times and intervals a byte 0 or 1 and, after a 1, 8 bytes.
Source: the payload reference and the verifying contracts of the operator, read November 2026.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from steelyard.feeds.live.oracles.signatures import (
    ADDRESS_BYTES,
    SIGNATURE_BYTES,
    keccak256,
    recover_address,
)
from steelyard.quantities import InputError

SignedFormat = Literal["leEcdsa", "evm"]
_ENVELOPE_MAGIC = {"leEcdsa": 1_296_547_300, "evm": 706_910_618}
_PAYLOAD_MAGIC = 2_479_346_549
_PRICE, _EXPONENT, _CONFIDENCE, _MADE = 0, 4, 5, 12
_WIDE = frozenset({0, 1, 2, 5, 10, 11})  # int64: price, bid, ask, confidence, averages
_NARROW = frozenset({3, 4, 9})  # 16 bits: publisher count, exponent, market session
_OPTIONAL = frozenset({6, 7, 8, 12})  # a byte says whether 8 more follow
_EXPONENT_MAX = 32
_HEX = frozenset("0123456789abcdef")
_INT64_MAX = 2**63 - 1
_TIME_US_MAX = 253_402_300_799_999_999


class ProSigner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose signature is believed. address: 40 hexadecimal digits. expires_at_s: UTC, 0 for never."""

    address: str
    expires_at_s: int = 0

    def __post_init__(self) -> None:
        plain = self.address.lower().removeprefix("0x")
        is_address = len(plain) == 2 * ADDRESS_BYTES and _HEX.issuperset(plain)
        if not is_address or self.expires_at_s < 0:
            raise InputError(
                "PYTH-E08",
                "this is no signer",
                rule="a signer is 40 hexadecimal digits and an expiry that is not negative",
                cure="mend the configuration",
                address=self.address[:100],
            )
        msgspec.structs.force_setattr(self, "address", plain)


class ProPrice(msgspec.Struct, frozen=True):
    """One update of one feed in its own integers; None for what is not there.

    timestamp_us: of the frame. made_us: when the price was last made.
    """

    feed: int
    timestamp_us: int
    price: int | None = None
    exponent: int | None = None
    confidence: int | None = None
    made_us: int | None = None

    def checked(self) -> ProPrice:
        """Return the update itself. Errors: WIRE-E02 for a number out of its bounds."""
        check_number("priceFeedId", self.feed, 0, 2**32 - 1)
        if self.price is not None:
            check_number("price", self.price, -_INT64_MAX - 1, _INT64_MAX)
            check_number("exponent", self.exponent, -_EXPONENT_MAX, _EXPONENT_MAX)
        if self.confidence is not None:
            check_number("confidence", self.confidence, 0, _INT64_MAX)
        if self.made_us is not None:
            check_number("feedUpdateTimestamp", self.made_us, 1, self.timestamp_us)
        return self


def open_payload(
    data: bytes, kind: SignedFormat, signers: tuple[ProSigner, ...], now_us: int
) -> list[ProPrice]:
    """Return the prices of signed bytes, from the first byte to the last.

    Errors: WIRE-E02 (another form), PYTH-E02 (nobody's signature, or of no signer in force at now_us).
    """
    order: Literal["little", "big"] = "little" if kind == "leEcdsa" else "big"
    head = 4 + SIGNATURE_BYTES + 2
    if len(data) < head or int.from_bytes(data[:4], order) != _ENVELOPE_MAGIC[kind]:
        raise wrong_shape(f"signed bytes begin with the magic number of {kind}")
    payload = data[head:]
    if len(payload) != int.from_bytes(data[head - 2 : head], order):
        raise wrong_shape("the length stated is that of the payload")
    address = recover_address(keccak256(payload), data[4 : head - 2])
    recovered = address.hex() if address else "nobody"
    for signer in signers:
        if signer.address == recovered:
            if signer.expires_at_s and now_us > signer.expires_at_s * 1_000_000:
                raise _unsigned("the signer has expired", recovered)
            return _read_payload(payload, "<" if order == "little" else ">")
    raise _unsigned("the signature is of none of the signers named", recovered)


def check_number(name: str, value: int | None, least: int, most: int) -> None:
    """Errors: WIRE-E02 where a number is missing or out of bounds."""
    if value is None or not least <= value <= most:
        raise wrong_shape(f"`{name}` is {value}, not within {least} to {most}")


def wrong_shape(reason: str) -> InputError:
    """Return WIRE-E02."""
    return InputError(
        "WIRE-E02",
        f"a frame of another shape: {reason}",
        rule="frames have the documented fields, and numbers are within their bounds",
        cure="none needed if it is rare; otherwise compare with the service's documents",
    )


def _read_payload(payload: bytes, order: Literal["<", ">"]) -> list[ProPrice]:
    """Return the feeds of a payload. Errors: WIRE-E02."""
    try:
        magic, timestamp_us, _channel, count = struct.unpack_from(f"{order}IQBB", payload)
        if magic != _PAYLOAD_MAGIC:
            raise wrong_shape("a payload begins with its magic number")
        check_number("timestampUs", timestamp_us, 0, _TIME_US_MAX)
        at, prices = 14, []
        for _ in range(count):
            feed, properties = struct.unpack_from(f"{order}IB", payload, at)
            at += 5
            values: dict[int, int | None] = {}
            for _ in range(properties):
                at, number, value = _read_property(payload, at, order)
                values[number] = value
            prices.append(
                ProPrice(
                    feed=feed,
                    timestamp_us=timestamp_us,
                    price=values.get(_PRICE) or None,
                    exponent=values.get(_EXPONENT),
                    confidence=values.get(_CONFIDENCE) or None,
                    made_us=values.get(_MADE),
                ).checked()
            )
    except struct.error:
        raise wrong_shape("a payload that ends too early") from None
    if at != len(payload):
        raise wrong_shape(f"{len(payload) - at} bytes are left over behind the last feed")
    return prices


def _read_property(
    payload: bytes, at: int, order: Literal["<", ">"]
) -> tuple[int, int, int | None]:
    """Return where the next one begins, which property this is, and its value."""
    (number,) = struct.unpack_from("B", payload, at)
    at += 1
    value: int | None
    if number in _WIDE:
        (value,) = struct.unpack_from(f"{order}q", payload, at)
        return at + 8, number, value
    if number in _NARROW:
        (value,) = struct.unpack_from(f"{order}h", payload, at)
        return at + 2, number, value
    if number in _OPTIONAL:
        (is_there,) = struct.unpack_from("B", payload, at)
        if not is_there:
            return at + 1, number, None
        (value,) = struct.unpack_from(f"{order}q", payload, at + 1)
        return at + 9, number, value
    raise wrong_shape(f"property {number} is not known, so what follows cannot be read")


def _unsigned(message: str, recovered: str) -> InputError:
    return InputError(
        "PYTH-E02",
        message,
        rule="the bytes are signed by a signer named in the terms, in force",
        cure="if the service has a new signer, add it to the terms from a source you trust",
        recovered=recovered,
    )
