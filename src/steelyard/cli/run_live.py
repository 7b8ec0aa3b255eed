"""`steelyard run --live`: the same session as over a recorded market, driven by live feeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from steelyard.cli.feeds_board import (
    DRIVER_RULES,
    clock_us,
    quote_rates,
    quotes_of,
    read_document,
)
from steelyard.cli.feeds_record import new_recording
from steelyard.cli.session import Session, Step, journal_path
from steelyard.engine import Engine, create_engine
from steelyard.engine.recovery import JournaledEngine
from steelyard.feeds import read_accounts
from steelyard.feeds.live.config import FeedsConfig, refused
from steelyard.feeds.live.connection import ConnectionRules
from steelyard.feeds.live.listing import IDLE_LAG_US, ORIGIN, LiveListing, Past
from steelyard.feeds.live.oracles.runners import oracle_runners
from steelyard.feeds.live.tape import FrameLog, TapedDriver
from steelyard.feeds.live.threaded import LiveFeeds
from steelyard.lab import generate_population, parse_accounts_argument
from steelyard.quantities import MarketError
from steelyard.terms import AccountRecord, load_method
from steelyard.ticks import AssetListed, InstrumentsListed, SourceListed
from steelyard.ticks.events import Event

CONNECTION_RULES: ConnectionRules | None = None
LISTING_WAIT_US = 10_000_000
FIRST_PRICE_WAIT_US = 60_000_000
TAKE_S = 0.2
DAY_US = 86_400_000_000
_LISTINGS = (AssetListed, SourceListed, InstrumentsListed)


def check_live_options(
    market: Path | None,
    from_: str | None,
    to: str | None,
    chain: Path | None,
    is_fitted: bool,
    speed: str,
) -> None:
    """Raise FCLI-E07 for an option that only a recorded market has."""
    given = {
        "market": market,
        "from": from_,
        "to": to,
        "chain": chain,
        "surface": is_fitted or None,
    }
    given["speed"] = speed if speed != "max" else None
    for name, value in given.items():
        if value is not None:
            raise refused("FCLI-E07", f"--{name} beside --live", "live feeds come now and at their own speed",
                          f"leave --{name} out, or --live", field=name)  # fmt: skip


class LiveMarket:
    """What a session needs of a market, from feeds that are running.

    `opening` gives listings and first prices, `ticks` everything after them, with the seconds between,
    until the time is up.
    """

    def __init__(self, feeds: LiveFeeds, listing: LiveListing, for_us: int | None) -> None:
        self._feeds = feeds
        self._listing = listing
        self._for_us = for_us
        self.start_us = clock_us()
        self.end_us = self.start_us + (for_us if for_us is not None else DAY_US)
        self.listings: list[Event] = []
        self.warm_up: list[Event] = []
        self.tick_count = 0

    def opening(self) -> None:
        """Wait until the assets can be listed; fill `listings`. Errors: FCLI-E06 no price came."""
        listing = self._listing
        begun_us = clock_us()
        while not listing.is_open(clock_us()):
            self.listings += listing.take(self._feeds.take(TAKE_S))
            if clock_us() - begun_us > FIRST_PRICE_WAIT_US:
                raise MarketError(
                    "FCLI-E06",
                    f"no price of {', '.join(listing.pending) or 'any asset'} in {FIRST_PRICE_WAIT_US / 1e6:g} s",
                    rule="an engine starts when its assets have prices",
                    cure="steelyard feeds check CONFIG says what is wrong with the sources",
                )
        self.start_us = self.listings[-1].time_us
        self.end_us = self.start_us + (self._for_us if self._for_us is not None else DAY_US)

    def ticks(self) -> Iterator[Event]:
        """Yield events as they come, until the time is up."""
        while self._for_us is None or clock_us() < self.end_us:
            events = self._feeds.take(TAKE_S)
            yield from self._listing.take(events)
            if not events:
                yield from self._listing.seconds(clock_us() - IDLE_LAG_US)


class LiveSession(Session):
    """A session over live feeds: what is listed late is known, and quote currencies have the engine's rates."""

    def __init__(self, *arguments: object, config: FeedsConfig, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._quotes = quotes_of(config)
        self.rates: dict[str, float] = {}
        self.stack = ExitStack()

    def open_market(self) -> None:
        """Submit listings and first prices; a listing that is refused ends the session."""
        for event in self.market.listings:
            step = self._step(event)
            if step.error is not None and isinstance(event, _LISTINGS):
                raise step.error

    def _step(self, event: Event) -> Step:
        step = super()._step(event)
        self.noted(event)
        return step

    def noted(self, event: Event) -> None:
        """Take note of an event that the engine was given: what it listed, and the rates after it."""
        if isinstance(event, InstrumentsListed):
            self.by_name |= {each.name: each for each in event.instruments}
        self.rates = quote_rates(self.engine.market, self._quotes)

    def finish(self) -> bytes:
        """End the connections, then as every session."""
        self.stack.close()
        return super().finish()


def live_session(
    path: Path,
    accounts: str,
    seed: int,
    shards: int,
    journal: Path | None,
    method: Path | None,
    insurance_fund_usd: int,
    for_seconds: float | None,
    record: Path | None,
    say: Callable[[str], None],
    *,
    gone_on: JournaledEngine | None = None,
) -> LiveSession:
    """Return a prepared session over live feeds; its connections live until `finish`.

    gone_on: an engine with a past, which keeps its journal, method, fund and accounts; it stays the caller's to close.
    Errors: FCLI, LIVE, PYTH-E08, CHLK-E04, and those of accounts.
    """
    parse_accounts_argument(accounts)
    terms = gone_on.engine.method if gone_on else load_method(method)
    past = past_of(gone_on.engine, clock_us()) if gone_on else None
    config = read_document(path, terms)
    if not config.perpetuals:
        raise refused("FCLI-E04", "there is no perpetual", "accounts hold perpetuals of the document",
                      "add a [[perpetuals]] table for every instrument to list", table="perpetuals", field="asset")  # fmt: skip
    listing = LiveListing(config, wait_us=LISTING_WAIT_US, past=past)
    runners = oracle_runners(config, path.parent)
    sessions: list[LiveSession] = []
    with ExitStack() as stack:
        log = _log(stack, config, path, record)
        driver = TapedDriver(
            config, rates=lambda: sessions[0].rates if sessions else {}, log=log, rules=DRIVER_RULES
        )
        say(f"connecting to {', '.join(row.venue for row in config.connections)}")
        feeds = LiveFeeds(
            driver, clock=clock_us, runners=runners, rules=CONNECTION_RULES, raw_log=log
        )
        stack.enter_context(feeds)
        for_us = int(for_seconds * 1e6) if for_seconds is not None else None
        market = LiveMarket(feeds, listing, for_us)
        market.opening()
        journaled = gone_on or create_engine(
            journal_path(journal, "steelyard-live", "live"), terms, shards
        )
        if gone_on is None:  # whoever opened a journal closes it where this fails
            stack.push(lambda kind, _error, _trace: journaled.close() if kind else None)
        session = LiveSession(
            journaled, market, market.start_us, market.end_us, has_clock=True, config=config
        )
        sessions.append(session)
        session.by_name |= listing.instruments
        session.open_market()
        if gone_on is None:
            session.fund(insurance_fund_usd)
            _load(session, listing, accounts, seed, say)
        session.stack = stack.pop_all()
    return session


def past_of(engine: Engine, now_us: int) -> Past:
    """Return what an engine has that is to go on now. Errors: FCLI-E08 for one that is ahead of the clock."""
    market = engine.market
    if market.time_us > now_us:
        raise refused(
            "FCLI-E08", f"the journal ends {(market.time_us - now_us) / 1e6:,.0f} s from now",
            "time goes forward", "begin another journal, or set the clock right",
        )  # fmt: skip
    return Past(
        {asset.name: asset for asset in market.assets},
        {terms.name: terms for terms in market.instruments},
        engine.origin_seqs.get(ORIGIN, 0), market.time_us,
    )  # fmt: skip


def _log(stack: ExitStack, config: FeedsConfig, path: Path, folder: Path | None) -> FrameLog | None:
    """Return where frames are recorded, closed with the stack; None for no recording."""
    if folder is None:
        return None
    writer = new_recording(folder, path)
    stack.callback(writer.close)
    return FrameLog(config, writer.write)


def _load(
    session: LiveSession,
    listing: LiveListing,
    accounts: str,
    seed: int,
    say: Callable[[str], None],
) -> None:
    """Load the accounts of a new journal."""
    given = _accounts(session, listing, accounts, seed, say)
    say(f"loading {len(given):,} accounts")
    session.load(given)


def _accounts(
    session: LiveSession,
    listing: LiveListing,
    accounts: str,
    seed: int,
    say: Callable[[str], None],
) -> list[AccountRecord]:
    """Return the accounts of a file, or generated ones in what has a price: nobody holds what has none."""
    count = parse_accounts_argument(accounts)
    if count is None:
        say(f"reading accounts from {accounts}")
        known = list(listing.assets.values()), list(listing.instruments.values())
        return read_accounts(Path(accounts), *known)
    say(f"generating {count:,} accounts from seed {seed}")
    prices = session.prices()
    market = session.engine.market
    return generate_population(
        count,
        seed,
        [each for each in market.assets if each.name in prices or each.name not in listing.assets],
        [each for each in market.instruments if each.underlying in prices],
        prices,
        session.engine.method,
        time_us=session.start_us,
    )
