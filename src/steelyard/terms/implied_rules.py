"""Rules of implied volatilities as an input: when an update is believed, and what its age costs."""

from __future__ import annotations

import msgspec

from steelyard.quantities import PPM
from steelyard.terms.checks import DAY_US, Rules


class ImpliedRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one underlying. The level of an update is its median volatility.

    agreement_ppm: how far levels of several fitters may stand apart, as a share. jump_factor: a level beyond
    this multiple of the last believed one waits for a later update, hold_us after, that says so too;
    absurd_factor: beyond this it is never believed. stale_after_us: an older word of a fitter has no say.
    age_free_us: volatilities older than this raise the initial requirement of options, by age_ppm·√(age in
    hours) of the notional, at most age_ppm_max.
    """

    agreement_ppm: int
    jump_factor: float
    absurd_factor: float
    hold_us: int
    stale_after_us: int
    age_free_us: int
    age_ppm: int
    age_ppm_max: int


def implied_checks(rules: ImpliedRules, field: str) -> Rules:
    """Return the rules that the numbers of an underlying keep."""
    r = rules
    return [
        (0 < r.agreement_ppm <= PPM, f"{field}.agreement_ppm", "a share in (0, 1]"),
        (1 < r.jump_factor <= 100, f"{field}.jump_factor", "above 1, at most 100"),
        (
            r.jump_factor < r.absurd_factor <= 1_000,
            f"{field}.absurd_factor",
            "above jump_factor, at most 1,000",
        ),
        (0 <= r.hold_us <= DAY_US, f"{field}.hold_us", "at most a day"),
        (0 < r.stale_after_us <= 30 * DAY_US, f"{field}.stale_after_us", "at most 30 days"),
        (0 <= r.age_free_us <= 30 * DAY_US, f"{field}.age_free_us", "at most 30 days"),
        (0 <= r.age_ppm <= PPM, f"{field}.age_ppm", "a share in [0, 1]"),
        (0 <= r.age_ppm_max <= PPM, f"{field}.age_ppm_max", "a share in [0, 1]"),
    ]
