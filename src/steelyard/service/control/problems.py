"""Failures as RFC 9457 has them: problem+json with a stable code, the rule, the cure, and where.

Every failure of the control plane is told so: refusals of access, of the engine and of the journal, fields
that do not fit, unknown routes and verbs, and what nobody expected. `instance` names the one occurrence, for
whoever runs the service; of the unexpected nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException

from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.control.errors import status_of
from steelyard.service.control.shapes import Told
from steelyard.service.rpc.errors import (
    PLACE_CHARACTERS_MAX,
    PLACES_MAX,
    REASON_CHARACTERS_MAX,
    clipped,
)

PROBLEM_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:steelyard:problem:"
FAULTS_MAX = 16


class Fault(Told):
    """One field that does not fit."""

    field: str
    rule: str


class Problem(Told):
    """A failure (RFC 9457). code: stable. rule: what was broken. cure: what to do. where: what locates it."""

    type: Annotated[str, Field(examples=["urn:steelyard:problem:PLAN-E04"])]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: Annotated[str, Field(examples=["urn:steelyard:request:6f1a2b3c4d5e6-7"])]
    code: Annotated[str, Field(examples=["PLAN-E04"])]
    rule: str
    cure: str
    where: dict[str, str]
    faults: list[Fault] = Field(default_factory=list)
    retry_after_us: int | None = None


def problem_of(error: SteelyardError, instance: str, faults: Sequence[Fault] = ()) -> Response:
    """Return the answer of an expected failure; long texts are cut.

    >>> error = InputError("ADMT-E04", "opened twice", rule="once", cure="drop it", field="accounts")
    >>> found = problem_of(error, "urn:steelyard:request:1")
    >>> found.status_code, found.headers["content-type"], b'"code":"ADMT-E04"' in found.body
    (409, 'application/problem+json', True)
    """
    status = status_of(error)
    where = dict(error.where)
    retry = where.pop("retry_after_us", None)
    return answer(
        Problem(
            type=TYPE_PREFIX + error.code,
            title=HTTPStatus(status).phrase,
            status=status,
            detail=clipped(error.message, REASON_CHARACTERS_MAX),
            instance=instance,
            code=error.code,
            rule=clipped(error.rule, REASON_CHARACTERS_MAX),
            cure=clipped(error.cure, REASON_CHARACTERS_MAX),
            where={
                clipped(name, PLACE_CHARACTERS_MAX): clipped(place, PLACE_CHARACTERS_MAX)
                for name, place in list(where.items())[:PLACES_MAX]
            },
            faults=list(faults),
            retry_after_us=retry if isinstance(retry, int) else None,
        )
    )


def answer(problem: Problem) -> Response:
    """Return a problem as an answer, with the headers that its status asks for."""
    headers = {"Cache-Control": "no-store"}
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="steelyard"'
    if problem.retry_after_us is not None:
        headers["Retry-After"] = str(-(-problem.retry_after_us // 1_000_000))
    body = problem.model_dump_json(exclude_defaults=True)
    return Response(body, problem.status, headers, media_type=PROBLEM_TYPE)


def unexpected(instance: str) -> SteelyardError:
    """Return what is told of an unexpected failure: its name and no more."""
    return InputError(
        "PLAN-E12", "the service failed; nothing is known of the request",
        rule="every request has an answer",
        cure=f"tell who runs the service the instance {instance}",
    )  # fmt: skip


def of_validation(error: RequestValidationError) -> tuple[SteelyardError, list[Fault]]:
    """Return the refusal of a request that does not fit, and its fields."""
    found: Sequence[Mapping[str, Any]] = error.errors()
    faults = [
        Fault(
            field=clipped(_place(each["loc"]), PLACE_CHARACTERS_MAX),
            rule=clipped(_said(each), PLACE_CHARACTERS_MAX),
        )
        for each in found[:FAULTS_MAX]
    ]
    first = faults[0]
    refused = InputError(
        "PLAN-E04", f"{first.field} does not fit" + _more(len(found)), rule=first.rule,
        cure="correct the fields that `faults` names", field=first.field,
    )  # fmt: skip
    return refused, faults


def of_http(error: HTTPException, request: Request) -> SteelyardError:
    """Return the refusal of a route or a verb that is not there, or of a body that is no JSON."""
    path = clipped(request.url.path, PLACE_CHARACTERS_MAX)
    if error.status_code == 404:
        return InputError(
            "PLAN-E01", f"there is no route {path}", rule="a route is one of openapi.json",
            cure="see /v1/openapi.json", path=path,
        )  # fmt: skip
    if error.status_code == 405:
        return InputError(
            "PLAN-E02", f"{path} has no {clipped(request.method, 16)}",
            rule="a route has the verbs of openapi.json", cure="see the header Allow", path=path,
        )  # fmt: skip
    return no_json("the body cannot be read")


def no_json(message: str) -> InputError:
    """Return PLAN-E03: the body is no JSON."""
    return InputError(
        "PLAN-E03", message,
        rule="a body is JSON (RFC 8259) in UTF-8: no NaN, no Infinity, no second value",
        cure="encode it with a library",
    )  # fmt: skip


def _more(count: int) -> str:
    return f", and {count - 1} more" if count > 1 else ""


def _place(location: Sequence[object]) -> str:
    """Return where a field is, as one writes it: body.balances[2].amount."""
    text = ""
    for each in location:
        text += f"[{each}]" if isinstance(each, int) else f".{each}" if text else str(each)
    return text


def _said(each: Mapping[str, Any]) -> str:
    """Return the rule that a field breaks, without what was sent: that might be a secret."""
    return str(each["msg"])
