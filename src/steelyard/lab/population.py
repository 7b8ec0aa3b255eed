"""A population of accounts: who they are, what they hold, and the cash that keeps them in margin.

Calibrated on public figures (docs/lab.md): equities log-normal with a Pareto tail, a stated share of
leveraged accounts with a tail to 50×, three margin modes, option books and market makers. Every
account opens within its initial requirement. Sizes are whole lots and ledger units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from steelyard.lab.draws import (
    ISOLATED,
    MARKET_MAKER,
    OPTION_BOOK,
    PORTFOLIO,
    TAKER,
    People,
    PopulationShape,
    draw_people,
)
from steelyard.lab.estimate import Board, make_board
from steelyard.lab.holdings import ISOLATED_USE, Holdings, concatenate, settle, to_records
from steelyard.lab.market import Floats
from steelyard.lab.option_books import Books, draw_books
from steelyard.lab.option_marks import OptionMarks, mark_units, opening_terms
from steelyard.lab.venues import Integers
from steelyard.quantities import InputError
from steelyard.terms import AccountRecord, Asset, Instrument, Method
from steelyard.terms.asset import ACCOUNTING_ASSET

POPULARITY = {"BTC": 0.30, "ETH": 0.25, "SOL": 0.15, "XRP": 0.08, "DOGE": 0.06}
POPULARITY_OTHER = 0.03
COLLATERAL_SHARES = {"BTC": 0.50, "ETH": 0.35, "SOL": 0.15}
INVERSE_COIN_SHARE = 0.98
ISOLATED_COIN_LEVERAGE_MAX = 5.0
BOOK_USE = (0.25, 0.75)
BOOK_GROSS_MAX = 40.0
PREMIUM_SHARE_MAX = 0.35
COUNT_MAX = 5_000_000


def generate_population(
    count: int,
    seed: int,
    assets: Sequence[Asset],
    instruments: Sequence[Instrument],
    prices: Mapping[str, float],
    method: Method,
    volatilities: Mapping[str, float] | None = None,
    option_marks: OptionMarks | None = None,
    *,
    time_us: int = 0,
    shape: PopulationShape | None = None,
) -> list[AccountRecord]:
    """Return `count` accounts with their balances and positions; the same for the same arguments.

    prices: USD per coin. volatilities: per option, else per underlying. option_marks: premium of an
    option in settlement coins, by name; without them Black-76 at the volatility. time_us: now, needed
    when options are listed. Without options there are neither option books nor market makers.
    Errors: LABS-E01 count, LABS-E02 a price or mark is missing, LABS-E03 time.
    """
    form = shape or PopulationShape()
    listed = [item for item in instruments if not item.is_option or item.expiry_us > time_us]
    perpetuals = [row for row, item in enumerate(listed) if not item.is_option]
    _check(count, bool(perpetuals))
    sigma, marks = opening_terms(listed, prices, volatilities, option_marks, time_us)
    coins = [asset.name for asset in assets if asset.name != ACCOUNTING_ASSET]
    usable = {name: prices[name] for name in coins if name in prices}
    board = make_board(listed, usable, method, sigma, time_us)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 100]))
    has_options = any(item.is_option for item in listed)
    has_inverse = any(listed[row].is_inverse for row in perpetuals)
    people = draw_people(count, rng, form, options=has_options, inverse=has_inverse)
    shares = np.zeros((count, len(board.coins)))
    takers = _taker_positions(rng, people, listed, board, form, shares)
    _coin_collateral(rng, people, board, form, shares)
    takers = _within_margin(takers, people, board, form, shares)
    parts = [takers]
    if has_options:
        makers = np.flatnonzero(people.kind == MARKET_MAKER)
        books = draw_books(rng, listed, board, np.flatnonzero(people.kind == OPTION_BOOK), makers)
        parts.append(_sized_books(rng, books, people, listed, board, marks, form, shares))
    holdings = concatenate(parts)
    units = mark_units(listed, marks)
    settled = settle(rng, holdings, people, listed, list(assets), board, units, shares, form)
    return to_records(settled, people, listed, board)


def _check(count: int, has_perpetuals: bool) -> None:
    if not 0 < count <= COUNT_MAX or not has_perpetuals:
        raise InputError(
            "LABS-E01",
            f"a population of {count} accounts"
            + ("" if has_perpetuals else " without a perpetual"),
            rule=f"1 to {COUNT_MAX} accounts and at least one perpetual",
            cure="ask for fewer accounts, or list a perpetual",
            field="count",
        )


def _taker_positions(
    rng: np.random.Generator,
    people: People,
    listed: list[Instrument],
    board: Board,
    shape: PopulationShape,
    shares: Floats,
) -> Holdings:
    """Return the takers' perpetuals; equity of inverse accounts goes into their coins (`shares`).

    Instruments are drawn without repetition by popularity (Gumbel keys), notional is split by
    gamma weights, and a position takes its account's side with probability `same_side`.
    """
    rows = np.array([row for row, item in enumerate(listed) if not item.is_option])
    inverse = np.array([listed[row].is_inverse for row in rows])
    popular = np.array([POPULARITY.get(listed[r].underlying, POPULARITY_OTHER) for r in rows])
    count, kinds = len(people.equity), len(rows)
    keys = np.log(popular) - np.log(-np.log(rng.uniform(1e-12, 1.0, (count, kinds))))
    allowed = inverse[None, :] == (people.is_inverse[:, None] > 0)
    allowed |= ~allowed.any(axis=1, keepdims=True)
    keys = np.where(allowed, keys, -np.inf)
    most = min(len(shape.position_counts), kinds)
    order = np.argsort(-keys, axis=1, kind="stable")[:, :most]
    weights = np.array(shape.position_counts) / sum(shape.position_counts)
    wanted = 1 + np.searchsorted(np.cumsum(weights)[:-1], rng.uniform(size=count), side="right")
    held = np.minimum(wanted, np.minimum(allowed.sum(axis=1), most))
    mask = (np.arange(most)[None, :] < held[:, None]) & (people.kind == TAKER)[:, None]
    split = np.where(mask, 0.05 + rng.gamma(1.5, 1.0, mask.shape), 0.0)
    split /= np.maximum(split.sum(axis=1, keepdims=True), 1e-12)
    bias = (shape.long_share - 1.0 + shape.same_side) / (2.0 * shape.same_side - 1.0)
    own_side = np.where(rng.uniform(size=count) < bias, 1.0, -1.0)
    follows = np.where(rng.uniform(size=mask.shape) < shape.same_side, 1.0, -1.0)
    acct, slot = np.nonzero(mask)
    inst = rows[order[acct, slot]]
    part = split[acct, slot]
    notional = people.equity[acct] * people.leverage[acct] * part
    sign = own_side[acct] * follows[acct, slot]
    turned = people.is_inverse[acct] > 0
    np.add.at(shares, (acct[turned], board.coin[inst[turned]]), INVERSE_COIN_SHARE * part[turned])
    return Holdings(acct, inst, sign * notional / board.unit_usd[inst], np.zeros(len(acct)), part)


def _coin_collateral(
    rng: np.random.Generator, people: People, board: Board, shape: PopulationShape, shares: Floats
) -> None:
    """Put part of the equity of a share of the takers into one coin."""
    coins = [coin for coin in COLLATERAL_SHARES if coin in board.coins]
    if not coins:
        return
    count = len(people.equity)
    chance = np.array([COLLATERAL_SHARES[coin] for coin in coins])
    drawn = rng.choice(len(coins), size=count, p=chance / chance.sum())
    column = np.array([board.coins.index(coin) for coin in coins])[drawn]
    isolated = people.mode == ISOLATED
    part = np.where(isolated, rng.uniform(0.05, 0.3, count), rng.uniform(0.3, 0.95, count))
    holds = rng.uniform(size=count) < shape.coin_collateral_share
    holds &= (people.kind == TAKER) & (people.is_inverse == 0)
    holds &= ~isolated | (people.leverage <= ISOLATED_COIN_LEVERAGE_MAX)
    shares[holds, column[holds]] = part[holds]


def _within_margin(
    takers: Holdings, people: People, board: Board, shape: PopulationShape, shares: Floats
) -> Holdings:
    """Return the takers' positions, scaled into their margin.

    Tier rates and closing costs rise with size, so scaling by f scales a requirement by f or more.
    """
    count = len(people.equity)
    acct, inst = takers.acct, takers.inst
    notional = np.abs(takers.quantity) * board.unit_usd[inst]
    tiered = np.bincount(acct, weights=board.tiered(inst, notional), minlength=count)
    balance = people.equity * (1.0 - shares @ board.haircut)
    factor = np.minimum(1.0, balance / (shape.headroom * np.maximum(tiered, 1e-9)))
    apart = people.mode == ISOLATED
    # What an isolated position needs is set aside in the one asset it settles in.
    free = np.where(people.is_inverse > 0, balance, people.equity * (1.0 - shares.sum(axis=1)))
    most = ISOLATED_USE * free / (shape.headroom * np.maximum(tiered, 1e-9))
    factor = np.where(apart, np.minimum(1.0, most), factor)
    whole = people.mode == PORTFOLIO
    if whole.any():
        factor[whole] = _portfolio_factor(
            acct, inst, takers.quantity, people.equity, board, shape.headroom, shares
        )[whole]
    return takers.scaled(factor[acct])


def _portfolio_factor(
    acct: Integers,
    inst: Integers,
    quantity: Floats,
    equity: Floats,
    board: Board,
    headroom: float,
    shares: Floats,
) -> Floats:
    """Return the factor, at most one, that brings each portfolio within its equity.

    With the coins the worst loss is convex in the factor: between coins alone (R₀) and the whole
    book (R₁) it lies below the chord, so f = (E/h − R₀)/(R₁ − R₀) suffices. Without them it is
    homogeneous: f = B/(h·R).
    """
    coins = shares * equity[:, None] / board.prices
    together, alone = board.portfolio(acct, inst, quantity, coins)
    nothing = np.zeros(0, dtype=np.int64)
    bare, _ = board.portfolio(nothing, nothing, np.zeros(0), coins)
    room = np.maximum(equity / headroom - bare, 0.0)
    with_coins = np.where(
        together > equity / headroom, room / np.maximum(together - bare, 1e-9), 1.0
    )
    balance = equity * (1.0 - shares @ board.haircut)
    without = balance / (headroom * np.maximum(alone, 1e-9))
    return np.asarray(np.minimum(1.0, np.minimum(with_coins, without)))


def _sized_books(
    rng: np.random.Generator,
    books: Books,
    people: People,
    listed: list[Instrument],
    board: Board,
    marks: Floats,
    shape: PopulationShape,
    shares: Floats,
) -> Holdings:
    """Return the option books and market makers at the size their margin use asks for."""
    count = len(people.equity)
    for account, (coin, share) in books.coin_of.items():
        shares[account, coin] = share
    acct, inst = books.acct, books.inst
    use = rng.uniform(*BOOK_USE, count)
    gross = np.bincount(
        acct, weights=np.abs(books.quantity) * board.unit_usd[inst], minlength=count
    )
    quantity = books.quantity * (people.equity / np.maximum(gross, 1e-9))[acct]
    coins = shares * people.equity[:, None] / board.prices
    for _ in range(4):
        together, alone = board.portfolio(acct, inst, quantity, coins)
        needed = np.maximum(together, alone)
        step = use * people.equity / np.maximum(needed * shape.headroom, 1e-9)
        quantity = quantity * np.clip(step, 0.1, 10.0)[acct]
    quantity *= _caps(books, quantity, people, listed, board, marks, coins)[acct]
    factor = _portfolio_factor(acct, inst, quantity, people.equity, board, shape.headroom, shares)
    quantity = quantity * factor[acct]
    zeros = np.zeros(len(acct))
    return Holdings(acct, inst, quantity, zeros, zeros)


def _caps(
    books: Books,
    quantity: Floats,
    people: People,
    listed: list[Instrument],
    board: Board,
    marks: Floats,
    coins: Floats,
) -> Floats:
    """Return a factor an account: gross notional, premium paid and covered calls keep their bounds."""
    count = len(people.equity)
    acct, inst = books.acct, books.inst
    gross = np.bincount(acct, weights=np.abs(quantity) * board.unit_usd[inst], minlength=count)
    unit = np.array(
        [board.prices[board.coin[r]] if i.is_inverse else 1.0 for r, i in enumerate(listed)]
    )
    is_option = board.is_option[inst] > 0.0
    paid = np.where(is_option & (quantity > 0.0), quantity * (marks * unit)[inst], 0.0)
    premium = np.bincount(acct, weights=paid, minlength=count)
    caps = np.minimum(
        BOOK_GROSS_MAX * people.equity / np.maximum(gross, 1e-9),
        PREMIUM_SHARE_MAX * people.equity / np.maximum(premium, 1e-9),
    )
    short = np.bincount(acct, weights=np.abs(quantity), minlength=count)
    for account in sorted(books.covered):
        held = float(coins[account].max())
        caps[account] = min(caps[account], held / max(short[account], 1e-12))
    return np.asarray(np.minimum(caps, 1.0))
