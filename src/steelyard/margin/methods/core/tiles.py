"""The innermost loop of a scan: some legs against up to 32 columns of a table, sums in registers.

Written as LLVM vector operations, because a Python loop over so many accumulators spills them to memory.
Each column is its own sum over the legs in their order, one fused multiply-add each: the bits do not
depend on the width of the machine's vectors, nor on how the columns are cut into tiles. Readable twin:
`accumulate_twin`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from steelyard.margin.vector import broadcast, fused_exact, lanes, least, pointer
from steelyard.valuation.compiled import inline

LANES = 8
_DOUBLE = ir.DoubleType()
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)


def _vectors(builder: Any, data: Any, at: Any, count: int) -> list[Any]:
    """Load `count` vectors that begin at an index."""
    base = builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())
    loads = []
    for group in range(count):
        load = builder.load(builder.gep(base, [_INDEX(group)]))
        load.align = 8
        loads.append(load)
    return loads


def _fma(builder: Any) -> Any:
    return cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f64"
    )


def _accumulate(columns: int) -> Any:
    count = columns // LANES

    def accumulate(
        _context: Any, table: Any, _width: Any, _column: Any, instrument: Any, quantity: Any,
        _first: Any, _last: Any, out: Any,
    ) -> Any:  # fmt: skip
        """Write out[column + s] = Σ quantity[p]·table[instrument[p], column + s], s < columns.

        table: float64 (rows, width) C-contiguous; instrument int32, quantity float64; legs
        first ≤ p < last; out float64 (width,).
        """
        signature = types.void(
            table, types.int64, types.int64, instrument, quantity, types.int64, types.int64, out
        )

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            table_data, instrument_data, quantity_data, out_data = (
                pointer(context, builder, sig, args, place) for place in (0, 3, 4, 7)
            )
            width, column, first, last = args[1], args[2], args[5], args[6]
            fma = _fma(builder)
            entry = builder.block
            head = builder.append_basic_block("legs")
            body = builder.append_basic_block("leg")
            done = builder.append_basic_block("summed")
            builder.branch(head)
            builder.position_at_end(head)
            at = builder.phi(_INDEX)
            at.add_incoming(first, entry)
            sums = []
            for _ in range(count):
                total = builder.phi(_VECTOR)
                total.add_incoming(_ZERO, entry)
                sums.append(total)
            builder.cbranch(builder.icmp_signed("<", at, last), body, done)
            builder.position_at_end(body)
            slot = builder.sext(builder.load(builder.gep(instrument_data, [at])), _INDEX)
            size = broadcast(builder, builder.load(builder.gep(quantity_data, [at])))
            row = builder.add(builder.mul(slot, width), column)
            for total, values in zip(sums, _vectors(builder, table_data, row, count), strict=True):
                total.add_incoming(builder.call(fma, [size, values, total]), body)
            at.add_incoming(builder.add(at, _INDEX(1)), body)
            builder.branch(head)
            builder.position_at_end(done)
            target = builder.bitcast(builder.gep(out_data, [column]), _VECTOR.as_pointer())
            for group, total in enumerate(sums):
                store = builder.store(total, builder.gep(target, [_INDEX(group)]))
                store.align = 8
            return context.get_dummy_value()

        return signature, codegen

    return intrinsic(accumulate)


def _lowest(_context: Any, values: Any, _width: Any) -> Any:
    """Return the least of the first `width` values (a multiple of 8); NaN if one is NaN or −∞.

    An entry of +∞ is one that does not count.
    """
    signature = types.float64(values, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data, width = pointer(context, builder, sig, args, 0), args[1]
        entry = builder.block
        head = builder.append_basic_block("columns")
        body = builder.append_basic_block("column")
        done = builder.append_basic_block("folded")
        builder.branch(head)
        builder.position_at_end(head)
        at = builder.phi(_INDEX)
        at.add_incoming(_INDEX(0), entry)
        lowest = builder.phi(_VECTOR)
        lowest.add_incoming(ir.Constant(_VECTOR, [float("inf")] * LANES), entry)
        builder.cbranch(builder.icmp_signed("<", at, width), body, done)
        builder.position_at_end(body)
        (found,) = _vectors(builder, data, at, 1)
        # The minimum of numbers is the same in any order; llvm.minimum lets a NaN through.
        lowest.add_incoming(least(builder, lowest, found), body)
        at.add_incoming(builder.add(at, _INDEX(LANES)), body)
        builder.branch(head)
        builder.position_at_end(done)
        folded, size = lowest, LANES
        while size > 1:
            size //= 2
            low, high = (lanes(builder, folded, range(at, at + size)) for at in (0, size))
            folded = least(builder, low, high)
        return builder.extract_element(folded, ir.IntType(32)(0))

    return signature, codegen


_of_32: Any = _accumulate(32)
_of_24: Any = _accumulate(24)
_of_16: Any = _accumulate(16)
_of_8: Any = _accumulate(8)
lowest: Any = intrinsic(_lowest)


@inline
def accumulate(table: Any, instrument: Any, quantity: Any, first: int, last: int, out: Any) -> None:
    """Write out[s] = Σ quantity[p]·table[instrument[p], s] over the legs first ≤ p < last.

    The table's width is a multiple of 8.
    """
    width = table.shape[1]
    column = 0
    while column + 32 <= width:
        _of_32(table, width, column, instrument, quantity, first, last, out)
        column += 32
    if column + 24 == width:
        _of_24(table, width, column, instrument, quantity, first, last, out)
    elif column + 16 == width:
        _of_16(table, width, column, instrument, quantity, first, last, out)
    elif column + 8 == width:
        _of_8(table, width, column, instrument, quantity, first, last, out)


def accumulate_twin(
    table: NDArray[Any], instrument: NDArray[Any], quantity: NDArray[Any], first: int, last: int
) -> list[float]:
    """Return the sums of all columns, one exactly rounded multiply-add at a time (slow, readable)."""
    found = []
    for column in range(table.shape[1]):
        total = 0.0
        for p in range(first, last):
            total = fused_exact(float(quantity[p]), float(table[instrument[p], column]), total)
        found.append(total)
    return found
