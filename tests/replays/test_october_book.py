"""10 October 2025: a published depth file whose bid froze, as the book of our perpetual."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replays.frozen_book import Seen, drive
from tests.replays.speakers import SECOND_US, clock
from tests.replays.stage import house

FROZEN_US = clock(15, 30, 42)
BOUND_PPB = 1_000 * house().index_rules("BTC").basis_bound_ppm


@pytest.fixture(scope="module")
def folder(market_data: Path) -> Path:
    """Return the folder of the recording."""
    if not (market_data / "oct10_2025").is_dir():
        pytest.skip("no recording of 10 October 2025")
    return market_data


def test_OCTB_013_a_frozen_book_moves_no_basis_and_the_model_answers_for_costs(
    folder: Path,
) -> None:
    seen = drive(folder, has_clock=False)
    sound = [each for each in seen if each.time_us < FROZEN_US]
    frozen = [each for each in seen if each.is_stale]
    assert (len(sound) > 150, len(frozen) > 100) == (True, True)
    assert frozen[0].time_us == FROZEN_US
    moved = [each for each in sound if each.basis_ppb != each.basis_before_ppb]
    assert 2 * len(moved) > len(sound)
    assert min(each.reliability for each in sound) > 0.9
    assert {each.books for each in sound} == {"own_books"}
    assert min(each.book_weight for each in sound) > 0.5
    assert all(each.basis_ppb == each.basis_before_ppb for each in frozen)
    assert {each.reliability for each in frozen} == {0.0}
    assert all("crossed" in each.faults for each in frozen)
    assert {(each.books, each.book_weight) for each in frozen} == {("none", 0.0)}
    assert {each.model for each in frozen} == {"linear"}
    # The file's rows between the frozen ones look sound, and are measured from a wrong mid: the bound holds.
    assert max(abs(each.basis_ppb) for each in seen) <= BOUND_PPB


def test_OCTB_014_while_the_book_is_frozen_the_basis_falls_back_to_zero(folder: Path) -> None:
    seen = drive(folder, has_clock=True)
    longest: list[Seen] = []
    run: list[Seen] = []
    for each in seen:
        run = [*run, each] if each.is_stale else []
        longest = max(longest, run, key=len)
    assert longest[-1].time_us - longest[0].time_us > 600 * SECOND_US
    assert longest[0].basis_ppb != 0
    sizes = [abs(each.basis_ppb) for each in longest]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0
