"""What a body may be before anybody decodes it: so large, so deep, of so many elements.

The checks look at bytes alone. The size is one comparison. Depth and elements come from one pass over the
bytes that knows strings and escapes, keeps a counter instead of a stack, and ends at the first byte that
breaks a limit. Most bodies do not need it: with all brackets and commas counted, those in strings too, they
are within their limits already, and such a count takes many bytes at a step.

RPCJ-E01 the body is larger than its limit
RPCJ-E02 arrays and objects are nested deeper than the limit
RPCJ-E03 there are more elements than the limit
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numba import types

from steelyard.quantities.errors import InputError
from steelyard.valuation.compiled import kernel

QUOTE, BACKSLASH, COMMA = ord('"'), ord("\\"), ord(",")
# `[` and `{`, `]` and `}` differ in one bit: with it set, each pair is one byte.
OPENING, CLOSING, PAIR_BIT = ord("{"), ord("}"), 0x20
DEPTH_SHIFT = 48
CHUNK_BYTES = 4096
_BYTES: Any = types.Array(types.uint8, 1, "C", readonly=True)


class Limits(msgspec.Struct, frozen=True):
    """The limits of one body: bytes, levels of nesting, and elements.

    elements_max bounds the commas outside strings plus the arrays and objects opened: never less than
    the number of members and items. A method for bulk states more than the default.
    """

    body_bytes_max: int = 1 << 20
    depth_max: int = 32
    elements_max: int = 50_000

    def widened(self, other: Limits) -> Limits:
        """Return the limits that hold whatever either of the two would.

        >>> Limits(10, 32, 5).widened(Limits(20, 2, 5))
        Limits(body_bytes_max=20, depth_max=32, elements_max=5)
        """
        return Limits(
            max(self.body_bytes_max, other.body_bytes_max),
            max(self.depth_max, other.depth_max),
            max(self.elements_max, other.elements_max),
        )


DEFAULT_LIMITS = Limits()


@kernel(types.int64(_BYTES, types.int64, types.int64))
def _scan(body: Any, depth_max: int, elements_max: int) -> int:
    """Return depth · 2⁴⁸ + elements, of all bytes or up to the one that breaks a limit.

    A string is run through by a loop of its own: three tests a byte, two of them the same until it ends.
    """
    depth = deepest = elements = 0
    end, i, one = np.uint64(body.size), np.uint64(0), np.uint64(1)  # unsigned: never from the end
    while i < end:
        byte = body[i]
        i += one
        if byte == QUOTE:
            while i < end:
                inner = body[i]
                i += one
                if inner == QUOTE:
                    break
                if inner == BACKSLASH:
                    i += one
        elif byte == COMMA:
            elements += 1
        elif (byte | PAIR_BIT) == OPENING:
            elements += 1
            depth += 1
            deepest = max(deepest, depth)
        elif (byte | PAIR_BIT) == CLOSING:
            depth -= 1
        if (depth > depth_max) | (elements > elements_max):
            break
    return (deepest << DEPTH_SHIFT) | elements


@kernel(types.boolean(_BYTES, types.int64, types.int64))
def _is_surely_within(body: Any, depth_max: int, elements_max: int) -> bool:
    """Return whether even all brackets and commas, strings or not, break no limit."""
    openings = commas = 0
    for start in range(0, body.size, CHUNK_BYTES):
        for i in range(start, min(start + CHUNK_BYTES, body.size)):
            openings += (body[i] | PAIR_BIT) == OPENING
            commas += body[i] == COMMA
        if (openings > depth_max) | (openings + commas > elements_max):
            return False
    return True


def measure(body: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[int, int]:
    """Return (depth, elements) of a body; beyond the first limit broken it is not read further.

    Brackets that do not match are not the business of this pass: the decoder refuses them.

    >>> measure(b'{"a": [1, 2, {}], "b": "[[[,,,"}')
    (3, 6)
    >>> measure(b"[" * 1_000_000)
    (33, 33)
    """
    found = int(_scan(np.frombuffer(body, np.uint8), limits.depth_max, limits.elements_max))
    return found >> DEPTH_SHIFT, found & ((1 << DEPTH_SHIFT) - 1)


def check_size(body_bytes: int, limits: Limits) -> None:
    """Raise RPCJ-E01 where a body of this many bytes is too large."""
    if body_bytes > limits.body_bytes_max:
        raise InputError(
            "RPCJ-E01", f"the body has {body_bytes} bytes",
            rule=f"a body has at most {limits.body_bytes_max} bytes",
            cure="send less at once, or use a method for bulk",
        )  # fmt: skip


def check_limits(body: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
    """Raise the error of the first limit that a body breaks: size, then depth, then elements.

    >>> check_limits(b'{"jsonrpc": "2.0"}')
    >>> check_limits(b"[[[[]]]]", Limits(depth_max=3))
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: RPCJ-E02: the body is nested more than 3 levels deep. Rule: \
arrays and objects are nested at most 3 levels deep. Cure: flatten the request.
    """
    if len(body) > limits.body_bytes_max:
        check_size(len(body), limits)
    view = np.frombuffer(body, np.uint8)
    if _is_surely_within(view, limits.depth_max, limits.elements_max):
        return
    depth, elements = measure(body, limits)
    if depth > limits.depth_max:
        raise InputError(
            "RPCJ-E02", f"the body is nested more than {limits.depth_max} levels deep",
            rule=f"arrays and objects are nested at most {limits.depth_max} levels deep",
            cure="flatten the request",
        )  # fmt: skip
    if elements > limits.elements_max:
        raise InputError(
            "RPCJ-E03", f"the body has more than {limits.elements_max} elements",
            rule=f"arrays and objects hold at most {limits.elements_max} elements together",
            cure="send less at once, or use a method for bulk",
        )  # fmt: skip
