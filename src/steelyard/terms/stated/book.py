"""The account as stated: balances, positions, open orders and amounts that single methods take."""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, Literal, TypeVar

import msgspec

N = TypeVar("N", float, Decimal)
Mode = Literal["portfolio", "cross", "isolated", "fully_collateralised"]


class Position(msgspec.Struct, Generic[N], frozen=True):
    """A position: the contract's name, the signed quantity, and what the method needs beside them.

    mark_price: an option's mark; unrealised_funding: positive is to be received; delta: a unit's,
    replaces the model's; account: the holder where a statement lists several.
    """

    instrument: str
    quantity: N
    entry_price: N | None = None
    mark_price: N | None = None
    unrealised_pnl: N | None = None
    unrealised_funding: N | None = None
    isolated_margin: N | None = None
    leverage: N | None = None
    contract: Literal["linear", "inverse"] | None = None
    bankruptcy_price: N | None = None
    account: str | None = None
    delta: float | None = None


class Order(msgspec.Struct, Generic[N], frozen=True):
    """An open order; the quantity is above zero."""

    side: Literal["buy", "sell"]
    quantity: N
    price: N
    instrument: str | None = None


class Account(msgspec.Struct, Generic[N], frozen=True):
    """An account; the last six are amounts that single methods take as given."""

    mode: Mode | None = None
    balances: dict[str, N] = {}
    positions: tuple[Position[N], ...] = ()
    orders: tuple[Order[N], ...] = ()
    margin_balance: N | None = None
    order_margin: N | None = None
    spot_margin: N | None = None
    mmp_margin: N | None = None
    open_orders_margin: N | None = None
    correlation_contingency: N | None = None
