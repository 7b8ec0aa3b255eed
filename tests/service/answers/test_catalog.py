"""The catalogue of methods: it registers, and every method answers a question in JSON with JSON."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steelyard.service.access.session import Session
from steelyard.service.answers.catalog import own_methods
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Method, Registry
from steelyard.terms.documents import documents
from tests.service.answers.desks import context, holder

REGISTRY = Registry(own_methods())
QUESTIONS = {
    "public/get_index_price": {"index_name": "btc_usd"},
    "public/get_instruments": {"currency": "BTC", "kind": "option"},
    "public/ticker": {"instrument_name": "BTC-PERPETUAL"},
    "private/get_positions": {"currency": "BTC"},
    "private/simulate_portfolio": {"currency": "USD", "simulated_positions": {"BTC-PERPETUAL": -1}},
    "private/pme/simulate": {"currency": "USD", "simulated_positions": {"BTC-PERPETUAL": -1}},
    "private/get_margins": {"instrument_name": "BTC-PERPETUAL", "amount": 1, "price": 70000},
    "private/compare": {"methods": ["paradex-pm", "deribit-pm"]},
}


def test_ANSW_024_the_catalogue_registers() -> None:
    assert len(REGISTRY) == 14
    by_name = {method.name: method for method in REGISTRY}
    assert by_name["private/simulate_portfolio"].scope == "simulate"
    assert {row.touches for row in REGISTRY.rows() if row.endpoint.startswith("private/")} == {
        "one"
    }
    assert by_name["private/cure"].credits > 1_000 * by_name["private/simulate_portfolio"].credits


@pytest.mark.parametrize("name", [method.name for method in REGISTRY])
def test_ANSW_024_every_method_answers_json_with_json(name: str) -> None:
    method = REGISTRY.find(name).method
    asked = msgspec.json.encode(QUESTIONS.get(name, {}))
    params = msgspec.json.decode(asked, type=method.params)
    ask = context("paradex-pm", amy=holder(10_000.0, BTC_PERPETUAL=1.0))
    found = method.handler(params, ask)
    body = msgspec.json.encode(found)
    assert msgspec.to_builtins(
        msgspec.json.decode(body, type=method.result)
    ) == msgspec.to_builtins(found)
    head = msgspec.json.decode(body)
    for each in head if isinstance(head, list) else [head]:
        if name != "public/get_time":
            assert each["as_of_seq"] == 7
        if isinstance(each, dict) and name.startswith("private/") and name != "private/compare":
            assert (each["account"], each["method"], each["currency"]) == (
                "amy",
                "paradex-pm",
                "USD",
            )
            assert len(each["method_hash"]) == 64


def _free(session: Session, method: Method, time_us: int, address: str) -> None:
    """Charge nothing."""


def _said(body: dict[str, object], accounts: frozenset[str] | None = None) -> Any:
    """Return the answer of the service to a request in bytes, whose key may do everything."""
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=1.0), bob=holder())
    told: list[object] = []
    service = Dispatcher(REGISTRY, charge=_free, on_incident=told.append)
    session = Session("key", frozenset({"read", "simulate"}), accounts)
    raw = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, **body})
    found = service.answer(raw, session, ask.desk, lambda: 1)
    assert told == []  # nothing unexpected
    assert found is not None
    return msgspec.json.decode(found)


def test_ANSW_025_a_simulation_by_json_rpc() -> None:
    params = {"currency": "USD", "account": "amy", "simulated_positions": {"BTC-PERPETUAL": 1}}
    found = _said({"method": "private/simulate_portfolio", "params": params})
    assert found["result"]["initial_margin"] == 22_400.0
    assert found["result"]["equity"] == 20_000.0
    assert found["as_of_seq"] == found["result"]["as_of_seq"] == 7


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"simulated_positions": {"nonsense": 1}}, "STAT-E02"),
        ({"simulated_positions": {"BTC-5JUN26": 1}}, "METH-E04"),
        ({"simulated_positions": {"XRP-PERPETUAL": 1}}, "METH-E01"),
        ({"simulated_positions": [["BTC-PERPETUAL", 1], ["BTC-PERPETUAL", 1]]}, "METH-E03"),
        ({"simulated_positions": '{"BTC-PERPETUAL": NaN}'}, "ANSW-E05"),
        ({"simulated_positions": {f"BTC-26JUN26-{i}-C": 1 for i in range(2_500)}}, "ANSW-E01"),
        ({"account": "bob"}, "ANSW-E03"),
        ({"account": "nobody"}, "ANSW-E03"),
        ({"currency": "SOL"}, "ANSW-E04"),
        ({"method": "no-such-method"}, "TERM-E16"),
        ({"add_positions": "yes"}, "RPCJ-E08"),
    ],
)
def test_ANSW_025_bad_input_gets_its_code_its_rule_and_its_cure(
    params: dict[str, object], code: str
) -> None:
    found = _said({"method": "private/simulate_portfolio", "params": params}, frozenset({"amy"}))
    data = found["error"]["data"]
    assert data["code"] == code
    assert data["rule"]
    assert data["cure"]


def test_ANSW_025_any_method_of_the_library_answers_or_refuses() -> None:
    for name in documents().names():
        for method in ("private/simulate_portfolio", "private/explain", "private/get_margins"):
            params: dict[str, object] = {"method": name, "account": "amy"}
            if method == "private/get_margins":
                params |= {"instrument_name": "BTC-PERPETUAL", "amount": 0.5}
            found = _said({"method": method, "params": params})
            assert ("result" in found) != ("error" in found), (name, method)
