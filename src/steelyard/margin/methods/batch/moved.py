"""A whole batch in a moved market: what `moving` does to one case, done to every account at once.

Under the scenario core the legs move in columns, so that each statement gets the bits that `moved_as`
gives it alone. Where an account states what columns cannot move (inverse contracts, marks of options whose
volatility nobody states, a settlement without a price), and under exact methods, each account is moved as
a case of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from steelyard.margin.methods.batch.alone import beyond, of_account
from steelyard.margin.methods.batch.columns import (
    Batch,
    Flags,
    Floats,
    Places,
    account_of,
    batch_of,
)
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.moving import Move, move_of, moved_as
from steelyard.margin.methods.moving_counting import Counting, counting_of
from steelyard.margin.methods.moving_positions import expiry_of, mark_of
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, Contract, Market, Position, instant_us
from steelyard.valuation.black76 import black76_price
from steelyard.valuation.greeks import black76_greeks


class Moved(NamedTuple):
    """The accounts and the market after a move; errors by account of those that cannot be moved."""

    batch: Batch
    market: Market[Any]
    errors: dict[int, SteelyardError]


def moved_batch(
    batch: Batch,
    market: Market[Any],
    document: MethodDocument,
    parameters: Mapping[str, Any] | None = None,
    *,
    prices: Mapping[str, Any] | None = None,
    volatility: float = 1.0,
    later_us: int = 0,
) -> Moved:
    """Return all accounts in the moved market; arguments and errors of the market as `moved_as`.

    prices: underlying -> its new price, in the numbers of the method's core.
    """
    number = core_of(document).number
    counting = counting_of(document, dict(parameters or {}))
    stated = market_in(market, number)
    case: Case[Any] = Case("market", document.name, market=stated)
    after = moved_as(case, counting, prices, volatility, later_us).market
    if after is stated:
        return Moved(batch, stated, {})
    moves = {name: move_of(case, name, price) for name, price in (prices or {}).items()}
    moves = {name: move for name, move in moves.items() if not move.is_still}
    found: Batch | None = None
    if document.core == "scenario":
        columns = _Columns(batch, stated, after, counting, moves, volatility != 1.0, later_us != 0)
        found = columns.moved()
    if found is not None:
        return Moved(found, after, {})
    accounts: list[Account[Any]] = []
    errors: dict[int, SteelyardError] = {}
    for place, name in enumerate(batch.accounts):
        try:
            account = account_of(batch, place, number)
            one = Case(str(name), document.name, market=stated, account=account)
            accounts.append(moved_as(one, counting, prices, volatility, later_us).account)
        except SteelyardError as error:
            errors[place] = of_account(error, name)
            accounts.append(Account())
        except ArithmeticError:
            errors[place] = beyond(name)
            accounts.append(Account())
    return Moved(batch_of(batch.accounts, accounts), after, errors)


class _Columns:
    """The legs of a batch on their way from one market to another."""

    def __init__(
        self,
        batch: Batch,
        before: Market[float],
        after: Market[float],
        counting: Counting,
        moves: dict[str, Move],
        is_stretched: bool,
        is_later: bool,
    ) -> None:
        self.batch = batch
        self.before = before
        self.after = after
        self.counting = counting
        self.moves = moves
        self.is_stretched = is_stretched
        self.is_later = is_later
        self.quantity = batch.quantity.copy()
        self.stated = {name: column.copy() for name, column in batch.stated.items()}

    def moved(self) -> Batch | None:
        """Return the batch in the moved market, None where each account has to move on its own."""
        batch = self.batch
        contract = batch.texts.get("contract")
        if contract is not None and (contract == "inverse").any():
            return None
        if any(c is None for c in batch.contracts):
            return None
        self._move_linear()
        if not self._reprice_options():
            return None
        changed = replace(batch, quantity=self.quantity, stated=self.stated, exact={})
        return self._settled(changed) if self.is_later else changed

    def _move_linear(self) -> None:
        batch, counting = self.batch, self.counting
        old, new = (
            np.array([self._mark(c, market) for c in batch.contracts], np.float64)
            for market in (self.before, self.after)
        )
        is_moved = np.array([self._is_moved_linear(c) for c in batch.contracts], bool)
        if not is_moved.any():
            return
        legs = np.flatnonzero(is_moved[batch.instrument])
        code = batch.instrument[legs]
        self._move_marks(legs, code)
        usable = (old > 0.0) & ~np.isnan(new)
        legs, code = legs[usable[code]], code[usable[code]]
        quantity = self.quantity[legs]
        if counting.is_coin_settled:
            kept = quantity * (old / new)[code]
            gain = quantity - kept
            self.quantity[legs] = kept
        else:
            gain = quantity * (new - old)[code]
        by_entry = np.array(
            [c is not None and c.kind in counting.by_entry for c in batch.contracts], bool
        )
        entry = self.stated.get("entry_price")
        has_entry = np.zeros(len(legs), bool) if entry is None else ~np.isnan(entry[legs])
        profit = self._column("unrealised_pnl")
        has_profit = ~np.isnan(profit[legs])
        fills = ~has_profit & ~(by_entry[code] & has_entry)
        profit[legs] = np.where(
            has_profit, profit[legs] + gain, np.where(fills, gain, profit[legs])
        )

    def _move_marks(self, legs: Places, code: Places) -> None:
        marks = self.stated.get("mark_price")
        if marks is None:
            return
        for name, move in self.moves.items():
            under = np.array([c is not None and c.underlying == name for c in self.batch.contracts])
            rows = legs[under[code]]
            value = marks[rows]
            marks[rows] = np.where(value == move.old, move.new, value * move.ratio)

    def _column(self, name: str) -> Floats:
        return self.stated.setdefault(name, np.full(len(self.quantity), np.nan))

    def _mark(self, contract: Contract | None, market: Market[float]) -> float:
        if contract is None or contract.kind == "option":
            return float("nan")
        found = mark_of(Position(contract.name, 0.0), contract, market, self.counting)
        return float("nan") if found is None else float(found)

    def _is_moved_linear(self, contract: Contract | None) -> bool:
        return (
            contract is not None and contract.kind != "option" and contract.underlying in self.moves
        )

    def _reprice_options(self) -> bool:
        """Move stated marks and deltas of options; False where one cannot be moved so."""
        batch = self.batch
        everything = self.is_stretched or self.is_later
        concerned = np.array(
            [
                c is not None and c.kind == "option" and (everything or c.underlying in self.moves)
                for c in batch.contracts
            ],
            bool,
        )
        marks, deltas = self.stated.get("mark_price"), self.stated.get("delta")
        is_stated = np.zeros(len(batch.quantity), bool)
        for column in (marks, deltas):
            if column is not None:
                is_stated |= ~np.isnan(column)
        legs = np.flatnonzero(is_stated)
        legs = legs[concerned[batch.instrument[legs]]]
        if not len(legs):
            return True
        try:
            mark_moves, delta_moves, is_call = self._option_moves(batch.instrument[legs])
        except SteelyardError:
            return False
        if np.isnan(mark_moves).any():
            return False
        if marks is not None:
            marks[legs] = np.where(
                np.isnan(marks[legs]), np.nan, np.maximum(0.0, marks[legs] + mark_moves)
            )
        if deltas is not None:
            stated = deltas[legs]
            low = np.minimum(np.where(is_call, 0.0, -1.0), stated)
            high = np.maximum(np.where(is_call, 1.0, 0.0), stated)
            deltas[legs] = np.minimum(np.maximum(stated + delta_moves, low), high)
        return True

    def _option_moves(self, code: Places) -> tuple[Floats, Floats, Flags]:
        """Return what marks and deltas of legs move by, and whether each is a call."""
        held = sorted({*code.tolist()})
        names = [self.batch.instruments[i] for i in held]
        moved = []
        rows = np.zeros(0, np.int64)
        for market in (self.before, self.after):
            instruments = Instruments(market, names, ())
            rows = np.array([instruments.place[name] for name in names], np.int64)
            columns = instruments.columns
            forward = columns["forward_price"]
            forward = np.where(np.isnan(forward), columns["index"], forward)[rows]
            sigma, tau = columns["volatility"][rows], columns["tau"][rows]
            asked = columns["is_call"][rows], forward, columns["strike"][rows], sigma, tau
            value, delta = black76_price(*asked), black76_greeks(*asked).delta
            moved.append((value / forward if self.counting.is_coin_settled else value, delta))
        place = np.searchsorted(held, code)
        is_call = np.array([name.endswith("C") for name in names], bool)
        marks = (moved[1][0] - moved[0][0])[place]
        # A volatility that is not stated is implied by the mark: a case of its own.
        return np.asarray(marks), np.asarray(moved[1][1] - moved[0][1])[place], is_call[place]

    # Settlement of what is past its expiry

    def _settled(self, batch: Batch) -> Batch | None:
        """Return the batch with expired contracts paid out; None where one has no price."""
        now = instant_us(self.after.as_of, "market.as_of")
        payoff = np.zeros(len(batch.instruments))
        is_past = np.zeros(len(batch.instruments), bool)
        for i, contract in enumerate(batch.contracts):
            expiry = None if contract is None else expiry_of(contract, self.after)
            if contract is None or expiry is None or instant_us(expiry.expiry, "expiry") > now:
                continue
            is_past[i] = True
            price = expiry.forward_price
            if price is None:
                price = self.after.underlyings[contract.underlying].index_price
            if contract.kind == "option":
                if price is None or not 0.0 < price < float("inf"):
                    return None
                gain = price - contract.strike if contract.is_call else contract.strike - price
                unit = self.counting.multiplier * max(0.0, gain)
                payoff[i] = unit / price if self.counting.is_coin_settled else unit
            elif contract.kind in self.counting.by_entry:
                return None
        if not is_past.any():
            return batch
        order, _ = batch.by_account
        rows = order[is_past[batch.instrument[order]]]
        is_option = np.array([c is not None and c.kind == "option" for c in batch.contracts], bool)[
            batch.instrument[rows]
        ]
        paid = batch.quantity[rows] * payoff[batch.instrument[rows]]
        profit = self._column("unrealised_pnl")[rows]
        funding = self.stated.get("unrealised_funding", np.full(len(batch.quantity), np.nan))[rows]
        linear = np.where(np.isnan(profit), batch.quantity[rows] * 0.0, profit)
        linear = np.where(np.isnan(funding), linear, linear + funding)
        return self._paid_out(batch, rows, np.where(is_option, paid, linear), is_past)

    def _paid_out(self, batch: Batch, rows: Places, paid: Floats, is_past: Flags) -> Batch:
        """Return the batch without the contracts that are past, their payoffs in the balances."""
        cash = [
            ""
            if c is None
            else (c.underlying if self.counting.is_coin_settled else self.counting.settlement)
            for c in batch.contracts
        ]
        assets = list(batch.assets)
        assets += sorted(set(cash) - set(assets))
        place = {name: i for i, name in enumerate(assets)}
        code = np.array([place[name] for name in cash], np.int64)[batch.instrument[rows]]
        width = len(assets)
        key = batch.account[rows] * width + code
        held = batch.balance_account * width + batch.balance_asset
        fresh = np.setdiff1d(key, held)
        keys = np.append(held, fresh)
        order = np.argsort(keys, kind="stable")
        # A balance that was not there is what is paid: −0 adds nothing, not even a sign.
        amount = np.append(batch.amount, np.full(len(fresh), -0.0))
        np.add.at(amount, order[np.searchsorted(keys[order], key)], paid)
        kept = ~is_past[batch.instrument]
        return replace(
            batch, account=batch.account[kept], instrument=batch.instrument[kept],
            quantity=batch.quantity[kept],
            stated={name: column[kept] for name, column in batch.stated.items()},
            texts={name: column[kept] for name, column in batch.texts.items()},
            assets=assets, balance_account=np.append(batch.balance_account, fresh // width),
            balance_asset=np.append(batch.balance_asset, fresh % width), amount=amount,
        )  # fmt: skip
