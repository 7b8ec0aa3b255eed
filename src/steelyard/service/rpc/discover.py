"""`rpc.discover`: the methods described by themselves, in the form of OpenRPC 1.3.

Everything comes from the registry and from the types of params and results, so the description cannot say
other than what is decoded and encoded. Scope, cost and limits stand in `x-` fields of a method, the error
numbers in `x-errors` of the document. Source: OpenRPC Specification 1.3.2.
"""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.service.access.matrix import PUBLIC
from steelyard.service.rpc.errors import TABLE
from steelyard.service.rpc.registry import Method, NoParams, Registry

DISCOVER = "rpc.discover"
OPENRPC_VERSION = "1.3.2"
_COMPONENT = "#/components/schemas/"


def described(registry: Registry, title: str, version: str) -> dict[str, Any]:
    """Return the document of all methods of a registry, ready for JSON.

    >>> class Asked(msgspec.Struct):
    ...     currency: str
    ...     depth: int = 5
    >>> book = Method(name="public/get_book", handler=print, params=Asked, result=list[float],
    ...               scope="public", credits=1, is_private=False, summary="Prices of a currency")
    >>> method = described(Registry([book]), "Steelyard", "1")["methods"][0]
    >>> method["params"][1]
    {'name': 'depth', 'required': False, 'schema': {'type': 'integer', 'default': 5}}
    >>> method["result"]["schema"]
    {'type': 'array', 'items': {'type': 'number'}}
    """
    methods = tuple(registry)
    types = [kind for method in methods for kind in (method.params, method.result)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_COMPONENT + "{name}")
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {"title": title, "version": version},
        "methods": [
            _method(method, schemas[2 * i], schemas[2 * i + 1], components)
            for i, method in enumerate(methods)
        ],
        "components": {"schemas": components},
        "x-errors": [
            {"code": each.code, "message": each.message, "meaning": each.meaning} for each in TABLE
        ],
    }


def _method(
    method: Method, params: dict[str, Any], result: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    """Return the description of one method; each field of its params is a parameter."""
    reference = params.get("$ref", "")
    whole = components[reference.removeprefix(_COMPONENT)] if reference else params
    required = frozenset(whole.get("required", ()))
    return {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in whole.get("properties", {}).items()
        ],
        "result": {"name": "result", "schema": result},
        "x-private": method.is_private,
        "x-scope": method.scope,
        "x-touches": method.touches,
        "x-credits": method.credits,
        "x-limits": msgspec.to_builtins(method.limits),
    }


def with_discover(registry: Registry, title: str, version: str, credits: int = 1) -> Registry:
    """Return the registry with `rpc.discover` in it, which lists itself as well.

    The document is made once; every call costs the copying of its bytes.
    """
    written: list[msgspec.Raw] = []

    def answer(_params: NoParams, _context: object) -> msgspec.Raw:
        return written[0]

    discover = Method(
        name=DISCOVER, handler=answer, params=NoParams, result=dict[str, Any], scope=PUBLIC,
        credits=credits, is_private=False, summary="Lists every method with its types, scope and cost",
    )  # fmt: skip
    whole = Registry([*registry, discover])
    written.append(msgspec.Raw(msgspec.json.encode(described(whole, title, version))))
    return whole
