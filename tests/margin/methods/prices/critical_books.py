"""Books for critical prices: small random accounts under many methods, and the verdict from outside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from steelyard.margin.methods.moving import moved
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import MethodDocument, documents
from steelyard.terms.stated import (
    Account,
    Asset,
    Case,
    Expiry,
    Market,
    Order,
    Perpetual,
    Position,
    Underlying,
)

NOON = "2026-06-01T12:00:00Z"
SMILE = {"80": 0.7, "100": 0.6, "120": 0.65}
NEAR = Expiry("2026-06-05T08:00:00Z", forward_price=100.5, implied_volatility=SMILE)
FAR = Expiry("2026-07-31T08:00:00Z", forward_price=101.0, implied_volatility=SMILE)
ETH = Underlying(100.0, perpetual=Perpetual(100.25), expiries=(NEAR, FAR))
BTC = Underlying(2_000.0, perpetual=Perpetual(2_001.0))
OPTIONS = tuple(
    f"ETH-{day}-{strike}-{right}"
    for day in ("5JUN26", "31JUL26")
    for strike in ("80", "100", "120")
    for right in "CP"
)
BRACKETS = [
    {"notional_cap": 1_000, "maintenance_rate": 0.01},
    {"notional_cap": 20_000, "maintenance_rate": 0.05},
    {"notional_cap": None, "maintenance_rate": 0.125},
]
CASH = {
    "paradex-pm": "USDC", "derive-pmrm": "USDC", "derive-pmrm2": "USDC", "derive-srm": "USDC",
    "deribit-pm": "ETH", "okx-pm": "USDT", "binance-tiers": "USDT", "dydx-v4": "USDC",
    "drift-v2": "USDC", "vega": "USDT",
}  # fmt: skip
WITH_OPTIONS = frozenset(("paradex-pm", "derive-pmrm", "derive-pmrm2", "derive-srm", "deribit-pm"))
WITH_TWO = frozenset(("paradex-pm", "derive-srm", "okx-pm", "dydx-v4", "drift-v2", "vega"))
EXACT = frozenset(("dydx-v4", "drift-v2", "vega"))
PARAMETERS: dict[str, dict[str, Any]] = {
    "binance-tiers": {"brackets": {"ETH": BRACKETS, "BTC": BRACKETS}},
    "derive-pmrm2": {
        "collateral": {
            "ETH": {"initial_haircut": 0.1, "maintenance_haircut": 0.05, "risk_cancelling": True}
        }
    },
    "vega": {"risk_factors": {"long": 0.08, "short": 0.11}, "linear_slippage": 0.01},
    "drift-v2": {
        "perpetual_markets": {
            name: {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.05"}
            for name in ("ETH", "BTC")
        }
    },
}


def exactly(value: float) -> Decimal:
    """Return a number as the decimal that it is written as."""
    return Decimal(repr(value))


def market_of(method: str) -> Market[Any]:
    """Return the market, in the numbers of the method."""
    if method not in EXACT:
        return Market(NOON, {"ETH": Asset(100.0)}, {"ETH": ETH, "BTC": BTC})
    plain: dict[str, Underlying[Any]] = {
        name: Underlying(exactly(price), mark_price=exactly(price))
        for name, price in (("ETH", 100.0), ("BTC", 2_000.0))
    }
    return Market(NOON, underlyings=plain)


def case_of(method: str, cash: float, held: dict[str, float], **more: Any) -> Case[Any]:
    """Return a case of positions by instrument; `more` goes to the account."""
    number: Any = exactly if method in EXACT else float
    positions = tuple(Position(name, number(quantity)) for name, quantity in held.items())
    balances = {CASH[method]: number(cash)} | more.pop("balances", {})
    account = Account(balances=balances, positions=positions, **more)
    parameters = PARAMETERS.get(method, {})
    return Case("book", method, parameters, market_of(method), account)


@st.composite
def books(draw: st.DrawFn, methods: tuple[str, ...] = tuple(CASH)) -> Case[Any]:
    """Return a small account with some cash under one of the methods."""
    method = draw(st.sampled_from(methods))
    quantity = st.integers(-40, 40).filter(bool).map(lambda n: n / 4.0)
    held = {"ETH-PERPETUAL": draw(quantity)} if draw(st.booleans()) else {}
    if method in WITH_OPTIONS:
        names = st.lists(st.sampled_from(OPTIONS), max_size=4, unique=True)
        held |= {name: draw(quantity) for name in draw(names)}
    if method in WITH_TWO and draw(st.booleans()):
        held["BTC-PERPETUAL"] = draw(quantity) / 8.0
    if not held:
        held["ETH-PERPETUAL"] = draw(quantity)
    cash = float(draw(st.integers(-200, 2_000)))
    more: dict[str, Any] = {}
    if method == "vega" and draw(st.booleans()):
        side = draw(st.sampled_from(("buy", "sell")))
        more["orders"] = (
            Order(side, exactly(abs(draw(quantity))), exactly(99.0), "ETH-PERPETUAL"),
        )
    if method == "derive-pmrm2" and draw(st.booleans()):
        more["balances"] = {"ETH": float(draw(st.integers(1, 5)))}
    if method == "deribit-pm":
        cash /= 100.0
    return case_of(method, cash, held, **more)


def verdict_at(
    case: Case[Any], document: MethodDocument, name: str, price: Decimal
) -> tuple[bool, bool] | None:
    """Return (liquidated, bankrupt) with the price of one underlying moved; None where there is none."""
    return verdict_of(
        case, document, prices={name: price if case.method in EXACT else float(price)}
    )


def verdict_of(case: Case[Any], document: MethodDocument, **move: Any) -> tuple[bool, bool] | None:
    """Return (liquidated, bankrupt) of a moved case, from the whole answer of the method."""
    try:
        answer = margin_of(moved(case, **move), document)
    except SteelyardError:
        return None
    if answer.equity is None or answer.maintenance_requirement is None:
        return None
    said = answer.native.get("liquidatable")
    is_short = answer.equity < answer.maintenance_requirement if said is None else said
    return bool(is_short), bool(answer.equity < 0)


def document_of(case: Case[Any]) -> MethodDocument:
    """Return the document of a case's method."""
    return documents().get(case.method)
