"""From the events of a driver to the events of an engine: assets are listed when their prices are known.

The scales of an asset are chosen from a price, so what its sources say is held back (the last word of each)
until all of them have spoken, or a while has passed and some have; then the asset, its sources, its
perpetuals and what was held back follow each other. A currency that others quote in is listed at once, at
the scale of 1 USD. For an engine that goes on (`Past`) what it has listed keeps its scales and is not listed
again, but for sources, whose terms are those of the document. All events leave with one origin, rising numbers
and times that never fall, and with a TimeTick for every whole second that passed. The same events in give the
same events out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median
from typing import NamedTuple

import msgspec

from steelyard.feeds.live.config import FeedsConfig, refused
from steelyard.feeds.market import PerpetualPlan
from steelyard.terms import Asset, Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET, USDC
from steelyard.terms.listing import asset_for
from steelyard.ticks.bounds import PRICE_MAX
from steelyard.ticks.events import (
    AssetListed,
    BookTick,
    Event,
    InstrumentsListed,
    OpenInterestTick,
    PriceBatch,
    PriceTick,
    QuoteTick,
    SourceListed,
    SourcePrice,
    SourceStatus,
    TimeTick,
    TradeTick,
)

ORIGIN = "live"
WAIT_US = 10_000_000
SECOND_US = 1_000_000
IDLE_LAG_US = 250_000
"""Without events a second is told this long after it ended: none of its events is on its way then."""


class Past(NamedTuple):
    """What an engine that goes on has already.

    assets, instruments: by name. seq: the last number of the origin `live`. time_us: the engine's time.
    """

    assets: dict[str, Asset]
    instruments: dict[str, Instrument]
    seq: int = 0
    time_us: int = 0


class LiveListing:
    """Holds back what belongs to assets that cannot be listed yet, and passes on the rest.

    wait_us: after so long an asset is listed with the sources that have spoken, if any has. past: of an engine that
    goes on.
    Errors: FCLI-E04 where a quote currency has no sources, or an instrument is no perpetual of the document.
    """

    def __init__(
        self, config: FeedsConfig, *, wait_us: int = WAIT_US, past: Past | None = None
    ) -> None:
        check_for_engine(config)
        self.config = config
        self.wait_us = wait_us
        self._past = past or Past({}, {})
        self.assets: dict[str, Asset] = {}
        self.instruments: dict[str, Instrument] = {}
        self._listed_as: dict[str, SourceListed] = {}
        self._sources: dict[str, list[SourceListed]] = {}
        self._statuses: dict[str, dict[str, SourceStatus]] = {}
        self._prices: dict[str, dict[str, SourcePrice]] = {}
        self._books: dict[str, dict[str, BookTick]] = {}
        self._quotes: dict[str, QuoteTick] = {}
        self._quoted_in = {row.quote for row in config.sources} | {
            row.quote for row in config.books
        }
        self._began_us = -1
        self._seq = self._past.seq
        self._time_us = self._past.time_us
        self._next_second_us = 0
        self._clock_seq = 0

    @property
    def pending(self) -> list[str]:
        """Return the assets that are not listed yet, in the order of the document."""
        return [name for name in self._sources if name not in self.assets]

    def is_open(self, now_us: int) -> bool:
        """Return whether all assets are listed, or the wait is over and some besides quote currencies are."""
        if not self.assets.keys() - self._quoted_in:
            return False
        return not self.pending or now_us - self._began_us >= self.wait_us

    def seconds(self, now_us: int) -> Iterator[Event]:
        """Yield a TimeTick for every whole second that has passed."""
        if self._began_us < 0:
            return
        while self._next_second_us <= now_us:
            at_us = self._next_second_us
            self._next_second_us += SECOND_US
            self._time_us = max(self._time_us, at_us)
            yield TimeTick(at_us, "clock", at_us)

    def take(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yield what an engine is to take of the events of one drain, clock ticks and listings included."""
        now_us = 0
        for event in events:
            now_us = event.time_us
            if self._began_us < 0:
                self._began_us = now_us
                self._next_second_us = (now_us // SECOND_US + 1) * SECOND_US
            yield from self.seconds(now_us)
            yield from self._pass(event)
        if now_us:
            for name in self.pending:
                yield from self._list(name, now_us)

    # -- one event ---------------------------------------------------------------------------------

    def _pass(self, event: Event) -> Iterator[Event]:
        """Yield an event of listed assets; keep what belongs to others."""
        match event:
            case SourceListed():
                self._sources.setdefault(event.asset, []).append(event)
            case SourceStatus() if event.asset not in self.assets:
                self._statuses.setdefault(event.asset, {})[event.source] = event
            case PriceTick() if event.asset not in self.assets:
                words = msgspec.structs.astuple(event)[3:]
                self._prices.setdefault(event.asset, {})[event.source] = SourcePrice(*words)
            case PriceBatch():
                ready = []
                for price in event.prices:
                    if price.asset in self.assets:
                        ready.append(price)
                    else:
                        self._prices.setdefault(price.asset, {})[price.source] = price
                if ready:
                    yield self._stamped(msgspec.structs.replace(event, prices=ready))
            case BookTick() if event.asset not in self.assets:
                self._books.setdefault(event.asset, {})[event.source] = event
            case TradeTick() | OpenInterestTick() if event.asset not in self.assets:
                return
            case QuoteTick() if event.instrument not in self.instruments:
                self._quotes[event.instrument] = event
            case _:
                yield self._stamped(event)

    def _stamped(self, event: Event) -> Event:
        """Return an event with the next number and a time that does not fall."""
        self._seq += 1
        self._time_us = max(self._time_us, event.time_us)
        return msgspec.structs.replace(
            event, time_us=self._time_us, origin=ORIGIN, origin_seq=self._seq
        )

    # -- listing -----------------------------------------------------------------------------------

    def _reference(self, name: str, now_us: int) -> float | None:
        """Return the price an asset's scales are chosen from, None to wait on."""
        if name in self._quoted_in:
            return 1.0
        said = self._prices.get(name, {})
        prices = [each.price for each in said.values() if 0.0 < each.price <= PRICE_MAX]
        is_complete = len(prices) == len(self._sources[name])
        if prices and (is_complete or now_us - self._began_us >= self.wait_us):
            return float(median(prices))
        return None

    def _list(self, name: str, now_us: int) -> Iterator[Event]:
        """Yield an asset's listing and what was held back, once its reference price is there."""
        price = self._reference(name, now_us)
        quotes = {source.quote for source in self._sources[name]} - {"USD", ACCOUNTING_ASSET}
        if price is None or not quotes <= self.assets.keys():
            return
        yield from self._asset(name, price, now_us)
        yield from map(self._stamped, self._sources[name])
        yield from self._perpetuals(name, price, now_us)
        yield from map(self._stamped, self._statuses.pop(name, {}).values())
        if said := list(self._prices.pop(name, {}).values()):
            yield self._stamped(PriceBatch(now_us, ORIGIN, 0, said))
        yield from map(self._stamped, self._books.pop(name, {}).values())
        for instrument in self.instruments:
            if quote := self._quotes.pop(instrument, None):
                yield self._stamped(quote)

    def _asset(self, name: str, price: float, now_us: int) -> Iterator[Event]:
        known = USDC if name == ACCOUNTING_ASSET else self._past.assets.get(name)
        self.assets[name] = asset = known or asset_for(name, price)
        if known is None:  # the accounting asset an engine knows from the start
            yield self._stamped(AssetListed(now_us, ORIGIN, 0, asset))

    def _perpetuals(self, name: str, price: float, now_us: int) -> Iterator[Event]:
        rows = [row for row in self.config.perpetuals if row.asset == name]
        plans = [PerpetualPlan(name, row.is_inverse, row.contract_usd) for row in rows]
        listed = []
        for plan in plans:
            each = plan.listed(price)
            known = self._past.instruments.get(each.name)
            if known is None:
                listed.append(each.check(self.assets[name] if each.settlement == name else USDC))
            elif known.contract_usd != each.contract_usd:
                raise refused(
                    "FCLI-E08", f"{each.name} has contracts of {known.contract_usd} USD in the journal",
                    "what is listed keeps its terms", "state the same contract_usd, or begin another journal",
                    table="perpetuals", field="contract_usd",
                )  # fmt: skip
            self.instruments[each.name] = known or each
        if listed:
            yield self._stamped(InstrumentsListed(now_us, ORIGIN, 0, listed))


def check_for_engine(config: FeedsConfig) -> None:
    """Raise FCLI-E04 where an engine could not be driven by a document."""
    known = {"USD", ACCOUNTING_ASSET, *(row.asset for row in config.sources)}
    quotes = [("sources", i, row.quote) for i, row in enumerate(config.sources)]
    quotes += [("instruments", i, row.quote) for i, row in enumerate(config.instruments)]
    quotes += [("books", i, row.quote) for i, row in enumerate(config.books)]
    for table, index, quote in quotes:
        if quote not in known:
            raise refused("FCLI-E04", f"nobody says what {quote!r} is worth",
                          "a quote currency is USD, USDC, or has sources of its own",
                          f"add sources of {quote}", table=f"{table}[{index}]", field="quote")  # fmt: skip
    names = {
        PerpetualPlan(row.asset, row.is_inverse, row.contract_usd).listed(1.0).name
        for row in config.perpetuals
    }
    wanted = [("instruments", i, row.instrument) for i, row in enumerate(config.instruments)]
    wanted += [("books", i, row.instrument) for i, row in enumerate(config.books) if row.instrument]
    for table, index, name in wanted:
        if name not in names:
            raise refused("FCLI-E04", f"{name!r} is not listed",
                          f"an instrument is one of {', '.join(sorted(names)) or 'the perpetuals, and there is none'}",
                          "add a [[perpetuals]] table or mend the name", table=f"{table}[{index}]", field="instrument")  # fmt: skip
    for index, book in enumerate(config.books):
        if book.asset not in known - {"USD"}:
            raise refused("FCLI-E04", f"{book.asset!r} has no source", "a book is of an asset that has sources",
                          "add sources of it", table=f"books[{index}]", field="asset")  # fmt: skip
