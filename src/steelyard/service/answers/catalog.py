"""The catalogue: every answer as a method of the service, with its types, scope, accounts and cost.

A credit is about ten microseconds of a core, so that a key's credits a second bound what it can take.
"""

from __future__ import annotations

from typing import Any

from steelyard.service.access.matrix import Touches
from steelyard.service.answers import market_data as market
from steelyard.service.answers import reasons
from steelyard.service.answers.order_margins import Margins, MarginsParams, get_margins
from steelyard.service.answers.portfolio import (
    Portfolio,
    SimulateParams,
    SummaryParams,
    estimate_liquidation,
    get_account_summary,
    simulate_portfolio,
)
from steelyard.service.answers.positions import PositionsParams, PositionView, get_positions
from steelyard.service.answers.risk_matrix import RiskMatrix, pme_simulate
from steelyard.service.rpc.registry import Method

Row = tuple[str, Any, Any, Any, str, int, str]

_ROWS: tuple[Row, ...] = (
    ("public/get_time", market.get_time, market.TimeParams, int, "public", 1,
     "The time of the server in milliseconds"),
    ("public/get_index_price", market.get_index_price, market.IndexParams, market.IndexPrice,
     "public", 5, "The price of an index"),
    ("public/get_instruments", market.get_instruments, market.InstrumentsParams,
     list[market.InstrumentView], "public", 500, "The instruments of a currency and kind"),
    ("public/ticker", market.ticker, market.TickerParams, market.Ticker, "public", 50,
     "Mark, volatility and Greeks of an instrument"),
    ("private/get_account_summary", get_account_summary, SummaryParams, Portfolio, "read", 20,
     "What an account needs as it stands"),
    ("private/get_positions", get_positions, PositionsParams, list[PositionView], "read", 100,
     "The positions of an account"),
    ("private/explain", reasons.explain, reasons.ExplainParams, reasons.Explained, "read", 2_000,
     "Why a method asks for what it does, part by part"),
    ("private/simulate_portfolio", simulate_portfolio, SimulateParams, Portfolio, "simulate", 20,
     "What a portfolio with simulated positions needs"),
    ("private/pme/simulate", pme_simulate, SimulateParams, RiskMatrix, "simulate", 1_000,
     "The scenario vectors of a portfolio with simulated positions"),
    ("private/get_margins", get_margins, MarginsParams, Margins, "simulate", 1_000,
     "What one order adds to the margin, bought and sold"),
    ("private/compare", reasons.compare, reasons.CompareParams, reasons.Comparison, "simulate",
     5_000, "What several methods ask of one account"),
    ("private/critical_prices", reasons.critical, reasons.CriticalParams, reasons.Critical,
     "simulate", 20_000, "At which prices an account is liquidated or bankrupt"),
    ("private/estimate_liquidation", estimate_liquidation, SimulateParams, Portfolio, "simulate",
     20_000, "A simulated portfolio with its liquidation ratios"),
    ("private/cure", reasons.cure, reasons.CureParams, reasons.Cured, "simulate", 40_000,
     "The cheapest ways to bring an account back"),
)  # fmt: skip


def methods() -> tuple[Method, ...]:
    """Return the methods, in the order of `rpc.discover`."""
    return tuple(_method(*row) for row in _ROWS)


def _method(
    name: str, handler: Any, params: Any, result: Any, scope: str, credits: int, summary: str
) -> Method:
    is_private = name.startswith("private/")
    touches: Touches = "one" if is_private else "none"
    return Method(
        name=name, handler=handler, params=params, result=result, scope=scope, credits=credits,
        is_private=is_private, summary=summary, touches=touches,
    )  # fmt: skip
