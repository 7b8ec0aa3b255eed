"""The account made smaller: the whole book by one fraction, or leg by leg at the least cost found."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, inf, isfinite

from msgspec.structs import replace

from steelyard.margin.methods.cures.desks import Desk
from steelyard.margin.methods.cures.levels import Floats, Outcome, plain_number, ratio_of
from steelyard.margin.methods.cures.results import Number, Reduction, Trade
from steelyard.margin.methods.cures.search import doublings, least_steps
from steelyard.margin.methods.cures.trades import steps_of, trade

DIGITS = 6
UNITS = 10**DIGITS
PIECES = 4
ROUNDS_MAX = 200


def reduction_of(desk: Desk, requirement: Number, short: float, step: float) -> Reduction:
    """Return the largest fraction of the book that may be kept, and the cheapest closing of single legs."""
    if not desk.held:
        return Reduction()
    whole = _whole(desk, short)
    legs = _Legs(desk, requirement, short, step).cheapest()
    notional = _notional(legs) if legs else None
    cost = 0.0
    for each in legs:
        cost += each.cost
    return replace(whole, legs=legs, legs_notional=notional, legs_cost=cost)


def kept_changes(desk: Desk, kept: Decimal) -> list[Number]:
    """Return the change of every contract held where a fraction of each is kept."""
    closed = desk.ledger.number(1 - kept)
    return [-desk.quantity(name) * closed for name in desk.held]


def _whole(desk: Desk, short: float) -> Reduction:
    def kept_of(closed: int) -> Decimal:
        return Decimal(f"{UNITS - closed}e-{DIGITS}")

    def slack_of(_places: list[int], steps: list[int]) -> Floats:
        return desk.closings([kept_changes(desk, kept_of(step)) for step in steps]).slack

    closed = least_steps([doublings(1, UNITS)], [short], slack_of, desk.width)[0]
    if closed is None:
        return Reduction()
    kept = kept_of(closed)
    changes = kept_changes(desk, kept)
    after = desk.closings([changes])
    cost, notional = 0.0, 0.0
    for name, change in zip(desk.held, changes, strict=True):
        quote = desk.quotes[name]
        cost += quote.cost(float(change), desk.taker_fee) if change else 0.0
        size = quote.size(float(change)) if change else 0.0
        notional = inf if size is None else notional + size
    equity, requirement = plain_number(after.equity[0]), plain_number(after.requirement[0])
    told = notional if isfinite(notional) else None
    return Reduction(kept, told, cost, requirement, ratio_of(equity, requirement))


class _Legs:
    """Closing single legs: the best worth for its cost first, until one leg more cures."""

    def __init__(self, desk: Desk, requirement: Number, short: float, step: float) -> None:
        self.desk = desk
        self.requirement = requirement
        self.slack = short
        self.digits = steps_of(desk, desk.held, step)
        self.size = [abs(Decimal(str(desk.quantity(name)))) for name in desk.held]
        self.sign = [-1 if desk.quantity(name) > 0 else 1 for name in desk.held]
        # Steps that close a leg: the last one closes what is left of it, whole step or not.
        self.most = [
            ceil(size.scaleb(-digits)) for size, digits in zip(self.size, self.digits, strict=True)
        ]
        self.closed = [0] * len(desk.held)

    def cheapest(self) -> tuple[Trade, ...]:
        """Return the trades, in the order of the contracts held; empty where closing legs cures nothing."""
        if self.is_hopeless():
            return ()
        for _ in range(ROUNDS_MAX):
            candidates = [
                (leg, self.closed[leg] + max(1, (most - self.closed[leg]) * piece // PIECES))
                for leg, most in enumerate(self.most)
                if self.closed[leg] < most
                for piece in range(1, PIECES + 1)
            ]
            if not candidates:
                return ()
            slacks = self._slacks(candidates)
            curing = [leg for (leg, _), slack in zip(candidates, slacks, strict=True) if slack >= 0]
            if curing:
                return self._finished(list(dict.fromkeys(curing)))
            if not self._close_best(candidates, slacks):
                return ()
        return ()

    def is_hopeless(self) -> bool:
        """Tell whether equity is below zero and stays there when everything is closed."""
        nothing = [self.desk.ledger.number(Decimal(0)) for _ in self.desk.held]
        everything = kept_changes(self.desk, Decimal(0))
        found = self.desk.closings([nothing, everything])
        return bool(found.equity[0] < 0 and not found.slack[1] >= 0.0)

    def _close_best(self, candidates: list[tuple[int, int]], slacks: list[float]) -> bool:
        """Close the piece of a leg that gains most for its cost; tell whether any gains."""
        best, place = 0.0, -1
        for at, ((leg, count), slack) in enumerate(zip(candidates, slacks, strict=True)):
            gain = slack - self.slack
            if isfinite(gain) and gain > 0.0:
                rate = gain / self._price(leg, count)
                if rate > best:
                    best, place = rate, at
        if place < 0:
            return False
        leg, count = candidates[place]
        self.closed[leg], self.slack = count, slacks[place]
        return True

    def _price(self, leg: int, count: int) -> float:
        """Return what the gain of closing further is held against: cost, or notional where it is free."""
        quote = self.desk.quotes[self.desk.held[leg]]
        more = float(self._change(leg, count)) - float(self._change(leg, self.closed[leg]))
        cost = quote.cost(more, self.desk.taker_fee)
        price = cost if cost > 0.0 else quote.size(more)
        return price if price is not None and price > 0.0 else abs(more)

    def _finished(self, curing: list[int]) -> tuple[Trade, ...]:
        """Return the trades once one leg more cures: the cheapest such leg, and the others trimmed."""
        found = self._least(curing)
        choices = [(leg, count) for leg, count in zip(curing, found, strict=True) if count]
        if not choices:
            return ()
        last, count = min(choices, key=lambda each: (self._cost(*each), each))
        self.closed[last] = count
        costs = [self._cost(leg, closed) for leg, closed in enumerate(self.closed)]
        for leg in sorted(range(len(costs)), key=lambda i: costs[i], reverse=True):
            if leg != last and self.closed[leg]:
                self._trim(leg)
        return self._told()

    def _least(self, legs: list[int]) -> list[int | None]:
        """Return for each leg the least steps closed in all that cure, the others as they are."""
        base = [self.closed[leg] for leg in legs]
        grids = [
            [step - base[k] for step in (*doublings(1, self.most[leg]), self.most[leg])]
            for k, leg in enumerate(legs)
        ]

        def slack_of(places: list[int], steps: list[int]) -> Floats:
            tried = [
                (legs[place], base[place] + step) for place, step in zip(places, steps, strict=True)
            ]
            return self._outcome(tried).slack

        found = least_steps(grids, [self.slack] * len(legs), slack_of, self.desk.width)
        return [None if step is None else base[k] + step for k, step in enumerate(found)]

    def _trim(self, leg: int) -> None:
        """Close no more of a leg than the others leave to do."""
        most = self.closed[leg]
        open_slack = self._slacks([(leg, 0)])[0]
        if open_slack >= 0.0:
            self.closed[leg] = 0
            return

        def slack_of(_places: list[int], steps: list[int]) -> Floats:
            return self._outcome([(leg, step) for step in steps]).slack

        found = least_steps([doublings(1, most)], [open_slack], slack_of, self.desk.width)[0]
        self.closed[leg] = most if found is None else found

    def _change(self, leg: int, count: int) -> Decimal:
        size = min(self.size[leg], Decimal(count).scaleb(self.digits[leg]))
        return self.sign[leg] * (self.size[leg] if count >= self.most[leg] else size)

    def _outcome(self, tried: list[tuple[int, int]]) -> Outcome:
        """Return the account with a leg closed so far, the others as they are, one account each."""
        number = self.desk.ledger.number
        as_closed = [number(self._change(leg, closed)) for leg, closed in enumerate(self.closed)]
        rows = []
        for leg, count in tried:
            row = list(as_closed)
            row[leg] = number(self._change(leg, count))
            rows.append(row)
        return self.desk.closings(rows)

    def _slacks(self, tried: list[tuple[int, int]]) -> list[float]:
        found: list[float] = self._outcome(tried).slack.tolist()
        return found

    def _cost(self, leg: int, count: int) -> tuple[float, float]:
        quote, change = self.desk.quotes[self.desk.held[leg]], float(self._change(leg, count))
        size = quote.size(change)
        return quote.cost(change, self.desk.taker_fee), inf if size is None else size

    def _told(self) -> tuple[Trade, ...]:
        """Return the trades with the requirement before and after each, done one after another."""
        number, told = self.desk.ledger.number, []
        done = [number(Decimal(0))] * len(self.closed)
        before = self.requirement
        for leg, count in enumerate(self.closed):
            if not count:
                continue
            change = self._change(leg, count)
            done[leg] = number(change)
            after = self.desk.closings([list(done)])
            equity, requirement = plain_number(after.equity[0]), plain_number(after.requirement[0])
            name = self.desk.held[leg]
            told.append(trade(self.desk, name, change, before, equity, requirement))
            before = requirement
        return tuple(told)


def _notional(legs: tuple[Trade, ...]) -> float | None:
    total = 0.0
    for each in legs:
        if each.notional is None:
            return None
        total += each.notional
    return total
