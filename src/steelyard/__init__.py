"""Steelyard: a real-time margin engine for crypto derivatives.

`import steelyard as sy` is the notebook's face: `sy.price`, `sy.greeks`, `sy.implied_volatility`,
`sy.fit_surface`, and of margin `sy.margin`, `sy.compare`, `sy.what_if`, `sy.affordable`, `sy.explain`,
`sy.stress`, `sy.look_ahead`. They are loaded when they are first used, so that importing the package, or one of
its rooms, costs nothing. `__init__.pyi` beside this file tells type checkers their signatures: an
import here, even one for type checkers alone, would let every room below depend on the frames.

`margin` is a room too, and importing it puts the room in the function's place. So the room itself can
be called: `sy.margin(…)` is the function of the frames, and `steelyard.margin.methods` still a module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

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

_ROOM = "steelyard.frames"  # where the public functions live
_FUNCTIONS = frozenset(__all__) - {"__version__"}


class _Callable(ModuleType):
    """A room that bears the name of a public function, and calls it."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Return what `steelyard.frames` has under the room's name; see there for the arguments."""
        name = self.__name__.rpartition(".")[2]
        return getattr(import_module(_ROOM), name)(*arguments, **options)


class _Face(ModuleType):
    """This package: a room that is put in a public function's place is made callable."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FUNCTIONS and isinstance(value, ModuleType):
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
    if name == "margin":
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(_ROOM), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
