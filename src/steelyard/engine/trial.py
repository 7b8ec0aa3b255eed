"""A trial: what the engine would say of one margin unit, without the engine being changed.

A trial has a copy of the unit's row; trades, deposits and orders are tried on it. Where prices,
volatilities or time move, it has copies of its instruments' columns too, never of the whole book. The
answer comes from the engine's own kernels, so an untouched trial equals `Engine.risk_of` in every bit,
and one that has traded equals what the engine says once that fill is applied. A trial without copies is asked
before the engine takes its next event; `keep` makes it independent, and one over `pin` always is.

A moved index is shown as it is: its perpetuals keep their basis, its volatilities what holds between two
fits (the method's smile dynamics); age, protection and other indices stay. After an expiry an option is still held, at
what it would settle at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from typing import NamedTuple, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from steelyard.actions import DepthState, Venue
from steelyard.actions.venue import realised_fine
from steelyard.book import Book, RestingOrder, SystemLedger
from steelyard.book.ledger import check_bounds
from steelyard.book.one_unit import OneUnit
from steelyard.engine.narrow import narrow_columns, narrow_market
from steelyard.engine.trial_refusals import (
    beyond_limit,
    no_asset,
    no_instrument,
    no_mark,
    not_its_own,
    out_of_bounds,
)
from steelyard.margin import AccountRisk, RiskColumns, explain_unit, require_book
from steelyard.margin.order_margin import exposure_of, order_margin
from steelyard.margin.require import scenario_sums
from steelyard.margin.twin import close_cost_twin, usd_ceil_twin
from steelyard.marks import MarketState
from steelyard.marks.settlement import accrue_settlement
from steelyard.marks.update import remark_perpetuals
from steelyard.quantities import PPM, UNITS_MAX, InvariantError, ceil_div
from steelyard.terms import FULL_MODES, MarginMode, Method
from steelyard.terms.account import UNIT_SEPARATOR
from steelyard.terms.instrument import EXPIRY_US_MAX, Instrument
from steelyard.valuation.columns import LINEAR_OPTION, ValuationColumns
from steelyard.valuation.grid import ScenarioColumns
from steelyard.valuation.revalue import revalue
from steelyard.valuation.surfaces import VOLATILITY_MAX, refresh_volatilities

_ROW = np.zeros(1, np.int64)
ISOLATED = FULL_MODES.index("isolated")


class Source(Protocol):
    """What a trial is made of: an engine between two events, or what is pinned of one."""

    @property
    def market(self) -> MarketState:
        """The market."""

    @property
    def columns(self) -> ValuationColumns:
        """The valuation columns, fresh."""

    @property
    def method(self) -> Method:
        """The method in force."""

    @property
    def grid(self) -> ScenarioColumns:
        """The scenario grid of that method."""

    @property
    def seq(self) -> int:
        """The number of the last event."""

    def locate(self, unit: str) -> tuple[Book, int] | None:
        """Return the book and row of a unit, or None."""


class Numbers(NamedTuple):
    """The results of a unit in the order of `RiskColumns.NAMES`, micro-USDC.

    order_margin: what resting orders add; it is in the initial requirement.
    """

    equity: int
    initial_balance: int
    maintenance_balance: int
    initial_requirement: int
    maintenance_requirement: int
    certain_buffer: int
    order_margin: int = 0

    @property
    def buffer(self) -> int:
        """Return the signed distance from the maintenance requirement."""
        return self.maintenance_balance - self.maintenance_requirement

    @property
    def free(self) -> int:
        """Return what is left of the initial balance above its requirement, signed."""
        return self.initial_balance - self.initial_requirement


class Trial:
    """One margin unit as it would be.

    It reads the engine's columns until one of them moves; from then on, or once it is `keep`-t, its own copies of
    its instruments and of `instruments`, those that may be traded beside them. Slots are those of `market`.
    Errors: KeyError for a unit that is not open; UNIT-E01 for an instrument that is not listed.
    """

    def __init__(self, engine: Source, unit: str, instruments: Iterable[str] = ()) -> None:
        place = engine.locate(unit)
        if place is None:
            raise KeyError(unit)
        book, row = place
        self.unit = unit
        self.seq = engine.seq
        self.method = engine.method
        self.grid = engine.grid
        self.market = engine.market
        self.columns = engine.columns
        self.mode_number = int(book.mode[row])
        self.state = int(book.state[row])
        self.balances: list[int] = book.balances[row, : len(engine.market.assets)].tolist()
        self.positions = {slot: (lots, cost) for slot, lots, cost in book.positions(row)}
        self.orders = {order.order: order for order in book.orders_of(row)}
        self._named = tuple(instruments)
        self._source: Source | None = engine  # None once it has copies
        self._is_shared = True
        self._moved: set[int] = set()
        self._bumps: dict[int, float] = {}
        self._plain: dict[int, NDArray[np.float64]] = {}
        for name in self._named:
            if name not in self.market.instrument_slots:
                raise no_instrument(name)

    @property
    def mode(self) -> MarginMode:
        """Return the margin mode of the unit."""
        return FULL_MODES[self.mode_number]

    def copy(self) -> Trial:
        """Return a trial that goes on from here on its own."""
        self._refresh()
        found = copy(self)
        found.balances, found.positions = list(self.balances), dict(self.positions)
        found.orders = dict(self.orders)
        found._moved, found._bumps = set(self._moved), dict(self._bumps)
        found._plain = dict(self._plain)
        self._is_shared = found._is_shared = True
        return found

    # -- asking ----------------------------------------------------------------------------------

    def risk(self) -> AccountRisk:
        """Return the risk of the unit as it is tried, with every part named."""
        book = self.book()
        extra = order_margin(book, 0, self.market, self.columns, self.method) if self.orders else 0
        return explain_unit(book, 0, self.market, self.columns, self.method, extra)

    def numbers(self) -> Numbers:
        """Return the six results of the unit as it is tried: those of `risk`, without their parts."""
        book = self.book()
        results = np.empty((len(RiskColumns.NAMES), 1), np.int64)
        require_book(book, self.market, self.columns, self.method, results, _ROW)
        extra = order_margin(book, 0, self.market, self.columns, self.method) if self.orders else 0
        equity, initial, keep, opens, keeps, certain = results[:, 0].tolist()
        return Numbers(equity, initial, keep, opens + extra, keeps, certain, extra)

    def book(self) -> OneUnit:
        """Return the unit as it is tried as a book of one row, its market revalued."""
        self._refresh()
        slots = [*self.positions]
        owners = self.market.underlying_of[slots].tolist() if slots else []
        rows = sorted(
            (owner, slot, *held)
            for owner, (slot, held) in zip(owners, self.positions.items(), strict=True)
        )
        return OneUnit(
            self.unit, self.mode_number, self.balances,
            [(i, lots, cost) for _, i, lots, cost in rows], [*self.orders.values()],
        )  # fmt: skip

    def closing_cost(self) -> int:
        """Return what closing every position costs, micro-USDC rounded up: fee, half spread and impact."""
        self._refresh()
        total = 0.0
        for slot in sorted(self.positions):
            total += close_cost_twin(abs(float(self.positions[slot][0])), slot, self.columns)
        return usd_ceil_twin(total)

    def scenario_profits(self) -> dict[int, NDArray[np.float64]]:
        """Return the unit's P&L in each column of the grid, USD, by the asset slot of each underlying it is open to.

        They are the sums whose least is the requirement of a portfolio unit; another mode has them too.
        """
        book, market = self.book(), self.market
        held = {int(market.underlying_of[slot]) for slot in self.positions}
        held |= {slot for slot, units in enumerate(self.balances) if slot and units}
        found = {}
        for slot in sorted(held):
            coins = exposure_of(book, 0, slot, market, self.columns)
            found[slot] = scenario_sums(book, 0, slot, market, self.columns, coins)
        return found

    def lots_of(self, instrument: str) -> int:
        """Return the signed lots held of an instrument; 0 of one the trial does not know."""
        slot = self.market.instrument_slots.get(instrument, -1)
        return self.positions.get(slot, (0, 0))[0]

    # -- trading ---------------------------------------------------------------------------------

    def trade(
        self,
        instrument: str,
        lots: int,
        price_mark: int | None = None,
        *,
        pays_fee: bool = False,
        cost_ppm: int = 0,
    ) -> int:
        """Buy lots (sell: below zero) at the mark, or at a price in mark units; return the ledger units of cost.

        pays_fee: with the fee of an ordinary fill; cost_ppm: and with so much of its notional. Errors: UNIT-E01,
        UNIT-E02, UNIT-E04, UNIT-E05; LEDG-E01 for a balance beyond its bounds.
        """
        if self._moved or self._source is not None:
            self._refresh()
        slot = self._tradable(instrument)
        market = self.market
        terms = market.instruments[slot]
        if price_mark is None:
            if not market.has_mark[slot]:
                raise no_mark(terms)
            price_mark = int(market.mark_units[slot])
        held, cost = self.positions.get(slot, (0, 0))
        total = held + lots
        if abs(total) > terms.position_limit:
            raise beyond_limit(terms, total)
        if terms.is_option:
            received, cost_after = -lots * price_mark, 0
        else:
            received = realised_fine(held, cost, lots, price_mark)
            cost_after = cost + lots * price_mark + received
        settlement = int(market.settlement_of[slot])
        self._pay(settlement, received // terms.fine_per_unit(market.assets[settlement]))
        if total:
            self.positions[slot] = total, cost_after
        else:
            self.positions.pop(slot, None)
        if not (pays_fee or cost_ppm):
            return 0
        venue = self._venue()
        fee = venue.trade_fee_micro(slot, lots) if pays_fee else 0
        fee += ceil_div(venue.notional_micro(slot, lots) * cost_ppm, PPM)
        paid = venue.to_units_up(fee, settlement)
        self._pay(settlement, -paid)
        return paid

    def trade_options(self, slots: Sequence[int], lots: Sequence[int]) -> bool:
        """Buy lots of many options at their marks, each once and without fees: what `trade` of each in turn does.

        slots: in `market`. False, and nothing is done, where one of them might be refused: then `trade` says which.
        """
        self._refresh()
        market, positions = self.market, self.positions
        at = np.array(slots, np.int64)
        is_free = self.columns.kind[at] >= LINEAR_OPTION
        is_free &= market.has_mark[at] & ~market.is_settled[at]
        if self.mode_number == ISOLATED or not is_free.all():
            return False
        terms = [market.instruments[slot] for slot in slots]
        totals = [positions.get(slot, (0, 0))[0] + n for slot, n in zip(slots, lots, strict=True)]
        if any(abs(n) > t.position_limit for n, t in zip(totals, terms, strict=True)):
            return False
        marks, fines = market.mark_units[at].tolist(), self.columns.fine_per_unit[at].tolist()
        balances = list(self.balances)
        for settlement, n, mark, fine in zip(
            market.settlement_of[at].tolist(), lots, marks, fines, strict=True
        ):
            balances[settlement] += -n * mark // fine
            if abs(balances[settlement]) > UNITS_MAX:
                return False
        self.balances = balances
        for slot, total in zip(slots, totals, strict=True):
            if total:
                positions[slot] = total, 0
            else:
                positions.pop(slot, None)
        return True

    def leave_out(self, instruments: Iterable[str] | None = None) -> None:
        """Take positions, and orders in them, away without a trade: the named ones, or all."""
        if instruments is None:
            self.positions.clear()
            self.orders.clear()
        else:
            self.leave_out_slots(self.market.instrument_slots.get(name, -1) for name in instruments)

    def leave_out_slots(self, slots: Iterable[int]) -> None:
        """Take positions, and orders in them, away by their slots in `market`."""
        gone = frozenset(slots)
        self.positions = {slot: held for slot, held in self.positions.items() if slot not in gone}
        if self.orders:
            self.orders = {
                name: order for name, order in self.orders.items() if order.instrument not in gone
            }

    def rest(self, order: str, instrument: str, lots: int, price_mark: int) -> None:
        """Let an order rest at a price in mark units; 0 lots cancel it. Errors: UNIT-E01, UNIT-E02."""
        self.orders.pop(order, None)
        if lots:
            slot = self._tradable(instrument)
            self.orders[order] = RestingOrder(order, slot, lots, price_mark)
            self.orders = dict(sorted(self.orders.items()))

    def deposit(self, asset: str, units: int) -> None:
        """Pay in ledger units of an asset, or out below zero. Errors: UNIT-E03, LEDG-E01."""
        slot = self.market.asset_slots.get(asset)
        if slot is None:
            raise no_asset(asset)
        self._pay(slot, units)

    def _pay(self, slot: int, units: int) -> None:
        check_bounds(self.unit, self.balances[slot] + units)
        self.balances[slot] += units

    def _tradable(self, instrument: str) -> int:
        slot = self.market.instrument_slots.get(instrument)
        if slot is None or self.market.is_settled[slot]:
            raise no_instrument(instrument)
        if self.mode_number == ISOLATED:
            own = self.unit.partition(UNIT_SEPARATOR)[2]
            if own != instrument:
                raise not_its_own(self.unit, instrument)
        return slot

    def _venue(self) -> Venue:
        """Return the engine's own conversions and fees over the trial's market."""
        return Venue(
            self.market, SystemLedger(), DepthState(), self.method, lambda _: None, lambda _: 0
        )

    # -- moving the market -----------------------------------------------------------------------

    def move(self, asset: str, index_units: int) -> None:
        """Show another index of an asset, in its index units. Errors: UNIT-E03, UNIT-E06."""
        slot = self._movable(asset)
        most = self.market.assets[slot].index_units_max
        if not 0 < index_units <= most:
            raise out_of_bounds(
                f"an index of {index_units} units of {asset}",
                f"an index is above zero and at most {most} units", "give a price within",
            )  # fmt: skip
        market = self._own()
        market.index_units[slot] = index_units
        market.indices[slot] = copy(market.indices[slot])
        remark_perpetuals(market, slot)
        self._moved.add(slot)

    def move_volatility(self, asset: str, factor: float) -> None:
        """Multiply what every volatility of an underlying was at first. Errors: UNIT-E03, UNIT-E06.

        Scenarios that a calibrated model values do not follow a volatility: that is refused.
        """
        slot = self._movable(asset)
        if not 0.0 < factor <= VOLATILITY_MAX:
            raise out_of_bounds(
                f"volatilities times {factor}", f"a factor is above 0 and at most {VOLATILITY_MAX:g}",
                "give for example 1.2",
            )  # fmt: skip
        market = self._own()
        if self.method.grid.option_model == "heston" and slot in market.heston:
            raise out_of_bounds(
                f"the volatilities of {asset} belong to a calibrated model",
                "a volatility moves where options are valued by their own",
                "move the price, or ask under another method",
            )  # fmt: skip
        if slot not in self._plain:
            self._plain[slot] = market.volatility[market.options_of[slot]]
        self._bumps[slot] = factor
        self._moved.add(slot)

    def later(self, microseconds: int) -> None:
        """Let time pass, prices and volatilities standing still. Errors: UNIT-E06."""
        until_us = self.market.time_us + microseconds
        if microseconds < 0 or until_us > EXPIRY_US_MAX:
            raise out_of_bounds(
                f"{microseconds} microseconds later", "time passes forward, at most until the year 2100",
                "give a shorter time",
            )  # fmt: skip
        market = self._own()
        accrue_settlement(market, until_us, self.method)
        market.time_us = until_us
        self._moved |= {slot for slot, options in enumerate(market.options_of) if options}

    def _movable(self, asset: str) -> int:
        slot = self.market.asset_slots.get(asset, 0)
        if slot == 0:
            raise no_asset(asset)
        return slot

    def keep(self) -> Trial:
        """Return the trial itself, which no later event of the engine reaches."""
        if self._source is not None:
            self._own()
        return self

    def _own(self) -> MarketState:
        """Return the market, a copy and no other trial's from now on."""
        if not self._is_shared:
            return self.market
        if self._source is not None:
            self._check_seq()
            slots = self._narrowed()
            self._source = None
        else:
            slots = list(range(len(self.market.instruments)))
        kept = np.array(slots, np.int64)
        self.market = narrow_market(self.market, kept)
        self.columns = narrow_columns(self.columns, kept)
        self._is_shared = False
        return self.market

    def _narrowed(self) -> list[int]:
        """Number what is held and named anew, and return the slots that it had, ascending."""
        slots = {self.market.instrument_slots[name] for name in self._named}
        slots |= {order.instrument for order in self.orders.values()} | set(self.positions)
        kept = sorted(slots)
        places = {slot: place for place, slot in enumerate(kept)}
        self.positions = {places[slot]: held for slot, held in self.positions.items()}
        self.orders = {
            name: replace(order, instrument=places[order.instrument])
            for name, order in self.orders.items()
        }
        return kept

    def _check_seq(self) -> None:
        """Stop if the engine took an event since: its columns are no longer those of the trial."""
        if self._source is not None and self._source.seq != self.seq:
            raise InvariantError(
                f"a trial of event {self.seq} is asked after event {self._source.seq}; keep it first"
            )

    def _refresh(self) -> None:
        """Revalue what moved, by the engine's own verb."""
        if self._source is not None:
            self._check_seq()
            return
        for slot in sorted(self._moved):
            bump = self._bumps.get(slot)
            if bump is None:
                revalue(self.columns, self.market, self.method, self.grid, [slot])
            else:
                self._revalue_bumped(slot, bump)
        self._moved.clear()

    def _revalue_bumped(self, slot: int, bump: float) -> None:
        """Revalue an underlying whose volatilities are those it would have, times a factor."""
        market = self.market
        options = market.options_of[slot]
        market.volatility[options] = self._plain[slot]
        refresh_volatilities(market, self.columns, slot, self.method.grid.smile_dynamics)
        surface = market.surfaces.pop(slot, None)
        market.volatility[options] *= bump
        revalue(self.columns, market, self.method, self.grid, [slot])
        if surface is not None:
            market.surfaces[slot] = surface


def terms_of(trial: Trial, instrument: str) -> Instrument:
    """Return the terms of an instrument of a trial. Errors: UNIT-E01."""
    slot = trial.market.instrument_slots.get(instrument)
    if slot is None:
        raise no_instrument(instrument)
    return trial.market.instruments[slot]
