"""Raw frames: recorded, cut anywhere, damaged, rotated, played again."""

from __future__ import annotations

import gzip
import lzma
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.feeds.live.client import Subscription
from steelyard.feeds.live.messages import Status, Trade
from steelyard.feeds.live.raw_log import (
    NAME_BYTES_MAX,
    Damage,
    RawFrame,
    RawLogWriter,
    encode_frame,
    read_frames,
    recording_files,
)
from steelyard.feeds.live.text_log import read_recording, read_text_frames, replay
from steelyard.quantities import InputError
from tests.support.live_server import Route, Script, live_server, talk
from tests.support.plain_client import PlainClient

FRAMES = [
    RawFrame("alpha", "opened", 1_000_000, b"wss://stream.example"),
    RawFrame("alpha", "sent", 1_000_001, b"subscribe BTC trades"),
    RawFrame("alpha", "received", 1_000_002, b"trade BTC 1 2 3"),
    RawFrame("beta ß", "received", 1_000_003, bytes(range(256)) * 3),
    RawFrame("alpha", "fetched", 1_000_004, b"/depth\ntrade BTC 2 2 3"),
    RawFrame("alpha", "received", 1_000_005, b""),
]


def record(folder: Path, frames: list[RawFrame], **options: object) -> list[Path]:
    writer = RawLogWriter(folder, **options)  # type: ignore[arg-type]
    for frame in frames:
        writer.write(frame.connection, frame.direction, frame.time_us, frame.payload)
    writer.close()
    return recording_files(folder)


def split(path: Path) -> tuple[list[RawFrame], list[Damage]]:
    found = list(read_frames(path))
    return (
        [each for each in found if isinstance(each, RawFrame)],
        [each for each in found if isinstance(each, Damage)],
    )


@pytest.mark.parametrize("is_compressed", [False, True])
def test_CONN_050_frames_come_back_byte_for_byte(tmp_path: Path, is_compressed: bool) -> None:
    (path,) = record(tmp_path, FRAMES, is_compressed=is_compressed)
    assert split(path) == (FRAMES, [])


def test_CONN_051_a_file_cut_at_any_byte_gives_every_whole_frame_before_the_cut(
    tmp_path: Path,
) -> None:
    (path,) = record(tmp_path, FRAMES)
    whole = path.read_bytes()
    ends = [sum(len(encode_frame(f)) for f in FRAMES[: n + 1]) for n in range(len(FRAMES))]
    assert ends[-1] == len(whole)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        frames, damage = split(path)
        assert frames == FRAMES[: sum(end <= cut for end in ends)]
        if cut in (0, *ends):
            assert damage == []
        else:
            (tail,) = damage
            assert tail.is_tail
            assert tail.offset + tail.length == cut


def test_CONN_052_a_compressed_file_cut_at_any_byte_gives_a_start_of_its_frames(
    tmp_path: Path,
) -> None:
    frames = [RawFrame("a", "received", n * 1_000_000, os.urandom(40)) for n in range(1, 30)]
    (path,) = record(tmp_path, frames, is_compressed=True)
    whole = path.read_bytes()
    most = 0
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        found, damage = split(path)
        assert found == frames[: len(found)]
        assert len(found) >= most  # frames are flushed a second apart, so none is held back
        most = len(found)
        assert all(each.is_tail for each in damage)
        assert damage or cut == 0
    assert most >= len(frames) - 1


@pytest.mark.parametrize("is_compressed", [False, True])
def test_CONN_061_what_is_older_than_a_second_survives_a_writer_that_never_closed(
    tmp_path: Path, is_compressed: bool
) -> None:
    frames = [RawFrame("a", "received", n * 400_000, os.urandom(30)) for n in range(1, 42)]
    writer = RawLogWriter(tmp_path, is_compressed=is_compressed)
    for frame in frames:
        writer.write(frame.connection, frame.direction, frame.time_us, frame.payload)
    found, damage = split(recording_files(tmp_path)[0])
    assert found == frames[: len(found)]
    assert len(found) >= len(frames) - 2
    assert all(each.is_tail for each in damage)
    writer.flush()
    assert split(recording_files(tmp_path)[0])[0] == frames
    writer.close()


@settings(max_examples=200)
@given(data=st.data())
def test_CONN_053_damage_anywhere_is_reported_and_costs_only_the_frames_it_touches(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(b"".join(map(encode_frame, FRAMES)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damage") / "frames-000001.raw"
    path.write_bytes(whole)
    frames, damage = split(path)
    start, touched = 0, 0
    for number, frame in enumerate(FRAMES):
        start += len(encode_frame(frame))
        if at < start:
            touched = number
            break
    assert frames == FRAMES[:touched] + FRAMES[touched + 1 :]
    (hurt,) = damage
    assert hurt.length == len(encode_frame(FRAMES[touched]))


@given(st.binary(max_size=400))
def test_CONN_054_any_bytes_give_frames_or_damage_and_never_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for packed, name in ((data, "x.raw"), (gzip.compress(data), "x.raw.gz"), (data, "y.raw.gz")):
        (folder / name).write_bytes(packed)
        for each in read_frames(folder / name):
            assert isinstance(each, Damage)


def test_CONN_055_a_full_file_is_followed_by_the_next_and_a_new_writer_never_touches_old_ones(
    tmp_path: Path,
) -> None:
    frames = [RawFrame("a", "received", n, b"x" * 100) for n in range(50)]
    files = record(tmp_path, frames, bytes_max=1_000)
    assert len(files) == 6  # 123 bytes a frame, so the ninth fills a file
    before = [path.read_bytes() for path in files]
    record(tmp_path, frames[:1], is_compressed=True)
    after = recording_files(tmp_path)
    assert [path.read_bytes() for path in after[:6]] == before
    assert after[6].name == "frames-000007.raw.gz"
    assert list(read_recording(tmp_path)) == [*frames, frames[0]]


def test_CONN_056_limits_and_a_folder_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    writer = RawLogWriter(tmp_path / "there")
    with pytest.raises(InputError, match="RAWL-E02"):
        writer.write("x" * (NAME_BYTES_MAX + 1), "received", 0, b"")
    (tmp_path / "file").write_text("no folder")
    blocked = RawLogWriter(tmp_path / "file")
    with pytest.raises(InputError, match="RAWL-E03"):
        blocked.write("a", "received", 0, b"")
    for bad in (tmp_path / "none.raw", tmp_path / "file", tmp_path):
        with pytest.raises(InputError, match="RAWL-E01"):
            list(read_recording(bad))


TEXT = b"""wss://stream.example/x <-> 1633998511.5
wss://stream.example/x <- 1633998512.25: {"op": "subscribe"}
1633998512.0633569: {"a": "1: 2"}
1633998512: trade BTC 1 2 3
https://api.example/depth?limit=9 -> 1633998513.1: {"bids": []}
a line of something else
1723161256172216566 {"b": 2}
"""


def test_CONN_057_text_recordings_are_read_with_exact_times(tmp_path: Path) -> None:
    for suffix, pack in ((".txt", bytes), (".txt.gz", gzip.compress), (".txt.xz", lzma.compress)):
        path = tmp_path / f"VENUE.ws.1{suffix}"
        path.write_bytes(pack(TEXT))
        assert list(read_recording(path)) == [
            RawFrame("VENUE", "opened", 1_633_998_511_500_000, b"wss://stream.example/x"),
            RawFrame("VENUE", "sent", 1_633_998_512_250_000, b'{"op": "subscribe"}'),
            RawFrame("VENUE", "received", 1_633_998_512_063_356, b'{"a": "1: 2"}'),
            RawFrame("VENUE", "received", 1_633_998_512_000_000, b"trade BTC 1 2 3"),
            RawFrame("VENUE", "fetched", 1_633_998_513_100_000, b'/depth?limit=9\n{"bids": []}'),
            Damage(path.name, TEXT.index(b"a line"), 24, "a line that is no frame", False),
            RawFrame("VENUE", "received", 1_723_161_256_172_216, b'{"b": 2}'),
        ]


def test_CONN_058_a_text_recording_cut_in_its_packing_is_read_up_to_there(tmp_path: Path) -> None:
    lines = b"".join(b"1633998512.%06d: {%d}\n" % (n, n * n) for n in range(20_000))
    for suffix, pack in ((".txt.gz", gzip.compress), (".txt.xz", lzma.compress)):
        path = tmp_path / f"cut{suffix}"
        packed = pack(lines)
        path.write_bytes(packed[: len(packed) // 2])
        *frames, last = read_text_frames(path)
        assert isinstance(last, Damage)
        assert last.is_tail
        assert "cut short" in last.reason
        assert all(isinstance(each, RawFrame) for each in frames)
        assert frames or suffix == ".txt.xz"  # one xz block is one piece


def test_CONN_059_a_recorded_connection_played_again_says_the_same(tmp_path: Path) -> None:
    greeting = [
        "trade BTC 1 2 3",
        "?",
        "fetch /depth",
        b"\xff",
        "status BTC gap 4",
        "trade BTC 5 6 7",
    ]
    script = Script(on_connect=greeting, routes={"/depth": Route("trade BTC 8 9 10")})
    writer = RawLogWriter(tmp_path)
    with live_server(script) as server:
        transcript = talk(
            server, PlainClient, [Subscription("BTC", "trades")], raw_log=writer,
            until=lambda t: len(t.of(Trade)) == 3,
        )  # fmt: skip
    writer.close()
    again = list(replay(read_recording(tmp_path), lambda _: PlainClient(), lambda _: ()))
    messages = [m for _, said, _ in again for m in said if type(m).__name__ != "Fetch"]
    assert messages == transcript.messages
    assert {name for name, _, _ in again} == {"test"}
    assert [at for _, said, at in again for m in said if isinstance(m, Trade)] == [
        at
        for m, at in zip(transcript.messages, transcript.received_us, strict=True)
        if isinstance(m, Trade)
    ]


def test_CONN_060_a_damaged_stretch_is_a_gap_of_every_connection() -> None:
    frames = [FRAMES[2], Damage("f", 5, 7, "no frame", False), FRAMES[2]]
    said = list(replay(iter(frames), lambda _: PlainClient(), lambda _: ()))
    assert said[1] == ("alpha", [Status("", "gap", "f: no frame at 5")], 1_000_002)
    assert said[0] == said[2]
