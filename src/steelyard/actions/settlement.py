"""Expiry: an option pays its intrinsic value at the settlement price and leaves the book."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from steelyard.actions.outcomes import Outcome, Settled
from steelyard.actions.venue import Venue
from steelyard.book import Book
from steelyard.marks.settlement import settlement_price
from steelyard.terms import Instrument


def payoff_mark(terms: Instrument, index_price: Fraction) -> int:
    """Return the payoff of one whole unit in mark units, rounded down.

    linear: max(0, ±(S − K)) in USD; inverse: the same divided by S, in coins.

    >>> call = Instrument("X", "option", "BTC", "BTC", True, 2, 8, 1000, strike="50000",
    ...                   expiry_us=1, is_call=True)
    >>> payoff_mark(call, Fraction(100_000))
    50000000
    """
    strike = Fraction(terms.strike)
    intrinsic = index_price - strike if terms.is_call else strike - index_price
    value = max(Fraction(0), intrinsic)
    if terms.is_inverse:
        value /= index_price
    scaled = value * int(10**terms.mark_exponent)
    return scaled.numerator // scaled.denominator


def settle_expired(venue: Venue, books: Iterable[Book], due: list[int]) -> list[Outcome]:
    """Settle the instruments of the given slots at the average of their last minutes.

    Each unit trades out at the payoff.

    The caller leaves out those whose underlying is protected: they wait for a quorum.
    """
    outcomes: list[Outcome] = []
    shards = list(books)
    for slot in due:
        terms = venue.market.instruments[slot]
        asset = int(venue.market.underlying_of[slot])
        price = settlement_price(venue.market, asset, terms.expiry_us)
        payoff = payoff_mark(terms, price)
        holders = 0
        for book in shards:
            holders += _trade_out(venue, book, slot, payoff)
            for row in sorted(book.orders):
                for order in book.orders_of(row):
                    if order.instrument == slot:
                        book.drop_order(row, order.order)
        venue.market.is_settled[slot] = True
        venue.market.mark_units[slot] = payoff
        outcomes.append(Settled(terms.name, payoff, holders))
    return outcomes


def _trade_out(venue: Venue, book: Book, slot: int, payoff: int) -> int:
    """Let every holder in a book trade out at the payoff; return how many there were."""
    if not (book.instrument[: book.pool_used] == slot).any():
        return 0
    holders = 0
    for row in range(book.units):
        lots = book.position(row, slot)[0]
        if lots:
            venue.trade(book.names[row], slot, -lots, payoff)
            holders += 1
    return holders
