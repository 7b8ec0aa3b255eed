"""Trades tried on accounts, each on a copy of its own: what stands in the account after the fill.

A trade without a price is done at the mark, so that equity stays what it was; with a price, the
difference to the mark is gained or lost at once.

- An option's premium is paid from cash or received. Its mark is the stated one where the method reads
  marks, else the method's own value.
- A perpetual or future with a stated profit gains q·(mark − price) more. One with an entry price gets the
  average entry where the position grows; where it shrinks, the entry stays and the profit of what is
  closed goes to cash; what turns round has the price as its entry. dYdX pays q·price from cash instead.
- Inverse contracts count in the coin: q/price − q/mark. Where the statement counts coins and the venue
  dollars (coin-settled methods), a profit is q·(mark/price − 1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from steelyard.margin.methods.batch.columns import (
    Batch,
    Flags,
    Floats,
    Objects,
    Places,
    contracts_named,
    gathered,
)
from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.moving_counting import Counting, counting_of
from steelyard.margin.methods.moving_positions import mark_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Contract, Market, Position

NAN = float("nan")
ENTRY_ALONE = frozenset({"tiers", "bybit"})  # cores that read a profit off the entry price alone


class Trades(NamedTuple):
    """K trades.

    account (K,) places in a batch; instrument (K,) places in `instruments`; quantity (K,) signed; price
    (K,) NaN for the mark; stated, texts: what a position that the trade opens states beside it.
    """

    instruments: list[str]
    account: Places
    instrument: Places
    quantity: Floats
    price: Floats
    stated: dict[str, Floats]
    texts: dict[str, Objects]


class Traded(NamedTuple):
    """An account a trade, and the errors of those that cannot be done. batch: the accounts after."""

    batch: Batch
    errors: dict[int, SteelyardError]


def traded(
    batch: Batch,
    trades: Trades,
    market: Market[Any],
    document: MethodDocument,
    parameters: Mapping[str, Any] | None = None,
) -> Traded:
    """Return the accounts after each trade, one account a trade in their order.

    Errors by trade: METH-E02 where neither a price nor a mark says what the trade is done at.
    """
    changed = document.with_parameters(parameters or {})
    fill = _Fill(batch, trades, market_in(market, float), changed)
    return Traded(fill.after(), fill.errors)


class _Fill:
    """The fill of every trade at once; legs of the copies in columns."""

    def __init__(
        self, batch: Batch, trades: Trades, market: Market[float], document: MethodDocument
    ) -> None:
        self.batch = batch
        self.trades = trades
        self.document = document
        self.counting = counting_of(document, {})
        self.errors: dict[int, SteelyardError] = {}
        known = {name: i for i, name in enumerate(batch.instruments)}
        self.names = [*batch.instruments]
        for name in trades.instruments:
            if name not in known:
                known[name] = len(self.names)
                self.names.append(name)
        place = np.array([known[name] for name in trades.instruments], np.int64)
        self.instrument = place[trades.instrument] if len(place) else trades.instrument
        self.market = market
        self.contracts = contracts_named(trades.instruments)

    def after(self) -> Batch:
        batch, trades = self.batch, self.trades
        count = len(trades.account)
        order, start = batch.by_account
        rows, owner = gathered(order, start, trades.account)
        self.code = batch.instrument[rows]
        self.owner = owner
        hit = np.flatnonzero(self.code == self.instrument[owner])
        # A duplicate is an error of the account; the trade falls on its first leg.
        _, firsts = np.unique(owner[hit], return_index=True)
        self.hit = hit[firsts]
        self.holder = np.full(count, -1, np.int64)
        self.holder[owner[self.hit]] = self.hit
        self.fresh = np.flatnonzero(self.holder < 0)
        self.quantity = np.append(batch.quantity[rows], np.zeros(len(self.fresh)))
        self.stated = {
            name: np.append(column[rows], trades.stated.get(name, _nans(count))[self.fresh])
            for name, column in (
                {name: _nans(len(batch.quantity)) for name in self._names_needed()} | batch.stated
            ).items()
        }
        self.holder[self.fresh] = len(rows) + np.arange(len(self.fresh))
        self.texts = {
            name: np.append(
                batch.texts.get(name, _blank(len(batch.quantity)))[rows],
                trades.texts.get(name, _blank(count))[self.fresh],
            )
            for name in {**batch.texts, **trades.texts}
        }
        paid = self._fill()
        assets, owners, codes, amounts = self._balances(paid)
        given = {name: column[trades.account] for name, column in batch.given.items()}
        modes = None
        if batch.modes is not None:
            modes = [batch.modes[i] for i in trades.account.tolist()]
        stated = {n: c for n, c in self.stated.items() if not np.isnan(c).all()}
        return Batch(
            range(count), self.names, np.append(owner, self.fresh),
            np.append(self.code, self.instrument[self.fresh]), self.quantity, assets, owners, codes,
            amounts, stated, self.texts, modes, given, self._exact(rows),
        )  # fmt: skip

    def _names_needed(self) -> list[str]:
        return sorted({"entry_price", "unrealised_pnl", "mark_price", *self.trades.stated})

    def _exact(self, rows: Places) -> dict[str, Objects]:
        """Return the decimals that no trade changes."""
        found = {}
        for name, column in self.batch.exact.items():
            if name == "amount":
                continue
            kept = np.append(column[rows], _blank(len(self.fresh)))
            kept[self.holder] = None
            found[name] = kept
        return found

    # What the fill changes

    def _fill(self) -> Floats:
        """Change the legs of the trades; return what each pays from cash or receives, (K,)."""
        trades = self.trades
        kinds = np.array([_KIND.get(c.kind if c else "", 0) for c in self.contracts], np.int64)
        kind = kinds[trades.instrument] if len(kinds) else trades.instrument
        mark = self._marks()
        price = np.where(np.isnan(trades.price), mark, trades.price)
        for k in np.flatnonzero(~np.isfinite(price) & (kind > 0)).tolist():
            self.errors[k] = _unpriced(trades.instruments[int(trades.instrument[k])])
        quantity = trades.quantity
        paid = np.zeros(len(quantity))
        is_option = kind == _KIND["option"]
        premium = quantity * price * self.counting.multiplier
        # The method's own value is of a whole contract; a price is of one unit of the underlying.
        premium = np.where(np.isnan(trades.price), quantity * mark, premium)
        paid[is_option] = -premium[is_option]
        linear = np.flatnonzero(kind == _KIND["linear"])
        if self.document.core == "dydx-v4":
            paid[linear] = -(quantity * price)[linear]
        else:
            self._linear(linear, price, mark, paid)
        self._state_fresh(is_option, price)
        self.quantity[self.holder] = self.quantity[self.holder] + quantity
        return np.where(np.isfinite(paid), paid, 0.0)

    def _linear(self, k: Places, price: Floats, mark: Floats, paid: Floats) -> None:
        """Change profit or entry of perpetuals and futures; profits of what is closed are paid."""
        entry, profit = self.stated["entry_price"], self.stated["unrealised_pnl"]
        at = self.holder[k]
        held, q, p = self.quantity[at], self.trades.quantity[k], price[k]
        inverse = self._is_inverse(at)
        is_priced = ~np.isnan(self.trades.price[k])
        gain = np.where(is_priced, self._gain(q, p, mark[k], inverse), 0.0)
        by_entry, is_own = self._by_entry(k), self.document.core != "scenario"
        has_profit = ~np.isnan(profit[at]) & (self.document.core not in ENTRY_ALONE)
        # Nothing is stated: it was entered at the mark. Some methods read that off an entry price alone.
        is_bare = ~has_profit & np.isnan(entry[at])
        at_mark = is_bare & by_entry & is_own & is_priced & (held != 0.0)
        entry[at] = np.where(at_mark, mark[k], entry[at])
        opens = is_bare & by_entry & (held == 0.0) & (is_own | is_priced)
        fills = is_bare & ~at_mark & ~opens & (gain != 0.0)
        profit[at] = np.where(has_profit, profit[at] + gain, np.where(fills, gain, profit[at]))
        before, total = entry[at].copy(), held + q
        has_entry = ~np.isnan(before) & ~has_profit & (held != 0.0)
        with np.errstate(all="ignore"):
            mean = (held * before + q * p) / total
            harmonic = total / (held / before + q / p)
        grows, turns = has_entry & (held * q >= 0.0), has_entry & (held * total < 0.0)
        closed = np.where(turns, -held, np.where(has_entry & ~grows, q, 0.0))
        average = np.where(inverse | self.counting.is_coin_settled, harmonic, mean)
        after = np.where(turns | opens, p, before)
        entry[at] = np.where(grows & (q != 0.0) & (total != 0.0), average, after)
        realised = self._gain(-closed, before, p, inverse)
        if self.counting.is_coin_settled:
            # So many coins at the mark are so many dollars, bought at one price and sold at the other.
            with np.errstate(all="ignore"):
                realised = -closed * (mark[k] / before - mark[k] / p)
        paid[k] = np.where(closed != 0.0, realised, 0.0)

    def _gain(self, quantity: Floats, price: Floats, mark: Floats, inverse: Flags) -> Floats:
        """Return the profit of a fill at a price, seen at a mark."""
        with np.errstate(all="ignore"):
            if self.counting.is_coin_settled:
                return np.asarray(quantity * (mark / price - 1.0))
            coins = quantity / price - quantity / mark
            return np.where(inverse, coins, quantity * (mark - price))

    def _is_inverse(self, at: Places) -> Flags:
        contract = self.texts.get("contract")
        return (
            np.zeros(len(at), bool) if contract is None else np.asarray(contract[at] == "inverse")
        )

    def _by_entry(self, k: Places) -> Flags:
        kinds = self.counting.by_entry
        known = np.array([c is not None and c.kind in kinds for c in self.contracts], bool)
        return np.asarray(known[self.trades.instrument[k]]) if len(known) else np.zeros(0, bool)

    def _state_fresh(self, is_option: Flags, price: Floats) -> None:
        """Give options that a trade opens the mark and the entry that some methods ask for."""
        fresh = self.fresh[is_option[self.fresh]]
        at = self.holder[fresh]
        marks = self.stated["mark_price"]
        if self._reads_marks or self.document.core != "scenario":
            marks[at] = np.where(np.isnan(marks[at]), price[fresh], marks[at])
        if self.document.core != "scenario":
            entry = self.stated["entry_price"]
            entry[at] = np.where(np.isnan(entry[at]), price[fresh], entry[at])

    # Marks

    @property
    def _reads_marks(self) -> bool:
        """Whether a formula of the method asks for the stated mark of an option."""
        return _MARK.search(str(self.document.rules)) is not None

    def _marks(self) -> Floats:
        """Return the mark of each trade's instrument in its account; NaN where there is none."""
        trades, counting = self.trades, self.counting
        values = _model_values(trades.instruments, self.market, self.document)
        linear = np.array(
            [_linear_mark(c, self.market, counting) for c in self.contracts], np.float64
        )
        found = np.where(np.isnan(linear), values, linear)
        mark = found[trades.instrument] if len(found) else np.zeros(0)
        if self._reads_marks or "position" in counting.marks:
            column = self.stated["mark_price"][self.holder]
            mark = np.where(np.isnan(column), mark, column)
        return mark

    # Cash

    def _balances(self, paid: Floats) -> tuple[list[str], Places, Places, Floats]:
        """Return the balances of the copies after payment: assets, owners, places of assets, amounts."""
        batch, trades = self.batch, self.trades
        order, start = batch.balances_by_account
        rows, owner = gathered(order, start, trades.account)
        assets = list(batch.assets)
        cash = [self._cash(contract) for contract in self.contracts]
        assets += sorted(set(cash) - set(assets))
        place = {name: i for i, name in enumerate(assets)}
        code = np.array([place[name] for name in cash], np.int64)
        wanted = code[trades.instrument] if len(code) else trades.instrument
        amounts = batch.amount[rows]
        held = batch.balance_asset[rows]
        hit = np.flatnonzero(held == wanted[owner])
        amounts[hit] = amounts[hit] + paid[owner[hit]]
        has_one = np.zeros(len(trades.account), bool)
        has_one[owner[hit]] = True
        fresh = np.flatnonzero(~has_one & (paid != 0.0))
        return (
            assets,
            np.append(owner, fresh),
            np.append(held, wanted[fresh]),
            np.append(amounts, paid[fresh]),
        )

    def _cash(self, contract: Contract | None) -> str:
        settlement = self.counting.settlement or self.document.currency
        if settlement == "underlying":
            return contract.underlying if contract is not None else ""
        return settlement


_MARK = re.compile(r"\bmark_price\b")
_KIND = {"option": 1, "linear": 2, "perpetual": 2, "future": 2}


def _nans(size: int) -> Floats:
    return np.full(size, np.nan)


def _blank(size: int) -> Objects:
    return np.full(size, None, dtype=object)


def _linear_mark(contract: Contract | None, market: Market[float], counting: Counting) -> float:
    if contract is None or contract.kind == "option":
        return NAN
    found = mark_of(Position(contract.name, 0.0), contract, market, counting)
    return NAN if found is None else float(found)


def _model_values(names: list[str], market: Market[float], document: MethodDocument) -> Floats:
    """Return what a scenario document says an option is worth, NaN for everything else."""
    found = _nans(len(names))
    if document.core != "scenario":
        return found
    compiled = Compiled(document)
    options = [
        i for i, c in enumerate(contracts_named(names)) if c is not None and c.kind == "option"
    ]
    for tried in (options, *([i] for i in options)):
        held = [names[i] for i in tried]
        try:
            instruments = Instruments(market, held, (), is_single=compiled.is_single)
            value = Prepared(compiled, instruments).model_value
        except (SteelyardError, ArithmeticError):
            continue  # one of them stops the table: each has one of its own
        found[tried] = value[[instruments.place[name] for name in held]]
        if tried is options:
            break
    return found


def _unpriced(name: str) -> InputError:
    return InputError(
        "METH-E02",
        f"the trade in {name} has no price, and no mark of it is known",
        rule="a trade is done at its price, or at the mark",
        cure="state the price of the trade",
        field="trades.price",
    )
