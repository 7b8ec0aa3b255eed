"""Hashes of the book: one per slot, over integers and names in a fixed order, so the same for any
split of the slots over shards."""

from __future__ import annotations

import hashlib

import msgspec

from steelyard.book.columns import Book
from steelyard.marks import MarketState

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def slot_hash(book: Book, market: MarketState, slot: int) -> bytes:
    """Return the 32-byte hash of the units of one slot, ordered by name."""
    rows = [row for row in range(book.units) if book.slot[row] == slot]
    return hash_rows(book, market, rows)


def slot_hashes(book: Book, market: MarketState) -> dict[int, bytes]:
    """Return the hash of every slot that has a unit in this book."""
    rows_of: dict[int, list[int]] = {}
    for row, slot in enumerate(book.slot[: book.units].tolist()):
        rows_of.setdefault(slot, []).append(row)
    return {slot: hash_rows(book, market, rows) for slot, rows in sorted(rows_of.items())}


def hash_rows(book: Book, market: MarketState, rows: list[int]) -> bytes:
    """Return the hash of the named rows, each as `unit_record` writes it, ordered by name."""
    digest = hashlib.blake2b(digest_size=32)
    for row in sorted(rows, key=book.names.__getitem__):
        digest.update(_ENCODER.encode(unit_record(book, market, row)))
    return digest.digest()


def unit_record(book: Book, market: MarketState, row: int) -> list[object]:
    """Return what a margin unit is, in names and integers; a snapshot stores the same record."""
    balances = [
        [market.assets[asset].name, amount]
        for asset, amount in enumerate(book.balances[row, : book.asset_count].tolist())
        if amount
    ]
    positions = [
        [market.instruments[slot].name, lots, cost] for slot, lots, cost in book.positions(row)
    ]
    orders = [
        [o.order, market.instruments[o.instrument].name, o.quantity, o.price_mark]
        + ([o.expires_us] if o.expires_us else [])
        for o in book.orders_of(row)
    ]
    return [
        book.names[row],
        int(book.mode[row]),
        int(book.state[row]),
        int(book.next_action_us[row]),
        balances,
        positions,
        orders,
    ]
