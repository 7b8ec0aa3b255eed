"""What all commands about live feeds share: the document, the extra, and an engine that only makes prices."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from steelyard.engine import Engine
from steelyard.feeds.live.config import FeedsConfig, read_feeds
from steelyard.feeds.live.driver import DriverRules
from steelyard.feeds.live.health import Health
from steelyard.feeds.live.listing import IDLE_LAG_US, LiveListing
from steelyard.marks import MarketState
from steelyard.marks.guard import TRUSTED
from steelyard.publish.story import quoted_price
from steelyard.quantities import InputError, SteelyardError
from steelyard.terms import Method
from steelyard.ticks import encode_event
from steelyard.ticks.events import Event, PriceBatch, PriceTick, SourcePrice, TimeTick

EXTRA = ("aiohttp", "coincurve", "Crypto")
DELAYS_KEPT = 1_024
DRIVER_RULES = DriverRules()


def clock_us() -> int:
    """Return this machine's time, UTC microseconds."""
    return time.time_ns() // 1_000


def require_extra() -> None:
    """Raise FCLI-E01 unless what live feeds need is installed."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise InputError(
            "FCLI-E01",
            f"live feeds need {', '.join(missing)}",
            rule="what feeds need is installed with the extra `feeds`",
            cure="pip install steelyard[feeds]",
        )


def read_document(path: Path, method: Method) -> FeedsConfig:
    """Return the checked document, for an engine under a method. Errors: FCLI-E01, LIVE-E01 … LIVE-E06."""
    require_extra()
    rules = method.index_rules("default")
    return read_feeds(path, rules.quorum_sources, rules.quorum_operators)


def quote_rates(market: MarketState, quotes: Iterable[str]) -> dict[str, float]:
    """Return USD per unit of the quote currencies that have a trusted price, by the engine's own index."""
    rates = {}
    for quote in quotes:
        slot = market.asset_slots.get(quote)
        rate = float(market.quote_rate[slot]) if slot is not None else 0.0
        if rate > 0.0:
            rates[quote] = rate
    return rates


def quotes_of(config: FeedsConfig) -> list[str]:
    """Return the currencies other than USD that a document's prices are in."""
    quotes = {row.quote for row in config.sources} | {row.quote for row in config.instruments}
    return sorted((quotes | {row.quote for row in config.books}) - {"USD"})


@dataclass
class Heard:
    """What came of one source. delays_us: from the venue's stamp to the engine."""

    prices: int = 0
    last: SourcePrice | None = None
    delays_us: deque[int] = field(default_factory=lambda: deque(maxlen=DELAYS_KEPT))


class Board:
    """An engine without accounts that takes the events of feeds and makes indices and marks.

    heard: by source and asset. counts: events by type. refused: by code. digest covers every event
    that is not the clock's.
    """

    def __init__(self, config: FeedsConfig, method: Method, *, wait_us: int | None = None) -> None:
        self.config = config
        self.engine = Engine(method)
        self.listing = (
            LiveListing(config) if wait_us is None else LiveListing(config, wait_us=wait_us)
        )
        self.heard: dict[tuple[str, str], Heard] = {
            (row.name, row.asset): Heard() for row in config.sources
        }
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.on_event: Callable[[Event], None] = lambda _event: None
        self._rates: Mapping[str, float] = {}
        self._quotes = quotes_of(config)
        self._digest = blake2b(digest_size=16)

    @property
    def digest(self) -> str:
        """Return the digest of the events so far."""
        return self._digest.hexdigest()

    def rates(self) -> Mapping[str, float]:
        """Return USD per unit of the quote currencies; may be asked from another thread."""
        return self._rates

    def take(self, events: list[Event]) -> None:
        """Take the events of one drain."""
        for event in events:
            if isinstance(event, PriceTick):
                self._hear(event, event.time_us)
            elif isinstance(event, PriceBatch):
                for price in event.prices:
                    self._hear(price, event.time_us)
        for event in self.listing.take(events):
            self._submit(event)
        self._rates = quote_rates(self.engine.market, self._quotes)

    def idle(self, now_us: int) -> None:
        """Let the seconds pass that have passed without events."""
        for event in self.listing.seconds(now_us - IDLE_LAG_US):
            self._submit(event)
        self._rates = quote_rates(self.engine.market, self._quotes)

    def _hear(self, price: PriceTick | SourcePrice, known_us: int) -> None:
        heard = self.heard[price.source, price.asset]
        heard.prices += 1
        if isinstance(price, SourcePrice):
            heard.last = price
        else:
            heard.last = SourcePrice(
                price.source, price.asset, price.price, price.exchange_time_us, price.confidence
            )
        heard.delays_us.append(known_us - price.exchange_time_us)

    def _submit(self, event: Event) -> None:
        self.counts[type(event).__name__] += 1
        if not isinstance(event, TimeTick):
            self._digest.update(encode_event(event))
        self.on_event(event)
        try:
            self.engine.submit(event)
        except SteelyardError as error:
            self.refused[error.code] += 1

    # -- reading -----------------------------------------------------------------------------------

    def indices(self) -> list[dict[str, Any]]:
        """Return every asset of the document: its index in USD, its condition, who counts."""
        market = self.engine.market
        rows: list[dict[str, Any]] = []
        for name in dict.fromkeys(row.asset for row in self.config.sources):
            slot = market.asset_slots.get(name)
            if slot is None or not market.indices[slot].sources:
                rows.append({"asset": name, "index": None, "condition": "unlisted",
                             "is_trusted": False, "used": 0, "operators": 0})  # fmt: skip
                continue
            index = market.indices[slot]
            price = market.index_price(slot) if market.index_units[slot] > 0 else None
            rows.append(
                {
                    "asset": name,
                    "index": price,
                    "condition": index.condition,
                    "is_trusted": index.condition in TRUSTED,
                    "used": index.reading.used,
                    "operators": index.reading.operators,
                }
            )
        return rows

    def marks(self) -> list[dict[str, Any]]:
        """Return the mark of every perpetual that has one, in USD."""
        market = self.engine.market
        return [
            {"instrument": terms.name, "mark": float(quoted_price(terms, int(market.mark_units[slot])))}
            for slot, terms in enumerate(market.instruments)
            if market.has_mark[slot]
        ]  # fmt: skip


def health_rows(config: FeedsConfig, healths: Mapping[str, Health]) -> list[dict[str, Any]]:
    """Return what every connection says of itself, in the order of the document."""
    rows = []
    for row in config.connections:
        health = healths.get(row.name) or Health(row.name, row.venue)
        rows.append(
            {
                "connection": row.name,
                "venue": row.venue,
                "state": health.state,
                "connects": health.connects,
                "frames": health.frames,
                "bytes": health.bytes,
                "gaps": health.gaps,
                "errors": dict(sorted(health.errors.items())),
                "last_error": health.last_error,
            }
        )
    return rows
