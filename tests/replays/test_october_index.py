"""10 October 2025: the index of every coin with several independent spot sources, in the half hour of the fall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steelyard.feeds import open_market
from steelyard.marks.guard import TRUSTED
from tests.replays.figures import errors, lags
from tests.replays.speakers import (
    COINS,
    SECOND_US,
    Speaker,
    clock,
    heard,
    spot_median,
    spot_speakers,
)
from tests.replays.stage import Performance, house, perform

RULES = house().index_rules("default")
AGREEMENT = RULES.agreement_ppm / 1e6
ROUNDING = 2e-5
"""Half a step of the coarsest price scale of the coins, as a share of the price."""


@pytest.fixture(scope="module")
def half_hour(market_data: Path) -> tuple[Performance, dict[str, list[Speaker]]]:
    """Return what the index did from 21:05 to 21:35, and who spoke."""
    if not (market_data / "oct10_2025").is_dir():
        pytest.skip("no recording of 10 October 2025")
    market = open_market(market_data, clock(21, 5), clock(21, 35))
    speakers = spot_speakers(market, COINS)
    return perform(market, speakers, house()), speakers


@pytest.mark.parametrize("coin", COINS)
def test_OCTB_001_a_trusted_index_is_the_median_of_what_was_known(
    half_hour: tuple[Performance, dict[str, list[Speaker]]], coin: str
) -> None:
    run, speakers = half_hour
    assert errors(run, coin, speakers[coin]).worst < ROUNDING
    true = errors(run, coin, speakers[coin], by_exchange=True, least=2)
    assert true.p99 < 0.03
    assert true.worst < 0.10


def test_OCTB_002_while_trusted_a_fall_is_followed_at_the_instant_it_is_known(
    half_hour: tuple[Performance, dict[str, list[Speaker]]],
) -> None:
    run, speakers = half_hour
    every = [lag for coin in COINS for lag in lags(run, coin, speakers[coin])]
    trusted = [lag for lag in every if lag.is_trusted]
    assert len(every) > 120
    assert 2 * len(trusted) > len(every)
    assert all(lag.index_s is not None and lag.index_s <= lag.known_s for lag in trusted)


@pytest.mark.parametrize("coin", COINS)
def test_OCTB_003_every_protected_second_has_the_cause_it_names(
    half_hour: tuple[Performance, dict[str, list[Speaker]]], coin: str
) -> None:
    run, speakers = half_hour
    at_us = np.arange(run.from_us + SECOND_US, run.to_us, SECOND_US, dtype=np.int64)
    prices = np.array([heard(each, at_us) for each in speakers[coin]])
    fresh = np.isfinite(prices).sum(axis=0)
    median = spot_median(speakers[coin], at_us)
    near = np.sum(np.abs(prices / median - 1.0) <= AGREEMENT, axis=0)
    has_majority = (near >= 2) & (2 * near > fresh) & (2 * near > len(prices))
    conditions = np.array(run.condition_at(coin, at_us))
    assert set(conditions) <= {*TRUSTED, "no_quorum", "disagreement", "resuming", "jump", "unseen"}
    assert np.all(fresh[conditions == "no_quorum"] < 2)
    assert np.all(fresh[conditions == "disagreement"] >= 2)
    assert not np.any(has_majority[np.isin(conditions, ["no_quorum", "disagreement"])])
    assert np.all(fresh[np.isin(conditions, list(TRUSTED))] >= 2)
    assert np.any(np.isin(conditions, list(TRUSTED)))


@pytest.mark.parametrize("coin", COINS)
def test_OCTB_004_a_protected_asset_keeps_its_last_good_value(
    half_hour: tuple[Performance, dict[str, list[Speaker]]], coin: str
) -> None:
    run, _ = half_hour
    assert run.moved_in[coin] <= {*TRUSTED, "unseen"}
    assert len(run.indices[coin]) > 100
    conditions = {change.condition for _, change in run.conditions[coin]}
    assert "disagreement" in conditions
