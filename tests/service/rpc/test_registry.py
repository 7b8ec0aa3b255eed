"""The methods: what may be registered, how they are described, and the GET form of a call."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from steelyard.quantities.errors import TermsError
from steelyard.service.access.matrix import Matrix, Row
from steelyard.service.rpc.discover import DISCOVER, described
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.query import text_fields
from steelyard.service.rpc.registry import Method, NoParams, Registry
from tests.service.rpc.roles import (
    TRADER,
    RememberingDesk,
    Service,
    check_answer,
    methods,
    read,
    request,
)

SOUND: dict[str, Any] = {
    "name": "private/answer", "handler": print, "params": NoParams, "result": float,
    "scope": "read", "credits": 1, "is_private": True, "summary": "Answers",
}  # fmt: skip


class Money(msgspec.Struct):
    """A result with a decimal deep within."""

    rows: list[dict[str, tuple[int, Decimal | None]]]
    note: str = ""


class Priced(msgspec.Struct):
    """Params with decimals."""

    ticks: dict[str, list[Decimal]]


class Tree(msgspec.Struct):
    """A result that holds itself."""

    name: str
    parts: list[Tree] = []


class Listed(msgspec.Struct, array_like=True):
    """Params by position."""

    a: int


class Keyed(msgspec.Struct):
    """A result with numbers as keys."""

    ratios: dict[float, int]


class Whose(msgspec.Struct):
    """Params that name an account."""

    account: str


class Side(enum.Enum):
    """Text values."""

    BUY = "buy"
    SELL = "sell"


class Depth(enum.IntEnum):
    """Number values."""

    ONE = 1


class Wide(msgspec.Struct, rename="camel"):
    """Params of every kind, under other names on the wire."""

    a_text: str | None = None
    a_side: Side = Side.BUY
    a_word: Literal["x", "y"] = "x"
    a_long_text: Annotated[str, msgspec.Meta(max_length=5)] = ""
    a_number: float = 0.0
    a_depth: Depth = Depth.ONE
    a_level: Literal[1, 2] = 1
    names: list[str] = []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scope": "public"}, "RPCJ-E22"),
        ({"scope": "write"}, "RPCJ-E22"),
        ({"name": "public/answer", "is_private": False}, "RPCJ-E22"),
        ({"is_private": False}, "RPCJ-E22"),
        ({"name": "private/Answer"}, "RPCJ-E22"),
        ({"name": "private/"}, "RPCJ-E22"),
        ({"name": "answer"}, "RPCJ-E22"),
        ({"credits": -1}, "RPCJ-E22"),
        ({"summary": ""}, "RPCJ-E22"),
        ({"summary": "two\nlines"}, "RPCJ-E22"),
        ({"handler": "print"}, "RPCJ-E22"),
        ({"params": Whose}, "RPCJ-E22"),
        (
            {"name": "public/answer", "is_private": False, "scope": "public", "touches": "every"},
            "RPCJ-E22",
        ),
        ({"params": dict}, "RPCJ-E23"),
        ({"params": Listed}, "RPCJ-E23"),
        ({"result": complex}, "RPCJ-E23"),
        ({"result": object()}, "RPCJ-E23"),
    ],
)
def test_RPCJ_015_method_that_contradicts_itself_is_refused(
    change: dict[str, Any], code: str
) -> None:
    Registry([Method(**SOUND)])
    with pytest.raises(TermsError, match=code):
        Registry([Method(**(SOUND | change))])


def test_RPCJ_015_name_twice_is_refused() -> None:
    with pytest.raises(TermsError, match="RPCJ-E21"):
        Registry([Method(**SOUND), Method(**SOUND)])


def test_RPCJ_015_every_method_has_a_row() -> None:
    registry = Service().registry
    assert registry.rows() == (
        Row("public/get_time", "public", "none"),
        Row("private/simulate_portfolio", "simulate", "one"),
        Row("private/count_rows", "risk", "every"),
        Row("private/break_down", "read", "none"),
        Row("rpc.discover", "public", "none"),
    )
    assert len(registry) == len(registry.rows())
    assert {cell.endpoint for cell in Matrix(registry.rows()).cells()} == {
        method.name for method in registry
    }


@pytest.mark.parametrize("kind", [Keyed, dict[Decimal, str], list[dict[float, int]]])
def test_RPCJ_014_numbers_as_keys_are_refused(kind: Any) -> None:
    with pytest.raises(TermsError, match="RPCJ-E23"):
        Registry([Method(**(SOUND | {"result": kind}))])
    with pytest.raises(TermsError, match="RPCJ-E23"):
        Registry([Method(**(SOUND | {"params": Keyed}))])


def asked_for_money(text: str, told: str) -> tuple[Any, int]:
    """Return the answer of a method with decimals on both sides, and how often it was served."""
    served: list[Any] = []

    def handler(params: Priced, _context: object) -> Money:
        served.append(params)
        return Money([{"a": (1, Decimal(told)), "b": (2, None)}], "NaN")

    method = Method(**(SOUND | {"handler": handler, "params": Priced, "result": Money}))
    service = Dispatcher(Registry([method]), charge=lambda *_call: None, on_incident=served.append)
    raw = json.dumps(request("private/answer", {"ticks": {"x": ["0.5", text]}})).encode()
    desk: Any = RememberingDesk()
    return read(service.answer(raw, TRADER, desk, lambda: 1) or b""), len(served)


@pytest.mark.parametrize("text", ["NaN", "-nan", "sNaN", "NaN7", "Infinity", "-inf"])
def test_RPCJ_014_decimals_that_are_no_numbers_are_null_or_refused(text: str) -> None:
    answer, served = asked_for_money("1.25", text)
    assert answer["result"] == {"rows": [{"a": [1, None], "b": [2, None]}], "note": "NaN"}
    assert served == 1
    answer, served = asked_for_money(text, "1.25")
    assert (answer["error"]["code"], answer["error"]["data"]["param"]) == (-32602, "ticks.x[1]")
    assert served == 0


def test_RPCJ_014_decimals_of_no_stated_type_are_null_as_well() -> None:
    method = Method(**(SOUND | {"handler": lambda *_: [Decimal("NaN"), 1.5], "result": list[Any]}))
    service = Dispatcher(Registry([method]), charge=lambda *_: None, on_incident=print)
    desk: Any = RememberingDesk()
    raw = json.dumps(request("private/answer")).encode()
    assert read(service.answer(raw, TRADER, desk, lambda: 1) or b"")["result"] == [None, 1.5]


def test_RPCJ_014_decimals_are_text_with_all_their_digits() -> None:
    answer, _ = asked_for_money("1.25", "12345678901234567890.10")
    assert answer["result"]["rows"][0]["a"] == [1, "12345678901234567890.10"]


def test_RPCJ_015_result_may_hold_itself() -> None:
    registry = Registry([Method(**(SOUND | {"result": Tree}))])
    assert "Tree" in described(registry, "t", "1")["components"]["schemas"]


def test_RPCJ_016_discover_describes_what_is_decoded_and_encoded() -> None:
    service = Service()
    document = service.call(DISCOVER, {})["result"]
    assert document == service.call(DISCOVER)["result"]
    assert [each["name"] for each in document["methods"]] == [
        *(each.name for each in methods()), DISCOVER,
    ]  # fmt: skip
    simulate = document["methods"][1]
    assert simulate["params"] == [
        {"name": "currency", "required": True, "schema": {"type": "string"}},
        {
            "name": "simulated_positions", "required": False,
            "schema": {
                "type": "object", "additionalProperties": {"type": "number"}, "default": {},
            },
        },
        {"name": "add_positions", "required": False, "schema": {"type": "boolean", "default": True}},
        {
            "name": "steps", "required": False,
            "schema": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
        },
    ]  # fmt: skip
    assert (simulate["x-scope"], simulate["x-credits"], simulate["x-private"]) == (
        "simulate", 20, True,
    )  # fmt: skip
    assert simulate["result"]["schema"] == {"$ref": "#/components/schemas/Margins"}
    assert document["components"]["schemas"]["Margins"]["required"] == [
        "total", "ratios", "seen_seq",
    ]  # fmt: skip
    assert document["methods"][2]["x-limits"]["body_bytes_max"] == 4 << 20
    assert {"code": 13021, "message": "forbidden", "meaning": "the caller may not do this"} in (
        document["x-errors"]
    )


def test_RPCJ_017_values_follow_the_type_of_their_parameter() -> None:
    assert text_fields(Wide) == {"aText", "aSide", "aWord", "aLongText"}


def same_but_time(first: Any, second: Any) -> bool:
    """Return whether two answers say the same, their times and ids aside."""
    drop = ("usIn", "usOut", "usDiff", "id")
    return {k: v for k, v in first.items() if k not in drop} == {
        k: v for k, v in second.items() if k not in drop
    }


PATH = "/api/v2/private/simulate_portfolio"


@pytest.mark.parametrize(
    ("pairs", "params"),
    [
        (
            [("currency", "BTC"), ("add_positions", "false"), ("simulated_positions", '{"A": -10}')],
            {"currency": "BTC", "add_positions": False, "simulated_positions": {"A": -10}},
        ),
        ([("currency", "1")], {"currency": "1"}),
        ([("currency", "null")], {"currency": "null"}),
        ([("currency", '"é"')], {"currency": '"é"'}),
        ([("currency", "BTC"), ("steps", "3")], {"currency": "BTC", "steps": 3}),
        ([("currency", "BTC"), ("steps", "3.5")], {"currency": "BTC", "steps": 3.5}),
        ([("currency", "BTC"), ("steps", "")], {"currency": "BTC", "steps": ""}),
        ([("currency", "BTC"), ("add_positions", "yes")], {"currency": "BTC", "add_positions": "yes"}),
        ([("currency", "BTC"), ("steps", "1,\"x\":2")], {"currency": "BTC", "steps": "1,\"x\":2"}),
        ([("currency", "BTC"), ("steps", "NaN")], {"currency": "BTC", "steps": "NaN"}),
        ([("currency", "BTC"), ("more", "1")], {"currency": "BTC", "more": 1}),
        ([], {}),
    ],
)  # fmt: skip
def test_RPCJ_017_get_form_answers_as_the_body(
    pairs: list[tuple[str, str]], params: dict[str, Any]
) -> None:
    got = Service().get(PATH, pairs)
    check_answer(got)
    assert got["id"] is None
    assert same_but_time(got, Service().call("private/simulate_portfolio", params))


def test_RPCJ_017_wrong_paths_names_and_sizes_are_refused() -> None:
    service = Service()
    ask: Callable[..., Any] = service.get
    for path, pairs, code in (
        ("/private/simulate_portfolio", [], -32600),
        ("/api/v2/", [], -32600),
        ("/api/v2/" + "x" * 200, [], -32600),
        ("/api/v2/public/get_tim", [], -32601),
        (PATH, [("currency", "BTC"), ("currency", "ETH")], -32600),
        (PATH, [("currency", chr(0xD800))], -32600),
        (PATH, [("steps", chr(0xD800))], -32600),
        (PATH, [(chr(0xD800), "1")], -32600),
        (PATH, [("steps", "[" * 100_000)], -32600),
        (PATH, [("steps", "1" * (2 << 20))], -32600),
        (PATH, [("steps", "[" * 31 + "]" * 31)], -32602),
    ):
        answer = ask(path, pairs)
        check_answer(answer)
        assert answer["error"]["code"] == code
    assert service.desk.touched == 0
    assert service.incidents == []


def test_RPCJ_017_pairs_in_any_number_keep_within_the_limits() -> None:
    service = Service()
    answer = service.get(PATH, [(f"name_{i}", "1") for i in range(60_000)], TRADER)
    assert answer["error"]["data"]["code"] in ("RPCJ-E01", "RPCJ-E03")
    assert json.dumps(answer)
