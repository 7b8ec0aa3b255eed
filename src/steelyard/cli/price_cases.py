"""The inputs of `steelyard price --cases`: bsm, black76, implied-volatility, heston and svi.

An svi case names its question in `check`; each is a kind of its own. How a line is read: `case_lines`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from steelyard.cli.case_lines import Heading, one_of

OptionType = Literal["call", "put"]


class SpotOption(msgspec.Struct, frozen=True):
    """A European option on a spot price."""

    type: OptionType
    strike: float
    spot: float
    time_to_expiry: float
    volatility: float
    rate: float = 0.0
    dividend_yield: float = 0.0


class ForwardOption(msgspec.Struct, frozen=True):
    """A European option on a forward, discounted with `rate`."""

    type: OptionType
    strike: float
    forward: float
    time_to_expiry: float
    volatility: float
    rate: float = 0.0
    settlement: Literal["linear", "inverse"] = "linear"


class QuotedOption(msgspec.Struct, frozen=True):
    """A European option on a forward with its undiscounted price."""

    type: OptionType
    strike: float
    forward: float
    time_to_expiry: float
    price: float


class ModelOption(msgspec.Struct, frozen=True):
    """A European option on a spot price whose volatility a model gives."""

    type: OptionType
    strike: float
    spot: float
    time_to_expiry: float
    rate: float = 0.0
    dividend_yield: float = 0.0


class HestonModel(msgspec.Struct, frozen=True):
    """dv = κ(θ − v)dt + σ√v dW, correlated with the price."""

    initial_variance: float
    mean_reversion: float
    long_run_variance: float
    vol_of_vol: float
    correlation: float


class Smile(msgspec.Struct, frozen=True):
    """Raw SVI parameters."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float


class TermSmile(msgspec.Struct, frozen=True):
    """Raw SVI parameters of a known term."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float
    time_to_expiry: float


class Wings(msgspec.Struct, frozen=True):
    """Jump-wings parameters."""

    v: float
    psi: float
    p: float
    c: float
    v_tilde: float
    time_to_expiry: float


class PutWing(msgspec.Struct, frozen=True):
    """The jump-wings parameters that a repair keeps."""

    v: float
    psi: float
    p: float


class Ssvi(msgspec.Struct, frozen=True):
    """One expiry of an SSVI surface."""

    theta: float
    rho: float
    eta: float
    gamma: float


class BsmCase(msgspec.Struct, frozen=True):
    """Method bsm."""

    option: SpotOption


class Black76Case(msgspec.Struct, frozen=True):
    """Method black76."""

    option: ForwardOption


class VolatilityCase(msgspec.Struct, frozen=True):
    """Method implied-volatility."""

    option: QuotedOption


class HestonCase(msgspec.Struct, frozen=True):
    """Method heston."""

    model: HestonModel
    option: ModelOption
    outputs: Annotated[
        tuple[Literal["price", "implied_volatility"], ...], msgspec.Meta(min_length=1)
    ] = ("price",)


class ButterflyCase(msgspec.Struct, frozen=True):
    """Method svi, check butterfly."""

    smile: Smile


class TotalVarianceCase(msgspec.Struct, frozen=True):
    """Method svi, check total_variance."""

    smile: Smile
    log_moneyness: float


class JumpWingsCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings."""

    smile: TermSmile


class ToRawCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings_to_raw."""

    jump_wings: Wings


class RepairCase(msgspec.Struct, frozen=True):
    """Method svi, check jump_wings_repair."""

    jump_wings: PutWing


class CalendarCase(msgspec.Struct, frozen=True):
    """Method svi, check calendar."""

    near: Smile
    far: Smile


class SsviCase(msgspec.Struct, frozen=True):
    """Method svi, check ssvi."""

    smile: Ssvi
    log_moneyness: tuple[float, ...]


CASES: dict[str, type[msgspec.Struct]] = {
    "bsm": BsmCase,
    "black76": Black76Case,
    "implied-volatility": VolatilityCase,
    "heston": HestonCase,
    "svi butterfly": ButterflyCase,
    "svi total_variance": TotalVarianceCase,
    "svi jump_wings": JumpWingsCase,
    "svi jump_wings_to_raw": ToRawCase,
    "svi jump_wings_repair": RepairCase,
    "svi calendar": CalendarCase,
    "svi ssvi": SsviCase,
}
METHODS = tuple(dict.fromkeys(name.split()[0] for name in CASES))
CHECKS = tuple(name.split()[1] for name in CASES if " " in name)
ABOVE_ZERO = frozenset({"strike", "spot", "forward"})
NOT_BELOW_ZERO = frozenset(
    "time_to_expiry volatility price initial_variance mean_reversion long_run_variance vol_of_vol".split()
)


class PriceHeading(Heading):
    """What every line begins with."""

    check: str | None = None


def kind_of(heading: PriceHeading) -> str:
    """Return the kind of a case: its method, for svi with the check. Errors: CASE-E03."""
    if heading.method != "svi":
        return heading.method
    return f"svi {one_of(heading.check, 'check', CHECKS, 'an svi case')}"


def rule_of(path: str, value: float) -> str | None:
    """Return the rule that a finite number breaks, None if it is sound."""
    name = path.rpartition(".")[2]
    if name in ABOVE_ZERO and value <= 0.0:
        return f"{name} is above 0"
    if name in NOT_BELOW_ZERO and value < 0.0:
        return f"{name} is at least 0"
    if name == "correlation" and abs(value) > 1.0:
        return "correlation lies between −1 and 1"
    return None
