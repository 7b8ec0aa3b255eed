"""The page on volatility: its sums, and its drawing in a real browser over a real venue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_serve import serving
from tests.page.conftest import chromium
from tests.page.test_unit_tests import UnitTests

WAIT_MS = 60_000
GZIPPED_MAX = 150_000

# The pixels of the canvas that something is drawn on, their colours, and a digest of where they are.
PIXELS = """() => {
    const drawn = document.querySelector('.surface-box canvas');
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [drawn.width, drawn.height];
    const pen = copy.getContext('2d');
    pen.drawImage(drawn, 0, 0);
    const bytes = pen.getImageData(0, 0, copy.width, copy.height).data;
    let count = 0, digest = 0;
    const colours = new Set();
    for (let at = 0; at < bytes.length; at += 4) {
        if (bytes[at + 3] < 128) continue;
        count += 1;
        colours.add(bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2]);
        digest = (digest * 31 + at + bytes[at]) | 0;
    }
    return {share: count / (copy.width * copy.height), colours: colours.size, digest};
}"""
# Every context that is asked for is kept, so that it can be seen whether it was given back.
KEPT = """() => {
    window.contexts = [];
    const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        const found = get.call(this, kind, ...more);
        if (kind === 'webgl2' && found) window.contexts.push(found);
        return found;
    };
}"""
NO_WEBGL = """() => {
    const get = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return String(kind).startsWith('webgl') ? null : get.call(this, kind, ...more);
    };
}"""
GO = "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }"


def test_PAGE_080_a_delta_is_that_of_black_76(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-080")


def test_PAGE_081_nothing_is_read_where_nothing_is_known(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-081")


def test_PAGE_082_holes_stay_open(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-082")


def test_PAGE_083_axes_colours_and_keys_are_in_bounds(unit_tests: UnitTests) -> None:
    unit_tests.prove("PAGE-083")


@pytest.fixture(scope="module")
def venue(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run `steelyard serve` over a small market and return the address of its page."""
    del built
    pytest.importorskip("uvicorn")
    with serving(tmp_path_factory.mktemp("volatility")) as addresses:
        yield str(addresses["page"]).split("#", maxsplit=1)[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium; skipped where there is none."""
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def closed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test has opened: a page that nobody looks at goes on drawing."""
    yield
    if "browser" in request.fixturenames:
        for context in request.getfixturevalue("browser").contexts:
            context.close()


def _opened(browser: Any, address: str, said: list[str], script: str = "", **more: Any) -> Any:
    """Return a page of a reader who is not logged in, and keep what the browser complains of."""
    viewport = more.pop("viewport", {"width": 1440, "height": 900})
    page = browser.new_context(viewport=viewport, **more).new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    if script:
        page.add_init_script(f"({script})()")
    page.goto(address)
    return page


def _drawn(page: Any) -> dict[str, float]:
    """Return what stands on the canvas once something does."""
    page.locator(".surface-words span").first.wait_for(state="attached")
    return dict(page.evaluate(PIXELS))


def _ours(said: list[str]) -> list[str]:
    """Leave out what the driver says of reading pixels back, which the test does and the page never."""
    return [each for each in said if "ReadPixels" not in each]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_PAGE_084_the_surface_is_drawn_and_turns_by_key(
    venue: str, browser: Any, theme: str
) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}volatility", said, color_scheme=theme, reduced_motion="reduce")
    first = _drawn(page)
    assert first["share"] > 0.05
    assert first["colours"] > 100
    box = page.locator(".surface-box")
    ticks = page.locator(".surface-words span:not([hidden])")
    places = ticks.evaluate_all("all => all.map(each => each.style.transform).join()")
    box.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "+"):
        page.keyboard.press(key)
    page.wait_for_timeout(400)
    turned = _drawn(page)
    assert turned["digest"] != first["digest"]
    assert ticks.evaluate_all("all => all.map(each => each.style.transform).join()") != places
    words = " ".join(ticks.all_inner_texts())
    assert "volatility a year" in words
    assert "time to expiry" in words
    assert _ours(said) == []


def test_PAGE_084_a_mark_that_is_pointed_at_says_what_it_is(venue: str, browser: Any) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}volatility/BTC", said)
    _drawn(page)
    box = page.locator(".surface-box")
    box.scroll_into_view_if_needed()
    place = box.bounding_box()
    tip = page.locator(".surface-tip")
    for step in range(400):
        column, row = step % 20, step // 20
        page.mouse.move(
            place["x"] + place["width"] * (0.3 + 0.02 * column),
            place["y"] + place["height"] * (0.2 + 0.025 * row),
        )
        if tip.count():
            break
    told = tip.inner_text()
    found = re.search(r"([\d.]+) % a year, received\s+strike ([\d,.]+) USD", told)
    assert found, told
    cells = page.locator(".received tbody tr", has=page.get_by_text(found[2], exact=True))
    shares = [float(each) for each in cells.first.locator("td").all_inner_texts() if each.strip()]
    assert any(abs(share - float(found[1])) < 0.3 for share in shares), (told, shares)
    assert _ours(said) == []


def test_PAGE_084_the_same_is_shown_on_a_narrow_screen(venue: str, browser: Any) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}volatility/ETH", said, viewport={"width": 390, "height": 844})
    assert _drawn(page)["share"] > 0.03
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    main = page.locator("main")
    assert main.evaluate("each => each.scrollWidth - each.clientWidth") == 0
    assert _ours(said) == []


def test_PAGE_085_without_webgl_the_page_says_so_and_the_table_has_it_all(
    venue: str, browser: Any
) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}volatility/BTC", said, NO_WEBGL)
    page.get_by_text("The surface is not drawn").wait_for()
    page.get_by_text("draws no WebGL").wait_for()
    received = page.locator("section.received")
    assert received.count() == 2
    for at in range(2):
        cells = [text for text in received.nth(at).locator("td").all_inner_texts() if text.strip()]
        assert len(cells) == 77
    assert page.locator(".smile svg circle").count() >= 77
    loaded = page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert not [each for each in loaded if "/scene-" in each]
    assert said == []


def test_PAGE_085_an_asset_without_options_says_so(venue: str, browser: Any) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}volatility/SOL", said)
    page.get_by_text("SOL has no options").wait_for()
    page.get_by_role("link", name="BTC", exact=True).click()
    page.get_by_text("the fitters agree and nothing jumped").wait_for()
    page.wait_for_url(re.compile("/volatility/BTC$"))
    page.goto(f"{venue}volatility/NOSUCH")
    page.get_by_text("CHAN-E02").wait_for()
    assert said == []


def test_PAGE_086_coming_and_going_leaves_no_context_behind(venue: str, browser: Any) -> None:
    said: list[str] = []
    page = _opened(browser, f"{venue}health", said, KEPT)
    page.get_by_text("Live", exact=True).wait_for()
    rounds = 18  # a browser gives up the oldest of more than sixteen, and warns
    for _ in range(rounds):
        page.evaluate(GO, "/volatility/BTC")
        page.locator(".surface-words span").first.wait_for(state="attached")
        page.evaluate(GO, "/health")
        page.locator(".surface-box").wait_for(state="detached")
    assert page.evaluate("contexts.length") >= rounds
    assert page.evaluate("contexts.filter(each => !each.isContextLost()).length") == 0
    assert page.locator("canvas").count() == 0
    assert said == []


def test_PAGE_086_the_drawing_code_is_in_one_chunk_that_this_page_alone_asks_for(
    built: Path,
) -> None:
    with_it = [
        each
        for each in (built / "assets").glob("*.js")
        if "WebGLRenderer" in each.read_text(encoding="utf-8")
    ]
    assert [each.name.split("-")[0] for each in with_it] == ["scene"]
    (chunk,) = with_it
    assert chunk.with_name(chunk.name + ".gz").stat().st_size < GZIPPED_MAX
    asking = [
        each.name.split("-")[0]
        for each in (built / "assets").glob("*.js")
        if re.search(r"""import\(['"`]\./""" + re.escape(chunk.name), each.read_text("utf-8"))
    ]
    assert asking == ["volatility"]
