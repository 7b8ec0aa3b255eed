"""Copies of an engine: a live one to do things to, and a packed one to come back to.

An official snapshot writes every margin unit by name, which takes a second for ten thousand accounts.
Within one process the columns of the books can be copied as they lie; only the market and what is global
go through the snapshot's own code. A copy has the state hash of its original, and goes on bit for bit.
"""

from __future__ import annotations

import copy
import pickle
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from steelyard.book.state_hash import unit_record
from steelyard.engine.engine import Engine
from steelyard.engine.reservations import reservations_of
from steelyard.engine.snapshot import SNAPSHOT_VERSION, global_record, restore_snapshot
from steelyard.terms import Method

Columns = dict[str, Any]
_PLAIN = (str, int, float, bytes, bool)
_FAST = 1  # of zlib: the columns are mostly zeros, and more effort saves little


class Packed(NamedTuple):
    """An engine as bytes: after which event, how it was made, and everything else compressed."""

    seq: int
    method: Method
    shards: int
    content: bytes


def copy_of(engine: Engine) -> Engine:
    """Return an engine in the same state that shares nothing with the first."""
    return _filled(engine.method, _global(engine), [_columns(s.book) for s in engine.shards])


def copy_of_units(engine: Engine, units: Iterable[str]) -> Engine:
    """Return an engine with the same market and only the named margin units; KeyError for an unknown one.

    Money does not sum to zero in it: it is there to be asked, not to be run.
    """
    records = []
    for name in units:
        shard, row = engine.places[name]
        records.append(unit_record(shard.book, engine.market, row))
    found = Engine(engine.method)
    state = [SNAPSHOT_VERSION, global_record(engine), records]
    restore_snapshot(found, msgspec.msgpack.encode(state))
    return found


def pack(engine: Engine) -> Packed:
    """Return an engine as bytes, for this process alone."""
    content = pickle.dumps(
        (_global(engine), [vars(shard.book) for shard in engine.shards]), pickle.HIGHEST_PROTOCOL
    )
    return Packed(engine.seq, engine.method, len(engine.shards), zlib.compress(content, _FAST))


def unpack(packed: Packed) -> Engine:
    """Return the engine that was packed."""
    state, books = pickle.loads(zlib.decompress(packed.content))
    return _filled(packed.method, state, books)


def _global(engine: Engine) -> bytes:
    return msgspec.msgpack.encode([SNAPSHOT_VERSION, global_record(engine), []])


def _columns(book: object) -> Columns:
    return {name: _copied(value) for name, value in vars(book).items()}


def _copied(value: Any) -> Any:
    """Return a copy that shares nothing that can change."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, _PLAIN) or value is None:
        return value
    if isinstance(value, list) and all(isinstance(each, _PLAIN) for each in value):
        return value.copy()
    if isinstance(value, dict) and all(isinstance(each, _PLAIN) for each in value.values()):
        return value.copy()
    return copy.deepcopy(value)


def _filled(method: Method, state: bytes, books: list[Columns]) -> Engine:
    """Return a new engine from what is global and the columns of its books."""
    engine = Engine(method, len(books))
    restore_snapshot(engine, state)
    for shard, columns in zip(engine.shards, books, strict=True):
        vars(shard.book).update(columns)
        for row, name in enumerate(shard.book.names):
            engine.places[name] = shard, row
        shard.fit()
        shard.require(engine.market, engine.columns, engine.method)
    # When they end is kept beside the books, and these came in behind the snapshot's back.
    engine.controls.restore([], list(reservations_of(engine)))
    return engine
