"""The document of the live feeds: what is taken, and each way to write it wrong."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.feeds.live.client import Subscription, VenueTerms
from steelyard.feeds.live.config import FeedsConfig, decode_feeds, operator_of_source, read_feeds
from steelyard.feeds.live.registry import CLIENTS, venue_terms
from steelyard.quantities import InputError

DOCUMENT = """
[[connections]]
name = "deribit"
venue = "deribit"
websocket_url = "ws://127.0.0.1:9000/ws"
token_variable = "DERIBIT_TOKEN"
markets = [{market = "BTC-PERPETUAL", channels = ["trades", "quotes", "book", "reference"]}]

[[connections]]
name = "kraken"
venue = "kraken"
markets = [{market = "BTC/USD", channels = ["quotes"]}, {market = "ETH/USD", channels = ["trades"]}]

[[connections]]
name = "pyth"
venue = "pyth-hermes"
markets = [{market = "e62d", channels = ["reference"]}]

[[sources]]
name = "deribit-btc"
asset = "BTC"
connection = "deribit"
market = "BTC-PERPETUAL"
price = "index"
kind = "derivative"

[[sources]]
name = "kraken-btc"
asset = "BTC"
connection = "kraken"
market = "BTC/USD"
price = "mid"
weight = 3
stale_after_ms = 2500

[[sources]]
name = "pyth-btc"
asset = "BTC"
connection = "pyth"
market = "e62d"
price = "oracle"
kind = "oracle"
tier = 2
resells = ["okx", "bybit"]

[[instruments]]
instrument = "BTC-PERPETUAL"
connection = "deribit"
market = "BTC-PERPETUAL"

[[books]]
name = "deribit-btc-book"
asset = "BTC"
connection = "deribit"
market = "BTC-PERPETUAL"
"""


def terms(venue: str) -> VenueTerms:
    return VenueTerms(venue, venue, "wss://x", "https://x", 0, 5, 1, "", "")


def decode(text: str, sources: int = 2, operators: int = 2) -> FeedsConfig:
    return decode_feeds(text, sources, operators, terms)


def test_LIVE_001_a_document_gives_connections_sources_instruments_and_books() -> None:
    config = decode(DOCUMENT)
    assert config.connections[1].subscriptions() == [
        Subscription("BTC/USD", "quotes"),
        Subscription("ETH/USD", "trades"),
    ]
    assert config.sources[1].stale_after_ms == 2500
    assert (config.books[0].levels, config.books[0].interval_ms) == (50, 250)
    assert config.connections[0].token_variable == "DERIBIT_TOKEN"


BROKEN = {
    "no TOML": ("[[connections]]\nname = \"deribit\"", "[[connections]\nname = \"x\"", "LIVE-E01", "line 2"),
    "an unknown field": ('price = "mid"', 'price = "mid"\nwait = 3', "LIVE-E02", r"sources\[\.\.\.\]|sources\[1\]"),
    "a missing field": ('asset = "BTC"\nconnection = "kraken"', 'connection = "kraken"', "LIVE-E02", "asset"),
    "a number in words": ("weight = 3", 'weight = "three"', "LIVE-E02", "weight"),
    "an unknown channel": ('channels = ["trades"]', 'channels = ["depths"]', "LIVE-E02", "channels"),
    "an unknown kind of price": ('price = "mid"', 'price = "last"', "LIVE-E02", "price"),
    "no weight": ("weight = 3", "weight = 0", "LIVE-E03", r"table=sources\[1\], field=weight"),
    "a third tier": ("tier = 2", "tier = 3", "LIVE-E03", r"table=sources\[2\], field=tier"),
    "an age below zero": ("stale_after_ms = 2500", "stale_after_ms = -1", "LIVE-E03", "stale_after_ms"),
    "a name with a blank": ('name = "kraken-btc"', 'name = "kraken btc"', "LIVE-E03", r"sources\[1\], field=name"),
    "a name without end": ('name = "kraken-btc"', f'name = "{"x" * 65}"', "LIVE-E03", "field=name"),
    "an address that is none": ("ws://127.0.0.1:9000/ws", "127.0.0.1", "LIVE-E03", "websocket_url"),
    "an address that is not encrypted": ("ws://127.0.0.1:9000/ws", "ws://feed.example/ws", "LIVE-E03", "wss://"),
    "a port that is none": ("ws://127.0.0.1:9000/ws", "wss://feed.example:99999/", "LIVE-E03", "websocket_url"),
    "a token in place of its variable": ('"DERIBIT_TOKEN"', '"8f-77"', "LIVE-E03", "token_variable"),
    "an exchange that resells": ("weight = 3", 'resells = ["okx"]', "LIVE-E03", "resells"),
    "an oracle that is called spot": ('kind = "oracle"', 'kind = "spot"', "LIVE-E03", "field=kind"),
    "a price in itself": ("weight = 3", 'quote = "BTC"', "LIVE-E03", "field=quote"),
    "more subscriptions than allowed": (
        'channels = ["quotes"]', 'channels = ["quotes", "trades", "book", "reference", "options"]',
        "LIVE-E03", r"6 subscriptions.*connections\[1\]",
    ),
    "no market": ('markets = [{market = "e62d", channels = ["reference"]}]', "markets = []", "LIVE-E03", "pyth|markets"),
    "an unknown venue": ('venue = "kraken"', 'venue = "mtgox"', "LIVE-E04", r"connections\[1\], field=venue.*binance-spot"),
    "an unknown connection": ('connection = "kraken"', 'connection = "krakow"', "LIVE-E04", "'krakow'.*field=connection"),
    "a market nobody subscribes to": ('market = "BTC/USD"\nprice', 'market = "BTC/EUR"\nprice', "LIVE-E04", "BTC/EUR.*add quotes"),
    "a channel nobody subscribes to": ('price = "mid"', 'price = "trade"', "LIVE-E04", "nobody subscribes to trades"),
    "a book nobody subscribes to": ('"quotes", "book", ', '"quotes", ', "LIVE-E04", r"books\[0\]"),
    "two connections of one name": ('name = "kraken"', 'name = "deribit"', "LIVE-E05", "rows 0 and 1.*deribit"),
    "one market twice": ('market = "ETH/USD"', 'market = "BTC/USD"', "LIVE-E05", r"connections\[1\]\.markets"),
    "one channel twice": ('["quotes"]', '["quotes", "quotes"]', "LIVE-E05", r"connections\[1\]\.markets\[0\]"),
    "two sources with one key": ('name = "kraken-btc"', 'name = "deribit-btc"', "LIVE-E05", "rows 0 and 1.*table=sources"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_LIVE_002_every_wrong_document_is_refused_with_table_field_rule_and_cure(
    fault: str,
) -> None:
    before, after, code, words = BROKEN[fault]
    assert DOCUMENT.count(before) == 1
    with pytest.raises(InputError) as caught:
        decode(DOCUMENT.replace(before, after))
    assert caught.value.code == code
    assert re.search(words, str(caught.value), re.DOTALL), str(caught.value)
    assert caught.value.rule
    assert caught.value.cure


def test_LIVE_003_one_price_under_two_names_is_refused() -> None:
    twice = DOCUMENT.replace(
        "[[instruments]]",
        '[[sources]]\nname = "again"\nasset = "BTC"\nconnection = "kraken"\n'
        'market = "BTC/USD"\nprice = "mid"\n\n[[instruments]]',
    )
    with pytest.raises(InputError, match="LIVE-E05: rows 1 and 3 have one key"):
        decode(twice)


def test_LIVE_004_sources_that_can_never_reach_the_quorum_are_refused() -> None:
    assert decode(DOCUMENT, 3, 3)  # deribit, kraken, pyth: it resells none of the two
    with pytest.raises(InputError, match="LIVE-E06: 3 sources of 3 independent operators"):
        decode(DOCUMENT, 4, 3)
    resold = DOCUMENT.replace('resells = ["okx", "bybit"]', 'resells = ["kraken", "okx"]')
    assert decode(resold, 3, 2)
    with pytest.raises(InputError, match="LIVE-E06: 3 sources of 2 independent operators"):
        decode(resold, 3, 3)
    one = DOCUMENT.replace("weight = 3", 'operator = "deribit"')
    with pytest.raises(InputError, match=r"LIVE-E06.*asset=BTC"):
        decode(one, 3, 3)


def test_LIVE_005_the_operator_is_the_venues_own_if_not_stated() -> None:
    config = decode_feeds(DOCUMENT, 2, 2)
    assert operator_of_source(config.sources[2], config) == "pyth"
    stated = decode(DOCUMENT.replace("weight = 3", 'operator = "payward"'))
    assert operator_of_source(stated.sources[1], stated) == "payward"


def test_LIVE_006_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "feeds.toml"
    with pytest.raises(InputError, match=r"LIVE-E01.*feeds\.toml"):
        read_feeds(path, 2, 2)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="LIVE-E01"):
        read_feeds(path, 2, 2)
    path.write_text(DOCUMENT)
    assert read_feeds(path, 2, 2) == decode_feeds(DOCUMENT, 2, 2)


@given(st.data())
def test_LIVE_007_any_change_of_a_document_gives_a_document_or_a_listed_error(
    data: st.DataObject,
) -> None:
    text = DOCUMENT
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        to = data.draw(st.integers(at, min(len(text), at + 12)))
        text = text[:at] + data.draw(st.text(max_size=8)) + text[to:]
    with suppress(InputError):  # every other error fails the test
        decode(text)


@pytest.mark.parametrize("venue", sorted(CLIENTS))
def test_LIVE_008_every_registered_venue_has_a_client_and_public_terms(venue: str) -> None:
    found = venue_terms(venue)
    assert found.websocket_url.startswith("wss://")
    assert found.rest_url.startswith("https://")
    assert found.operator
    assert found.subscriptions_max > 0
    assert found.silence_us > 0
    assert found.send_interval_us >= 0
