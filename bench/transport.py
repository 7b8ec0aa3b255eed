"""How many simulated portfolios a second over HTTP and WebSocket: 50 option positions, one core, warm.

The service runs in a process of its own on one core, under uvloop, as `steelyard serve` does; the load comes
from this process on another core, by a client that writes prepared bytes and looks for no more in an
answer than its length, so that it is not the limit. 16 connections, kept alive, each with a token. Unpipelined
is one request in flight a connection, as most clients are; pipelined is eight.

The peer is FastAPI with pydantic that decodes the same body and encodes the same answer, and works nothing out
in between: its handler returns an object that is there already. Both servers are uvicorn with httptools, both
put what is loaded out of the collector's reach as `Host.start` does, and they are asked in turn, within one run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from bench.machine import ROOT, paired, peer, print_machine, report
from bench.taps import TEXT, masked, upgrade_to

CONNECTIONS = 16
DEPTH = 8
AT_ONCE = 400
METHODS = ("derive-pmrm2", "paradex-pm", "deribit-pm")
PATH = "/api/v2"


# The servers


def served(method: str) -> Any:
    """Return a service over the desk of `bench.simulate`, and a token's grant by a page code."""
    from bench.simulate import question
    from steelyard.service.access import KeyRing, Limit, Policy
    from steelyard.service.answers.catalog import methods
    from steelyard.service.web.service import service_of
    from steelyard.service.web.settings import Settings

    class Host:
        title = "Steelyard"
        desk = question(method)[0].desk

    class Hub:
        def reader(self, _session_of: Callable[[], Any]) -> Any:
            raise AssertionError("nobody subscribes here")

    ample = Limit(10**9, 10**9)
    policy = Policy(reading=ample, trading=ample, anonymous=ample)
    host: Any = Host()
    settings = Settings(ping_s=3_600.0, keep_alive_s=3_600)  # nobody here answers a ping
    ring = KeyRing((), random=os.urandom)
    return service_of(methods(), host, Hub(), ring, policy=policy, settings=settings)


def serve(kind: str, method: str, profile: str) -> None:
    """Serve until the input ends; print the port, and codes for tokens."""
    import uvloop

    def tell(port: int, codes: list[str]) -> None:
        gc.collect()
        gc.freeze()
        print(json.dumps({"port": port, "codes": codes}), flush=True)

    async def own() -> None:
        from steelyard.service.web.app import create_app
        from steelyard.service.web.serve import WebServer

        service = served(method)
        server = WebServer(create_app(service), service)
        await server.start()
        codes = [
            service.codes.issue(["simulate"], None, service.clock()) for _ in range(1 + CONNECTIONS)
        ]
        tell(server.port, codes)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop()

    async def other() -> None:
        import uvicorn

        config = uvicorn.Config(
            decode_and_encode(method),
            port=0,
            http="httptools",
            access_log=False,
            log_level="error",
            timeout_keep_alive=600,
        )
        server = uvicorn.Server(config)
        task = asyncio.get_running_loop().create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        tell(port, [])
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.should_exit = True
        await task

    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.runcall(uvloop.run, own() if kind == "own" else other())
        profiler.dump_stats(profile)
    else:
        uvloop.run(own() if kind == "own" else other())


def decode_and_encode(method: str) -> Any:
    """Return a FastAPI application that takes the request and tells an answer that is there already."""
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    from bench.simulate import question
    from steelyard.service.answers.portfolio import simulate_portfolio

    ask, asked = question(method)
    found = msgspec.to_builtins(simulate_portfolio(asked[0], ask))

    class Params(BaseModel):
        currency: str | None = None
        add_positions: bool = True
        simulated_positions: dict[str, float] | None = None

    class Call(BaseModel):
        jsonrpc: str
        id: int
        method: str
        params: Params

    kinds = {name: (_type_of(value), ...) for name, value in found.items()}
    result: Any = create_model("Result", **kinds)  # type: ignore[call-overload]
    answer: Any = create_model(
        "Answer", jsonrpc=(str, "2.0"), id=(int, ...), result=(result, ...), usIn=(int, ...),
        usOut=(int, ...), usDiff=(int, ...), testnet=(bool, ...), as_of_seq=(int, ...),
    )  # fmt: skip
    app = FastAPI()
    made = answer(
        id=1, result=result(**found), usIn=1, usOut=2, usDiff=1, testnet=False, as_of_seq=1
    )

    async def told(call: Call) -> Any:
        assert call.params.simulated_positions
        return made

    told.__annotations__["call"] = Call
    app.post(PATH, response_model=answer)(told)
    return app


def _type_of(value: object) -> Any:
    if isinstance(value, dict):
        return (
            dict[str, str]
            if any(isinstance(v, str) for v in value.values())
            else dict[str, float | None]
        )
    if isinstance(value, bool):
        return bool
    return float | None if isinstance(value, float) or value is None else type(value)


# The load


class Talk(asyncio.Protocol):
    """One connection: keeps so many requests in flight, and counts answers by their lengths."""

    def __init__(self, requests: list[bytes], is_socket: bool) -> None:
        self.requests = requests
        self.is_socket = is_socket
        self.held = b""
        self.left_to_send = self.left_to_get = 0
        self.sent = 0
        self.done: asyncio.Future[None] | None = None
        self.last = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server has closed"))

    def begin(self, count: int, depth: int) -> asyncio.Future[None]:
        """Send so many requests, so many at once; the future is done with the last answer."""
        self.left_to_get, self.left_to_send = count, count
        self.done = asyncio.get_running_loop().create_future()
        self.send(min(depth, count))
        return self.done

    def send(self, count: int) -> None:
        count = min(count, self.left_to_send)
        self.left_to_send -= count
        chosen = []
        for _ in range(count):
            chosen.append(self.requests[self.sent % len(self.requests)])
            self.sent += 1
        self.transport.write(b"".join(chosen))

    def data_received(self, data: bytes) -> None:
        held = self.held + data if self.held else data
        start = count = 0
        while True:
            end = (
                self.end_of_frame(held, start)
                if self.is_socket
                else self.end_of_answer(held, start)
            )
            if end < 0 or end > len(held):
                break
            self.last = held[start:end]
            start = end
            count += 1
        self.held = held[start:]
        self.left_to_get -= count
        if self.left_to_get <= 0:
            if self.done is not None and not self.done.done():
                self.done.set_result(None)
        elif count:
            self.send(count)

    @staticmethod
    def end_of_answer(held: bytes, start: int) -> int:
        head = held.find(b"\r\n\r\n", start)
        if head < 0:
            return -1
        place = held.find(b"content-length: ", start, head) + 16
        return head + 4 + int(held[place : held.index(b"\r", place)])

    @staticmethod
    def end_of_frame(held: bytes, start: int) -> int:
        if len(held) < start + 10:
            return -1
        size = held[start + 1]
        if size < 126:
            return start + 2 + size
        if size == 126:
            return start + 4 + int.from_bytes(held[start + 2 : start + 4], "big")
        return start + 10 + int.from_bytes(held[start + 2 : start + 10], "big")


class Server:
    """A server in a process of its own, on a core of its own."""

    def __init__(self, kind: str, method: str, core: int | None, profile: str = "") -> None:
        command = [sys.executable, "-m", "bench.transport", "--serve", kind, "--method", method]
        command += ["--profile", profile] if profile else []
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.port, self.codes = said["port"], said["codes"]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


async def token(server: Server) -> str:
    """Return an access token for a code."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    path = f"{PATH}/public/auth?grant_type=page_code&code={server.codes.pop()}&scope=session:bench"
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["access_token"])


async def by_http(server: Server, bodies: list[bytes], bearer: str) -> list[Talk]:
    """Return connections that post."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {bearer}\r\n" if bearer else ""
    requests = [f"{head}content-length: {len(each)}\r\n\r\n".encode() + each for each in bodies]
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Talk(requests, False), "127.0.0.1", server.port)
        for _ in range(CONNECTIONS)
    ]
    return [talk for _, talk in made]


async def by_socket(server: Server, bodies: list[bytes]) -> list[Talk]:
    """Return WebSocket connections, each proven by a code."""
    loop = asyncio.get_running_loop()
    talks = []
    for _ in range(CONNECTIONS):
        _, talk = await loop.create_connection(
            lambda: Talk([masked(TEXT, each) for each in bodies], True), "127.0.0.1", server.port
        )
        talk.end_of_frame = lambda held, start: (  # type: ignore[method-assign]
            held.find(b"\r\n\r\n", start) + 4 if held.find(b"\r\n\r\n", start) >= 0 else -1
        )
        talks.append(talk)
        own, talk.requests = talk.requests, [upgrade_to("/ws/api/v2", f"127.0.0.1:{server.port}")]
        await talk.begin(1, 1)
        del talk.end_of_frame
        grant = {"grant_type": "page_code", "code": server.codes.pop()}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "public/auth", "params": grant}
        talk.requests = [masked(TEXT, json.dumps(asked).encode())]
        await talk.begin(1, 1)
        assert b'"access_token"' in talk.last, talk.last
        talk.requests, talk.sent = own, 0
    return talks


async def drive(talks: list[Talk], count: int, depth: int) -> None:
    """Send so many requests over all connections, and wait for the answers."""
    share = count // len(talks)
    await asyncio.gather(*(talk.begin(share, depth) for talk in talks))


def bench_WEBT_028_simulations_a_second(method: str, rounds: int, cores: list[int]) -> None:
    """Ask the service over both transports and the peer over HTTP, in turn."""
    import uvloop

    from bench.simulate import question

    _, asked = question(method)
    bodies = [
        msgspec.json.encode(
            {"jsonrpc": "2.0", "id": 1, "method": "private/simulate_portfolio", "params": params}
        )
        for params in asked
    ]
    own = Server("own", method, cores[0] if len(cores) > 1 else None)
    other = (
        Server("fastapi", method, cores[0] if len(cores) > 1 else None) if peer("fastapi") else None
    )
    loop = uvloop.new_event_loop()
    try:
        bearer = loop.run_until_complete(token(own))
        posted = loop.run_until_complete(by_http(own, bodies, bearer))
        told = loop.run_until_complete(by_http(other, bodies, "")) if other else []
        sockets = loop.run_until_complete(by_socket(own, bodies))

        def ask(talks: list[Talk], depth: int) -> Callable[[], None]:
            return lambda: loop.run_until_complete(drive(talks, AT_ONCE, depth))

        for talks in (posted, sockets, told):
            if talks:
                ask(talks, 1)()
                assert b'"initial_margin"' in talks[0].last, talks[0].last[:300]
        _compare(f"{method}, unpipelined", ask(posted, 1), ask(sockets, 1),
                 ask(told, 1) if told else None, rounds, is_goal=True)  # fmt: skip
        _compare(f"{method}, pipelined by {DEPTH}", ask(posted, DEPTH), ask(sockets, DEPTH),
                 ask(told, DEPTH) if told else None, rounds, is_goal=False)  # fmt: skip
    finally:
        loop.close()
        for server in (own, other):
            if server:
                server.close()


def _compare(
    name: str, http: Callable[[], None], socket: Callable[[], None], told: Callable[[], None] | None,
    rounds: int, *, is_goal: bool,
) -> None:  # fmt: skip
    both = paired(http, socket, rounds)
    report(f"{name}, HTTP", AT_ONCE / both.first_s, "a second", goal=">= 1000" if is_goal else "")
    report(
        f"{name}, WebSocket", AT_ONCE / both.second_s, "a second", goal=">= 1500" if is_goal else ""
    )
    if told is not None:
        against = paired(http, told, rounds)
        report(f"{name}, HTTP against FastAPI", against.ratio, "x faster", goal=">= 1" if is_goal else "",
               note=f"{AT_ONCE / against.first_s:.0f} and {AT_ONCE / against.second_s:.0f} a second")  # fmt: skip
        against = paired(socket, told, rounds)
        report(f"{name}, WebSocket against FastAPI by HTTP", against.ratio, "x faster")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within about half a minute")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    parser.add_argument("--method", default="")
    parser.add_argument(
        "--profile", default="", help="where the server of --serve writes a profile"
    )
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.method or METHODS[0], options.profile)
        return
    print_machine()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[1]})
    chosen = [options.method] if options.method else METHODS[:1] if options.quick else METHODS
    for method in chosen:
        bench_WEBT_028_simulations_a_second(method, 3 if options.quick else 15, cores)


if __name__ == "__main__":
    main()
