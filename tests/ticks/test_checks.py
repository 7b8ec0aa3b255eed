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
    [("TradeTick", "price"), ("PriceDecision", "price"), ("QuoteTick", "bid"), ("QuoteTick", "ask"), ("OrderPlaced", "price"),
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
    for name in ("PriceTick", "QuoteTick", "VolatilityUpdate", "SurfaceUpdate", "HestonUpdate"):
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
        "SurfaceUpdate": ("underlying",),
        "HestonUpdate": ("underlying",),
        "OrderPlaced": ("account", "order", "instrument"),
        "OrderCancelled": ("account", "order"),
        "Fill": ("instrument", "buyer", "seller"),
        "Transfer": ("source_account", "target_account", "asset"),
        "Funding": ("instrument",),
        "ParameterChange": ("path",),
        "OrderReserved": ("account", "order", "instrument"),
        "ReservationConfirmed": ("account", "order"),
        "ReservationReleased": ("account", "order"),
        "TradingRestricted": ("control", "subject", "author"),
        "TradingResumed": ("control", "author"),
        "KillSwitchPulled": ("control", "author"),
        "OverrideProposed": ("override", "subject", "author"),
        "OverrideApproved": ("override", "approver"),
        "OverrideWithdrawn": ("override", "author"),
        "ParameterProposed": ("proposal", "author"),
        "ParameterApproved": ("proposal", "approver"),
        "ParameterRejected": ("proposal", "author"),
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
    error = refusal("TradeTick", price=-1.0, time_us=NOW_US)
    assert error.where == {"origin": "feed-1", "origin_seq": 7, "field": "price"}
    assert "TradeTick has price -1.0" in str(error)
    assert "above 0" in error.rule


SMILE_BOUNDS = {
    "a": (-1e3, 1e3), "b": (0.0, 2.0), "rho": (-1.0, 1.0), "m": (-20.0, 20.0),
    "sigma": (0.0, 1e3), "start": (-20.0, 20.0), "inverse_step": (0.0, 1e6),
}  # fmt: skip


@pytest.mark.parametrize("field", [*SMILE_BOUNDS, "forward", "coefficients", "origin"])
def test_TICK_013_every_number_of_a_smile_has_bounds(field: str) -> None:
    first, second = EVENTS["SurfaceUpdate"].smiles  # type: ignore[attr-defined]
    if field in SMILE_BOUNDS:
        low, high = SMILE_BOUNDS[field]
        wrong: list[object] = [low - 1e-3, high + 1e-3 * high, math.nan, math.inf]
    elif field == "coefficients":
        wrong = [[0.0] * 41, [math.nan], [1001.0]]
    elif field == "origin":
        wrong = ["", "x" * 97, "\n"]
    else:
        wrong = [0.0, -1.0, math.nan, math.inf, 1.1e12]
    for value in wrong:
        broken = msgspec.structs.replace(second, **{field: value})
        error = refusal("SurfaceUpdate", smiles=[first, broken])
        assert error.code in {"TICK-E03", "TICK-E04", "TICK-E06"}
        assert str(error.where["field"]).startswith("smiles[1].")


def test_TICK_013_wings_keep_to_lees_bound_and_coefficients_need_a_step() -> None:
    first, second = EVENTS["SurfaceUpdate"].smiles  # type: ignore[attr-defined]
    for change in ({"b": 1.5, "rho": 0.5}, {"inverse_step": 0.0}):
        steep = msgspec.structs.replace(second, **change)
        assert refusal("SurfaceUpdate", smiles=[first, steep]).code == "TICK-E03"
    check_event(changed("SurfaceUpdate", smiles=[msgspec.structs.replace(first, b=2.0, rho=0.0)]))


def test_TICK_014_smiles_come_in_order_of_expiry_after_their_quotes() -> None:
    first, second = EVENTS["SurfaceUpdate"].smiles  # type: ignore[attr-defined]
    for smiles in ([second, first], [first, first]):
        assert refusal("SurfaceUpdate", smiles=smiles).code == "TICK-E05"
    assert refusal("SurfaceUpdate", exchange_time_us=first.expiry_us).code == "TICK-E05"
    for smiles in ([], [first] * 129):
        assert refusal("SurfaceUpdate", smiles=smiles).code == "TICK-E06"


@pytest.mark.parametrize(
    ("field", "most"),
    [("initial_variance", 100.0), ("mean_reversion", 1000.0), ("long_run_variance", 100.0),
     ("vol_of_vol", 100.0), ("correlation", 1.0)],
)  # fmt: skip
def test_TICK_015_heston_parameters_have_bounds(field: str, most: float) -> None:
    low = -1.0 if field == "correlation" else 0.0
    for value in (low - 1e-9, most * 1.001, math.nan, math.inf):
        assert refusal("HestonUpdate", **{field: value}).code == "TICK-E03"
    check_event(changed("HestonUpdate", **{field: most}))
    check_event(changed("HestonUpdate", **{field: low}))
