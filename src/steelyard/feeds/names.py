"""Names: what the name of a file, a venue or a symbol says about a stream, and the trust it gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

STALE_TRADES_US = 60_000_000
STALE_MINUTE_US = 150_000_000
STALE_MAX_US = 86_400_000_000
UNSTATED_OPERATOR = "unstated"

_INTERVAL = re.compile(r"^(\d{1,3})(s|m|h|d)$")
_UNIT_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_QUOTES = ("USDT", "USDC", "USD")
_MARKETS = ("spot", "perp", "coinm")


@dataclass(frozen=True, slots=True)
class BarFileName:
    """What the name of a bar file says, e.g. `binance_coinm_BTCUSD_PERP_mark_1m`."""

    operator: str
    market: str
    symbol: str
    asset: str
    is_mark: bool
    interval_us: int
    interval: str

    @property
    def source(self) -> str:
        """Return the name of the source, e.g. `binance:BTCUSD-coinm-mark-1m`."""
        mark = "-mark" if self.is_mark else ""
        return f"{self.operator}:{self.symbol}-{self.market}{mark}-{self.interval}"


def weight_for(interval_us: int) -> int:
    """Return a source's weight by the length of its bars: below a minute 3, a minute 2, longer 1.

    >>> weight_for(1_000_000), weight_for(60_000_000), weight_for(300_000_000)
    (3, 2, 1)
    """
    if interval_us < 60_000_000:
        return 3
    return 2 if interval_us == 60_000_000 else 1


def stale_after_us_for(interval_us: int) -> int:
    """Return the age (from the end of a bar) at which a source is stale.

    60 s for trades, 150 s for minute bars, otherwise 2.2 lengths of a bar, at most a day.

    >>> [stale_after_us_for(seconds * 1_000_000) // 1_000_000 for seconds in (1, 60, 300, 3600)]
    [60, 150, 660, 7920]
    """
    if interval_us < 60_000_000:
        return STALE_TRADES_US
    if interval_us == 60_000_000:
        return STALE_MINUTE_US
    return min(STALE_MAX_US, interval_us * 11 // 5)


def is_name(text: str) -> bool:
    """Return whether a text can name a stream: 1 to 80 printable characters.

    >>> is_name("coinbase:AAVE-USD"), is_name(""), is_name("a\\n")
    (True, False, False)
    """
    return 0 < len(text) <= 80 and text.isprintable()


def operator_of(venue: str) -> str:
    """Return who runs a venue: the part before the first dash, so one operator's markets are one.

    >>> operator_of("binance-delivery"), operator_of("coinbase")
    ('binance', 'coinbase')
    """
    return venue.split("-", 1)[0]


def is_coin_margined(venue: str) -> bool:
    """Return whether a venue trades coin-margined perpetuals.

    >>> is_coin_margined("binance-delivery")
    True
    """
    return venue.endswith("-delivery")


def asset_of_symbol(symbol: str) -> str | None:
    """Return the base asset of a symbol priced in USD, USDT or USDC, or None.

    >>> [asset_of_symbol(s) for s in ("AAVE-USD", "BTCUSDT", "BTCUSD_PERP", "ETHBTC")]
    ['AAVE', 'BTC', 'BTC', None]
    """
    plain = symbol.removesuffix("_PERP").replace("-", "").upper()
    for quote in _QUOTES:
        base = plain.removesuffix(quote)
        if base != plain and 0 < len(base) <= 16 and base.isalnum() and base.isascii():
            return base
    return None


def interval_us_of(path: Path) -> int | None:
    """Return the length of the bars that a file's name says, or None.

    >>> interval_us_of(Path("trades_1s_2045_2215.parquet")), interval_us_of(Path("bars.csv"))
    (1000000, None)
    """
    for token in _stem(path).split("_"):
        found = _INTERVAL.match(token)
        if found and int(found[1]) > 0:
            return int(found[1]) * _UNIT_US[found[2]]
    return None


def bar_file_name(path: Path) -> BarFileName | None:
    """Return what the name of a bar file says, or None where it says no symbol or no length.

    A name is tokens between underscores: operator, market (spot, perp or coinm), symbol and length, with
    anything else around them. Without a symbol in capitals the token before the market is the asset.

    >>> bar_file_name(Path("2025-10_binance_perp_SOLUSDT_5m.parquet")).source
    'binance:SOLUSDT-perp-5m'
    >>> bar_file_name(Path("2022-01_btc_perp_1m.parquet")).source
    'unstated:BTCUSD-perp-1m'
    """
    tokens = _stem(path).split("_")
    interval_us = interval_us_of(path)
    interval = next((token for token in tokens if _INTERVAL.match(token)), None)
    if interval_us is None or interval is None:
        return None
    market = next((token for token in tokens if token in _MARKETS), "spot")
    before = tokens[: tokens.index(market)] if market in tokens else []
    symbol = next((t for t in tokens if t.isupper() and asset_of_symbol(t)), None)
    word = before[-1] if before and before[-1].isalpha() else None
    if symbol is None:
        if word is None or len(word) > 16:
            return None
        symbol, word = word.upper() + "USD", None
    asset = asset_of_symbol(symbol)
    if asset is None:
        return None
    is_mark = "mark" in tokens and "last" not in tokens
    return BarFileName(
        word or UNSTATED_OPERATOR, market, symbol, asset, is_mark, interval_us, interval
    )


def _stem(path: Path) -> str:
    return path.name.split(".", 1)[0]
