"""10 October 2025, 21:10 to 21:20: whom each way to make an index would have liquidated, out of one population."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.replays import scenes
from tests.replays.figures import compare, errors, held_assets, was_protected
from tests.replays.scenes import ACCOUNTS, Crash
from tests.replays.speakers import BESIDE, COINS
from tests.replays.stage import Performance

Scene = Callable[[Path], Performance]


@pytest.fixture(scope="module")
def folder(market_data: Path) -> Path:
    """Return the folder of the recording."""
    if not (market_data / "oct10_2025").is_dir():
        pytest.skip("no recording of 10 October 2025")
    return market_data


@pytest.fixture(scope="module")
def crash(folder: Path) -> Crash:
    """Return the ten minutes: who spoke, and the accounts."""
    return scenes.crash(folder)


def test_OCTB_005_nobody_is_liquidated_on_a_protected_asset(folder: Path) -> None:
    for scene in (scenes.by_ours, scenes.by_ours_beside):
        closings = scene(folder).closings
        assert len(closings) > 500
        assert not [closing for closing in closings if closing.was_protected]


def test_OCTB_006_ours_liquidates_nobody_wrongfully_and_misses_none_on_trusted_assets(
    folder: Path, crash: Crash
) -> None:
    due, ours = scenes.by_median(folder), scenes.by_ours(folder)
    held = {each.account: [p.instrument for p in each.positions] for each in crash.accounts}
    found = compare(due, ours)
    assert len(crash.accounts) == ACCOUNTS
    assert found.due > 100
    assert found.wrongful == []
    for account, at_us in due.liquidated.items():
        late_us = ours.liquidated.get(account, at_us + 1) - at_us
        if late_us > 0:
            assert was_protected(ours, held_assets(ours, held, account), at_us), account
    assert 3 * len(found.missed) < found.due
    assert min(found.late_s) == 0.0
    assert found.late_s[len(found.late_s) // 2] == 0.0


@pytest.mark.parametrize("venue", ["coinbase", "gemini"])
def test_OCTB_007_a_single_venue_liquidates_wrongfully_or_misses_more(
    folder: Path, venue: str
) -> None:
    due = scenes.by_median(folder)
    alone, ours = compare(due, scenes.by_venue(folder, venue)), compare(due, scenes.by_ours(folder))
    assert len(alone.wrongful) > 5 or len(alone.missed) > len(ours.missed)
    assert alone.late_s[0] < -10.0  # liquidated before the median of the venues said so


@pytest.mark.parametrize(
    ("scene", "least", "error"),
    [(scenes.by_derivative, 30, 0.5), (scenes.by_volume, 20, 0.4)],
    ids=["coin-margined alone", "mean by volume"],
)
def test_OCTB_008_what_follows_the_coin_margined_perpetuals_liquidates_many_wrongfully(
    folder: Path, crash: Crash, scene: Scene, least: int, error: float
) -> None:
    run = scene(folder)
    assert len(compare(scenes.by_median(folder), run).wrongful) >= least
    worst = max(errors(run, coin, crash.spot[coin]).worst for coin in BESIDE)
    assert worst > error


def test_OCTB_009_as_one_source_among_others_they_cannot_carry_the_index_away(
    folder: Path, crash: Crash
) -> None:
    beside, naive = scenes.by_ours_beside(folder), scenes.by_volume(folder)
    for coin in BESIDE:
        ours = errors(beside, coin, crash.spot[coin]).worst
        assert ours < 0.06
        assert ours < errors(naive, coin, crash.spot[coin]).worst
    due = scenes.by_median(folder)
    many = compare(due, naive).wrongful
    assert 4 * len(compare(due, beside).wrongful) < len(many)
    for coin in COINS:
        assert errors(scenes.by_ours(folder), coin, crash.spot[coin]).worst < 2e-5
