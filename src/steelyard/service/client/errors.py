"""What a client can be told or can run into.

CLNT-E01  the service answered with what is no JSON-RPC      CLNT-E04  the client is closed
CLNT-E02  the connection is lost or cannot be made           CLNT-E05  an address or a proof that cannot be
CLNT-E03  no answer came in time                             CLNT-E06  an argument of the shell that cannot be
"""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.quantities.errors import InputError

UNPROVEN = frozenset({"ACCS-E30", "ACCS-E50", "RPCJ-E09"})
"""Refusals for want of a session: a token that has expired, or none."""

LATER = frozenset({13888, 13028, 11051, 10028, 10040, 10041})
"""Numbers of refusals that another attempt may not meet: too many, not now."""


class Refused(InputError):
    """The service refused: with its code, rule and cure.

    number: of JSON-RPC. retry_after_us: when the same is served, None where that does not depend on time.
    """

    def __init__(
        self, number: int, code: str, reason: str, *, rule: str, cure: str,
        retry_after_us: int | None = None, **where: object,
    ) -> None:  # fmt: skip
        self.number = number
        self.retry_after_us = retry_after_us
        super().__init__(code, reason, rule=rule, cure=cure, **where)

    @property
    def reason(self) -> str:
        """Return what is wrong."""
        return self.message

    @property
    def is_for_now(self) -> bool:
        """Return whether the same may be served later."""
        return self.retry_after_us is not None or self.number in LATER


class Disconnected(InputError):
    """The connection is lost, or cannot be made; whether a request that was under way was served is not known."""


class NoAnswer(InputError):
    """No answer came in time; whether the request was served is not known."""


class _Data(msgspec.Struct, frozen=True):
    reason: str = ""
    code: str = ""
    rule: str = ""
    cure: str = ""
    param: str = ""
    where: dict[str, str] = {}
    retry_after_us: int | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """An error as it is answered."""

    code: int
    message: str = ""
    data: Any = None


def refused(error: ErrorBody) -> Refused:
    """Return the error of an answer; of a service that gives no rule, what there is.

    >>> refused(ErrorBody(-32601, "Method not found")).code
    'JSON-RPC -32601'
    """
    try:
        data = msgspec.convert(error.data, _Data)
    except msgspec.ValidationError:
        data = _Data()
    where: dict[str, object] = {**data.where}
    if data.param:
        where.setdefault("param", data.param)
    for taken in ("number", "code", "reason", "rule", "cure", "retry_after_us"):
        where.pop(taken, None)
    return Refused(
        error.code, data.code or f"JSON-RPC {error.code}", data.reason or error.message,
        rule=data.rule or "see the documentation of the service", cure=data.cure or "mend the request",
        retry_after_us=data.retry_after_us, **where,
    )  # fmt: skip


def no_sense(said: str) -> Disconnected:
    """Return CLNT-E01."""
    return Disconnected(
        "CLNT-E01", f"the service answered with what is no JSON-RPC: {said[:200]}",
        rule="an answer is an object with an id, or a notification",
        cure="see whether the address is that of a Steelyard service",
    )  # fmt: skip


def lost(said: str) -> Disconnected:
    """Return CLNT-E02."""
    return Disconnected(
        "CLNT-E02", f"there is no connection: {said[:200]}",
        rule="a request is answered over the connection that it went by",
        cure="ask again once it is known that the request was not served, or may be served twice",
    )  # fmt: skip


def no_answer(method: str, seconds: float) -> NoAnswer:
    """Return CLNT-E03."""
    return NoAnswer(
        "CLNT-E03", f"no answer within {seconds:g} seconds", rule="an answer comes within the timeout",
        cure="wait longer with timeout_s, and do not take the request for refused", method=method,
    )  # fmt: skip


def closed() -> Disconnected:
    """Return CLNT-E04."""
    return Disconnected(
        "CLNT-E04", "the client is closed", rule="a client is used within `async with`",
        cure="make a new one",
    )  # fmt: skip


def cannot_be(said: str, rule: str, cure: str, field: str) -> InputError:
    """Return CLNT-E05."""
    return InputError("CLNT-E05", said, rule=rule, cure=cure, field=field)
