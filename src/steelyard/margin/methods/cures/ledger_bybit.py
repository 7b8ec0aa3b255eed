"""A Bybit statement after a trade: entry prices are averages, what is closed is settled to the balance.

A linear or inverse contract is margined by its value at entry, so a trade that adds to it averages the
entry (an inverse one by its value in coin), and one that takes from it leaves the entry and settles the
closed part at the mark. A contract of whose leverage nothing is known cannot be opened here.
"""

from __future__ import annotations

from math import nan
from typing import Any

from msgspec.structs import replace

from steelyard.margin.methods.cures.ledgers import (
    Ledger,
    Number,
    position_of,
    with_balance,
    with_position,
)
from steelyard.margin.methods.cures.quotes import Quote, positive
from steelyard.terms.stated import Case, Position, parse_contract


class BybitLedger(Ledger):
    """Bybit: contracts by value at entry, options by what they were sold for."""

    covers = frozenset({"perpetual", "future", "option"})

    def quote(self, case: Case[Any], instrument: str) -> Quote:
        """Return the mark of a contract held; an option's premium is its stated mark."""
        contract = parse_contract(instrument)
        underlying = case.market.underlyings.get(contract.underlying)
        held = position_of(case, instrument)
        stated = None if held is None else held.mark_price
        if contract.kind == "option":
            index = None if underlying is None else underlying.index_price
            value = nan if stated is None else float(stated)
            return Quote(instrument, value=value, mark=stated, notional=positive(index))
        if stated is None and underlying is not None and underlying.perpetual is not None:
            stated = underlying.perpetual.mark_price if contract.kind == "perpetual" else None
        mark = positive(stated)
        is_inverse = held is not None and held.contract == "inverse"
        return Quote(instrument, mark=mark, notional=1.0 / mark if is_inverse else mark)

    def booked(self, case: Case[Any], quote: Quote, quantity: Number) -> Case[Any]:
        """Return the statement after a trade."""
        held = position_of(case, quote.instrument) or Position(quote.instrument, 0.0)
        mark, more = float(quote.mark if quote.mark is not None else nan), float(quantity)
        if parse_contract(quote.instrument).kind == "option":
            case = with_balance(case, self.cash, -more * quote.value)
            return with_position(case, _averaged(held, more, mark, is_inverse=False))
        is_inverse = held.contract == "inverse"
        closed = _closed(held.quantity, more)
        entry = mark if held.entry_price is None else held.entry_price
        gain = closed / entry - closed / mark if is_inverse else closed * (mark - entry)
        case = with_balance(case, self.cash, gain)
        return with_position(case, _averaged(held, more, mark, is_inverse=is_inverse))


def _closed(held: float, more: float) -> float:
    """Return the part of what is held that a trade closes, with the sign of what is held."""
    if held * more >= 0.0:
        return 0.0
    return held if abs(more) >= abs(held) else -more


def _averaged(held: Position[Any], more: float, mark: float, *, is_inverse: bool) -> Position[Any]:
    """Return the position after a trade at the mark: added to at the average entry, else as entered."""
    quantity = held.quantity + more
    entry = mark if held.entry_price is None else held.entry_price
    if held.quantity * more >= 0.0 and quantity:
        if is_inverse:
            entry = quantity / (held.quantity / entry + more / mark)
        else:
            entry = (held.quantity * entry + more * mark) / quantity
    elif held.quantity * quantity < 0.0:
        entry = mark  # turned round: what is held now was all traded at the mark
    return replace(held, quantity=quantity, entry_price=entry)
