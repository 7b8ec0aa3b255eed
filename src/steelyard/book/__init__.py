"""Book, step 4: who holds what, in columns, and a ledger that always balances.

A *margin unit* is what is held to a requirement: a whole cross or portfolio account, or one isolated
position under its owner. Units have stable rows; positions lie in one pool, each unit's own ordered
by underlying, so that a pass over all accounts is one pass over flat arrays.
"""

from steelyard.book.columns import Book
from steelyard.book.ledger import (
    BAD_DEBT,
    DUST,
    EXTERNAL,
    FEES,
    INSURANCE_FUND,
    MARKET,
    SystemLedger,
)
from steelyard.book.orders import RestingOrder
from steelyard.book.slots import SLOT_COUNT, slot_of
from steelyard.book.state_hash import slot_hash

__all__ = [
    "BAD_DEBT",
    "DUST",
    "EXTERNAL",
    "FEES",
    "INSURANCE_FUND",
    "MARKET",
    "SLOT_COUNT",
    "Book",
    "RestingOrder",
    "SystemLedger",
    "slot_hash",
    "slot_of",
]
