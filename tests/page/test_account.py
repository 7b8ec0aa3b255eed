"""The account page in a real browser, over the real service and a small venue whose prices a test moves."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from steelyard.publish import Tally
from steelyard.service.assembly import Running
from steelyard.service.config import parse_config
from tests.page.test_browser import WAIT_MS
from tests.service.host.hosts import prepared
from tests.support.venue import BTC_LINEAR, SECOND_US, Venue

Found = TypeVar("Found")
START_S = 60.0
RATIO = "[data-testid=margin-ratio]"


class Told(Venue):
    """A small venue whose events go through the host of a service, on the service's loop."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(engine=desk.running.host.engine)
        self._desk = desk

    def submit(self, event: Any) -> list[Any]:
        outcomes: list[Any] = self._desk.running.host.submit(event).outcomes
        return outcomes


class Desk:
    """The service in a thread of its own. `do` works on its loop; `venue` moves its market."""

    def __init__(self, folder: Path) -> None:
        text = "[server]\nport = 0\n"
        journaled = prepared(folder / "page.journal")
        config = parse_config(text, {})
        self.running = Running(config, journaled, title="Test", tally=Tally(), environment={})
        self.venue = Told(self)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def start(self) -> None:
        """Let connections in."""
        self._thread.start()
        self._wait(self.running.start())

    def stop(self) -> None:
        """End the service and its thread."""
        self._wait(self.running.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Callable[[], Found]) -> Found:
        """Return what a function returns on the loop's thread."""

        async def inside() -> Found:
            return work()

        return self._wait(inside())

    def price(self, btc: float) -> None:
        """A second later, all sources say a price of BTC."""

        def move() -> None:
            self.venue.wait(SECOND_US)
            self.venue.price("BTC", btc)

        self.do(move)

    def ratio(self, unit: str) -> str:
        """Return the margin ratio of a unit as the page writes it: four decimals, rounded down."""
        risk = self.do(lambda: self.venue.risk(unit))
        scaled = risk.maintenance_balance * 10_000 // risk.maintenance_requirement
        return f"{scaled // 10_000}.{scaled % 10_000:04d}"

    def address(self, unit: str, search: str = "") -> str:
        """Return the address of a unit's page, with a code that logs in."""
        base, code = self.do(self.running.page_address).split("/#")
        return f"{base}/accounts/{unit.replace('/', '%2F')}{search}#{code}"

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)


@pytest.fixture
def desk(built: Path, tmp_path: Path) -> Iterator[Desk]:
    """Serve the built page over the small venue: BTC at 100,000, seven accounts of every mode."""
    del built
    pytest.importorskip("uvicorn")
    found = Desk(tmp_path)
    found.start()
    yield found
    found.stop()


def _opened(
    browser: Any, desk: Desk, unit: str, said: list[str] | None = None, width: int = 1440,
    search: str = "", **more: Any,
) -> Any:  # fmt: skip
    page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
    page.set_default_timeout(WAIT_MS)
    if said is not None:
        page.on(
            "console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(desk.address(unit, search))
    page.locator(".account-head").wait_for(timeout=3 * WAIT_MS)
    return page


def _says(page: Any, selector: str, text: str, timeout: int = WAIT_MS) -> None:
    """Wait until an element says exactly this."""
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.trim() === text",
        arg=[selector, text],
        timeout=timeout,
    )


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("\u2212", "-").replace("+", ""))


def test_PAGE_120_a_unit_is_followed_and_says_why_it_is_close(desk: Desk, browser: Any) -> None:
    page = _opened(browser, desk, "long")
    _says(page, RATIO, desk.ratio("long"))
    desk.price(99_000.0)
    _says(page, RATIO, desk.ratio("long"))
    _says(page, ".account-head .chip", "Margin call")
    page.get_by_test_id("nearest").get_by_text("BTC").wait_for()
    page.locator("#parts").get_by_role("button", name="Tier").click()
    page.locator("#parts").get_by_text(BTC_LINEAR).first.wait_for()
    _says(page, "#parts .waterfall-total td:nth-of-type(3)", _total(desk, "long"))
    assert "to the last digit" in page.get_by_test_id("exact").inner_text()
    row = page.locator("#positions tbody tr").first
    assert row.locator("td").nth(0).inner_text() == "+1 BTC"
    assert _number(row.locator("td").nth(3).inner_text()) == -1_000.0
    desk.price(98_500.0)
    _says(page, RATIO, "\N{EN DASH}")
    page.locator("#story").scroll_into_view_if_needed()
    page.locator("#story").get_by_text(re.compile("^liquidated: sold")).first.wait_for()


def _total(desk: Desk, unit: str) -> str:
    """Return the maintenance requirement as the waterfall writes it: digits after the cents run on."""
    micro = desk.do(lambda: desk.venue.risk(unit)).maintenance_requirement
    rest = f"{micro % 1_000_000:06d}"
    return f"{micro // 1_000_000:,}.{rest[:2]}{rest[2:].rstrip('0')}"


def test_PAGE_121_a_cure_goes_into_the_ticket_and_cures(desk: Desk, browser: Any) -> None:
    desk.price(99_000.0)
    page = _opened(browser, desk, "long")
    page.get_by_test_id("cure").wait_for()
    tried = page.locator("#cure").get_by_role("button", name="Try").first
    quantity = re.search(r"Try -(\S+) ", tried.get_attribute("aria-label") or "")
    assert quantity is not None
    tried.click()
    ticket = page.locator("#ticket")
    assert ticket.get_by_label("Quantity").input_value() == quantity[1]
    assert (
        ticket.get_by_role("button", name="Sell", exact=True).get_attribute("aria-pressed")
        == "true"
    )
    page.get_by_test_id("verdict").get_by_text("Affordable").wait_for()
    cells = page.locator("[data-testid=comparison] tr.is-first td").all_inner_texts()
    assert cells[0] == desk.ratio("long")
    assert _number(cells[1]) > 1.3


def test_PAGE_122_a_ticket_names_lots_and_finds_the_most(desk: Desk, browser: Any) -> None:
    page = _opened(browser, desk, "writer")
    ticket = page.locator("#ticket")
    ticket.get_by_label("Instrument").click()
    page.keyboard.type("btc usdc perp")
    page.keyboard.press("Enter")
    ticket.get_by_label("Quantity").fill("0.00015")
    ticket.get_by_text("A lot is 0.0001 BTC: give 0.0001 or 0.0002.").wait_for()
    assert page.get_by_test_id("comparison").count() == 0
    ticket.get_by_label("Quantity").fill("0.5")
    page.get_by_test_id("comparison").wait_for()
    ticket.get_by_role("button", name="Most that can be bought").click()
    page.get_by_test_id("most").wait_for()
    most = float(ticket.get_by_label("Quantity").input_value())

    def free(lots: int) -> int:
        trial = desk.running.host.desk.units.trial("writer", [BTC_LINEAR])
        trial.trade(BTC_LINEAR, lots)
        return int(trial.numbers().free)

    lots = round(most * 10_000)
    assert lots > 0
    assert desk.do(lambda: free(lots)) >= 0
    assert desk.do(lambda: free(lots + 1)) < 0


@pytest.mark.parametrize(
    ("unit", "words"),
    [("writer", "Binding for BTC: price"), ("long", "by tier"), (f"iso/{BTC_LINEAR}", "by tier")],
)
def test_PAGE_123_the_binding_cell_is_said_and_stands_in_a_table(
    desk: Desk, browser: Any, unit: str, words: str
) -> None:
    page = _opened(browser, desk, unit)
    said = page.get_by_test_id("binding")
    said.scroll_into_view_if_needed()
    assert words in said.inner_text()
    page.locator("#scenarios").get_by_role("button", name="As a table").click()
    rows = page.locator(".grid-table tbody tr")
    assert rows.count() == 13
    binding = page.locator(".grid-table td", has_text="binds")
    if words == "by tier":
        assert binding.count() == 0
        return
    loss = -_number(binding.inner_text().split()[-1])
    worst = desk.do(lambda: desk.running.host.desk.units.trial(unit).scenario_profits())
    assert loss == pytest.approx(max(-float(row.min()) for row in worst.values()), abs=0.01)


def test_PAGE_124_a_line_of_the_story_leads_to_its_instant(desk: Desk, browser: Any) -> None:
    desk.price(99_000.0)
    then = desk.ratio("long")
    desk.price(100_400.0)
    page = _opened(browser, desk, "long")
    now = desk.ratio("long")
    assert now != then
    _says(page, RATIO, now)
    page.locator("#story li", has_text="healthy \N{RIGHTWARDS ARROW} margin call").locator(
        "a"
    ).click()
    page.wait_for_url(re.compile(r"as_of=\d+$"))
    _says(page, RATIO, then, 4 * WAIT_MS)
    page.locator("#positions tbody").get_by_text("99,000.00").wait_for()
    page.get_by_role("button", name="Return to now").click()
    _says(page, RATIO, now)


def test_PAGE_125_units_of_one_account_lead_to_each_other(desk: Desk, browser: Any) -> None:
    page = _opened(browser, desk, f"iso/{BTC_LINEAR}")
    page.locator(".account-head").get_by_role("link", name="iso", exact=True).click()
    page.wait_for_url(re.compile(r"/accounts/iso$"))
    page.get_by_role("heading", name="iso", exact=True).wait_for()
    page.locator(".siblings summary").click()
    page.locator(".siblings").get_by_role("link", name=f"iso/{BTC_LINEAR}").click()
    page.get_by_role("heading", name=f"iso/{BTC_LINEAR}").wait_for()
    assert page.locator("#ticket").get_by_label("Instrument").input_value() == BTC_LINEAR
    page.goto(desk.address("nobody").split("#")[0])
    page.get_by_role("alert").get_by_text("nobody").first.wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_PAGE_126_nothing_is_wider_than_a_phone_and_the_policy_is_kept(
    desk: Desk, browser: Any, theme: str
) -> None:
    said: list[str] = []
    page = _opened(browser, desk, "writer", said, width=390, color_scheme=theme)
    page.locator("#methods").scroll_into_view_if_needed()
    page.locator("#methods").get_by_text("This venue").wait_for()
    widths = page.evaluate(
        "() => { const main = document.querySelector('.main'); return [main.scrollWidth, main.clientWidth]; }"
    )
    assert widths[0] <= widths[1]
    page.locator("#story").get_by_role("button", name="Story").click()
    page.reload()
    page.locator(".account-head").wait_for()
    fold = page.locator("#story").get_by_role("button", name="Story")
    assert fold.get_attribute("aria-expanded") == "false"
    fold.press("Enter")
    assert fold.get_attribute("aria-expanded") == "true"
    assert said == []


def test_PAGE_127_what_is_ahead_is_told_when_asked(desk: Desk, browser: Any) -> None:
    page = _opened(browser, desk, "writer")
    section = page.locator("#ahead")
    section.get_by_role("button", name="Look ahead", exact=True).last.click()
    page.get_by_test_id("ahead").wait_for(timeout=4 * WAIT_MS)
    heads = section.locator("tbody th").all_inner_texts()
    assert heads[0] == "Now"
    assert any("expired" in each for each in heads)
    still = section.locator("tbody tr").first.locator("td").nth(3).inner_text()
    assert still == desk.ratio("writer")
