"""An object names a key once: two programs that read the same bytes must not read two requests.

Decoders take the last of two values, or the first, and say nothing. Here one pass over the bytes gives each
key a hash of the object it stands in and of its own bytes, and looks it up in a table; where a hash comes
twice, or a key is written with escapes, the body is read exactly. The hashes are seeded for each process,
so nobody can prepare a body that is slow to check.

RPCJ-E13 an object has a key twice
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import numpy as np
from numba import types

from steelyard.quantities.errors import InputError
from steelyard.service.rpc.limits import (
    BACKSLASH,
    CLOSING,
    OPENING,
    PAIR_BIT,
    QUOTE,
)
from steelyard.valuation.compiled import kernel

COLON = ord(":")
DEPTH_KEPT = 64
SLOTS_MAX = 1 << 17
NAME_CHARACTERS_MAX = 80
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_BYTES: Any = types.Array(types.uint8, 1, "C", readonly=True)
_SEED = np.uint64(secrets.randbits(64) | 1)


@kernel(types.boolean(_BYTES, types.uint64))
def _has_maybe_twice(body: Any, seed: Any) -> bool:
    """Return whether a key may be twice in an object; False is sure.

    The string before a colon is a key of the innermost object that is open. Whatever is not well formed
    may be answered either way: the decoder refuses it.
    """
    end, one, colons = np.uint64(body.size), np.uint64(1), np.uint64(0)
    for k in range(body.size):
        colons += np.uint64(body[k] == COLON)
    slots = np.uint64(16)
    while slots < colons * np.uint64(2) and slots < np.uint64(SLOTS_MAX):
        slots *= np.uint64(2)
    held, held_max = np.uint64(0), slots // np.uint64(2)
    table = np.zeros(slots, np.uint64)
    mask = slots - one
    owners = np.zeros(DEPTH_KEPT, np.uint64)
    depth, objects = np.uint64(0), np.uint64(1)
    last, is_escaped = np.uint64(0), False
    i = np.uint64(0)
    while i < end:
        byte = body[i]
        i += one
        if byte == QUOTE:
            last, is_escaped = seed, False
            while i < end:
                inner = body[i]
                i += one
                if inner == QUOTE:
                    break
                if inner == BACKSLASH:
                    is_escaped = True
                    i += one
                last = (last ^ np.uint64(inner)) * _MULTIPLIER
                last ^= last >> np.uint64(29)
        elif byte == COLON:
            if is_escaped:
                return True
            owner = owners[depth & np.uint64(DEPTH_KEPT - 1)]
            found = (last ^ (owner * _MULTIPLIER + seed)) * _MULTIPLIER
            found ^= found >> np.uint64(32)
            found |= one  # zero is an empty place
            place = (found >> one) & mask
            held += one
            if held > held_max:
                return True
            while table[place] != np.uint64(0):
                if table[place] == found:
                    return True
                place = (place + one) & mask
            table[place] = found
        elif (byte | PAIR_BIT) == OPENING:
            depth += one
            if depth >= np.uint64(DEPTH_KEPT):
                return True
            if byte == OPENING:
                owners[depth] = objects
                objects += one
        elif (byte | PAIR_BIT) == CLOSING and depth > np.uint64(0):
            depth -= one
    return False


def check_unique(body: bytes) -> None:
    """Raise RPCJ-E13 where an object of the body has a key twice; what is no JSON is not judged.

    >>> check_unique(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}')
    >>> check_unique(b'{"a": 1, "b": 2, "\\\\u0061": 3}')
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: RPCJ-E13: 'a' is there twice (field=a). Rule: an object has a \
key once. Cure: leave one of them out.
    """
    if _has_maybe_twice(np.frombuffer(body, np.uint8), _SEED):
        try:
            json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            return


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            shown = name[:NAME_CHARACTERS_MAX]
            raise InputError(
                "RPCJ-E13", f"{shown!r} is there twice", rule="an object has a key once",
                cure="leave one of them out", field=shown,
            )  # fmt: skip
        seen.add(name)
