"""Simulated portfolios: the numbers and errors of margining the same account, and what the fields mean."""

from __future__ import annotations

import json
from math import isfinite, log, sqrt

import msgspec
import numpy as np
import pytest
from scipy.stats import norm

from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError, SteelyardError
from steelyard.service.answers import Context
from steelyard.service.answers.failures import POSITIONS_MAX
from steelyard.service.answers.portfolio import (
    Portfolio,
    SimulateParams,
    SummaryParams,
    _asked,
    estimate_liquidation,
    get_account_summary,
    simulate_portfolio,
    simulation_of,
)
from steelyard.service.answers.rows import levels_of
from steelyard.service.answers.sizes import sizes_of
from steelyard.terms.documents import documents
from steelyard.terms.stated import Account, Perpetual, Position
from tests.service.answers.desks import (
    OWN,
    SCENARIO,
    context,
    holder,
    market,
    random_context,
    random_simulation,
)


def _call() -> tuple[float, float, float, float, float]:
    """Return price, delta, gamma, vega and theta of BTC-26JUN26-70000-C from Black's formula."""
    forward, strike, volatility, time = 70_700.0, 70_000.0, 0.5, 25.0 / 365.0
    deviation = volatility * sqrt(time)
    d1 = log(forward / strike) / deviation + deviation / 2.0
    price = forward * norm.cdf(d1) - strike * norm.cdf(d1 - deviation)
    gamma = norm.pdf(d1) / (forward * deviation)
    vega = forward * norm.pdf(d1) * sqrt(time) / 100.0
    theta = -forward * norm.pdf(d1) * volatility / (2.0 * sqrt(time)) / 365.0
    return price, norm.cdf(d1), gamma, vega, theta


def _said(error: SteelyardError) -> tuple[type, str]:
    return type(error), str(error)


def _both(params: SimulateParams, ask: Context) -> tuple[object, object]:
    """Return what margining the case says and what the simulation says: numbers, or an error."""
    try:
        scope, case = simulation_of(params, ask)
        answer = margin_of(case, scope.document)
        of_case: object = tuple(
            None if each is None else float(each)
            for each in (answer.equity, answer.initial_requirement, answer.maintenance_requirement)
        )
    except SteelyardError as error:
        of_case = _said(error)
    try:
        found = simulate_portfolio(params, ask)
        simulated: object = found.equity, found.initial_margin, found.maintenance_margin
    except SteelyardError as error:
        simulated = _said(error)
    return of_case, simulated


@pytest.mark.parametrize("method", [*SCENARIO, *OWN])
def test_ANSW_001_numbers_and_errors_are_those_of_margining_the_account(method: str) -> None:
    numbers = errors = 0
    for seed in range(4):
        ask = random_context(method, seed, wrong=0.1 if seed == 3 else 0.0)
        draw = np.random.default_rng(seed)
        for account in ask.desk.accounts():
            params = random_simulation(ask, account, draw)
            of_case, simulated = _both(params, ask)
            if isinstance(simulated[0], type) and "METH-E02: a trade in" in simulated[1]:  # type: ignore[index]
                continue  # an option without a mark has nothing to be traded at: ANSW-004
            assert simulated == of_case, (account, params)
            errors += isinstance(simulated[0], type)  # type: ignore[index]
            numbers += not isinstance(simulated[0], type)  # type: ignore[index]
    assert numbers > 8
    assert errors > 0


@pytest.mark.parametrize("method", SCENARIO)
def test_ANSW_002_rows_and_the_case_give_every_field_the_same(method: str) -> None:
    fast = 0
    for seed in range(3):
        ask = random_context(method, seed, wrong=0.0)
        draw = np.random.default_rng(seed + 9)
        for account in ask.desk.accounts():
            params = random_simulation(ask, account, draw)
            sizes = sizes_of(params.simulated_positions)
            try:
                scope, case = simulation_of(params, ask)
                in_rows = levels_of(ask, scope, sizes)
                if in_rows is not None:
                    fast += 1
                    assert repr(in_rows) == repr(_asked(case, scope, sizes)[0]), params
            except SteelyardError:
                continue
    assert fast >= 8


def test_ANSW_002_without_a_cache_the_answer_is_the_same() -> None:
    account = holder(BTC_PERPETUAL=1.0, BTC_26JUN26_70000_C=-2.0)
    params = SimulateParams("USD", True, {"BTC-5JUN26-56000-P": 3.0})
    warm = context("paradex-pm", amy=account)
    for _ in range(4):  # the fourth is by the compiled program
        answer = simulate_portfolio(params, warm)
        assert answer == simulate_portfolio(params, context("paradex-pm", amy=account))
    assert len(warm.desk.tables) == 1


def test_ANSW_002_what_was_asked_before_leaves_nothing_behind() -> None:
    accounts = {
        "amy": holder(BTC_PERPETUAL=1.0, BTC_26JUN26_70000_C=-2.0),
        "ben": holder(50_000.0, BTC_5JUN26_56000_P=4.0),
        "cleo": holder(1_000.0),
    }
    nan = float("nan")
    asked: list[list[tuple[str, float]]] = [
        [], [("BTC-5JUN26-56000-P", 3.0)], [("BTC-5JUN26-56000-P", nan)],
        [("BTC-26JUN26-70000-C", 1.0), ("BTC-26JUN26-70000-C", 1.0)],
        [("BTC-26JUN26-70000-C", 1e308), ("BTC-5JUN26-56000-P", 1e308)], [("BTC-PERPETUAL", -1.0)],
        [("BTC-PERPETUAL", 1.0)] * 5_000,
    ]  # fmt: skip
    warm = context("paradex-pm", **accounts)
    draw = np.random.default_rng(4)
    for _ in range(60):
        name = str(draw.choice([*accounts]))
        params = SimulateParams("USD", True, asked[int(draw.integers(len(asked)))], name)
        cold = context("paradex-pm", **{name: accounts[name]})
        found = [_answered(params, ask) for ask in (warm, cold)]
        assert found[0] == found[1]
    (table,) = warm.desk.tables._tables.values()
    assert table is not None
    assert [len(rooms) for rooms in table.rooms.values()] == [1] * len(table.rooms)


def _answered(params: SimulateParams, ask: Context) -> object:
    try:
        return simulate_portfolio(params, ask)
    except SteelyardError as error:
        return _said(error)


def test_ANSW_002_another_market_empties_the_tables() -> None:
    ask = context("paradex-pm", amy=holder(BTC_PERPETUAL=1.0))
    first = get_account_summary(SummaryParams(), ask)
    moved = market()
    bitcoin = msgspec.structs.replace(
        moved.underlyings["BTC"], index_price=77_000.0, perpetual=Perpetual(77_000.0)
    )
    ask.desk.restate(  # type: ignore[attr-defined]
        msgspec.structs.replace(moved, underlyings=moved.underlyings | {"BTC": bitcoin}), 8
    )
    assert get_account_summary(SummaryParams(), ask).initial_margin == pytest.approx(12_320.0)
    assert len(ask.desk.tables) == 1
    ask.desk.restate(market(), 9)  # type: ignore[attr-defined]
    again = get_account_summary(SummaryParams(), ask)
    assert again == msgspec.structs.replace(first, as_of_seq=9)


def test_ANSW_003_a_trade_at_the_mark_leaves_equity_as_it_is() -> None:
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=1.0))
    before = get_account_summary(SummaryParams(), ask)
    after = simulate_portfolio(SimulateParams("USD", True, {"BTC-26JUN26-70000-C": 2.0}), ask)
    assert before.equity == 20_000.0
    assert after.equity == pytest.approx(20_000.0, abs=1e-9)
    assert after.balance == pytest.approx(20_000.0 - 2.0 * _call()[0], rel=1e-12)
    assert before.initial_margin == 11_200.0
    assert before.available_funds == 8_800.0
    assert before.margin_ratio == 20_000.0 / before.maintenance_margin  # type: ignore[operator]
    assert before.margin_ratio_direction == "liquidatable below 1"


def test_ANSW_003_entry_prices_average_and_closing_pays_the_gain() -> None:
    held = Position("BTC-PERPETUAL", 1.0, entry_price=60_000.0)
    ask = context("paradex-pm", amy=Account(balances={"USDC": 5_000.0}, positions=(held,)))
    for size, quantity, entry, cash in (
        (1.0, 2.0, 65_000.0, 5_000.0),  # (60,000 + 70,000) / 2
        (-0.25, 0.75, 60_000.0, 7_500.0),  # a quarter of 10,000 is paid
        (-1.0, 0.0, 60_000.0, 15_000.0),
        (-3.0, -2.0, 70_000.0, 15_000.0),  # turned round: what is held was sold at the mark
    ):
        params = SimulateParams("USD", True, {"BTC-PERPETUAL": size})
        _, case = simulation_of(params, ask)
        position = case.account.positions[0]
        assert (position.quantity, position.entry_price) == (quantity, entry)
        assert case.account.balances == {"USDC": cash}
        assert simulate_portfolio(params, ask).equity == 15_000.0


def test_ANSW_003_coin_entries_average_by_value() -> None:
    held = Position("BTC-PERPETUAL", 1.0, entry_price=60_000.0)
    ask = context("deribit-pm", amy=Account(balances={"BTC": 1.0}, positions=(held,)))
    before = get_account_summary(SummaryParams("BTC"), ask)
    for size in (1.0, -0.5, -1.0, -2.0):
        after = simulate_portfolio(SimulateParams("BTC", True, {"BTC-PERPETUAL": size}), ask)
        assert after.equity == pytest.approx(before.equity, rel=1e-12)
    _, case = simulation_of(SimulateParams("BTC", True, {"BTC-PERPETUAL": 1.0}), ask)
    assert case.account.positions[0].entry_price == pytest.approx(64_615.384615384, rel=1e-12)


def test_ANSW_004_an_option_without_a_mark_is_refused() -> None:
    held = Account(balances={"USDC": 1.0})
    ask = context("paradex-pm", amy=held)
    with pytest.raises(InputError, match="METH-E01") as missing:
        simulate_portfolio(SimulateParams("USD", True, {"BTC-26JUN26-71000-C": 1.0}), ask)
    assert "implied_volatility[71000]" in str(missing.value)


def test_ANSW_005_alone_the_simulated_positions_stand_beside_the_balances() -> None:
    ask = context("paradex-pm", amy=holder(20_000.0, BTC_PERPETUAL=5.0))
    alone = simulate_portfolio(SimulateParams("USD", False, {"BTC-PERPETUAL": 1.0}), ask)
    assert (alone.initial_margin, alone.equity) == (11_200.0, 20_000.0)
    joined = simulate_portfolio(SimulateParams("USD", True, {"BTC-PERPETUAL": -4.0}), ask)
    assert joined.initial_margin == 11_200.0


def test_ANSW_006_a_coin_settled_method_keeps_a_ledger_a_coin() -> None:
    held = Account(
        balances={"BTC": 1.0, "ETH": 20.0},
        positions=(Position("BTC-PERPETUAL", 0.5), Position("ETH-PERPETUAL", 3.0)),
    )
    ask = context("deribit-pm", amy=held)
    bitcoin = get_account_summary(SummaryParams("BTC"), ask)
    ether = get_account_summary(SummaryParams("ETH"), ask)
    assert (bitcoin.currency, bitcoin.equity, bitcoin.delta_total) == ("BTC", 1.0, 0.5)
    assert (ether.currency, ether.equity, ether.delta_total) == ("ETH", 20.0, 3.0)
    with pytest.raises(InputError, match="METH-E04"):
        simulate_portfolio(SimulateParams("BTC", True, {"ETH-PERPETUAL": 1.0}), ask)
    for currency in (None, "USDC", "SOL"):
        with pytest.raises(InputError, match="ANSW-E04"):
            get_account_summary(SummaryParams(currency), ask)
    empty = context("deribit-pm", amy=Account(balances={"ETH": 20.0}))
    assert get_account_summary(SummaryParams("ETH"), empty).equity == 20.0
    opened = simulate_portfolio(SimulateParams("ETH", True, {"ETH-PERPETUAL": 3.0}), empty)
    assert opened.initial_margin == ether.initial_margin


def test_ANSW_006_amounts_of_one_ledger_are_not_shared() -> None:
    held = Account(balances={"BTC": 1.0, "ETH": 20.0}, spot_margin=0.1)
    with pytest.raises(InputError, match="belongs to one ledger"):
        get_account_summary(SummaryParams("BTC"), context("deribit-pm", amy=held))


def test_ANSW_007_projected_numbers_leave_out_the_next_expiry() -> None:
    near, far = {"BTC_5JUN26_70000_C": -2.0}, {"BTC_26JUN26_70000_C": -1.0}
    both = get_account_summary(
        SummaryParams(), context("paradex-pm", amy=holder(9e4, **near, **far))
    )
    later = get_account_summary(SummaryParams(), context("paradex-pm", amy=holder(9e4, **far)))
    assert both.projected_initial_margin == later.initial_margin
    assert both.projected_maintenance_margin == later.maintenance_margin
    assert both.projected_delta_total == later.delta_total
    assert both.initial_margin != later.initial_margin
    perpetual = get_account_summary(
        SummaryParams(), context("paradex-pm", amy=holder(9e4, BTC_PERPETUAL=1.0))
    )
    assert perpetual.projected_initial_margin == perpetual.initial_margin


def test_ANSW_008_greeks_are_sums_over_options_by_index() -> None:
    held = {"BTC_26JUN26_70000_C": 2.0, "BTC_PERPETUAL": 1.0}
    one = get_account_summary(SummaryParams(), context("paradex-pm", amy=holder(9e4, **held)))
    _, delta, gamma, vega, theta = _call()
    assert one.options_delta == pytest.approx(2.0 * delta, rel=1e-9)
    assert one.delta_total == pytest.approx(1.0 + 2.0 * delta, rel=1e-9)
    assert one.options_gamma == pytest.approx(2.0 * gamma, rel=1e-9)
    assert one.options_vega == pytest.approx(2.0 * vega, rel=1e-9)
    assert one.options_theta == pytest.approx(2.0 * theta, rel=1e-9)
    assert one.options_delta_map == {"btc_usd": one.options_delta}
    two = get_account_summary(
        SummaryParams(), context("steelyard", amy=holder(9e4, ETH_PERPETUAL=3.0, **held))
    )
    assert (two.delta_total, two.options_delta, two.options_gamma) == (None, None, None)
    assert two.delta_total_map == {"btc_usd": one.delta_total, "eth_usd": 3.0}
    assert two.options_vega == one.options_vega


def test_ANSW_008_an_inverse_contract_is_a_dollar_of_delta() -> None:
    held = Position(
        "BTC-PERPETUAL", 70_000.0, entry_price=70_000.0, leverage=10.0, contract="inverse"
    )
    ask = context("bybit", amy=Account(mode="isolated", balances={"BTC": 1.0}, positions=(held,)))
    found = get_account_summary(SummaryParams("USDT"), ask)
    assert found.delta_total_map == {"btc_usd": 1.0}
    assert found.currency == "BTC"


def test_ANSW_009_every_answer_says_whose_when_and_by_which_document() -> None:
    ask = context("paradex-pm", amy=holder(BTC_PERPETUAL=1.0))
    found = simulate_portfolio(SimulateParams("USDC"), ask)
    document = documents().get("paradex-pm")
    assert (found.account, found.currency, found.as_of_seq) == ("amy", "USD", 7)
    assert (found.method, found.version) == (document.name, document.version)
    assert found.method_hash == document.digest()
    assert found.as_of_us == 1_780_300_800_000_000
    other = simulate_portfolio(SimulateParams("USDC", method="derive-pmrm2"), ask)
    assert (other.method, other.currency, other.margin_model) == (
        "derive-pmrm2",
        "USDC",
        "derive-pmrm2",
    )


def test_ANSW_010_the_liquidation_ratio_states_its_direction() -> None:
    # 1 BTC long at 70,000 with 7,000: p − 63,000 must be 8 % of p, liquidated at 63,000 / 0.92.
    ask = context("paradex-pm", amy=holder(7_000.0, BTC_PERPETUAL=1.0))
    found = estimate_liquidation(SimulateParams(), ask)
    assert found.estimated_liquidation_ratio == pytest.approx(63_000 / 0.92 / 70_000, abs=1e-5)
    assert found.estimated_liquidation_direction_map == {"btc_usd": "falling"}
    assert get_account_summary(SummaryParams(), ask).estimated_liquidation_ratio is None
    reduced = SimulateParams("USD", True, {"BTC-PERPETUAL": -0.5})
    later = estimate_liquidation(reduced, ask)  # half a one: 0.5·p − 28,000 must be 4 % of p
    assert later.estimated_liquidation_ratio == pytest.approx(28_000 / 0.46 / 70_000, abs=1e-5)
    assert later.initial_margin == simulate_portfolio(reduced, ask).initial_margin
    short = context("paradex-pm", amy=holder(7_000.0, BTC_PERPETUAL=-1.0))
    rising = estimate_liquidation(SimulateParams(), short)
    assert rising.estimated_liquidation_ratio > 1.0  # type: ignore[operator]
    assert rising.estimated_liquidation_direction_map == {"btc_usd": "rising"}


def test_ANSW_011_a_hundred_thousand_positions_are_refused_unread() -> None:
    ask = context("paradex-pm", amy=holder())
    many = {f"BTC-26JUN26-{i}-C": 1.0 for i in range(1, 100_001)}
    for simulated in (many, [*many.items()], json.dumps(many)):
        with pytest.raises(InputError, match="ANSW-E01"):
            simulate_portfolio(SimulateParams("USD", True, simulated), ask)
    just = {f"BTC-26JUN26-{i}-C": 1.0 for i in range(1, POSITIONS_MAX + 1)}
    with pytest.raises(InputError, match="METH-E01"):
        simulate_portfolio(SimulateParams("USD", True, just), ask)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", '"BTC"', '{"BTC-PERPETUAL": "1"}', '{"a": true}', '{"a": NaN}', '{"a": {"b": 1}}',
     "{", '{"a": 1' + "0" * 400 + "}", "[[" * 2_000, '{"a": null}'],
)  # fmt: skip
def test_ANSW_011_a_text_that_is_no_object_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="ANSW-E05"):
        sizes_of(text)


def test_ANSW_011_a_contract_twice_is_refused_in_text_and_pairs() -> None:
    ask = context("paradex-pm", amy=holder())
    twice = '{"BTC-PERPETUAL": 1, "BTC-PERPETUAL": 2}'
    for simulated in (twice, [("BTC-PERPETUAL", 1.0), ("BTC-PERPETUAL", 2.0)]):
        with pytest.raises(InputError, match="METH-E03"):
            simulate_portfolio(SimulateParams("USD", True, simulated), ask)
    once = simulate_portfolio(SimulateParams("USD", True, '{"BTC-PERPETUAL": 1}'), ask)
    assert once.initial_margin == 11_200.0


def test_ANSW_012_a_key_sees_its_own_accounts_alone() -> None:
    accounts = {"amy": holder(), "bob": holder(BTC_PERPETUAL=1.0)}
    own = context("paradex-pm", frozenset({"amy"}), **accounts)
    assert get_account_summary(SummaryParams(), own).account == "amy"
    said = []
    for name in ("bob", "carl"):
        with pytest.raises(InputError, match="ANSW-E03") as refused:
            get_account_summary(SummaryParams(account=name), own)
        said.append(str(refused.value).replace(name, "…"))
    assert said[0] == said[1]  # nothing tells a foreign account from one that is not there
    for seen in (None, frozenset({"amy", "bob"}), frozenset[str]()):
        with pytest.raises(InputError, match="ANSW-E02"):
            get_account_summary(SummaryParams(), context("paradex-pm", seen, **accounts))


def test_ANSW_013_answers_encode_and_questions_decode() -> None:
    ask = context("deribit-sm", amy=Account(balances={"BTC": 1.0}))
    body = (
        b'{"currency": "BTC", "add_positions": true, "simulated_positions": {"BTC-PERPETUAL": 2}}'
    )
    params = msgspec.json.decode(body, type=SimulateParams)
    found = simulate_portfolio(params, ask)
    again = msgspec.json.decode(msgspec.json.encode(found), type=Portfolio)
    assert again == found
    assert found.equity is not None
    assert isfinite(found.equity)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"curency": "BTC"}', type=SimulateParams)
