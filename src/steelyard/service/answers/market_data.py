"""What anybody may ask of the market: instruments, index, ticker and time.

Names and number habit of the published API of Deribit (docs.deribit.com, "Market Data"), so times are
milliseconds there. Of a stated market all prices are in USD, of options too: instruments are stated as
linear, and what it does not know (order books, statistics, tick sizes) is null or left out. Of an engine
they are its own: see `unit_market`.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Literal

import msgspec
import numpy as np

from steelyard.margin.methods.core.instruments import Floats, Instruments
from steelyard.margin.methods.moving_positions import expiry_of
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import unknown
from steelyard.service.answers.tables import greeks_of
from steelyard.service.answers.unit_market import index_of, instruments_of, ticker_of
from steelyard.service.answers.units import Units, units_of
from steelyard.terms.stated import Contract, Market, instant_us, parse_contract
from steelyard.valuation.black76 import black76_price

Kind = Literal["future", "option"]


class TimeParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_time: none."""


def get_time(params: TimeParams, context: Context) -> int:
    """Return the time of the server, UTC milliseconds since 1970."""
    del params
    return context.time_us // 1_000


class IndexParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_index_price: an index name such as btc_usd."""

    index_name: str


class IndexPrice(msgspec.Struct, frozen=True):
    """The index price; nothing estimates a delivery price before its window, so that is the index too."""

    index_price: float
    estimated_delivery_price: float
    as_of_seq: int


def get_index_price(params: IndexParams, context: Context) -> IndexPrice:
    """Return the price of an index. Errors: ANSW-E07."""
    units = units_of(context)
    if units is not None:
        shown = index_of(units, params.index_name)
        if shown is None:
            raise unknown(f"index {params.index_name!r}", "index_name")
        return IndexPrice(shown, shown, context.desk.as_of_seq())
    market = context.desk.market()
    for name, stated in market.underlyings.items():
        price = stated.index_price
        if params.index_name == f"{name.lower()}_usd" and price is not None and isfinite(price):
            return IndexPrice(price, price, context.desk.as_of_seq())
    raise unknown(f"index {params.index_name!r}", "index_name")


class InstrumentsParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_instruments; currency "any" or left out: all. A perpetual is a future."""

    currency: str = "any"
    kind: Kind | None = None
    expired: bool = False


class InstrumentView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An instrument; strike and option_type are an option's alone, a perpetual expires never.

    Of an engine: tick_size, the step of its prices; min_trade_amount, a lot, and position_limit as sizes are
    counted (units of the underlying, of an inverse perpetual USD); mark_exponent, a mark unit is 10^-it.
    """

    instrument_name: str
    kind: Kind
    base_currency: str
    quote_currency: str
    instrument_type: str
    settlement_period: str
    contract_size: float
    is_active: bool
    price_index: str
    expiration_timestamp: int | None
    as_of_seq: int
    strike: float | None = None
    option_type: Literal["call", "put"] | None = None
    settlement_currency: str | None = None
    counter_currency: str | None = None
    tick_size: float | None = None
    min_trade_amount: float | None = None
    position_limit: float | None = None
    mark_exponent: int | None = None


def get_instruments(params: InstrumentsParams, context: Context) -> list[InstrumentView]:
    """Return the instruments of a currency and kind, those that have not expired unless asked for."""
    desk, units = context.desk, units_of(context)
    if units is not None:
        fields = instruments_of(units, params.currency, params.kind, expired=params.expired)
        return [InstrumentView(**each) for each in fields]
    market, seq = desk.market(), desk.as_of_seq()
    now = instant_us(market.as_of, "market.as_of") if market.as_of else 0
    found = []
    for name in desk.instruments():
        try:
            contract = parse_contract(name)
        except SteelyardError:
            continue
        if params.currency not in ("any", contract.underlying):
            continue
        view = _view(contract, market, now, seq)
        if params.kind in (None, view.kind) and view.is_active is not params.expired:
            found.append(view)
    return found


def _view(contract: Contract, market: Market[float], now: int, seq: int) -> InstrumentView:
    expiry = expiry_of(contract, market)
    end = None if expiry is None else instant_us(expiry.expiry, "expiry")
    is_option = contract.kind == "option"
    return InstrumentView(
        instrument_name=contract.name,
        kind="option" if is_option else "future",
        base_currency=contract.underlying,
        quote_currency="USD",
        counter_currency="USD",
        instrument_type="linear",
        settlement_period="perpetual" if contract.kind == "perpetual" else "expiry",
        contract_size=1.0,
        is_active=contract.kind == "perpetual" or (end is not None and end > now),
        price_index=f"{contract.underlying.lower()}_usd",
        expiration_timestamp=None if end is None else end // 1_000,
        as_of_seq=seq,
        strike=contract.strike if is_option else None,
        option_type=("call" if contract.is_call else "put") if is_option else None,
    )


class TickerParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/ticker."""

    instrument_name: str


class Greeks(msgspec.Struct, frozen=True):
    """Of one unit: delta in the underlying, gamma that per USD, vega USD a point, theta USD a day."""

    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None


class Ticker(msgspec.Struct, frozen=True, omit_defaults=True):
    """A market's numbers; timestamp: milliseconds of the market; mark_iv: per cent, as the venue has it.

    Of an engine: an option's mark_price in its settlement_currency; mark_units, the integer that it decides
    by; open_interest and amounts as sizes are counted; current_funding, the rate of the running interval so far.
    """

    instrument_name: str
    timestamp: int
    state: str
    mark_price: float | None
    index_price: float | None
    best_bid_price: float | None
    best_bid_amount: float | None
    best_ask_price: float | None
    best_ask_amount: float | None
    as_of_seq: int
    underlying_price: float | None = None
    underlying_index: str | None = None
    mark_iv: float | None = None
    interest_rate: float | None = None
    greeks: Greeks | None = None
    settlement_currency: str | None = None
    mark_units: int | None = None
    mark_exponent: int | None = None
    is_protected: bool | None = None
    open_interest: float | None = None
    current_funding: float | None = None
    funding_8h: float | None = None
    estimated_delivery_price: float | None = None


def ticker(params: TickerParams, context: Context) -> Ticker:
    """Return the mark of an instrument, and an option's volatility and Greeks. Errors: ANSW-E07."""
    name = params.instrument_name
    desk, units = context.desk, units_of(context)
    if units is not None:
        return ticker_with(units, name)
    if name not in desk.instruments():
        raise unknown(f"instrument {name!r}", "instrument_name")
    market = desk.market()
    instruments = Instruments(market, [name], ())
    columns = instruments.columns
    contract = parse_contract(name)
    now = instant_us(market.as_of, "market.as_of") if market.as_of else 0
    bare = Ticker(
        instrument_name=name,
        timestamp=now // 1_000,
        state="open" if _view(contract, market, now, 0).is_active else "closed",
        mark_price=finite(marks_of(instruments)[0]),
        index_price=finite(columns["index"][0]),
        best_bid_price=None,
        best_bid_amount=None,
        best_ask_price=None,
        best_ask_amount=None,
        as_of_seq=desk.as_of_seq(),
    )
    if contract.kind != "option":
        return bare
    unit = [finite(each) for each in greeks_of(instruments, 1.0)[0]]
    return msgspec.structs.replace(
        bare,
        underlying_price=finite(forwards_of(instruments)[0]),
        underlying_index=f"{contract.underlying}-{name.split('-')[1]}",
        mark_iv=finite(100.0 * columns["volatility"][0]),
        interest_rate=finite(columns["expiry_rate"][0]),
        greeks=Greeks(*unit[1:]),
    )


def ticker_with(units: Units, name: str, interests: list[float] | None = None) -> Ticker:
    """Return an engine's ticker; interests: see `ticker_of`. Errors: ANSW-E07."""
    fields = ticker_of(units, name, interests)
    if fields is None:
        raise unknown(f"instrument {name!r}", "instrument_name")
    if "greeks" in fields:
        fields["greeks"] = Greeks(*map(finite, fields["greeks"]))
    return Ticker(**fields)


def forwards_of(instruments: Instruments) -> Floats:
    """Return the stated forward of each instrument, the index where none is stated, (I,)."""
    columns = instruments.columns
    forward = columns["forward_price"]
    return np.where(np.isnan(forward), columns["index"], forward)


def marks_of(instruments: Instruments) -> Floats:
    """Return the mark of each instrument in USD, NaN where there is none, (I,).

    A perpetual's is stated, a future's its forward, an option's Black-76 at the stated volatility.
    """
    columns = instruments.columns
    marks = np.where(columns["is_perpetual"], columns["perpetual_mark"], columns["forward_price"])
    rows = np.flatnonzero(columns["is_option"])
    if len(rows):
        marks[rows] = black76_price(
            columns["is_call"][rows], forwards_of(instruments)[rows], columns["strike"][rows],
            columns["volatility"][rows], columns["tau"][rows],
        )  # fmt: skip
    return marks


def finite(value: Any) -> float | None:
    """Return a number as a float, None for what is none."""
    number = float(value)
    return number if isfinite(number) else None
