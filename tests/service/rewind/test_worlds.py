"""Other states of the world: the map, the impact and the look ahead, against one unit at a time."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import msgspec
import pytest

from steelyard.actions import GraceGranted, StateChanged
from steelyard.decisions.machine import next_state
from steelyard.decisions.states import STATE_NAMES, State
from steelyard.engine import replay_journal
from steelyard.engine.engine import Engine
from steelyard.engine.snapshot import state_hash
from steelyard.margin.twin import require_unit_twin
from steelyard.quantities import TermsError
from steelyard.quantities.errors import InputError
from steelyard.service.rewind.ahead import EXPIRY, look_ahead
from steelyard.service.rewind.copies import copy_of
from steelyard.service.rewind.errors import RewindError
from steelyard.service.rewind.impact import Change, impact
from steelyard.service.rewind.liquidation import Liquidatable, liquidation_map, moves_of
from steelyard.service.rewind.moved import Indices, hold_volatilities, underlyings_of
from steelyard.terms import AccountRecord, load_method
from steelyard.terms.account import PositionRecord
from steelyard.ticks import AccountsLoaded, ParameterChange
from tests.service.rewind.journals import Played

BTC_PERPETUAL = "BTC_USDC-PERPETUAL"


@pytest.fixture(scope="module")
def engine(played: Played) -> Engine:
    """Return an engine in the middle of the fall, with accounts in several states."""
    found, report = replay_journal(played.path, to_seq=sorted(played.hashes)[-6])
    assert not report.difference
    return found


@pytest.fixture(autouse=True)
def untouched(engine: Engine) -> object:
    """Hold every test to leaving the engine as it was."""
    before = state_hash(engine)
    yield
    assert state_hash(engine) == before


def _twin(there: Engine, unit: str, moved: list[int]) -> tuple[State, tuple[int, ...]]:
    """Return the state that a unit would be taken to, and its amounts, in plain Python."""
    shard, row = there.places[unit]
    book, market = shard.book, there.market
    equity, _, balance, _, requirement, certain = require_unit_twin(
        book, row, market, there.columns, there.method
    )
    state = next_state(
        State(int(book.state[row])), maintenance_balance=balance,
        maintenance_requirement=requirement, equity=equity, certain_buffer=certain,
        has_positions=bool(book.positions(row)), levels=there.method.levels,
    )  # fmt: skip
    longs = shorts = everything = 0
    for slot, lots, _ in book.positions(row):
        worth = round(abs(float(lots)) * float(there.columns.notional[slot]) * 1e6)
        everything += worth
        if int(market.underlying_of[slot]) in moved:
            longs += worth if lots > 0 else 0
            shorts += worth if lots < 0 else 0
    return state, (longs, shorts, everything, max(0, -equity))


def _sum(found: dict[str, tuple[State, tuple[int, ...]]], kept: set[str]) -> Liquidatable:
    told = [found[unit] for unit in sorted(kept)]
    amounts = [sum(each[1][k] for each in told) for k in range(4)]
    full = sum(state is State.FULL_LIQUIDATION for state, _ in told)
    return Liquidatable(len(told), full, *amounts)


@pytest.mark.parametrize("names", [["BTC"], ["ETH", "SOL"], []])
def test_RWND_014_map_is_that_of_one_unit_at_a_time(engine: Engine, names: list[str]) -> None:
    moves = [-600_000, -200_000, -20_000, 0, 15_000, 250_000, 600_000]
    found = liquidation_map(engine, names, moves)
    there = copy_of(engine)
    hold_volatilities(there)
    slots = [there.market.asset_slots[name] for name in names or underlyings_of(engine)]
    index = Indices(there, slots)
    units: dict[int, dict[str, tuple[State, tuple[int, ...]]]] = {}
    for move in moves:
        index.move(move)
        each = {unit: _twin(there, unit, slots) for unit in there.places}
        units[move] = {
            unit: told
            for unit, told in each.items()
            if told[0] in (State.PARTIAL_REDUCTION, State.FULL_LIQUIDATION)
        }
    assert [level.move_ppm for level in found.levels] == moves
    seen = {side: set(units[0]) for side in (-1, 1)}
    total = {side: _sum(units[0], set(units[0])) for side in (-1, 1)}
    for level in sorted(found.levels, key=lambda level: abs(level.move_ppm)):
        here, side = units[level.move_ppm], 1 if level.move_ppm > 0 else -1
        assert level.at == _sum(here, set(here))
        if level.move_ppm:
            new = set(here) - seen[side]
            bucket = _sum(here, new)
            seen[side] |= new
            total[side] = Liquidatable(
                *(
                    a + b
                    for a, b in zip(
                        msgspec.structs.astuple(total[side]),
                        msgspec.structs.astuple(bucket),
                        strict=True,
                    )
                )
            )
            assert level.bucket == bucket
        assert level.cumulative == total[side]
    assert found.levels[0].at.units > 0
    assert found.levels[-1].at.units > 0


def test_RWND_014_unmoved_level_is_what_the_engine_holds_now(engine: Engine) -> None:
    level = next(each for each in liquidation_map(engine).levels if each.move_ppm == 0)
    states = [state for s in engine.shards for state in s.book.state[: s.book.units].tolist()]
    assert level.at.units == sum(state in (4, 5) for state in states)
    assert level.at == level.bucket == level.cumulative
    prices = {
        name: engine.market.index_price(engine.market.asset_slots[name])
        for name in level.index_prices
    }
    assert level.index_prices == prices


def test_RWND_015_long_of_one_bitcoin_worked_by_hand() -> None:
    """Index and mark 100,000; one bitcoin long with 5,000 USDC: −5 % leaves nothing, −10 % a debt of 5,000."""
    bare = _bare()
    _load(bare, "long", "cross", 5_000_000_000, 10 ** _terms(bare).lot_exponent)
    found = liquidation_map(bare, ["BTC"], [-100_000, -50_000, -30_000, 0, 50_000])
    at = {level.move_ppm: level for level in found.levels}
    assert (found.units, found.currency, found.protected) == (1, "USDC", [])
    assert at[0].at == at[50_000].at == Liquidatable()
    assert at[-30_000].at == Liquidatable()
    deep = at[-50_000]
    assert deep.index_prices == {"BTC": 95_000.0}
    assert (deep.at.units, deep.at.full_units) == (1, 1)
    assert (deep.at.long_usd_micro, deep.at.short_usd_micro) == (95_000_000_000, 0)
    assert deep.at.shortfall_micro == 0
    assert at[-100_000].at.shortfall_micro == 5_000_000_000
    assert at[-100_000].bucket == Liquidatable()
    assert at[-100_000].cumulative == deep.bucket


def test_RWND_016_moves_are_even_and_bounded() -> None:
    moves = moves_of()
    assert (len(moves), moves[0], moves[24], moves[-1]) == (49, -600_000, 0, 600_000)
    assert {b - a for a, b in pairwise(moves)} == {25_000}
    assert moves_of(7, 100) == [-100, -66, -33, 0, 33, 66, 100]
    for levels, reach in ((2, 1), (1, 1), (203, 1), (50, 1), (49, 0), (49, 950_001), (49, -5)):
        with pytest.raises(RewindError, match="RWND-E07"):
            moves_of(levels, reach)


@pytest.mark.parametrize("moves", [[1, 2], [0, -1], [0, 0], [-1_000_000, 0]])
def test_RWND_016_unordered_moves_are_refused(engine: Engine, moves: list[int]) -> None:
    with pytest.raises(RewindError, match="RWND-E07"):
        liquidation_map(engine, ["BTC"], moves)


@pytest.mark.parametrize("name", ["", "USDC", "GOLD"])
def test_RWND_016_underlying_without_a_price_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(RewindError, match="RWND-E07"):
        liquidation_map(engine, [name])


def test_RWND_017_protected_underlying_is_named_and_liquidates_nobody() -> None:
    bare = _bare()
    _load(bare, "long", "cross", 5_000_000_000, 10 ** _terms(bare).lot_exponent)
    bare.market.is_protected[bare.market.asset_slots["BTC"]] = True
    bare.market.indices[bare.market.asset_slots["BTC"]].condition = "no_quorum"
    found = liquidation_map(bare, ["BTC"], [-100_000, 0])
    assert found.protected == ["BTC"]
    assert found.levels[0].at == Liquidatable()


@pytest.mark.parametrize(
    "change",
    [
        Change("underlying.BTC.range_ppm", "250000"),
        Change("levels.warning_ppm", "2000000"),
        Change("liquidation.fee_ppm", "9000"),
        Change("liquidation.fee_ppm", "0"),
    ],
)
def test_RWND_018_impact_is_what_the_change_then_does(engine: Engine, change: Change) -> None:
    found = impact(engine, [change], rows=1_000)
    live = copy_of(engine)
    outcomes = live.apply(
        ParameterChange(live.market.time_us, "risk", 1, change.path, change.value_json)
    )
    assert found.method_hash_before == engine.method.digest().hex()
    assert found.method_hash_after == live.method.digest().hex()
    told = {
        each.subject: (STATE_NAMES[each.previous], STATE_NAMES[each.current])
        for each in outcomes
        if isinstance(each, StateChanged)
    }
    mine = {
        each.unit: (each.state_before, each.state_after)
        for each in found.accounts
        if each.state_before != each.state_after
    }
    assert mine == told
    assert found.moved == len(told)
    assert told or change.path.startswith("underlying")
    assert found.changed == len(found.accounts) >= found.moved
    graced = {each.subject for each in outcomes if isinstance(each, GraceGranted)}
    told_apart = {e.unit for e in found.accounts if e.state_without_grace != e.state_after}
    assert told_apart == graced


def test_RWND_018_whom_a_change_alone_would_liquidate_is_told(engine: Engine) -> None:
    found = impact(engine, [Change("liquidation.fee_ppm", "9000")], rows=1_000)
    held = [e for e in found.accounts if e.state_without_grace == "partial_reduction"]
    assert held
    assert {each.state_after for each in held} <= {"orders_cancelled", "partial_reduction"}
    new = [e for e in held if e.state_before not in ("partial_reduction", "full_liquidation")]
    full = [e for e in found.accounts if e.state_without_grace == "full_liquidation"]
    new += [e for e in full if e.state_before not in ("partial_reduction", "full_liquidation")]
    assert found.liquidatable == len(new) > 0
    several = impact(
        engine,
        [Change("liquidation.fee_ppm", "9000"), Change("portfolio.initial_factor_ppm", "1900000")],
    )
    assert [each.before_json for each in several.changes] == [
        msgspec.json.encode(engine.method.liquidation.fee_ppm).decode(),
        msgspec.json.encode(engine.method.portfolio.initial_factor_ppm).decode(),
    ]
    assert several.after.maintenance_requirement_micro == found.after.maintenance_requirement_micro
    assert several.after.initial_requirement_micro > found.after.initial_requirement_micro


def test_RWND_018_every_unit_s_amounts_are_those_before_and_after(engine: Engine) -> None:
    change = Change("portfolio.maintenance_factor_ppm", "1100000")
    found = impact(engine, [change], rows=1_000)
    there = copy_of(engine)
    there.set_method(there.method.with_parameter(change.path, change.value_json))
    now = copy_of(engine)
    for each in (now, there):
        each.revalue(list(range(len(engine.market.assets))))
    assert found.changed == len(found.accounts)
    units = {each.unit: each for each in found.accounts}
    totals = [0, 0, 0, 0]
    for name in engine.places:
        before, after = now.risk_of(name), there.risk_of(name)
        totals[0] += before.maintenance_requirement
        totals[1] += after.maintenance_requirement
        totals[2] += before.initial_requirement
        totals[3] += after.initial_requirement
        if before.buffer == after.buffer:
            continue
        told = units.pop(name)
        assert (told.buffer_before_micro, told.buffer_after_micro) == (before.buffer, after.buffer)
        assert told.maintenance_requirement_after_micro == after.maintenance_requirement
        assert told.initial_requirement_before_micro == before.initial_requirement
        missing = after.initial_requirement - after.initial_balance
        assert told.initial_missing_after_micro == max(0, missing)
    assert not {name for name, each in units.items() if each.state_before == each.state_after}
    assert totals == [
        found.before.maintenance_requirement_micro, found.after.maintenance_requirement_micro,
        found.before.initial_requirement_micro, found.after.initial_requirement_micro,
    ]  # fmt: skip
    rises = [
        each.maintenance_requirement_after_micro - each.maintenance_requirement_before_micro
        for each in found.highest_maintenance
    ]
    assert rises == sorted(rises, reverse=True)
    assert len(rises) == found.raised_maintenance > 0


def test_RWND_019_impact_counts_whom_a_change_calls(engine: Engine) -> None:
    # At twice the ratio everybody near the edge is called.
    found = impact(
        engine,
        [Change("levels.warning_ppm", "2000000"), Change("levels.margin_call_ppm", "1990000")],
    )
    before, after = found.before.units_by_state, found.after.units_by_state
    deep = ("margin_call", "orders_cancelled", "partial_reduction", "full_liquidation", "bankrupt")
    assert found.called == sum(after[s] for s in deep) - sum(before[s] for s in deep) > 0
    assert found.liquidatable == 0
    assert found.changed == found.moved
    assert sum(before.values()) == sum(after.values()) == found.units == len(engine.places)
    assert found.initial_short == 0
    worst = [
        STATE_NAMES.index(each.state_after)
        for each in found.accounts
        if each.state_after != each.state_before
    ]
    assert worst == sorted(worst, reverse=True)
    few = impact(engine, [Change("levels.warning_ppm", "2000000")], rows=2)
    assert len(few.accounts) == 2 < few.changed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([], "RWND-E07"),
        ([Change("levels.warning_ppm", "1")] * 51, "RWND-E07"),
        ([Change("levels.nothing", "1")], "TERM-E04"),
        ([Change("levels.warning_ppm", "[")], "TERM-E03"),
        ([Change("levels.warning_ppm", "NaN")], "TERM-E03"),
        ([Change("levels.warning_ppm", "9000000")], "TERM-E03"),
        ([Change("", "1")], "TERM-E04"),
    ],
)
def test_RWND_020_changes_that_no_method_has_are_refused(
    engine: Engine, changes: list[Change], code: str
) -> None:
    with pytest.raises((RewindError, TermsError), match=code):
        impact(engine, changes)


def test_RWND_021_look_ahead_at_now_is_the_risk_of_the_unit(engine: Engine) -> None:
    for name in Random(3).sample(sorted(engine.places), 6):
        risk = engine.risk_of(name)
        row = next(
            r
            for r in look_ahead(engine, name, ["1s"], [0]).rows
            if r.horizon == "now" and r.unit == name
        )
        assert (row.equity_micro, row.profit_micro) == (risk.equity, 0)
        assert row.buffer_micro == risk.buffer
        assert row.initial_balance_micro == risk.initial_balance
        assert row.initial_requirement_micro == risk.initial_requirement
        shard, at = engine.places[name]
        assert row.state == STATE_NAMES[int(shard.book.state[at])]


def test_RWND_022_perpetual_gains_its_move_and_time_costs_nothing() -> None:
    bare = _bare()
    _load(bare, "long", "cross", 50_000_000_000, 10 ** _terms(bare).lot_exponent)
    found = look_ahead(bare, "long", ["1d", EXPIRY], [-100_000, 0, 50_000])
    profits = {(row.horizon, row.move_ppm): row.profit_micro for row in found.rows}
    assert profits == {
        (horizon, move): move * 100_000
        for horizon in ("now", "1d")
        for move in (-100_000, 0, 50_000)
    }
    assert found.without_expiry == ["long"]


def test_RWND_023_option_is_paid_out_at_the_index(engine: Engine) -> None:
    """A call struck K pays max(0, S − K) a unit, S the index after the move; nothing of it is required then."""
    copy = copy_of(engine)
    market = copy.market
    slot = next(
        i
        for i in market.options_of[market.asset_slots["BTC"]]
        if market.instruments[i].is_call and market.has_mark[i]
    )
    terms = market.instruments[slot]
    lots = 10**terms.lot_exponent
    copy.load_only(
        AccountsLoaded(
            market.time_us, "test", 1,
            [AccountRecord("holder", "portfolio", {"USDC": 10**12}, [PositionRecord(terms.name, lots, 0)])],
        )
    )  # fmt: skip
    found = look_ahead(copy, "holder", [EXPIRY], [-300_000, 0, 200_000], ["BTC"])
    cash = 10**12
    for row in found.rows:
        if row.horizon != EXPIRY:
            assert row.settled == []
            continue
        assert (row.at_us, row.settled) == (terms.expiry_us, [terms.name])
        index = market.index_price(market.asset_slots["BTC"]) * (1 + row.move_ppm / 1e6)
        paid = max(0.0, index - float(terms.strike))
        assert row.equity_micro - cash == pytest.approx(paid * 1e6, abs=2e4)


def test_RWND_023_short_option_owes_less_as_time_passes(engine: Engine) -> None:
    units = [
        name
        for name, (shard, row) in engine.places.items()
        if any(
            engine.market.instruments[slot].is_option for slot, _, _ in shard.book.positions(row)
        )
    ]
    assert units
    for unit in units[:4]:
        found = look_ahead(engine, unit, ["1h", EXPIRY], [0])
        rows = {row.horizon: row for row in found.rows}
        assert rows["now"].at_us < rows["1h"].at_us
        assert rows[EXPIRY].settled
        assert not rows["1h"].settled or rows[EXPIRY].at_us <= rows["1h"].at_us


@pytest.mark.parametrize(
    "horizon", ["", "1", "h", "-1h", "0h", "1y", "1e3h", "367d", "nan", "9" * 30 + "d"]
)
def test_RWND_024_horizons_that_are_none_are_refused(engine: Engine, horizon: str) -> None:
    with pytest.raises(RewindError, match="RWND-E07"):
        look_ahead(engine, "long-8", [horizon], [0])


def test_RWND_024_questions_beyond_bounds_are_refused(engine: Engine) -> None:
    for horizons, moves in (
        ([], [0]), (["1h"], []), (["1h"] * 17, [0]), (["1h"], list(range(42))),
        (["1h"], [-1_000_000]), (["1h"], [5_000_001]),
    ):  # fmt: skip
        with pytest.raises(RewindError, match="RWND-E07"):
            look_ahead(engine, "long-8", horizons, moves)
    with pytest.raises(RewindError, match="RWND-E07"):
        look_ahead(engine, "long-8", ["1h"], [0], ["GOLD"])
    for nobody in ("", "nobody", "long-8/none"):
        with pytest.raises(InputError, match="ANSW-E03"):
            look_ahead(engine, nobody)


def test_RWND_025_account_is_told_by_its_units(engine: Engine) -> None:
    found = look_ahead(engine, "alone-25", ["1h"], [0])
    assert {row.unit for row in found.rows} == {"alone-25", f"alone-25/{BTC_PERPETUAL}"}
    one = look_ahead(engine, f"alone-25/{BTC_PERPETUAL}", ["1h"], [0])
    assert one.rows == [row for row in found.rows if row.unit == f"alone-25/{BTC_PERPETUAL}"]


def _bare() -> Engine:
    """Return an engine over the first prices of a market, bitcoin at 100,000 flat and nobody there."""
    from steelyard.cli.session import opening_events
    from steelyard.lab import SimulatedMarket
    from steelyard.marks.update import remark_perpetuals

    found = Engine(load_method())
    for event in opening_events(SimulatedMarket(7, 1_760_130_000_000_000, 1)):
        found.submit(event)
    market = found.market
    asset = market.asset_slots["BTC"]
    market.index_units[asset] = 100_000 * 10 ** market.assets[asset].price_exponent
    market.basis_ppb[:] = 0
    remark_perpetuals(market, asset)
    found.revalue([asset])
    return found


def _terms(engine: Engine):  # type: ignore[no-untyped-def]
    return engine.market.instruments[engine.market.instrument_slots[BTC_PERPETUAL]]


def _load(engine: Engine, name: str, mode: str, cash: int, lots: int) -> None:
    slot = engine.market.instrument_slots[BTC_PERPETUAL]
    held = PositionRecord(BTC_PERPETUAL, lots, int(engine.market.mark_units[slot]))
    record = AccountRecord(name, mode, {"USDC": cash}, [held])  # type: ignore[arg-type]
    engine.load_only(AccountsLoaded(engine.market.time_us, "test", 1, [record]))
