"""Restarts after gaps of a second to eight hours, with jumps of up to a half."""

from __future__ import annotations

import pytest

from tests.faults.cells import seeds
from tests.faults.gaps import GAPS_S, JUMPS, RULES, restart
from tests.faults.words import SECOND_US

TURN_US = SECOND_US
"""In each second every source speaks once."""


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("gap_s", GAPS_S)
def test_FALT_007_INDX_019_after_a_gap_what_is_due_waits_for_a_quorum_and_no_longer(
    gap_s: int, jump: float
) -> None:
    for seed in seeds():
        seen = restart(gap_s, jump, seed)
        assert seen.due_us >= seen.quorum_us > 0
        lag_us = seen.due_us - seen.quorum_us
        is_remembered = gap_s * SECOND_US <= RULES.jump_reference_us
        held_us = RULES.jump_hold_us + RULES.resume_us + TURN_US if is_remembered else 0
        assert lag_us <= held_us, f"gap {gap_s} s, {jump:+.0%}, seed {seed}: {lag_us} µs"


@pytest.mark.parametrize("gap_s", GAPS_S)
def test_FALT_007_liars_who_speak_first_after_a_gap_touch_nobody(gap_s: int) -> None:
    for seed in seeds():
        for liars in (1, 2):
            seen = restart(gap_s, -0.2, seed, liars)
            held_us = RULES.jump_hold_us + RULES.resume_us + TURN_US
            assert 0 < seen.due_us <= seen.quorum_us + held_us
