"""What the cases of `steelyard price` come to: one calculation a kind, over many cases at once.

Each returns one answer a case, in order: the results by name, or the error that this case has.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any

import numpy as np

from steelyard.cli.case_lines import Answer, Calculation, Family, each, guarded, refuse
from steelyard.cli.price_cases import (
    CASES,
    METHODS,
    BsmCase,
    ButterflyCase,
    CalendarCase,
    HestonCase,
    JumpWingsCase,
    PriceHeading,
    RepairCase,
    Smile,
    SsviCase,
    TermSmile,
    ToRawCase,
    TotalVarianceCase,
    kind_of,
    rule_of,
)
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.valuation.black_scholes import black76_discounted, black_scholes
from steelyard.valuation.implied_volatility import QuoteStatus, implied_volatility
from steelyard.valuation.svi import (
    JumpWings,
    SsviSmile,
    SviSmile,
    jump_wings_of,
    raw_smile_of,
    repaired_wing,
    require_smile,
    require_ssvi,
)
from steelyard.valuation.svi_arbitrage import find_butterflies, find_calendar

DAYS_PER_YEAR = 365.0
VOLATILITY_ERROR_MAX = 1e-4
NO_VOLATILITY = {
    QuoteStatus.BELOW_INTRINSIC: "the price is below intrinsic value",
    QuoteStatus.ABOVE_BOUND: "the price is not below its upper bound (call F, put K)",
    QuoteStatus.BAD_INPUT: "the inputs have no volatility",
}


def columns_of(cases: Sequence[Any], *names: str) -> list[np.ndarray[Any, Any]]:
    """Return is_call and the named fields of the cases' options as columns."""
    options = [case.option for case in cases]
    is_call = np.array([option.type == "call" for option in options])
    return [is_call] + [np.array([getattr(o, name) for o in options], float) for name in names]


def price_bsm(cases: Sequence[BsmCase]) -> list[Answer]:
    """Return price and Greeks by the spot, per 1.00 and per year."""
    names = ("spot", "strike", "rate", "dividend_yield", "volatility", "time_to_expiry")
    found = black_scholes(*columns_of(cases, *names), raw=True)
    return _with_days(found._asdict())


def price_black76(cases: Sequence[Any]) -> list[Answer]:
    """Return price and Greeks by the forward, per 1.00 and per year; price_coin = price/forward."""
    names = ("forward", "strike", "rate", "volatility", "time_to_expiry")
    found = black76_discounted(*columns_of(cases, *names), raw=True)
    answers = _with_days(found._asdict())
    for case, answer in zip(cases, answers, strict=True):
        if case.option.settlement == "inverse" and isinstance(answer, dict):
            answer["price_coin"] = answer["price"] / case.option.forward
    return answers


def _with_days(fields: dict[str, Any]) -> list[Answer]:
    """Return one mapping a case, with theta_per_day; an elasticity of a price of 0 is null."""
    names = list(fields)
    rows = zip(*(fields[name].tolist() for name in names), strict=True)
    answers: list[Answer] = []
    for row in rows:
        answer: dict[str, Any] = dict(zip(names, row, strict=True))
        answer["theta_per_day"] = answer["theta"] / DAYS_PER_YEAR
        if answer["price"] == 0.0:
            answer["elasticity"] = None
        answers.append(answer)
    return answers


def price_implied(cases: Sequence[Any]) -> list[Answer]:
    """Return implied volatilities, with the word for what the price was good for."""
    columns = columns_of(cases, "forward", "strike", "price", "time_to_expiry")
    found = implied_volatility(*columns)
    rows = zip(found.volatility.tolist(), found.status.tolist(), columns[-1].tolist(), strict=True)
    return [implied_answer(value, QuoteStatus(status), time) for value, status, time in rows]


def implied_answer(volatility: float, status: QuoteStatus, time_years: float) -> Answer:
    """Return the volatility with its status, or the error of a price that has none."""
    said = NO_VOLATILITY.get(status)
    if said and time_years == 0.0:
        return refuse(
            "CASE-E05", "without time no price tells a volatility", "time is left",
            "drop the expired option", "option.time_to_expiry",
        )  # fmt: skip
    if said:
        return refuse(
            "CASE-E05", said, "a price lies between intrinsic value and its bound",
            "mend the price, or the forward it belongs to", "option.price",
        )  # fmt: skip
    return {"implied_volatility": volatility, "status": status.name.lower()}


def price_heston(cases: Sequence[HestonCase]) -> list[Answer]:
    """Return prices, or the Black-76 volatilities of them, as each case asks."""
    return [guarded(_heston, case, "model") for case in cases]


def _heston(case: HestonCase) -> Answer:
    from steelyard.valuation.heston import HestonParameters, heston_price

    option, model = case.option, case.model
    parameters = HestonParameters(*(getattr(model, name) for name in model.__struct_fields__))
    time = option.time_to_expiry
    forward = option.spot * exp((option.rate - option.dividend_yield) * time)
    answer: dict[str, Any] = {}
    for output in case.outputs:
        if output == "price":
            is_call = option.type == "call"
            undiscounted = heston_price(is_call, forward, option.strike, time, parameters)
            answer["price"] = float(undiscounted) * exp(-option.rate * time)
        else:
            told = _heston_volatility(forward, option.strike, time, parameters)
            if isinstance(told, SteelyardError):
                return told
            answer |= told
    return answer


def _heston_volatility(forward: float, strike: float, time: float, parameters: Any) -> Answer:
    """Return the volatility of the model's price, and how far the price's own error may move it."""
    from steelyard.valuation.heston import heston_price_with_error

    # Of the pair with one volatility, the option out of the money tells it best.
    is_call = strike >= forward
    found = heston_price_with_error(is_call, forward, strike, time, parameters)
    value, error = float(found.price), float(found.error_bound)
    low, volatility = implied_volatility(
        is_call, forward, strike, [max(value - error, 0.0), value], time
    ).volatility.tolist()
    is_told = volatility > 0.0 and volatility - low <= VOLATILITY_ERROR_MAX * volatility
    if time > 0.0 and not is_told:
        return refuse(
            "CASE-E05", f"the price is {value:.3g}, known to {error:.1g}: too little for a volatility",
            f"an error of the price moves the volatility by at most {VOLATILITY_ERROR_MAX:g} of itself",
            "ask for a strike nearer to the forward", "option.strike",
        )  # fmt: skip
    status = QuoteStatus.SOLVED if is_told else QuoteStatus.BAD_INPUT
    return implied_answer(volatility, status, time)


def raw_smile(smile: Smile | TermSmile) -> SviSmile:
    """Return the smile of a case, checked."""
    return require_smile(SviSmile(smile.a, smile.b, smile.rho, smile.m, smile.sigma))


def _butterfly(case: ButterflyCase) -> Answer:
    found = find_butterflies(raw_smile(case.smile))
    answer: dict[str, Any] = {
        "butterfly_arbitrage": found.is_arbitrage,
        "min_g": found.min_g,
        "wing_slope": found.wing_slope,
        "min_total_variance": found.min_total_variance,
    }
    if found.negative_interval is not None:
        answer["argmin_k"] = found.argmin_k
        answer["negative_interval"] = list(found.negative_interval)
    return answer


def _total_variance(case: TotalVarianceCase) -> Answer:
    return {"total_variance": float(raw_smile(case.smile).total_variance(case.log_moneyness))}


def _jump_wings(case: JumpWingsCase) -> Answer:
    wings = jump_wings_of(raw_smile(case.smile), case.smile.time_to_expiry)
    return {name: getattr(wings, name) for name in ("v", "psi", "p", "c", "v_tilde")}


def _to_raw(case: ToRawCase) -> Answer:
    given = case.jump_wings
    wings = JumpWings(*(getattr(given, name) for name in given.__struct_fields__))
    smile = raw_smile_of(wings)
    return {name: getattr(smile, name) for name in ("a", "b", "rho", "m", "sigma")}


def _repair(case: RepairCase) -> Answer:
    given = case.jump_wings
    c, v_tilde = repaired_wing(given.v, given.psi, given.p)
    return {"c": c, "v_tilde": v_tilde}


def _calendar(case: CalendarCase) -> Answer:
    smiles = []
    for name in ("near", "far"):
        checked = guarded(lambda smile: {"smile": raw_smile(smile)}, getattr(case, name), name)
        if isinstance(checked, InputError):
            return checked
        smiles.append(checked["smile"])  # type: ignore[index]
    found = find_calendar(*smiles)
    return {
        "calendar_arbitrage": found.is_arbitrage,
        "min_difference": found.min_difference,
        "argmin_k": found.argmin_k,
    }


def _ssvi(case: SsviCase) -> Answer:
    given = case.smile
    smile = require_ssvi(SsviSmile(given.theta, given.rho, given.eta, given.gamma))
    first, second = smile.conditions
    return {
        "condition_1": first,
        "condition_2": second,
        "butterfly_free": smile.is_butterfly_free,
        "total_variance": smile.total_variance(np.array(case.log_moneyness)).tolist(),
    }


CALCULATIONS: dict[str, Calculation] = {
    "bsm": price_bsm,
    "black76": price_black76,
    "implied-volatility": price_implied,
    "heston": price_heston,
    "svi butterfly": each(_butterfly, "smile"),
    "svi total_variance": each(_total_variance, "smile"),
    "svi jump_wings": each(_jump_wings, "smile"),
    "svi jump_wings_to_raw": each(_to_raw, "jump_wings"),
    "svi jump_wings_repair": each(_repair, "jump_wings"),
    "svi calendar": each(_calendar, ""),
    "svi ssvi": each(_ssvi, "smile"),
}
FAMILY = Family(METHODS, PriceHeading, kind_of, CASES, rule_of, CALCULATIONS)
