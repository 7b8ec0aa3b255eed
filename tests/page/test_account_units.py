"""What the unit tests of the account page prove: they are run once with the others and read here."""

from __future__ import annotations

from tests.page.test_unit_tests import UnitTests


def test_PAGE_100_amounts_are_summed_to_the_last_digit(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-100")


def test_PAGE_101_a_bar_begins_where_the_one_before_ended(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-101")


def test_PAGE_102_ranges_follow_from_turning_prices(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-102")


def test_PAGE_103_a_quantity_is_whole_lots(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-103")


def test_PAGE_104_legs_are_added_and_wait_until_whole(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-104")


def test_PAGE_105_the_most_is_found(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-105")


def test_PAGE_106_the_grid_is_laid_out(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-106")


def test_PAGE_107_the_first_danger_ahead_is_said(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-107")


def test_PAGE_108_want_of_credits_is_waited_out(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-108")


def test_PAGE_109_positions_state_their_share(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-109")


def test_PAGE_110_ratios_and_trades_stand_in_words(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-110")
