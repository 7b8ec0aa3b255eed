"""A trial says what the engine says: as it stands, and after what was tried has really happened."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from steelyard.engine.narrow import (
    COLUMNS_ASSETS,
    COLUMNS_INSTRUMENTS,
    MARKET_ASSETS,
    MARKET_INSTRUMENTS,
)
from steelyard.engine.pinned import pin
from steelyard.engine.snapshot import state_hash
from steelyard.engine.trial import Trial
from steelyard.quantities.errors import InputError, InvariantError, LedgerError
from steelyard.terms import AccountRecord, MarginMode, Method
from tests.support.method import load_method
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    DAY_US,
    ETH_LINEAR,
    EXPIRY_US,
    SECOND_US,
    USD,
    Venue,
    held,
    open_venue,
)

NAMES = (BTC_LINEAR, ETH_LINEAR, BTC_INVERSE, BTC_CALL, BTC_PUT)
SIZES = {BTC_LINEAR: 9_000, ETH_LINEAR: 20_000, BTC_INVERSE: 900, BTC_CALL: 90, BTC_PUT: 90}
MODES: tuple[MarginMode, ...] = ("portfolio", "cross", "isolated")


def _free_of_fees() -> Method:
    return load_method().with_parameter("liquidation.taker_fee_ppm", "0")


def _random_record(draw: Random, name: str, mode: MarginMode, venue: Venue) -> AccountRecord:
    """Return an account of random balances and positions, entered off the mark."""
    positions = []
    for instrument in draw.sample(NAMES, draw.randint(1, 5)):
        lots = draw.choice((-1, 1)) * draw.randint(1, SIZES[instrument])
        entry = round(venue.mark(instrument) * draw.uniform(0.9, 1.1)) or 1
        settles_in_coins = instrument in (BTC_INVERSE, BTC_CALL)
        margin = (COIN if settles_in_coins else 60_000 * USD) if mode == "isolated" else 0
        positions.append(held(instrument, lots, entry, margin))
    balances = {"USDC": 2_000_000 * USD, "BTC": 20 * COIN, "ETH": draw.randint(-3, 20) * COIN}
    if mode == "isolated":
        balances["ETH"] = 0
    return AccountRecord(name, mode, balances, positions)


def _random_venue(
    seed: int, mode: MarginMode, method: Method | None = None
) -> tuple[Venue, Random]:
    """Return a venue with one random account, its orders, and somebody to trade with."""
    draw = Random(seed)
    venue = open_venue(method=method)
    venue.open(_random_record(draw, "amy", mode, venue))
    deep = {"USDC": 10**9 * USD, "BTC": 10**4 * COIN}
    venue.open(AccountRecord("dealer", "cross", deep, []))
    for number in range(draw.randint(0, 3)):
        instrument = draw.choice(NAMES)
        lots = draw.choice((-1, 1)) * draw.randint(1, SIZES[instrument] // 9)
        try:
            venue.order("amy", f"o{number}", instrument, lots, _price(venue, instrument))
        except InputError:
            continue  # not covered, or no unit of its own
    return venue, draw


def _price(venue: Venue, instrument: str) -> float:
    """Return the price at which a fill is at the mark, to the mark unit."""
    terms = venue.engine.market.instruments[venue.slot(instrument)]
    mark = venue.mark(instrument)
    if terms.contract_usd:
        return -terms.contract_usd * 10**terms.mark_exponent / mark
    return float(mark / 10**terms.mark_exponent)


def _units(venue: Venue, owner: str = "amy") -> list[str]:
    return [name for name in sorted(venue.engine.places) if name.split("/")[0] == owner]


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_009_options_traded_at_once_are_those_trades_in_turn(
    mode: MarginMode, seed: int
) -> None:
    venue, draw = _random_venue(seed, mode)
    names = draw.sample((BTC_CALL, BTC_PUT), draw.randint(0, 2))
    if seed % 4 == 3:
        names.append(draw.choice((BTC_LINEAR, BTC_INVERSE)))
    # The limit is 10^7 lots: every third draw is beyond it, or just within.
    lots = [draw.choice((-1, 1)) * draw.randint(0, 90) for _ in names]
    if names and seed % 3 == 0:
        lots[0] = draw.choice((10**7 - 90, 10**7 + 91, 2 * 10**7)) * draw.choice((-1, 1))
    for unit in _units(venue):
        at_once, in_turn = Trial(venue.engine, unit, names), Trial(venue.engine, unit, names)
        slots = [venue.slot(name) for name in names]
        before = dict(at_once.positions), list(at_once.balances)
        is_done = at_once.trade_options(slots, lots)
        refused = False
        try:
            for name, count in zip(names, lots, strict=True):
                in_turn.trade(name, count)
        except (InputError, LedgerError):
            refused = True
        if is_done:
            assert not refused
            assert at_once.positions == in_turn.positions
            assert at_once.balances == in_turn.balances
            assert at_once.numbers() == in_turn.numbers()
        else:
            assert (
                refused or len(names) > len({BTC_CALL, BTC_PUT} & set(names)) or mode == "isolated"
            )
            assert (at_once.positions, at_once.balances) == before


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_001_an_untouched_trial_is_the_engines_risk(mode: MarginMode, seed: int) -> None:
    venue, _ = _random_venue(seed, mode)
    for unit in _units(venue):
        before = state_hash(venue.engine)
        trial = Trial(venue.engine, unit, NAMES)
        risk = venue.risk(unit)
        assert trial.risk() == risk
        assert Trial(venue.engine, unit).risk() == risk
        assert trial.numbers()[:5] == (
            risk.equity, risk.initial_balance, risk.maintenance_balance,
            risk.initial_requirement, risk.maintenance_requirement,
        )  # fmt: skip
        assert trial.numbers().buffer == risk.buffer
        assert state_hash(venue.engine) == before


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_002_a_trade_tried_is_the_fill_applied(mode: MarginMode, seed: int) -> None:
    tried, draw = _random_venue(seed, mode, _free_of_fees())
    really, _ = _random_venue(seed, mode, _free_of_fees())
    for unit in _units(tried):
        trial = Trial(tried.engine, unit, NAMES)
        mine = [unit.partition("/")[2]] if mode == "isolated" else list(NAMES)
        for instrument in draw.sample(mine, draw.randint(0, len(mine))):
            if not instrument:
                continue
            lots = draw.choice((-1, 1)) * draw.randint(1, SIZES[instrument] // 3)
            trial.trade(instrument, lots)
            sides = ("amy", "dealer") if lots > 0 else ("dealer", "amy")
            price = _price(really, instrument)
            really.fill(instrument, *sides, abs(lots), price)
            if mode != "isolated":
                assert trial.balances == [
                    really.balance(unit, a.name) for a in really.engine.market.assets
                ]
            for name in mine:
                place = trial.market.instrument_slots[name]
                assert trial.positions.get(place, (0, 0)) == really.position(unit, name)
        assert trial.risk() == really.risk(unit)


@pytest.mark.parametrize("seed", range(8))
def test_UNIT_002_with_its_fee_it_is_the_fill_with_its_fee(seed: int) -> None:
    tried, draw = _random_venue(seed, "portfolio")
    really, _ = _random_venue(seed, "portfolio")
    trial = Trial(tried.engine, "amy", NAMES)
    for instrument in NAMES:
        lots = draw.randint(1, SIZES[instrument] // 3)
        trial.trade(instrument, lots, pays_fee=True)
        really.fill(instrument, "amy", "dealer", lots, _price(really, instrument))
    assert trial.risk() == really.risk("amy")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("mode", MODES)
def test_UNIT_003_a_moved_index_is_the_price_that_came(mode: MarginMode, seed: int) -> None:
    venue, draw = _random_venue(seed, mode)
    units = _units(venue)
    trials = {unit: Trial(venue.engine, unit, NAMES) for unit in units}
    price = round(100_000.0 * draw.uniform(0.99, 1.01), 2)
    small = Trial(venue.engine, units[0]).keep()
    small.copy().move("BTC", 5_000_000)  # a copy's move is its own
    for unit in units:
        trials[unit].move("BTC", round(price * 100))
    venue.price("BTC", price)
    assert venue.engine.market.index_price(1) == price
    for unit in units:
        if venue.state(unit) < 4:  # nothing was closed
            assert trials[unit].risk() == venue.risk(unit)
    small.move("BTC", round(price * 100))
    assert small.risk() == venue.risk(units[0]) or venue.state(units[0]) >= 4


def test_UNIT_004_time_and_volatility_move_as_events_move_them() -> None:
    venue, _ = _random_venue(3, "portfolio")
    venue.open(AccountRecord("bob", "portfolio", {"USDC": 10**7 * USD, "BTC": 50 * COIN}, [
        held(BTC_CALL, -700, 1), held(BTC_PUT, -900, 1), held(BTC_LINEAR, 3_000, 10_000_000),
    ]))  # fmt: skip
    trial = Trial(venue.engine, "bob").keep()
    first = trial.risk()
    trial.move_volatility("BTC", 1.2)
    venue.volatility(0.5 * 1.2)
    assert trial.risk() == venue.risk("bob") != first
    trial.move_volatility("BTC", 1.0)
    assert trial.risk() == first
    trial.move_volatility("BTC", 1.2)
    trial.later(SECOND_US)
    venue.tick(SECOND_US)
    assert trial.risk() == venue.risk("bob")
    trial.later(EXPIRY_US + DAY_US - trial.market.time_us)  # held on at what they settle at
    assert trial.numbers().equity != first.equity


def test_UNIT_004_a_deposit_is_a_transfer() -> None:
    venue, _ = _random_venue(5, "cross")
    trial = Trial(venue.engine, "amy")
    trial.deposit("BTC", 3 * COIN)
    trial.deposit("USDC", -USD)
    trial.keep()
    venue.transfer("external", "amy", "BTC", 3 * COIN)
    venue.transfer("amy", "external", "USDC", USD)
    assert trial.risk() == venue.risk("amy")


def test_UNIT_005_a_resting_order_tried_is_the_order_placed() -> None:
    venue = open_venue()
    venue.open(AccountRecord("amy", "portfolio", {"USDC": 10**6 * USD}, []))
    trial = Trial(venue.engine, "amy", NAMES).keep()
    for number, (instrument, lots) in enumerate(((BTC_LINEAR, 5_000), (BTC_PUT, -100))):
        trial.rest(f"o{number}", instrument, lots, venue.mark(instrument))
        venue.order("amy", f"o{number}", instrument, lots, _price(venue, instrument))
    assert trial.risk() == venue.risk("amy")
    trial.rest("o1", BTC_PUT, 0, 0)
    venue.order("amy", "o1", BTC_PUT, -1, _price(venue, BTC_PUT))
    assert trial.numbers().initial_requirement < venue.risk("amy").initial_requirement
    trial.leave_out()
    assert trial.numbers().initial_requirement == 0


def test_UNIT_006_what_was_pinned_stays_while_the_engine_goes_on() -> None:
    venue, _ = _random_venue(7, "portfolio")
    pinned = pin(venue.engine, ["amy", "nobody"])
    then, seq = venue.risk("amy"), venue.engine.seq
    venue.price("BTC", 99_000.0)
    venue.volatility(0.7)
    venue.transfer("external", "amy", "USDC", USD)
    assert venue.risk("amy") != then
    assert (Trial(pinned, "amy").risk(), pinned.seq) == (then, seq)
    assert pinned.locate("dealer") is None
    assert list(pinned.places) == ["amy"]


def test_UNIT_006_a_kept_trial_stays_and_another_one_stops() -> None:
    venue, _ = _random_venue(7, "portfolio")
    kept, other = Trial(venue.engine, "amy", NAMES).keep(), Trial(venue.engine, "amy")
    then = venue.risk("amy")
    venue.price("BTC", 99_000.0)
    assert kept.risk() == then
    for verb in (other.risk, other.keep, lambda: other.trade(BTC_LINEAR, 1)):
        with pytest.raises(InvariantError, match="keep it first"):
            verb()


def test_UNIT_007_what_cannot_be_tried_is_refused() -> None:
    venue, _ = _random_venue(1, "isolated")
    owner, unit = _units(venue)[0], _units(venue)[1]
    other = next(name for name in NAMES if name != unit.partition("/")[2])
    trial = Trial(venue.engine, unit, NAMES)
    with pytest.raises(KeyError):
        Trial(venue.engine, "nobody")
    for code, verb in (
        ("UNIT-E01", lambda: Trial(venue.engine, unit, ["BTC-NONE"])),
        ("UNIT-E01", lambda: Trial(venue.engine, unit).trade("BTC-NONE", 1)),
        ("UNIT-E02", lambda: trial.trade(other, 1)),
        ("UNIT-E02", lambda: Trial(venue.engine, owner, NAMES).trade(BTC_LINEAR, 1)),
        ("UNIT-E03", lambda: trial.move("USDC", 5)),
        ("UNIT-E03", lambda: trial.deposit("GOLD", 5)),
        ("UNIT-E04", lambda: trial.trade(unit.partition("/")[2], 2**40)),
        ("UNIT-E06", lambda: trial.move("BTC", 0)),
        ("UNIT-E06", lambda: trial.move("BTC", 2**62)),
        ("UNIT-E06", lambda: trial.move_volatility("BTC", 0.0)),
        ("UNIT-E06", lambda: trial.later(-1)),
    ):
        with pytest.raises(InputError) as caught:
            verb()
        assert (caught.value.code, bool(caught.value.cure)) == (code, True)
    with pytest.raises(LedgerError, match="LEDG-E01"):
        trial.deposit("USDC", 2**62)
    assert trial.risk() == venue.risk(unit)


def test_UNIT_007_an_instrument_without_a_mark_has_nothing_to_trade_at() -> None:
    venue, _ = _random_venue(2, "portfolio")
    venue.engine.market.has_mark[venue.slot(BTC_CALL)] = False
    with pytest.raises(InputError, match="UNIT-E05"):
        Trial(venue.engine, "amy", NAMES).trade(BTC_CALL, 1)
    venue.engine.market.is_settled[venue.slot(BTC_PUT)] = True
    with pytest.raises(InputError, match="UNIT-E01"):
        Trial(venue.engine, "amy", NAMES).trade(BTC_PUT, 1)


def test_UNIT_008_every_column_is_copied() -> None:
    venue = open_venue()
    for found, names in (
        (venue.engine.market, MARKET_ASSETS + MARKET_INSTRUMENTS),
        (venue.engine.columns, COLUMNS_ASSETS + COLUMNS_INSTRUMENTS),
    ):
        arrays = {name for name, value in vars(found).items() if isinstance(value, np.ndarray)}
        assert arrays == set(names)
