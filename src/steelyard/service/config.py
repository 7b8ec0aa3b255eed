"""The document of `steelyard serve`: one TOML file, any field of it overridden by the environment.

[engine]
title = "My venue"                   # what the page calls it; the market's own name without it
journal = "venue.journal"            # steelyard-serve/venue-1.journal, -2 and so on without it
method = "method.toml"               # the house's own without it
insurance_fund_usd = 5000000

[market]
kind = "simulated"                   # or recorded, live, none
[accounts]
source = "population:10000"          # or a file of accounts
[server]
host = "127.0.0.1"
port = 8710
[access]
keys = "keys.json"                   # made by `steelyard keys create`
[snapshots]
every_events = 10000

A variable STEELYARD_SECTION_FIELD overrides a field (STEELYARD_SERVER_PORT=9000); a list is separated by
commas. Lines of the command line stand above both. A variable that names a section and no field of it is
refused, since a limit that is misspelt is a limit that is not there.

SERV-E01 the file cannot be read or is no TOML
SERV-E02 a field that is missing, unknown or of another type
SERV-E03 a number or word out of its bounds
SERV-E04 a variable of the environment that names no field, or whose text does not fit
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from steelyard.quantities import InputError
from steelyard.service.access.session import SCOPES, Scope

MarketKind = Literal["simulated", "recorded", "live", "none"]

PREFIX = "STEELYARD_"
OTHER_VARIABLES = frozenset({"STEELYARD_MASTER_KEY", "STEELYARD_MASTER_KEY_FILE", "STEELYARD_DATA"})
"""Variables that other parts read: the master key of sealed secrets, and the folder of recorded data."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all sections share."""


class EngineSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The engine. journal: a new file; one that is there is gone on with by live feeds, and where no market drives."""

    title: str = ""
    journal: str = ""
    method: str = ""
    shards: int = 1
    insurance_fund_usd: int = 5_000_000


class MarketSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where prices come from.

    simulated: seed, law, minutes, speed, fall_after_s (when the law's fall begins). recorded: folder, chain
    and the instants begin and end (ISO 8601), speed. live: feeds, the document of the feeds. none: only what
    is sent. speed: market seconds a wall second; prices that are overdue are joined.
    """

    kind: MarketKind = "simulated"
    seed: int = 7
    law: Literal["calm", "stress", "crash"] = "crash"
    minutes: int = 240
    speed: float = 1.0
    fall_after_s: int = 90
    folder: str = ""
    chain: str = ""
    begin: str = ""
    end: str = ""
    feeds: str = ""


class AccountsSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who holds what at the beginning: population:N, a file, or nothing."""

    source: str = "population:10000"
    seed: int = 7


class ServerSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the service listens, and for whom. testnet: what every answer says of the market."""

    host: str = "127.0.0.1"
    port: int = 8710
    tls_certificate: str = ""
    tls_key: str = ""
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    connections_max: int = 2_000
    connections_per_address_max: int = 500
    testnet: bool = False


class AccessSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys and limits. page_login: whether a code for the page is printed at the start; page_scopes: what
    it opens. Credits a second and at most held: see the documentation of credits."""

    keys: str = ""
    page_login: bool = True
    page_scopes: tuple[Scope, ...] = SCOPES
    reading_per_s: int = 10_000
    reading_burst: int = 50_000
    trading_per_s: int = 2_500
    trading_burst: int = 10_000
    anonymous_per_s: int = 2_500
    anonymous_burst: int = 10_000
    page_per_s: int = 100_000
    page_burst: int = 1_000_000


class SnapshotsSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often the state is written: the nearer, the sooner a restart is done.

    After every_events events, but not oftener than every apart_s seconds, or after every_s seconds.
    """

    every_events: int = 10_000
    every_s: float = 300.0
    apart_s: float = 60.0


class RewindSection(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The second process, that answers as of other events. is_on: false leaves those answers out."""

    is_on: bool = True
    memory_mb: int = 2_048


class ServeConfig(_Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole document; every section may be left out."""

    engine: EngineSection = EngineSection()
    market: MarketSection = MarketSection()
    accounts: AccountsSection = AccountsSection()
    server: ServerSection = ServerSection()
    access: AccessSection = AccessSection()
    snapshots: SnapshotsSection = SnapshotsSection()
    rewind: RewindSection = RewindSection()


_BOUNDS: tuple[tuple[str, str, float, float], ...] = (
    ("engine", "shards", 1, 256),
    ("engine", "insurance_fund_usd", 0, 10**12),
    ("market", "seed", 0, 2**63 - 1),
    ("market", "minutes", 1, 44_640),
    ("market", "speed", 0.001, 1e6),
    ("market", "fall_after_s", 0, 2_678_400),
    ("accounts", "seed", 0, 2**63 - 1),
    ("server", "port", 0, 65_535),
    ("server", "connections_max", 1, 100_000),
    ("server", "connections_per_address_max", 1, 100_000),
    ("access", "reading_per_s", 1, 10**9),
    ("access", "reading_burst", 1, 10**9),
    ("access", "trading_per_s", 1, 10**9),
    ("access", "trading_burst", 1, 10**9),
    ("access", "anonymous_per_s", 1, 10**9),
    ("access", "anonymous_burst", 1, 10**9),
    ("access", "page_per_s", 1, 10**9),
    ("access", "page_burst", 1, 10**9),
    ("snapshots", "every_events", 100, 10**9),
    ("snapshots", "every_s", 1.0, 86_400.0),
    ("snapshots", "apart_s", 0.0, 86_400.0),
    ("rewind", "memory_mb", 256, 1_048_576),
)
_NEEDED: Mapping[MarketKind, tuple[str, ...]] = {
    "simulated": (),
    "recorded": ("folder", "begin", "end"),
    "live": ("feeds",),
    "none": (),
}


def read_config(path: Path | None, environment: Mapping[str, str]) -> ServeConfig:
    """Return the document at a path (the defaults without one) under the variables of an environment.

    Errors: SERV-E01 to E04.

    >>> read_config(None, {"STEELYARD_SERVER_PORT": "9000"}).server.port
    9000
    """
    text = ""
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _refused("SERV-E01", f"cannot be read: {error}", "the document is a text file",
                           "give the path of one", file=path) from None  # fmt: skip
    return parse_config(text, environment)


def parse_config(text: str, environment: Mapping[str, str]) -> ServeConfig:
    """Return the document of a text under an environment. Errors: SERV-E01 to E04."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refused("SERV-E01", f"no TOML: {error}", "the document is a TOML file",
                       "mend the line it names") from None  # fmt: skip
    stated = _converted(document)
    merged = msgspec.to_builtins(stated)
    for section, fields in _overrides(environment).items():
        merged[section] |= fields
    return checked(_converted(merged))


def checked(config: ServeConfig) -> ServeConfig:
    """Return a document whose numbers and words hold together. Errors: SERV-E03."""
    for section, field, low, high in _BOUNDS:
        value = getattr(getattr(config, section), field)
        if not low <= value <= high:
            raise _refused("SERV-E03", f"{field} is {value}", f"it is {low:g} to {high:g}",
                           "state a number between them", section=section, field=field)  # fmt: skip
    market, server = config.market, config.server
    for field in _NEEDED[market.kind]:
        if not getattr(market, field):
            raise _refused("SERV-E03", f"{field} is not stated", f"a market of kind {market.kind} needs it",
                           f"add market.{field}, or choose another kind", section="market", field=field)  # fmt: skip
    if bool(server.tls_certificate) != bool(server.tls_key):
        raise _refused("SERV-E03", "half of the TLS files is stated", "a certificate and its key go together",
                       "state both or neither", section="server", field="tls_key")  # fmt: skip
    if not server.host:
        raise _refused("SERV-E03", "host is empty", "the service listens on an address",
                       "write 127.0.0.1, or 0.0.0.0 for every address", section="server", field="host")  # fmt: skip
    return config


def _converted(document: Mapping[str, Any]) -> ServeConfig:
    try:
        return msgspec.convert(document, ServeConfig)
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        raise _refused("SERV-E02", words[0].lower() + words[1:], "only the documented fields, of their types",
                       "compare it with the documentation", field=place.rstrip("`").lstrip(".") or "the document",
                       ) from None  # fmt: skip


def _overrides(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the fields that variables state, by section. Errors: SERV-E04."""
    sections = get_type_hints(ServeConfig)
    found: dict[str, dict[str, Any]] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        section, _, field = name.removeprefix(PREFIX).lower().partition("_")
        if section not in sections:
            continue  # a variable of something else that is called so
        kinds = get_type_hints(sections[section])
        if field not in kinds:
            raise _refused("SERV-E04", f"{section} has no field {field!r}", "a variable names a section and its field",
                           f"one of {', '.join(sorted(kinds))}", variable=name)  # fmt: skip
        found.setdefault(section, {})[field] = _read(kinds[field], environment[name], name)
    return found


def _read(kind: Any, text: str, name: str) -> Any:
    """Return a variable's text as a value of a field's type. Errors: SERV-E04."""
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if get_origin(kind) is Literal:
        kind = type(get_args(kind)[0])
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refused("SERV-E04", f"{text!r}: {str(error).lower()}", "a variable's text fits its field",
                       "write it as the documentation has it", variable=name) from None  # fmt: skip


def _refused(code: str, message: str, rule: str, cure: str, **where: object) -> InputError:
    return InputError(code, message, rule=rule, cure=cure, **where)
