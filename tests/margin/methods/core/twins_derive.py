"""Derive's four methods once more in plain Python, written from their description sentence by sentence.

A twin takes a case as its line states it and returns what the method says: `equity`, the requirements
and `native`. Beside them stands `scale`, the sum of the absolute values of cash, legs and balances, by
which a difference to the engine's answer is judged. No array, no formula of a document, no shared code.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from tests.margin.methods.core.derive_defaults import AUCTION, PMRM, PMRM2, SRM

Table = dict[str, Any]
YEAR = 31_536_000.0
DAY = 86_400.0
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()


def moment(text: str) -> datetime:
    """Return the instant of an ISO 8601 text."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def normal(x: float) -> float:
    """Return the standard normal distribution at x."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(
    is_call: bool, seconds: float, volatility: float, forward: float, strike: float, discount: float
) -> float:
    """Return the Black-76 price, with the edges of the common definitions."""
    if forward <= 0.0:
        return 0.0 if is_call else strike * discount
    if strike <= 0.0:
        return forward * discount if is_call else 0.0
    deviation = volatility * math.sqrt(seconds / YEAR) if seconds > 0.0 else 0.0
    if deviation <= 0.0:
        deviation = 1e-18
    if deviation >= 24.0:
        call = forward * discount
    else:
        k = math.log(strike / forward)
        d1 = (deviation * deviation / 2.0 - k) / deviation
        d2 = d1 - deviation
        call = forward * discount * max(0.0, normal(d1) - strike / forward * normal(d2))
    if is_call:
        return min(call, forward * discount)
    put = forward * discount * max(0.0, call / (forward * discount) + strike / forward - 1.0)
    return min(put, strike * discount)


def volatility_multiplier(direction: str, seconds: float, p: Table) -> float:
    """Return by what a volatility is multiplied in a shock up, down or none."""
    if direction == "none":
        return 1.0
    floored = max(seconds, p["dte_floor_days"] * DAY)
    power = p["short_term_power"] if seconds <= 30.0 * DAY else p["long_term_power"]
    term = (30.0 * DAY / floored) ** power
    if direction == "up":
        return float(1.0 + p["vol_range_up"] * term)
    return float(max(0.0, 1.0 - p["vol_range_down"] * term))


class Leg:
    """An option position."""

    def __init__(self, strike: float, is_call: bool, quantity: float) -> None:
        self.strike = strike
        self.is_call = is_call
        self.quantity = quantity

    def payoff(self, price: float) -> float:
        return max(0.0, price - self.strike if self.is_call else self.strike - price)

    def worth(self, seconds: float, volatility: float, forward: float, discount: float) -> float:
        price = black(self.is_call, seconds, volatility, forward, self.strike, discount)
        return self.quantity * price


def naked_shorts(legs: list[Leg]) -> float:
    """Return the naked shorts of one expiry: per strike, calls and puts offset one for one."""
    total = 0.0
    for strike in sorted({leg.strike for leg in legs}):
        here = [leg.quantity for leg in legs if leg.strike == strike]
        if any(quantity > 0.0 for quantity in here) and any(quantity < 0.0 for quantity in here):
            total += max(0.0, -sum(here))
        else:
            total += sum(-quantity for quantity in here if quantity < 0.0)
    return total


class Expiry:
    """The legs of one expiry with what the market says of it."""

    def __init__(self, stated: Table, as_of: datetime) -> None:
        self.stated = stated
        self.seconds = max(0.0, (moment(stated["expiry"]) - as_of).total_seconds())
        self.years = self.seconds / YEAR
        self.forward: float = stated.get("forward_price", math.nan)
        self.rate: float = max(0.0, stated.get("rate", 0.0))
        self.legs: list[Leg] = []

    def confidence(self, *kinds: str) -> float:
        """Return the lowest confidence; without `kinds` of all of them."""
        named = kinds or ("forward", "rate", "volatility")
        fields = ["confidence", *(f"{kind}_confidence" for kind in named)]
        return float(min(self.stated.get(field, 1.0) for field in fields))

    def volatility(self, strike: float) -> float:
        """Return the implied volatility of a strike, stated or of the slice."""
        if "svi" not in self.stated:
            for text, found in self.stated["implied_volatility"].items():
                if float(text) == strike:
                    return float(found)
            raise KeyError(strike)
        svi = self.stated["svi"]
        bound = 4.0 * math.sqrt(svi["a"] + svi["b"] * svi["sigma"])
        k = min(bound, max(-bound, math.log(strike / svi["forward"])))
        root = math.sqrt((k - svi["m"]) ** 2 + svi["sigma"] ** 2)
        w = min(144.0, svi["a"] + svi["b"] * (root + svi["rho"] * (k - svi["m"])))
        return math.sqrt(w / svi["tau"])


class Book:
    """What an account holds of one underlying."""

    def __init__(self, name: str, case: Table) -> None:
        market = case["market"]
        stated = market["underlyings"][name]
        as_of = moment(market["as_of"])
        self.index: float = stated["index_price"]
        self.index_confidence: float = stated.get("confidence", 1.0)
        self.perpetual = self.pnl = self.funding = self.mark = 0.0
        self.perpetual_confidence = 1.0
        self.base: float = case["account"]["balances"].get(name, 0.0)
        expiries = {
            moment(each["expiry"]).date(): Expiry(each, as_of)
            for each in stated.get("expiries", [])
        }
        for position in case["account"]["positions"]:
            underlying, *rest = position["instrument"].split("-")
            if underlying != name:
                continue
            if rest == ["PERPETUAL"]:
                if position["quantity"] == 0.0:
                    continue  # not held
                self.perpetual = position["quantity"]
                self.pnl = position.get("unrealised_pnl", 0.0)
                self.funding = position.get("unrealised_funding", 0.0)
                self.mark = stated["perpetual"]["mark_price"]
                self.perpetual_confidence = stated["perpetual"].get("confidence", 1.0)
                continue
            day, strike, right = rest
            month = MONTHS.index(day[-5:-2]) + 1
            date = datetime(2000 + int(day[-2:]), month, int(day[:-5]), tzinfo=UTC).date()
            leg = Leg(float(strike.replace("d", ".")), right == "C", position["quantity"])
            expiries[date].legs.append(leg)
        self.expiries = [expiry for expiry in expiries.values() if expiry.legs]

    def spot_confidence(self) -> float:
        """Return the index's confidence, or the perpetual's if one is held and its is lower."""
        return min(self.index_confidence, self.perpetual_confidence)


def the_underlying(case: Table) -> str:
    """Return the one underlying: of the positions, else of a balance, else the market's first."""
    market = case["market"]["underlyings"]
    held = [each["instrument"].split("-")[0] for each in case["account"]["positions"]]
    coins = [name for name in case["account"]["balances"] if name in market]
    return str([*held, *coins, *market][0])


def usdc_price(case: Table) -> float:
    return float(case["market"].get("assets", {}).get("USDC", {}).get("price", 1.0))


def answer_of(equity: float, initial: float, maintenance: float, scale: float) -> Table:
    return {
        "currency": "USDC",
        "equity": equity,
        "initial_requirement": equity - initial,
        "maintenance_requirement": equity - maintenance,
        "native": {"initial_margin": initial, "maintenance_margin": maintenance},
        "scale": scale,
    }


def pmrm(case: Table) -> Table:
    """Return what the first portfolio margin says."""
    p = PMRM | case.get("parameters", {})
    cash = case["account"]["balances"].get("USDC", 0.0)
    if not case["market"].get("underlyings"):
        return answer_of(cash, cash, cash, abs(cash))
    book, peg = Book(the_underlying(case), case), usdc_price(case)

    def value(expiry: Expiry, spot: float, multiplier: float) -> float:
        fixed = expiry.stated.get("forward_fixed", 0.0)
        forward = (expiry.forward - fixed) * spot + fixed
        return sum(
            leg.worth(expiry.seconds, expiry.volatility(leg.strike) * multiplier, forward, 1.0)
            for leg in expiry.legs
        )

    marks = [value(expiry, 1.0, 1.0) for expiry in book.expiries]
    base = book.base * book.index / peg
    equity = cash + sum(marks) + base + book.pnl

    contingency = 0.0
    for expiry, mark in zip(book.expiries, marks, strict=True):
        rise = value(expiry, p["basis_spot_up"], 1.0) - mark
        fall = value(expiry, p["basis_spot_down"], 1.0) - mark
        contingency += min(rise, fall, 0.0) * (p["basis_add"] + p["basis_mult"] * expiry.years)
    worst = contingency
    for spot in p["spot_grid"]:
        for direction in p["vol_grid"]:
            pnl = base * (spot - 1.0) + book.perpetual * (spot - 1.0) * book.mark
            for expiry, mark in zip(book.expiries, marks, strict=True):
                multiplier = volatility_multiplier(direction, expiry.seconds, p)
                shocked = value(expiry, spot, multiplier)
                if shocked > 0.0:
                    yearly = expiry.rate * p["rate_mult"] + p["rate_add"]
                    shocked *= p["static_discount"] * math.exp(-expiry.years * yearly)
                pnl += shocked - mark
            worst = min(worst, pnl)

    naked = sum(naked_shorts(expiry.legs) for expiry in book.expiries)
    perpetual = abs(book.perpetual)
    static = book.index * (
        perpetual * p["perp_pct"] + book.base * p["base_pct"] + naked * p["option_pct"]
    )
    spot_confidence = book.spot_confidence()
    groups = [(perpetual + book.base, spot_confidence)]
    for expiry in book.expiries:
        amount = sum(abs(leg.quantity) for leg in expiry.legs)
        groups.append((amount, min(spot_confidence, expiry.confidence())))
    charge = 0.0
    for amount, confidence in groups:
        if confidence < p["conf_threshold"]:
            charge += (1.0 - confidence) * p["conf_margin"] * amount * book.index
    maintenance = equity + worst - static
    factor = p["im_factor"] + max(0.0, p["peg_loss_threshold"] - peg) * p["peg_loss_factor"]
    initial = equity + (worst - static) * factor - charge
    return answer_of(equity, initial, maintenance, scale_of(cash, [book]))


def scale_of(cash: float, books: list[Book]) -> float:
    """Return the sum of the absolute values of what is held."""
    total = abs(cash)
    for book in books:
        total += abs(book.pnl) + abs(book.base) * book.index + abs(book.perpetual) * book.mark
        for expiry in book.expiries:
            for leg in expiry.legs:
                volatility = expiry.volatility(leg.strike)
                total += abs(leg.worth(expiry.seconds, volatility, expiry.forward, 1.0))
    return total


class SecondBook:
    """The derivatives of one underlying and the collateral, under the second portfolio margin."""

    def __init__(self, case: Table) -> None:
        self.p = PMRM2 | case.get("parameters", {})
        self.peg = usdc_price(case)
        balances = case["account"]["balances"]
        self.cash = balances.get("USDC", 0.0)
        assets = case["market"].get("assets", {})
        self.book = Book(the_underlying(case), case)
        self.collateral = []
        for name, quantity in balances.items():
            if name != "USDC":
                terms = self.p["collateral"].get(name, {})
                worth = quantity * assets[name]["price"] / self.peg
                confidence = assets[name].get("confidence", 1.0)
                self.collateral.append((worth, confidence, terms))

    def forward(self, expiry: Expiry, spot: float) -> float:
        if expiry.seconds < 1800.0:
            fixed = expiry.forward * (1800.0 - expiry.seconds) / 1800.0
            return expiry.forward * expiry.seconds / 1800.0 * spot + fixed
        return expiry.forward * spot

    def value(self, expiry: Expiry, spot: float, direction: str) -> float:
        """Return V(s, dir)."""
        discount = math.exp(-expiry.rate * expiry.years)
        total = 0.0
        for leg in expiry.legs:
            volatility = expiry.volatility(leg.strike)
            volatility *= volatility_multiplier(direction, expiry.seconds, self.p)
            if direction == "up":
                volatility = max(volatility, self.p["min_vol_up_shock"])
            total += leg.worth(expiry.seconds, volatility, self.forward(expiry, spot), discount)
        return total

    def skewed(self, expiry: Expiry, kind: str) -> float:
        """Return the skew value: the spot stands, volatilities tilt with the distance."""
        p, root = self.p, math.sqrt(expiry.years)
        cap = p[f"skew_{kind}_cbase"] * root + p[f"skew_{kind}_cap"]
        width = root * p["skew_width_scale"] * (p["skew_vol_static"] + root * p["skew_vol_scale"])
        kstar = max(p["skew_min_kstar"], width)
        discount = math.exp(-expiry.rate * expiry.years)
        total = 0.0
        for leg in expiry.legs:
            k = math.log(leg.strike / self.forward(expiry, 1.0))
            if kind == "abs":
                k = abs(k)
            y = k * cap / kstar
            multiplier = 1.0 + min(cap, y) if k >= 0.0 else 1.0 + max(-cap, y)
            volatility = expiry.volatility(leg.strike) * max(0.0, multiplier)
            total += leg.worth(expiry.seconds, volatility, self.forward(expiry, 1.0), discount)
        return total

    def discounted(self, expiry: Expiry, y: float) -> float:
        p, rate, years = self.p, expiry.rate, expiry.years
        if y >= 0.0:
            yearly = rate * p["long_rate_mult"] + p["long_rate_add"]
            return float(y * p["long_static_discount"] * math.exp(-years * yearly))
        yearly = rate * p["short_rate_mult"] + p["short_rate_add"]
        ours = p["short_static_discount"] / math.exp(-years * yearly)
        return float(y * min(1.0 / math.exp(-rate * years), ours))

    def scenario(self, scenario: Table) -> float:
        """Return the P&L of one scenario."""
        spot, direction = scenario["spot_shock"], scenario["volatility"]
        damp = scenario.get("dampening", 1.0)
        pnl = self.book.perpetual * (spot - 1.0) * self.book.mark * damp
        for worth, _, terms in self.collateral:
            if terms.get("risk_cancelling", False):
                pnl += worth * (spot - 1.0) * damp
        for expiry in self.book.expiries:
            is_skew = direction in ("linear", "abs")
            y = self.skewed(expiry, direction) if is_skew else self.value(expiry, spot, direction)
            z = (self.discounted(expiry, y) - self.value(expiry, 1.0, "none")) * damp
            pnl += -abs(z) if is_skew else z
        return float(pnl)

    def contingency(self) -> float:
        p, total = self.p, 0.0
        for expiry in self.book.expiries:
            mark = self.value(expiry, 1.0, "none")
            rise = self.value(expiry, p["basis_spot_up"], "none") - mark
            fall = self.value(expiry, p["basis_spot_down"], "none") - mark
            total += min(rise, fall, 0.0) * (p["basis_add"] + p["basis_mult"] * expiry.years)
        return total

    def charge(self, amount: float, confidence: float) -> float:
        if confidence < self.p["conf_threshold"]:
            return float((1.0 - confidence) * self.p["conf_margin"] * amount)
        return 0.0

    def charges(self) -> float:
        book = self.book
        spot_confidence = book.spot_confidence()
        total = self.charge(book.index * abs(book.perpetual), spot_confidence)
        for expiry in book.expiries:
            amount = book.index * sum(abs(leg.quantity) for leg in expiry.legs)
            total += self.charge(amount, min(spot_confidence, expiry.confidence()))
        for worth, confidence, _ in self.collateral:
            total += self.charge(worth, min(confidence, book.index_confidence))
        return total


def pmrm2(case: Table) -> Table:
    """Return what the second portfolio margin says."""
    cash = case["account"]["balances"].get("USDC", 0.0)
    if not case["market"].get("underlyings"):
        return answer_of(cash, cash, cash, abs(cash))
    second = SecondBook(case)
    p, book = second.p, second.book
    worth = sum(each for each, _, _ in second.collateral)
    marks = sum(second.value(expiry, 1.0, "none") for expiry in book.expiries)
    equity = cash + worth + marks + book.pnl + book.funding
    worst = min([second.contingency(), *(second.scenario(each) for each in p["scenarios"])])
    notional = book.index * abs(book.perpetual)
    naked = book.index * sum(naked_shorts(expiry.legs) for expiry in book.expiries)

    def contingencies(level: str, haircut: str) -> float:
        cuts = sum(each * terms.get(haircut, 0.0) for each, _, terms in second.collateral)
        options = naked * p[f"{level}_option_pct"]
        return float(notional * p[f"{level}_perp_pct"] + options + cuts)

    for_maintenance = contingencies("mm", "maintenance_haircut")
    for_initial = contingencies("im", "initial_haircut") + second.charges()
    loss = max(0.0, p["peg_loss_threshold"] - second.peg) * p["peg_loss_factor"]
    maintenance = equity + worst * p["mm_factor"] - for_maintenance
    initial = equity + worst * (p["im_factor"] + loss) - for_maintenance - for_initial
    scale = scale_of(cash, [book]) + sum(abs(each) for each, _, _ in second.collateral)
    return answer_of(equity, initial, maintenance, scale)


def srm_isolated(leg: Leg, value: float, index: float, p: Table, is_initial: bool) -> float:
    """Return the margin of a short leg on its own; a long one gives none."""
    if leg.quantity >= 0.0:
        return 0.0
    out = max(leg.strike - index, 0.0) if leg.is_call else max(index - leg.strike, 0.0)
    multiplier = max(p["max_spot_req"] - out / index, p["min_spot_req"])
    notional = index * leg.quantity
    if leg.is_call:
        rate = multiplier if is_initial else p["mm_call_spot"]
        return float(value + rate * notional)
    maintenance = min(p["mm_put_spot"] * notional, p["mm_put_mtm"] * value) + value
    if not is_initial:
        return float(maintenance)
    return float(min(value + multiplier * notional, maintenance * p["mm_offset"]))


def srm_bounded(expiry: Expiry, p: Table, is_initial: bool) -> float:
    """Return the worst settlement over 0 and every strike, with the charge for unpaired calls."""
    prices = [0.0, *(leg.strike for leg in expiry.legs)]
    worst = 0.0
    for price in prices:
        worst = min(worst, sum(leg.quantity * leg.payoff(price) for leg in expiry.legs))
    calls = sum(leg.quantity for leg in expiry.legs if leg.is_call)
    if calls < 0.0:
        worst += (p["unpaired_im"] if is_initial else p["unpaired_mm"]) * expiry.forward * calls
    return worst


def srm_net(book: Book, peg: float, p: Table, is_initial: bool) -> float:
    """Return what one underlying adds to the cash."""
    short = 0.0
    charge = 0.0

    def low(confidence: float, amount: float) -> float:
        if confidence < p["oc_threshold"]:
            return float((1.0 - confidence) * p["oc_factor"] * book.index * amount)
        return 0.0

    perpetual = abs(book.perpetual)
    net = -perpetual * book.mark * (p["im_perp"] if is_initial else p["mm_perp"]) + book.pnl
    charge += low(book.spot_confidence(), perpetual)
    for expiry in book.expiries:
        isolated = 0.0
        for leg in expiry.legs:
            volatility = expiry.volatility(leg.strike)
            value = leg.worth(expiry.seconds, volatility, expiry.forward, 1.0)
            isolated += srm_isolated(leg, value, book.index, p, is_initial)
        net += max(isolated, srm_bounded(expiry, p, is_initial))
        here = sum(-leg.quantity for leg in expiry.legs if leg.quantity < 0.0)
        short += here
        charge += low(min(book.index_confidence, expiry.confidence("forward", "volatility")), here)
    credit = book.base * book.index * p["base_margin_factor"]
    credit *= p["base_im_scale"] if is_initial else 1.0
    if credit != 0.0:
        charge += low(book.index_confidence, book.base)
    net += credit
    if is_initial:
        depeg = max(0.0, p["depeg_threshold"] - peg) * p["depeg_factor"]
        net -= charge + depeg * book.index * (short + perpetual)
    return float(net)


def srm(case: Table) -> Table:
    """Return what the standard margin says."""
    p, peg = SRM | case.get("parameters", {}), usdc_price(case)
    cash = case["account"]["balances"].get("USDC", 0.0)
    books = [Book(name, case) for name in case["market"].get("underlyings", {})]
    equity = initial = maintenance = cash
    for book in books:
        initial += srm_net(book, peg, p, True)
        maintenance += srm_net(book, peg, p, False)
        equity += book.pnl + book.base * book.index / peg
        for expiry in book.expiries:
            for leg in expiry.legs:
                volatility = expiry.volatility(leg.strike)
                equity += leg.worth(expiry.seconds, volatility, expiry.forward, 1.0)
    return answer_of(equity, initial, maintenance, scale_of(cash, books))


def largest_fraction(buffer: float, equity: float, discount: float, reserved: float) -> float:
    """Return f_max."""
    if buffer >= 0.0:
        return 0.0
    return buffer / (buffer - equity * discount - reserved * (1.0 - discount))


def discount_after(seconds: float, p: Table) -> float:
    """Return the discount so many seconds after the start."""
    start, cutoff = p["start_discount"], p["fast_cutoff_discount"]
    if seconds <= p["fast_seconds"]:
        return float(start - (start - cutoff) * seconds / p["fast_seconds"])
    late = seconds - p["fast_seconds"]
    return float(max(0.0, cutoff - cutoff * late / p["slow_seconds"]))


def sold(case: Table, fraction: float, reserved: float, cost: float) -> Table:
    """Return the case after a bid."""
    kept = 1.0 - fraction
    account = case["account"]
    balances = {name: amount * kept for name, amount in account["balances"].items()}
    cash = account["balances"].get("USDC", 0.0)
    balances["USDC"] = (cash - reserved) * kept + reserved + cost
    positions = []
    for position in account["positions"]:
        scaled = {**position, "quantity": position["quantity"] * kept}
        if "unrealised_pnl" in position:
            scaled["unrealised_pnl"] = position["unrealised_pnl"] * kept
        positions.append(scaled)
    return {**case, "account": {**account, "balances": balances, "positions": positions}}


def auction(case: Table) -> Table:
    """Return what the liquidation auction says."""
    p = AUCTION | case.get("parameters", {}).get("auction", {})

    def levels(of: Table) -> tuple[float, float, float]:
        found = pmrm(of)
        equity, maintenance = found["equity"], found["native"]["maintenance_margin"]
        return equity, maintenance, maintenance + p["buffer"] * (maintenance - equity)

    equity, maintenance, buffer = levels(case)
    native = {
        "mark_to_market": equity,
        "maintenance_margin": maintenance,
        "buffer_margin": buffer,
    }
    found = {"currency": "USDC", "native": native, "scale": pmrm(case)["scale"]}
    asked = case["auction"]
    if asked.get("bid_fraction") is None:
        fraction = largest_fraction(buffer, equity, 1.0, 0.0) if equity > 0.0 else 0.0
        native["start_fee"] = fraction * abs(equity) * p["fee_rate"]
        return found
    reserved = asked.get("reserved_cash", 0.0)
    elapsed = moment(case["market"]["as_of"]) - moment(asked["started_at"])
    discount = discount_after(elapsed.total_seconds(), p)
    most = largest_fraction(buffer, equity, discount, reserved)
    fraction = min(asked["bid_fraction"], most)
    cost = (equity - reserved) * discount * fraction
    then, maintenance_then, buffer_then = levels(sold(case, fraction, reserved, cost))
    native |= {
        "discount": discount,
        "max_fraction": most,
        "fraction_taken": fraction,
        "bid_cost": cost,
        "after": {
            "mark_to_market": then,
            "maintenance_margin": maintenance_then,
            "buffer_margin": buffer_then,
            "max_fraction": largest_fraction(buffer_then, then, discount, reserved + cost),
        },
    }
    return found


TWINS = {
    "derive-pmrm": pmrm,
    "derive-pmrm2": pmrm2,
    "derive-srm": srm,
    "derive-auction": auction,
}
