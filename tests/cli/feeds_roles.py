"""What the tests of live feeds on the command line share: documents, running servers, a command in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from steelyard.cli import app
from steelyard.feeds.live.config import FeedsConfig, decode_feeds
from steelyard.feeds.live.driver import DriverRules
from steelyard.feeds.live.skew import SkewRules
from tests.feeds.live.oracles import chainlink_reports as chainlink
from tests.support import live_venues
from tests.support.live_server import QUICK, LiveServer, Script, live_server

# Clocks are judged after a fraction of a second, so that a test can end.
SHORT_SKEW = DriverRules(skew=SkewRules(piece_us=100_000, pieces_min=3))
BTC_FEED = chainlink.BTC


class Done(NamedTuple):
    """What a command left: exit code, what stands on stdout and on stderr."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections come back at once, and clocks be judged soon."""
    from steelyard.cli import feeds_board, feeds_check, feeds_record, run_live

    for module in (feeds_check, feeds_record, run_live):
        monkeypatch.setattr(module, "CONNECTION_RULES", QUICK)
        monkeypatch.setattr(module, "DRIVER_RULES", SHORT_SKEW)
    monkeypatch.setattr(feeds_board, "DRIVER_RULES", SHORT_SKEW)
    monkeypatch.setattr(run_live, "LISTING_WAIT_US", 500_000)


def steelyard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> Done:
    """Run a command in this process."""
    monkeypatch.setattr(sys, "argv", ["steelyard", *map(str, arguments)])
    capsys.readouterr()
    try:
        app.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    return Done(code, *capsys.readouterr())


@contextmanager
def served(**scripts: Script) -> Iterator[dict[str, LiveServer]]:
    """Run a server a script while the block runs."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(live_server(script)) for name, script in scripts.items()}


def connection(name: str, venue: str, server: LiveServer, *markets: str, more: str = "") -> str:
    """A connection's table; a market is `NAME channel channel …`."""
    text = f'[[connections]]\nname = "{name}"\nvenue = "{venue}"\n'
    text += f'websocket_url = "{server.url}"\nrest_url = "{server.rest_url}"\n{more}\n'
    for market in markets:
        symbol, *channels = market.split()
        text += f'[[connections.markets]]\nmarket = "{symbol}"\nchannels = {json.dumps(channels)}\n'
    return text


def source(name: str, market: str, price: str = "trade", asset: str = "BTC", **more: object) -> str:
    """A source of the connection of its own name, unless another is stated."""
    fields = {
        "name": name,
        "asset": asset,
        "connection": name,
        "market": market,
        "price": price,
    } | more
    return "[[sources]]\n" + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in fields.items()
    )


def chainlink_table() -> str:
    """The oracle set that signs in these tests."""
    signers = json.dumps([chainlink.address(key) for key in chainlink.KEYS])
    return (
        "[[connections.chainlink.sets]]\n"
        f'config_digest = "{chainlink.CONFIG_DIGEST.hex()}"\nsigners = {signers}\nfaults = 2\n'
    )


def written(folder: Path, *parts: str) -> Path:
    """A document on disk."""
    path = folder / "feeds.toml"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def venues(**changed: Script) -> dict[str, Script]:
    """Three exchanges and an oracle that agree on BTC, and two that agree on USDT."""
    return {
        "coinbase": live_venues.coinbase(live_venues.steady(60_000.0, 1.0)),
        "kraken": live_venues.kraken(
            BTC=live_venues.steady(60_010.0, 1.0), USDT=live_venues.steady(0.9995, 1e-5)
        ),
        "okx": live_venues.okx(live_venues.steady(60_025.0, 1.0)),
        "chainlink": live_venues.chainlink_streams(live_venues.steady(60_005.0, 1.0)),
        "second": live_venues.kraken(USDT=live_venues.steady(0.9996, 1e-5)),
        **changed,
    }


def document(folder: Path, servers: dict[str, LiveServer], *more: str) -> Path:
    """The document of `venues`: OKX quotes in USDT and has a book."""
    return written(
        folder,
        connection("coinbase", "coinbase", servers["coinbase"], "BTC-USD trades"),
        connection("kraken", "kraken", servers["kraken"], "BTC/USD trades", "USDT/USD trades"),
        connection("okx", "okx", servers["okx"], "BTC-USDT trades book"),
        connection("chainlink", "chainlink-streams", servers["chainlink"], f"{BTC_FEED} reference"),
        f"[connections.chainlink]\n{chainlink_table()}",
        connection("second", "kraken", servers["second"], "USDT/USD trades"),
        source("coinbase", "BTC-USD"),
        source("kraken", "BTC/USD"),
        source("okx", "BTC-USDT", quote="USDT"),
        source("chainlink", BTC_FEED, "oracle", kind="oracle"),
        source("kraken-usdt", "USDT/USD", asset="USDT", connection="kraken"),
        source("second", "USDT/USD", asset="USDT", operator="second"),
        '[[perpetuals]]\nasset = "BTC"\n',
        '[[books]]\nname = "okx-book"\nasset = "BTC"\nconnection = "okx"\nmarket = "BTC-USDT"\n'
        'quote = "USDT"\ninstrument = "BTC_USDC-PERPETUAL"\n',
        *more,
    )


def config_of(path: Path) -> FeedsConfig:
    """The checked document, by the quorum of the house."""
    return decode_feeds(path.read_text(encoding="utf-8"), 2, 2)
