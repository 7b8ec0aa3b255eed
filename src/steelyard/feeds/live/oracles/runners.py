"""The oracle networks of a document: what keeps their connections alive, and what reads them again.

A runner is made for every network (`oracle_runners`); what it writes into a recording is read by the
client that `replay_client` makes, with the same messages.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from steelyard.feeds.live.ccxt_lines import CcxtReader
from steelyard.feeds.live.ccxt_process import run_ccxt
from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.config import ORACLE_TABLES, ConnectionRow, FeedsConfig, refused
from steelyard.feeds.live.connection import ConnectionRules, RawLog
from steelyard.feeds.live.health import ConnectionState, Health
from steelyard.feeds.live.messages import Message, Status
from steelyard.feeds.live.oracles.chainlink import (
    CHAINLINK,
    REASON_LENGTH_MAX,
    ChainlinkClient,
    Credentials,
    StreamTerms,
    read_credentials,
)
from steelyard.feeds.live.oracles.chainlink_report import oracle_set
from steelyard.feeds.live.oracles.chainlink_session import ChainlinkSession
from steelyard.feeds.live.oracles.hermes import (
    PUBLIC_ADDRESS,
    HermesReader,
    as_status,
    plain_feed,
)
from steelyard.feeds.live.oracles.hermes_connection import HermesTerms, run_hermes
from steelyard.feeds.live.oracles.pyth_pro import PUBLIC_ENDPOINTS, Merger, ProClient, ProTerms
from steelyard.feeds.live.oracles.pyth_pro_connection import EndpointHealth, run_pro
from steelyard.feeds.live.oracles.pyth_pro_payload import ProSigner
from steelyard.feeds.live.oracles.wormhole import read_trust
from steelyard.feeds.live.registry import client_maker, venue_terms
from steelyard.feeds.live.stream import Runner
from steelyard.quantities import InputError, SteelyardError

_BEST_FIRST: tuple[ConnectionState, ...] = ("up", "open", "connecting", "waiting", "stopped")
_HEALTH_EVERY_S = 1.0


def oracle_runners(config: FeedsConfig, folder: Path) -> dict[str, Runner]:
    """Return the runner of every oracle network that a document uses, by venue.

    folder: where the paths of the document start from. Every table is read and checked here, before
    anything connects. Errors: LIVE-E03, PYTH-E08, CHLK-E04.
    """
    makers: dict[str, Callable[[ConnectionRow, Path], Runner]] = {
        "pyth-hermes": _hermes_runner,
        "pyth-pro": _pro_runner,
        "chainlink-streams": _chainlink_runner,
        "ccxt": _ccxt_runner,
    }
    made = {
        row.name: makers[row.venue](row, folder)
        for row in config.connections
        if row.venue in ORACLE_TABLES
    }

    def run(row: ConnectionRow, **tools: Any) -> Coroutine[Any, Any, Health]:
        return made[row.name](row, **tools)

    return dict.fromkeys(ORACLE_TABLES, run)


def replay_client(row: ConnectionRow, folder: Path) -> Callable[[], VenueClient]:
    """Return what makes the client that reads a connection's recorded frames. Errors: as the runners."""
    if row.venue == "pyth-hermes":
        terms = _hermes_terms(row, folder)
        return lambda: _LineFrames(
            row.venue, HermesReader(terms.trust, terms.feeds).receive, lambda e: [as_status(e)]
        )
    if row.venue == "pyth-pro":
        stated, merger = _pro_terms(row), Merger()
        return lambda: ProClient(row.name, stated, merger)
    if row.venue == "chainlink-streams":
        make = _chainlink_maker(row, None)
        return lambda: _ChainlinkFrames(make())
    if row.venue == "ccxt":
        table = _required(row, row.ccxt, "ccxt")
        return lambda: _LineFrames(
            row.venue, CcxtReader(table.exchange, row.subscriptions()).receive, ccxt_problem
        )
    return client_maker(row.venue)


# -- ccxt ------------------------------------------------------------------------------------------


def _ccxt_runner(row: ConnectionRow, folder: Path) -> Runner:  # noqa: ARG001
    table = _required(row, row.ccxt, "ccxt")

    def run(
        row: ConnectionRow, *, rules: ConnectionRules | None, **tools: Any
    ) -> Coroutine[Any, Any, Health]:
        del rules  # a worker is started and watched by rules of its own
        return run_ccxt(
            row.name, table.exchange, row.subscriptions(), python=table.python, urls=table.urls, **tools
        )  # fmt: skip

    return run


def ccxt_problem(error: InputError) -> list[Message]:
    """Return what a line that could not be read becomes; one that ends the worker says nothing itself."""
    return [] if error.code.startswith("CCXT") else [Status("", "malformed", str(error))]


# -- Hermes ----------------------------------------------------------------------------------------


def _hermes_terms(row: ConnectionRow, folder: Path) -> HermesTerms:
    table = _required(row, row.pyth, "pyth")
    path = folder / table.trust
    try:
        document = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refused("LIVE-E01", f"the trust document cannot be read: {error}",
                      "a pyth-hermes connection names the file with the signers it believes",
                      "check the path; docs/pyth.md says what stands in it", file=path) from None  # fmt: skip
    feeds = tuple(market.market for market in row.markets)
    for feed in feeds:
        if plain_feed(feed) != feed:
            raise refused("LIVE-E03", f"{feed!r} is not plain", "a feed is 64 small hexadecimal digits, without 0x",
                          f"write {plain_feed(feed)}", connection=row.name, field="market")  # fmt: skip
    return HermesTerms(
        feeds,
        read_trust(document),
        row.rest_url or PUBLIC_ADDRESS,
        row.token_variable or "",
        table.encoding,
    )


def _hermes_runner(row: ConnectionRow, folder: Path) -> Runner:
    terms = _hermes_terms(row, folder)

    def run(row: ConnectionRow, **tools: Any) -> Coroutine[Any, Any, Health]:
        return run_hermes(row.name, terms, **tools)

    return run


class _LineFrames:
    """Recorded documents or lines, read as the runner read them: one reader, every refusal a Status."""

    def __init__(
        self,
        venue: str,
        read: Callable[[bytes, int], list[Message]],
        as_messages: Callable[[InputError], list[Message]],
    ) -> None:
        self.terms = venue_terms(venue)
        self._read = read
        self._as_messages = as_messages

    def address(self, subscriptions: Sequence[Subscription]) -> str:  # noqa: ARG002
        return ""

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:  # noqa: ARG002
        return []

    def due(self, now_us: int) -> list[str]:  # noqa: ARG002
        return []

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        try:
            return self._read(frame, received_us)
        except InputError as error:
            return self._as_messages(error)

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:  # noqa: ARG002
        return self.receive(body, received_us)


# -- Pyth Pro --------------------------------------------------------------------------------------


def _pro_terms(row: ConnectionRow) -> ProTerms:
    table = _required(row, row.pyth_pro, "pyth_pro")
    numbers = [market.market for market in row.markets]
    for number in numbers:
        if not (number.isascii() and number.isdigit()) or str(int(number)) != number:
            raise refused("LIVE-E03", f"{number!r} is no feed", "a feed of Pyth Pro is a number",
                          "look the number up in the service's list of feeds", connection=row.name, field="market")  # fmt: skip
    own = (row.websocket_url,) if row.websocket_url else PUBLIC_ENDPOINTS
    return ProTerms(
        tuple(int(number) for number in numbers),
        tuple(table.endpoints) or own,
        table.channel,
        tuple(ProSigner(each.address, each.expires_at_s) for each in table.signers),
        table.format,
        row.token_variable or "",
    )


def _pro_runner(row: ConnectionRow, folder: Path) -> Runner:  # noqa: ARG001
    terms = _pro_terms(row)

    async def run(
        row: ConnectionRow,
        *,
        on_messages: Callable[[str, list[Message], int], None],
        on_health: Callable[[Health], None],
        **tools: Any,
    ) -> Health:
        ends: dict[str, Health] = {}

        def endpoint_health(end: EndpointHealth) -> None:
            ends[end.endpoint] = end.connection
            on_health(joined_health(row.name, row.venue, ends))

        last = await run_pro(
            row.name,
            terms,
            on_messages=lambda _name, messages, at_us: on_messages(row.name, messages, at_us),
            on_health=endpoint_health,
            **tools,
        )
        return joined_health(row.name, row.venue, {each.endpoint: each.connection for each in last})

    return run


def joined_health(name: str, venue: str, ends: Mapping[str, Health]) -> Health:
    """Return the health of several connections that are one source: the best state, counts added up."""
    whole = Health(name, venue, min((each.state for each in ends.values()), key=_BEST_FIRST.index))
    errors: dict[str, int] = {}
    for end in ends.values():
        for field in ("attempts", "connects", "frames", "bytes", "messages", "sent", "gaps"):
            setattr(whole, field, getattr(whole, field) + getattr(end, field))
        for code, count in end.errors.items():
            errors[code] = errors.get(code, 0) + count
        whole.last_frame_us = max(whole.last_frame_us, end.last_frame_us)
        if end.last_error_us >= whole.last_error_us:
            whole.last_error, whole.last_error_us = end.last_error, end.last_error_us
    whole.errors = errors
    return whole


# -- Chainlink -------------------------------------------------------------------------------------


def _chainlink_maker(
    row: ConnectionRow, credentials: Credentials | None
) -> Callable[[], ChainlinkClient]:
    table = _required(row, row.chainlink, "chainlink")
    sets = [oracle_set(each.config_digest, each.signers, each.faults) for each in table.sets]
    special = {each.market: each for each in table.streams}
    unknown = special.keys() - {market.market for market in row.markets}
    if unknown or not sets:
        words = f"{min(unknown)!r} is no market of it" if unknown else "no oracle set is believed"
        raise refused("LIVE-E03", words, "a stream is one of the markets; at least one oracle set is named",
                      "mend [connections.chainlink]", connection=row.name, field="chainlink")  # fmt: skip
    streams = [
        StreamTerms(each.market, stated.decimals, stated.reads, stated.open_statuses)
        if (stated := special.get(each.market)) is not None
        else StreamTerms(each.market)
        for each in row.markets
    ]
    ChainlinkClient(
        sets, streams, credentials
    )  # what it refuses is refused before anything connects
    return lambda: ChainlinkClient(sets, streams, credentials)


def _chainlink_runner(row: ConnectionRow, folder: Path) -> Runner:  # noqa: ARG001
    table = _required(row, row.chainlink, "chainlink")
    credentials = None
    if table.key_variable or table.secret_variable:
        names = table.key_variable or "", table.secret_variable or ""
        credentials = read_credentials(*names, os.environ)
    make = _chainlink_maker(row, credentials)

    async def run(
        row: ConnectionRow,
        *,
        on_messages: Callable[[str, list[Message], int], None],
        on_health: Callable[[Health], None],
        clock: Callable[[], int],
        stop: asyncio.Event,
        raw_log: RawLog | None,
        rules: ConnectionRules | None,
    ) -> Health:
        follower = _Follower(row, make, on_messages, on_health, clock, raw_log)
        waits = rules or ConnectionRules()
        session = ChainlinkSession(
            follower.client,
            rest_url=row.rest_url or CHAINLINK.rest_url,
            websocket_url=row.websocket_url or CHAINLINK.websocket_url,
            now_us=clock,
            retry_s=(waits.first_wait_us / 1e6, waits.wait_us_max / 1e6),
        )
        async with session:
            following = asyncio.create_task(follower.follow(session))
            stopping = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                if not following.done():
                    following.cancel()
                    with suppress(asyncio.CancelledError):
                        await following
            if following.done() and not following.cancelled():
                following.result()
        follower.state("stopped")
        return follower.health

    return run


class _Follower:
    """One Data Streams connection: records its frames, counts what happens, hands messages on."""

    def __init__(
        self,
        row: ConnectionRow,
        make: Callable[[], ChainlinkClient],
        on_messages: Callable[[str, list[Message], int], None],
        on_health: Callable[[Health], None],
        clock: Callable[[], int],
        raw_log: RawLog | None,
    ) -> None:
        self.row = row
        self.make = make
        self.on_messages = on_messages
        self.on_health = on_health
        self.clock = clock
        self.raw_log = raw_log
        self.health = Health(row.name, row.venue)
        self._told_us = 0

    def client(self) -> ChainlinkClient:
        """Return the client of a new attempt; every frame it reads is counted and recorded."""
        inner = self.make()
        read = inner.receive
        self.health.attempts += 1
        self.record("opened", self.clock(), b"")

        def receive(frame: bytes, received_us: int) -> list[Message]:
            health = self.health
            health.frames += 1
            health.bytes += len(frame)
            health.last_frame_us = received_us
            self.record("received", received_us, frame)
            if health.state != "up":
                health.connects += 1
                self.state("up")
            return read(frame, received_us)

        inner.receive = receive  # type: ignore[method-assign]
        return inner

    async def follow(self, session: ChainlinkSession) -> None:
        """Hand on what the session says until it is cancelled."""
        async for messages in session.follow(self.row.subscriptions()):
            self.health.messages += len(messages)
            for message in messages:
                if isinstance(message, Status):
                    self._note(message)
            at_us = self.health.last_frame_us if self.health.state == "up" else self.clock()
            self.on_messages(self.row.name, messages, at_us)
            if at_us - self._told_us >= _HEALTH_EVERY_S * 1e6:
                self._told_us = at_us
                self._report()

    def _note(self, status: Status) -> None:
        """Count a trouble under its code; a lost connection has one of its own."""
        is_lost = status.kind in ("gap", "clock") and not status.market
        self.health.gaps += is_lost
        code = status.reason[:8] if status.reason.startswith("CHLK-E") else ""
        if is_lost:
            code = code or ("CONN-E03" if "closed" in status.reason else "CONN-E01")
        if code:
            self.health.errors[code] = self.health.errors.get(code, 0) + 1
            self.health.last_error = status.reason
            self.health.last_error_us = self.clock()
        if is_lost:
            self.state("waiting")

    def state(self, state: ConnectionState) -> None:
        """Change the state and tell it."""
        self.health.state = state
        self._report()

    def _report(self) -> None:
        self.on_health(msgspec.structs.replace(self.health, errors=dict(self.health.errors)))

    def record(self, direction: Any, time_us: int, payload: bytes) -> None:
        """Keep a frame; a recording that fails is counted and never stops the feed."""
        if self.raw_log is None:
            return
        try:
            self.raw_log.write(self.row.name, direction, time_us, payload)
        except (SteelyardError, OSError) as error:
            self.health.errors["CONN-E09"] = self.health.errors.get("CONN-E09", 0) + 1
            self.health.last_error = f"CONN-E09: a frame could not be recorded: {error}"


class _ChainlinkFrames:
    """Recorded reports, read as the session read them: a frame that cannot be taken is a Status."""

    def __init__(self, client: ChainlinkClient) -> None:
        self.terms = client.terms
        self._client = client

    def address(self, subscriptions: Sequence[Subscription]) -> str:
        return self._client.address(subscriptions)

    def opening(self, subscriptions: Sequence[Subscription]) -> list[str]:
        return self._client.opening(subscriptions)

    def due(self, now_us: int) -> list[str]:
        return self._client.due(now_us)

    def receive(self, frame: bytes, received_us: int) -> list[Message]:
        try:
            return self._client.receive(frame, received_us)
        except InputError as wrong:
            return [Status("", "malformed", str(wrong)[:REASON_LENGTH_MAX])]

    def fetched(self, fetch_path: str, body: bytes, received_us: int) -> list[Message]:
        return self._client.fetched(fetch_path, body, received_us)


def _required(row: ConnectionRow, table: Any, name: str) -> Any:
    """Return the table of a connection. Errors: LIVE-E03 where it is not there."""
    if table is None:
        raise refused("LIVE-E03", f"there is no table {name}", "an oracle network's connection has its table",
                      f"add [connections.{name}] below it", connection=row.name, field=name)  # fmt: skip
    return table
