"""How routes are described: operation id, summary, and every answer with its model and headers."""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from steelyard.service.control.problems import PROBLEM_TYPE, Problem
from steelyard.service.control.shapes import Done

SUMMARIES = {
    400: "The request cannot be read",
    401: "Nobody is proven to ask",
    403: "The key may not do this",
    404: "There is nothing of this name",
    409: "Not in this state; later perhaps",
    413: "The body is beyond its limits",
    415: "The body is not said to be JSON",
    422: "A field does not fit, or a rule is broken",
    429: "The credits do not suffice",
    500: "The service failed",
    503: "The engine has stopped, or nothing can answer",
}
READS = (400, 401, 403, 404, 422, 429, 500, 503)
WRITES = (*READS, 409, 413, 415)


def described(
    name: str,
    summary: str,
    told: type[BaseModel] = Done,
    *,
    is_public: bool = False,
    is_write: bool = False,
    also: dict[int, type[BaseModel]] | None = None,
) -> dict[str, Any]:
    """Return what a route's decorator is told beside its path: a question unless it answers `Done`, or is_write.

    is_public: nobody is asked who he is.
    """
    is_write = is_write or issubclass(told, Done)
    statuses = (429, 500) if is_public else WRITES if is_write else READS
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": SUMMARIES[status], "content": {PROBLEM_TYPE: {"schema": _PROBLEM}}}
        for status in statuses
    }
    if not is_write:
        responses[304] = {"description": "As the ETag that was sent"}
    for status, model in (also or {}).items():
        responses[status] = {"model": model}
    return {
        "operation_id": name,
        "summary": summary,
        "response_model": told,
        "responses": responses,
        "response_class": JSONResponse,
    }


_PROBLEM = {"$ref": f"#/components/schemas/{Problem.__name__}"}
