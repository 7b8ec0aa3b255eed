"""Leave-one-out: shares against margining the account without the leg."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from steelyard.margin.methods.cures import LeftOut, leave_one_out
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import SteelyardError
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Case, Expiry, Market, Perpetual, Position, Underlying
from tests.margin.methods.cures.books import OWN, SCENARIO, open_cases, worked


def without(case: Case[Any], name: str, more: Any = None) -> Case[Any]:
    """Return the statement without a position or balance, and with more of the only cash there is."""
    account = case.account
    balances = {each: held for each, held in account.balances.items() if each != name}
    if more is not None:
        asset, amount = more
        held = balances.get(asset)
        balances[asset] = amount if held is None else held + amount
    positions = tuple(each for each in account.positions if each.instrument != name)
    return replace(case, account=replace(account, balances=balances, positions=positions))


def test_CURE_013_shares_of_a_spread_by_hand() -> None:
    expiry = Expiry("2026-06-26T08:00:00Z", forward_price=60_000.0)
    btc = Underlying(60_000.0, perpetual=Perpetual(60_000.0), expiries=(expiry,))
    case: Case[Any] = Case(
        "spread",
        "span",
        parameters={"price_scan_range": 6000.0, "volatility_scan_range": 0.1},
        market=Market("2026-06-01T08:00:00Z", underlyings={"BTC": btc}),
        account=Account(positions=(Position("BTC-PERPETUAL", 2.0), Position("BTC-26JUN26", -1.0))),
    )
    assert leave_one_out(case, documents().get("span")) == (
        LeftOut("position", "BTC-PERPETUAL", 0.0, 0.0),
        LeftOut("position", "BTC-26JUN26", -6000.0, -6000.0),
        LeftOut("diversification", "diversification", 12000.0, 12000.0),
        LeftOut("underlying", "BTC", 6000.0, 6000.0),
    )


@pytest.mark.parametrize("method", [*SCENARIO, *OWN])
def test_CURE_013_equal_to_margining_without_the_leg(method: str) -> None:
    document, tried = documents().get(method), 0
    for case in open_cases(method):
        if len(case.account.positions) > 30:
            continue
        whole = margin_of(case, document)
        for left in leave_one_out(case, document):
            if left.kind not in ("position", "balance"):
                continue
            try:
                rest = margin_of(without(case, left.name), document)
            except SteelyardError:
                assert left.initial is None
                continue
            if method == "okx-pm":  # its requirement knows debts: the value must be in cash
                gone = float(whole.equity or 0) - float(rest.equity or 0)
                rest = margin_of(without(case, left.name, ("USDT", gone)), document)
            for share, total, part in (
                (left.initial, whole.initial_requirement, rest.initial_requirement),
                (left.maintenance, whole.maintenance_requirement, rest.maintenance_requirement),
            ):
                if share is None or total is None or part is None:
                    assert share is None
                    continue
                assert float(share) == pytest.approx(
                    float(total) - float(part), rel=1e-9, abs=1e-9 * (1 + abs(float(total)))
                )
                tried += 1
    assert tried > 0


@pytest.mark.parametrize("method", [*SCENARIO, *OWN])
def test_CURE_014_shares_and_diversification_sum_to_the_requirement(method: str) -> None:
    document = documents().get(method)
    for case in open_cases(method):
        whole = margin_of(case, document)
        legs = [each for each in leave_one_out(case, document) if each.kind != "underlying"]
        for level in ("initial", "maintenance"):
            total = getattr(whole, f"{level}_requirement")
            shares = [getattr(each, level) for each in legs]
            if total is None or any(share is None for share in shares):
                continue
            summed = sum(Decimal(share) for share in shares)
            assert float(summed) == pytest.approx(float(total), rel=1e-9, abs=1e-6)


def test_CURE_014_underlyings_that_do_not_offset_have_no_diversification() -> None:
    found = leave_one_out(worked(ETH=-10.0), documents().get("paradex-pm"))
    told = [(each.kind, each.name, round(float(each.initial or 0), 9)) for each in found]
    assert told == [
        ("position", "BTC-PERPETUAL", 11200.0),
        ("position", "ETH-PERPETUAL", 5600.0),
        ("diversification", "diversification", 0.0),
        ("underlying", "BTC", 11200.0),
        ("underlying", "ETH", 5600.0),
    ]


def test_CURE_014_a_method_without_a_requirement_has_no_shares() -> None:
    assert leave_one_out(open_cases("bitmex-adl")[0], documents().get("bitmex-adl")) == ()


def test_CURE_013_the_value_of_a_leg_stays_in_cash() -> None:
    """OKX requires for a debt of 700, however it is made up: no leg has a share in that."""
    market = Market(
        "2026-06-01T08:00:00Z",
        underlyings={
            "BTC": Underlying(50_000.0, perpetual=Perpetual(50_000.0)),
            "ETH": Underlying(4_000.0, perpetual=Perpetual(4_000.0)),
        },
    )
    held = (
        Position("BTC-PERPETUAL", 0.1, unrealised_pnl=500.0),
        Position("ETH-PERPETUAL", -1.0, unrealised_pnl=-200.0),
    )
    account = Account(balances={"USDT": -1000.0}, positions=held)
    case: Case[Any] = Case("debt", "okx-pm", market=market, account=account)
    document = documents().get("okx-pm")
    debtless = replace(case, account=replace(account, balances={"USDT": 1e6}))
    alone = {each.name: each for each in leave_one_out(debtless, document)}
    for each in leave_one_out(case, document):
        if each.kind == "position":
            assert each.initial == pytest.approx(alone[each.name].initial)
            assert each.maintenance == pytest.approx(alone[each.name].maintenance)
        if each.kind == "diversification":
            assert each.initial == pytest.approx(70.0)
            assert each.maintenance == pytest.approx(14.0)
