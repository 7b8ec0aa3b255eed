"""What the page's own unit tests prove, criterion by criterion: they are run once and read here."""

from __future__ import annotations

from typing import Protocol


class UnitTests(Protocol):
    def prove(self, code: str) -> None: ...


def test_PAGE_010_answers_find_their_questions_by_id(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-010")


def test_PAGE_011_a_call_that_is_not_answered_in_time_fails(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-011")


def test_PAGE_012_a_lost_connection_comes_back_after_a_growing_wait(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-012")


def test_PAGE_013_a_silent_connection_is_replaced(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-013")


def test_PAGE_014_a_gap_begins_the_channel_anew(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-014")


def test_PAGE_015_every_wanted_channel_begins_anew(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-015")


def test_PAGE_016_a_channel_that_may_not_be_read_stops_no_other(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-016")


def test_PAGE_017_any_number_of_messages_make_five_renders(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-017")


def test_PAGE_018_a_login_code_leaves_the_address(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-018")


def test_PAGE_019_a_refresh_token_is_used_once(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-019")


def test_PAGE_020_the_conditions_are_told_apart(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-020")


def test_PAGE_021_changes_are_put_into_the_state_before(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-021")


def test_PAGE_022_the_instant_stands_in_the_address(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-022")


def test_PAGE_023_the_past_is_cut_at_the_instant(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-023")


def test_PAGE_030_changes_make_the_columns_of_a_snapshot(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-030")


def test_PAGE_031_the_order_is_stable(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-031")


def test_PAGE_032_filters_show_what_they_name(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-032")


def test_PAGE_033_the_nearest_are_the_first_of_all(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-033")


def test_PAGE_040_numbers_are_written_as_people_read_them(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-040")


def test_PAGE_041_text_has_contrast_in_both_themes(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-041")


def test_PAGE_042_every_page_has_one_path(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-042")
