"""Strategies as others read them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.strategies import Leg, recognise
from steelyard.publish.strategies import describe
from tests.margin.strategies.books import FAR, books, coin, option


def sentences(*legs: Leg) -> list[str]:
    """Return the sentence of each strategy of a book."""
    return [s["sentence"] for s in describe(recognise(legs))["strategies"]]  # type: ignore[attr-defined]


def test_STRT_040_worked_sentences() -> None:
    assert sentences(option(60_000, "C", 1, 2_900), option(65_000, "C", -1, 1_700)) == [
        "Long bull call spread on BTC, quantity 1, 5,000 USD wide, costs 1,200 USD: "
        "loses at most 1,200 USD; gains at most 3,800 USD; even at 61,200."
    ]
    box = [
        option(55_000, "C", 1, 4_400),
        option(60_000, "C", -1, 900),
        option(55_000, "P", -1, 300),
        option(60_000, "P", 1, 800),
    ]
    assert sentences(*box) == [
        "Long box on BTC, quantity 1, 5,000 USD wide, costs 4,000 USD: "
        "gains at least 1,000 USD; gains at most 1,000 USD."
    ]
    sold = [option(60_000, "P", -1, 0.05, coins=True), option(50_000, "P", 1, 0.02, coins=True)]
    [sentence] = sentences(*sold)
    assert "brought in 0.03 BTC: no maximum loss" in sentence
    assert "10,000/S BTC" in sentence
    calendar = [option(60_000, "P", -1, 1_000), option(60_000, "P", 1, 2_500, expiry=FAR)]
    [sentence] = sentences(*calendar)
    assert sentence.endswith("; each expiry held alone, it loses at most 61,500 USD.")
    [sentence] = sentences(option(60_000, "C", -0.1, 900))
    assert sentence.startswith("Naked short call on BTC, quantity 0.1, brought in 90 USD: no ")


def test_STRT_040_worked_fields() -> None:
    legs = [option(60_000, "C", 1, 2_900), option(65_000, "C", -1, 1_700), coin(0.1)]
    shown = describe(recognise(legs))
    [strategy] = shown["strategies"]  # type: ignore[misc]
    assert strategy["maximum_loss"] == "1200"
    assert strategy["break_evens"] == ["61200"]
    assert strategy["legs"][1] == {
        "instrument": legs[1].instrument,
        "kind": "option",
        "underlying": "BTC",
        "quantity": "-1",
        "mark": "1700",
        "is_coin_settled": False,
        "expiry_us": legs[1].expiry_us,
        "strike": "65000",
        "is_call": True,
    }
    [rest] = shown["rest"]  # type: ignore[misc]
    assert (rest["quantity"], "strike" in rest) == ("0.1", False)
    assert shown["maximum_loss"] == "7200"
    assert shown["is_proven_least"] is True


@given(st.one_of(books(), books(coins=True), books(expiries=(1, 2))))
def test_STRT_040_every_number_comes_back(legs: list[Leg]) -> None:
    found = recognise(legs)
    shown = json.loads(json.dumps(describe(found)))
    for strategy, mapping in zip(found.strategies, shown["strategies"], strict=True):
        for name in ("quantity", "width", "cost", "maximum_loss", "maximum_gain"):
            value = getattr(strategy, name)
            assert mapping[name] is None if value is None else float(mapping[name]) == value
        assert [float(text) for text in mapping["break_evens"]] == list(strategy.break_evens)
        assert (strategy.reason in mapping["sentence"]) or strategy.is_defined_risk
        assert mapping["sentence"].count("\n") == 0
