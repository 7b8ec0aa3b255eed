"""One valid event of each kind, and a strategy that draws any."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from steelyard.terms import AccountRecord, Asset, Instrument, PositionRecord
from steelyard.terms.controls import ParameterEdit
from steelyard.ticks import (
    AccountsLoaded,
    AssetListed,
    BookTick,
    Event,
    Fill,
    Funding,
    GarchUpdate,
    HestonUpdate,
    InstrumentsListed,
    KillSwitchPulled,
    OpenInterestTick,
    OrderCancelled,
    OrderPlaced,
    OrderReserved,
    OverrideApproved,
    OverrideProposed,
    OverrideWithdrawn,
    ParameterApproved,
    ParameterChange,
    ParameterProposed,
    ParameterRejected,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    ReservationConfirmed,
    ReservationReleased,
    SignalListed,
    SignalTick,
    Smile,
    SourceListed,
    SourcePrice,
    SourceStatus,
    SurfaceUpdate,
    TimeTick,
    TradeTick,
    TradingRestricted,
    TradingResumed,
    Transfer,
    VolatilityUpdate,
)

NOW_US = 1_760_130_000_000_000
HEAD: tuple[Any, ...] = (NOW_US, "feed-1", 7)
SMILES = [
    Smile(NOW_US + 10**12, 121_500.0, "fitted", 0.01, 0.1, -0.2, 0.01, 0.2),
    Smile(NOW_US + 10**13, 123_000.0, "joint", 0.05, 0.2, -0.1, 0.0, 0.3, -0.5, 4.0, [1e-4, -1e-4]),
]
CALL = Instrument(
    "BTC-31OCT25-120000-C", "option", "BTC", "BTC", True, 2, 8, 10**7,
    strike="120000", expiry_us=NOW_US + 10**12, is_call=True,
)  # fmt: skip

EVENTS: dict[str, Event] = {
    type(event).__name__: event
    for event in (
        AssetListed(*HEAD, Asset("BTC", 8, 2)),
        SourceListed(*HEAD, "alpha", "BTC", "one", 3, 60_000_000),
        InstrumentsListed(*HEAD, [CALL]),
        AccountsLoaded(
            *HEAD,
            [AccountRecord("fund", "portfolio", {"USDC": -5}, [PositionRecord(CALL.name, -2, 9)])],
        ),
        PriceTick(*HEAD, "alpha", "BTC", 121_000.5, NOW_US - 1),
        PriceBatch(*HEAD, [SourcePrice("alpha", "BTC", 121_000.5, NOW_US - 1, 3.5, 0.25)]),
        SourceStatus(*HEAD, "alpha", "BTC", "down", "no connection", NOW_US - 1),
        PriceDecision(
            *HEAD, "BTC", 121_000.0, "settlement", ["ann", "bob"], "no quorum", NOW_US + 10**6
        ),
        BookTick(
            *HEAD,
            "alpha",
            "BTC",
            "BTC-PERPETUAL",
            [99.5, 99.0],
            [1.0, 2.0],
            [100.0],
            [3.0],
            NOW_US - 1,
        ),
        TradeTick(*HEAD, "alpha", "BTC", 121_000.5, -0.25, NOW_US - 1),
        OpenInterestTick(*HEAD, "alpha", "BTC", 812.5, True, NOW_US - 1),
        GarchUpdate(*HEAD, "BTC", 1e-8, 0.1, 0.85, 60_000_000),
        SignalListed(*HEAD, "dvol", "volatility_index", "BTC", 0.05, 3.0, 0.2, 10**9, 0.5),
        SignalTick(*HEAD, "dvol", "alpha", 0.45, 0.9, NOW_US - 1),
        QuoteTick(*HEAD, "BTC-PERPETUAL", 120_999.5, 121_000.0, NOW_US - 1),
        VolatilityUpdate(*HEAD, "BTC", [CALL.name, "b"], [0.5, 0.6], [1.0, 1.01], NOW_US - 1),
        SurfaceUpdate(*HEAD, "BTC", 121_000.0, SMILES, NOW_US - 1),
        HestonUpdate(*HEAD, "BTC", 0.3, 2.0, 0.4, 1.1, -0.3, NOW_US - 1),
        OrderPlaced(*HEAD, "fund", "o-1", "BTC-PERPETUAL", -3, 125_000.0),
        OrderCancelled(*HEAD, "fund", "o-1"),
        Fill(*HEAD, "BTC-PERPETUAL", "fund", "market", 2, 121_000.0, "o-1", ""),
        Transfer(*HEAD, "external", "fund", "USDC", 10**6),
        Funding(*HEAD, "BTC-PERPETUAL", -100_000),
        ParameterChange(*HEAD, "underlying.BTC.range_ppm", "160000"),
        OrderReserved(*HEAD, "fund", "r-1", "BTC-PERPETUAL", 4, 119_000.0, NOW_US + 5_000_000),
        ReservationConfirmed(*HEAD, "fund", "r-1"),
        ReservationReleased(*HEAD, "fund", "r-1"),
        TradingRestricted(
            *HEAD,
            "halt-1",
            "halt",
            "account",
            "fund",
            "ann",
            "stolen key",
            NOW_US + 10**9,
            NOW_US + 9,
        ),
        TradingResumed(*HEAD, "halt-1", "bob", "keys changed"),
        KillSwitchPulled(
            *HEAD, "kill-1", "freeze", "ann", "orders nobody sent", NOW_US + 3_600_000_000
        ),
        OverrideProposed(
            *HEAD, "hold-1", "hold_liquidation", "fund", "ann", "a wire is late", NOW_US + 10**9
        ),
        OverrideApproved(*HEAD, "hold-1", "bob"),
        OverrideWithdrawn(*HEAD, "hold-1", "ann", "the wire is here"),
        ParameterProposed(
            *HEAD,
            "p-1",
            [ParameterEdit("underlying.BTC.range_ppm", "160000"), ParameterEdit("cross", "{}")],
            NOW_US + 86_400_000_000,
            "ann",
            "a wilder market",
        ),
        ParameterApproved(*HEAD, "p-1", "bob"),
        ParameterRejected(*HEAD, "p-1", "bob", "too far"),
        TimeTick(*HEAD),
    )
}

TIMES = st.integers(0, 4_102_444_800_000_000)
NAMES = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20
)  # printable, as the check wants
UNITS = st.integers(1, 2**62)
PRICES = st.floats(1e-9, 1e12)
NUMBERS = st.integers(0, 2**62)
START = (TIMES, NAMES, NUMBERS)
EARLY = st.integers(0, 4_000_000_000_000_000)  # leaves room for the times that must lie ahead
REASONS = st.text(min_size=1, max_size=400)

ANY_EVENT = st.one_of(
    st.builds(PriceTick, *START, NAMES, NAMES, PRICES, TIMES),
    st.builds(QuoteTick, *START, NAMES, st.floats(1e-9, 10.0), st.floats(10.0, 1e12), TIMES),
    st.builds(SourceListed, *START, NAMES, NAMES, NAMES, st.integers(1, 10**6), st.integers(1, 10**9)),
    st.builds(OrderPlaced, *START, NAMES, NAMES, NAMES, UNITS, PRICES),
    st.builds(OrderCancelled, *START, NAMES, NAMES),
    st.builds(Transfer, *START, st.just("a"), st.just("b"), NAMES, UNITS),
    st.builds(Funding, *START, NAMES, st.integers(-50_000_000, 50_000_000)),
    st.builds(ParameterChange, *START, NAMES, st.text(max_size=100)),
    st.builds(TimeTick, *START),
    EARLY.flatmap(
        lambda now_us: st.builds(
            OrderReserved, st.just(now_us), NAMES, NUMBERS, NAMES, NAMES, NAMES, UNITS, PRICES,
            st.integers(now_us + 1, now_us + 60_000_000),
        )
    ),
    st.builds(ReservationConfirmed, *START, NAMES, NAMES),
    st.builds(ReservationReleased, *START, NAMES, NAMES),
    EARLY.flatmap(
        lambda now_us: st.builds(
            TradingRestricted, st.just(now_us), NAMES, NUMBERS, NAMES,
            st.sampled_from(["halt", "reduce_only"]), st.just("account"), NAMES, NAMES, REASONS,
            st.just(0) | st.integers(now_us + 3_600_000_000, 4_102_444_800_000_000),
            st.just(0) | st.integers(now_us + 1, now_us + 3_600_000_000),
        )
    ),
    st.builds(TradingResumed, *START, NAMES, NAMES, REASONS),
    st.builds(
        KillSwitchPulled, *START, NAMES, st.sampled_from(["cancel_and_reduce_only", "freeze"]),
        NAMES, REASONS,
    ),
    EARLY.flatmap(
        lambda now_us: st.builds(
            OverrideProposed, st.just(now_us), NAMES, NUMBERS, NAMES,
            st.sampled_from(
                ["hold_liquidation", "withdrawal_hold", "protect_asset", "lift_kill_switch"]
            ),
            NAMES, NAMES, REASONS, st.integers(now_us + 1, now_us + 86_400_000_000),
        )
    ),
    st.builds(OverrideApproved, *START, NAMES, NAMES),
    st.builds(OverrideWithdrawn, *START, NAMES, NAMES, REASONS),
    EARLY.flatmap(
        lambda now_us: st.builds(
            ParameterProposed, st.just(now_us), NAMES, NUMBERS, NAMES,
            st.lists(
                st.builds(ParameterEdit, NAMES, st.text(max_size=100)),
                min_size=1, max_size=4, unique_by=lambda edit: edit.path,
            ),
            st.integers(now_us, now_us + 30 * 86_400_000_000), NAMES, REASONS,
        )
    ),
    st.builds(ParameterApproved, *START, NAMES, NAMES),
    st.builds(ParameterRejected, *START, NAMES, NAMES, REASONS),
    st.builds(
        VolatilityUpdate, *START, NAMES, st.just(["a", "b"]),
        st.lists(st.floats(1e-3, 50.0), min_size=2, max_size=2),
        st.lists(st.floats(1e-3, 10.0), min_size=2, max_size=2), TIMES,
    ),
    st.builds(
        HestonUpdate, *START, NAMES, st.floats(0.0, 100.0), st.floats(0.0, 1000.0),
        st.floats(0.0, 100.0), st.floats(0.0, 100.0), st.floats(-1.0, 1.0), TIMES,
    ),
    st.builds(
        SurfaceUpdate, *START, NAMES, PRICES,
        st.lists(
            st.builds(
                Smile, st.integers(4 * 10**15, 4_102_444_800_000_000), PRICES, NAMES,
                st.floats(-1.0, 1.0), st.floats(0.0, 1.0), st.floats(-1.0, 1.0),
                st.floats(-2.0, 2.0), st.floats(0.0, 10.0), st.floats(-5.0, 5.0),
                st.floats(0.1, 100.0), st.lists(st.floats(-1.0, 1.0), max_size=40),
            ),
            min_size=1, max_size=1,
        ),
        st.integers(0, 4 * 10**15 - 1),
    ),
    st.builds(
        AccountsLoaded, *START,
        st.lists(
            st.builds(
                AccountRecord, NAMES, st.sampled_from(["isolated", "cross", "portfolio"]),
                st.dictionaries(NAMES, st.integers(-(2**62), 2**62), max_size=4),
                st.lists(st.builds(PositionRecord, NAMES, UNITS, UNITS, UNITS), max_size=4),
            ),
            min_size=1, max_size=4,
        ),
    ),
)  # fmt: skip
