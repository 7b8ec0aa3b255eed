"""A case under the scenario core: equity, requirements and the venue's own numbers."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from msgspec.structs import replace

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.core.books import book_of
from steelyard.margin.methods.core.evaluation import ACCOUNT, UNDERLYING, Evaluation
from steelyard.margin.methods.core.explaining import explanation
from steelyard.margin.methods.core.instruments import Instruments
from steelyard.margin.methods.core.missing import missing_input
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.rules import Compiled
from steelyard.margin.methods.explanation import Explanation
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Account, Case, parse_contract

Number = float
MODES = ("portfolio", "cross", "isolated", "fully_collateralised")


def answer(case: Case[float], document: MethodDocument) -> Answer:
    """Return what a scenario document says of a case. Errors: METH-…, STAT-…, TERM-…."""
    evaluation = evaluated(case, Compiled(document), keeps=True)
    return answer_of(evaluation)


def explain(case: Case[float], document: MethodDocument) -> Explanation:
    """Return why a scenario document says so. Errors: those of `answer`."""
    evaluation = evaluated(case, Compiled(document), is_dual=True)
    _levels(evaluation)
    return explanation(evaluation, _currency(evaluation))


def evaluated(
    case: Case[float], compiled: Compiled, *, keeps: bool = False, is_dual: bool = False
) -> Evaluation:
    """Return the evaluation of one case's book."""
    rules = compiled.rules
    _check_statement(compiled, case.account)
    contracts = [position.instrument for position in case.account.positions]
    cash = rules.settlement if rules.settlement != "underlying" else _coin_of(case, contracts)
    account = _without_nothing(case.account, cash)
    coins = [name for name in account.balances if name != cash]
    instruments = Instruments(case.market, contracts, coins, is_single=compiled.is_single)
    _check_scope(compiled, instruments)
    books = book_of(account, instruments, cash, compiled.document.name, compiled.covers)
    return Evaluation(Prepared(compiled, instruments), books, keeps=keeps, is_dual=is_dual)


def _without_nothing(account: Account[float], cash: str) -> Account[float]:
    """Return the account without the coins of which it holds exactly nothing."""
    held = {name: n for name, n in account.balances.items() if n != 0.0 or name == cash}
    return replace(account, balances=held) if len(held) < len(account.balances) else account


def _coin_of(case: Case[float], contracts: list[str]) -> str:
    """Return the coin that a coin-settled account is kept in."""
    if contracts:
        return parse_contract(contracts[0]).underlying
    return next(iter(sorted(case.market.underlyings)), "")


def answer_of(evaluation: Evaluation) -> Answer:
    """Return the answer of an evaluation of one account; a number that is missing is an error."""
    levels = _levels(evaluation)
    native = {
        name: _native(evaluation, wanted, f"rules.native.{name}")
        for name, wanted in evaluation.compiled.rules.native.items()
    }
    return Answer(currency=_currency(evaluation), **levels, native=native)


def _levels(evaluation: Evaluation) -> dict[str, Any]:
    """Return equity and the requirements; a number that is missing is an error."""
    levels: dict[str, Any] = {
        name: float(evaluation.column(name)[0])
        for name in ("equity", "initial_requirement", "maintenance_requirement")
    }
    if evaluation.compiled.rules.is_equity_asked is False and not isfinite(levels["equity"]):
        levels["equity"] = None
    if not all(value is None or isfinite(value) for value in levels.values()):
        raise _unusable(evaluation)
    return levels


def _check_statement(compiled: Compiled, account: Account[float]) -> None:
    """Raise METH-E04 for what a statement holds and the rules refuse: a mode, orders, an inverse contract."""
    refuses = compiled.rules.refuses
    inverse = [i for i, each in enumerate(account.positions) if each.contract == "inverse"]
    if account.mode in refuses:
        modes = " or ".join(mode for mode in MODES if mode not in refuses)
        raise _uncovered(
            compiled,
            f"accounts in mode {account.mode}",
            f"accounts in mode {modes}",
            "account.mode",
        )
    if "orders" in refuses and account.orders:
        raise _uncovered(
            compiled, "open orders", "positions and balances, and orders as an amount given",
            "account.orders",
        )  # fmt: skip
    if "inverse" in refuses and inverse:
        raise _uncovered(
            compiled, f"{account.positions[inverse[0]].instrument} as an inverse contract",
            "linear contracts", f"account.positions[{inverse[0]}].contract",
        )  # fmt: skip


def _check_scope(compiled: Compiled, instruments: Instruments) -> None:
    """Raise METH-E04 for what the method does not cover: a second underlying, a foreign coin."""
    rules = compiled.rules
    is_one = rules.underlyings == "one"
    if is_one and len(instruments.underlyings) > 1 and any(instruments.names):
        raise _uncovered(
            compiled, " and ".join(instruments.underlyings), "one underlying an account",
            "account.positions",
        )  # fmt: skip
    for name, contract in zip(instruments.names, instruments.contracts, strict=True):
        if contract is not None:
            continue
        is_base = name in instruments.underlyings
        if rules.collateral == "none" or (rules.collateral == "base" and not is_base):
            covered = {
                "none": f"no balance but {rules.settlement}",
                "base": f"{rules.settlement} and the underlying's own coin",
            }[rules.collateral]
            raise _uncovered(compiled, name, covered, f"account.balances.{name}")


def _uncovered(compiled: Compiled, what: str, covered: str, field: str) -> InputError:
    name = compiled.document.name
    return InputError(
        "METH-E04",
        f"{name} does not cover {what}",
        rule=f"{name} covers {covered}",
        cure="drop it from the case, or choose another method",
        field=field,
    )


def _unusable(evaluation: Evaluation) -> InputError:
    """Return the error that names the number that is missing."""
    found = missing_input(evaluation)
    if found is not None:
        return found
    rows = sorted({int(i) for i in evaluation.books.instrument})
    if not rows and evaluation.instruments.underlyings:
        where = f"market.underlyings.{evaluation.instruments.underlyings[0]}"
    else:
        where = "market.underlyings"
    return InputError(
        "METH-E05",
        "the requirement is not a finite number",
        rule="prices, volatilities and quantities are such that sums stay finite",
        cure=f"look at the numbers under {where} and at the quantities",
        field=where,
    )


def _currency(evaluation: Evaluation) -> str:
    currency = evaluation.compiled.document.currency
    if currency != "underlying":
        return currency
    return (evaluation.instruments.underlyings or [""])[0]


def _native(evaluation: Evaluation, wanted: Any, field: str) -> Any:
    """Return one of the venue's own numbers, as the document describes it."""
    if isinstance(wanted, str):
        names = evaluation.scopes[ACCOUNT]
        with np.errstate(all="ignore"):
            value = evaluation.compiled.formulas.of(wanted, field).value(names)
        return float(np.asarray(value, np.float64).reshape(-1)[0]) + 0.0  # −0 is 0
    (kind, what), *_ = wanted.items()
    return _TELLERS[kind](evaluation, what, wanted, field)


def _vector(evaluation: Evaluation, tag: str, wanted: dict[str, Any], _field: str) -> list[float]:
    """Return the P&L of the account in the scenarios of a tag ("all": of every one)."""
    evaluation.name("scan_min", UNDERLYING)
    tags = evaluation.prepared.scenarios.tags
    places = [i for i, each in enumerate(tags) if tag in ("all", each)]
    total = np.zeros(len(places))
    for row in evaluation.totals:
        total = total + row[places]
    sign = float(wanted.get("sign", 1.0))
    return [float(sign * value) + 0.0 for value in total]


def _source(evaluation: Evaluation, _what: str, _wanted: dict[str, Any], _field: str) -> str:
    """Return the tag of the scenario that binds; of the first one where nothing is lost."""
    worst = evaluation.column("scan_min", UNDERLYING)
    tags = evaluation.prepared.scenarios.tags
    if not len(worst) or not worst[0] < 0.0:
        return tags[0]
    return tags[int(evaluation.where[0])]


def _active(evaluation: Evaluation, _what: str, _wanted: dict[str, Any], _field: str) -> int | None:
    """Return the number of the scenario that binds, from 1; None where nothing is lost."""
    worst = evaluation.column("scan_min", UNDERLYING)
    return int(evaluation.where[0]) + 1 if len(worst) and worst[0] < 0.0 else None


def _by_instrument(
    evaluation: Evaluation, kind: str, wanted: dict[str, Any], field: str
) -> dict[str, Any]:
    """Return, by name, formulas of each option (or position) that the account holds."""
    fields: dict[str, str] = wanted["fields"]
    prepared = evaluation.prepared
    found: dict[str, Any] = {}
    for i in sorted({int(each) for each in evaluation.books.instrument}):
        is_option = bool(evaluation.instruments.columns["is_option"][i])
        if kind == "options" and not is_option:
            continue
        if evaluation.instruments.contracts[i] is None:
            continue
        numbers = {
            name: float(prepared.column(text, f"{field}.{name}")[i])
            for name, text in fields.items()
        }
        found[evaluation.instruments.names[i]] = numbers
    return found


def _arrays(
    evaluation: Evaluation, _what: str, wanted: dict[str, Any], _field: str
) -> dict[str, list[float]]:
    """Return, by name, the row of the scenario table of each contract that the account holds."""
    sign = float(wanted.get("sign", 1.0))
    count = len(evaluation.prepared.scenarios)
    return {
        evaluation.instruments.names[i]: [
            float(sign * value) + 0.0 for value in evaluation.prepared.table[i, :count]
        ]
        for i in sorted({int(each) for each in evaluation.books.instrument})
        if evaluation.instruments.contracts[i] is not None
    }


def _by_underlying(
    evaluation: Evaluation, _what: str, wanted: dict[str, Any], field: str
) -> dict[str, Any]:
    """Return, by name, formulas of each underlying that the account holds."""
    fields: dict[str, str] = wanted["fields"]
    found: dict[str, Any] = {}
    for place, u in enumerate(evaluation.segments.unit_underlying):
        numbers = {}
        for name, text in fields.items():
            value = evaluation.compiled.formulas.of(text, f"{field}.{name}").value(
                evaluation.scopes[UNDERLYING]
            )
            numbers[name] = float(np.broadcast_to(value, evaluation.length(UNDERLYING))[place])
        found[evaluation.instruments.underlyings[u]] = numbers
    return found


def _scenario_column(
    evaluation: Evaluation, name: str, _wanted: dict[str, Any], _field: str
) -> list[float]:
    """Return a number of every scenario, such as its move."""
    return [float(value) for value in getattr(evaluation.prepared.scenarios, name)]


_TELLERS: dict[str, Any] = {
    "vector": _vector,
    "source": _source,
    "active": _active,
    "instruments": _by_instrument,
    "arrays": _arrays,
    "underlyings": _by_underlying,
    "scenarios": _scenario_column,
}
