"""What the unit tests of the control client and of the page on parameters prove; and that its types are whole."""

from __future__ import annotations

from pathlib import Path

from tests.page.test_unit_tests import UnitTests
from tools import control_types


def test_PAGE_070_a_write_is_done_once(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-070")


def test_PAGE_071_a_token_is_renewed_once_and_problems_are_told(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-071")


def test_PAGE_072_what_has_not_changed_is_not_sent_again(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-072")


def test_PAGE_072_the_types_are_those_of_the_description(tmp_path: Path) -> None:
    assert control_types.main(["--check"]) == 0
    target = tmp_path / "control_wire.ts"
    assert control_types.main(["--check"], target) == 1
    assert control_types.main([], target) == 0
    assert control_types.main(["--check"], target) == 0
    target.write_text(target.read_text(encoding="utf-8").replace("since_us", "since", 1))
    assert control_types.main(["--check"], target) == 1


def test_PAGE_072_what_is_sent_may_leave_out_what_has_a_default() -> None:
    text = control_types.render()
    assert "  subject?: string | null;\n" in text  # of a halt that is asked for
    assert "  until_us: number | null;\n" in text  # of a halt that is told
    assert '  "POST /halts/{control}/resume": { body: Why; result: Done };\n' in text
    assert '  "/kill-switch": KillSwitch;\n' in text


def test_PAGE_073_parameters_are_a_tree_with_units(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-073")


def test_PAGE_074_new_values_fit_their_units(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-074")


def test_PAGE_075_orders_say_what_they_do_and_who_may_not_give_them(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-075")
