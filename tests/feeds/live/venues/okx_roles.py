"""Roles of the tests of OKX: what the venue sends, and clients that have subscribed."""

from __future__ import annotations

import json

import pytest

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.venues.okx import OkxClient
from steelyard.feeds.live.venues.reading import ContractUnit
from steelyard.quantities import InputError

NOW_US = 1_780_000_000_000_000
MS = 1_780_000_000_123
SPOT, SWAP, INVERSE = "BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-SWAP"
OPTION = "BTC-USD-260327-80000-C"
UNITS = {SWAP: ContractUnit(0.01), INVERSE: ContractUnit(100.0, is_inverse=True)}
BOOKS_PATH = f"/api/v5/market/books?instId={SPOT}&sz=400&source=0"
SWAP_PATH = f"/api/v5/public/instruments?instType=SWAP&instId={SWAP}"


def push(channel: str, market: str, *rows: dict[str, object], action: str = "") -> bytes:
    """A push of a channel as the venue sends it."""
    key = "instFamily" if channel == "opt-summary" else "instId"
    frame: dict[str, object] = {"arg": {"channel": channel, key: market}, "data": list(rows)}
    if action:
        frame["action"] = action
    return json.dumps(frame, separators=(",", ":")).encode()


def book(
    action: str,
    previous: int,
    number: int,
    bids: list[tuple[float, float]] | None = None,
    asks: list[tuple[float, float]] | None = None,
    market: str = SPOT,
    ms: int = MS,
) -> bytes:
    """A push of the books channel: levels have four members, the third of no use."""
    return push("books", market, book_row(previous, number, bids, asks, ms), action=action)


def book_row(
    previous: int,
    number: int,
    bids: list[tuple[float, float]] | None = None,
    asks: list[tuple[float, float]] | None = None,
    ms: int = MS,
) -> dict[str, object]:
    return {
        "asks": [[str(p), str(q), "0", "1"] for p, q in asks or []],
        "bids": [[str(p), str(q), "0", "1"] for p, q in bids or []],
        "ts": str(ms),
        "checksum": 0,
        "seqId": number,
        "prevSeqId": previous,
    }


def whole_book(
    number: int,
    bids: list[tuple[float, float]],
    asks: list[tuple[float, float]],
    ms: int = MS,
) -> bytes:
    """The answer of the REST address with a whole book."""
    row = book_row(0, number, bids, asks, ms)
    del row["prevSeqId"], row["checksum"]
    return json.dumps({"code": "0", "msg": "", "data": [row]}).encode()


def instruments(*rows: tuple[str, str, str, str]) -> bytes:
    data = [{"instId": n, "ctVal": v, "ctMult": m, "ctType": t} for n, v, m, t in rows]
    return json.dumps({"code": "0", "msg": "", "data": data}).encode()


def subscribed(*pairs: tuple[str, str], **options: object) -> OkxClient:
    client = OkxClient(UNITS, **options)  # type: ignore[arg-type]
    client.opening([Subscription(market, channel) for market, channel in pairs])  # type: ignore[arg-type]
    return client


def code_of(client: VenueClient, frame: bytes) -> str:
    with pytest.raises(InputError) as caught:
        client.receive(frame, NOW_US)
    return caught.value.code


TRADE_ROW = {
    "instId": SPOT,
    "tradeId": "242720720",
    "px": "60000.5",
    "sz": "0.25",
    "side": "sell",
    "ts": str(MS),
    "count": "3",
    "source": "0",
    "seqId": 1234,
}
