"""Keys that are there twice, what a refusal costs, and calls that are served elsewhere."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.errors import TooManyRequests
from steelyard.service.access.session import Session
from steelyard.service.rpc.dispatch import Answer, Call, Elsewhere, Waiting, encoded
from steelyard.service.rpc.unique import check_unique
from tests.service.rpc.roles import (
    ADDRESS,
    ANONYMOUS,
    TRADER,
    RememberingDesk,
    Service,
    request,
)

SIMULATE = request("private/simulate_portfolio", {"currency": "BTC"})
TIME = request("public/get_time", {})


def code(answer: Any) -> str:
    return str(answer["error"]["data"]["code"])


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"public/get_time"}',
        '{"jsonrpc":"2.0","id":2,"method":"public/get_time","params":{"a":[{"b":{"c":1,"c":1}}]}}',
        '{"jsonrpc":"2.0","id":2,"method":"public/get_time","params":{"a":1,"\\u0061":2}}',
        '{"jsonrpc":"2.0","id":2,"method":"public/get_time","method" : "public/get_time"}',
    ],
)
def test_RPCJ_023_a_key_twice_is_refused(text: str) -> None:
    service = Service()
    answer = service.ask(text.encode(), ANONYMOUS)
    assert (answer["error"]["code"], code(answer)) == (-32600, "RPCJ-E13")
    assert answer["id"] == 2
    assert service.charged == []


def test_RPCJ_023_the_same_key_of_two_objects_is_two_keys() -> None:
    text = '{"a":{"a":1,"b":2},"b":[{"a":1},{"a":1}],"c":"\\"a\\":1,\\"a\\":2"}'
    check_unique(text.encode())
    check_unique(json.dumps({str(i): i for i in range(40_000)}).encode())
    check_unique(b"[[[[" * 100)


KEYS = st.sampled_from(["a", "b", '"', "a\\", "é", "", "ab"])
TREES: Any = st.recursive(
    st.none() | st.text(alphabet='a":,{}[]\\', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(lambda pairs: ("object", pairs))
    ),
    max_leaves=12,
)


def written(tree: Any) -> tuple[str, bool]:
    """Return a tree as JSON, and whether an object of it has a key twice."""
    if isinstance(tree, tuple):
        parts = [(json.dumps(name), *written(value)) for name, value in tree[1]]
        is_twice = len({name for name, _ in tree[1]}) < len(tree[1])
        text = "{" + ",".join(f"{name}:{value}" for name, value, _ in parts) + "}"
        return text, is_twice or any(twice for *_, twice in parts)
    if isinstance(tree, list):
        found = [written(each) for each in tree]
        return "[" + ", ".join(text for text, _ in found) + "]", any(twice for _, twice in found)
    return json.dumps(tree), False


@given(TREES)
def test_RPCJ_023_is_what_reading_every_key_says(tree: Any) -> None:
    text, is_twice = written(tree)
    if is_twice:
        with pytest.raises(SteelyardError, match="RPCJ-E13"):
            check_unique(text.encode())
    else:
        check_unique(text.encode())


@given(st.binary(max_size=60))
def test_RPCJ_023_bytes_that_are_no_json_are_left_to_the_decoder(raw: bytes) -> None:
    try:
        json.loads(raw)
    except (ValueError, UnicodeDecodeError):
        check_unique(raw)


def test_RPCJ_024_a_refusal_before_credits_is_told_with_its_address() -> None:
    told: list[tuple[str, str]] = []

    def fault(_session: Session, error: SteelyardError, _time_us: int, address: str) -> None:
        told.append((error.code, address))

    service = Service(charge_fault=fault)
    service.ask(b"{", ANONYMOUS)
    service.ask(json.dumps(request("private/none_such")).encode(), ANONYMOUS)
    service.ask(json.dumps(SIMULATE).encode(), ANONYMOUS)
    service.ask(b"[1, 2]", ANONYMOUS)
    codes = ["RPCJ-E04", "RPCJ-E07", "RPCJ-E09", "RPCJ-E05", "RPCJ-E05"]
    assert told == [(each, ADDRESS) for each in codes]
    service.ask(json.dumps(request("private/simulate_portfolio", {"currency": 7})).encode(), TRADER)
    assert len(told) == 5


def test_RPCJ_024_what_the_fault_cannot_pay_is_the_answer() -> None:
    def fault(*_call: object) -> None:
        raise TooManyRequests(5, 250_000)

    service = Service(charge_fault=fault)
    answer = service.ask(json.dumps(request("private/none_such")).encode(), ANONYMOUS)
    assert (answer["error"]["code"], answer["id"]) == (10028, 1)
    assert answer["error"]["data"]["retry_after_us"] == 250_000


def begun(service: Service, body: Any, route: Any) -> tuple[bool, Any]:
    found = service.dispatcher.begin(
        json.dumps(body).encode(), TRADER, service.desk, service.clock, address=ADDRESS, route=route
    )
    if isinstance(found, Answer):
        return False, json.loads(found.body or b"null")

    async def awaited(waiting: Waiting) -> Answer:
        return await waiting.doing

    return True, json.loads(asyncio.run(awaited(found)).body or b"null")


def test_RPCJ_025_a_call_served_elsewhere_is_of_the_other_desk() -> None:
    service, other = Service(), RememberingDesk(7)

    def route(call: Call) -> Elsewhere | None:
        if call.entry.method.name != "private/simulate_portfolio":
            return None

        async def make() -> bytes:
            context = type("C", (), {"desk": other})
            return encoded(call.entry.method.handler(call.params, context), call.entry)

        return Elsewhere(make, other)

    is_waited_for, answer = begun(service, SIMULATE, route)
    assert is_waited_for
    assert (answer["as_of_seq"], answer["result"]["seen_seq"]) == (7, 7)
    assert (service.desk.touched, other.touched) == (0, 1)
    is_waited_for, answer = begun(service, TIME, route)
    assert not is_waited_for
    assert answer["as_of_seq"] == 41
    is_waited_for, answers = begun(service, [TIME, SIMULATE], route)
    assert [each["as_of_seq"] for each in answers] == [41, 7]


def test_RPCJ_025_a_whole_answer_is_handed_on_and_a_failure_is_told() -> None:
    service = Service()

    async def whole() -> bytes:
        return b'{"whole":true}'

    async def broken() -> bytes:
        raise RuntimeError("no more")

    assert begun(service, SIMULATE, lambda _call: Elsewhere(whole, None))[1] == {"whole": True}
    answer = begun(service, SIMULATE, lambda _call: Elsewhere(broken, None))[1]
    assert answer["error"]["code"] == -32603
    assert len(service.incidents) == 1
