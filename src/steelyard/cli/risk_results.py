"""What the cases of `steelyard risk` come to: one calculation a kind, results by name or the case's error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from steelyard.cli.case_lines import Answer, Calculation, Family, each
from steelyard.cli.risk_cases import (
    CASES,
    METHODS,
    AcceptanceCase,
    AnnualCase,
    BondCase,
    ChristoffersenCase,
    DatedBondCase,
    EwmaCase,
    GarchCase,
    HistoricalCase,
    IsdaCase,
    KupiecCase,
    ParametricCase,
    RiskHeading,
    TrafficLightCase,
    kind_of,
    rule_of,
)
from steelyard.models.risk_measures.bonds import (
    bond_payments,
    bond_value,
    zero_bond_price,
    zero_rates_at,
)
from steelyard.models.risk_measures.coverage import (
    christoffersen_test,
    kupiec_acceptance,
    kupiec_ratio,
    kupiec_test,
    traffic_light,
)
from steelyard.models.risk_measures.credit import annual_swap
from steelyard.models.risk_measures.historical import historical_risk
from steelyard.models.risk_measures.isda import upfront
from steelyard.models.risk_measures.parametric import ewma_update, garch_update, parametric_risk
from steelyard.models.risk_measures.rate_curve import fit_rate_curve
from steelyard.models.risk_measures.rules import broken, require
from steelyard.quantities.errors import InputError

FIRST_NAME = re.compile(r"[^.\[]*")
CURVE_FIELDS = ("flat_rate", "zero_rates", "trade_date", "deposits_months", "swaps_years")


def _placed(
    calculation: Callable[[Any], dict[str, Any]],
    within: str = "",
    places: Mapping[str, str] | None = None,
) -> Calculation:
    """Return the calculation of many cases; an error names its field with the object that holds it."""

    def answer(case: Any) -> Answer:
        try:
            return calculation(case)
        except InputError as error:
            field = str(error.where.get("field", ""))
            first = FIRST_NAME.match(field)
            holder = (places or {}).get(first[0] if first else "", within)
            error.where["field"] = f"{holder}.{field}" if holder else field
            return error

    return each(answer, "")


def _historical(case: HistoricalCase) -> dict[str, Any]:
    return asdict(historical_risk(case.pnl, case.confidence))


def _parametric(case: ParametricCase) -> dict[str, Any]:
    found = parametric_risk(
        case.positions, case.volatilities, case.correlations,
        confidence=case.confidence, distribution=case.distribution,
        degrees_of_freedom=case.degrees_of_freedom, horizon_days=case.horizon_days,
        volatility_days=case.volatility_days,
    )  # fmt: skip
    return asdict(found)


def _ewma(case: EwmaCase) -> dict[str, Any]:
    update = case.volatility_update
    found = ewma_update(update.previous_volatility, update.day_return, update.decay)
    return {"variance": found.variance, "volatility": found.volatility}


def _garch(case: GarchCase) -> dict[str, Any]:
    update = case.volatility_update
    found = garch_update(
        update.previous_volatility, update.day_return, update.omega, update.alpha, update.beta
    )
    return asdict(found)


def _kupiec(case: KupiecCase) -> dict[str, Any]:
    found = kupiec_test(
        case.observations, case.exceptions, case.tail_probability, case.test_confidence
    )
    return asdict(found)


def _acceptance(case: AcceptanceCase) -> dict[str, Any]:
    found = kupiec_acceptance(case.observations, case.tail_probability, case.test_confidence)
    least, most = found or (None, None)
    return {"accept_min": least, "accept_max": most}


def _christoffersen(case: ChristoffersenCase) -> dict[str, Any]:
    given = case.transitions
    found = christoffersen_test(given.n00, given.n01, given.n10, given.n11)
    answer = asdict(found)
    days, count, share = case.observations, case.exceptions, case.tail_probability
    if days is not None and count is not None and share is not None:
        ratio = kupiec_ratio(days, count, share)
        answer["lr_conditional_coverage"] = ratio + found.lr_independence
    return answer


def _traffic_light(case: TrafficLightCase) -> dict[str, Any]:
    found = traffic_light(case.observations, case.exceptions, case.tail_probability)
    answer: dict[str, Any] = {
        "zone": found.zone,
        "cumulative_probability": found.cumulative_probability,
    }
    if found.plus_factor is not None:
        answer["plus_factor"] = found.plus_factor
    return answer


def _bond(case: BondCase) -> dict[str, Any]:
    bond, curve = case.bond, case.curve
    payments = bond_payments(
        bond.face, bond.coupon_rate, bond.coupon_frequency, bond.time_to_maturity
    )
    if curve.flat_rate is not None and curve.zero_rates is None:
        rates = (curve.flat_rate,) * len(payments.times)
    elif curve.zero_rates is not None and curve.flat_rate is None:
        rates = zero_rates_at(payments.times, curve.zero_rates)
    else:
        said = "neither" if curve.flat_rate is None else "both"
        raise broken(
            "flat_rate", f"the curve has {said} of flat_rate and zero_rates",
            "a curve is flat_rate or zero_rates", "give one of the two",
        )  # fmt: skip
    return asdict(bond_value(payments, rates))


def _dated_bond(case: DatedBondCase) -> dict[str, Any]:
    bond = case.bond
    rule = "coupon_frequency is 0 for a bond between dates"
    require(bond.coupon_frequency == 0.0, "coupon_frequency", bond.coupon_frequency, rule)
    price = zero_bond_price(
        bond.redemption, bond.settlement_date, bond.payment_date, case.curve.flat_rate
    )
    return {"clean_price": price}


def _annual(case: AnnualCase) -> dict[str, Any]:
    swap = case.cds
    found = annual_swap(swap.default_probability, swap.recovery, swap.rate, swap.time_to_maturity)
    return asdict(found)


def _isda(case: IsdaCase) -> dict[str, Any]:
    swap, given = case.cds, case.curve
    curve = fit_rate_curve(given.trade_date, given.deposits_months, given.swaps_years)
    return {
        "upfront": upfront(
            curve, swap.maturity_date, swap.quoted_spread, swap.running_coupon, swap.recovery,
            swap.notional,
        )
    }  # fmt: skip


ON_CURVE = dict.fromkeys(CURVE_FIELDS, "curve")
ON_TRANSITIONS = dict.fromkeys(("n00", "n01", "n10", "n11"), "transitions")

CALCULATIONS: dict[str, Calculation] = {
    "var-es-historical": _placed(_historical),
    "var-es-parametric": _placed(_parametric),
    "var-es-parametric ewma": _placed(_ewma, "volatility_update"),
    "var-es-parametric garch": _placed(_garch, "volatility_update"),
    "coverage-tests kupiec": _placed(_kupiec),
    "coverage-tests acceptance": _placed(_acceptance),
    "coverage-tests christoffersen": _placed(_christoffersen, "", ON_TRANSITIONS),
    "coverage-tests traffic_light": _placed(_traffic_light),
    "bond": _placed(_bond, "bond", ON_CURVE),
    "bond dated": _placed(_dated_bond, "bond", ON_CURVE),
    "cds annual": _placed(_annual, "cds"),
    "cds isda": _placed(_isda, "cds", ON_CURVE),
}
FAMILY = Family(METHODS, RiskHeading, kind_of, CASES, rule_of, CALCULATIONS)
