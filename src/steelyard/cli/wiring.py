"""Wiring: from command-line arguments to a prepared session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from steelyard.cli.session import Session, journal_path
from steelyard.engine import create_engine
from steelyard.feeds import load_chain, open_market, read_accounts
from steelyard.feeds.chains import TransportedChain
from steelyard.feeds.option_chain import read_chain
from steelyard.lab import (
    LAWS,
    SimulatedMarket,
    generate_population,
    parse_accounts_argument,
)
from steelyard.quantities import InputError
from steelyard.terms import AccountRecord, load_method
from steelyard.terms.instants import utc_us
from steelyard.ticks import SurfaceUpdate

BREAK_AFTER_FALL_S = 240.0
BREAK_FOR_S = 120.0
T = TypeVar("T")
Say = Callable[[str], None]


def parse_time_us(text: str, field: str) -> int:
    """Return UTC microseconds of an ISO 8601 instant; without a zone it is UTC.

    Errors: CLIC-E01.

    >>> parse_time_us("2025-10-10T21:10:00Z", "from")
    1760130600000000
    """
    try:
        return utc_us(text)
    except ValueError:
        raise InputError(
            "CLIC-E01",
            f"{text!r} is not an instant",
            rule="times are ISO 8601, UTC",
            cure="write for example 2025-10-10T21:10:00Z",
            field=field,
        ) from None


def required(value: T | None, field: str) -> T:
    """Return an option that a recorded market needs. Errors: CLIC-E08 where it is not given."""
    if value is None:
        raise InputError(
            "CLIC-E08",
            f"--{field} is not given",
            rule="a recorded market needs --market, --from and --to; live feeds need --live",
            cure=f"add --{field}, or give --live CONFIG",
            field=field,
        )
    return value


def time_text(time_us: int) -> str:
    """Return an instant as ISO 8601 in UTC, to the millisecond.

    >>> time_text(1_760_130_600_000_000)
    '2025-10-10T21:10:00.000Z'
    """
    seconds, rest = divmod(time_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // 1000:03d}Z"


def parse_speed(text: str) -> float | None:
    """Return market seconds a wall second, or None for as fast as it goes. Errors: CLIC-E02.

    >>> parse_speed("10"), parse_speed("max")
    (10.0, None)
    """
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1e6:
        raise InputError(
            "CLIC-E02",
            f"{text!r} is not a speed",
            rule="a speed is max, or market seconds a wall second above zero",
            cure="write for example --speed 10",
            field="speed",
        )
    return value


def recorded_session(
    market: Path,
    chain: Path | None,
    accounts: str,
    seed: int,
    from_us: int,
    to_us: int,
    shards: int,
    journal: Path | None,
    method: Path | None,
    insurance_fund_usd: int,
    say: Say,
    *,
    is_fitted: bool = False,
) -> Session:
    """Return a prepared session over a recorded market.

    is_fitted: the chain's volatilities come from surfaces fitted to it, as events.
    """
    count = parse_accounts_argument(accounts)
    say(f"reading the market in {market}")
    recorded = open_market(market, from_us, to_us)
    options = None
    if chain is not None:
        say(f"carrying the option chain in {chain} to {recorded.name}")
        options = load_chain(chain, from_us, recorded.first_prices)
    known = list(recorded.instruments) + (options.instruments if options else [])
    given: list[AccountRecord] = []
    if count is None:
        say(f"reading accounts from {accounts}")
        given = read_accounts(Path(accounts), recorded.assets, known)
    path = journal_path(journal, "steelyard-run", f"run-{seed}")
    session = Session(create_engine(path, load_method(method), shards), recorded, from_us, to_us)
    try:
        session.list_market()
        if options is not None:
            session.list_options(options.instruments, list(options.updates))
        if chain is not None and options is not None and is_fitted:
            say("fitting its volatility surfaces")
            session.prepare(fitted_surfaces(chain, options, recorded.first_prices))
        session.fund(insurance_fund_usd)
        if count is not None:
            given = _population(session, count, seed, say)
        say(f"loading {len(given):,} accounts")
        session.load(given)
    except BaseException:
        session.journaled.close()
        raise
    return session


def fitted_surfaces(
    chain: Path, carried: TransportedChain, index: dict[str, float]
) -> list[SurfaceUpdate]:
    """Return the surfaces of a recorded chain, carried to where its options were carried.

    index: prices there, USD. The fit is to the venue's marks, as the chain's own volatilities are. Errors: FEED,
    SURF-E01, SURF-E02.
    """
    # Imported here: the fit compiles for seconds the first time, and few commands need it.
    from steelyard.models.live_surface import ORIGIN, carried_event, surface_event
    from steelyard.models.quotes import FitTarget, SurfaceSettings
    from steelyard.models.surface_fit import fit_surface

    settings = SurfaceSettings(target=FitTarget.MARK)
    updates = []
    for name, quotes in read_chain(chain, carried.snapshot).chains.items():
        if name in carried.index_at_snapshot and name in index:
            event = surface_event(fit_surface(quotes, settings), quotes.time_us, ORIGIN + name, 1)
            updates.append(carried_event(event, carried.anchor_us, index[name]))
    return updates


def simulated_session(
    seed: int,
    accounts: str,
    duration_s: int,
    law: str,
    shards: int,
    journal: Path | None,
    method: Path | None,
    insurance_fund_usd: int,
    say: Say,
    *,
    fall_after_s: float | None = None,
) -> Session:
    """Return a prepared session over the built-in simulated market (no data, no network).

    fall_after_s: when the fall of the law "crash" begins; a venue breaks four minutes later, for two. Without
    it the market chooses by its duration.
    """
    count = parse_accounts_argument(accounts)
    start_us = 1_760_130_000_000_000
    if law not in LAWS:
        raise InputError(
            "CLIC-E03",
            f"{law!r} is not a law of the simulated market",
            rule=f"one of {', '.join(LAWS)}",
            cure="write for example --law crash",
            field="law",
        )
    simulated = SimulatedMarket(seed, start_us, duration_s, law=law)
    if fall_after_s is not None and law == "crash":
        simulated = replace(
            simulated,
            crash_at_s=fall_after_s,
            break_at_s=fall_after_s + BREAK_AFTER_FALL_S,
            break_for_s=BREAK_FOR_S,
        )
    path = journal_path(journal, "steelyard-demo", f"demo-{seed}")
    session = Session(
        create_engine(path, load_method(method), shards),
        simulated,
        start_us,
        simulated.end_us,
        has_clock=True,
    )
    try:
        session.list_market()
        session.fund(insurance_fund_usd)
        if count is None:
            engine = session.engine
            market = engine.market
            given = read_accounts(Path(accounts), market.assets, market.instruments)
        else:
            given = _population(session, count, seed, say)
        say(f"loading {len(given):,} accounts")
        session.load(given)
    except BaseException:
        session.journaled.close()
        raise
    return session


def _population(session: Session, count: int, seed: int, say: Say) -> list[AccountRecord]:
    say(f"generating {count:,} accounts from seed {seed}")
    market = session.engine.market
    return generate_population(
        count,
        seed,
        market.assets,
        market.instruments,
        session.prices(),
        session.engine.method,
        session.option_volatilities() or None,
        session.option_marks() or None,
        time_us=session.start_us,
    )
