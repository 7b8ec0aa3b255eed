"""One served market for all tests of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.client.roles import Served, served


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve until the last test has ended."""
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found
