"""Kraken's checksum of an order book, from texts as the venue writes them or from floats.

    CRC32 of the ten best asks, lowest price first, followed by the ten best bids, highest first; of
    each level the price and then the quantity, in all the decimals the venue states for the pair,
    without the point and without leading zeros.

Source: docs.kraken.com, "Book checksum (WebSocket v2)".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zlib import crc32

from steelyard.feeds.live.order_book import OrderBook

CHECKED_LEVELS = 10
_KNOWN_MAX = 2_000


def text_checksum(bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> int:
    """Return the checksum of levels (price, quantity) written in full, best first.

    >>> text_checksum([("0.9", "0.10")], [("1.1", "2.00")])
    4057411052
    >>> crc32(b"11" b"200" b"9" b"10")
    4057411052
    """
    parts = []
    for side in (asks, bids):
        for price, quantity in side[:CHECKED_LEVELS]:
            parts.append(price.replace(".", "").lstrip("0"))
            parts.append(quantity.replace(".", "").lstrip("0"))
    return crc32("".join(parts).encode())


def book_checksum(
    bids: Sequence[tuple[float, float]],
    asks: Sequence[tuple[float, float]],
    price_decimals: int,
    quantity_decimals: int,
) -> int:
    """Return the checksum of levels (price, quantity), best first, with the decimals of the pair.

    A float holds 15 significant digits: where those of a price or quantity, decimals included, are no
    more, the result is that of the texts.

    >>> book_checksum([(0.9, 0.1)], [(1.1, 2.0)], 1, 2)
    4057411052
    """
    parts = [
        _digits(price, quantity, price_decimals, quantity_decimals)
        for side in (asks, bids)
        for price, quantity in side[:CHECKED_LEVELS]
    ]
    return crc32("".join(parts).encode())


def checksum_of(price_decimals: int, quantity_decimals: int) -> Callable[[OrderBook], int]:
    """Return what an `OrderBook` of a pair takes as its checksum.

    >>> from steelyard.feeds.live.messages import BookChange, BookSnapshot
    >>> book = OrderBook(10, is_windowed=True, checksum=checksum_of(1, 2))
    >>> _ = book.apply(BookSnapshot("X", [(0.9, 0.1)], [], 1))
    >>> book.apply(BookChange("X", [], [(1.1, 2.0)], 2, checksum=4057411052))
    'applied'
    """
    # From one change to the next most of the best levels stay as they are, and so do their digits.
    known: dict[tuple[float, float], str] = {}

    def checksum(book: OrderBook) -> int:
        bids, asks = book.top(CHECKED_LEVELS)
        if len(known) > _KNOWN_MAX:
            known.clear()
        parts = []
        for level in (*asks, *bids):
            digits = known.get(level)
            if digits is None:
                digits = known[level] = _digits(*level, price_decimals, quantity_decimals)
            parts.append(digits)
        return crc32("".join(parts).encode())

    return checksum


def _digits(price: float, quantity: float, price_decimals: int, quantity_decimals: int) -> str:
    """Return the digits of one level."""
    price_text = f"{price:.{price_decimals}f}".replace(".", "").lstrip("0")
    return price_text + f"{quantity:.{quantity_decimals}f}".replace(".", "").lstrip("0")
