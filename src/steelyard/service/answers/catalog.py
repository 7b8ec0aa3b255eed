"""The catalogue: every answer as a method of the service, with its types, scope, accounts and cost.

A credit is about ten microseconds of a core, so that a key's credits a second bound what it can take.

`either` gives a method two answers: of the engine itself where the question is about a margin unit of it and
names no method, else of the library.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard.service.access.matrix import Touches
from steelyard.service.answers import market_data as market
from steelyard.service.answers import reasons
from steelyard.service.answers.desk import Context
from steelyard.service.answers.further import further_methods
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
from steelyard.service.answers.unit_margins import unit_get_margins
from steelyard.service.answers.unit_matrix import unit_pme_simulate
from steelyard.service.answers.unit_reasons import (
    unit_compare,
    unit_critical,
    unit_cure,
    unit_explain,
)
from steelyard.service.answers.unit_summary import (
    unit_account_summary,
    unit_estimate_liquidation,
    unit_simulate,
)
from steelyard.service.answers.units import UnitScope, unit_of
from steelyard.service.rpc.registry import Method

Handler = Callable[[Any, Context], Any]
UnitHandler = Callable[[Any, Context, UnitScope], Any]


def either(of_account: Handler, of_unit: UnitHandler) -> Handler:
    """Return a handler that lets the engine answer about its own units, and the library about all else.

    A question of several methods names ledgers by its currency, which the engine has none of.
    """

    def answer(params: Any, context: Context) -> Any:
        method = getattr(params, "method", None)
        currency = None if hasattr(params, "methods") else params.currency
        scope = unit_of(context, params.account, currency, method)
        return of_account(params, context) if scope is None else of_unit(params, context, scope)

    answer.__doc__ = of_account.__doc__
    return answer


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
    ("private/get_account_summary", either(get_account_summary, unit_account_summary), SummaryParams, Portfolio, "read", 20,
     "What an account needs as it stands"),
    ("private/get_positions", get_positions, PositionsParams, list[PositionView], "read", 100,
     "The positions of an account"),
    ("private/explain", either(reasons.explain, unit_explain), reasons.ExplainParams, reasons.Explained, "read", 2_000,
     "Why a method asks for what it does, part by part"),
    ("private/simulate_portfolio", either(simulate_portfolio, unit_simulate), SimulateParams, Portfolio, "simulate", 30,
     "What a portfolio with simulated positions needs"),
    ("private/pme/simulate", either(pme_simulate, unit_pme_simulate), SimulateParams, RiskMatrix, "simulate", 1_000,
     "The scenario vectors of a portfolio with simulated positions"),
    ("private/get_margins", either(get_margins, unit_get_margins), MarginsParams, Margins, "simulate", 1_000,
     "What one order adds to the margin, bought and sold"),
    ("private/compare", either(reasons.compare, unit_compare), reasons.CompareParams, reasons.Comparison, "simulate",
     5_000, "What several methods ask of one account"),
    ("private/critical_prices", either(reasons.critical, unit_critical), reasons.CriticalParams, reasons.Critical,
     "simulate", 20_000, "At which prices an account is liquidated or bankrupt"),
    ("private/estimate_liquidation", either(estimate_liquidation, unit_estimate_liquidation), SimulateParams, Portfolio, "simulate",
     20_000, "A simulated portfolio with its liquidation ratios"),
    ("private/cure", either(reasons.cure, unit_cure), reasons.CureParams, reasons.Cured, "simulate", 40_000,
     "The cheapest ways to bring an account back"),
)  # fmt: skip


def methods() -> tuple[Method, ...]:
    """Return the methods, in the order of `rpc.discover`."""
    return (*own_methods(), *further_methods())


def own_methods() -> tuple[Method, ...]:
    """Return those whose answers all say which event they are as of."""
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
