"""Which core carries out a document, and the one call that margins a case under any method."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import msgspec

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.explanation import Explanation, of_answer
from steelyard.quantities.errors import TermsError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

_NAMING = "steelyard.margin.methods.core.naming"
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
    """The type that a core's statements are decoded to, what answers a case, and what explains it.

    Both take the document with the case's parameters in it. An explanation is None where the method
    states no requirement of the account as a whole.
    """

    number: type[Any]
    answer: Callable[[Case[Any], MethodDocument], Answer]
    explain: Callable[[Case[Any], MethodDocument], Explanation | None]


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
    return Core(found.Number, found.answer, getattr(found, "explain", _by_parts(found.answer)))


def _by_parts(
    answer: Callable[[Case[Any], MethodDocument], Answer],
) -> Callable[[Case[Any], MethodDocument], Explanation | None]:
    """Return an explanation by the parts that a core of a venue's own names with its answer."""
    return lambda case, document: of_answer(answer(case, document))


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
    11200.0
    """
    core = core_of(document)
    return core.answer(case, document.with_parameters(case.parameters))


def explanation_of(
    case: Case[Any], document: MethodDocument, *, names_strategies: bool = False
) -> Explanation | None:
    """Return why a method says so of a case, part by part and leg by leg; None without requirements.

    names_strategies: also what the legs make together (scenario documents only; it takes longer than all
    the rest). Errors: those of `margin_of`.
    """
    changed = document.with_parameters(case.parameters)
    found = core_of(document).explain(case, changed)
    if found is None or not names_strategies or document.rules.get("core") != "scenario":
        return found
    strategies, missing = import_module(_NAMING).strategies_of(case, changed)
    return msgspec.structs.replace(found, strategies=strategies, strategies_missing=missing)
