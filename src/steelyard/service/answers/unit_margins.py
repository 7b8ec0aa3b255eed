"""What one order does to a margin unit of an engine: `private/get_margins`."""

from __future__ import annotations

from math import isfinite

from steelyard.engine.prices import price_to_mark
from steelyard.engine.trial import Numbers, Trial
from steelyard.publish.story import quoted_price
from steelyard.service.answers.desk import Context
from steelyard.service.answers.failures import wrong
from steelyard.service.answers.order_margins import Margins, MarginsParams
from steelyard.service.answers.units import UnitScope, dollars, lots_of

ORDER = "\x00asked"  # no order of the unit has a name that cannot be printed


def unit_get_margins(params: MarginsParams, context: Context, scope: UnitScope) -> Margins:
    """Return what an order takes from the available funds while it rests, and the margins once it is filled.

    buy, sell: by how much the available funds fall, fee and worst fill included: what admission holds against
    them. buy_…, sell_…: the requirements after a fill at that price, without a fee. amount and price: as
    sizes and quoted prices are; the mark if left out. Errors: ANSW-E05, UNIT-E01, UNIT-E02, UNIT-E04, UNIT-E05.
    """
    del context
    if not (isfinite(params.amount) and params.amount > 0.0):
        raise wrong(
            f"the amount is {params.amount}", "an amount is above zero and finite",
            "state the size of the order", "amount",
        )  # fmt: skip
    trial = scope.units.trial(scope.name, [params.instrument_name])
    slot = trial.market.instrument_slots[params.instrument_name]
    terms = trial.market.instruments[slot]
    lots = lots_of(terms, params.amount, "amount")
    mark = int(trial.market.mark_units[slot])
    if params.price is not None:
        mark = _mark_of(trial, slot, params.price)
    now = trial.numbers()
    bought, sold = (_after(trial, params.instrument_name, each, mark) for each in (lots, -lots))
    shown = None if mark == 0 else float(quoted_price(terms, mark))
    return Margins(
        **scope.head,
        instrument_name=params.instrument_name,
        amount=params.amount,
        price=shown if params.price is None else params.price,
        buy=dollars(max(0, now.free - bought[0].free)),
        sell=dollars(max(0, now.free - sold[0].free)),
        initial_margin=dollars(now.initial_requirement),
        maintenance_margin=dollars(now.maintenance_requirement),
        buy_initial_margin=dollars(bought[1].initial_requirement),
        buy_maintenance_margin=dollars(bought[1].maintenance_requirement),
        sell_initial_margin=dollars(sold[1].initial_requirement),
        sell_maintenance_margin=dollars(sold[1].maintenance_requirement),
    )


def _mark_of(trial: Trial, slot: int, price: float) -> int:
    """Return a price in mark units. Errors: ANSW-E05 for one that does not fit the instrument's scale."""
    terms = trial.market.instruments[slot]
    mark = price_to_mark(terms, price) if isfinite(price) and price > 0.0 else 0
    if not 0 < abs(mark) <= terms.mark_max:
        raise wrong(
            f"the price is {price}", f"a price is above zero and fits the scale of {terms.name}",
            "state it as it is quoted, or leave it out for the mark", "price",
        )  # fmt: skip
    return mark


def _after(trial: Trial, name: str, lots: int, mark: int) -> tuple[Numbers, Numbers]:
    """Return the numbers with the order resting, and once it is filled."""
    filled = trial.copy()
    filled.trade(name, lots, mark if mark else None)
    resting = trial.copy()
    resting.rest(ORDER, name, lots, mark)
    return resting.numbers(), filled.numbers()
