from steelyard.frames import affordable as affordable
from steelyard.frames import compare as compare
from steelyard.frames import explain as explain
from steelyard.frames import fit_surface as fit_surface
from steelyard.frames import greeks as greeks
from steelyard.frames import implied_volatility as implied_volatility
from steelyard.frames import look_ahead as look_ahead
from steelyard.frames import margin as margin
from steelyard.frames import price as price
from steelyard.frames import stress as stress
from steelyard.frames import what_if as what_if

__version__: str
__all__ = [
    "__version__",
    "affordable",
    "compare",
    "explain",
    "fit_surface",
    "greeks",
    "implied_volatility",
    "look_ahead",
    "margin",
    "price",
    "stress",
    "what_if",
]
