"""`steelyard serve` as a process: addresses, the page's code, the past, metrics, the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from steelyard.cli import demo as demo_module
from steelyard.cli.serve_market import driven
from steelyard.cli.serve_options import with_options
from steelyard.engine.replay import replay_journal
from steelyard.quantities import InputError, SteelyardError
from steelyard.service.config import ServeConfig, parse_config

SCRIPT = Path(sysconfig.get_path("scripts")) / "steelyard"
WAIT_S = 60.0


@contextmanager
def serving(folder: Path, document: str = "", *more: str) -> Iterator[dict[str, Any]]:
    """Run the command over a small simulated market until the block ends; its exit code is 0."""
    path = folder / "serve.toml"
    path.write_text(document or '[accounts]\nsource = "population:60"\n', encoding="utf-8")
    words = [str(SCRIPT), "serve", str(path), "--port", "0", "--json", *more]
    clean = {name: text for name, text in os.environ.items() if not name.startswith("STEELYARD_")}
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=clean
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "stderr").read_text()
            yield json.loads(line)
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == 0, (folder / "stderr").read_text()
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def ask(socket: ClientConnection, method: str, **params: Any) -> dict[str, Any]:
    """Return the answer to a request, past any notification."""
    socket.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
    while True:
        found: dict[str, Any] = json.loads(socket.recv(timeout=WAIT_S))
        if found.get("id") == 7:
            return found


def seq_of(socket: ClientConnection) -> int:
    """Return the event that an answer is as of."""
    found = ask(socket, "public/get_index_price", index_name="btc_usd")
    seq: int = found["result"]["as_of_seq"]
    return seq


def test_SERV_030_SERV_031_SERV_032_SERV_033_a_service_lives_and_ends(tmp_path: Path) -> None:
    with serving(tmp_path) as told:
        timed = httpx.get(f"{told['api']}/public/get_time").json()
        assert abs(timed["result"] - time.time() * 1e3) < 60_000
        assert "steelyard_seq" in httpx.get(told["metrics"]).text
        code = told["page"].partition("#login=")[2]
        with connect(told["websocket"]) as socket:
            opened = ask(socket, "public/auth", grant_type="page_code", code=code)["result"]
            assert set(opened["scope"].split()) >= {"read", "risk"} or opened["access_token"]
            again = ask(socket, "public/auth", grant_type="page_code", code=code)
            assert again["error"]["data"]["code"] == "ACCS-E10"
            now = seq_of(socket)
            while seq_of(socket) < now + 5:
                time.sleep(0.05)
            assert "error" not in ask(socket, "private/set_as_of", as_of_seq=now)
            assert seq_of(socket) == now
            worlds = ask(socket, "private/liquidation_map", underlyings=["BTC"], levels=3)
            assert [each["as_of_seq"] for each in worlds["result"]] == [now]
            refused = ask(socket, "private/release", account="nobody", order="o")
            assert refused["error"]["data"]["code"] == "WEBT-E06"
            assert "error" not in ask(socket, "private/set_as_of", as_of_seq=None)
            assert seq_of(socket) > now
    engine, report = replay_journal(Path(tmp_path / told["journal"]))
    assert report.difference == ""
    assert report.checkpoints_checked >= 2
    assert len(engine.places) >= 60
    assert code not in (tmp_path / "stderr").read_text()


def test_SERV_031_without_page_login_the_address_has_no_code(tmp_path: Path) -> None:
    text = '[accounts]\nsource = "population:20"\n[access]\npage_login = false\n[rewind]\nis_on = false\n'
    with serving(tmp_path, text) as told:
        assert "#" not in told["page"]
        assert httpx.get(told["page"]).status_code == 200


def test_SERV_034_a_journal_is_gone_on_with_where_no_market_drives(tmp_path: Path) -> None:
    market = '[market]\nminutes = 1\n[accounts]\nsource = "population:20"\n'
    first = driven(with_options(parse_config(market, {}), journal=tmp_path / "v.journal"), print)
    first.journaled.snapshot()
    first.journaled.close()
    with pytest.raises(SteelyardError) as there:
        driven(with_options(parse_config(market, {}), journal=tmp_path / "v.journal"), print)
    assert (there.value.code, there.value.where["field"]) == ("SERV-E06", "journal")
    none = parse_config('[market]\nkind = "none"\n', {})
    again = driven(with_options(none, journal=tmp_path / "v.journal"), print)
    try:
        assert again.journaled.engine.seq == first.journaled.engine.seq
        assert again.play is None
    finally:
        again.journaled.close()


def test_SERV_034_an_undriven_venue_begins_empty(tmp_path: Path) -> None:
    none = parse_config('[market]\nkind = "none"\n', {})
    with pytest.raises(SteelyardError) as populated:
        driven(with_options(none, journal=tmp_path / "n.journal"), print)
    assert (populated.value.code, populated.value.where["field"]) == ("SERV-E06", "source")
    made = driven(with_options(none, journal=tmp_path / "n.journal", accounts="none"), print)
    made.journaled.close()
    assert made.journaled.engine.places == {}


def test_SERV_035_the_demo_is_a_page_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from steelyard.cli.app import app

    monkeypatch.chdir(tmp_path)
    used: list[tuple[str, Any]] = []
    monkeypatch.setattr(demo_module, "demo_in_terminal", lambda *a: used.append(("terminal", a)))

    def page(config: ServeConfig, say: Any, **options: Any) -> int:
        used.append(("page", config))
        return 0

    monkeypatch.setattr(demo_module, "serve_command", page)
    for words in ([], ["--terminal"], ["--json"], ["--plot", "x.png"]):
        assert CliRunner().invoke(app, ["demo", "--no-open", *words]).exit_code == 0
    assert [kind for kind, _ in used] == ["page", "terminal", "terminal", "terminal"]
    config = used[0][1]
    assert (config.market.speed, config.market.minutes, config.server.port) == (1.0, 240, 8710)

    def absent() -> None:
        raise InputError("SERV-E07", "the service needs uvicorn", rule="r", cure="pip install")

    monkeypatch.setattr(demo_module, "require_extra", absent)
    used.clear()
    assert CliRunner().invoke(app, ["demo"]).exit_code == 0
    assert [kind for kind, _ in used] == ["terminal"]
