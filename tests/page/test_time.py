"""Time travel in a real browser, over the real service: back in time on every page, and through a lost connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.page.test_account import Desk
from tests.page.test_browser import WAIT_MS
from tests.page.test_unit_tests import UnitTests

EVENT = ".bar-fact.is-minor dd"
PRICE = ".asset-price"
PAGES = ("/", "/accounts", "/health", "/transparency", "/time")
FALL = (100_000.0, 99_400.0, 98_700.0, 96_000.0, 90_000.0, 84_000.0, 83_000.0)


def test_PAGE_090_places_lead_to_their_events(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-090")


def test_PAGE_091_keys_and_marks_step(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-091")


def test_PAGE_092_what_is_typed_is_an_event_or_an_instant(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-092")


def test_PAGE_093_playing_has_one_question_under_way(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-093")


def test_PAGE_094_a_way_ends_where_it_leads(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-094")


class Fallen(Desk):
    """A service whose market has fallen; `fall` is what BTC was after which event."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fall: dict[int, float] = {}

    def live(self) -> None:
        """Let the market fall, and wait until all of it is durable."""
        for btc in FALL:
            self.price(btc)
            self.fall[self.seq] = btc
        host = self.running.host
        self._wait(host.durable(host.position))

    @property
    def seq(self) -> int:
        """Return the last event."""
        return self.do(lambda: self.running.host.engine.seq)

    def drop(self) -> None:
        """Close every connection of the page."""
        self.do(lambda: [each.go_away() for each in [*self.running.service.connections]])


@pytest.fixture
def desk(built: Path, tmp_path: Path) -> Iterator[Fallen]:
    """Serve the built page over the small venue, in which BTC has fallen from 100,000 to 83,000."""
    del built
    pytest.importorskip("uvicorn")
    found = Fallen(tmp_path)
    found.start()
    found.live()
    yield found
    found.stop()


def _opened(browser: Any, desk: Fallen, said: list[str]) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(2 * WAIT_MS)
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    base, code = desk.do(desk.running.page_address).split("/#")
    page.goto(f"{base}/time#{code}")
    page.get_by_role("slider").wait_for()
    return page


def _says(page: Any, selector: str, text: str) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.trim() === text",
        arg=[selector, text],
    )


def _walk(page: Any, path: str) -> None:
    """Go to another page as a link of the navigation does: the instant goes along."""
    name = {"/": "o", "/accounts": "a", "/health": "h", "/transparency": "y", "/time": "t"}[path]
    page.keyboard.press("g")
    page.keyboard.press(name)
    page.wait_for_url(re.compile(re.escape(path) + r"(\?.*)?$"))


def _go(page: Any, wish: str) -> None:
    page.get_by_label("Event or time (UTC)").fill(wish)
    page.get_by_role("button", name="Go", exact=True).click()


def test_PAGE_095_every_page_shows_the_instant_and_now_comes_back(
    desk: Fallen, browser: Any
) -> None:
    said: list[str] = []
    page = _opened(browser, desk, said)
    _says(page, PRICE, "83,000.00")
    seq, btc = next((seq, btc) for seq, btc in desk.fall.items() if btc == 98_700.0)
    _go(page, str(seq))
    page.wait_for_url(re.compile(rf"as_of={seq}$"))
    _says(page, PRICE, f"{btc:,.2f}")
    slider = page.get_by_role("slider")
    assert slider.get_attribute("aria-valuenow") == str(seq)
    page.locator(".since").get_by_text("83,000.00").wait_for()
    page.locator(".since").get_by_text("98,700.00").wait_for()
    page.get_by_role("button", name="Go", exact=True).focus()
    for path in PAGES:
        _walk(page, path)
        assert f"as_of={seq}" in page.url
        _says(page, EVENT, f"{seq:,}")
        page.get_by_text(f"every panel shows event {seq:,}").wait_for()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile(rf"as_of={seq - 1}$"))
    _says(page, EVENT, f"{seq - 1:,}")
    page.keyboard.press("Home")
    page.wait_for_url(re.compile(r"as_of=1$"))
    page.keyboard.press("End")
    page.wait_for_url(re.compile(rf"as_of={desk.seq}$"))
    _go(page, "yesterday")
    page.get_by_text("An event number such as").wait_for()
    page.get_by_role("button", name="Return to now").first.click()
    page.get_by_text("Live", exact=True).wait_for()
    desk.price(82_500.0)
    _says(page, PRICE, "82,500.00")
    assert "as_of" not in page.url
    assert said == []


def test_PAGE_095_marks_lead_to_liquidations(desk: Fallen, browser: Any) -> None:
    page = _opened(browser, desk, [])
    tally = desk.do(lambda: desk.running.host.scene.chronicle.tally)
    assert tally.liquidated
    mark = page.locator(".mark.kind-liquidation").last
    mark.wait_for()
    seq = int(mark.locator(".num").inner_text().replace(",", ""))
    mark.click()
    _says(page, EVENT, f"{seq:,}")
    page.get_by_role("button", name=re.compile("^Mark before")).click()
    page.wait_for_function(
        "([selector, seq]) => Number(document.querySelector(selector).innerText.replace(',', '')) < seq",
        arg=[EVENT, seq],
    )
    page.get_by_role("button", name="Play at 60 times").click()
    page.wait_for_url(re.compile(rf"as_of={desk.seq}$"))
    page.get_by_role("button", name="Play at 60 times").wait_for()


def test_PAGE_096_a_lost_connection_comes_back_to_the_instant(desk: Fallen, browser: Any) -> None:
    page = _opened(browser, desk, [])
    seq, btc = next((seq, btc) for seq, btc in desk.fall.items() if btc == 96_000.0)
    _go(page, str(seq))
    _says(page, PRICE, f"{btc:,.2f}")
    page.evaluate(
        """() => {
            window.words = new Set();
            const note = () => words.add(document.querySelector('.condition').innerText);
            new MutationObserver(note).observe(document.body, {subtree: true, childList: true,
                characterData: true});
        }"""
    )
    desk.drop()
    page.wait_for_function("() => [...words].some(each => /^Disconnected/.test(each))")
    _says(page, ".condition", f"As of event {seq:,}")
    desk.price(82_000.0)
    _walk(page, "/")
    _says(page, EVENT, f"{seq:,}")
    _says(page, PRICE, f"{btc:,.2f}")
    page.reload()
    _says(page, EVENT, f"{seq:,}")
    _says(page, PRICE, f"{btc:,.2f}")
    page.get_by_role("button", name="Return to now").click()
    _says(page, PRICE, "82,000.00")


def test_PAGE_095_quick_steps_end_where_the_last_one_leads(desk: Fallen, browser: Any) -> None:
    page = _opened(browser, desk, [])
    last = desk.seq
    _go(page, str(last))
    page.wait_for_url(re.compile(rf"as_of={last}$"))
    page.evaluate(
        """() => {
            for (let i = 0; i < 12; i += 1)
                setTimeout(() => document.querySelector('[aria-label="Event before"]').click(), 40 * i);
        }"""
    )
    page.wait_for_url(re.compile(rf"as_of={last - 12}$"))
    _says(page, EVENT, f"{last - 12:,}")
    page.get_by_text(f"every panel shows event {last - 12:,}").wait_for()
    page.wait_for_timeout(1_000)
    _says(page, EVENT, f"{last - 12:,}")
    counts = desk.do(lambda: len(desk.running.service.connections))
    assert counts == 1
