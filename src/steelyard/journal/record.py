"""One record of the journal and the hash that chains it to the record before.

    chain_0 = blake2b-256( "STEELYARD-JOURNAL\\0" ‖ u32 format ‖ u64 length ‖ metadata )
    chain_i = blake2b-256( chain_{i-1} ‖ u64 position ‖ u64 seq ‖ u8 kind ‖ u32 length ‖ payload )

All integers are little-endian. Whoever holds chain_i holds the content and the order of every
record up to i: no byte before it can change without changing it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from steelyard.journal.failures import bad_argument

FORMAT_VERSION = 1
CHAIN_BYTES = 32
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
METADATA_BYTES_MAX = 1024 * 1024
SEQ_MAX = 2**63 - 1
KIND_MAX = 255

_GENESIS_TAG = b"STEELYARD-JOURNAL\0"
_GENESIS_HEAD = Struct("<IQ")
_RECORD_HEAD = Struct("<QQBI")
_pack_head = _RECORD_HEAD.pack


@dataclass(frozen=True, slots=True)
class Record:
    """A journalled payload at its place.

    `position` counts 1, 2, 3 … without gaps; `seq` never decreases and is given by the caller (an
    event and the outcomes it caused share one); `kind` is 0…255 and not interpreted here (0 event,
    1 outcome, 2 checkpoint by convention); `chain` is the 32-byte hash defined above.
    """

    position: int
    seq: int
    kind: int
    payload: bytes
    chain: bytes


def genesis_chain(metadata: bytes, format_version: int = FORMAT_VERSION) -> bytes:
    """Return chain_0, the hash that the first record is chained to (32 bytes).

    >>> genesis_chain(b"venue=demo").hex()[:16]
    'e8294e8458a24f0f'
    """
    head = _GENESIS_HEAD.pack(format_version, len(metadata))
    return blake2b(_GENESIS_TAG + head + metadata, digest_size=CHAIN_BYTES).digest()


def next_chain(chain: bytes, position: int, seq: int, kind: int, payload: bytes) -> bytes:
    """Return chain_i from chain_{i-1} and the fields of record i (32 bytes).

    >>> next_chain(genesis_chain(b""), 1, 7, 0, b"price").hex()[:16]
    '96b444a5b138ccf6'
    """
    head = _pack_head(position, seq, kind, len(payload))
    return blake2b(chain + head + payload, digest_size=CHAIN_BYTES).digest()


def check_fields(seq_last: int, seq: int, kind: int, payload: bytes) -> None:
    """Raise JournalError (JOUR-E09) unless the fields may follow a record with `seq_last`.

    A refused append changes nothing: the next one takes the same position.
    """
    if type(payload) is not bytes:
        raise bad_argument("a payload is of type bytes", payload_type=type(payload).__name__)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise bad_argument(
            f"a payload has at most {PAYLOAD_BYTES_MAX} bytes", payload_bytes=len(payload)
        )
    if type(kind) is not int or not 0 <= kind <= KIND_MAX:
        raise bad_argument(f"a kind is an integer from 0 to {KIND_MAX}", kind=kind)
    if type(seq) is not int or not 0 <= seq <= SEQ_MAX:
        raise bad_argument(f"a seq is an integer from 0 to {SEQ_MAX}", seq=seq)
    if seq < seq_last:
        raise bad_argument("seq never decreases", seq=seq, seq_last=seq_last)
