"""Params into their struct, and what is said where they do not fit: the field, the rule and the cure.

RPCJ-E05 params that are neither an object nor an array
RPCJ-E08 a parameter is missing, unknown, or not what its field takes
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

import msgspec

from steelyard.quantities.errors import InputError
from steelyard.service.rpc.errors import CallError
from steelyard.service.rpc.messages import not_json, not_request
from steelyard.service.rpc.registry import Entry
from steelyard.terms.decoding import Fault, fault_of

NAMED_MAX = 5_000  # entries of a table among which the one at fault is looked for
NAME_CHARACTERS_MAX = 80
_STEP = re.compile(r"\[\d+\]|[^.\[]+")
_EXPECTED = re.compile(r"Expected (?P<rule>.+?)(?:, got `(?P<got>[^`]+)`)?")
_decode_tree = msgspec.json.Decoder(
    float_hook=lambda text: number if isfinite(number := float(text)) else None
).decode
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)


def decode_params(entry: Entry, params: msgspec.Raw) -> Any:
    """Return the params of a method. Errors: RPCJ-E04, RPCJ-E05, RPCJ-E08.

    >>> from steelyard.service.rpc.registry import Method, Registry
    >>> class Asked(msgspec.Struct, forbid_unknown_fields=True):
    ...     currency: str
    ...     depth: int = 5
    >>> book = Method(name="public/get_book", handler=print, params=Asked, result=list[float],
    ...               scope="public", credits=1, is_private=False, summary="Prices of a currency")
    >>> entry = Registry([book]).find("public/get_book")
    >>> decode_params(entry, msgspec.Raw(b'{"currency": "BTC"}'))
    Asked(currency='BTC', depth=5)
    >>> decode_params(entry, msgspec.Raw(b'{"currency": "BTC", "depth": "5"}'))
    Traceback (most recent call last):
    steelyard.service.rpc.errors.CallError: RPCJ-E08: depth: expected `int`, got `str` (field=depth). \
Rule: depth is `int`. Cure: send `int` there.
    >>> decode_params(entry, msgspec.Raw(b'{"depth": 5}'))
    Traceback (most recent call last):
    steelyard.service.rpc.errors.CallError: RPCJ-E08: currency is missing (field=currency). \
Rule: public/get_book is asked with currency. Cure: add currency.
    """
    try:
        return entry.decode(params)
    except msgspec.ValidationError as error:
        raise _unfit(entry, params, fault_of(error)) from None
    except (msgspec.DecodeError, ValueError) as error:
        raise not_json(str(error)) from None


def _unfit(entry: Entry, params: msgspec.Raw, fault: Fault) -> InputError:
    """Return what is wrong with params that do not fit."""
    method = entry.method
    first = bytes(params).lstrip()[:1]
    if first == b"[":
        return CallError(
            "RPCJ-E08", "params are an array", rule="parameters are given by name",
            cure=f'send {{"{next(iter(_names(entry)), "name")}": …}}',
        )  # fmt: skip
    if first != b"{":
        return not_request(
            "params are no object",
            "params are an object, or left out",
            "send params as {…}",
            "params",
        )
    fault = fault._replace(path=_named(entry, params, fault.path))
    field = fault.field()
    if fault.missing:
        return CallError(
            "RPCJ-E08", f"{field} is missing", rule=f"{method.name} is asked with {fault.missing}",
            cure=f"add {field}", field=field,
        )  # fmt: skip
    unknown = _UNKNOWN.fullmatch(fault.said)
    if unknown is not None:
        return _unknown(entry, fault.path, unknown["name"])
    said = f"{fault.said[:1].lower()}{fault.said[1:]}"
    expected = _EXPECTED.fullmatch(fault.said)
    what = expected["rule"] if expected else "what rpc.discover says"
    return CallError(
        "RPCJ-E08", f"{field or 'params'}: {said}", rule=f"{field or 'the object'} is {what}",
        cure=f"send {what} there", field=field,
    )  # fmt: skip


def _named(entry: Entry, params: msgspec.Raw, path: str) -> str:
    """Return the path with the name of the entry at fault, where the decoder says no more than `[...]`.

    The first entry that does not fit is found by halving its table, so all of it is read about thrice.
    """
    head, found, rest = path.partition("[...]")
    if not found:
        return path
    try:
        tree = _decode_tree(params)
    except msgspec.MsgspecError:  # an integer of thousands of digits
        return path
    table, holder, name = tree, None, None
    for name in _STEP.findall(head):
        holder = table
        table = table[int(name[1:-1])] if name.startswith("[") else table[name]
    if not isinstance(table, dict) or holder is None or not 0 < len(table) <= NAMED_MAX:
        return path
    place = int(name[1:-1]) if name and name.startswith("[") else name
    entries = list(table.items())

    def is_unfit(first: int, end: int) -> bool:
        holder[place] = dict(entries[first:end])
        try:
            msgspec.convert(tree, entry.method.params)
        except msgspec.ValidationError as error:
            return fault_of(error).path == path
        return False

    first, end = 0, len(entries)
    if not is_unfit(first, end):
        return path
    while end - first > 1:
        middle = (first + end) // 2
        first, end = (first, middle) if is_unfit(first, middle) else (middle, end)
    return f"{head}.{entries[first][0][:NAME_CHARACTERS_MAX]}{rest}"


def _unknown(entry: Entry, path: str, name: str) -> CallError:
    """Return what is wrong with a parameter that a method does not know."""
    field = f"{path}.{name}" if path else name
    known = ", ".join(_names(entry)) or "none"
    rule = f"the parameters of {entry.method.name} are {known}" if not path else "names are known"
    return CallError(
        "RPCJ-E08", f"{field[:80]} is not known", rule=rule, cure="leave it out, or mend the name",
        field=field,
    )  # fmt: skip


def _names(entry: Entry) -> tuple[str, ...]:
    """Return the names of a method's parameters as on the wire."""
    return entry.method.params.__struct_encode_fields__
