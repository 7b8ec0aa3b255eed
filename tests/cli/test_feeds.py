"""`steelyard feeds` on loopback: venues that agree, venues that fail, and documents that are wrong."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest

from steelyard.cli import feeds_board
from steelyard.feeds.live.config import ConnectionRow, decode_feeds
from steelyard.feeds.live.listing import LiveListing
from tests.cli.feeds_roles import (
    BTC_FEED,
    chainlink_table,
    connection,
    document,
    quick,
    served,
    source,
    steelyard,
    venues,
    written,
)
from tests.support import live_venues
from tests.support.live_server import LiveServer, RawBytes
from tests.support.live_venues import coinbase, kraken, okx, steady

HOUR_US = 3_600_000_000
Fixtures = tuple[pytest.MonkeyPatch, pytest.CaptureFixture[str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fixtures:
    quick(monkeypatch)
    return monkeypatch, capsys


def test_FCLI_020_three_venues_and_an_oracle_give_an_index_and_marks(
    here: Fixtures, tmp_path: Path
) -> None:
    with served(**venues()) as servers:
        done = steelyard(
            *here, "feeds", "check", document(tmp_path, servers), "--seconds", 1.5, "--json"
        )
    report = done.answer
    assert {row["source"]: row["verdict"] for row in report["sources"]} == dict.fromkeys(
        ("coinbase", "kraken", "okx", "chainlink", "kraken-usdt", "second"), "used"
    ), report
    assert done.code == report["exit_code"] == 0
    index = {row["asset"]: row for row in report["indices"]}
    assert 59_990 < index["BTC"]["index"] < 60_020
    assert 0.999 < index["USDT"]["index"] < 1.0
    assert index["BTC"]["operators"] == 4
    for row in report["sources"]:
        assert row["prices"] > 0
        assert row["state"] == "up"
        assert -50 <= row["receive_delay_ms"] < 2_000
    assert report["counts"]["BookTick"] >= 1
    assert report["refused"] == {}


def test_FCLI_021_whatever_a_source_does_is_told_and_the_others_make_the_index(
    here: Fixtures, tmp_path: Path
) -> None:
    def late(now: int) -> int:
        return now - 24 * HOUR_US

    def ahead(now: int) -> int:
        return now + HOUR_US

    junk = [b"\xff\xfe\x00", '{"arg": {"channel": "tra', b"\x1f\x8b\x08\x00broken", "[[[["]
    scripts = {
        "one": coinbase(steady(60_000.0, 1.0)),
        "two": kraken(BTC=steady(60_010.0, 1.0)),
        "three": okx(steady(60_005.0, 1.0)),
        "liar": coinbase(steady(66_000.0, 1.0)),
        "yesterday": kraken(late, BTC=steady(60_000.0, 1.0)),
        "ahead": coinbase(steady(60_000.0, 1.0), ahead),
        "garbage": okx(steady(60_000.0, 1.0), junk=junk),
        "half": coinbase(steady(60_000.0, 1.0), junk=[RawBytes(b"\x81\x7e\x01")]),
        "unknown": kraken(ETH=steady(3_000.0, 1.0)),
    }
    speaks = {"coinbase": ("coinbase", "BTC-USD"), "kraken": ("kraken", "BTC/USD"), "okx": ("okx", "BTC-USDT")}  # fmt: skip
    of = {
        "one": "coinbase", "two": "kraken", "three": "okx", "liar": "coinbase", "yesterday": "kraken",
        "ahead": "coinbase", "garbage": "okx", "half": "coinbase", "unknown": "kraken",
    }  # fmt: skip
    with served(**scripts) as servers:
        nowhere = LiveServer("ws://127.0.0.1:1", "http://127.0.0.1:1")
        parts = [connection("nowhere", "kraken", nowhere, "BTC/USD trades")]
        parts.append(source("nowhere", "BTC/USD", operator="nowhere"))
        for name, venue in of.items():
            kind, market = speaks[venue]
            parts.append(connection(name, kind, servers[name], f"{market} trades"))
            # Those that fail are more, and weigh less: a minority of the listed weight.
            weight = 4 if name in ("one", "two", "three") else 1
            parts.append(source(name, market, operator=name, weight=weight))
        path = written(tmp_path, *parts)
        done = steelyard(*here, "feeds", "check", path, "--seconds", 2.2, "--json")
    report = done.answer
    rows = {row["source"]: row for row in report["sources"]}
    half = rows["half"]["verdict"]
    assert half in ("down", "used")  # it breaks and comes back, again and again
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "one": "used", "two": "used", "three": "used", "liar": "deviating", "yesterday": "clock",
        "ahead": "clock", "garbage": "malformed", "half": half, "unknown": "down", "nowhere": "down",
    }, {name: (row["verdict"], row["reason"], row["errors"]) for name, row in rows.items()}  # fmt: skip
    assert done.code == 1
    assert all(row["cure"] for row in rows.values() if row["verdict"] != "used")
    assert rows["half"]["errors"]["CONN-E03"] > 1
    assert rows["garbage"]["errors"]["WIRE-E01"] > 3
    assert "CONN-E01" in rows["nowhere"]["errors"]
    assert "not supported" in rows["unknown"]["reason"]
    assert rows["ahead"]["clock_skew_ms"] == pytest.approx(-3_600_000, abs=1_000)
    assert rows["yesterday"]["receive_delay_ms"] > 86_399_000
    assert rows["liar"]["from_index_ppm"] == pytest.approx(100_000, abs=1_000)
    (index,) = report["indices"]
    assert index["is_trusted"], index
    assert 59_999 < index["index"] < 60_015


def test_FCLI_022_a_source_that_dies_and_comes_back_is_used_again(
    here: Fixtures, tmp_path: Path
) -> None:
    breaking = venues(coinbase=coinbase(steady(60_000.0, 1.0), lives=5))
    with served(**breaking) as servers:
        done = steelyard(
            *here, "feeds", "check", document(tmp_path, servers), "--seconds", 1.2, "--json"
        )
        assert servers["coinbase"].handshakes == 2
    rows = {row["source"]: row for row in done.answer["sources"]}
    assert rows["coinbase"]["verdict"] == "used"
    assert rows["coinbase"]["errors"] == {"CONN-E03": 1}
    assert done.answer["counts"]["SourceStatus"] >= 8
    assert done.code == 0


def test_FCLI_023_prices_that_are_merely_old_are_exit_code_3(
    here: Fixtures, tmp_path: Path
) -> None:
    scripts = {
        "one": coinbase(steady(1.0, 0.1), pause_after=3),
        "two": kraken(BTC=steady(1.0, 0.1)),
    }
    with served(**scripts) as servers:
        path = written(
            tmp_path,
            connection("one", "coinbase", servers["one"], "BTC-USD trades"),
            connection("two", "kraken", servers["two"], "BTC/USD trades"),
            source("one", "BTC-USD", stale_after_ms=200),
            source("two", "BTC/USD"),
        )
        done = steelyard(*here, "feeds", "check", path, "--seconds", 1, "--json")
        shown = steelyard(*here, "feeds", "check", path, "--seconds", 1)
    assert {row["source"]: row["verdict"] for row in done.answer["sources"]} == {
        "one": "stale",
        "two": "used",
    }
    assert done.code == shown.code == 3
    assert "one BTC: stale" in shown.out
    assert "raise stale_after_ms" in shown.out


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("LIVE-E05", lambda _: [source("one", "BTC-USD"), source("one", "BTC-USD")]),
        ("LIVE-E06", lambda _: [source("one", "BTC-USD")]),
        ("LIVE-E03", lambda _: [source("one", "BTC-USD"), source("two", "BTC/USD", weight=0)]),
        ("LIVE-E04", lambda _: [source("one", "BTC-USD"), source("two", "ETH/USD")]),
        ("FCLI-E04", lambda _: [source("one", "BTC-USD"), source("two", "BTC/USD", quote="USDT")]),
        ("LIVE-E03", lambda s: [
            source("one", "BTC-USD"), source("two", "BTC/USD"),
            connection("x", "chainlink-streams", s, f"{BTC_FEED} reference"),
        ]),
        ("CHLK-E04", lambda s: [
            source("one", "BTC-USD"), source("two", "BTC/USD"),
            connection("x", "chainlink-streams", s, f"{BTC_FEED} reference"),
            '[connections.chainlink]\nkey_variable = "NO_KEY"\nsecret_variable = "NO_SECRET"\n',
            chainlink_table(),
        ]),
        ("LIVE-E01", lambda s: [
            source("one", "BTC-USD"), source("two", "BTC/USD"),
            connection("x", "pyth-hermes", s, f"{'e6' * 32} reference"),
            '[connections.pyth]\ntrust = "nowhere.toml"\n',
        ]),
        ("LIVE-E07", lambda s: [
            source("one", "BTC-USD"), source("two", "BTC/USD"),
            connection("x", "okx", s, "BTC-USDT trades", more='token_variable = "NO_TOKEN"'),
        ]),
    ],
)  # fmt: skip
def test_FCLI_010_a_wrong_document_is_exit_code_2_and_a_named_error(
    here: Fixtures, tmp_path: Path, code: str, change: object
) -> None:
    nowhere = LiveServer("ws://127.0.0.1:1", "http://127.0.0.1:1")
    path = written(
        tmp_path,
        connection("one", "coinbase", nowhere, "BTC-USD trades"),
        connection("two", "kraken", nowhere, "BTC/USD trades"),
        *change(nowhere),  # type: ignore[operator]
    )
    done = steelyard(*here, "feeds", "check", path, "--seconds", 0.5, "--json")
    assert done.code == 2
    assert done.answer["error"]["code"] == code
    assert f"error {code}" in done.err
    assert "cure" in done.err


def test_FCLI_011_the_documented_example_is_a_sound_document() -> None:
    text = (Path(__file__).parents[2] / "docs" / "live-feeds.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```toml\n")[1:]]
    config = decode_feeds(blocks[0], 2, 2)
    listing = LiveListing(config)
    assert len(config.connections) == 5
    assert listing.pending == []
    assert all(row.websocket_url is None for row in config.connections)
    oracles = tomllib.loads(blocks[1])["connections"]
    assert [row["venue"] for row in oracles] == ["pyth-hermes", "pyth-pro", "chainlink-streams"]
    for row in oracles:
        msgspec.convert(row, ConnectionRow)


def test_FCLI_001_the_list_names_every_venue_its_operator_address_and_limits(
    here: Fixtures,
) -> None:
    rows = {
        row["venue"]: row for row in steelyard(*here, "feeds", "list", "--json").answer["venues"]
    }
    assert len(rows) == 15
    assert rows.pop("ccxt")["kind"] == "library"
    assert rows["binance-usdm"]["operator"] == rows["binance-spot"]["operator"] == "binance"
    assert rows["pyth-hermes"]["kind"] == "oracle"
    for row in rows.values():
        assert (row["websocket_url"] or row["rest_url"]).startswith(("wss://", "https://"))
        assert row["subscriptions_max"] > 0
        assert row["source"]
    shown = steelyard(*here, "feeds", "list")
    assert (shown.code, "wss://" in shown.out) == (0, True)


def test_FCLI_002_without_the_extra_there_is_one_error_with_the_cure(
    here: Fixtures, tmp_path: Path
) -> None:
    here[0].setattr(feeds_board, "find_spec", lambda name: None if name == "aiohttp" else name)
    path = written(tmp_path, "")
    for command in (["check", path], ["record", path, "--out", tmp_path / "r"],
                    ["replay", tmp_path, "--config", path]):  # fmt: skip
        done = steelyard(*here, "feeds", *command, "--json")
        assert (done.code, done.answer["error"]["code"]) == (2, "FCLI-E01")
        assert done.answer["error"]["cure"] == "pip install steelyard[feeds]"
    done = steelyard(*here, "run", "--live", path)
    assert done.code == 2
    assert "pip install steelyard[feeds]" in done.err


def test_FCLI_003_help_imports_nothing_that_feeds_need() -> None:
    program = (
        "import sys, steelyard.cli.app; "
        "print(sorted({'aiohttp', 'coincurve', 'Crypto', 'numpy', 'rich.table'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_FCLI_024_hermes_and_pyth_pro_are_read_with_their_signers(
    here: Fixtures, tmp_path: Path
) -> None:
    attester = live_venues.pyth.Attester()
    here[0].setenv("TEST_PYTH_TOKEN", "s3cret")
    (tmp_path / "trust.toml").write_text(attester.document(), encoding="utf-8")
    scripts = {
        "hermes": live_venues.hermes(attester, steady(60_000.0, 1.0)),
        "pro": live_venues.pyth_pro(steady(60_001.0, 1.0)),
        "venue": coinbase(steady(60_002.0, 1.0)),
    }
    signer = live_venues.pyth.address(live_venues.pyth.key(90))
    with served(**scripts) as servers:
        token = 'token_variable = "TEST_PYTH_TOKEN"'
        feed = live_venues.pyth.BTC.hex()
        path = written(
            tmp_path,
            connection("hermes", "pyth-hermes", servers["hermes"], f"{feed} reference", more=token),
            '[connections.pyth]\ntrust = "trust.toml"\n',
            connection("pro", "pyth-pro", servers["pro"], "1 reference", more=token),
            f'[connections.pyth_pro]\nsigners = [{{ address = "{signer}" }}]\n',
            connection("venue", "coinbase", servers["venue"], "BTC-USD trades"),
            source("hermes", feed, "oracle", kind="oracle"),
            source("pro", "1", "oracle", kind="oracle", operator="pyth"),
            source("venue", "BTC-USD"),
        )
        done = steelyard(*here, "feeds", "check", path, "--seconds", 1.5, "--json")
        assert servers["pro"].headers[0]["Authorization"] == "Bearer s3cret"
    report = done.answer
    assert {row["source"]: row["verdict"] for row in report["sources"]} == dict.fromkeys(
        ("hermes", "pro", "venue"), "used"
    ), report
    assert report["indices"][0]["operators"] == 2
    assert "s3cret" not in done.out + done.err
