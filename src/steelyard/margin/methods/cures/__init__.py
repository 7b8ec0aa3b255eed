"""Cures: what brings an account back to the margin that is wanted, and what each leg is worth in margin.

`cures_of` searches on the method itself, whatever it is: the least deposit, the largest part of the book
that may be kept, the smallest trade of every contract that the market knows, ordered by what they cost.
`cured` is the statement after one of them, so that anyone can margin it anew. `leave_one_out` says what
the requirements fall by without a leg.
"""

from steelyard.margin.methods.cures.curing import cured, cures_of
from steelyard.margin.methods.cures.leaving import leave_one_out
from steelyard.margin.methods.cures.results import Cures, Deposit, LeftOut, Reduction, Trade

__all__ = [
    "Cures",
    "Deposit",
    "LeftOut",
    "Reduction",
    "Trade",
    "cured",
    "cures_of",
    "leave_one_out",
]
