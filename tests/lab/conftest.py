"""A demonstration market and its terms, shared by the tests of the lab."""

from __future__ import annotations

import pytest

from steelyard.lab import SimulatedMarket
from steelyard.terms import AccountRecord, Asset, Method, load_method
from steelyard.ticks import AssetListed, Event

START_US = 1_760_130_000_000_000  # 10 October 2025, 21:00 UTC
POPULATION_SEED = 7


@pytest.fixture(scope="session")
def demo_market() -> SimulatedMarket:
    return SimulatedMarket(seed=7, start_us=START_US, duration_s=900)


@pytest.fixture(scope="session")
def demo_events(demo_market: SimulatedMarket) -> list[Event]:
    return list(demo_market.ticks())


@pytest.fixture(scope="session")
def assets(demo_market: SimulatedMarket) -> list[Asset]:
    return [event.asset for event in demo_market.listings if isinstance(event, AssetListed)]


@pytest.fixture(scope="session")
def method() -> Method:
    return load_method()


@pytest.fixture(scope="session")
def population(
    demo_market: SimulatedMarket, assets: list[Asset], method: Method
) -> list[AccountRecord]:
    from steelyard.lab import generate_population

    return generate_population(
        10_000,
        POPULATION_SEED,
        assets,
        demo_market.instruments,
        demo_market.first_prices,
        method,
        demo_market.first_volatilities,
        time_us=demo_market.start_us,
    )
