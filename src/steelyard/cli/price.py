"""`steelyard price`: the cases of a file, one JSON result a line, or a single option as a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from steelyard.cli.case_files import EXIT_OK, Piece, Printed, answered, cases_printed
from steelyard.cli.case_lines import refuse
from steelyard.cli.output import console, print_json
from steelyard.cli.price_results import FAMILY, implied_answer

DAYS_PER_YEAR = 365.0


def cases_command(path: Path, jobs: int = 1) -> int:
    """Print one JSON answer for each case of a file (`-` is stdin); return 2 if one is an error.

    The file is read in pieces, so it may be longer than the memory, and a reader of the answers
    gets them as they come.
    """
    return cases_printed(path, answer_piece, jobs)


def answer_piece(piece: Piece) -> Printed:
    """Return the answers to some lines of a file."""
    return answered(piece, FAMILY)


@dataclass(frozen=True, slots=True)
class Asked:
    """One option as the command line gives it; the optional ones are None when they are left out."""

    is_call: bool
    strike: float | None
    days: float | None
    forward: float | None
    spot: float | None
    rate: float
    dividend_yield: float
    volatility: float | None
    price: float | None
    inverse: bool


def option_command(asked: Asked, as_json: bool) -> int:
    """Print price and Greeks of one option, or the volatility that a price implies."""
    report = option_report(asked)
    if as_json:
        print_json(report)
    else:
        _print(report)
    return EXIT_OK


def option_report(asked: Asked) -> dict[str, Any]:
    """Return what is printed of one option; the Greeks in market units."""
    from steelyard.valuation.black_scholes import black76_discounted, black_scholes

    _require(asked)
    time = float(asked.days or 0.0) / DAYS_PER_YEAR
    report: dict[str, Any] = {
        "type": "call" if asked.is_call else "put",
        "strike": asked.strike,
        "days": asked.days,
    }
    level = {"forward": asked.forward} if asked.forward is not None else {"spot": asked.spot}
    report |= level | {"rate": asked.rate}
    if asked.spot is not None:
        report["dividend_yield"] = asked.dividend_yield
    strike: Any = asked.strike
    spot: Any = asked.spot
    volatility: Any = asked.volatility
    if asked.price is not None:
        answer = _implied(asked, time)
        report |= answer
        volatility = answer["volatility"]
    report["volatility"] = volatility
    found: Any
    if asked.forward is not None:
        found = black76_discounted(
            asked.is_call, asked.forward, strike, asked.rate, volatility, time
        )
    else:
        found = black_scholes(
            asked.is_call, spot, strike, asked.rate, asked.dividend_yield, volatility, time,
        )  # fmt: skip
    report |= {name: float(value) for name, value in found._asdict().items()}
    if asked.inverse:
        report["price_coin"] = report["price"] / next(iter(level.values()))
    if report["price"] != report["price"]:
        raise refuse(
            "CASE-E05", "there is no price for these numbers", "a result is a finite number",
            "bring the inputs nearer to what a market shows",
        )  # fmt: skip
    if report["price"] == 0.0:
        report["elasticity"] = None
    return report


def _implied(asked: Asked, time: float) -> dict[str, Any]:
    from math import exp

    from steelyard.valuation.implied_volatility import QuoteStatus, implied_volatility

    forward = asked.forward
    if forward is None:
        forward = float(asked.spot or 0.0) * exp((asked.rate - asked.dividend_yield) * time)
    undiscounted = float(asked.price or 0.0) * exp(asked.rate * time)
    strike: Any = asked.strike
    found = implied_volatility(asked.is_call, forward, strike, undiscounted, time)
    told = implied_answer(float(found.volatility), QuoteStatus(int(found.status)), time)
    if isinstance(told, Exception):
        raise told
    return {"volatility": told["implied_volatility"], "status": told["status"]}


def _require(asked: Asked) -> None:
    """Raise unless the option is fully and soundly given."""
    both = (("forward", "spot"), ("volatility", "price"))
    for first, second in both:
        if (getattr(asked, first) is None) == (getattr(asked, second) is None):
            raise refuse(
                "CASE-E11", f"give --{first} or --{second}, one of the two",
                f"an option has one of {first} and {second}", f"add --{first}, drop the other",
                first,
            )  # fmt: skip
    for name in ("strike", "days"):
        if getattr(asked, name) is None:
            raise refuse(
                "CASE-E11", f"--{name} is missing", f"an option has a {name}", f"add --{name}", name
            )
    lowest = {"strike": 0.0, "forward": 0.0, "spot": 0.0}
    for name in (
        "strike",
        "forward",
        "spot",
        "days",
        "volatility",
        "price",
        "rate",
        "dividend_yield",
    ):
        value = getattr(asked, name)
        is_free = name in ("rate", "dividend_yield")
        if value is None or (abs(value) < float("inf") and (is_free or value > 0.0)):
            continue
        if value == 0.0 and name not in lowest:
            continue
        rule = "a number is finite" if is_free else f"{name} is a finite number above 0"
        raise refuse("CASE-E11", f"{name} is {value}", rule, f"mend --{name}", name)


WORDS = {
    "volatility": ("volatility", "{:.4%}"),
    "price": ("price", "{:,.6f}"),
    "price_coin": ("price in coins", "{:,.8f}"),
    "delta": ("delta", "{:.6f}"),
    "gamma": ("gamma", "{:.6e}"),
    "vega": ("vega, per volatility point", "{:,.6f}"),
    "theta": ("theta, per day", "{:,.6f}"),
    "rho": ("rho, per point of the rate", "{:,.6f}"),
    "dividend_rho": ("dividend rho, per point", "{:,.6f}"),
    "vanna": ("vanna, delta per volatility point", "{:.6e}"),
    "volga": ("volga, vega per volatility point", "{:.6e}"),
    "elasticity": ("elasticity", "{:.4f}"),
}


def _print(report: dict[str, Any]) -> None:
    level = "forward" if "forward" in report else "spot"
    title = (
        f"{report['type']} {report['strike']:,g}, {report['days']:g} days, "
        f"{level} {report[level]:,g}, rate {report['rate']:.2%}"
    )
    table = Table(title=title, show_header=False, expand=False)
    table.add_column("what")
    table.add_column("value", justify="right", no_wrap=True)
    for name, (words, shape) in WORDS.items():
        if name in report:
            value = report[name]
            table.add_row(words, "—" if value is None else shape.format(value).replace("-", "−"))
    out = console()
    out.print(table)
    if report.get("status", "solved") != "solved":
        out.print(f"the price tells the volatility only so far: {report['status']}")
