"""What the unit tests of the pages on market health and liquidations prove."""

from __future__ import annotations

from tests.page.test_unit_tests import UnitTests


def test_PAGE_060_sources_stand_around_their_index(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-060")


def test_PAGE_061_the_nearest_liquidations_are_told(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-061")
