"""Small requests that are answered where they end, against those that go the usual way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.service.web.roles import bearer, request, run, venue

TIMES = ("usIn", "usOut", "usDiff")


def plain(answer: Any) -> Any:
    """Return an answer without what differs between any two."""
    if isinstance(answer, list):
        return [plain(each) for each in answer]
    return {name: value for name, value in answer.items() if name not in TIMES}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(request("public/hello", {"client_name": "c", "client_version": "1"})),
        json.dumps(request("private/get_account_summary", {"account": "alice"})),
        json.dumps(request("private/get_account_summary", {"account": "bob"})),
        json.dumps(request("private/cure", {"account": "alice"})),
        json.dumps(request("private/set_as_of", {})),
        json.dumps(request("public/subscribe", {"channels": ["health.raw"]})),
        json.dumps([request("public/test", {}, i) for i in range(3)]),
        "{", "[]", '{"jsonrpc":"2.0","id":1,"method":"public/none"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("who", ["", "alice", "false"])
def test_WEBT_029_answers_are_those_of_the_usual_way(body: str, who: str) -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = await bearer(client) if who == "alice" else {}
            if who == "false":
                headers = {"authorization": "Bearer " + "A" * 43}
            directly = v.server._app.requests.at_once  # type: ignore[attr-defined]
            counted = []

            def count(*request_of: Any) -> Any:
                counted.append(1)
                return directly(*request_of)

            v.server._app.requests.at_once = count  # type: ignore[attr-defined]
            found = [
                await client.post(path, content=body, headers=headers)
                for path in ("/api/v2", "/api/v2/")
            ]
            assert len(counted) == 1  # the second path goes the usual way
            assert found[0].status_code == found[1].status_code
            assert plain(found[0].json()) == plain(found[1].json())
            heads = [
                {n: x for n, x in each.headers.items() if n not in ("date", "content-length")}
                for each in found
            ]
            assert heads[0] == heads[1]

    run(story)
