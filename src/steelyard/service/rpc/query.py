"""The form of HTTP GET: a path and query pairs, as /api/v2/public/get_book?currency=BTC&depth=5.

What a pair means follows from the type of its parameter. Where the type takes text, the value is that text.
Any other value is JSON: 5, true, null, ["a","b"], {"BTC-PERPETUAL":-10}. A value that is no JSON stays text, and
then decoding the params says which field expected what, as it would for a body.

RPCJ-E05 a path that is none of ours, or a name given twice
RPCJ-E07 a method that is not there
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from steelyard.service.rpc.limits import Limits, check_limits, check_size
from steelyard.service.rpc.messages import METHOD_CHARACTERS_MAX, Id, Request, not_request
from steelyard.service.rpc.registry import Method, Registry
from steelyard.service.rpc.unique import check_unique

PREFIX = "/api/v2/"
_TEXT = (
    inspect.StrType,
    inspect.DateTimeType,
    inspect.DateType,
    inspect.TimeType,
    inspect.UUIDType,
)
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


def takes_text(kind: inspect.Type) -> bool:
    """Return whether a value of this type may be text.

    >>> [takes_text(inspect.type_info(kind)) for kind in (str, str | None, float, list[str], bool)]
    [True, True, False, False, False]
    """
    match kind:
        case inspect.UnionType(types=types):
            return any(takes_text(each) for each in types)
        case inspect.LiteralType(values=values):
            return any(isinstance(value, str) for value in values)
        case inspect.EnumType(cls=cls):
            return any(isinstance(member.value, str) for member in cls)
        case inspect.Metadata(type=inner):
            return takes_text(inner)
        case _:
            return isinstance(kind, _TEXT)


@cache
def text_fields(params: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names, as on the wire, of the fields that take text.

    >>> class Asked(msgspec.Struct):
    ...     currency: str
    ...     depth: int = 5
    >>> text_fields(Asked)
    frozenset({'currency'})
    """
    kind: Any = inspect.type_info(params)
    return frozenset(field.encode_name for field in kind.fields if takes_text(field.type))


def from_query(
    registry: Registry,
    path: str,
    pairs: Iterable[tuple[str, str]],
    limits: Limits | None = None,
    identity: Id = None,
) -> Request:
    """Return the request of a path and its decoded query pairs; its id is null unless one is given.

    limits: held against names and values together; the method's own where none are given.
    Errors: RPCJ-E01 … E03, RPCJ-E05, RPCJ-E07.

    >>> class Asked(msgspec.Struct):
    ...     currency: str
    ...     depth: int = 5
    >>> book = Method(name="public/get_book", handler=print, params=Asked, result=list[float],
    ...               scope="public", credits=1, is_private=False, summary="Prices of a currency")
    >>> request = from_query(Registry([book]), "/api/v2/public/get_book", [("currency", "1"), ("depth", "3")])
    >>> request.method, bytes(request.params)
    ('public/get_book', b'{"currency":"1","depth":3}')
    """
    name = path.removeprefix(PREFIX)
    if name == path or not 0 < len(name) <= METHOD_CHARACTERS_MAX:
        raise not_request(
            f"the path {path[:80]!r} names no method", f"a path is {PREFIX} and the name of a method",
            f"ask {PREFIX}public/test",
        )  # fmt: skip
    method = registry.find(name).method
    held = limits or method.limits
    return Request(
        jsonrpc="2.0", method=name, id=identity, params=msgspec.Raw(_params(method, pairs, held))
    )


def _params(method: Method, pairs: Iterable[tuple[str, str]], limits: Limits) -> bytes:
    """Return the params of the pairs as the text of a JSON object."""
    texts = text_fields(method.params)
    found: dict[str, msgspec.Raw] = {}
    length = 0
    for name, value in pairs:
        length += len(name) + len(value)
        check_size(length, limits)
        if name in found:
            raise not_request(
                f"{name[:80]} is there twice", "a parameter is given once", "give a list as JSON",
                name[:80],
            )  # fmt: skip
        found[name] = _text(value) if name in texts else _value(value, limits)
    try:
        body = msgspec.json.encode(found)
    except UnicodeEncodeError:
        raise _no_text() from None
    check_limits(body, limits)
    check_unique(body)
    return body


def _text(value: str) -> msgspec.Raw:
    """Return a value as the text that it is."""
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except UnicodeEncodeError:
        raise _no_text() from None


def _no_text() -> Exception:
    return not_request(
        "the query is no text", "a query is UTF-8, percent-encoded", "encode it with a library"
    )


def _value(value: str, limits: Limits) -> msgspec.Raw:
    """Return the JSON that a value is, or the value as text where it is none."""
    try:
        body = value.encode()
    except UnicodeEncodeError:
        raise _no_text() from None
    check_limits(body, limits)
    try:
        return _decode_raw(body)
    except msgspec.DecodeError:
        return _text(value)
