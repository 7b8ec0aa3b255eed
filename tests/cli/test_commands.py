"""The commands as a script calls them: real processes, real exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from steelyard.engine.cadence import KINDS

DEMO = ["demo", "--accounts", "population:400", "--minutes", "3", "--speed", "max", "--json"]


def steelyard(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steelyard.cli.app", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240)


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout, parse_float=Decimal)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder in which a small simulated venue has run, and its report."""
    folder = tmp_path_factory.mktemp("venue")
    done = steelyard(*DEMO, "--journal", "venue.journal", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, answer(done)


def test_CLIC_001_a_run_reports_what_scripts_read(venue: tuple[Path, dict[str, Any]]) -> None:
    report = venue[1]
    assert report["accounts"] == 400
    assert report["ticks"] > 10_000
    assert report["instruments"] > 150
    assert report["margin_calls"] >= report["partial_reductions"] > 0
    assert report["full_liquidations"] > 0
    for name in ("bad_debt", "insurance_fund"):
        assert isinstance(report[name], Decimal)
        assert report[name].as_tuple().exponent == -6
    assert len(bytes.fromhex(report["state_hash"])) == 32
    assert report["ticks_per_second"] > 0
    assert set(report["tick_to_decision_us"]) == {"p50", "p99", "max"}
    assert set(report["cadence"]) == {*KINDS, "mark_age"}
    assert report["cadence"]["margin"]["runs"] > 0
    assert report["journal_flush_us"]["flushes"] > 0
    assert report["sums_are_zero"] is True


def test_CLIC_002_the_same_hash_live_and_replayed_for_any_number_of_shards(
    venue: tuple[Path, dict[str, Any]],
) -> None:
    folder, report = venue
    live = steelyard(*DEMO, "--journal", "eight.journal", "--shards", "8", cwd=folder)
    assert answer(live)["state_hash"] == report["state_hash"]
    for shards in ("1", "2", "8"):
        done = steelyard("replay", "venue.journal", "--shards", shards, "--json", cwd=folder)
        assert done.returncode == 0
        replayed = answer(done)
        assert replayed["is_identical"] is True
        assert replayed["state_hash"] == report["state_hash"]
        assert replayed["outcomes_checked"] > 0


def test_CLIC_003_a_flipped_byte_is_found_and_what_stands_before_it_kept(
    venue: tuple[Path, dict[str, Any]],
) -> None:
    folder = venue[0]
    for suffix in ("", ".seal"):
        shutil.copy(folder / f"venue.journal{suffix}", folder / f"hurt.journal{suffix}")
    with (folder / "hurt.journal").open("r+b") as file:
        file.seek(file.seek(0, 2) // 2)
        place = file.tell()
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    done = steelyard("replay", "hurt.journal", "--verify", "--json", cwd=folder)
    assert done.returncode == 4
    found = answer(done)["bytes"]
    assert found["is_sound"] is False
    kept = steelyard("replay", "hurt.journal", "--salvage", "kept.journal", "--json", cwd=folder)
    assert answer(kept)["salvage"]["records_copied"] == found["last_good_position"] > 0
    assert steelyard("replay", "kept.journal", "--verify", cwd=folder).returncode == 0


def check_sums(node: dict[str, Any]) -> int:
    """Check every branch of an explanation; return how many there were."""
    if not node["children"]:
        return 0
    assert sum(child["amount"] for child in node["children"]) == node["amount"], node["name"]
    return 1 + sum(check_sums(child) for child in node["children"])


def test_CLIC_004_an_explanation_adds_up(venue: tuple[Path, dict[str, Any]]) -> None:
    done = steelyard("explain", "--journal", "venue.journal", "--json", cwd=venue[0])
    assert done.returncode == 0, done.stderr
    told = answer(done)
    assert told["margin_ratio"] < 1
    assert told["buffer"] == told["maintenance_balance"] - told["maintenance_requirement"] < 0
    assert sum(check_sums(tree) for tree in told["trees"]) >= 6
    assert told["trees"][0]["amount"] == told["buffer"]
    assert any(line["kind"] == "close" for line in told["story"])
    text = steelyard("explain", told["unit"], "--journal", "venue.journal", cwd=venue[0])
    assert "liquidatable" in text.stdout


@pytest.mark.parametrize(("entry", "equity", "code"), [("4100", "5900", 0), ("4400", "-100", 1)])
def test_CLIC_005_the_margin_of_a_file(tmp_path: Path, entry: str, equity: str, code: int) -> None:
    (tmp_path / "book.csv").write_text(
        "account,mode,kind,name,quantity,entry_price\n"
        "desk,cross,balance,USDC,900,\n"
        f"desk,cross,position,ETH_USDC-PERPETUAL,20,{entry}\n"
    )
    done = steelyard("margin", "book.csv", "--json", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    report = answer(done)
    assert report["units"][0]["equity"] == Decimal(equity)
    assert report["below_requirement"] == (["desk"] if code else [])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["margin", "book.csv"], ("FEED-E", "book.csv", "row 1", "quantity", "cure")),
        (["margin", "gone.csv"], ("FEED-E01", "gone.csv", "cure")),
        (["run", "--market", "x", "--from", "noon", "--to", "x"], ("CLIC-E01", "field from")),
        (["demo", "--speed", "-1"], ("CLIC-E02", "speed")),
        (["demo", "--law", "chaos"], ("CLIC-E03", "law")),
        (["explain"], ("CLIC-E04", "journal")),
        (["replay", "gone.journal"], ("JOUR-E", "gone.journal")),
    ],
)
def test_CLIC_006_bad_input_names_place_rule_and_cure(
    tmp_path: Path, arguments: list[str], names: tuple[str, ...]
) -> None:
    (tmp_path / "book.csv").write_text(
        "account,mode,kind,name,quantity\ndesk,cross,balance,USDC,nan\n"
    )
    done = steelyard(*arguments, "--json", cwd=tmp_path)
    assert done.returncode == (4 if arguments[0] == "replay" else 2)
    for name in names:
        assert name in done.stderr
    error = answer(done)["error"]
    assert error["code"] in done.stderr
    assert error["rule"]
    assert error["cure"]
    assert "Traceback" not in done.stderr


def test_CLIC_007_a_journal_is_never_overwritten(venue: tuple[Path, dict[str, Any]]) -> None:
    before = (venue[0] / "venue.journal").read_bytes()
    done = steelyard(*DEMO, "--journal", "venue.journal", cwd=venue[0])
    assert done.returncode == 4
    assert "JOUR-E" in done.stderr
    assert (venue[0] / "venue.journal").read_bytes() == before


def test_CLIC_008_the_doctor_says_whether_the_machine_is_fit(tmp_path: Path) -> None:
    done = steelyard("doctor", "--json", cwd=tmp_path)
    report = answer(done)
    assert report["is_fit"] is (done.returncode == 0)
    assert {check["check"] for check in report["checks"]} >= {"exact kernels", "journal", "python"}
    assert list(tmp_path.iterdir()) == []
