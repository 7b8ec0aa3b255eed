"""Many accounts under one method and one market, in columns: the numbers that each would get alone.

`columns` holds the accounts, `units` divides them the way the venue holds them (one margin account an
underlying where the method knows one only), `scenario` runs the scenario core over all at once, `looped`
asks the venues' own cores one account after another, `margins` is the one call over both. `trades` tries
trades, each on a copy of its account.
"""

from steelyard.margin.methods.batch.columns import Batch, account_of
from steelyard.margin.methods.batch.margins import BatchMargins, margins_of

__all__ = ["Batch", "BatchMargins", "account_of", "margins_of"]
