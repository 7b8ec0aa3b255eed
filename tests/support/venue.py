"""A small venue for tests: an engine with listed assets, three sources and all four kinds.

`Venue` sends events, keeps what was accepted, and answers in short words. Accounts are roles:
`market_maker()`, `hedger()`, `over_leveraged_long()` … return records ready to be loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from steelyard.actions.outcomes import Outcome
from steelyard.book import INSURANCE_FUND, MARKET
from steelyard.decisions import State
from steelyard.engine import Engine
from steelyard.engine.engine import AppendRecord
from steelyard.engine.snapshot import state_hash
from steelyard.margin import AccountRisk
from steelyard.quantities import SteelyardError
from steelyard.terms import AccountRecord, Asset, Instrument, Method, PositionRecord
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Event,
    Fill,
    InstrumentsListed,
    OrderPlaced,
    ParameterChange,
    PriceTick,
    SourceListed,
    TimeTick,
    Transfer,
    VolatilityUpdate,
)
from tests.support.method import load_method

START_US = 1_800_000_000_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
EXPIRY_US = START_US + 30 * DAY_US
STALE_US = 60 * SECOND_US
USD = 10**6  # micro-USDC, and ledger units of USDC
COIN = 10**8  # ledger units of BTC and ETH
SOURCES = {"alpha": "one", "beta": "two", "gamma": "three"}

BTC_LINEAR = "BTC_USDC-PERPETUAL"
ETH_LINEAR = "ETH_USDC-PERPETUAL"
BTC_INVERSE = "BTC-PERPETUAL"
BTC_CALL = "BTC-14FEB27-100000-C"  # settled in coins
BTC_PUT = "BTC_USDC-14FEB27-100000-P"  # settled in USDC

ASSETS = (Asset("BTC", 8, 2), Asset("ETH", 8, 4))
INSTRUMENTS = (
    Instrument(BTC_LINEAR, "perpetual", "BTC", "USDC", False, 4, 2, 10**9),
    Instrument(ETH_LINEAR, "perpetual", "ETH", "USDC", False, 3, 4, 10**9),
    Instrument(BTC_INVERSE, "perpetual", "BTC", "BTC", True, 0, 12, 10**7, contract_usd=100),
    Instrument(
        BTC_CALL, "option", "BTC", "BTC", True, 2, 8, 10**7,
        strike="100000", expiry_us=EXPIRY_US, is_call=True,
    ),
    Instrument(
        BTC_PUT, "option", "BTC", "USDC", False, 2, 6, 10**7,
        strike="100000", expiry_us=EXPIRY_US, is_call=False,
    ),
)  # fmt: skip


class Venue:
    """An engine under test. Time moves only when a test says so."""

    def __init__(
        self,
        shards: int = 1,
        method: Method | None = None,
        append: AppendRecord | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.engine = engine or Engine(method or load_method(), shards, append)
        self.now_us = max(START_US, self.engine.market.time_us)
        self.number = max(self.engine.origin_seqs.values(), default=0)
        self.events: list[Event] = []

    # -- sending ---------------------------------------------------------------------------------

    def make(self, kind: type[Event], *fields: object) -> Event:
        """Return the next event of this sender, now."""
        self.number += 1
        return kind(self.now_us, "test", self.number, *fields)

    def send(self, kind: type[Event], *fields: object) -> list[Outcome]:
        """Submit an event and return what it caused."""
        return self.submit(self.make(kind, *fields))

    def submit(self, event: Event) -> list[Outcome]:
        """Submit a ready event and return what it caused."""
        outcomes = self.engine.submit(event).outcomes
        self.events.append(event)
        return outcomes

    def wait(self, microseconds: int = SECOND_US) -> None:
        """Let time pass; the next event carries it."""
        self.now_us += microseconds

    def tick(self, microseconds: int = 0) -> list[Outcome]:
        """Let time pass and tell the engine."""
        self.wait(microseconds)
        return self.send(TimeTick)

    def quote(self, source: str, asset: str, price: float) -> list[Outcome]:
        """Let one source say a price."""
        return self.send(PriceTick, source, asset, price, self.now_us)

    def price(self, asset: str, price: float) -> list[Outcome]:
        """Let all three sources say a price."""
        return [o for source in SOURCES for o in self.quote(source, asset, price)]

    def volatility(self, sigma: float = 0.5) -> list[Outcome]:
        """Mark both options."""
        names = [BTC_CALL, BTC_PUT]
        return self.send(VolatilityUpdate, "BTC", names, [sigma] * 2, [1.0] * 2, self.now_us)

    def open(self, *records: AccountRecord) -> list[Outcome]:
        """Load accounts."""
        return self.send(AccountsLoaded, list(records))

    def fill(
        self, instrument: str, buyer: str, seller: str, lots: int, price: float,
        buy_order: str = "", sell_order: str = "",
    ) -> list[Outcome]:  # fmt: skip
        """Let two accounts trade."""
        return self.send(Fill, instrument, buyer, seller, lots, price, buy_order, sell_order)

    def order(
        self, account: str, order: str, instrument: str, lots: int, price: float
    ) -> list[Outcome]:
        """Place an order."""
        return self.send(OrderPlaced, account, order, instrument, lots, price)

    def transfer(self, source: str, target: str, asset: str, amount: int) -> list[Outcome]:
        """Move money."""
        return self.send(Transfer, source, target, asset, amount)

    def parameter(self, path: str, value_json: str) -> list[Outcome]:
        """Change the method."""
        return self.send(ParameterChange, path, value_json)

    def protect(self, asset: str) -> list[Outcome]:
        """Let every source of one asset go stale, all others speaking on at their prices."""
        market = self.engine.market
        others = [a.name for a in market.assets[1:] if a.name != asset]
        prices = {name: market.index_price(market.asset_slots[name]) for name in others}
        self.wait(STALE_US + 1)
        return [o for name, price in prices.items() for o in self.price(name, price)]

    @contextmanager
    def refuses(self, code: str) -> Iterator[None]:
        """Expect a refusal with a code, a rule and a cure, and nothing changed by it."""
        before, number = state_hash(self.engine), len(self.events)
        with pytest.raises(SteelyardError) as caught:
            yield
        error = caught.value
        assert error.code == code, str(error)
        assert error.message
        assert error.rule
        assert error.cure
        assert "Cure: " in str(error)
        assert state_hash(self.engine) == before
        assert len(self.events) == number

    # -- asking ----------------------------------------------------------------------------------

    def state(self, unit: str) -> State:
        """Return the state of a unit."""
        book, row = self.engine.venue.find(unit)
        return State(int(book.state[row]))

    def risk(self, unit: str) -> AccountRisk:
        """Return the risk of a unit."""
        return self.engine.risk_of(unit)

    def balance(self, account: str, asset: str = "USDC") -> int:
        """Return a balance in ledger units."""
        return self.engine.balance(account, self.engine.market.asset_slots[asset])

    def position(self, unit: str, instrument: str) -> tuple[int, int]:
        """Return lots and cost."""
        book, row = self.engine.venue.find(unit)
        return book.position(row, self.slot(instrument))

    def orders(self, unit: str) -> dict[str, int]:
        """Return the open lots of each resting order."""
        book, row = self.engine.venue.find(unit)
        return {o.order: o.quantity for o in book.orders_of(row)}

    def slot(self, instrument: str) -> int:
        """Return the slot of an instrument."""
        return self.engine.market.instrument_slots[instrument]

    def mark(self, instrument: str) -> int:
        """Return its mark in mark units."""
        return int(self.engine.market.mark_units[self.slot(instrument)])

    def hash(self) -> bytes:
        """Return the state hash."""
        return state_hash(self.engine)


def listings(venue: Venue) -> None:
    """List assets, sources and instruments; nothing has a price yet."""
    for asset in ASSETS:
        venue.send(AssetListed, asset)
    for asset in ASSETS:
        for source, operator in SOURCES.items():
            venue.send(SourceListed, source, asset.name, operator, 1, STALE_US)
    venue.send(InstrumentsListed, list(INSTRUMENTS))


def open_venue(shards: int = 1, method: Method | None = None, **more: object) -> Venue:
    """Return a venue with BTC at 100,000, ETH at 4,000 and options marked at 50 %."""
    venue = Venue(shards, method, **more)  # type: ignore[arg-type]
    listings(venue)
    venue.price("BTC", 100_000.0)
    venue.price("ETH", 4_000.0)
    venue.volatility()
    return venue


def held(instrument: str, quantity: int, entry_mark: int = 0, margin: int = 0) -> PositionRecord:
    """Return a position as it is loaded."""
    return PositionRecord(instrument, quantity, entry_mark, margin)


# -- roles ---------------------------------------------------------------------------------------

LINEAR_100K = 100_000 * 100  # mark of the linear BTC perpetual at 100,000
INVERSE_100K = -(10**9)  # −100 USD·10^12/100,000


def over_leveraged_long(name: str = "long", margin_usd: int = 2_000, btc: int = 1) -> AccountRecord:
    """Cross; long `btc` BTC at 100,000 on a thin cushion."""
    positions = [held(BTC_LINEAR, btc * 10_000, LINEAR_100K)]
    return AccountRecord(name, "cross", {"USDC": margin_usd * USD}, positions)


def over_leveraged_short(
    name: str = "short", margin_usd: int = 2_000, btc: int = 1
) -> AccountRecord:
    """Cross; short `btc` BTC at 100,000."""
    positions = [held(BTC_LINEAR, -btc * 10_000, LINEAR_100K)]
    return AccountRecord(name, "cross", {"USDC": margin_usd * USD}, positions)


def isolated_long(name: str = "iso", margin_usd: int = 2_000) -> AccountRecord:
    """Isolated; 10,000 USDC, of which some stand behind one long BTC."""
    positions = [held(BTC_LINEAR, 10_000, LINEAR_100K, margin_usd * USD)]
    return AccountRecord(name, "isolated", {"USDC": 10_000 * USD}, positions)


def coin_miner(name: str = "miner", coins: int = COIN // 10, contracts: int = 300) -> AccountRecord:
    """Cross; coins as collateral, long inverse contracts of 100 USD at 100,000."""
    positions = [held(BTC_INVERSE, contracts, INVERSE_100K)]
    return AccountRecord(name, "cross", {"BTC": coins}, positions)


def option_writer(name: str = "writer", usd: int = 40_000) -> AccountRecord:
    """Portfolio; short two coin-settled calls and one USDC put."""
    positions = [held(BTC_CALL, -200), held(BTC_PUT, -100)]
    return AccountRecord(name, "portfolio", {"USDC": usd * USD}, positions)


def hedger(name: str = "hedger", usd: int = 2_000, btc: int = 1) -> AccountRecord:
    """Portfolio; long linear against short inverse of the same notional."""
    positions = [
        held(BTC_LINEAR, btc * 10_000, LINEAR_100K),
        held(BTC_INVERSE, -btc * 1_000, INVERSE_100K),
    ]
    return AccountRecord(name, "portfolio", {"USDC": usd * USD}, positions)


def market_maker(name: str = "maker", usd: int = 5_000_000) -> AccountRecord:
    """Portfolio; rich, flat."""
    return AccountRecord(name, "portfolio", {"USDC": usd * USD, "BTC": 10 * COIN}, [])


def fund_with(venue: Venue, usd: int) -> None:
    """Pay into the insurance fund from the world."""
    venue.transfer("external", INSURANCE_FUND, "USDC", usd * USD)


__all__ = [
    "ASSETS", "BTC_CALL", "BTC_INVERSE", "BTC_LINEAR", "BTC_PUT", "COIN", "DAY_US", "ETH_LINEAR",
    "EXPIRY_US", "INSTRUMENTS", "INVERSE_100K", "LINEAR_100K", "MARKET", "SECOND_US", "SOURCES",
    "STALE_US", "START_US", "USD", "Venue", "coin_miner", "fund_with", "hedger", "held",
    "isolated_long", "listings", "market_maker", "open_venue", "option_writer",
    "over_leveraged_long", "over_leveraged_short",
]  # fmt: skip
