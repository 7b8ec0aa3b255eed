"""Loading an account: balances come in from the world, positions are taken over from the market."""

from __future__ import annotations

from steelyard.actions.outcomes import AccountLoaded
from steelyard.actions.venue import Venue
from steelyard.book import EXTERNAL
from steelyard.terms import AccountRecord
from steelyard.terms.account import unit_name


def units_of(record: AccountRecord) -> list[str]:
    """Return the margin units an account record makes: itself, and each isolated position."""
    names = [record.account]
    if record.mode == "isolated":
        names += [unit_name(record.account, p.instrument) for p in record.positions]
    return names


def load_account(venue: Venue, record: AccountRecord) -> AccountLoaded:
    """Put an admitted account into the book; its units exist already, empty."""
    market = venue.market
    postings = []
    for name, amount in sorted(record.balances.items()):
        asset = market.asset_slots[name]
        postings += [(record.account, asset, amount), (EXTERNAL, asset, -amount)]
    venue.post(postings)
    for position in record.positions:
        slot = market.instrument_slots[position.instrument]
        unit = record.account
        if record.mode == "isolated":
            unit = unit_name(record.account, position.instrument)
            asset = int(market.settlement_of[slot])
            margin = position.isolated_margin
            venue.post([(record.account, asset, -margin), (unit, asset, margin)])
        _take_over(venue, unit, slot, position.quantity, position.entry_mark)
    return AccountLoaded(record.account, len(record.positions))


def _take_over(venue: Venue, unit: str, slot: int, lots: int, entry_mark: int) -> None:
    """Open a position at its entry: no cash moves (an option's premium is in the balance already)."""
    terms = venue.market.instruments[slot]
    cost = 0 if terms.is_option else lots * entry_mark
    book, row = venue.find(unit)
    book.set_position(row, slot, lots, cost, venue.market.underlying_of)
    venue.ledger.market_quantity[slot] -= lots
    venue.ledger.market_cost[slot] -= cost
