"""Fixed account slots: an account lives in one of 256, whichever shard holds that slot today."""

from __future__ import annotations

import hashlib

from steelyard.terms.account import owner_of

SLOT_COUNT = 256


def slot_of(unit: str) -> int:
    """Return the slot of a margin unit: the first byte of blake2b of its owner's name.

    An isolated position shares the slot of its owner. Python's own string hash changes from run to
    run and is not used.

    >>> slot_of("maker-7") == slot_of("maker-7/BTC_USDC-PERPETUAL")
    True
    """
    return hashlib.blake2b(owner_of(unit).encode(), digest_size=1).digest()[0]
