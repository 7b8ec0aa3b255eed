"""A small service to ask: three methods, a desk that remembers what it was asked, and sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from steelyard.quantities.errors import InputError
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.rpc.discover import with_discover
from steelyard.service.rpc.dispatch import Dispatcher, Incident
from steelyard.service.rpc.limits import Limits
from steelyard.service.rpc.registry import Method, NoParams, Registry

NOW_US = 1_767_225_600_000_000
ADDRESS = "192.0.2.7"
SECRET = "hunter2-in-a-connection-string"
BULK = Limits(body_bytes_max=4 << 20, depth_max=8, elements_max=400_000)

TRADER = Session("trader", frozenset({"read", "simulate"}), frozenset({"alice"}))
RISK_MANAGER = Session("risk", frozenset({"read", "risk"}), None)
ADMIN = Session("admin", frozenset({"admin"}), None)
__all__ = ["ADMIN", "ANONYMOUS", "RISK_MANAGER", "TRADER", "Service"]


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deribit's form of a what-if."""

    currency: str
    simulated_positions: dict[str, float] = {}
    add_positions: bool = True
    steps: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Margins(msgspec.Struct, frozen=True):
    """What the what-if answers here: the sum, and numbers that are none."""

    total: float
    ratios: list[float]
    seen_seq: int


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Params of the method for bulk."""

    rows: list[list[float]]


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Params of the method that breaks as it is told."""

    how: str = ""


class Time(msgspec.Struct, frozen=True):
    """What get_time answers."""

    timestamp: int


class RememberingDesk:
    """A desk that counts how often its state was asked for; its number may be asked freely."""

    def __init__(self, seq: int = 41) -> None:
        self.seq = seq
        self.touched = 0

    def as_of_seq(self) -> int:
        return self.seq

    def market(self) -> int:
        self.touched += 1
        return self.seq


def simulate(params: Simulated, context: Any) -> Margins:
    """Answer the sum of the quantities."""
    seen = context.desk.market()
    total = 0.0
    for quantity in params.simulated_positions.values():
        total += quantity
    return Margins(total * params.steps, [float("nan"), float("inf"), float("-inf"), 1.5], seen)


def get_time(_params: NoParams, context: Any) -> Time:
    """Answer the time of the request in milliseconds."""
    return Time(context.time_us // 1_000)


def count_rows(params: Rows, context: Any) -> int:
    """Answer how many rows there are."""
    context.desk.market()
    return len(params.rows)


def break_down(params: Named, context: Any) -> str:
    """Fail in the way asked for."""
    context.desk.market()
    if params.how == "refuse":
        raise InputError("TICK-E03", "price is −1", rule="a price is above zero", cure="mend it",
                         field="price", row=7)  # fmt: skip
    if params.how == "surrogate":
        return chr(0xD800)
    raise RuntimeError(f"cannot connect with {SECRET}")


def methods() -> list[Method]:
    """Return the methods of the service."""

    def made(name: str, handler: Any, params: Any, result: Any, scope: str, **more: Any) -> Method:
        return Method(
            name=name, handler=handler, params=params, result=result, scope=scope,
            credits=more.pop("credits", 1), is_private=name.startswith("private/"),
            summary=f"Answers {name}", **more,
        )  # fmt: skip

    return [
        made("public/get_time", get_time, NoParams, Time, "public"),
        made(
            "private/simulate_portfolio",
            simulate,
            Simulated,
            Margins,
            "simulate",
            credits=20,
            touches="one",
        ),
        made("private/count_rows", count_rows, Rows, int, "risk", limits=BULK, touches="every"),
        made("private/break_down", break_down, Named, str, "read"),
    ]


class Service:
    """The dispatcher with a clock of 30 µs a look, and lists of what happened."""

    def __init__(
        self, charge: Callable[[Session, Method, int, str], object] | None = None, **more: Any
    ) -> None:
        self.charged: list[tuple[str, int]] = []
        self.incidents: list[Incident] = []
        self.desk = RememberingDesk()
        self.now_us = NOW_US
        self.registry = with_discover(Registry(methods()), "Steelyard", "1")
        self.dispatcher = Dispatcher(
            self.registry,
            charge=charge or self._charge,
            on_incident=more.pop("on_incident", self.incidents.append),
            **more,
        )

    def _charge(self, _session: Session, method: Method, time_us: int, address: str) -> None:
        assert time_us >= NOW_US
        assert address == ADDRESS
        self.charged.append((method.name, method.credits))

    def clock(self) -> int:
        self.now_us += 30
        return self.now_us

    def send(self, raw: bytes, session: Session = TRADER) -> bytes | None:
        """Return the answer to bytes as it is on the wire."""
        desk: Any = self.desk
        return self.dispatcher.answer(raw, session, desk, self.clock, address=ADDRESS)

    def ask(self, raw: bytes | str | object, session: Session = TRADER) -> Any:
        """Return the answer to a request, decoded; None where there is none."""
        if not isinstance(raw, bytes):
            raw = (raw if isinstance(raw, str) else json.dumps(raw)).encode()
        told = self.send(raw, session)
        return None if told is None else read(told)

    def call(self, name: str, params: object = None, session: Session = TRADER) -> Any:
        """Return the answer to a call by name."""
        return self.ask(request(name, params), session)

    def status(self, raw: bytes, session: Session = TRADER) -> int:
        """Return the status of HTTP that goes with an answer."""
        desk: Any = self.desk
        return self.dispatcher.respond(raw, session, desk, self.clock, address=ADDRESS).http_status

    def get(self, path: str, pairs: list[tuple[str, str]], session: Session = TRADER) -> Any:
        """Return the answer to the GET form."""
        desk: Any = self.desk
        told = self.dispatcher.respond_query(
            path, pairs, session, desk, self.clock, address=ADDRESS
        ).body
        assert told is not None
        return read(told)


def request(name: str, params: object = None, identity: object = 1) -> dict[str, Any]:
    """Return a request; params None are left out."""
    given = {} if params is None else {"params": params}
    return {"jsonrpc": "2.0", "id": identity, "method": name, **given}


def read(told: bytes) -> Any:
    """Return the JSON of an answer; NaN or Infinity in it fail the test."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is on the wire")

    return json.loads(told, parse_constant=refuse)


def check_answer(answer: Any) -> None:
    """Fail unless this is one answer of JSON-RPC 2.0 with what every answer of ours has."""
    kind = "result" if "result" in answer else "error"
    assert set(answer) == {
        "jsonrpc", "id", kind, "usIn", "usOut", "usDiff", "testnet", "as_of_seq",
    }  # fmt: skip
    assert answer["jsonrpc"] == "2.0"
    assert answer["usDiff"] == answer["usOut"] - answer["usIn"] >= 0
    assert isinstance(answer["id"], int | str | None)
    if kind == "error":
        error = answer["error"]
        assert set(error) == {"code", "message", "data"}
        assert isinstance(error["code"], int)
        assert {"reason", "code", "rule", "cure"} <= set(error["data"])
