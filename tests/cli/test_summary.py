"""The report at the end of a session on the terminal."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from steelyard.cli.history import History
from steelyard.cli.run import build_report
from steelyard.cli.session import Session
from steelyard.cli.summary import print_summary
from tests.cli.test_history import falling_session, run_through

Finished = tuple[Session, dict[str, Any]]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    session = falling_session(tmp_path_factory.mktemp("finished"))
    history = History(session)
    run_through(session, history)
    digest = session.finish()
    report = build_report(session, "falling market", digest, history.fund_micro_before, False)
    session.journaled.close()
    return session, report | history.facts()


def printed(session: Session, report: dict[str, Any], width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_summary(console, report, session)
    return console.file.getvalue()  # type: ignore[attr-defined]


def value_of(text: str, words: str) -> str:
    found = re.search(rf"^ +{words}  +(.*?) *$", text, re.MULTILINE)
    assert found, words
    return found[1]


def amount(text: str, words: str) -> Decimal:
    return Decimal(value_of(text, words).removesuffix(" USDC").replace(",", "").replace("−", "-"))


@pytest.mark.parametrize("width", [80, 120, 160])
def test_VIEW_020_no_line_is_wider_than_the_terminal(finished: Finished, width: int) -> None:
    text = printed(*finished, width)
    # A command stays in one piece, so that it can be copied.
    lines = [line for line in text.splitlines() if not line.startswith("  steelyard ")]
    assert max(cell_len(line) for line in lines) <= width
    assert finished[1]["state_hash"][:20] in text


def test_VIEW_020_accounts_hit_and_their_share(finished: Finished) -> None:
    session, report = finished
    text = printed(session, report)
    assert value_of(text, "margin calls").startswith(f"{len(session.tally.margin_called)} ")
    assert "77.78% of all accounts" in value_of(text, "margin calls"), "7 of 9"
    liquidated = len(session.tally.liquidated)
    assert value_of(text, "full liquidations").startswith(f"{liquidated} ")
    assert f"{liquidated / 9:.2%}" in value_of(text, "full liquidations")


def test_VIEW_020_money_is_that_of_the_session(finished: Finished) -> None:
    session, report = finished
    text = printed(session, report)
    cents = Decimal("0.01")
    for words, micro in (
        ("insurance fund before", 1_000_000 * 10**6),
        ("insurance fund after", session.fund_micro()),
        ("fund draws", session.tally.fund_draws),
        ("bad debt", session.tally.bad_debt),
        ("not covered", session.tally.bad_debt_uncovered),
        ("paid by the fund", session.tally.bad_debt - session.tally.bad_debt_uncovered),
    ):
        assert abs(amount(text, words) - Decimal(micro) / 10**6) <= cents / 2, words
    assert session.tally.bad_debt > 0
    assert amount(text, "closed notional") == report["closed_notional"].quantize(cents)
    assert value_of(text, "sums are zero") == "yes, proven at the end"
    assert value_of(text, "closes") == f"{session.tally.closes:,}"


def test_VIEW_020_times_hash_and_journal(finished: Finished) -> None:
    session, report = finished
    text = printed(session, report)
    measured = session.engine.stopwatch.quantiles_us()
    assert f"p50 {measured['p50']:.0f} µs" in value_of(text, "tick to decision") or (
        f"p50 {measured['p50'] / 1000:.2f} ms" in value_of(text, "tick to decision")
    )
    assert "flushes" in value_of(text, "journal flush")
    assert value_of(text, "state hash") == f"{report['state_hash']} at seq {session.engine.seq:,}"
    assert value_of(text, "journal") == str(session.journaled.path)
    rooms = re.findall(r"(\w+) (\d+)%", value_of(text, "share of each room"))
    assert 95 <= sum(int(share) for _, share in rooms) <= 105


def test_VIEW_020_largest_liquidations_are_listed(finished: Finished) -> None:
    session, report = finished
    text = printed(session, report)
    rows = text[text.index("Largest liquidations") :].splitlines()[1:6]
    for row, each in zip(rows, report["largest_liquidations"], strict=True):
        assert row.split()[:2] == [each["account"], each["instrument"]]
        assert f"{each['notional']:,.2f}" in row
    narrow = printed(session, report, 80)
    assert f"{report['largest_liquidations'][0]['quantity'].normalize():,f}" in narrow


def test_VIEW_021_commands_name_an_account_that_was_hit(finished: Finished) -> None:
    session, report = finished
    text = printed(session, report, 80)
    found = re.search(r"steelyard explain (\S+) --journal (\S+)", text)
    assert found
    assert found[1] in session.tally.liquidated
    assert found[2] == str(session.journaled.path)
    assert f"steelyard replay {session.journaled.path} --verify" in text


def test_VIEW_022_protected_assets_with_durations(finished: Finished) -> None:
    session, report = finished
    assert value_of(printed(session, report), "ETH").startswith(
        "15.0 s, once, first at 21:00:15.250"
    )
    calm = report | {"protected_spans": []}
    assert value_of(printed(session, calm), "none") == "every index kept its quorum"


def test_VIEW_022_report_without_facts_leaves_sections_out(finished: Finished) -> None:
    session, report = finished
    bare = {k: v for k, v in report.items() if "liquidation" not in k or k.startswith("full")}
    bare = {k: v for k, v in bare.items() if k not in ("protected_spans", "closed_notional")}
    text = printed(session, bare)
    assert "Largest liquidations" not in text
    assert "Protected assets" not in text
    assert "closed notional" not in text
    assert "Accounts hit" in text


def test_VIEW_034_nothing_heavy_is_loaded_with_the_terminal() -> None:
    code = (
        "import sys, steelyard.cli.history, steelyard.cli.live, steelyard.cli.summary\n"
        "print([m for m in ('matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
