"""Resting orders, kept because they need margin before they trade."""

from __future__ import annotations

import msgspec


class RestingOrder(msgspec.Struct, frozen=True, array_like=True):
    """An open order: instrument slot, signed lots still open, limit price in mark units.

    expires_us: of a reservation, which leaves the book by itself then; 0 for an order that rests.
    """

    order: str
    instrument: int
    quantity: int
    price_mark: int
    expires_us: int = 0
