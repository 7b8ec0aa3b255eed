"""Random cases of six venues' methods: every kind of position, override and edge, from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

Fields = dict[str, Any]
AS_OF = datetime(2026, 6, 1, 8, tzinfo=UTC)
# Past, now, minutes, short, at the 30 days where powers change, and long.
DAYS = (-3.0, 0.0, 0.9, 2.5, 7.0, 14.0, 29.5, 30.0, 31.0, 75.25, 400.0)


def maybe(draw: Random, chance: float = 0.5) -> bool:
    """Return True with a chance."""
    return draw.random() < chance


def size(draw: Random, most: float) -> float:
    """Return a signed quantity; seldom none at all."""
    if maybe(draw, 0.04):
        return 0.0
    return draw.choice((-1, 1)) * round(draw.uniform(0.001, most), draw.choice((0, 2, 4)))


def expiry_name(at: datetime) -> str:
    """Return the day of an instant as names of contracts write it."""
    return f"{at.day}{at.strftime('%b').upper()}{at.strftime('%y')}"


class Board:
    """One underlying with expiries, and the names of what can be held on it."""

    def __init__(self, draw: Random, name: str, spot: float, *, priced: bool = True) -> None:
        self.name = name
        self.options: list[str] = []
        self.futures: list[str] = []
        expiries = []
        for day in sorted(draw.sample(DAYS, draw.randint(1, 4))):
            at = AS_OF + timedelta(days=day)
            entry: Fields = {"expiry": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
            self.futures.append(f"{name}-{expiry_name(at)}")
            if maybe(draw, 0.8):
                forward = spot * draw.uniform(0.97, 1.04)
                if priced:
                    entry["forward_price"] = forward
                volatilities = {}
                for _ in range(draw.randint(1, 4)):
                    strike = f"{spot * draw.uniform(0.5, 1.8):.{draw.choice((0, 1))}f}"
                    strike = strike.removesuffix(".0")
                    volatilities[strike] = round(draw.uniform(0.05, 1.6), 3)
                    self.options += [f"{self.futures[-1]}-{strike}-{right}" for right in "CP"]
                self.options = list(dict.fromkeys(self.options))
                entry["implied_volatility"] = volatilities
            expiries.append(entry)
        self.market: Fields = {
            "index_price": spot, "perpetual": {"mark_price": spot * 1.0002}, "expiries": expiries,
        }  # fmt: skip


def positions(draw: Random, names: list[str], most: float, at_least: int = 1) -> list[Fields]:
    """Return positions in some of the names, each once."""
    count = min(len(names), draw.randint(at_least, 7))
    return [{"instrument": x, "quantity": size(draw, most)} for x in draw.sample(names, count)]


def case_of(method: str, market: Fields, account: Fields, parameters: Fields) -> Fields:
    """Return a case."""
    return {
        "case": "random", "method": method, "parameters": parameters,
        "market": {"as_of": AS_OF.strftime("%Y-%m-%dT%H:%M:%SZ"), **market}, "account": account,
    }  # fmt: skip


def deribit_pm(draw: Random) -> Fields:
    """Return a case of coin portfolio margin."""
    spot, name = draw.choice(((60000.0, "BTC"), (1950.0, "ETH")))
    board = Board(draw, name, spot)
    names = [f"{name}-PERPETUAL", *board.futures, *board.options]
    if maybe(draw, 0.3):
        names = [f"{name}-PERPETUAL", *board.options]
    most = draw.choice((2.0, 50.0, 30_000_000.0 / spot))
    parameters: Fields = {}
    if maybe(draw):
        parameters["buckets_count"] = draw.randint(1, 6)
    if maybe(draw):
        parameters["extended_dampener"] = draw.choice((0.0, 100.0, 25000.0, 200000.0))
    if maybe(draw):
        parameters |= {"pnl_offset": 0.6, "max_offsetable_pnl": draw.choice((500.0, 2e7))}
    for key, low, high in (
        ("price_range", 0.05, 0.4), ("volatility_range_up", 0.1, 0.9),
        ("volatility_range_down", 0.1, 0.9), ("min_volatility_for_shock_up", 0.0, 1.5),
        ("extended_table_factor", 0.5, 2.0), ("min_annualised_move", 0.0, 0.05),
        ("annualised_move_risk", 0.0, 0.5), ("short_term_vega_power", 0.0, 0.5),
        ("long_term_vega_power", 0.0, 0.5), ("mm_factor", 0.5, 1.0),
        ("delta_shock_increment", 1e-6, 1e-3), ("max_delta_shock", 0.0, 0.2),
        ("delta_total_liquidity_shock_threshold", 1e4, 3e7),
    ):  # fmt: skip
        if maybe(draw, 0.2):
            parameters[key] = draw.uniform(low, high)
    account: Fields = {"positions": positions(draw, names, most)}
    for key in ("spot_margin", "mmp_margin", "open_orders_margin", "correlation_contingency"):
        if maybe(draw, 0.25):
            account[key] = round(draw.uniform(0.0, 3.0), 4)
    return case_of("deribit-pm", {"underlyings": {name: board.market}}, account, parameters)


def deribit_sm(draw: Random) -> Fields:
    """Return a case of coin standard margin."""
    spot, name = draw.choice(((60000.0, "BTC"), (1950.0, "ETH"), (140.0, "SOL")))
    board = Board(draw, name, spot)
    names = [f"{name}-PERPETUAL", *board.futures, *board.options]
    parameters: Fields = {}
    if name == "SOL" or maybe(draw, 0.3):
        own = {"initial": 0.05, "maintenance": 0.025, "increase_per_coin": 0.00001}
        kept = own if maybe(draw) else {"increase_per_coin": draw.choice((0.0, 0.0003))}
        parameters = {"futures": kept}
    held = positions(draw, names, draw.choice((3.0, 400.0)))
    for position in held:
        is_option = position["instrument"].count("-") == 3
        if is_option and (position["quantity"] < 0.0 or maybe(draw)):
            position["mark_price"] = draw.choice((0.0, 0.003, 0.09, 0.6, 1.5))
    return case_of(
        "deribit-sm", {"underlyings": {name: board.market}}, {"positions": held}, parameters
    )


def okx_pm(draw: Random) -> Fields:
    """Return a case of the perpetual part of OKX's portfolio margin."""
    spots = {"BTC": 97000.0, "ETH": 3400.0, "LTC": 102.0, "SOL": 180.0}
    underlyings: Fields = {}
    held = []
    for name in draw.sample(sorted(spots), draw.randint(1, 4)):
        mark = spots[name] * draw.uniform(0.9, 1.1)
        underlyings[name] = {"perpetual": {"mark_price": mark}}
        if maybe(draw, 0.7):
            underlyings[name]["index_price"] = mark * draw.uniform(0.97, 1.03)
        most = draw.choice((1000.0, 1e7, 3e9)) / mark
        position = {"instrument": f"{name}-PERPETUAL", "quantity": size(draw, most)}
        if maybe(draw, 0.6):
            position["entry_price"] = mark * draw.uniform(0.8, 1.2)
        held.append(position)
    parameters: Fields = {}
    if maybe(draw, 0.4):
        tiers = [[1000, 1], [5000, 3], [20000, 4.5], [None, 7]]
        parameters["minimum_charge_tiers"] = draw.choice((tiers, [[None, 2]]))
    if maybe(draw):
        units = {}
        for name in draw.sample(sorted(spots), 2):
            own = {
                "spot_shocks": draw.choice(([0.001, 0.002], [0.3, 0.1, 0.2])), "extreme_move": 0.01,
                "basis_rate": 0.01, "minimum_charge_rate": 0.02,
            }  # fmt: skip
            units[name] = {key: own[key] for key in draw.sample(sorted(own), draw.randint(1, 4))}
        parameters["risk_units"] = units
    if maybe(draw, 0.3):
        parameters["borrow_rates"] = draw.choice(
            ({"initial": 0.2}, {"maintenance": 0.05}, {"initial": 0.3, "maintenance": 0.1})
        )
    if maybe(draw, 0.3):
        parameters |= {"extreme_factor": draw.uniform(0.3, 1.2), "initial_factor": 1.5}
    market: Fields = {"underlyings": underlyings}
    if maybe(draw, 0.7):
        market["assets"] = {"USDT": {"price": draw.uniform(0.97, 1.02)}}
    account: Fields = {"positions": held}
    if maybe(draw, 0.8):
        account["balances"] = {"USDT": round(draw.uniform(-50000.0, 1e6), 2)}
    return case_of("okx-pm", market, account, parameters)


def paradex_pm(draw: Random) -> Fields:
    """Return a case of Paradex's portfolio margin."""
    spot = 70000.0
    board = Board(draw, "BTC", spot)
    held = positions(draw, ["BTC-PERPETUAL", *board.options], draw.choice((1.0, 80.0)))
    for position in held:
        if maybe(draw, 0.3):
            position["delta"] = draw.choice((0.0, -0.4, 0.77, 1.3))
    parameters: Fields = {}
    if maybe(draw, 0.3):
        parameters["scenarios"] = [
            [draw.choice((-1.0, -0.5, 0.0, 0.1, 2)), draw.choice(("up", "down")), draw.random()]
            for _ in range(draw.randint(1, 30))
        ]
    for key, low, high in (
        ("volatility_shock_up", 0.1, 1.0), ("volatility_shock_down", -0.9, -0.1),
        ("short_term_power", 0.0, 0.6), ("long_term_power", 0.0, 0.6), ("dte_floor_days", 0.1, 9.0),
        ("net_delta_rate", 0.0, 0.3), ("hedged_delta_rate", 0.0, 0.3),
        ("maintenance_factor", 0.3, 0.9), ("fee_provision", 0.0, 90.0),
        ("funding_provision", 0.0, 90.0),
    ):  # fmt: skip
        if maybe(draw, 0.25):
            parameters[key] = draw.uniform(low, high)
    return case_of(
        "paradex-pm", {"underlyings": {"BTC": board.market}}, {"positions": held}, parameters
    )


def span(draw: Random) -> Fields:
    """Return a case of a scan of one commodity."""
    board = Board(draw, "BTC", 60000.0)
    mini = Board(draw, "MBT", 60000.0)
    names = [*board.futures, *board.options]
    if maybe(draw, 0.3):
        names += [*mini.futures, *mini.options]
    held = positions(draw, names, 40.0)
    arrays = {}
    for position in held:
        if position["instrument"].count("-") == 3 and maybe(draw, 0.7):
            position["mark_price"] = draw.choice((0.0, 20.0, 3000.5))
        if maybe(draw, 0.3):
            arrays[position["instrument"]] = [
                round(draw.uniform(-9000.0, 9000.0), 1) for _ in range(16)
            ]
    parameters: Fields = {
        "price_scan_range": draw.choice((0.0, 2500.0, 6000.0, 40000.0)),
        "volatility_scan_range": draw.choice((0.0, 0.05, 0.12, 0.9)),
    }
    if arrays:
        parameters["risk_arrays"] = arrays
    for key, low, high in (
        ("lookahead_days", 0.0, 40.0), ("multiplier", 0.01, 100.0),
        ("extreme_price_multiple", 1.5, 4.0), ("extreme_cover", 0.1, 1.0),
        ("short_option_minimum_rate", 10.0, 9000.0), ("intra_commodity_charge", 0.0, 5000.0),
        ("delivery_charge", 0.0, 500.0), ("inter_commodity_credit", 0.0, 50000.0),
        ("initial_to_maintenance_ratio", 1.0, 1.5),
    ):  # fmt: skip
        if maybe(draw, 0.3):
            parameters[key] = draw.uniform(low, high)
    market: Fields = {"underlyings": {"BTC": board.market, "MBT": mini.market}}
    if all(x["instrument"].count("-") == 1 or x["instrument"] in arrays for x in held):
        market = {}
    return case_of("span", market, {"positions": held}, parameters)


def tims(draw: Random) -> Fields:
    """Return a case of one class group."""
    spot = draw.choice((100.0, 2000.0))
    board = Board(draw, "XYZ", spot, priced=False)
    parameters: Fields = {
        "product": draw.choice(("equity", "narrow_index", "broad_index_high_cap", "broad_index"))
    }
    for key, low, high in (
        ("rate", -0.02, 0.09), ("multiplier", 1.0, 100.0), ("minimum_per_contract", 0.0, 9.0)
    ):  # fmt: skip
        if maybe(draw, 0.5):
            parameters[key] = draw.uniform(low, high)
    account: Fields = {"positions": positions(draw, board.options, 30.0, at_least=0)}
    if maybe(draw, 0.7):
        account["balances"] = {"XYZ": round(draw.uniform(-3000.0, 3000.0))}
    return case_of("tims", {"underlyings": {"XYZ": board.market}}, account, parameters)


RANDOM = {
    "deribit-pm": deribit_pm, "deribit-sm": deribit_sm, "okx-pm": okx_pm,
    "paradex-pm": paradex_pm, "span": span, "tims": tims,
}  # fmt: skip
