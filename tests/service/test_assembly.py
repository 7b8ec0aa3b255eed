"""The service put together: metrics for whom, keys that change, what is refused at the start."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from time import time_ns
from typing import Any

import httpx
import pytest

from steelyard.publish import Tally
from steelyard.quantities import SteelyardError
from steelyard.service import assembly
from steelyard.service.access.key_file import create_key
from steelyard.service.access.keys import Created, Rights
from steelyard.service.access.session import Scope
from steelyard.service.assembly import Running
from steelyard.service.config import parse_config
from tests.service.host.hosts import prepared, run

ELSEWHERE = ("192.0.2.1", 4711)


def key(path: Path, *scopes: Scope, accounts: Any = "all") -> Created:
    rights = Rights(label="", scopes=scopes, accounts=accounts, expires_us=None)
    return create_key(path, "secret", rights, time_us=time_ns() // 1_000, random=os.urandom)


def running(folder: Path, keys: Path | None = None) -> Running:
    text = f'[server]\nport = 0\n[rewind]\nis_on = false\n[access]\nkeys = "{keys or ""}"\n'
    journaled = prepared(folder / "assembled.journal")
    return Running(parse_config(text, {}), journaled, title="Test", tally=Tally(), environment={})


async def scraped(service: Running, address: tuple[str, int], **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(service.app, client=address)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get("/metrics", headers=headers)


def basic(made: Created, secret: str) -> dict[str, str]:
    return {"authorization": httpx.BasicAuth(made.key.id, secret)._auth_header}


def test_SERV_033_metrics_are_told_here_and_elsewhere_to_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = {name: key(path, scope, accounts=accounts) for name, scope, accounts in (
        ("reader", "read", "all"), ("trader", "trade", "all"), ("one", "read", ("alice",)),
    )}  # fmt: skip
    proofs = {name: basic(each, each.secret.reveal()) for name, each in made.items() if each.secret}

    async def work() -> None:
        service = running(tmp_path, path)
        await service.start()
        try:
            here = await scraped(service, ("127.0.0.1", 1))
            assert here.status_code == 200
            assert f"steelyard_seq {service.host.engine.seq}.0" in here.text
            assert (await scraped(service, ELSEWHERE)).status_code == 401
            handed = {"x-forwarded-for": "192.0.2.1"}
            assert (await scraped(service, ("127.0.0.1", 1), **handed)).status_code == 401
            wrong = await scraped(service, ELSEWHERE, authorization="Bearer x")
            assert wrong.status_code == 401
            found = {
                n: (await scraped(service, ELSEWHERE, **p)).status_code for n, p in proofs.items()
            }
            assert found == {"reader": 200, "trader": 401, "one": 401}
        finally:
            await service.stop()

    run(work)


def test_SERV_036_a_changed_key_file_is_read_and_a_broken_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "KEYS_EVERY_S", 0.02)
    path = tmp_path / "keys.json"
    first = key(path, "read")

    async def known(service: Running, key_id: str) -> bool:
        for _ in range(200):
            if service.ring.generation(key_id):
                return True
            await asyncio.sleep(0.02)
        return False

    async def work() -> None:
        service = running(tmp_path, path)
        await service.start()
        try:
            assert service.ring.generation(first.key.id) == 1
            second = key(path, "risk")
            assert await known(service, second.key.id)
            sound = path.read_bytes()
            path.write_bytes(b"{}")
            await asyncio.sleep(0.2)
            assert service.ring.generation(second.key.id) == 1
            path.write_bytes(sound)
            third = key(path, "risk")
            assert await known(service, third.key.id)
        finally:
            await service.stop()

    run(work)


def test_SERV_036_a_key_file_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(SteelyardError) as found:
        running(tmp_path, tmp_path / "keys.json")
    assert found.value.code in ("ACCS-E02", "ACCS-E03")
