"""The fault matrix of implied volatilities and of funding."""

from __future__ import annotations

import pytest

from steelyard.quantities import InputError
from steelyard.ticks import Funding
from tests.faults.cells import CANNOT_OCCUR, Cell, every_cell, seeds
from tests.faults.funding import SPEAKERS, judge_funding
from tests.faults.stage import BTC_LINEAR, opened
from tests.faults.volatilities import judge_volatility
from tests.faults.words import SECOND_US, START_US, Word

VOLATILITY = [c for c in every_cell() if c.target == "volatility" and c not in CANNOT_OCCUR]
FUNDING = [c for c in every_cell() if c.target == "funding" and c not in CANNOT_OCCUR]


@pytest.mark.parametrize("cell", VOLATILITY, ids=str)
def test_FALT_005_faulty_fitters_liquidate_nobody_who_is_safe(cell: Cell) -> None:
    for seed in seeds():
        assert judge_volatility(cell, seed).events > 50


@pytest.mark.parametrize("cell", FUNDING, ids=str)
def test_FALT_006_faulty_quotes_move_mark_and_funding_within_their_bounds(cell: Cell) -> None:
    for seed in seeds():
        assert judge_funding(cell, seed).events > 100


def test_FALT_006_funding_beyond_its_bound_or_on_a_protected_asset_is_refused() -> None:
    clerk = opened({"BTC": ()})
    rate = 50_000_000
    for wrong in (rate + 1, -rate - 1, 10 * rate):
        with pytest.raises(InputError) as caught:
            clerk.send(Funding, START_US, BTC_LINEAR.name, wrong)
        assert caught.value.code == "TICK-E03"
    with pytest.raises(InputError) as caught:
        clerk.send(Funding, START_US + SECOND_US, BTC_LINEAR.name, rate)
    assert caught.value.code == "ADMT-E07"


def test_FALT_006_funding_sent_twice_under_one_number_is_refused() -> None:
    clerk = opened({"BTC": SPEAKERS})
    for one in SPEAKERS:
        clerk.say("BTC", Word(START_US, START_US, one.name, 100_000.0))
    clerk.send(Funding, START_US, BTC_LINEAR.name, 1_000)
    clerk.number -= 1
    with pytest.raises(InputError) as caught:
        clerk.send(Funding, START_US, BTC_LINEAR.name, 1_000)
    assert caught.value.code == "ADMT-E02"
