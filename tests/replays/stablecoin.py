"""USDe on 10 October 2025 as collateral: two venues that disagree, and accounts that stand on it.

Binance is heard bar by bar: the open, low, high and close of a minute, a quarter of a minute apart (the order within a
minute is not on record). Uniswap is heard block by block. The accounts hold perpetuals of SKY, whose spot venues
agreed for nearly all of that time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from steelyard.actions import Outcome
from steelyard.feeds import RecordedMarket, open_market
from steelyard.terms import AccountRecord, Method, PositionRecord
from steelyard.terms.listing import asset_for
from steelyard.ticks import Event, SourceListed
from tests.replays.speakers import (
    SECOND_US,
    STALE_US,
    Speaker,
    Word,
    clock,
    median_speaker,
    spot_speakers,
)
from tests.replays.stage import Performance, house, perform

USDE, HELD = "USDE", "SKY"
FROM_US, TO_US = clock(21, 18), clock(22, 10)
FOLDER = "oct10_2025"
ACCOUNTS = 300
UNITS = 10**8  # ledger units of one USDe
MONEY = 10_000


@cache
def hour(folder: Path) -> RecordedMarket:
    """Return the hour around the fall of USDe, with USDe among its assets."""
    market = open_market(folder, FROM_US, TO_US)
    assets = [*market.assets, asset_for(USDE, 1.0)]
    return RecordedMarket(**{
        name: getattr(market, name) for name in RecordedMarket.__dataclass_fields__
    } | {"assets": assets})  # fmt: skip


def binance(folder: Path) -> Speaker:
    """Return what the centralised venue said."""
    words = []
    for bar in pq.read_table(folder / FOLDER / "usde_binance_USDEUSDT_1m.parquet").to_pylist():
        open_us = round(bar["ts"].timestamp()) * SECOND_US
        for part, name in enumerate(("open", "low", "high", "close"), 1):
            at_us = open_us + part * 15 * SECOND_US
            words.append(Word(at_us, at_us, bar[name]))
    return _speaker("binance:USDEUSDT", "binance", words)


def uniswap(folder: Path) -> Speaker:
    """Return what the pool said."""
    rows = pq.read_table(folder / FOLDER / "usde_uniswap_v3_per_block.parquet").to_pylist()
    at = [round(row["ts"].timestamp()) * SECOND_US for row in rows]
    words = [Word(t, t, r["price_usdt_per_usde"]) for t, r in zip(at, rows, strict=True)]
    return _speaker("uniswap:USDE-USDT", "uniswap", words)


def _speaker(name: str, operator: str, words: list[Word]) -> Speaker:
    listed = SourceListed(0, "replay", 1, name, USDE, operator, 1, STALE_US)
    before = [word for word in words if word.known_us < FROM_US][-1]
    heard = [word for word in words if FROM_US <= word.known_us < TO_US]
    return Speaker(listed, [Word(FROM_US, before.exchange_us, before.price), *heard])


def accounts(folder: Path) -> list[AccountRecord]:
    """Return cross accounts with USDe and nothing else behind a perpetual, from careful to thin."""
    market = hour(folder)
    rng = random.Random(21_54)
    instrument = next(each for each in market.instruments if each.name == f"{HELD}_USDC-PERPETUAL")
    price = market.first_prices[HELD]
    entry = round(price * 10**instrument.mark_exponent)
    made = []
    for number in range(ACCOUNTS):
        leverage = 0.5 + 7.0 * rng.random()
        lots = round(MONEY * leverage / price * 10**instrument.lot_exponent)
        side = 1 if number % 2 else -1
        position = PositionRecord(instrument.name, side * lots, entry)
        made.append(AccountRecord(f"usde-{number:03}", "cross", {USDE: MONEY * UNITS}, [position]))
    return made


def method_with(**rules: int) -> Method:
    """Return the method of the house with other index rules for USDe alone."""
    method = house()
    own = msgspec.structs.replace(method.index_rules(USDE), **rules)
    return msgspec.structs.replace(method, index={**method.index, USDE: own})


def stand(
    folder: Path,
    *speakers: Speaker,
    quorum: int = 2,
    after: Callable[[Performance, Event, list[Outcome]], None] | None = None,
) -> Performance:
    """Return what became of the accounts with these speakers of USDe; SKY follows its spot median."""
    market = hour(folder)
    spot = spot_speakers(market, [HELD])
    scene = {HELD: [median_speaker(HELD, spot[HELD], FROM_US, TO_US)], USDE: list(speakers)}
    method = method_with(quorum_sources=quorum, quorum_operators=quorum)
    held = msgspec.structs.replace(method.index_rules(HELD), quorum_sources=1, quorum_operators=1)
    method = msgspec.structs.replace(method, index={**method.index, HELD: held})
    return perform(market, scene, method, accounts(folder), has_quotes=False, after=after)
