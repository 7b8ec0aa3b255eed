"""What an event must keep on its own, before the state of the engine is asked.

Names, bounds and finiteness; whether the named things exist is for the engine's admission.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steelyard.quantities import UNITS_MAX
from steelyard.ticks.bounds import (
    BATCH_MAX,
    PRICE_MAX,
    TIME_US_MAX,
    exchange_time,
    name,
    refused,
    units,
    within,
)
from steelyard.ticks.control_checks import CONTROL_RULES, check_order
from steelyard.ticks.events import (
    AccountsLoaded,
    Event,
    Fill,
    Funding,
    HestonUpdate,
    InstrumentsListed,
    OrderCancelled,
    OrderPlaced,
    ParameterChange,
    QuoteTick,
    Smile,
    SurfaceUpdate,
    Transfer,
    VolatilityUpdate,
)
from steelyard.ticks.market_checks import MARKET_RULES

VOLATILITY_MAX = 50.0
FORWARD_RATIO_MAX = 10.0
SMILES_MAX = 128
COEFFICIENTS_MAX = 40
LOG_MONEYNESS_MAX = 20.0
WING_SLOPE_MAX = 2.0  # Lee: total variance may not rise faster
PARAMETER_MAX = 1e3
FUNDING_PPB_MAX = 50_000_000  # five per cent an interval


def check_event(event: Event) -> None:
    """Raise the first listed error of an event; return nothing if it keeps its rules.

    Errors: TICK-E03 number out of its bounds or not finite, TICK-E04 name, TICK-E05 time,
    TICK-E06 lists of different lengths or too long.
    """
    if not 0 <= event.time_us <= TIME_US_MAX:
        raise refused("TICK-E05", event, "time_us", "UTC microseconds between 1970 and 2100")
    name(event, "origin", event.origin)
    if not 0 <= event.origin_seq <= UNITS_MAX:
        raise refused("TICK-E03", event, "origin_seq", "a sender's number is between 0 and 2^62")
    rule = _RULES.get(type(event))
    if rule is not None:
        rule(event)


def _quote_tick(event: QuoteTick) -> None:
    name(event, "instrument", event.instrument)
    within(event, "bid", event.bid, 0.0, PRICE_MAX)
    within(event, "ask", event.ask, 0.0, PRICE_MAX)
    if event.bid > event.ask:
        raise refused("TICK-E03", event, "bid", "a bid is not above the ask")
    exchange_time(event, event.exchange_time_us)


def _volatility_update(event: VolatilityUpdate) -> None:
    name(event, "underlying", event.underlying)
    count = len(event.instruments)
    lengths = {count, len(event.implied_volatilities), len(event.forward_ratios)}
    if len(lengths) != 1 or not 0 < count <= BATCH_MAX:
        raise refused(
            "TICK-E06", event, "instruments", f"three lists of one length, 1 to {BATCH_MAX}"
        )
    for row, volatility in enumerate(event.implied_volatilities):
        within(event, f"implied_volatilities[{row}]", volatility, 0.0, VOLATILITY_MAX)
    for row, ratio in enumerate(event.forward_ratios):
        within(event, f"forward_ratios[{row}]", ratio, 0.0, FORWARD_RATIO_MAX)
    exchange_time(event, event.exchange_time_us)


def _surface_update(event: SurfaceUpdate) -> None:
    name(event, "underlying", event.underlying)
    within(event, "index_price", event.index_price, 0.0, PRICE_MAX)
    if not 0 < len(event.smiles) <= SMILES_MAX:
        raise refused("TICK-E06", event, "smiles", f"1 to {SMILES_MAX} smiles")
    exchange_time(event, event.exchange_time_us)
    before = event.exchange_time_us
    for row, smile in enumerate(event.smiles):
        if not before < smile.expiry_us <= TIME_US_MAX:
            raise refused(
                "TICK-E05", event, f"smiles[{row}].expiry_us",
                "expiries rise, the first one after the quotes", smile.expiry_us,
            )  # fmt: skip
        before = smile.expiry_us
        _smile(event, row, smile)


def _smile(event: SurfaceUpdate, row: int, smile: Smile) -> None:
    """Raise unless every number of a smile lies in its bounds."""
    place = f"smiles[{row}]"
    name(event, f"{place}.origin", smile.origin)
    within(event, f"{place}.forward", smile.forward, 0.0, PRICE_MAX)
    wings = smile.b * (1.0 + abs(smile.rho))
    bounds = (
        ("a", smile.a, -PARAMETER_MAX, PARAMETER_MAX),
        ("b", smile.b, 0.0, WING_SLOPE_MAX),
        ("rho", smile.rho, -1.0, 1.0),
        ("m", smile.m, -LOG_MONEYNESS_MAX, LOG_MONEYNESS_MAX),
        ("sigma", smile.sigma, 0.0, PARAMETER_MAX),
        ("b·(1 + |rho|)", wings, 0.0, WING_SLOPE_MAX),
        ("start", smile.start, -LOG_MONEYNESS_MAX, LOG_MONEYNESS_MAX),
        ("inverse_step", smile.inverse_step, 0.0, 1e6),
        *(("coefficients", each, -PARAMETER_MAX, PARAMETER_MAX) for each in smile.coefficients),
    )
    for field, value, low, high in bounds:
        if not low <= value <= high:
            raise refused(
                "TICK-E03", event, f"{place}.{field}", f"a number from {low:g} to {high:g}", value
            )
    if len(smile.coefficients) > COEFFICIENTS_MAX:
        raise refused(
            "TICK-E06", event, f"{place}.coefficients", f"at most {COEFFICIENTS_MAX}", "too many"
        )
    if smile.coefficients and not smile.inverse_step > 0.0:
        raise refused(
            "TICK-E03", event, f"{place}.inverse_step", "above zero with coefficients", 0.0
        )


def _heston_update(event: HestonUpdate) -> None:
    name(event, "underlying", event.underlying)
    for field, most in (
        ("initial_variance", 100.0), ("mean_reversion", 1000.0),
        ("long_run_variance", 100.0), ("vol_of_vol", 100.0),
    ):  # fmt: skip
        value = getattr(event, field)
        if not 0.0 <= value <= most:
            raise refused("TICK-E03", event, field, f"a number from 0 to {most:g}", value)
    if not -1.0 <= event.correlation <= 1.0:
        raise refused("TICK-E03", event, "correlation", "a number from −1 to 1")
    exchange_time(event, event.exchange_time_us)


def _fill(event: Fill) -> None:
    for field in ("instrument", "buyer", "seller"):
        name(event, field, getattr(event, field))
    if event.buyer == event.seller:
        raise refused("TICK-E04", event, "buyer", "buyer and seller differ")
    for field in ("buy_order", "sell_order"):
        if getattr(event, field):
            name(event, field, getattr(event, field))
    units(event, "quantity", event.quantity, 1)
    within(event, "price", event.price, 0.0, PRICE_MAX)


def _order_cancelled(event: OrderCancelled) -> None:
    for field in ("account", "order"):
        name(event, field, getattr(event, field))


def _transfer(event: Transfer) -> None:
    for field in ("source_account", "target_account", "asset"):
        name(event, field, getattr(event, field))
    if event.source_account == event.target_account:
        raise refused("TICK-E04", event, "target_account", "source and target differ")
    units(event, "amount", event.amount, 1)


def _funding(event: Funding) -> None:
    name(event, "instrument", event.instrument)
    if abs(event.rate_ppb) > FUNDING_PPB_MAX:
        raise refused("TICK-E03", event, "rate_ppb", f"at most {FUNDING_PPB_MAX} billionths")


def _parameter_change(event: ParameterChange) -> None:
    name(event, "path", event.path)
    if len(event.value_json) > 4096:
        raise refused("TICK-E06", event, "value_json", "at most 4,096 characters")


def _accounts_loaded(event: AccountsLoaded) -> None:
    if not 0 < len(event.accounts) <= BATCH_MAX:
        raise refused("TICK-E06", event, "accounts", f"1 to {BATCH_MAX} accounts an event")


def _instruments_listed(event: InstrumentsListed) -> None:
    if not 0 < len(event.instruments) <= BATCH_MAX:
        raise refused("TICK-E06", event, "instruments", f"1 to {BATCH_MAX} instruments an event")


_RULES: dict[type[Event], Callable[[Any], None]] = {
    **MARKET_RULES,
    **CONTROL_RULES,
    QuoteTick: _quote_tick,
    VolatilityUpdate: _volatility_update,
    SurfaceUpdate: _surface_update,
    HestonUpdate: _heston_update,
    OrderPlaced: check_order,
    OrderCancelled: _order_cancelled,
    Fill: _fill,
    Transfer: _transfer,
    Funding: _funding,
    ParameterChange: _parameter_change,
    AccountsLoaded: _accounts_loaded,
    InstrumentsListed: _instruments_listed,
}
