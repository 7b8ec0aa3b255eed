"""How to cure an account: deposits, reductions, trades and hedges that bring back the wanted ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from steelyard.margin.methods.core.rules import checked
from steelyard.margin.methods.cures.batches import BatchDesk
from steelyard.margin.methods.cures.deposits import deposits_of
from steelyard.margin.methods.cures.desks import LEDGERS, CaseDesk, Desk, traded
from steelyard.margin.methods.cures.levels import Wanted, level_of, ratio_of, wanted_of
from steelyard.margin.methods.cures.quotes import (
    Charges,
    charges_of,
    chosen_contracts,
    known_contracts,
    underlyings_of,
)
from steelyard.margin.methods.cures.reductions import kept_changes, reduction_of
from steelyard.margin.methods.cures.results import Cures, Deposit, Level, Reduction, Trade
from steelyard.margin.methods.cures.trades import trades_of
from steelyard.margin.methods.cures.words import cheapest, healthy
from steelyard.margin.methods.needs import refuse
from steelyard.margin.methods.registry import margin_of
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case

RUNNERS_UP = 9
STEP = 1e-4
NO_LEVEL = "the method states no {level} requirement of the account in this case"
NO_EQUITY = "the method states no equity of the account in this case, so it has no ratio"
NEGATIVE = "equity is below zero and a trade at the mark leaves it there: only a deposit helps"
NONE = "neither a deposit, nor a smaller book, nor one of the trades tried brings the ratio back"


def cures_of(
    case: Case[Any],
    document: MethodDocument,
    *,
    wanted: float = 1.0,
    level: Level = "initial",
    tradable: Sequence[str] | None = None,
    taker_fee: float = 0.0,
    half_spread: float = 0.0,
    volatility_half_spread: float = 0.0,
    step: float = STEP,
    runners_up: int = RUNNERS_UP,
) -> Cures:
    """Return the cheapest ways to bring equity to at least `wanted` times the requirement of a level.

    tradable: contracts to trade; by default all that the market knows for the account's underlyings.
    taker_fee (fraction of the notional; of an option's underlying), half_spread (fraction of the price)
    and volatility_half_spread (fraction of the volatility) are what a trade costs; they are paid from
    cash, and the cure holds after. step: fraction of a position's size that quantities are found to.
    Amounts are in the method's currency. Errors: METH-E04, METH-E05, and those of `margin_of`.

    >>> from steelyard.terms.documents import documents
    >>> from steelyard.terms.stated import Account, Market, Perpetual, Position, Underlying
    >>> market = Market("2026-06-01T08:00:00Z",
    ...                 underlyings={"BTC": Underlying(70_000.0, perpetual=Perpetual(70_000.0))})
    >>> account = Account(balances={"USDC": 10_000.0}, positions=(Position("BTC-PERPETUAL", 1.0),))
    >>> case = Case("short of margin", "paradex-pm", market=market, account=account)
    >>> found = cures_of(case, documents().get("paradex-pm"))
    >>> str(found.deposits[0].amount), str(found.reduction.kept)
    ('1200.000000', '0.892857')
    >>> found.cheapest
    'sell 0.1072 BTC-PERPETUAL (notional 7,504 USD): the initial requirement falls from 11,200 to 9,999.36 USD; or deposit 1,200 USDC'
    """
    asked = wanted_of(wanted, level)
    charges = charges_of(taker_fee, half_spread, volatility_half_spread)
    if not 0.0 < step <= 1.0:
        refuse(
            "METH-E05", f"the step is {step}", "a step is a fraction above 0, at most 1",
            "state 0.0001 for a ten-thousandth of the position", "step",
        )  # fmt: skip
    answer = margin_of(case, document)
    requirement = level_of(answer, level)
    currency = answer.currency or document.currency
    bare = Cures(currency, level, float(wanted), answer.equity, requirement)
    if requirement is None:
        return replace(bare, reason=NO_LEVEL.format(level=level))
    if answer.equity is None:
        return replace(bare, reason=NO_EQUITY)
    bare = replace(bare, ratio=ratio_of(answer.equity, requirement))
    short = asked.slack(answer.equity, requirement)
    if short >= 0.0:
        return replace(bare, is_cured=True, cheapest=healthy(bare))
    desk = desk_of(case, document, asked, tradable, charges, currency)
    return _searched(desk, bare, short, step, runners_up, charges)


def _searched(
    desk: Desk, bare: Cures, short: float, step: float, runners_up: int, charges: Charges
) -> Cures:
    """Return the cures that a desk finds for an account that is short."""
    equity, requirement = bare.equity, bare.requirement
    assert equity is not None
    assert requirement is not None
    trades = trades_of(desk, requirement, short, step, runners_up + 1)
    found = replace(
        bare,
        deposits=deposits_of(desk, equity, short),
        reduction=reduction_of(desk, requirement, short, step),
        trades=tuple(trades),
        tried=len(desk.tradable),
        ranked_by="notional" if charges.is_free else "cost",
    )
    said = cheapest(found)
    reason = "" if said else NONE
    if said and not trades and equity < 0:
        reason = NEGATIVE
    return replace(found, cheapest=said, reason=reason)


def cured(
    case: Case[Any],
    document: MethodDocument,
    cure: Deposit | Trade | Reduction | Sequence[Trade],
    *,
    taker_fee: float = 0.0,
    half_spread: float = 0.0,
    volatility_half_spread: float = 0.0,
) -> Case[Any]:
    """Return the statement after a cure, to be margined anew; charges as they were for `cures_of`.

    Of a reduction the kept fraction of the whole book is taken; its `legs` are trades of their own.
    """
    names: list[str] = []
    if isinstance(cure, Trade):
        names = [cure.instrument]
    elif not isinstance(cure, Deposit | Reduction):
        names = [trade.instrument for trade in cure]
    currency = margin_of(case, document).currency or document.currency
    charges = charges_of(taker_fee, half_spread, volatility_half_spread)
    desk = desk_of(case, document, wanted_of(1.0, "initial"), names, charges, currency)
    changed = desk.case
    if isinstance(cure, Deposit):
        return (
            changed
            if cure.amount is None
            else desk.ledger.deposited(changed, cure.asset, cure.amount)
        )
    if isinstance(cure, Reduction):
        changes = [] if cure.kept is None else kept_changes(desk, cure.kept)
        for name, change in zip(desk.held, changes, strict=cure.kept is not None):
            changed = traded(desk, changed, name, change) if change else changed
        return changed
    for trade in [cure] if isinstance(cure, Trade) else cure:
        changed = traded(desk, changed, trade.instrument, desk.ledger.number(trade.quantity))
    return changed


def desk_of(
    case: Case[Any],
    document: MethodDocument,
    wanted: Wanted,
    tradable: Sequence[str] | None,
    charges: Charges,
    currency: str,
) -> Desk:
    """Return the desk of a case: in columns for the scenario core, one by one for the others."""
    core = str(document.rules.get("core"))
    if core == "scenario":
        rules = checked(document)
        is_one = rules.rules.underlyings == "one"
        names = _tradable(case, document, rules.covers, is_one, tradable)
        return BatchDesk(case, document, wanted, names, charges)
    stated = document.with_parameters(case.parameters)
    ledger = LEDGERS[core](case, stated, _cash(core, currency))
    names = _tradable(case, document, ledger.covers, False, tradable)
    return CaseDesk(case, document, ledger, wanted, names, charges)


def _tradable(
    case: Case[Any],
    document: MethodDocument,
    covers: frozenset[str],
    is_one: bool,
    chosen: Sequence[str] | None,
) -> list[str]:
    """Return the contracts to trade: those chosen, else what the market knows and what is held.

    is_one: the method takes one underlying an account.
    """
    if chosen is None:
        held = [position.instrument for position in case.account.positions]
        return list(dict.fromkeys([*known_contracts(case, covers, is_one), *held]))
    return chosen_contracts(
        chosen, covers, underlyings_of(case, True) if is_one else None, document.name
    )


def _cash(core: str, currency: str) -> str:
    """Return the asset that trades are paid in."""
    return "USDC" if core in ("dydx-v4", "drift-v2") else currency
