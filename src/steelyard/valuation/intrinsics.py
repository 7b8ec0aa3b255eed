"""Machine instructions that the strict kernels are built from.

Each verb here becomes one LLVM instruction or intrinsic inside the caller's loop, so the loop
vectorises; the library calls behind `np.rint`, `math.floor` or `math.fma` would stop it. All of
them are exactly rounded by IEEE 754, hence the same bits in a vector lane, in the scalar
remainder of a loop and on every machine. Where a machine has no fused multiply-add, LLVM calls the
C library's `fma`, which is exact too, only slow.

`polynomial(coefficients)` makes such a verb out of a coefficient table: unrolled Horner chains of
fused multiply-adds. It is built straight in LLVM, because a loop inside the loop would stop
vectorisation and because compiling it as Python would cost seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.extending import intrinsic

DOUBLE = ir.DoubleType()
INT64 = ir.IntType(64)

Emit = Callable[..., Any]  # (builder, *values) → value, in LLVM


def has_hardware_fma() -> bool:
    """Return whether this machine's processor has a fused multiply-add instruction.

    The kernels give the same bits without it, some hundred times slower: an engine on such a
    machine should warn and not co-sign.
    """
    return bool(get_host_cpu_features().get("fma", False))


def _verb(signature: Any, emit: Emit) -> Any:
    """Return a function for compiled code that becomes what `emit` writes."""

    def codegen(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return emit(builder, *arguments)

    one: Any = lambda _context, _x: (signature, codegen)  # noqa: E731
    two: Any = lambda _context, _x, _y: (signature, codegen)  # noqa: E731
    three: Any = lambda _context, _x, _y, _z: (signature, codegen)  # noqa: E731
    return intrinsic((one, two, three)[len(signature.args) - 1])


def _from_llvm(name: str) -> Any:
    """Return float64 → float64 for the LLVM intrinsic `name`."""

    def emit(builder: Any, x: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic(name, [DOUBLE]), [x])

    return _verb(types.float64(types.float64), emit)


def _emit_fma(builder: Any, x: Any, y: Any, z: Any) -> Any:
    signature = ir.FunctionType(DOUBLE, [DOUBLE] * 3)
    function = builder.module.declare_intrinsic("llvm.fma", [DOUBLE], signature)
    return builder.call(function, [x, y, z])


Unary = Callable[[float], float]

rint: Unary = _from_llvm("llvm.rint")  # to the nearest whole number, halves to even
floor: Unary = _from_llvm("llvm.floor")
ceil: Unary = _from_llvm("llvm.ceil")
sqrt: Unary = _from_llvm("llvm.sqrt")
absolute: Unary = _from_llvm("llvm.fabs")

# x·y + z with a single rounding
fma: Callable[[float, float, float], float] = _verb(
    types.float64(types.float64, types.float64, types.float64), _emit_fma
)

# The 64 bits of a float64 as an int64, and back.
float_bits: Callable[[float], int] = _verb(
    types.int64(types.float64), lambda builder, x: builder.bitcast(x, INT64)
)
bits_float: Callable[[int], float] = _verb(
    types.float64(types.int64), lambda builder, bits: builder.bitcast(bits, DOUBLE)
)

# Bits moved up or down with zeros behind them (AVX2 has no 64-bit shift that keeps the sign).
_shift: Any = types.int64(types.int64, types.int64)
shift_left: Callable[[int, int], int] = _verb(_shift, lambda builder, x, n: builder.shl(x, n))
shift_right: Callable[[int, int], int] = _verb(_shift, lambda builder, x, n: builder.lshr(x, n))


def polynomial(coefficients: Sequence[float]) -> Unary:
    """Return the verb x → Σ coefficients[k]·x^k, in a fixed order of fused multiply-adds.

    The even and the odd terms run as two Horner chains in x² (half the waiting of one chain, which
    measures 15 to 30 % on the price kernel): value = fma(odd(x²), x, even(x²)). The order is part
    of the result's definition.
    """
    table = [float(c) for c in coefficients]

    def emit(builder: Any, x: Any) -> Any:
        square = builder.fmul(x, x)

        def chain(terms: Sequence[float]) -> Any:
            value = ir.Constant(DOUBLE, terms[-1])
            for coefficient in reversed(terms[:-1]):
                value = _emit_fma(builder, value, square, ir.Constant(DOUBLE, coefficient))
            return value

        return _emit_fma(builder, chain(table[1::2]), x, chain(table[0::2]))

    verb: Unary = _verb(types.float64(types.float64), emit)
    return verb
