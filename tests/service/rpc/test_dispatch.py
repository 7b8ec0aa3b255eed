"""From the bytes of a request to the bytes of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steelyard.quantities.errors import (
    InputError,
    JournalError,
    LedgerError,
    MarketError,
    SteelyardError,
    TermsError,
)
from steelyard.service.access.session import Session
from steelyard.service.rpc.dispatch import Incident
from steelyard.service.rpc.errors import REASON_CHARACTERS_MAX, TABLE, body_of
from steelyard.service.rpc.messages import ChannelData, Notification, encode
from tests.service.rpc.roles import (
    ADMIN,
    ANONYMOUS,
    NOW_US,
    RISK_MANAGER,
    SECRET,
    TRADER,
    Service,
    check_answer,
    request,
)

SOUND = {"currency": "BTC", "simulated_positions": {"BTC-PERPETUAL": -10.0, "BTC-27NOV26-C": 0.5}}


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b'{"jsonrpc":"2.0"', b"nope", b"[", b"[1,", b'"\xff"', b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1,"method":"public/get_time","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"public/get_time","params":{"a":Infinity}}',
        b'{"jsonrpc":"2.0","id":1,"method":"public/get_time"} {}',
        b'{"jsonrpc":"2.0","id":1,"method":"public/get_time","note":"\xff"}',
        b'{"jsonrpc":"1.0","id":1,"method":"public/get_time","params":{"a":]}',
        b'{"jsonrpc":"2.0","id":1,"method":"public/\\ud800"}',
    ],
)  # fmt: skip
def test_RPCJ_004_what_is_no_json_is_a_parse_error(body: bytes) -> None:
    answer = Service().ask(body)
    check_answer(answer)
    assert answer["id"] is None
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32700, "Parse error")


@pytest.mark.parametrize(
    ("change", "identity", "field"),
    [
        ({"jsonrpc": 2.0}, 1, "jsonrpc"),
        ({"jsonrpc": "1.0"}, 1, "jsonrpc"),
        ({"method": ""}, 1, "method"),
        ({"method": "x" * 129}, 1, "method"),
        ({"method": None}, 1, "method"),
        ({"id": 1.5}, None, "id"),
        ({"id": True}, None, "id"),
        ({"id": [1]}, None, "id"),
        ({"id": 2**63}, None, "id"),
        ({"id": -(2**63) - 1}, None, "id"),
        ({"id": "x" * 257}, None, "id"),
        ({"id": "seven", "method": 7}, "seven", "method"),
        ({"params": "bar"}, 1, "params"),
        ({"params": None}, 1, "params"),
        ({"params": 3}, 1, "params"),
    ],
)
def test_RPCJ_004_what_is_no_request_is_invalid(
    change: dict[str, Any], identity: object, field: str
) -> None:
    answer = Service().ask(request("public/get_time") | change)
    check_answer(answer)
    assert answer["id"] == identity
    assert (answer["error"]["code"], answer["error"]["message"]) == (-32600, "Invalid Request")
    assert answer["error"]["data"]["param"] == field


@pytest.mark.parametrize("body", ["1", "{}", '"text"', "null", "true", '{"id":1}'])
def test_RPCJ_004_json_that_is_no_request_is_invalid(body: str) -> None:
    assert Service().ask(body)["error"]["code"] == -32600


def test_RPCJ_004_ids_are_repeated_and_other_keys_left_alone() -> None:
    service = Service()
    for identity in (0, -5, 2**63 - 1, -(2**63), "", "x" * 256, "é", None):
        asked = request("public/get_time", {}, identity) | {"access_token": "t", "x": [[]]}
        assert service.ask(asked)["id"] == identity
    assert service.ask(b" \r\n\t" + json.dumps(request("public/get_time")).encode())["id"] == 1


def test_RPCJ_005_batch_is_answered_in_order() -> None:
    service = Service()
    calls = [request("public/get_time", None, i) for i in ("a", "b", "c")]
    silent = request("public/get_time")
    del silent["id"]
    answers = service.ask([calls[0], silent, calls[1], {"method": 1}, calls[2]])
    assert [each["id"] for each in answers] == ["a", "b", None, "c"]
    for each in answers:
        check_answer(each)
    assert len({each["usIn"] for each in answers}) == 1
    assert service.ask(b"  [" + json.dumps(calls[0]).encode() + b"] ")[0]["id"] == "a"


def test_RPCJ_005_batch_of_none_or_too_many_has_one_answer() -> None:
    service = Service()
    for body in ([], [request("public/get_time")] * 51):
        answer = service.ask(body)
        assert (answer["error"]["code"], answer["error"]["data"]["code"]) == (-32600, "RPCJ-E06")
    assert len(service.ask([request("public/get_time")] * 50)) == 50
    assert [each["error"]["code"] for each in service.ask("[1,2,3]")] == [-32600] * 3
    assert service.ask("[[]]")[0]["error"]["code"] == -32600


def test_RPCJ_006_notification_is_served_and_not_answered() -> None:
    service = Service()
    for name, params, session in (
        ("private/simulate_portfolio", SOUND, TRADER),
        ("private/break_down", {"how": "refuse"}, TRADER),
        ("private/break_down", {}, TRADER),
        ("private/simulate_portfolio", SOUND, ANONYMOUS),
        ("private/nothing", {}, TRADER),
    ):
        silent = request(name, params)
        del silent["id"]
        assert service.ask(silent, session) is None
        assert service.ask([silent, silent], session) is None
    assert service.desk.touched == 9  # three that are served, each once alone and twice in a batch
    assert len(service.incidents) == 3
    assert service.ask(request("public/get_time", {}, None))["id"] is None


def test_RPCJ_007_unknown_method_is_told_with_the_nearest_names() -> None:
    service = Service()
    for name, nearest in (
        ("private/simulate_portfolo", ["private/simulate_portfolio"]),
        ("public/gettime", ["public/get_time"]),
        ("rpc.discovery", ["rpc.discover"]),
        ("zzz", []),
        ("ж" * 60, []),
    ):
        error = service.call(name)["error"]
        assert (error["code"], error["message"]) == (-32601, "Method not found")
        assert error["data"].get("nearest", [])[:1] == nearest
    assert service.charged == []


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        (SOUND | {"simulated_positions": {"A": "1"}}, "simulated_positions.A", "is `float`"),
        (
            SOUND | {"simulated_positions": {"A": 1, "B": 2, "C": 3, "D": None, "E": 4, "F": ""}},
            "simulated_positions.D", "simulated_positions.D is `float`",
        ),
        (SOUND | {"simulated_positions": [1]}, "simulated_positions", "is `object`"),
        (SOUND | {"add_positions": 1}, "add_positions", "is `bool`"),
        (SOUND | {"steps": 10}, "steps", "is `int` <= 9"),
        (SOUND | {"steps": 1.5}, "steps", "is `int`"),
        (SOUND | {"currency": None}, "currency", "is `str`"),
        ({"simulated_positions": {}}, "currency", "is asked with currency"),
        (SOUND | {"currencies": "BTC"}, "currencies", "currency, simulated_positions"),
        ([1, 2], None, "given by name"),
    ],
)  # fmt: skip
def test_RPCJ_008_params_name_field_rule_and_cure(
    params: Any, field: str | None, said: str
) -> None:
    service = Service()
    error = service.call("private/simulate_portfolio", params)["error"]
    assert (error["code"], error["message"]) == (-32602, "Invalid params")
    assert error["data"].get("param") == field
    assert said in error["data"]["rule"]
    assert error["data"]["cure"]
    assert service.desk.touched == 0


def test_RPCJ_008_entry_at_fault_is_named_wherever_it_stands() -> None:
    for count in (1, 2, 3, 7, 40):
        for wrong in range(count):
            positions = {f"name_{i}": "x" if i in (wrong, count - 1) else i for i in range(count)}
            params = {"currency": "BTC", "simulated_positions": positions}
            error = Service().call("private/simulate_portfolio", params)["error"]
            assert error["data"]["param"] == f"simulated_positions.name_{wrong}"


def test_RPCJ_008_number_beyond_a_float_is_refused() -> None:
    body = json.dumps(
        request(
            "private/simulate_portfolio", {"currency": "BTC", "simulated_positions": {"A": "HERE"}}
        )
    )
    for number in ("1e999", "-1e999", "1" + "0" * 400):
        error = Service().ask(body.replace('"HERE"', number))["error"]
        assert (error["code"], error["data"]["param"]) == (-32602, "simulated_positions.A")
    service = Service()
    error = service.ask(body.replace('"HERE"', "1" * 5_000))["error"]
    assert (error["code"], service.incidents) == (-32602, [])


def test_RPCJ_009_access_is_refused_before_anything_is_spent_or_read() -> None:
    service = Service()
    pretender = Session("", frozenset({"simulate", "admin"}), None)
    for session, code, message in (
        (ANONYMOUS, 13009, "unauthorized"),
        (pretender, 13009, "unauthorized"),
        (RISK_MANAGER, 13021, "forbidden"),
        (ADMIN, 13021, "forbidden"),
    ):
        error = service.call("private/simulate_portfolio", {"wrong": 1}, session)["error"]
        assert (error["code"], error["message"]) == (code, message)
        if code == 13021:
            assert error["data"]["where"]["scope"] == "simulate"
    assert service.charged == []
    assert service.desk.touched == 0
    assert "result" in service.call("public/get_time", {}, ANONYMOUS)
    assert "result" in service.call("private/simulate_portfolio", SOUND, TRADER)


class Exhausted(InputError):
    """No credits are left, said in Deribit's word."""

    reason = "too_many_requests"


def test_RPCJ_010_credits_are_taken_after_access_and_before_params() -> None:
    service = Service()
    service.call("private/simulate_portfolio", {"wrong": 1})
    assert service.charged == [("private/simulate_portfolio", 20)]

    def refuse(session: Session, method: Any, time_us: int, address: str) -> None:
        raise Exhausted("ACCS-E40", "no credits", rule="r", cure="c", retry_after_us=70, cost=20)

    service = Service(charge=refuse)
    for params in (SOUND, {"wrong": 1}):
        error = service.call("private/simulate_portfolio", params)["error"]
        assert (error["code"], error["message"]) == (10028, "too_many_requests")
        assert error["data"]["retry_after_us"] == 70
        assert error["data"]["where"] == {"cost": "20"}
    assert service.desk.touched == 0


def test_RPCJ_011_expected_failure_keeps_what_it_says() -> None:
    answer = Service().call("private/break_down", {"how": "refuse"})
    check_answer(answer)
    assert answer["error"] == {
        "code": -32602,
        "message": "Invalid params",
        "data": {
            "reason": "price is −1", "code": "TICK-E03", "rule": "a price is above zero",
            "cure": "mend it", "param": "price", "where": {"row": "7"},
        },
    }  # fmt: skip


class Unproven(InputError):
    """A refusal that names its reason in Deribit's words."""

    reason = "invalid_credentials"


def test_RPCJ_011_number_follows_code_reason_and_kind() -> None:
    for kind, code, number in (
        (InputError, "TICK-E03", -32602),
        (TermsError, "TERM-E01", 11029),
        (MarketError, "MARK-E01", 13028),
        (JournalError, "JOUR-E01", 13503),
        (LedgerError, "LEDG-E01", 11030),
        (SteelyardError, "ELSE-E01", 10001),
        (Unproven, "ACCS-E10", 13004),
        (InputError, "ANSW-E07", 13020),
        (InputError, "ANSW-E03", 13021),
    ):
        assert body_of(kind(code, "m", rule="r", cure="c")).code == number


def test_RPCJ_011_long_and_unwritable_texts_are_cut() -> None:
    places = {f"place_{i}": chr(0xDC00) * 300 for i in range(40)}
    error = InputError("TICK-E03", "m" * 10_000, rule="r" * 10_000, cure=chr(0xD800), **places)
    body = body_of(error)
    assert len(body.data.reason) == len(body.data.rule) == REASON_CHARACTERS_MAX
    assert body.data.cure == "?"
    assert len(body.data.where) == 16
    assert len(encode(body)) < 8_000


def test_RPCJ_012_unexpected_failure_says_the_incident_alone() -> None:
    service = Service()
    told = service.send(json.dumps(request("private/break_down")).encode())
    assert told is not None
    assert SECRET.encode() not in told
    assert b"RuntimeError" not in told
    assert b"Traceback" not in told
    error = json.loads(told)["error"]
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    (incident,) = service.incidents
    assert error["data"]["incident"] == incident.name
    assert (incident.method, incident.key_id) == ("private/break_down", "trader")
    assert SECRET in str(incident.error)
    again = service.call("private/break_down")["error"]["data"]["incident"]
    assert again != incident.name


def test_RPCJ_012_result_that_cannot_be_written_is_an_incident() -> None:
    service = Service()
    error = service.call("private/break_down", {"how": "surrogate"})["error"]
    assert error["code"] == -32603
    assert isinstance(service.incidents[0].error, UnicodeEncodeError)


def test_RPCJ_012_log_that_fails_changes_no_answer() -> None:
    def fail(incident: Incident) -> None:
        raise OSError("disk full")

    answer = Service(on_incident=fail).call("private/break_down")
    check_answer(answer)
    assert answer["error"]["code"] == -32603


def test_RPCJ_013_answers_say_when_which_market_and_which_state() -> None:
    service = Service(testnet=True)
    answer = service.call("public/get_time")
    assert answer == {
        "jsonrpc": "2.0", "id": 1, "result": {"timestamp": (NOW_US + 30) // 1_000},
        "usIn": NOW_US + 30, "usOut": NOW_US + 60, "usDiff": 30, "testnet": True, "as_of_seq": 41,
    }  # fmt: skip
    service.desk.seq = 42
    assert service.ask(b"nope")["as_of_seq"] == 42
    assert Service().ask(b"nope")["testnet"] is False


def test_RPCJ_013_clock_that_goes_back_gives_no_negative_time() -> None:
    service = Service()
    times = iter([NOW_US, NOW_US - 5, NOW_US, NOW_US - 5])
    service.clock = lambda: next(times)  # type: ignore[method-assign]
    for name in ("public/get_time", "public/none"):
        answer = service.call(name)
        assert (answer["usIn"], answer["usOut"], answer["usDiff"]) == (NOW_US, NOW_US, 0)


def test_RPCJ_013_desk_without_a_number_is_an_incident() -> None:
    service = Service()

    def fail() -> int:
        raise RuntimeError("the engine has stopped")

    service.desk.as_of_seq = fail  # type: ignore[method-assign]
    answer = service.call("public/get_time")
    check_answer(answer)
    assert answer["as_of_seq"] is None
    assert str(service.incidents[0].error) == "the engine has stopped"


def test_RPCJ_014_nan_and_infinity_are_null() -> None:
    result = Service().call("private/simulate_portfolio", SOUND)["result"]
    assert result == {"total": -9.5, "ratios": [None, None, None, 1.5], "seen_seq": 41}
    news = Notification(params=ChannelData("ticker", [float("nan"), float("-inf"), 0.5]))
    assert json.loads(encode(news))["params"] == {"channel": "ticker", "data": [None, None, 0.5]}


def test_RPCJ_019_table_is_closed_and_has_deribits_words() -> None:
    assert {(each.code, each.message) for each in TABLE} >= {
        (-32700, "Parse error"), (-32600, "request entity too large"), (-32601, "Method not found"),
        (-32602, "Invalid params"), (-32603, "Internal error"), (10028, "too_many_requests"),
        (10029, "not_owner_of_order"), (10040, "retry"), (13004, "invalid_credentials"),
        (13009, "unauthorized"), (13020, "not_found"), (13021, "forbidden"),
        (13028, "temporarily_unavailable"), (13503, "unavailable"),
    }  # fmt: skip
    assert len({(each.code, each.message) for each in TABLE}) == len(TABLE)
    assert len({each.message for each in TABLE}) == len(TABLE)


def test_RPCJ_020_status_of_http_goes_with_each_answer() -> None:
    service = Service()
    silent = request("public/get_time")
    del silent["id"]
    for body, session, status in (
        (request("public/get_time"), TRADER, 200),
        ([request("public/none")], TRADER, 200),
        (silent, TRADER, 204),
        ([silent], TRADER, 204),
        ({"id": 1}, TRADER, 400),
        (request("private/simulate_portfolio"), ANONYMOUS, 401),
        (request("private/simulate_portfolio"), ADMIN, 403),
        (request("public/none"), TRADER, 404),
        (request("private/break_down"), TRADER, 500),
    ):
        assert service.status(json.dumps(body).encode(), session) == status
    assert service.status(b" " * (2 << 20)) == 413
