"""Frames other recorders left: every line of them is a frame. Skipped where the recordings are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Quote
from steelyard.feeds.live.raw_log import Damage
from steelyard.feeds.live.registry import client_maker
from steelyard.feeds.live.skew import SkewEstimator
from steelyard.feeds.live.text_log import read_recording, replay

COUNTS = {
    "binance_spot_btcusdt_20240808.txt.xz": {"received": 41_249},
    "cryptofeed/BINANCE.http.0.0.txt.gz": {"fetched": 4},
    "cryptofeed/BITFINEX.ws.11.0.txt.gz": {"opened": 1, "sent": 22, "received": 1_693},
    "cryptofeed/DERIBIT.ws.1.0.txt.gz": {"opened": 1, "sent": 1, "received": 136},
    "cryptofeed/KRAKEN.ws.50.0.txt.gz": {"opened": 1, "sent": 1, "received": 2_715},
}


@pytest.fixture
def raw_messages(market_data: Path) -> Path:
    folder = market_data / "raw_messages"
    if not folder.is_dir():
        pytest.skip(f"no recorded frames at {folder}")
    return folder


@pytest.mark.parametrize("name", COUNTS)
def test_CONN_062_every_line_of_the_recorded_sessions_is_a_frame(
    raw_messages: Path, name: str
) -> None:
    counts: dict[str, int] = {}
    for frame in read_recording(raw_messages / name):
        assert not isinstance(frame, Damage)
        counts[frame.direction] = counts.get(frame.direction, 0) + 1
    assert counts == COUNTS[name]


def test_CONN_063_the_recorders_clock_that_was_behind_is_seen(raw_messages: Path) -> None:
    path = raw_messages / "binance_usdm_btcusdt_20240808.txt.xz"
    clock = SkewEstimator()
    quotes = 0
    for _, messages, received_us in replay(
        read_recording(path),
        lambda _: client_maker("binance-usdm")(),
        lambda _: [Subscription("BTCUSDT", "quotes")],
    ):
        for message in messages:
            if isinstance(message, Quote):
                quotes += 1
                clock.add(received_us, message.exchange_time_us)
    assert quotes > 1_000
    assert clock.skew_us is not None
    assert -1_300_000 < clock.skew_us < -1_150_000  # 1.27 s behind, less the way of the messages
    assert not clock.is_off
