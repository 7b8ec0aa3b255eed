"""What going back in time refuses, each with its rule and cure.

RWND-E01  no event has that number       RWND-E05  the second process ended
RWND-E02  too many questions wait        RWND-E06  the replay differs from the journal
RWND-E03  a newer question took over     RWND-E07  a number of the question is out of bounds
RWND-E04  it took too long               RWND-E08  only the second process answers this
RWND-E09  the second process failed at this question
"""

from __future__ import annotations

from steelyard.quantities.errors import SteelyardError

_REASONS = {
    "RWND-E01": "Invalid params",
    "RWND-E02": "retry",
    "RWND-E03": "retry",
    "RWND-E04": "retry",
    "RWND-E05": "unavailable",
    "RWND-E06": "unavailable",
    "RWND-E07": "Invalid params",
    "RWND-E08": "unavailable",
    "RWND-E09": "Internal error",
}


class RewindError(SteelyardError):
    """A question about another instant cannot be answered.

    >>> no_event(9, 4).reason
    'Invalid params'
    """

    @property
    def reason(self) -> str:
        """Return the short name of the refusal, from which a transport takes its number."""
        return _REASONS[self.code]


def no_event(seq: int, last_seq: int) -> RewindError:
    """Return RWND-E01."""
    return RewindError(
        "RWND-E01", f"there is no event {seq}", rule="events count from 1 to the last durable one",
        cure=f"ask as of 0 to {last_seq}", field="as_of_seq", last_seq=last_seq,
    )  # fmt: skip


def too_many(waiting: int) -> RewindError:
    """Return RWND-E02."""
    return RewindError(
        "RWND-E02", f"{waiting} questions about other instants wait already",
        rule="the queue of the second process is bounded", cure="ask again when one is answered",
    )  # fmt: skip


def overtaken() -> RewindError:
    """Return RWND-E03."""
    return RewindError(
        "RWND-E03", "a newer question of the same reader took its place",
        rule="of the questions of one reader only the newest is worked on",
        cure="wait for the newer answer",
    )  # fmt: skip


def too_long(seconds: float) -> RewindError:
    """Return RWND-E04."""
    return RewindError(
        "RWND-E04", f"it took longer than {seconds:g} seconds",
        rule="a question about another instant has a time limit",
        cure="ask again: what was replayed is kept, so it goes on from there",
    )  # fmt: skip


def process_ended(how: str) -> RewindError:
    """Return RWND-E05."""
    return RewindError(
        "RWND-E05", f"the process that replays the journal {how}",
        rule="other instants are answered by a second process, which is started again when it ends",
        cure="ask again in a moment",
    )  # fmt: skip


def differs(seq: int, how: str) -> RewindError:
    """Return RWND-E06."""
    return RewindError(
        "RWND-E06", f"from event {seq} on the replay differs from the journal: {how}",
        rule="the engine recomputes what the journal recorded",
        cure="run the release that wrote the journal; `steelyard replay --verify` shows more", seq=seq,
    )  # fmt: skip


def out_of_bounds(field: str, said: str, rule: str) -> RewindError:
    """Return RWND-E07."""
    return RewindError("RWND-E07", said, rule=rule, cure="correct the parameter", field=field)


def not_here(method: str) -> RewindError:
    """Return RWND-E08."""
    return RewindError(
        "RWND-E08", f"{method} is not answered by the process of the engine",
        rule="what needs another state of the world is worked out in the second process",
        cure="start the service with time travel", method=method,
    )  # fmt: skip


def failed(incident: str) -> RewindError:
    """Return RWND-E09."""
    return RewindError(
        "RWND-E09", "the second process failed at this question",
        rule="every question has an answer",
        cure=f"tell who runs the service the incident {incident}", incident=incident,
    )  # fmt: skip
