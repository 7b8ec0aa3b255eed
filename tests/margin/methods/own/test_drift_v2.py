"""Drift v2: weights, requirements of perpetuals, liquidation and bankruptcy amounts, all exact."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.own.drift_v2 import answer
from steelyard.margin.methods.own.drift_weights import scaled_weight, size_discount, size_premium
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

RATIOS = {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.05"}
MARKET = {"underlyings": {"SOL": {"index_price": "100"}}}
COVER = {"instrument": "SOL-PERPETUAL", "margin_ratio": "0.1", "margin_shortage": "10"}


def account(
    *held: tuple[str, str, str], balances: Any = None, markets: Any = None, **more: Any
) -> dict[str, Any]:
    """Return a case of positions (underlying, quantity, price); every market has the ratios."""
    markets = {name: RATIOS for name, _, _ in held} if markets is None else markets
    return {
        "case": "own", "method": "drift-v2", "parameters": {"perpetual_markets": markets},
        "market": {"underlyings": {name: {"index_price": price} for name, _, price in held}},
        "account": {
            "balances": balances or {},
            "positions": [
                {"instrument": f"{name}-PERPETUAL", "quantity": quantity}
                for name, quantity, _ in held
            ],
        },
    } | more  # fmt: skip


def asked(**questions: Any) -> dict[str, Any]:
    return {"case": "own", "method": "drift-v2", **questions}


def weighed(balance: str, asset: dict[str, str] | None = None, **entry: str) -> Any:
    """Return the native results of a balance of SOL."""
    case = asked(
        parameters={"collateral": {"SOL": entry}},
        account={"balances": {"SOL": balance}},
        market={} if asset is None else {"assets": {"SOL": asset}},
    )
    return told(case).get("native")


@pytest.mark.parametrize("line", case_lines("drift-v2"), ids=lambda line: line["case"])
def test_DRFT_001_published_cases(line: dict[str, Any]) -> None:
    check_case(line, own_answer(line))


def test_DRFT_002_more_digits_are_cut() -> None:
    markets = {"SOL": {"initial_margin_ratio": "0.10009", "maintenance_margin_ratio": "0.05999"}}
    said = told(account(("SOL", "1", "100.0000019"), markets=markets))
    ratios = {"SOL-PERPETUAL": {"initial": "0.1000", "maintenance": "0.0599"}}
    assert said["native"] == {"margin_ratio": ratios}
    assert (said["initial_requirement"], said["maintenance_requirement"]) == (
        "10.000000",
        "5.990000",
    )
    assert requirements(account(("SOL", "0.0000000019", "10000000000")))[0] == "1.000000"
    assert requirements(account(("SOL", "-0.0000000011", "10000000000")))[0] == "2.000000"


def test_DRFT_003_ratio_grows_with_the_size() -> None:
    markets = {"BTC": RATIOS | {"imf_factor": "0.001"}}
    said = told(account(("BTC", "-6.147540983", "22050"), markets=markets))
    assert said["initial_requirement"] == "13555.327867"
    assert said["maintenance_requirement"] == "6777.663933"
    for quantity in "1000", "-1000":
        said = told(account(("BTC", quantity, "1"), markets=markets))
        ratios = {"BTC-PERPETUAL": {"initial": "0.1116", "maintenance": "0.0716"}}
        assert said["native"] == {"margin_ratio": ratios}
        assert said["initial_requirement"] == "111.600000"
        assert said["maintenance_requirement"] == "71.600000"
    assert requirements(account(("BTC", "0", "1"), markets=markets)) == ("0.000000", "0.000000")


def test_DRFT_004_weights_of_balances() -> None:
    asset = {"initial_asset_weight": "0.9", "initial_liability_weight": "1.1"}
    assert weighed("1000000000", **asset, imf_factor="0.00001") == {
        "asset_weight": {"SOL": "0.8357"}
    }
    assert weighed("-1000", **asset, imf_factor="0.01") == {"liability_weight": {"SOL": "1.1962"}}
    assert weighed("1000000000", **asset) == {"asset_weight": {"SOL": "0.9000"}}
    assert weighed("-1000000000", **asset) == {"liability_weight": {"SOL": "1.1000"}}
    assert weighed("1", **asset, imf_factor="0.00001") == {"asset_weight": {"SOL": "0.9000"}}
    assert weighed("-1", **asset, imf_factor="0.01") == {"liability_weight": {"SOL": "1.1000"}}
    assert weighed("0", **asset, imf_factor="0.01") == {"asset_weight": {"SOL": "0.9000"}}
    assert weighed("1", initial_liability_weight="1.1") is None
    assert weighed("-1", initial_asset_weight="0.9") is None


def test_DRFT_004_the_root_counts_one_more_than_ten_times_the_size() -> None:
    # 10·8 + 1 is the square of 9: without the 1 the root is 8, and both weights stay.
    assert size_premium(8, 1_111_112, 4) == 5
    assert size_discount(8, 11_112, 11_000) == 10_999


@pytest.mark.parametrize(
    ("deposits", "start", "weight"),
    [
        ("20000", "500000", "0.9000"), ("19999", "500000", "0.9000"), ("24000", "500000", "0.7500"),
        ("20000.04", "500000", "0.8999"), ("24000", "0", "0.9000"), ("0", "0", "0.9000"),
        ("1e15", "1", "0.0000"),
    ],
)  # fmt: skip
def test_DRFT_005_weight_falls_with_the_deposits(deposits: str, start: str, weight: str) -> None:
    said = weighed(
        "1", {"price": "25", "total_deposits": deposits},
        initial_asset_weight="0.9", scale_initial_asset_weight_start=start,
    )  # fmt: skip
    assert said == {"asset_weight": {"SOL": weight}}


def test_DRFT_005_discount_of_the_balance_comes_after_the_scaling() -> None:
    asset = {"price": "25", "total_deposits": "24000"}
    entry = {"initial_asset_weight": "0.9", "scale_initial_asset_weight_start": "500000"}
    said = weighed("10000000000", asset, **entry, imf_factor="0.0001")
    assert said == {"asset_weight": {"SOL": "0.1000"}}  # 1.1e10 / (1e6 + 1e7)
    assert weighed("1", asset, **entry, imf_factor="0.0001") == {"asset_weight": {"SOL": "0.7500"}}


@pytest.mark.parametrize(
    ("pnl", "weight"),
    [
        ("22699.050905", "0.9559"),
        ("0.000001", "1.0000"),
        ("0", None),
        ("-22699", None),
        (None, None),
    ],
)
def test_DRFT_006_weight_of_a_profit(pnl: str | None, weight: str | None) -> None:
    entry = {"unrealised_pnl_initial_asset_weight": "1", "unrealised_pnl_imf_factor": "0.001"}
    case = account(("BTC", "1", "20000"), markets={"BTC": RATIOS | entry})
    case["account"]["positions"][0]["unrealised_pnl"] = pnl
    native = told(case)["native"]
    stated = None if weight is None else {"BTC-PERPETUAL": weight}
    assert native.get("unrealised_pnl_weight") == stated
    case["parameters"] = {"perpetual_markets": {"BTC": entry}}
    case["market"] = {}
    said = told(case)
    assert said.get("native", {}).get("unrealised_pnl_weight") == stated
    assert "initial_requirement" not in said


numbers = st.builds(
    lambda digits, places: f"{Decimal(digits).scaleb(-places):f}",
    st.integers(1, 10**20 - 1), st.integers(0, 12),
)  # fmt: skip
signed = st.builds(lambda sign, text: sign + text, st.sampled_from(["", "-"]), numbers)


def cut(text: str, decimals: int) -> int:
    units: int = 10**decimals
    return math.floor(Fraction(text) * units)


def by_the_sheet(quantity: str, price: str, ratio: str, imf: str) -> int:
    """Return a requirement in millionths, from fractions."""
    size, w, factor = abs(cut(quantity, 9)), cut(ratio, 4), cut(imf, 6)
    if factor:
        root = math.isqrt(10 * size + 1)
        premium = math.floor(Fraction(root * factor, 10**7))
        w = max(w, w - math.floor(Fraction(w, 5)) + premium)
    notional = math.floor(Fraction(size, 10**9) * Fraction(cut(price, 6), 10**6) * 10**6)
    return math.floor(Fraction(notional) * Fraction(w, 10**4))


@settings(max_examples=150, deadline=None)
@given(signed, numbers, st.integers(0, 10**5), st.integers(0, 10**5), st.integers(0, 2 * 10**6))
def test_DRFT_007_agrees_with_the_sheet_in_fractions(
    quantity: str, price: str, initial: int, maintenance: int, imf: int
) -> None:
    entry = {
        "initial_margin_ratio": f"{initial / 1e5:.5f}",
        "maintenance_margin_ratio": f"{maintenance / 1e5:.5f}",
        "imf_factor": f"{imf / 1e7:.7f}",
    }
    price = f"1{price}"
    got = tuple(
        map(micros, requirements(account(("BTC", quantity, price), markets={"BTC": entry})))
    )
    names = "initial_margin_ratio", "maintenance_margin_ratio"
    assert got == tuple(
        by_the_sheet(quantity, price, entry[name], entry["imf_factor"]) for name in names
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**18), st.integers(1, 10**18), signed)
def test_DRFT_007_monotone_additive_and_the_sum_of_parts(small: int, more: int, other: str) -> None:
    markets = {"BTC": RATIOS | {"imf_factor": "0.0005"}, "ETH": RATIOS}
    low, high = (f"{Decimal(n).scaleb(-9):f}" for n in (small, small + more))
    btc, eth = ("BTC", low, "20000.5"), ("ETH", other, "3000")
    first = own_answer(account(btc, markets=markets))
    second = own_answer(account(eth, markets=markets))
    both = own_answer(account(btc, eth, balances={"SOL": "0"}, markets=markets))
    larger = own_answer(account(("BTC", high, "20000.5"), markets=markets))
    shorted = own_answer(account(("BTC", f"-{low}", "20000.5"), markets=markets))
    for name, part in (
        ("initial_requirement", "initial"),
        ("maintenance_requirement", "maintenance"),
    ):
        total = micros(getattr(both, name))
        assert total == micros(getattr(first, name)) + micros(getattr(second, name))
        assert sum(micros(getattr(each, part)) for each in both.parts) == total
        assert micros(getattr(larger, name)) >= micros(getattr(first, name))
        assert getattr(shorted, name) == getattr(first, name)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**30), st.integers(0, 10**30), st.integers(0, 10**7), st.integers(0, 10**5))
def test_DRFT_007_premium_and_discount_bound_the_weight(
    small: int, more: int, imf: int, weight: int
) -> None:
    large = small + more
    assert weight <= size_premium(small, imf, weight) <= size_premium(large, imf, weight)
    assert 0 <= size_discount(large, imf, weight) <= size_discount(small, imf, weight) <= weight
    assert scaled_weight(weight, large, more) <= scaled_weight(weight, small, more) <= weight


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 1000))
def test_DRFT_007_whole_notionals_scale_without_premium(units: int, times: int) -> None:
    once, often = (requirements(account(("BTC", str(n), "500"))) for n in (units, units * times))
    assert [micros(each) for each in often] == [micros(each) * times for each in once]


def test_DRFT_008_equity_of_a_general_book() -> None:
    case = account(
        ("BTC", "2", "20000"), ("ETH", "-1", "3000"), balances={"USDC": "100", "SOL": "2", "X": "0"}
    )
    case["market"]["assets"] = {"USDC": {"price": "0.99"}, "SOL": {"price": "25"}}
    case["account"]["positions"][0]["unrealised_pnl"] = "-3.5"
    assert told(case)["equity"] == "145.500000"
    case["account"]["positions"][1]["entry_price"] = "3010.5"
    assert told(case)["equity"] == "156.000000"
    case["account"]["positions"][1]["unrealised_pnl"] = "1"
    assert told(case)["equity"] == "146.500000"
    case["market"]["assets"].pop("USDC")
    case["account"]["balances"]["SOL"] = "-2"
    assert told(case)["equity"] == "47.500000"
    case["account"]["positions"] = []
    del case["market"]["assets"]
    assert "equity" not in told(case)


def test_DRFT_008_floats_are_their_shortest_decimals() -> None:
    case = account(("BTC", "0.7", "20000.1"), balances={"USDC": "0.3"})
    exactly = own_answer(case)
    case["account"]["balances"]["USDC"] = 0.3
    case["account"]["positions"][0]["quantity"] = 0.7
    case["market"]["underlyings"]["BTC"]["index_price"] = 20000.1
    stated = msgspec.json.decode(json.dumps(case), type=Case[float])
    method = documents().get("drift-v2").with_parameters(stated.parameters)
    assert answer(stated, method) == exactly  # type: ignore[arg-type]


def test_DRFT_009_balances_are_parts_of_zero_with_a_note() -> None:
    case = account(("BTC", "1", "20000"), balances={"USDC": "5", "SOL": "-2", "ETH": "1"})
    case["market"]["assets"] = {"SOL": {"price": "25"}, "ETH": {"price": "3000"}}
    case["parameters"]["collateral"] = {"SOL": {"initial_liability_weight": "1.2"}}
    parts = own_answer(case).parts
    assert [(part.name, part.underlying) for part in parts] == [
        ("position", "BTC"), ("balance SOL", "SOL"), ("balance ETH", "ETH"),
    ]  # fmt: skip
    assert [(part.initial, part.maintenance) for part in parts[1:]] == [(0, 0), (0, 0)]
    assert "liability weight is 1.2000" in parts[1].note
    assert "no weight is stated" in parts[2].note


def test_DRFT_009_what_the_method_is_silent_of_is_left_out() -> None:
    assert "initial_requirement" not in told(account(balances={"USDC": "-1"}))
    assert requirements(account(balances={"USDC": "1"})) == ("0.000000", "0.000000")
    assert requirements(account()) == ("0.000000", "0.000000")
    case = asked(
        parameters={"perpetual_markets": {"SOL": RATIOS}}, market=MARKET, liquidation=COVER
    )
    assert told(case) == {"native": {"base_to_cover": "1.000000000"}}
    said = told(account(("BTC", "1", "1")) | {"market": {}})
    assert set(said) == {"currency", "equity", "native"}
    initial_only = {"BTC": {"initial_margin_ratio": "0.1"}}
    said = told(account(("BTC", "1", "1"), markets=initial_only))
    assert said["initial_requirement"] == "0.100000"
    assert "maintenance_requirement" not in said


@pytest.mark.parametrize(
    ("entry", "assets", "price", "ratio", "base"),
    [
        ({}, {}, "100", "0.1", "1.000000000"),
        ({"liquidator_fee": "0.01"}, {}, "100", "0.1", "1.111111111"),
        ({"liquidator_fee": "0.01", "insurance_fund_fee": "0.02"}, {}, "100", "0.1", "1.428571428"),
        ({"liquidator_fee": "0.01"}, {"USDC": {"price": "0.9"}}, "100", "0.1", "1.234567901"),
        ({"liquidator_fee": "0.1"}, {}, "100", "0.1", "all"),
        ({"liquidator_fee": "0.2"}, {}, "100", "0.1", "all"),
        ({"liquidator_fee": "0.1"}, {}, "100", "0.10009", "all"),
        ({}, {}, "0", "0.1", "all"),
        ({}, {}, "0.0000009", "0.1", "all"),
    ],
)
def test_DRFT_020_base_to_cover(
    entry: dict[str, str], assets: dict[str, Any], price: str, ratio: str, base: str
) -> None:
    market = {"underlyings": {"SOL": {"index_price": price}}, "assets": assets}
    liquidation = COVER | {"margin_ratio": ratio}
    case = asked(
        parameters={"perpetual_markets": {"SOL": entry}}, market=market, liquidation=liquidation
    )
    assert told(case) == {"native": {"base_to_cover": base}}
    del case["parameters"]
    if not entry:
        assert told(case) == {"native": {"base_to_cover": base}}


@pytest.mark.parametrize(
    ("slots", "fee"),
    [
        (0, "0.020000"), (1_499, "0.020000"), (1_500, "0.021500"), (29_999, "0.049999"),
        (30_000, "0.050000"), (10**12, "0.050000"),
    ],
)  # fmt: skip
def test_DRFT_021_liquidator_fee(slots: int, fee: str) -> None:
    fees = {"base_liquidator_fee": "0.02", "max_liquidator_fee": "0.05"}
    case = asked(liquidation=fees | {"slots_since_last_progress": slots})
    assert told(case) == {"native": {"liquidator_fee": fee}}


@pytest.mark.parametrize(
    ("shortage", "freed", "slots", "initial", "share"),
    [
        ("400", "100", 4, "0.1", "0.1250"), ("49.999999", "100", 4, "0.1", "1.0000"),
        ("49.9999999", None, 0, "0", "1.0000"), ("0", None, 0, "0", "1.0000"),
        ("50", None, 0, "0.1", "0.1000"), ("400", None, 40, "0.1", "1.0000"),
        ("400", None, 18, "0.1", "1.0000"), ("400", "400", 4, "0.1", "0.0000"),
        ("300", "0", 1, "0.33339", "0.3833"), ("333.333333", "1", 7, "0", "0.3480"),
    ],
)  # fmt: skip
def test_DRFT_022_share_that_may_be_liquidated(
    shortage: str, freed: str | None, slots: int, initial: str, share: str
) -> None:
    liquidation = {
        "margin_shortage": shortage, "margin_freed": freed, "slots_elapsed": slots,
        "initial_pct_to_liquidate": initial, "liquidation_duration_slots": 20,
    }  # fmt: skip
    assert told(asked(liquidation=liquidation)) == {"native": {"max_pct_to_liquidate": share}}


def test_DRFT_022_a_small_shortage_needs_nothing_else() -> None:
    said = told(asked(liquidation={"margin_shortage": "49"}))
    assert said == {"native": {"max_pct_to_liquidate": "1.0000"}}


@pytest.mark.parametrize(
    ("bankruptcy", "native"),
    [
        ({"perpetual_loss": "37.5", "open_interest_long": "12", "open_interest_short": "9.5"},
         {"funding_rate_delta": "1.744187000"}),
        ({"perpetual_loss": "21.5", "open_interest_long": "12", "open_interest_short": "9.5"},
         {"funding_rate_delta": "1.000000000"}),
        ({"perpetual_loss": "0", "open_interest_long": "12", "open_interest_short": "0"},
         {"funding_rate_delta": "0.000000000"}),
        ({"perpetual_loss": "0.000001", "open_interest_long": "1e9", "open_interest_short": "1"},
         {"funding_rate_delta": "0.000001000"}),
        ({"borrow": "7", "deposits": "450", "cumulative_deposit_interest": "1.05"},
         {"deposit_interest_delta": "0.0163333334"}),
        ({"borrow": "9", "deposits": "450", "cumulative_deposit_interest": "1"},
         {"deposit_interest_delta": "0.0200000000"}),
    ],
)  # fmt: skip
def test_DRFT_023_bankruptcies(bankruptcy: dict[str, str], native: dict[str, str]) -> None:
    assert told(asked(bankruptcy=bankruptcy)) == {"native": native}


PACE = {
    "margin_shortage": "400", "slots_elapsed": 4, "initial_pct_to_liquidate": "0.1",
    "liquidation_duration_slots": 20,
}  # fmt: skip
LOSS = {"perpetual_loss": "1", "open_interest_long": "1", "open_interest_short": "1"}


def without(table: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != name}


@pytest.mark.parametrize(
    ("code", "field", "questions"),
    [
        *(
            ("METH-E02", f"liquidation.{name}", {"liquidation": without(table, name)})
            for table, names in (
                (COVER, ("instrument", "margin_ratio", "margin_shortage")), (PACE, PACE),
            ) for name in names
        ),
        *(("METH-E02", f"bankruptcy.{n}", {"bankruptcy": without(LOSS, n)}) for n in LOSS),
        ("METH-E02", "liquidation.max_liquidator_fee",
         {"liquidation": {"base_liquidator_fee": "0", "slots_since_last_progress": 1500}}),
        ("METH-E02", "bankruptcy.deposits", {"bankruptcy": {"borrow": "1"}}),
        ("METH-E02", "liquidation.slots_elapsed", {"liquidation": PACE | {"slots_elapsed": "4"}}),
        ("METH-E02", "liquidation.slots_elapsed", {"liquidation": {"margin_shortage": "50"}}),
        ("METH-E05", "liquidation.slots_elapsed", {"liquidation": PACE | {"slots_elapsed": -1}}),
        ("METH-E05", "liquidation.liquidation_duration_slots",
         {"liquidation": PACE | {"liquidation_duration_slots": 0}}),
        ("METH-E05", "liquidation.margin_shortage",
         {"liquidation": PACE | {"margin_shortage": "1e40"}}),
        ("METH-E05", "liquidation.margin_freed", {"liquidation": PACE | {"margin_freed": "-1"}}),
        ("METH-E05", "bankruptcy.open_interest_long",
         {"bankruptcy": LOSS | {"open_interest_long": "0", "open_interest_short": "0"}}),
        ("METH-E05", "bankruptcy.perpetual_loss", {"bankruptcy": LOSS | {"perpetual_loss": "-1"}}),
        ("METH-E05", "bankruptcy.deposits",
         {"bankruptcy": {"borrow": "1", "deposits": "0", "cumulative_deposit_interest": "1"}}),
        ("METH-E04", "liquidation.instrument",
         {"liquidation": COVER | {"instrument": "SOL-7JAN26"}}),
        ("METH-E01", "market.underlyings.SOL", {"liquidation": COVER, "market": {}}),
        ("METH-E01", "market.underlyings.SOL.index_price",
         {"liquidation": COVER, "market": {"underlyings": {"SOL": {}}}}),
        ("METH-E05", "liquidation.margin_ratio", {
            "liquidation": COVER,
            "parameters": {"perpetual_markets": {"SOL": {"insurance_fund_fee": "0.1"}}},
        }),
    ],
)  # fmt: skip
def test_DRFT_030_bad_questions(code: str, field: str, questions: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        own_answer(asked(market=MARKET) | questions)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


SOL = ("SOL", "1", "100")
SCALED = {"initial_asset_weight": "0.9", "scale_initial_asset_weight_start": "1"}


@pytest.mark.parametrize(
    ("code", "field", "case"),
    [
        ("METH-E01", "market.underlyings.SOL",
         account(SOL) | {"market": {"underlyings": {"BTC": {"index_price": "1"}}}}),
        ("METH-E05", "market.underlyings.SOL.index_price", account(("SOL", "1", "0"))),
        ("METH-E01", "market.assets.ETH.price", account(SOL, balances={"ETH": "1"})),
        ("METH-E05", "account.balances.ETH", account(SOL, balances={"ETH": "NaN"})),
        ("METH-E05", "account.balances.ETH", account(SOL, balances={"ETH": "-1e40"})),
        ("METH-E05", "account.positions[0].quantity", account(("SOL", "NaN", "1"))),
        ("METH-E03", "account.positions[1].instrument", account(SOL, SOL)),
        ("METH-E06", "parameters.perpetual_markets.SOL", account(SOL, markets={})),
        ("METH-E06", "parameters.perpetual_markets.ETH.maintenance_margin_ratio",
         account(SOL, ("ETH", "1", "1"),
                 markets={"SOL": RATIOS, "ETH": {"initial_margin_ratio": "0.1"}})),
        ("METH-E05", "parameters.perpetual_markets.SOL.imf_factor",
         account(SOL, markets={"SOL": RATIOS | {"imf_factor": "-0.1"}})),
        ("METH-E01", "market.assets.SOL.total_deposits",
         account(balances={"SOL": "1"}, parameters={"collateral": {"SOL": SCALED}})),
        ("METH-E01", "market.assets.SOL.price",
         account(balances={"SOL": "1"}, parameters={"collateral": {"SOL": SCALED}},
                 market={"assets": {"SOL": {"total_deposits": "5"}}})),
    ],
)  # fmt: skip
def test_DRFT_030_bad_books(code: str, field: str, case: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        own_answer(case)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)


@pytest.mark.parametrize("name", ["SOL-7JAN26", "SOL-7JAN26-100-P"])
def test_DRFT_030_dated_contracts_are_not_covered(name: str) -> None:
    case = account(SOL)
    case["account"]["positions"][0]["instrument"] = name
    with pytest.raises(InputError, match="does not cover") as caught:
        own_answer(case)
    assert caught.value.code == "METH-E04"
