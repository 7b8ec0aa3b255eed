"""Replay of a journaled run: no difference, and every changed byte found at its seq."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from steelyard.engine import create_engine, open_engine, replay_journal
from steelyard.engine.engine import KIND_CHECKPOINT, KIND_EVENT, KIND_OUTCOMES
from steelyard.engine.replay import JournalHeader, decode_outcomes
from steelyard.journal import JournalReader, Record, SqliteJournal, verify_journal
from steelyard.quantities import JournalError
from steelyard.ticks import Event, Fill, PriceTick, decode_event, encode_event
from tests.support.method import load_method
from tests.support.script import outcomes_and_hashes, scripted_events

COUNT = 500


@pytest.fixture(scope="module")
def script() -> list[Event]:
    return scripted_events(COUNT)


@pytest.fixture(scope="module")
def journal(script: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed journal of the script: checkpoints every 100 events, a snapshot in the middle."""
    path = tmp_path_factory.mktemp("replay") / "run.journal"
    with create_engine(path, load_method(), shards=2) as live:
        for event in script:
            receipt = live.engine.submit(event)
            if receipt.seq % 100 == 0:
                live.snapshot() if receipt.seq == 300 else live.checkpoint()
        live.checkpoint()
    return path


def records_of(path: Path) -> list[Record]:
    """Return all records of a journal."""
    with JournalReader.open_reader(path) as reader:
        return list(reader.read())


Change = Callable[[list[tuple[int, int, bytes]]], None]


def rewritten(journal: Path, out: Path, change: Change) -> Path:
    """Return a journal with changed records and a chain that is whole again."""
    with JournalReader.open_reader(journal) as reader:
        records = [(r.seq, r.kind, r.payload) for r in reader.read()]
        metadata = reader.metadata
    change(records)
    with SqliteJournal.create(out, metadata) as copy:
        for record in records:
            copy.append(*record)
    assert verify_journal(out).is_sound
    return out


@pytest.mark.parametrize("shards", [1, 2, 8])
def test_ENGN_050_a_run_replays_without_a_difference(
    journal: Path, script: list[Event], shards: int
) -> None:
    seen: list[int] = []
    engine, report = replay_journal(journal, shards, on_progress=seen.append)
    assert report.difference == ""
    assert report.events == report.last_seq == COUNT
    assert seen == list(range(1, COUNT + 1))
    assert report.checkpoints_checked == 6
    assert report.outcomes_checked == sum(r.kind == KIND_OUTCOMES for r in records_of(journal))
    assert report.outcomes_checked > 30
    assert report.state_hash == outcomes_and_hashes(script, every=COUNT)[1][COUNT].hex()
    assert engine.seq == COUNT


def test_ENGN_050_replay_from_a_snapshot_ends_in_the_same_state(journal: Path) -> None:
    _, whole = replay_journal(journal)
    _, short = replay_journal(journal, from_snapshot=True)
    assert short.difference == ""
    assert short.events == COUNT - 300
    assert short.state_hash == whole.state_hash


@pytest.mark.parametrize("to_seq", [1, 150, 299, 300, 301, 444, COUNT])
def test_ENGN_051_replay_to_a_seq_shows_the_state_then(
    journal: Path, script: list[Event], to_seq: int
) -> None:
    hashes = outcomes_and_hashes(script[:to_seq], every=to_seq)[1]
    for from_snapshot in (False, True):
        engine, report = replay_journal(journal, to_seq=to_seq, from_snapshot=from_snapshot)
        assert engine.seq == report.last_seq == to_seq
        assert report.state_hash == hashes[to_seq].hex()


def place_of(records: list[tuple[int, int, bytes]], kind: int, at_least: int = 150) -> int:
    """Return the place of the first record of a kind from a seq on."""
    return next(i for i, (seq, k, _) in enumerate(records) if k == kind and seq >= at_least)


def flipped_in(kind: int, at_byte: float) -> Change:
    """Return a change that flips one bit of the first record of a kind."""

    def change(records: list[tuple[int, int, bytes]]) -> None:
        i = place_of(records, kind)
        seq, _, payload = records[i]
        at = int(at_byte * (len(payload) - 1))
        changed = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]
        records[i] = (seq, kind, changed)

    return change


@pytest.mark.parametrize("at_byte", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("kind", [KIND_OUTCOMES, KIND_CHECKPOINT])
def test_ENGN_052_a_flipped_bit_of_an_outcome_or_checkpoint_is_found_at_its_seq(
    journal: Path, tmp_path: Path, kind: int, at_byte: float
) -> None:
    original = [(r.seq, r.kind, r.payload) for r in records_of(journal)]
    seq = original[place_of(original, kind)][0]
    forged = rewritten(journal, tmp_path / "forged", flipped_in(kind, at_byte))
    _, report = replay_journal(forged)
    assert report.difference_seq == seq
    assert "recorded" in report.difference
    with pytest.raises(JournalError, match="JOUR-E22") as caught:
        open_engine(forged)
    assert caught.value.where["seq"] == seq
    assert "replay" in caught.value.cure


def replaced_event(kind: type[Event], make: Callable[[Event], bytes]) -> Change:
    """Return a change that replaces the payload of an event of a kind."""

    def change(records: list[tuple[int, int, bytes]]) -> None:
        for i, (seq, record_kind, payload) in enumerate(records):
            if record_kind == KIND_EVENT and seq > 150:
                event = decode_event(payload)
                if type(event) is kind:
                    records[i] = (seq, record_kind, make(event))
                    return
        raise AssertionError("no such event")

    return change


def priced(**fields: object) -> Callable[[Event], bytes]:
    """Return how to encode an event with other fields."""
    return lambda event: encode_event(msgspec.structs.replace(event, **fields))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: b"", "cannot be applied"),
        (lambda _: b"\x01garbage", "cannot be applied"),
        (lambda event: encode_event(event)[:-3], "cannot be applied"),
        (priced(asset="DOGE"), "cannot be applied"),
        (priced(source="omega"), "cannot be applied"),
        (priced(time_us=0), "cannot be applied"),
    ],
)
def test_ENGN_053_an_event_that_cannot_be_applied_is_named(
    journal: Path, tmp_path: Path, make: Callable[[Event], bytes], says: str
) -> None:
    forged = rewritten(journal, tmp_path / "forged", replaced_event(PriceTick, make))
    before, after = records_of(journal), records_of(forged)
    changed = next(a.seq for a, b in zip(after, before, strict=True) if a.payload != b.payload)
    _, report = replay_journal(forged)
    assert report.difference_seq == changed
    assert says in report.difference
    with pytest.raises(JournalError, match="JOUR-E22"):
        open_engine(forged)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (PriceTick, {"origin": "someone"}),
        (PriceTick, {"origin_seq": 10**9}),
        (Fill, {"quantity": 1}),
        (Fill, {"price": 1.0}),
        (Fill, {"buyer": "market", "seller": "maker"}),
    ],
)
def test_ENGN_053_an_event_that_changes_the_state_is_found_by_the_next_checkpoint(
    journal: Path, tmp_path: Path, kind: type[Event], fields: dict[str, object]
) -> None:
    change = replaced_event(kind, priced(**fields))
    forged = rewritten(journal, tmp_path / "forged", change)
    before, after = records_of(journal), records_of(forged)
    changed = next(a.seq for a, b in zip(after, before, strict=True) if a.payload != b.payload)
    _, report = replay_journal(forged)
    assert changed <= report.difference_seq <= (changed // 100 + 1) * 100


def test_ENGN_054_missing_doubled_and_moved_records_are_found(
    journal: Path, tmp_path: Path
) -> None:
    def drop(kind: int) -> Change:
        return lambda records: records.pop(place_of(records, kind)) and None

    def double(records: list[tuple[int, int, bytes]]) -> None:
        i = place_of(records, KIND_OUTCOMES)
        records.insert(i, records[i])

    def swap(records: list[tuple[int, int, bytes]]) -> None:
        events = [i for i, (seq, kind, _) in enumerate(records) if kind == KIND_EVENT and seq > 150]
        for i, j in pairwise(events):
            (s, k, a), (t, m, b) = records[i], records[j]
            if decode_event(a).time_us < decode_event(b).time_us:
                records[i], records[j] = (s, k, b), (t, m, a)
                return

    for name, change in (
        ("outcomes", drop(KIND_OUTCOMES)), ("event", drop(KIND_EVENT)), ("double", double),
        ("swap", swap),
    ):  # fmt: skip
        _, report = replay_journal(rewritten(journal, tmp_path / name, change))
        assert report.difference, name
        assert report.difference_seq >= 150


def test_ENGN_055_a_flipped_byte_that_breaks_the_chain_is_located(
    journal: Path, tmp_path: Path
) -> None:
    content = bytearray(journal.read_bytes())
    record = records_of(journal)[200]
    at = content.index(record.payload)
    assert content.count(record.payload) == 1
    content[at + len(record.payload) // 2] ^= 4
    spoilt = tmp_path / "spoilt.journal"
    spoilt.write_bytes(content)
    Path(f"{spoilt}.seal").write_bytes(Path(f"{journal}.seal").read_bytes())
    report = verify_journal(spoilt)
    assert not report.is_sound
    assert report.first_bad_position == record.position
    with pytest.raises(JournalError, match="JOUR-E06") as caught:
        replay_journal(spoilt)
    assert caught.value.where["position"] == record.position
    assert "salvage" in caught.value.cure


def test_ENGN_056_a_header_of_something_else_is_refused(journal: Path, tmp_path: Path) -> None:
    with JournalReader.open_reader(journal) as reader:
        header = msgspec.msgpack.decode(reader.metadata, type=JournalHeader)
    assert header.method == load_method()
    other_format = msgspec.structs.replace(header, format=2)
    broken = msgspec.structs.replace(
        header, method=msgspec.structs.replace(header.method, underlying={})
    )
    for name, metadata in (
        ("empty", b""),
        ("text", b"hello"),
        ("format", msgspec.msgpack.encode(other_format)),
        ("method", msgspec.msgpack.encode(broken)),
    ):
        path = tmp_path / name
        SqliteJournal.create(path, metadata).close()
        for use in (replay_journal, open_engine):
            with pytest.raises(JournalError, match="JOUR-E21") as caught:
                use(path)
            assert caught.value.cure


def test_ENGN_057_a_snapshot_that_restores_to_another_state_is_refused(
    journal: Path, tmp_path: Path
) -> None:
    out = tmp_path / "other.journal"
    with (
        JournalReader.open_reader(journal) as reader,
        SqliteJournal.create(out, reader.metadata) as copy,
    ):
        snapshot = reader.latest_snapshot()
        assert snapshot is not None
        for record in reader.read(1, snapshot.position):
            copy.append(record.seq, record.kind, record.payload)
        copy.flush()
        copy.put_snapshot(snapshot.position, snapshot.seq, b"\x00" * 32, snapshot.blob)
    with pytest.raises(JournalError, match="JOUR-E20"):
        open_engine(out)
    assert replay_journal(out)[1].difference == ""


def test_ENGN_058_recorded_outcomes_can_be_read_back(journal: Path) -> None:
    kinds = {
        type(outcome).__name__
        for record in records_of(journal)
        if record.kind == KIND_OUTCOMES
        for outcome in decode_outcomes(record.payload)
    }
    assert {"StateChanged", "Closed", "BadDebt", "ProtectionChanged", "FundingPaid"} <= kinds
