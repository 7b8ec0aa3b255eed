"""A method that fails, for the second process of a test."""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.service.rewind.methods import all_methods
from steelyard.service.rpc.registry import Method


def methods() -> tuple[Method, ...]:
    """Return the methods, two of which fail."""

    def fail(params: Any, context: Any) -> int:
        return 1 // 0

    names = ("public/get_time", "private/liquidation_map")
    return tuple(
        msgspec.structs.replace(each, handler=fail) if each.name in names else each
        for each in all_methods()
    )
