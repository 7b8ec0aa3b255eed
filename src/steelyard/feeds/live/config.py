"""The document of the live feeds: which connections, which sources of prices, what is quoted, which books.

[[connections]]
name = "deribit"
venue = "deribit"
websocket_url = "wss://…"            # optional, as is rest_url
token_variable = "DERIBIT_TOKEN"     # optional: the environment variable that holds a bearer token
[[connections.markets]]
market = "BTC-PERPETUAL"
channels = ["trades", "quotes", "book", "reference"]

[[sources]]
name = "deribit-btc"
asset = "BTC"
connection = "deribit"
market = "BTC-PERPETUAL"
price = "index"                      # trade, mid, index, mark or oracle

[[instruments]]
instrument = "BTC-PERPETUAL"         # ours
connection = "deribit"
market = "BTC-PERPETUAL"

[[books]]
name = "deribit-btc-book"
asset = "BTC"
connection = "deribit"
market = "BTC-PERPETUAL"

[[perpetuals]]                       # listed at the first prices of their asset
asset = "BTC"
is_inverse = false

An oracle network's connection has one more table: [connections.pyth], [connections.pyth_pro] or
[connections.chainlink], and its markets are feeds.

LIVE-E01 the file cannot be opened or is no TOML
LIVE-E02 a field that is missing, unknown or of another type
LIVE-E03 a number or name out of its bounds
LIVE-E04 a venue, connection or market that is not there
LIVE-E05 two rows with one key
LIVE-E06 sources that can never reach the quorum of their asset
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from steelyard.feeds.live.client import Channel, Subscription, VenueTerms
from steelyard.feeds.live.registry import VENUES, venue_terms
from steelyard.quantities import InputError
from steelyard.ticks.events import SourceKind

PriceKind = Literal["trade", "mid", "index", "mark", "oracle"]

CHANNEL_OF: dict[PriceKind, Channel] = {
    "trade": "trades",
    "mid": "quotes",
    "index": "reference",
    "mark": "reference",
    "oracle": "reference",
}
"""The channel a kind of price comes from."""

DAY_MS = 86_400_000
LEVELS_MAX = 1_000
_ROWS_MAX = 10_000
_NAME = re.compile(r"[^\s\x00-\x1f]{1,64}")
_MARKET = re.compile(r"[^\s\x00-\x1f]{1,80}")  # 0x and 64 digits are a feed of an oracle network
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class MarketRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A market of a connection, as the venue names it, and its channels."""

    market: str
    channels: list[Channel]


class PythRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Hermes needs beside its feeds. trust: path of the trust document, from this document's folder."""

    trust: str
    encoding: Literal["base64", "hex"] = "base64"


class SignerRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose signature Pyth Pro's prices carry. expires_at_s: UTC, 0 for never."""

    address: str
    expires_at_s: int = 0


class PythProRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Pyth Pro needs beside its feeds. endpoints: the public ones if none is stated."""

    endpoints: list[str] = []
    channel: Literal[
        "real_time", "fixed_rate@1ms", "fixed_rate@50ms", "fixed_rate@200ms", "fixed_rate@1000ms"
    ] = "fixed_rate@200ms"
    signers: list[SignerRow] = []
    format: Literal["leEcdsa", "evm"] = "leEcdsa"


class OracleSetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The oracles behind one config digest. faults: how many of them may lie."""

    config_digest: str
    signers: list[str]
    faults: int


class StreamRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a stream's report is read, where it is not the usual way."""

    market: str
    decimals: int = 18
    reads: Literal["price", "tokenized_price"] = "price"
    open_statuses: tuple[int, ...] = (2,)


class ChainlinkRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Data Streams needs beside its feeds. key_variable, secret_variable: environment variables."""

    sets: list[OracleSetRow]
    key_variable: str | None = None
    secret_variable: str | None = None
    streams: list[StreamRow] = []


class CcxtRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An exchange through the library ccxt, in a process of its own.

    exchange: as the library names it. python: the interpreter of a virtual environment that has ccxt. urls: in
    place of the library's own addresses.
    """

    exchange: str
    python: str
    urls: dict[str, Any] = {}


class ConnectionRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One connection. websocket_url, rest_url: in place of the venue's public addresses.

    pyth, pyth_pro, chainlink, ccxt: the table of an oracle network or of ccxt, on its own connections and no others.
    """

    name: str
    venue: str
    markets: list[MarketRow]
    websocket_url: str | None = None
    rest_url: str | None = None
    token_variable: str | None = None
    pyth: PythRow | None = None
    pyth_pro: PythProRow | None = None
    chainlink: ChainlinkRow | None = None
    ccxt: CcxtRow | None = None

    def subscriptions(self) -> list[Subscription]:
        """Return what is subscribed on this connection, in the order written."""
        return [
            Subscription(row.market, channel) for row in self.markets for channel in row.channels
        ]


class SourceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source of prices of an asset; operator: the venue's own if not stated. Others as SourceListed."""

    name: str
    asset: str
    connection: str
    market: str
    price: PriceKind
    operator: str | None = None
    weight: int = 1
    kind: SourceKind = "spot"
    quote: str = "USD"
    tier: int = 1
    resells: list[str] = []
    stale_after_ms: int = 10_000
    frozen_after_ms: int = 0


class InstrumentRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of our instruments, quoted by a market of a venue. quote: the currency of its prices."""

    instrument: str
    connection: str
    market: str
    quote: str = "USD"


class BookRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order book that is followed, with the trades and open interest of its market if subscribed.

    instrument: ours that trades there. quote: the currency of its prices. levels: told of each side. depth: kept of each side.
    interval_ms: least time between two BookTicks. is_own: it is our venue's.
    """

    name: str
    asset: str
    connection: str
    market: str
    instrument: str = ""
    quote: str = "USD"
    levels: int = 50
    depth: int = 1_000
    interval_ms: int = 250
    is_own: bool = False


class PerpetualRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A perpetual of ours. contract_usd: of an inverse one, the usual size of its asset if not stated."""

    asset: str
    is_inverse: bool = False
    contract_usd: int | None = None


class FeedsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    connections: list[ConnectionRow]
    sources: list[SourceRow] = []
    instruments: list[InstrumentRow] = []
    books: list[BookRow] = []
    perpetuals: list[PerpetualRow] = []


def operator_of_source(source: SourceRow, config: FeedsConfig) -> str:
    """Return who runs a source: as stated, otherwise the operator of its venue."""
    if source.operator is not None:
        return source.operator
    row = next(row for row in config.connections if row.name == source.connection)
    return _operator_of(row, venue_terms)


def _operator_of(row: ConnectionRow, terms_of: Callable[[str], VenueTerms]) -> str:
    return row.ccxt.exchange if row.ccxt is not None else terms_of(row.venue).operator


def read_feeds(path: Path, quorum_sources: int, quorum_operators: int) -> FeedsConfig:
    """Return a checked document. Errors: LIVE-E01 … LIVE-E06."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(
            "LIVE-E01", f"the file cannot be read: {error}", "feeds are described by a TOML file",
            "check the path and its permissions", file=path,
        ) from None  # fmt: skip
    return decode_feeds(text, quorum_sources, quorum_operators)


def decode_feeds(
    text: str,
    quorum_sources: int,
    quorum_operators: int,
    terms_of: Callable[[str], VenueTerms] = venue_terms,
) -> FeedsConfig:
    """Return a checked document. Errors: LIVE-E01 … LIVE-E06, each with table, row and field.

    quorum_sources, quorum_operators: of the method in use. terms_of: the public terms of a venue.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise refused("LIVE-E01", f"no TOML: {error}", "feeds are described by a TOML file",
                      "mend the line it names") from None  # fmt: skip
    try:
        config = msgspec.convert(document, FeedsConfig)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        raise refused("LIVE-E02", words[0].lower() + words[1:], "only the documented fields, of their types",
                      "compare the row with the documentation", field=place.rstrip("`").lstrip(".") or "the document",
                      ) from None  # fmt: skip
    _check_connections(config, terms_of)
    _check_rows(config)
    _check_quorum(config, quorum_sources, quorum_operators, terms_of)
    return config


# -- the rules -------------------------------------------------------------------------------------


def refused(code: str, message: str, rule: str, cure: str, **where: object) -> InputError:
    """Return an error of the document."""
    return InputError(code, message, rule=rule, cure=cure, **where)


def _check_connections(config: FeedsConfig, terms_of: Callable[[str], VenueTerms]) -> None:
    """Raise LIVE-E03, -E04 or -E05 for the first connection that breaks a rule."""
    if not 0 < len(config.connections) <= _ROWS_MAX:
        raise refused("LIVE-E03", "there is no connection", f"1 to {_ROWS_MAX} connections",
                      "add a [[connections]] table", table="connections")  # fmt: skip
    _once("connections", ((row.name,) for row in config.connections), "name")
    for index, row in enumerate(config.connections):
        place = f"connections[{index}]"
        _named(place, "name", row.name)
        if row.venue not in VENUES:
            raise refused("LIVE-E04", f"unknown venue {row.venue!r}", f"a venue is one of {', '.join(sorted(VENUES))}",
                          "use one of these names", table=place, field="venue")  # fmt: skip
        _address(place, "websocket_url", row.websocket_url, ("wss", "ws"))
        _address(place, "rest_url", row.rest_url, ("https", "http"))
        if row.token_variable is not None and not _VARIABLE.fullmatch(row.token_variable):
            raise refused("LIVE-E03", f"{row.token_variable!r} names no variable", "letters, digits and _, not a digit first",
                          "state the name of an environment variable, never the token itself",
                          table=place, field="token_variable")  # fmt: skip
        _check_oracle(place, row)
        _once(f"{place}.markets", ((market.market,) for market in row.markets), "market")
        for number, market in enumerate(row.markets):
            _named(f"{place}.markets[{number}]", "market", market.market, _MARKET)
            _once(f"{place}.markets[{number}]", ((each,) for each in market.channels), "channels")
        wanted = sum(len(market.channels) for market in row.markets)
        most = terms_of(row.venue).subscriptions_max
        if not 0 < wanted <= most:
            raise refused("LIVE-E03", f"{wanted} subscriptions", f"1 to {most} on one connection of this venue",
                          "split the markets over more connections", table=place, field="markets")  # fmt: skip


ORACLE_TABLES = {
    "pyth-hermes": "pyth",
    "pyth-pro": "pyth_pro",
    "chainlink-streams": "chainlink",
    "ccxt": "ccxt",
}
"""The table that a connection to an oracle network, or through ccxt, needs, by venue."""


def _check_oracle(place: str, row: ConnectionRow) -> None:
    """Raise LIVE-E03 for the table of another oracle network, an address or a variable that is none."""
    own = ORACLE_TABLES.get(row.venue)
    for table in ORACLE_TABLES.values():
        if table != own and getattr(row, table) is not None:
            raise refused("LIVE-E03", f"a table {table} of venue {row.venue!r}", "a table stands in a connection of its own venue",
                          f"drop [connections.{table}] or mend the venue", table=place, field=table)  # fmt: skip
    if row.pyth_pro is not None:
        for address in row.pyth_pro.endpoints:
            _address(f"{place}.pyth_pro", "endpoints", address, ("wss", "ws"))
    for name in ("key_variable", "secret_variable") if row.chainlink is not None else ():
        variable = getattr(row.chainlink, name)
        if variable is not None and not _VARIABLE.fullmatch(variable):
            raise refused("LIVE-E03", f"{variable!r} names no variable", "letters, digits and _, not a digit first",
                          "state the name of an environment variable, never the secret itself",
                          table=f"{place}.chainlink", field=name)  # fmt: skip


def _check_rows(config: FeedsConfig) -> None:
    """Raise LIVE-E03, -E04 or -E05 for the first source, instrument or book that breaks a rule."""
    channels = {
        (connection.name, row.market): set(row.channels)
        for connection in config.connections
        for row in connection.markets
    }
    names = {connection.name for connection in config.connections}

    def subscribed(place: str, connection: str, market: str, channel: Channel) -> None:
        if connection not in names:
            raise refused("LIVE-E04", f"there is no connection {connection!r}", "a row names one of the connections",
                          "add the connection or mend the name", table=place, field="connection")  # fmt: skip
        if channel not in channels.get((connection, market), ()):
            raise refused("LIVE-E04", f"nobody subscribes to {channel} of {market!r} on {connection!r}",
                          "what is used is subscribed",
                          f"add {channel} to the channels of this market in the connection",
                          table=place, field="market")  # fmt: skip

    _once("sources", ((row.name, row.asset) for row in config.sources), "name and asset")
    _once("sources", ((row.connection, row.market, row.price, row.asset) for row in config.sources),
          "connection, market, price and asset")  # fmt: skip
    for index, source in enumerate(config.sources):
        place = f"sources[{index}]"
        _check_source(place, source)
        subscribed(place, source.connection, source.market, CHANNEL_OF[source.price])
    _once("instruments", ((row.instrument,) for row in config.instruments), "instrument")
    for index, instrument in enumerate(config.instruments):
        place = f"instruments[{index}]"
        _named(place, "instrument", instrument.instrument)
        _named(place, "quote", instrument.quote)
        subscribed(place, instrument.connection, instrument.market, "quotes")
    _once(
        "perpetuals",
        ((row.asset, row.is_inverse) for row in config.perpetuals),
        "asset and is_inverse",
    )
    for index, perpetual in enumerate(config.perpetuals):
        place = f"perpetuals[{index}]"
        if perpetual.asset not in {source.asset for source in config.sources}:
            raise refused("LIVE-E04", f"no source has prices of {perpetual.asset!r}", "a perpetual's asset has sources",
                          "add sources or mend the name", table=place, field="asset")  # fmt: skip
        if perpetual.contract_usd is not None and not perpetual.is_inverse:
            raise refused("LIVE-E03", "contract_usd of a linear perpetual", "only an inverse contract has a size in USD",
                          "leave it out", table=place, field="contract_usd")  # fmt: skip
        _within(place, "contract_usd", perpetual.contract_usd or 1, 1, 1_000_000)
    _once("books", ((row.name, row.asset) for row in config.books), "name and asset")
    _once("books", ((row.connection, row.market) for row in config.books), "connection and market")
    for index, book in enumerate(config.books):
        place = f"books[{index}]"
        _named(place, "name", book.name)
        _named(place, "asset", book.asset)
        _named(place, "quote", book.quote)
        _within(place, "levels", book.levels, 1, LEVELS_MAX)
        _within(place, "depth", book.depth, book.levels, 5_000)
        _within(place, "interval_ms", book.interval_ms, 0, DAY_MS)
        subscribed(place, book.connection, book.market, "book")


def _check_source(place: str, source: SourceRow) -> None:
    for field in ("name", "asset", "quote"):
        _named(place, field, getattr(source, field))
    if source.operator is not None:
        _named(place, "operator", source.operator)
    _within(place, "weight", source.weight, 1, 1_000_000)
    _within(place, "tier", source.tier, 1, 2)
    _within(place, "stale_after_ms", source.stale_after_ms, 1, DAY_MS)
    _within(place, "frozen_after_ms", source.frozen_after_ms, 0, DAY_MS)
    for reseller in source.resells:
        _named(place, "resells", reseller)
    if (source.price == "oracle") != (source.kind == "oracle"):
        raise refused("LIVE-E03", f"price {source.price!r} of kind {source.kind!r}", "an oracle's price, and no other, is of kind oracle",
                      "set price and kind alike", table=place, field="kind")  # fmt: skip
    if len(source.resells) > 64 or (source.resells and source.kind != "oracle"):
        raise refused("LIVE-E03", "resells is stated", "only an oracle passes prices on, of at most 64 operators",
                      "leave it out", table=place, field="resells")  # fmt: skip
    if source.quote == source.asset:
        raise refused("LIVE-E03", "a price in itself", "a price is in another currency than its asset",
                      "mend quote or asset", table=place, field="quote")  # fmt: skip


def _check_quorum(
    config: FeedsConfig,
    quorum_sources: int,
    quorum_operators: int,
    terms_of: Callable[[str], VenueTerms],
) -> None:
    """Raise LIVE-E06 for the first asset that can never have a quorum, whatever its sources say.

    A quorum needs so many sources of so many operators that speak for themselves. An oracle that resells
    prices of an operator that is there, or that another counted oracle passes on too, does not.
    """
    rows = {row.name: row for row in config.connections}

    def operator_of(source: SourceRow) -> str:
        return source.operator or _operator_of(rows[source.connection], terms_of)

    for asset in dict.fromkeys(source.asset for source in config.sources):
        sources = [source for source in config.sources if source.asset == asset]
        heard = {operator_of(source) for source in sources if not source.resells}
        count = len(heard)
        for oracle in sorted((each for each in sources if each.resells), key=operator_of):
            named = {operator_of(oracle), *oracle.resells}
            if heard.isdisjoint(named):
                count += 1
                heard |= named
        if len(sources) < quorum_sources or count < quorum_operators:
            raise refused(
                "LIVE-E06",
                f"{len(sources)} sources of {count} independent operators can never be a quorum",
                f"an asset has at least {quorum_sources} sources of {quorum_operators} operators",
                "add sources of other operators, or use a method that asks for fewer",
                table="sources",
                field="asset",
                asset=asset,
            )


def _once(table: str, keys: Iterable[Hashable], field: str) -> None:
    """Raise LIVE-E05 for the second row with the key of an earlier one."""
    seen: dict[Hashable, int] = {}
    for index, key in enumerate(keys):
        if key in seen:
            shown = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            raise refused("LIVE-E05", f"rows {seen[key]} and {index} have one key: {shown}",
                          f"{field} is there once", "rename or drop one of them", table=table, field=field)  # fmt: skip
        seen[key] = index


def _named(place: str, field: str, value: str, form: re.Pattern[str] = _NAME) -> None:
    if not form.fullmatch(value) or not value.isprintable():
        most = 64 if form is _NAME else 80
        raise refused("LIVE-E03", f"{value[:80]!r} is no name", f"1 to {most} printable characters without spaces",
                      "mend the name", table=place, field=field)  # fmt: skip


def _within(place: str, field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise refused("LIVE-E03", f"{field} is {value}", f"a whole number from {low} to {high}",
                      "mend the number", table=place, field=field)  # fmt: skip


def _address(place: str, field: str, value: str | None, schemes: Sequence[str]) -> None:
    """Raise LIVE-E03 unless an address is encrypted, or on this machine."""
    if value is None:
        return
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        is_known = parts.scheme in schemes and bool(host) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_known, host = False, ""
    if not is_known or (value.startswith(schemes[1] + ":") and not is_loopback(host)):
        raise refused("LIVE-E03", f"{value!r} is no address for it", f"{schemes[0]}://host…; unencrypted only on this machine",
                      "mend the address", table=place, field=field)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("stream.example")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
