"""What the simulated market and the generated population achieve against the figures they aim at.

The figures are those of docs/lab.md. Quick: 12 months a law and one population; full: 48 and three.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from bench.machine import print_machine, report
from steelyard.lab import (
    LAWS,
    SimulatedMarket,
    generate_population,
    population_report,
    simulate_minutes,
)
from steelyard.lab.market import COINS, LawName, excess_kurtosis
from steelyard.terms import load_method
from steelyard.ticks import AssetListed

START_US = 1_760_130_000_000_000
MONTH, WEEK = 43_200, 10_080


def measure_law(law: LawName, paths: int, seed: int) -> None:
    """Report spread, tails and worst moves of the minutes of BTC, ETH and SOL under a law."""
    returns = simulate_minutes(LAWS[law], COINS[:3], MONTH, seed, paths).log_returns
    for column, coin in enumerate(COINS[:3]):
        own = returns[:, :, column]
        weeks = excess_kurtosis(own[:, : 4 * WEEK].reshape(-1, WEEK))
        name = f"{law} {coin.name}: "
        report(f"{name}sd of a minute, median month", 100.0 * np.median(own.std(axis=1)), "%")
        report(f"{name}excess kurtosis, median month", np.median(excess_kurtosis(own)), "")
        report(f"{name}excess kurtosis, 95th percentile of weeks", np.percentile(weeks, 95), "")
        worst = 100.0 * np.expm1(own.min(axis=1))
        report(f"{name}worst minute, median month", float(np.median(worst)), "%")
        report(f"{name}worst minute of all", float(worst.min()), "%")


def measure_crash(seed: int) -> None:
    """Report the scripted crash as the ticks of one seed show it, and the cost of the stream."""
    market = SimulatedMarket(seed, START_US, 900)
    logs = np.log(market.true_prices())
    for column, coin in enumerate(COINS[:3]):
        for seconds in (60, 300):
            back = seconds * 1000 // market.tick_ms
            worst = np.expm1((logs[back:, column] - logs[:-back, column]).min())
            report(f"crash {coin.name}: worst {seconds} s", 100.0 * float(worst), "%")
    begin = time.perf_counter()
    events = sum(1 for _ in market.ticks())
    took_s = time.perf_counter() - begin
    report("events of fifteen simulated minutes", events, "events")
    report("events made a second", events / took_s, "events/s")


def measure_population(seed: int) -> None:
    """Report the shape of ten thousand accounts and the time they take."""
    market = SimulatedMarket(seed, START_US, 60)
    assets = [event.asset for event in market.listings if isinstance(event, AssetListed)]
    terms = (market.instruments, market.first_prices)
    begin = time.perf_counter()
    accounts = generate_population(
        10_000,
        seed,
        assets,
        *terms,
        load_method(),
        market.first_volatilities,
        time_us=START_US,
    )
    took_s = time.perf_counter() - begin
    found = population_report(accounts, assets, *terms, market.first_volatilities, time_us=START_US)
    name = f"population {seed}: "
    report(f"{name}10,000 accounts", took_s, "s", goal="<= 1.5")
    report(f"{name}positions", found.positions, "")
    for label, value in found.size_usd.items():
        report(f"{name}equity {label}", value, "USD")
    report(f"{name}equity p99/p50", found.size_p99_over_p50, "")
    for label, value in found.leverage.items():
        report(f"{name}leverage {label}", value, "")
    report(f"{name}leveraged share", 100.0 * found.leveraged_share, "%")
    report(f"{name}perpetual positions long", 100.0 * found.long_share, "%")
    report(f"{name}accounts with coins", 100.0 * found.coin_collateral_share, "%")
    report(f"{name}gross notional", sum(found.notional_by_instrument.values()) / 1e9, "bn USD")


def main(arguments: list[str] | None = None) -> int:
    """Measure everything; --quick takes a few seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer paths, one population")
    options = parser.parse_args(arguments)
    print_machine()
    for law in ("calm", "stress"):
        measure_law(law, 12 if options.quick else 48, seed=3)
    measure_crash(seed=7)
    for seed in (7,) if options.quick else (7, 8, 123):
        measure_population(seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
