"""Leverage tiers: brackets of notional, liquidation prices, and a second venue as a document alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.own.tiers import (
    answer,
    bracket_at,
    brackets_of,
    liquidation_price,
    maintenance_margin,
)
from steelyard.quantities.errors import InputError, SteelyardError, TermsError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Market, Perpetual, Position, Underlying
from tests.support.method_cases import case_lines, check_case

Row = dict[str, Any]
BINANCE = documents().get("binance-tiers").parameters["brackets"]


def stated(line: Row) -> Case[float]:
    """Return a line as a stated case."""
    text = msgspec.json.Encoder(decimal_format="number").encode(line)
    return msgspec.json.decode(text, type=Case[float])


def position(name: str, quantity: float, entry: float | None = None, **more: Any) -> Row:
    """Return a stated position in a perpetual."""
    row: Row = {"instrument": f"{name}-PERPETUAL", "quantity": quantity, **more}
    return row if entry is None else {**row, "entry_price": entry}


def margined(
    marks: dict[str, float],
    positions: list[Row],
    *,
    wallet: float | None = None,
    mode: str | None = "cross",
    brackets: dict[str, Any] | None = None,
    method: str = "binance-tiers",
    balances: dict[str, float] | None = None,
) -> Answer:
    """Return the answer to an account in a market."""
    document = documents().get(method)
    held = dict(balances or {})
    if wallet is not None:
        held[document.currency] = wallet
    case = stated(
        {
            "case": "c",
            "method": method,
            "parameters": {} if brackets is None else {"brackets": brackets},
            "market": {
                "as_of": "2026-06-01T08:00:00Z",
                "underlyings": {
                    name: {"perpetual": {"mark_price": mark}} for name, mark in marks.items()
                },
            },
            "account": {"mode": mode, "balances": held, "positions": positions},
        }
    )
    return answer(case, document.with_parameters(case.parameters))


def price_of(found: Answer, name: str) -> Any:
    """Return the liquidation price of an underlying's perpetual."""
    return found.native["liquidation_price"][f"{name}-PERPETUAL"]


def test_TIER_001_deductions_are_those_of_the_venue() -> None:
    brackets = brackets_of(BINANCE["BTC"], "parameters.brackets.BTC")
    assert [round(b.deduction, 6) for b in brackets[:4]] == [0.0, 50.0, 1_300.0, 16_300.0]
    assert [b.place for b in brackets] == list(range(1, 11))
    eth = brackets_of(BINANCE["ETH"], "parameters.brackets.ETH")
    assert eth[5].deduction == pytest.approx(135_365.0, rel=1e-14)
    for lower, upper in pairwise(brackets):
        cap = lower.notional_cap
        assert maintenance_margin(cap, lower) == pytest.approx(
            maintenance_margin(cap, upper), rel=1e-12
        )


def test_TIER_002_a_notional_at_a_cap_is_of_the_lower_bracket() -> None:
    at = margined({"BTC": 200_000.0}, [position("BTC", 1.25, 200_000.0)], wallet=10_000.0)
    assert at.maintenance_requirement == 1_200.0
    assert at.parts[0].note == "bracket 2: 250000 × 0.005 − 50"
    assert price_of(at, "BTC") == pytest.approx((10_000 + 50 - 250_000) / (1.25 * 0.005 - 1.25))
    above = margined({"BTC": 200_001.0}, [position("BTC", 1.25, 200_000.0)], wallet=10_000.0)
    assert above.parts[0].note.startswith("bracket 3: ")
    assert above.maintenance_requirement == pytest.approx(1_200.0 + 1.25 * 0.01, rel=1e-12)
    assert price_of(above, "BTC") == pytest.approx(192_888.88888888889)
    short = margined({"BTC": 200_000.0}, [position("BTC", -1.25)], wallet=10_000.0)
    assert short.parts[0].note.startswith("bracket 2: ")


@pytest.mark.parametrize("last", [{"notional_cap": None}, {}])
def test_TIER_003_the_last_bracket_may_have_no_cap(last: Row) -> None:
    brackets = {
        "BTC": [
            {"notional_cap": 150_000_000, "maintenance_rate": 0.0125},
            {**last, "maintenance_rate": 0.025},
        ]
    }
    found = margined(
        {"BTC": 100_000.0}, [position("BTC", 2_000.0)], wallet=200e6, brackets=brackets
    )
    assert found.maintenance_requirement == 3_125_000.0


def test_TIER_003_above_the_last_cap_the_bracket_is_named() -> None:
    full = margined({"BTC": 100_000.0}, [position("BTC", -5_000.0)], wallet=0.0)
    deductions = [0.0]
    for below, above in pairwise(BINANCE["BTC"]):
        step = above["maintenance_rate"] - below["maintenance_rate"]
        deductions.append(deductions[-1] + below["notional_cap"] * step)
    assert full.maintenance_requirement == pytest.approx(250e6 - deductions[-1], rel=1e-14)
    with pytest.raises(InputError, match=r"METH-E05: .* bracket 10, .* 500000000") as caught:
        margined({"BTC": 100_000.0}, [position("BTC", 5_000.1)], wallet=0.0)
    assert caught.value.where == {"field": "account.positions[0].quantity"}


@st.composite
def rising_brackets(draw: st.DrawFn) -> list[Row]:
    """Return brackets whose caps and rates rise, the last without a cap."""
    count = draw(st.integers(1, 6))
    caps = sorted(draw(st.sets(st.integers(1, 10**9), min_size=count, max_size=count)))
    places = st.integers(1, 9_000)
    rates = sorted(draw(st.sets(places, min_size=count + 1, max_size=count + 1)))
    return [
        {"notional_cap": cap, "maintenance_rate": rate / 10_000}
        for cap, rate in zip([*caps, None], rates, strict=True)
    ]


@settings(max_examples=200)
@given(rising_brackets(), st.floats(0.0, 2e9), st.floats(0.0, 2e9), st.integers(0, 5))
def test_TIER_004_maintenance_is_continuous_and_rises(
    rows: list[Row], one: float, other: float, place: int
) -> None:
    brackets = brackets_of(rows, "parameters.brackets.X")
    cap = brackets[place % (len(brackets) - 1)].notional_cap
    for low, high in (sorted((one, other)), (cap, cap * (1 + 1e-12)), sorted((one, cap))):
        step = maintenance_margin(high, bracket_at(brackets, high, "q")) - maintenance_margin(
            low, bracket_at(brackets, low, "q")
        )
        noise = 1e-15 * 16 * max(high, cap)
        assert -noise <= step <= (high - low) * brackets[-1].maintenance_rate + noise
        assert maintenance_margin(low, bracket_at(brackets, low, "q")) >= -noise


@pytest.mark.parametrize("power", [-20, 7, 31])
@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_TIER_005_another_unit_scales_every_amount(power: int, mode: str) -> None:
    unit = 2.0**power

    def answered(k: float) -> Answer:
        brackets = {
            name: [{**row, "notional_cap": row["notional_cap"] * k} for row in BINANCE[name]]
            for name in ("BTC", "ETH")
        }
        held = [
            position("BTC", 1.7, 60_100.3 * k, isolated_margin=9_000.0 * k),
            position("ETH", -812.3, 3_017.7 * k, isolated_margin=400_000.0 * k),
        ]
        marks = {"BTC": 59_123.1 * k, "ETH": 3_100.9 * k}
        return margined(marks, held, wallet=250_000.0 * k, mode=mode, brackets=brackets)

    plain, scaled = answered(1.0), answered(unit)
    assert scaled.equity == plain.equity * unit
    assert scaled.maintenance_requirement == plain.maintenance_requirement * unit
    for name in ("BTC", "ETH"):
        assert price_of(scaled, name) == price_of(plain, name) * unit


def test_TIER_010_equity_is_balance_and_profit() -> None:
    held = [position("BTC", -30.0, 40_500.0)]
    found = margined({"BTC": 40_000.0}, held, wallet=720_000.0)
    assert (found.currency, found.equity) == ("USDT", 735_000.0)
    assert found.maintenance_requirement == pytest.approx(13_700.0, rel=1e-15)
    assert margined({"BTC": 40_000.0}, held).equity == 15_000.0
    assert margined({"BTC": 40_000.0}, held, balances={"BTC": 0.0, "USDC": -0.0}).equity == 15_000.0
    for balances in {"BTC": 5.0}, {"USDT": 720_000.0, "USDC": -9.0}:
        with pytest.raises(InputError) as caught:
            margined({"BTC": 40_000.0}, held, balances=balances)
        asset = next(name for name in balances if name != "USDT")
        assert caught.value.code == "METH-E04"
        assert caught.value.where == {"field": f"account.balances.{asset}"}
    settled = margined({"BTC": 40_000.0}, [position("BTC", -30.0)], wallet=720_000.0)
    assert settled.equity == 720_000.0
    at_mark = margined({"BTC": 40_000.0}, [position("BTC", -30.0, 40_000.0)], wallet=720_000.0)
    assert price_of(settled, "BTC") == price_of(at_mark, "BTC")
    long = margined({"BTC": 40_000.0}, [position("BTC", 30.0, 40_500.0)], wallet=-1.0)
    assert long.equity == -15_001.0


def test_TIER_011_parts_sum_bit_for_bit() -> None:
    marks = {"BTC": 31_967.27, "ETH": 1_335.18, "SOL": 144.41}
    brackets = {"SOL": [{"notional_cap": None, "maintenance_rate": 0.0137}]}
    held = [
        position("BTC", 109.488, leverage=7.0),
        position("ETH", -3_683.979, leverage=3.0),
        position("SOL", 71.3, leverage=11.0),
    ]
    found = margined(marks, held, wallet=1e6, brackets=brackets)
    initial = maintenance = 0.0
    for part in found.parts:
        initial += float(part.initial)
        maintenance += float(part.maintenance)
        assert part.maintenance == found.native["maintenance_margin"][part.instrument]
    assert (initial, maintenance) == (found.initial_requirement, found.maintenance_requirement)
    assert [part.underlying for part in found.parts] == ["BTC", "ETH", "SOL"]
    assert [part.note[:10] for part in found.parts] == ["bracket 4:", "bracket 6:", "bracket 1:"]


def test_TIER_012_an_initial_requirement_needs_every_leverage() -> None:
    marks = {"BTC": 40_000.0, "ETH": 2_000.0}
    one = margined(marks, [position("BTC", -30.0, leverage=20.0)])
    assert one.initial_requirement == 60_000.0
    steep = margined(marks, [position("BTC", -30.0, leverage=100.0)])
    assert steep.initial_requirement == steep.maintenance_requirement
    both = margined(marks, [position("BTC", -30.0, leverage=20.0), position("ETH", 1.0)])
    assert both.initial_requirement is None
    assert [part.initial for part in both.parts] == [0.0, 0.0]


def test_TIER_013_an_empty_account_requires_nothing() -> None:
    found = margined({}, [], wallet=12.5)
    assert (found.equity, found.initial_requirement, found.maintenance_requirement) == (12.5, 0, 0)
    assert found.native == {"liquidation_price": {}, "maintenance_margin": {}}
    assert found.parts == ()


def test_TIER_020_cross_counts_the_other_positions() -> None:
    alone = margined({"BTC": 40_000.0}, [position("BTC", -30.0, 40_500.0)], wallet=720_000.0)
    assert price_of(alone, "BTC") == pytest.approx(1_951_300 / 30.75, rel=1e-14)
    marks = {"BTC": 31_967.27, "ETH": 1_335.18}
    held = [position("ETH", 3_683.979, 1_456.84), position("BTC", 109.488, 32_481.98)]
    found = margined(marks, held, wallet=1_535_443.01)
    assert price_of(found, "ETH") == pytest.approx(1_153.26, abs=0.005)
    assert price_of(found, "BTC") == pytest.approx(26_316.89, abs=0.005)
    assert found.native["maintenance_margin"]["BTC-PERPETUAL"] == pytest.approx(71_200.81, abs=0.01)
    turned = margined(marks, held[::-1], wallet=1_535_443.01)
    assert price_of(turned, "ETH") == pytest.approx(price_of(found, "ETH"), rel=1e-13)


def test_TIER_021_isolated_counts_its_own_margin_alone() -> None:
    marks = {"BTC": 31_967.27, "ETH": 1_335.18}
    ether = position("ETH", 3_683.979, 1_456.84, isolated_margin=1_535_443.01)
    alone = margined(marks, [ether], wallet=0.0, mode="isolated")
    assert price_of(alone, "ETH") == pytest.approx(1_114.78, abs=0.005)
    other = position("BTC", -5.0, 20_000.0, isolated_margin=3_000.0)
    beside = margined(marks, [other, ether], wallet=77_777.0, mode="isolated")
    assert price_of(beside, "ETH") == price_of(alone, "ETH")
    assert price_of(beside, "BTC") == pytest.approx((3_000 + 50 + 100_000) / (5 * 0.005 + 5))


@pytest.mark.parametrize("mode", [None, "cross", "portfolio", "fully_collateralised"])
def test_TIER_022_the_mode_says_whether_it_is_isolated(mode: str | None) -> None:
    plain = margined({"BTC": 40_000.0}, [position("BTC", -30.0, 40_500.0)], wallet=720_000.0)
    own = [position("BTC", -30.0, 40_500.0, isolated_margin=1.0)]
    found = margined({"BTC": 40_000.0}, own, wallet=720_000.0, mode=mode)
    assert price_of(found, "BTC") == price_of(plain, "BTC")
    assert "isolated margin is not used" in found.parts[0].note
    assert "isolated" not in plain.parts[0].note


def test_TIER_023_a_price_that_cannot_be_reached_is_none() -> None:
    rich = margined({"BTC": 40_000.0}, [position("BTC", 10.0, 40_000.0)], wallet=1e6)
    assert price_of(rich, "BTC") is None
    empty = margined({"BTC": 40_000.0}, [position("BTC", 0.0, 39_000.0)], wallet=1e6)
    assert price_of(empty, "BTC") is None
    assert empty.native["maintenance_margin"] == {"BTC-PERPETUAL": 0.0}
    assert empty.equity == 1e6
    whole = {"BTC": [{"notional_cap": None, "maintenance_rate": 1.0}]}
    long = margined({"BTC": 40_000.0}, [position("BTC", 1.0)], wallet=1.0, brackets=whole)
    assert price_of(long, "BTC") is None
    short = margined({"BTC": 40_000.0}, [position("BTC", -1.0)], wallet=1e5, brackets=whole)
    assert price_of(short, "BTC") == 70_000.0
    broke = margined({"BTC": 40_000.0}, [position("BTC", -1.0)], wallet=-1e5)
    assert price_of(broke, "BTC") is None
    brackets = brackets_of(BINANCE["BTC"], "b")
    assert liquidation_price(40_000.0, 1.0, 40_000.0, brackets[0]) is None  # exactly zero


quantities = st.integers(-4_000, 4_000).map(lambda lots: lots / 1_000).filter(bool)
shares = st.floats(-0.2, 0.2)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(quantities, quantities, quantities),
    st.tuples(shares, shares, shares),
    st.floats(0.05, 0.6),
    st.booleans(),
)
@example((1.0, -1.0, 2.5), (0.1, 0.0, -0.1), 0.2, False)
@example((1.0, -1.0, 2.5), (0.1, 0.0, -0.1), 0.2, True)
def test_TIER_024_at_the_liquidation_price_the_verdict_flips(
    sizes: tuple[float, ...], gains: tuple[float, ...], funded: float, is_isolated: bool
) -> None:
    names = ("BTC", "ETH", "SOL")
    marks = {"BTC": 60_000.0, "ETH": 50_000.0, "SOL": 40_000.0}
    rows = [(90_000, 0.01), (200_000, 0.03), (None, 0.08)]
    table = [{"notional_cap": cap, "maintenance_rate": rate} for cap, rate in rows]
    brackets = dict.fromkeys(names, table)
    held = [
        position(
            name,
            size,
            marks[name] * (1 + gain),
            isolated_margin=funded * abs(size) * marks[name],
        )
        for name, size, gain in zip(names, sizes, gains, strict=True)
    ]
    gross = sum(abs(size) * marks[name] for name, size in zip(names, sizes, strict=True))
    mode = "isolated" if is_isolated else "cross"
    wallet = funded * gross

    def buffer(at: dict[str, float], i: int) -> float:
        found = margined(at, held, wallet=wallet, mode=mode, brackets=brackets)
        if not is_isolated:
            return float(found.equity) - float(found.maintenance_requirement)  # type: ignore[arg-type]
        own = held[i]
        pnl = own["quantity"] * (at[names[i]] - own["entry_price"])
        return float(own["isolated_margin"] + pnl - found.parts[i].maintenance)

    found = margined(marks, held, wallet=wallet, mode=mode, brackets=brackets)
    limits = brackets_of(table, "brackets")
    tried = 0
    for i, name in enumerate(names):
        price = price_of(found, name)
        if price is None:
            continue
        moved = abs(sizes[i]) * price
        better = 1e-7 if sizes[i] > 0 else -1e-7
        places = {
            bracket_at(limits, abs(sizes[i]) * mark, "q").place
            for mark in (marks[name], price * (1 - 1e-7), price * (1 + 1e-7))
        }
        if len(places) > 1 or moved < 10.0:
            continue
        tried += 1
        assert buffer({**marks, name: price * (1 + better)}, i) > 0
        assert buffer({**marks, name: price * (1 - better)}, i) < 0
    assume(tried)


def test_TIER_030_a_venue_with_tiers_is_a_document_alone() -> None:
    tables = documents().get("hyperliquid-tiers").parameters["brackets"]
    leverages = {"BTC": (40, 20), "ETH": (25, 15), "SOL": (20, 10), "HYPE": (10, 5), "OP": (10, 5)}
    for name, (low, high) in leverages.items():
        rates = [row["maintenance_rate"] for row in tables[name]]
        assert rates == [1 / (2 * low), 1 / (2 * high)]
        assert tables[name][1].get("notional_cap") is None
    held = [position("BTC", 2_000.0, 99_000.0)]
    found = margined({"BTC": 100_000.0}, held, wallet=4e6, method="hyperliquid-tiers")
    assert (found.currency, found.equity) == ("USDC", 6_000_000.0)
    assert found.maintenance_requirement == 3_125_000.0
    assert price_of(found, "BTC") == pytest.approx((4e6 + 1_875_000 - 198e6) / (50 - 2_000))


def refused(code: str, field: str, *arguments: Any, **more: Any) -> SteelyardError:
    """Return the error that a statement meets, which names its code and field."""
    with pytest.raises((InputError, TermsError)) as caught:
        margined(*arguments, **more)
    assert (caught.value.code, caught.value.where["field"]) == (code, field)
    return caught.value


def test_TIER_040_what_is_missing_is_named() -> None:
    mark, one = {"BTC": 40_000.0}, position("BTC", 1.0)
    refused("METH-E01", "market.underlyings.ETH", mark, [position("ETH", 1.0)])
    refused(
        "METH-E02", "account.positions[1].isolated_margin", {**mark, "ETH": 1.0},
        [position("ETH", 1.0, isolated_margin=1.0), one], mode="isolated",
    )  # fmt: skip
    refused("METH-E03", "account.positions[1].instrument", mark, [one, one])
    refused("TERM-E15", "parameters.brackets.DOGE", {"DOGE": 1.0}, [position("DOGE", 1.0)])


@pytest.mark.parametrize("name", ["BTC-28JUN30", "BTC-28JUN30-60000-C"])
def test_TIER_040_what_is_no_linear_perpetual_is_refused(name: str) -> None:
    mark = {"BTC": 40_000.0}
    held = [position("BTC", 1.0), {"instrument": name, "quantity": 1.0}]
    error = refused("METH-E04", "account.positions[1].instrument", mark, held)
    assert name in error.message
    inverse = [position("BTC", 1.0, contract="inverse")]
    refused("METH-E04", "account.positions[0].contract", mark, inverse)
    linear = margined(mark, [position("BTC", 1.0, contract="linear")])
    assert linear.maintenance_requirement == 160.0


def test_TIER_040_what_cannot_be_is_refused() -> None:
    mark = {"BTC": 40_000.0}
    at = "market.underlyings.BTC.perpetual.mark_price"
    refused("METH-E05", at, {"BTC": 0.0}, [position("BTC", 1.0)])
    refused("METH-E05", "account.positions[0].quantity", mark, [position("BTC", 1e306)])
    geared = [position("BTC", 1.0, leverage=0.0)]
    refused("METH-E05", "account.positions[0].leverage", mark, geared)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_TIER_040_a_number_that_is_none_is_refused(value: float) -> None:
    market = Market(underlyings={"BTC": Underlying(perpetual=Perpetual(mark_price=4e4))})
    held = Position(instrument="BTC-PERPETUAL", quantity=1.0)
    document = documents().get("binance-tiers")
    for account, field in (
        (Account(balances={"USDT": value}), "account.balances.USDT"),
        (
            Account(positions=(msgspec.structs.replace(held, entry_price=value),)),
            "account.positions[0].entry_price",
        ),
        (
            Account(positions=(msgspec.structs.replace(held, quantity=value),)),
            "account.positions[0].quantity",
        ),
    ):
        case = Case(case="c", method="binance-tiers", market=market, account=account)
        with pytest.raises(InputError, match="METH-E05") as caught:
            answer(case, document)
        assert caught.value.where["field"] == field


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        ([], "parameters.brackets.BTC"),
        ([(0, 0.1)], "parameters.brackets.BTC[0]"),
        ([(50, 0.1), (50, 0.2)], "parameters.brackets.BTC[1]"),
        ([(None, 0.1), (50, 0.2)], "parameters.brackets.BTC[1]"),
        ([(None, 0.1), (None, 0.2)], "parameters.brackets.BTC[1]"),
        ([(50, 1.1)], "parameters.brackets.BTC[0]"),
        ([(50, -0.1)], "parameters.brackets.BTC[0]"),
    ],
)
def test_TIER_040_brackets_out_of_order_are_refused(
    rows: list[tuple[int | None, float]], field: str
) -> None:
    table = [{"notional_cap": cap, "maintenance_rate": rate} for cap, rate in rows]
    held = [position("BTC", 1.0)]
    refused("METH-E05", field, {"BTC": 10.0}, held, brackets={"BTC": table})


@pytest.mark.parametrize("line", case_lines("binance-tiers"), ids=lambda line: line["case"])
def test_TIER_050_the_open_cases_hold(line: Row) -> None:
    case = stated(line)
    document = documents().get(case.method).with_parameters(case.parameters)
    check_case(line, answer(case, document))
