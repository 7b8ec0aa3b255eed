"""Several vectors at a time: a hint to LLVM for loops whose body is one long chain of operations.

A polynomial of fused multiply-adds waits for itself: each step needs the one before, and takes four
cycles, while the processor could start two every cycle. LLVM goes through a loop one vector at a
time when the body is as long as a price. With two vectors side by side, one computes while the other
waits: a quarter less time, at no cost in compile time. The elements themselves are untouched, so
every result keeps its bits, whatever the number.

LLVM takes the number from a note at the jump that closes a loop (`llvm.loop.interleave.count`).
Numba writes no such note; the compiler made here does, at each closing jump of the kernel itself. Its
inlined functions are compiled apart and keep theirs.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering

NOTE = "llvm.loop.interleave.count"


def interleaving_compiler(vectors: int) -> type[CompilerBase]:
    """Return numba's compiler with the note on every loop: `vectors` side by side.

    For `njit(pipeline_class=…)`. A class, since that is how numba takes its passes.
    """

    class NotingLower(Lower):
        """Numba's translation to LLVM, and the note at each jump back."""

        def lower_block(self, block: Any) -> None:
            super().lower_block(block)  # type: ignore[no-untyped-call]
            end = block.terminator
            # Blocks are translated in the order of the source: what is done already lies behind.
            if isinstance(end, ir.Jump) and self.blkmap[end.target].is_terminated:
                count = llvm.Constant(llvm.IntType(32), vectors)
                note = self.module.add_metadata([NOTE, count])
                loop = self.module.add_metadata([note])
                loop.operands = (loop, note)  # LLVM tells loops apart by a node that holds itself
                self.builder.block.terminator.set_metadata("llvm.loop", loop)

    registered: Any = register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[no-untyped-call]

    @registered
    class NotingLowering(NativeLowering):
        """The pass that runs it."""

        _name = f"native_lowering_{vectors}_vectors"

        @property
        def lowering_class(self) -> type[Lower]:
            return NotingLower

    class InterleavingCompiler(CompilerBase):
        """Numba's usual passes with that one in its place."""

        def define_pipelines(self) -> list[Any]:
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)  # type: ignore[no-untyped-call]
            passes.passes[:] = [
                (NotingLowering if step is NativeLowering else step, text)
                for step, text in passes.passes
            ]
            passes.finalize()
            return [passes]

    return InterleavingCompiler
