"""How this room compiles: lazily, cached on disk, and never from a stale cache.

Numba takes a cached kernel for fresh as long as the kernel's own file is unchanged. These kernels
are built from functions of other files, so the cache is stamped with the text of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from numba import njit

_njit: Any = njit  # its signature hides the flag that turns reference counting off

BUILDING_BLOCKS = (
    ("steelyard.margin", "compiled.py"),
    ("steelyard.margin", "vector.py"),
    ("steelyard.margin", "kernel.py"),
    ("steelyard.valuation", "columns.py"),
    ("steelyard.valuation", "compiled.py"),
    ("steelyard.valuation", "intrinsics.py"),
)


def source_stamp() -> str:
    """Return a digest of every file that the kernels of this room are built from."""
    digest = blake2b(digest_size=16)
    for package, name in BUILDING_BLOCKS:
        digest.update(files(package).joinpath(name).read_bytes())
    return digest.hexdigest()


def jit(function: Callable[..., Any]) -> Any:
    """Return the function compiled at its first call: strict floats, no lock, cached by content.

    Compiled without reference counting: these kernels allocate nothing, and counting every array of
    a tuple up and down around each call was four fifths of their time.

    If this version of numba keeps its stamp elsewhere, nothing is cached: a slower start rather
    than an old kernel.
    """
    dispatcher = _njit(nogil=True, error_model="numpy", _nrt=False)(function)
    dispatcher.enable_caching()
    index: Any = getattr(dispatcher._cache, "_cache_file", None)
    if hasattr(index, "_source_stamp"):
        index._source_stamp = _STAMP
    else:
        dispatcher._cache.disable()
    return dispatcher


def inline(function: Callable[..., Any]) -> Any:
    """Return the function for compiled code, merged into whoever calls it.

    A call that hands over a tuple of arrays copies all of them: several times the cost of a position.
    """
    return _njit(nogil=True, error_model="numpy", forceinline=True, _nrt=False)(function)


_STAMP = source_stamp()
