"""The innermost loop: a unit's positions of one underlying against 32 scenario columns.

Written as LLVM vector operations, because a Python loop over 32 accumulators spills them to memory.
Each column is its own sum, over the positions in their order, one fused multiply-add each: the bits
do not depend on the width of the machine's vectors. Readable twins: `accumulate_twin`, `worst_twin`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

COLUMNS = 32
LANES = 8
GROUPS = COLUMNS // LANES

_DOUBLE = ir.DoubleType()
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)


def broadcast(builder: Any, value: Any) -> Any:
    """Emit a vector with the value in each lane."""
    seed = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(seed, ir.Constant(_VECTOR, ir.Undefined), mask)


def _row_groups(builder: Any, data: Any, row: Any) -> list[Any]:
    """Load the 32 columns of a row as vectors."""
    base = builder.gep(data, [builder.mul(row, _INDEX(COLUMNS))])
    vectors = builder.bitcast(base, _VECTOR.as_pointer())
    loads = []
    for group in range(GROUPS):
        load = builder.load(builder.gep(vectors, [_INDEX(group)]))
        load.align = 8
        loads.append(load)
    return loads


def pointer(context: Any, builder: Any, sig: Any, args: Any, position: int) -> Any:
    """Return where the data of an array argument begin."""
    return context.make_array(sig.args[position])(context, builder, args[position]).data


def _emit_sums(context: Any, builder: Any, sig: Any, args: Any) -> list[Any]:
    """Emit the loop over positions; return the four vectors of sums. Arguments as `accumulate`."""
    table_data, instrument_data, quantity_data, spot_data = (
        pointer(context, builder, sig, args, position) for position in (0, 1, 2, 5)
    )
    first_at, last_at, spot_at, coin = args[3], args[4], args[6], args[7]
    fma = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f64"
    )
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    coins = broadcast(builder, coin)
    begin = [
        builder.call(fma, [coins, row, zero]) for row in _row_groups(builder, spot_data, spot_at)
    ]
    entry = builder.block
    head = builder.append_basic_block("positions")
    body = builder.append_basic_block("position")
    done = builder.append_basic_block("summed")
    builder.branch(head)
    builder.position_at_end(head)
    at = builder.phi(_INDEX)
    at.add_incoming(first_at, entry)
    sums = []
    for start in begin:
        total = builder.phi(_VECTOR)
        total.add_incoming(start, entry)
        sums.append(total)
    builder.cbranch(builder.icmp_signed("<", at, last_at), body, done)
    builder.position_at_end(body)
    slot = builder.sext(builder.load(builder.gep(instrument_data, [at])), _INDEX)
    lots = broadcast(
        builder, builder.sitofp(builder.load(builder.gep(quantity_data, [at])), _DOUBLE)
    )
    for total, row in zip(sums, _row_groups(builder, table_data, slot), strict=True):
        total.add_incoming(builder.call(fma, [lots, row, total]), body)
    at.add_incoming(builder.add(at, _INDEX(1)), body)
    builder.branch(head)
    builder.position_at_end(done)
    return sums


def _accumulate(
    _context: Any,
    table: Any,
    instrument: Any,
    quantity: Any,
    _first: Any,
    _last: Any,
    spot: Any,
    _spot_row: Any,
    _coins: Any,
    out: Any,
) -> Any:
    """Write out[s] = coins·spot[spot_row, s] + Σ quantity[p]·table[instrument[p], s].

    table, spot: float64 (rows, 32) C-contiguous, USD per lot and per coin; instrument int32,
    quantity int64 (lots); positions first ≤ p < last; coins float64; out float64 (32,).
    """
    signature = types.void(
        table, instrument, quantity, types.int64, types.int64, spot, types.int64, types.float64, out
    )

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums = _emit_sums(context, builder, sig, args)
        out_data = pointer(context, builder, sig, args, 8)
        vectors = builder.bitcast(out_data, _VECTOR.as_pointer())
        for group, total in enumerate(sums):
            store = builder.store(total, builder.gep(vectors, [_INDEX(group)]))
            store.align = 8
        return context.get_dummy_value()

    return signature, codegen


def _worst(
    _context: Any,
    table: Any,
    instrument: Any,
    quantity: Any,
    _first: Any,
    _last: Any,
    spot: Any,
    _spot_row: Any,
    _coins: Any,
) -> Any:
    """Return the least of the 32 sums that `accumulate` writes; NaN when one of them is NaN."""
    signature = types.float64(
        table, instrument, quantity, types.int64, types.int64, spot, types.int64, types.float64
    )

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # The minimum of numbers is the same in any order, so folding by halves changes no bit;
        # llvm.minimum lets a NaN through, where a comparison would drop it.
        sums = _emit_sums(context, builder, sig, args)
        while len(sums) > 1:
            sums = [least(builder, a, b) for a, b in zip(sums[::2], sums[1::2], strict=True)]
        folded, width = sums[0], LANES
        while width > 1:
            width //= 2
            low, high = (lanes(builder, folded, range(at, at + width)) for at in (0, width))
            folded = least(builder, low, high)
        return builder.extract_element(folded, ir.IntType(32)(0))

    return signature, codegen


def least(builder: Any, a: Any, b: Any) -> Any:
    """Emit the smaller of two vectors, lane by lane; NaN where either is."""
    kind = a.type
    verb = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, ir.FunctionType(kind, [kind] * 2), f"llvm.minimum.v{kind.count}f64"
    )
    return builder.call(verb, [a, b])


def lanes(builder: Any, vector: Any, places: range) -> Any:
    """Emit a vector of some lanes of another."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _peek(_context: Any, array: Any, _index: Any) -> Any:
    """Return the entry of a C-contiguous array at a flat index, which the caller keeps in bounds.

    An ordinary index may be negative, and the code that allows for it costs as much as the load.
    """
    signature = array.dtype(array, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = pointer(context, builder, sig, args, 0)
        return context.unpack_value(builder, array.dtype, builder.gep(data, [args[1]]))

    return signature, codegen


peek: Any = intrinsic(_peek)
accumulate: Any = intrinsic(_accumulate)
worst: Any = intrinsic(_worst)


def accumulate_twin(
    table: NDArray[np.float64],
    instrument: NDArray[np.int32],
    quantity: NDArray[np.int64],
    first: int,
    last: int,
    spot_row: NDArray[np.float64],
    coins: float,
) -> NDArray[np.float64]:
    """Return what `accumulate` writes, one exactly rounded multiply-add at a time (slow, readable)."""
    out = np.zeros(COLUMNS)
    for s in range(COLUMNS):
        total = fused_exact(coins, float(spot_row[s]), 0.0)
        for p in range(first, last):
            total = fused_exact(float(quantity[p]), float(table[instrument[p], s]), total)
        out[s] = total
    return out


def worst_twin(sums: list[float]) -> float:
    """Return what `worst` returns for the sums of `accumulate`.

    >>> worst_twin([1.0, -2.0]), worst_twin([float("nan"), -2.0])
    (-2.0, nan)
    """
    spoilt = [value for value in sums if value != value]
    return spoilt[0] if spoilt else min(sums)


def fused_exact(a: float, b: float, c: float) -> float:
    """Return a·b + c rounded once; what is not finite, or exactly zero, as the machine has it.

    >>> fused_exact(0.1, 10.0, -1.0)
    5.551115123125783e-17
    """
    plain = a * b + c
    if plain - plain != 0.0:
        return plain
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    return plain if exact == 0 else exact.numerator / exact.denominator
