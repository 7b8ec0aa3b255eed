"""Snapshots without holding up the loop: the state is copied at once, and encoded and proven in a thread.

Copying the columns of 10,000 accounts and encoding what is global takes the loop a few milliseconds; the
units, their hashes and the sums take a thread half a second, in slices, so that the loop gets its turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import copy
from time import sleep
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from steelyard.book import SLOT_COUNT, Book
from steelyard.book.state_hash import unit_record
from steelyard.engine.engine import Engine
from steelyard.engine.queries import EngineQueries
from steelyard.engine.snapshot import EMPTY_SLOT, SNAPSHOT_VERSION, global_record

SLICE_UNITS = 100
PAUSE_S = 0.002

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Copy(NamedTuple):
    """An engine's state at one event. engine: what `check_sums` reads of it; rest: what is global, encoded."""

    seq: int
    position: int
    engine: Any
    rest: bytes


class Proven(NamedTuple):
    """A copy as the journal keeps it: the state hash and the snapshot, of sums that were zero."""

    seq: int
    position: int
    state_hash: bytes
    blob: bytes


def copy_state(engine: Engine, position: int) -> Copy:
    """Return a copy that later events do not change. position: of the journal, after the engine's last event."""
    market, ledger = engine.market, engine.ledger
    shown = SimpleNamespace(
        market=SimpleNamespace(assets=list(market.assets), instruments=list(market.instruments)),
        ledger=SimpleNamespace(
            balances={name: list(row) for name, row in ledger.balances.items()},
            market_quantity=list(ledger.market_quantity),
            market_cost=list(ledger.market_cost),
        ),
        shards=[SimpleNamespace(book=_copied(shard.book)) for shard in engine.shards],
    )
    return Copy(engine.seq, position, shown, _ENCODER.encode(global_record(engine)))


def _copied(book: Book) -> Book:
    found = copy(book)
    for name, value in vars(book).items():
        if isinstance(value, np.ndarray):
            setattr(found, name, value.copy())
        elif isinstance(value, list):
            setattr(found, name, list(value))
        elif isinstance(value, dict):
            kept = {
                key: dict(each) if isinstance(each, dict) else each for key, each in value.items()
            }
            setattr(found, name, kept)
    return found


def prove(state: Copy, pause: Callable[[float], None] = sleep) -> Proven:
    """Return the snapshot and hash of a copy: byte for byte those of `take_snapshot` and `state_hash`.

    Called in a thread; pauses between slices. InvariantError where the sums are not zero.
    """
    EngineQueries.check_sums(state.engine)
    pause(PAUSE_S)
    records: list[tuple[str, int, bytes]] = []
    for shard in state.engine.shards:
        book, slots = shard.book, shard.book.slot.tolist()
        for row in range(book.units):
            record = _ENCODER.encode(unit_record(book, state.engine.market, row))
            records.append((book.names[row], slots[row], record))
            if len(records) % SLICE_UNITS == 0:
                pause(PAUSE_S)
    records.sort()
    digests = {slot: hashlib.blake2b(digest_size=32) for slot in {slot for _, slot, _ in records}}
    for _, slot, record in records:
        digests[slot].update(record)
    whole = hashlib.blake2b(digest_size=32)
    for slot in range(SLOT_COUNT):
        whole.update(digests[slot].digest() if slot in digests else EMPTY_SLOT)
    whole.update(state.rest)
    units = [msgspec.Raw(record) for _, _, record in records]
    blob = _ENCODER.encode([SNAPSHOT_VERSION, msgspec.Raw(state.rest), units])
    return Proven(state.seq, state.position, whole.digest(), blob)
