"""`explain`: why a method requires what it does of the accounts of a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from steelyard.frames.accounts import Book
from steelyard.frames.margining import with_cash
from steelyard.frames.markets import library_of, market_of, method_of
from steelyard.frames.read import refuse
from steelyard.frames.tables import table_of
from steelyard.margin.methods.batch.stories import Story, stories
from steelyard.margin.methods.explanation import Explanation

Rows = list[dict[str, Any]]


def explain(
    positions: Any,
    market: Any,
    method: Any,
    *,
    what: str = "parts",
    balances: Any = None,
    accounts: Any = None,
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    at: Any = None,
    methods_folder: Any = None,
) -> Any:
    """Return why a method requires what it does, account by account, as a table.

    what: "parts", the leaves: account, ledger (the underlying of a margin account of its own, else null),
    part, leaf (a leg, or `size and given amounts`), underlying, initial, maintenance, error;
    "scenarios", the binding one of each underlying and the runners-up: number, words, pnl, is_binding;
    "one_more", what a unit more of each contract held adds: bought_initial, bought_maintenance,
    sold_initial, sold_maintenance. The other arguments are as `margin`.

    Amounts of the leaves are exact decimals of nine places (Decimal in pandas and dicts, a decimal column
    in Polars and Arrow): those of an account and ledger sum to its requirements to the last digit, which
    floats would not. A leaf's share is its quantity times the derivative of the requirement by it. An
    account that cannot be explained has one row with its error. Accounts are explained one by one.

    Errors: as `margin`; FRAM-E02 for another `what`.

    >>> market = {"as_of": "2026-06-01T08:00:00Z",
    ...           "underlyings": {"BTC": {"index_price": 70_000, "perpetual": {"mark_price": 70_000}}}}
    >>> held = {"instrument": ["BTC-PERPETUAL"], "quantity": [1.0]}
    >>> found = explain(held, market, "paradex-pm", parameters={"fee_provision": 35})
    >>> list(zip(found["part"], found["leaf"], map(str, found["initial"])))
    [('net', 'BTC-PERPETUAL', '11200.000000000'), ('provisions', 'size and given amounts', '35.000000000')]
    """
    if what not in _TABLES:
        raise refuse(
            "FRAM-E02", f"what is {what!r}", f"what is one of {', '.join(_TABLES)}", "name one",
            column="what",
        )  # fmt: skip
    book = Book(positions, balances, accounts)
    document = method_of(method, library_of(methods_folder), version, at)
    batch = with_cash(book.batch, document)
    empty, rows_of = _TABLES[what]
    columns: dict[str, list[Any]] = {name: [] for name in ("account", "ledger", *empty, "error")}
    for story in stories(batch, market_of(market), document, parameters):
        for row in _rows(story, empty, rows_of):
            row |= {"account": batch.accounts[story.account], "ledger": story.underlying}
            for name, column in columns.items():
                column.append(row.get(name))
    return table_of(book.kind, columns)


def _rows(story: Story, empty: tuple[str, ...], rows_of: Callable[[Explanation], Rows]) -> Rows:
    if story.error is not None:
        return [dict.fromkeys(empty) | {"error": str(story.error)}]
    if story.explanation is None:
        return []
    return rows_of(story.explanation)


def _parts(told: Explanation) -> Rows:
    return [
        {
            "part": part.name, "leaf": leaf.name, "underlying": leaf.underlying or None,
            "initial": leaf.initial, "maintenance": leaf.maintenance,
        }
        for part in told.parts
        for leaf in part.leaves
    ]  # fmt: skip


def _scenarios(told: Explanation) -> Rows:
    names = ("underlying", "number", "words", "pnl", "is_binding")
    return [{name: getattr(line, name) for name in names} for line in told.scenarios]


ONE_MORE = (
    "instrument", "bought_initial", "bought_maintenance", "sold_initial", "sold_maintenance"
)  # fmt: skip


def _one_more(told: Explanation) -> Rows:
    return [{name: getattr(line, name) for name in ONE_MORE} for line in told.one_more]


_TABLES: dict[str, tuple[tuple[str, ...], Callable[[Explanation], Rows]]] = {
    "parts": (("part", "leaf", "underlying", "initial", "maintenance"), _parts),
    "scenarios": (("underlying", "number", "words", "pnl", "is_binding"), _scenarios),
    "one_more": (ONE_MORE, _one_more),
}
