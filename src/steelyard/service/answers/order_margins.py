"""What one trade does to an account's margin: `private/get_margins`."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec
import numpy as np

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.batch import Batch, margins_of
from steelyard.margin.methods.batch.columns import (
    GIVEN_AMOUNTS,
    STATED_NUMBERS,
    STATED_TEXTS,
    Floats,
    Objects,
)
from steelyard.margin.methods.batch.trades import Trades, traded
from steelyard.margin.methods.registry import margin_of
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import wrong
from steelyard.service.answers.scope import Head, case_of, head_of, scope_of, within_numbers
from steelyard.terms.stated import Account, parse_contract

NAN = float("nan")


class MarginsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of private/get_margins.

    amount: above zero, in units of the underlying (also of perpetuals); price: per unit, the mark if left
    out. currency, account, method, version: as in private/simulate_portfolio.
    """

    instrument_name: str
    amount: float
    price: float | None = None
    currency: str | None = None
    account: str | None = None
    method: str | None = None
    version: str | None = None


class Margins(Head, frozen=True, kw_only=True):
    """What the account needs as it stands, and after a trade bought or sold.

    buy, sell: what the trade takes from the available funds (equity less initial margin), at least 0; of a
    method without equity, what it adds to the initial margin. min_price, max_price: null, since no price
    band is known here.
    """

    instrument_name: str
    amount: float
    price: float | None
    buy: float
    sell: float
    initial_margin: float
    maintenance_margin: float
    buy_initial_margin: float
    buy_maintenance_margin: float
    sell_initial_margin: float
    sell_maintenance_margin: float
    min_price: float | None = None
    max_price: float | None = None


def get_margins(params: MarginsParams, context: Context) -> Margins:
    """Return the margin of a trade bought and sold, each on a copy of the account.

    Errors: ANSW-E02 to ANSW-E05, and those of `margin_of` for the account before and after.
    """
    if not (isfinite(params.amount) and params.amount > 0.0):
        raise wrong(
            f"the amount is {params.amount}", "an amount is above zero and finite",
            "state the size of the order in units of the underlying", "amount",
        )  # fmt: skip
    if params.price is not None and not (isfinite(params.price) and params.price > 0.0):
        raise wrong(
            f"the price is {params.price}", "a price is above zero and finite",
            "state it, or leave it out for the mark", "price",
        )  # fmt: skip
    contract = parse_contract(params.instrument_name)
    scope = scope_of(
        context, params.account, params.currency, params.method, params.version,
        contract.underlying,
    )  # fmt: skip
    with within_numbers(scope):
        before = margin_of(case_of(context, scope), scope.document)
    batch = batch_of(scope.name, scope.account)
    trades = Trades(
        [params.instrument_name], np.zeros(2, np.int64), np.zeros(2, np.int64),
        np.array([params.amount, -params.amount]),
        np.full(2, NAN if params.price is None else params.price), {}, {},
    )  # fmt: skip
    market = context.desk.market()
    with np.errstate(all="ignore"):  # what overflows is an error of the account, not of the sum
        after = traded(batch, trades, market, scope.document)
        for error in after.errors.values():
            raise error
        found = margins_of(after.batch, market, scope.document)
    for error in found.errors.values():
        raise error
    if len(found.account) != 2:
        raise wrong(
            f"{params.instrument_name} is kept in another ledger than {scope.currency}",
            "a trade is in a contract of the ledger", "leave the currency out", "currency",
        )  # fmt: skip
    initial, keep = _number(before.initial_requirement), _number(before.maintenance_requirement)
    takes = [
        _taken(before, found.equity.item(i), found.initial_requirement.item(i)) for i in (0, 1)
    ]
    return Margins(
        **head_of(context, scope),
        instrument_name=params.instrument_name,
        amount=params.amount,
        price=params.price,
        buy=takes[0],
        sell=takes[1],
        initial_margin=initial,
        maintenance_margin=keep,
        buy_initial_margin=found.initial_requirement.item(0),
        buy_maintenance_margin=found.maintenance_requirement.item(0),
        sell_initial_margin=found.initial_requirement.item(1),
        sell_maintenance_margin=found.maintenance_requirement.item(1),
    )


def _taken(before: Answer, equity: float, initial: float) -> float:
    """Return what a trade takes from the available funds."""
    more = initial - _number(before.initial_requirement)
    gone = 0.0 if before.equity is None or equity != equity else float(before.equity) - equity
    return max(0.0, more + gone)


def _number(value: Any) -> float:
    return NAN if value is None else float(value)


def batch_of(name: str, account: Account[Any]) -> Batch:
    """Return a batch of one account.

    >>> batch_of("amy", Account(balances={"USDC": 1.0})).amount.tolist()
    [1.0]
    """
    positions = account.positions
    instruments = [*dict.fromkeys(each.instrument for each in positions)]
    place = {instrument: i for i, instrument in enumerate(instruments)}
    stated: dict[str, Floats] = {}
    texts: dict[str, Objects] = {}
    for field in STATED_NUMBERS:
        values = [getattr(each, field) for each in positions]
        if any(value is not None for value in values):
            stated[field] = np.array([NAN if value is None else float(value) for value in values])
    for field in STATED_TEXTS:
        words = [getattr(each, field) for each in positions]
        if any(word is not None for word in words):
            texts[field] = np.array(words, dtype=object)
    given = {
        field: np.array([float(getattr(account, field))])
        for field in GIVEN_AMOUNTS
        if getattr(account, field) is not None
    }
    count = len(positions)
    return Batch(
        [name], instruments, np.zeros(count, np.int64),
        np.array([place[each.instrument] for each in positions], np.int64),
        np.array([float(each.quantity) for each in positions], np.float64),
        [*account.balances], np.zeros(len(account.balances), np.int64),
        np.arange(len(account.balances)),
        np.array([float(held) for held in account.balances.values()], np.float64), stated, texts,
        None if account.mode is None else [account.mode], given,
    )  # fmt: skip
