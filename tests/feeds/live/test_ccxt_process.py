"""A feed through ccxt.pro in a process of its own: lines in, messages out, workers watched and replaced."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.feeds.live import ccxt_worker
from steelyard.feeds.live.ccxt_lines import CcxtReader
from steelyard.feeds.live.ccxt_process import WORKER, CcxtRules, run_ccxt
from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.connection import Health
from steelyard.feeds.live.messages import (
    BookSnapshot,
    Message,
    OptionTicker,
    Quote,
    Reference,
    Status,
    Trade,
)
from steelyard.feeds.live.venues.reading import ContractUnit
from steelyard.quantities import InputError
from tests.support import ccxt_library
from tests.support.live_server import Action, Route, Script, live_server, now_us
from tests.support.mutation import mutants

SUPPORT = Path(__file__).resolve().parents[2] / "support"
MS = 1_780_000_000_123
SPOT, SWAP = "BTC/USD", "BTC/USD:BTC"
QUICK = CcxtRules(
    first_wait_us=10_000,
    wait_us_max=50_000,
    start_timeout_us=20_000_000,
    silence_us=5_000_000,
    end_timeout_us=1_000_000,
    health_interval_us=20_000,
    depth=3,
)


def line(kind: str, **fields: object) -> str:
    return json.dumps({"kind": kind, **fields})


READY = line("ready", version="4.5.90", exchange="plain")
MARKET = line("market", market=SPOT, is_contract=False, contract_size=None)
TRADE = line("trade", market=SPOT, price=60000.5, quantity=0.25, side="sell", time_ms=MS, trade="7")


class Heard:
    """What a run brought."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.healths: list[Health] = []

    @property
    def health(self) -> Health:
        return self.healths[-1]

    def kinds(self) -> list[str]:
        return [each.kind for each in self.messages if isinstance(each, Status)]


def listen(
    subscriptions: list[Subscription],
    until: Callable[[Heard], bool],
    *,
    exchange: str = "plain",
    python: str = sys.executable,
    timeout_s: float = 40.0,
    rules: CcxtRules = QUICK,
    clock: Callable[[], int] = now_us,
    **more: Any,
) -> Heard:
    """Run until `until` holds; fail when it does not in time."""
    heard = Heard()

    async def run() -> None:
        stop = asyncio.Event()

        def look() -> None:
            if until(heard):
                stop.set()

        def on_messages(name: str, messages: list[Message], received_us: int) -> None:
            heard.messages.extend(messages)
            look()

        def on_health(health: Health) -> None:
            heard.healths.append(health)
            look()

        async with asyncio.timeout(timeout_s):
            await run_ccxt(
                "test",
                exchange,
                subscriptions,
                python=python,
                on_messages=on_messages,
                on_health=on_health,
                clock=clock,
                stop=stop,
                rules=rules,
                **more,
            )

    asyncio.run(run())
    return heard


def stand_in(folder: Path, *scripts: list[dict[str, object]]) -> dict[str, Any]:
    """The arguments that put the stand-in worker in the place of the real one."""
    options = {"scripts": list(scripts), "starts": str(folder / "starts")}
    return {"worker": SUPPORT / "ccxt_stand_in.py", "options": options}


def never(heard: Heard) -> bool:
    return False


def says(*lines: str) -> list[dict[str, object]]:
    return [{"say": each} for each in lines]


def reader(**values: ContractUnit) -> CcxtReader:
    wanted = [Subscription(SPOT, "trades"), Subscription(SWAP, "book")]
    return CcxtReader("plain", wanted, values)


def test_OBYW_040_every_line_becomes_the_message_of_all_venues() -> None:
    read = reader()

    def said(text: str) -> list[Message]:
        return read.receive(text.encode(), 0)

    time_us = MS * 1_000
    assert said(line("starting")) == said(line("alive")) == [Status("", "heartbeat")]
    assert said(READY) == [Status("", "heartbeat", "ccxt 4.5.90")]
    assert said(MARKET) == []
    assert said(line("status", market=SPOT, status="subscribed", reason="trades")) == [
        Status(SPOT, "subscribed", "trades")
    ]
    assert said(TRADE) == [Trade(SPOT, 60000.5, 0.25, False, time_us, "7")]
    quote = line("quote", market=SPOT, bid=59999, bid_quantity=6, ask=None, ask_quantity=None)
    assert said(quote) == [Quote(SPOT, 59999.0, 6.0, 0.0, 0.0, 0)]
    reference = line("reference", market=SPOT, mark_price=60000, funding_rate=0.01, time_ms=MS)
    assert said(reference) == [Reference(SPOT, time_us, mark_price=60000.0, funding_rate=0.01)]
    option = line("option", market=SPOT, bid=0.05, mark=0.051, time_ms=MS)
    assert said(option) == [OptionTicker(SPOT, time_us, bid=0.05, mark=0.051)]


def test_OBYW_040_contracts_become_units_of_the_base_asset() -> None:
    market = line("market", market=SWAP, is_contract=True, contract_size=100, is_inverse=True)
    book = line(
        "book", market=SWAP, bids=[[50000, 10], [60000, 30, 1]], asks=[], time_ms=MS, sequence=5
    ).encode()
    read = reader()
    assert read.receive(book, 0) == []  # before it is known what a contract is
    read.receive(market.encode(), 0)
    assert read.receive(book, 0) == [
        BookSnapshot(SWAP, [(60000.0, 0.05), (50000.0, 0.02)], [], MS * 1_000, 5)
    ]
    given = CcxtReader("plain", [Subscription(SWAP, "book")], {SWAP: ContractUnit(2.0)})
    given.receive(market.encode(), 0)
    (book_then,) = given.receive(book, 0)
    assert isinstance(book_then, BookSnapshot)
    assert book_then.bids == [(60000.0, 60.0), (50000.0, 20.0)]
    (refused,) = read.receive(line("market", market=SWAP, is_contract=True).encode(), 0)
    assert isinstance(refused, Status)
    assert refused.kind == "refused"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Traceback (most recent call last):", "WIRE-E01"),
        (TRADE[:-5], "WIRE-E01"),
        (line("trade", market=SPOT, price="x", quantity=1, side="buy"), "WIRE-E02"),
        (line("trade", market=SPOT, price=-1, quantity=1, side="buy"), "WIRE-E02"),
        (line("trade", market=SPOT, price=1, quantity=0, side="buy"), "WIRE-E02"),
        (line("trade", market="X/Y", price=1, quantity=1, side="buy"), "WIRE-E02"),
        (line("gossip"), "WIRE-E02"),
        (line("error", market=SPOT, code="RateLimitExceeded", reason="slow down"), "WIRE-E03"),
        (line("fatal", cause="import", reason="No module named 'ccxt'"), "CCXT-E02"),
        (line("fatal", cause="exchange", reason="no such exchange"), "CCXT-E03"),
        (line("fatal", cause="markets", reason="no route"), "CCXT-E07"),
    ],
)
def test_OBYW_041_a_bad_line_has_a_listed_code(text: str, code: str) -> None:
    read = reader()
    read.receive(MARKET.encode(), 0)
    with pytest.raises(InputError) as caught:
        read.receive(text.encode(), 0)
    assert caught.value.code == code
    assert len(read.receive(TRADE.encode(), 0)) == 1


def test_OBYW_041_nothing_but_listed_errors_comes_out_of_broken_lines() -> None:
    seeds = [
        text.encode()
        for text in (
            READY,
            MARKET,
            TRADE,
            line("market", market=SWAP, is_contract=True, contract_size=100.0, is_inverse=True),
            line("book", market=SWAP, bids=[[5.0, 10.0]], asks=[[6.0, 1.0]], sequence=5),
            line("quote", market=SPOT, bid=5.0, bid_quantity=6.0, ask=6.0, time_ms=MS),
            line("reference", market=SPOT, mark_price=6.0, funding_rate=0.01, time_ms=MS),
            line("option", market=SPOT, bid=0.05, mark=0.051, time_ms=MS),
            line("status", market=SPOT, status="gap", reason="lost"),
            line("error", market=SPOT, code="RateLimitExceeded", reason="slow down"),
        )
    ]
    read, seen = reader(), dict[str, int]()
    for broken in mutants(seeds, 10_000, seed=35):
        try:
            names = [type(each).__name__ for each in read.receive(broken, 0)]
        except InputError as error:
            names = [error.code]
        for name in names:
            seen[name] = seen.get(name, 0) + 1
    assert {name for name in seen if "-" in name} == {"WIRE-E01", "WIRE-E02", "WIRE-E03"}
    assert min(seen[name] for name in ("Trade", "BookSnapshot", "WIRE-E03")) > 50


def test_OBYW_042_lines_arrive_in_order_and_the_worker_ends_with_the_run(tmp_path: Path) -> None:
    trades = [TRADE.replace('"7"', f'"{n}"') for n in range(500)]
    script = [*says(READY, MARKET, *trades), {"stay": True}]
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: sum(isinstance(m, Trade) for m in h.messages) == 500,
        **stand_in(tmp_path, script),
    )
    names = [m.trade for m in heard.messages if isinstance(m, Trade)]
    assert names == [str(n) for n in range(500)]
    states = [health.state for health in heard.healths]
    assert list(dict.fromkeys(states)) == ["connecting", "up", "stopped"]
    assert heard.health.errors == {}


def test_OBYW_042_a_dead_worker_is_replaced(tmp_path: Path) -> None:
    dying = [*says(READY, MARKET, TRADE, "half a li"), {"complain": "killed"}, {"exit": 9}]
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: sum(isinstance(m, Trade) for m in h.messages) >= 3,
        rules=msgspec.structs.replace(QUICK, first_wait_us=20_000, jitter=0.0),
        clock=lambda: 1_000,
        **stand_in(tmp_path, dying, dying, [*says(READY, MARKET, TRADE), {"stay": True}]),
    )
    assert heard.health.attempts == 3
    assert heard.health.errors["CCXT-E04"] == 2
    assert heard.health.errors["WIRE-E01"] == 2
    assert "status 9: killed" in next(h.last_error for h in heard.healths if h.state == "waiting")
    assert "malformed" in heard.kinds()
    waits_us = [h.next_attempt_us - 1_000 for h in heard.healths if h.state == "waiting"]
    assert waits_us == [20_000, 40_000]


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        (says(READY, MARKET), CcxtRules(first_wait_us=10_000, silence_us=300_000)),
        (says(line("starting")), CcxtRules(first_wait_us=10_000, start_timeout_us=1_500_000)),
    ],
)
def test_OBYW_042_a_silent_worker_is_replaced(
    tmp_path: Path, script: list[dict[str, object]], rules: CcxtRules
) -> None:
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: any(isinstance(m, Trade) for m in h.messages),
        rules=msgspec.structs.replace(rules, end_timeout_us=200_000),
        timeout_s=9.0,  # less than a silence the rules leave alone
        **stand_in(
            tmp_path, [*script, {"pause": 60}], [*says(READY, MARKET, TRADE), {"stay": True}]
        ),
    )
    assert set(heard.health.errors) == {"CCXT-E05"}


def test_OBYW_042_lines_that_are_too_long_or_never_readable_end_a_worker(tmp_path: Path) -> None:
    long = [*says(READY, "x" * 300_000), {"stay": True}]
    bad = [*says(READY, *["noise"] * 20), {"stay": True}]
    roomy = TRADE[:-1] + ', "note": "' + "x" * 100_000 + '"}'
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: any(isinstance(m, Trade) for m in h.messages),
        rules=CcxtRules(first_wait_us=10_000, line_bytes_max=131_072, errors_in_row_max=10),
        **stand_in(tmp_path, long, bad, [*says(READY, MARKET, roomy), {"stay": True}]),
    )
    assert heard.health.errors["CCXT-E06"] == 1
    assert heard.health.errors["WIRE-E01"] == 11
    assert heard.health.attempts == 3


def test_OBYW_043_an_interpreter_without_the_library_is_refused_with_the_cure() -> None:
    if importlib.util.find_spec("ccxt"):
        pytest.skip("this interpreter has ccxt")
    with pytest.raises(InputError) as caught:
        listen([Subscription(SPOT, "trades")], never)
    assert caught.value.code == "CCXT-E02"
    assert "install ccxt" in caught.value.cure


def test_OBYW_043_an_interpreter_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        listen([Subscription(SPOT, "trades")], never, python=str(tmp_path / "python"))
    assert caught.value.code == "CCXT-E01"


@pytest.fixture(scope="module")
def library_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter of its own whose ccxt is the stand-in library."""
    folder = tmp_path_factory.mktemp("interpreter")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    package = Path(packages) / "ccxt"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "pro.py").write_text((SUPPORT / "ccxt_library.py").read_text())
    return str(folder / "bin" / "python")


def test_OBYW_044_the_worker_drives_the_library(library_python: str) -> None:
    wanted = [
        Subscription(SWAP, "trades"),
        Subscription(SWAP, "book"),
        Subscription(SPOT, "quotes"),
        Subscription(SPOT, "reference"),
        Subscription("ETH/USD:ETH", "book"),
        Subscription("FOO/USD", "trades"),
    ]
    heard = listen(
        wanted,
        lambda h: (
            "WIRE-E03" in h.health.errors
            and sum(isinstance(m, BookSnapshot) for m in h.messages) >= 2
            and any(isinstance(m, Reference) and m.funding_rate for m in h.messages)
            and sum(isinstance(m, Status) and m.kind == "malformed" for m in h.messages) >= 2
        ),
        python=library_python,
    )
    trade = next(m for m in heard.messages if isinstance(m, Trade))
    assert trade == Trade(SWAP, 60000.0, 0.05, True, MS * 1_000, "0")
    books = [m for m in heard.messages if isinstance(m, BookSnapshot)]
    assert books[0].bids[0] == (50000.0, 0.02)
    assert (len(books[0].bids), books[0].asks) == (3, [(62500.0, 0.008)])
    assert [book.sequence for book in books[:2]] == [7, 8]
    assert Quote(SPOT, 59999.0, 6.0, 60001.0, 0.0, MS * 1_000) in heard.messages
    prices = Reference(SPOT, MS * 1_000, index_price=60000.25, mark_price=60000.5)
    assert prices in heard.messages
    refused = [m.market for m in heard.messages if isinstance(m, Status) and m.kind == "refused"]
    assert {"ETH/USD:ETH", "FOO/USD"} <= set(refused)
    assert heard.health.gaps == 1  # the library lost its connection once
    assert heard.health.attempts == 1


def test_OBYW_044_what_the_library_cannot_do_is_said(library_python: str) -> None:
    with pytest.raises(InputError) as caught:
        listen([], never, exchange="nowhere", python=library_python)
    assert caught.value.code == "CCXT-E03"
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: "refused" in h.kinds(),
        exchange="mute",
        python=library_python,
    )
    assert not any(isinstance(m, Trade) for m in heard.messages)
    heard = listen(
        [Subscription(SPOT, "trades")],
        lambda h: bool(h.healths) and h.health.errors.get("CCXT-E07", 0) >= 2,
        urls={"rest": "https://closed.example"},
        python=library_python,
    )
    assert heard.health.attempts >= 2


def test_OBYW_044_errors_in_a_row_are_answered_by_longer_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            raise asyncio.CancelledError

    def note(kind: str, **fields: object) -> None:
        assert (kind, fields["market"]) == ("status", SPOT)

    async def fail() -> None:
        raise ccxt_library.NetworkError("no route")

    monkeypatch.setattr(ccxt_worker.asyncio, "sleep", sleep)
    monkeypatch.setattr(ccxt_worker, "say", note)
    worker = ccxt_worker.Worker(ccxt_library, None, 3)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(worker.watch(SPOT, fail))
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_OBYW_044_a_worker_ends_when_its_parent_is_gone(library_python: str) -> None:
    request = {"exchange": "plain", "subscriptions": [], "depth": 3}
    with subprocess.Popen(
        [library_python, "-I", "-u", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
        kinds = [json.loads(worker.stdout.readline())["kind"] for _ in range(3)]
        assert kinds[0] == "starting"
        assert set(kinds[1:]) == {"alive", "ready"}
        worker.stdin.close()
        assert worker.wait(20) == 0


def real_python() -> str:
    """An interpreter that has the real library, or the empty text."""
    python = os.environ.get("STEELYARD_CCXT_PYTHON", "")
    if python:
        return python
    return sys.executable if importlib.util.find_spec("ccxt") else ""


def currency_and_instrument(path: str) -> Route:
    """The answers of a venue of the Deribit kind to what the library asks first."""
    name = "BTC-PERPETUAL"
    instrument = {
        "instrument_name": name,
        "kind": "future",
        "settlement_period": "perpetual",
        "base_currency": "BTC",
        "quote_currency": "USD",
        "counter_currency": "USD",
        "settlement_currency": "BTC",
        "instrument_type": "reversed",
        "contract_size": 10.0,
        "tick_size": 0.5,
        "min_trade_amount": 10.0,
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "is_active": True,
        "expiration_timestamp": 32503708800000,
        "creation_timestamp": 1534167754000,
        "price_index": "btc_usd",
    }
    results: dict[str, object] = {"get_instruments": [instrument]}
    currency = {"currency": "BTC", "currency_long": "Bitcoin", "coin_type": "BITCOIN"}
    fee = {"withdrawal_fee": 0.0001, "min_confirmations": 1, "fee_precision": 4}
    results["get_currencies"] = [{**currency, **fee, "decimals": 8}]
    result = next((value for part, value in results.items() if part in path), [])
    body = {"jsonrpc": "2.0", "result": result, "usIn": 1, "usOut": 2, "usDiff": 1}
    return Route(json.dumps(body).encode(), headers={"Content-Type": "application/json"})


def subscriptions_answered(index: int, frame: str) -> list[Action]:
    """What a venue of the Deribit kind sends for what is subscribed to."""
    said = json.loads(frame)
    channels = said.get("params", {}).get("channels", [])
    answers: list[Action] = [json.dumps({"jsonrpc": "2.0", "id": said["id"], "result": channels})]
    for channel in channels:
        data: object = {
            "instrument_name": "BTC-PERPETUAL",
            "timestamp": MS,
            "best_bid_price": 59999.5,
            "best_bid_amount": 600.0,
            "best_ask_price": 60000.5,
            "best_ask_amount": 300.0,
            "mark_price": 60000.25,
            "index_price": 60001.25,
            "last_price": 60000.0,
            "state": "open",
            "stats": {"volume": 1.0, "low": 1.0, "high": 2.0},
        }
        if channel.startswith("trades"):
            data = [
                {
                    "trade_seq": 30289442,
                    "trade_id": "48079269",
                    "timestamp": MS,
                    "tick_direction": 2,
                    "price": 60000.0,
                    "mark_price": 60000.25,
                    "instrument_name": "BTC-PERPETUAL",
                    "index_price": 60001.25,
                    "direction": "sell",
                    "amount": 3000.0,
                }
            ]
        params = {"channel": channel, "data": data}
        note = {"jsonrpc": "2.0", "method": "subscription", "params": params}
        answers.append(json.dumps(note))
    return answers


def test_OBYW_045_the_real_library_is_driven_against_a_venue_on_this_machine() -> None:
    python = real_python()
    if not python:
        pytest.skip("no interpreter with ccxt: set STEELYARD_CCXT_PYTHON")

    routes = {
        f"/api/v2/public/{name}": currency_and_instrument
        for name in ("get_currencies", "get_instruments", "get_time", "status")
    }
    with live_server(Script(on_frame=subscriptions_answered, routes={**routes})) as server:
        heard = listen(
            [Subscription(SWAP, each) for each in ("trades", "reference", "quotes")],
            lambda h: {"Trade", "Reference", "Quote"} <= {type(m).__name__ for m in h.messages},
            exchange="deribit",
            python=python,
            urls={"rest": server.rest_url, "ws": server.url + "/ws/api/v2"},
            # The venue counts US dollars, whatever the library says of the size of a contract.
            contract_values={SWAP: ContractUnit(1.0, is_inverse=True)},
            timeout_s=120.0,
        )
    trade = next(m for m in heard.messages if isinstance(m, Trade))
    assert trade == Trade(SWAP, 60000.0, 0.05, False, MS * 1_000, "48079269")
    reference = next(m for m in heard.messages if isinstance(m, Reference))
    assert reference == Reference(SWAP, MS * 1_000, 60001.25, 60000.25)
    quote = next(m for m in heard.messages if isinstance(m, Quote))
    assert (quote.bid, quote.ask, quote.bid_quantity) == (59999.5, 60000.5, 600.0 / 59999.5)
