"""Seeded random cases for Derive's methods, made to meet every branch of their descriptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.margin.methods.core.derive_defaults import AUCTION, PMRM, PMRM2, SRM
from tests.margin.methods.core.twins_derive import MONTHS, pmrm

Table = dict[str, Any]
AS_OF = datetime(2026, 1, 1, 13, tzinfo=UTC)
TODAY = (0.0, 60.0, 600.0, 1799.5, 1800.0, 1801.0, 14_400.0, 39_000.0)
MONTH = 2_592_000.0
LATER = (-86_400.0, 90_000.0, 500_400.0, MONTH, 7_776_000.0, 2e7, 6e7, 9e7)
CONFIDENCES = (0.0, 0.1, 0.39, 0.4, 0.41, 0.54, 0.55, 0.59, 0.6, 0.7, 1.0)
LEVELS = {"ETH": 1500.0, "BTC": 95_000.0, "XRP": 0.625}


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def case_of(method: str, seed: int) -> Table:
    """Return a case of a method; a seed gives the same case every time."""
    draw = Random(f"{method} {seed}")
    names = draw.sample(sorted(LEVELS), draw.choice((1, 2, 3)) if method == "derive-srm" else 1)
    market: Table = {
        "as_of": instant(AS_OF + timedelta(milliseconds=draw.choice((0, 0, 250)))),
        "assets": {"USDC": {"price": draw.choice((1.0, 1.0, 1.02, 0.98, 0.97, 0.9, 0.3))}},
        "underlyings": {},
    }
    account: Table = {
        "mode": "cross" if method == "derive-srm" else "portfolio",
        "balances": {"USDC": draw.choice((0.0, 100.0, 10_000.0, -5_000.0))},
        "positions": [],
    }
    if draw.random() < 0.05:
        del market["assets"]["USDC"]
    for name in names:
        _underlying(draw, method, name, market, account)
    draw.shuffle(account["positions"])
    case: Table = {"case": f"{method} {seed}", "method": method}
    case |= {"market": market, "account": account}
    parameters = _parameters(draw, method)
    if method == "derive-pmrm2":
        _collateral(draw, names[0], market, account, parameters)
    elif draw.random() < 0.4:
        account["balances"][names[0]] = draw.choice((0.0, 0.5, 3.0, 40.0))
    if parameters:
        case["parameters"] = parameters
    if method == "derive-auction":
        case["auction"] = _auction(draw)
        _fund(draw, case)
        if draw.random() < 0.4:
            case.setdefault("parameters", {})["auction"] = {
                name: AUCTION[name] * draw.uniform(0.8, 1.02)
                for name in draw.sample(sorted(AUCTION), 2)
            }
    return case


def _confidence(draw: Random, into: Table, fields: tuple[str, ...]) -> None:
    for field in fields:
        if draw.random() < 0.25:
            into[field] = draw.choice(CONFIDENCES)


def _underlying(draw: Random, method: str, name: str, market: Table, account: Table) -> None:
    index = LEVELS[name] * draw.uniform(0.9, 1.1)
    stated: Table = {"index_price": index}
    _confidence(draw, stated, ("confidence",))
    market["underlyings"][name] = stated
    if draw.random() < 0.6:
        stated["perpetual"] = {"mark_price": index * draw.uniform(0.98, 1.02)}
        _confidence(draw, stated["perpetual"], ("confidence",))
        if draw.random() < 0.7:
            held: Table = {"instrument": f"{name}-PERPETUAL", "quantity": draw.choice((-2.5, 4.0))}
            if draw.random() < 0.1:
                held["quantity"] = 0.0
            elif draw.random() < 0.7:
                held["unrealised_pnl"] = draw.uniform(-500.0, 500.0)
            if method == "derive-pmrm2" and held["quantity"] and draw.random() < 0.7:
                held["unrealised_funding"] = draw.uniform(-50.0, 50.0)
            account["positions"].append(held)
    offsets = draw.sample(LATER, draw.choice((0, 1, 1, 2, 3)))
    if MONTH in offsets and draw.random() < 0.5:
        offsets[offsets.index(MONTH)] += 1.0
    if draw.random() < 0.5:
        offsets.append(draw.choice(TODAY))
    expiries = [_expiry(draw, method, name, index, offset, account) for offset in offsets]
    days = {each["expiry"][:10]: each for each in expiries}
    stated["expiries"] = list(days.values())
    held = {f"{_day(each['expiry'])}" for each in stated["expiries"]}
    assert all(each["instrument"].split("-")[1] in held | {"PERPETUAL"}
               for each in account["positions"] if each["instrument"].startswith(name))  # fmt: skip


def _day(text: str) -> str:
    at = datetime.fromisoformat(text)
    return f"{at.day}{MONTHS[at.month - 1]}{at.year % 100}"


def _expiry(
    draw: Random, method: str, name: str, index: float, offset: float, account: Table
) -> Table:
    """Return an expiry; the legs held of it are put into the account."""
    forward = index * draw.uniform(0.97, 1.05)
    if offset < 0.0 and draw.random() < 0.5:
        forward = index
    expiry: Table = {"expiry": instant(AS_OF + timedelta(seconds=offset)), "forward_price": forward}
    if draw.random() < 0.8:
        expiry["rate"] = draw.choice((-0.05, 0.0, 0.03, 0.1, 0.3))
    if method != "derive-srm" and draw.random() < 0.3:
        expiry["forward_fixed"] = forward * draw.choice((0.25, 0.75, 1.0))
    _confidence(
        draw, expiry,
        ("confidence", "forward_confidence", "rate_confidence", "volatility_confidence"),
    )  # fmt: skip
    digits = 4 if index < 10.0 else draw.choice((0, 0, 2))
    strikes = {
        f"{index * draw.choice((0.01, 0.3, 0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.4, 3.0)):.{digits}f}"
        for _ in range(draw.choice((1, 2, 3, 4)))
    }
    texts = {(each.rstrip("0").rstrip(".") if "." in each else each) for each in strikes}
    for strike in sorted(texts - {"0"}):
        written = strike.replace(".", draw.choice((".", "d")))
        for right in draw.choice(("C", "P", "CP", "CP")):
            account["positions"].append(
                {
                    "instrument": f"{name}-{_day(expiry['expiry'])}-{written}-{right}",
                    "quantity": draw.choice(
                        (-20.0, -3.0, -1.0, -1.0, -0.1, 0.0, 0.5, 1.0, 1.0, 7.0)
                    ),
                }
            )
    if method == "derive-pmrm2" and draw.random() < 0.6:
        expiry["svi"] = _slice(draw, forward, offset)
    else:
        expiry["implied_volatility"] = {
            strike: draw.choice((0.02, draw.uniform(0.1, 3.0), 0.8)) for strike in sorted(texts)
        }
    return expiry


def _slice(draw: Random, forward: float, offset: float) -> Table:
    """Return a slice; some meet the bounds of the distance, some the cap of the variance."""
    grows = draw.choice((1.0, 1.0, 1.0, 5_000.0))
    return {
        "a": draw.uniform(0.001, 0.05),
        "b": draw.uniform(0.02, 0.2) * grows,
        "rho": draw.uniform(-0.6, 0.3),
        "m": draw.uniform(-0.2, 0.1),
        "sigma": draw.uniform(0.02, 0.5),
        "forward": forward * draw.choice((1.0, 0.98, 1.03)),
        "tau": max(offset, 3600.0) / 31_536_000.0 * draw.choice((1.0, 0.9, 1.2)),
    }


def _collateral(draw: Random, name: str, market: Table, account: Table, parameters: Table) -> None:
    """Put collateral into the account, its terms into the parameters, whole or in part."""
    terms: Table = {}
    for asset, price in ((name, LEVELS[name]), ("WSTETH", 1750.0), ("USDT", 0.999), ("LBTC", 9e4)):
        if draw.random() < 0.5:
            continue
        account["balances"][asset] = draw.choice((0.0, 0.2, 1.0, 3.0))
        market["assets"][asset] = {"price": price * draw.uniform(0.9, 1.1)}
        _confidence(draw, market["assets"][asset], ("confidence",))
        whole: Table = {
            "initial_haircut": draw.uniform(0.0, 0.1),
            "maintenance_haircut": draw.uniform(0.0, 0.3),
            "risk_cancelling": draw.random() < 0.6,
        }
        kept = {field: one for field, one in whole.items() if draw.random() < 0.8}
        terms[asset] = kept
    if terms:
        parameters["collateral"] = terms


def _parameters(draw: Random, method: str) -> Table:
    """Return overrides: none, or some of the numbers, the lists and the tables."""
    if draw.random() < 0.4:
        return {}
    defaults = {"derive-pmrm2": PMRM2, "derive-srm": SRM}.get(method, PMRM)
    numbers = [name for name, one in defaults.items() if isinstance(one, float)]
    found: Table = {
        name: defaults[name] * draw.uniform(0.7, 1.4)
        for name in draw.sample(numbers, draw.choice((0, 1, 3, len(numbers))))
    }
    if method in ("derive-pmrm", "derive-auction") and draw.random() < 0.5:
        found["spot_grid"] = draw.choice(([1.0], [0.5, 1.7], [0.9, 1.0, 1.1, 3.0]))
        found["vol_grid"] = draw.choice((["none"], ["down", "up"], ["up"]))
    if method == "derive-pmrm2" and draw.random() < 0.6:
        found["scenarios"] = [_scenario(draw) for _ in range(draw.choice((1, 2, 5, 12)))]
    if draw.random() < 0.15 and "vol_range_down" in defaults:
        found["vol_range_down"] = 1.3
    if draw.random() < 0.15 and "dte_floor_days" in defaults:
        found["dte_floor_days"] = draw.choice((3.0, 45.0))
    return found


def _scenario(draw: Random) -> Table:
    found: Table = {
        "spot_shock": draw.choice((1.0, 0.85, 1.15, 0.3, 4.0, 0.955)),
        "volatility": draw.choice(("up", "none", "down", "linear", "abs")),
    }
    if draw.random() < 0.6:
        found["dampening"] = draw.choice((0.0, 0.05, 0.5, 1.0, 2.0))
    return found


def _fund(draw: Random, case: Table) -> None:
    """Give an account the cash at which it is worth a part of what it needs, or some more."""
    found = pmrm(case)
    worth = draw.choice((0.05, 0.4, 0.8, 0.99, 1.1, 1.5)) * found["maintenance_requirement"]
    case["account"]["balances"]["USDC"] += worth - found["equity"] + draw.choice((0.01, 100.0))


def _auction(draw: Random) -> Table:
    """Return a start, or a bid somewhere on the way of the discount."""
    elapsed = draw.choice((0.0, 30.0, 99.5, 100.0, 101.0, 7_300.0, 14_500.0, 14_501.0, 9e4))
    found: Table = {"started_at": instant(AS_OF - timedelta(seconds=elapsed))}
    if draw.random() < 0.75:
        found["bid_fraction"] = draw.choice((0.05, 0.15, 0.5, 1.0))
        if draw.random() < 0.6:
            found["reserved_cash"] = draw.choice((0.0, 20.0, 500.0))
    return found
