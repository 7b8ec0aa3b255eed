"""Feeds: recorded markets, option chains and account files, read from disk as events and records.

This is an edge: it may read files, and nothing in the core imports it. `open_market` gives a window of
a recorded market as listings, warm-up and ticks; `load_chain` carries a recorded option chain to another
day; `read_accounts` and `write_accounts` do account files. Whatever does not fit is a listed error that
names file, row, field, rule and cure; nothing is half applied. Layouts: docs/recorded-data.md.
"""

from steelyard.feeds.account_files import read_accounts, write_accounts
from steelyard.feeds.chains import TransportedChain, load_chain
from steelyard.feeds.recorded import RecordedMarket, SourceDescription, open_market

__all__ = [
    "RecordedMarket",
    "SourceDescription",
    "TransportedChain",
    "load_chain",
    "open_market",
    "read_accounts",
    "write_accounts",
]
