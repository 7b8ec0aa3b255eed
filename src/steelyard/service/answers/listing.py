"""What is listed: currencies, one instrument, its contract size, names of indices, an index by its currency.

Names and fields are those of Deribit's published API ("Market Data"). What has no meaning here is left out:
nothing is deposited or withdrawn, so a currency has no fees and no confirmations.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec

from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import unknown
from steelyard.service.answers.market_data import (
    InstrumentsParams,
    InstrumentView,
    get_instruments,
)
from steelyard.service.answers.unit_market import instrument_of
from steelyard.service.answers.units import units_of


class CurrenciesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_currencies: none."""


class CurrencyView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A currency: an asset that is held or that contracts are of. decimals: of its ledger, of an engine."""

    currency: str
    currency_long: str
    coin_type: str
    as_of_seq: int
    decimals: int | None = None


def get_currencies(params: CurrenciesParams, context: Context) -> list[CurrencyView]:
    """Return the currencies in their order; of an engine the one it counts in is first."""
    del params
    desk, units = context.desk, units_of(context)
    seq = desk.as_of_seq()
    if units is not None:
        assets = units.source.market.assets
        return [CurrencyView(a.name, a.name, a.name, seq, a.exponent) for a in assets]
    market = desk.market()
    names = dict.fromkeys([*market.underlyings, *market.assets])
    return [CurrencyView(name, name, name, seq) for name in names]


class InstrumentParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_instrument and public/get_contract_size."""

    instrument_name: str


def get_instrument(params: InstrumentParams, context: Context) -> InstrumentView:
    """Return an instrument, expired or not. Errors: ANSW-E07."""
    name, units = params.instrument_name, units_of(context)
    if units is not None:
        fields = instrument_of(units, name)
        if fields is not None:
            return InstrumentView(**fields)
    elif name in context.desk.instruments():
        for is_expired in (False, True):
            for each in get_instruments(InstrumentsParams(expired=is_expired), context):
                if each.instrument_name == name:
                    return each
    raise unknown(f"instrument {name!r}", "instrument_name")


class ContractSize(msgspec.Struct, frozen=True):
    """The size of a contract: units of the underlying, of an inverse perpetual USD."""

    contract_size: float


def get_contract_size(params: InstrumentParams, context: Context) -> ContractSize:
    """Return the size of a contract. Errors: ANSW-E07."""
    return ContractSize(get_instrument(params, context).contract_size)


class IndexNamesParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_index_price_names: none."""


def get_index_price_names(params: IndexNamesParams, context: Context) -> list[str]:
    """Return the names of the indices that public/get_index_price knows a price of."""
    del params
    return [f"{name.lower()}_usd" for name in _prices(context)]


class IndexOfParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of public/get_index."""

    currency: str


def get_index(params: IndexOfParams, context: Context) -> dict[str, float]:
    """Return the index by its currency, and `edp`, the delivery price that is expected: the index too.

    Errors: ANSW-E07.
    """
    price = _prices(context).get(params.currency)
    if price is None:
        raise unknown(f"index of {params.currency!r}", "currency")
    return {params.currency: price, "edp": price}


def _prices(context: Context) -> dict[str, float]:
    """Return the indices that have a price, by currency."""
    units = units_of(context)
    found: dict[str, Any]
    if units is not None:
        market = units.source.market
        return {
            asset.name: market.index_price(slot)
            for slot, asset in enumerate(market.assets)
            if slot and market.index_units[slot] > 0
        }
    found = {name: each.index_price for name, each in context.desk.market().underlyings.items()}
    return {name: price for name, price in found.items() if price is not None and isfinite(price)}
