"""The survey: instants, marks and the span, against reading the whole journal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import pytest

from steelyard.actions import Closed, ProtectionChanged
from steelyard.engine.engine import KIND_EVENT, KIND_OUTCOMES
from steelyard.engine.replay import decode_outcomes
from steelyard.journal import JournalReader
from steelyard.service.rewind import survey as module
from steelyard.service.rewind.survey import Survey, seq_at
from steelyard.service.rewind.timeline import Timeline
from steelyard.service.rewind.worker import span_of
from steelyard.ticks import ParameterChange, decode_event
from tests.service.rewind.journals import Played, begun


def test_RWND_026_event_at_an_instant_is_the_last_one_not_after_it(played: Played) -> None:
    with JournalReader.open_reader(played.path) as reader:
        times = [
            (record.seq, decode_event(record.payload).time_us)
            for record in reader.read()
            if record.kind == KIND_EVENT
        ]
        draw = Random(1)
        asked = [t + d for _, t in draw.sample(times, 60) for d in (-1, 0, 1)]
        for time_us in [0, times[0][1] - 1, times[-1][1], 2**62, *asked]:
            wanted = max((seq for seq, at in times if at <= time_us), default=0)
            assert seq_at(reader, time_us) == wanted


def _plain(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    with JournalReader.open_reader(path) as reader:
        for record in reader.read():
            if record.kind == KIND_OUTCOMES:
                for each in decode_outcomes(record.payload):
                    if isinstance(each, Closed):
                        counts["liquidation" if each.is_full else "reduction"] += 1
                    elif isinstance(each, ProtectionChanged):
                        counts["protection"] += 1
    return counts


def _surveyed(reader: JournalReader, records_max: int) -> Survey:
    found = Survey(reader)
    while found.more(records_max):
        pass
    return found


@pytest.mark.parametrize("records_max", [1, 7, 10_000])
def test_RWND_027_marks_are_those_of_the_whole_journal(played: Played, records_max: int) -> None:
    with JournalReader.open_reader(played.path) as reader:
        found = _surveyed(reader, records_max)
        assert found.seq == played.last_seq
        counts: Counter[str] = Counter()
        for mark in found.marks():
            counts[mark.kind] += mark.count
        wanted = _plain(played.path)
        assert {kind: counts[kind] for kind in wanted} == wanted
        assert wanted["liquidation"]
        assert wanted["reduction"]
        for mark in found.marks()[:20]:
            assert seq_at(reader, mark.time_us) >= mark.seq


def test_RWND_027_marks_are_bounded_and_lose_no_count(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalReader.open_reader(played.path) as reader:
        whole = _surveyed(reader, 500)
        monkeypatch.setattr(module, "MARKS_MAX", 8)
        few = _surveyed(reader, 500)
    assert len(few.marks()) <= 8 < len(whole.marks())
    assert few.width > whole.width == 1
    totals = [Counter[str](), Counter[str]()]
    for total, survey in zip(totals, (whole, few), strict=True):
        for mark in survey.marks():
            total[mark.kind] += mark.count
    assert totals[0] == totals[1]
    firsts = {mark.kind: mark.seq for mark in reversed(whole.marks())}
    assert {mark.kind: mark.seq for mark in reversed(few.marks())} == firsts


def test_RWND_028_change_of_method_is_marked_and_the_span_follows(tmp_path: Path) -> None:
    session = begun(tmp_path / "span.journal", population=3)
    timeline = Timeline(session.journaled.path)
    session.journaled.wait()
    survey = _surveyed(timeline.reader, 100)
    before = span_of(timeline, survey)
    assert (before.first_seq, before.last_seq) == (1, session.engine.seq)
    assert before.snapshots == []
    now_us = session.engine.market.time_us
    change = ParameterChange(now_us, "risk", 1, "levels.warning_ppm", "1500000")
    seq = session.engine.submit(change).seq
    session.journaled.snapshot()
    session.journaled.wait()
    while survey.more():
        pass
    after = span_of(timeline, survey)
    assert after.last_seq == after.marks_to_seq == seq
    assert after.snapshots == [seq]
    assert [mark.seq for mark in after.marks if mark.kind == "method"] == [seq]
    assert (after.first_us, after.last_us) == (before.first_us, now_us)
    assert (after.difference, after.damages, after.unusable_snapshots) == ("", {}, {})
    assert msgspec.json.decode(msgspec.json.encode(after), type=module.Span) == after
    timeline.close()
    session.journaled.close()
