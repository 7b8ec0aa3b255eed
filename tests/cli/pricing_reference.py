"""The results of pricing cases once more, from mpmath: derivatives of prices, integrals, formulas."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np

DIGITS = 40


def black(is_call: bool, forward: Any, strike: Any, s: Any) -> Any:
    """The undiscounted price."""
    d1 = mpmath.log(forward / strike) / s + s / 2
    sign = 1 if is_call else -1
    return sign * (forward * mpmath.ncdf(sign * d1) - strike * mpmath.ncdf(sign * (d1 - s)))


def rounded_price(
    is_call: bool, forward: float, strike: float, volatility: float, time: float
) -> tuple[float, float]:
    """The float64 price of a volatility, and the volatility of exactly that price."""
    with mpmath.workdps(60):
        f, k, root = mpmath.mpf(forward), mpmath.mpf(strike), mpmath.sqrt(mpmath.mpf(time))
        price = float(black(is_call, f, k, volatility * root))
        s = mpmath.findroot(
            lambda s: mpmath.log(black(is_call, f, k, s) / mpmath.mpf(price)), volatility * root
        )
        return price, float(s / root)


def bsm_price(is_call: bool, inputs: dict[str, Any]) -> Any:
    i = inputs
    tau = i["time_to_expiry"]
    forward = i["spot"] * mpmath.exp((i["rate"] - i["dividend_yield"]) * tau)
    value = black(is_call, forward, i["strike"], i["volatility"] * mpmath.sqrt(tau))
    return mpmath.exp(-i["rate"] * tau) * value


def bsm(option: dict[str, Any]) -> dict[str, float]:
    """All results of a bsm option."""
    is_call = option["type"] == "call"
    with mpmath.workdps(DIGITS):
        base: dict[str, Any] = {"rate": mpmath.mpf(0), "dividend_yield": mpmath.mpf(0)}
        base |= {k: mpmath.mpf(v) for k, v in option.items() if not isinstance(v, str)}

        def derivative(name: str, order: int = 1) -> Any:
            return mpmath.diff(lambda x: bsm_price(is_call, base | {name: x}), base[name], order)

        price = bsm_price(is_call, base)
        delta, theta = derivative("spot"), -derivative("time_to_expiry")
        found = {
            "price": price,
            "delta": delta,
            "gamma": derivative("spot", 2),
            "vega": derivative("volatility"),
            "theta": theta,
            "theta_per_day": theta / 365,
            "rho": derivative("rate"),
            "dividend_rho": derivative("dividend_yield"),
            "elasticity": delta * base["spot"] / price,
        }
        return {name: float(value) for name, value in found.items()}


def black76(option: dict[str, Any]) -> dict[str, float]:
    """All results of a black76 option: q = rate in bsm, delta and gamma by the forward."""
    rate = option.get("rate", 0.0)
    spot = {k: v for k, v in option.items() if k not in ("forward", "settlement")}
    found = bsm(spot | {"spot": option["forward"], "rate": rate, "dividend_yield": rate})
    kept = {name: found[name] for name in ("price", "delta", "gamma", "vega", "theta")}
    if option.get("settlement") == "inverse":
        kept["price_coin"] = kept["price"] / option["forward"]
    return kept


def heston(model: dict[str, float], option: dict[str, Any]) -> tuple[float, float]:
    """Price and implied volatility, from Lewis's integral of the characteristic function."""
    with mpmath.workdps(30):
        v0, kappa, theta, vol, rho = (mpmath.mpf(x) for x in model.values())
        tau, strike = mpmath.mpf(option["time_to_expiry"]), mpmath.mpf(option["strike"])
        rate, yields = (mpmath.mpf(option.get(n, 0)) for n in ("rate", "dividend_yield"))
        forward = option["spot"] * mpmath.exp((rate - yields) * tau)
        x = mpmath.log(forward / strike)

        def transform(u: Any) -> Any:
            beta = kappa - rho * vol * 1j * u
            d = mpmath.sqrt(beta**2 + vol**2 * (1j * u + u * u))
            g = (beta - d) / (beta + d)
            fall = mpmath.exp(-d * tau)
            slope = (beta - d) / vol**2 * (1 - fall) / (1 - g * fall)
            level = kappa * theta / vol**2
            level *= (beta - d) * tau - 2 * mpmath.log((1 - g * fall) / (1 - g))
            return mpmath.exp(level + slope * v0)

        def integrand(u: Any) -> Any:
            z = mpmath.mpc(u, -0.5)
            return (mpmath.exp(1j * u * x) * transform(z)).real / (u * u + mpmath.mpf(1) / 4)

        whole = mpmath.quad(integrand, [0, 5, 20, 60, 150, 400, 1000])
        call = forward - mpmath.sqrt(forward * strike) / mpmath.pi * whole
        value = call if option["type"] == "call" else call - forward + strike
        s = mpmath.findroot(
            lambda s: black(True, forward, strike, s) - call, mpmath.sqrt(theta * tau)
        )
        return float(value * mpmath.exp(-rate * tau)), float(s / mpmath.sqrt(tau))


def variance(smile: dict[str, float], k: Any) -> Any:
    z = k - smile["m"]
    return smile["a"] + smile["b"] * (smile["rho"] * z + np.sqrt(z * z + smile["sigma"] ** 2))


def svi(case: dict[str, Any]) -> dict[str, Any]:
    """All results of an svi case."""
    answer: dict[str, Any] = globals()[f"_{case['check']}"](case)
    return answer


def _butterfly(case: dict[str, Any]) -> dict[str, Any]:
    s = case["smile"]
    k = np.linspace(-1.5, 1.5, 60_001)
    radius = np.sqrt((k - s["m"]) ** 2 + s["sigma"] ** 2)
    w, first = variance(s, k), s["b"] * (s["rho"] + (k - s["m"]) / radius)
    second = s["b"] * s["sigma"] ** 2 / radius**3
    g = (1 - k * first / (2 * w)) ** 2 - first**2 / 4 * (1 / w + 0.25) + second / 2
    answer: dict[str, Any] = {
        "butterfly_arbitrage": bool(g.min() < -1e-12),
        "min_g": float(g.min()),
        "wing_slope": s["b"] * (1 + abs(s["rho"])),
    }
    if g.min() < -1e-12:
        answer["argmin_k"] = float(k[g.argmin()])
        answer["negative_interval"] = [float(k[g < 0][0]), float(k[g < 0][-1])]
    return answer


def _total_variance(case: dict[str, Any]) -> dict[str, Any]:
    return {"total_variance": float(variance(case["smile"], case["log_moneyness"]))}


def _jump_wings(case: dict[str, Any]) -> dict[str, Any]:
    s = case["smile"]
    time = s["time_to_expiry"]
    w0 = variance(s, 0.0)
    return {
        "v": w0 / time,
        "psi": s["b"] / (2 * w0**0.5) * (s["rho"] - s["m"] / np.hypot(s["m"], s["sigma"])),
        "p": s["b"] * (1 - s["rho"]) / w0**0.5,
        "c": s["b"] * (1 + s["rho"]) / w0**0.5,
        "v_tilde": (s["a"] + s["b"] * s["sigma"] * (1 - s["rho"] ** 2) ** 0.5) / time,
    }


def _jump_wings_to_raw(case: dict[str, Any]) -> dict[str, Any]:
    j = case["jump_wings"]
    time = j["time_to_expiry"]
    root = (j["v"] * time) ** 0.5
    b = root * (j["c"] + j["p"]) / 2
    rho = 1 - j["p"] * root / b
    beta = rho - 2 * j["psi"] * root / b
    alpha = np.sign(beta) * np.sqrt(1 / beta**2 - 1)
    across = np.sqrt(1 - rho**2)
    below = -rho + np.sign(alpha) * np.sqrt(1 + alpha**2) - alpha * across
    m = (j["v"] - j["v_tilde"]) * time / (b * below)
    sigma = alpha * m
    a = j["v_tilde"] * time - b * sigma * across
    return {"a": a, "b": b, "rho": rho, "m": m, "sigma": sigma}


def _jump_wings_repair(case: dict[str, Any]) -> dict[str, Any]:
    j = case["jump_wings"]
    c = j["p"] + 2 * j["psi"]
    return {"c": c, "v_tilde": j["v"] * 4 * j["p"] * c / (j["p"] + c) ** 2}


def _calendar(case: dict[str, Any]) -> dict[str, Any]:
    k = np.linspace(-1.5, 1.5, 60_001)
    lowest = float((variance(case["far"], k) - variance(case["near"], k)).min())
    return {"calendar_arbitrage": lowest < 0, "min_difference": lowest}


def _ssvi(case: dict[str, Any]) -> dict[str, Any]:
    s, k = case["smile"], np.array(case["log_moneyness"])
    phi = s["eta"] * s["theta"] ** -s["gamma"]
    first = s["theta"] * phi * (1 + abs(s["rho"]))
    radius = np.sqrt((phi * k + s["rho"]) ** 2 + 1 - s["rho"] ** 2)
    return {
        "condition_1": first,
        "condition_2": first * phi,
        "butterfly_free": bool(first < 4 and first * phi <= 4),
        "total_variance": (s["theta"] / 2 * (1 + s["rho"] * phi * k + radius)).tolist(),
    }


def svi_cases() -> list[dict[str, Any]]:
    """Cases of every check, ordinary and at limits."""
    plain = {"a": 0.04, "b": 0.1, "rho": -0.4, "m": 0.05, "sigma": 0.2}
    steep = {"a": 0.01, "b": 0.9, "rho": -0.7, "m": -0.1, "sigma": 0.3}
    sharp = {"a": 0.02, "b": 0.3, "rho": 0.5, "m": 0.2, "sigma": 0.01}
    flat = {"a": 0.04, "b": 0.0, "rho": 0.0, "m": 0.0, "sigma": 0.1}
    centred = {"a": 0.03, "b": 0.12, "rho": -0.3, "m": 0, "sigma": 0.25}
    smiles = [plain, steep, sharp, flat, centred]
    cases: list[dict[str, Any]] = [{"check": "butterfly", "smile": s} for s in smiles]
    cases += [
        {"check": "total_variance", "smile": s, "log_moneyness": k}
        for s in smiles
        for k in (-1.2, 0, 0.7)
    ]
    cases += [
        {"check": "jump_wings", "smile": s | {"time_to_expiry": t}}
        for s in smiles
        for t in (0.1, 2)
    ]
    cases += [
        {"check": "calendar", "near": a, "far": b} for a, b in itertools.permutations(smiles, 2)
    ]
    wings = {"v": 0.04, "psi": -0.1, "p": 0.6, "c": 0.5, "v_tilde": 0.03, "time_to_expiry": 0.5}
    for change in ({}, {"psi": 0.1}, {"time_to_expiry": 2}, {"c": 0.9}, {"psi": -0.25}):
        cases.append({"check": "jump_wings_to_raw", "jump_wings": wings | change})
        kept = {n: (wings | change)[n] for n in ("v", "psi", "p")}
        cases.append({"check": "jump_wings_repair", "jump_wings": kept})
    for theta, rho, eta, gamma in [(0.25, -0.3, 2, 0.5), (0.04, 0.6, 1, 0.4), (9, 0.5, 1, 0)]:
        smile = {"theta": theta, "rho": rho, "eta": eta, "gamma": gamma}
        cases.append({"check": "ssvi", "smile": smile, "log_moneyness": [-1, -0.5, 0, 0.25, 1.5]})
        cases.append({"check": "ssvi", "smile": smile, "log_moneyness": []})
    return cases
