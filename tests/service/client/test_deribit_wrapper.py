"""A client library that others wrote for Deribit, deribit-wrapper, unchanged but for its address."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service.client.roles import Proof, Served

pytest.importorskip("deribit_wrapper", reason="deribit-wrapper is not installed")
from deribit_wrapper import DeribitClient
from deribit_wrapper.base import DeribitBase

LINEAR, INVERSE = "BTC_USDC-PERPETUAL", "BTC-PERPETUAL"
pytestmark = [  # of the library's use of pandas
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]


@pytest.fixture
def point(market: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return what makes a client of a key; every one of them is closed at the end."""
    monkeypatch.setattr(DeribitBase, "_DeribitBase__ENVS", {"test": market.base})
    made: list[Any] = []

    def client(proof: Proof, method: str = "credentials") -> Any:
        found = DeribitClient(
            client_id=proof.id, client_secret=proof.secret, env="test", auth_method=method
        )
        made.append(found)
        return found

    yield client
    for each in made:
        each.close()


def test_CLNT_030_public_reads_of_deribit_wrapper(market: Served, point: Any) -> None:
    with warnings.catch_warnings():
        client = point(market.desk)
    assert (
        abs(client.get_time() - httpx.get(f"{market.api}/public/get_time").json()["result"])
        < 60_000
    )
    assert client.get_status()["locked"] == "false"
    assert client.get_locked_indices() == []
    assert client.get_api_version() == client.test()["version"] != ""
    assert client.currencies == ["AVAX", "BTC", "DOGE", "ETH", "SOL", "USDC", "XRP"]
    assert client.get_contract_size(LINEAR) == 1.0
    assert client.get_contract_size(INVERSE) > 1.0
    listed = client.get_instruments("BTC")
    assert {LINEAR, INVERSE} < set(listed["instrument_name"])
    options = client.get_option_instruments("BTC", as_list=True)
    assert set(client.get_future_instruments("BTC", as_list=True)) >= {LINEAR, INVERSE}
    option = options[0]
    assert client.get_kind(option) == "option"
    assert client.get_base_currency(option) == "BTC"
    assert client.get_min_trade_amount(option) > 0.0
    strike = float(option.split("-")[2])
    assert client.get_instrument(option)["strike"] == strike
    assert client.get_expiry_date(option).hour == 8
    ticker = client.get_ticker(option)
    assert ticker["instrument_name"] == option
    assert ticker["mark_iv"] > 0.0
    assert set(ticker["greeks"]) >= {"delta", "gamma", "vega", "theta"}
    assert client.mid_price(option) > 0.0
    book = client.get_market_book(currency="BTC")
    assert set(book["instrument_name"]) == set(listed["instrument_name"])
    assert book["mark_price"].notna().all()
    one = client.get_market_book(instrument=LINEAR)
    assert one["instrument_name"].to_list() == [LINEAR]
    assert len(client.get_complete_market_book()) > len(book)


@pytest.mark.parametrize("method", ["credentials", "signature"])
def test_CLNT_031_private_reads_of_deribit_wrapper(market: Served, point: Any, method: str) -> None:
    client = point(market.desk if method == "credentials" else market.signer, method)
    summary = client.get_account_summary("USDC")
    assert summary["currency"].to_list() == ["USDC"]
    assert summary["equity"][0] - summary["margin_balance"][0] >= 0.0
    assert summary["available_funds"].notna().all()
    positions = client.get_positions("any")
    assert len(positions) == 28
    assert set(positions["direction"]) <= {"buy", "sell"}
    options = client.get_positions("BTC", kind="option")
    assert 0 < len(options) < 28
    held = positions["instrument_name"][0]
    margins = client.instrument_margins(held, amount=positions["size"].abs()[0], price=None)
    assert margins["buy"] >= 0.0
    assert margins["sell"] >= 0.0
    assert client.get_open_orders().empty
    first = client.access_token
    assert client.get_new_token() != first


def test_CLNT_032_orders_at_rest_are_seen_and_trading_is_refused(
    market: Served, point: Any
) -> None:
    client = point(market.desk)
    trader = point(market.risk)
    asked = {"order": "w-1", "instrument_name": LINEAR, "quantity": 0.01, "price": 100_000,
             "life_us": 60_000_000, "account": market.account}  # fmt: skip
    trader._request("/private/reserve", asked)
    try:
        orders = client.get_open_orders()
        assert orders[
            ["order_id", "direction", "amount", "price", "order_state"]
        ].values.tolist() == [["w-1", "buy", 0.01, 100_000.0, "open"]]
        assert client.get_orders(["w-1"])["instrument_name"].to_list() == [LINEAR]
    finally:
        trader._request("/private/release", {"order": "w-1", "account": market.account})
    assert client.get_open_orders().empty
    client.simulated = False
    refused = client._request(
        "/private/buy", {"instrument_name": LINEAR, "amount": 1}, False
    ).json()
    assert refused["error"]["code"] == -32601
    assert refused["error"]["data"]["code"] == "RPCJ-E07"
