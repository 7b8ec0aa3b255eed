"""Answers about units are the engine's own, in every mode: summary, simulation, positions, orders."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steelyard.engine.engine import Engine
from steelyard.quantities.errors import SteelyardError
from steelyard.service.answers import units
from steelyard.service.answers.engine_desk import EngineDesk
from steelyard.terms import AccountRecord, load_method
from tests.service.answers.unit_desks import HANDLERS, MARK, answer, open_desk
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    ETH_LINEAR,
    USD,
    Venue,
    held,
    open_venue,
)

UNITS = ("writer", "crosser", "loner", f"loner/{BTC_LINEAR}", f"loner/{BTC_INVERSE}")


@pytest.fixture(scope="module")
def opened() -> tuple[Venue, EngineDesk]:
    return open_desk()


@pytest.mark.parametrize("unit", UNITS)
def test_UNIT_030_a_summary_is_the_engines_risk(
    opened: tuple[Venue, EngineDesk], unit: str
) -> None:
    venue, desk = opened
    found, risk = answer("private/get_account_summary", desk, account=unit), venue.risk(unit)
    assert found.equity == risk.equity / 1e6
    assert found.margin_balance == risk.maintenance_balance / 1e6
    assert found.initial_margin == risk.initial_requirement / 1e6
    assert found.maintenance_margin == risk.maintenance_requirement / 1e6
    assert found.available_funds == (risk.initial_balance - risk.initial_requirement) / 1e6
    assert found.unit.initial_requirement_micro == risk.initial_requirement
    assert found.unit.buffer_micro == risk.buffer
    assert found.unit.certain_buffer_micro == risk.certain_buffer
    orders = [part.amount for part in risk.initial_parts if part.name == "order_margin"]
    assert found.unit.order_margin_micro == sum(orders)
    assert (found.method, found.as_of_seq, found.currency) == (
        venue.engine.method.name,
        venue.engine.seq,
        "USDC",
    )
    assert found.method_hash == venue.engine.method.digest().hex()
    assert found.unit.mode == risk.mode
    assert found.portfolio_margining_enabled is (risk.mode == "portfolio")
    assert msgspec.json.encode(found)


def test_UNIT_031_resting_orders_and_reservations_are_in_the_summary(
    opened: tuple[Venue, EngineDesk],
) -> None:
    _, desk = opened
    (order,) = answer("private/get_account_summary", desk, account="writer").unit.orders
    assert (order.order_id, order.instrument_name, order.amount, order.price) == (
        "w1", BTC_LINEAR, 0.3, 99_000.0,
    )  # fmt: skip
    assert order.expires_us == 0


def test_UNIT_032_projected_numbers_leave_the_next_expiry_out(
    opened: tuple[Venue, EngineDesk],
) -> None:
    venue, desk = opened
    found = answer("private/get_account_summary", desk, account="writer")
    bare = answer(
        "private/simulate_portfolio", desk, account="writer", add_positions=False,
        simulated_positions={BTC_LINEAR: 0.5, BTC_INVERSE: -30_000, ETH_LINEAR: 4.0},
    )  # fmt: skip
    assert found.projected_maintenance_margin < found.maintenance_margin
    assert found.projected_maintenance_margin == pytest.approx(bare.maintenance_margin, rel=1e-2)
    assert bare.projected_maintenance_margin == bare.maintenance_margin
    assert bare.unit.orders == ()
    assert venue.risk("writer").maintenance_requirement / 1e6 == found.maintenance_margin


def test_UNIT_033_greeks_are_sums_by_underlying(opened: tuple[Venue, EngineDesk]) -> None:
    _, desk = opened
    found = answer("private/get_account_summary", desk, account="writer")
    held_now = answer("private/get_positions", desk, account="writer")
    for pair, total in found.delta_total_map.items():
        own = [each for each in held_now if pair.startswith(each.instrument_name[:3].lower())]
        assert total == pytest.approx(sum(each.delta for each in own), rel=1e-12)
    assert found.delta_total is None  # two underlyings
    options = [each for each in held_now if each.kind == "option"]
    assert found.options_vega == pytest.approx(sum(each.vega for each in options), rel=1e-12)
    inverse = next(each for each in held_now if each.instrument_name == BTC_INVERSE)
    assert inverse.delta == pytest.approx(-30_000 / 100_000.0, rel=1e-9)


@pytest.mark.parametrize("at_once_pays", [1, 8])
@pytest.mark.parametrize(("unit", "sizes"), [
    ("writer", {BTC_CALL: 1.0, BTC_LINEAR: -0.25, BTC_INVERSE: 20_000, ETH_LINEAR: -1.5}),
    ("writer", {BTC_PUT: 2.0, BTC_CALL: -1.5}),
    ("crosser", {BTC_PUT: -0.2, BTC_LINEAR: 1.0}),
    (f"loner/{BTC_LINEAR}", {BTC_LINEAR: -0.4}),
    (f"loner/{BTC_INVERSE}", {BTC_INVERSE: 10_000}),
])  # fmt: skip
def test_UNIT_034_a_simulation_is_what_the_engine_says_after_the_fills(
    unit: str, sizes: dict[str, float], at_once_pays: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "AT_ONCE_PAYS", at_once_pays)
    venue, desk = open_desk()
    venue.parameter("liquidation.taker_fee_ppm", "0")
    found = answer("private/simulate_portfolio", desk, account=unit, simulated_positions=sizes)
    before = answer("private/get_account_summary", desk, account=unit)
    assert before.equity == pytest.approx(found.equity, abs=1e-4)  # traded at the mark
    venue.open(AccountRecord("dealer", "cross", {"USDC": 10**8 * USD, "BTC": 10**3 * COIN}, []))
    owner = unit.partition("/")[0]
    for name, size in sizes.items():
        terms = venue.engine.market.instruments[venue.slot(name)]
        lots = round(size * 10**terms.lot_exponent / (terms.contract_usd or 1))
        mark = venue.mark(name)
        price = (
            -terms.contract_usd * 10**terms.mark_exponent / mark
            if terms.contract_usd
            else mark / 10**terms.mark_exponent
        )
        sides = (owner, "dealer") if lots > 0 else ("dealer", owner)
        venue.fill(name, *sides, abs(lots), price)
    risk = venue.risk(unit)
    assert found.unit.initial_requirement_micro == risk.initial_requirement
    assert found.unit.maintenance_requirement_micro == risk.maintenance_requirement
    assert found.unit.equity_micro == risk.equity
    assert found.unit.initial_balance_micro == risk.initial_balance


def test_UNIT_035_an_isolated_unit_trades_its_own_instrument_alone(
    opened: tuple[Venue, EngineDesk],
) -> None:
    _, desk = opened
    for unit in (f"loner/{BTC_LINEAR}", "loner"):
        with pytest.raises(SteelyardError) as caught:
            answer(
                "private/simulate_portfolio", desk, account=unit,
                simulated_positions={BTC_INVERSE: 1_000},
            )  # fmt: skip
        assert caught.value.code == "UNIT-E02"
        assert f"loner/{BTC_INVERSE}" in caught.value.cure


@pytest.mark.parametrize(("sizes", "code"), [
    ({"BTC-NONE": 1.0}, "UNIT-E01"),
    ({BTC_LINEAR: float("nan")}, "ANSW-E05"),
    ({BTC_LINEAR: float("inf")}, "ANSW-E05"),
    ({BTC_LINEAR: 1e305}, "ANSW-E05"),
    ({BTC_LINEAR: 0.00015}, "ANSW-E05"),
    ({BTC_INVERSE: 150.0}, "ANSW-E05"),
    ({BTC_LINEAR: 1e6}, "UNIT-E04"),
    ([(BTC_LINEAR, 1.0), (BTC_LINEAR, 1.0)], "METH-E03"),
    ({f"X-{i}": 1.0 for i in range(1_001)}, "ANSW-E01"),
])  # fmt: skip
def test_UNIT_036_wrong_sizes_are_refused(
    opened: tuple[Venue, EngineDesk], sizes: object, code: str
) -> None:
    venue, desk = opened
    before = venue.hash()
    for name in ("private/simulate_portfolio", "private/pme/simulate"):
        with pytest.raises(SteelyardError) as caught:
            answer(name, desk, account="writer", simulated_positions=sizes)
        assert (caught.value.code, bool(caught.value.cure)) == (code, True)
    assert venue.hash() == before


def test_UNIT_037_positions_have_the_engines_names_and_money(
    opened: tuple[Venue, EngineDesk],
) -> None:
    venue, desk = opened
    found = {p.instrument_name: p for p in answer("private/get_positions", desk, account="writer")}
    assert list(found) == [BTC_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT, ETH_LINEAR]
    linear, inverse, call = found[BTC_LINEAR], found[BTC_INVERSE], found[BTC_CALL]
    assert (linear.size, linear.average_price, linear.mark_price) == (0.5, 99_500.0, 100_000.0)
    assert linear.floating_profit_loss == pytest.approx(250.0)
    assert (inverse.size, inverse.size_unit, inverse.direction) == (-30_000.0, "USD", "sell")
    assert inverse.average_price == pytest.approx(100_000.0)
    assert inverse.settlement_currency == call.settlement_currency == "BTC"
    assert call.mark_price == venue.mark(BTC_CALL) / 1e8  # in coins
    assert (call.average_price, call.floating_profit_loss, linear.gamma) == (None, None, None)
    only = answer("private/get_positions", desk, account="writer", currency="ETH")
    assert [each.instrument_name for each in only] == [ETH_LINEAR]
    options = answer(
        "private/get_positions", desk, account="writer", kind="option", currency="USDC"
    )
    assert [each.instrument_name for each in options] == [BTC_PUT]
    profits = [p.floating_profit_loss for p in found.values() if p.floating_profit_loss is not None]
    marks = [
        part.amount for part in venue.risk("writer").equity_parts if part.name == "position_value"
    ]
    assert sum(profits) * 1e6 != pytest.approx(sum(marks), rel=1e-9)  # options are worth something


def test_UNIT_038_an_orders_margin_is_what_admission_holds_against_it(
    opened: tuple[Venue, EngineDesk],
) -> None:
    venue, desk = opened
    engine: Engine = venue.engine
    for unit, name, amount, price in (
        ("writer", BTC_LINEAR, 0.5, 99_000.0), ("writer", BTC_CALL, 1.0, 0.05),
        ("crosser", BTC_PUT, 0.5, None), (f"loner/{BTC_INVERSE}", BTC_INVERSE, 10_000, 100_500.0),
    ):  # fmt: skip
        found = answer(
            "private/get_margins",
            desk,
            account=unit,
            instrument_name=name,
            amount=amount,
            price=price,
        )
        terms = engine.market.instruments[venue.slot(name)]
        lots = round(amount * 10**terms.lot_exponent / (terms.contract_usd or 1))
        mark = venue.mark(name)
        if price is not None:
            mark = round(
                (-terms.contract_usd / price if terms.contract_usd else price)
                * 10**terms.mark_exponent
            )
        free = venue.risk(unit).initial_balance - venue.risk(unit).initial_requirement
        for sign, said in ((1, found.buy), (-1, found.sell)):
            missing = engine.margin_missing_with_order(
                unit, "new", venue.slot(name), sign * lots, mark
            )
            assert said == max(0, free + missing) / 1e6
        assert found.buy_initial_margin != found.sell_initial_margin
    for bad in (0.0, float("nan"), 0.00005):
        with pytest.raises(SteelyardError, match="ANSW-E05"):
            answer(
                "private/get_margins",
                desk,
                account="writer",
                instrument_name=BTC_LINEAR,
                amount=bad,
            )
    for bad in (0.0, -1.0, float("inf"), 1e200):
        with pytest.raises(SteelyardError, match="ANSW-E05"):
            answer("private/get_margins", desk, account="writer", instrument_name=BTC_LINEAR,
                   amount=1.0, price=bad)  # fmt: skip


def test_UNIT_039_with_a_method_named_the_library_answers() -> None:
    venue = open_venue(method=load_method())
    venue.open(
        AccountRecord("amy", "portfolio", {"USDC": 10**5 * USD}, [held(BTC_LINEAR, 100, MARK)])
    )
    desk = EngineDesk(venue.engine)
    own = answer("private/get_account_summary", desk, account="amy")
    house = answer("private/get_account_summary", desk, account="amy", method="steelyard")
    assert (own.unit is None, house.unit is None) == (False, True)
    assert house.method_hash == desk.documents().get("steelyard").digest() != own.method_hash
    assert house.maintenance_margin == pytest.approx(own.maintenance_margin, rel=1e-6)
    other = answer("private/get_account_summary", desk, account="amy", method="paradex-pm")
    assert other.method == "paradex-pm"
    with pytest.raises(SteelyardError, match="ANSW-E04"):
        answer("private/get_account_summary", desk, account="amy", currency="BTC")


# -- owners and access -------------------------------------------------------------------------------

PRIVATE = [name for name in HANDLERS if name.startswith("private/")]
OF_ONE: dict[str, Any] = {"instrument_name": BTC_LINEAR}
NEEDED: dict[str, dict[str, Any]] = {
    "private/get_margins": {**OF_ONE, "amount": 1.0},
    "private/get_position": OF_ONE,
    "private/get_open_orders_by_instrument": OF_ONE,
    "private/get_open_orders_by_currency": {"currency": "BTC"},
    "private/get_order_state": {"order_id": "w1"},
}


def test_UNIT_040_an_owner_reaches_its_units_and_sees_them_listed(
    opened: tuple[Venue, EngineDesk],
) -> None:
    _, desk = opened
    mine = frozenset({"loner"})
    for unit in ("loner", f"loner/{BTC_LINEAR}", f"loner/{BTC_INVERSE}"):
        found = answer("private/get_account_summary", desk, mine, account=unit)
        assert (found.account, found.unit.unit, found.unit.owner) == (unit, unit, "loner")
        assert found.unit.units == ("loner", f"loner/{BTC_LINEAR}", f"loner/{BTC_INVERSE}")
    assert answer("private/get_account_summary", desk, mine).account == "loner"
    whole = answer("private/get_positions", desk, mine)
    assert [each.account for each in whole] == [f"loner/{BTC_LINEAR}", f"loner/{BTC_INVERSE}"]
    assert answer("private/get_positions", desk, mine, account="loner") == []


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("account", [
    "writer", f"loner/{BTC_LINEAR}", "loner", "nobody", "nobody/BTC", "crosser/nothing", "/", "",
    "crosser/", "crosser//x", "CROSSER", "insurance_fund",
])  # fmt: skip
def test_UNIT_041_a_foreign_unit_is_refused_as_an_unknown_one(
    opened: tuple[Venue, EngineDesk], name: str, account: str
) -> None:
    _, desk = opened
    mine = frozenset({"crosser"})
    told = []
    for desk_asked in (desk, desk.pinned(["crosser"])):
        with pytest.raises(SteelyardError) as caught:
            answer(name, desk_asked, mine, account=account, **NEEDED.get(name, {}))
        told.append(caught.value)
    for error in told:
        assert error.code == "ANSW-E03"
        assert error.message == f"there is no account {account!r} for this key"


@pytest.mark.parametrize("name", [each for each in PRIVATE if each != "private/get_order_state"])
def test_UNIT_042_every_answer_survives_json_and_a_pinned_desk_says_the_same(
    opened: tuple[Venue, EngineDesk], name: str
) -> None:
    _, desk = opened
    pinned = desk.pinned(["writer", "crosser", f"loner/{BTC_LINEAR}"])
    method = HANDLERS[name]
    for unit in ("writer", "crosser", f"loner/{BTC_LINEAR}"):
        found = answer(name, desk, account=unit, **NEEDED.get(name, {}))
        assert answer(name, pinned, account=unit, **NEEDED.get(name, {})) == found
        body = msgspec.json.encode(found)
        back = msgspec.json.decode(body, type=method.result)
        assert msgspec.to_builtins(back) == msgspec.to_builtins(found)
