"""Admission: every refusal has its code, a rule and a cure, and leaves the engine as it was."""

from __future__ import annotations

import pytest

from steelyard.actions import SourceChanged
from steelyard.book import RestingOrder
from steelyard.quantities import UNITS_MAX
from steelyard.terms import AccountRecord, Asset, Instrument
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    Funding,
    InstrumentsListed,
    OrderCancelled,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    SourceListed,
    SourcePrice,
    SourceStatus,
    TimeTick,
    VolatilityUpdate,
)
from tests.support.venue import (
    BTC_CALL,
    BTC_INVERSE,
    BTC_LINEAR,
    BTC_PUT,
    COIN,
    DAY_US,
    ETH_LINEAR,
    INSTRUMENTS,
    INVERSE_100K,
    LINEAR_100K,
    MARKET,
    SECOND_US,
    STALE_US,
    USD,
    Venue,
    held,
    isolated_long,
    listings,
    market_maker,
    open_venue,
    option_writer,
    over_leveraged_long,
)


@pytest.fixture
def venue() -> Venue:
    """Return a venue with a rich account, a thin one and an isolated one."""
    venue = open_venue()
    venue.open(market_maker(), over_leveraged_long(), isolated_long())
    return venue


# -- E01 and E02: order --------------------------------------------------------------------------


def test_ENGN_001_time_never_goes_backwards(venue: Venue) -> None:
    venue.tick(SECOND_US)
    with venue.refuses("ADMT-E01"):
        venue.tick(-1)


def test_ENGN_002_a_repeat_is_refused_and_origins_count_apart(venue: Venue) -> None:
    for number in (venue.number, venue.number - 1, 0):
        with venue.refuses("ADMT-E02"):
            venue.submit(TimeTick(venue.now_us, "test", number))
    venue.submit(TimeTick(venue.now_us, "other", 0))
    with venue.refuses("ADMT-E02"):
        venue.submit(TimeTick(venue.now_us, "other", 0))


# -- E03: unknown names, and what has no price ---------------------------------------------------


def test_ENGN_003_unknown_names_are_refused(venue: Venue) -> None:
    now = venue.now_us
    for kind, fields in (
        (PriceTick, ("alpha", "DOGE", 1.0, now)),
        (PriceTick, ("omega", "BTC", 1e5, now)),
        (QuoteTick, ("DOGE-PERPETUAL", 1.0, 2.0, now)),
        (QuoteTick, (BTC_CALL, 1.0, 2.0, now)),
        (VolatilityUpdate, ("DOGE", [BTC_CALL], [0.5], [1.0], now)),
        (VolatilityUpdate, ("BTC", ["nothing"], [0.5], [1.0], now)),
        (VolatilityUpdate, ("BTC", [BTC_LINEAR], [0.5], [1.0], now)),
        (VolatilityUpdate, ("ETH", [BTC_CALL], [0.5], [1.0], now)),
        (SourceListed, ("alpha", "DOGE", "one", 1, 1)),
        (SourceListed, ("alpha", "BTC", "one", 1, 1, "spot", "EUR")),
        (SourceListed, ("alpha", "BTC", "one", 1, 1, "spot", "BTC")),
        (SourceStatus, ("omega", "BTC", "down", "no connection", now)),
        (PriceBatch, ([SourcePrice("omega", "BTC", 1e5, now)],)),
        (Funding, ("nothing", 1)),
        (Funding, (BTC_CALL, 1)),
        (OrderCancelled, ("maker", "nothing")),
        (InstrumentsListed, ([Instrument("D", "perpetual", "DOGE", "USDC", False, 4, 2, 9)],)),
        (InstrumentsListed, ([Instrument("D", "perpetual", "BTC", "EUR", False, 4, 2, 9)],)),
    ):
        with venue.refuses("ADMT-E03"):
            venue.send(kind, *fields)


def test_ENGN_003_orders_and_fills_name_open_accounts_and_listed_instruments(venue: Venue) -> None:
    for account, instrument in (
        ("nobody", BTC_LINEAR),
        ("maker", "nothing"),
        (MARKET, BTC_LINEAR),
        ("insurance_fund", BTC_LINEAR),
        ("iso", ETH_LINEAR),  # its isolated position is not open
    ):
        with venue.refuses("ADMT-E03"):
            venue.order(account, "o", instrument, 1, 100.0)
        if account != MARKET:
            with venue.refuses("ADMT-E03"):
                venue.fill(instrument, account, MARKET, 1, 100.0)


def test_ENGN_003_an_isolated_position_trades_its_own_instrument_alone(venue: Venue) -> None:
    unit = f"iso/{BTC_LINEAR}"
    with venue.refuses("ADMT-E03"):
        venue.fill(ETH_LINEAR, unit, MARKET, 1, 4_000.0)
    with venue.refuses("ADMT-E03"):
        venue.order(unit, "o", ETH_LINEAR, 1, 4_000.0)
    venue.fill(BTC_LINEAR, unit, MARKET, 1, 100_000.0)
    assert venue.position(unit, BTC_LINEAR)[0] == 10_001


def test_ENGN_003_what_does_not_trade_takes_no_orders_and_no_fills(venue: Venue) -> None:
    later = Instrument(
        "BTC-LATER-C", "option", "BTC", "BTC", True, 2, 8, 10**7,
        strike="100000", expiry_us=venue.now_us + 60 * DAY_US, is_call=True,
    )  # fmt: skip
    venue.send(InstrumentsListed, [later])
    with venue.refuses("ADMT-E03"):
        venue.order("maker", "o", "BTC-LATER-C", 1, 0.01)
    with venue.refuses("ADMT-E03"):
        venue.fill("BTC-LATER-C", "maker", MARKET, 1, 0.01)
    venue.wait(30 * DAY_US)
    venue.price("BTC", 100_000.0)
    venue.tick()
    for instrument in (BTC_CALL, BTC_PUT):
        with venue.refuses("ADMT-E03"):
            venue.order("maker", "o", instrument, 1, 0.01)
        with venue.refuses("ADMT-E03"):
            venue.fill(instrument, "maker", MARKET, 1, 0.01)


def test_ENGN_003_a_fill_names_orders_of_its_own_side_and_instrument(venue: Venue) -> None:
    venue.order("maker", "bid", BTC_LINEAR, 10, 90_000.0)
    for instrument, price, buy_order, sell_order in (
        (ETH_LINEAR, 4_000.0, "bid", ""),
        (BTC_LINEAR, 90_000.0, "", "bid"),
    ):
        buyer, seller = ("maker", MARKET) if buy_order else (MARKET, "maker")
        with venue.refuses("ADMT-E03"):
            venue.fill(instrument, buyer, seller, 1, price, buy_order, sell_order)


def test_ENGN_003_nothing_is_loaded_without_a_price() -> None:
    venue = Venue()
    listings(venue)
    with venue.refuses("ADMT-E03"):
        venue.open(AccountRecord("a", "cross", {"BTC": 1}, []))
    with venue.refuses("ADMT-E03"):
        venue.open(AccountRecord("a", "cross", {}, [held(BTC_LINEAR, 1, LINEAR_100K)]))
    venue.price("BTC", 1e5)
    with venue.refuses("ADMT-E03"):
        venue.open(AccountRecord("a", "cross", {}, [held(BTC_CALL, 1)]))
    with venue.refuses("ADMT-E03"):
        venue.open(AccountRecord("a", "cross", {"DOGE": 1}, []))
    with venue.refuses("ADMT-E03"):
        venue.open(AccountRecord("a", "cross", {}, [held("nothing", 1)]))


def test_ENGN_003_transfers_name_open_accounts_and_priced_assets(venue: Venue) -> None:
    venue.send(AssetListed, Asset("SOL", 8, 4))
    for source, target, asset in (
        ("maker", "nobody", "USDC"),
        ("nobody", "maker", "USDC"),
        ("maker", MARKET, "USDC"),
        ("fees", "maker", "USDC"),
        ("maker", f"maker/{BTC_LINEAR}", "USDC"),  # not an isolated account
        ("iso", "iso/nothing", "USDC"),
        ("external", "maker", "SOL"),
        ("external", "maker", "DOGE"),
    ):
        with venue.refuses("ADMT-E03"):
            venue.transfer(source, target, asset, 1)


# -- E04: listed already -------------------------------------------------------------------------


def test_ENGN_004_things_are_listed_once(venue: Venue) -> None:
    with venue.refuses("ADMT-E04"):
        venue.send(AssetListed, Asset("BTC", 8, 2))
    with venue.refuses("ADMT-E04"):
        venue.send(AssetListed, Asset("USDC", 6, 6))
    with venue.refuses("ADMT-E04"):
        venue.send(InstrumentsListed, [INSTRUMENTS[0]])
    new = Instrument("N", "perpetual", "BTC", "USDC", False, 4, 2, 10**9)
    with venue.refuses("ADMT-E04"):
        venue.send(InstrumentsListed, [new, new])
    with venue.refuses("ADMT-E04"):
        venue.open(market_maker())
    with venue.refuses("ADMT-E04"):
        venue.open(market_maker("new"), market_maker("new"))
    twice = [held(BTC_LINEAR, 1, LINEAR_100K)] * 2
    for mode in ("cross", "isolated"):
        with venue.refuses("ADMT-E04"):
            venue.open(AccountRecord("new", mode, {}, twice))  # type: ignore[arg-type]


def test_ENGN_004_one_bad_account_refuses_the_whole_event(venue: Venue) -> None:
    with venue.refuses("ADMT-E03"):
        venue.open(market_maker("good"), AccountRecord("bad", "cross", {"DOGE": 1}, []))
    assert venue.engine.locate("good") is None


# -- E05: prices ---------------------------------------------------------------------------------


def test_ENGN_005_impossible_prices_are_on_record_and_move_nothing(venue: Venue) -> None:
    mark = venue.mark(BTC_LINEAR)
    for price, verdict in (
        (800_001.0, "absurd"), (12_499.0, "absurd"), (9.1e8, "absurd"), (799_999.0, "deviating"),
        (float("nan"), "invalid"), (0.0, "invalid"), (-1.0, "invalid"), (float("inf"), "invalid"),
    ):  # fmt: skip
        venue.quote("alpha", "BTC", 100_000.0)
        (told,) = venue.quote("alpha", "BTC", price)
        assert isinstance(told, SourceChanged)
        assert (told.source, told.verdict) == ("alpha", verdict)
        assert venue.mark(BTC_LINEAR) == mark


def test_ENGN_005_beyond_the_absurd_two_persons_decide(venue: Venue) -> None:
    decided = (10_000.0, "judgement", ["ann", "bob"], "delisted elsewhere")
    with venue.refuses("ADMT-E08"):
        venue.send(PriceDecision, "BTC", *decided, venue.now_us + SECOND_US)
    mark = venue.mark(BTC_LINEAR)
    venue.price("BTC", 10_000.0)
    assert venue.engine.market.is_protected[venue.engine.market.asset_slots["BTC"]]
    assert venue.mark(BTC_LINEAR) == mark
    venue.send(PriceDecision, "BTC", *decided, venue.now_us + SECOND_US)
    assert venue.mark(BTC_LINEAR) == 1_000_000
    assert not venue.engine.market.is_protected[venue.engine.market.asset_slots["BTC"]]
    assert venue.engine.market.indices[1].condition == "decided"
    venue.wait()
    venue.price("BTC", 10_000.0)
    assert venue.engine.market.indices[1].condition == "healthy"


def test_ENGN_005_prices_from_the_future_are_refused(venue: Venue) -> None:
    late = venue.now_us + 5 * SECOND_US
    venue.send(PriceTick, "alpha", "BTC", 1e5, late)
    for kind, fields in (
        (QuoteTick, (BTC_LINEAR, 1e5, 1e5, late + 1)),
        (VolatilityUpdate, ("BTC", [BTC_CALL], [0.5], [1.0], late + 1)),
    ):
        with venue.refuses("ADMT-E05"):
            venue.send(kind, *fields)
    (told,) = venue.send(PriceTick, "alpha", "BTC", 1e5, late + 1)
    assert isinstance(told, SourceChanged)
    assert told.verdict == "clock"


def test_ENGN_005_orders_and_fills_fit_the_scale_of_the_instrument(venue: Venue) -> None:
    venue.fill(BTC_INVERSE, "maker", MARKET, 100, 100_000.0)
    venue.fill(BTC_CALL, "maker", MARKET, 100, 0.05)
    for instrument, price in ((BTC_INVERSE, 1e-9), (BTC_CALL, 1e-9), (BTC_CALL, 1e12)):
        with venue.refuses("ADMT-E05"):
            venue.order("maker", "o", instrument, -50, price)
        with venue.refuses("ADMT-E05"):
            venue.fill(instrument, MARKET, "maker", 50, price)


def test_ENGN_005_an_entry_mark_has_the_sign_of_its_instrument(venue: Venue) -> None:
    for instrument, mark in (
        (BTC_LINEAR, 0),
        (BTC_LINEAR, -LINEAR_100K),
        (BTC_INVERSE, -INVERSE_100K),
        (BTC_INVERSE, 0),
        (BTC_CALL, -1),
    ):
        with venue.refuses("ADMT-E05"):
            venue.open(AccountRecord("a", "cross", {}, [held(instrument, 1, mark)]))


# -- E06: not covered ----------------------------------------------------------------------------


def test_ENGN_006_an_order_is_admitted_only_when_covered(venue: Venue) -> None:
    # 2,000 against 1,311.25: 688.75 are free; a lot needs 0.08, a fee of 0.005 and 0.0505 to close.
    for quantity, is_covered in ((4_900, True), (5_300, False), (200_000, False)):
        if is_covered:
            venue.order("long", "o", BTC_LINEAR, quantity, 100_000.0)
            risk = venue.risk("long")
            assert risk.initial_balance >= risk.initial_requirement
            venue.send(OrderCancelled, "long", "o")
        else:
            with venue.refuses("ADMT-E06"):
                venue.order("long", "o", BTC_LINEAR, quantity, 100_000.0)


def test_ENGN_006_a_replaced_order_counts_once(venue: Venue) -> None:
    venue.order("long", "o", BTC_LINEAR, 3_000, 100_000.0)
    venue.order("long", "o", BTC_LINEAR, 4_500, 100_000.0)
    with venue.refuses("ADMT-E06"):
        venue.order("long", "o", BTC_LINEAR, 5_300, 100_000.0)
    assert venue.orders("long") == {"o": 4_500}


def test_ENGN_007_reducing_orders_are_always_admitted(venue: Venue) -> None:
    venue.price("BTC", 98_960.0)  # below the initial requirement, above maintenance
    with venue.refuses("ADMT-E06"):
        venue.order("long", "more", BTC_LINEAR, 1, 98_000.0)
    venue.order("long", "half", BTC_LINEAR, -5_000, 99_000.0)
    venue.order("long", "rest", BTC_LINEAR, -5_000, 99_500.0)
    with venue.refuses("ADMT-E06"):
        venue.order("long", "too much", BTC_LINEAR, -1, 99_500.0)
    venue.order("long", "half", BTC_LINEAR, -4_999, 99_000.0)
    venue.protect("BTC")
    venue.order("long", "half", BTC_LINEAR, -5_000, 99_000.0)
    assert venue.orders("long") == {"half": -5_000, "rest": -5_000}


def test_ENGN_007_selling_a_hedge_is_covered_as_any_other() -> None:
    venue = open_venue()
    # A long of 1 BTC in coins' contracts, hedged by a short of 1 BTC in USDC's: 1,000 x 100 USD against 10,000 lots.
    pair = [held(BTC_LINEAR, -10_000, LINEAR_100K), held(BTC_INVERSE, 1_000, INVERSE_100K)]
    venue.open(AccountRecord("pair", "portfolio", {"USDC": 3_000 * USD}, pair))
    before = venue.risk("pair")
    free = before.initial_balance - before.initial_requirement
    assert free > 0
    with venue.refuses("ADMT-E06"):  # 1.3 x 15 % of 100,000 would be needed behind what is left
        venue.order("pair", "unhedge", BTC_LINEAR, 10_000, 100_000.0)
    assert venue.orders("pair") == {}
    venue.order("pair", "some", BTC_LINEAR, 500, 100_000.0)  # 0.05 BTC: 975 and costs are there
    assert venue.risk("pair").initial_balance >= venue.risk("pair").initial_requirement
    venue.send(OrderCancelled, "pair", "some")


def test_ENGN_007_what_is_a_risk_may_be_left_by_a_portfolio_that_lacks_margin() -> None:
    venue = open_venue()
    short = [held(BTC_LINEAR, -10_000, LINEAR_100K)]
    venue.open(AccountRecord("naked", "portfolio", {"USDC": 20_500 * USD}, short))
    venue.price("BTC", 101_000.0)  # below the initial requirement, above the maintenance one
    risk = venue.risk("naked")
    assert risk.initial_balance < risk.initial_requirement
    with venue.refuses("ADMT-E06"):
        venue.order("naked", "more", BTC_LINEAR, -1, 101_000.0)
    for lots in (1, 5_000, 10_000):
        venue.order("naked", "less", BTC_LINEAR, lots, 101_000.0)
        assert venue.orders("naked") == {"less": lots}


def test_ENGN_006_isolated_margins_are_covered_by_the_balance(venue: Venue) -> None:
    positions = [held(BTC_LINEAR, 1, LINEAR_100K, 600), held(ETH_LINEAR, 1, 40_000_000, 500)]
    with venue.refuses("ADMT-E06"):
        venue.open(AccountRecord("a", "isolated", {"USDC": 1_099}, positions))
    venue.open(AccountRecord("a", "isolated", {"USDC": 1_100}, positions))
    assert venue.balance("a") == 0


def test_ENGN_008_withdrawals_are_limited_to_what_is_free(venue: Venue) -> None:
    free = 2_000 * USD - 1_311_250_000
    assert venue.engine.withdrawable("long", 0) == free
    with venue.refuses("ADMT-E06"):
        venue.transfer("long", "external", "USDC", free + 1)
    venue.transfer("long", "external", "USDC", free)
    risk = venue.risk("long")
    assert risk.initial_balance == risk.initial_requirement
    with venue.refuses("ADMT-E06"):
        venue.transfer("long", "maker", "USDC", 1)


def test_ENGN_008_unrealised_profit_is_not_withdrawable(venue: Venue) -> None:
    venue.price("BTC", 110_000.0)
    risk = venue.risk("long")
    assert risk.equity == 12_000 * USD
    free = 2_000 * USD - risk.initial_requirement
    assert venue.engine.withdrawable("long", 0) == free
    with venue.refuses("ADMT-E06"):
        venue.transfer("long", "external", "USDC", free + 1)
    venue.fill(BTC_LINEAR, MARKET, "long", 10_000, 110_000.0)
    assert venue.engine.withdrawable("long", 0) > 11_000 * USD


def test_ENGN_008_a_coin_that_hedges_is_not_free() -> None:
    venue = open_venue()
    short = [held(BTC_LINEAR, -10_000, LINEAR_100K)]
    venue.open(AccountRecord("basis", "portfolio", {"BTC": COIN, "USDC": 3_000 * USD}, short))
    units = venue.engine.withdrawable("basis", 1)
    assert 0 < units < COIN  # in value the account could spare all of it
    with venue.refuses("ADMT-E06"):
        venue.transfer("basis", "external", "BTC", units + 1)
    venue.transfer("basis", "external", "BTC", units)
    risk = venue.risk("basis")
    assert 0 <= risk.initial_balance - risk.initial_requirement < 5_000_000


def test_ENGN_008_an_account_without_positions_can_leave_with_all(venue: Venue) -> None:
    venue.open(AccountRecord("saver", "cross", {"USDC": 5, "BTC": 7}, []))
    venue.transfer("saver", "external", "BTC", 7)
    venue.transfer("saver", "external", "USDC", 5)
    with venue.refuses("ADMT-E06"):
        venue.transfer("saver", "external", "USDC", 1)


# -- E07: protected ------------------------------------------------------------------------------


def test_ENGN_009_a_protected_asset_takes_no_new_risk(venue: Venue) -> None:
    venue.protect("BTC")
    with venue.refuses("ADMT-E07"):
        venue.order("maker", "o", BTC_LINEAR, 1, 100_000.0)
    with venue.refuses("ADMT-E07"):
        venue.send(Funding, BTC_LINEAR, 1)
    venue.order("maker", "o", ETH_LINEAR, 1, 4_000.0)
    venue.fill(BTC_LINEAR, "maker", MARKET, 1, 100_000.0)  # a fill is a fact


def test_ENGN_009_nothing_is_withdrawn_against_a_price_that_is_not_known(venue: Venue) -> None:
    venue.order("maker", "o", ETH_LINEAR, 1, 4_000.0)
    venue.protect("BTC")
    for account in ("maker", "long"):
        with venue.refuses("ADMT-E07"):
            venue.transfer(account, "external", "USDC", 1)
    venue.open(AccountRecord("saver", "cross", {"BTC": 7}, []))
    venue.transfer("saver", "external", "BTC", 7)
    venue.transfer("external", "long", "USDC", 1)


# -- E08: limits ---------------------------------------------------------------------------------


def test_ENGN_010_names_of_accounts_keep_their_rules(venue: Venue) -> None:
    for name in ("", "a/b", "x" * 65, "tab\tname", "market", "insurance_fund", "external"):
        with venue.refuses("ADMT-E08"):
            venue.open(AccountRecord(name, "cross", {}, []))
    with venue.refuses("ADMT-E08"):
        venue.open(AccountRecord("a", "margin", {}, []))  # type: ignore[arg-type]


def test_ENGN_010_positions_stay_in_their_limits(venue: Venue) -> None:
    limit = 10**9
    with venue.refuses("ADMT-E08"):
        venue.order("maker", "o", BTC_LINEAR, limit + 1, 100_000.0)
    with venue.refuses("ADMT-E08"):
        venue.fill(BTC_LINEAR, "maker", MARKET, limit + 1, 100_000.0)
    for quantity, mark in ((0, 10**7), (limit + 1, 10**7), (-limit - 1, 10**7), (1, 10**12)):
        with venue.refuses("ADMT-E08"):
            venue.open(AccountRecord("a", "cross", {}, [held(BTC_LINEAR, quantity, mark)]))
    margin = held(BTC_LINEAR, 1, 10**7, -1)
    with venue.refuses("ADMT-E08"):
        venue.open(AccountRecord("a", "isolated", {}, [margin]))


def test_ENGN_010_resting_orders_together_stay_in_the_limit() -> None:
    venue = open_venue()
    small = Instrument("S", "perpetual", "BTC", "USDC", False, 4, 2, 100)
    venue.send(InstrumentsListed, [small])
    venue.open(market_maker())
    venue.order("maker", "one", "S", 60, 90_000.0)
    with venue.refuses("ADMT-E08"):
        venue.order("maker", "two", "S", 41, 90_000.0)
    venue.order("maker", "two", "S", 40, 90_000.0)
    venue.order("maker", "ask", "S", -100, 110_000.0)
    venue.order("maker", "one", "S", 50, 90_000.0)


def test_ENGN_010_an_account_has_a_thousand_orders(venue: Venue) -> None:
    book, row = venue.engine.venue.find("maker")
    for k in range(999):
        book.put_order(row, RestingOrder(f"o{k}", venue.slot(ETH_LINEAR), 1, 3_000 * 10_000))
    venue.order("maker", "o999", ETH_LINEAR, 1, 3_000.0)
    with venue.refuses("ADMT-E08"):
        venue.order("maker", "one more", ETH_LINEAR, 1, 3_000.0)
    venue.order("maker", "o7", ETH_LINEAR, 2, 3_000.0)


def test_ENGN_011_balances_stay_within_bounds_on_both_sides(venue: Venue) -> None:
    with venue.refuses("ADMT-E08"):
        venue.open(AccountRecord("a", "cross", {"USDC": UNITS_MAX}, []))
    with venue.refuses("ADMT-E08"):
        venue.open(AccountRecord("a", "cross", {"USDC": -UNITS_MAX}, []))
    with venue.refuses("ADMT-E08"):
        venue.transfer("external", "maker", "USDC", UNITS_MAX)
    most = 10**17  # 100 billion USD
    venue.open(AccountRecord("a", "cross", {"USDC": most}, []))
    with venue.refuses("ADMT-E08"):
        venue.transfer("external", "a", "USDC", 1)


def test_ENGN_011_a_balance_is_worth_at_most_a_hundred_billion(venue: Venue) -> None:
    # 10^6 coins at 100,000 USD
    with venue.refuses("ADMT-E08"):
        venue.open(AccountRecord("a", "cross", {"BTC": 10**6 * COIN + 1}, []))
    venue.open(AccountRecord("a", "cross", {"BTC": 10**6 * COIN}, []))
    with venue.refuses("ADMT-E08"):
        venue.transfer("external", "a", "BTC", 1)
    assert venue.risk("a").equity == 10**17


def test_ENGN_011_the_world_outside_has_bounds_too() -> None:
    venue = open_venue()
    venue.open(*[AccountRecord(f"w{k}", "cross", {"USDC": 10**17}, []) for k in range(40)])
    more = [AccountRecord(f"v{k}", "cross", {"USDC": 10**17}, []) for k in range(10)]
    with venue.refuses("ADMT-E08"):
        venue.open(*more)
    venue.open(AccountRecord("zero", "cross", {}, []))
    venue.open(*more[:6])
    with venue.refuses("ADMT-E08"):
        venue.transfer("external", "zero", "USDC", 10**17)


def test_ENGN_011_fills_leave_balances_within_bounds() -> None:
    venue = open_venue()
    venue.open(market_maker())
    # 10^7 lots at 4,000 coins move 4·10^16 of 2^62 = 4.6·10^18 units: 115 fit, the next does not.
    for _ in range(115):
        venue.fill(BTC_CALL, MARKET, "maker", 10**7, 4_000.0)
        venue.fill(BTC_CALL, "maker", MARKET, 10**7, 0.000_000_01)
    assert venue.balance("maker", "BTC") > 0.98 * UNITS_MAX
    for _ in range(2):
        with venue.refuses("ADMT-E08"):
            venue.fill(BTC_CALL, MARKET, "maker", 10**7, 4_000.0)


def test_ENGN_012_a_linear_contract_settles_in_the_accounting_asset(venue: Venue) -> None:
    quanto = Instrument("Q", "perpetual", "BTC", "ETH", False, 4, 4, 10**9)
    with venue.refuses("ADMT-E08"):
        venue.send(InstrumentsListed, [quanto])


def test_ENGN_013_a_parameter_change_keeps_the_rules_of_the_method(venue: Venue) -> None:
    many = "[" + ",".join(
        f'{{"notional_usd_max":{k},"maintenance_ppm":{k},"initial_ppm":{k}}}'
        for k in [*range(1, 12), 0]
    ) + "]"  # fmt: skip
    for path, value, code in (
        ("underlying.BTC.nothing", "1", "TERM-E04"),
        ("nothing", "1", "TERM-E04"),
        ("underlying.BTC.range_ppm", "0", "TERM-E03"),
        ("underlying.BTC.range_ppm", '"wide"', "TERM-E03"),
        ("underlying.BTC.range_ppm", "{", "TERM-E03"),
        ("underlying.BTC.tiers", many, "TERM-E03"),
        ("index.default.basis_smoothing_us", "0", "TERM-E03"),
        ("grid.term_floor_days", "0", "TERM-E03"),
        ("liquidation.taker_fee_ppm", "-1", "TERM-E03"),
        ("liquidation.interval_us", "-1", "TERM-E03"),
        ("liquidation.target_ratio_ppm", "1050000", "TERM-E03"),
    ):
        with venue.refuses(code):
            venue.parameter(path, value)


def test_ENGN_014_every_refusal_names_origin_number_and_field(venue: Venue) -> None:
    with pytest.raises(Exception, match="ADMT-E03") as caught:
        venue.quote("omega", "BTC", 1e5)
    where = caught.value.where  # type: ignore[attr-defined]
    assert where == {"origin": "test", "origin_seq": venue.number, "field": "source"}
    with pytest.raises(Exception, match="ADMT-E03") as caught:
        venue.open(AccountRecord("a", "cross", {"DOGE": 1}, []))
    assert caught.value.where["field"] == "accounts[a].balances"  # type: ignore[attr-defined]


def test_ENGN_014_an_option_writer_below_its_requirement_is_refused() -> None:
    venue = open_venue()
    venue.open(option_writer(usd=60_000))
    assert venue.risk("writer").buffer > 0
    with venue.refuses("ADMT-E06"):
        venue.order("writer", "o", BTC_CALL, -300, 0.05)
    assert STALE_US == 60 * SECOND_US
    with venue.refuses("TICK-E06"):
        venue.send(AccountsLoaded, [])
