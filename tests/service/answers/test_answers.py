"""The other answers: margins of an order, the risk matrix, reasons, positions and the market."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from steelyard.margin.methods.core.what_if import margins, traded
from steelyard.margin.methods.cures import cures_of
from steelyard.margin.methods.prices import critical_prices
from steelyard.margin.methods.registry import explanation_of, margin_of
from steelyard.quantities.errors import InputError
from steelyard.service.answers.market_data import (
    IndexParams,
    InstrumentsParams,
    TickerParams,
    TimeParams,
    get_index_price,
    get_instruments,
    get_time,
    ticker,
)
from steelyard.service.answers.order_margins import MarginsParams, get_margins
from steelyard.service.answers.portfolio import SimulateParams, simulate_portfolio
from steelyard.service.answers.positions import PositionsParams, get_positions
from steelyard.service.answers.reasons import (
    CompareParams,
    CriticalParams,
    CureParams,
    ExplainParams,
    compare,
    critical,
    cure,
    explain,
)
from steelyard.service.answers.risk_matrix import WorstBucket, pme_simulate
from steelyard.service.answers.rows import _standing, _table
from steelyard.service.answers.scope import case_of, scope_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Position
from tests.service.answers.desks import SCENARIO, context, holder, random_context

CALL = {"BTC_26JUN26_70000_C": -2.0}


def test_ANSW_014_an_order_takes_what_it_adds_to_the_initial_margin() -> None:
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=1.0))
    found = get_margins(MarginsParams("BTC-PERPETUAL", 0.5), ask)
    assert (found.initial_margin, found.buy_initial_margin, found.sell_initial_margin) == (
        11_200.0, 16_800.0, 5_600.0,
    )  # fmt: skip
    assert (found.buy, found.sell) == (5_600.0, 0.0)
    assert (found.min_price, found.max_price) == (None, None)
    assert (found.currency, found.as_of_seq) == ("USD", 7)


def test_ANSW_014_a_price_off_the_mark_is_a_gain_or_a_loss() -> None:
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=1.0))
    dear = get_margins(MarginsParams("BTC-PERPETUAL", 0.5, 71_000.0), ask)
    assert (dear.buy, dear.sell) == (6_100.0, 0.0)  # bought 500 too dear
    cheap = get_margins(MarginsParams("BTC-PERPETUAL", 0.5, 69_000.0), ask)
    assert cheap.buy == 5_100.0


@pytest.mark.parametrize("method", ["paradex-pm", "derive-pmrm2", "steelyard", "deribit-pm"])
def test_ANSW_014_at_the_mark_it_is_the_what_if_of_the_core(method: str) -> None:
    coin = "BTC" if method == "deribit-pm" else "USDC"
    ask = context(method, amy=holder(9.0, coin, BTC_PERPETUAL=1.0, **CALL))
    name = "BTC-26JUN26-84000-C"
    found = get_margins(MarginsParams(name, 1.5), ask)
    scope = scope_of(ask, None, None, coin="BTC")
    table = _table(ask, scope, ())
    assert table is not None
    standing = _standing(ask, scope, table)
    assert standing is not None
    from steelyard.margin.methods.core.books import Books

    count = len(standing.rows)
    book = Books(
        1, np.zeros(count, np.int64), standing.rows.astype(np.int32), standing.quantity,
        np.array([standing.cash]),
    )  # fmt: skip
    rows = np.full(2, table.place[name], np.int32)
    after = margins(table.prepared, traded(table.prepared, book, rows, np.array([1.5, -1.5])))
    assert [found.buy_initial_margin, found.sell_initial_margin] == after[1].tolist()
    assert [found.buy_maintenance_margin, found.sell_maintenance_margin] == after[2].tolist()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (MarginsParams("BTC-PERPETUAL", 0.0), "ANSW-E05"),
        (MarginsParams("BTC-PERPETUAL", float("nan")), "ANSW-E05"),
        (MarginsParams("BTC-PERPETUAL", 1.0, -3.0), "ANSW-E05"),
        (MarginsParams("nonsense", 1.0), "STAT-E02"),
        (MarginsParams("XRP-PERPETUAL", 1.0), "METH-E0"),
        (MarginsParams("BTC-5JUN26", 1.0), "METH-E04"),
    ],
)
def test_ANSW_014_a_wrong_order_is_refused(params: MarginsParams, code: str) -> None:
    with pytest.raises(InputError, match=code):
        get_margins(params, context("paradex-pm", amy=holder()))


def test_ANSW_015_the_vectors_are_those_of_the_method() -> None:
    held = Account(
        balances={"BTC": 2.0},
        positions=(Position("BTC-PERPETUAL", 0.5), Position("BTC-26JUN26-70000-C", -2.0)),
    )
    ask = context("deribit-pm", amy=held)
    found = pme_simulate(SimulateParams("BTC"), ask)
    scope = scope_of(ask, None, "BTC")
    answer = margin_of(case_of(ask, scope), scope.document)
    vectors = found.aggregated_risk_vectors["btc_btc"]
    assert vectors["standard"] == answer.native["aggregated_risk_vector"]
    assert vectors["extended"] == answer.native["extended_risk_vector"]
    assert (len(vectors["standard"]), len(vectors["extended"])) == (27, 8)
    margin = found.margins["btc"]
    assert (margin.initial_margin, margin.maintenance_margin) == (
        answer.initial_requirement, answer.maintenance_requirement,
    )  # fmt: skip
    details = margin.initial_margin_details.risk_matrix_margin_details["btc_usd"]
    assert details.worst_case == -min(min(each) for each in vectors.values())
    assert details.roll_shock == answer.native["roll_shock"]
    bucket = details.worst_case_bucket
    assert bucket is not None
    assert vectors[bucket.source][bucket.index - 1] == -details.worst_case
    assert found.initial_risk_vectors["BTC-PERPETUAL"]["standard"][0] == pytest.approx(
        0.5 * (1.0 - 1.0 / 0.84), rel=1e-15
    )
    assert found.index_price == {"btc_usd": 70_000.0}
    assert found.ticker["BTC-26JUN26-70000-C"].mark_price == pytest.approx(4_030.52, abs=0.01)
    assert found.portfolio.position == {"BTC-PERPETUAL": 0.5, "BTC-26JUN26-70000-C": -2.0}
    assert found.model_params["price_range"] == 0.16


def test_ANSW_015_a_long_perpetual_binds_at_the_first_standard_scenario() -> None:
    ask = context("deribit-pm", amy=holder(1.0, "BTC", BTC_PERPETUAL=1.0))
    found = pme_simulate(SimulateParams("BTC"), ask).margins["btc"].initial_margin_details
    details = found.risk_matrix_margin_details["btc_usd"]
    assert details.worst_case_bucket == WorstBucket(1, "left", "standard", 1)
    short = context("deribit-pm", amy=holder(1.0, "BTC", BTC_PERPETUAL=-1.0))
    found = pme_simulate(SimulateParams("BTC"), short).margins["btc"].initial_margin_details
    bucket = found.risk_matrix_margin_details["btc_usd"].worst_case_bucket
    assert bucket is not None
    assert (bucket.side, bucket.bucket) == ("right", 1)


@pytest.mark.parametrize("method", SCENARIO)
def test_ANSW_015_every_scenario_document_has_its_matrix(method: str) -> None:
    ask = random_context(method, 0, wrong=0.0)
    coin = "BTC" if ask.desk.method_of("account 0").currency == "underlying" else None
    told = 0
    for name in ask.desk.accounts():
        params = SimulateParams(coin, account=name)
        try:
            margin = simulate_portfolio(params, ask)
        except InputError:
            continue
        matrix = pme_simulate(params, ask)
        (found,) = matrix.margins.values()
        assert (found.initial_margin, found.maintenance_margin) == (
            margin.initial_margin, margin.maintenance_margin,
        )  # fmt: skip
        assert msgspec.json.encode(matrix)
        told += 1
    assert told >= 3


def test_ANSW_015_a_method_without_scenarios_is_refused() -> None:
    ask = context("binance-tiers", amy=holder(9.0, "USDT", BTC_PERPETUAL=1.0))
    with pytest.raises(InputError, match="ANSW-E06"):
        pme_simulate(SimulateParams(), ask)


def test_ANSW_016_the_parts_sum_to_the_requirement() -> None:
    ask = context("paradex-pm", amy=holder(9e4, BTC_PERPETUAL=1.0, **CALL))
    found = explain(ExplainParams(names_strategies=True), ask)
    scope = scope_of(ask, None, None)
    whole = explanation_of(case_of(ask, scope), scope.document, names_strategies=True)
    assert whole is not None
    assert msgspec.to_builtins(found.parts) == msgspec.to_builtins(whole.parts)
    initial = Decimal(0)
    for part in found.parts:
        initial += Decimal(part.initial)
    assert initial == Decimal(found.initial_margin) == whole.initial
    assert found.strategies is not None
    assert found.strategies["strategies"]
    body = msgspec.json.decode(msgspec.json.encode(found))
    assert body["initial_margin"] == found.initial_margin
    assert (body["currency"], body["method"]) == ("USD", "paradex-pm")


def test_ANSW_017_a_cure_is_that_of_the_library() -> None:
    ask = context("paradex-pm", amy=holder(10_000.0, BTC_PERPETUAL=1.0))
    found = cure(CureParams(), ask)
    scope = scope_of(ask, None, None)
    whole = cures_of(case_of(ask, scope), scope.document)
    assert msgspec.to_builtins(found.cures) == msgspec.to_builtins(whole)
    assert found.cures.deposits[0].amount == "1200.000000"
    assert found.as_of_seq == 7
    assert msgspec.json.encode(found)
    with pytest.raises(InputError, match="ANSW-E01"):
        cure(CureParams(tradable=("BTC-PERPETUAL",) * 3_000), ask)


def test_ANSW_018_a_comparison_has_a_row_a_method_and_says_why_one_is_silent() -> None:
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=1.0, ETH_PERPETUAL=1.0))
    found = compare(CompareParams(), ask)
    assert [row.method for row in found.rows] == documents().names()
    rows = {row.method: row for row in found.rows}
    own = simulate_portfolio(SimulateParams(), ask)
    assert rows["paradex-pm"].initial_margin == own.initial_margin
    assert rows["paradex-pm"].margin_ratio == own.margin_ratio
    assert rows["derive-pmrm2"].error is not None
    assert rows["derive-pmrm2"].error["code"] == "METH-E04"
    assert all((row.error is None) or (row.initial_margin is None) for row in found.rows)
    two = compare(CompareParams(("steelyard", "paradex-pm"), account="amy"), ask)
    assert [row.currency for row in two.rows] == ["USDC", "USD"]
    assert msgspec.json.encode(found)
    for methods in ((), ("paradex-pm",) * 33):
        with pytest.raises(InputError, match="ANSW-E05"):
            compare(CompareParams(methods), ask)


def test_ANSW_019_critical_prices_are_those_of_the_library() -> None:
    ask = context("paradex-pm", amy=holder(7_000.0, BTC_PERPETUAL=1.0))
    found = critical(CriticalParams(tick="0.5"), ask)
    scope = scope_of(ask, None, None)
    whole = critical_prices(case_of(ask, scope), scope.document, tick=Decimal("0.5"))
    assert msgspec.to_builtins(found.prices) == msgspec.to_builtins(whole)
    assert found.prices[0].liquidation_below == "68478.0"
    body = msgspec.json.decode(msgspec.json.encode(found))
    assert body["prices"][0]["liquidation_below"] == "68478.0"
    for reach in (101.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="ANSW-E05"):
            critical(CriticalParams(reach=reach), ask)
    with pytest.raises(InputError, match="ANSW-E05"):
        critical(CriticalParams(tick="half"), ask)
    for tick in ("0", "-1", "NaN", "1e9"):
        with pytest.raises(InputError, match="METH-E05"):
            critical(CriticalParams(tick=tick), ask)


def test_ANSW_019_exact_methods_go_over_the_wire() -> None:
    ask = context("dydx-v4", amy=holder(3_000.0, BTC_PERPETUAL=1.0))
    body = msgspec.json.decode(msgspec.json.encode(cure(CureParams(), ask)))
    assert isinstance(body["cures"]["requirement"], str)
    assert msgspec.json.encode(explain(ExplainParams(), ask))
    assert msgspec.json.encode(critical(CriticalParams(), ask))


def test_ANSW_020_the_market_in_the_names_of_the_venue() -> None:
    ask = context("paradex-pm", amy=holder())
    assert get_time(TimeParams(), ask) == 1_780_300_801_500
    assert get_index_price(IndexParams("eth_usd"), ask).index_price == 4_000.0
    with pytest.raises(InputError, match="ANSW-E07"):
        get_index_price(IndexParams("sol_usd"), ask)
    options = get_instruments(InstrumentsParams("BTC", "option"), ask)
    assert len(options) == 2 * 3 * 2
    first = options[0]
    assert (first.option_type, first.strike, first.is_active) == ("call", 56_000.0, True)
    assert first.expiration_timestamp == 1_780_646_400_000  # 5 June 2026, 08:00
    futures = get_instruments(InstrumentsParams(kind="future"), ask)
    assert {each.settlement_period for each in futures} == {"perpetual", "expiry"}
    assert get_instruments(InstrumentsParams(expired=True), ask) == []
    assert b'"strike"' not in msgspec.json.encode(futures[0])


def test_ANSW_020_a_ticker_states_mark_volatility_and_greeks() -> None:
    ask = context("paradex-pm", amy=holder())
    option = ticker(TickerParams("BTC-26JUN26-70000-C"), ask)
    assert option.mark_price == pytest.approx(4_030.52, abs=0.01)
    assert (option.mark_iv, option.underlying_price) == (50.0, 70_000.0 * 1.01)
    assert option.underlying_index == "BTC-26JUN26"
    assert option.greeks is not None
    assert option.greeks.delta == pytest.approx(0.55625, abs=1e-5)
    perpetual = ticker(TickerParams("ETH-PERPETUAL"), ask)
    assert (perpetual.mark_price, perpetual.index_price, perpetual.state) == (4e3, 4e3, "open")
    with pytest.raises(InputError, match="ANSW-E07"):
        ticker(TickerParams("BTC-26JUN26-71000-C"), ask)


def test_ANSW_021_positions_in_the_names_of_the_venue() -> None:
    held = Account(
        balances={"USDC": 1.0},
        positions=(
            Position("BTC-PERPETUAL", 2.0, entry_price=60_000.0),
            Position("ETH-26JUN26-4000-P", -1.0, delta=-0.4),
        ),
    )
    ask = context("paradex-pm", amy=held)
    first, second = get_positions(PositionsParams(), ask)
    assert (first.size, first.direction, first.kind) == (2.0, "buy", "future")
    assert (first.floating_profit_loss, first.average_price) == (20_000.0, 60_000.0)
    assert (first.delta, first.gamma, first.currency) == (2.0, None, "USD")
    assert (second.delta, second.direction, second.size_unit) == (0.4, "sell", "ETH")
    assert second.vega is not None
    assert second.vega < 0.0
    assert second.floating_profit_loss is None
    assert [each.instrument_name for each in get_positions(PositionsParams("ETH"), ask)] == [
        "ETH-26JUN26-4000-P"
    ]
    assert get_positions(PositionsParams("any", "future"), ask) == [first]


def test_ANSW_021_an_inverse_position_is_told_in_dollars() -> None:
    held = Position("BTC-PERPETUAL", 35_000.0, entry_price=56_000.0, contract="inverse")
    ask = context("deribit-pm", amy=Account(balances={"BTC": 1.0}, positions=(held,)))
    (found,) = get_positions(PositionsParams(), ask)
    assert (found.size_unit, found.delta, found.currency) == ("USD", 0.5, "BTC")
    assert found.floating_profit_loss == 35_000.0 * (70_000.0 / 56_000.0 - 1.0)
