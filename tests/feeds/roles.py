"""The example market, its window, and writers of small files that break one rule each."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

EXAMPLE = Path(__file__).with_name("example_market")
START_US = 1_767_571_200_000_000  # 2026-01-05T00:00:00Z
MINUTE_US = 60_000_000


def write_minutes(
    path: Path, closes: list[float], *, start_us: int = START_US, step_us: int = MINUTE_US
) -> Path:
    """Write a Parquet file of minute bars that open at `start_us` and every step after it."""
    times = [start_us + step_us * row for row in range(len(closes))]
    table = pa.table(
        {
            "ts": pa.array(times, pa.timestamp("us", "UTC")),
            "open": closes,
            "high": closes,
            "low": closes,
            "close": pa.array(closes, pa.float64()),
            "volume": [1.0] * len(closes),
        }
    )
    pq.write_table(table, path)
    return path


def write_seconds(folder: Path, rows: list[tuple[int, str, str, str, float, int | None]]) -> Path:
    """Write the one-second bars of a small 10 October: (second, venue, symbol, base, close, delay)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trades_1s_0000_0001.parquet"
    seconds, venues, symbols, bases, closes, delays = zip(*rows, strict=True)
    table = pa.table(
        {
            "ts": pa.array([START_US + 1_000_000 * s for s in seconds], pa.timestamp("us", "UTC")),
            "venue": pa.array(venues, pa.large_string()),
            "symbol": pa.array(symbols, pa.large_string()),
            "base": pa.array(bases, pa.large_string()),
            "close": pa.array(closes, pa.float64()),
            "max_feed_delay_ms": pa.array(delays, pa.int32()),
        }
    )
    pq.write_table(table, path)
    return path
