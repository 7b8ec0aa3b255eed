"""What time alone, and what volatility alone, does to an account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from steelyard.margin.methods.prices import liquidation_times, liquidation_volatility
from steelyard.quantities.errors import InputError
from steelyard.terms.stated import Account, Case, Perpetual, Position, Underlying, instant_us
from tests.margin.methods.prices.critical_books import (
    NOON,
    WITH_OPTIONS,
    books,
    case_of,
    document_of,
    verdict_of,
)

SECOND_US = 1_000_000
OPTION_METHODS = tuple(sorted(WITH_OPTIONS))


def check_flip(case: Any, flip: Any, place: int) -> None:
    """Hold a flip against the whole answer of the method at its second and one before."""
    document = document_of(case)
    at = verdict_of(case, document, later_us=flip.seconds * SECOND_US)
    before = verdict_of(case, document, later_us=(flip.seconds - 1) * SECOND_US)
    assert at is not None
    assert before is not None
    assert (at[place], before[place]) == (flip.is_bad, not flip.is_bad)
    assert instant_us(flip.at) - instant_us(NOON) == flip.seconds * SECOND_US


def test_LIQP_040_theta_liquidates_who_bought_options_on_credit() -> None:
    bought = {"ETH-31JUL26-100-C": 10.0, "ETH-31JUL26-100-P": 10.0}
    case = case_of("paradex-pm", -120.0, bought)
    (found,) = liquidation_times(case, document_of(case))
    assert found.is_liquidatable is False
    assert found.liquidation is not None
    assert found.bankruptcy is not None
    assert 0 < found.liquidation.seconds < found.bankruptcy.seconds < 60 * 86_400
    assert found.until == "2026-07-31T08:00:00Z"
    assert found.words[0] == (
        f"prices still, the account is liquidated from {found.liquidation.at}"
    )
    check_flip(case, found.liquidation, 0)
    check_flip(case, found.bankruptcy, 1)
    paid = case_of("paradex-pm", 100.0, bought)
    (found,) = liquidation_times(paid, document_of(paid))
    assert (found.liquidation, found.bankruptcy) == (None, None)
    assert (
        found.words[0] == "prices still, the account is not liquidated until 2026-07-31T08:00:00Z"
    )


def test_LIQP_041_an_expiry_that_takes_the_cover_away_is_the_flip() -> None:
    # The bought put covers the sold one until it is paid and gone.
    case = case_of("paradex-pm", 100.0, {"ETH-31JUL26-120-P": -10.0, "ETH-5JUN26-120-P": 10.0})
    (found,) = liquidation_times(case, document_of(case))
    assert found.is_liquidatable is False
    assert found.liquidation is not None
    assert found.liquidation.at == "2026-06-05T08:00:00Z"
    assert found.liquidation.is_bad
    check_flip(case, found.liquidation, 0)
    # What a sold call owes at its expiry is owed to the second.
    sold = case_of("paradex-pm", 210.0, {"ETH-5JUN26-80-C": -10.0})
    (found,) = liquidation_times(sold, document_of(sold))
    assert found.is_liquidatable is True
    assert found.liquidation is not None
    assert found.liquidation.is_bad is False
    assert found.liquidation.at == "2026-06-05T08:00:00Z"
    check_flip(sold, found.liquidation, 0)


@settings(max_examples=15, deadline=None)
@given(books(OPTION_METHODS))
def test_LIQP_042_the_first_flip_of_a_random_book_is_one(case: Any) -> None:
    (found,) = liquidation_times(case, document_of(case))
    for place, flip in enumerate((found.liquidation, found.bankruptcy)):
        if flip is not None:
            check_flip(case, flip, place)


def test_LIQP_043_nothing_that_expires_is_said() -> None:
    case = case_of("paradex-pm", 100.0, {"ETH-PERPETUAL": 1.0})
    (found,) = liquidation_times(case, document_of(case))
    assert found.reason == "the account holds nothing that expires after market.as_of"
    (vol,) = liquidation_volatility(case, document_of(case))
    assert vol.reason == "the account holds no options"
    holder = Position("ETH-PERPETUAL", 1.0, entry_price=1.0, bankruptcy_price=1.0, account="A")
    market = msgspec.structs.replace(
        case.market, underlyings={"ETH": Underlying(perpetual=Perpetual(2.0))}
    )
    ranked = Case("c", "bitmex-adl", market=market, account=Account(positions=(holder,)))
    (found,) = liquidation_times(ranked, document_of(ranked))
    (vol,) = liquidation_volatility(ranked, document_of(ranked))
    assert (
        found.reason == vol.reason == "the method states no maintenance requirement of the account"
    )


def test_LIQP_044_volatility_liquidates_who_sold_options() -> None:
    case = case_of("paradex-pm", 350.0, {"ETH-31JUL26-100-C": -5.0, "ETH-31JUL26-100-P": -5.0})
    (found,) = liquidation_volatility(case, document_of(case))
    assert found.liquidation_below is None
    assert found.liquidation_above is not None
    assert 1 < found.liquidation_above < 10
    document = document_of(case)
    at = verdict_of(case, document, volatility=float(found.liquidation_above))
    step = Decimal("0.000001")
    before = verdict_of(case, document, volatility=float(found.liquidation_above - step))
    assert at is not None
    assert before is not None
    assert (at[0], before[0]) == (True, False)
    assert found.words[0] == (
        f"the account is liquidated with volatilities at {found.liquidation_above} times and above"
    )
    bought = case_of("paradex-pm", -120.0, {"ETH-31JUL26-100-C": 10.0, "ETH-31JUL26-100-P": 10.0})
    (found,) = liquidation_volatility(bought, document_of(bought))
    assert found.liquidation_below is not None
    assert found.liquidation[0].direction == "falling"
    safe = case_of("paradex-pm", 1e6, {"ETH-31JUL26-100-C": -1.0})
    (found,) = liquidation_volatility(safe, document_of(safe))
    assert found.words[0] == (
        "at no multiple of the volatilities between 0.100000 and 10.000000 is the account liquidated"
    )
    for reach in (1.0, float("inf")):
        with pytest.raises(InputError, match="METH-E05"):
            liquidation_volatility(safe, document_of(safe), reach=reach)


@settings(max_examples=15, deadline=None)
@given(books(OPTION_METHODS))
def test_LIQP_045_the_verdict_flips_at_every_published_multiplier(case: Any) -> None:
    (found,) = liquidation_volatility(case, document_of(case))
    step = Decimal("0.000001")
    for place, roots in enumerate((found.liquidation, found.bankruptcy)):
        for root in roots:
            away = step if root.direction == "falling" else -step
            at = verdict_of(case, document_of(case), volatility=float(root.price))
            before = verdict_of(case, document_of(case), volatility=float(root.price + away))
            assert at is not None
            assert before is not None
            assert (at[place], before[place]) == (True, False)
