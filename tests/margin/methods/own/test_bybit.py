"""Bybit: prices of contracts, margin of short options, and books of several positions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.own.bybit import (
    Rates,
    answer,
    inverse_bankruptcy_price,
    inverse_liquidation_price,
    linear_bankruptcy_price,
    short_option,
)
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Case
from tests.support.method_cases import case_lines, check_case

Row = dict[str, Any]
RATES = Rates(0.005, 0.00075, 0.03, 0.002, 0.15, 0.10)
CALL, PUT = "BTC-21JUN26-22000-C", "BTC-21JUN26-40000-P"


def stated(line: Row) -> Case[float]:
    """Return a line as a stated case."""
    text = msgspec.json.Encoder(decimal_format="number").encode(line)
    return msgspec.json.decode(text, type=Case[float])


def contract(name: str, quantity: float, entry: float, **more: Any) -> Row:
    """Return a stated position in a perpetual."""
    return {
        "instrument": f"{name}-PERPETUAL", "quantity": quantity, "entry_price": entry, **more
    }  # fmt: skip


def inverse(name: str, quantity: float, entry: float, **more: Any) -> Row:
    """Return a stated position in an inverse perpetual."""
    return contract(name, quantity, entry, contract="inverse", **more)


def option(name: str, quantity: float, entry: float, mark: float) -> Row:
    """Return a stated position in an option."""
    return {"instrument": name, "quantity": quantity, "entry_price": entry, "mark_price": mark}


def margined(
    *positions: Row,
    mode: str | None = "cross",
    index: float | None = None,
    marks: dict[str, float] | None = None,
    **account: Any,
) -> Answer:
    """Return the answer to an account; without an index or marks there is no market."""
    underlyings: Row = {} if index is None else {"BTC": {"index_price": index}}
    for name, mark in (marks or {}).items():
        underlyings[name] = {"perpetual": {"mark_price": mark}}
    case = stated(
        {
            "case": "c",
            "method": "bybit",
            "market": {"as_of": "2026-06-01T08:00:00Z", "underlyings": underlyings},
            "account": {"mode": mode, "positions": positions, **account},
        }
    )
    return answer(case, documents().get("bybit"))


@pytest.mark.parametrize("mode", ["isolated", "cross", None])
def test_BYBT_001_a_linear_contract_is_bankrupt_when_its_margin_is_lost(mode: str | None) -> None:
    short = margined(contract("ETH", -3.0, 3_000.0, leverage=20), mode=mode)
    assert short.native == {"bankruptcy_price": 3_150.0}
    assert short.currency == "USDT"
    stated_linear = contract("ETH", 3.0, 3_000.0, leverage=20, contract="linear")
    assert margined(stated_linear, mode=mode).native == {"bankruptcy_price": 2_850.0}
    assert linear_bankruptcy_price(1.0, 3_000.0, 1.0) == 0.0


def test_BYBT_001_a_dated_future_is_a_contract_too() -> None:
    future = {**contract("BTC", 1.0, 60_000.0, leverage=10), "instrument": "BTC-28JUN30"}
    assert margined(future).native == {"bankruptcy_price": pytest.approx(54_000.0)}


def test_BYBT_002_an_isolated_inverse_contract() -> None:
    long = margined(inverse("BTC", 60_000.0, 50_000.0, leverage=10), mode="isolated")
    assert (long.currency, long.initial_requirement) == ("BTC", 0.12)
    assert long.maintenance_requirement == 0.006
    assert long.native["position_value"] == 1.2
    assert long.native["liquidation_price"] == pytest.approx(60_000 / 1.314, rel=1e-14)
    assert "bankruptcy_price" not in long.native
    short = margined(inverse("BTC", -60_000.0, 50_000.0, leverage=10), mode="isolated")
    assert short.native["liquidation_price"] == pytest.approx(60_000 / 1.086, rel=1e-14)
    assert short.native["position_value"] == 1.2


@given(
    st.sampled_from([1.0, -1.0]), st.floats(1.0, 1e9), st.floats(1.0, 1e6), st.floats(1.1, 125.0)
)
def test_BYBT_002_at_that_price_what_is_left_is_the_maintenance(
    side: float, size: float, entry: float, leverage: float
) -> None:
    value = size / entry
    initial, keep = value / leverage, value * 0.005
    price = inverse_liquidation_price(side, size, value, initial, keep)
    assert price is not None
    left = initial + side * (value - size / price)
    assert left == pytest.approx(keep, rel=1e-9)


def test_BYBT_003_an_inverse_contract_held_cross() -> None:
    long = margined(inverse("BTC", 10_000.0, 8_000.0), balances={"BTC": 0.5})
    assert long.native["bankruptcy_price"] == pytest.approx(5_718.57, abs=0.005)
    short = inverse("BTC", -25_000.0, 40_000.0)
    plain = margined(short, balances={"BTC": 0.4})
    assert plain.native["bankruptcy_price"] == pytest.approx(111_027.7777778, rel=1e-12)
    assert plain.native["position_value"] == 0.625
    assert "liquidation_price" not in plain.native
    ordered = margined(short, balances={"BTC": 0.5}, order_margin=0.1)
    assert ordered.native == {
        "position_value": 0.625,
        "bankruptcy_price": pytest.approx(plain.native["bankruptcy_price"], rel=1e-14),
    }
    for balances in {}, {"USDT": 0.0}:
        poor = margined(short, balances=balances)
        assert poor.native["bankruptcy_price"] == pytest.approx(0.99925 * 40_000.0)


@given(st.sampled_from([1.0, -1.0]), st.floats(10.0, 1e9), st.floats(1.0, 1e6), st.floats(0.0, 0.9))
def test_BYBT_003_at_that_price_balance_loss_and_fee_leave_nothing(
    side: float, size: float, entry: float, share: float
) -> None:
    value = size / entry
    price = inverse_bankruptcy_price(side, size, value, share * value, 0.00075)
    assert price is not None
    left = share * value + side * (value - size / price) - size / price * 0.00075
    assert abs(left) <= 1e-12 * value


def test_BYBT_004_a_price_that_cannot_be_reached_is_none() -> None:
    for coins in (0.25, 0.3):
        covered = margined(inverse("BTC", -10_000.0, 40_000.0), balances={"BTC": coins})
        assert covered.native == {"position_value": 0.25, "bankruptcy_price": None}
    indebted = margined(inverse("BTC", 10_000.0, 40_000.0), balances={"BTC": -0.25})
    assert indebted.native["bankruptcy_price"] is None
    slack = margined(inverse("BTC", -10_000.0, 40_000.0, leverage=0.5), mode="isolated")
    assert slack.native["liquidation_price"] is None
    whole = margined(inverse("BTC", -10_000.0, 40_000.0, leverage=1), mode="isolated")
    assert whole.native["liquidation_price"] == pytest.approx(10_000 / (0.25 * 0.005))
    assert linear_bankruptcy_price(1.0, 3_000.0, 0.5) is None
    assert linear_bankruptcy_price(-1.0, 3_000.0, 0.5) == 9_000.0
    for nothing in (
        margined(contract("BTC", 0.0, 40_000.0, leverage=10)),
        margined(inverse("BTC", 0.0, 40_000.0), balances={"BTC": 1.0}),
        margined(inverse("BTC", 0.0, 40_000.0, leverage=10), mode="isolated"),
    ):
        assert [v for name, v in nothing.native.items() if name.endswith("price")] == [None]
        assert nothing.maintenance_requirement == 0.0


def test_BYBT_005_the_margins_of_value_at_entry() -> None:
    linear = margined(contract("ETH", -3.0, 3_000.0, leverage=20))
    assert (linear.initial_requirement, linear.maintenance_requirement) == (450.0, 45.0)
    cross = margined(inverse("BTC", -25_000.0, 40_000.0))
    assert (cross.initial_requirement, cross.maintenance_requirement) == (None, 0.003125)
    geared = margined(inverse("BTC", -25_000.0, 40_000.0, leverage=10))
    assert (geared.initial_requirement, geared.maintenance_requirement) == (0.0625, 0.003125)
    assert "liquidation_price" not in geared.native


def test_BYBT_010_a_short_option_to_keep() -> None:
    found = margined(option(CALL, -2.0, 310.0, 260.0), index=20_250.0)
    assert found.maintenance_requirement == 1_816.0
    assert (found.currency, found.native) == ("USDT", {})
    assert short_option(100.0, 150.0, 1.0, 90.0, True, RATES)[1] == pytest.approx(154.7)
    parameters = {"option_maintenance_factor": 0.05, "option_liquidation_fee": 0.0}
    case = stated(
        {
            "case": 1, "method": "bybit", "parameters": parameters,
            "market": {"underlyings": {"BTC": {"index_price": 20_250}}},
            "account": {"mode": "cross", "positions": [option(CALL, -2.0, 310.0, 260.0)]},
        }
    )  # fmt: skip
    document = documents().get("bybit").with_parameters(case.parameters)
    assert answer(case, document).maintenance_requirement == 2 * (1_012.5 + 260)


@pytest.mark.parametrize(
    ("index", "mark", "entry", "strike", "is_call", "initial"),
    [
        (20_250.0, 260.0, 310.0, 22_000.0, True, 2_025.0 + 310.0),
        (20_250.0, 20_100.0, 18_000.0, 40_000.0, False, 3_037.5 + 20_100.0),
        (20_250.0, 260.0, 310.0, 21_000.0, True, 2_287.5 + 310.0),
        (20_250.0, 260.0, 310.0, 19_000.0, True, 3_037.5 + 310.0),
        (20_250.0, 260.0, 310.0, 19_000.0, False, 2_025.0 + 310.0),
        (20_250.0, 330.0, 310.0, 20_250.0, False, 3_037.5 + 330.0),
        (20_250.0, 0.0, 0.0, 90_000.0, True, 2_025.0),
        (100.0, 1_000.0, 20.0, 1.0, True, 1_030.2),
    ],
)
def test_BYBT_011_a_short_option_to_open(
    index: float, mark: float, entry: float, strike: float, is_call: bool, initial: float
) -> None:
    found = short_option(index, mark, entry, strike, is_call, RATES)
    assert found[0] == pytest.approx(initial, rel=1e-14)
    assert found[0] >= found[1]


def test_BYBT_011_it_scales_with_the_quantity() -> None:
    assert margined(option(CALL, -2.0, 310.0, 260.0), index=20_250.0).initial_requirement == 4_670.0
    half = margined(option(PUT, -0.5, 18_000.0, 20_100.0), index=20_250.0)
    assert (half.initial_requirement, half.maintenance_requirement) == (11_568.75, 10_374.0)


@pytest.mark.parametrize("quantity", [3.0, 0.0])
def test_BYBT_012_a_long_option_requires_nothing(quantity: float) -> None:
    found = margined({"instrument": CALL, "quantity": quantity})
    assert (found.initial_requirement, found.maintenance_requirement) == (0.0, 0.0)
    assert (found.currency, found.equity, found.native) == ("USDT", 0.0, {})


def test_BYBT_013_the_expiry_plays_no_part() -> None:
    past = margined(option("BTC-21JUN24-22000-C", -2.0, 310.0, 260.0), index=20_250.0)
    assert past.maintenance_requirement == 1_816.0


def test_BYBT_020_several_positions_are_answered_one_by_one() -> None:
    held = (
        contract("ETH", -3.1, 3_011.7, leverage=20),
        option(CALL, -2.3, 310.0, 260.0),
        contract("BTC", 0.7, 20_111.1, leverage=7),
    )
    found = margined(*held, index=20_250.0)
    alone = [margined(one, index=20_250.0) for one in held]
    initial = maintenance = 0.0
    for part, one in zip(found.parts, alone, strict=True):
        assert part.initial == one.initial_requirement
        assert part.maintenance == one.maintenance_requirement
        initial += float(part.initial)
        maintenance += float(part.maintenance)
    assert (initial, maintenance) == (found.initial_requirement, found.maintenance_requirement)
    assert found.native == {
        "bankruptcy_price": {
            "ETH-PERPETUAL": alone[0].native["bankruptcy_price"],
            "BTC-PERPETUAL": alone[2].native["bankruptcy_price"],
        }
    }
    assert [part.name for part in found.parts] == ["position", "short_option", "position"]


def test_BYBT_020_without_one_initial_requirement_there_is_no_sum() -> None:
    future = {**inverse("BTC", -500.0, 40_000.0, leverage=10), "instrument": "BTC-28JUN30"}
    found = margined(inverse("BTC", 10_000.0, 40_000.0), future, balances={"BTC": 1.0})
    assert found.initial_requirement is None
    assert [part.initial for part in found.parts] == [0.0, 0.0]
    assert found.maintenance_requirement == (0.25 + 0.0125) * 0.005
    assert set(found.native["bankruptcy_price"]) == {"BTC-PERPETUAL", "BTC-28JUN30"}


def test_BYBT_021_equity_is_balance_and_profit_of_contracts() -> None:
    short = contract("ETH", -3.0, 3_000.0, leverage=20)
    funds = {"balances": {"USDT": 1_000.0}}
    assert margined(short, **funds).equity is None
    assert margined(short, marks={"ETH": 2_900.0}, **funds).equity == 1_300.0
    own = {**short, "mark_price": 2_800.0}
    assert margined(own, marks={"ETH": 2_900.0}, **funds).equity == 1_600.0
    coins = inverse("BTC", 60_000.0, 50_000.0, leverage=10)
    rich = margined(coins, marks={"BTC": 60_000.0}, balances={"BTC": 1.0})
    assert rich.equity == pytest.approx(1.2, rel=1e-15)
    sold = option(CALL, -2.0, 310.0, 260.0)
    assert margined(sold, index=20_250.0, **funds).equity == 1_000.0


def test_BYBT_022_one_answer_has_one_currency() -> None:
    linear = contract("ETH", -3.0, 3_000.0, leverage=20)
    coins = inverse("BTC", 60_000.0, 50_000.0)
    ether = inverse("ETH", 60_000.0, 3_000.0)
    for first, second, said in (
        (linear, coins, "BTC-PERPETUAL is margined in BTC, ETH-PERPETUAL in USDT"),
        (coins, ether, "ETH-PERPETUAL is margined in ETH, BTC-PERPETUAL in BTC"),
        ({"instrument": CALL, "quantity": 1.0}, coins, "BTC-PERPETUAL is margined in BTC"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            margined(first, second)
        assert caught.value.code == "METH-E04"
        assert caught.value.where == {"field": "account.positions[1].instrument"}


@pytest.mark.parametrize(
    ("held", "balances", "asset"),
    [
        (inverse("BTC", -25_000.0, 40_000.0), {"USDT": 1e6}, "USDT"),
        (inverse("BTC", -25_000.0, 40_000.0), {"BTC": 1.0, "ETH": 1e-9}, "ETH"),
        (contract("ETH", -3.0, 3_000.0, leverage=20.0), {"BTC": -2.0}, "BTC"),
        (None, {"BTC": 1.0}, "BTC"),
    ],
)
def test_BYBT_022_a_balance_of_another_asset_is_refused(
    held: Row | None, balances: dict[str, float], asset: str
) -> None:
    with pytest.raises(InputError) as caught:
        margined(*([] if held is None else [held]), balances=balances)
    assert caught.value.code == "METH-E04"
    assert caught.value.where == {"field": f"account.balances.{asset}"}


def test_BYBT_023_an_empty_account_requires_nothing() -> None:
    found = margined(balances={"USDT": 7.0})
    assert (found.currency, found.equity) == ("USDT", 7.0)
    assert (found.initial_requirement, found.maintenance_requirement) == (0.0, 0.0)
    assert (found.native, found.parts) == ({}, ())


FIELD = "account.positions[0]"


@pytest.mark.parametrize(
    ("held", "more", "code", "field"),
    [
        (contract("BTC", 1.0, 5e4), {}, "METH-E02", f"{FIELD}.leverage"),
        (contract("BTC", 1.0, 5e4), {"mode": "isolated"}, "METH-E02", f"{FIELD}.leverage"),
        (inverse("BTC", 1.0, 5e4), {"mode": "isolated"}, "METH-E02", f"{FIELD}.leverage"),
        ({"instrument": "BTC-PERPETUAL", "quantity": 1.0, "leverage": 2}, {}, "METH-E02",
         f"{FIELD}.entry_price"),
        ({"instrument": CALL, "quantity": -1.0, "mark_price": 5.0}, {"index": 9.0}, "METH-E02",
         f"{FIELD}.entry_price"),
        ({"instrument": CALL, "quantity": -1.0, "entry_price": 5.0}, {"index": 9.0}, "METH-E01",
         f"{FIELD}.mark_price"),
        (option(CALL, -1.0, 5.0, 5.0), {}, "METH-E01", "market.underlyings.BTC"),
        (option(CALL, -1.0, 5.0, 5.0), {"marks": {"BTC": 5.0}}, "METH-E01",
         "market.underlyings.BTC.index_price"),
        (option(CALL, -1.0, 5.0, 5.0), {"index": 9.0, "mode": "isolated"}, "METH-E04",
         f"{FIELD}.instrument"),
        ({**option(CALL, 1.0, 5.0, 5.0), "contract": "inverse"}, {}, "METH-E04",
         f"{FIELD}.instrument"),
        (contract("BTC", 1.0, 5e4, leverage=0), {}, "METH-E05", f"{FIELD}.leverage"),
        (inverse("BTC", 1.0, 0.0), {}, "METH-E05", f"{FIELD}.entry_price"),
        (inverse("BTC", 1.0, 5e4, mark_price=0.0), {}, "METH-E05", f"{FIELD}.mark_price"),
        (option(CALL, -1.0, 5.0, -5.0), {"index": 9.0}, "METH-E05", f"{FIELD}.mark_price"),
        (contract("BTC", 1e306, 5e4, leverage=1), {}, "METH-E05", f"{FIELD}.quantity"),
        (inverse("BTC", 1e306, 1e-5), {}, "METH-E05", f"{FIELD}.quantity"),
        (option(CALL, -1e307, 5.0, 50.0), {"index": 9.0}, "METH-E05", f"{FIELD}.quantity"),
    ],
)  # fmt: skip
def test_BYBT_030_what_is_missing_is_named(held: Row, more: Row, code: str, field: str) -> None:
    with pytest.raises(InputError) as caught:
        margined(held, **more)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


def test_BYBT_030_what_is_not_needed_is_not_asked_for() -> None:
    assert margined(inverse("BTC", 1.0, 5e4)).maintenance_requirement == 1.0 / 5e4 * 0.005
    twice = inverse("BTC", 1.0, 5e4)
    with pytest.raises(InputError, match="METH-E03"):
        margined(twice, twice)


@pytest.mark.parametrize("line", case_lines("bybit"), ids=lambda line: line["case"])
def test_BYBT_040_the_open_cases_hold(line: Row) -> None:
    case = stated(line)
    document = documents().get(case.method).with_parameters(case.parameters)
    check_case(line, answer(case, document))
