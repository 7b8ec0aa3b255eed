"""10 October 2025 through the engine: errors and lags of the index, and whom each way to make one liquidates.

The figures are those of specs/41-OCTB.md, over longer windows; the scenes are those of tests/replays. Nothing is
timed: each figure is the same on every machine. Without the recorded data everything is skipped with a message.

    python -m bench.october [--quick] [--data DIR]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench.machine import print_machine, report
from steelyard.feeds import open_market
from tests.replays import frozen_book, scenes, stablecoin
from tests.replays.figures import Lag, compare, errors, lags, protected_shares, quantile
from tests.replays.scenes import Crash
from tests.replays.speakers import BESIDE, COINS, clock, spot_speakers
from tests.replays.stage import Performance, house, perform


def main() -> None:
    """Print the figures of each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a shorter window, and our index only")
    parser.add_argument("--data", type=Path, default=_data_folder())
    options = parser.parse_args()
    print_machine()
    if options.data is None or not (options.data / "oct10_2025").is_dir():
        print("skipped: no recording of 10 October 2025 (STEELYARD_DATA or ../shared/data)")
        return
    index_figures(options.data, is_quick=options.quick)
    liquidation_figures(options.data, is_quick=options.quick)
    if not options.quick:
        stablecoin_figures(options.data)
        book_figures(options.data)


def index_figures(folder: Path, *, is_quick: bool) -> None:
    """Print errors, lags and protected time of each coin."""
    window = (clock(21, 12), clock(21, 20)) if is_quick else (clock(21, 0), clock(22, 0))
    market = open_market(folder, *window)
    speakers = spot_speakers(market, COINS)
    run = perform(market, speakers, house())
    print(
        "coin | error to known, worst | to true: worst, p99 | to known while protected, worst | "
        "fall | lag of its levels: p50, p99, worst s | of this sources: p50, p99, worst s | "
        "levels never passed | protected: conditions"
    )
    every: list[Lag] = []
    for coin in COINS:
        said = speakers[coin]
        known, true = errors(run, coin, said), errors(run, coin, said, by_exchange=True, least=2)
        shown = errors(run, coin, said, only_trusted=False)
        found = lags(run, coin, said)
        every += found
        spent = protected_shares(run, coin)
        causes = ", ".join(f"{name} {100 * share:.1f} %" for name, share in spent.items())
        print(
            f"{coin} | {_ppm(known.worst)} | {_percent(true.worst)}, {_percent(true.p99)} | "
            f"{_percent(shown.worst)} | {len(found)} % | {_lags(found)} | {_sources(found)} | "
            f"{sum(lag.index_s is None for lag in found)} | {100 * sum(spent.values()):.0f} %: {causes}"
        )
    trusted = [lag for lag in every if lag.is_trusted and lag.index_s is not None]
    print(f"all | | | | {len(every)} levels | {_lags(every)} | {_sources(every)}")
    print(
        f"trusted when known | | | | {len(trusted)} levels | {_lags(trusted)} | {_sources(trusted)}"
    )
    worst = max(lag.index_s - lag.known_s for lag in trusted if lag.index_s is not None)
    report("index: lag behind what is known, trusted assets", worst, "s", goal="<= 0")


def liquidation_figures(folder: Path, *, is_quick: bool) -> None:
    """Print whom each way to make an index liquidates, and its worst mark errors."""
    scene, due = scenes.crash(folder), scenes.by_median(folder)
    ours = scenes.by_ours(folder)
    runs = {"ours": ours}
    if not is_quick:
        runs |= {f"{name} alone": scenes.by_venue(folder, name) for name in scenes.VENUES}
        runs["COIN-M perpetuals alone"] = scenes.by_derivative(folder)
        runs["mean of all markets by volume"] = scenes.by_volume(folder)
        runs["ours with COIN-M as sources"] = scenes.by_ours_beside(folder)
    print(
        f"\nindex of {len(scene.accounts)} accounts, 21:10-21:20 | liquidated (due "
        f"{len(due.liquidated)}) | not due | missed | late: earliest, p50, p99, worst s | on a "
        "protected asset | bad debt USD | worst error " + " / ".join(BESIDE)
    )
    for name, run in runs.items():
        found = compare(due, run)
        late = found.late_s
        apart = " / ".join(_percent(errors(run, c, scene.spot[c]).worst) for c in BESIDE)
        print(
            f"{name} | {found.liquidated} | {len(found.wrongful)} | {len(found.missed)} | "
            f"{late[0]:.1f}, {quantile(late, 0.5):.1f}, {quantile(late, 0.99):.1f}, {late[-1]:.1f} | "
            f"{sum(each.was_protected for each in run.closings)} | {run.bad_debt_usd:,.0f} | {apart}"
        )
    _report_ours(due, ours, scene)


def _report_ours(due: Performance, ours: Performance, scene: Crash) -> None:
    found = compare(due, ours)
    note = f"{found.due} due, {len(found.missed)} wait on protected assets"
    report(
        "October: liquidated and not due", len(found.wrongful), "accounts", goal="<= 0", note=note
    )
    on_protected = sum(each.was_protected for each in ours.closings)
    report("October: closings on a protected asset", on_protected, "closings", goal="<= 0")
    worst = max(errors(ours, coin, scene.spot[coin]).worst for coin in COINS)
    report("October: worst error to the known median", 1e6 * worst, "ppm", goal="<= 20")


def stablecoin_figures(folder: Path) -> None:
    """Print what became of accounts that stand on USDe."""
    binance, pool = stablecoin.binance(folder), stablecoin.uniswap(folder)
    due = stablecoin.stand(folder, pool, quorum=1)
    runs = {
        "Binance and Uniswap, ours": stablecoin.stand(folder, binance, pool),
        "Binance alone": stablecoin.stand(folder, binance, quorum=1),
    }
    print(
        f"\nUSDe of {stablecoin.ACCOUNTS} accounts, 21:18-22:10 | liquidated (due "
        f"{len(due.liquidated)}) | not due | missed | late: earliest, p50, worst s | lowest index | "
        "changes of condition | protected"
    )
    for name, run in runs.items():
        found = compare(due, run)
        late, spent = found.late_s, protected_shares(run, stablecoin.USDE)
        lowest = min(price for _, price in run.indices[stablecoin.USDE])
        print(
            f"{name} | {found.liquidated} | {len(found.wrongful)} | {len(found.missed)} | "
            f"{late[0]:.0f}, {quantile(late, 0.5):.0f}, {late[-1]:.0f} | {lowest:.4f} | "
            f"{len(run.conditions[stablecoin.USDE])} | {100 * sum(spent.values()):.0f} %"
        )


def book_figures(folder: Path) -> None:
    """Print how the engine took the depth file that froze."""
    seen = frozen_book.drive(folder, has_clock=True)
    start_us = clock(15, 30, 42)
    groups = {
        "before 15:30:42": [each for each in seen if each.time_us < start_us],
        "stale": [each for each in seen if each.is_stale],
        "between the stale ones": [
            each for each in seen if each.time_us >= start_us and not each.is_stale
        ],
    }
    print(
        "\nbooks 14:00-17:00 | number | reliability, least, most | moved the basis | basis, median"
    )
    for name, group in groups.items():
        moved = sum(each.basis_ppb != each.basis_before_ppb for each in group)
        worth = [each.reliability for each in group]
        basis = quantile([each.basis_ppb / 1e9 for each in group], 0.5)
        print(
            f"{name} | {len(group)} | {min(worth):.2f}, {max(worth):.2f} | {moved} | {100 * basis:+.3f} %"
        )


def _lags(found: list[Lag]) -> str:
    return _spread([lag.index_s for lag in found if lag.index_s is not None])


def _sources(found: list[Lag]) -> str:
    return _spread([lag.known_s for lag in found])


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{quantile(values, 0.5):.2f}, {quantile(values, 0.99):.1f}, {max(values):.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _ppm(share: float) -> str:
    return f"{1e6 * share:.1f} ppm"


def _data_folder() -> Path | None:
    named = os.environ.get("STEELYARD_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    if named:
        return Path(named)
    return beside if beside.is_dir() else None


if __name__ == "__main__":
    main()
