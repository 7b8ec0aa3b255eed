"""Shared by all tests: how hard hypothesis looks, and where recorded markets lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# The default run is the same on every machine; `STEELYARD_HYPOTHESIS=thorough` looks further,
# with new examples each time. A failure it finds becomes a named test before it is mended.
settings.register_profile(
    "default",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    settings.get_profile("default"),
    derandomize=False,
    max_examples=5_000,
    print_blob=True,
)
settings.load_profile(os.environ.get("STEELYARD_HYPOTHESIS", "default"))


@pytest.fixture(scope="session")
def market_data() -> Path:
    """Return the folder of recorded markets, or skip: no test may need it to be there.

    `STEELYARD_DATA` names the folder; without it, `../shared/data` beside the checkout is tried.
    """
    named = os.environ.get("STEELYARD_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if named and not folder.is_dir():
        pytest.fail(f"STEELYARD_DATA names {folder}, which is not a folder")
    if not folder.is_dir():
        pytest.skip(f"no recorded markets at {folder}; set STEELYARD_DATA to their folder")
    return folder
