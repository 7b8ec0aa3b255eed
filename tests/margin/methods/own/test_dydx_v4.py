"""dYdX v4: exact requirements, bankruptcy quotes, the insurance fund, fillable prices."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.own.dydx_v4 import answer
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.support.method_cases import (
    case_lines,
    check_case,
    micros,
    own_answer,
    requirements,
    told,
)

TIER = {"initial_margin_ppm": 200_000, "maintenance_fraction_ppm": 500_000}
CAPS = {"open_interest_lower_cap": "1", "open_interest_upper_cap": "2"}


def account(
    *held: tuple[str, str, str], usdc: str = "0", tiers: Any = None, liquidation: Any = None
) -> dict[str, Any]:
    """Return a case of positions (underlying, quantity, price)."""
    parameters = {} if tiers is None else {"liquidity_tiers": tiers}
    return {
        "case": "own", "method": "dydx-v4", "parameters": parameters,
        "market": {"underlyings": {name: {"index_price": price} for name, _, price in held}},
        "account": {
            "balances": {"USDC": usdc},
            "positions": [
                {"instrument": f"{name}-PERPETUAL", "quantity": quantity}
                for name, quantity, _ in held
            ],
        },
        "liquidation": liquidation,
    }  # fmt: skip


def closing(quantity: str, **more: Any) -> dict[str, Any]:
    return {"instrument": "BTC-PERPETUAL", "quantity": quantity, **more}


def plus(a: str, b: str) -> str:
    """Return the exact sum of two decimal texts."""
    with localcontext(prec=200):
        return f"{Decimal(a) + Decimal(b):f}"


@pytest.mark.parametrize("line", case_lines("dydx-v4"), ids=lambda line: line["case"])
def test_DYDX_001_published_cases(line: dict[str, Any]) -> None:
    check_case(line, own_answer(line))


def test_DYDX_001_every_answer_has_the_keys_of_an_expectation() -> None:
    said = told(account(("BTC", "0.7", "5555"), tiers={"BTC": {"initial_margin_ppm": 10_000}}))
    assert said == {
        "currency": "USDC",
        "equity": "3888.500000",
        "initial_requirement": "38.885000",
        "maintenance_requirement": "19.442500",
        "native": {"initial_margin_fraction_ppm": {"BTC-PERPETUAL": 10_000}, "liquidatable": False},
    }


def test_DYDX_002_notional_is_cut_to_zero() -> None:
    assert told(account(("BTC", "0.0000003", "5")))["equity"] == "0.000001"
    assert told(account(("BTC", "-0.0000003", "5")))["equity"] == "-0.000001"
    assert told(account(("BTC", "-0.00000019", "5")))["equity"] == "0.000000"


def test_DYDX_003_requirements_are_rounded_up_twice() -> None:
    tiers = {"BTC": {"initial_margin_ppm": 500_000, "maintenance_fraction_ppm": 250_000}}
    for sign in "", "-":
        held = ("BTC", f"{sign}0.000003", "1")
        assert requirements(account(held, tiers=tiers)) == ("0.000002", "0.000001")
    tiers = {"BTC": {"initial_margin_ppm": 567_243, "maintenance_fraction_ppm": 500_000}}
    assert requirements(account(("BTC", "0.123456", "1"), tiers=tiers)) == ("0.070030", "0.035015")


@pytest.mark.parametrize(
    ("open_interest", "tier", "fraction"),
    [
        ("0", CAPS, 200_000), ("1", CAPS, 200_000), ("1.000001", CAPS, 200_000),
        ("1.234567", CAPS, 387_653), ("1.2345679", CAPS, 387_653), ("1.999999", CAPS, 999_999),
        ("2", CAPS, 1_000_000), ("1e9", CAPS, 1_000_000), (None, CAPS, 200_000),
        ("1e9", {}, 200_000), ("1e9", {"open_interest_lower_cap": "1"}, 200_000),
        ("1", {"open_interest_upper_cap": "2"}, 600_000),
    ],
)  # fmt: skip
def test_DYDX_004_fraction_grows_with_the_open_interest(
    open_interest: str | None, tier: dict[str, str], fraction: int
) -> None:
    case = account(("BTC", "-100", "1"), tiers={"BTC": TIER | tier})
    case["market"]["underlyings"]["BTC"]["open_interest"] = open_interest
    said = told(case)
    assert said["native"]["initial_margin_fraction_ppm"] == {"BTC-PERPETUAL": fraction}
    assert micros(said["initial_requirement"]) == 100 * fraction
    assert said["maintenance_requirement"] == "10.000000"


def test_DYDX_005_a_market_without_tier_has_the_default() -> None:
    held = ("NEW", "100", "1")
    assert requirements(account(held)) == ("20.000000", "10.000000")
    assert requirements(account(held, tiers={"BTC": TIER})) == ("20.000000", "10.000000")
    tiers: dict[str, Any] = {"NEW": {"maintenance_fraction_ppm": 600_000}}
    assert requirements(account(held, tiers=tiers)) == ("20.000000", "12.000000")
    tiers = {
        "default": {"initial_margin_ppm": 50_000},
        "NEW": {"maintenance_fraction_ppm": 600_000},
    }
    assert requirements(account(held, tiers=tiers)) == ("5.000000", "3.000000")


def test_DYDX_006_equity_and_liquidatable() -> None:
    said = told(account(("BTC", "1", "50000"), ("ETH", "-10", "3000"), usdc="-19000"))
    assert said["equity"] == "1000.000000"
    assert said["maintenance_requirement"] == "8000.000000"
    assert said["native"]["liquidatable"] is True
    for usdc, is_liquidatable in (("-45000", False), ("-45000.000001", True), ("-50000", True)):
        said = told(account(("BTC", "1", "50000"), usdc=usdc))
        assert said["native"]["liquidatable"] is is_liquidatable
    said = told(account(usdc="-5"))
    assert (said["equity"], said["initial_requirement"]) == ("-5.000000", "0.000000")
    assert said["native"]["liquidatable"] is False
    assert told({"case": 1, "method": "dydx-v4"})["equity"] == "0.000000"


def test_DYDX_007_twenty_digits() -> None:
    quantity, price = "12345678.901234567891", "98765.432109876543211"
    said = told(account(("BTC", quantity, price)))
    exact = Fraction(quantity) * Fraction(price) * 10**6
    assert micros(said["equity"]) == math.trunc(exact) == 1_219_326_311_370_217_952
    said = told(account(("BTC", f"-{quantity}", price)))
    assert micros(said["equity"]) == -1_219_326_311_370_217_952


numbers = st.builds(
    lambda digits, places: f"{Decimal(digits).scaleb(-places):f}",
    st.integers(1, 10**20 - 1), st.integers(0, 18),
)  # fmt: skip
signed = st.builds(lambda sign, text: sign + text, st.sampled_from(["", "-"]), numbers)
tiers_drawn = st.fixed_dictionaries(
    {
        "initial_margin_ppm": st.integers(0, 10**6),
        "maintenance_fraction_ppm": st.integers(0, 10**6),
        "open_interest_lower_cap": st.integers(0, 10**12).map(str),
        "open_interest_upper_cap": st.integers(0, 10**13).map(str),
    }
)


def by_the_sheet(quantity: str, price: str, tier: dict[str, Any], interest: str) -> tuple[int, int]:
    """Return the two requirements in millionths, from fractions."""
    million = Fraction(10**6)
    n = math.trunc(Fraction(quantity) * Fraction(price) * million)
    oi = math.trunc(Fraction(interest) * Fraction(price) * million)
    lower, upper = (Fraction(tier[f"open_interest_{b}_cap"]) * million for b in ("lower", "upper"))
    base = tier["initial_margin_ppm"]
    imf = base
    if upper != 0 and oi > lower:
        share = (oi - lower) / (upper - lower) if oi < upper else Fraction(1)
        imf = base + math.floor((million - base) * share)
    initial = math.ceil(Fraction(abs(n) * base) / million)
    keep = math.ceil(Fraction(initial * tier["maintenance_fraction_ppm"]) / million)
    return math.ceil(Fraction(abs(n) * imf) / million), keep


@settings(max_examples=150, deadline=None)
@given(signed, numbers, tiers_drawn, numbers)
def test_DYDX_008_agrees_with_the_sheet_in_fractions(
    quantity: str, price: str, tier: dict[str, Any], interest: str
) -> None:
    case = account(("BTC", quantity, price), tiers={"BTC": tier})
    case["market"]["underlyings"]["BTC"]["open_interest"] = interest
    initial, maintenance = map(micros, requirements(case))
    assert (initial, maintenance) == by_the_sheet(quantity, price, tier, interest)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers, numbers, signed, tiers_drawn)
def test_DYDX_008_monotone_additive_and_the_sum_of_parts(
    small: str, more: str, price: str, other: str, tier: dict[str, Any]
) -> None:
    large = plus(small, more)
    btc, eth, tiers = ("BTC", small, price), ("ETH", other, "3"), {"BTC": tier, "ETH": TIER}
    first, second = own_answer(account(btc, tiers=tiers)), own_answer(account(eth, tiers=tiers))
    both = own_answer(account(btc, eth, tiers=tiers))
    larger = own_answer(account(("BTC", large, price), tiers=tiers))
    shorted = own_answer(account(("BTC", f"-{small}", price), tiers=tiers))
    for name, part in (
        ("initial_requirement", "initial"),
        ("maintenance_requirement", "maintenance"),
    ):
        total = micros(getattr(both, name))
        assert total == micros(getattr(first, name)) + micros(getattr(second, name))
        assert sum(micros(getattr(each, part)) for each in both.parts) == total
        assert micros(getattr(larger, name)) >= micros(getattr(first, name))
        assert getattr(shorted, name) == getattr(first, name)
    assert [part.instrument for part in both.parts] == ["BTC-PERPETUAL", "ETH-PERPETUAL"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.integers(1, 1000))
def test_DYDX_008_whole_notionals_scale(units: int, times: int) -> None:
    once = own_answer(account(("BTC", str(units), "5")))
    often = own_answer(account(("BTC", str(units * times), "5")))
    assert micros(often.initial_requirement) == micros(once.initial_requirement) * times
    assert micros(often.equity) == micros(once.equity) * times


def test_DYDX_009_floats_are_their_shortest_decimals() -> None:
    case = account(("BTC", "0.7", "5555.1"), ("ETH", "-1.1", "3000.3"), usdc="0.3")
    told_exactly = own_answer(case)
    case["account"]["balances"]["USDC"] = 0.3
    for position in case["account"]["positions"]:
        position["quantity"] = float(position["quantity"])
    for market in case["market"]["underlyings"].values():
        market["index_price"] = float(market["index_price"])
    stated = msgspec.json.decode(json.dumps(case), type=Case[float])
    assert answer(stated, documents().get("dydx-v4")) == told_exactly  # type: ignore[arg-type]


def test_DYDX_004_caps_that_are_equal_are_a_step() -> None:
    tiers = {"BTC": {"open_interest_lower_cap": "1", "open_interest_upper_cap": "1"}}
    for interest, fraction in (("1", 200_000), ("1.000001", 1_000_000)):
        case = account(("BTC", "1", "1"), tiers=tiers)
        case["market"]["underlyings"]["BTC"]["open_interest"] = interest
        said = told(case)["native"]["initial_margin_fraction_ppm"]
        assert said == {"BTC-PERPETUAL": fraction}


@pytest.mark.parametrize(
    ("usdc", "quantity", "change", "quote"),
    [
        ("-4501", "0.1", "-0.1", "4501.000000"),
        ("-5100", "0.1", "-0.1", "5100.000000"),
        ("4900", "-0.1", "0.1", "-4900.000000"),
        ("-13", "1", "-0.00021347", "0.002776"),
        ("-5000", "0.1", "-0.03", "1500.000000"),
        ("-4500", "0.1", "-0.03", "1350.000000"),
        ("-5000.000001", "0.1", "-0.03", "1500.000001"),
        ("-4999.999999", "0.1", "-0.03", "1500.000000"),
    ],
)
def test_DYDX_020_bankruptcy_quote(usdc: str, quantity: str, change: str, quote: str) -> None:
    case = account(("BTC", quantity, "50000"), usdc=usdc, liquidation=closing(change))
    assert told(case)["native"]["bankruptcy_quote"] == quote


positions_drawn = st.lists(
    st.tuples(
        st.integers(-(10**12), 10**12).filter(lambda n: abs(n) > 10**3),
        st.integers(10**4, 10**10),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=4,
)


def scaled(units: int, places: int) -> str:
    return f"{Decimal(units).scaleb(-places):f}"


@settings(max_examples=60, deadline=None)
@given(positions_drawn, st.integers(-(10**12), 10**12))
def test_DYDX_021_closing_all_at_the_bankruptcy_quotes_leaves_zero(
    drawn: list[tuple[int, int, int]], usdc: int
) -> None:
    held = [(f"C{i}", units, scaled(price, 2)) for i, (units, price, _) in enumerate(drawn)]
    for (name, units, price), (_, _, tenths) in zip(list(held), drawn, strict=True):
        # A position goes in two steps: some tenths of it, then what is left.
        part = -(units * tenths // 10)
        for change in filter(None, (part, -(units + part))):
            book = [(each, scaled(left, 6), at) for each, left, at in held]
            asked = {"instrument": f"{name}-PERPETUAL", "quantity": scaled(change, 6)}
            said = told(account(*book, usdc=scaled(usdc, 6), liquidation=asked))
            usdc += micros(said["native"]["bankruptcy_quote"])
            units += change
            held[0] = (name, units, price)
        assert units == 0
        held.pop(0)
    assert usdc == 0


@pytest.mark.parametrize(
    ("usdc", "quantity", "price", "delta"),
    [
        ("-5100", "0.1", "56100", "28.050000"),
        ("-5100", "0.1", "50900", "-10.000000"),
        ("-5100", "0.1", "51000", "0.000000"),
        ("-5100", "0.1", "51001", "0.100000"),
        ("4900", "-0.1", "49490", "-49.000000"),
        ("4900", "-0.1", "48990", "1.000000"),
        ("4900", "-0.1", "40000", "20.000000"),
        ("4900", "-0.1", "0", "0.000000"),
    ],
)
def test_DYDX_022_insurance_fund(usdc: str, quantity: str, price: str, delta: str) -> None:
    change = quantity.lstrip("-") if quantity.startswith("-") else f"-{quantity}"
    asked = closing(change, fill_price=price)
    case = account(("BTC", quantity, "50000"), usdc=usdc, liquidation=asked)
    assert told(case)["native"]["insurance_fund_delta"] == delta


@pytest.mark.parametrize(
    ("usdc", "quantity", "adjustment", "price"),
    [
        ("-4501", "0.1", 1_000_000, 49_999.0),
        ("-5000", "0.1", 1_000_000, 49_500.0),
        ("-9000", "0.1", 1_000_000, 49_500.0),
        ("-4500", "0.1", 1_000_000, 50_000.0),
        ("0", "0.1", 1_000_000, 50_000.0),
        ("5000", "-0.1", 1_000_000, 50_500.0),
        ("-4750", "0.1", 2_000_000, 49_500.0),
        ("-4750", "0.1", 1_000_000, 49_750.0),
    ],
)
def test_DYDX_025_fillable_price(usdc: str, quantity: str, adjustment: int, price: float) -> None:
    asked = {"instrument": "BTC-PERPETUAL", "fillable_price": True}
    case = account(("BTC", quantity, "50000"), usdc=usdc, liquidation=asked)
    case["parameters"] = {"liquidation": {"bankruptcy_adjustment_ppm": adjustment}}
    said = told(case)["native"]
    assert said["fillable_price"] == price
    assert "bankruptcy_quote" not in said


def test_DYDX_025_both_questions_of_one_liquidation() -> None:
    asked = closing("-0.1", fillable_price=True, fill_price="50000")
    said = told(account(("BTC", "0.1", "50000"), usdc="-4501", liquidation=asked))["native"]
    assert set(said) >= {"bankruptcy_quote", "insurance_fund_delta", "fillable_price"}
    asked = {"instrument": "BTC-PERPETUAL", "fillable_price": False}
    said = told(account(("BTC", "0.1", "50000"), liquidation=asked))["native"]
    assert set(said) == {"initial_margin_fraction_ppm", "liquidatable"}


BTC = ("BTC", "0.1", "50000")
REFUSED: list[tuple[str, str, Any]] = [
    ("METH-E02", "liquidation.quantity", {"instrument": "BTC-PERPETUAL", "fill_price": "1"}),
    ("METH-E02", "liquidation.instrument", {"quantity": "-0.1"}),
    ("METH-E02", "liquidation.instrument", {"instrument": "ETH-PERPETUAL", "quantity": "-0.1"}),
    ("METH-E02", "liquidation.quantity", closing("a tenth")),
    ("METH-E02", "liquidation", "all"),
    ("METH-E05", "liquidation.quantity", closing("0.1")),
    ("METH-E05", "liquidation.quantity", closing("0")),
    ("METH-E05", "liquidation.quantity", closing("-0.1000001")),
    ("METH-E05", "liquidation.quantity", closing("NaN")),
    ("METH-E05", "liquidation.quantity", closing("-1e40")),
    ("METH-E05", "liquidation.fill_price", closing("-0.1", fill_price="-1")),
]


@pytest.mark.parametrize(("code", "field", "asked"), REFUSED)
def test_DYDX_030_bad_questions(code: str, field: str, asked: Any) -> None:
    with pytest.raises(InputError) as caught:
        own_answer(account(BTC, liquidation=asked))
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


@pytest.mark.parametrize(
    ("code", "field", "change"),
    [
        ("METH-E01", "market.underlyings.BTC", {"market": {}}),
        ("METH-E01", "market.underlyings.BTC.index_price", {"market": {"underlyings": {"BTC": {}}}}),
        ("METH-E05", "market.underlyings.BTC.index_price",
         {"market": {"underlyings": {"BTC": {"index_price": "0"}}}}),
        ("METH-E05", "market.underlyings.BTC.open_interest",
         {"market": {"underlyings": {"BTC": {"index_price": "1", "open_interest": "-1"}}}}),
        ("METH-E04", "account.balances.ETH", {"account": {"balances": {"USDC": "1", "ETH": "2"}}}),
        ("METH-E05", "account.balances.USDC", {"account": {"balances": {"USDC": "1e40"}}}),
        ("METH-E05", "account.balances.USDC", {"account": {"balances": {"USDC": "Infinity"}}}),
        ("METH-E05", "account.positions[0].quantity",
         {"account": {"positions": [{"instrument": "BTC-PERPETUAL", "quantity": "1e-401"}]}}),
        ("METH-E03", "account.positions[1].instrument",
         {"account": {"positions": [{"instrument": "BTC-PERPETUAL", "quantity": "1"}] * 2}}),
        ("METH-E04", "account.positions[0].instrument",
         {"account": {"positions": [{"instrument": "BTC-7JAN26-60000-C", "quantity": "1"}]}}),
        ("METH-E04", "account.positions[0].instrument",
         {"account": {"positions": [{"instrument": "BTC-7JAN26", "quantity": "1"}]}}),
        ("METH-E05", "parameters.liquidity_tiers.BTC.initial_margin_ppm",
         {"parameters": {"liquidity_tiers": {"BTC": {"initial_margin_ppm": -1}}}}),
        ("METH-E05", "parameters.liquidity_tiers.BTC.open_interest_upper_cap",
         {"parameters": {"liquidity_tiers": {"BTC": {"open_interest_upper_cap": "-1"}}}}),
    ],
)  # fmt: skip
def test_DYDX_030_bad_books(code: str, field: str, change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        own_answer(account(BTC) | change)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


def test_DYDX_030_an_account_without_requirement_cannot_be_liquidated() -> None:
    tiers = {"BTC": {"initial_margin_ppm": 0}}
    for asked in (closing("-0.1"), {"instrument": "BTC-PERPETUAL", "fillable_price": True}):
        with pytest.raises(InputError, match="no maintenance requirement") as caught:
            own_answer(account(BTC, tiers=tiers, liquidation=asked))
        assert caught.value.code == "METH-E05"
