"""What a power cut, and later rot, may do to a journal: lose nothing acknowledged, hide nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from random import Random

import pytest

from steelyard.journal import Record, SqliteJournal, genesis_chain, next_chain, verify_journal
from steelyard.quantities import JournalError
from tests.journal.power_cut import Platter, memory_folder, put_image
from tests.journal.workload import METADATA, STYLES, Life, Style

CUTS = int(os.environ.get("STEELYARD_POWER_CUTS", "20000"))
FLIPS = int(os.environ.get("STEELYARD_FLIPS", "2000"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = memory_folder(tmp_path)
    yield made
    if made != tmp_path:
        shutil.rmtree(made)


def lived(folder: Path, style: int, seed: int) -> Life:
    life = Life(folder, f"life{style}-{seed}", STYLES[style], Random(f"life/{style}/{seed}"))
    life.run()
    return life


def reopened(path: str) -> tuple[list[Record], int]:
    """Return what a restarted engine finds: its records and its newest snapshot's position."""
    with SqliteJournal.open(path) as journal:
        newest = journal.latest_snapshot()
        records = list(journal.read())
        assert journal.durable_position == len(records)
        return records, newest.position if newest else 0


def keeps_the_promise(platter: Platter, records: list[Record], snapshot: int, where: str) -> None:
    """Check that all that was acknowledged is there, unchanged and without a gap."""
    reached = platter.acknowledged
    assert [record.position for record in records] == list(range(1, len(records) + 1)), where
    assert len(records) >= reached, where
    assert reached == 0 or records[reached - 1].chain == platter.chain, where
    chain = genesis_chain(METADATA)
    for record in records:
        chain = next_chain(chain, record.position, record.seq, record.kind, record.payload)
        assert record.chain == chain, where
    assert snapshot >= platter.snapshot, where


@pytest.mark.parametrize("style", range(len(STYLES)))
def test_JOUR_020_power_cut_loses_nothing_acknowledged(
    style: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    life = lived(folder, style, 1)
    random = Random(f"cuts/{style}")
    steps = life.trace.steps
    cuts = sorted(random.randrange(1, len(steps) + 1) for _ in range(CUTS // len(STYLES)))
    platter, done, path = Platter(), 0, str(folder / "image.db")
    unborn = extra = 0
    for cut in cuts:
        while done < cut:
            platter.advance(steps[done])
            done += 1
        put_image(path, platter.image(random))
        try:
            records, snapshot = reopened(path)
        except JournalError as error:
            if platter.created:
                pytest.fail(f"cut {cut}: {error}")
            unborn += 1
            continue
        keeps_the_promise(platter, records, snapshot, f"cut {cut}")
        extra += len(records) > platter.acknowledged
    with capsys.disabled():
        print(
            f"\n  style {style}: {len(cuts)} power cuts over {len(steps)} steps, 0 acknowledged "
            f"records lost, {extra} kept more than was acknowledged, {unborn} before creation ended"
        )
    assert unborn < len(cuts) // 4


@pytest.mark.parametrize("style", range(len(STYLES)))
def test_JOUR_021_flipped_bit_is_found_or_changes_nothing(
    style: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    life = lived(folder, style, 2)
    random = Random(f"flips/{style}")
    steps = life.trace.steps
    moments = [i + 1 for i, step in enumerate(steps) if step[0] in ("ack", "snapshot")]
    cuts = sorted(random.choice(moments) for _ in range(FLIPS // len(STYLES)))
    platter, done, path = Platter(), 0, str(folder / "image.db")
    found = noted = harmless = 0
    for cut in cuts:
        while done < cut:
            platter.advance(steps[done])
            done += 1
        image = platter.after_kill()
        suffix = random.choice([s for s in image if image[s]])
        content = bytearray(image[suffix])
        place = random.randrange(len(content))
        content[place] ^= 1 << random.randrange(8)
        put_image(path, image | {suffix: bytes(content)})
        where = f"cut {cut}, byte {place} of {suffix or 'the database'}"
        report = verify_journal(path)
        if not report.is_sound:
            assert report.first_bad_position is not None or report.place, where
            with pytest.raises(JournalError):
                SqliteJournal.open(path, verify="whole")
            found += 1
            continue
        try:
            records, snapshot = reopened(path)
        except JournalError:
            found += 1
            continue
        keeps_the_promise(platter, records, snapshot, where)
        noted += bool(report.notes)
        harmless += not report.notes
    with capsys.disabled():
        print(
            f"\n  style {style}: {len(cuts)} flipped bits, {found} refused and located, {noted} "
            f"noted in the seal, {harmless} in bytes that hold nothing (all records identical)"
        )
    assert found > len(cuts) // 20


def test_JOUR_022_flipped_bit_in_a_record_is_found_at_its_position(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    style = Style(groups=30, payload_max=150, log_bytes_max=10_000_000)
    life = Life(folder, "resting", style, Random("resting"))
    life.run()
    random = Random("flips in records")
    with open(life.path, "r+b", buffering=0) as file:
        content = file.read()
        stored = [r for r in life.records if len(r.payload) >= 16]
        for _ in range(FLIPS):
            record = random.choice(stored)
            held = record.payload + record.chain
            # A page that was split may hold a stale copy as well: all are flipped.
            starts = [found.start() for found in re.finditer(re.escape(held), content)]
            shift, bit = random.randrange(len(held)), 1 << random.randrange(8)
            for start in starts:
                flip_in_place(file, start + shift, content[start + shift] ^ bit)
            report = verify_journal(life.path)
            assert not report.is_sound
            assert report.first_bad_position == record.position
            assert report.last_good_position == record.position - 1
            assert "chain mismatch" in report.reason
            for start in starts:
                flip_in_place(file, start + shift, content[start + shift])
    assert verify_journal(life.path).is_sound
    with capsys.disabled():
        print(f"\n  {FLIPS} flipped bits in stored records, {FLIPS} found at their position")


def test_JOUR_023_flipped_bit_in_the_log_is_found_at_its_frame(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    style = Style(groups=10, payload_max=150, log_bytes_max=10_000_000)
    life = Life(folder, "killed", style, Random("killed"))
    life.run()
    steps = life.trace.steps
    last = max(i for i, step in enumerate(steps) if step[0] == "ack")
    platter = Platter()
    for step in steps[: last + 1]:
        platter.advance(step)
    image, path = platter.after_kill(), str(folder / "image.db")
    put_image(path, image)
    content, random, frame_bytes = image["-wal"], Random("flips in the log"), 24 + 4096
    # The last frame only fills the sector; everything before it carries acknowledged records.
    live_bytes = 32 + frame_bytes * ((len(content) - 32) // frame_bytes - 1)
    count = FLIPS // 4
    with open(path + "-wal", "r+b", buffering=0) as file:
        for _ in range(count):
            place = random.randrange(live_bytes)
            flip_in_place(file, place, content[place] ^ 1 << random.randrange(8))
            Path(path + "-shm").unlink(missing_ok=True)
            with pytest.raises(JournalError) as refused:
                SqliteJournal.open(path)
            frame = (place - 32) // frame_bytes + 1
            named = "log header" if place < 32 else f"frame {frame},"
            assert named in str(refused.value.where["place"]), place
            assert refused.value.where["last_good_position"] < platter.acknowledged
            flip_in_place(file, place, content[place])
    Path(path + "-shm").unlink(missing_ok=True)
    keeps_the_promise(platter, *reopened(path), "mended")
    with capsys.disabled():
        print(f"\n  {count} flipped bits in the log, {count} refused at their frame")


def flip_in_place(file: FileIO, place: int, value: int) -> None:
    file.seek(place)
    file.write(bytes([value]))
