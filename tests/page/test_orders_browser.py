"""Orders given in the page, in a real browser over a real service, by two persons."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.page.test_browser import WAIT_MS

SERVE = "from steelyard.cli.app import main; main()"


class Second(NamedTuple):
    """Another person, at the control plane of a service."""

    address: str
    key_id: str
    secret: str

    def order(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """Give an order and return its answer."""
        proof = base64.b64encode(f"{self.key_id}:{self.secret}".encode()).decode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = urllib.request.Request(
            f"{self.address}{path}", json.dumps(body).encode(),
            {**headers, "Authorization": f"Basic {proof}"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


class Running(NamedTuple):
    """A service: the address that logs its page in, and the second person."""

    page: str
    second: Second


@pytest.fixture
def running(built: Path, tmp_path: Path) -> Iterator[Running]:
    """Serve 40 accounts of a calm simulated market, with a key for a second person."""
    del built
    keys = tmp_path / "keys.json"
    environment = {**os.environ, "STEELYARD_ACCESS_KEYS": str(keys), "STEELYARD_MARKET_LAW": "calm"}
    made = json.loads(
        subprocess.run(
            [sys.executable, "-c", SERVE, "keys", "create", "--scopes", "read,risk,admin",
             "--accounts", "all", "--keys", str(keys), "--json"],
            check=True, capture_output=True, text=True, env=environment,
        ).stdout
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", "--port", "0", "--accounts", "population:40",
         "--journal", str(tmp_path / "venue.journal"), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield Running(told["page"], Second(told["control"], made["id"], made["secret"]))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def _parameters(browser: Any, running: Running, tab: str, said: list[str]) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(3 * WAIT_MS)
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(running.page)
    page.get_by_text("Live", exact=True).wait_for()
    page.get_by_role("link", name="Parameters").click()
    page.get_by_role("tab", name=tab).click()
    return page


def _done(page: Any) -> None:
    """Wait until the journal holds what was ordered, and close the dialog."""
    page.get_by_text("Position in the journal").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()


def test_PAGE_076_two_persons_change_a_parameter(
    running: Running,
    browser: Any,
) -> None:
    said: list[str] = []
    page = _parameters(browser, running, "Method", said)
    page.get_by_label("Propose a change of underlying.BTC.range_ppm").click()
    page.get_by_role("button", name="Go on with the proposal (1)").click()
    value = page.get_by_label("underlying.BTC.range_ppm, parts per million")
    value.fill("0.5")
    page.get_by_text("parts per million are whole numbers").wait_for()
    value.fill("300,000")
    page.get_by_text("new: 30 %, +100 %").wait_for()
    page.get_by_label("Reason, kept in the journal").fill("a wilder market")
    page.get_by_role("button", name="Work out the impact").click()
    page.get_by_text("Newly liquidatable").wait_for()
    page.get_by_role("button", name="Propose…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Nothing changes yet").wait_for()
    dialog.get_by_role("button", name="Propose", exact=True).click()
    _done(page)
    card = page.get_by_role("article", name="Proposal proposal-")
    card.get_by_text("The proposer cannot approve.").wait_for()
    assert card.get_by_role("button", name="Approve…").is_disabled()
    name = card.locator("strong.mono").inner_text()
    running.second.order(f"/proposals/{name}/approve", {}, "approve-1")
    card.get_by_text(running.second.key_id).wait_for()
    page.get_by_role("tab", name="Method").click()
    row = page.get_by_role("row").filter(
        has=page.get_by_label("change of underlying.BTC.range_ppm")
    )
    row.get_by_text("300,000").wait_for()
    row.get_by_text("▲ document: 150,000").wait_for()
    assert said == []


def test_PAGE_077_the_kill_switch_takes_its_words_and_two_persons_lift_it(
    running: Running,
    browser: Any,
) -> None:
    said: list[str] = []
    page = _parameters(browser, running, "Controls", said)
    halt = page.get_by_role("form", name="New halt or reduce-only")
    halt.get_by_label("Underlying").select_option("BTC")
    halt.get_by_label("Ends").select_option("60")
    halt.get_by_label("Reason").fill("its index is under attack")
    halt.get_by_role("button", name="Halt…").click()
    page.get_by_text("every new order on BTC is refused").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Halt", exact=True).click()
    _done(page)
    standing = page.get_by_role("article", name="Halt: BTC")
    for word in ("active", "its index is under attack", "in 59 min", "page:1-"):
        standing.get_by_text(word).first.wait_for()
    pull = page.get_by_role("form", name="Pull the kill switch")
    pull.get_by_label("Reason").fill("orders of nobody")
    pull.get_by_role("button", name="Pull the kill switch…").click()
    go = page.get_by_role("dialog").get_by_role("button", name="Pull it")
    assert go.is_disabled()
    words = page.get_by_label("Type “cancel all orders” to go on")
    words.fill("cancel all")
    assert go.is_disabled()
    words.fill("cancel all orders")
    page.keyboard.press("Enter")
    _done(page)
    lift = page.get_by_role("form", name="Ask to lift the kill switch")
    lift.get_by_label("Why trading may begin again").fill("the cause is found")
    lift.get_by_role("button", name="Ask to lift it…").click()
    page.get_by_role("dialog").get_by_role("button", name="Ask", exact=True).click()
    _done(page)
    asked = page.get_by_role("article", name="Lift the kill switch").first
    asked.get_by_role("button", name="Approve").wait_for()
    assert asked.get_by_role("button", name="Approve").is_disabled()
    name = asked.locator("span.mono.muted").inner_text()
    running.second.order(f"/overrides/{name}/approve", {}, "lift-1")
    page.get_by_role("form", name="Pull the kill switch").wait_for()
    assert said == []


def test_PAGE_078_back_in_time_every_order_is_held(
    running: Running,
    browser: Any,
) -> None:
    page = _parameters(browser, running, "Controls", [])
    halt = page.get_by_role("form", name="New halt or reduce-only")
    halt.get_by_label("Underlying").select_option("BTC")
    halt.get_by_label("Reason").fill("why")
    assert halt.get_by_role("button", name="Halt…").is_enabled()
    page.evaluate("history.pushState(null, '', '/parameters?tab=controls&as_of=60')")
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    page.get_by_text("Nothing can be ordered now.").wait_for()
    assert halt.get_by_role("button", name="Halt…").is_disabled()
    halt.get_by_text("orders are given in the present").wait_for()
    page.get_by_role("button", name="Return to now").last.click()
    page.get_by_text("Nothing can be ordered now.").wait_for(state="detached")
