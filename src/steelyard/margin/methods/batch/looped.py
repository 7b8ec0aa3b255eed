"""The venues' own cores: one account after another, each as a case of the numbers that the core takes."""

from __future__ import annotations

from typing import Any

from steelyard.margin.methods.answer import Answer
from steelyard.margin.methods.batch.alone import beyond, of_account
from steelyard.margin.methods.batch.columns import Batch, account_of
from steelyard.margin.methods.registry import core_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument
from steelyard.terms.stated import Case, Market


def answers(
    batch: Batch, market: Market[Any], document: MethodDocument
) -> list[Answer | SteelyardError]:
    """Return the answer or the error of each account under a document that has the parameters in it.

    market: in the numbers of the core.
    """
    core = core_of(document)
    found: list[Answer | SteelyardError] = []
    for place, name in enumerate(batch.accounts):
        try:
            account = account_of(batch, place, core.number)
            case = Case(str(name), document.name, market=market, account=account)
            found.append(core.answer(case, document))
        except SteelyardError as error:
            found.append(of_account(error, name))
        except ArithmeticError:
            found.append(beyond(name))
    return found
