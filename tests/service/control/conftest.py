"""One venue for all tests of a module that change little of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.control.roles import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("venue") / "venue.journal") as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "venue.journal") as found:
        yield found
