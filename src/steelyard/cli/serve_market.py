"""What a service is started with: an engine, the accounts in it, and the market that drives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steelyard.cli.session import Session, journal_path
from steelyard.cli.wiring import parse_time_us, recorded_session, simulated_session
from steelyard.engine import create_engine, open_engine
from steelyard.engine.recovery import JournaledEngine
from steelyard.publish import Tally
from steelyard.quantities import InputError
from steelyard.service.config import ServeConfig
from steelyard.service.host import Host
from steelyard.service.host.playing import from_thread
from steelyard.terms import load_method
from steelyard.ticks import Event

FOLDER = "steelyard-serve"
Say = Callable[[str], None]


@dataclass
class Driven:
    """An engine that is ready, and what drives it.

    play: returns the events to come, given the host that takes them; None where nothing drives. speed: market seconds a
    wall second; None for a market that comes at its own pace. close: ends what the market holds open.
    """

    journaled: JournaledEngine
    title: str
    tally: Tally
    play: Callable[[Host], Iterator[Event] | AsyncIterator[Event]] | None = None
    speed: float | None = None
    close: Callable[[], None] = field(default=lambda: None)


def driven(config: ServeConfig, say: Say) -> Driven:
    """Return the engine that a document describes. Errors: those of the market's kind, JOUR, SERV-E06."""
    kind = config.market.kind
    if kind == "simulated":
        return _simulated(config, say)
    if kind == "recorded":
        return _recorded(config, say)
    if kind == "live":
        return _live(config, say)
    return _undriven(config, say)


def _simulated(config: ServeConfig, say: Say) -> Driven:
    market, engine = config.market, config.engine
    session = simulated_session(
        market.seed, config.accounts.source, 60 * market.minutes, market.law, engine.shards,
        _new_journal(config), _method(config), engine.insurance_fund_usd, say,
        fall_after_s=market.fall_after_s,
    )  # fmt: skip
    title = engine.title or f"simulated venue, seed {market.seed}"
    return _of_session(session, title, market.speed)


def _recorded(config: ServeConfig, say: Say) -> Driven:
    market, engine = config.market, config.engine
    session = recorded_session(
        Path(market.folder), Path(market.chain) if market.chain else None, config.accounts.source,
        config.accounts.seed, parse_time_us(market.begin, "market.begin"),
        parse_time_us(market.end, "market.end"), engine.shards, _new_journal(config),
        _method(config), engine.insurance_fund_usd, say,
    )  # fmt: skip
    return _of_session(session, engine.title or f"recorded market {market.folder}", market.speed)


def _of_session(session: Session, title: str, speed: float) -> Driven:
    return Driven(
        session.journaled, title, session.tally, lambda _host: session.events(), speed
    )  # fmt: skip


def _live(config: ServeConfig, say: Say) -> Driven:
    from steelyard.cli.run_live import live_session

    gone_on = _gone_on(config, say)
    try:
        session = live_session(
            Path(config.market.feeds), config.accounts.source, config.accounts.seed,
            config.engine.shards, _new_journal(config) if gone_on is None else None, _method(config),
            config.engine.insurance_fund_usd, None, None, say, gone_on=gone_on,
        )  # fmt: skip
    except BaseException:
        if gone_on is not None:
            gone_on.close()
        raise

    def play(host: Host) -> AsyncIterator[Event]:
        host.observe(lambda step: session.noted(step.event) if step.error is None else None)
        return from_thread(session.events(), host.next_joined_seq)

    title = config.engine.title or "live venue"
    # What an engine met before is read from its journal by the host, which a blank tally asks for.
    tally = session.tally if gone_on is None else Tally()
    return Driven(session.journaled, title, tally, play, None, session.stack.close)


def _undriven(config: ServeConfig, say: Say) -> Driven:
    """Return an engine that only takes what is sent to it: a new one, or the one of a journal."""
    path = Path(config.engine.journal) if config.engine.journal else None
    title = config.engine.title or "venue"
    gone_on = _gone_on(config, say)
    if gone_on is not None:
        return Driven(gone_on, title, Tally())
    if config.accounts.source not in ("", "none"):
        raise InputError(
            "SERV-E06", f"accounts come from {config.accounts.source!r}, and nothing is listed yet",
            rule="without a market a new engine begins empty",
            cure='state accounts.source = "none", list instruments and open accounts through the control plane',
            section="accounts", field="source",
        )  # fmt: skip
    where = journal_path(path, FOLDER, "venue")
    say(f"a new venue in {where}")
    return Driven(
        create_engine(where, load_method(_method(config)), config.engine.shards), title, Tally()
    )


def _gone_on(config: ServeConfig, say: Say) -> JournaledEngine | None:
    """Return the engine of the journal that is there, None where none is. Errors: JOUR."""
    path = Path(config.engine.journal) if config.engine.journal else None
    if path is None or not path.exists():
        return None
    opened = open_engine(path, config.engine.shards)
    say(f"going on with {path}, at event {opened.engine.seq:,}: its method, fund and accounts stay")
    return opened


def _new_journal(config: ServeConfig) -> Path:
    """Return where a new journal goes. Errors: SERV-E06 where one is, since a market of the past begins anew."""
    path = Path(config.engine.journal) if config.engine.journal else None
    if path is not None and path.exists():
        raise InputError(
            "SERV-E06", f"there is a journal at {path}",
            rule=f"a market of kind {config.market.kind} begins with a new journal",
            cure="name another journal, or go on with this one under market.kind = \"none\"",
            section="engine", field="journal",
        )  # fmt: skip
    return journal_path(path, FOLDER, "venue")


def _method(config: ServeConfig) -> Path | None:
    return Path(config.engine.method) if config.engine.method else None
