"""How this room compiles: strictly, ahead of the first tick, and never from a stale cache.

`inline` is for the small functions that a kernel is made of: they vanish into its loop, where a
call would stop vectorisation; `routine` is for long ones, where it would not matter. `kernel(signature)` is for the loops themselves: compiled when their
module is imported, for one signature, and kept on disk beside the source.

No fastmath, so no step is reordered or fused behind our back; `error_model="numpy"`, because the
exit for division by zero would stop vectorisation; `nogil`, because another core may work meanwhile.

Numba takes a cached kernel for fresh as long as the kernel's *own* file is unchanged. Ours are
built from functions of other files, so a mended polynomial would leave old machine code in use, and
two engines of one version would compute different bits. Hence the cache here is stamped with the
text of every file that kernels are built from.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from importlib.resources import files
from typing import Any, TypeVar

from numba import njit

from steelyard.valuation.interleaving import interleaving_compiler

_njit: Any = njit  # its signature hides the flag that turns reference counting off

BUILDING_BLOCKS = (
    "compiled.py",
    "interleaving.py",
    "intrinsics.py",
    "elementary.py",
    "black76.py",
)

Function = TypeVar("Function", bound=Callable[..., Any])


def inline(function: Function) -> Function:
    """Return the function for compiled code, merged into whatever loop calls it."""
    strict: Any = njit(forceinline=True, error_model="numpy", nogil=True)
    compiled: Function = strict(function)
    return compiled


def routine(function: Function) -> Function:
    """Return the function for compiled code, called as it stands: for long functions used twice."""
    strict: Any = njit(error_model="numpy", nogil=True)
    compiled: Function = strict(function)
    return compiled


def source_stamp(module: str, built_from: tuple[str, ...] = ()) -> str:
    """Return a digest of the building blocks, of the module that holds a kernel and of `built_from`.

    module: the full name of the kernel's module; built_from: full names of further modules whose
    inlined functions it is made of.
    """
    digest = blake2b(digest_size=16)
    for name in BUILDING_BLOCKS:
        digest.update(files(__package__).joinpath(name).read_bytes())
    for name in (*built_from, module):
        package, _, file = name.rpartition(".")
        digest.update(files(package).joinpath(f"{file}.py").read_bytes())
    return digest.hexdigest()


def kernel(
    signature: Any, *built_from: str, vectors: int = 1, allocates: bool = True
) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a loop for one signature and caches it under our stamp.

    built_from: full names of modules, beside the building blocks, that the loop is made of. vectors:
    how many the loop takes side by side, see `interleaving`; 1 leaves it to LLVM. allocates: whether it makes
    arrays; one that makes none, and is said so, need not count the references of those it is given, which takes
    a short loop of many arrays a third of its time. If this version of numba keeps its stamp elsewhere, the
    kernel is compiled without a cache: a slower start rather than an old kernel.
    """

    def compile_now(function: Callable[..., Any]) -> Any:
        compiler = interleaving_compiler(vectors) if vectors > 1 else None
        strict: Any = _njit(
            error_model="numpy", nogil=True, pipeline_class=compiler, _nrt=allocates
        )
        dispatcher = strict(function)
        dispatcher.enable_caching()
        index: Any = getattr(dispatcher._cache, "_cache_file", None)
        if hasattr(index, "_source_stamp"):
            index._source_stamp = source_stamp(function.__module__, built_from)
        else:
            dispatcher._cache.disable()
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return compile_now
