"""Exchanges through ccxt in a document: recorded, replayed, and judged like every source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from steelyard.feeds.live.config import decode_feeds
from steelyard.quantities import InputError
from tests.cli.feeds_roles import quick, steelyard

SPEAKER = """
import json, sys, time
request = json.loads(sys.stdin.readline())
market = request["subscriptions"][0]["market"]
def say(kind, **fields):
    print(json.dumps(dict(kind=kind, **fields)), flush=True)
say("ready", version="4.5.90", exchange=request["exchange"])
say("market", market=market, is_contract=False, contract_size=None)
for number in range(1000):
    price = 60000.0 + number % 3 + {shift}
    say("trade", market=market, price=price, quantity=0.25, side="sell",
        time_ms=int(time.time() * 1000), trade=str(number))
    time.sleep(0.02)
sys.stdin.read()
"""

CONNECTION = """
[[connections]]
name = "{name}"
venue = "ccxt"
markets = [{{ market = "BTC/USD", channels = ["trades"] }}]
[connections.ccxt]
exchange = "{name}"
python = "{python}"
[[sources]]
name = "{name}"
asset = "BTC"
connection = "{name}"
market = "BTC/USD"
price = "trade"
"""


def document(folder: Path) -> Path:
    """Write a document of two exchanges, each with an interpreter whose worker speaks for the library."""
    text = ""
    for shift, name in enumerate(("gemini", "bitstamp")):
        script = folder / f"{name}.py"
        script.write_text(SPEAKER.replace("{shift}", str(shift)))
        python = folder / f"{name}-python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n')
        python.chmod(0o755)
        text += CONNECTION.format(name=name, python=python)
    path = folder / "feeds.toml"
    path.write_text(text + '[[perpetuals]]\nasset = "BTC"\n')
    return path


def test_FCLI_070_exchanges_through_ccxt_are_sources_and_replay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    quick(monkeypatch)
    path = document(tmp_path)
    tape = tmp_path / "tape"
    arguments = ("feeds", "record", path, "--out", tape, "--seconds", 2.0, "--json")
    done = steelyard(monkeypatch, capsys, *arguments)
    assert done.code == 0, done.err
    report = done.answer
    assert report["prices"] > 40
    assert report["indices"][0]["asset"] == "BTC"
    assert report["indices"][0]["index"] == pytest.approx(60_001.5, abs=2.0)
    again = steelyard(monkeypatch, capsys, "feeds", "replay", tape, "--config", path, "--json")
    assert again.code == 0
    assert again.answer["events_digest"] == report["events_digest"]


def test_FCLI_070_its_operator_is_the_exchange_and_its_table_is_needed(tmp_path: Path) -> None:
    text = document(tmp_path).read_text()
    config = decode_feeds(text, 2, 2)
    assert [row.ccxt.exchange for row in config.connections if row.ccxt] == ["gemini", "bitstamp"]
    with pytest.raises(InputError, match="LIVE-E06"):
        decode_feeds(text.replace('exchange = "bitstamp"', 'exchange = "gemini"'), 2, 2)
    with pytest.raises(InputError, match="LIVE-E03"):
        decode_feeds(text.replace('venue = "ccxt"', 'venue = "kraken"', 1), 2, 2)
