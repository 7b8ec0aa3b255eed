"""Second implementations of six venues' margin methods, to hold the scenario core against.

Written from the venues' rules, position by position, in the plainest Python there is: a case as JSON
states it goes in, the answer as JSON prints it comes out. Nothing here is shared with the engine.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

Fields = dict[str, Any]
YEAR = 31_536_000.0
DAY = 86_400.0
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def normal(x: float) -> float:
    """Return N(x)."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black(
    is_call: bool,
    seconds: float,
    volatility: float,
    forward: float,
    strike: float,
    discount: float = 1.0,
) -> float:
    """Return Black-76 with its limits."""
    if forward <= 0.0:
        return 0.0 if is_call else strike * discount
    if strike <= 0.0:
        return forward * discount if is_call else 0.0
    s = volatility * math.sqrt(seconds / YEAR) if seconds > 0.0 else 0.0
    if s <= 0.0:
        s = 1e-18
    whole = forward * discount
    if s >= 24.0:
        call = whole
    else:
        d1 = (s * s / 2.0 - math.log(strike / forward)) / s
        call = whole * max(0.0, normal(d1) - strike / forward * normal(d1 - s))
    call = min(call, whole)
    if is_call:
        return call
    return min(strike * discount, whole * max(0.0, call / whole + strike / forward - 1.0))


def unit_delta(
    is_call: bool, seconds: float, volatility: float, forward: float, strike: float
) -> float:
    """Return N(d1) of a call, N(d1) − 1 of a put."""
    s = volatility * math.sqrt(seconds / YEAR) if seconds > 0.0 else 0.0
    s = max(s, 1e-18)
    d1 = (s * s / 2.0 - math.log(strike / forward)) / s
    return normal(d1) if is_call else normal(d1) - 1.0


class Leg:
    """A position beside what the market says of it."""

    def __init__(self, case: Fields, position: Fields) -> None:
        self.name = position["instrument"]
        self.quantity = position["quantity"]
        self.position = position
        parts = self.name.split("-")
        self.underlying = parts[0]
        self.is_perpetual = parts[1] == "PERPETUAL"
        self.is_option = len(parts) == 4
        self.is_call = self.name.endswith("-C")
        self.strike = float(parts[2].replace("d", ".")) if self.is_option else 0.0
        market = case.get("market", {})
        self.market = market.get("underlyings", {}).get(self.underlying, {})
        self.seconds = 0.0
        self.day = "" if self.is_perpetual else parts[1]
        self.forward = self.volatility = math.nan
        for entry in self.market.get("expiries", []):
            at = datetime.fromisoformat(entry["expiry"])
            if f"{at.day}{MONTHS[at.month - 1]}{at.year % 100:02d}" != self.day:
                continue
            left = at - datetime.fromisoformat(market["as_of"])
            self.seconds = max(0.0, left.total_seconds())
            self.forward = entry.get("forward_price", math.nan)
            if self.is_option:
                self.volatility = entry.get("implied_volatility", {}).get(parts[2], math.nan)

    def value(self, forward: float, volatility: float, seconds: float | None = None) -> float:
        """Return Black-76 of one unit."""
        left = self.seconds if seconds is None else seconds
        return black(self.is_call, left, volatility, forward, self.strike)

    def delta(self) -> float:
        """Return the delta of one unit."""
        if not self.is_option:
            return 1.0
        return unit_delta(self.is_call, self.seconds, self.volatility, self.forward, self.strike)


def legs_of(case: Fields) -> list[Leg]:
    """Return the positions of a case."""
    return [Leg(case, position) for position in case.get("account", {}).get("positions", [])]


def with_defaults(case: Fields, defaults: Fields) -> Fields:
    """Return the parameters of a case."""
    return {**defaults, **case.get("parameters", {})}


DERIBIT = {
    "price_range": 0.16, "buckets_count": 4, "volatility_range_up": 0.5,
    "volatility_range_down": 0.25, "short_term_vega_power": 0.3, "long_term_vega_power": 0.13,
    "min_volatility_for_shock_up": 0.5, "extended_table_factor": 1.0, "extended_dampener": 100000.0,
    "min_annualised_move": 0.01, "annualised_move_risk": 0.075,
    "delta_total_liquidity_shock_threshold": 20000000.0, "max_delta_shock": 0.1,
    "delta_shock_increment": 0.00005, "pnl_offset": 0.0, "max_offsetable_pnl": 0.0, "mm_factor": 0.8,
}  # fmt: skip
EXTENDED = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


def deribit_pm(case: Fields) -> Fields:
    """Return what Deribit's segregated portfolio margin says."""
    p = with_defaults(case, DERIBIT)
    legs = legs_of(case)
    spread, n = p["price_range"], p["buckets_count"]
    index = legs[0].market["index_price"]
    shocked = {leg.name: _deribit_volatility(leg, p) for leg in legs if leg.is_option}

    standard = []
    for i in range(-n, n + 1):
        for which in ("down", None, "up"):
            move = i * spread / n
            standard.append(sum(_deribit_pnl(leg, move, which, shocked) for leg in legs))
    extended = []
    for move in EXTENDED:
        sign = math.copysign(1.0, move)
        total = 0.0
        for leg in legs:
            if leg.is_option:
                pnl = _deribit_pnl(leg, move, "up", shocked)
                pnl *= p["extended_table_factor"] * spread / abs(move)
                total += pnl * (1.0 + move) / (1.0 + sign * spread)
            else:
                clipped = max(-spread, min(spread, move))
                total += _deribit_pnl(leg, clipped, "up", shocked)
        extended.append(total)
    limit = p["max_offsetable_pnl"] / index
    standard = [min(x * p["pnl_offset"], limit) if x > 0.0 else x for x in standard]
    extended = [min(x * p["pnl_offset"], limit) if x > 0.0 else x for x in extended]
    dampened = []
    for move, x in zip(EXTENDED, extended, strict=True):
        sign = math.copysign(1.0, move)
        by = (max(abs(move) / spread, 1.0) - 1.0) * p["extended_dampener"]
        by /= (1.0 + sign * spread) * index
        dampened.append(x - by if x > by else x + by if x < -by else 0.0)

    worst = max(0.0, -min(standard), -min(dampened))
    source = "extended" if min(dampened) < min(standard) and min(dampened) < 0.0 else "standard"
    roll = _deribit_roll(legs, p)
    shock = _deribit_delta_shock(legs, p, index)
    account = case["account"]
    matrix = round(worst, 9) + roll + shock + account.get("correlation_contingency", 0.0)
    given = sum(account.get(x, 0.0) for x in ("spot_margin", "mmp_margin", "open_orders_margin"))
    return {
        "currency": legs[0].underlying,
        "initial_requirement": round(matrix + given, 9),
        "maintenance_requirement": p["mm_factor"] * matrix,
        "native": {
            "aggregated_risk_vector": standard,
            "extended_risk_vector": dampened,
            "shocked_volatility": shocked,
            "worst_case": worst,
            "worst_case_source": source,
            "roll_shock": roll,
            "delta_shock": shock,
            "risk_matrix_margin": matrix,
        },
    }


def _deribit_volatility(leg: Leg, p: Fields) -> Fields:
    days = leg.seconds / DAY
    power = p["short_term_vega_power"] if days < 30.0 else p["long_term_vega_power"]
    f = (30.0 / days) ** power if days > 0.0 else math.inf
    up = max(
        leg.volatility * (1.0 + f * p["volatility_range_up"]), p["min_volatility_for_shock_up"]
    )
    down = max(leg.volatility * (1.0 - f * p["volatility_range_down"]), 0.0)
    return {"up": up, "down": down}


def _deribit_pnl(leg: Leg, move: float, which: str | None, shocked: Fields) -> float:
    if not leg.is_option:
        return leg.quantity * (1.0 - 1.0 / (1.0 + move))
    volatility = leg.volatility if which is None else shocked[leg.name][which]
    forward = leg.forward * (1.0 + move)
    today = leg.value(leg.forward, leg.volatility) / leg.forward
    return leg.quantity * (leg.value(forward, volatility) / forward - today)


def _deribit_roll(legs: list[Leg], p: Fields) -> float:
    net: dict[str, float] = {}
    years: dict[str, float] = {}
    for leg in legs:
        net[leg.day] = net.get(leg.day, 0.0) + leg.quantity * leg.delta()
        years[leg.day] = leg.seconds / YEAR
    total = 0.0
    for day, delta in net.items():
        grown = math.exp(p["annualised_move_risk"] * years[day]) - 1.0
        total += abs(delta) * max(p["min_annualised_move"], grown)
    return total


def _deribit_delta_shock(legs: list[Leg], p: Fields, index: float) -> float:
    first = second = 0.0
    for leg in legs:
        if leg.is_option and leg.quantity > 0.0:
            first += leg.quantity * leg.delta()
        else:
            second += leg.quantity * leg.delta()
    if second < 0.0:
        delta = min(max(first + second, second), 0.0)
    else:
        delta = max(min(first + second, second), 0.0)
    over = max(abs(delta) - p["delta_total_liquidity_shock_threshold"] / index, 0.0)
    return abs(delta) * min(p["delta_shock_increment"] * over, p["max_delta_shock"])


def deribit_sm(case: Fields) -> Fields:
    """Return what Deribit's standard margin in coin says."""
    legs = legs_of(case)
    initial = maintenance = 0.0
    rates = {"initial": 0.02, "maintenance": 0.01}
    known = {"BTC": 0.00005, "ETH": 0.000004}
    for leg in legs:
        size = abs(leg.quantity)
        if not leg.is_option:
            own = {**rates, "increase_per_coin": known.get(leg.underlying, math.nan)}
            own.update(case.get("parameters", {}).get("futures", {}))
            initial += (own["initial"] + own["increase_per_coin"] * size) * size
            maintenance += (own["maintenance"] + own["increase_per_coin"] * size) * size
        elif leg.quantity < 0.0:
            mark = leg.position["mark_price"]
            way = leg.strike - leg.forward if leg.is_call else leg.forward - leg.strike
            base = max(0.15 - max(way, 0.0) / leg.forward, 0.10) + mark
            keep = 0.075 + mark if leg.is_call else max(0.075, 0.075 * mark) + mark
            initial += size * (base if leg.is_call else max(base, keep))
            maintenance += size * keep
    return {
        "currency": legs[0].underlying,
        "initial_requirement": initial,
        "maintenance_requirement": maintenance,
    }


OKX_BTC = {
    "spot_shocks": [0.04, 0.08, 0.12], "extreme_move": 0.24,
    "basis_rate": 0.002, "minimum_charge_rate": 0.0045,
}  # fmt: skip
OKX_OTHER = {
    "spot_shocks": [0.08, 0.16, 0.25], "extreme_move": 0.5,
    "basis_rate": 0.008, "minimum_charge_rate": 0.007,
}  # fmt: skip
OKX = {
    "extreme_factor": 0.5, "initial_factor": 1.3,
    "minimum_charge_tiers": [
        [250000, 1], [500000, 2], [1000000, 4], [2000000, 6], [3000000, 8], [4000000, 10],
        [None, 12],
    ],
}  # fmt: skip


def okx_pm(case: Fields) -> Fields:
    """Return what the perpetual part of OKX's portfolio margin says."""
    p = with_defaults(case, OKX)
    borrow = {"initial": 0.1, "maintenance": 0.02, **p.get("borrow_rates", {})}
    rate = case["market"].get("assets", {}).get("USDT", {}).get("price", 1.0)
    cash = case["account"].get("balances", {}).get("USDT", 0.0)
    units: Fields = {}
    for leg in legs_of(case):
        mark = leg.market["perpetual"]["mark_price"]
        unit = units.setdefault(leg.underlying, {"delta": 0.0, "n": 0.0})
        unit["delta"] += leg.quantity * mark * rate
        unit["n"] += leg.quantity * leg.market.get("index_price", mark) * rate
        cash += leg.quantity * (mark - leg.position.get("entry_price", mark))
    native: Fields = {}
    for name, unit in units.items():
        defaults = OKX_BTC if name == "BTC" else OKX_OTHER
        own = {**defaults, **p.get("risk_units", {}).get(name, {})}
        native[name] = _okx_unit(unit["delta"], unit["n"], own, p)
    equity = cash * rate
    debt = max(0.0, -equity)
    initial = sum(unit["initial_requirement"] for unit in native.values())
    maintenance = sum(unit["maintenance_requirement"] for unit in native.values())
    return {
        "currency": "USD",
        "equity": equity,
        "initial_requirement": initial + borrow["initial"] * debt,
        "maintenance_requirement": maintenance + borrow["maintenance"] * debt,
        "native": {"risk_units": native},
    }


def _okx_unit(delta: float, n: float, own: Fields, p: Fields) -> Fields:
    mr1 = 0.0
    for s in own["spot_shocks"]:
        mr1 = max(mr1, -n * s, n * s)
    mr6 = p["extreme_factor"] * abs(n) * own["extreme_move"]
    mr4 = own["basis_rate"] * abs(delta)
    raw = own["minimum_charge_rate"] * abs(delta)
    mr7 = below = 0.0
    for bound, multiplier in p["minimum_charge_tiers"]:
        top = raw if bound is None else min(raw, bound)
        mr7 += max(0.0, top - below) * multiplier
        below = top if bound is None else bound
    maintenance = max(max(mr1, mr6) + mr4, mr7)
    return {
        "delta": delta, "mr1": mr1, "mr4": mr4, "mr6": mr6, "mr7": mr7,
        "maintenance_requirement": maintenance,
        "initial_requirement": p["initial_factor"] * maintenance,
    }  # fmt: skip


PARADEX_MOVES = [[0.16, "up", 1], [0.12, "up", 1], [0.12, "down", 1]]
for _move in (0.08, 0.04, 0.0, -0.04, -0.08, -0.12):
    PARADEX_MOVES += [[_move, "up", 1], [_move, "down", 1]]
PARADEX_MOVES += [
    [-0.16, "up", 1], [-0.66, "up", 0.24], [-0.33, "up", 0.48], [0.5, "up", 0.32], [1, "up", 0.16],
    [2, "up", 0.08], [3, "up", 0.0533], [4, "up", 0.04], [5, "up", 0.032],
]  # fmt: skip
PARADEX = {
    "scenarios": PARADEX_MOVES, "volatility_shock_up": 0.4, "volatility_shock_down": -0.22,
    "short_term_power": 0.3, "long_term_power": 0.13, "dte_floor_days": 1, "net_delta_rate": 0.02,
    "hedged_delta_rate": 0.01, "maintenance_factor": 0.5, "fee_provision": 0.0,
    "funding_provision": 0.0,
}  # fmt: skip


def paradex_pm(case: Fields) -> Fields:
    """Return what Paradex's portfolio margin says."""
    p = with_defaults(case, PARADEX)
    legs = legs_of(case)
    index = legs[0].market["index_price"]
    scenario_pnl = []
    for move, direction, weight in p["scenarios"]:
        total = 0.0
        for leg in legs:
            if not leg.is_option:
                total += leg.quantity * index * move
                continue
            days = leg.seconds / DAY
            power = p["short_term_power"] if days <= 30.0 else p["long_term_power"]
            f = (30.0 / max(days, p["dte_floor_days"])) ** power
            shock = p[f"volatility_shock_{direction}"]
            volatility = max(0.0, leg.volatility * (1.0 + shock * f))
            total += leg.quantity * (
                leg.value(leg.forward * (1.0 + move), volatility)
                - leg.value(leg.forward, leg.volatility)
            )
        scenario_pnl.append(weight * total)
    scan = max(0.0, -min(scenario_pnl))
    net = gross = 0.0
    for leg in legs:
        unit = leg.delta()
        if leg.is_option and leg.position.get("delta") is not None:
            unit = leg.position["delta"]
        net += leg.quantity * unit
        gross += abs(leg.quantity * unit)
    hedged = (gross - abs(net)) / 2.0
    least = (p["net_delta_rate"] * abs(net) + p["hedged_delta_rate"] * hedged) * index
    required = max(scan, least)
    provisions = p["fee_provision"] + p["funding_provision"]
    return {
        "currency": "USD",
        "initial_requirement": required + provisions,
        "maintenance_requirement": p["maintenance_factor"] * required + provisions,
        "native": {
            "scenario_pnl": scenario_pnl, "scan_risk": scan, "net_delta": net, "gross_delta": gross,
            "hedged_delta": hedged, "minimum_delta_requirement": least,
        },
    }  # fmt: skip


SPAN = {
    "risk_arrays": {}, "lookahead_days": 1.0, "multiplier": 1.0, "extreme_price_multiple": 2.0,
    "extreme_cover": 0.35, "short_option_minimum_rate": 0.0, "intra_commodity_charge": 0.0,
    "delivery_charge": 0.0, "inter_commodity_credit": 0.0, "initial_to_maintenance_ratio": 1.0,
}  # fmt: skip


def span(case: Fields) -> Fields:
    """Return what the scan of one combined commodity says."""
    p = with_defaults(case, SPAN)
    legs = legs_of(case)
    points = []
    for fraction in (0.0, 1.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0, -2.0 / 3.0, 1.0, -1.0):
        points += [(fraction, 1.0, 1.0), (fraction, -1.0, 1.0)]
    points.append((p["extreme_price_multiple"], 0.0, p["extreme_cover"]))
    points.append((-p["extreme_price_multiple"], 0.0, p["extreme_cover"]))
    arrays: Fields = {}
    for leg in legs:
        if leg.name in p["risk_arrays"]:
            arrays[leg.name] = list(p["risk_arrays"][leg.name])
            continue
        array = []
        for fraction, direction, cover in points:
            move = fraction * p["price_scan_range"]
            if not leg.is_option:
                array.append(-cover * move)
                continue
            later = max(0.0, leg.seconds - p["lookahead_days"] * DAY)
            volatility = leg.volatility + direction * p["volatility_scan_range"]
            now = leg.value(leg.forward, leg.volatility)
            then = leg.value(leg.forward + move, volatility, later)
            array.append(cover * (now - then) * p["multiplier"])
        arrays[leg.name] = array
    portfolio = [sum(leg.quantity * arrays[leg.name][i] for leg in legs) for i in range(16)]
    scan = max(0.0, max(portfolio))
    options = [leg for leg in legs if leg.is_option]
    short = sum(-leg.quantity for leg in options if leg.quantity < 0.0)
    minimum = short * p["short_option_minimum_rate"]
    value = 0.0
    for leg in options:
        value += leg.quantity * leg.position.get("mark_price", 0.0) * p["multiplier"]
    risk = scan + p["intra_commodity_charge"] + p["delivery_charge"] - p["inter_commodity_credit"]
    maintenance = max(risk, minimum) - value
    return {
        "initial_requirement": maintenance * p["initial_to_maintenance_ratio"],
        "maintenance_requirement": maintenance,
        "native": {
            "risk_array": arrays,
            "portfolio_array": portfolio,
            "scan_risk": scan,
            "active_scenario": portfolio.index(scan) + 1 if scan > 0.0 else None,
            "short_option_minimum": minimum,
            "net_option_value": value,
        },
    }


TIMS_MOVES = {
    "equity": (-0.15, 0.15), "narrow_index": (-0.15, 0.15),
    "broad_index_high_cap": (-0.08, 0.06), "broad_index": (-0.10, 0.10),
}  # fmt: skip


def tims(case: Fields) -> Fields:
    """Return what the customer portfolio margin of one class group says."""
    p = with_defaults(case, {"multiplier": 100.0, "minimum_per_contract": 0.375, "rate": 0.0})
    legs = legs_of(case)
    low, high = TIMS_MOVES[p["product"]]
    moves = [low * k / 5.0 for k in (5, 4, 3, 2, 1)] + [high * k / 5.0 for k in (1, 2, 3, 4, 5)]
    underlying = legs[0].underlying if legs else next(iter(case["market"]["underlyings"]))
    spot = case["market"]["underlyings"][underlying]["index_price"]
    shares = case["account"].get("balances", {}).get(underlying, 0.0)
    pnl = []
    for move in moves:
        total = shares * spot * move
        for leg in legs:
            change = _bsm(leg, spot * (1.0 + move), p["rate"]) - _bsm(leg, spot, p["rate"])
            total += leg.quantity * p["multiplier"] * change
        pnl.append(total)
    minimum = 0.0
    for leg in legs:
        minimum += p["minimum_per_contract"] * p["multiplier"] * abs(leg.quantity)
    required = max(max(0.0, -min(pnl)), minimum)
    return {
        "currency": "USD",
        "initial_requirement": required,
        "maintenance_requirement": required,
        "native": {"moves": moves, "scenario_pnl": pnl, "minimum_requirement": minimum},
    }


def _bsm(leg: Leg, spot: float, rate: float) -> float:
    """Return S·N(d1) − K·exp(−rT)·N(d2), or the put."""
    years = leg.seconds / YEAR
    owed = leg.strike * math.exp(-rate * years)
    s = leg.volatility * math.sqrt(years)
    if s <= 0.0:
        return max(spot - owed, 0.0) if leg.is_call else max(owed - spot, 0.0)
    d1 = (math.log(spot / leg.strike) + rate * years) / s + s / 2.0
    if leg.is_call:
        return spot * normal(d1) - owed * normal(d1 - s)
    return owed * normal(s - d1) - spot * normal(-d1)


TWINS = {
    "deribit-pm": deribit_pm, "deribit-sm": deribit_sm, "okx-pm": okx_pm,
    "paradex-pm": paradex_pm, "span": span, "tims": tims,
}  # fmt: skip
