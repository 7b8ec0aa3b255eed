"""Marks, step 2: what the market says, made safe to decide on.

Prices of many sources become one index per asset (weighted median of those that may be used, trusted
while a majority agrees), quotes and books become a bounded basis, and both become the integer mark of
every perpetual. An asset whose index cannot be trusted is *protected*: it keeps its last good value,
nobody is liquidated on it and no new risk is taken.

    sources  verdicts     index  median, weights, agreement     guard  when a reading is believed
"""

from steelyard.marks.guard import AssetIndex
from steelyard.marks.index import IndexReading, read_index, weighted_median
from steelyard.marks.market import IndexNotice, MarketState, SourceNotice
from steelyard.marks.perpetuals import observe_basis, perpetual_mark, smoothed_basis
from steelyard.marks.sources import Source, SourceTerms
from steelyard.marks.surfaces import (
    SurfaceColumns,
    apply_heston,
    apply_surface,
    apply_volatilities,
)
from steelyard.marks.update import (
    age_indices,
    apply_batch,
    apply_decision,
    apply_price,
    apply_quote,
    apply_status,
    decay_bases,
    pass_time,
)

__all__ = [
    "AssetIndex",
    "IndexNotice",
    "IndexReading",
    "MarketState",
    "Source",
    "SourceNotice",
    "SourceTerms",
    "SurfaceColumns",
    "age_indices",
    "apply_batch",
    "apply_decision",
    "apply_heston",
    "apply_price",
    "apply_quote",
    "apply_status",
    "apply_surface",
    "apply_volatilities",
    "decay_bases",
    "observe_basis",
    "pass_time",
    "perpetual_mark",
    "read_index",
    "smoothed_basis",
    "weighted_median",
]
