"""The margin pass over a venue: 10,000 portfolio accounts × 20 positions × 31 scenarios, one core.

The setup: eleven assets (USDC and ten coins), a linear perpetual for each coin, inverse perpetuals
and coin-settled options on BTC, ETH and SOL, about 1,000 instruments. An account holds 20 positions
in two to four coins, USDC, and in half of the cases one of its coins as collateral.

Ours is `require_book`: equity, haircuts, closing costs, the worst of 31 scenarios per coin, both
requirements, the six integers of every account. Its peers:

    same      the same six numbers in float64: scipy.sparse CSR (account × coin, instruments) @
              (instruments, 31), minimum over the scenarios, and numpy for all the rest
    sparse    that product, minimum and sum alone, without equity, closing costs or collateral
    python    the whole pass in plain Python, one account at a time, timed on a sample
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.machine import Paired, paired, peer, print_machine, report
from steelyard.book import Book
from steelyard.margin import require_book
from steelyard.margin.compiled import jit
from steelyard.margin.twin import plain, require_unit_twin
from steelyard.margin.vector import worst
from steelyard.marks import MarketState
from steelyard.marks.update import remark_perpetuals
from steelyard.terms import Asset, Method, load_method
from steelyard.terms.asset import price_exponent_for
from steelyard.terms.listing import inverse_perpetual, linear_perpetual, option
from steelyard.valuation.columns import INVERSE_PERPETUAL, LINEAR_OPTION, ValuationColumns
from steelyard.valuation.revalue import configure, revalue

ACCOUNTS = 10_000
POSITIONS = 20
SCENARIOS = 31
SAMPLE = 200
NOW_US = 1_760_130_000_000_000
DAY_US = 86_400_000_000
PRICES = {
    "BTC": 121_000.0, "ETH": 4_350.0, "SOL": 221.0, "XRP": 2.8, "DOGE": 0.25,
    "ADA": 0.82, "AVAX": 28.1, "LINK": 22.0, "LTC": 120.0, "BNB": 1_250.0,
}  # fmt: skip
WITH_OPTIONS = ("BTC", "ETH", "SOL")
STRIKES = tuple(0.7 + 0.03 * step for step in range(21))
EXPIRY_DAYS = (1, 2, 7, 14, 28, 56, 91, 182)


class Venue(NamedTuple):
    """What a pass reads, and where it writes."""

    book: Book
    market: MarketState
    columns: ValuationColumns
    method: Method
    results: NDArray[np.int64]
    rows: NDArray[np.int64]


def make_market(method: Method) -> tuple[MarketState, ValuationColumns]:
    """Return a market with every index, mark and volatility set, and its valuation columns."""
    market = MarketState()
    market.time_us = NOW_US
    for name, price in PRICES.items():
        slot = market.list_asset(Asset(name, 8, price_exponent_for(price)).check())
        market.index_units[slot] = round(price * 10 ** market.assets[slot].price_exponent)
        market.indices[slot].condition = "healthy"
        market.protect(slot)
        market.list_instrument(linear_perpetual(name, price))
    for name in WITH_OPTIONS:
        price = PRICES[name]
        market.list_instrument(inverse_perpetual(name, price))
        for days in EXPIRY_DAYS:
            for share in STRIKES:
                for kind in "CP":
                    strike = f"{price * share:.4f}"
                    slot = market.list_instrument(
                        option(
                            name, f"{name}-{days}D-{strike}-{kind}", strike, price,
                            NOW_US + days * DAY_US, is_call=kind == "C",
                        )
                    )  # fmt: skip
                    market.volatility[slot] = 0.5 + abs(share - 1.0)
    columns = ValuationColumns()
    grid = configure(columns, market, method)
    assets = list(range(len(market.assets)))
    for asset in assets[1:]:
        remark_perpetuals(market, asset)
    revalue(columns, market, method, grid, assets)
    return market, columns


def make_venue(accounts: int, seed: int = 1) -> Venue:
    """Return a venue of random portfolio accounts, each with 20 positions in two to four coins."""
    method = load_method()
    market, columns = make_market(method)
    rng = np.random.default_rng(seed)
    assets = len(market.assets)
    book = Book(assets)
    book.widen_assets(assets)
    coins = np.arange(1, assets)
    popular = np.array([0.3, 0.25, 0.15] + [0.3 / 7] * 7)
    for number in range(accounts):
        row = book.add_unit(f"account-{number}", "portfolio")
        held = np.array([])
        listed: list[int] = []
        while len(listed) < POSITIONS:
            held = rng.choice(coins, rng.integers(2, 5), replace=False, p=popular)
            listed = [i for a in held for i in market.perpetuals_of[a] + market.options_of[a]]
        for slot in rng.choice(listed, POSITIONS, replace=False).tolist():
            notional = float(columns.notional[slot])
            lots = round(rng.lognormal(8.0, 1.5) / notional) + 1
            signed = lots if rng.random() < 0.5 else -lots
            is_option = market.instruments[slot].is_option
            cost = 0 if is_option else signed * int(market.mark_units[slot])
            book.set_position(row, slot, signed, cost, market.underlying_of)
        book.balances[row, 0] = int(rng.lognormal(11.0, 1.5) * 1e6)
        if number % 2:
            coin = int(held[0])
            worth = rng.lognormal(9.0, 1.5) / columns.index_usd[coin]
            book.balances[row, coin] = int(worth * columns.units_per_coin[coin])
    results = np.zeros((6, accounts), np.int64)
    return Venue(book, market, columns, method, results, np.arange(accounts, dtype=np.int64))


def full_pass(venue: Venue) -> Callable[[], None]:
    """Return our whole pass as a program without arguments."""

    def run() -> None:
        require_book(
            venue.book, venue.market, venue.columns, venue.method, venue.results, venue.rows
        )

    return run


@jit
def _bare(
    begin: Any, end: Any, coin: Any, coins: Any, table: Any, instrument: Any, quantity: Any,
    spot: Any, losses: Any,
) -> None:  # fmt: skip
    for k in range(len(begin)):
        low = worst(table, instrument, quantity, begin[k], end[k], spot, coin[k], coins[k])
        losses[k] = 0.0 if low > 0.0 else -low


class Groups(NamedTuple):
    """The positions of each account in each of its coins: rows of the pool, coin, coins open."""

    account: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    coin: NDArray[np.int64]
    coins: NDArray[np.float64]


def make_groups(venue: Venue) -> Groups:
    """Return the groups in the order of the book."""
    book, market, columns = venue.book, venue.market, venue.columns
    found: list[tuple[int, int, int, int, float]] = []
    for row in range(book.units):
        first, end = int(book.start[row]), int(book.start[row] + book.count[row])
        for a in range(1, len(market.assets)):
            held = [p for p in range(first, end) if market.underlying_of[book.instrument[p]] == a]
            open_ = float(book.balances[row, a]) / float(columns.units_per_coin[a])
            for p in held:
                slot = book.instrument[p]
                if columns.kind[slot] == INVERSE_PERPETUAL:
                    open_ -= float(book.cost[p]) * float(columns.coins_per_fine[slot])
            if held or open_:
                begin = held[0] if held else first
                found.append((row, begin, begin + len(held), a, open_))
    account, begin_, end_, coin, coins = zip(*found, strict=True)
    whole = (np.array(column, np.int64) for column in (account, begin_, end_, coin))
    return Groups(*whole, np.array(coins))


def bare_loop(venue: Venue, groups: Groups, losses: NDArray[np.float64]) -> Callable[[], None]:
    """Return the accumulate loop alone, without equity and requirement, as a program."""
    book, columns = venue.book, venue.columns

    def run() -> None:
        _bare(
            groups.begin, groups.end, groups.coin, groups.coins, columns.table, book.instrument,
            book.quantity, columns.spot_table, losses,
        )  # fmt: skip

    return run


def sparse_pass(
    venue: Venue, groups: Groups, sparse: Any
) -> tuple[Callable[[], NDArray[np.float64]], NDArray[np.float64]]:
    """Return the scenario part with scipy.sparse as a program, and where it puts each loss.

    The coins that a group holds outright are one more column of the matrix, so that both sides add
    the same numbers.
    """
    book, columns, market = venue.book, venue.columns, venue.market
    count = len(market.instruments)
    data: list[float] = []
    indices: list[int] = []
    pointer = [0]
    for begin, end, coin, coins in zip(*groups[1:], strict=True):
        data += [float(coins), *book.quantity[begin:end].tolist()]
        indices += [count + int(coin), *book.instrument[begin:end].tolist()]
        pointer.append(len(data))
    shape = (len(groups.begin), count + len(market.assets))
    matrix = sparse.csr_matrix((data, indices, pointer), shape=shape)
    dense = np.vstack([columns.table[:count], columns.spot_table[: len(market.assets)]])
    dense = np.ascontiguousarray(dense[:, :SCENARIOS])
    losses = np.zeros(len(groups.begin))

    def run() -> NDArray[np.float64]:
        np.maximum(-(matrix @ dense).min(axis=1), 0.0, out=losses)
        return np.bincount(groups.account, losses, book.units)

    return run, losses


def same_pass(
    venue: Venue, scenario_loss: Callable[[], NDArray[np.float64]]
) -> Callable[[], NDArray[np.float64]]:
    """Return the six numbers of every account with scipy.sparse and numpy as a program.

    What a pass need not do again is done beforehand: the positions lie in one array, each with its
    account. What prices change is done in the pass.
    """
    book, columns, market, method = venue.book, venue.columns, venue.market, venue.method
    units = book.units
    owner = np.repeat(np.arange(units), book.count[:units])
    pool = np.concatenate(
        [np.arange(book.start[r], book.start[r] + book.count[r]) for r in range(units)]
    )
    slot, lots = book.instrument[pool], book.quantity[pool]
    cost, size = book.cost[pool], np.abs(book.quantity[pool]).astype(np.float64)
    is_own = columns.kind[slot] % 2 == 1
    home = owner * len(market.assets) + np.where(is_own, market.underlying_of[slot], 0)
    is_short = (columns.kind[slot] >= LINEAR_OPTION) & (lots < 0)
    assets = len(market.assets)
    held = book.balances[:units, :assets].astype(np.float64)

    def run() -> NDArray[np.float64]:
        value = (lots * market.mark_units[slot] - cost) // columns.fine_per_unit[slot]
        units_of = held + np.bincount(home, value, units * assets).reshape(units, assets)
        usd = columns.price_micro[:assets] / columns.units_per_coin[:assets]
        equity = units_of @ usd
        cash = np.maximum(units_of[:, 0], 0.0)
        notional = size * columns.notional[slot]
        slip = np.minimum(
            columns.half_spread[slot] + columns.impact[slot] * notional, columns.slip_max[slot]
        )
        closing = np.bincount(owner, size * columns.close_fee[slot] + notional * slip, units)
        shorts = np.bincount(owner, np.where(is_short, notional, 0.0), units)
        rest = closing + shorts * (method.portfolio.short_option_minimum_ppm / 1e6)
        loss = scenario_loss()
        keep = np.ceil((loss * (method.portfolio.maintenance_factor_ppm / 1e6) + rest) * 1e6)
        open_ = np.ceil((loss * (method.portfolio.initial_factor_ppm / 1e6) + rest) * 1e6)
        kept = equity - cash * (columns.haircut_maintenance[0] / 1e6)
        opened = equity - cash * (columns.haircut_initial[0] / 1e6)
        return np.stack([equity, opened, kept, open_, keep, kept - keep])

    return run


def python_pass(venue: Venue, sample: int) -> Callable[[], list[tuple[int, ...]]]:
    """Return the whole pass over the first `sample` accounts in plain Python, as a program."""

    def run() -> list[tuple[int, ...]]:
        return [
            require_unit_twin(
                venue.book, row, venue.market, venue.columns, venue.method, fused=plain
            )
            for row in range(sample)
        ]

    return run


def _show(name: str, pair: Paired, scale: float = 1.0) -> str:
    return (
        f"{name}: {pair.first_s * 1e3:.2f} ms against {pair.second_s * scale * 1e3:.2f} ms, "
        f"quartiles {pair.low * scale:.2f} to {pair.high * scale:.2f}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Time the pass against its peers and report the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    options = parser.parse_args(arguments)
    rounds = 15 if options.quick else 60
    print_machine()
    venue = make_venue(ACCOUNTS)
    groups = make_groups(venue)
    whole, losses = full_pass(venue), np.zeros(len(groups.begin))
    bare = bare_loop(venue, groups, losses)
    whole()
    bare()
    print(
        f"{ACCOUNTS} accounts × {POSITIONS} positions × {SCENARIOS} scenarios, "
        f"{len(groups.begin) / ACCOUNTS:.2f} coins an account, "
        f"{len(venue.market.instruments)} instruments, {len(venue.market.assets)} assets"
    )
    bench_MARG_030_pass_is_faster_than_sparse(venue, groups, whole, bare, losses, rounds)
    bench_MARG_031_pass_is_faster_than_python(venue, whole, rounds)


def bench_MARG_030_pass_is_faster_than_sparse(
    venue: Venue,
    groups: Groups,
    whole: Callable[[], None],
    bare: Callable[[], None],
    losses: NDArray[np.float64],
    rounds: int,
) -> None:
    """Check both sides agree, time them in turn, report."""
    scipy_sparse = peer("scipy.sparse")
    if scipy_sparse is None:
        return
    sparse, sparse_losses = sparse_pass(venue, groups, scipy_sparse)
    same = same_pass(venue, sparse)
    assert np.abs(same() - venue.results).max() <= 2 + 1e-12 * np.abs(venue.results).max()
    assert np.allclose(losses, sparse_losses, rtol=1e-9, atol=1e-6)
    pair = paired(whole, same, rounds)
    report("whole pass, times faster than the same with scipy.sparse", pair.ratio, "×",
           goal=">= 1.3", note=_show("whole", pair))  # fmt: skip
    pair = paired(whole, sparse, rounds)
    report("whole pass, times faster than the sparse product alone", pair.ratio, "×",
           note=_show("whole", pair))  # fmt: skip
    pair = paired(bare, sparse, rounds)
    report("scenario loop, times faster than the sparse product alone", pair.ratio, "×",
           goal=">= 1.3", note=_show("loop", pair))  # fmt: skip
    report("whole pass, a million accounts", _per_million(whole), "ms")


def _per_million(program: Callable[[], None]) -> float:
    pair = paired(program, program, 5)
    return pair.first_s * 1e3 * (1_000_000 / ACCOUNTS)


def bench_MARG_031_pass_is_faster_than_python(
    venue: Venue, whole: Callable[[], None], rounds: int
) -> None:
    """Check the answers are the same within a rounding, time a sample, scale it, report."""
    python = python_pass(venue, SAMPLE)
    found = np.array(python()).T
    assert np.abs(found - venue.results[:, :SAMPLE]).max() <= 2
    pair = paired(whole, python, max(3, rounds // 10), warm_up=1)
    scale = ACCOUNTS / SAMPLE
    report("whole pass, times faster than plain Python", pair.ratio * scale, "×", goal=">= 100",
           note=f"{_show('whole', pair, scale)}, sample of {SAMPLE} accounts scaled")  # fmt: skip


if __name__ == "__main__":
    main()
