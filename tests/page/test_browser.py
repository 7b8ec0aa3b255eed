"""The built page in a real browser, over a made-up venue that loses, forgets and falls silent on request."""

from __future__ import annotations

import importlib.util
import re
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.page.conftest import DASHBOARD

WAIT_MS = 60_000
PATHS = ("/", "/accounts", "/transparency", "/health", "/nothing")


def _module(name: str) -> ModuleType:
    """Return a module of the dashboard's dev folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DASHBOARD / "dev" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Stand:
    """A running made-up venue: its address and its state."""

    def __init__(self, address: str, stage: Any) -> None:
        self.address = address
        self.stage = stage

    def misbehave(self, deed: str) -> None:
        """Drop, gap, stale or live."""
        request = urllib.request.Request(f"{self.address}/dev/{deed}", method="POST")
        with urllib.request.urlopen(request, timeout=5):
            pass


@pytest.fixture
def stand(built: Path) -> Iterator[Stand]:
    """Serve the built page over 2,000 made-up units, until the test is done."""
    del built
    uvicorn = pytest.importorskip("uvicorn")
    venue = _module("venue")
    serve = _module("serve")
    stage = serve.Stage(venue.Venue(2_000))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(serve.create_app(stage), log_level="error", ws="websockets-sansio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield Stand(f"http://127.0.0.1:{port}", stage)
        server.should_exit = True
        thread.join()


def _opened(browser: Any, address: str, said: list[str], **more: Any) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, **more).new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{address}/#login=0af3")
    page.get_by_text("Live", exact=True).wait_for()
    return page


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_PAGE_050_every_page_keeps_the_policy_and_logs_no_error(
    stand: Stand, browser: Any, theme: str
) -> None:
    said: list[str] = []
    page = _opened(browser, stand.address, said, color_scheme=theme)
    assert "login" not in page.url
    for path in PATHS:
        page.evaluate("path => history.pushState(null, '', path)", path)
        page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
        page.wait_for_timeout(600)
        assert page.locator("main").inner_text().strip(), path
    page.reload()
    page.get_by_text("Live", exact=True).wait_for()
    assert said == []


def test_PAGE_051_keys_alone_find_an_account_and_open_it(stand: Stand, browser: Any) -> None:
    page = _opened(browser, stand.address, [])
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.get_by_role("grid").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("acc-0012")
    page.get_by_text("10 of 2,000 units").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector('[role="row"][aria-selected="true"]')
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/accounts/acc-0012\d$"))


def test_PAGE_052_a_lost_connection_is_told_and_comes_back(stand: Stand, browser: Any) -> None:
    said: list[str] = []
    page = _opened(browser, stand.address, said)
    page.evaluate(
        """() => {
            window.words = new Set();
            const note = () => words.add(document.querySelector('.condition').innerText);
            new MutationObserver(note).observe(document.body, {subtree: true, childList: true,
                characterData: true});
        }"""
    )
    stand.misbehave("drop")
    page.wait_for_function("() => [...words].some(each => /^Disconnected, /.test(each))")
    page.wait_for_function("() => document.querySelector('.condition').innerText === 'Live'")
    before = page.locator(".bar-fact.is-minor dd").inner_text()
    page.wait_for_function(
        "before => document.querySelector('.bar-fact.is-minor dd').innerText !== before", arg=before
    )


def test_PAGE_053_a_missed_change_leads_to_what_the_venue_says(stand: Stand, browser: Any) -> None:
    page = _opened(browser, stand.address, [])
    page.goto(f"{stand.address}/accounts")
    page.get_by_text("2,000 of 2,000 units").wait_for()
    stand.misbehave("gap")
    page.wait_for_timeout(1_500)
    stand.misbehave("stale")
    page.wait_for_timeout(1_500)
    venue = stand.stage.venue
    shown = page.locator('[role="gridcell"]').all_inner_texts()
    first = shown[:10]
    n = venue.units.index(first[0])
    balance, requirement = int(0.97 * venue.equity[n]), venue.requirement[n]
    ratios = [
        int(0.97 * e) / r for e, r in zip(venue.equity, venue.requirement, strict=True) if r > 0
    ]
    assert balance / requirement == min(ratios)
    assert first[4].replace(",", "").replace("\u2212", "-") == f"{venue.equity[n] / 1e6:.2f}"


def test_PAGE_054_a_venue_that_takes_no_events_is_stale(stand: Stand, browser: Any) -> None:
    page = _opened(browser, stand.address, [])
    stand.misbehave("stale")
    page.get_by_text("Stale: no event for 5 s or more").wait_for()
    page.get_by_text("takes no events").wait_for()
    stand.misbehave("live")
    page.get_by_text("Live", exact=True).wait_for()
