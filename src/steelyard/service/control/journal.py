"""What the journal holds: its first and last event, what is durable, and the states saved beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from pydantic import Field

from steelyard.engine.engine import KIND_EVENT
from steelyard.journal import JournalReader
from steelyard.service.control.seams import Host
from steelyard.service.control.shapes import Reading, Seq, TimeUs, Told
from steelyard.ticks import decode_event

BACK_MAX = 64


class Place(Told):
    """An event of the journal."""

    seq: Seq
    position: Seq
    time_us: TimeUs


class Checkpoint(Told):
    """A state that was saved after the event `seq`, with the digest that a replay must come to."""

    seq: Seq
    position: Seq
    state_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class JournalSpan(Reading):
    """The journal as the disk holds it. first, last: events, null while there is none. durable_position: of
    the last record. checkpoints: the saved states, the newest last."""

    durable_position: Seq
    first: Place | None
    last: Place | None
    checkpoints: list[Checkpoint]


async def span_of(host: Host) -> JournalSpan:
    """Return what a journal holds, read beside the loop. Errors: JOUR-… where it cannot be read."""
    engine = host.engine
    seq, time_us = engine.seq, engine.market.time_us
    durable, places, saved = await asyncio.to_thread(_read, host.journaled.path)
    return JournalSpan(
        as_of_seq=seq, time_us=time_us, durable_position=durable,
        first=places[0] if places else None, last=places[-1] if places else None, checkpoints=saved,
    )  # fmt: skip


def _read(path: Path) -> tuple[int, list[Place], list[Checkpoint]]:
    """Return (durable position, first and last event, saved states); in a thread of its own."""
    with JournalReader.open_reader(path) as reader:
        durable = reader.durable_position
        first = _first_event(reader, 1, min(durable, BACK_MAX))
        last = None
        for position in range(durable, max(0, durable - BACK_MAX), -1):
            last = _first_event(reader, position, position)
            if last is not None:
                break
        saved = [
            Checkpoint(seq=each.seq, position=each.position, state_hash=each.state_hash.hex())
            for each in reader.snapshots()
        ]
    return durable, [each for each in (first, last) if each is not None], saved


def _first_event(reader: JournalReader, first: int, last: int) -> Place | None:
    for record in reader.read(first, last):
        if record.kind == KIND_EVENT:
            time_us = decode_event(record.payload).time_us
            return Place(seq=record.seq, position=record.position, time_us=time_us)
    return None
