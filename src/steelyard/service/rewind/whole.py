"""What is about the whole of a journal, and so the same whatever instant a connection is at.

    private/get_journal_span    risk, every account    what can be gone to, and the marks worth looking at
    private/get_seq_at          risk, every account    the last durable event at or before an instant

A scrubber is drawn from the first and jumps by the second, in the past as in the present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from steelyard.service.access.errors import AccessError
from steelyard.service.answers.desk import Context
from steelyard.service.rewind.survey import DEBT, LIQUIDATION, METHOD, PROTECTION, REDUCTION, Span
from steelyard.service.rpc.registry import Method, NoParams

if TYPE_CHECKING:
    from steelyard.service.rewind.rewind import Rewind

SPAN, SEQ_AT = "private/get_journal_span", "private/get_seq_at"
WHOLE_METHODS = frozenset({SPAN, SEQ_AT})
"""The methods that a connection which is back in time is answered as of now."""

TIME_US_MAX = 2**62
_WORDS = {
    LIQUIDATION: ("position closed in full liquidation", "positions closed in full liquidation"),
    REDUCTION: ("position reduced", "positions reduced"),
    DEBT: ("bad debt", "bad debts"),
    PROTECTION: ("change of protection", "changes of protection"),
    METHOD: ("change of the method", "changes of the method"),
}


class JournalMark(msgspec.Struct, frozen=True):
    """A place worth looking at: its first event, the instant, what it is, how often until the next, in words."""

    seq: int
    time_us: int
    kind: str
    count: int
    text: str


class JournalDamage(msgspec.Struct, frozen=True):
    """A record that cannot be read: events from `seq` on are not told, up to the next start."""

    seq: int
    text: str


class JournalSpan(msgspec.Struct, frozen=True, kw_only=True):
    """What can be gone to, as of now.

    first, last: events and their instants, 0 of an empty journal. starts: events from which a replay can begin;
    seconds_per_event: measured, of a replay. marks: by event, known up to `marks_to_seq`, 1,000 at most. difference: what a
    replay found to differ from the journal, empty if nothing; from difference_seq on nothing is told.
    """

    first_seq: int
    first_us: int
    last_seq: int
    last_us: int
    starts: list[int]
    seconds_per_event: float
    marks: list[JournalMark]
    marks_to_seq: int
    difference: str
    difference_seq: int
    damages: list[JournalDamage]


class SeqAtParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """time_us: UTC microseconds."""

    time_us: Annotated[int, msgspec.Meta(ge=0, le=TIME_US_MAX)]


class SeqAtTime(msgspec.Struct, frozen=True):
    """seq: 0 where there was no event yet."""

    seq: int


def mark_words(kind: str, count: int) -> str:
    """Return a mark in words.

    >>> mark_words("liquidation", 1), mark_words("debt", 1200)
    ('1 position closed in full liquidation', '1,200 bad debts')
    """
    one, many = _WORDS[kind]
    return f"{count:,} {one if count == 1 else many}"


def journal_span(span: Span) -> JournalSpan:
    """Return a span as it goes over the wire."""
    return JournalSpan(
        first_seq=span.first_seq,
        first_us=span.first_us,
        last_seq=span.last_seq,
        last_us=span.last_us,
        starts=sorted({0, *span.snapshots, *span.waypoints} - {*span.unusable_snapshots}),
        seconds_per_event=span.event_s,
        marks=[
            JournalMark(
                each.seq, each.time_us, each.kind, each.count, mark_words(each.kind, each.count)
            )
            for each in span.marks
        ],
        marks_to_seq=span.marks_to_seq,
        difference=span.difference,
        difference_seq=span.difference_seq,
        damages=[JournalDamage(seq, text) for seq, text in span.damages.items()],
    )


def whole_methods(rewind: Rewind) -> tuple[Method, ...]:
    """Return these methods for the registry of the live dispatcher; they wait for the second process."""

    async def get_journal_span(params: NoParams, context: Context) -> JournalSpan:
        del params
        _require_every(context, SPAN)
        return journal_span(await rewind.span())

    async def get_seq_at(params: SeqAtParams, context: Context) -> SeqAtTime:
        _require_every(context, SEQ_AT)
        return SeqAtTime(await rewind.seq_at(params.time_us))

    return (
        Method(
            name=SPAN, handler=get_journal_span, params=NoParams, result=JournalSpan, scope="risk",
            credits=500, is_private=True, touches="every",
            summary="The instants that can be gone to, and the marks worth looking at",
        ),
        Method(
            name=SEQ_AT, handler=get_seq_at, params=SeqAtParams, result=SeqAtTime, scope="risk",
            credits=100, is_private=True, touches="every",
            summary="The last durable event at or before an instant",
        ),
    )  # fmt: skip


def _require_every(context: Context, endpoint: str) -> None:
    """Raise ACCS-E51 for a key of some accounts: marks tell of those of others."""
    if context.session.accounts is not None:
        raise AccessError(
            "ACCS-E51", "this touches every account",
            rule="a key reaches the accounts that it lists, or all",
            cure="use a key of every account", endpoint=endpoint,
        )  # fmt: skip
