"""Frames: the notebook's face of the engine. Columns in, the same kind of columns out.

`price`, `greeks` and `implied_volatility` take one frame (pandas, Polars, also lazy, or an Arrow
table), or columns one by one (numbers, lists, numpy arrays, Series, Arrow arrays), and answer with
what they were given; `fit_surface` takes the quotes of a chain alike and returns its surface. A row
that cannot be answered says why in the column `status` and costs its neighbours nothing; a column
that is missing, or a text that is no number, is an error that names it.

An edge: it reads and writes frames and calls the kernels of `valuation` and the fits of `models`,
which are loaded when the first surface is asked for.
"""

from typing import TYPE_CHECKING, Any

from steelyard.frames.pricing import greeks, implied_volatility, price

if TYPE_CHECKING:
    from steelyard.frames.surface import fit_surface

__all__ = ["fit_surface", "greeks", "implied_volatility", "price"]


def __getattr__(name: str) -> Any:
    if name != "fit_surface":
        raise AttributeError(f"module 'steelyard.frames' has no attribute {name!r}")
    from steelyard.frames.surface import fit_surface

    return fit_surface
