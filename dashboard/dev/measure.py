"""What the page costs in a headless browser: python dashboard/dev/measure.py ADDRESS [--seconds 20].

ADDRESS opens the page, with its login code. Prints JSON: paints after navigation (ms), and for the overview and
the accounts the main thread's work a second (CPU time, which other work on the machine does not lengthen), its
tasks over 50 ms by the wall clock, and what the page says of itself.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from typing import Any

from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WATCH = (
    "window.longTasks = []; new PerformanceObserver(list => list.getEntries().forEach("
    "each => longTasks.push(each.duration))).observe({type: 'longtask', buffered: true});"
)
SHARES = ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


def measure(address: str, seconds: float) -> dict[str, Any]:
    """Return the figures of the page at an address."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(address)
        page.get_by_text("Live", exact=True).wait_for()
        page.wait_for_timeout(2_000)
        paints = page.evaluate(
            "performance.getEntriesByType('paint').map(each => [each.name, each.startTime])"
        )
        client = context.new_cdp_session(page)
        client.send("Performance.enable", {"timeDomain": "threadTicks"})
        figures: dict[str, Any] = {"load": os.getloadavg()[0], "paints_ms": dict(paints)}
        for key, name in (("o", "overview"), ("a", "accounts")):
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_timeout(2_000)
            figures[name] = _watched(page, client, seconds)
        page.keyboard.press("?")
        own = page.locator("[data-figures]").get_attribute("data-figures")
        figures["page"] = json.loads(own or "{}")
        browser.close()
    return figures


def _watched(page: Any, client: Any, seconds: float) -> dict[str, float]:
    page.evaluate("longTasks.length = 0")
    before = _metrics(client)
    page.wait_for_timeout(1_000 * seconds)
    after = _metrics(client)
    tasks = sorted(page.evaluate("longTasks"))
    found = {f"{key}_ms_per_s": 1_000 * (after[key] - before[key]) / seconds for key in SHARES}
    found["long_tasks"] = len(tasks)
    found["long_task_p95_ms"] = tasks[len(tasks) * 95 // 100] if tasks else 0.0
    found["heap_mb"] = after["JSHeapUsedSize"] / 1e6
    return {key: round(value, 1) for key, value in found.items()}


def _metrics(client: Any) -> dict[str, float]:
    return {m["name"]: m["value"] for m in client.send("Performance.getMetrics")["metrics"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.address, chosen.seconds), indent=2))
