"""Answers as bytes: questions with an ETag that only what was told changes, commands with their place."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import Request, Response

from steelyard.engine.engine import Engine
from steelyard.service.control.shapes import Done, Reading, Told

JSON_TYPE = "application/json"
TAG_BYTES = 16


def as_of(engine: Engine) -> dict[str, Any]:
    """Return the first members of a reading: the engine's last event and its instant."""
    return {"as_of_seq": engine.seq, "time_us": engine.market.time_us}


def read(request: Request, found: Reading, *, link: str | None = None) -> Response:
    """Return the answer to a question, or 304 where who asks has it already.

    The ETag is weak: it is of all that is told but the event and the instant, so a later event that
    changed nothing of it keeps the tag. link: where a list goes on.
    """
    body = found.model_dump_json().encode()
    tag = _tag(body)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "As-Of-Seq": str(found.as_of_seq)}
    if link is not None:
        headers["Link"] = f'<{link}>; rel="next"'
    asked = request.headers.get("if-none-match", "")
    if asked and tag in {each.strip() for each in asked.split(",")}:
        return Response(b"", 304, headers)
    return Response(body, 200, headers, media_type=JSON_TYPE)


def done(found: Told, status: int = 200) -> Response:
    """Return the answer to a command."""
    return Response(
        found.model_dump_json().encode(),
        status,
        {"Cache-Control": "no-store"},
        media_type=JSON_TYPE,
    )


def written(found: Done) -> Response:
    """Return the answer to a command that made something new."""
    return done(found, 201)


def _tag(body: bytes) -> str:
    """Return the weak ETag of a reading: of what stands behind its first two members."""
    told = body.split(b",", 2)[-1]
    return f'W/"{hashlib.blake2b(told, digest_size=TAG_BYTES).hexdigest()}"'
