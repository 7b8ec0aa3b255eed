"""openapi.json: OpenAPI 3.1 of every route, with its security, its headers and its problems."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from steelyard import __version__
from steelyard.service.access.matrix import PUBLIC
from steelyard.service.control.guard import IDEMPOTENCY_KEY
from steelyard.service.control.problems import PROBLEM_TYPE, Problem
from steelyard.service.control.telling import SUMMARIES

OPENAPI_VERSION = "3.1.0"
_COMPONENT = "#/components/schemas/{model}"

DESCRIPTION = """\
Accounts, terms, parameters and controls of a venue. Amounts are texts of decimals, times UTC microseconds.

Every write carries an `Idempotency-Key` and is answered when the journal holds it for good, with `seq`,
`position` and `time_us`. Every answer to a question says as of which event it is, and has an ETag. Every
failure is a problem (RFC 9457) with a stable `code`, the `rule` and the `cure`. Two-person rules go by the
key: a person is a key id.
"""

SECURITY = {
    "token": {
        "type": "http", "scheme": "bearer",
        "description": "An access token of public/auth.",
    },
    "signature": {
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "SCHEME id=KEY,ts=MILLISECONDS,nonce=NONCE,sig=SIGNATURE of the request.",
    },
}  # fmt: skip

KEY_PARAMETER = {
    "name": IDEMPOTENCY_KEY, "in": "header", "required": True,
    "description": "New for each request, the same when it is repeated; kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    "example": "b7c1e0a2-open-alice",
}  # fmt: skip

READ_HEADERS = {
    "ETag": {
        "description": "Weak; changes with what is told, not with the event or the instant alone.",
        "schema": {"type": "string"},
    },
    "As-Of-Seq": {
        "description": "The event after which it was so.",
        "schema": {"type": "integer", "minimum": 0},
    },
}


def openapi_of(app: FastAPI) -> bytes:
    """Return the document of an application's routes as JSON."""
    document = get_openapi(
        title="Steelyard control plane", version=__version__, openapi_version=OPENAPI_VERSION,
        description=DESCRIPTION, routes=app.routes, servers=[{"url": "/v1"}],
        separate_input_output_schemas=False,
    )  # fmt: skip
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = TypeAdapter(Problem).json_schema(ref_template=_COMPONENT)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = SECURITY
    document["components"]["responses"] = {
        f"Problem{status}": _problem(status) for status in sorted(SUMMARIES)
    }
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return msgspec.json.encode(document)


def _problem(status: int) -> dict[str, Any]:
    """Return the description of a problem with a status, and of its headers."""
    found: dict[str, Any] = {
        "description": SUMMARIES[status],
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    header = {401: "WWW-Authenticate", 429: "Retry-After"}.get(status)
    if header is not None:
        found["headers"] = {header: {"schema": {"type": "string"}}}
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that is left out, and never sent as null."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    kind: dict[str, Any] = kinds[0]
    return {name: value for name, value in schema.items() if name != "anyOf"} | kind


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add to an operation what every one of its kind has."""
    scope = operation.get("x-scope")
    operation["security"] = [] if scope == PUBLIC else [{"token": []}, {"signature": []}]
    responses = operation["responses"]
    for status, response in responses.items():
        kinds = response.get("content", {}).keys()
        if status.startswith("2"):
            response["description"] = "Done, and durable" if method != "get" else "The answer"
        elif kinds == {PROBLEM_TYPE}:
            responses[status] = {"$ref": f"#/components/responses/Problem{status}"}
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    if operation.get("x-is-question"):
        return
    if method != "get":
        operation.setdefault("parameters", []).append(KEY_PARAMETER)
        return
    for status in ("200", "304"):
        if status in responses:
            responses[status].setdefault("headers", {}).update(READ_HEADERS)
