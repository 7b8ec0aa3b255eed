"""BitMEX's auto-deleveraging rank: which holders of a contract are closed first.

`account.positions` lists the holders of a contract, each with `account`, quantity (inverse: USD), entry
and bankruptcy price; m is the perpetual's mark.

    value(x)           = −q/x of an inverse contract, q·x of a linear one
    pnl_percent        = (value(m) − value(entry)) / |value(entry)|
    effective_leverage = |value(m)| / (value(m) − value(bankruptcy))
    score              = pnl_percent·effective_leverage if pnl_percent > 0, else pnl_percent/effective_leverage

For shorts the differences of values keep their sign. The queue: longs first, then shorts, each by falling
score; `rank` counts from 1 within a side.

What the rule leaves open: equal scores go by account id. A contract is linear unless it says inverse, and
holders are ranked together whatever they say, since all three numbers are without a unit. A holder of
nothing is not in the queue. At its bankruptcy price a holder's leverage is without bound: it is None, and
so is the score of a winner, who then stands first; that of anyone else is 0. Beyond that price leverage is
negative, and the formulas hold as they stand. One contract gives one list; holders of several contracts
give one list for each, under the contract's name, for nobody is closed against another contract.

The method ranks, it requires nothing: currency, equity and requirements are None.

Source: BitMEX's support page on auto-deleveraging.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.needs import (
    above_zero,
    bounded,
    given,
    perpetual_mark,
    refuse,
    required_number,
)
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Position, parse_contract

Number = float


class Holder(NamedTuple):
    """A holder of a contract, with inf for a leverage or a score without bound."""

    account: str
    is_long: bool
    pnl_percent: float
    effective_leverage: float
    score: float


def answer(case: Case[float], document: MethodDocument) -> Answer:
    """Return the queue of every contract that is held.

    Errors: METH-E01 to METH-E05 and STAT-E02, each with the field.

    >>> holder = rank_of("A1", 10000.0, 60000.0, 50000.0, 45000.0, is_inverse=True)
    >>> round(holder.pnl_percent, 12), round(holder.effective_leverage, 12), round(holder.score, 12)
    (0.166666666667, 3.0, 0.5)
    """
    queues: dict[str, list[Holder]] = {}
    seen: set[tuple[str, str]] = set()
    for i, position in enumerate(case.account.positions):
        field = f"account.positions[{i}]"
        contract = parse_contract(position.instrument)
        if contract.kind != "perpetual":
            refuse(
                "METH-E04", f"{document.name} does not cover {position.instrument}",
                f"method {document.name} covers perpetuals",
                "drop the position or choose another method", f"{field}.instrument",
            )  # fmt: skip
        account = _account(position, field)
        if (account, position.instrument) in seen:
            refuse(
                "METH-E03", f"{account} holds {position.instrument} twice",
                "an account holds one position in a contract",
                "add the quantities up", f"{field}.account",
            )  # fmt: skip
        seen.add((account, position.instrument))
        holders = queues.setdefault(position.instrument, [])
        if given(position.quantity, f"{field}.quantity") != 0.0:
            mark = perpetual_mark(case, contract.underlying)
            holders.append(_holder(position, account, mark, field))
    lists = {name: queue_of(holders) for name, holders in queues.items()}
    if len(lists) > 1:
        return Answer(native={"queue": lists})
    return Answer(native={"queue": next(iter(lists.values()), [])})


def rank_of(
    account: str,
    quantity: float,
    mark: float,
    entry_price: float,
    bankruptcy_price: float,
    is_inverse: bool,
) -> Holder:
    """Return a holder's P&L share, effective leverage and score; the quantity is not zero.

    >>> rank_of("A1", 1.0, 60000.0, 50000.0, 45000.0, is_inverse=False)
    Holder(account='A1', is_long=True, pnl_percent=0.2, effective_leverage=4.0, score=0.8)
    """
    worth = value_at(quantity, mark, is_inverse)
    paid = value_at(quantity, entry_price, is_inverse)
    margin = worth - value_at(quantity, bankruptcy_price, is_inverse)
    share = (worth - paid) / abs(paid)
    leverage = abs(worth) / margin if margin != 0.0 else inf
    # What a loser's share is divided by may have no bound; its inverse is then 0.
    score = share * leverage if share > 0.0 else share * margin / abs(worth)
    return Holder(account, quantity > 0.0, share, leverage, score + 0.0)  # −0.0 becomes 0.0


def value_at(quantity: float, price: float, is_inverse: bool) -> float:
    """Return the signed value of a position at a price: coins of an inverse one, USD of a linear one.

    >>> value_at(-7000.0, 56000.0, is_inverse=True)
    0.125
    """
    return -quantity / price if is_inverse else quantity * price


def queue_of(holders: list[Holder]) -> list[dict[str, Any]]:
    """Return longs, then shorts, each by falling score and then by account, with ranks from 1."""
    entries = []
    for is_long in (True, False):
        side = sorted(
            (each for each in holders if each.is_long is is_long),
            key=lambda each: (-each.score, each.account),
        )
        entries += [
            {
                "account": each.account,
                "side": "long" if is_long else "short",
                "pnl_percent": each.pnl_percent,
                "effective_leverage": _finite(each.effective_leverage),
                "score": _finite(each.score),
                "rank": rank,
            }
            for rank, each in enumerate(side, start=1)
        ]
    return entries


def _account(position: Position[float], field: str) -> str:
    if not position.account:
        refuse(
            "METH-E02", f"{field}.account is missing",
            "the queue ranks the holders of a contract by their accounts",
            f"state {field}.account", f"{field}.account",
        )  # fmt: skip
    return position.account


def _holder(position: Position[float], account: str, mark: float, field: str) -> Holder:
    is_inverse = position.contract == "inverse"
    why = "a holder is ranked by entry, mark and bankruptcy price"
    at = f"{field}.entry_price"
    entry = above_zero(required_number(position.entry_price, at, why), at)
    at = f"{field}.bankruptcy_price"
    bankruptcy = required_number(position.bankruptcy_price, at, why)
    # A linear long without leverage is bankrupt at 0; no inverse value exists there.
    if is_inverse or bankruptcy < 0.0:
        above_zero(bankruptcy, at)
    quantity = position.quantity
    for price in (mark, entry, bankruptcy):
        amount = value_at(quantity, price, is_inverse)
        if bounded(amount, f"{field}.quantity", "the value") == 0.0 and price > 0.0:
            refuse(
                "METH-E05", f"the value of {field}.quantity vanishes",
                "every amount is a finite number", "mend the quantity or the price",
                f"{field}.quantity",
            )  # fmt: skip
    return rank_of(account, quantity, mark, entry, bankruptcy, is_inverse)


def _finite(value: float) -> float | None:
    return value if -inf < value < inf else None
