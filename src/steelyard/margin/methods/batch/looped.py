"""The venues' own cores: one account after another, each as a case of the numbers that the core takes.

Where many accounts hold what the core does not cover, the error is found out once for those that have the
same first such contract at the same place, beside balances of the same assets and signs: that decides it.
"""

from __future__ import annotations

from collections.abc import Hashable
from importlib import import_module
from typing import Any, TypeGuard

import numpy as np

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.batch import failing
from steelyard.margin.methods.batch.alone import beyond, of_account
from steelyard.margin.methods.batch.columns import Batch, account_of
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Market

_OWN = "steelyard.margin.methods.own"
# Where each core says which kinds of contracts it covers.
_COVERS = {
    "dydx-v4": f"{_OWN}.dydx_positions",
    "drift-v2": f"{_OWN}.drift_positions",
    "tiers": f"{_OWN}.tiers",
    "vega": f"{_OWN}.vega_market",
}
AMOUNT_MAX = 1e30  # above it, exact cores ask whether an amount is one at all


def answers(
    batch: Batch, market: Market[Any], document: MethodDocument
) -> list[Answer | SteelyardError]:
    """Return the answer or the error of each account under a document that has the parameters in it.

    market: in the numbers of the core.
    """
    keys = _Keys(batch, document.core) if len(batch) > failing.ALONE_MAX else None
    known: dict[Hashable, SteelyardError] = {}
    found: list[Answer | SteelyardError] = []
    for place, name in enumerate(batch.accounts):
        key = None if keys is None else keys.of(place)
        if key is not None and key in known:
            found.append(of_account(known[key], name))
            continue
        answer = _alone(batch, place, name, market, document)
        if key is not None and _is_of_position(answer, key[0]):
            known[key] = answer
        found.append(answer)
    return found


def _alone(
    batch: Batch, place: int, name: Any, market: Market[Any], document: MethodDocument
) -> Answer | SteelyardError:
    core = core_of(document)
    try:
        account = account_of(batch, place, core.number)
        case = Case(str(name), document.name, market=market, account=account)
        return core.answer(case, document)
    except SteelyardError as error:
        return of_account(error, name)
    except ArithmeticError:
        return beyond(name)


def _is_of_position(answer: Answer | SteelyardError, k: int) -> TypeGuard[SteelyardError]:
    """Tell whether an answer is the error of the k-th contract: others name amounts of the account's own."""
    if not isinstance(answer, SteelyardError):
        return False
    return answer.where.get("field") == f"account.positions[{k}].instrument"


class _Keys:
    """What decides the error of an account with a contract that the core does not cover."""

    def __init__(self, batch: Batch, core: str) -> None:
        self.batch = batch
        module = _COVERS.get(core)
        self.is_off = module is None or bool(batch.given) or bool(batch.texts)
        covers = frozenset() if module is None else import_module(module).COVERS
        self.uncovered = np.array(
            [c is not None and c.kind not in covers for c in batch.contracts], bool
        )
        self.unreadable = np.array([c is None for c in batch.contracts], bool)

    def of(self, place: int) -> tuple[Any, ...] | None:
        """Return the key of an account, None for one whose error nothing else shares."""
        batch = self.batch
        if self.is_off or batch.twice[place]:
            return None
        order, start = batch.by_account
        rows = order[start[place] : start[place + 1]]
        codes = batch.instrument[rows]
        hit = np.flatnonzero(self.uncovered[codes])
        if not len(hit):
            return None
        k = int(hit[0])
        before = codes[: k + 1].tolist()
        if self.unreadable[codes[:k]].any() or not np.isfinite(batch.quantity[rows[:k]]).all():
            return None
        order, start = batch.balances_by_account
        held = order[start[place] : start[place + 1]]
        amounts = batch.amount[held]
        if len(set(before)) < len(before) or not (np.abs(amounts) < AMOUNT_MAX).all():
            return None
        signs = tuple(np.sign(amounts).tolist())
        mode = None if batch.modes is None else batch.modes[place]
        return k, before[-1], tuple(batch.balance_asset[held].tolist()), signs, mode
