from steelyard.frames import fit_surface as fit_surface
from steelyard.frames import greeks as greeks
from steelyard.frames import implied_volatility as implied_volatility
from steelyard.frames import price as price

__version__: str
__all__ = ["__version__", "fit_surface", "greeks", "implied_volatility", "price"]
