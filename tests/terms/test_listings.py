"""What an asset, an instrument and a margin unit may be."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities import UNITS_MAX, TermsError
from steelyard.terms import Asset, Instrument
from steelyard.terms.account import owner_of, unit_name
from steelyard.terms.asset import USDC, price_exponent_for
from steelyard.terms.instrument import option_name

BTC = Asset("BTC", 8, 2)
LINEAR = Instrument("BTC_USDC-PERPETUAL", "perpetual", "BTC", "USDC", False, 4, 2, 10**9)
INVERSE = Instrument(
    "BTC-PERPETUAL", "perpetual", "BTC", "BTC", True, 0, 12, 10**6, contract_usd=100
)
CALL = Instrument(
    "BTC-7JAN26-60000-C", "option", "BTC", "BTC", True, 2, 8, 10**7,
    strike="60000", expiry_us=1_767_772_800_000_000, is_call=True,
)  # fmt: skip
PUT = msgspec.structs.replace(CALL, settlement="USDC", is_inverse=False, mark_exponent=6)
SETTLEMENT = {"BTC": BTC, "USDC": USDC, "ETH": Asset("ETH", 8, 4), "XAU": Asset("XAU", 0, 2)}


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": "B" * 17}, {"name": "B T C"}, {"exponent": 10}, {"exponent": -1},
     {"price_exponent": 7}, {"price_exponent": -1}],
)  # fmt: skip
def test_TERM_001_an_asset_keeps_its_bounds(change: dict[str, Any]) -> None:
    assert BTC.check() is BTC
    with pytest.raises(TermsError, match="TERM-E01"):
        msgspec.structs.replace(BTC, **change).check()


@pytest.mark.parametrize("exponent", range(10))
def test_TERM_002_units_times_index_fit_63_bits(exponent: int) -> None:
    largest = Asset("COIN", exponent, 2).index_units_max
    assert 10**exponent * largest < 2**63
    assert largest == 90_000_000_000 or 10**exponent * (largest + 1) >= 2**63
    assert Asset("SOL", 9, 4).index_units_max == 9_223_372_036


@pytest.mark.parametrize(
    ("terms", "fine"), [(LINEAR, 1), (INVERSE, 10_000), (CALL, 100), (PUT, 100)]
)
def test_TERM_003_a_ledger_unit_is_whole_fine_units(terms: Instrument, fine: int) -> None:
    settlement = SETTLEMENT[terms.settlement]
    assert terms.check(settlement) is terms
    assert terms.fine_per_unit(settlement) == fine
    one_fine = Fraction(1, 10 ** (terms.lot_exponent + terms.mark_exponent))
    assert fine * one_fine == Fraction(1, 10**settlement.exponent)


BROKEN: list[tuple[Instrument, dict[str, Any], str]] = [
    (LINEAR, {"name": "A/B"}, "name"),
    (LINEAR, {"name": "A" * 65}, "name"),
    (LINEAR, {"name": "A\nB"}, "name"),
    (LINEAR, {"lot_exponent": 9}, "lot_exponent"),
    (LINEAR, {"mark_exponent": 13}, "lot_exponent"),
    (LINEAR, {"mark_exponent": 1}, "mark_exponent"),
    (LINEAR, {"settlement": "XAU", "lot_exponent": 8, "mark_exponent": 11}, "mark_exponent"),
    (LINEAR, {"position_limit": 0}, "position_limit"),
    (LINEAR, {"position_limit": 2**40 + 1}, "position_limit"),
    (LINEAR, {"settlement": "BTC", "mark_exponent": 8}, "settlement"),
    (LINEAR, {"underlying": "USDC", "is_inverse": True, "contract_usd": 1}, "underlying"),
    (LINEAR, {"contract_usd": 100}, "contract_usd"),
    (LINEAR, {"expiry_us": 1}, "expiry_us"),
    (INVERSE, {"settlement": "USDC"}, "settlement"),
    (INVERSE, {"contract_usd": 0}, "contract_usd"),
    (INVERSE, {"contract_usd": -100}, "contract_usd"),
    (INVERSE, {"contract_usd": 10**9}, "contract_usd"),
    (CALL, {"contract_usd": 100}, "contract_usd"),
    *[(CALL, {"strike": strike}, "strike")
      for strike in ("0", "-1", "nan", "inf", "1e400", "1e3", "1_000", "٣", "", "x", "1" * 33,
                     "1000000000001", "0.0000000000001", ".")],
    (CALL, {"expiry_us": 0}, "expiry_us"),
    (CALL, {"expiry_us": 4_102_444_800_000_001}, "expiry_us"),
]  # fmt: skip


@pytest.mark.parametrize(("terms", "change", "field"), BROKEN)
def test_TERM_004_a_listing_that_breaks_a_rule_is_refused(
    terms: Instrument, change: dict[str, Any], field: str
) -> None:
    broken = msgspec.structs.replace(terms, **change)
    with pytest.raises(TermsError) as caught:
        broken.check(SETTLEMENT[broken.settlement])
    assert caught.value.code == "TERM-E02"
    assert caught.value.where["field"] == field


@given(st.integers(1, 2**40))
def test_TERM_005_no_position_overflows_at_the_largest_mark(limit: int) -> None:
    largest = msgspec.structs.replace(LINEAR, position_limit=limit).mark_max
    assert limit * largest <= UNITS_MAX < limit * (largest + 1)
    assert LINEAR.mark_max == 4_611_686_018


def test_TERM_006_an_isolated_position_names_its_owner() -> None:
    unit = unit_name("maker-7", "BTC_USDC-PERPETUAL")
    assert unit == "maker-7/BTC_USDC-PERPETUAL"
    assert owner_of(unit) == owner_of("maker-7") == "maker-7"


def test_TERM_011_price_exponents_keep_about_eight_digits() -> None:
    assert [price_exponent_for(p) for p in (121_000.0, 4_100.0, 0.065, 1e9)] == [2, 4, 6, 0]
    assert option_name("BTC", 7, 1, 2026, "60000", False) == "BTC-7JAN26-60000-P"
