"""Cost of a request around its handler: limits, decoding, access, params, encoding.

    python -m bench.rpc [--quick]

A simulation of 50 positions, asked as Deribit's object of names and numbers and as a list of objects, is
answered by a handler that does nothing. Against it stand programs that only decode the request and encode
the answer, checking no limit, no access and no method: the standard library's json into dictionaries,
pydantic's models from and to bytes, and a FastAPI route of the same models, called without a server.
That all of them give the same result is checked before. What a flood costs to refuse is printed as well.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench.machine import paired, peer, print_machine, report
from steelyard.service.access.session import Session
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Method, Registry

POSITIONS = 50
CALLS = 200
FIELDS = (
    "balance equity margin_balance initial_margin maintenance_margin projected_initial_margin "
    "projected_maintenance_margin available_funds available_withdrawal_funds delta_total "
    "projected_delta_total futures_pl futures_session_rpl futures_session_upl options_delta "
    "options_gamma options_pl options_session_rpl options_session_upl options_theta options_value "
    "options_vega session_rpl session_upl total_pl estimated_liquidation_ratio"
).split()
Summary = msgspec.defstruct("Summary", [("currency", str), *((name, float) for name in FIELDS)])
SUMMARY = Summary("BTC", *(0.1 * (i + 1) for i in range(len(FIELDS))))


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deribit's form: quantities by instrument."""

    currency: str
    simulated_positions: dict[str, float]
    add_positions: bool = True


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One position of a list."""

    instrument_name: str
    quantity: float
    entry_price: float


class Listed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same as a list of objects."""

    currency: str
    positions: list[Position]


class Desk:
    """A desk that is asked for nothing but its number."""

    def as_of_seq(self) -> int:
        """Return a sequence number."""
        return 1_000_000


def names() -> list[str]:
    """Return the names of the positions."""
    return [f"BTC-27NOV26-{60_000 + 1_000 * i}-{'CP'[i % 2]}" for i in range(POSITIONS)]


def bodies() -> dict[str, bytes]:
    """Return the requests by form."""
    quantities = [0.1 * (i - 25) - 0.05 for i in range(POSITIONS)]
    rows = [
        {"instrument_name": name, "quantity": quantity, "entry_price": 0.01}
        for name, quantity in zip(names(), quantities, strict=True)
    ]
    params: dict[str, dict[str, Any]] = {
        "by name": {
            "currency": "BTC",
            "simulated_positions": dict(zip(names(), quantities, strict=True)),
            "add_positions": True,
        },
        "list": {"currency": "BTC", "positions": rows},
    }
    return {
        form: json.dumps(
            {"jsonrpc": "2.0", "id": 7, "method": f"private/simulate_{i}", "params": each}
        ).encode()
        for i, (form, each) in enumerate(params.items())
    }


def ours() -> Callable[[bytes], bytes | None]:
    """Return our dispatcher of both methods."""
    methods = [
        Method(
            name=f"private/simulate_{i}", handler=lambda _params, _context: SUMMARY, params=kind,
            result=Summary, scope="simulate", credits=1, is_private=True, summary="Does nothing",
        )
        for i, kind in enumerate((Simulated, Listed))
    ]  # fmt: skip
    service = Dispatcher(Registry(methods), charge=lambda *_: None, on_incident=print)
    session, desk = Session("bench", frozenset({"simulate"}), None), Desk()

    def clock() -> int:
        return time.time_ns() // 1_000

    return lambda body: service.answer(body, session, desk, clock)  # type: ignore[arg-type]


def with_json() -> Callable[[bytes], bytes]:
    """Return decoding and encoding with the standard library, as a service of dictionaries has it."""
    result = msgspec.to_builtins(SUMMARY)

    def answer(body: bytes) -> bytes:
        request = json.loads(body)
        told = {"jsonrpc": "2.0", "id": request["id"], "result": result, "usIn": 1, "usOut": 2}
        return json.dumps(told | {"usDiff": 1, "testnet": False, "as_of_seq": 1_000_000}).encode()

    return answer


def models(pydantic: Any, form: str) -> tuple[Any, Any, Any]:
    """Return pydantic's models of request and answer, and the result that is answered."""
    create: Any = pydantic.create_model
    position: Any = create(
        "Position", instrument_name=(str, ...), quantity=(float, ...), entry_price=(float, ...)
    )
    params = (
        create(
            "Params", currency=(str, ...), simulated_positions=(dict[str, float], ...),
            add_positions=(bool, True),
        )
        if form == "by name"
        else create("Params", currency=(str, ...), positions=(list[position], ...))
    )  # fmt: skip
    request = create(
        "Request", jsonrpc=(str, ...), id=(int, ...), method=(str, ...), params=(params, ...)
    )
    summary = create("Summary", currency=(str, ...), **dict.fromkeys(FIELDS, (float, ...)))
    response = create(
        "Response", jsonrpc=(str, "2.0"), id=(int, ...), result=(summary, ...), usIn=(int, 1),
        usOut=(int, 2), usDiff=(int, 1), testnet=(bool, False), as_of_seq=(int, 1_000_000),
    )  # fmt: skip
    return request, response, summary(**msgspec.to_builtins(SUMMARY))


def with_pydantic(pydantic: Any, form: str) -> Callable[[bytes], bytes]:
    """Return decoding and encoding with pydantic's models, from and to JSON bytes directly."""
    request, response, result = models(pydantic, form)

    def answer(body: bytes) -> bytes:
        asked = request.model_validate_json(body)
        told = response(id=asked.id, result=result)
        return bytes(told.model_dump_json().encode())

    return answer


def with_fastapi(pydantic: Any, fastapi: Any, form: str) -> Callable[[bytes], bytes]:
    """Return a FastAPI route of the same models, called as a server calls it, without the server."""
    request, response, result = models(pydantic, form)
    app = fastapi.FastAPI()

    async def route(asked: Any) -> Any:
        return response(id=asked.id, result=result)

    route.__annotations__ = {"asked": request, "return": response}
    app.post("/")(route)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")], "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }  # fmt: skip

    def answer(body: bytes) -> bytes:
        told: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            told.append(message.get("body", b""))

        called = app(dict(scope), receive, send)
        try:
            while True:  # nothing in here waits, so the route runs to its end without a loop
                called.send(None)
        except StopIteration:
            return b"".join(told)

    return answer


def check(form: str, body: bytes, programs: list[Callable[[bytes], bytes | None]]) -> None:
    """Fail unless all programs answer the same id and result."""
    told = [json.loads(program(body) or b"{}") for program in programs]
    want = {"id": 7, "result": msgspec.to_builtins(SUMMARY)}
    for each in told:
        assert {key: each.get(key) for key in want} == want, (form, each)


def measure(form: str, body: bytes, rounds: int, pydantic: Any, fastapi: Any) -> None:
    """Report one form of the request."""
    answer, plain = ours(), with_json()
    peers: dict[str, tuple[Callable[[bytes], bytes], str]] = {"json": (plain, "")}
    if pydantic is not None:
        peers["pydantic"] = (with_pydantic(pydantic, form), "")
    if pydantic is not None and fastapi is not None:
        peers["fastapi"] = (with_fastapi(pydantic, fastapi, form), ">= 2")
    check(form, body, [answer, *(program for program, _ in peers.values())])

    def repeated(program: Callable[[bytes], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(CALLS):
                program(body)

        return run

    for name, (program, goal) in peers.items():
        found = paired(repeated(answer), repeated(program), rounds)
        cost = f"ours {found.first_s / CALLS * 1e6:.1f} us, {name} {found.second_s / CALLS * 1e6:.1f} us, "
        cost += f"quartiles {found.low:.2f} to {found.high:.2f}"
        report(
            f"{form}, {len(body)} bytes: {name} over ours",
            found.ratio,
            "times",
            goal=goal,
            note=cost,
        )


def refusals(rounds: int) -> None:
    """Report what a flood costs, from its bytes to the bytes of the refusal."""
    answer = ours()

    def refused(body: bytes) -> float:
        assert b'"error":{"code":-32600' in (answer(body) or b"")
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            answer(body)
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2] * 1e6

    report("refuse 64 MiB by its size", refused(bytes(64 << 20)), "us")
    report("refuse 1 MiB of brackets by its depth", refused(b"[" * (1 << 20)), "us")
    report("refuse 1 MiB of commas by its elements", refused(b"1," * (1 << 19)), "us")


def main(arguments: list[str] | None = None) -> None:
    """Measure both forms and the refusals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args(arguments)
    rounds = 21 if options.quick else 101
    print_machine()
    pydantic, fastapi = peer("pydantic"), peer("fastapi")
    for form, body in bodies().items():
        measure(form, body, rounds, pydantic, fastapi)
    refusals(20 * rounds)


if __name__ == "__main__":
    main()
