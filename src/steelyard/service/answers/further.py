"""The rest of what clients of Deribit's API read, as methods of the service; see `catalog` for the others."""

from __future__ import annotations

from typing import Any

from steelyard.service.answers import books, listing, resting
from steelyard.service.answers.market_data import InstrumentView
from steelyard.service.answers.positions import PositionView
from steelyard.service.rpc.registry import Method

_ROWS: tuple[tuple[str, Any, Any, Any, int, str], ...] = (
    ("public/get_currencies", listing.get_currencies, listing.CurrenciesParams,
     list[listing.CurrencyView], 5, "The currencies"),
    ("public/get_instrument", listing.get_instrument, listing.InstrumentParams, InstrumentView, 20,
     "One instrument"),
    ("public/get_contract_size", listing.get_contract_size, listing.InstrumentParams,
     listing.ContractSize, 20, "The size of a contract"),
    ("public/get_index_price_names", listing.get_index_price_names, listing.IndexNamesParams,
     list[str], 5, "The names of the indices"),
    ("public/get_index", listing.get_index, listing.IndexOfParams, dict[str, float], 5,
     "The index of a currency"),
    ("public/get_book_summary_by_currency", books.get_book_summary_by_currency,
     books.SummaryOfCurrency, list[books.BookSummary], 900, "The markets of a currency at a glance"),
    ("public/get_book_summary_by_instrument", books.get_book_summary_by_instrument,
     books.SummaryOfInstrument, list[books.BookSummary], 60, "One market at a glance"),
    ("public/get_order_book", books.get_order_book, books.OrderBookParams, books.OrderBook, 60,
     "The order book of an instrument"),
    ("private/get_position", resting.get_position, resting.PositionParams, PositionView, 100,
     "The position in one instrument"),
    ("private/get_account_summaries", resting.get_account_summaries, resting.SummariesParams,
     resting.Summaries, 20, "What an account needs, by currency"),
    ("private/get_open_orders", resting.get_open_orders, resting.OrdersParams,
     list[resting.OpenOrder], 20, "The orders that rest"),
    ("private/get_open_orders_by_currency", resting.get_open_orders_by_currency,
     resting.OrdersOfCurrency, list[resting.OpenOrder], 20, "The orders in a currency's instruments"),
    ("private/get_open_orders_by_instrument", resting.get_open_orders_by_instrument,
     resting.OrdersOfInstrument, list[resting.OpenOrder], 20, "The orders in an instrument"),
    ("private/get_order_state", resting.get_order_state, resting.OrderStateParams,
     resting.OpenOrder, 20, "One order that rests"),
)  # fmt: skip


def further_methods() -> tuple[Method, ...]:
    """Return the methods, in the order of `rpc.discover`."""
    return tuple(
        Method(
            name=name, handler=handler, params=params, result=result,
            scope="read" if name.startswith("private/") else "public", credits=credits,
            is_private=name.startswith("private/"), summary=summary,
            touches="one" if name.startswith("private/") else "none",
        )
        for name, handler, params, result, credits, summary in _ROWS
    )  # fmt: skip
