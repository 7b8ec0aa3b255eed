"""A run may take its volatilities from surfaces fitted to the chain."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from steelyard.cli.wiring import fitted_surfaces
from steelyard.feeds import load_chain
from steelyard.models.example import INDEX, example_chain
from steelyard.ticks import InstrumentsListed, VolatilityUpdate, check_event
from tests.support.venue import START_US as VENUE_START_US
from tests.support.venue import open_venue

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()


def write_chain(path: Path) -> None:
    """Write the example chain in the layout of recorded ones."""
    quotes = example_chain()
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(
            "snapshot instrument underlying_price bid ask mark_iv index_price".split()
        )  # fmt: skip
        for i in range(len(quotes)):
            day = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=int(quotes.expiry_us[i])
            )
            kind = "C" if quotes.is_call[i] else "P"
            name = f"BTC-{day.day}{MONTHS[day.month - 1]}{day:%y}-{quotes.strike[i]:.0f}-{kind}"
            rows.writerow(
                ["20260101T080000Z", name, quotes.forward[i], quotes.bid[i], quotes.ask[i],
                 quotes.mark_volatility[i], INDEX]
            )  # fmt: skip


def test_CLIC_020_a_chain_comes_with_its_fitted_surface(tmp_path: Path) -> None:
    write_chain(tmp_path / "chain.csv")
    venue = open_venue()
    carried = load_chain(tmp_path / "chain.csv", VENUE_START_US, {"BTC": 100_000.0})
    (update,) = fitted_surfaces(tmp_path / "chain.csv", carried, {"BTC": 100_000.0})
    check_event(update)
    assert update.index_price == 100_000.0
    assert [s.expiry_us - VENUE_START_US for s in update.smiles] == sorted(
        {i.expiry_us - VENUE_START_US for i in carried.instruments}
    )
    venue.send(InstrumentsListed, carried.instruments)
    given = carried.updates[0]
    venue.send(
        VolatilityUpdate, "BTC", given.instruments, given.implied_volatilities, given.forward_ratios,
        venue.now_us,
    )  # fmt: skip
    before = {n: float(venue.engine.market.volatility[venue.slot(n)]) for n in given.instruments}
    venue.submit(update)
    after = {n: float(venue.engine.market.volatility[venue.slot(n)]) for n in given.instruments}
    assert after != before
    for name, value in after.items():
        assert value == pytest.approx(before[name], abs=0.01)
    assert update.smiles[2].forward == pytest.approx(100_000.0 * 60_247.08 / 60_000.0, rel=1e-6)
