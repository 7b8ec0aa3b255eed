"""Which core carries out a document, and the one call that margins a case under any method."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

from steelyard.margin.methods.answer import Answer
from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

_OWN = "steelyard.margin.methods.own"
CORES = {
    "scenario": "steelyard.margin.methods.core.answering",
    "derive-auction": f"{_OWN}.derive_auction",
    "dydx-v4": f"{_OWN}.dydx_v4",
    "drift-v2": f"{_OWN}.drift_v2",
    "vega": f"{_OWN}.vega",
    "tiers": f"{_OWN}.tiers",
    "bybit": f"{_OWN}.bybit",
    "bitmex-adl": f"{_OWN}.bitmex_adl",
}


class Core(NamedTuple):
    """The type that a core's statements are decoded to, and what answers a case."""

    number: type[Any]
    answer: Callable[[Case[Any], MethodDocument], Answer]


def core_of(document: MethodDocument) -> Core:
    """Return the core of a document. Errors: TERM-E24 for a core that does not exist."""
    name = document.rules.get("core")
    module = CORES.get(name) if isinstance(name, str) else None
    if module is None:
        raise TermsError(
            "TERM-E24",
            f"{document.name} {document.version} names the core {name!r}",
            rule=f"a core is one of {', '.join(CORES)}",
            cure="mend [rules] core",
            field="rules.core",
        )
    found = import_module(module)
    return Core(found.Number, found.answer)


def margin_of(case: Case[Any], document: MethodDocument) -> Answer:
    """Return what a method says of a case, under the case's parameters.

    Errors: TERM-… for parameters, METH-… and STAT-… for what the statement lacks or gets wrong.

    >>> from steelyard.terms.documents import documents
    >>> from steelyard.terms.stated import Account, Case, Market, Perpetual, Position, Underlying
    >>> market = Market("2026-06-01T08:00:00Z",
    ...                 underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))})
    >>> account = Account(positions=(Position("BTC-PERPETUAL", 1.0),))
    >>> case = Case("one", "paradex-pm", market=market, account=account)
    >>> margin_of(case, documents().get("paradex-pm")).initial_requirement
    11760.0
    """
    core = core_of(document)
    return core.answer(case, document.with_parameters(case.parameters))
