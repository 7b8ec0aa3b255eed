"""A desk over a running engine: its market and its margin units, stated for the methods of the library.

The engine decides by its own rooms, in integers; here its state is read, never changed, and stated as of
its last event. A portfolio unit margined under the house's document has the engine's numbers but for its
rounding to micro-USDC; units of other modes are refused by that document, and any other method of the
library may be asked about them. What the engine holds beside a statement (old prices, protected
assets, resting orders) is not in it: see the head of the document.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from steelyard.book.columns import Book
from steelyard.marks.market import MarketState
from steelyard.marks.settlement import known_part
from steelyard.service.answers.failures import no_account
from steelyard.service.answers.tables import Tables
from steelyard.terms import FULL_MODES, Instrument, Method
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.documents.library import Library
from steelyard.terms.instrument import option_name
from steelyard.terms.stated import (
    Account,
    Asset,
    Expiry,
    Market,
    Perpetual,
    Position,
    Underlying,
    instant_text,
    strike_key,
)

if TYPE_CHECKING:
    from steelyard.engine.engine import Engine


class EngineDesk:
    """A `Desk` over an engine. The market is read again after an event that changed it.

    method: the document of every unit, the house's own by default. Accounts are the engine's margin units.
    """

    def __init__(
        self, engine: Engine, method: MethodDocument | None = None, library: Library | None = None
    ) -> None:
        self._engine = engine
        self._library = library or documents()
        self._method = method or self._library.get("steelyard")
        self._tables = Tables()
        self._seq = -1
        self._market: Market[float] = Market()
        self._instruments: tuple[str, ...] = ()
        self._accounts: dict[str, Account[float]] = {}

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
        self._read()
        return self._market

    def _read(self) -> None:
        """Read the engine again if it took an event since: what is stated of it is of that event alone."""
        engine = self._engine
        if self._seq == engine.seq:
            return
        self._seq = engine.seq
        self._accounts.clear()
        found = stated_market(engine.market, engine.method)
        if found != self._market:
            self._market = found
        self._instruments = stated_instruments(engine.market)

    def account(self, name: str) -> Account[float]:
        """Return a margin unit as a statement. Errors: ANSW-E03."""
        self._read()
        known = self._accounts.get(name)
        if known is None:
            place = self._engine.locate(name)
            if place is None:
                raise no_account(name)
            known = self._accounts[name] = stated_unit(*place, self._engine.market)
        return known

    def accounts(self) -> tuple[str, ...]:
        """Return the names of the margin units, sorted."""
        return tuple(sorted(self._engine.places))

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
        self._read()
        return self._instruments


def stated_instruments(market: MarketState) -> tuple[str, ...]:
    """Return the stated names of what is listed and not settled, each once."""
    named = (
        stated_name(each)
        for slot, each in enumerate(market.instruments)
        if not market.is_settled[slot]
    )
    return tuple(dict.fromkeys(named))


def stated_name(terms: Instrument) -> str:
    """Return the name of a contract in a statement: its underlying, expiry, strike and right alone.

    A linear and an inverse contract of one underlying have one name; a position says which it is.
    """
    if not terms.is_option:
        return f"{terms.underlying}-PERPETUAL"
    at = datetime.fromtimestamp(terms.expiry_us // 1_000_000, UTC)
    strike = strike_key(terms.strike)
    return option_name(terms.underlying, at.day, at.month, at.year, strike, terms.is_call)


def stated_market(market: MarketState, method: Method) -> Market[float]:
    """Return the state of a market as a statement.

    An index is the quantised one; a perpetual's mark and an option's volatility are stated where there are
    such; a forward is the index times its ratio, with the part that settlement has fixed.
    """
    assets: dict[str, Asset[float]] = {}
    underlyings: dict[str, Underlying[float]] = {}
    for slot, asset in enumerate(market.assets):
        price = 1.0 if slot == 0 else market.index_price(slot)
        if price > 0.0:
            assets[asset.name] = Asset(price)
    by_asset: dict[int, list[int]] = {}
    for slot in range(len(market.instruments)):
        if not market.is_settled[slot]:
            by_asset.setdefault(int(market.underlying_of[slot]), []).append(slot)
    for place, slots in by_asset.items():
        index = market.index_price(place)
        if index > 0.0:
            name = market.assets[place].name
            underlyings[name] = _underlying(market, method, place, index, slots)
    as_of = instant_text(market.time_us) if market.time_us else ""
    return Market(as_of, assets=assets, underlyings=underlyings)


def _underlying(
    market: MarketState, method: Method, place: int, index: float, slots: list[int]
) -> Underlying[float]:
    perpetual: Perpetual[float] | None = None
    smiles: dict[int, dict[str, float]] = {}
    ratios: dict[int, float] = {}
    for slot in slots:
        terms = market.instruments[slot]
        if not terms.is_option:
            if market.has_mark[slot] and (perpetual is None or not terms.is_inverse):
                mark = int(market.mark_units[slot]) / 10**terms.mark_exponent
                perpetual = Perpetual(-terms.contract_usd / mark if terms.is_inverse else mark)
            continue
        ratios.setdefault(terms.expiry_us, float(market.forward_ratio[slot]))
        smile = smiles.setdefault(terms.expiry_us, {})
        volatility = float(market.volatility[slot])
        if volatility > 0.0:
            smile[strike_key(terms.strike)] = volatility
    expiries = tuple(
        _expiry(market, method, place, expiry_us, index * ratios[expiry_us], smiles[expiry_us])
        for expiry_us in sorted(smiles)
    )
    return Underlying(index, perpetual=perpetual, expiries=expiries)


def _expiry(
    market: MarketState, method: Method, place: int, expiry_us: int, forward: float,
    smile: Mapping[str, float],
) -> Expiry[float]:  # fmt: skip
    known, mean = known_part(market, place, expiry_us, method)
    return Expiry(
        instant_text(expiry_us),
        forward_price=known * mean + (1.0 - known) * forward,
        forward_fixed=known * mean,
        implied_volatility=dict(smile),
    )


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
