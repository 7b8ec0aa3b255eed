"""Cures of a margin unit: the least deposit, a smaller book, single trades, each found on a `Trial`.

A unit is cured at a level where its balance of that level is at least `wanted` times the requirement of that
level. Trades are at the mark and pay the fee of an ordinary fill; whatever is said to cure was tried, fee
and order margin included, and a step less was tried too and does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import replace

from steelyard.engine.trial import Numbers, Trial
from steelyard.margin.account_risk import MONEY_MAX
from steelyard.margin.methods.cures.results import Cures, Deposit, Level, Reduction, Trade
from steelyard.margin.methods.cures.words import cheapest, healthy
from steelyard.quantities import PPM, UNITS_MAX, ceil_div
from steelyard.quantities.errors import SteelyardError
from steelyard.terms import Instrument
from steelyard.terms.asset import ACCOUNTING_ASSET, ACCOUNTING_EXPONENT

WHOLE = 1_000_000  # a book is kept in millionths
GOLDEN = 618, 1_000


class Aim(NamedTuple):
    """What cures: the level, and how many times its requirement the balance must be.

    cost_ppm: of its notional, what a trade costs beside its fee.
    """

    level: Level
    wanted: Fraction
    cost_ppm: int

    def balance(self, numbers: Numbers) -> int:
        """Return the margin balance of the level, micro-USDC."""
        return numbers.initial_balance if self.level == "initial" else numbers.maintenance_balance

    def requirement(self, numbers: Numbers) -> int:
        """Return the requirement of the level, micro-USDC."""
        if self.level == "initial":
            return numbers.initial_requirement
        return numbers.maintenance_requirement

    def missing(self, numbers: Numbers) -> int:
        """Return the micro-USDC that are missing; 0 or less: cured."""
        needed = self.requirement(numbers) * self.wanted.numerator
        return ceil_div(needed, self.wanted.denominator) - self.balance(numbers)

    def ratio(self, numbers: Numbers) -> float | None:
        """Return balance over requirement, None without a requirement."""
        required = self.requirement(numbers)
        return self.balance(numbers) / required if required > 0 else None


def cures_of_unit(
    trial: Trial,
    *,
    level: Level = "initial",
    wanted: float = 1.0,
    tradable: Iterable[str] | None = None,
    cost_ppm: int = 0,
) -> Cures:
    """Return how a unit comes to `wanted` times the requirement of a level, cheapest first.

    tradable: instruments to trade; those held and the perpetuals of their underlyings where it is left out.
    wanted: finite and above zero; cost_ppm: of its notional, what a trade costs beside its fee. The trial stays as it is. Amounts are USDC.
    """
    aim = Aim(level, Fraction(wanted), cost_ppm)
    now = trial.numbers()
    told = Cures(
        ACCOUNTING_ASSET, level, wanted, usd(aim.balance(now)), usd(aim.requirement(now)),
        aim.ratio(now), aim.missing(now) <= 0,
    )  # fmt: skip
    if told.is_cured:
        return replace(told, cheapest=healthy(told))
    names = held_of(trial) if tradable is None else tuple(tradable)
    trades = [trade for name in names for trade in _trades(trial, aim, name)]
    trades.sort(key=lambda each: (each.cost, each.notional or 0.0, each.instrument))
    told = replace(
        told,
        deposits=tuple(_deposits(trial, aim)),
        reduction=_reduction(trial, aim),
        trades=tuple(trades),
        tried=len(names),
        ranked_by="cost",
    )
    said = cheapest(told)
    if not said:
        return replace(told, reason="nothing that was tried brings the unit back")
    return replace(told, cheapest=said)


def held_of(trial: Trial) -> tuple[str, ...]:
    """Return what is held, then the perpetuals of its underlyings, as far as the unit may trade them."""
    market = trial.market
    held = sorted(trial.positions)
    underlyings = {int(market.underlying_of[slot]) for slot in held}
    others = [] if trial.mode == "isolated" else [
        slot for u in sorted(underlyings) for slot in market.perpetuals_of[u] if slot not in held
    ]  # fmt: skip
    return tuple(
        market.instruments[slot].name
        for slot in (*held, *others)
        if market.has_mark[slot] and not market.is_settled[slot]
    )


def usd(micro: int) -> Decimal:
    """Return micro-USDC in USDC, exactly."""
    return Decimal(micro).scaleb(-ACCOUNTING_EXPONENT)


def quantity_of(terms: Instrument, lots: int) -> Decimal:
    """Return lots as a quantity: units of the underlying; of an inverse perpetual USD.

    >>> from steelyard.terms.listing import inverse_perpetual, linear_perpetual
    >>> quantity_of(linear_perpetual("BTC", 100_000.0), -25), quantity_of(inverse_perpetual("BTC", 1e5), 3)
    (Decimal('-0.0025'), Decimal('300'))
    """
    return Decimal(lots).scaleb(-terms.lot_exponent) * (terms.contract_usd or 1)


# -- deposits ----------------------------------------------------------------------------------------


def _deposits(trial: Trial, aim: Aim) -> list[Deposit]:
    """Return the least deposit of every asset with a price, the accounting asset first."""
    market = trial.market
    return [
        _deposit(trial, aim, slot)
        for slot in range(len(market.assets))
        if market.index_units[slot] > 0
    ]


def _deposit(trial: Trial, aim: Aim, slot: int) -> Deposit:
    """Search the least ledger units: the more is paid in the less is missing, once anything is gained."""
    asset = trial.market.assets[slot]
    if trial.market.is_protected[slot]:
        return Deposit(asset.name, None, reason="its price is not trusted now")

    def missing(units: int) -> int:
        return aim.missing(_after_deposit(trial, asset.name, units))

    price_micro = int(trial.market.index_units[slot]) * 10 ** (6 - asset.price_exponent)
    most = ceil_div(max(1, missing(0)) * 10**asset.exponent, price_micro)
    room = UNITS_MAX - abs(trial.balances[slot])
    while most < room and missing(most) > 0:
        most *= 2
        if most * price_micro > MONEY_MAX * 10**asset.exponent:
            return Deposit(asset.name, None, reason="no deposit of it covers what it adds itself")
    if most >= room:
        return Deposit(asset.name, None, reason="the balance would be beyond its bounds")
    units = least(missing, most)
    after = _after_deposit(trial, asset.name, units)
    value = units * price_micro // 10**asset.exponent
    return Deposit(
        asset.name, Decimal(units).scaleb(-asset.exponent), usd(value), usd(aim.requirement(after)),
        aim.ratio(after),
    )  # fmt: skip


def _after_deposit(trial: Trial, asset: str, units: int) -> Numbers:
    after = trial.copy()
    after.deposit(asset, units)
    return after.numbers()


def least(missing: Callable[[int], int], cured: int) -> int:
    """Return a number at most `cured` at which nothing is missing, and one less at which something is.

    >>> least(lambda n: 10 - n, 64)
    10
    """
    low, high = 0, cured
    while high - low > 1:
        middle = (low + high) // 2
        if missing(middle) > 0:
            low = middle
        else:
            high = middle
    return high


# -- trades ------------------------------------------------------------------------------------------


def _trades(trial: Trial, aim: Aim, name: str) -> list[Trade]:
    """Return the smallest trade each way in an instrument that cures by itself, if one does."""
    terms = trial.market.instruments[trial.market.instrument_slots[name]]
    held = trial.lots_of(name)
    found = []
    for sign in (1, -1):
        most = abs(held) if held * sign < 0 else 0
        if not terms.is_option:
            most = max(most, _hedging_lots(trial, name, terms))
        lots = _smallest(trial, aim, name, sign, most)
        if lots:
            found.append(_told(trial, aim, name, sign * lots))
    return found


def _hedging_lots(trial: Trial, name: str, terms: Instrument) -> int:
    """Return lots whose notional is twice that of all positions in the underlying, at most the limit."""
    notional = trial.columns.notional
    slot = trial.market.instrument_slots[name]
    underlying = trial.market.underlying_of[slot]
    gross = 0.0
    for place, (lots, _) in trial.positions.items():
        if trial.market.underlying_of[place] == underlying:
            gross += abs(lots) * float(notional[place])
    per_lot = float(notional[slot])
    if not (per_lot > 0.0 and gross > 0.0):
        return 0
    return min(terms.position_limit - abs(trial.lots_of(name)), int(2.0 * gross / per_lot) + 1)


def _smallest(trial: Trial, aim: Aim, name: str, sign: int, most: int) -> int:
    """Return the fewest lots that cure, 0 where none up to `most` do.

    What is missing falls as a hedge grows and rises again behind the best one: a golden section looks for a
    size that cures, and below it the edge is found by halving.
    """
    if most <= 0:
        return 0

    def missing(lots: int) -> int:
        traded = _traded(trial, aim, name, sign * lots)
        return MONEY_MAX if traded is None else aim.missing(traded[0].numbers())

    if missing(most) <= 0:
        return least(missing, most)
    low, high = 0, most
    while high - low > 2:
        step = (high - low) * GOLDEN[0] // GOLDEN[1]
        left, right = high - step, low + step
        if left >= right:
            left, right = (low + high) // 2, (low + high) // 2 + 1
        at_left, at_right = missing(left), missing(right)
        for lots, short in ((left, at_left), (right, at_right)):
            if short <= 0:
                return least(missing, lots)
        if at_left <= at_right:
            high = right
        else:
            low = left
    return low + 1 if low + 1 < most and missing(low + 1) <= 0 else 0


def _traded(trial: Trial, aim: Aim, name: str, lots: int) -> tuple[Trial, int] | None:
    """Return the unit after a trade at the mark and its cost, micro-USDC; None where it is refused."""
    after = trial.copy()
    try:
        units = after.trade(name, lots, pays_fee=True, cost_ppm=aim.cost_ppm)
    except SteelyardError:
        return None
    market = trial.market
    slot = int(market.settlement_of[market.instrument_slots[name]])
    asset = market.assets[slot]
    price_micro = int(market.index_units[slot]) * 10 ** (6 - asset.price_exponent)
    return after, ceil_div(units * price_micro, 10**asset.exponent)


def _told(trial: Trial, aim: Aim, name: str, lots: int) -> Trade:
    """Return what is said of a trade that was tried."""
    traded = _traded(trial, aim, name, lots)
    assert traded is not None, "it was tried before"
    before, after = trial.numbers(), traded[0].numbers()
    slot = trial.market.instrument_slots[name]
    per_lot = float(trial.columns.notional[slot])
    return Trade(
        name, quantity_of(trial.market.instruments[slot], lots), abs(lots) * per_lot,
        traded[1] / PPM, usd(aim.requirement(before)), usd(aim.requirement(after)), aim.ratio(after),
    )  # fmt: skip


# -- a smaller book ----------------------------------------------------------------------------------


def _reduction(trial: Trial, aim: Aim) -> Reduction | None:
    """Return the largest fraction of every position that cures, and single legs closed until it is."""
    market = trial.market
    if not trial.positions or not all(market.has_mark[slot] for slot in trial.positions):
        return None
    legs = _legs(trial, aim)
    told = Reduction(
        legs=legs, legs_notional=sum((leg.notional or 0.0 for leg in legs), 0.0) if legs else None,
        legs_cost=sum((leg.cost for leg in legs), 0.0),
    )  # fmt: skip

    def missing(closed: int) -> int:
        return aim.missing(_smaller(trial, aim, closed)[0].numbers())

    if missing(WHOLE) > 0:
        return told if legs else Reduction()
    closed = least(missing, WHOLE)
    after, cost, notional = _smaller(trial, aim, closed)
    numbers = after.numbers()
    return replace(
        told, kept=Decimal(WHOLE - closed).scaleb(-6), notional=notional, cost=cost / PPM,
        requirement_after=usd(aim.requirement(numbers)), ratio_after=aim.ratio(numbers),
    )  # fmt: skip


def _smaller(trial: Trial, aim: Aim, closed: int) -> tuple[Trial, int, float]:
    """Return the unit with `closed` millionths of every position closed, whole lots, cost and notional."""
    after, cost, notional = trial.copy(), 0, 0.0
    for slot, (lots, _) in sorted(trial.positions.items()):
        gone = ceil_div(abs(lots) * closed, WHOLE)
        if gone:
            name = trial.market.instruments[slot].name
            traded = _traded(after, aim, name, -gone if lots > 0 else gone)
            assert traded is not None, "what is held with a mark can be closed"
            after, paid = traded
            cost += paid
            notional += gone * float(trial.columns.notional[slot])
    return after, cost, notional


def _legs(trial: Trial, aim: Aim) -> tuple[Trade, ...]:
    """Return closings of single legs, the one that helps most for its cost first, the last one in part."""
    legs: list[Trade] = []
    here = trial
    left = sorted(trial.positions)
    while left and aim.missing(here.numbers()) > 0:
        short = aim.missing(here.numbers())
        tried = []
        for slot in left:
            name, lots = trial.market.instruments[slot].name, -trial.positions[slot][0]
            traded = _traded(here, aim, name, lots)
            if traded is not None:
                gain = short - aim.missing(traded[0].numbers())
                tried.append((-gain / max(1, traded[1]), slot, name, lots, gain))
        rank, slot, name, lots, gain = min(tried, default=(0.0, -1, "", 0, 0))
        if gain <= 0:
            return ()
        del rank
        if gain >= short:
            sign = 1 if lots > 0 else -1
            lots = sign * _smallest(here, aim, name, sign, abs(lots))
        legs.append(_told(here, aim, name, lots))
        following = _traded(here, aim, name, lots)
        assert following is not None, "it was tried before"
        here = following[0]
        left.remove(slot)
    return tuple(legs) if aim.missing(here.numbers()) <= 0 else ()
