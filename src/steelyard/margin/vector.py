"""The innermost loop: a unit's positions of one underlying against 32 scenario columns.

Written as LLVM vector operations, because a Python loop over 32 accumulators spills them to memory.
Each column is its own sum, over the positions in their order, one fused multiply-add each: the bits
do not depend on the width of the machine's vectors. Readable twin: `accumulate_twin`.
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

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _broadcast(builder: Any, value: Any) -> Any:
    seed = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(seed, ir.Constant(_VECTOR, ir.Undefined), mask)


def _row_groups(builder: Any, data: Any, row: Any) -> list[Any]:
    offset = builder.mul(row, ir.IntType(64)(COLUMNS))
    base = builder.gep(data, [offset])
    vectors = builder.bitcast(base, _VECTOR.as_pointer())
    loads = []
    for group in range(GROUPS):
        load = builder.load(builder.gep(vectors, [ir.IntType(64)(group)]))
        load.align = 8
        loads.append(load)
    return loads


def _accumulate(  # tidy: long because it spells out one machine loop
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
        def pointer(position: int) -> Any:
            return context.make_array(sig.args[position])(context, builder, args[position]).data

        table_data, instrument_data, quantity_data = pointer(0), pointer(1), pointer(2)
        first_at, last_at, spot_at, coin = args[3], args[4], args[6], args[7]
        fma = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f64"
        )
        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        coin_vector = _broadcast(builder, coin)
        begin = [
            builder.call(fma, [coin_vector, row, zero])
            for row in _row_groups(builder, pointer(5), spot_at)
        ]
        entry = builder.block
        head = builder.append_basic_block("positions")
        body = builder.append_basic_block("position")
        done = builder.append_basic_block("summed")
        builder.branch(head)
        builder.position_at_end(head)
        at = builder.phi(ir.IntType(64))
        at.add_incoming(first_at, entry)
        sums = []
        for start in begin:
            total = builder.phi(_VECTOR)
            total.add_incoming(start, entry)
            sums.append(total)
        builder.cbranch(builder.icmp_signed("<", at, last_at), body, done)
        builder.position_at_end(body)
        slot = builder.sext(builder.load(builder.gep(instrument_data, [at])), ir.IntType(64))
        lots = builder.sitofp(builder.load(builder.gep(quantity_data, [at])), ir.DoubleType())
        lots_vector = _broadcast(builder, lots)
        rows = _row_groups(builder, table_data, slot)
        updated = [
            builder.call(fma, [lots_vector, row, total])
            for row, total in zip(rows, sums, strict=True)
        ]
        at.add_incoming(builder.add(at, ir.IntType(64)(1)), body)
        for total, new in zip(sums, updated, strict=True):
            total.add_incoming(new, body)
        builder.branch(head)
        builder.position_at_end(done)
        vectors = builder.bitcast(pointer(8), _VECTOR.as_pointer())
        for group, total in enumerate(sums):
            store = builder.store(total, builder.gep(vectors, [ir.IntType(64)(group)]))
            store.align = 8
        return context.get_dummy_value()

    return signature, codegen


accumulate: Any = intrinsic(_accumulate)


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
        total = _fused(coins, float(spot_row[s]), 0.0)
        for p in range(first, last):
            total = _fused(float(quantity[p]), float(table[instrument[p], s]), total)
        out[s] = total
    return out


def _fused(a: float, b: float, c: float) -> float:
    """Return a·b + c rounded once; an exact zero keeps the sign floating point gives it."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    return a * b + c if exact == 0 else exact.numerator / exact.denominator
