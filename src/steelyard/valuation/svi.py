"""SVI smiles: total variance, its slopes, jump-wings parameters, SSVI.

A raw smile gives the total variance w = σ²τ of one expiry as a function of k = ln(K/F):

    w(k)   = a + b·(ρ·z + R),   z = k − m,  R = √(z² + σ²)
    w'(k)  = b·(ρ + z/R)
    w''(k) = b·(σ/R)²/R
    g(k)   = (1 − k·w'/(2w))² − (w'²/4)·(1/w + 1/4) + w''/2

g is the density of the price at expiry, up to a positive factor: no butterfly costs less than
nothing while g ≥ 0. It is defined where w > 0 only, and NaN elsewhere.

Limits. b = 0 is a flat smile: g = 1. σ = 0 is a smile with a kink at k = m: the slope is taken as b·ρ
there and the curvature, a point mass, as +∞ (0 if b = 0). ρ = ±1 is a smile with one flat wing.

Everything is numpy on whole columns of k, from exactly rounded operations. A NaN gives NaN in its
place. `svi_arbitrage` searches the smiles for butterflies and calendars.

Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, 2014; Durrleman's g.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steelyard.quantities.errors import InputError
from steelyard.valuation.elementary_twin import power

Floats = NDArray[np.float64]

COSINE_SLACK = 1e-12  # how far rounding may carry m/√(m² + σ²) beyond ±1
BOUND_SLACK = 1e-14  # relative: rounding of the two sides of an SSVI condition
CONDITION_BOUND = 4.0


@dataclass(frozen=True, slots=True)
class SviSmile:
    """The raw parameters of one expiry: level a, wing slope b, tilt ρ, centre m, roundness σ.

    Nothing is checked here: `require_smile` does that. All results are arrays of the shape of k.

    >>> smile = SviSmile(0.04, 0.1, -0.4, 0.0, 0.2)
    >>> smile.total_variance([-0.5, 0.0, 0.5]).round(6).tolist()
    [0.113852, 0.06, 0.073852]
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def radius(self, k: ArrayLike) -> Floats:
        """Return R = √((k − m)² + σ²)."""
        z = np.asarray(k, dtype=np.float64) - self.m
        result: Floats = np.sqrt(z * z + self.sigma * self.sigma)
        return result

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return w(k)."""
        z = np.asarray(k, dtype=np.float64) - self.m
        result: Floats = self.a + self.b * (self.rho * z + self.radius(k))
        return result

    def slope(self, k: ArrayLike) -> Floats:
        """Return w'(k), always between −b(1 − ρ) and b(1 + ρ); b·ρ at the kink of σ = 0."""
        z = np.asarray(k, dtype=np.float64) - self.m
        radius = self.radius(k)
        sine = np.divide(z, radius, out=np.zeros_like(z), where=radius != 0.0)
        result: Floats = self.b * (self.rho + sine)
        return result

    def curvature(self, k: ArrayLike) -> Floats:
        """Return w''(k) ≥ 0; +∞ at the kink of σ = 0, where w' jumps."""
        radius = self.radius(k)
        at_kink = np.full_like(radius, inf if self.b > 0.0 else 0.0)
        cosine = np.divide(self.sigma, radius, out=np.ones_like(radius), where=radius != 0.0)
        curved = self.b * (cosine * cosine)
        result: Floats = np.divide(curved, radius, out=at_kink, where=radius != 0.0)
        return result

    def durrleman(self, k: ArrayLike) -> Floats:
        """Return g(k); NaN where w(k) ≤ 0.

        >>> float(SviSmile(0.04, 0.0, 0.0, 0.0, 0.1).durrleman(0.3))
        1.0
        """
        moneyness = np.asarray(k, dtype=np.float64)
        variance = self.total_variance(moneyness)
        is_positive = variance > 0.0
        w = np.where(is_positive, variance, np.nan)
        slope = self.slope(moneyness)
        first = 1.0 - moneyness * slope / (2.0 * w)
        result: Floats = (
            first * first
            - (slope * slope / 4.0) * (1.0 / w + 0.25)
            + self.curvature(moneyness) / 2.0
        )
        return result

    @property
    def wing_slope(self) -> float:
        """Return b·(1 + |ρ|), the steeper slope of the two wings; Lee's bound is 2."""
        return self.b * (1.0 + abs(self.rho))

    @property
    def lowest_k(self) -> float:
        """Return the k of least total variance: −∞ or +∞ where a wing falls forever (ρ = ±1)."""
        narrowing = 1.0 - self.rho * self.rho
        if narrowing <= 0.0:
            return inf if self.rho < 0.0 else -inf
        return self.m - self.rho * self.sigma / sqrt(narrowing)

    def least_total_variance(self, low: float = -inf, high: float = inf) -> float:
        """Return the minimum of w between low and high; over all k it is a + b·σ·√(1 − ρ²).

        >>> round(SviSmile(0.04, 0.1, -0.6, 0.0, 0.2).least_total_variance(), 15)
        0.056
        """
        if low == -inf and high == inf:
            return self.a + self.b * self.sigma * sqrt(max(1.0 - self.rho * self.rho, 0.0))
        # w is convex, so within an interval it is least at its lowest point or at the nearer end.
        return float(self.total_variance(min(max(self.lowest_k, low), high)))


@dataclass(frozen=True, slots=True)
class JumpWings:
    """What a trader sees of a smile, for a term of time_years T.

    v: variance at the money; psi: slope of the volatility there; p, c: slopes of the put and call
    wings, in units of √(vT); v_tilde: least variance. w(0) = vT.
    """

    v: float
    psi: float
    p: float
    c: float
    v_tilde: float
    time_years: float


def _refuse(code: str, message: str, rule: str, field: str) -> InputError:
    return InputError(
        code, message, rule=rule, cure="mend the parameters, or fit them again", field=field
    )


def _require_finite(code: str, values: SviSmile | JumpWings) -> None:
    for each in fields(values):
        value = getattr(values, each.name)
        if not isfinite(value):
            raise _refuse(code, f"{each.name} is {value}", "every parameter is finite", each.name)


def require_smile(smile: SviSmile) -> SviSmile:
    """Return the smile if its parameters are finite, b ≥ 0, |ρ| ≤ 1 and σ ≥ 0.

    Errors: InputError SVIS-E01 with the parameter as `field`.
    """
    _require_finite("SVIS-E01", smile)
    if smile.b < 0.0:
        raise _refuse("SVIS-E01", f"b is {smile.b}", "a wing slope b is at least 0", "b")
    if abs(smile.rho) > 1.0:
        raise _refuse("SVIS-E01", f"rho is {smile.rho}", "rho lies between −1 and 1", "rho")
    if smile.sigma < 0.0:
        raise _refuse("SVIS-E01", f"sigma is {smile.sigma}", "sigma is at least 0", "sigma")
    return smile


def jump_wings_of(smile: SviSmile, time_years: float) -> JumpWings:
    """Return the jump-wings parameters of a raw smile.

    w0 = w(0), v = w0/T, psi = b/(2√w0)·(ρ − m/√(m² + σ²)), p = b(1 − ρ)/√w0, c = b(1 + ρ)/√w0,
    v_tilde = (a + bσ√(1 − ρ²))/T.

    Errors: InputError SVIS-E01 for parameters out of range; SVIS-E02 if T ≤ 0, if w(0) ≤ 0, or if
    the smile has its kink at the money (m = σ = 0 < b), where it has no slope.

    >>> wings = jump_wings_of(SviSmile(-0.041, 0.1331, 0.306, 0.3586, 0.4153), 1.0)
    >>> [round(x, 6) for x in (wings.v, wings.psi, wings.p, wings.c, wings.v_tilde)]
    [0.017426, -0.175211, 0.699738, 1.316798, 0.011625]
    """
    require_smile(smile)
    _require_time(time_years)
    at_money = float(smile.total_variance(0.0))
    if not at_money > 0.0:
        message = f"total variance at the money is {at_money}"
        raise _refuse("SVIS-E02", message, "w(0) is above 0", "a")
    if smile.b > 0.0 and smile.m == 0.0 and smile.sigma == 0.0:
        message = "the smile has a kink at the money"
        raise _refuse("SVIS-E02", message, "m and sigma are not both 0", "sigma")
    root = sqrt(at_money)
    return JumpWings(
        at_money / time_years,
        float(smile.slope(0.0)) / (2.0 * root),
        smile.b * (1.0 - smile.rho) / root,
        smile.b * (1.0 + smile.rho) / root,
        smile.least_total_variance() / time_years,
        time_years,
    )


def raw_smile_of(wings: JumpWings) -> SviSmile:
    """Return the raw smile of jump-wings parameters.

    With b = √(vT)·(c + p)/2, ρ = 1 − p√(vT)/b and β = m/√(m² + σ²) = ρ − 2psi√(vT)/b, the level
    difference (v − v_tilde)·T = b·h·(1 − ρβ − √((1 − β²)(1 − ρ²))) gives h = √(m² + σ²), then
    m = βh, σ = h√(1 − β²), a = v_tilde·T − bσ√(1 − ρ²). In this form β = 0, a smile centred at the
    money, is no exception, and the bracket is computed as ((ρ − β)² + (√(1 − ρ²) − √(1 − β²))²)/2,
    without cancellation.

    Errors: InputError SVIS-E02 if a parameter is out of range: v, T > 0, p, c ≥ 0, p + c > 0,
    −p ≤ 2psi ≤ c, v_tilde < v, and psi = 0, where the smile is level at the money and any σ fits.

    >>> smile = raw_smile_of(JumpWings(0.04, 0.0625, 0.5, 0.75, 0.0375, 1.0))
    >>> back = jump_wings_of(smile, 1.0)
    >>> [round(x, 12) for x in (back.v, back.psi, back.p, back.c, back.v_tilde)]
    [0.04, 0.0625, 0.5, 0.75, 0.0375]
    """
    _require_wings(wings)
    time = wings.time_years
    root = sqrt(wings.v * time)
    b = root * (wings.c + wings.p) / 2.0
    rho = (wings.c - wings.p) / (wings.c + wings.p)
    apart = 2.0 * wings.psi * root / b
    beta = rho - apart
    if abs(beta) > 1.0 + COSINE_SLACK:
        rule = "the slope at the money lies between those of the wings: −p ≤ 2·psi ≤ c"
        raise _refuse("SVIS-E02", f"psi is {wings.psi}", rule, "psi")
    beta = min(max(beta, -1.0), 1.0)
    across = sqrt((1.0 - rho) * (1.0 + rho))
    across_money = sqrt((1.0 - beta) * (1.0 + beta))
    both = across + across_money
    lift = apart * (rho + beta) / both if both > 0.0 else 0.0
    weight = b * (apart * apart + lift * lift) / 2.0
    if weight == 0.0:
        message = f"psi is {wings.psi}: too small beside the wings to tell sigma"
        raise _refuse("SVIS-E02", message, "the smile has a slope at the money", "psi")
    h = (wings.v - wings.v_tilde) * time / weight
    sigma = h * across_money
    return require_smile(
        SviSmile(wings.v_tilde * time - b * sigma * across, b, rho, beta * h, sigma)
    )


def _require_wings(wings: JumpWings) -> None:
    _require_finite("SVIS-E02", wings)
    _require_time(wings.time_years)
    if wings.v <= 0.0:
        raise _refuse("SVIS-E02", f"v is {wings.v}", "the variance v is above 0", "v")
    for name in ("p", "c"):
        if getattr(wings, name) < 0.0:
            message = f"{name} is {getattr(wings, name)}"
            raise _refuse("SVIS-E02", message, "wing slopes p and c are at least 0", name)
    if wings.p + wings.c == 0.0:
        message = "p and c are both 0: the smile is flat"
        raise _refuse("SVIS-E02", message, "one wing at least has a slope", "p")
    if wings.psi == 0.0:
        rule = "a smile that is level at the money does not determine sigma"
        raise _refuse("SVIS-E02", "psi is 0", rule, "psi")
    if wings.v_tilde >= wings.v:
        message = f"v_tilde is {wings.v_tilde}, v is {wings.v}"
        rule = "the least variance is below v where the smile has a slope at the money"
        raise _refuse("SVIS-E02", message, rule, "v_tilde")


def _require_time(time_years: float) -> None:
    if not (isfinite(time_years) and time_years > 0.0):
        message = f"time_to_expiry is {time_years}"
        raise _refuse("SVIS-E02", message, "the term is above 0", "time_to_expiry")


def repaired_wing(v: float, psi: float, p: float) -> tuple[float, float]:
    """Return (c', v_tilde') that make jump wings free of butterflies: those of an SSVI smile.

    c' = p + 2psi, v_tilde' = v·4pc'/(p + c')².

    Errors: InputError SVIS-E02 unless v > 0, p ≥ 0, p + 2psi ≥ 0 and p + c' > 0.

    >>> [round(x, 8) for x in repaired_wing(0.01742625, -0.1752111, 0.6997381)]
    [0.3493159, 0.01548182]
    """
    for name, value in (("v", v), ("psi", psi), ("p", p)):
        if not isfinite(value):
            raise _refuse("SVIS-E02", f"{name} is {value}", "every parameter is finite", name)
    if v <= 0.0:
        raise _refuse("SVIS-E02", f"v is {v}", "the variance v is above 0", "v")
    if p < 0.0:
        raise _refuse("SVIS-E02", f"p is {p}", "wing slopes p and c are at least 0", "p")
    c = p + 2.0 * psi
    if c < 0.0 or p + c == 0.0:
        raise _refuse("SVIS-E02", f"c' = p + 2·psi is {c}", "c' ≥ 0 and p + c' > 0", "psi")
    both = p + c
    return c, v * 4.0 * p * c / (both * both)


@dataclass(frozen=True, slots=True)
class SsviSmile:
    """One expiry of an SSVI surface: variance at the money θ, tilt ρ, and φ = η·θ^(−γ).

    w(k) = θ/2·(1 + ρφk + √((φk + ρ)² + 1 − ρ²)).

    >>> SsviSmile(0.25, -0.3, 2.0, 0.5).total_variance([-0.5, 0.0, 0.5]).round(6).tolist()
    [0.511247, 0.25, 0.29367]
    """

    theta: float
    rho: float
    eta: float
    gamma: float

    @property
    def phi(self) -> float:
        """Return φ = η·θ^(−γ)."""
        return self.eta * power(self.theta, -self.gamma)

    def total_variance(self, k: ArrayLike) -> Floats:
        """Return w(k), an array of the shape of k."""
        moved = self.phi * np.asarray(k, dtype=np.float64)
        tilted = moved + self.rho
        radius = np.sqrt(tilted * tilted + (1.0 - self.rho) * (1.0 + self.rho))
        result: Floats = self.theta / 2.0 * (1.0 + self.rho * moved + radius)
        return result

    def raw(self) -> SviSmile:
        """Return the same smile in raw parameters; φ must be above 0."""
        across = (1.0 - self.rho) * (1.0 + self.rho)
        half = self.theta / 2.0
        phi = self.phi
        return SviSmile(half * across, half * phi, self.rho, -self.rho / phi, sqrt(across) / phi)

    @property
    def conditions(self) -> tuple[float, float]:
        """Return (θφ(1 + |ρ|), θφ²(1 + |ρ|)): below 4, and at most 4, there are no butterflies."""
        first = self.theta * self.phi * (1.0 + abs(self.rho))
        return first, first * self.phi

    @property
    def is_butterfly_free(self) -> bool:
        """Return whether both conditions hold; equality is judged within 1e-14 of 4."""
        first, second = self.conditions
        slack = CONDITION_BOUND * BOUND_SLACK
        return first < CONDITION_BOUND - slack and second <= CONDITION_BOUND + slack


def require_ssvi(smile: SsviSmile) -> SsviSmile:
    """Return the smile if its parameters are finite, θ > 0, |ρ| ≤ 1 and η ≥ 0.

    Errors: InputError SVIS-E03 with the parameter as `field`.
    """
    for each in fields(smile):
        value = getattr(smile, each.name)
        if not isfinite(value):
            message = f"{each.name} is {value}"
            raise _refuse("SVIS-E03", message, "every parameter is finite", each.name)
    if smile.theta <= 0.0:
        raise _refuse("SVIS-E03", f"theta is {smile.theta}", "theta is above 0", "theta")
    if abs(smile.rho) > 1.0:
        raise _refuse("SVIS-E03", f"rho is {smile.rho}", "rho lies between −1 and 1", "rho")
    if smile.eta < 0.0:
        raise _refuse("SVIS-E03", f"eta is {smile.eta}", "eta is at least 0", "eta")
    return smile
