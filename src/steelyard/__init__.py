"""Steelyard: a real-time margin engine for crypto derivatives.

`import steelyard as sy` is the notebook's face: `sy.price`, `sy.greeks`, `sy.implied_volatility`,
`sy.fit_surface`. They are loaded when they are first used, so that importing the package, or one of
its rooms, costs nothing. `__init__.pyi` beside this file tells type checkers their signatures: an
import here, even one for type checkers alone, would let every room below depend on the frames.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

__all__ = ["__version__", "fit_surface", "greeks", "implied_volatility", "price"]

# The room that each public name comes from.
_ROOMS = {
    "fit_surface": "steelyard.frames",
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
