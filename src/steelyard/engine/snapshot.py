"""Snapshots and the state hash: the whole state of the engine in names, integers and exact floats.

A snapshot is msgpack; restoring it gives an engine that goes on bit for bit as the one that wrote
it, with any number of shards. The state hash covers the same state: one hash per slot over integers
and names, and one over what is global.
"""

from __future__ import annotations

import hashlib
from bisect import insort
from typing import TYPE_CHECKING, Any, cast

import msgspec

from steelyard.book import SLOT_COUNT, RestingOrder
from steelyard.book.state_hash import slot_hashes, unit_record
from steelyard.engine.reservations import reservations_of
from steelyard.marks import SurfaceColumns
from steelyard.marks.funding import Premium
from steelyard.marks.implied_guard import ImpliedGuard
from steelyard.marks.liquidity import LiquidityState
from steelyard.marks.settlement import note_expiry
from steelyard.marks.signals import SignalState
from steelyard.marks.volatility import VolatilityState
from steelyard.quantities import JournalError
from steelyard.terms import FULL_MODES, Asset, Instrument, Method
from steelyard.ticks import HestonUpdate, SurfaceUpdate

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine

SNAPSHOT_VERSION = 4
EMPTY_SLOT = bytes(32)

_ENCODER = msgspec.msgpack.Encoder(order="deterministic")

MARKET_COLUMNS = (
    "index_units",
    "is_protected",
    "age_ppm",
    "implied_age_ppm",
    "quote_rate",
)
INSTRUMENT_COLUMNS = (
    "mark_units",
    "has_mark",
    "is_settled",
    "basis_ppb",
    "volatility",
    "forward_ratio",
)


def state_hash(engine: Engine) -> bytes:
    """Return the 32-byte hash of the engine's state: 256 slot hashes, then what is global.

    It does not depend on the number of shards, the order of loading, or the layout in memory.
    """
    hashes: dict[int, bytes] = {}
    for shard in engine.shards:
        hashes.update(slot_hashes(shard.book, engine.market))
    digest = hashlib.blake2b(digest_size=32)
    for slot in range(SLOT_COUNT):
        digest.update(hashes.get(slot, EMPTY_SLOT))
    digest.update(_ENCODER.encode(global_record(engine)))
    return digest.digest()


def global_record(engine: Engine) -> dict[str, Any]:
    """Return everything that is not in a slot, ready to encode."""
    market = engine.market
    assets, instruments = len(market.assets), len(market.instruments)
    controls = engine.controls.record()
    # A venue without controls has the hash it had before there were any.
    also = {"controls": controls} if controls else {}
    return also | {
        "seq": engine.seq,
        "time_us": market.time_us,
        "method": msgspec.to_builtins(engine.method),
        "origins": sorted(engine.origin_seqs.items()),
        "assets": market.assets[1:],
        "instruments": market.instruments,
        "operators": list(market.operators.items()),
        "indices": [index.record() for index in market.indices],
        "changes_at_us": market.changes_at_us,
        "quote_time_us": sorted(market.quote_time_us.items()),
        "decayed_us": market.decayed_us,
        "implied": [(a, market.implied[a].record()) for a in sorted(market.implied)],
        "liquidity": market.liquidity.record(),
        "volatilities": market.volatilities.record(),
        "signals": market.signals.record(),
        "premiums": [(slot, market.premiums[slot].record()) for slot in sorted(market.premiums)],
        "averages": [
            [*key, str(total), covered] for key, (total, covered) in sorted(market.averages.items())
        ],
        "asset_columns": {n: getattr(market, n)[:assets].tolist() for n in MARKET_COLUMNS},
        "instrument_columns": {
            n: getattr(market, n)[:instruments].tolist() for n in INSTRUMENT_COLUMNS
        },
        "surfaces": [market.surfaces[a].update for a in sorted(market.surfaces)],
        "heston": [market.heston[a] for a in sorted(market.heston)],
        "valued_at_us": sorted(engine.valued_at_us.items()),
        "expiries": engine.expiries,
        "ledger": sorted(engine.ledger.balances.items()),
        "market_quantity": engine.ledger.market_quantity,
        "market_cost": engine.ledger.market_cost,
        "depth": sorted(engine.depth.taken.items()),
        "needs_pass": engine.needs_pass or any(shard.acting for shard in engine.shards),
    }


def take_snapshot(engine: Engine) -> bytes:
    """Return the engine's state as bytes."""
    units = [
        unit_record(shard.book, engine.market, row)
        for shard in engine.shards
        for row in range(shard.book.units)
    ]
    units.sort(key=lambda record: cast(str, record[0]))
    return _ENCODER.encode([SNAPSHOT_VERSION, global_record(engine), units])


def restore_snapshot(engine: Engine, blob: bytes) -> None:
    """Fill a new engine with the state of a snapshot.

    Errors: JOUR-E20 when the blob is of another version or not a snapshot.
    """
    assert engine.seq == 0, "a snapshot is restored into a new engine"
    try:
        version, state, units = msgspec.msgpack.decode(blob)
        if version != SNAPSHOT_VERSION:
            raise ValueError(f"snapshot version {version}")
        _restore_market(engine, state)
        _restore_global(engine, state)
        _restore_units(engine, units)
        _restore_controls(engine, state.get("controls", []))
    except (msgspec.DecodeError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise JournalError(
            "JOUR-E20",
            f"the snapshot cannot be restored: {error}",
            rule=f"a snapshot is of version {SNAPSHOT_VERSION}",
            cure="replay the journal from its first record",
        ) from error
    for time_us in sorted({t for _, t in state["valued_at_us"]}):  # tidy-ok: sorted
        engine.market.time_us = time_us
        engine.revalue([asset for asset, t in state["valued_at_us"] if t == time_us])
    # Revaluing writes option marks too: they come out as they were, at the time they were made.
    engine.market.time_us = state["time_us"]
    for shard in engine.shards:
        shard.require(engine.market, engine.columns, engine.method)


def _restore_market(engine: Engine, state: dict[str, Any]) -> None:
    market = engine.market
    for asset in state["assets"]:
        market.list_asset(msgspec.convert(asset, Asset))
    for instrument in state["instruments"]:
        market.list_instrument(msgspec.convert(instrument, Instrument))
    market.operators = dict(state["operators"])
    for asset, record in enumerate(state["indices"]):
        market.restore_index(asset, record)
    market.decayed_us = state["decayed_us"]
    market.implied = {a: ImpliedGuard.restore(record) for a, record in state["implied"]}
    market.liquidity = LiquidityState.restore(state["liquidity"])
    market.volatilities = VolatilityState.restore(state["volatilities"])
    market.signals = SignalState.restore(state["signals"])
    market.premiums = {slot: Premium.restore(record) for slot, record in state["premiums"]}
    market.averages = {
        (expiry_us, asset): (int(total), covered)
        for expiry_us, asset, total, covered in state["averages"]
    }
    market.changes_at_us = list(state["changes_at_us"])
    market.quote_time_us = dict(state["quote_time_us"])
    for record in state["surfaces"]:
        surface = msgspec.convert(record, SurfaceUpdate)
        market.surfaces[market.asset_slots[surface.underlying]] = SurfaceColumns(surface)
    for record in state["heston"]:
        heston = msgspec.convert(record, HestonUpdate)
        market.heston[market.asset_slots[heston.underlying]] = heston
    for names, columns in (
        (MARKET_COLUMNS, state["asset_columns"]),
        (INSTRUMENT_COLUMNS, state["instrument_columns"]),
    ):
        for name in names:
            getattr(market, name)[: len(columns[name])] = columns[name]


def _restore_global(engine: Engine, state: dict[str, Any]) -> None:
    engine.seq = state["seq"]
    engine.origin_seqs = dict(state["origins"])
    engine.widen()
    engine.set_method(msgspec.convert(state["method"], Method))
    for expiry_us, slot in state["expiries"]:
        insort(engine.expiries, (expiry_us, slot))
        note_expiry(engine.market, int(engine.market.underlying_of[slot]), expiry_us)
    engine.ledger.balances = {name: list(row) for name, row in state["ledger"]}
    engine.ledger.market_quantity = list(state["market_quantity"])
    engine.ledger.market_cost = list(state["market_cost"])
    engine.depth.taken = {tuple(key): tuple(value) for key, value in state["depth"]}
    engine.needs_pass = state["needs_pass"]


def _restore_units(engine: Engine, units: list[Any]) -> None:
    market = engine.market
    for name, mode, state, next_action_us, balances, positions, orders in units:
        book, row = engine.add_unit(name, FULL_MODES[mode])
        book.state[row] = state
        book.next_action_us[row] = next_action_us
        for asset, amount in balances:
            book.balances[row, market.asset_slots[asset]] = amount
        for instrument, lots, cost in positions:
            slot = market.instrument_slots[instrument]
            book.set_position(row, slot, lots, cost, market.underlying_of)
        for order, instrument, quantity, price_mark, *expires_us in orders:
            slot = market.instrument_slots[instrument]
            book.put_order(row, RestingOrder(order, slot, quantity, price_mark, *expires_us))


def _restore_controls(engine: Engine, record: list[Any]) -> None:
    engine.controls.restore(record, list(reservations_of(engine)))
    for override in engine.controls.open_overrides:
        if override.kind == "protect_asset" and override.state == "active":
            engine.market.ordered_protection[engine.market.asset_slots[override.subject]] = None
