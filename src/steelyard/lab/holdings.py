"""From drawn holdings to records: whole lots, entry marks, balances and isolated margins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steelyard.lab.draws import (
    ISOLATED,
    MARKET_MAKER,
    OPTION_BOOK,
    PORTFOLIO,
    TAKER,
    People,
    PopulationShape,
)
from steelyard.lab.estimate import Board
from steelyard.lab.market import Floats
from steelyard.lab.venues import Integers
from steelyard.terms import FULL_MODES, AccountRecord, Asset, Instrument, PositionRecord
from steelyard.terms.asset import ACCOUNTING_ASSET

ROLE = {TAKER: "taker", OPTION_BOOK: "options", MARKET_MAKER: "maker"}
LOT_SHARE_MAX = 0.3
OLD_ENTRY_SHARE = 0.2
ENTRY_SD = (0.004, 0.06)
ENTRY_MOVE_MAX = 0.25
LOSS_SHARE_MAX = 0.25
ISOLATED_USE = 0.90
ISOLATED_LEVERAGE = (1.5, 20.0)
CASH_LEAST_USD = 1.0


@dataclass(frozen=True)
class Holdings:
    """Positions as columns: account, instrument, signed quantity in whole units, then in lots.

    part: share of the account's equity that stands behind it (takers).
    """

    acct: Integers
    inst: Integers
    quantity: Floats
    lots: Floats
    part: Floats

    def scaled(self, factor: Floats) -> Holdings:
        """Return the holdings with quantities times a factor a position."""
        return replace(self, quantity=self.quantity * factor)

    def kept(self, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Holdings:
        """Return the positions at which the mask is true."""
        return Holdings(
            self.acct[mask], self.inst[mask], self.quantity[mask], self.lots[mask], self.part[mask]
        )


@dataclass(frozen=True)
class Settled:
    """Everything in integers: lots, entry marks, isolated margins, balances (accounts, assets).

    Asset columns: the accounting asset, then the board's coins.
    """

    holdings: Holdings
    entry: Integers
    isolated: Integers
    balances: Integers
    listed: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def concatenate(parts: list[Holdings]) -> Holdings:
    """Return the holdings of all parts, by account."""
    acct = np.concatenate([part.acct for part in parts])
    order = np.argsort(acct, kind="stable")
    return Holdings(
        acct[order],
        np.concatenate([part.inst for part in parts])[order],
        np.concatenate([part.quantity for part in parts])[order],
        np.concatenate([part.lots for part in parts])[order],
        np.concatenate([part.part for part in parts])[order],
    )


def _in_lots(
    holdings: Holdings, people: People, listed: list[Instrument], board: Board
) -> Holdings:
    """Return holdings in whole lots, rounded towards zero.

    A position below one lot becomes one lot if that is at most 30 % of the account's equity, else it
    goes; an account that would be left with nothing keeps one lot of its cheapest position.
    """
    acct, inst = holdings.acct, holdings.inst
    scale = 10.0 ** np.array([float(item.lot_exponent) for item in listed])[inst]
    limit = np.array([float(item.position_limit) for item in listed])[inst]
    lots = np.minimum(np.floor(np.abs(holdings.quantity) * scale), limit)
    lot_usd = board.unit_usd[inst] / scale
    taker = people.kind[acct] == TAKER
    lots = np.where(
        (lots < 1.0) & taker & (lot_usd <= LOT_SHARE_MAX * people.equity[acct]), 1.0, lots
    )
    order = np.lexsort((lot_usd, acct))
    first = order[np.flatnonzero(np.diff(acct[order], prepend=-1))]
    held = np.bincount(acct, weights=lots, minlength=len(people.equity))
    lots[first] = np.where(held[acct[first]] > 0.0, lots[first], 1.0)
    signed = np.where(holdings.quantity < 0.0, -lots, lots)
    whole = replace(holdings, lots=signed, quantity=signed / scale)
    return whole.kept(lots > 0.0)


def settle(
    rng: np.random.Generator,
    drawn: Holdings,
    people: People,
    listed: list[Instrument],
    assets: list[Asset],
    board: Board,
    units: Floats,
    shares: Floats,
    shape: PopulationShape,
) -> Settled:
    """Return integers for everything: what an account has is its equity less what positions hold.

    units: mark units now. A balance is equity share − unrealised profit − option value, so equity
    comes out as drawn; where whole lots ask for more than the margin gives, cash is added.
    """
    holdings = _in_lots(drawn, people, listed, board)
    exponent_of = {asset.name: asset.exponent for asset in assets}
    names = (ACCOUNTING_ASSET, *board.coins)
    exponents = np.array([exponent_of.get(name, 8) for name in names])
    column = {name: k for k, name in enumerate(names)}
    settles = np.array([column[item.settlement] for item in listed])[holdings.inst]
    dollars = np.concatenate([[1.0], board.prices])
    margin = _isolated_equity(rng, holdings, people, board, shape, shares, settles)
    entry = _entries(rng, holdings, people, listed, board, units, margin)
    scale = np.array([float(item.lot_exponent + item.mark_exponent) for item in listed])
    per_unit = 10.0 ** (scale[holdings.inst] - exponents[settles])
    is_option = board.is_option[holdings.inst] > 0.0
    base = np.where(is_option, 0.0, entry)
    worth = holdings.lots * (units[holdings.inst] - base) / per_unit
    flat = holdings.acct * len(names) + settles
    size = len(people.equity) * len(names)
    held = np.bincount(flat, weights=worth, minlength=size).reshape(-1, len(names))
    stake = np.concatenate([1.0 - shares.sum(axis=1, keepdims=True), shares], axis=1)
    stake = stake * people.equity[:, None]
    stake[:, 0] += _top_up(holdings, people, board, shape, shares)
    per_coin = 10.0**exponents / dollars
    balances = stake * per_coin - held
    isolated = np.floor(margin * per_coin[settles] - worth)
    isolated = np.where(people.mode[holdings.acct] == ISOLATED, np.maximum(isolated, 1.0), 0.0)
    set_aside = np.bincount(flat, weights=isolated, minlength=size).reshape(-1, len(names))
    uses = np.bincount(flat, minlength=size).reshape(-1, len(names)) > 0
    listed_balance = uses | (stake > 0.0)
    listed_balance[:, 0] = True
    least = set_aside + np.where(listed_balance, CASH_LEAST_USD * per_coin, 0.0)
    whole = np.ceil(np.maximum(balances, least)).astype(np.int64)
    return Settled(
        holdings, entry.astype(np.int64), isolated.astype(np.int64), whole, listed_balance
    )


def _isolated_equity(
    rng: np.random.Generator,
    holdings: Holdings,
    people: People,
    board: Board,
    shape: PopulationShape,
    shares: Floats,
    settles: Integers,
) -> Floats:
    """Return the equity, USD, that stands behind each position of an isolated account; else zero.

    notional/ℓ with ℓ drawn between 1.5 and 20 and at least the account's own leverage, never less
    than headroom times the estimated requirement after the haircut of the coin it is held in.
    """
    acct, inst = holdings.acct, holdings.inst
    notional = np.abs(holdings.quantity) * board.unit_usd[inst]
    low, high = np.log(ISOLATED_LEVERAGE)
    drawn = np.exp(rng.uniform(low, high, len(acct)))
    inverse = people.is_inverse[acct] > 0
    free = np.where(inverse, 1.0, 1.0 - shares.sum(axis=1)[acct])
    own = np.maximum(people.leverage[acct] / (ISOLATED_USE * free), drawn)
    haircut = np.concatenate([[0.0], board.haircut])[settles]
    least = shape.headroom * board.tiered(inst, notional) / (1.0 - haircut)
    equity = np.maximum(notional / own, least)
    return np.where(people.mode[acct] == ISOLATED, equity, 0.0)


def _top_up(
    holdings: Holdings, people: People, board: Board, shape: PopulationShape, shares: Floats
) -> Floats:
    """Return the cash an account adds so that its whole lots keep the stated headroom, USD."""
    count = len(people.equity)
    acct, inst = holdings.acct, holdings.inst
    notional = np.abs(holdings.quantity) * board.unit_usd[inst]
    tiered = np.bincount(acct, weights=board.tiered(inst, notional), minlength=count)
    balance = people.equity * (1.0 - shares @ board.haircut)
    lacking = shape.headroom * tiered - balance
    whole = people.mode == PORTFOLIO
    mine = whole[acct]
    coins = np.where(whole[:, None], shares * people.equity[:, None] / board.prices, 0.0)
    together, alone = board.portfolio(acct[mine], inst[mine], holdings.quantity[mine], coins)
    both = np.maximum(shape.headroom * together - people.equity, shape.headroom * alone - balance)
    return np.maximum(np.where(whole, both, lacking), 0.0)


def _entries(
    rng: np.random.Generator,
    holdings: Holdings,
    people: People,
    listed: list[Instrument],
    board: Board,
    units: Floats,
    margin: Floats,
) -> Floats:
    """Return entry marks in mark units: near the mark, a fifth of them older and further away.

    The unrealised amount is at most a quarter of the equity that stands behind the position.
    """
    inst = holdings.inst
    count = len(inst)
    old = rng.uniform(size=count) < OLD_ENTRY_SHARE
    moved = rng.standard_normal(count) * np.where(old, ENTRY_SD[1], ENTRY_SD[0])
    notional = np.abs(holdings.quantity) * board.unit_usd[inst]
    behind = np.where(margin > 0.0, margin, holdings.part * people.equity[holdings.acct])
    behind = np.where(people.kind[holdings.acct] == TAKER, behind, 0.02 * notional)
    bound = np.minimum(LOSS_SHARE_MAX * behind / np.maximum(notional, 1e-9), ENTRY_MOVE_MAX)
    moved = np.clip(moved, -bound, bound)
    inverse = np.array([item.is_inverse and not item.is_option for item in listed])[inst]
    factor = np.where(inverse, 1.0 / (1.0 + moved), 1.0 + moved)
    return np.asarray(np.rint(units[inst] * factor))


def to_records(
    settled: Settled, people: People, listed: list[Instrument], board: Board
) -> list[AccountRecord]:
    """Return the records, accounts in order of their number."""
    names = (ACCOUNTING_ASSET, *board.coins)
    holdings = settled.holdings
    rows = zip(
        holdings.acct.tolist(),
        holdings.inst.tolist(),
        holdings.lots.astype(np.int64).tolist(),
        settled.entry.tolist(),
        settled.isolated.tolist(),
        strict=True,
    )
    positions: list[list[PositionRecord]] = [[] for _ in people.equity]
    titles = [item.name for item in listed]
    for acct, inst, lots, entry, isolated in rows:
        positions[acct].append(PositionRecord(titles[inst], lots, entry, isolated))
    owned: list[dict[str, int]] = [{} for _ in people.equity]
    holders, columns = np.nonzero(settled.listed)
    amounts = settled.balances[holders, columns].tolist()
    for holder, k, amount in zip(holders.tolist(), columns.tolist(), amounts, strict=True):
        owned[holder][names[k]] = amount
    return [
        AccountRecord(
            f"{ROLE[kind]}-{number:06d}", FULL_MODES[mode], owned[number], positions[number]
        )
        for number, (kind, mode) in enumerate(
            zip(people.kind.tolist(), people.mode.tolist(), strict=True)
        )
    ]
