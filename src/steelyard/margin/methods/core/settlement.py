"""What a book of a scenario method pays when it settles: legs for `margin.strategies`, and its maximum loss.

Options settle at their expiry for what they are worth then, `contract_size` units of the underlying each.
A perpetual is taken from its mark, a future from the expiry's forward, the underlying's own coin from the
index; a further coin has a price of its own. A method whose settlement is "underlying" settles in coins.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from steelyard.margin.methods.core.books import Books
from steelyard.margin.methods.core.instruments import COIN, FUTURE, PERPETUAL, Floats, Instruments
from steelyard.margin.methods.core.prepared import Prepared
from steelyard.margin.strategies.caps import (
    CALL,
    LINEAR,
    PUT,
    UNDATED,
    Settling,
    maximum_losses,
)
from steelyard.margin.strategies.legs import Leg
from steelyard.terms.stated import instant_text, instant_us

PRICES = {PERPETUAL: "perpetual_mark", FUTURE: "forward_price"}


def settles_in_coins(prepared: Prepared) -> bool:
    """Return whether the method's accounts are kept in the underlying's coin."""
    return prepared.rules.settlement == "underlying"


def settling_of(prepared: Prepared) -> Settling:
    """Return what each instrument pays at settlement; a mark the market does not state is NaN."""
    instruments = prepared.instruments
    columns = instruments.columns
    is_option = columns["is_option"]
    size = prepared.column(prepared.rules.options.contract_size, "rules.options.contract_size")
    own = np.arange(len(instruments)) + len(instruments.underlyings)
    is_foreign = (instruments.kind == COIN) & ~columns["is_base"]
    return Settling(
        np.where(is_option, np.where(columns["is_call"], CALL, PUT), LINEAR).astype(np.int32),
        np.where(is_foreign, own, instruments.underlying).astype(np.int32),
        np.where(columns["is_dated"], instruments.group, UNDATED).astype(np.int32),
        np.ascontiguousarray(columns["strike"], np.float64),
        np.where(is_option, size, 1.0),
        _marks(prepared, is_foreign),
    )


def _marks(prepared: Prepared, is_foreign: NDArray[np.bool_]) -> Floats:
    instruments = prepared.instruments
    found = np.where(instruments.columns["is_option"], prepared.model_value, np.nan)
    found = np.where(prepared.is_given, np.nan, found)  # a ready array says nothing of the value
    for kind, name in PRICES.items():
        rows = instruments.kind == kind
        found = np.where(rows, instruments.columns[name], found)
        if rows.any():
            prepared.asked.add(name)
    rows = instruments.kind == COIN
    price = np.where(is_foreign, instruments.columns["price"], instruments.columns["index"])
    return np.where(rows, price, found)


def losses(prepared: Prepared, books: Books, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the maximum loss of the legs from each start to the next, and each leg's share (L,).

    From the marks, at least 0, infinity where there is none: see `maximum_losses`.
    """
    return maximum_losses(
        books.instrument, books.quantity, starts, settling_of(prepared),
        in_coins=settles_in_coins(prepared),
    )  # fmt: skip


def legs_of(prepared: Prepared, books: Books) -> list[Leg]:
    """Return one account's legs as strategies are recognised in: quantities in units of the underlying.

    The mark is the position's own where stated, else the method's value; NaN where there is neither. An
    expiry that the market does not list is the start of its day. Coins beside the underlying's own are no legs.
    """
    settling = settling_of(prepared)
    stated = books.stated.get("mark_price", np.full(len(books.quantity), np.nan))
    instants = _instants(prepared.instruments)
    found = []
    for row, quantity, own in zip(books.instrument, books.quantity, stated, strict=True):
        leg = _leg(prepared, settling, instants, int(row), float(quantity))
        if leg is not None:
            is_stated = leg.is_option and own == own
            found.append(msgspec.structs.replace(leg, mark=float(own)) if is_stated else leg)
    return found


def _leg(
    prepared: Prepared, settling: Settling, instants: dict[tuple[str, str], int], row: int, quantity: float
) -> Leg | None:  # fmt: skip
    instruments = prepared.instruments
    name, underlying = instruments.names[row], instruments.underlying_of[row]
    contract = instruments.contracts[row]
    size, mark = float(settling.size[row]), float(settling.mark[row])
    if contract is None:
        return (
            Leg(name, "coin", name, 0, 0.0, False, quantity, False, mark)
            if name == underlying
            else None
        )
    expiry_us = 0
    if contract.day:
        expiry_us = instants.get((underlying, contract.day)) or instant_us(contract.day)
    is_option = contract.kind == "option"
    return Leg(
        name, contract.kind, underlying, expiry_us, contract.strike, contract.is_call, quantity * size,
        settles_in_coins(prepared), mark / size if is_option else mark,
    )  # fmt: skip


def _instants(instruments: Instruments) -> dict[tuple[str, str], int]:
    """Return the instant of each expiry by underlying and UTC day."""
    found: dict[tuple[str, str], int] = {}
    for name, underlying in instruments.market.underlyings.items():
        for each in underlying.expiries:
            instant = instant_us(each.expiry, "expiry")
            found[name, instant_text(instant)[:10]] = instant
    return found
