"""Decimals on the wire: text that states money, and never "NaN" or "Infinity".

A float that is none is written as null by the encoder itself. A Decimal is written as text, whatever it holds,
and read from any text that names one: for the types that have decimals both are looked at here.

RPCJ-E08 a parameter is a decimal that is no finite number
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from steelyard.service.rpc.errors import CallError
from steelyard.service.rpc.messages import encode

_WORD = re.compile(rb'(?:NaN\d*|Infinity)"')


def encode_finite(value: object) -> bytes:
    """Return a value as JSON, with null for each Decimal that is no finite number.

    >>> encode_finite({"a": [Decimal("1.50"), Decimal("NaN")], "b": Decimal("-Infinity"), "c": "NaN"})
    b'{"a":["1.50",null],"b":null,"c":"NaN"}'
    """
    body = encode(value)
    if isinstance(value, msgspec.Raw) or _WORD.search(body) is None:
        return body
    return encode(_without(msgspec.to_builtins(value, builtin_types=(Decimal,))))


def _without(value: Any) -> Any:
    """Return a value of builtins with None for what is no finite number."""
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without(each) for each in value]
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return value


def check_finite(params: object) -> None:
    """Raise RPCJ-E08 for the first Decimal of the params that is no finite number.

    >>> class Asked(msgspec.Struct):
    ...     ticks: list[Decimal]
    >>> check_finite(Asked([Decimal(1), Decimal("Infinity")]))
    Traceback (most recent call last):
    steelyard.service.rpc.errors.CallError: RPCJ-E08: ticks[1] is Infinity (field=ticks[1]). \
Rule: ticks[1] is a finite number. Cure: send a finite number there, or leave it out.
    """
    found = _first(params, "")
    if found is not None:
        path, value = found
        raise CallError(
            "RPCJ-E08", f"{path} is {value}", rule=f"{path} is a finite number",
            cure="send a finite number there, or leave it out", field=path,
        )  # fmt: skip


def _first(value: object, path: str) -> tuple[str, Decimal] | None:
    """Return the path and value of the first Decimal that is not finite."""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, Decimal):
        return None if value.is_finite() else (path, value)
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        inner = [
            (f"{path}.{name}" if path else name, getattr(value, field)) for field, name in names
        ]
    elif isinstance(value, dict):
        inner = [(f"{path}.{name}", each) for name, each in value.items()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = [(f"{path}[{i}]", each) for i, each in enumerate(value)]
    for place, each in inner:
        found = _first(each, place)
        if found is not None:
            return found
    return None
