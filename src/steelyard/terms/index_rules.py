"""Rules of the index and the mark, and how they are checked.

- quorum: quorum_sources sources of quorum_operators operators must agree, and hold more than quorum_weight_ppm of
  the weight that is listed: a few that speak alone are no quorum.
- independence: no operator, with all that resells it, weighs more than operator_share_ppm_max.
- agreement: a source agrees with the index if it is no further from it than agreement_ppm plus its stated
  confidence plus the drift of its age (volatility_rules).
- jumps: an index that jumps by more than jump_ppm is believed after jump_hold_us of agreement, unless all sources
  were silent for jump_reference_us before; beyond price_jump_factor never by itself.
- resume_us: sources that did not agree must agree for so long before liquidations go on.
- age: an index older than age_free_us raises the initial requirement by the drift of its age, at most age_ppm_max
  of the notional.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from steelyard.quantities import PPM
from steelyard.terms.checks import DAY_US, HOUR_US, MINUTE_US, Rules

Averaging = Literal["last", "twap", "vwap"]


class IndexRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one asset; times in microseconds, shares in parts per million.

    averaging: what a source says: its last price, or its time- or volume-weighted average over
    averaging_window_us. depeg_ppm: how far a quote currency may stand from one USD. basis_stale_us:
    without quotes for so long the basis decays. settlement_window_us: expiries settle at the average of so long.
    funding_interval_us: 0 for funding that comes from outside; rate a interval = premium + clamp(interest −
    premium, ±damper), within ±limit.
    """

    quorum_sources: int
    quorum_operators: int
    quorum_weight_ppm: int
    operator_share_ppm_max: int
    agreement_ppm: int
    confidence_ppm_max: int
    price_jump_factor: float
    jump_ppm: int
    jump_hold_us: int
    jump_reference_us: int
    resume_us: int
    age_free_us: int
    age_ppm_max: int
    depeg_ppm: int
    averaging: Averaging
    averaging_window_us: int
    basis_bound_ppm: int
    basis_smoothing_us: int
    basis_stale_us: int
    settlement_window_us: int
    funding_interval_us: int
    funding_interest_ppb: int
    funding_damper_ppb: int
    funding_limit_ppb: int


def index_checks(rules: IndexRules, field: str) -> Rules:
    """Return the rules of quorum, agreement, jumps, age, basis, settlement and funding."""
    r = rules

    def within(name: str, low: int, high: int, words: str) -> tuple[bool, str, str]:
        return low <= getattr(r, name) <= high, f"{field}.{name}", words

    return [
        within("quorum_sources", 1, 100, "between 1 and 100"),
        (
            1 <= r.quorum_operators <= r.quorum_sources,
            f"{field}.quorum_operators",
            "at least one, at most one a source",
        ),
        within("quorum_weight_ppm", 0, PPM - 1, "a share in [0, 1)"),
        within("operator_share_ppm_max", 1, PPM, "a share in (0, 1]"),
        within("agreement_ppm", 1, PPM // 4, "above zero, at most 25 %"),
        within("confidence_ppm_max", 1, PPM // 2, "above zero, at most 50 %"),
        (
            1 < r.price_jump_factor <= 1_000,
            f"{field}.price_jump_factor",
            "above 1, at most 1,000",
        ),
        (
            0 < r.jump_ppm < (r.price_jump_factor - 1) * PPM,
            f"{field}.jump_ppm",
            "above zero and below the absurd jump",
        ),
        within("jump_hold_us", 0, MINUTE_US, "at most a minute"),
        (
            r.jump_hold_us <= r.jump_reference_us <= HOUR_US,
            f"{field}.jump_reference_us",
            "not below jump_hold_us, at most an hour",
        ),
        within("resume_us", 0, MINUTE_US, "at most a minute"),
        within("age_free_us", 0, HOUR_US, "at most an hour"),
        within("age_ppm_max", 0, PPM, "a share in [0, 1]"),
        within("depeg_ppm", 1, PPM // 2, "above zero, at most 50 %"),
        within("averaging_window_us", 1, HOUR_US, "above zero, at most an hour"),
        within("basis_bound_ppm", 0, PPM // 2, "at most 50 %"),
        within("basis_smoothing_us", 1, DAY_US, "at most a day"),
        within("basis_stale_us", 1, DAY_US, "above zero, at most a day"),
        within("settlement_window_us", 0, DAY_US, "at most a day"),
        (
            r.funding_interval_us == 0 or MINUTE_US <= r.funding_interval_us <= DAY_US,
            f"{field}.funding_interval_us",
            "0, or between a minute and a day",
        ),
        within("funding_interest_ppb", -(10**7), 10**7, "at most one per cent an interval"),
        within("funding_damper_ppb", 0, 10**7, "at most one per cent"),
        within("funding_limit_ppb", 0, 50_000_000, "at most five per cent an interval"),
    ]
