"""Steelyard: a real-time margin engine for crypto derivatives.

`import steelyard as sy` is the notebook's face: `sy.price`, `sy.greeks`, `sy.implied_volatility`.
They are loaded when they are first used, so that importing the package, or one of its rooms, costs
nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.frames import greeks, implied_volatility, price

__version__ = "0.1.0"

__all__ = ["__version__", "greeks", "implied_volatility", "price"]

# The room that each public name comes from. A name added here is also added above.
_ROOMS = {
    "greeks": "steelyard.frames",
    "implied_volatility": "steelyard.frames",
    "price": "steelyard.frames",
}


def __getattr__(name: str) -> Any:
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
