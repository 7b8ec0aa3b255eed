"""What a body may be before anybody decodes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities.errors import InputError
from steelyard.service.access.session import Session
from steelyard.service.rpc.limits import DEFAULT_LIMITS, Limits, check_limits, measure
from tests.service.rpc.roles import ANONYMOUS, BULK, RISK_MANAGER, TRADER, Service, request

WIDE = Limits(1 << 30, 1 << 30, 1 << 30)
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\[]{},:é'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='ab"\\[{,'), inner),
    max_leaves=30,
)


def of_value(value: Any) -> tuple[int, int]:
    """Return (depth, elements) of a value, from the value itself."""
    if not isinstance(value, list | dict):
        return 0, 0
    inner = [of_value(each) for each in (value.values() if isinstance(value, dict) else value)]
    commas = max(len(inner) - 1, 0)
    depth = 1 + max((each[0] for each in inner), default=0)
    return depth, 1 + commas + sum(each[1] for each in inner)


def by_steps(body: bytes) -> tuple[int, int]:
    """Return (depth, elements) of any bytes, one byte after another."""
    depth = deepest = elements = 0
    is_string = False
    i = 0
    while i < len(body):
        byte = body[i : i + 1]
        if is_string:
            if byte == b"\\":
                i += 1
            is_string = byte != b'"'
        elif byte == b'"':
            is_string = True
        elif byte in b"[{":
            depth, elements = depth + 1, elements + 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
        elif byte == b",":
            elements += 1
        i += 1
    return deepest, elements


@given(VALUES)
def test_RPCJ_002_depth_and_elements_are_those_of_the_value(value: Any) -> None:
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert measure(body.encode(), WIDE) == of_value(value)


@given(st.text(alphabet='"\\[]{},a\n', max_size=60).map(str.encode) | st.binary(max_size=60))
def test_RPCJ_002_any_bytes_are_measured_as_by_steps(body: bytes) -> None:
    assert measure(body, WIDE) == by_steps(body)


def test_RPCJ_002_strings_and_escapes_do_not_count() -> None:
    assert measure(b'{"a": [1, 2, {}], "b": "[[[,,,"}') == (3, 6)
    assert measure(b'"\\"[[') == (0, 0)
    assert measure(b'"\\\\"[[') == (2, 2)
    assert measure(b'"\\') == (0, 0)
    assert measure(b"") == (0, 0)
    assert measure(b"[" * (1 << 20)) == (33, 33)


@given(VALUES, st.integers(1, 6), st.integers(1, 40), st.integers(0, 5_000))
def test_RPCJ_001_verdict_is_that_of_the_exact_figures(
    value: Any, depth_max: int, elements_max: int, padding: int
) -> None:
    body = b" " * padding + json.dumps(value).encode()
    depth, elements = of_value(value)
    limits = Limits(1 << 20, depth_max, elements_max)
    if depth <= depth_max and elements <= elements_max:
        check_limits(body, limits)
    else:
        with pytest.raises(InputError, match=r"RPCJ-E0[23]"):
            check_limits(body, limits)


def padded(size: int) -> bytes:
    """Return a sound request of a size, its length in a key that is left alone."""
    empty = json.dumps(request("public/get_time") | {"note": ""}).encode()
    return json.dumps(request("public/get_time") | {"note": "x" * (size - len(empty))}).encode()


def noted(note: str) -> bytes:
    """Return a sound request with JSON in a key that is left alone."""
    return b'{"jsonrpc":"2.0","id":1,"method":"public/get_time","note":' + note.encode() + b"}"


def test_RPCJ_001_body_at_its_limits_is_answered_and_beyond_them_refused() -> None:
    service = Service()
    size = DEFAULT_LIMITS.body_bytes_max
    assert "result" in service.ask(padded(size))
    error = service.ask(padded(size + 1))["error"]
    assert (error["code"], error["message"]) == (-32600, "request entity too large")
    assert error["data"]["code"] == "RPCJ-E01"

    assert "result" in service.ask(noted("[" * 31 + "]" * 31))
    error = service.ask(noted("[" * 32 + "]" * 32))["error"]
    assert (error["code"], error["data"]["code"]) == (-32600, "RPCJ-E02")

    # 3 commas and 2 openings are there without the items of the list.
    items = DEFAULT_LIMITS.elements_max - 5
    assert "result" in service.ask(noted("[" + "1," * items + "1]"))
    error = service.ask(noted("[" + "1," * (items + 1) + "1]"))["error"]
    assert (error["code"], error["data"]["code"]) == (-32600, "RPCJ-E03")


def test_RPCJ_001_flood_that_is_no_json_is_refused_by_its_limits() -> None:
    service = Service()
    for body, code in (
        (b"x" * (8 << 20), "RPCJ-E01"),
        (b"[" * (1 << 20), "RPCJ-E02"),
        (b"," * (1 << 20), "RPCJ-E03"),
        (b'{"a":' * 100_000, "RPCJ-E02"),
    ):
        assert service.ask(body)["error"]["data"]["code"] == code
    assert service.desk.touched == 0


def test_RPCJ_003_wider_limits_hold_for_who_may_call() -> None:
    service = Service()
    rows = {"rows": [[0.123456789012345] * 20 for _ in range(6_000)]}
    body = json.dumps(request("private/count_rows", rows)).encode()
    assert DEFAULT_LIMITS.body_bytes_max < len(body) < BULK.body_bytes_max
    assert service.ask(body, RISK_MANAGER)["result"] == 6_000
    pretender = Session("", frozenset({"risk"}), None)
    for session in (TRADER, ANONYMOUS, pretender):
        assert service.ask(body, session)["error"]["message"] == "request entity too large"
    other = body.replace(b"private/count_rows", b"private/break_down")
    assert service.ask(other, RISK_MANAGER)["error"]["message"] == "request entity too large"
    assert service.desk.touched == 1


def test_RPCJ_003_narrower_limit_of_a_method_holds_as_well() -> None:
    service = Service()
    deep = '{"jsonrpc":"2.0","id":1,"method":"private/count_rows","params":{"rows":%s}}'
    error = service.ask(deep % ("[" * 9 + "]" * 9), RISK_MANAGER)["error"]
    assert error["data"]["code"] == "RPCJ-E02"
    batch = "[" + deep % ("[" * 9 + "]" * 9) + "]"
    assert service.ask(batch, RISK_MANAGER)[0]["error"]["data"]["code"] == "RPCJ-E02"
