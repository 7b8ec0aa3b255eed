"""Guardians of our own: keys, attestations, Merkle trees and updates, written from the format's text.

Nothing here imports the code under test, so an error cannot hide by being made twice.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import coincurve
from Crypto.Hash import keccak

EMITTER_CHAIN = 26
EMITTER = bytes(range(32))
NOW_S = 1_760_000_000
NOW_US = NOW_S * 1_000_000
BTC = bytes.fromhex("e6" * 32)
ETH = bytes.fromhex("ff" * 32)
SOL = bytes.fromhex("ef" * 32)


def hashed(data: bytes) -> bytes:
    return bytes(keccak.new(digest_bits=256, data=data).digest())


def key(number: int) -> coincurve.PrivateKey:
    """A key that is the same in every run."""
    return coincurve.PrivateKey(hashed(b"steelyard test key %d" % number))


def address(private: coincurve.PrivateKey) -> str:
    return hashed(private.public_key.format(compressed=False)[1:])[-20:].hex()


def sign(private: coincurve.PrivateKey, digest: bytes) -> bytes:
    return bytes(private.sign_recoverable(digest, hasher=None))


@dataclass
class Attester:
    """A guardian set with its private keys."""

    index: int = 7
    size: int = 7
    first_key: int = 0
    keys: list[coincurve.PrivateKey] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = [key(self.first_key + number) for number in range(self.size)]

    @property
    def addresses(self) -> list[str]:
        return [address(each) for each in self.keys]

    @property
    def quorum(self) -> int:
        return self.size * 2 // 3 + 1

    def document(self, **changes: object) -> str:
        """The trust document of this set, as TOML."""
        stated: dict[str, object] = {"index": self.index, "addresses": self.addresses} | changes
        rows = "\n".join(f"{name} = {json.dumps(value)}" for name, value in stated.items())
        return (
            f'[[emitters]]\nchain = {EMITTER_CHAIN}\naddress = "{EMITTER.hex()}"\n\n'
            f"[[guardian_sets]]\n{rows}\n"
        )

    def vaa(
        self,
        payload: bytes,
        *,
        signers: Sequence[int] | None = None,
        names: Sequence[int] | None = None,
        chain: int = EMITTER_CHAIN,
        emitter: bytes = EMITTER,
        time_s: int = NOW_S,
        index: int | None = None,
    ) -> bytes:
        """An attestation. signers: whose keys sign; names: the indices they claim, else their own."""
        body = struct.pack(">IIH32sQB", time_s, 0, chain, emitter, 99, 1) + payload
        digest = hashed(hashed(body))
        signers = list(range(self.quorum)) if signers is None else signers
        names = signers if names is None else names
        signed = b"".join(
            bytes((name,)) + sign(self.keys[signer], digest)
            for name, signer in zip(names, signers, strict=True)
        )
        number = self.index if index is None else index
        return struct.pack(">BIB", 1, number, len(signers)) + signed + body


def price_message(
    feed: bytes = BTC,
    price: int = 7_153_447_000_000,
    confidence: int = 3_636_174_450,
    exponent: int = -8,
    publish_s: int = NOW_S,
    previous_s: int = NOW_S - 1,
    average: int = 7_150_000_000_000,
    average_confidence: int = 3_600_000_000,
) -> bytes:
    numbers = (price, confidence, exponent, publish_s, previous_s, average, average_confidence)
    return b"\x00" + feed + struct.pack(">qQiqqqQ", *numbers)


def tree(messages: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """The root of a full binary tree over the messages, and each one's siblings from the leaf up."""
    width = 1
    while width < len(messages):
        width *= 2
    level = [hashed(b"\x00" + each)[:20] for each in messages]
    level += [hashed(b"\x02")[:20]] * (width - len(level))
    proofs: list[list[bytes]] = [[] for _ in messages]
    places = list(range(len(messages)))
    while len(level) > 1:
        for number, place in enumerate(places):
            proofs[number].append(level[place ^ 1])
        level = [
            hashed(b"\x01" + b"".join(sorted(level[at : at + 2])))[:20]
            for at in range(0, len(level), 2)
        ]
        places = [place // 2 for place in places]
    return level[0], proofs


def root_payload(root: bytes, slot: int = 1_000) -> bytes:
    return b"AUWV" + struct.pack(">BQI", 0, slot, 10_000) + root


def assembled(
    vaa: bytes, messages: Sequence[bytes], proofs: Sequence[Sequence[bytes]], trailing: bytes = b""
) -> bytes:
    parts = [b"PNAU", bytes((1, 0, len(trailing))), trailing, b"\x00", struct.pack(">H", len(vaa))]
    parts += [vaa, bytes((len(messages),))]
    for message, proof in zip(messages, proofs, strict=True):
        parts += [struct.pack(">H", len(message)), message, bytes((len(proof),)), *proof]
    return b"".join(parts)


def update(
    attester: Attester, messages: Sequence[bytes], *, slot: int = 1_000, **changes: object
) -> bytes:
    """A sound update over the messages; changes go to `Attester.vaa`."""
    root, proofs = tree(messages)
    return assembled(
        attester.vaa(root_payload(root, slot), **changes),  # type: ignore[arg-type]
        messages,
        proofs,
    )


def hermes_document(
    blobs: Sequence[bytes], parsed: Sequence[bytes] | None = None, encoding: str = "base64"
) -> dict[str, object]:
    """What the server answers: the blobs, and the messages in `parsed` once more in plain words."""
    coded = [each.hex() if encoding == "hex" else base64.b64encode(each).decode() for each in blobs]
    document: dict[str, object] = {"binary": {"encoding": encoding, "data": coded}}
    if parsed is not None:
        document["parsed"] = [in_words(each) for each in parsed]
    return document


def in_words(message: bytes) -> dict[str, object]:
    feed = message[1:33].hex()
    price, conf, expo, publish, previous, average, average_conf = struct.unpack(
        ">qQiqqqQ", message[33:85]
    )
    return {
        "id": feed,
        "price": {
            "price": str(price),
            "conf": str(conf),
            "expo": expo,
            "publish_time": publish,
        },
        "ema_price": {
            "price": str(average),
            "conf": str(average_conf),
            "expo": expo,
            "publish_time": publish,
        },
        "metadata": {
            "slot": 85_480_034,
            "proof_available_time": publish + 1,
            "prev_publish_time": previous,
        },
    }


# ---- Pyth Pro

PRO_NOW_US = NOW_US + 123_456


def pro_payload(
    feeds: Sequence[tuple[int, Sequence[tuple[int, str, int | None]]]],
    timestamp_us: int = PRO_NOW_US,
    order: str = "<",
) -> bytes:
    """A payload; each property is (number, struct letter or `?` for an optional one, value)."""
    parts = [struct.pack(order + "IQBB", 2_479_346_549, timestamp_us, 3, len(feeds))]
    for feed, properties in feeds:
        parts.append(struct.pack(order + "IB", feed, len(properties)))
        for number, letter, value in properties:
            parts.append(bytes((number,)))
            if letter != "?":
                parts.append(struct.pack(order + letter, value or 0))
            elif value is None:
                parts.append(b"\x00")
            else:
                parts.append(b"\x01" + struct.pack(order + "Q", value))
    return b"".join(parts)


def pro_envelope(private: coincurve.PrivateKey, payload: bytes, order: str = "<") -> bytes:
    magic = 1_296_547_300 if order == "<" else 706_910_618
    signature = sign(private, hashed(payload))
    head = struct.pack(order + "I", magic) + signature + struct.pack(order + "H", len(payload))
    return head + payload


def pro_frame(
    prices: Sequence[tuple[int, int]],
    timestamp_us: int = PRO_NOW_US,
    *,
    signer: coincurve.PrivateKey | None = None,
    order: str = "<",
    encoding: str = "hex",
    confidence: int = 1_500_580_860,
    made_us: int | None = None,
    exponent: int = -8,
) -> dict[str, object]:
    """An update of (feed, price) as the service sends it; signed too where there is a signer."""
    made_us = timestamp_us if made_us is None else made_us
    frame: dict[str, object] = {
        "type": "streamUpdated",
        "subscriptionId": 1,
        "parsed": {
            "timestampUs": str(timestamp_us),
            "priceFeeds": [
                {
                    "priceFeedId": feed,
                    "price": str(price),
                    "exponent": exponent,
                    "confidence": str(confidence),
                    "feedUpdateTimestamp": made_us,
                }
                for feed, price in prices
            ],
        },
    }
    if signer is not None:
        feeds = [
            (
                feed,
                [(0, "q", price), (4, "h", exponent), (5, "q", confidence), (12, "?", made_us)],
            )
            for feed, price in prices
        ]
        data = pro_envelope(signer, pro_payload(feeds, timestamp_us, order), order)
        coded = data.hex() if encoding == "hex" else base64.b64encode(data).decode()
        name = "leEcdsa" if order == "<" else "evm"
        frame[name] = {"encoding": encoding, "data": coded}
    return frame
