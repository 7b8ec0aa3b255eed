"""`steelyard client` over a real server: calls, channels, the list of methods, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.client.roles import SCRIPT, Served, served

WAIT_S = 60


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve until the last test has ended."""
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


def client(market: Served, *words: str, key: Any = None) -> subprocess.CompletedProcess[str]:
    """Run the command with a key in its environment."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("STEELYARD_")}
    clean["STEELYARD_CLIENT_URL"] = market.base
    if key is not None:
        clean |= {"STEELYARD_CLIENT_KEY": key.id, "STEELYARD_CLIENT_SECRET": key.secret}
    done = subprocess.run(
        [str(SCRIPT), "client", *words], capture_output=True, text=True, timeout=WAIT_S, env=clean
    )
    if key is not None:
        assert key.secret not in done.stdout + done.stderr
    return done


def test_CLNT_040_a_call_prints_its_result(market: Served) -> None:
    done = client(market, "call", "public/get_index_price", "index_name=btc_usd", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    price = json.loads(done.stdout)["index_price"]
    lines = client(market, "call", "public/get_index", "currency=BTC").stdout.splitlines()
    assert float(lines[0].removeprefix("BTC  ")) == pytest.approx(price, rel=0.05)
    signed = client(
        market, "call", "private/get_account_summary", "--signed", "--json", key=market.signer
    )
    assert json.loads(signed.stdout)["account"] == market.account


def test_CLNT_041_refusals_end_with_1_and_what_was_typed_with_2(market: Served) -> None:
    done = client(market, "call", "private/get_positions")
    assert done.returncode == 1
    assert "error RPCJ-E09" in done.stderr
    assert "  rule   " in done.stderr
    assert "  cure   " in done.stderr
    for words, code in (
        (("call", "public/ticker", "instrument_name"), "CLNT-E06"),
        (("call", "public/get_time", "--key", "a"), "CLNT-E05"),
        (("call", "public/get_time", "--url", "nowhere"), "CLNT-E05"),
    ):
        typed = client(market, *words)
        assert (typed.returncode, code in typed.stderr) == (2, True)
    away = client(market, "call", "public/get_time", "--url", "ws://127.0.0.1:1")
    assert (away.returncode, "CLNT-E02" in away.stderr) == (1, True)


def test_CLNT_042_channels_are_lines_of_json(market: Served) -> None:
    done = client(
        market,
        "watch",
        "accounts.raw",
        "deribit_price_index.btc_usd",
        "--count",
        "6",
        key=market.risk,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 6
    assert {each["channel"] for each in told} <= {"accounts.raw", "deribit_price_index.btc_usd"}
    of_accounts = [each["data"] for each in told if each["channel"] == "accounts.raw"]
    assert of_accounts[0]["type"] == "snapshot"
    refused = client(market, "watch", "accounts.raw", key=market.desk)
    assert refused.returncode == 1


def test_CLNT_043_methods_are_listed(market: Served) -> None:
    table = client(market, "methods")
    assert table.returncode == 0, table.stderr
    assert "private/simulate_portfolio" in table.stdout
    found = json.loads(client(market, "methods", "--json").stdout)
    assert "public/get_currencies" in {each["name"] for each in found["methods"]}


def test_CLNT_044_help_of_the_program_loads_no_client() -> None:
    probe = "import sys, steelyard.cli.app; print([m for m in ('websockets','msgspec','asyncio') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=Path.cwd(),
    )
    assert done.stdout.strip() == "[]", done.stderr
