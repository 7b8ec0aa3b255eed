"""Frames: the notebook's face of the engine. Columns in, the same kind of columns out.

`price`, `greeks` and `implied_volatility` take one frame (pandas, Polars, also lazy, or an Arrow
table), or columns one by one (numbers, lists, numpy arrays, Series, Arrow arrays), and answer with
what they were given. A row that cannot be answered says why in the column `status` and costs its
neighbours nothing; a column that is missing, or a text that is no number, is an error that names it.

An edge: it reads and writes frames and calls the kernels of `valuation`.
"""

from steelyard.frames.pricing import greeks, implied_volatility, price

__all__ = ["greeks", "implied_volatility", "price"]
