"""Terms: what is traded, held and agreed, as frozen data.

Assets, instruments, accounts with their margin mode, and the method: the parameter document that
holds every risk number. Nothing here computes a risk; the rooms below read these values.
"""

from steelyard.terms.account import FULL_MODES, AccountRecord, MarginMode, PositionRecord
from steelyard.terms.asset import Asset
from steelyard.terms.instrument import Instrument, InstrumentKind
from steelyard.terms.method import Method, load_method

__all__ = [
    "FULL_MODES",
    "AccountRecord",
    "Asset",
    "Instrument",
    "InstrumentKind",
    "MarginMode",
    "Method",
    "PositionRecord",
    "load_method",
]
