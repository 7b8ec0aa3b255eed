"""The market and the method of a call, from whatever names them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from steelyard.frames.read import refuse
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import Library, MethodDocument, documents, load_document
from steelyard.terms.stated import Case, Market, instant_us

FLOATS: Any = Market[float]
DECIMALS: Any = Market[Decimal]


def market_of(given: object) -> Market[Any]:
    """Return a market: a `Market` or a `Case`, a dict, JSON text or a file in the form of the cases.

    A dict may be the market or a whole case. Numbers stated as texts stay exact. Errors: FRAM-E05.

    >>> market_of('{"underlyings": {"BTC": {"index_price": 70000}}}').underlyings["BTC"].index_price
    70000.0
    """
    if isinstance(given, Market):
        return given
    if isinstance(given, Case):
        return given.market
    tree = _tree(given)
    if "market" in tree and not {"underlyings", "assets"} & set(tree):
        tree = tree["market"]
    try:
        found: Market[Any] = msgspec.convert(tree, FLOATS)
        return found
    except msgspec.ValidationError:
        pass  # numbers may be stated as texts, for the methods that count exactly
    try:
        found = msgspec.convert(tree, DECIMALS, strict=False)
    except msgspec.ValidationError as error:
        raise _unreadable(str(error)) from None
    return found


def _tree(given: object) -> Any:
    if isinstance(given, Mapping):
        return msgspec.to_builtins(given, str_keys=True, enc_hook=_plain)
    if isinstance(given, Path) or (isinstance(given, str) and not given.lstrip().startswith("{")):
        try:
            given = Path(given).read_bytes()
        except (OSError, ValueError) as error:
            raise _unreadable(f"there is no such file: {error}") from None
    if not isinstance(given, str | bytes):
        raise _unreadable(f"it is {type(given).__name__}")
    try:
        tree = msgspec.json.decode(given)
    except msgspec.DecodeError as error:
        raise _unreadable(str(error)) from None
    if not isinstance(tree, dict):
        raise _unreadable("it is no JSON object")
    return tree


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    raise NotImplementedError(f"{type(value).__name__} is no number, text or instant")


def _unreadable(said: str) -> InputError:
    return refuse(
        "FRAM-E05", f"the market cannot be read: {said}",
        "a market is a Market, a dict, JSON text or a file in the form of a case's market",
        "see as_of, assets and underlyings on the page of margin in frames", column="market",
    )  # fmt: skip


def library_of(folder: Path | str | None) -> Library:
    """Return the library of methods, with those of a folder. Errors: TERM-E10 to TERM-E17."""
    return documents() if folder is None else documents().with_folder(folder)


def method_of(
    method: object, library: Library, version: str | None = None, at: object = None
) -> MethodDocument:
    """Return a method: a document, the path of one, or a name with a version or an instant.

    Errors: TERM-E16 an unknown name or version, TERM-E10 to TERM-E14 of a file, STAT-E01.
    """
    if isinstance(method, MethodDocument):
        return method
    if isinstance(method, Path) or (
        isinstance(method, str) and method.endswith((".toml", ".json"))
    ):
        return load_document(method)
    return library.get(str(method), version, _instant(at))


def _instant(at: object) -> int | None:
    if at is None:
        return None
    return instant_us(at.isoformat() if isinstance(at, datetime) else str(at), "at")
