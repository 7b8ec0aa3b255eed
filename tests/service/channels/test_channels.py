"""Names, access, payloads and the methods that ask the service's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.book import MARKET
from steelyard.engine import open_engine
from steelyard.publish.views import NAMES, account_view, money
from steelyard.quantities import InputError, SteelyardError
from steelyard.service.access.matrix import Matrix, check_routes
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.answers.catalog import methods
from steelyard.service.channels import channel_rows, snapshot_of
from steelyard.service.channels import payloads as shapes
from steelyard.service.channels.accounts import AccountsPublisher
from steelyard.service.channels.methods import memory_methods
from steelyard.service.channels.names import INTERVALS, KINDS, parse_channel, pattern
from steelyard.service.channels.publisher import Mark
from steelyard.service.channels.publishers import _MADE
from steelyard.service.host import Host, Scene
from steelyard.service.host.figures import exact_sum, open_interest, units_by_state
from steelyard.service.host.recall import recall
from steelyard.service.rpc.dispatch import Dispatcher
from steelyard.service.rpc.registry import Registry
from steelyard.ticks import (
    KillSwitchPulled,
    SignalListed,
    SignalTick,
    Smile,
    SurfaceUpdate,
    TradingRestricted,
)
from tests.service.channels.readers import ALICE, EVERY, NOBODY, RISK, same, truth
from tests.service.host.hosts import Hosted, prepared
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    EXPIRY_US,
    INSTRUMENTS,
    SECOND_US,
)

PAYLOADS = {
    "account": shapes.AccountData, "accounts": shapes.AccountsData, "events": shapes.EventsData,
    "liquidations": shapes.LiquidationsData, "overview": shapes.OverviewData,
    "transparency": shapes.TransparencyData, "health": shapes.HealthData,
    "surface": shapes.SurfaceData, "deribit_price_index": shapes.PriceIndexData,
}  # fmt: skip


@pytest.fixture(name="venue")
def make_venue(tmp_path: Path) -> Any:
    with prepared(tmp_path / "told.journal", shards=2) as journaled:
        yield Hosted(journaled)


def data_of(name: str, scene: Scene, session: Session = RISK) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(snapshot_of(name, scene, session))["params"]["data"]
    return found


# -- names and access ----------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(sorted(INTERVALS)),
    st.text(min_size=1, max_size=40),
)
def test_CHAN_001_a_name_is_read_as_it_is_written(kind: str, interval: str, subject: str) -> None:
    terms = KINDS[kind]
    words = [
        kind,
        *([subject] if terms.subject else []),
        *([interval] if terms.has_interval else []),
    ]
    found = parse_channel(".".join(words))
    assert found.kind == kind
    assert found.subject == (subject if terms.subject else "")
    assert found.interval_s == (INTERVALS[interval] if terms.has_interval else 0.0)


@pytest.mark.parametrize(
    "text",
    ["", ".", "account", "account.", "account.alice", "account..raw", "accounts", "accounts.", "accounts.raw.",
     "accounts.x.raw", "accounts.10ms", "ACCOUNTS.raw", "health", "health.BTC.raw", "surface.raw", "ticker..100ms",
     "deribit_price_index", "deribit_price_index.", "book.BTC.raw", "account." + "a" * 300 + ".raw", " accounts.raw"],
)  # fmt: skip
def test_CHAN_001_any_other_name_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_channel(text)
    assert caught.value.code == "CHAN-E01"
    assert "accounts.{interval}" in caught.value.rule


def test_CHAN_002_every_kind_has_a_row_and_a_publisher() -> None:
    rows = channel_rows()
    check_routes(Matrix(rows), [pattern(kind) for kind in _MADE])
    assert set(KINDS) == set(_MADE)
    assert {row.endpoint: (row.scope, row.touches) for row in rows} == {
        "account.{unit}.{interval}": ("read", "one"),
        "accounts.{interval}": ("risk", "every"),
        "events.{interval}": ("risk", "every"),
        "overview.{interval}": ("risk", "every"),
        "liquidations.{interval}": ("public", "none"),
        "surface.{asset}.{interval}": ("public", "none"),
        "health.{interval}": ("public", "none"),
        "transparency.{interval}": ("public", "none"),
        "ticker.{instrument}.{interval}": ("public", "none"),
        "deribit_price_index.{index_name}": ("public", "none"),
    }
    every = methods() + memory_methods(_no_scene())
    Matrix([*rows, *Registry(every).rows()])


def _no_scene() -> Any:
    return None


def test_CHAN_002_a_unit_is_read_by_who_reaches_its_account(venue: Hosted) -> None:
    scene = venue.host.scene
    iso = Session("k", frozenset({"read"}), frozenset({"iso"}))
    unit = f"account.iso/{BTC_LINEAR}.raw"
    assert data_of(unit, scene, iso)["account"]["account"] == "iso"
    for session, code in ((ALICE, "ACCS-E51"), (NOBODY, "ACCS-E50")):
        with pytest.raises(SteelyardError) as caught:
            snapshot_of(unit, scene, session)
        assert caught.value.code == code
    trader = Session("k", frozenset({"trade"}), frozenset({"iso"}))
    with pytest.raises(SteelyardError, match="ACCS-E53"):
        snapshot_of(unit, scene, trader)


# -- payloads ------------------------------------------------------------------------------------


def test_CHAN_015_payloads_are_of_their_stated_shapes(venue: Hosted) -> None:
    venue.price("BTC", 90_000.0)
    for name in EVERY:
        kind = parse_channel(name).kind
        if kind in PAYLOADS:
            body = msgspec.json.encode(data_of(name, venue.host.scene))
            assert msgspec.json.decode(body, type=PAYLOADS[kind])
            assert set(msgspec.json.decode(body)) == set(PAYLOADS[kind].__struct_encode_fields__)


def test_CHAN_015_accounts_are_the_views_of_every_unit(venue: Hosted) -> None:
    for price in (98_000.0, 90_000.0):
        venue.price("BTC", price)
    told = data_of("accounts.raw", venue.host.scene)
    engine = venue.engine
    assert sorted(told["units"]) == sorted(engine.places)
    for row, unit in enumerate(told["units"]):
        shard, place = engine.places[unit]
        view = account_view(shard.book, place, shard.results, engine.seq)
        assert (told["owners"][row], told["modes"][row]) == (view.account, view.mode)
        assert told["states"][told["state"][row]] == view.state
        assert told["positions"][row] == view.positions
        for name in NAMES[:5]:
            assert money(told[f"{name}_micro"][row]) == getattr(view, name), name


def test_CHAN_015_units_keep_their_rows_when_others_open(venue: Hosted) -> None:
    publisher = AccountsPublisher()
    before = publisher.read(venue.host.scene, None)
    kept = before.columns.copy()
    venue.transfer("maker", "long", "USDC", 5)
    from tests.support.venue import over_leveraged_long

    venue.open(*(over_leveraged_long(f"late-{k}", 20_000) for k in range(70)))
    after = publisher.read(venue.host.scene, before)
    assert after.units.names[: len(before.units.names)] == before.units.names
    assert (before.columns == kept).all(), "a state that was read stays"
    change = publisher.change(before, after, Mark(1, 0, 9, 9))
    assert change is not None
    known = len(before.units.names)
    rows = msgspec.json.decode(msgspec.json.encode(change))["rows"]
    named = [after.units.names[row] for row in rows]
    assert {"maker", "long"} <= set(named[: len(named) - 70])
    assert rows[-70:] == list(range(known, known + 70))
    assert sorted(change.units) == sorted(f"late-{k}" for k in range(70))
    assert (
        publisher.change(after, publisher.read(venue.host.scene, after), Mark(2, 1, 9, 9)) is None
    )


def test_CHAN_015_open_interest_is_the_sum_of_longs(venue: Hosted) -> None:
    found = open_interest(venue.engine)
    lots: dict[str, int] = {}
    for unit in venue.engine.places:
        for terms in INSTRUMENTS:
            held = venue.position(unit, terms.name)[0]
            lots[terms.name] = lots.get(terms.name, 0) + max(0, held)
    assert found.by_instrument[BTC_LINEAR] == lots[BTC_LINEAR] / 10**4 == 3.0
    assert found.by_instrument[BTC_INVERSE] == pytest.approx(lots[BTC_INVERSE] * 100 / 100_000)
    assert found.usd_by_underlying == {"BTC": pytest.approx(3 * 100_000 + 300 * 100)}
    assert BTC_CALL not in found.by_instrument, f"those long it are the {MARKET}"
    health = data_of("health.raw", venue.host.scene)
    marks = {m["instrument"]: m for a in health["assets"] for m in a["marks"]}
    assert marks[BTC_LINEAR]["open_interest"] == 3.0
    assert marks[BTC_INVERSE]["mark_price"] == 100_000.0


def test_CHAN_015_health_tells_sources_bands_and_signals(venue: Hosted) -> None:
    venue.send(SignalListed, "dvol", "volatility_index", "BTC", 0.0, 5.0, 0.5, 60 * SECOND_US, 0.5)
    venue.send(SignalTick, "dvol", "venue", 0.6, 0.9, venue.now_us)
    venue.quote("alpha", "BTC", 100_200.0)
    venue.wait(2 * SECOND_US)
    venue.quote("beta", "BTC", 100_100.0)
    health = data_of("health.raw", venue.host.scene)
    bitcoin = next(each for each in health["assets"] if each["asset"] == "BTC")
    assert (bitcoin["index_low"], bitcoin["index_high"]) == (100_000.0, 100_200.0)
    assert bitcoin["index_price"] == 100_100.0
    alpha = next(each for each in bitcoin["sources"] if each["source"] == "alpha")
    assert (alpha["operator"], alpha["quote"], alpha["verdict"]) == ("one", "USD", "used")
    assert (alpha["price"], alpha["age_us"]) == (100_200.0, 2 * SECOND_US)
    assert bitcoin["implied_volatility"] == 0.5
    assert bitcoin["depth_bid_usd"] is None
    (signal,) = health["signals"]
    assert (signal["signal"], signal["value"], signal["confidence"]) == ("dvol", 0.6, 0.9)
    assert signal["age_us"] == 2 * SECOND_US
    venue.protect("BTC")
    health = data_of("health.raw", venue.host.scene)
    bitcoin = next(each for each in health["assets"] if each["asset"] == "BTC")
    assert bitcoin["is_protected"]
    assert (bitcoin["index_low"], bitcoin["index_high"]) == (None, None)


def test_CHAN_015_an_empty_venue_has_channels_too(tmp_path: Path) -> None:
    from steelyard.engine import create_engine
    from tests.support.method import load_method
    from tests.support.venue import listings

    with create_engine(tmp_path / "empty.journal", load_method()) as journaled:
        venue = Hosted(journaled)
        scene = venue.host.scene
        empty = [n for n in EVERY if parse_channel(n).subject == ""]
        for name in empty:
            assert data_of(name, scene)
        assert data_of("accounts.raw", scene)["units"] == []
        listings(venue)
        health = data_of("health.raw", scene)
        assert [each["index_low"] for each in health["assets"]] == [None, None]
        assert data_of("transparency.raw", scene)["indices"] == {}
        assert data_of("surface.BTC.raw", scene)["index_price"] == 0.0
        with pytest.raises(SteelyardError, match="CHAN-E02"):
            snapshot_of("deribit_price_index.btc_usd", scene, NOBODY)


def test_CHAN_015_a_fitted_surface_shows_its_curve(venue: Hosted) -> None:
    scene = venue.host.scene
    told = data_of("surface.BTC.raw", scene)
    (smile,) = told["smiles"]
    assert (smile["strikes"], smile["implied_volatilities"]) == ([100_000.0], [0.5])
    assert (smile["curve_strikes"], smile["curve_volatilities"]) == ([], [])
    years = (EXPIRY_US - venue.now_us) / 31_536_000_000_000
    flat = Smile(EXPIRY_US, 100_500.0, "fitted", 0.36 * years, 0.0, 0.0, 0.0, 0.1)
    venue.send(SurfaceUpdate, "BTC", 100_000.0, [flat], venue.now_us)
    told = data_of("surface.BTC.raw", scene)
    (smile,) = told["smiles"]
    assert smile["forward_price"] == pytest.approx(100_500.0)
    assert smile["implied_volatilities"] == [pytest.approx(0.6)]
    assert smile["curve_volatilities"] == pytest.approx([0.6] * 41)
    assert smile["curve_strikes"][0] == pytest.approx(80_000.0)
    assert smile["curve_strikes"][-1] == pytest.approx(125_000.0)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_CHAN_015_totals_are_exact(values: list[int]) -> None:
    assert exact_sum(np.array(values, np.int64)) == sum(values)


def test_CHAN_015_the_overview_adds_up(venue: Hosted) -> None:
    for price in (97_000.0, 90_000.0):
        venue.price("BTC", price)
        venue.tick(SECOND_US)
    told = data_of("overview.raw", venue.host.scene)
    states = units_by_state(venue.engine)
    assert told["units_by_state"] == states
    assert sum(states.values()) == len(venue.engine.places)
    assert told["accounts"] == 7
    assert told["title"] == "Test venue"
    tally = venue.host.tally
    assert told["liquidated"] == len(tally.liquidated) > 0
    assert told["bad_debt_micro"] == tally.bad_debt
    accounts = data_of("accounts.raw", venue.host.scene)
    assert told["total_equity_micro"] == sum(accounts["equity_micro"])
    assert told["total_maintenance_requirement_micro"] == sum(
        accounts["maintenance_requirement_micro"]
    )
    assert told["insurance_fund_micro"] == venue.balance("insurance_fund")
    assert told["method_hash"] == venue.engine.method.digest().hex()
    assert told["controls"] == []


# -- as of another event -------------------------------------------------------------------------


def test_CHAN_009_a_snapshot_is_a_function_of_an_engine_and_its_records(venue: Hosted) -> None:
    for price in (98_500.0, 97_000.0, 90_000.0):
        venue.price("BTC", price)
        venue.tick(SECOND_US)
    venue.volatility(0.6)
    path = venue.journaled.path
    venue.journaled.snapshot()
    venue.journaled.wait()
    live = venue.host.scene
    before = {name: truth(name, live) for name in EVERY}
    again = {name: truth(name, live) for name in EVERY}
    assert all(same(again[name], before[name]) for name in EVERY)
    venue.journaled.close()
    with open_engine(path, shards=1) as opened:
        scene = Scene(opened.engine, live.title)
        recall(path, scene.chronicle, scene.instruments())
        for name in EVERY:
            true = truth(name, scene)
            if parse_channel(name).kind in ("events", "liquidations"):
                assert true["lines"][-len(before[name]["lines"]) :] == before[name]["lines"]
                continue
            for told in (before[name], true):
                told.pop("refused", None)
            assert same(before[name], true), name


def test_CHAN_011_transparency_tells_nothing_of_an_account(venue: Hosted) -> None:
    for price in (97_000.0, 90_000.0):
        venue.price("BTC", price)
    for name in ("transparency.raw", "liquidations.raw", "health.raw"):
        body = snapshot_of(name, venue.host.scene, ANONYMOUS).decode()
        for unit in venue.engine.places:
            assert f'"{unit}"' not in body, (name, unit)
    told = data_of("transparency.raw", venue.host.scene, ANONYMOUS)
    assert (told["state_hash"], told["sums_are_zero"]) == ("", False)
    venue.host.snapshot()
    told = data_of("transparency.raw", venue.host.scene, ANONYMOUS)
    assert told["state_hash"] == venue.hash().hex()
    assert told["state_hash_seq"] == venue.engine.seq
    assert told["sums_are_zero"]
    assert told["indices"] == {"BTC": 90_000.0, "ETH": 4_000.0}
    assert told["conditions"]["BTC"] == "healthy"


# -- methods -------------------------------------------------------------------------------------


def ask(host: Host, method: str, session: Session, **params: object) -> dict[str, Any]:
    service = Dispatcher(
        Registry(methods() + memory_methods(host.scene)), charge=lambda *_: None, on_incident=print
    )
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    answer = service.answer(body, session, host.desk, lambda: 0)
    assert answer is not None
    found: dict[str, Any] = msgspec.json.decode(answer)
    return found


def test_CHAN_012_history_tells_the_venue_over_time(venue: Hosted) -> None:
    start = venue.engine.seq
    for number in range(1, 4):
        venue.wait(SECOND_US)
        venue.price("BTC", 100_000.0 - 3_000.0 * number)
    told = ask(venue.host, "private/get_history", RISK)["result"]
    assert msgspec.convert(told, shapes.HistoryData)
    assert told["time_us"] == [venue.now_us - k * SECOND_US for k in (3, 2, 1, 0)]
    assert told["seq"] == [start, start + 1, start + 4, start + 7]
    assert told["index_prices"]["ETH"] == [4_000.0] * 4
    assert told["index_prices"]["BTC"] == [100_000.0, 100_000.0, 97_000.0, 94_000.0]
    sums = [sum(each) for each in zip(*told["units_by_state"].values(), strict=True)]
    assert sums == [len(venue.engine.places)] * 4
    some = Session("some", frozenset({"risk"}), frozenset({"long"}))
    assert ask(venue.host, "private/get_history", some)["error"]["data"]["code"] == "ACCS-E51"
    assert ask(venue.host, "private/get_history", ALICE)["error"]["data"]["code"] == "RPCJ-E10"


def test_CHAN_012_a_story_is_of_ones_own_account(venue: Hosted) -> None:
    for price in (97_500.0, 90_000.0):
        venue.price("BTC", price)
    told = ask(venue.host, "private/get_story", ALICE)["result"]
    assert told["account"] == "long"
    assert {line["subject"] for line in told["lines"]} == {"long"}
    assert {"state", "close"} <= {line["kind"] for line in told["lines"]}
    assert ask(venue.host, "private/get_story", ALICE, account="long")["result"] == told
    iso = ask(venue.host, "private/get_story", RISK, account="iso")["result"]["lines"]
    unit = ask(venue.host, "private/get_story", RISK, account=f"iso/{BTC_LINEAR}")["result"][
        "lines"
    ]
    assert unit == [line for line in iso if line["subject"] != "iso"] != []
    for session, params, code in (
        (ALICE, {"account": "maker"}, "ANSW-E03"),
        (ALICE, {"account": "nobody"}, "ANSW-E03"),
        (RISK, {"account": "nobody"}, "ANSW-E03"),
        (RISK, {}, "ANSW-E02"),
        (NOBODY, {}, "RPCJ-E09"),
    ):
        found = ask(venue.host, "private/get_story", session, **params)
        assert found["error"]["data"]["code"] == code, params
    assert ask(venue.host, "private/get_story", RISK, account="maker")["result"]["lines"] == []


def test_CHAN_012_status_and_transparency_are_anybodys(venue: Hosted) -> None:
    told = ask(venue.host, "public/status", NOBODY)["result"]
    assert told == {"locked": "false", "locked_indices": [], "as_of_seq": venue.engine.seq}
    venue.protect("BTC")
    told = ask(venue.host, "public/status", NOBODY)["result"]
    assert (told["locked"], told["locked_indices"]) == ("partial", ["btc_usd"])
    venue.wait(10**9)
    venue.tick()
    assert ask(venue.host, "public/status", NOBODY)["result"]["locked"] == "true"
    public = ask(venue.host, "public/get_transparency", NOBODY)["result"]
    assert public == data_of("transparency.raw", venue.host.scene, NOBODY)
    assert BTC_PUT not in str(public)


def test_CHAN_012_what_operators_ordered_is_told(venue: Hosted) -> None:
    until_us = venue.now_us + 3_600 * SECOND_US
    venue.send(TradingRestricted, "h1", "halt", "underlying", "BTC", "ann", "odd prices", until_us)
    told = ask(venue.host, "public/status", NOBODY)["result"]
    assert (told["locked"], told["locked_indices"]) == ("partial", ["btc_usd"])
    (words,) = data_of("overview.raw", venue.host.scene)["controls"]
    assert words == "trading halt h1 on BTC, until 2027-01-15 09:00:00 UTC"
    assert data_of("events.raw", venue.host.scene)["events"][-1]["kind"] == "control"
    venue.send(TradingRestricted, "r1", "reduce_only", "venue", "", "ann", "calm", 0)
    assert ask(venue.host, "public/status", NOBODY)["result"]["locked"] == "partial"
    assert (
        data_of("overview.raw", venue.host.scene)["controls"][-1] == "reduce-only r1 on the venue"
    )
    venue.send(KillSwitchPulled, "k1", "freeze", "bob", "stop")
    assert ask(venue.host, "public/status", NOBODY)["result"]["locked"] == "true"
