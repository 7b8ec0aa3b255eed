"""A long deterministic list of admitted events, with faults, crashes, orders and expiries in it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from steelyard.book import MARKET
from steelyard.engine import Engine
from steelyard.engine.engine import encode_outcomes
from steelyard.engine.snapshot import state_hash
from steelyard.quantities import SteelyardError
from steelyard.ticks import Event, Funding, OrderCancelled
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    ETH_LINEAR,
    SOURCES,
    STALE_US,
    USD,
    Venue,
    coin_miner,
    fund_with,
    hedger,
    isolated_long,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
    over_leveraged_short,
)

TRADED = {BTC_LINEAR: "BTC", ETH_LINEAR: "ETH", BTC_INVERSE: "BTC"}


class Script:
    """Draws events from a seed; each is kept when the engine admits it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.venue = open_venue()
        self.prices = {"BTC": 100_000.0, "ETH": 4_000.0}
        fund_with(self.venue, 10_000)
        self.venue.open(market_maker(), market_maker("other"), hedger(), option_writer(usd=60_000))
        self.newcomers = 0
        self.accounts = ["maker", "other", "hedger", "writer"]

    def run(self, count: int) -> list[Event]:
        """Return `count` events that were all admitted, in order."""
        steps = (
            (self.move, 60), (self.fault, 3), (self.silence, 1), (self.trade, 8), (self.order, 8),
            (self.cancel, 3), (self.transfer, 4), (self.newcomer, 4), (self.fund, 2), (self.mark, 3),
            (self.change, 1),
        )  # fmt: skip
        names, weights = zip(*steps, strict=True)
        while len(self.venue.events) < count:
            (step,) = self.random.choices(names, weights)
            self.venue.wait(self.random.randrange(400_000))
            try:
                step()
            except SteelyardError:
                self.venue.number -= 1
        return self.venue.events[:count]

    def move(self) -> None:
        """Walk a price, sometimes jump; each source says it with its own small error."""
        asset = self.random.choice(list(self.prices))
        jump = self.random.choice((-0.04, -0.02, 0.02)) if self.random.random() < 0.05 else 0.0
        self.prices[asset] *= 1 + jump + self.random.gauss(0, 0.002)
        for source in SOURCES:
            price = self.prices[asset] * (1 + self.random.gauss(0, 0.0001))
            self.venue.quote(source, asset, round(price, 4))

    def fault(self) -> None:
        """One venue is far off."""
        asset = self.random.choice(list(self.prices))
        factor = self.random.choice((0.3, 0.6, 1.5, 4.0))
        self.venue.quote(self.random.choice(list(SOURCES)), asset, self.prices[asset] * factor)

    def silence(self) -> None:
        """Nobody says a price until all are stale."""
        self.venue.tick(STALE_US + self.random.randrange(10_000_000))

    def trade(self) -> None:
        """Two accounts trade at the market."""
        instrument = self.random.choice([*TRADED, BTC_CALL, BTC_PUT])
        buyer, seller = self.random.sample([*self.accounts, MARKET], 2)
        lots = self.random.randrange(1, 3_000 if instrument in TRADED else 40)
        self.venue.fill(instrument, buyer, seller, lots, self.price_of(instrument))

    def order(self) -> None:
        """An account rests an order, or replaces one."""
        instrument = self.random.choice([*TRADED, BTC_CALL])
        lots = self.random.choice((-1, 1)) * self.random.randrange(1, 2_000)
        price = self.price_of(instrument) * self.random.uniform(0.95, 1.05)
        name = f"order{self.random.randrange(4)}"
        self.venue.order(self.random.choice(self.accounts), name, instrument, lots, price)

    def cancel(self) -> None:
        """An order is cancelled, if it rests."""
        name = f"order{self.random.randrange(4)}"
        self.venue.send(OrderCancelled, self.random.choice(self.accounts), name)

    def transfer(self) -> None:
        """Money moves in, out or across."""
        source, target = self.random.sample([*self.accounts, "external", "insurance_fund"], 2)
        asset = self.random.choice(("USDC", "BTC"))
        self.venue.transfer(source, target, asset, self.random.randrange(1, 3_000 * USD))

    def newcomer(self) -> None:
        """A leveraged account opens at today's marks."""
        self.newcomers += 1
        name = f"new{self.newcomers}"
        make = self.random.choice(
            (over_leveraged_long, over_leveraged_short, isolated_long, coin_miner)
        )
        record = make(name)
        at_mark = [
            type(p)(p.instrument, p.quantity, self.venue.mark(p.instrument), p.isolated_margin)
            for p in record.positions
        ]
        self.venue.open(type(record)(name, record.mode, record.balances, at_mark))
        self.accounts.append(name)

    def fund(self) -> None:
        """A perpetual pays funding."""
        rate_ppb = self.random.randrange(-500_000, 500_000)
        self.venue.send(Funding, self.random.choice(list(TRADED)), rate_ppb)

    def mark(self) -> None:
        """Options get another volatility."""
        self.venue.volatility(round(self.random.uniform(0.3, 1.2), 3))

    def change(self) -> None:
        """A parameter changes."""
        range_ppm = self.random.choice((120_000, 150_000, 200_000))
        self.venue.parameter("underlying.BTC.range_ppm", str(range_ppm))

    def price_of(self, instrument: str) -> float:
        """Return a price near the mark."""
        if instrument in TRADED:
            return round(self.prices[TRADED[instrument]], 2)
        exponent = 8 if instrument == BTC_CALL else 6
        return max(0.0001, self.venue.mark(instrument) / 10**exponent)


def scripted_events(count: int, seed: int = 20) -> list[Event]:
    """Return `count` events that a new engine admits one after the other."""
    return Script(seed).run(count)


def outcomes_and_hashes(
    events: Sequence[Event], every: int = 1, shards: int = 1
) -> tuple[list[bytes], dict[int, bytes]]:
    """Return the outcome bytes of every event, and the state hash after every so many."""
    engine = Engine(load_method(), shards)
    outcomes, hashes = [], {0: state_hash(engine)}
    for event in events:
        caused = engine.submit(event).outcomes
        outcomes.append(encode_outcomes(caused) if caused else b"")
        if engine.seq % every == 0:
            hashes[engine.seq] = state_hash(engine)
    hashes[engine.seq] = state_hash(engine)
    return outcomes, hashes


def play(venue: Venue, events: Sequence[Event]) -> bytes:
    """Submit events and return the state hash after the last."""
    for event in events:
        venue.submit(event)
    return venue.hash()
