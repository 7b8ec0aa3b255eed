"""What the control plane refuses by itself, and the status of HTTP that goes with each failure.

    PLAN-E01  no such route                     PLAN-E09  a cursor that is none of this list
    PLAN-E02  the route has no such verb        PLAN-E10  no such resource
    PLAN-E03  the body is no JSON               PLAN-E11  the same person twice
    PLAN-E04  a field does not fit              PLAN-E12  the service failed
    PLAN-E05  the body is of another type       PLAN-E13  the engine has stopped
    PLAN-E06  the idempotency key is none       PLAN-E14  nothing can answer about another state
    PLAN-E07  the key was used for another      PLAN-E15  it is decided already, or over
    PLAN-E08  the key's request is at work      PLAN-E16  too many are open at once

A failure finds its status by its own code, by what access calls it, or by the family of its code. The rule
behind the table: 409 where the same request may be taken when the state has changed, 422 where it never will.
"""

from __future__ import annotations

from typing import NoReturn

from steelyard.quantities.errors import InputError, SteelyardError

BY_CODE: dict[str, int] = {
    "PLAN-E01": 404,
    "PLAN-E02": 405,
    "PLAN-E03": 400,
    "PLAN-E05": 415,
    "PLAN-E06": 400,
    "PLAN-E07": 422,
    "PLAN-E08": 409,
    "PLAN-E09": 422,
    "PLAN-E10": 404,
    "PLAN-E11": 403,
    "PLAN-E12": 500,
    "PLAN-E13": 503,
    "PLAN-E14": 503,
    "PLAN-E15": 409,
    "PLAN-E16": 409,
    "RPCJ-E01": 413,
    "RPCJ-E02": 413,
    "RPCJ-E03": 413,
    "ACCS-E20": 401,
    "ACCS-E22": 401,
    "ANSW-E03": 404,
    "TERM-E04": 404,
    "TERM-E16": 404,
    "ADMT-E01": 409,
    "ADMT-E02": 409,
    "ADMT-E03": 404,
    "ADMT-E04": 409,
    "ADMT-E06": 409,
    "ADMT-E07": 409,
    "CTRL-E01": 409,
    "CTRL-E02": 409,
    "CTRL-E03": 409,
    "CTRL-E04": 404,
    "CTRL-E05": 409,
    "CTRL-E06": 403,
    "CTRL-E07": 409,
    "CTRL-E08": 409,
    "CTRL-E09": 409,
    "CTRL-E10": 409,
    "CTRL-E11": 503,
    "LEDG-E01": 409,
}
BY_REASON = {
    "invalid_credentials": 401,
    "unauthorized": 401,
    "forbidden": 403,
    "too_many_requests": 429,
    "bad_request": 400,
    "retry": 503,
    "unavailable": 503,
}
BY_FAMILY = {"JOUR": 503, "MARK": 503}


class Stopped(InputError):
    """PLAN-E13: the engine stopped; it keeps its journal and takes nothing more.

    >>> status_of(Stopped()), Stopped().reason
    (503, 'unavailable')
    """

    reason = "unavailable"

    def __init__(self) -> None:
        super().__init__(
            "PLAN-E13", "the engine has stopped", rule="an engine in doubt takes no more events",
            cure="wait until it was started again; the journal holds what was answered",
        )  # fmt: skip


def status_of(error: SteelyardError) -> int:
    """Return the status of an expected failure.

    >>> status_of(InputError("ADMT-E06", "m", rule="r", cure="c")), status_of(bad_cursor())
    (409, 422)
    """
    found = BY_CODE.get(error.code) or BY_REASON.get(str(getattr(error, "reason", "")))
    return found or BY_FAMILY.get(error.code[:4], 422)


def unknown(what: str, name: str, cure: str) -> InputError:
    """Return PLAN-E10: what is asked about is not there."""
    return InputError(
        "PLAN-E10", f"there is no {what} {name[:96]!r}", rule=f"a path names a {what} that is there",
        cure=cure, **{what.replace(" ", "_"): name[:96]},
    )  # fmt: skip


def not_fit(field: str, message: str, rule: str, cure: str = "correct the field") -> InputError:
    """Return PLAN-E04: a field does not fit."""
    return InputError("PLAN-E04", message, rule=rule, cure=cure, field=field)


def bad_cursor() -> InputError:
    """Return PLAN-E09."""
    return InputError(
        "PLAN-E09", "the cursor is none of this list",
        rule="a cursor is sent as it came, with the sort and filters of its page",
        cure="follow `next`, or begin without a cursor", field="cursor",
    )  # fmt: skip


def same_person(what: str, key_id: str) -> InputError:
    """Return PLAN-E11: a second person is needed, and a person is a key."""
    return InputError(
        "PLAN-E11", f"{key_id} asked for this {what} already",
        rule="two different persons decide, and a person is a key",
        cure="let somebody else approve it", key=key_id,
    )  # fmt: skip


def is_over(what: str, name: str, state: str) -> InputError:
    """Return PLAN-E15: a decision was made already, or its time is over."""
    return InputError(
        "PLAN-E15", f"{what} {name} is {state}", rule=f"only a {what} that is open is decided",
        cure="begin another one", state=state,
    )  # fmt: skip


def no_other_state() -> InputError:
    """Return PLAN-E14: the service runs without what answers about another state of the world."""
    return InputError(
        "PLAN-E14", "this service does not work out what a change would do",
        rule="the impact of a change is worked out beside the engine, by a second process",
        cure="run the service with its second process, or ask another one",
    )  # fmt: skip


def refuse_too_many(what: str, most: int) -> NoReturn:
    """Raise PLAN-E16: a bounded table is full."""
    raise InputError(
        "PLAN-E16", f"{most} {what} are open", rule=f"at most {most} {what} are open at once",
        cure="decide some of them, or wait until they end",
    )  # fmt: skip
