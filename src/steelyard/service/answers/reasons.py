"""Why a requirement is what it is, how to mend it, what other methods say, and where it ends.

Methods of our own: `private/explain`, `private/cure`, `private/compare`, `private/critical_prices`. Money
that we state is an exact decimal, a string on the wire; what a method answers in floats stays a number.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from steelyard.margin.methods.cures import cures_of
from steelyard.margin.methods.cures.results import Level
from steelyard.margin.methods.explanation import OneMore, ScenarioLine
from steelyard.margin.methods.prices import critical_prices
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.publish.explain import Explanation
from steelyard.publish.strategies import describe
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import POSITIONS_MAX, cannot, too_many, wrong
from steelyard.service.answers.scope import (
    Head,
    case_of,
    head_of,
    named,
    ratio_of,
    scope_of,
    within_numbers,
)
from steelyard.service.answers.units import UnitView
from steelyard.service.answers.wire import BranchView, CriticalView, CuresView, wired

METHODS_MAX = 32
REACH_MAX = 100.0
TICK_CHARACTERS_MAX = 40


class ExplainParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/explain; names_strategies: also what the legs make together (slow)."""

    currency: str | None = None
    account: str | None = None
    method: str | None = None
    version: str | None = None
    names_strategies: bool = False


class UnitReasons(msgspec.Struct, frozen=True):
    """A margin unit, and the trees of its buffer and its free margin: every node is the sum of its children."""

    numbers: UnitView
    trees: tuple[Explanation, ...]


class Explained(Head, frozen=True, kw_only=True):
    """The two requirements part by part, leg by leg; leaves sum to their part, parts to the totals.

    one_more: what one unit more of an instrument adds. strategies: as `publish.strategies` writes them,
    null unless asked for; strategies_missing says why they cannot be named. unit: where the engine itself
    answers, its numbers with equity and haircuts as trees; one_more is of a lot then.
    """

    equity: float | None
    initial_margin: str
    maintenance_margin: str
    parts: tuple[BranchView, ...]
    scenarios: tuple[ScenarioLine, ...]
    one_more: tuple[OneMore, ...]
    strategies: dict[str, Any] | None
    strategies_missing: str
    unit: UnitReasons | None = None


def explain(params: ExplainParams, context: Context) -> Explained:
    """Return why a method asks for what it does. Errors: those of `margin_of`; ANSW-E02 to ANSW-E06."""
    scope = scope_of(context, params.account, params.currency, params.method, params.version)
    with within_numbers(scope):
        found = explanation_of(
            case_of(context, scope), scope.document, names_strategies=params.names_strategies
        )
    if found is None:
        raise cannot(
            f"{scope.document.name} states no requirement of this account as a whole",
            "an explanation is of a requirement", "name another method", "method",
        )  # fmt: skip
    return Explained(
        **head_of(context, scope) | {"currency": found.currency or scope.currency},
        equity=found.equity,
        initial_margin=str(found.initial),
        maintenance_margin=str(found.maintenance),
        parts=tuple(wired(part, BranchView) for part in found.parts),
        scenarios=found.scenarios,
        one_more=found.one_more,
        strategies=None if found.strategies is None else describe(found.strategies),
        strategies_missing=found.strategies_missing,
    )


class CureParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/cure, as `cures_of` takes them.

    wanted: equity over the requirement of the level. tradable: contracts to trade, all known ones if
    left out. taker_fee, half_spread, volatility_half_spread: fractions, what trading costs.
    """

    currency: str | None = None
    account: str | None = None
    method: str | None = None
    version: str | None = None
    wanted: float = 1.0
    level: Level = "initial"
    tradable: tuple[str, ...] | None = None
    taker_fee: float = 0.0
    half_spread: float = 0.0
    volatility_half_spread: float = 0.0


class Cured(Head, frozen=True, kw_only=True):
    """The cheapest ways back to the wanted ratio: deposits, a smaller book, trades."""

    cures: CuresView


def cure(params: CureParams, context: Context) -> Cured:
    """Return how to bring an account back. Errors: those of `cures_of`; ANSW-E01 to ANSW-E04."""
    if params.tradable is not None and len(params.tradable) > POSITIONS_MAX:
        raise too_many(len(params.tradable))
    scope = scope_of(context, params.account, params.currency, params.method, params.version)
    with within_numbers(scope):
        found = cures_of(
            case_of(context, scope), scope.document, wanted=params.wanted, level=params.level,
            tradable=params.tradable, taker_fee=params.taker_fee,
            half_spread=params.half_spread, volatility_half_spread=params.volatility_half_spread,
        )  # fmt: skip
    return Cured(
        **head_of(context, scope) | {"currency": found.currency}, cures=wired(found, CuresView)
    )


class CompareParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/compare: methods by name, all of the library if left out.

    currency: the ledger for the methods that keep one for each coin; the others take the whole account.
    """

    methods: tuple[str, ...] | None = None
    currency: str | None = None
    account: str | None = None


class Compared(msgspec.Struct, frozen=True):
    """What one method says; error holds why it says nothing. margin_ratio: liquidatable below 1."""

    method: str
    version: str
    method_hash: str
    currency: str
    equity: float | None = None
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    margin_ratio: float | None = None
    error: dict[str, Any] | None = None


class Comparison(msgspec.Struct, frozen=True):
    """One account under several methods, in the order asked; amounts are in each row's currency."""

    account: str
    as_of_seq: int
    as_of_us: int
    rows: tuple[Compared, ...]


def compare(params: CompareParams, context: Context) -> Comparison:
    """Return what several methods say of an account. Errors: ANSW-E02, ANSW-E03, ANSW-E05, TERM-E16."""
    library = context.desk.documents()
    names = library.names() if params.methods is None else params.methods
    if not 0 < len(names) <= METHODS_MAX:
        raise wrong(
            f"{len(names)} methods", f"a comparison is of 1 to {METHODS_MAX} methods",
            "name some of them", "methods",
        )  # fmt: skip
    account = named(context, params.account)
    rows = tuple(_compared(context, account, name, params.currency) for name in names)
    return Comparison(account, context.desk.as_of_seq(), context.desk.time_us(), rows)


def _compared(context: Context, account: str, method: str, coin: str | None) -> Compared:
    document = context.desk.documents().get(method)
    bare = Compared(document.name, document.version, document.digest(), document.currency)
    try:
        scope = scope_of(context, account, None, method, coin=coin)
        with within_numbers(scope):
            answer = margin_of(case_of(context, scope), document)
    except SteelyardError as error:
        return msgspec.structs.replace(bare, error=error.as_dict())
    equity, initial, keep = (
        None if each is None else float(each)
        for each in (answer.equity, answer.initial_requirement, answer.maintenance_requirement)
    )
    return msgspec.structs.replace(
        bare, currency=answer.currency or scope.currency, equity=equity, initial_margin=initial,
        maintenance_margin=keep, margin_ratio=ratio_of(equity, keep),
    )  # fmt: skip


class CriticalParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/critical_prices.

    tick: what prices are counted in, a decimal as a string, about a millionth of the price if left out; reach: how many times
    the present price is looked at.
    """

    currency: str | None = None
    account: str | None = None
    method: str | None = None
    version: str | None = None
    tick: str | None = None
    reach: float = 10.0


class Critical(Head, frozen=True, kw_only=True):
    """Liquidation and bankruptcy prices, an entry for each underlying (or isolated position)."""

    prices: tuple[CriticalView, ...]


def critical(params: CriticalParams, context: Context) -> Critical:
    """Return at which prices an account is liquidated. Errors: those of `critical_prices`; ANSW-E05."""
    if not params.reach <= REACH_MAX:
        raise wrong(
            f"reach is {params.reach}",
            f"it is at most {REACH_MAX:g}",
            "give for example 10",
            "reach",
        )
    scope = scope_of(context, params.account, params.currency, params.method, params.version)
    with within_numbers(scope):
        found = critical_prices(
            case_of(context, scope), scope.document, tick=tick_of(params.tick), reach=params.reach
        )
    return Critical(
        **head_of(context, scope), prices=tuple(wired(each, CriticalView) for each in found)
    )


def tick_of(text: str | None) -> Decimal | None:
    """Return a tick. Errors: ANSW-E05 for a text that is no decimal."""
    if text is None:
        return None
    try:
        return Decimal(text[:TICK_CHARACTERS_MAX])
    except InvalidOperation:
        raise wrong(
            f"the tick is {text[:TICK_CHARACTERS_MAX]!r}", "it is a decimal as a string",
            "write for example 0.5", "tick",
        ) from None  # fmt: skip
