"""Liquidation and bankruptcy prices: the verdict flips at them, and one tick before it has not."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from steelyard.margin.methods.moving import reference_price
from steelyard.margin.methods.prices import CriticalPrices, critical_prices
from steelyard.margin.methods.registry import core_of, margin_of
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Market, Order, Perpetual, Position, Underlying
from tests.margin.methods.prices.critical_books import (
    books,
    case_of,
    document_of,
    exactly,
    verdict_at,
)
from tests.support.method_cases import CASES

replace = msgspec.structs.replace
CENT = Decimal("0.01")


def found_for(case: Case[Any], name: str = "ETH", **more: Any) -> CriticalPrices:
    """Return what the price of one underlying does to a case."""
    return next(
        each for each in critical_prices(case, document_of(case), **more) if each.underlying == name
    )


def check_roots(case: Case[Any], found: CriticalPrices) -> int:
    """Hold every root against the whole answer of the method, at it and one tick away; count them."""
    document = document_of(case)
    assert found.tick is not None
    for place, roots in enumerate((found.liquidation, found.bankruptcy)):
        for root in roots:
            away = found.tick if root.direction == "falling" else -found.tick
            at = verdict_at(case, document, found.underlying, root.price)
            before = verdict_at(case, document, found.underlying, root.price + away)
            assert at is not None
            assert before is not None
            assert at[place] is True
            assert before[place] is False
        for one, two in pairwise(roots):
            assert one.price < two.price
            assert one.direction != two.direction
    return len(found.liquidation) + len(found.bankruptcy)


def test_LIQP_020_the_verdict_flips_at_every_published_price_of_the_open_cases() -> None:
    count = 0
    for name in documents().names():
        path = CASES / f"{name}.jsonl"
        if not path.exists() or name == "derive-auction":
            continue
        decoder = msgspec.json.Decoder(Case[core_of(documents().get(name)).number])  # type: ignore[misc]
        for line in path.read_bytes().splitlines():
            case = decoder.decode(line)
            document = document_of(case)
            if case.account.mode == "isolated" or len(case.account.balances) > 3:
                continue
            priced = [each for each in critical_prices(case, document, reach=4.0) if each.tick]
            for found in (each for each in priced if not each.reason):
                count += check_roots(case, found)
    assert count > 40


@settings(max_examples=40, deadline=None)
@given(books())
def test_LIQP_020_the_verdict_flips_at_every_published_price_of_random_books(case: Any) -> None:
    for found in critical_prices(case, document_of(case), tick=CENT, reach=5.0):
        assert not found.reason
        check_roots(case, found)
        assert found.lowest is not None
        assert found.highest is not None
        # Between the roots the verdict is what the directions say.
        bad = [root.price for root in found.liquidation]
        steps = [found.lowest, *bad, found.highest]
        for low, high in pairwise(steps):
            middle = ((low + high) / 2).quantize(CENT)
            if not low < middle < high:
                continue
            verdict = verdict_at(case, document_of(case), found.underlying, middle)
            above = next((root for root in found.liquidation if root.price > middle), None)
            below = [root for root in found.liquidation if root.price < middle]
            if verdict is not None and (above or below):
                is_bad = above.direction == "falling" if above else below[-1].direction == "rising"
                assert verdict[0] is is_bad


def test_LIQP_021_a_book_of_options_has_two_prices_four_or_none() -> None:
    straddle = {"ETH-31JUL26-100-C": -5.0, "ETH-31JUL26-100-P": -5.0}
    strangle = {"ETH-31JUL26-120-C": -5.0, "ETH-31JUL26-80-P": -5.0}
    for held in (straddle, strangle):
        found = found_for(case_of("paradex-pm", 350.0, held))
        assert [root.direction for root in found.liquidation] == ["falling", "rising"]
        assert found.liquidation_below == found.liquidation[0].price
        assert found.liquidation_above == found.liquidation[1].price
        assert found.words[0].startswith("the account is liquidated with ETH at ")
    bought = found_for(case_of("paradex-pm", 10.0, dict.fromkeys(straddle, 5.0)))
    assert bought.liquidation == ()
    assert (
        bought.words[0]
        == "at no price of ETH between 0.0010 and 1000.0000 is the account liquidated"
    )
    # A call sold against the coin: derive-srm gives it no room, derive-pmrm needs little of it.
    covered = case_of("derive-pmrm", 100.0, {"ETH-5JUN26-120-C": -1.0}, balances={"ETH": 1.0})
    assert found_for(covered).liquidation == ()
    # An iron condor loses at most 20 a unit in either wing: 150 do not cover ten of them, 400 do.
    condor = {
        "ETH-5JUN26-80-P": 10.0, "ETH-5JUN26-100-P": -10.0,
        "ETH-5JUN26-100-C": -10.0, "ETH-5JUN26-120-C": 10.0,
    }  # fmt: skip
    wings = found_for(case_of("paradex-pm", 150.0, condor))
    assert [root.direction for root in wings.liquidation] == ["falling", "rising"]
    assert found_for(case_of("paradex-pm", 400.0, condor)).liquidation == ()
    # Twice as many wings bought pay far away: what is left are two dips, around 80 and around 120.
    dips = condor | {"ETH-5JUN26-80-P": 20.0, "ETH-5JUN26-120-C": 20.0}
    four = found_for(case_of("paradex-pm", 120.0, dips))
    assert [root.direction for root in four.liquidation] == ["rising", "falling"] * 2
    low, up = four.liquidation[1].price, four.liquidation[2].price
    assert (four.liquidation_below, four.liquidation_above) == (low, up)
    assert 60 < four.liquidation[0].price < 80 < low < 100 < up < 120 < four.liquidation[3].price
    assert four.words[0] == (
        f"the account is liquidated with ETH from {four.liquidation[0].price} to {low}, "
        f"and from {up} to {four.liquidation[3].price}"
    )
    check_roots(case_of("paradex-pm", 120.0, dips), four)


def test_LIQP_022_every_other_obligation_counts() -> None:
    alone = found_for(case_of("paradex-pm", 50.0, {"ETH-PERPETUAL": 2.0}), tick=CENT)
    # 50 + 2·(p·1.0025 − 100.25) < 2·0.08·p: the other perpetual takes 0.08·2,000·0.1 = 16 of it away.
    other = {"ETH-PERPETUAL": 2.0, "BTC-PERPETUAL": 0.1}
    both = found_for(case_of("paradex-pm", 50.0, other), tick=CENT)
    assert (alone.liquidation_below, both.liquidation_below) == (Decimal("81.57"), Decimal("90.24"))
    # Orders: Vega keeps 0.08 of the mark for each unit that may be bought.
    plain = case_of("vega", 50.0, {"ETH-PERPETUAL": 2.0})
    order = Order("buy", exactly(2.0), exactly(99.0), "ETH-PERPETUAL")
    ordered = case_of("vega", 50.0, {"ETH-PERPETUAL": 2.0}, orders=(order,))
    first, second = found_for(plain), found_for(ordered)
    assert first.liquidation_below is not None
    assert second.liquidation_below is not None
    assert second.liquidation_below > first.liquidation_below + 5
    # A coin held as collateral falls with its price too: 2 − 1 short leaves one unit of it long.
    bare = case_of("derive-srm", 30.0, {"ETH-PERPETUAL": -1.0})
    backed = case_of("derive-srm", 30.0, {"ETH-PERPETUAL": -1.0}, balances={"ETH": 1.0})
    assert found_for(bare).liquidation_above is not None
    assert found_for(backed).bankruptcy_above is None
    # Funding owed is owed at every price.
    market = replace(plain.market, underlyings={
        "ETH": replace(plain.market.underlyings["ETH"], funding_payment=exactly(4.0))
    })  # fmt: skip
    funded = found_for(replace(plain, market=market))
    assert funded.liquidation_below is not None
    assert funded.liquidation_below > first.liquidation_below + 3


def test_LIQP_023_one_linear_perpetual_has_the_price_of_the_closed_form() -> None:
    # C + q·(p − E) = r·|q|·p, so p = (E − C/q)/(1 − r) for a long; E + C/|q| over 1 + r for a short.
    market: Market[Any] = Market(underlyings={"ETH": Underlying(100.0, perpetual=Perpetual(100.0))})
    for method, rate in (("derive-srm", 0.05), ("paradex-pm", 0.08)):
        for quantity, closed in ((2.0, (100 - 25) / (1 - rate)), (-2.0, (100 + 25) / (1 + rate))):
            held = Account(
                balances={"USDC": 50.0}, positions=(Position("ETH-PERPETUAL", quantity),)
            )
            case = Case("c", method, market=market, account=held)
            found = found_for(case)
            root = found.liquidation_below if quantity > 0 else found.liquidation_above
            assert root is not None
            assert found.tick == Decimal("0.0001")
            assert 0 <= (closed - float(root)) * quantity / 2 <= 0.0001
            assert found.bankruptcy[0].price == (
                Decimal("74.9999") if quantity > 0 else Decimal("125.0001")
            )


def test_LIQP_024_the_venues_own_formulas_agree_to_the_tick() -> None:
    for quantity in (3.0, -3.0):
        tiers = case_of("binance-tiers", 90.0, {"ETH-PERPETUAL": quantity, "BTC-PERPETUAL": 0.01})
        said = margin_of(tiers, document_of(tiers)).native["liquidation_price"]["ETH-PERPETUAL"]
        found = found_for(tiers, tick=CENT)
        root = found.liquidation_below if quantity > 0 else found.liquidation_above
        # The sheet's price is a mark, 100.25 of which stand for an index of 100.
        assert float(root or 0) * 1.0025 == pytest.approx(said, abs=0.02)
        vega = case_of("vega", 90_000.0, {"ETH-PERPETUAL": quantity * 1_000})
        asked = replace(vega, liquidation_price=msgspec.Raw(b'{"collateral": 90000}'))
        venue = margin_of(asked, document_of(asked)).native["liquidation_price"]
        found = found_for(vega, tick=CENT)
        root = found.liquidation_below if quantity > 0 else found.liquidation_above
        # Its levels use the whole mark, and round up to a unit: less than a tick of 3,000 contracts.
        assert float(root or 0) == pytest.approx(venue, abs=0.011)
        # dYdX: USDC + q·p < |q|·p·0.2·0.5, the balance has paid for the position.
        dydx = case_of("dydx-v4", -100.0 * quantity + 90.0, {"ETH-PERPETUAL": quantity})
        found = found_for(dydx, tick=CENT)
        root = found.liquidation_below if quantity > 0 else found.liquidation_above
        rate = 0.1 if quantity > 0 else -0.1
        closed = (100.0 * quantity - 90.0) / (quantity * (1 - rate))
        assert float(root or 0) == pytest.approx(closed, abs=0.011)


def test_LIQP_024_bybits_isolated_inverse_price_is_its_formulas() -> None:
    market: Market[Any] = Market(underlyings={"BTC": Underlying(perpetual=Perpetual(50_500.0))})
    for quantity in (60_000.0, -60_000.0):
        position = Position(
            "BTC-PERPETUAL", quantity, entry_price=50_000.0, leverage=10.0, contract="inverse"
        )
        case = Case("c", "bybit", market=market, account=Account("isolated", {}, (position,)))
        said = margin_of(case, document_of(case)).native["liquidation_price"]
        found = found_for(case, "BTC")
        root = found.liquidation_below if quantity > 0 else found.liquidation_above
        assert found.instrument == "BTC-PERPETUAL"
        assert float(root or 0) == pytest.approx(said, abs=0.01)


def test_LIQP_024_bybits_isolated_linear_position_has_its_value_over_leverage() -> None:
    # E/L + s·(p − E) = 0.005·E for a unit: 50,000·(1 − 0.1 + 0.005) long, ·(1 + 0.1 − 0.005) short.
    market: Market[Any] = Market(underlyings={"BTC": Underlying(perpetual=Perpetual(50_500.0))})
    for quantity, closed, bankrupt in ((2.0, 45_250.0, 45_000.0), (-2.0, 54_750.0, 55_000.0)):
        position = Position("BTC-PERPETUAL", quantity, entry_price=50_000.0, leverage=10.0)
        case = Case("c", "bybit", market=market, account=Account("isolated", {}, (position,)))
        said = margin_of(case, document_of(case)).native["bankruptcy_price"]
        assert said == pytest.approx(bankrupt)
        found = found_for(case, "BTC")
        assert float(found.liquidation[0].price) == pytest.approx(closed, abs=0.011)
        assert float(found.bankruptcy[0].price) == pytest.approx(bankrupt, abs=0.011)


def test_LIQP_025_an_account_that_is_liquidated_is_told_where_it_recovers() -> None:
    found = found_for(case_of("paradex-pm", 10.0, {"ETH-PERPETUAL": 2.0}), tick=CENT)
    assert found.is_liquidatable is True
    assert (found.liquidation_below, found.liquidation_above) == (None, Decimal("103.25"))
    assert found.words[0] == "the account is liquidated with ETH at 103.25 and below"
    gone = found_for(case_of("paradex-pm", -1e6, {"ETH-PERPETUAL": 2.0}))
    assert gone.words[0].startswith(
        "at every price of ETH between 0.0010 and 1000.0000 the account"
    )


def test_LIQP_026_prices_are_counted_in_ticks() -> None:
    case = case_of("paradex-pm", 50.0, {"ETH-PERPETUAL": 2.0})
    assert found_for(case).tick == Decimal("0.0001")
    half = found_for(case, tick=Decimal("0.5"))
    assert half.liquidation_below == Decimal("81.5")
    check_roots(case, half)
    exact = found_for(case_of("dydx-v4", -150.0, {"ETH-PERPETUAL": 2.0}))
    assert exact.reference == Decimal("100.0")
    check_roots(case_of("dydx-v4", -150.0, {"ETH-PERPETUAL": 2.0}), exact)
    for wrong in (
        {"tick": Decimal(0)},
        {"tick": Decimal(5_000)},
        {"reach": 1.0},
        {"reach": float("nan")},
    ):
        with pytest.raises(InputError) as refused:
            critical_prices(case, document_of(case), **wrong)  # type: ignore[arg-type]
        assert refused.value.code == "METH-E05"


def test_LIQP_027_a_method_that_says_nothing_has_a_reason() -> None:
    document = documents()
    holder = Position("XBT-PERPETUAL", 100.0, entry_price=90.0, bankruptcy_price=80.0, account="A")
    market: Market[Any] = Market(underlyings={"XBT": Underlying(perpetual=Perpetual(100.0))})
    ranked = Case("c", "bitmex-adl", market=market, account=Account(positions=(holder,)))
    (found,) = critical_prices(ranked, document.get("bitmex-adl"))
    assert found.reason == "the method states no maintenance requirement of the account"
    bare = Position("BTC-PERPETUAL", 1.0, entry_price=90.0, leverage=5.0)
    unmarked = Case("c", "bybit", account=Account(positions=(bare,)))
    (found,) = critical_prices(unmarked, document.get("bybit"))
    assert found.reason == "the method states no equity of the account"
    arrays = {"risk_arrays": {"SPX-18DEC26": [0.0] * 16}}
    future = Account(positions=(Position("SPX-18DEC26", 1.0),))
    (found,) = critical_prices(Case("c", "span", arrays, account=future), document.get("span"))
    assert found.reason == "METH-E01: market.underlyings.SPX is missing"
    assert critical_prices(Case("c", "paradex-pm"), document.get("paradex-pm")) == ()
    nowhere = Case("c", "okx-pm", account=Account(positions=(Position("BTC-PERPETUAL", 1.0),)))
    with pytest.raises(InputError, match="METH-E01"):
        critical_prices(nowhere, document.get("okx-pm"))


def test_LIQP_028_where_the_method_falls_silent_it_says_so() -> None:
    brackets = {"brackets": {"ETH": [{"notional_cap": 500, "maintenance_rate": 0.01}]}}
    case = replace(case_of("binance-tiers", 50.0, {"ETH-PERPETUAL": -2.0}), parameters=brackets)
    found = found_for(case, tick=CENT)
    assert found.liquidation_above == Decimal("123.71")  # a mark of 250.5/2.02 = 124.01
    assert found.words[-1].startswith("above 249.37 of ETH the method says nothing: METH-E05")
    check_roots(case, found)


def test_LIQP_029_isolated_positions_are_accounts_of_their_own() -> None:
    case = case_of("binance-tiers", 1_000.0, {"ETH-PERPETUAL": 2.0, "BTC-PERPETUAL": -0.1})
    positions = tuple(
        replace(each, isolated_margin=40.0, entry_price=reference_price(case, each.instrument[:3]))
        for each in case.account.positions
    )
    apart = replace(case, account=replace(case.account, mode="isolated", positions=positions))
    found = critical_prices(apart, document_of(apart))
    said = margin_of(apart, document_of(apart)).native["liquidation_price"]
    assert [each.instrument for each in found] == ["ETH-PERPETUAL", "BTC-PERPETUAL"]
    for each, mark in zip(found, (1.0025, 2_001.0 / 2_000.0), strict=True):
        root = each.liquidation[0].price
        assert float(root) * mark == pytest.approx(said[each.instrument], rel=1e-5)


def test_LIQP_030_coins_held_have_prices_too() -> None:
    case = case_of("derive-pmrm2", -150.0, {}, balances={"ETH": 2.0})
    found = found_for(case, tick=CENT)
    # 2·p − 150 against 0.8 of a fall by 18 % of 2·p, and a haircut of 5 %.
    closed = 150 / (2 * (1 - 0.05) - 0.8 * 2 * 0.18)
    assert float(found.liquidation_below or 0) == pytest.approx(closed, abs=0.011)
    assert found.bankruptcy_below == Decimal("74.99")


def test_LIQP_036_the_verdict_is_the_venues_own_where_it_states_one() -> None:
    # 0.00001 ETH are worth less than a millionth of a USDC below a price of 0.1: dYdX then requires
    # nothing of the account, and liquidates nobody of whom it requires nothing, whatever he owes.
    case = case_of("dydx-v4", -0.5, {"ETH-PERPETUAL": 0.00001})
    found = found_for(case)
    assert found.is_liquidatable is True
    assert [(root.price, root.direction) for root in found.liquidation] == [
        (Decimal("0.1000"), "rising")
    ]
    assert found.bankruptcy == ()
    assert found.is_bankrupt is True
    check_roots(case, found)
    # A venue's own document that no library has is read by its rules, not by its name.
    own = replace(documents().get("deribit-pm"), name="harbour-coin")
    coin = case_of("deribit-pm", 0.5, {"ETH-PERPETUAL": 2.0})
    (renamed,) = critical_prices(replace(coin, method="harbour-coin"), own)
    assert renamed == found_for(coin)
    assert renamed.liquidation_below is not None
