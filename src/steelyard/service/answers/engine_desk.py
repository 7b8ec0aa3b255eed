"""A desk over a running engine: its margin units for its own answers, and all of it stated for the library.

The engine decides by its own rooms, in integers, and answers so about a unit where no method is named: see
`units`. For a method of the library its state is stated here, as of its last event. A portfolio unit
margined under the house's document has the engine's numbers but for its rounding to micro-USDC; units of
other modes are refused by that document, and any other method of the library may be asked about them. What
the engine holds beside a statement (old prices, protected assets, resting orders) is not in it: see the
head of the document.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from steelyard.book import Book
from steelyard.engine.trial import Trial
from steelyard.marks.market import MarketState
from steelyard.service.answers.engine_market import MarketReader, stated_name
from steelyard.service.answers.failures import no_account
from steelyard.service.answers.tables import Tables
from steelyard.service.answers.units import Units, UnitSource
from steelyard.terms import FULL_MODES, Instrument
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.documents.library import Library
from steelyard.terms.stated import Account, Market, Position

__all__ = ["EngineDesk", "stated_name", "stated_unit"]


class EngineDesk:
    """A `Desk` over an engine, or over what was pinned of one. Accounts are the engine's margin units.

    units: those units, for the engine's own answers, which read nothing here. method: the document under
    which the library answers of every unit, the house's own by default. The market is stated when it is asked for, and of
    it only what an event changed.
    """

    def __init__(
        self, engine: UnitSource, method: MethodDocument | None = None,
        library: Library | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._library = library or documents()
        self._method = method or self._library.get("steelyard")
        self._tables = Tables()
        self._reader = MarketReader()
        self._seq = -1
        self._accounts: dict[str, Account[float]] = {}
        self._names: tuple[str, ...] = ()
        self.units = Units(engine)

    @property
    def tables(self) -> Tables:
        """What is worked out once for each method and market."""
        return self._tables

    def as_of_seq(self) -> int:
        """Return the number of the engine's last event."""
        return self._engine.seq

    def time_us(self) -> int:
        """Return the engine's time."""
        return self._engine.market.time_us

    def market(self) -> Market[float]:
        """Return the engine's market; the same object until an event changes it."""
        return self._reader.market(self._engine.market, self._engine.method)

    def account(self, name: str) -> Account[float]:
        """Return a margin unit as a statement. Errors: ANSW-E03."""
        if self._seq != self._engine.seq:
            self._seq = self._engine.seq
            self._accounts.clear()
        known = self._accounts.get(name)
        if known is None:
            place = self._engine.locate(name)
            if place is None:
                raise no_account(name)
            known = self._accounts[name] = stated_unit(*place, self._engine.market)
        return known

    def accounts(self) -> tuple[str, ...]:
        """Return the names of the margin units, sorted."""
        places = self._engine.places
        if len(self._names) != len(places):  # units are opened and never closed
            self._names = tuple(sorted(places))
        return self._names

    def method_of(self, account: str) -> MethodDocument:
        """Return the document of the units. Errors: ANSW-E03."""
        if account not in self._engine.places:
            raise no_account(account)
        return self._method

    def documents(self) -> Library:
        """Return the library."""
        return self._library

    def instruments(self) -> tuple[str, ...]:
        """Return the stated names of what the engine lists and has not settled, each once."""
        return self._reader.instruments(self._engine.market)

    def trial(self, unit: str, instruments: Iterable[str] = ()) -> Trial:
        """Return a trial of a unit, to be asked before the engine's next event or to be kept.

        Errors: ANSW-E03, UNIT-E01.
        """
        return self.units.trial(unit, instruments)

    def pinned(self, names: Iterable[str]) -> EngineDesk:
        """Return a desk that stays as of this event, with all units of the named accounts or units.

        Another thread may ask it: it shares with the engine only what is not changed in place.
        """
        return EngineDesk(self.units.pinned(names), self._method, self._library)


def stated_unit(book: Book, row: int, market: MarketState) -> Account[float]:
    """Return a margin unit as a statement: coins, and quantities in units of the underlying.

    An inverse perpetual is stated in USD, with its entry price in USD; an option's premium is cash already. Two
    contracts of one stated name stay two positions, which the methods refuse.
    """
    balances = {
        asset.name: int(book.balances[row, slot]) / 10**asset.exponent
        for slot, asset in enumerate(market.assets)
        if book.balances[row, slot]
    }
    positions = tuple(
        _position(market.instruments[slot], lots, cost) for slot, lots, cost in book.positions(row)
    )
    return Account(mode=FULL_MODES[int(book.mode[row])], balances=balances, positions=positions)


def _position(terms: Instrument, lots: int, cost: int) -> Position[float]:
    quantity, name = lots / 10**terms.lot_exponent, stated_name(terms)
    contract: Literal["inverse"] | None = "inverse" if terms.is_inverse else None
    if terms.is_option:
        return Position(name, quantity, contract=contract)
    mark = Decimal(cost) / lots  # what was paid for a lot, in units of the mark
    entry = float(mark.scaleb(-terms.mark_exponent))
    if not terms.is_inverse:
        return Position(name, quantity, entry_price=entry)
    return Position(
        name, quantity * terms.contract_usd, entry_price=-terms.contract_usd / entry,
        contract=contract,
    )  # fmt: skip
