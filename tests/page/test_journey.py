"""A risk manager's day on the page, over the command that people run: danger, reasons, a trade, the past, a lost line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.page.conftest import chromium

SCRIPT = Path(sysconfig.get_path("scripts")) / "steelyard"
WAIT_MS = 60_000
DOCUMENT = """
[market]
minutes = 60
speed = 6.0
fall_after_s = 5
[accounts]
source = "population:400"
"""


class Line:
    """A line between the browser and the service, that a test can cut and mend: a port that hands bytes on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self.is_cut = False
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and let none in."""
        self.is_cut = True
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self._ends.clear()

    def mend(self) -> None:
        """Let connections in again."""
        self.is_cut = False

    def close(self) -> None:
        """Listen no more."""
        self.cut()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            with self._lock:
                self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_hand_on, args=(source, target), daemon=True).start()


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while body := source.recv(65_536):
            target.sendall(body)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run `steelyard serve` over a market that falls soon; return the address of its page."""
    document = folder / "serve.toml"
    document.write_text(DOCUMENT, encoding="utf-8")
    clean = {name: text for name, text in os.environ.items() if not name.startswith("STEELYARD_")}
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [str(SCRIPT), "serve", str(document), "--port", "0", "--json"],
            stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder, env=clean,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "stderr").read_text()
            page: str = json.loads(line)["page"]
            yield page
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0, (folder / "stderr").read_text()
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def journey(built: Path, tmp_path: Path) -> Iterator[tuple[Any, Line]]:
    """Return the page, opened by its code through a line, and the line; skipped without a browser."""
    del built
    with chromium() as browser, served(tmp_path) as address:
        parts = urlsplit(address)
        assert parts.port is not None
        line = Line(parts.port)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"http://127.0.0.1:{line.port}/#{parts.fragment}")
        yield page, line
        line.close()


def ratio_of(page: Any) -> str:
    """Return the margin ratio that the account's page shows."""
    text: str = page.locator("[data-testid=margin-ratio]").inner_text().strip()
    return text


def event_of(page: Any) -> int:
    """Return the event that the bar of the page names."""
    found = re.search(r"Event\s*([\d,]+)", page.locator("header").first.inner_text())
    assert found is not None
    return int(found[1].replace(",", ""))


@pytest.mark.slow
def test_PAGE_140_a_danger_is_found_read_tried_gone_back_to_and_outlives_a_lost_line(
    journey: tuple[Any, Line],
) -> None:
    page, line = journey
    # A danger is found: an account that must hold margin and is no longer healthy.
    page.get_by_role("heading", name="Margin units by state").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.get_by_role("grid").wait_for()
    page.get_by_role("button", name=re.compile("^Portfolio")).click()
    row = page.locator("[role=row].is-open").first
    row.wait_for()
    row.click()
    # It is read: the ratio, and the parts of the requirement.
    page.wait_for_function(
        "() => /^\\d/.test(document.querySelector('[data-testid=margin-ratio]')?.innerText.trim() ?? '')"
    )
    assert float(ratio_of(page).replace(",", "")) < 100
    page.get_by_role("heading", name=re.compile("^Requirement, part by part")).wait_for()
    # A trade is tried: the ratio after it is another.
    page.get_by_label("Instrument").first.fill("BTC_USDC-PERPETUAL")
    page.keyboard.press("Enter")
    page.get_by_label(re.compile("^Quantity")).first.fill("2")
    page.locator("[data-testid=comparison]").wait_for()
    cells = page.locator("[data-testid=comparison] tr.is-first td")
    assert cells.nth(0).inner_text() != cells.nth(1).inner_text()
    unit = page.url.partition("?")[0]
    # Back in time: the same account as it was, and on to now again.
    before = event_of(page)
    page.evaluate(
        "seq => { history.pushState({}, '', `${location.pathname}?as_of=${seq}`);"
        " dispatchEvent(new PopStateEvent('popstate')); }",
        before // 2,
    )
    page.get_by_role("button", name="Return to now").first.wait_for()
    page.wait_for_function(
        "seq => document.body.innerText.includes(seq.toLocaleString('en-US'))", arg=before // 2
    )
    page.get_by_role("button", name="Return to now").first.click()
    page.wait_for_function(
        "seq => { const found = /Event\\s*([\\d,]+)/.exec(document.querySelector('header').innerText);"
        " return found && Number(found[1].replaceAll(',', '')) > seq; }",
        arg=before,
    )
    assert page.url.partition("?")[0] == unit
    # A lost line is said, and found again.
    line.cut()
    page.get_by_text(re.compile("Disconnected|No connection|lost", re.IGNORECASE)).first.wait_for()
    line.mend()
    page.locator("header").get_by_text("Live", exact=True).wait_for()
    at = event_of(page)
    page.wait_for_function(
        "seq => { const found = /Event\\s*([\\d,]+)/.exec(document.querySelector('header').innerText);"
        " return found && Number(found[1].replaceAll(',', '')) > seq + 5; }",
        arg=at,
    )
