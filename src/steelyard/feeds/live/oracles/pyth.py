"""Pyth price updates: a signed Merkle root, and messages that prove they are under it.

    "PNAU", byte major version (1), byte minor version, byte n, n bytes for later versions,
    byte update type (0), uint16 length, VAA, byte count, then count times:
        uint16 length, message, byte depth, depth sibling hashes of 20 bytes

The VAA's payload is "AUWV", byte 0, uint64 slot, uint32 ring size and the root (20 bytes). Hashes are
the first 20 bytes of Keccak-256: of byte 0 and the message for a leaf, of byte 1 and two hashes, the
smaller first, for a node; so a node can never pass for a leaf. A price message is byte 0, feed (32
bytes), int64 price, uint64 confidence, int32 exponent, int64 publish time and previous publish time (s),
int64 average price, uint64 average confidence; later versions may append fields. All big-endian.
Source: pythnet_sdk (wire, messages, accumulators) and the developer hub of Pyth, read November 2026.

    PYTH-E01  the bytes are not of this form, or some are left over
    PYTH-E02  a signature is missing, forged, out of order or there are too few
    PYTH-E03  a message is not under the signed root
    PYTH-E04  the guardian set is not known or has expired, or the emitter is another
    PYTH-E05  a feed that was not asked for
"""

from __future__ import annotations

import struct
from collections.abc import Collection

import msgspec

from steelyard.feeds.live.messages import OraclePrice
from steelyard.feeds.live.oracles.signatures import keccak256
from steelyard.feeds.live.oracles.wormhole import Trust, Vaa, malformed, parse_vaa, verify_vaa
from steelyard.quantities import InputError

UPDATE_BYTES_MAX = 1_048_576
HASH_BYTES = 20
PRICE_MESSAGE = 0
_UPDATE_MAGIC = b"PNAU"
_ROOT_MAGIC = b"AUWV"
_MAJOR_VERSION = 1
_MERKLE = 0
_ROOT_PAYLOAD = struct.Struct(">4sBQI20s")
_PRICE = struct.Struct(">B32sqQiqqqQ")
_LEAF, _NODE = b"\x00", b"\x01"
_EXPONENT_MAX = 32
_SECONDS_MAX = 253_402_300_799  # the last second of the year 9999


class Proven(msgspec.Struct, frozen=True):
    """A message and the sibling hashes from it up to the root."""

    message: bytes
    proof: tuple[bytes, ...]


class Update(msgspec.Struct, frozen=True):
    """A parsed update, nothing verified. slot: of the root, which rises with time."""

    vaa: Vaa
    slot: int
    root: bytes
    messages: tuple[Proven, ...]


class SignedPrice(msgspec.Struct, frozen=True):
    """What a price message says, in its own integers: a price is `price` · 10^`exponent`.

    feed: 64 hexadecimal digits. Times: UTC seconds.
    """

    feed: str
    price: int
    confidence: int
    exponent: int
    publish_time_s: int
    previous_publish_time_s: int
    average_price: int
    average_confidence: int


def parse_update(data: bytes) -> Update:
    """Return the update that `data` is, from its first byte to its last. Errors: PYTH-E01."""
    if len(data) > UPDATE_BYTES_MAX:
        raise malformed("an update is no longer than a mebibyte", length=len(data))
    if data[:4] != _UPDATE_MAGIC:
        raise malformed("an update begins with PNAU", start=data[:4].hex())
    cursor = _Cursor(data, 4)
    major, _minor = cursor.byte(), cursor.byte()
    if major != _MAJOR_VERSION:
        raise malformed("an update is of major version 1", version=major)
    cursor.take(cursor.byte())
    if (kind := cursor.byte()) != _MERKLE:
        raise malformed("an update is of type 0, a Merkle root", type=kind)
    vaa = parse_vaa(cursor.take(cursor.short()))
    messages = []
    for _ in range(cursor.byte()):
        message = cursor.take(cursor.short())
        path = cursor.take(HASH_BYTES * cursor.byte())
        proof = tuple(path[at : at + HASH_BYTES] for at in range(0, len(path), HASH_BYTES))
        messages.append(Proven(message, proof))
    if cursor.at != len(data):
        raise malformed("nothing follows the last proof", left_over=len(data) - cursor.at)
    slot, root = _read_root(vaa.payload)
    return Update(vaa, slot, root, tuple(messages))


def merkle_root(message: bytes, proof: Collection[bytes]) -> bytes:
    """Return the root that a message and its siblings lead to, 20 bytes.

    >>> leaf, other = keccak256(b"\\0price")[:20], keccak256(b"\\0other")[:20]
    >>> node = keccak256(b"\\1" + min(leaf, other) + max(leaf, other))[:20]
    >>> merkle_root(b"price", [other]) == merkle_root(b"other", [leaf]) == node
    True
    """
    current = keccak256(_LEAF + message)[:HASH_BYTES]
    for sibling in proof:
        first, second = (current, sibling) if current <= sibling else (sibling, current)
        current = keccak256(_NODE + first + second)[:HASH_BYTES]
    return current


def verify_update(update: Update, trust: Trust, now_us: int) -> None:
    """Return if the guardians signed the root and every message is under it.

    One message that is not refuses the whole update. Errors: PYTH-E02, PYTH-E03, PYTH-E04.
    """
    verify_vaa(update.vaa, trust, now_us)
    for number, each in enumerate(update.messages):
        if merkle_root(each.message, each.proof) != update.root:
            raise InputError(
                "PYTH-E03",
                "a message is not under the signed root",
                rule="the proof of every message leads to the root that the guardians signed",
                cure="do not use this update",
                number=number,
                slot=update.slot,
            )


def read_update(
    data: bytes, trust: Trust, now_us: int, feeds: Collection[str] | None = None
) -> list[SignedPrice]:
    """Return the prices of an update, all of them verified; averages over time and the like are left out.

    now_us: the receiver's clock. feeds: those asked for, 64 hexadecimal digits each in small letters;
    None for all. Errors: PYTH-E01 … PYTH-E05, and nothing else whatever the bytes are.
    """
    update = parse_update(data)
    verify_update(update, trust, now_us)
    prices = []
    for each in update.messages:
        if each.message[:1] != bytes((PRICE_MESSAGE,)):
            continue
        price = decode_price(each.message)
        if feeds is not None and price.feed not in feeds:
            raise not_asked_for(price.feed)
        prices.append(price)
    return prices


def decode_price(message: bytes) -> SignedPrice:
    """Return what a price message says; fields of later versions behind it are left out.

    Errors: PYTH-E01 (too short, another kind, an exponent beyond ±32, a time outside 1970 to 9999).
    """
    if len(message) < _PRICE.size:
        raise malformed("a price message has at least 85 bytes", length=len(message))
    kind, feed, *numbers = _PRICE.unpack_from(message)
    if kind != PRICE_MESSAGE:
        raise malformed("a price message is of kind 0", kind=kind)
    price = SignedPrice(feed.hex(), *numbers)
    if abs(price.exponent) > _EXPONENT_MAX:
        raise malformed("an exponent is within ±32", feed=price.feed, exponent=price.exponent)
    for time_s in (price.publish_time_s, price.previous_publish_time_s):
        if not 0 <= time_s <= _SECONDS_MAX:
            raise malformed("a time is within 1970 to 9999", feed=price.feed, time_s=time_s)
    return price


def scaled(number: int, exponent: int) -> float:
    """Return number · 10^exponent, rounded once (integers divide to the nearest float).

    >>> scaled(7153447000000, -8), scaled(3636174450, -8), scaled(5, 3), scaled(1, -1)
    (71534.47, 36.3617445, 5000.0, 0.1)
    """
    return number / 10**-exponent if exponent < 0 else float(number * 10**exponent)


def to_message(price: SignedPrice) -> OraclePrice:
    """Return the price as a message: its market is the feed, its time the publish time.

    Errors: PYTH-E01 where the price is not above zero.
    """
    if price.price <= 0:
        raise malformed("a price is above zero", feed=price.feed, price=price.price)
    return OraclePrice(
        market=price.feed,
        price=scaled(price.price, price.exponent),
        confidence=scaled(price.confidence, price.exponent),
        exchange_time_us=price.publish_time_s * 1_000_000,
    )


def not_asked_for(feed: str) -> InputError:
    """Return PYTH-E05."""
    return InputError(
        "PYTH-E05",
        "a feed that was not asked for",
        rule="an update holds feeds that were asked for",
        cure="list the feed, or check the address of the server",
        feed=feed,
    )


def _read_root(payload: bytes) -> tuple[int, bytes]:
    """Return slot and root of a VAA's payload. Errors: PYTH-E01."""
    if len(payload) < _ROOT_PAYLOAD.size:
        raise malformed("a signed root has at least 37 bytes", length=len(payload))
    magic, kind, slot, _ring_size, root = _ROOT_PAYLOAD.unpack_from(payload)
    if magic != _ROOT_MAGIC or kind != _MERKLE:
        raise malformed("a signed root begins with AUWV and 0", start=payload[:5].hex())
    return slot, root


class _Cursor:
    """Reads bytes from left to right and never beyond the end. Errors: PYTH-E01."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise malformed("every length stated is there", at=self.at, stated=count)
        self.at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def short(self) -> int:
        return int.from_bytes(self.take(2))
