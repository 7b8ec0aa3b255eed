"""The margin units of an engine, for answers that come from the engine itself.

A question that names no method, about a unit of a desk that has `units`, is answered by a `Trial` in the
engine's own integers; one that names a method by the library. A key sees the units of its accounts: a unit
`A/INSTRUMENT` belongs to the account `A`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from steelyard.decisions import STATE_NAMES
from steelyard.engine.curing import quantity_of
from steelyard.engine.pinned import Pinned, pin
from steelyard.engine.trial import Numbers, Source, Trial
from steelyard.publish.story import quoted_price
from steelyard.publish.views import money
from steelyard.quantities.errors import InputError
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import no_account, wrong, wrong_currency
from steelyard.service.answers.scope import named
from steelyard.service.answers.sizes import Simulated, sizes_of
from steelyard.service.answers.unit_greeks import Floats, greeks_of_slots
from steelyard.terms import Instrument, Method
from steelyard.terms.account import owner_of
from steelyard.valuation.columns import LINEAR_OPTION

MICRO = 1_000_000
LOTS_BEYOND = 2**62
AT_ONCE_PAYS = 8  # options; fewer are as quickly traded one by one


class Units:
    """The margin units of an engine, or those pinned of one.

    names_of: by account, its units in the order in which they were opened.
    """

    def __init__(self, source: UnitSource) -> None:
        self.source = source
        self._names_of: dict[str, list[str]] = {}
        self._counted = 0
        self._method: Method | None = None
        self._digest = ""
        self._pinned: Pinned | None = None
        self._greeks: Floats | None = None
        self._greeks_seq = -1

    def greeks(self) -> Floats:
        """Return the Greeks of a unit of every instrument, as `greeks_of_slots`, once an event."""
        source = self.source
        if self._greeks is None or self._greeks_seq != source.seq:
            every = list(range(len(source.market.instruments)))
            self._greeks = greeks_of_slots(source.market, source.columns, source.method, every)
            self._greeks_seq = source.seq
        return self._greeks

    def trial(self, unit: str, instruments: Iterable[str] = ()) -> Trial:
        """Return a trial of a unit. Errors: ANSW-E03 for one that is not open, UNIT-E01."""
        try:
            return Trial(self.source, unit, instruments)
        except KeyError:
            raise no_account(unit) from None

    def names_of(self, owner: str) -> tuple[str, ...]:
        """Return the units of an account, none of one that is not there."""
        places = self.source.places
        if self._counted != len(places):  # units are opened and never closed
            for name in islice(places, self._counted, None):
                self._names_of.setdefault(owner_of(name), []).append(name)
            self._counted = len(places)
        return tuple(self._names_of.get(owner, ()))

    def digest(self) -> str:
        """Return the hash of every number of the engine's method, changed parameters too."""
        if self._method is not self.source.method:
            self._method = self.source.method
            self._digest = self._method.digest().hex()
        return self._digest

    def forget(self) -> None:
        """Drop what was pinned last, which the next pin of the same event would use again."""
        self._pinned = None

    def pinned(self, names: Iterable[str]) -> Pinned:
        """Return copies of the market and of all units of accounts, which no later event reaches.

        names: of accounts or units; of a unit, all that its account has.
        """
        owners = dict.fromkeys(owner_of(name) for name in names)
        wanted = [unit for owner in owners for unit in self.names_of(owner)]
        if self._pinned is None or self._pinned.seq != self.source.seq:
            self._pinned = pin(self.source, ())
        of_market = self._pinned
        found = Pinned(
            of_market.market, of_market.columns, of_market.method, of_market.grid, of_market.seq, {}
        )
        found.take(self.source, wanted)
        return found


class UnitSource(Source, Protocol):
    """An engine or what is pinned of one, with the names of its units."""

    @property
    def places(self) -> Any:
        """Units by name, in the order in which they were opened."""


class UnitScope(NamedTuple):
    """Which unit is asked about, and whom."""

    name: str
    units: Units
    head: dict[str, Any]


def units_of(context: Context) -> Units | None:
    """Return the units of a desk, None of a desk that states accounts."""
    found: Units | None = getattr(context.desk, "units", None)
    return found


def unit_of(
    context: Context, account: str | None, currency: str | None, method: str | None
) -> UnitScope | None:
    """Return the unit that a question is about, None where the library answers it.

    Errors: ANSW-E02, ANSW-E03; ANSW-E04 for another currency than the engine counts in.
    """
    units = units_of(context)
    if units is None or method is not None:
        return None
    name = named(context, account)
    if units.source.locate(name) is None:
        raise no_account(name)
    rules = units.source.method
    if currency not in (None, rules.currency, "CROSS"):
        raise wrong_currency(currency, rules.name, rules.currency)
    desk = context.desk
    head = {
        "account": name,
        "currency": rules.currency,
        "method": rules.name,
        "version": rules.version,
        "method_hash": units.digest(),
        "as_of_seq": desk.as_of_seq(),
        "as_of_us": desk.time_us(),
    }
    return UnitScope(name, units, head)


# -- sizes and lots ----------------------------------------------------------------------------------


def simulated(scope: UnitScope, positions: Simulated | None, *, is_added: bool = True) -> Trial:
    """Return the trial of a unit after trades at the mark, or of its balances with those trades alone.

    Sizes are signed quantities in units of the underlying, of an inverse perpetual in USD, whole lots.
    Errors: ANSW-E01, ANSW-E05, METH-E03 for a contract twice, UNIT-E01, UNIT-E02, UNIT-E04, UNIT-E05.
    """
    sizes = sizes_of(positions)
    names = [name for name, _ in sizes]
    trial = scope.units.trial(scope.name, names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(
            "METH-E03", f"{twice[:80]} is simulated twice", rule="a contract is simulated once",
            cure="add the sizes", field=f"simulated_positions.{twice[:80]}",
        )  # fmt: skip
    if not is_added:
        trial.leave_out()
    market = trial.market
    for name, size in sizes[_traded_at_once(trial, sizes) :]:
        terms = market.instruments[market.instrument_slots[name]]
        lots = lots_of(terms, size, f"simulated_positions.{name}")
        if lots:
            trial.trade(name, lots)
    return trial


def _traded_at_once(trial: Trial, sizes: list[tuple[str, float]]) -> int:
    """Trade all options that come first in one go; return how many, 0 where one of them might be refused."""
    market = trial.market
    slots = [market.instrument_slots[name] for name, _ in sizes]
    is_option = trial.columns.kind[slots] >= LINEAR_OPTION if slots else np.zeros(0, np.bool_)
    count = len(slots) if is_option.all() else int(is_option.argmin())
    if count < AT_ONCE_PAYS:
        return 0
    scale = market.lots_per_unit[slots[:count]]
    wanted = np.array([size for _, size in sizes[:count]])
    counts = wanted * scale
    lots = np.rint(counts)
    # What `lots_of` asks of each; not a number is neither.
    if not (np.abs(counts) < LOTS_BEYOND).all() or (lots / scale != wanted).any():
        return 0
    return count if trial.trade_options(slots[:count], [int(n) for n in lots.tolist()]) else 0


def lots_of(terms: Instrument, size: float, field: str) -> int:
    """Return a quantity in lots. Errors: ANSW-E05 for one that is no whole number of lots, or no number.

    >>> from steelyard.terms.listing import inverse_perpetual, linear_perpetual
    >>> lots_of(linear_perpetual("BTC", 100_000.0), -0.0025, "amount")
    -25
    >>> lots_of(inverse_perpetual("BTC", 100_000.0), 250.0, "amount")
    Traceback (most recent call last):
    steelyard.quantities.errors.InputError: ANSW-E05: 250 of BTC-PERPETUAL is no whole number of lots \
(field=amount). Rule: a lot is 100 USD. Cure: ask for 200 or 300.
    """
    scale: int = 10**terms.lot_exponent
    unit = terms.contract_usd or 1
    count = size * scale / unit
    if not abs(count) < LOTS_BEYOND:
        raise wrong(
            f"the size of {terms.name} is {size}", "a size is finite and within the position limit",
            "state the quantity to trade", field,
        )  # fmt: skip
    lots = round(count)
    if lots * unit / scale == size:
        return lots
    low = int(count // 1)
    raise wrong(
        f"{size:.12g} of {terms.name} is no whole number of lots",
        f"a lot is {quantity_of(terms, 1)} {size_unit(terms)}",
        f"ask for {quantity_of(terms, low)} or {quantity_of(terms, low + 1)}", field,
    )  # fmt: skip


def size_unit(terms: Instrument) -> str:
    """Return what quantities of an instrument are counted in: its underlying, or USD."""
    return "USD" if terms.contract_usd else terms.underlying


# -- the unit as it is told --------------------------------------------------------------------------


class OrderView(msgspec.Struct, frozen=True):
    """A resting order. amount: signed, as sizes are; price: USD, of an option in its settlement asset.

    expires_us: when a reservation leaves by itself, 0 for an order.
    """

    order_id: str
    instrument_name: str
    amount: float
    price: float
    expires_us: int


class UnitView(msgspec.Struct, frozen=True):
    """A margin unit as the engine decides by it. Amounts are micro-USDC.

    units: all units of the account. initial_requirement_micro holds order_margin_micro, what the resting
    orders add. buffer_micro: maintenance balance less its requirement; the unit is only liquidated when
    certain_buffer_micro, with every protected asset at its kindest, is below zero too. protected: assets it
    holds whose price is not trusted now.
    """

    unit: str
    owner: str
    mode: str
    state: str
    units: tuple[str, ...]
    equity_micro: int
    initial_balance_micro: int
    maintenance_balance_micro: int
    initial_requirement_micro: int
    maintenance_requirement_micro: int
    buffer_micro: int
    certain_buffer_micro: int
    order_margin_micro: int
    orders: tuple[OrderView, ...]
    protected: tuple[str, ...]


def unit_view(scope: UnitScope, trial: Trial, numbers: Numbers) -> UnitView:
    """Return a unit as it is tried."""
    owner, market = owner_of(scope.name), trial.market
    return UnitView(
        unit=scope.name,
        owner=owner,
        mode=trial.mode,
        state=STATE_NAMES[trial.state],
        units=scope.units.names_of(owner),
        equity_micro=numbers.equity,
        initial_balance_micro=numbers.initial_balance,
        maintenance_balance_micro=numbers.maintenance_balance,
        initial_requirement_micro=numbers.initial_requirement,
        maintenance_requirement_micro=numbers.maintenance_requirement,
        buffer_micro=numbers.buffer,
        certain_buffer_micro=numbers.certain_buffer,
        order_margin_micro=numbers.order_margin,
        orders=tuple(
            OrderView(
                each.order, market.instruments[each.instrument].name,
                float(quantity_of(market.instruments[each.instrument], each.quantity)),
                float(quoted_price(market.instruments[each.instrument], each.price_mark)),
                each.expires_us,
            )
            for each in trial.orders.values()
        ),
        protected=_protected(trial),
    )  # fmt: skip


def _protected(trial: Trial) -> tuple[str, ...]:
    market = trial.market
    if not market.is_protected.any():
        return ()
    held = {int(market.underlying_of[slot]) for slot in trial.positions}
    held |= {slot for slot, units in enumerate(trial.balances) if units}
    return tuple(market.assets[slot].name for slot in sorted(held) if market.is_protected[slot])


def dollars(micro: int) -> float:
    """Return micro-USDC as a number of USDC, rounded once.

    >>> dollars(-1_500_000)
    -1.5
    """
    return micro / MICRO


def exact(micro: int) -> str:
    """Return micro-USDC as an exact decimal of USDC.

    >>> exact(-1_500_000)
    '-1.500000'
    """
    return str(money(micro))
