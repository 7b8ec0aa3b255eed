"""Marks, step 2: what the market says, made safe to decide on.

Prices of many sources become one index per asset (weighted median of the fresh ones), quotes become
a bounded basis, and both become the integer mark of every perpetual. An asset without a fresh quorum
is *protected*: it keeps its last good value, nobody is liquidated on it and no new risk is taken.
"""

from steelyard.marks.index import IndexReading, read_index, weighted_median
from steelyard.marks.market import MarketState
from steelyard.marks.perpetuals import observe_basis, perpetual_mark, smoothed_basis
from steelyard.marks.surfaces import SurfaceColumns, apply_heston, apply_surface
from steelyard.marks.update import apply_price, apply_quote, apply_volatilities, pass_time

__all__ = [
    "IndexReading",
    "MarketState",
    "SurfaceColumns",
    "apply_heston",
    "apply_price",
    "apply_quote",
    "apply_surface",
    "apply_volatilities",
    "observe_basis",
    "pass_time",
    "perpetual_mark",
    "read_index",
    "smoothed_basis",
    "weighted_median",
]
