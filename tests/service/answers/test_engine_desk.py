"""The desk over an engine: its numbers are the engine's, and it follows the engine's events."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from steelyard.cli.session import opening_events
from steelyard.engine.engine import Engine
from steelyard.lab import SimulatedMarket
from steelyard.margin.methods.registry import margin_of
from steelyard.quantities.errors import InputError
from steelyard.service.answers import Context
from steelyard.service.answers.engine_desk import EngineDesk, stated_name
from steelyard.service.answers.market_data import (
    TickerParams,
    ticker,
)
from steelyard.service.answers.portfolio import (
    SimulateParams,
    SummaryParams,
    get_account_summary,
    simulate_portfolio,
    simulation_of,
)
from steelyard.terms import AccountRecord, Instrument, load_method
from steelyard.terms.account import PositionRecord
from steelyard.ticks import AccountsLoaded
from tests.margin.methods.core.house_desk import MICRO, HouseDesk
from tests.service.answers.desks import Key

START_US = 1_760_130_000_000_000


def _over(house: HouseDesk) -> EngineDesk:
    """Return a desk over columns alone, as an engine would show them."""
    shard = SimpleNamespace(book=house.book)
    engine: Any = SimpleNamespace(market=house.market, method=house.method, seq=3, places={})
    engine.places = {name: (shard, row) for name, row in house.book.rows.items()}
    engine.locate = lambda name: (
        (house.book, house.book.rows[name]) if name in engine.places else None
    )
    return EngineDesk(engine)


def test_ANSW_022_portfolio_units_have_the_engines_numbers() -> None:
    draw = Random(5)
    house = HouseDesk(draw)
    units = [house.random_unit(draw) for _ in range(25)]
    ask = Context(Key(), _over(house), 0)
    for row, case in units:
        found = get_account_summary(SummaryParams(account=house.book.names[row]), ask)
        says = house.numbers(row)
        noise = 1e-12 * house.gross(case) + house.equity_steps(case)
        assert found.equity == pytest.approx(says.equity, abs=noise)
        assert found.initial_margin == pytest.approx(says.initial_requirement, abs=MICRO + noise)
        assert found.maintenance_margin == pytest.approx(
            says.maintenance_requirement, abs=MICRO + noise
        )
        assert (found.as_of_seq, found.method, found.currency) == (3, "steelyard", "USDC")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """Return an engine over a simulated market's first prices, with three accounts."""
    found = Engine(load_method())
    for event in opening_events(SimulatedMarket(7, START_US, 1)):
        found.submit(event)
    records = [
        AccountRecord("trader", "portfolio", {"USDC": 50_000_000_000}, []),
        AccountRecord("crosser", "cross", {"USDC": 1_000_000}, []),
        AccountRecord(
            "holder", "portfolio", {"USDC": 90_000_000_000},
            [_held(found, "BTC_USDC-PERPETUAL", 0.25)],
        ),
    ]  # fmt: skip
    found.load_only(AccountsLoaded(found.market.time_us, "file", 0, records))
    return found


def _held(engine: Engine, name: str, quantity: float) -> PositionRecord:
    terms = next(each for each in engine.market.instruments if each.name == name)
    slot = engine.market.instruments.index(terms)
    lots = round(quantity * 10**terms.lot_exponent)
    return PositionRecord(name, lots, int(engine.market.mark_units[slot]))


def test_ANSW_023_a_what_if_over_a_running_engine(engine: Engine) -> None:
    desk = EngineDesk(engine)
    ask = Context(Key(), desk, engine.market.time_us)
    names = [name for name in desk.instruments() if name.startswith("BTC")]
    assert names[0] == "BTC-PERPETUAL"
    sizes = dict.fromkeys(names[:20], 0.1)
    params = SimulateParams("USDC", True, sizes, "holder")
    scope, case = simulation_of(params, ask)
    answer, found = margin_of(case, scope.document), simulate_portfolio(params, ask)
    assert (found.equity, found.initial_margin) == (answer.equity, answer.initial_requirement)
    assert found.as_of_seq == engine.seq
    mark = ticker(TickerParams("BTC_USDC-PERPETUAL"), ask).mark_price
    assert mark is not None
    assert desk.account("holder").positions[0].entry_price == pytest.approx(mark, rel=1e-9)
    assert msgspec.json.encode(found)


def test_ANSW_023_the_market_is_one_object_until_an_event_changes_it(engine: Engine) -> None:
    desk = EngineDesk(engine)
    first = desk.market()
    assert desk.market() is first
    record = AccountRecord("late", "portfolio", {"USDC": 1_000_000}, [])
    engine.load_only(AccountsLoaded(engine.market.time_us, "file", 1, [record]))
    assert desk.market() is first  # an account came, no price
    assert desk.account("late").balances == {"USDC": 1.0}
    assert desk.account("late") is desk.account("late")
    assert "late" in desk.accounts()
    engine.market.time_us += 60_000_000
    engine.seq += 1
    assert desk.market() is not first
    assert desk.market().as_of != first.as_of


def test_ANSW_023_units_of_other_modes_and_unknown_ones_are_refused(engine: Engine) -> None:
    ask = Context(Key(), EngineDesk(engine), 0)
    with pytest.raises(InputError, match="METH-E04"):
        get_account_summary(SummaryParams(account="crosser"), ask)
    for name in ("nobody", ""):
        with pytest.raises(InputError, match="ANSW-E03"):
            get_account_summary(SummaryParams(account=name), ask)


def test_ANSW_023_names_are_those_of_statements() -> None:
    perpetual = Instrument("SOL_USDC-PERPETUAL", "perpetual", "SOL", "USDC", False, 2, 6, 10**9)
    assert stated_name(perpetual) == "SOL-PERPETUAL"
    option = Instrument(
        "XRP_USDC-7JAN26-0d625-P", "option", "XRP", "USDC", False, 2, 6, 10**9, strike="0.6250",
        expiry_us=1_767_772_800_000_000,
    )  # fmt: skip
    assert stated_name(option) == "XRP-7JAN26-0.625-P"
