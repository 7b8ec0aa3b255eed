"""What is worked out once for a method and a market: every contract of it, prepared, with its Greeks.

A desk owns one `Tables`; it holds what belongs to one market object and is emptied when the desk shows
another. Nothing here is hidden state: an answer is the same with an empty cache, only later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.batch.margins import market_in
from steelyard.margin.methods.core.instruments import OPTION, Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled, checked
from steelyard.margin.methods.moving_counting import Counting, counting_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Market, parse_contract
from steelyard.valuation.greeks import black76_greeks

Floats = NDArray[np.float64]
KEPT_MAX = 64
STANDINGS_MAX = 1_024
GREEKS = ("delta_total", "options_delta", "options_gamma", "options_vega", "options_theta")


class Table:
    """A scenario method over all contracts of some underlyings.

    place: name -> row; value (I,): what a unit bought at the mark is paid for, 0 of what is no option;
    greeks (I, 5) in the order of GREEKS, of one unit; seconds (I,) to expiry; is_dated, is_option (I,).
    """

    def __init__(self, prepared: Prepared, document: MethodDocument) -> None:
        instruments = prepared.instruments
        self.prepared = prepared
        self.document = document
        self.place = instruments.place
        self.value = prepared.model_value
        self.is_option = instruments.columns["is_option"]
        self.is_dated = instruments.columns["is_dated"]
        self.seconds = instruments.columns["seconds"]
        self.underlying = instruments.underlying
        self.underlyings = instruments.underlyings
        self.greeks = greeks_of(instruments, counting(document).multiplier)
        self.nothing = np.zeros(len(self.value))
        self.rooms: dict[int, list[Any]] = {}  # where `rows` merges, by how many columns are stated
        self.standings: OrderedDict[Any, Any] = OrderedDict()  # of accounts, kept by `rows`

    def keep(self, key: Any, standing: Any) -> None:
        """Keep what is known of an account, and drop the one that was asked for longest ago."""
        self.standings[key] = standing
        self.standings.move_to_end(key)
        if len(self.standings) > STANDINGS_MAX:
            self.standings.popitem(last=False)


class Tables:
    """The tables of one market object; another one empties them."""

    def __init__(self) -> None:
        self._market: Market[Any] | None = None
        self._tables: OrderedDict[tuple[str, str], Table | None] = OrderedDict()
        self._markets: dict[type[Any], Market[Any]] = {}

    def __len__(self) -> int:
        return len(self._tables)

    def market_in(self, market: Market[Any], number: type[Any]) -> Market[Any]:
        """Return the market in float or Decimal. Errors: METH-E05."""
        self._of(market)
        if number not in self._markets:
            self._markets[number] = market_in(market, number)
        return self._markets[number]

    def table(
        self,
        market: Market[float],
        document: MethodDocument,
        underlying: str,
        names: Callable[[], Sequence[str]],
    ) -> Table | None:
        """Return the table of a method, or None where one number of the market stops it.

        underlying: the one that a method of one underlying is asked about, "" for all. names: tells those
        of all contracts. Errors: TERM-… for a document that does not hold together.
        """
        self._of(market)
        key = document.digest(), underlying
        if key not in self._tables:
            self._tables[key] = _table(market, document, underlying, names())
            if len(self._tables) > KEPT_MAX:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key]

    def _of(self, market: Market[Any]) -> None:
        if self._market is not market:
            self._market = market
            self._tables.clear()
            self._markets.clear()


def _table(
    market: Market[float], document: MethodDocument, underlying: str, names: Sequence[str]
) -> Table | None:
    compiled = Compiled(document)
    rules = compiled.rules
    chosen = []
    for name in names:
        try:
            contract = parse_contract(name)
        except SteelyardError:
            continue
        if contract.kind in compiled.covers and underlying in ("", contract.underlying):
            chosen.append(name)
    coins: list[str] = []
    if rules.collateral != "none":
        priced = [name for name in market.assets if name != rules.settlement]
        is_any = rules.collateral == "any" and compiled.is_single
        listed = {underlying} if compiled.is_single else set(market.underlyings)
        coins = [name for name in priced if is_any or name in listed]
    found = _prepared(compiled, market, chosen, coins)
    if (
        found is None
    ):  # a coin without its parameters stops all of them: who holds it is asked alone
        coins = [name for name in coins if _prepared(compiled, market, chosen[:1], [name])]
        found = _prepared(compiled, market, chosen, coins)
    return None if found is None else Table(found, document)


def _prepared(
    compiled: Compiled, market: Market[float], names: list[str], coins: list[str]
) -> Prepared | None:
    try:
        return Prepared(compiled, Instruments(market, names, coins, is_single=compiled.is_single))
    except (SteelyardError, ArithmeticError):
        return None


def greeks_of(instruments: Instruments, multiplier: float) -> Floats:
    """Return delta of any unit and delta, gamma, vega and theta of an option, (I, 5).

    Black-76 on the stated forward, the index where none is stated, at the stated volatility: delta in units
    of the underlying, gamma that per USD, vega USD per volatility point, theta USD per day. A coin has none.
    """
    columns = instruments.columns
    found = np.zeros((len(instruments), len(GREEKS)))
    rows = np.flatnonzero(instruments.kind == OPTION)
    found[:, 0] = np.where(columns["is_coin"], 0.0, 1.0)
    if len(rows):
        forward = columns["forward_price"][rows]
        forward = np.where(np.isnan(forward), columns["index"][rows], forward)
        of = black76_greeks(
            columns["is_call"][rows], forward, columns["strike"][rows], columns["volatility"][rows],
            columns["tau"][rows],
        )  # fmt: skip
        found[rows] = np.stack([of.delta, of.delta, of.gamma, of.vega, of.theta], 1) * multiplier
    return found


def counting(document: MethodDocument) -> Counting:
    """Return how a method counts; the document keeps it, as it keeps its checked rules."""
    known: Counting | None = document.__dict__.get("counting_asked")
    if known is None:
        known = document.__dict__["counting_asked"] = counting_of(document, {})
    return known


def reads_marks(document: MethodDocument) -> bool:
    """Tell whether the formulas of a scenario document ask for the mark that a position states."""
    known: bool | None = document.__dict__.get("reads_marks_known")
    if known is None:
        rules = checked(document).rules
        texts = " ".join(
            text
            for scope in (rules.market, rules.leg, rules.expiry, rules.underlying, rules.account)
            for text in map(str, scope.values())
        )
        known = "mark_price" in texts.replace("perpetual_mark", "")
        document.__dict__["reads_marks_known"] = known
    return known
