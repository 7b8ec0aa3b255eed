"""Every event of these tests is followed by a check of all sums."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sums import check_after_every_event


@pytest.fixture(autouse=True)
def sums_hold() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        check_after_every_event(patch)
        yield
