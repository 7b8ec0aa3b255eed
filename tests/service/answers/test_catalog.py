"""The catalogue of methods: it registers, and every method answers a question in JSON with JSON."""

from __future__ import annotations

import msgspec
import pytest

from steelyard.service.answers.catalog import methods
from steelyard.service.rpc.registry import Registry
from tests.service.answers.desks import context, holder

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
    registry = Registry(methods())
    assert len(registry) == 14
    by_name = {method.name: method for method in registry}
    assert by_name["private/simulate_portfolio"].scope == "simulate"
    assert {row.touches for row in registry.rows() if row.endpoint.startswith("private/")} == {
        "one"
    }
    assert by_name["private/cure"].credits > 1_000 * by_name["private/simulate_portfolio"].credits


@pytest.mark.parametrize("name", [method.name for method in methods()])
def test_ANSW_024_every_method_answers_json_with_json(name: str) -> None:
    method = Registry(methods()).find(name).method
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
