"""Flows that arrive as events: fills, transfers, funding."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from steelyard.actions.outcomes import FundingPaid, Outcome
from steelyard.actions.venue import Venue
from steelyard.book import DUST, FEES, MARKET, Book
from steelyard.ticks import Fill, Funding, Transfer

PPB = 1_000_000_000


def apply_fill(
    venue: Venue, fill: Fill, instrument: int, price_mark: int, buyer: str, seller: str
) -> list[Outcome]:
    """Trade both sides against the market at one price, take fees, reduce the orders filled.

    buyer, seller: the margin units that trade for the accounts the fill names.
    """
    sides = (
        (buyer, fill.quantity, fill.buy_order),
        (seller, -fill.quantity, fill.sell_order),
    )
    settlement = int(venue.market.settlement_of[instrument])
    for unit, lots, order_id in sides:
        if unit == MARKET:
            continue
        venue.trade(unit, instrument, lots, price_mark)
        venue.charge(unit, FEES, settlement, venue.trade_fee_micro(instrument, lots))
        book, row = venue.find(unit)
        order = book.orders.get(row, {}).get(order_id)
        if order is not None:
            left = order.quantity - lots
            open_lots = left if left * order.quantity > 0 else 0
            book.put_order(row, msgspec.structs.replace(order, quantity=open_lots))
    return []


def apply_transfer(venue: Venue, transfer: Transfer) -> list[Outcome]:
    """Move money between two accounts, or in from and out to the world."""
    asset = venue.market.asset_slots[transfer.asset]
    venue.post(
        [
            (transfer.source_account, asset, -transfer.amount),
            (transfer.target_account, asset, transfer.amount),
        ]
    )
    return []


def apply_funding(venue: Venue, event: Funding, books: Iterable[Book]) -> list[Outcome]:
    """Let longs pay shorts rate × index notional; each unit is rounded down, the rest is dust."""
    market = venue.market
    slot = market.instrument_slots[event.instrument]
    terms = market.instruments[slot]
    settlement = int(market.settlement_of[slot])
    # Ledger units of one lot's notional, as a fraction: keep numerator and denominator apart.
    lot_micro, scale = (
        venue.notional_micro(slot, int(10**terms.lot_exponent)),
        int(10**terms.lot_exponent),
    )
    per_coin = int(10 ** market.assets[settlement].exponent)
    denominator = scale * venue.price_micro(settlement) * PPB

    def received(lots: int) -> int:
        return -lots * lot_micro * per_coin * event.rate_ppb // denominator

    postings = []
    for book in books:
        used = book.instrument[: book.pool_used] == slot
        if not used.any():
            continue
        for row in range(book.units):
            lots = book.position(row, slot)[0]
            if lots:
                postings.append((book.names[row], settlement, received(lots)))
    holders = len(postings)
    to_market = received(venue.ledger.market_quantity[slot])
    postings.append((MARKET, settlement, to_market))
    postings.append((DUST, settlement, -sum(amount for _, _, amount in postings)))
    venue.post(postings)
    return [FundingPaid(event.instrument, event.rate_ppb, holders)]
