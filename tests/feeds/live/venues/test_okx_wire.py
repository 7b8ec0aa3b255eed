"""OKX: broken frames, recorded frames, and a venue on this machine."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import (
    BookSnapshot,
    Status,
)
from steelyard.feeds.live.venues.okx import OkxClient
from steelyard.feeds.live.venues.reading import ContractUnit
from steelyard.quantities import InputError
from tests.feeds.live.venues.okx_roles import (
    BOOKS_PATH,
    INVERSE,
    MS,
    NOW_US,
    OPTION,
    SPOT,
    SWAP,
    TRADE_ROW,
    book,
    code_of,
    instruments,
    push,
    subscribed,
    whole_book,
)
from tests.support.live_server import Action, Close, Drop, Pause, Route, Script, live_server, talk
from tests.support.mutation import mutants


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x1f\x8b\x08\x00garbage", "WIRE-E01"),
        (push("trades", SPOT, TRADE_ROW)[:-9], "WIRE-E01"),
        (push("trades", SPOT, {**TRADE_ROW, "px": "nan"}), "WIRE-E02"),
        (push("trades", SPOT, {**TRADE_ROW, "px": "0"}), "WIRE-E02"),
        (push("trades", SPOT, {**TRADE_ROW, "sz": "0"}), "WIRE-E02"),
        (push("trades", SPOT, {**TRADE_ROW, "ts": "9999999999999999"}), "WIRE-E02"),
        (push("trades", SPOT, {**TRADE_ROW, "side": "long"}), "WIRE-E02"),
        (push("trades", SPOT, {"instId": SPOT}), "WIRE-E02"),
        (book("partial", 1, 2), "WIRE-E02"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"}}', "WIRE-E02"),
        (b"{}", "WIRE-E02"),
    ],
)
def test_OBYW_010_bad_frames_have_listed_codes_and_the_client_goes_on(
    frame: bytes, code: str
) -> None:
    client = subscribed((SPOT, "trades"), (SPOT, "book"))
    assert code_of(client, frame) == code
    assert len(client.receive(push("trades", SPOT, {**TRADE_ROW, "new field": [1]}), NOW_US)) == 1


def test_OBYW_010_what_was_not_asked_for_is_said_to_be_so() -> None:
    client = subscribed((SPOT, "trades"))
    for frame in (
        push("trades", "FOO-USDT", TRADE_ROW),
        push("candles", SPOT, {"o": "1"}),
        b'{"event":"news"}',
        b'{"event":"notice","code":"1","msg":"hello"}',
    ):
        (message,) = client.receive(frame, NOW_US)
        assert isinstance(message, Status)
        assert message.kind == "malformed"


FRAMES = [
    push("trades", SPOT, TRADE_ROW),
    push("trades", SWAP, {**TRADE_ROW, "sz": "3"}, {**TRADE_ROW, "side": "buy"}),
    push(
        "bbo-tbt", SPOT, {"asks": [["2", "1", "0", "1"]], "bids": [["1", "1", "0", "1"]], "ts": "5"}
    ),
    book("snapshot", -1, 100, [(99.0, 2), (98.0, 1)], [(101.0, 3)]),
    book("update", 100, 101, [(99.0, 0)], [(101.0, 5)]),
    book("update", 101, 102, [(97.0, 1)]),
    book("update", 102, 102),
    book("update", 7, 8, [(97.0, 1)], market=SWAP),
    push("index-tickers", "BTC-USDT", {"idxPx": "60000.1", "ts": str(MS)}),
    push("index-tickers", "BTC-USD", {"idxPx": "60000.1", "ts": str(MS)}),
    push("mark-price", SWAP, {"markPx": "60002.5", "ts": str(MS)}),
    push("mark-price", OPTION, {"markPx": "0.05", "ts": str(MS)}),
    push("funding-rate", SWAP, {"fundingRate": "0.0001", "ts": str(MS)}),
    push("open-interest", SWAP, {"oiCcy": "10000.5", "ts": str(MS)}),
    push("tickers", OPTION, {"bidPx": "0.05", "bidSz": "1", "askPx": "", "ts": str(MS)}),
    push("opt-summary", "BTC-USD", {"instId": OPTION, "markVol": "0.5", "fwdPx": "9", "ts": "7"}),
    b'{"event":"subscribe","arg":{"channel":"books","instId":"ETH-USDT-SWAP"},"connId":"a4d3"}',
    b'{"event":"error","code":"60018","msg":"channel:trades,instId:FOO-BAR doesn\'t exist"}',
    b'{"event":"notice","code":"64008","msg":"closing","connId":"a"}',
    b"pong",
]
ANSWERS = [
    whole_book(111, [(99.5, 1), (98.0, 7)], [(101.0, 3)]),
    instruments(("ETH-USDT-SWAP", "0.1", "1", "linear"), (INVERSE, "100", "1", "inverse")),
    b'{"code":"51001","msg":"no such instrument","data":[]}',
]


def all_channels() -> OkxClient:
    pairs = [(m, c) for m in (SPOT, SWAP, "ETH-USDT-SWAP") for c in ("trades", "quotes", "book")]
    return subscribed(*pairs, (SWAP, "reference"), (OPTION, "options"), ("BTC-USD", "options"))


def recorded_frames(venue: str) -> list[bytes]:
    """Recorded frames of the venue where they are at hand, every tenth and not too long."""
    beside = Path(__file__).resolve().parents[4].parent / "shared" / "data"
    folder = Path(os.environ.get("STEELYARD_DATA", beside)) / "raw_messages" / "cryptofeed"
    frames: list[bytes] = []
    for path in sorted(folder.glob(f"{venue}.ws.*.txt.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines()[::10]:
            _, _, payload = line.partition(b": ")
            if payload.startswith(b"{") and len(payload) < 4_000:
                frames.append(payload)
    return frames


def test_OBYW_011_nothing_but_listed_errors_comes_out_of_broken_frames() -> None:
    client = all_channels()
    codes: dict[str, int] = {}
    seeds = FRAMES + recorded_frames("OKX")[:40]
    for number, frame in enumerate(mutants(seeds, 40_000, seed=35)):
        try:
            for message in client.receive(frame, NOW_US + number):
                codes[type(message).__name__] = codes.get(type(message).__name__, 0) + 1
        except InputError as error:
            codes[error.code] = codes.get(error.code, 0) + 1
    paths = [BOOKS_PATH, "/api/v5/public/instruments?instType=SWAP&instId=ETH-USDT-SWAP"]
    client = all_channels()
    for number, body in enumerate(mutants(ANSWERS, 5_000, seed=36)):
        if number % 20 == 0:
            client = all_channels()
            client.receive(book("update", 105, 106), NOW_US)
            client.receive(book("update", 1, 2, market="ETH-USDT-SWAP"), NOW_US)
        try:
            client.fetched(paths[number % 2], body, NOW_US)
        except InputError as error:
            codes[error.code] = codes.get(error.code, 0) + 1
    listed = {"WIRE-E01", "WIRE-E02", "WIRE-E03"}
    assert {code for code in codes if "-" in code} == listed
    assert min(codes[code] for code in listed) > 100
    assert codes["Trade"] > 100
    assert codes["BookChange"] > 100


def test_OBYW_011_recorded_frames_are_read_where_the_protocol_is_the_same() -> None:
    frames = recorded_frames("OKX")
    if not frames:
        pytest.skip("no recorded frames: set STEELYARD_DATA")
    client = OkxClient(
        {name: ContractUnit(10.0, True) for name in ("BTC-USD-220527", "UNI-USD-SWAP")}
    )
    markets = ("BTC-USDT", "BTC-USD-220527", "UNI-USD-SWAP")
    client.opening([Subscription(m, c) for m in markets for c in ("trades", "book")])  # type: ignore[arg-type]
    counts: dict[str, int] = {}
    for frame in frames:
        try:
            for message in client.receive(frame, NOW_US):
                counts[type(message).__name__] = counts.get(type(message).__name__, 0) + 1
        except InputError as error:
            # Books of 2022 have no seqId: such frames are refused, not misread.
            what = error.code if b'"books"' in frame else "misread"
            counts[what] = counts.get(what, 0) + 1
    assert counts["Trade"] > 5
    assert counts["WIRE-E02"] > 5
    assert "misread" not in counts


def test_OBYW_012_a_connection_speaks_with_a_venue_of_the_documents() -> None:
    """Subscribe, snapshot, changes, heartbeat, a gap and its healing, an error, a cut and a new start."""

    def on_frame(index: int, frame: str) -> list[Action]:
        if frame == "ping":
            return ["pong"]
        said = json.loads(frame)
        acks = [
            json.dumps({"event": "subscribe", "arg": argument, "connId": "c"})
            for argument in said["args"]
            if argument["instId"] != "FOO-BAR"
        ]
        error = (
            '{"event":"error","code":"60018","msg":"channel:trades,instId:FOO-BAR doesn\'t exist"}'
        )
        opening: list[Action] = [*acks, error, *map(bytes.decode, first)]
        if index == 0:
            return [*opening, Pause(0.2), Drop()]
        return [*opening, '{"event":"notice","code":"64008","msg":"upgrade"}', Pause(5), Close()]

    first = [
        book("snapshot", -1, 100, [(99.0, 2)], [(101.0, 3)]),
        book("update", 100, 101, [(99.0, 4)]),
        book("update", 101, 101),
        push("trades", SWAP, {**TRADE_ROW, "sz": "250"}),
        book("update", 105, 106, [(98.0, 7)]),
    ]
    swap = Route(instruments((SWAP, "0.01", "1", "linear")))
    script = Script(
        on_frame=on_frame,
        routes={
            "/api/v5/market/books": Route(whole_book(106, [(99.0, 4), (98.0, 7)], [])),
            "/api/v5/public/instruments": swap,
        },
    )
    wanted = [
        Subscription(SPOT, "book"),
        Subscription(SWAP, "trades"),
        Subscription("FOO-BAR", "trades"),
    ]
    with live_server(script) as server:
        heard = talk(
            server, OkxClient, wanted, until=lambda t: bool(t.healths) and t.health.connects >= 3
        )
        assert len(server.frames) >= 2
        assert server.frames[0] == server.frames[1]
        assert any("source=0" in path for path in server.requests)
    kinds = [m.kind for m in heard.messages if isinstance(m, Status)]
    assert kinds.count("gap") >= 2
    assert {"subscribed", "refused", "heartbeat"} <= set(kinds)
    healed = [m for m in heard.messages if isinstance(m, BookSnapshot) and m.sequence == 106]
    assert healed
    assert heard.health.restarts >= 1
    assert heard.health.gaps >= 2
