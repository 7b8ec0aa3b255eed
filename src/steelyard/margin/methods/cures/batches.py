"""Deposits, trades and closings of one account under the scenario core, as columns of many accounts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from steelyard.margin.methods.core.answering import evaluated
from steelyard.margin.methods.core.books import Books, book_of
from steelyard.margin.methods.core.dual import Dual
from steelyard.margin.methods.core.evaluation import LEG, Evaluation
from steelyard.margin.methods.core.instruments import COIN, FUTURE, PERPETUAL, Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled, hand_on
from steelyard.margin.methods.core.what_if import margins, traded
from steelyard.margin.methods.cures.ledgers import Ledger, ScenarioLedger, with_balance
from steelyard.margin.methods.cures.levels import Floats, Outcome, Wanted
from steelyard.margin.methods.cures.quotes import Charges, Quote
from steelyard.margin.methods.cures.results import Number
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case
from steelyard.valuation.black76 import black76_price

ROWS_AT_ONCE = 250_000
GRADIENTS_AT_ONCE = 256
ROUNDING = 1e-12
Steps = Sequence[Decimal]


class BatchDesk:
    """A desk over columns: every change of a round is margined in one batch."""

    width = 7

    def __init__(
        self,
        case: Case[float],
        document: MethodDocument,
        wanted: Wanted,
        tradable: list[str],
        charges: Charges,
    ) -> None:
        changed = document.with_parameters(case.parameters)
        hand_on(document, changed)
        self.compiled = Compiled(changed)
        first = evaluated(case, self.compiled)
        self.wanted = wanted
        self.taker_fee = charges.taker_fee
        cash = cash_of(first)
        self.ledger: Ledger = ScenarioLedger(case, document, cash)
        self.case = settled_case(case, self.compiled, first)
        self.tradable = tradable
        self.coins = _coins(self.case, self.compiled, cash, first.instruments.underlyings)
        held = [position.instrument for position in case.account.positions]
        coins = [name for name in case.account.balances if name != cash]
        instruments = Instruments(
            case.market,
            [*held, *tradable],
            [*coins, *self.coins],
            is_single=self.compiled.is_single,
        )
        self.instruments = instruments
        self.prepared = Prepared(self.compiled, instruments)
        method = document.name
        self.books = book_of(self.case.account, instruments, cash, method, self.compiled.covers)
        is_coin = instruments.kind[self.books.instrument] == COIN
        self.legs = np.flatnonzero(~is_coin)
        self.held = [instruments.names[i] for i in self.books.instrument[self.legs]]
        quantities = self.books.quantity[self.legs].tolist()
        self.quantities: dict[str, float] = dict(zip(self.held, quantities, strict=True))
        if len(self.prepared.options):
            unstated = np.full(len(self.books.quantity), np.nan)
            self.books.stated = {"mark_price": unstated} | self.books.stated
        self._quote(charges)

    def quantity(self, instrument: str) -> float:
        """Return what is held of a contract."""
        return self.quantities.get(instrument, 0.0)

    def deposits(self, assets: Sequence[str], units: Steps) -> Outcome:
        """Return the account with units of an asset more, one account each."""
        amounts = np.array([float(each) for each in units])
        is_cash = np.array([asset == self.ledger.cash for asset in assets], bool)
        if is_cash.all():
            nothing = np.zeros((len(units), len(self.legs)))
            return self._margined_closings(nothing, self.books.cash[0] + amounts)
        if is_cash.any():
            return _woven(is_cash, self, assets, units)
        rows = np.array([self.instruments.place[asset] for asset in assets], np.int32)
        return self._margined(rows, amounts, np.full(len(rows), self.books.cash[0]))

    def trades(self, instruments: Sequence[str], quantities: Steps) -> Outcome:
        """Return the account after one trade, one account each."""
        rows = np.array([self.instruments.place[name] for name in instruments], np.int32)
        amounts = np.array([float(each) for each in quantities])
        cash = self.books.cash[0] - amounts * self.value[rows] - self._cost(rows, amounts)
        return self._margined(rows, amounts, cash)

    def closings(self, changes: Sequence[Sequence[Number]]) -> Outcome:
        """Return the account with every contract held changed, one account a row."""
        table = np.array(changes, np.float64).reshape(len(changes), len(self.legs))
        cash = np.full(len(table), self.books.cash[0])
        for place, leg in enumerate(self.legs):
            row = self.books.instrument[leg]
            change = table[:, place]
            paid = np.where(change != 0.0, change * self.value[row], 0.0)
            fee = np.where(change != 0.0, self._cost(np.full(len(table), row), change), 0.0)
            cash = cash - paid - fee
        return self._margined_closings(table, cash)

    # Columns

    def _cost(self, rows: NDArray[Any], amounts: Floats) -> Floats:
        spread = np.where(amounts > 0.0, self.bought[rows], self.sold[rows])
        fee = self.notional[rows] * self.taker_fee if self.taker_fee else 0.0
        cost: Floats = np.abs(amounts) * (fee + spread)
        return cost

    def _margined_closings(self, table: Floats, cash: Floats) -> Outcome:
        count, size = len(table), len(self.books.quantity)
        quantity = np.tile(self.books.quantity, (count, 1))
        quantity[:, self.legs] += table
        found = Outcome(np.empty(count), np.empty(count), np.empty(count))
        for part in _pieces(count, size):
            piece = part.stop - part.start
            books = Books(
                piece,
                np.repeat(np.arange(piece), size).astype(np.int64),
                np.tile(self.books.instrument, piece),
                quantity[part].reshape(-1),
                cash[part],
                {name: np.tile(column, piece) for name, column in self.books.stated.items()},
                {name: np.repeat(column, piece) for name, column in self.books.extras.items()},
            )
            self._fill(found, part, books)
        return found

    def _margined(self, rows: NDArray[np.int32], amounts: Floats, cash: Floats) -> Outcome:
        count, size = len(rows), len(self.books.quantity) + 1
        found = Outcome(np.empty(count), np.empty(count), np.empty(count))
        for part in _pieces(count, size):
            self._fill(found, part, self._traded(rows[part], amounts[part], cash[part]))
        return found

    def _traded(self, rows: NDArray[np.int32], amounts: Floats, cash: Floats) -> Books:
        """Return one account a trade; a new option position states its mark."""
        books = traded(self.prepared, self.books, rows, amounts)
        if "mark_price" in books.stated:
            is_fresh = ~np.isin(rows, self.books.instrument)
            own = rows[books.account]
            is_new = is_fresh[books.account] & (books.instrument == own)
            stated = books.stated["mark_price"]
            books.stated["mark_price"] = np.where(is_new, self.mark[own], stated)
        books.cash = cash
        return books

    def _fill(self, found: Outcome, part: slice, books: Books) -> None:
        tried = margins(self.prepared, books)
        equity, requirement = tried.equity, getattr(tried, f"{self.wanted.level}_requirement")
        with np.errstate(all="ignore"):
            slack = self.wanted.slack(equity, requirement)
        found.equity[part], found.requirement[part] = equity, requirement  # type: ignore[index]
        found.slack[part] = slack

    # Prices

    def _quote(self, charges: Charges) -> None:
        """Set value, mark, notional and half spreads of every instrument, in the method's currency."""
        instruments, columns = self.instruments, self.instruments.columns
        is_option, rows = columns["is_option"], self.prepared.options
        size_text = self.compiled.rules.options.contract_size
        multiplier = self.prepared.column(size_text, "rules.options.contract_size")
        is_coin_settled = self.compiled.rules.settlement == "underlying"
        size = len(instruments)
        forward = np.where(
            np.isnan(self.prepared.forward), columns["forward_price"], self.prepared.forward
        )
        unit = 1.0 / columns["index"] if is_coin_settled else np.full(size, 1.0)
        scale = np.where(is_option & is_coin_settled, 1.0 / columns["forward_price"], 1.0)
        self.mark = np.full(size, np.nan)
        spread = np.zeros((2, size))
        if len(rows):
            premium, wider, tighter = self._premiums(rows, forward, charges.volatility_half_spread)
            self.mark[rows] = premium * scale[rows]
            spread[:, rows] = (
                np.abs([wider - premium, premium - tighter]) * scale[rows] * multiplier[rows]
            )
        for name, column in self.books.stated.items():
            if name == "mark_price":
                stated = np.where(np.isnan(column), self.mark[self.books.instrument], column)
                self.mark[self.books.instrument] = stated
        self.value = self._values(np.where(is_option, self.mark * multiplier, 0.0))
        price = np.select(
            [instruments.kind == PERPETUAL, instruments.kind == FUTURE],
            [columns["perpetual_mark"], columns["forward_price"]],
            np.where(np.isnan(columns["index"]), columns["forward_price"], columns["index"]),
        )
        self.notional = price * unit * np.where(is_option, multiplier, 1.0)
        linear = np.where(is_option, 0.0, self.notional * charges.half_spread)
        linear = np.where(np.isnan(linear) & (charges.half_spread == 0.0), 0.0, linear)
        self.bought, self.sold = spread[0] + linear, spread[1] + linear
        self.quotes = {
            name: Quote(
                name, float(self.value[i]), float(self.mark[i]) if is_option[i] else None,
                float(self.notional[i]), float(self.bought[i]), float(self.sold[i]),
            )
            for i, name in enumerate(instruments.names)
        }  # fmt: skip

    def _premiums(
        self, rows: NDArray[np.int64], forward: Floats, half_spread: float
    ) -> tuple[Floats, Floats, Floats]:
        """Return the Black-76 price at the volatility, half a spread above and below it."""
        columns = self.instruments.columns
        found = []
        for factor in (1.0, 1.0 + half_spread, 1.0 - half_spread):
            volatility = columns["volatility"][rows] * factor
            priced = black76_price(
                columns["is_call"][rows],
                forward[rows],
                columns["strike"][rows],
                volatility,
                columns["tau"][rows],
            )
            found.append(priced)
        return found[0], found[1], found[2]

    def _values(self, marks: Floats) -> Floats:
        """Return the cash that one unit at the mark is worth, of options.

        It is what equity counts of a unit, its derivative by the quantity; a method whose equity leaves
        options out (SPAN) pays the mark all the same. NaN where it takes a stated mark and has none.
        """
        value = np.zeros(len(self.instruments))
        rows = self.prepared.options
        for at in range(0, len(rows), GRADIENTS_AT_ONCE):
            some = rows[at : at + GRADIENTS_AT_ONCE]
            value[some] = self._gradient(some)
        is_left_out = self.instruments.columns["is_option"] & (value == 0.0)
        value = np.where(is_left_out, marks, value)
        # Held, read by its stated mark, and none is stated: what it trades at is not known.
        unstated = np.isnan(self.books.stated.get("mark_price", np.zeros(0)))
        for row in self.books.instrument[np.flatnonzero(unstated)]:
            if is_left_out[row] and marks[row] != 0.0:
                value[row] = np.nan
        return value

    def _gradient(self, rows: NDArray[np.int64]) -> Floats:
        books = self.books
        at = {int(i): place for place, i in enumerate(books.instrument)}
        places = np.array([at.get(int(i), -1) for i in rows])
        stated = {
            name: np.where(places >= 0, column[places] if len(column) else np.nan, np.nan)
            for name, column in books.stated.items()
        }
        quantity = np.where(places >= 0, books.quantity[places] if len(at) else 0.0, 0.0)
        marks = stated.get("mark_price", np.full(len(rows), np.nan))
        stated["mark_price"] = np.where(places >= 0, marks, self.mark[rows])
        some = Books(
            1, np.zeros(len(rows), np.int64), rows.astype(np.int32), quantity, books.cash, stated,
            books.extras,
        )  # fmt: skip
        equity = Evaluation(self.prepared, some, is_dual=True).name("equity")
        return equity.grad[0] if isinstance(equity, Dual) else np.zeros(len(rows))


def cash_of(evaluation: Evaluation) -> str:
    """Return the asset that is cash under a scenario document: its settlement asset, or the one coin."""
    settlement = evaluation.compiled.rules.settlement
    return (
        settlement
        if settlement != "underlying"
        else (evaluation.instruments.underlyings or [""])[0]
    )


def settled_case(case: Case[float], compiled: Compiled, first: Evaluation) -> Case[float]:
    """Return the statement with the gain of each perpetual since its entry stated as an amount.

    The gain is quantity·(mark − entry), or quantity·(mark/entry − 1) coins; the one that leaves equity as
    it is. Errors: METH-E04 where neither does.
    """
    instruments, books = first.instruments, first.books
    entry = books.stated.get("entry_price", np.full(len(books.quantity), np.nan))
    stated = books.stated.get("unrealised_pnl", np.full(len(books.quantity), np.nan))
    is_perpetual = instruments.columns["is_perpetual"][books.instrument]
    legs = np.flatnonzero(is_perpetual & ~np.isnan(entry) & np.isnan(stated))
    if not len(legs):
        return case
    mark = instruments.columns["perpetual_mark"][books.instrument]
    linear = first.column("pnl", LEG)
    with np.errstate(all="ignore"):
        coin = books.quantity * (mark / entry - 1.0)
    equity = first.column("equity")[0]
    for gains in (linear, coin):
        amounts = {instruments.names[books.instrument[i]]: float(gains[i]) for i in legs}
        changed = _with_gains(case, amounts)
        moved = abs(evaluated(changed, compiled).column("equity")[0] - equity)
        size = abs(equity)
        for gain in amounts.values():
            size += abs(gain)
        if moved <= ROUNDING * size or not isfinite(equity):
            return changed
    raise InputError(
        "METH-E04",
        f"{compiled.document.name} counts the gain since entry in a way of its own",
        rule="a trade leaves what was gained so far as it is",
        cure="state account.positions[…].unrealised_pnl in place of the entry price",
        field="account.positions",
    )


def _with_gains(case: Case[float], gains: dict[str, float]) -> Case[float]:
    positions = tuple(
        replace(each, unrealised_pnl=gains[each.instrument]) if each.instrument in gains else each
        for each in case.account.positions
    )
    return replace(case, account=replace(case.account, positions=positions))


def _coins(case: Case[float], compiled: Compiled, cash: str, underlyings: list[str]) -> list[str]:
    """Return the coins that the method takes as collateral and the market has a price of."""
    rules = compiled.rules
    if rules.collateral == "none":
        return []
    names = underlyings if rules.collateral == "base" else list(case.market.assets)
    found = []
    for name in dict.fromkeys([*names, *case.account.balances]):
        if name in (cash, ""):
            continue
        try:
            tried = evaluated(with_balance(case, name, 1.0), compiled)
            if isfinite(float(tried.column("equity")[0])):
                found.append(name)
        except SteelyardError:
            continue  # the method does not take it
    return found


def _woven(
    is_cash: NDArray[np.bool_], desk: BatchDesk, assets: Sequence[str], units: Steps
) -> Outcome:
    """Return deposits of cash and of coins, each kind in a batch, in their order."""
    found = Outcome(np.empty(len(units)), np.empty(len(units)), np.empty(len(units)))
    for kind in (is_cash, ~is_cash):
        places = np.flatnonzero(kind)
        some = desk.deposits([assets[int(i)] for i in places], [units[int(i)] for i in places])
        for column, values in zip(found, some, strict=True):
            column[places] = values  # type: ignore[index]
    return found


def _pieces(count: int, width: int) -> list[slice]:
    """Return slices of accounts with at most ROWS_AT_ONCE legs each."""
    step = max(1, ROWS_AT_ONCE // max(1, width))
    return [slice(at, min(at + step, count)) for at in range(0, count, step)]
