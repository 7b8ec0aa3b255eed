"""Stated books: a market and an account as somebody states them, to be margined under any method.

The engine's own book lives in columns of integers; what a case file or a frame states is read into
these frozen structs first. Numbers are float, or `Decimal` for the methods whose arithmetic is exact:
`Case[float]`, `Case[Decimal]`. Instruments carry the field's names (`ETH-7JAN26-1500-C`).
"""

from steelyard.terms.stated.book import Account, Order, Position
from steelyard.terms.stated.case import Case
from steelyard.terms.stated.instants import instant_text, instant_us
from steelyard.terms.stated.market import Asset, Expiry, Market, Perpetual, Svi, Underlying
from steelyard.terms.stated.names import Contract, parse_contract, strike_key

__all__ = [
    "Account",
    "Asset",
    "Case",
    "Contract",
    "Expiry",
    "Market",
    "Order",
    "Perpetual",
    "Position",
    "Svi",
    "Underlying",
    "instant_text",
    "instant_us",
    "parse_contract",
    "strike_key",
]
