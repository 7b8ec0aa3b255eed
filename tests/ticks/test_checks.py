"""What an event must keep before anything else is asked."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from steelyard.quantities import InputError
from steelyard.ticks import check_event
from tests.ticks.events import EVENTS, NOW_US

NO_PRICE = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1e12 + 1.0)


def changed(name: str, **fields: Any) -> Any:
    """Return the sample event with some fields changed."""
    return msgspec.structs.replace(EVENTS[name], **fields)


def refusal(name: str, **fields: Any) -> InputError:
    """Return the error that a changed event raises."""
    with pytest.raises(InputError) as caught:
        check_event(changed(name, **fields))
    return caught.value


@pytest.mark.parametrize("price", NO_PRICE)
@pytest.mark.parametrize(
    ("name", "field"),
    [("PriceTick", "price"), ("QuoteTick", "bid"), ("QuoteTick", "ask"), ("OrderPlaced", "price"),
     ("Fill", "price")],
)  # fmt: skip
def test_TICK_005_a_price_is_a_possible_number(name: str, field: str, price: float) -> None:
    error = refusal(name, **{field: price})
    assert error.code == "TICK-E03"
    assert error.where["field"] == field


@pytest.mark.parametrize(
    ("field", "bound"), [("implied_volatilities", 50.0), ("forward_ratios", 10.0)]
)
def test_TICK_005_volatilities_and_ratios_are_possible_numbers(field: str, bound: float) -> None:
    for value in (math.nan, math.inf, 0.0, -1.0, bound * 1.0001):
        error = refusal("VolatilityUpdate", **{field: [0.5, value]})
        assert (error.code, error.where["field"]) == ("TICK-E03", f"{field}[1]")
    check_event(changed("VolatilityUpdate", **{field: [bound, 1e-300]}))


def test_TICK_005_the_bounds_themselves_pass() -> None:
    for price in (1e12, 5e-324):
        check_event(changed("PriceTick", price=price))


@pytest.mark.parametrize("time_us", [-1, 4_102_444_800_000_001])
def test_TICK_006_a_time_lies_between_1970_and_2100(time_us: int) -> None:
    for name in EVENTS:
        assert refusal(name, time_us=time_us).code == "TICK-E05"
    for name in ("PriceTick", "QuoteTick", "VolatilityUpdate"):
        assert refusal(name, exchange_time_us=time_us).code == "TICK-E05"
    check_event(changed("TimeTick", time_us=0))
    check_event(changed("TimeTick", time_us=4_102_444_800_000_000))


NAMED = [
    (name, field)
    for name, fields in {
        "SourceListed": ("source", "asset", "operator"),
        "PriceTick": ("origin", "source", "asset"),
        "QuoteTick": ("instrument",),
        "VolatilityUpdate": ("underlying",),
        "OrderPlaced": ("account", "order", "instrument"),
        "OrderCancelled": ("account", "order"),
        "Fill": ("instrument", "buyer", "seller"),
        "Transfer": ("source_account", "target_account", "asset"),
        "Funding": ("instrument",),
        "ParameterChange": ("path",),
    }.items()
    for field in fields
]


@pytest.mark.parametrize(("name", "field"), NAMED)
def test_TICK_007_a_name_has_1_to_96_printable_characters(name: str, field: str) -> None:
    for text in ("", "x" * 97, "a\nb", "a\x00", "\ud800"):
        assert refusal(name, **{field: text}).code == "TICK-E04"
    check_event(changed(name, **{field: "x" * 96}))


def test_TICK_007_an_order_id_of_a_fill_is_a_name_or_empty() -> None:
    assert refusal("Fill", buy_order="x" * 97).code == "TICK-E04"
    assert refusal("Fill", sell_order="\n").code == "TICK-E04"
    check_event(changed("Fill", buy_order="", sell_order=""))


def test_TICK_008_lists_have_one_length_within_bounds() -> None:
    one = {"instruments": ["a"], "implied_volatilities": [0.5], "forward_ratios": [1.0]}
    check_event(changed("VolatilityUpdate", **one))
    for field in one:
        assert refusal("VolatilityUpdate", **{**one, field: one[field] * 2}).code == "TICK-E06"
    for times in (0, 100_001):
        many = {field: value * times for field, value in one.items()}
        assert refusal("VolatilityUpdate", **many).code == "TICK-E06"
    for name, field in (("AccountsLoaded", "accounts"), ("InstrumentsListed", "instruments")):
        rows = getattr(EVENTS[name], field)
        for times in (0, 100_001):
            assert refusal(name, **{field: rows * times}).code == "TICK-E06"


def test_TICK_009_quotes_and_counterparties_make_sense() -> None:
    assert refusal("QuoteTick", bid=101.0, ask=100.0).code == "TICK-E03"
    check_event(changed("QuoteTick", bid=100.0, ask=100.0))
    assert refusal("Fill", buyer="fund", seller="fund").code == "TICK-E04"
    assert refusal("Transfer", source_account="a", target_account="a").code == "TICK-E04"


@pytest.mark.parametrize(
    ("name", "field", "signed"),
    [("OrderPlaced", "quantity", True), ("Fill", "quantity", False), ("Transfer", "amount", False)],
)
def test_TICK_009_an_amount_is_at_least_one_unit(name: str, field: str, signed: bool) -> None:
    for amount in (0, 2**62 + 1, *(() if signed else (-1,))):
        assert refusal(name, **{field: amount}).code == "TICK-E03"
    for amount in (1, 2**62, *((-1, -(2**62)) if signed else ())):
        check_event(changed(name, **{field: amount}))


@pytest.mark.parametrize(
    ("name", "field", "bad", "good", "code"),
    [("SourceListed", "weight", (0, -1, 1_000_001), (1, 1_000_000), "TICK-E03"),
     ("SourceListed", "stale_after_us", (0, 86_400_000_001), (1, 86_400_000_000), "TICK-E03"),
     ("Funding", "rate_ppb", (50_000_001, -50_000_001), (50_000_000, -50_000_000), "TICK-E03"),
     ("ParameterChange", "value_json", ("x" * 4_097,), ("x" * 4_096,), "TICK-E06"),
     ("TimeTick", "origin_seq", (-1, 2**62 + 1), (0, 2**62), "TICK-E03")],
)  # fmt: skip
def test_TICK_010_terms_have_bounds(
    name: str, field: str, bad: tuple[Any, ...], good: tuple[Any, ...], code: str
) -> None:
    for value in bad:
        assert refusal(name, **{field: value}).code == code
    for value in good:
        check_event(changed(name, **{field: value}))


def test_TICK_011_a_refusal_says_who_and_what() -> None:
    error = refusal("PriceTick", price=-1.0, time_us=NOW_US)
    assert error.where == {"origin": "feed-1", "origin_seq": 7, "field": "price"}
    assert "PriceTick has price -1.0" in str(error)
    assert "above 0" in error.rule
