"""What a browser sees: the page and its policy, hosts, origins, a login by a code, and lines of the log."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from steelyard.service.access import KeyRing, sign_request
from steelyard.service.access.errors import AccessError
from steelyard.service.web.guards import Guard
from steelyard.service.web.login import PageCodes, login_url
from steelyard.service.web.service import now_us
from steelyard.service.web.settings import Settings
from tests.service.access.roles import Chance
from tests.service.web.roles import ask, bearer, code, keys, login, request, run, venue


def built(folder: Path) -> Path:
    """Return a folder like one that was built."""
    (folder / "assets").mkdir()
    style = "<style>body{margin:0}</style>"
    (folder / "index.html").write_text(
        f"<!doctype html>{style}<script src=/assets/app-1a2b3c4d.js></script>"
    )
    (folder / "assets" / "app-1a2b3c4d.js").write_text("console.log(1)" * 100)
    (folder / "assets" / "app-1a2b3c4d.js.gz").write_bytes(gzip.compress(b"console.log(1)" * 100))
    (folder / "icon.svg").write_text("<svg/>")
    (folder.parent / "outside.txt").write_text("secret")
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    return folder


def test_WEBT_023_the_page_is_served_under_a_closed_policy(tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.mkdir()
    built(static)

    async def story() -> None:
        async with venue(static=static) as v, v.client() as client:
            index = await client.get("/")
            assert index.headers["cache-control"] == "no-cache"
            policy = index.headers["content-security-policy"]
            port = v.server.port
            assert policy == (
                "default-src 'none'; script-src 'self'; style-src 'self' "
                "'sha256-IAdwN3biDCQ3brrgp1m8kBEsPQYyqfREKOEfeoREopc='; "
                f"connect-src 'self' ws://127.0.0.1:{port} wss://127.0.0.1:{port}; img-src 'self' data:; "
                "font-src 'self'; worker-src 'self'; manifest-src 'self'; "
                "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
            )
            assert "unsafe" not in policy
            for name, value in (
                ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"), ("x-frame-options", "DENY"),
            ):  # fmt: skip
                assert index.headers[name] == value
            assert "camera=()" in index.headers["permissions-policy"]
            place = await client.get("/accounts/alice")
            assert place.text == index.text
            script = await client.get("/assets/app-1a2b3c4d.js")
            assert "immutable" in script.headers["cache-control"]
            assert script.headers["content-encoding"] == "gzip"
            assert script.text == "console.log(1)" * 100
            plain = await client.get(
                "/assets/app-1a2b3c4d.js", headers={"accept-encoding": "gzip;q=0"}
            )
            assert "content-encoding" not in plain.headers
            again = await client.get("/", headers={"if-none-match": index.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert (await client.head("/icon.svg")).headers["content-length"] == "6"
            for missing in (
                "/assets/none.js",
                "/link.txt",
                "/../outside.txt",
                "/%2e%2e/outside.txt",
            ):
                assert (await client.get(missing)).status_code == 404
            assert (await client.get("/v1/none")).status_code == 404
            assert (await client.post("/")).status_code == 405

    run(story)


def test_WEBT_023_without_a_build_the_page_says_how_to_make_one() -> None:
    async def story() -> None:
        async def metrics(_request: object) -> PlainTextResponse:
            return PlainTextResponse("up 1")

        async with venue(routes=[Route("/metrics", metrics)]) as v, v.client() as client:
            found = await client.get("/")
            assert (found.status_code, "make page" in found.text) == (200, True)
            other = await client.get("/metrics")
            assert other.text == "up 1"
            assert other.headers["content-security-policy"].startswith("default-src 'none'")
            assert other.headers["x-content-type-options"] == "nosniff"

    run(story)


@pytest.mark.parametrize(
    ("host", "is_served"),
    [("127.0.0.1:PORT", True), ("localhost:PORT", True), ("[::1]:PORT", True), ("LOCALHOST", True),
     ("attacker.example:PORT", False), ("127.0.0.1.attacker.example", False), ("", False), ("a b", False)],
)  # fmt: skip
def test_WEBT_024_a_loopback_service_is_asked_by_loopback_names(host: str, is_served: bool) -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            headers = {"host": host.replace("PORT", str(v.server.port))}
            for path in ("/", "/api/v2/public/test", "/assets/x.js"):
                found = await client.get(path, headers=headers)
                assert (found.status_code != 403) == is_served

    run(story)


def test_WEBT_024_other_hosts_are_served_where_they_are_allowed() -> None:
    every, named = (
        Guard(Settings(host="0.0.0.0")),
        Guard(Settings(host="0.0.0.0", allowed_hosts=("desk.example",))),
    )
    assert every.check(b"any.example:1", b"") is None
    assert named.check(b"desk.example", b"") is None
    assert named.check(b"any.example", b"") is not None


def test_WEBT_024_pages_of_others_may_ask_where_they_are_allowed() -> None:
    async def story() -> None:
        async with venue(allowed_origins=("https://desk.example",)) as v, v.client() as client:
            own = f"http://127.0.0.1:{v.server.port}"
            for origin, is_served, is_shared in (
                (own, True, False), ("https://desk.example", True, True),
                ("https://attacker.example", False, False), ("null", False, False),
                (own + "1", False, False), ("https://desk.example.attacker.example", False, False),
            ):  # fmt: skip
                headers = {"origin": origin}
                found = await client.post("/api/v2", json=request("public/test"), headers=headers)
                assert (found.status_code == 200) == is_served
                shared = found.headers.get("access-control-allow-origin")
                assert shared == (origin if is_shared else None)
                ahead = await client.options("/api/v2", headers=headers)
                assert (ahead.status_code == 204) == is_served
                if is_served:
                    async with v.connect(origin=origin) as socket:
                        assert "result" in await ask(socket, "public/test")
                else:
                    with pytest.raises(InvalidStatus) as refused:
                        await v.connect(origin=origin)
                    assert refused.value.response.status_code == 403

    run(story)


def test_WEBT_025_a_code_opens_the_page_once() -> None:
    async def story() -> None:
        async with venue() as v, v.client() as client:
            issued = v.service.codes.issue(["read", "risk"], None, v.service.clock())
            assert login_url(v.url, issued).endswith(f"/#login={issued}")
            async with v.connect() as socket:
                params = {"grant_type": "page_code", "code": issued}
                granted = (await ask(socket, "public/auth", params))["result"]
                assert {"read", "risk"} <= set(granted["scope"].split())
                assert "trade" not in granted["scope"].split()
                found = await ask(socket, "private/get_account_summary", {"account": "bob"})
                assert "result" in found
                assert code(await ask(socket, "public/auth", params)) == "ACCS-E10"
            again = await client.get("/api/v2/public/auth", params=params)
            assert again.status_code == 401
            assert len(v.service.tokens) == 0  # the session ended with its connection
            second = v.service.codes.issue(["read"], None, v.service.clock())
            found = await client.get(
                "/api/v2/public/auth", params={"grant_type": "page_code", "code": second}
            )
            headers = {"authorization": f"Bearer {found.json()['result']['access_token']}"}
            found = await client.get(
                "/api/v2/private/get_account_summary?account=bob", headers=headers
            )
            assert found.status_code == 200

    run(story)


def test_WEBT_025_a_code_expires_and_old_ones_make_room() -> None:
    ring = KeyRing((), random=Chance("r"))
    codes = PageCodes(ring, random=Chance("c"), life_s=60)
    late = codes.issue(["read"], None, 0)
    with pytest.raises(AccessError, match="ACCS-E10"):
        codes.redeem(late, 60_000_000)
    with pytest.raises(AccessError, match="ACCS-E10"):
        codes.redeem(late, 1)
    issued = [codes.issue(["read"], None, 0) for _ in range(70)]
    with pytest.raises(AccessError, match="ACCS-E10"):
        codes.redeem(issued[0], 1)
    assert codes.redeem(issued[-1], 1).key_id != codes.redeem(issued[-2], 1).key_id
    assert issued[-3] not in repr(codes)


def test_WEBT_026_no_secret_is_ever_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    known = keys()
    secrets = [known.alice_secret, known.risk_secret, known.signer_secret]

    async def story() -> None:
        async with venue(unread_s_max=0.5) as v, v.client() as client:
            headers = await bearer(client)
            secrets.append(headers["authorization"][7:])
            body = json.dumps(request("private/get_account_summary", {"account": "alice"})).encode()
            await client.post("/api/v2", content=body, headers=headers)
            signed = sign_request(
                known.signer, known.signer_secret, "POST", "/api/v2", body,
                ts_ms=now_us() // 1000, nonce="nonce-of-a-log",
            )  # fmt: skip
            secrets.append(signed.partition("sig=")[2])
            await client.post("/api/v2", content=body, headers={"authorization": signed})
            issued = v.service.codes.issue(["read"], None, v.service.clock())
            secrets.append(issued)
            await client.get(
                "/api/v2/public/auth", params={"grant_type": "page_code", "code": issued}
            )
            async with v.connect() as socket:
                granted = await login(socket)
                secrets.extend([granted["access_token"], granted["refresh_token"]])
                await ask(
                    socket, "public/auth", {"grant_type": "refresh_token", "refresh_token": "x"}
                )
                await socket.send(f'{{"client_secret": "{known.alice_secret}", ')
                await socket.recv()
                await socket.send(b"\xff" + known.alice_secret.encode(), text=True)

    with caplog.at_level(logging.DEBUG):
        for name in ("websockets.client", "httpx", "httpcore.http11", "httpcore.connection"):
            logging.getLogger(name).setLevel(logging.ERROR)  # the client's own
        run(story)
    said = "\n".join(record.getMessage() for record in caplog.records)
    for secret in secrets:
        assert len(secret) >= 32
        assert secret not in said
