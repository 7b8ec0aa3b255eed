"""Recording live feeds, replaying them bit for bit, and running an engine over them."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest

from steelyard.book import INSURANCE_FUND
from steelyard.cli import feeds_board, feeds_record
from steelyard.cli.feeds_board import Board
from steelyard.cli.feeds_record import replay_recording
from steelyard.cli.serve_market import Driven, driven
from steelyard.cli.serve_options import with_options
from steelyard.publish import Tally
from steelyard.service.config import parse_config
from steelyard.terms import load_method
from steelyard.ticks import encode_event
from steelyard.ticks.events import Event, TimeTick
from tests.cli.feeds_roles import config_of, document, quick, served, steelyard, venues
from tests.support.live_venues import coinbase, steady

Fixtures = tuple[pytest.MonkeyPatch, pytest.CaptureFixture[str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fixtures:
    quick(monkeypatch)
    return monkeypatch, capsys


class Watched(Board):
    """A board that keeps every event as bytes."""

    made: ClassVar[list[list[bytes]]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        kept: list[bytes] = []
        self.made.append(kept)

        def keep(event: Event) -> None:
            if not isinstance(event, TimeTick):
                kept.append(encode_event(event))

        self.on_event = keep


def recorded(
    here: Fixtures, folder: Path, seconds: float = 1.2, **changed: Any
) -> tuple[Path, Any]:
    """Record the venues for a while; return the document and the report."""
    with served(**venues(**changed)) as servers:
        path = document(folder, servers)
        done = steelyard(
            *here, "feeds", "record", path, "--out", folder / "tape", "--seconds", seconds, "--json"
        )
    assert done.code == 0, done.err
    return path, done.answer


def test_FCLI_030_a_recording_replays_to_the_same_events_bit_for_bit(
    here: Fixtures, tmp_path: Path
) -> None:
    here[0].setattr(feeds_record, "Board", Watched)
    Watched.made.clear()
    # One venue is cut and comes back: what no frame holds has to be in the recording as well.
    path, report = recorded(here, tmp_path, coinbase=coinbase(steady(60_000.0, 1.0), lives=10))
    done = steelyard(*here, "feeds", "replay", tmp_path / "tape", "--config", path, "--json")
    assert done.code == 0
    replayed = done.answer
    live, again = Watched.made
    assert len(live) > 50
    assert live == again
    for field in ("events_digest", "prices", "events", "indices", "marks"):
        assert replayed[field] == report[field], field
    assert replayed["is_same_session"] is True
    counts = replayed["events_by_type"]
    assert counts["BookTick"] > 0
    assert counts["PriceBatch"] > 0
    assert counts["SourceStatus"] > 8
    assert replayed["marks"][0]["instrument"] == "BTC_USDC-PERPETUAL"
    assert report["connections"][0]["errors"] == {"CONN-E03": 1}
    assert (tmp_path / "tape" / "feeds.toml").read_bytes() == path.read_bytes()


def test_FCLI_031_a_recording_is_never_added_to_and_damage_is_told(
    here: Fixtures, tmp_path: Path
) -> None:
    path, report = recorded(here, tmp_path, seconds=0.6)
    tape = tmp_path / "tape"
    again = steelyard(*here, "feeds", "record", path, "--out", tape, "--seconds", 0.1, "--json")
    assert (again.code, again.answer["error"]["code"]) == (2, "FCLI-E02")
    (file,) = (tape / name for name in report["files"])
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])  # as after a crash
    cut = steelyard(*here, "feeds", "replay", tape, "--config", path, "--json")
    assert (cut.code, cut.answer["cut_at_the_end"], cut.answer["damage"]) == (0, 1, 0)
    hurt = bytearray(whole)
    hurt[len(whole) // 2] ^= 0x55
    file.write_bytes(hurt)
    damaged = steelyard(*here, "feeds", "replay", tape, "--config", path, "--json")
    assert (damaged.code, damaged.answer["damage"]) == (4, 1)
    assert damaged.answer["prices"] > 0
    file.write_bytes(b"")
    empty = steelyard(*here, "feeds", "replay", tape, "--config", path, "--json")
    assert (empty.code, empty.answer["events"]) == (0, 0)
    nothing = steelyard(*here, "feeds", "replay", tmp_path / "none", "--config", path, "--json")
    assert (nothing.code, nothing.answer["error"]["code"]) == (2, "RAWL-E01")


def test_FCLI_032_a_recording_of_another_recorder_gives_an_event_a_frame(
    here: Fixtures, tmp_path: Path
) -> None:
    with served(**venues()) as servers:
        path = document(tmp_path, servers)
    text = tmp_path / "coinbase.txt"
    frame = ('{"type":"match","trade_id":%d,"sequence":%d,"side":"sell","product_id":"BTC-USD",'
             '"time":"2026-01-05T08:00:%02d.000000Z","size":"0.5","price":"60000"}')  # fmt: skip
    lines = [f"17676000{n:02}.5: {frame % (n, n, n)}" for n in range(1, 6)]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    board, report = replay_recording(text, config_of(path), tmp_path, load_method(None))
    assert report["is_same_session"] is False
    assert report["prices"] == 5
    assert board.heard["coinbase", "BTC"].prices == 5
    text.write_text(lines[0] + "\n", encoding="utf-8")
    strange = text.rename(tmp_path / "strange.txt")
    done = steelyard(*here, "feeds", "replay", strange, "--config", path, "--json")
    assert (done.code, done.answer["error"]["code"]) == (2, "FCLI-E05")


def run_live(here: Fixtures, folder: Path, *options: object) -> Any:
    with served(**venues()) as servers:
        path = document(folder, servers)
        return steelyard(
            *here, "run", "--live", path, "--accounts", "population:50", "--journal",
            folder / "live.journal", "--json", *options,
        )  # fmt: skip


def test_FCLI_040_an_engine_runs_over_live_feeds_and_its_journal_replays(
    here: Fixtures, tmp_path: Path
) -> None:
    done = run_live(here, tmp_path, "--for", 1.2, "--record", tmp_path / "tape")
    assert done.code == 0, done.err
    report = done.answer
    assert report["accounts"] == 50
    assert report["instruments"] == 1
    assert report["refused"] == {}
    assert report["ticks"] > 10
    assert report["protected"] == []
    assert report["is_interrupted"] is False
    again = steelyard(*here, "replay", tmp_path / "live.journal", "--verify", "--json")
    assert again.code == 0
    assert again.answer["state_hash"] == report["state_hash"]
    tape = steelyard(
        *here, "feeds", "replay", tmp_path / "tape", "--config", tmp_path / "feeds.toml", "--json"
    )
    assert tape.answer["prices"] > 10


def test_FCLI_041_ctrl_c_ends_it_with_a_report_and_a_snapshot(
    here: Fixtures, tmp_path: Path
) -> None:
    alarm = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    before = threading.active_count()
    alarm.start()
    try:
        done = run_live(here, tmp_path, "--for", 30)
    finally:
        alarm.cancel()
        alarm.join()
    assert done.code == 0, done.err
    assert done.answer["is_interrupted"] is True
    assert threading.active_count() <= before
    again = steelyard(*here, "replay", tmp_path / "live.journal", "--verify", "--json")
    assert again.answer["state_hash"] == done.answer["state_hash"]


def test_FCLI_043_a_service_goes_on_with_the_journal_of_live_feeds(
    here: Fixtures, tmp_path: Path
) -> None:
    def begun(servers: Any) -> Driven:
        feeds = document(tmp_path, servers)
        text = f'[market]\nkind = "live"\nfeeds = "{feeds}"\n[accounts]\nsource = "population:50"\n'
        return driven(
            with_options(parse_config(text, {}), journal=tmp_path / "v.journal"), said.append
        )

    def known(engine: Any) -> tuple[Any, ...]:
        market = engine.market
        fund = engine.balance(INSURANCE_FUND, 0)
        return list(market.assets), list(market.instruments), sorted(engine.places), fund

    said: list[str] = []
    with served(**venues()) as servers:
        first = begun(servers)
        first.close()
        first.journaled.snapshot()
        first.journaled.close()
        again = begun(servers)
        again.close()
        engine = again.journaled.engine
        assert engine.seq > first.journaled.engine.seq
        assert known(engine) == known(first.journaled.engine)
        assert engine.balance(INSURANCE_FUND, 0) > 0
        assert engine.market.index_price(1) > 0.0
        assert engine.market.time_us > first.journaled.engine.market.time_us
        assert vars(again.tally) == vars(Tally())  # the host reads what was, from the journal
        again.journaled.snapshot()
        again.journaled.close()
    assert any("going on with" in line for line in said)
    assert sum("generating" in line for line in said) == 1
    replayed = steelyard(*here, "replay", tmp_path / "v.journal", "--verify", "--json")
    assert replayed.code == 0, replayed.err


def test_FCLI_042_without_a_price_it_ends_as_stale_and_options_of_recordings_are_refused(
    here: Fixtures, tmp_path: Path
) -> None:
    from steelyard.cli import run_live as module

    here[0].setattr(module, "FIRST_PRICE_WAIT_US", 300_000)
    with served(**venues()) as servers:
        path = document(tmp_path, servers)
    done = steelyard(*here, "run", "--live", path, "--json", "--journal", tmp_path / "j")
    assert (done.code, done.answer["error"]["code"]) == (3, "FCLI-E06")
    assert not (tmp_path / "j").exists()
    done = steelyard(*here, "run", "--live", path, "--speed", 2, "--json")
    assert (done.code, done.answer["error"]["code"]) == (2, "FCLI-E07")
    done = steelyard(*here, "run", "--json")
    assert (done.code, done.answer["error"]["code"]) == (2, "CLIC-E08")
    assert feeds_board.require_extra() is None
