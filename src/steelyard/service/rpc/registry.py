"""The methods of the service: each with its handler, its types, its scope and its cost.

A method is refused where its name, its scope and its being private do not agree, where it takes or gives
what the wire cannot carry, or where another has its name. Nothing is registered later: what the registry
holds is what `rpc.discover` lists and what the matrix of access has rows for.

RPCJ-E21 two methods have one name
RPCJ-E22 a name, scope, cost or summary that no method can have
RPCJ-E23 params or a result that the wire cannot carry, or that cannot be described
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, Union

import msgspec
from msgspec import inspect

from steelyard.quantities.errors import TermsError
from steelyard.service.access.matrix import PUBLIC, Row, Touches
from steelyard.service.access.session import SCOPES
from steelyard.service.rpc.errors import CallError
from steelyard.service.rpc.limits import DEFAULT_LIMITS, Limits
from steelyard.service.rpc.messages import Envelope

NEAREST_MAX = 3
LIKENESS_MIN = 0.4
CEILINGS_MAX = 64  # sets of scopes whose ceiling is kept; five scopes have 32
_NAME = re.compile(r"(?:public|private)(?:/[a-z][a-z0-9_]*){1,3}|rpc\.discover")
_NUMBER_KEYS = (inspect.FloatType, inspect.DecimalType)

Handler = Callable[[Any, Any], Any]
"""(params, context) → result: a struct in, a value of the stated type out; of an `async` one when awaited."""


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The params of a method that takes none."""


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One method of the service.

    handler: (params, context) → result; an `async` one is a command, see `dispatch`. params: a struct; result: any type that the wire carries.
    scope: one of the scopes, or "public". credits: what a call costs. touches: no account, the one that its
    params name, or every one. limits: of its request's body.
    """

    name: str
    handler: Handler
    params: type[msgspec.Struct]
    result: Any
    scope: str
    credits: int
    is_private: bool
    summary: str
    touches: Touches = "none"
    limits: Limits = DEFAULT_LIMITS


class Entry(NamedTuple):
    """A method with what is made once for it.

    decode: reads its params. pairs: its name in pairs of letters. has_decimal_params, has_decimal_result:
    whether a Decimal may be within. is_command: whether its handler is awaited.
    """

    method: Method
    decode: Callable[[Any], Any]
    pairs: frozenset[str]
    has_decimal_params: bool
    has_decimal_result: bool
    is_command: bool


class Registry:
    """Methods by name, in the order they were given. Errors: RPCJ-E21, RPCJ-E22, RPCJ-E23.

    >>> class Version(msgspec.Struct):
    ...     version: str
    >>> test = Method(name="public/test", handler=lambda params, context: Version("1"), params=NoParams,
    ...               result=Version, scope="public", credits=0, is_private=False, summary="Says who answers")
    >>> methods = Registry([test])
    >>> methods.rows()
    (Row(endpoint='public/test', scope='public', touches='none'),)
    >>> methods.find("public/tset")
    Traceback (most recent call last):
    steelyard.service.rpc.errors.CallError: RPCJ-E07: there is no method 'public/tset' \
(method=public/tset). Rule: a method is one of those that rpc.discover lists. Cure: did you mean public/test?.
    """

    def __init__(self, methods: Iterable[Method]) -> None:
        self._entries: dict[str, Entry] = {}
        for method in methods:
            if method.name in self._entries:
                raise _unfit("RPCJ-E21", method.name, "it is there twice", "a name has one method")
            _check(method)
            self._entries[method.name] = Entry(
                method,
                msgspec.json.Decoder(method.params).decode,
                _pairs(method.name),
                _has_decimal(method.params),
                _has_decimal(method.result),
                iscoroutinefunction(method.handler),
            )
        self._entries_of_wholes = {_whole(entry.method): entry for entry in self._entries.values()}
        wholes: Any = Union[tuple(self._entries_of_wholes)] if self._entries else Envelope  # noqa: UP007
        self._decode_whole = msgspec.json.Decoder(wholes).decode
        self._ceilings: dict[frozenset[str], Limits] = {}

    def __iter__(self) -> Iterator[Method]:
        """Return the methods in their order."""
        return (entry.method for entry in self._entries.values())

    def __len__(self) -> int:
        """Return how many methods there are."""
        return len(self._entries)

    def find(self, name: str) -> Entry:
        """Return what is kept of a method. Errors: RPCJ-E07, with the nearest names."""
        entry = self._entries.get(name)
        if entry is None:
            raise self._unknown(name)
        return entry

    def decode_whole(self, body: bytes) -> tuple[Entry, Envelope, Any] | None:
        """Return (entry, request, params) of a sound request in one pass, None where anything is unfit.

        The steps one after another read the body twice: for a method's name, then for its params. They
        say what is wrong with a request, and this only that it is not sound.
        """
        try:
            whole = self._decode_whole(body)
        except (msgspec.MsgspecError, ValueError):
            return None
        entry = self._entries_of_wholes.get(type(whole))
        return None if entry is None else (entry, whole, whole.params)

    def rows(self) -> tuple[Row, ...]:
        """Return the rows of the matrix of access, one a method."""
        return tuple(
            msgspec.convert({"endpoint": m.name, "scope": m.scope, "touches": m.touches}, Row)
            for m in self
        )

    def ceiling(self, scopes: frozenset[str]) -> Limits:
        """Return the widest limits among the methods that a session of these scopes may call.

        A body is held against them before anybody knows its method: nobody can send to a method for bulk
        who may not call it.
        """
        found = self._ceilings.get(scopes)
        if found is None:
            found = DEFAULT_LIMITS
            for method in self:
                if method.scope == PUBLIC or method.scope in scopes:
                    found = found.widened(method.limits)
            if len(self._ceilings) < CEILINGS_MAX:
                self._ceilings[scopes] = found
        return found

    def _unknown(self, name: str) -> CallError:
        """Return RPCJ-E07; names are alike by the pairs of letters that they share."""
        pairs = _pairs(name)
        likeness = {
            known: 2.0 * len(pairs & entry.pairs) / (len(pairs) + len(entry.pairs))
            for known, entry in self._entries.items()
        }
        alike = sorted((-score, known) for known, score in likeness.items() if score > LIKENESS_MIN)
        nearest = tuple(known for _, known in alike[:NEAREST_MAX])
        cure = f"did you mean {' or '.join(nearest)}?" if nearest else "see rpc.discover"
        return CallError(
            "RPCJ-E07", f"there is no method {name!r}",
            rule="a method is one of those that rpc.discover lists", cure=cure, nearest=nearest,
            method=name,
        )  # fmt: skip


def _whole(method: Method) -> Any:
    """Return the struct of a method's requests, told from the others by `method`."""
    return msgspec.defstruct(
        "Whole", [("params", method.params)], bases=(Envelope,), tag_field="method", tag=method.name,
        frozen=True, kw_only=True,
    )  # fmt: skip


def _pairs(name: str) -> frozenset[str]:
    """Return the pairs of neighbouring letters of a name, its ends marked."""
    marked = f"^{name}$"
    return frozenset(marked[i : i + 2] for i in range(len(marked) - 1))


def _unfit(code: str, name: str, said: str, rule: str) -> TermsError:
    return TermsError(code, f"{name}: {said}", rule=rule, cure="mend the method", method=name)


def _check(method: Method) -> None:
    """Raise RPCJ-E22 or RPCJ-E23 for the first rule that a method breaks."""
    name = method.name
    is_private = name.startswith("private/")
    for holds, said, rule in (
        (
            _NAME.fullmatch(name),
            "no method can be called so",
            "names are public/… or private/… in small letters",
        ),
        (
            method.is_private == is_private,
            "is_private contradicts the name",
            "private/… is private",
        ),
        (
            method.scope in SCOPES if is_private else method.scope == PUBLIC,
            f"its scope is {method.scope!r}",
            f"a private method has one of {', '.join(SCOPES)}; any other is public",
        ),
        (method.credits >= 0, f"it costs {method.credits} credits", "a cost is not negative"),
        (
            method.summary and "\n" not in method.summary,
            "its summary is none",
            "a summary is a line",
        ),
        (
            method.touches != "none" or not {"account", "accounts"} & _names(method.params),
            "its params name an account and it touches none",
            "touches says one or every where an account is named",
        ),
        (
            is_private or method.touches == "none",
            "it is public and touches accounts",
            "accounts are private",
        ),
        (callable(method.handler), "its handler cannot be called", "a handler is a function"),
    ):
        if not holds:
            raise _unfit("RPCJ-E22", name, said, rule)
    try:
        params, result = inspect.multi_type_info((method.params, method.result))
        msgspec.json.schema_components((method.params, method.result))
    except TypeError as error:
        raise _unfit("RPCJ-E23", name, str(error), "types are those of msgspec") from None
    if not isinstance(params, inspect.StructType) or params.array_like:
        raise _unfit("RPCJ-E23", name, "params are no object", "params are a struct with names")
    for found in (*_inner(params), *_inner(result)):
        if isinstance(found, inspect.DictType) and isinstance(found.key_type, _NUMBER_KEYS):
            raise _unfit(
                "RPCJ-E23", name, "a number as a key is not null where it is NaN",
                "keys are strings or integers",
            )  # fmt: skip


def _has_decimal(kind: Any) -> bool:
    """Return whether a Decimal may be within a type."""
    return any(
        isinstance(found, inspect.DecimalType | inspect.AnyType)
        for found in _inner(inspect.type_info(kind))
    )


def _names(params: Any) -> frozenset[str]:
    """Return the names of a struct's fields on the wire, none of what is no struct."""
    return frozenset(getattr(params, "__struct_encode_fields__", ()))


def _inner(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield a type and all types within it, each struct once."""
    seen: set[object] = set()
    waiting: list[Any] = [kind]
    while waiting:
        found = waiting.pop()
        if isinstance(found, inspect.Field):
            found = found.type
        if isinstance(found, (tuple, list)):
            waiting.extend(found)
            continue
        if not isinstance(found, inspect.Type):
            continue
        named = getattr(found, "cls", None)
        if named is not None:
            if named in seen:
                continue
            seen.add(named)
        yield found
        waiting.extend(getattr(found, field) for field in found.__struct_fields__)
