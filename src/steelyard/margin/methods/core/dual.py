"""Dual numbers over legs: a column of values with the gradient of each by the quantities of the legs.

Running a method's formulas on them gives, with every value, what one unit more of each leg would add to
it: exact derivatives along the branch that is taken, from the same formulas as the margin itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.instruments import Floats


class Dual:
    """Values (n,) and gradients (n, legs)."""

    __slots__ = ("grad", "value")
    __array_ufunc__ = None  # numpy leaves mixed operations to the methods below

    def __init__(self, value: Floats, grad: Floats) -> None:
        self.value = value
        self.grad = grad

    def __add__(self, other: Any) -> Dual:
        value, grad = _parts(other, self)
        return Dual(self.value + value, self.grad + grad)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.grad)

    def __sub__(self, other: Any) -> Dual:
        value, grad = _parts(other, self)
        return Dual(self.value - value, self.grad - grad)

    def __rsub__(self, other: Any) -> Dual:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Dual:
        value, grad = _parts(other, self)
        return Dual(self.value * value, self.grad * _up(value) + grad * _up(self.value))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        value, grad = _parts(other, self)
        quotient = self.value / value
        return Dual(quotient, (self.grad - grad * _up(quotient)) / _up(value))

    def __rtruediv__(self, other: Any) -> Dual:
        value, grad = _parts(other, self)
        quotient = value / self.value
        return Dual(quotient, (grad - self.grad * _up(quotient)) / _up(self.value))

    def __lt__(self, other: Any) -> NDArray[np.bool_]:
        return np.asarray(self.value < _parts(other, self)[0])

    def __le__(self, other: Any) -> NDArray[np.bool_]:
        return np.asarray(self.value <= _parts(other, self)[0])

    def __gt__(self, other: Any) -> NDArray[np.bool_]:
        return np.asarray(self.value > _parts(other, self)[0])

    def __ge__(self, other: Any) -> NDArray[np.bool_]:
        return np.asarray(self.value >= _parts(other, self)[0])

    def __eq__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        return np.asarray(self.value == _parts(other, self)[0])

    def __ne__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]
        return np.asarray(self.value != _parts(other, self)[0])

    __hash__ = None  # type: ignore[assignment]

    def magnitude(self) -> Dual:
        """Return |x|."""
        return Dual(np.abs(self.value), self.grad * _up(np.where(self.value < 0.0, -1.0, 1.0)))

    def root(self) -> Dual:
        """Return √x."""
        root = np.sqrt(self.value)
        return Dual(root, self.grad * _up(np.where(root > 0.0, 0.5 / root, 0.0)))

    def rounded9(self) -> Dual:
        """Return x rounded to nine decimals, with the gradient of x."""
        from steelyard.margin.methods.core.columns import round9

        return Dual(round9(self.value), self.grad)

    @staticmethod
    def chosen(condition: Any, yes: Any, no: Any) -> Dual:
        """Return yes where the condition holds, else no."""
        like = yes if isinstance(yes, Dual) else no
        (a, da), (b, db) = _parts(yes, like), _parts(no, like)
        picked = np.broadcast_to(np.asarray(condition), like.value.shape)
        return Dual(np.where(picked, a, b), np.where(picked[:, None], da, db))

    @staticmethod
    def picked(name: str, a: Any, b: Any) -> Dual:
        """Return the larger or smaller of two; of equal ones the first."""
        like = a if isinstance(a, Dual) else b
        left, right = _parts(a, like)[0], _parts(b, like)[0]
        first = left >= right if name == "max" else left <= right
        return Dual.chosen(first | (left != left), a, b)


def _parts(value: Any, like: Dual) -> tuple[Any, Any]:
    """Return value and gradient of an operand; a plain number has none."""
    if isinstance(value, Dual):
        return value.value, value.grad
    return np.broadcast_to(np.asarray(value, np.float64), like.value.shape), 0.0


def _up(value: Any) -> Any:
    """Return a column standing upright beside gradients."""
    return np.asarray(value)[:, None]


def value_of(number: Any) -> Any:
    """Return the plain value of a number or dual number."""
    return number.value if isinstance(number, Dual) else number
