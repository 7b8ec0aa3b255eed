"""What-if: one account with many single trades, each margined as an account of its own, in one batch.

A trade is done at the mark: an option's premium is paid from cash, or received, so equity stays what it
was and the requirement says what the trade costs. `Margins` holds a column a level.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.evaluation import Evaluation
from steelyard.margin.methods.core.instruments import COIN, OPTION, Floats
from steelyard.margin.methods.core.machine import outputs_of, program_for
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.methods.core.scan import COLUMN, INTS, OUT
from steelyard.margin.methods.core.steps import WANTED
from steelyard.valuation.compiled import kernel

Rows = NDArray[np.int32]
LEGS_THAT_PAY = 10_000
OUT_INTS = types.Array(types.int32, 1, "C")
OUT_LONGS = types.Array(types.int64, 1, "C")


class Margins(NamedTuple):
    """Equity and the two requirements of n accounts, in the method's currency; NaN where one is unusable."""

    equity: Floats
    initial_requirement: Floats
    maintenance_requirement: Floats


def margins(prepared: Prepared, books: Books) -> Margins:
    """Return equity and requirements of every account of the books.

    To make the program costs as much as to evaluate a few thousand legs: a first question about fewer
    is answered by the evaluation, with the same bits.
    """
    prepared.questions += 1
    if prepared.questions > 1 or len(books.quantity) >= LEGS_THAT_PAY:
        program = program_for(prepared, books.stated, books.extras)
        if program is not None:
            return Margins(*outputs_of(prepared, books, program))
    return plain_margins(prepared, books)


def plain_margins(prepared: Prepared, books: Books) -> Margins:
    """Return the same by the evaluation of plain columns: the twin, and for what no program can do."""
    evaluation = Evaluation(prepared, books)
    return Margins(*(evaluation.column(name) for name in WANTED))


@kernel(types.int64(INTS, COLUMN, INTS, COLUMN, OUT_LONGS, OUT_INTS, OUT, OUT_LONGS))
def _fill_traded(
    held: Any, sizes: Any, instrument: Any, quantity: Any, account: Any, rows: Any, amounts: Any,
    source: Any,
) -> int:  # fmt: skip
    """Write one account a trade, the legs held with the traded one in its place; return how many legs.

    source: the leg of the book that each comes from, −1 for a new one. There is room for one leg a
    trade more than the book's.
    """
    at = 0
    for k in range(instrument.shape[0]):
        is_done = False
        for p in range(held.shape[0] + 1):
            is_last = p == held.shape[0]
            if not is_done and (is_last or held[p] >= instrument[k]):
                is_done = True
                if is_last or held[p] != instrument[k]:
                    account[at], rows[at], amounts[at] = k, instrument[k], quantity[k]
                    source[at] = -1
                    at += 1
            if not is_last:
                traded = quantity[k] if held[p] == instrument[k] else 0.0
                account[at], rows[at], amounts[at] = k, held[p], sizes[p] + traded
                source[at] = p
                at += 1
    return at


def traded(prepared: Prepared, books: Books, instrument: Rows, quantity: Floats) -> Books:
    """Return one account a trade: the book's only account with `quantity` more of one instrument.

    books: of one account; instrument (K,) rows of the prepared market; quantity (K,) signed.
    """
    count, held = len(instrument), len(books.quantity)
    instrument = np.ascontiguousarray(instrument, np.int32)
    quantity = np.ascontiguousarray(quantity, np.float64)
    room = count * (held + 1)
    account, source = np.empty(room, np.int64), np.empty(room, np.int64)
    rows, amounts = np.empty(room, np.int32), np.empty(room)
    written = _fill_traded(
        books.instrument, books.quantity, instrument, quantity, account, rows, amounts, source
    )
    legs = slice(0, int(written))
    is_option = prepared.instruments.kind[instrument] == OPTION
    premium = np.where(is_option, quantity * prepared.model_value[instrument], 0.0)
    stated = {
        name: np.append(column, np.nan)[source[legs]] for name, column in books.stated.items()
    }
    return Books(
        count, account[legs], rows[legs], amounts[legs], books.cash[0] - premium, stated,
        {name: np.repeat(column, count) for name, column in books.extras.items()},
    )  # fmt: skip


def reduced(prepared: Prepared, books: Books, kept: Floats) -> Books:
    """Return one account a fraction: every contract of the only account times it, coins as they are.

    kept (K,): 1 keeps the book. What is closed is closed at the mark, and its value is in cash then.
    """
    count, held = len(kept), len(books.quantity)
    is_coin = prepared.instruments.kind[books.instrument] == COIN
    factor = np.where(is_coin[None, :], 1.0, kept[:, None])
    value = np.zeros(count)
    for leg in range(held):
        each = prepared.model_value[books.instrument[leg]] * books.quantity[leg]
        value = value + (1.0 - factor[:, leg]) * each
    return Books(
        count,
        np.repeat(np.arange(count), held).astype(np.int64),
        np.tile(books.instrument, count),
        (books.quantity[None, :] * factor).reshape(-1),
        books.cash[0] + value,
        {name: np.tile(column, count) for name, column in books.stated.items()},
        {name: np.repeat(column, count) for name, column in books.extras.items()},
    )


def settled(evaluation: Evaluation) -> Books:
    """Return the books of an evaluation with each leg's unrealised profit stated as an amount.

    So a trade at the mark leaves the profit made so far where it is. Under a method that keeps accounts
    in coins the books stay as they are: its profit is no difference of prices.
    """
    books = evaluation.books
    if evaluation.compiled.rules.settlement == "underlying":
        return books
    gains = evaluation.column("pnl", 0)
    stated = books.stated | {"unrealised_pnl": np.array(gains)}
    return Books(
        books.size, books.account, books.instrument, books.quantity, books.cash, stated,
        books.extras,
    )  # fmt: skip
