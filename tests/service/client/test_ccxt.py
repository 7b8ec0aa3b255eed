"""ccxt and ccxt.pro, unchanged but for their address, in an interpreter of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.service.client.roles import Served

PYTHON = os.environ.get("STEELYARD_CCXT_PYTHON", "")
STORY = Path(__file__).parent / "ccxt_story.py"
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="STEELYARD_CCXT_PYTHON names no interpreter that has ccxt"
)


@pytest.fixture(scope="module")
def told(market: Served) -> Any:
    """Return what the story was answered, once."""
    words = [PYTHON, str(STORY), market.base, market.signer.id]
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    clean["STORY_SECRET"] = market.signer.secret
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=clean)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_CLNT_033_ccxt_reads_the_market(told: Any) -> None:
    assert told["status"] == "ok"
    assert told["currencies"] == ["AVAX", "BTC", "DOGE", "ETH", "SOL", "USDC", "XRP"]
    assert list(told["markets"].values())[:2] == ["BTC_USDC-PERPETUAL", "BTC-PERPETUAL"]
    assert told["is_linear"] == [True, False]
    index = float(told["index"]["index_price"])
    assert told["ticker"]["markPrice"] == pytest.approx(index, rel=0.01)
    assert told["tickers"] == told["chain"] + 2  # every option of BTC, and two perpetuals
    assert told["book"]["bids"] == told["book"]["asks"] == []
    assert -1.0 <= told["greeks"]["delta"] <= 1.0
    assert "RPCJ-E07" in told["refused"]


def test_CLNT_034_ccxt_reads_an_account_by_signed_requests(told: Any) -> None:
    for balance in (told["balance"], told["of_one"]):
        assert balance["total"] >= balance["free"] > 0.0
    assert len(told["positions"]) == 28
    assert {each["side"] for each in told["positions"]} <= {"long", "short"}
    perpetuals = [
        each for each in told["positions"] if "PERPETUAL" in each["info"]["instrument_name"]
    ]
    assert perpetuals
    assert all(each["notional"] > 0.0 for each in perpetuals)
    assert told["position"]["symbol"] == "BTC/USDC:USDC"
    assert float(told["margins"]["buy"]) >= 0.0
    assert told["open_orders"] == told["open_orders_of_one"] == []


def test_CLNT_035_ccxt_pro_is_told_tickers(told: Any) -> None:
    found = told["streamed"]
    assert found["first"]["symbol"] == found["second"]["symbol"] == "BTC/USDC:USDC"
    assert found["second"]["timestamp"] >= found["first"]["timestamp"]
    assert found["raw"]["symbol"] == "BTC/USD:BTC"
    assert found["many"] == ["ETH/USDC:USDC"]
