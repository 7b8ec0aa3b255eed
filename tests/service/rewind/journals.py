"""Real journals for the tests: a market that falls, accounts that are near the edge, all written by an engine."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from steelyard.cli.session import Session
from steelyard.cli.wiring import simulated_session
from steelyard.engine.engine import Engine
from steelyard.engine.snapshot import state_hash
from steelyard.terms import AccountRecord
from steelyard.terms.account import PositionRecord
from steelyard.ticks import TimeTick

SEED, POPULATION, SECONDS, FALL_AFTER_S = 7, 40, 12, 2.0
LEVERAGES = (8, 25, 60, 80, 109, 110, 200)


class Played(NamedTuple):
    """A journal that was written: state hashes live after some events, and the last event."""

    path: Path
    hashes: dict[int, bytes]
    last_seq: int


def begun(path: Path, *, shards: int = 1, population: int = POPULATION) -> Session:
    """Return a session whose market is listed and whose accounts are loaded, those near the edge among them."""
    session = simulated_session(
        SEED, f"population:{population}", SECONDS, "crash", shards, path, None, 1_000_000,
        lambda _: None, fall_after_s=FALL_AFTER_S,
    )  # fmt: skip
    session.load([edge for leverage in LEVERAGES for edge in edges(session.engine, leverage)])
    return session


def edges(engine: Engine, leverage: int) -> list[AccountRecord]:
    """Return a long and a short of one bitcoin at so much leverage, and the long in an isolated unit."""
    market = engine.market
    slot = market.instrument_slots["BTC_USDC-PERPETUAL"]
    terms = market.instruments[slot]
    lots = 10**terms.lot_exponent
    mark = int(market.mark_units[slot])
    usdc = int(market.index_price(market.asset_slots["BTC"]) / leverage * 1e6)
    cash = {"USDC": usdc}
    return [
        AccountRecord(f"long-{leverage}", "cross", cash, [PositionRecord(terms.name, lots, mark)]),
        AccountRecord(f"short-{leverage}", "cross", cash, [PositionRecord(terms.name, -lots, mark)]),
        AccountRecord(
            f"alone-{leverage}", "isolated", cash,
            [PositionRecord(terms.name, lots, mark, usdc // 2)],
        ),
    ]  # fmt: skip


def play(
    path: Path, *, shards: int = 1, hash_every: int = 37, checkpoint_every: int = 150,
    snapshot_every: int = 400,
) -> Played:  # fmt: skip
    """Write a whole journal and return what its states were."""
    session = begun(path, shards=shards)
    hashes: dict[int, bytes] = {}
    for count, step in enumerate(session.steps(), 1):
        if step.seq % hash_every == 0:
            hashes[step.seq] = state_hash(session.engine)
        if count % checkpoint_every == 0:
            session.journaled.checkpoint()
        if count % snapshot_every == 0:
            session.journaled.snapshot()
    session.finish()
    hashes[session.engine.seq] = state_hash(session.engine)
    last = session.engine.seq
    assert session.tally.liquidated, "nobody was liquidated: the journal is too tame"
    session.journaled.close()
    return Played(path, hashes, last)


def tick(session: Session, number: int) -> int:
    """Let a millisecond pass in a session's engine; return the event."""
    now_us = session.engine.market.time_us
    return session.engine.submit(TimeTick(now_us + 1_000, "test-clock", number)).seq
