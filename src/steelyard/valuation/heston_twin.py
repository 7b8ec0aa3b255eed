"""Heston for a reader: the textbook's own formulas, one option at a time, in complex numbers.

Nothing here decides: it uses the complex library of Python, so the last bits are that library's. A
test holds the kernels to it. Read `characteristic`, then `price`; interval and number of terms are
arguments, chosen generously, where `heston_series` finds them with a bound on the error.
"""

from __future__ import annotations

import cmath
import math

from steelyard.valuation.heston import HestonParameters

# tidy-ok: a reference that never decides
EXP, LOG, COMPLEX_EXP, COMPLEX_LOG = math.exp, math.log, cmath.exp, cmath.log  # tidy-ok: reference
SINE, COSINE = math.sin, math.cos  # tidy-ok: a reference that never decides


def characteristic(u: complex, time_years: float, parameters: HestonParameters) -> complex:
    """Return E[exp(iu·ln(F_T/F_0))] by the formula that stays continuous, for vol_of_vol > 0.

    ξ = κ − iρσu, d = √(ξ² + σ²(u² + iu)), g = (ξ − d)/(ξ + d), e = exp(−dT);
    ln φ = κθ/σ²·((ξ − d)T − 2·ln((1 − ge)/(1 − g))) + v0/σ²·(ξ − d)(1 − e)/(1 − ge).

    >>> model = HestonParameters(0.04, 4.0, 0.25, 1.0, -0.5)
    >>> abs(characteristic(-1j, 1.0, model) - 1.0) < 1e-14  # the forward is a martingale
    True
    """
    kappa, sigma, time = parameters.mean_reversion, parameters.vol_of_vol, time_years
    xi = kappa - 1j * parameters.correlation * sigma * u
    d = cmath.sqrt(xi * xi + sigma * sigma * (u * u + 1j * u))
    g = (xi - d) / (xi + d)
    e = COMPLEX_EXP(-d * time)
    level = kappa * parameters.long_run_variance
    mean = level * ((xi - d) * time - 2.0 * COMPLEX_LOG((1.0 - g * e) / (1.0 - g)))
    start = parameters.initial_variance * (xi - d) * (1.0 - e) / (1.0 - g * e)
    return COMPLEX_EXP((mean + start) / (sigma * sigma))


def price(
    is_call: bool,
    forward: float,
    strike: float,
    time_years: float,
    parameters: HestonParameters,
    left: float,
    width: float,
    terms: int,
) -> float:
    """Return the undiscounted price from `terms` cosines on [left, left + width] in ln(F_T/F).

    The density is Σ' A_j·cos(u_j(x − a)) with A_j = 2/W·Re(φ(u_j)·e^{−iu_j·a}), u_j = jπ/W and half
    the first; times the put's payoff K − F·e^x below ln(K/F), integrated term by term; the call by
    parity.

    >>> model = HestonParameters(0.04, 4.0, 0.25, 1.0, -0.5)
    >>> round(price(False, 100.0, 80.0, 1.0, model, -6.0, 10.0, 200), 9)
    7.833239934
    """
    depth = LOG(strike / forward) - left
    total = (depth - 1.0 + EXP(-depth)) / width
    for j in range(1, terms + 1):
        u = j * math.pi / width
        phi = characteristic(u, time_years, parameters)
        coefficient = 2.0 / width * (phi * COMPLEX_EXP(-1j * u * left)).real
        flat = SINE(u * depth) / u
        growing = (COSINE(u * depth) + u * SINE(u * depth) - EXP(-depth)) / (1.0 + u * u)
        total += coefficient * (flat - growing)
    put = strike * total
    return put + forward - strike if is_call else put
