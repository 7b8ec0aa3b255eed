"""Frames: the notebook's face of the engine. Columns in, the same kind of columns out.

`price`, `greeks` and `implied_volatility` take one frame (pandas, Polars, also lazy, or an Arrow
table), or columns one by one (numbers, lists, numpy arrays, Series, Arrow arrays), and answer with
what they were given; `fit_surface` takes the quotes of a chain alike and returns its surface. A row
that cannot be answered says why in the column `status` and costs its neighbours nothing; a column
that is missing, or a text that is no number, is an error that names it.

`margin`, `compare`, `what_if`, `affordable`, `explain`, `stress` and `look_ahead` take a frame of
positions, a stated market and a margin method; an account that cannot be answered says why in `error`.

An edge: it reads and writes frames and calls the kernels of `valuation`, the methods of `margin` and
the fits of `models`, which are loaded when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from steelyard.frames.pricing import greeks, implied_volatility, price

if TYPE_CHECKING:
    from steelyard.frames.affording import affordable
    from steelyard.frames.explaining import explain
    from steelyard.frames.margining import compare, margin
    from steelyard.frames.stressing import look_ahead, stress
    from steelyard.frames.surface import fit_surface
    from steelyard.frames.trying import what_if

__all__ = [
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

_MODULES = {
    "affordable": "affording",
    "compare": "margining",
    "explain": "explaining",
    "fit_surface": "surface",
    "look_ahead": "stressing",
    "margin": "margining",
    "stress": "stressing",
    "what_if": "trying",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'steelyard.frames' has no attribute {name!r}")
    return getattr(import_module(f"steelyard.frames.{module}"), name)
