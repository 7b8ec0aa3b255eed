"""Shared by the tests of the market report: made recordings, requests, answers.

A recording has one asset, ABC, of venues that say a price every second. `Venue.price` is a function of the
second on the exchange's clock, None for a second in which it says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.market_report import Request, market_report_command
from tests.support.method import WORKED

START_US = 1_767_571_200_000_000  # 2026-01-05T00:00:00Z
LENGTH_S = 300
SECOND_US = 1_000_000
Price = Callable[[int], float | None]


@dataclass(frozen=True)
class Venue:
    """A venue: an operator of its own, words every second, known `delay_us` later."""

    name: str
    price: Price
    delay_us: int = 100_000
    weight: int = 1
    stale_after_s: int = 20


def steady(_second: int) -> float:
    """Return a price that never moves."""
    return 100.0


def falling(second: int) -> float:
    """Return 100 for a minute, then 0.3 less a second for 100 seconds, then 70."""
    return 100.0 - 0.3 * min(max(second - 60, 0), 100)


def write_market(folder: Path, venues: Sequence[Venue], quotes: Price | None = None) -> Path:
    """Write a recording of ABC, and quotes of its inverse perpetual if there are any; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    terms = ['name = "made"', "[[assets]]", 'name = "ABC"']
    rows = ["exchange_us,received_us,source,asset,instrument,price,amount"]
    for venue in venues:
        terms += [
            "[[sources]]", f'name = "{venue.name}:ABC-USD"', 'asset = "ABC"', f'operator = "{venue.name}"',
            f"weight = {venue.weight}", f"stale_after_s = {venue.stale_after_s}",
        ]  # fmt: skip
        for second in range(LENGTH_S):
            price = venue.price(second)
            if price is not None:
                at_us = START_US + second * SECOND_US
                rows.append(
                    f"{at_us},{at_us + venue.delay_us},{venue.name}:ABC-USD,ABC,,{price!r},1"
                )
    terms += ["[[perpetuals]]", 'underlying = "ABC"', "is_inverse = true", "contract_usd = 10"]
    terms += ["[[files]]", 'path = "trades.csv"', 'kind = "trades"']
    (folder / "trades.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if quotes is not None:
        terms += ["[[files]]", 'path = "quotes.csv"', 'kind = "quotes"']
        lines = ["exchange_us,received_us,instrument,bid,ask"]
        for second in range(LENGTH_S):
            at_us, price = START_US + second * SECOND_US, quotes(second)
            lines.append(f"{at_us},{at_us + 50_000},ABC-PERPETUAL,{price!r},{price!r}")
        (folder / "quotes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "market.toml").write_text("\n".join(terms) + "\n", encoding="utf-8")
    return folder


def request(market: Path, **changes: Any) -> Request:
    """Return a request for the whole of a made recording, as JSON, with changes."""
    values: dict[str, Any] = {
        "market": market, "from_": "2026-01-05T00:00:00Z", "to": "2026-01-05T00:05:00Z", "asset": None,
        "method": WORKED, "out": None, "as_json": True, "with_derivatives": False, "only": None,
    }  # fmt: skip
    return Request(**(values | changes))


def ask(capsys: pytest.CaptureFixture[str], market: Path, **changes: Any) -> tuple[int, Any]:
    """Return the exit code and the document of a report."""
    capsys.readouterr()
    code = market_report_command(request(market, **changes))
    return code, json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], market: Path, **changes: Any) -> tuple[int, str]:
    """Return the exit code and the text of a report."""
    capsys.readouterr()
    code = market_report_command(request(market, as_json=False, **changes))
    return code, capsys.readouterr().out


def source_of(record: Any, operator: str, of: str = "sources") -> Any:
    """Return the record of one operator's source."""
    return next(each for each in record[of] if each["operator"] == operator)
