"""What option books and market makers hold, in quantities relative to each other.

Sizes come later, from the margin each account means to use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steelyard.lab.estimate import Board
from steelyard.lab.market import Floats
from steelyard.lab.venues import Integers
from steelyard.terms import Instrument

COVERED_CALL, SHORT_STRANGLE, VERTICAL, LONG_TAILS = range(4)
STYLE_SHARES = (0.30, 0.30, 0.20, 0.20)
COIN_SHARES = (0.90, 0.30, 0.20, 0.30)
MAKER_COIN_SHARE = 0.10
MAKER_OPTIONS = (18, 56)
MAKER_OTHERS = (1, 4)
TWO_UNDERLYINGS = 0.4

Legs = list[tuple[int, float]]


@dataclass(frozen=True)
class Ladder:
    """Options of one expiry and settlement: instrument rows by strike, and the row at the money."""

    coin: int
    calls: list[int]
    puts: list[int]
    middle: int


@dataclass(frozen=True)
class Books:
    """Relative holdings: account, instrument, quantity; and the coin share of each account.

    covered: rows of accounts whose short calls may not exceed their coins.
    """

    acct: Integers
    inst: Integers
    quantity: Floats
    coin_of: dict[int, tuple[int, float]]
    covered: set[int]


def ladders_of(instruments: list[Instrument], board: Board) -> list[Ladder]:
    """Return the ladders of at least three strikes that have both calls and puts."""
    groups: dict[tuple[str, str, int], dict[bool, list[int]]] = {}
    for row, item in enumerate(instruments):
        if item.is_option:
            key = (item.underlying, item.settlement, item.expiry_us)
            groups.setdefault(key, {True: [], False: []})[item.is_call].append(row)
    ladders = []
    for key in sorted(groups):
        sides = {
            is_call: sorted(rows, key=lambda row: float(instruments[row].strike))
            for is_call, rows in groups[key].items()
        }
        if min(len(sides[True]), len(sides[False])) < 3:
            continue
        coin = board.coins.index(key[0])
        strikes = [float(instruments[row].strike) for row in sides[True]]
        middle = min(range(len(strikes)), key=lambda k: abs(strikes[k] - board.prices[coin]))
        ladders.append(Ladder(coin, sides[True], sides[False], middle))
    return ladders


def draw_books(
    rng: np.random.Generator,
    instruments: list[Instrument],
    board: Board,
    books: Integers,
    makers: Integers,
) -> Books:
    """Return the holdings of option books and market makers (rows of accounts)."""
    ladders = ladders_of(instruments, board)
    acct: list[int] = []
    inst: list[int] = []
    quantity: list[float] = []
    coin_of: dict[int, tuple[int, float]] = {}
    covered: set[int] = set()
    styles = rng.choice(len(STYLE_SHARES), size=len(books), p=STYLE_SHARES)
    perpetuals = [row for row, item in enumerate(instruments) if not item.is_option]
    plans: list[tuple[int, Legs]] = []
    for account, style in zip(books.tolist(), styles.tolist(), strict=True):
        coin, legs = _option_book(rng, ladders, style)
        coin_of[account] = (coin, COIN_SHARES[style])
        if style == COVERED_CALL:
            covered.add(account)
        plans.append((account, legs))
    for account in makers.tolist():
        coin, legs = _market_maker(rng, ladders, board, perpetuals, instruments)
        coin_of[account] = (coin, MAKER_COIN_SHARE)
        plans.append((account, legs))
    for account, legs in plans:
        merged: dict[int, float] = {}
        for row, amount in legs:
            merged[row] = merged.get(row, 0.0) + amount
        acct += [account] * len(merged)
        inst += list(merged)
        quantity += list(merged.values())
    return Books(
        np.array(acct, dtype=np.int64),
        np.array(inst, dtype=np.int64),
        np.array(quantity, dtype=np.float64),
        coin_of,
        covered,
    )


def _option_book(rng: np.random.Generator, ladders: list[Ladder], style: int) -> tuple[int, Legs]:
    """Return the coin and the legs of one option book: one to three structures on one coin."""
    first = ladders[int(rng.integers(len(ladders)))]
    mine = [ladder for ladder in ladders if ladder.coin == first.coin]
    legs: Legs = []
    for _ in range(int(rng.integers(1, 4))):
        ladder = mine[int(rng.integers(len(mine)))]
        top, middle = len(ladder.calls) - 1, ladder.middle
        up = min(middle + int(rng.integers(0, max(top - middle, 1) + 1)), top)
        low = min(max(middle - int(rng.integers(0, max(middle, 1) + 1)), 0), len(ladder.puts) - 1)
        size = float(rng.uniform(0.5, 1.5))
        if style == COVERED_CALL:
            legs.append((ladder.calls[up], -size))
        elif style == SHORT_STRANGLE:
            legs += [(ladder.calls[up], -size), (ladder.puts[low], -size)]
        elif style == VERTICAL:
            side = ladder.calls if rng.uniform() < 0.5 else ladder.puts
            at = min(max(up if side is ladder.calls else low, 0), len(side) - 2)
            sign = 1.0 if rng.uniform() < 0.6 else -1.0
            legs += [(side[at], sign * size), (side[at + 1], -sign * size)]
        else:
            legs.append((ladder.puts[low] if rng.uniform() < 0.6 else ladder.calls[up], size))
    return first.coin, legs


def _market_maker(
    rng: np.random.Generator,
    ladders: list[Ladder],
    board: Board,
    perpetuals: list[int],
    instruments: list[Instrument],
) -> tuple[int, Legs]:
    """Return the coin and the legs of one market maker: options of both signs, hedged by perpetuals.

    The delta of the options of each coin is closed with a perpetual of that coin; a few small
    positions in other perpetuals stay.
    """
    chosen = {ladders[int(rng.integers(len(ladders)))].coin}
    if rng.uniform() < TWO_UNDERLYINGS:
        chosen |= {ladder.coin for ladder in ladders}
    able = [row for lad in ladders if lad.coin in chosen for row in (*lad.calls, *lad.puts)]
    count = min(int(rng.integers(*MAKER_OPTIONS)), len(able))
    rows = [able[k] for k in rng.choice(len(able), size=count, replace=False)]
    sizes = rng.lognormal(0.0, 0.7, count) * np.where(rng.uniform(size=count) < 0.5, 1.0, -1.0)
    # A coin's quantity is in coins; dollars make two coins comparable.
    sizes = sizes / board.prices[board.coin[rows]]
    legs: Legs = list(zip(rows, sizes.tolist(), strict=True))
    gross = float(np.abs(sizes * board.unit_usd[rows]).sum())
    coins = np.array([board.coin[row] for row in rows])
    hedged = set()
    for coin in sorted(chosen):
        mine = coins == coin
        delta = float((sizes[mine] * board.delta[np.array(rows)[mine]]).sum())
        hedges = [row for row in perpetuals if board.coin[row] == coin]
        if hedges and delta != 0.0:
            row = hedges[int(rng.integers(len(hedges)))]
            hedged.add(row)
            legs.append((row, -delta / float(board.delta[row])))
    others = [row for row in perpetuals if row not in hedged and not instruments[row].is_inverse]
    for _ in range(min(int(rng.integers(*MAKER_OTHERS)), len(others))):
        row = others.pop(int(rng.integers(len(others))))
        small = 0.02 * gross * float(rng.normal()) / board.unit_usd[row]
        legs.append((row, float(small)))
    return min(chosen), legs
