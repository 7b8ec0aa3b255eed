"""Heston on one core: a surface of prices and a calibration, against QuantLib.

    python -m bench.heston            40 rounds of pricing, 5 of calibration
    python -m bench.heston --quick    fewer rounds

Surface: 10 expiries of a week to two years × 30 strikes, for three sets of parameters. The peer is
AnalyticHestonEngine with 144 Gauss-Laguerre points, its instruments built beforehand, repriced after
a change of the spot. Both sides agree to 1e-10 of the forward before they are timed. The calibration
gives both the same 300 quotes: QuantLib starts from parameters in the neighbourhood, ours searches
its own start (and is timed from QuantLib's start as well).
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from bench.machine import paired, peer, print_machine, report

DAYS = (7, 14, 30, 60, 90, 180, 270, 365, 545, 730)
STRIKES = 30
FORWARD = 100.0
MODELS = {
    "quiet": (0.04, 1.15, 0.04, 0.2, -0.4),
    "crypto": (0.5, 2.0, 0.6, 1.5, -0.3),
    "skewed": (0.04, 1.5, 0.06, 0.5, -0.7),
}
NEARBY_START = (0.06, 1.0, 0.05, 0.4, -0.4)


def surface(model: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """Return is_call (out of the money), strike and time of the 300 options."""
    v0, kappa, theta = model[:3]
    time = np.repeat(np.array(DAYS) / 365.0, STRIKES)
    total = theta * time + (v0 - theta) * (1.0 - np.exp(-kappa * time)) / kappa
    steps = np.tile(np.linspace(-2.0, 1.8, STRIKES), len(DAYS))
    strike = FORWARD * np.exp(np.sqrt(total) * steps)
    return strike >= FORWARD, strike, time


def quantlib_process(library: Any, model: tuple[float, ...], quote: Any) -> Any:
    """Return the process without rates on QuantLib's evaluation date."""
    today = library.Date(1, 1, 2026)
    library.Settings.instance().evaluationDate = today
    flat = library.YieldTermStructureHandle(
        library.FlatForward(today, 0.0, library.Actual365Fixed())
    )
    v0, kappa, theta, sigma, rho = model
    return library.HestonProcess(
        flat, flat, library.QuoteHandle(quote), v0, kappa, theta, sigma, rho
    )


def quantlib_options(library: Any, model: tuple[float, ...], columns: Any) -> tuple[Any, list[Any]]:
    """Return the spot and the instruments with their engine."""
    quote = library.SimpleQuote(FORWARD)
    heston = library.HestonModel(quantlib_process(library, model, quote))
    engine = library.AnalyticHestonEngine(heston, 144)
    today = library.Settings.instance().evaluationDate
    options = []
    for call, strike, time in zip(*(column.tolist() for column in columns), strict=True):
        kind = library.Option.Call if call else library.Option.Put
        expiry = library.EuropeanExercise(today + round(time * 365))
        option = library.VanillaOption(library.PlainVanillaPayoff(kind, strike), expiry)
        option.setPricingEngine(engine)
        options.append(option)
    return quote, options


def bench_HEST_040_surface_against_quantlib(library: Any, rounds: int) -> None:
    """Time the surface of 10 × 30 for each set of parameters."""
    from steelyard.valuation.heston import HestonParameters, heston_price

    for name, model in MODELS.items():
        columns = surface(model)
        is_call, strike, time = columns
        quote, options = quantlib_options(library, model, columns)
        parameters = HestonParameters(*model)

        def theirs(quote: Any = quote, options: Any = options) -> list[float]:
            quote.setValue(FORWARD + 1e-9 if quote.value() == FORWARD else FORWARD)
            return [option.NPV() for option in options]

        found = heston_price(is_call, FORWARD, strike, time, parameters)
        quote.setValue(FORWARD)
        apart = float(np.abs(found - [option.NPV() for option in options]).max()) / FORWARD
        for tolerance in (1e-14, 1e-11):
            result = paired(
                lambda t=tolerance, p=parameters, k=strike, c=is_call, m=time: heston_price(  # type: ignore[misc]
                    c, FORWARD, k, m, p, tolerance=t
                ),
                theirs,
                rounds,
            )
            note = (
                f"{result.first_s * 1e3:.3f} ms against {result.second_s * 1e3:.2f} ms, "
                f"QuantLib {library.__version__}, largest difference {apart:.1e} of F"
            )
            goal = ">= 10" if apart <= 1e-10 else ""
            report(
                f"surface 10x30, {name}, to {tolerance:g}", result.ratio, "x", goal=goal, note=note
            )


def quantlib_calibration(library: Any, columns: Any, volatility: Any) -> Any:
    """Return a function that calibrates to the quotes and returns the parameters."""
    _, strike, time = columns
    quote = library.SimpleQuote(FORWARD)
    process = quantlib_process(library, NEARBY_START, quote)
    curve = process.riskFreeRate()
    rows = list(zip(strike.tolist(), time.tolist(), volatility.tolist(), strict=True))

    def calibrate() -> list[float]:
        model = library.HestonModel(quantlib_process(library, NEARBY_START, quote))
        engine = library.AnalyticHestonEngine(model, 144)
        helpers = []
        for k, t, v in rows:
            helper = library.HestonModelHelper(
                library.Period(round(t * 365), library.Days), library.NullCalendar(), FORWARD, k,
                library.QuoteHandle(library.SimpleQuote(v)), curve, curve,
            )  # fmt: skip
            helper.setPricingEngine(engine)
            helpers.append(helper)
        method = library.LevenbergMarquardt(1e-8, 1e-8, 1e-8)
        model.calibrate(helpers, method, library.EndCriteria(500, 50, 1e-8, 1e-8, 1e-8))
        theta, kappa, sigma, rho, v0 = model.params()
        return [v0, kappa, theta, sigma, rho]

    return calibrate


def bench_HEST_041_calibration_against_quantlib(library: Any, rounds: int) -> None:
    """Time a calibration to 300 quotes, from our own start and from the peer's."""
    from steelyard.models.heston_calibration import calibrate_heston
    from steelyard.valuation.heston import HestonParameters, heston_price
    from steelyard.valuation.implied_volatility import implied_volatility

    model = MODELS["skewed"]
    columns = surface(model)
    is_call, strike, time = columns
    price = heston_price(is_call, FORWARD, strike, time, HestonParameters(*model))
    volatility = implied_volatility(is_call, FORWARD, strike, price, time).volatility
    theirs = quantlib_calibration(library, columns, volatility)
    apart = max(abs(a / b - 1.0) for a, b in zip(theirs(), model, strict=True))
    for name, start in (("own start", None), ("peer's start", HestonParameters(*NEARBY_START))):

        def ours(start: Any = start) -> Any:
            return calibrate_heston(
                time, FORWARD, strike, is_call, implied_volatility=volatility, start=start
            )

        fit = ours()
        own = max(
            abs(a / b - 1.0) for a, b in zip(fit.parameters.as_array().tolist(), model, strict=True)
        )
        assert own < 1e-8, "the calibration does not find the parameters back"
        result = paired(ours, theirs, rounds, warm_up=1)
        note = (
            f"{result.first_s * 1e3:.1f} ms against {result.second_s * 1e3:.0f} ms, parameters "
            f"within {own:.0e} against {apart:.0e}"
        )
        report(f"calibration to 300 quotes, {name}", result.ratio, "x", goal=">= 5", note=note)


def price_after_scenarios(rounds: int) -> None:
    """Time the series alone against pricing a scenario's moved forwards on a series at hand."""
    from steelyard.valuation.heston import HestonParameters, heston_price

    model = MODELS["crypto"]
    is_call, strike, time = surface(model)
    parameters = HestonParameters(*model)
    many = [np.tile(column, 33) for column in (is_call, strike, time)]
    forward = np.repeat(FORWARD * np.linspace(0.7, 1.3, 33), time.size)
    result = paired(
        lambda: heston_price(is_call, FORWARD, strike, time, parameters, tolerance=1e-11),
        lambda: heston_price(many[0], forward, many[1], many[2], parameters, tolerance=1e-11),
        rounds,
    )
    count = forward.size
    note = f"{result.second_s / count * 1e9:.0f} ns an option, {count} options"
    report("33 moved forwards: time over one", result.ratio, "x", note=note)


def main() -> None:
    """Run every comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    arguments = parser.parse_args()
    print_machine()
    rounds = 9 if arguments.quick else 40
    price_after_scenarios(rounds)
    library = peer("QuantLib")
    if library is None:
        return
    bench_HEST_040_surface_against_quantlib(library, rounds)
    bench_HEST_041_calibration_against_quantlib(library, 3 if arguments.quick else 5)


if __name__ == "__main__":
    main()
