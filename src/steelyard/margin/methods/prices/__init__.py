"""Critical prices, times and volatilities of an account: where a method's verdict on it flips.

Everything here margins the whole account anew in a moved market (`moving`), so open orders, other
underlyings, options, coins held as collateral and funding count as they do at the present price. Public:
`critical_prices`, `liquidation_times`, `liquidation_volatility`, and what they return.
"""

from steelyard.margin.methods.prices.critical import CriticalPrices, Root, critical_prices
from steelyard.margin.methods.prices.times import CriticalTimes, Flip, liquidation_times
from steelyard.margin.methods.prices.volatility import CriticalVolatility, liquidation_volatility

__all__ = [
    "CriticalPrices",
    "CriticalTimes",
    "CriticalVolatility",
    "Flip",
    "Root",
    "critical_prices",
    "liquidation_times",
    "liquidation_volatility",
]
