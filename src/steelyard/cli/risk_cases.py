"""The inputs of `steelyard risk --cases`: var-es-historical, var-es-parametric, coverage-tests, bond, cds.

Most methods are several questions; what tells them apart (`test`, `convention`, `volatility_update`, dates in
the bond, a number of exceptions) makes each a kind of its own. Whole numbers are read as numbers, so 5 and 5.0
are the same; what a number must be, the calculations check. How a line is read: `case_lines`.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import msgspec

from steelyard.cli.case_lines import Heading, one_of

METHODS = ("var-es-historical", "var-es-parametric", "coverage-tests", "bond", "cds")
TESTS = ("kupiec", "christoffersen", "traffic_light")
CONVENTIONS = ("annual", "isda")
UPDATES = ("ewma", "garch")
DATED = frozenset({"redemption", "settlement_date", "maturity_date", "payment_date"})
TEST_CONFIDENCE = 0.95


class HistoricalCase(msgspec.Struct, frozen=True):
    """Method var-es-historical: profits and losses, losses negative."""

    pnl: tuple[float, ...]
    confidence: float


class ParametricCase(msgspec.Struct, frozen=True):
    """Method var-es-parametric: signed amounts of money and how they move together."""

    positions: tuple[float, ...]
    volatilities: tuple[float, ...]
    confidence: float
    correlations: tuple[tuple[float, ...], ...] | None = None
    volatility_days: float = 1.0
    horizon_days: float = 1.0
    distribution: Literal["normal", "student_t"] = "normal"
    degrees_of_freedom: float | None = None


class Ewma(msgspec.Struct, frozen=True):
    """An exponentially weighted update; fractions, a day."""

    previous_volatility: float
    day_return: float = msgspec.field(name="return")
    decay: float = msgspec.field(name="lambda")


class Garch(msgspec.Struct, frozen=True):
    """A GARCH(1,1) update; fractions and variances, a day."""

    previous_volatility: float
    day_return: float = msgspec.field(name="return")
    omega: float
    alpha: float
    beta: float


class EwmaCase(msgspec.Struct, frozen=True):
    """Method var-es-parametric with a volatility_update of model ewma."""

    volatility_update: Ewma


class GarchCase(msgspec.Struct, frozen=True):
    """Method var-es-parametric with a volatility_update of model garch."""

    volatility_update: Garch


class KupiecCase(msgspec.Struct, frozen=True):
    """Method coverage-tests, test kupiec."""

    observations: float
    exceptions: float
    tail_probability: float
    test_confidence: float = TEST_CONFIDENCE


class AcceptanceCase(msgspec.Struct, frozen=True):
    """Method coverage-tests, test kupiec without exceptions: which numbers are accepted."""

    observations: float
    tail_probability: float
    test_confidence: float = TEST_CONFIDENCE


class Transitions(msgspec.Struct, frozen=True):
    """Days in state j after a day in state i, 1 an exception."""

    n00: float
    n01: float
    n10: float
    n11: float


class ChristoffersenCase(msgspec.Struct, frozen=True):
    """Method coverage-tests, test christoffersen; all of the last three or none."""

    transitions: Transitions
    observations: float | None = None
    exceptions: float | None = None
    tail_probability: float | None = None


class TrafficLightCase(msgspec.Struct, frozen=True):
    """Method coverage-tests, test traffic_light."""

    observations: float
    exceptions: float
    tail_probability: float


class CouponBond(msgspec.Struct, frozen=True):
    """A bond of a term in years."""

    face: float
    coupon_rate: float
    coupon_frequency: float
    time_to_maturity: float


class BondCurve(msgspec.Struct, frozen=True):
    """One rate, or one for every payment; continuous."""

    flat_rate: float | None = None
    zero_rates: dict[str, float] | None = None


class BondCase(msgspec.Struct, frozen=True):
    """Method bond."""

    bond: CouponBond
    curve: BondCurve


class DatedBond(msgspec.Struct, frozen=True):
    """A zero bond; when it matures does not matter, only when the money comes."""

    redemption: float
    settlement_date: date
    payment_date: date
    maturity_date: date | None = None
    coupon_frequency: float = 0.0


class DatedCurve(msgspec.Struct, frozen=True):
    """One rate with its way to count days."""

    flat_rate: float
    day_count: Literal["actual/360"] = "actual/360"


class DatedBondCase(msgspec.Struct, frozen=True):
    """Method bond between dates."""

    bond: DatedBond
    curve: DatedCurve


class AnnualSwapInputs(msgspec.Struct, frozen=True):
    """A swap with defaults in the middle of a year."""

    default_probability: float
    recovery: float
    rate: float
    time_to_maturity: float


class AnnualCase(msgspec.Struct, frozen=True):
    """Method cds, convention annual."""

    cds: AnnualSwapInputs


class QuotedSwap(msgspec.Struct, frozen=True):
    """A standard swap, quoted by its spread."""

    maturity_date: date
    quoted_spread: float
    running_coupon: float
    recovery: float
    notional: float
    side: Literal["buy_protection"] = "buy_protection"


class QuotedCurve(msgspec.Struct, frozen=True):
    """The trade date with deposits (months, rate) and swaps (years, rate)."""

    trade_date: date
    deposits_months: tuple[tuple[float, float], ...] = ()
    swaps_years: tuple[tuple[float, float], ...] = ()


class IsdaCase(msgspec.Struct, frozen=True):
    """Method cds, convention isda."""

    cds: QuotedSwap
    curve: QuotedCurve


CASES: dict[str, type[msgspec.Struct]] = {
    "var-es-historical": HistoricalCase,
    "var-es-parametric": ParametricCase,
    "var-es-parametric ewma": EwmaCase,
    "var-es-parametric garch": GarchCase,
    "coverage-tests kupiec": KupiecCase,
    "coverage-tests acceptance": AcceptanceCase,
    "coverage-tests christoffersen": ChristoffersenCase,
    "coverage-tests traffic_light": TrafficLightCase,
    "bond": BondCase,
    "bond dated": DatedBondCase,
    "cds annual": AnnualCase,
    "cds isda": IsdaCase,
}


class RiskHeading(Heading):
    """What every line begins with."""

    test: str | None = None
    convention: str | None = None
    exceptions: Any = None
    volatility_update: Any = None
    bond: Any = None


def kind_of(heading: RiskHeading) -> str:
    """Return the kind of a case. Errors: CASE-E03 for an unknown test, convention or model."""
    method = heading.method
    if method == "coverage-tests":
        test = one_of(heading.test, "test", TESTS, method)
        is_open = test == "kupiec" and heading.exceptions is None
        return f"{method} {'acceptance' if is_open else test}"
    if method == "cds":
        return f"{method} {one_of(heading.convention, 'convention', CONVENTIONS, method)}"
    update = heading.volatility_update
    if method == "var-es-parametric" and update is not None:
        model = update.get("model") if isinstance(update, dict) else UPDATES[0]
        known = model if isinstance(model, str) or model is None else repr(model)
        return f"{method} {one_of(known, 'volatility_update.model', UPDATES, method)}"
    if method == "bond" and isinstance(heading.bond, dict) and DATED & heading.bond.keys():
        return "bond dated"
    return method


def rule_of(path: str, value: float) -> str | None:
    """Return None: the calculations know what their numbers must be."""
    del path, value
    return None
