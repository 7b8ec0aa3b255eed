"""Books for the tests of cures: open cases, random cases of every method, and a worked account."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from steelyard.margin.methods.cures import Cures, Trade, cured
from steelyard.margin.methods.cures.levels import level_of, wanted_of
from steelyard.margin.methods.registry import core_of, margin_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Market, Perpetual, Position, Underlying
from tests.margin.methods import batch_books
from tests.margin.methods.core import derive_books
from tests.margin.methods.core.random_venues import RANDOM
from tests.support.method_cases import CASES

SCENARIO = (
    "derive-pmrm", "derive-pmrm2", "derive-srm", "deribit-pm", "deribit-sm", "okx-pm", "paradex-pm",
    "span", "tims",
)  # fmt: skip
OWN = ("dydx-v4", "drift-v2", "vega", "binance-tiers", "bybit")
LEVELS = ("initial", "maintenance")
MILLIONTH = Decimal("0.000001")
SPOTS = {"BTC": 70_000, "ETH": 3_500, "SOL": 150}


def read(line: str | bytes, method: str) -> Case[Any]:
    """Return a line of JSON as a case of a method."""
    number = core_of(documents().get(method)).number
    kind: Any = Case[number]  # type: ignore[valid-type]
    case: Case[Any] = msgspec.json.decode(line, type=kind)
    return case


def open_cases(method: str) -> list[Case[Any]]:
    """Return the open cases of a method."""
    return [read(line, method) for line in (CASES / f"{method}.jsonl").read_bytes().splitlines()]


def named(case: str, method: str) -> Case[Any]:
    """Return one open case."""
    return next(each for each in open_cases(method) if each.case == case)


def random_case(method: str, seed: int) -> Case[Any]:
    """Return a random case of a method; a seed gives the same case every time."""
    if method == "steelyard":
        return _house(seed)
    if method in RANDOM:
        table = RANDOM[method](Random(f"{method} {seed}"))
    elif method in OWNED:
        table = OWNED[method](Random(f"{method} {seed}"))
    else:
        table = derive_books.case_of(method, seed)
    return read(json.dumps(table), method)


def worked(cash: float = 10_000.0, entry: float | None = None, **others: float) -> Case[Any]:
    """Return the account of the spec: 1 BTC perpetual at 70,000 under paradex-pm, and other perpetuals."""
    held = {"BTC": 1.0} | others
    underlyings = {
        name: Underlying(float(SPOTS[name]), perpetual=Perpetual(float(SPOTS[name])))
        for name in held
    }
    positions = tuple(
        Position(f"{name}-PERPETUAL", each, entry_price=entry) for name, each in held.items()
    )
    return Case(
        "worked",
        "paradex-pm",
        market=Market("2026-06-01T08:00:00Z", underlyings=underlyings),
        account=Account(balances={"USDC": cash}, positions=positions),
    )


def question_of(case: Case[Any], level: str) -> float | None:
    """Return a wanted ratio that an account does not have: 1, or half more; None without requirement."""
    answer = margin_of(case, documents().get(case.method))
    requirement = level_of(answer, level)  # type: ignore[arg-type]
    if requirement is None or answer.equity is None:
        return None
    ratio = float(answer.equity) / float(requirement) if requirement > 0 else 0.0
    if ratio > 1e6:
        return None
    return 1.0 if ratio < 1.0 else round(ratio * 1.5, 3)


def slack(case: Case[Any], wanted: float, level: str) -> float:
    """Return how much equity a case has above what is wanted, by margining it anew."""
    answer = margin_of(case, documents().get(case.method))
    asked = wanted_of(wanted, level)  # type: ignore[arg-type]
    requirement = level_of(answer, level)  # type: ignore[arg-type]
    found: float = asked.slack(answer.equity, requirement)
    return found


def check_cures(case: Case[Any], found: Cures, **charges: float) -> None:
    """Fail unless every cure cures when margined anew, and one step less of it does not."""
    document = documents().get(case.method)

    def after(cure: Any) -> float:
        return slack(cured(case, document, cure, **charges), found.wanted, found.level)

    for deposit in found.deposits:
        if deposit.amount is not None:
            assert after(deposit) >= 0.0, deposit
            assert after(replace(deposit, amount=deposit.amount - MILLIONTH)) < 0.0, deposit
    for trade in found.trades:
        changed = cured(case, document, trade, **charges)
        assert slack(changed, found.wanted, found.level) >= 0.0, trade
        requirement = level_of(margin_of(changed, document), found.level)
        assert requirement == trade.requirement_after, trade
        less = one_step_less(trade)
        assert not less.quantity or not after(less) >= 0.0, trade
    reduction = found.reduction
    if reduction is not None and reduction.kept is not None:
        assert 0 <= reduction.kept < 1
        assert after(reduction) >= 0.0
        assert not after(replace(reduction, kept=reduction.kept + MILLIONTH)) >= 0.0
    if reduction is not None and reduction.legs:
        assert after(reduction.legs) >= 0.0
        held = {each.instrument: each.quantity for each in case.account.positions}
        for leg in reduction.legs:
            quantity = Decimal(str(held[leg.instrument]))
            assert abs(leg.quantity) <= abs(quantity)
            assert leg.quantity * quantity < 0


def one_step_less(trade: Trade) -> Trade:
    """Return the trade one step smaller; its last digit is its step."""
    exponent = trade.quantity.as_tuple().exponent
    assert isinstance(exponent, int)
    step = Decimal(1).scaleb(exponent).copy_sign(trade.quantity)
    return replace(trade, quantity=trade.quantity - step)


def _house(seed: int) -> Case[Any]:
    draw, positions = Random(f"steelyard {seed}"), []
    for name in ("BTC", "ETH")[: draw.randint(1, 2)]:
        names = [
            f"{name}-{day}-{strike}-{right}"
            for day in batch_books.NAMES
            for strike in batch_books.strikes(name)
            for right in "CP"
        ]
        positions += [Position(each, round(draw.gauss(0, 3), 2)) for each in draw.sample(names, 3)]
        entry = round(batch_books.SPOT[name] * draw.uniform(0.98, 1.02), 2)
        positions.append(Position(f"{name}-PERPETUAL", draw.choice((-2.0, 1.5)), entry_price=entry))
    balances = {"USDC": draw.choice((10_000.0, 100_000.0)), "BTC": draw.choice((0.0, 0.5))}
    account = Account(balances=balances, positions=tuple(positions))
    return Case("random", "steelyard", market=batch_books.market(), account=account)


def _perpetuals(draw: Random, method: str, fields: Callable[[float], Any]) -> dict[str, Any]:
    names = draw.sample(sorted(SPOTS), draw.randint(1, 3))
    underlyings: dict[str, Any] = {}
    positions = []
    worth = 0.0
    for name in names:
        mark = SPOTS[name] * draw.uniform(0.9, 1.1)
        mark = float(f"{mark:.2f}")
        quantity = draw.choice((-1, 1)) * round(draw.uniform(0.1, 9.0), 3)
        worth += abs(quantity) * mark
        text = fields(mark)
        underlyings[name] = {
            "index_price": text, "mark_price": text, "perpetual": {"mark_price": text},
            "open_interest": fields(draw.choice((10.0, 3000.0))),
        }  # fmt: skip
        position: dict[str, Any] = {
            "instrument": f"{name}-PERPETUAL",
            "quantity": fields(quantity),
        }
        if draw.random() < 0.6:
            position["entry_price"] = fields(round(mark * draw.uniform(0.97, 1.03), 2))
        positions.append(position)
    cash = round(worth * draw.uniform(-0.02, 0.06), 2)
    return {
        "case": "random", "method": method,
        "market": {"as_of": "2026-06-01T08:00:00Z", "underlyings": underlyings},
        "account": {"balances": {"USDC": fields(cash)}, "positions": positions},
    }  # fmt: skip


def _text(value: float) -> str:
    return repr(value)


def _dydx(draw: Random) -> dict[str, Any]:
    case = _perpetuals(draw, "dydx-v4", _text)
    worth = Decimal(0)
    for position in case["account"]["positions"]:
        position.pop("entry_price", None)
        name = position["instrument"].split("-")[0]
        index = Decimal(case["market"]["underlyings"][name]["index_price"])
        worth += Decimal(position["quantity"]) * index
    cash = Decimal(case["account"]["balances"]["USDC"]) - worth
    case["account"]["balances"]["USDC"] = f"{cash:f}"
    return case


def _drift(draw: Random) -> dict[str, Any]:
    case = _perpetuals(draw, "drift-v2", _text)
    markets = {
        name: {"initial_margin_ratio": "0.1", "maintenance_margin_ratio": "0.05",
               "imf_factor": draw.choice(("0", "0.001"))}
        for name in case["market"]["underlyings"]
    }  # fmt: skip
    case["parameters"] = {"perpetual_markets": markets}
    case["market"]["assets"] = {"USDC": {"price": "1"}, "SOL": {"price": "150"}}
    return case


def _vega(draw: Random) -> dict[str, Any]:
    case = _perpetuals(draw, "vega", _text)
    case["account"]["balances"] = {"USDT": case["account"]["balances"]["USDC"]}
    case["parameters"] = {
        "risk_factors": {"long": draw.choice(("0.1", "0.25")), "short": "0.2"},
        "linear_slippage": "0.001", "quadratic_slippage": draw.choice(("0", "0.0001")),
        "scaling": {"search": "1.1", "initial": "1.2", "release": "1.4"},
    }  # fmt: skip
    return case


def _tiers(draw: Random) -> dict[str, Any]:
    case = _perpetuals(draw, "binance-tiers", float)
    case["account"]["balances"] = {"USDT": case["account"]["balances"]["USDC"]}
    brackets = [
        {"notional_cap": 50_000, "maintenance_rate": 0.01},
        {"notional_cap": 250_000, "maintenance_rate": 0.025},
        {"notional_cap": None, "maintenance_rate": 0.05},
    ]
    names = case["market"]["underlyings"]
    case["parameters"] = {"brackets": dict.fromkeys(names, brackets)}
    if draw.random() < 0.7:
        for position in case["account"]["positions"]:
            position["leverage"] = draw.choice((5.0, 20.0))
    return case


def _bybit(draw: Random) -> dict[str, Any]:
    case = _perpetuals(draw, "bybit", float)
    kind = draw.choice(("linear", "inverse", "option"))
    account = case["account"]
    account["balances"] = {"USDT": account["balances"]["USDC"]}
    for position in account["positions"]:
        name = position["instrument"].split("-")[0]
        mark = case["market"]["underlyings"][name]["index_price"]
        position.setdefault("entry_price", mark)
        position["leverage"] = draw.choice((5.0, 20.0))
        position["contract"] = "inverse" if kind == "inverse" else "linear"
        if kind == "option":
            position["instrument"] = f"{name}-26JUN26-{int(mark)}-P"
            position["entry_price"] = position["mark_price"] = round(mark * 0.04, 2)
    if kind == "inverse":
        first = account["positions"][0]
        first["quantity"] = round(first["quantity"] * 1e4)
        account["positions"] = [first]
        account["balances"] = {first["instrument"].split("-")[0]: draw.uniform(-0.01, 0.05)}
    return case


OWNED: dict[str, Callable[[Random], dict[str, Any]]] = {
    "dydx-v4": _dydx,
    "drift-v2": _drift,
    "vega": _vega,
    "binance-tiers": _tiers,
    "bybit": _bybit,
}
