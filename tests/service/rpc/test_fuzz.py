"""Whatever comes over the wire: an answer of JSON-RPC 2.0 or none, and nothing touched by a refusal."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.service.rpc.roles import (
    ANONYMOUS,
    RISK_MANAGER,
    TRADER,
    Service,
    check_answer,
    request,
)

SESSIONS = st.sampled_from([ANONYMOUS, TRADER, RISK_MANAGER])
VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["2.0", "private/simulate_portfolio", "public/get_time", "BTC"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
SOUND = [
    request("public/get_time", {}),
    request("private/simulate_portfolio", {"currency": "BTC", "simulated_positions": {"A": 1.5}}),
    request("private/count_rows", {"rows": [[1.0, 2.0]]}),
    request("private/break_down", {"how": "refuse"}),
    request("rpc.discover"),
]


def without_times(answer: Any) -> Any:
    """Return an answer without what differs between any two."""
    if isinstance(answer, list):
        return [without_times(each) for each in answer]
    return answer and {k: v for k, v in answer.items() if k not in ("usIn", "usOut", "usDiff")}


def check_one_pass(raw: bytes, session: Any) -> None:
    """Fail unless decoding in one pass, and in steps, give the same answer."""
    first, second = Service(), Service()
    second.registry.decode_whole = lambda _body: None  # type: ignore[method-assign]
    assert without_times(first.ask(raw, session)) == without_times(second.ask(raw, session))
    assert first.desk.touched == second.desk.touched
    assert first.charged == second.charged


def check_untouched(service: Service, raw: bytes, session: Any) -> None:
    """Fail unless the bytes get what they must, and no more is served than was not refused."""
    before = service.desk.touched
    answer = service.ask(raw, session)
    answers = answer if isinstance(answer, list) else [] if answer is None else [answer]
    for each in answers:
        check_answer(each)
    refused = sum(
        "error" in each
        and each["error"]["code"] != -32603
        and each["error"]["data"]["code"] != "TICK-E03"
        for each in answers
    )
    is_batch = isinstance(answer, list) or (answer is None and raw.lstrip()[:1] == b"[")
    requests = len(json.loads(raw)) if is_batch else 1
    assert answer != []
    assert service.desk.touched - before <= requests - refused


@given(st.sampled_from(SOUND), st.permutations(["jsonrpc", "id", "method", "params"]), SESSIONS)
def test_RPCJ_021_one_pass_answers_as_the_steps_do(
    sound: dict[str, Any], keys: list[str], session: Any
) -> None:
    raw = json.dumps({key: sound[key] for key in keys if key in sound}).encode()
    assert Service().registry.decode_whole(raw) is not None or "params" not in sound
    check_one_pass(raw, session)
    twice = b'{"method":"private/break_down","params":{"how":"refuse"},' + raw[1:]
    check_one_pass(twice, session)
    check_one_pass(raw[:-1] + b"," + twice[1:], session)


@given(st.binary(max_size=200), SESSIONS)
def test_RPCJ_018_any_bytes(raw: bytes, session: Any) -> None:
    service = Service()
    check_untouched(service, raw, session)
    assert service.incidents == []


@given(
    st.text(alphabet='{}[]",:\\ \n0123456789.eE+-truefalsnu', max_size=120).map(str.encode),
    SESSIONS,
)
def test_RPCJ_018_bytes_that_look_like_json(raw: bytes, session: Any) -> None:
    service = Service()
    check_untouched(service, raw, session)
    assert service.incidents == []


@given(VALUES, SESSIONS)
def test_RPCJ_018_any_json(value: Any, session: Any) -> None:
    service = Service()
    check_untouched(service, json.dumps(value).encode(), session)
    check_untouched(service, json.dumps([value, value]).encode(), session)
    assert service.incidents == []


@given(
    st.sampled_from(SOUND),
    st.sampled_from(["jsonrpc", "id", "method", "params", "extra"]),
    VALUES,
    SESSIONS,
)
def test_RPCJ_018_sound_requests_with_a_key_exchanged(
    sound: dict[str, Any], key: str, value: Any, session: Any
) -> None:
    raw = json.dumps(sound | {key: value}).encode()
    check_untouched(Service(), raw, session)
    check_one_pass(raw, session)


@given(st.sampled_from(SOUND[1:4]), st.data(), VALUES, SESSIONS)
def test_RPCJ_018_sound_requests_with_a_parameter_exchanged(
    sound: dict[str, Any], data: Any, value: Any, session: Any
) -> None:
    names = ["currency", "simulated_positions", "add_positions", "steps", "rows", "how", ""]
    params = sound["params"] | {data.draw(st.sampled_from(names)): value}
    raw = json.dumps(sound | {"params": params}).encode()
    check_untouched(Service(), raw, session)
    check_one_pass(raw, session)


@given(st.sampled_from(SOUND), st.data(), SESSIONS)
def test_RPCJ_018_sound_requests_cut_doubled_and_flipped(
    sound: dict[str, Any], data: Any, session: Any
) -> None:
    raw = json.dumps(sound).encode()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    put = data.draw(st.binary(max_size=4) | st.just(raw[start:end] * 2) | st.just(raw))
    check_untouched(Service(), raw[:start] + put + raw[end:], session)
    check_one_pass(raw[:start] + put + raw[end:], session)


@given(
    st.sampled_from(["/api/v2/", "/api/v2/public/get_time", "/api/v2/private/simulate_portfolio"])
    | st.text(max_size=20),
    st.lists(st.tuples(st.sampled_from(["currency", "steps", "é"]) | st.text(max_size=6),
                       st.text(max_size=20) | VALUES.map(json.dumps)), max_size=4),
    SESSIONS,
)  # fmt: skip
def test_RPCJ_018_any_path_and_query(path: str, pairs: list[tuple[str, str]], session: Any) -> None:
    service = Service()
    answer = service.get(path, pairs, session)
    check_answer(answer)
    assert service.desk.touched == int("result" in answer and "simulate" in path)
    assert service.incidents == []
