"""Commands: methods that are answered when what they did is durable."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from steelyard.quantities.errors import InputError
from steelyard.service.access.session import Session
from steelyard.service.rpc.dispatch import Answer, Dispatcher, Incident
from steelyard.service.rpc.registry import Method, NoParams, Registry
from tests.service.rpc.roles import NOW_US, RememberingDesk, check_answer, request

TRADER = Session("trader", frozenset({"trade", "read"}), None)


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Params of the command: which one, and how it ends."""

    name: str
    ends: str = "well"


class Venue:
    """A dispatcher with one question and one command, and what happened in order."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.charged: list[str] = []
        self.incidents: list[Incident] = []
        self.desk = RememberingDesk()

        async def act(params: Named, _context: Any) -> str:
            self.story.append(f"{params.name} begins")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.story.append(f"{params.name} is durable")
            if params.ends == "refused":
                raise InputError(
                    "ADMT-E06", "no", rule="free margin", cure="reduce", field="amount"
                )
            if params.ends == "broken":
                raise RuntimeError("a secret")
            return params.name

        def look(_params: NoParams, _context: Any) -> int:
            self.story.append("looked")
            return len(self.story)

        more: dict[str, Any] = {"credits": 1, "is_private": True, "summary": "Is tried"}
        self.dispatcher = Dispatcher(
            Registry([
                Method(name="private/act", handler=act, params=Named, result=str, scope="trade", **more),
                Method(name="private/look", handler=look, params=NoParams, result=int, scope="read", **more),
            ]),
            charge=lambda _session, method, *_: self.charged.append(method.name),
            on_incident=self.incidents.append,
        )  # fmt: skip

    def later(self, body: object) -> Answer:
        raw = json.dumps(body).encode()
        return asyncio.run(
            self.dispatcher.respond_later(raw, TRADER, self.desk, lambda: NOW_US)  # type: ignore[arg-type]
        )

    def at_once(self, body: object) -> Answer:
        raw = json.dumps(body).encode()
        return self.dispatcher.respond(raw, TRADER, self.desk, lambda: NOW_US)  # type: ignore[arg-type]


def _act(name: str, ends: str = "well", **more: Any) -> dict[str, Any]:
    return request("private/act") | {"params": {"name": name, "ends": ends}} | more


def test_RPCJ_022_a_batch_is_served_one_after_another() -> None:
    venue = Venue()
    found = venue.later([_act("a"), request("private/look"), _act("b")])
    answers = json.loads(found.body or b"")
    assert [each["result"] for each in answers] == ["a", 3, "b"]
    assert venue.story == ["a begins", "a is durable", "looked", "b begins", "b is durable"]
    assert venue.charged == ["private/act", "private/look", "private/act"]


@pytest.mark.parametrize("is_batch", [False, True])
def test_RPCJ_022_where_nobody_waits_a_command_is_refused(is_batch: bool) -> None:
    venue = Venue()
    found = json.loads(venue.at_once([_act("a")] if is_batch else _act("a")).body or b"")
    answer = found[0] if is_batch else found
    check_answer(answer)
    assert (answer["error"]["code"], answer["error"]["data"]["code"]) == (-32600, "RPCJ-E11")
    form = venue.dispatcher.respond_query(
        "/api/v2/private/act", [("name", "a")], TRADER, venue.desk, lambda: NOW_US  # type: ignore[arg-type]
    )  # fmt: skip
    assert json.loads(form.body or b"")["error"]["data"]["code"] == "RPCJ-E11"
    assert (venue.story, venue.charged) == ([], [])


def test_RPCJ_022_what_goes_wrong_after_the_wait_is_told() -> None:
    venue = Venue()
    refused = venue.later(_act("a", "refused"))
    answer = json.loads(refused.body or b"")
    assert (answer["error"]["data"]["code"], refused.http_status) == ("ADMT-E06", 400)
    broken = venue.later(_act("b", "broken"))
    answer = json.loads(broken.body or b"")
    assert (answer["error"]["code"], broken.http_status) == (-32603, 500)
    assert b"secret" not in (broken.body or b"")
    assert [each.method for each in venue.incidents] == ["private/act"]


def test_RPCJ_022_a_notification_is_served_and_not_answered() -> None:
    venue = Venue()
    sent = _act("a")
    del sent["id"]
    assert venue.later(sent) == Answer(None, 204)
    assert venue.story == ["a begins", "a is durable"]


@pytest.mark.parametrize(
    "body", [request("private/look"), [request("private/look"), {"jsonrpc": "1.0"}], [], "none", 5]
)
def test_RPCJ_022_questions_are_answered_alike(body: object) -> None:
    assert Venue().later(body) == Venue().at_once(body)
