"""What reservations and operators' events must keep before anything else is asked."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from steelyard.quantities import InputError
from steelyard.terms.controls import ParameterEdit
from steelyard.ticks import check_event
from tests.ticks.events import EVENTS, NOW_US

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US


def changed(name: str, **fields: Any) -> Any:
    """Return the sample event with some fields changed."""
    return msgspec.structs.replace(EVENTS[name], **fields)


def refusal(name: str, **fields: Any) -> InputError:
    """Return the error that a changed event raises."""
    with pytest.raises(InputError) as caught:
        check_event(changed(name, **fields))
    assert caught.value.rule
    assert caught.value.cure
    return caught.value


SIGNED = [
    "TradingRestricted", "TradingResumed", "KillSwitchPulled", "OverrideProposed",
    "OverrideWithdrawn", "ParameterProposed", "ParameterRejected",
]  # fmt: skip


@pytest.mark.parametrize("name", SIGNED)
def test_CTRL_001_who_and_why_are_said(name: str) -> None:
    for author in ("", "x" * 97, "a\n"):
        assert refusal(name, author=author).code == "TICK-E04"
    for reason in ("", "x" * 401):
        error = refusal(name, reason=reason)
        assert (error.code, error.where["field"]) == ("TICK-E06", "reason")
    check_event(changed(name, author="x" * 96, reason="x" * 400))


@pytest.mark.parametrize(
    ("name", "field", "first_us", "last_us", "also"),
    [("OrderReserved", "expires_us", 1, 60 * SECOND_US, ()),
     ("TradingRestricted", "until_us", 9, 4_102_444_800_000_000 - NOW_US, (0,)),
     ("TradingRestricted", "liquidations_held_until_us", 1, HOUR_US, (0,)),
     ("KillSwitchPulled", "liquidations_held_until_us", 1, HOUR_US, (0,)),
     ("OverrideProposed", "until_us", 1, DAY_US, ()),
     ("ParameterProposed", "effective_us", 0, 30 * DAY_US, ())],
)  # fmt: skip
def test_CTRL_002_every_time_ahead_is_bounded(
    name: str, field: str, first_us: int, last_us: int, also: tuple[int, ...]
) -> None:
    more = {"until_us": 0} if field.startswith("liquidations") and "Trading" in name else {}
    for offset_us in (first_us, last_us):
        check_event(changed(name, **more, **{field: NOW_US + offset_us}))
    for value in also:
        check_event(changed(name, **more, **{field: value}))
    for value in (NOW_US + first_us - 1, NOW_US + last_us + 1, -1):
        error = refusal(name, **more, **{field: value})
        assert error.code == "TICK-E05"
        assert error.where["field"] in {field, "liquidations_held_until_us"}
    if 0 not in also:
        assert refusal(name, **{field: 0}).code == "TICK-E05"


def test_CTRL_002_a_hold_of_liquidations_does_not_outlast_its_halt() -> None:
    error = refusal(
        "TradingRestricted", until_us=NOW_US + 10, liquidations_held_until_us=NOW_US + 11
    )
    assert (error.code, error.where["field"]) == ("TICK-E05", "liquidations_held_until_us")


def test_CTRL_003_the_venue_has_no_name_and_other_scopes_have_one() -> None:
    check_event(changed("TradingRestricted", scope="venue", subject=""))
    assert refusal("TradingRestricted", scope="venue", subject="fund").code == "TICK-E04"
    for scope in ("underlying", "instrument", "account"):
        assert refusal("TradingRestricted", scope=scope, subject="").code == "TICK-E04"


@pytest.mark.parametrize("scope", ["underlying", "instrument"])
def test_CTRL_003_liquidations_are_held_of_the_venue_or_an_account_alone(scope: str) -> None:
    error = refusal("TradingRestricted", scope=scope)
    assert (error.code, error.where["field"]) == ("TICK-E03", "liquidations_held_until_us")
    assert "protect" in error.rule
    check_event(changed("TradingRestricted", scope=scope, liquidations_held_until_us=0))


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0, 1e12 + 1.0])
def test_CTRL_004_a_reservation_has_a_possible_price_and_lots(price: float) -> None:
    assert refusal("OrderReserved", price=price).code == "TICK-E03"
    for lots in (0, 2**62 + 1, -(2**62) - 1):
        assert refusal("OrderReserved", quantity=lots).code == "TICK-E03"
    check_event(changed("OrderReserved", quantity=-(2**62)))


def test_CTRL_005_a_proposal_has_1_to_64_parameters_each_once() -> None:
    edits = [ParameterEdit(f"underlying.A{k}.range_ppm", "1") for k in range(65)]
    check_event(changed("ParameterProposed", changes=edits[:64]))
    for wrong in ([], edits):
        error = refusal("ParameterProposed", changes=wrong)
        assert (error.code, error.where["field"]) == ("TICK-E06", "changes")
    assert refusal("ParameterProposed", changes=[edits[0], edits[1], edits[0]]).code == "TICK-E04"
    for edit, code in (
        (ParameterEdit("", "1"), "TICK-E04"),
        (ParameterEdit("x" * 97, "1"), "TICK-E04"),
        (ParameterEdit("levels", "x" * 4_097), "TICK-E06"),
    ):
        error = refusal("ParameterProposed", changes=[edits[0], edit])
        assert error.code == code
        assert str(error.where["field"]).startswith("changes[1].")
