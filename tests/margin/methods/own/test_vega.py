"""What a case of Vega may ask, and how it is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from steelyard.margin.methods.own.vega_numbers import exact, floored_quotient
from steelyard.quantities import InputError, SteelyardError
from tests.margin.methods.own.vega_twin import FACTORS, account, ask, market

KNOWN = {"risk_factors": FACTORS, "margin_factor": 0.5}
ETH = {"ETH": {"mark_price": 9}, "BTC": {"mark_price": 100}}
OPTION = "BTC-28JUN24-60000-C"


def positions(*held: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"instrument": name, "quantity": quantity} for name, quantity in held]


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (
            {"market": {}, "account": account("cross", 3)},
            r"METH-E01: market\.underlyings\.BTC is missing",
        ),
        (
            {"market": {"underlyings": {"BTC": {}}}, "account": account("cross", 3)},
            r"METH-E01: market\.underlyings\.BTC\.mark_price is missing",
        ),
        ({"market": {}, "account": account("cross", 0, [("buy", 1, 1)])}, "METH-E01"),
        (
            {"market": {"underlyings": ETH}, "account": account("cross", 0, [("buy", 1, 1)])},
            "METH-E02: ETH, BTC: the market cannot be told",
        ),
        (
            {
                "market": {"underlyings": ETH},
                "account": {
                    "mode": "cross",
                    "positions": positions(("ETH-PERPETUAL", 1), ("BTC-PERPETUAL", 1)),
                    "orders": [{"side": "buy", "quantity": 1, "price": 1}],
                },
            },
            r"METH-E02: account\.orders\[0\]\.instrument is missing",
        ),
        (
            {"account": {"mode": "cross", "positions": positions(*[("BTC-PERPETUAL", 1)] * 2)}},
            "METH-E03: BTC-PERPETUAL stands there twice",
        ),
        (
            {"account": {"mode": "cross", "positions": positions((OPTION, 1))}},
            f"METH-E04: vega does not cover {OPTION}",
        ),
        (
            {
                "account": {
                    "mode": "cross",
                    "orders": [{"side": "buy", "quantity": 1, "price": 1, "instrument": OPTION}],
                }
            },
            r"METH-E04: .*field=account\.orders\[0\]\.instrument",
        ),
        (
            {"account": account("cross", 1, [("buy", 0, 1)])},
            r"METH-E05: account\.orders\[0\]\.quantity is 0",
        ),
        (
            {"account": account("isolated", 1, [("buy", 1, -1)])},
            r"METH-E05: account\.orders\[0\]\.price is -1",
        ),
        ({"market": market(-1), "account": account("cross", 1)}, r"METH-E05: .*mark_price is -1"),
        ({"account": account("cross", "1e41")}, r"METH-E05: account\.positions\[0\]\.quantity"),
        (
            {"account": account("cross", "1." + "3" * 61)},
            r"METH-E05: account\.positions\[0\]\.quantity.*60 decimals",
        ),
        ({"account": account("cross", "9" * 2000)}, r"METH-E05: account\.positions\[0\]\.quantity"),
        ({"account": account("cross", "NaN")}, "METH-E05"),
        (
            {"parameters": {}, "account": account("cross", 1)},
            r"METH-E06: the parameter risk_factors\.long has no value",
        ),
        (
            {"parameters": {"risk_factors": {"long": 0.1}}, "account": account("cross", -1)},
            r"METH-E06: the parameter risk_factors\.short has no value",
        ),
        (
            {"parameters": {}, "account": account("isolated", 1)},
            "METH-E06: the parameter margin_factor has no value",
        ),
        (
            {"parameters": {"linear_slippage": -1, **KNOWN}, "account": account("cross", 1)},
            r"METH-E05: parameters\.linear_slippage is -1",
        ),
        (
            {"liquidation_price": {}, "account": account("cross", 1)},
            r"METH-E02: liquidation_price\.collateral: Object missing",
        ),
        (
            {
                "market": {"underlyings": ETH},
                "account": {
                    "mode": "isolated",
                    "positions": positions(("ETH-PERPETUAL", 1), ("BTC-PERPETUAL", 1)),
                },
            },
            "METH-E04: the account is in several markets: ETH-PERPETUAL, BTC-PERPETUAL",
        ),
    ],
)
def test_VEGA_060_what_is_missing_or_not_covered_is_named(
    fields: dict[str, Any], match: str
) -> None:
    with pytest.raises(SteelyardError, match=match) as caught:
        ask(**({"parameters": KNOWN, "market": market()} | fields))
    assert isinstance(caught.value, InputError)
    assert caught.value.where["field"]
    assert caught.value.cure


def test_VEGA_060_a_risk_factor_is_asked_for_only_where_its_side_is_open() -> None:
    parameters = {"risk_factors": {"short": 0.2}}
    found = ask(parameters=parameters, market=market(), account=account("cross", -1))
    assert found.maintenance_requirement == 20


def test_VEGA_061_one_case_may_ask_several_things() -> None:
    questions: dict[str, Any] = {
        "socialise": {
            "losers": [{"party": "A", "balance": 4, "loss": 5}],
            "winners": [{"party": "B", "gain": 9}],
        },
        "disposal": {
            "position": 3,
            "disposal_fraction": 1,
            "full_disposal_size": 3,
            "book_side_volume": 2,
            "max_fraction": 1,
        },
        "liquidation_price": {"collateral": 0},
    }
    model = {"risk_aversion": 0.01, "tau": 1, "volatility": 0}
    fields: dict[str, Any] = {"parameters": KNOWN | {"risk_model": model}, "market": market()}
    others = {
        "risk_factors": {"long": 0.0, "short": 0.0},
        "liquidation_price": 100 / 0.9,
        "payout": {"B": 4},
        "steps": [2, 1],
    }
    found = ask(account=account("cross", 1), **fields, **questions)
    assert found.native == others
    assert found.maintenance_requirement == 10
    del questions["liquidation_price"], others["liquidation_price"]
    found = ask(account=account("cross", 1), **fields, **questions)
    assert found.native == others | {"search_level": 11, "release_level": 14}
    found = ask(account=account("isolated", 1), **fields, **questions)
    assert found.native.keys() >= others.keys() | {"order_margin"}
    found = ask(**fields, **questions)
    assert found.native == others
    assert found.maintenance_requirement is None, "no account is stated"
    found = ask(account={"positions": account("cross", 1)["positions"]}, **fields)
    assert found.maintenance_requirement == 10, "an account without a mode is cross"


def test_VEGA_062_numbers_are_taken_as_written() -> None:
    # 0.1 as a float lies above 0.1: with its binary digits the level would be 1 more.
    found = ask(
        parameters={"risk_factors": {"long": 0.1}},
        market=market(10**16),
        account=account("cross", 3),
    )
    assert found.maintenance_requirement == 3 * 10**15
    written = ask(
        parameters={"risk_factors": {"long": "0.1000000000000000000000000000000000000001"}},
        market=market(10**16),
        account=account("cross", 3),
    )
    assert written.maintenance_requirement == 3 * 10**15 + 1
    huge = ask(
        parameters={
            "risk_factors": {"long": 1},
            "linear_slippage": 10**18,
            "quadratic_slippage": 10**18,
        },
        market={"underlyings": {"BTC": {"mark_price": "1e40"}}},
        account=account("cross", "1e40"),
    )
    assert huge.maintenance_requirement == 10**40 * (10**58 + 10**98 + 10**40)
    assert exact("1e-60", "x") == Decimal("1e-60")
    assert floored_quotient(Decimal("-3.6"), Decimal(1)) == -4
    assert floored_quotient(Decimal(8), Decimal(4)) == 2
