"""The server in somebody else's loop, desks that stay at one event, and the bench's own promise."""

from __future__ import annotations

import asyncio
import signal
import ssl
import subprocess
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from steelyard.quantities.errors import InputError
from steelyard.service.access.matrix import Matrix, check_routes
from steelyard.service.answers import Context, StatedDesk
from steelyard.service.answers.pinned import PinnedDesk, touched
from steelyard.service.answers.portfolio import SimulateParams, simulate_portfolio
from steelyard.service.web.app import create_app
from steelyard.service.web.errors import WebError
from steelyard.service.web.methods import CONNECTION_METHODS
from steelyard.service.web.serve import WebServer
from steelyard.terms.documents import documents
from tests.service.answers.desks import Key, holder, market
from tests.service.web.roles import Slow, bearer, request, run, venue


def stated() -> StatedDesk:
    accounts = {name: holder(BTC_PERPETUAL=1.0, ETH_PERPETUAL=-2.0) for name in ("amy", "bob")}
    return StatedDesk(market(), accounts, documents().get("paradex-pm"), as_of_seq=7)


def test_WEBT_009_a_pinned_desk_stays_as_it_was() -> None:
    desk = stated()
    before, account = desk.market(), desk.account("amy")
    pinned = PinnedDesk(desk, ["amy", "nobody"])
    later = msgspec.structs.replace(before, as_of="2026-06-01T08:00:09Z")
    desk.restate(later, 8)
    assert (pinned.as_of_seq(), pinned.market(), pinned.account("amy")) == (7, before, account)
    assert pinned.time_us() == desk.time_us() - 9_000_000
    assert pinned.tables is not desk.tables
    assert pinned.instruments() == desk.instruments()
    for name in ("bob", "nobody"):
        with pytest.raises(InputError, match="ANSW-E03"):
            pinned.account(name)
        with pytest.raises(InputError, match="ANSW-E03"):
            pinned.method_of(name)


def test_WEBT_009_threads_over_pinned_desks_answer_as_one_does() -> None:
    desk = stated()
    asked = [
        SimulateParams("USD", True, {"BTC-PERPETUAL": float(i), "ETH-26JUN26-4000-C": -1.0}, "amy")
        for i in range(40)
    ]

    def answer(params: SimulateParams) -> bytes:
        pinned = PinnedDesk(desk, touched(params, None, desk))
        return msgspec.json.encode(simulate_portfolio(params, Context(Key(), pinned, 0)))

    alone = [answer(params) for params in asked]
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(answer, asked)) == alone
    direct = [
        msgspec.json.encode(simulate_portfolio(each, Context(Key(), desk, 0))) for each in asked
    ]
    assert direct == alone


def test_WEBT_007_every_method_has_a_row_in_the_matrix() -> None:
    async def story() -> None:
        async with venue() as v:
            registry = v.service.dispatcher.registry
            rows = Matrix(registry.rows())
            check_routes(rows, (method.name for method in registry))
            named = {row.endpoint: row for row in rows.rows()}
            assert set(named) >= CONNECTION_METHODS
            assert named["private/set_as_of"].scope == "risk"
            assert named["public/auth"].scope == "public"

    run(story)


def test_WEBT_027_the_server_takes_no_signals_and_gives_its_port() -> None:
    async def story() -> None:
        handlers = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
        async with venue() as v:
            assert v.server.port > 0
            assert {which: signal.getsignal(which) for which in handlers} == handlers
            second = WebServer(create_app(v.service), v.service)
            v.service.settings = msgspec.structs.replace(v.service.settings, port=v.server.port)
            with pytest.raises(WebError, match="WEBT-E08"):
                await second.start()
        assert {which: signal.getsignal(which) for which in handlers} == handlers

    run(story)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_WEBT_027_an_address_of_others_is_refused(host: str) -> None:
    async def story() -> None:
        with pytest.raises(WebError, match="WEBT-E08"):
            async with venue(host=host):
                pass

    run(story)


def test_WEBT_027_tls_is_served_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out",
         str(certificate), "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1"], capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not installed")

    async def story() -> None:
        trusted = ssl.create_default_context(cafile=str(certificate))
        async with venue(tls_certificate=str(certificate), tls_key=str(key)) as v:
            assert v.url.startswith("https://")
            async with httpx.AsyncClient(base_url=v.url, verify=trusted) as client:
                found = await client.post("/api/v2", json=request("public/test"))
                assert "result" in found.json()
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                old.minimum_version = ssl.TLSVersion.TLSv1
                old.maximum_version = ssl.TLSVersion.TLSv1_1
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", v.server.port, ssl=old)
        with pytest.raises(WebError, match="WEBT-E08"):
            async with venue(tls_certificate=str(key), tls_key=str(certificate)):
                pass

    run(story)


def test_WEBT_027_a_stop_answers_what_is_in_progress_and_does_not_wait_for_whoever_stays() -> None:
    slow = Slow()

    async def story() -> None:
        async with venue(more=(slow.method,), stop_s_max=2.0) as v, v.client() as client:
            headers = await bearer(client)
            reader, writer = await asyncio.open_connection("127.0.0.1", v.server.port)
            writer.write(b"POST /api/v2 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\n\r\n{")
            post: Any = client.post("/api/v2", json=slow.request, headers=headers)
            asked = asyncio.create_task(post)
            while v.service.heavy.held < 1:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(v.server.stop())
            await asyncio.sleep(0.2)
            slow.go_on.set()
            assert (await asked).status_code == 200
            await stopping
            with suppress(ConnectionError):
                await reader.read()  # it ends, one way or the other
            writer.close()

    run(story)


def test_WEBT_028_the_bench_asks_what_it_says() -> None:
    """The load's own reading of answers and frames, against bytes that are known."""
    from bench.taps import TEXT, masked
    from bench.transport import Talk

    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
    assert Talk.end_of_answer(answer * 2, 0) == len(answer)
    assert Talk.end_of_answer(answer * 2, len(answer)) == 2 * len(answer)
    assert Talk.end_of_answer(answer[:20], 0) == -1
    assert Talk.end_of_frame(b"\x81\x7e\x01\x00" + b"x" * 256, 0) == 260
    assert Talk.end_of_frame(b"\x81\x03abc" + b"x" * 9, 0) == 5
    assert masked(TEXT, b"x" * 200)[:4] == b"\x81\xfe\x00\xc8"
