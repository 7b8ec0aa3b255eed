"""One journal for all tests of this folder that only read it."""

from __future__ import annotations

import pytest

from tests.service.rewind.journals import Played, play


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Return a journal of a falling market, written once."""
    return play(tmp_path_factory.mktemp("rewind") / "played.journal")
