"""Cases in moved markets: prices, volatilities, time, and what of a position moves with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from steelyard.margin.methods.core.instruments import svi_volatility
from steelyard.margin.methods.moving import moved, reference_price
from steelyard.margin.methods.registry import core_of, margin_of
from steelyard.quantities.errors import InputError
from steelyard.terms.documents import documents
from steelyard.terms.stated import (
    Account,
    Asset,
    Case,
    Expiry,
    Market,
    Perpetual,
    Position,
    Svi,
    Underlying,
)
from steelyard.valuation.black76 import black76_price
from tests.support.method_cases import CASES

NOON = "2026-06-01T12:00:00Z"
DAY_US = 86_400_000_000
LEVELS = ("equity", "initial_requirement", "maintenance_requirement")


def open_cases() -> list[Case[Any]]:
    """Return every open case of a margin method."""
    found = []
    for name in documents().names():
        path = CASES / f"{name}.jsonl"
        number = core_of(documents().get(name)).number
        if not path.exists():
            continue
        decoder = msgspec.json.Decoder(Case[number])  # type: ignore[valid-type]
        found += [decoder.decode(line) for line in path.read_bytes().splitlines()]
    return found


OPEN = open_cases()


def stated(method: str = "paradex-pm", **parts: Any) -> Case[Any]:
    """Return a case of BTC at 100 with everything that is a price of it."""
    expiry = Expiry(
        "2026-06-05T08:00:00Z", forward_price=110.0,
        svi=Svi(0.04, 0.1, -0.2, 0.0, 0.3, 108.0, 0.5), implied_volatility={"100": 0.5},
    )  # fmt: skip
    btc = Underlying(
        100.0, perpetual=Perpetual(101.0), expiries=(expiry,), mark_price=10_000.0,
        auction_price=90.0, max_price=300.0, funding_payment=7.0,
    )  # fmt: skip
    market = Market(NOON, {"BTC": Asset(99.0), "ETH": Asset(10.0)}, {"BTC": btc})
    return Case("c", method, **({"market": market} | parts))


def held(*positions: Position[Any], **balances: Any) -> Account[Any]:
    """Return an account of positions."""
    return Account(positions=positions, balances=balances)


def test_LIQP_001_nothing_moved_is_the_same_case() -> None:
    assert len(OPEN) > 100
    count = 0
    for case in OPEN:
        assert moved(case) is case
        for name in case.market.underlyings:
            try:
                price = reference_price(case, name)
            except InputError:
                continue
            assert moved(case, prices={name: price}) is case
            count += 1
    assert count > 80


def test_LIQP_002_there_and_back_agrees_to_rounding() -> None:
    count = 0
    for case in OPEN:
        for name in case.market.underlyings:
            try:
                reference_price(case, name)
                moved(case, volatility=1.5)
            except InputError:
                continue  # without a price there is no move, nor for a marked option without expiry
            _check_there_and_back(case, name)
            count += 1
    assert count > 80


def _check_there_and_back(case: Case[Any], name: str) -> None:
    document, price = documents().get(case.method), reference_price(case, name)
    base = margin_of(case, document)
    for factor in ("1.1", "0.9"):
        new = price * (Decimal(factor) if isinstance(price, Decimal) else float(factor))
        there = moved(case, prices={name: new})
        assert there != case
        back = margin_of(moved(there, prices={name: price}), document)
        for level in LEVELS:
            want, got = getattr(base, level), getattr(back, level)
            assert (want is None) == (got is None)
            if want is not None:
                assert float(got) == pytest.approx(float(want), rel=1e-9, abs=1e-9)


def test_LIQP_003_one_ratio_moves_every_price() -> None:
    before = stated()
    after = moved(before, prices={"BTC": 50.0})
    btc, old = after.market.underlyings["BTC"], before.market.underlyings["BTC"]
    assert btc.perpetual is not None
    assert (btc.index_price, btc.perpetual.mark_price, btc.mark_price) == (50.0, 50.5, 5_000.0)
    assert btc.expiries[0].forward_price == 55.0
    assert btc.expiries[0].svi is not None
    assert btc.expiries[0].svi.forward == 54.0
    assert btc.expiries[0].implied_volatility == {"100": 0.5}
    assert (btc.auction_price, btc.max_price, btc.funding_payment) == (90.0, 300.0, 7.0)
    assert after.market.assets == {"BTC": Asset(49.5), "ETH": Asset(10.0)}
    assert (btc.confidence, btc.open_interest) == (old.confidence, old.open_interest)
    assert after.market.as_of == NOON


def test_LIQP_003_the_reference_is_the_first_price_there_is() -> None:
    far = Expiry("2026-09-25T08:00:00Z", forward_price=130.0)
    near = Expiry("2026-06-05T08:00:00Z", forward_price=120.0)
    past = Expiry("2026-05-29T08:00:00Z", forward_price=115.0)
    expiries = (far, past, near)
    stages = (
        (Underlying(100.0, perpetual=Perpetual(101.0), mark_price=9.0, expiries=expiries), 100.0),
        (Underlying(perpetual=Perpetual(101.0), mark_price=9.0, expiries=expiries), 101.0),
        (Underlying(perpetual=Perpetual(), mark_price=9.0, expiries=expiries), 9.0),
        (Underlying(expiries=expiries), 120.0),
        (Underlying(expiries=(far, past)), 130.0),
        (Underlying(expiries=(past,)), 115.0),
    )
    for underlying, price in stages:
        case = stated(market=Market(NOON, underlyings={"BTC": underlying}))
        assert reference_price(case, "BTC") == price
    assert reference_price(stated(), "ETH") == 10.0
    coin = moved(stated(), prices={"ETH": 12.0})
    assert coin.market.assets["ETH"].price == 12.0


def test_LIQP_004_the_fixed_part_of_a_forward_stays() -> None:
    expiry = Expiry("2026-06-01T12:07:30Z", forward_price=100.0, forward_fixed=40.0)
    market = Market(NOON, underlyings={"BTC": Underlying(100.0, expiries=(expiry,))})
    for method, forward in (("derive-pmrm", 70.0), ("derive-pmrm2", 87.5)):
        after = moved(stated(method, market=market), prices={"BTC": 50.0})
        assert after.market.underlyings["BTC"].expiries[0].forward_price == forward


def test_LIQP_005_a_position_at_the_mark_gains_from_there() -> None:
    at_mark, profit = (
        Position("BTC-PERPETUAL", 2.0),
        Position("BTC-PERPETUAL", 2.0, unrealised_pnl=3.0),
    )
    entered = Position("BTC-PERPETUAL", 2.0, entry_price=90.0)
    for position, want in ((at_mark, -101.0), (profit, -98.0), (entered, 2.0 * (50.5 - 90.0))):
        case = stated(account=held(position, USDC=1_000.0))
        answer = margin_of(moved(case, prices={"BTC": 50.0}), documents().get("paradex-pm"))
        assert answer.equity == 1_000.0 + want
    brackets = {"brackets": {"BTC": [{"notional_cap": None, "maintenance_rate": 0.01}]}}
    case = stated("binance-tiers", account=held(at_mark, USDT=1_000.0), parameters=brackets)
    answer = margin_of(moved(case, prices={"BTC": 50.0}), documents().get("binance-tiers"))
    assert answer.equity == 899.0


def test_LIQP_006_inverse_contracts_gain_in_coins() -> None:
    market = Market(NOON, underlyings={"BTC": Underlying(100.0, perpetual=Perpetual(100.0))})
    usd = Position("BTC-PERPETUAL", 100.0, contract="inverse", unrealised_pnl=0.5)
    found = moved(stated(market=market, account=held(usd)), prices={"BTC": 50.0})
    assert found.account.positions[0].unrealised_pnl == -0.5
    for position, gain in (
        (Position("BTC-PERPETUAL", 1.0), -1.0),
        (Position("BTC-PERPETUAL", 1.0, entry_price=100.0), -1.0),
        (Position("BTC-PERPETUAL", 1.0, unrealised_pnl=0.25), -0.75),
    ):
        case = stated("deribit-pm", market=market, account=held(position, BTC=5.0))
        after = moved(case, prices={"BTC": 50.0})
        assert after.account.positions[0].quantity == 2.0
        assert margin_of(after, documents().get("deribit-pm")).equity == 5.0 + gain


def test_LIQP_007_an_options_mark_keeps_its_distance_from_the_model() -> None:
    expiry = Expiry("2027-06-01T12:00:00Z", forward_price=100.0, implied_volatility={"100": 0.5})
    market = Market(NOON, underlyings={"BTC": Underlying(100.0, expiries=(expiry,))})
    call = Position("BTC-1JUN27-100-C", -1.0, mark_price=21.0, delta=0.6, entry_price=20.0)
    put = Position("BTC-1JUN27-100-P", -1.0, mark_price=19.0, delta=-0.39, entry_price=20.0)
    case = stated("bybit", market=market, account=held(call, put))
    now, then = (float(black76_price(True, f, 100.0, 0.5, 1.0)) for f in (100.0, 110.0))
    assert round(now, 6) == 19.741265
    after = moved(case, prices={"BTC": 110.0}).account.positions[0]
    assert after.mark_price == pytest.approx(21.0 + then - now, rel=1e-14)
    assert after.delta is not None
    assert 0.6 < after.delta < 0.7
    far = moved(case, prices={"BTC": 1e6}).account.positions
    assert far[1].mark_price == 0.0  # it was 0.74 below the model
    assert (far[0].delta, far[1].delta) == (1.0, 0.0)
    # Without a volatility the mark's own: the distance from the model is nothing then.
    bare = msgspec.structs.replace(expiry, implied_volatility=None)
    market = Market(NOON, underlyings={"BTC": Underlying(100.0, expiries=(bare,))})
    alone = Position("BTC-1JUN27-100-C", -1.0, mark_price=now)
    case = stated("bybit", market=market, account=held(alone))
    found = moved(case, prices={"BTC": 110.0}, volatility=2.0).account.positions[0].mark_price
    assert found == pytest.approx(float(black76_price(True, 110.0, 100.0, 1.0, 1.0)), rel=1e-9)
    coin = Position("BTC-1JUN27-100-C", -1.0, mark_price=now / 100.0)
    case = stated("deribit-sm", market=market, account=held(coin))
    found = moved(case, prices={"BTC": 110.0}).account.positions[0].mark_price
    assert found == pytest.approx(then / 110.0, rel=1e-9)


def test_LIQP_007_a_mark_that_nothing_tells_is_left_out_where_nobody_reads_it() -> None:
    market = Market(NOON, underlyings={"BTC": Underlying(100.0)})
    for method, quantity, is_read in (
        ("bybit", 1.0, False), ("bybit", -1.0, True), ("derive-pmrm", -1.0, False),
        ("deribit-pm", 1.0, True), ("deribit-sm", 1.0, True), ("span", 1.0, True),
    ):  # fmt: skip
        option = Position("BTC-1JUN27-100-C", quantity, mark_price=21.0)
        case = stated(method, market=market, account=held(option))
        if is_read:
            with pytest.raises(InputError, match="METH-E01"):
                moved(case, prices={"BTC": 110.0})
        else:
            assert moved(case, prices={"BTC": 110.0}).account.positions[0].mark_price is None


def test_LIQP_008_volatilities_are_multiplied() -> None:
    after = moved(stated(), volatility=1.2).market.underlyings["BTC"].expiries[0]
    before = stated().market.underlyings["BTC"].expiries[0]
    assert after.implied_volatility == {"100": pytest.approx(0.6)}
    assert after.svi is not None
    assert (after.svi.a, after.svi.b) == (pytest.approx(0.0576), pytest.approx(0.144))
    for strike in (80.0, 108.0, 150.0):
        want = 1.2 * svi_volatility(before.svi, strike)
        assert svi_volatility(after.svi, strike) == pytest.approx(want, rel=1e-14)


def test_LIQP_009_what_is_past_its_expiry_is_paid() -> None:
    expiry = Expiry(
        "2026-06-02T08:00:00Z", forward_price=65_000.0, implied_volatility={"60000": 0.5}
    )
    later = Expiry(
        "2026-06-05T08:00:00Z", forward_price=65_000.0, implied_volatility={"60000": 0.5}
    )
    btc = Underlying(64_000.0, perpetual=Perpetual(64_000.0), expiries=(expiry, later))
    market = Market(NOON, underlyings={"BTC": btc, "AAA": Underlying(1.0)})
    call, kept = Position("BTC-2JUN26-60000-C", -1.0), Position("BTC-5JUN26-60000-C", 1.0)
    case = stated(market=market, account=held(call, kept, USDC=10.0))
    assert moved(case, later_us=DAY_US // 24).account == case.account
    after = moved(case, later_us=DAY_US)
    assert after.market.as_of == "2026-06-02T12:00:00Z"
    assert after.account == held(kept, USDC=-4_990.0)
    for method, asset, paid in (
        ("deribit-pm", "BTC", -5_000.0 / 65_000.0), ("tims", "USD", -500_000.0),
    ):  # fmt: skip
        after = moved(stated(method, market=market, account=held(call)), later_us=DAY_US)
        assert after.account == held(**{asset: paid})
    # An account of one coin is still one of this coin when it holds no contract any more.
    coin = moved(stated("deribit-pm", market=market, account=held(call, BTC=1.0)), later_us=DAY_US)
    answer = margin_of(coin, documents().get("deribit-pm"))
    assert (answer.currency, answer.equity) == ("BTC", 1.0 - 5_000.0 / 65_000.0)
    future = Position("BTC-2JUN26", 1.0, unrealised_pnl=0.25)
    after = moved(stated("deribit-pm", market=market, account=held(future)), later_us=DAY_US)
    assert after.account == held(BTC=0.25)


def test_LIQP_009_two_steps_are_one() -> None:
    expiry = Expiry("2026-06-02T08:00:00Z", forward_price=110.0, implied_volatility={"100": 0.5})
    market = Market(NOON, underlyings={"BTC": Underlying(100.0, expiries=(expiry,))})
    case = stated(market=market, account=held(Position("BTC-2JUN26-100-C", -1.0)))
    once = moved(case, prices={"BTC": 120.0}, volatility=1.5, later_us=DAY_US)
    twice = moved(moved(case, prices={"BTC": 120.0}, volatility=1.5), later_us=DAY_US)
    assert once == twice
    assert once.account.balances == {"USDC": pytest.approx(-32.0)}


def test_LIQP_010_decimals_stay_exact() -> None:
    third = Decimal(20_000) / 3
    btc = Underlying(Decimal(20_000), perpetual=Perpetual(third), mark_price=Decimal(20_000))
    market = Market(NOON, underlyings={"BTC": btc})
    drift = Position("BTC-PERPETUAL", Decimal("0.123456789"), unrealised_pnl=Decimal("1.5"))
    case = stated("drift-v2", market=market, account=held(drift, USDC=Decimal(10)))
    after = moved(case, prices={"BTC": Decimal(3)})
    found = after.market.underlyings["BTC"]
    assert (found.index_price, found.mark_price) == (Decimal(3), Decimal(3))
    assert found.perpetual is not None
    # 6666.666666666666666666666667 · 3 / 20000, 40 digits
    assert found.perpetual.mark_price == Decimal("1.00000000000000000000000000005")
    profit = Decimal("1.5") + Decimal("0.123456789") * (3 - 20_000)
    assert after.account.positions[0].unrealised_pnl == profit
    inverse = msgspec.structs.replace(
        btc, index_price=Decimal(3), perpetual=None, mark_price=Decimal(7)
    )
    case = stated("drift-v2", market=Market(NOON, underlyings={"BTC": inverse}))
    mark = moved(case, prices={"BTC": Decimal(1)}).market.underlyings["BTC"].mark_price
    assert mark == Decimal("2." + "3" * 39)


def test_LIQP_011_what_cannot_be_moved_is_named() -> None:
    marked = Position("BTC-12JUN26-100-C", 1.0, mark_price=3.0)
    for case, move, code, field in (
        (stated(), {"prices": {"SOL": 1.0}}, "METH-E01", "market.underlyings.SOL"),
        (stated(), {"prices": {"BTC": 0.0}}, "METH-E05", "prices.BTC"),
        (stated(), {"prices": {"BTC": float("nan")}}, "METH-E05", "prices.BTC"),
        (stated(), {"volatility": 0.0}, "METH-E05", "volatility"),
        (stated(), {"volatility": float("inf")}, "METH-E05", "volatility"),
        (stated(), {"later_us": -1}, "METH-E05", "later_us"),
        (stated(), {"later_us": 10**18}, "METH-E05", "later_us"),
        (stated(market=Market()), {"later_us": 1}, "METH-E01", "market.as_of"),
        (
            stated(account=held(marked)), {"prices": {"BTC": 50.0}}, "METH-E01",
            "market.underlyings.BTC.expiries[2026-06-12].expiry",
        ),
        (
            stated(market=Market(underlyings={"X": Underlying()})), {"prices": {"X": 1.0}},
            "METH-E01", "market.underlyings.X.index_price",
        ),
    ):  # fmt: skip
        with pytest.raises(InputError) as refused:
            moved(case, **move)  # type: ignore[arg-type]
        assert (refused.value.code, refused.value.where["field"]) == (code, field)
