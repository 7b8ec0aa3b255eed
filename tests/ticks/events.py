"""One valid event of each kind, and a strategy that draws any."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from steelyard.terms import AccountRecord, Asset, Instrument, PositionRecord
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
    OpenInterestTick,
    OrderCancelled,
    OrderPlaced,
    ParameterChange,
    PriceBatch,
    PriceDecision,
    PriceTick,
    QuoteTick,
    SignalListed,
    SignalTick,
    Smile,
    SourceListed,
    SourcePrice,
    SourceStatus,
    SurfaceUpdate,
    TimeTick,
    TradeTick,
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
        TimeTick(*HEAD),
    )
}

TIMES = st.integers(0, 4_102_444_800_000_000)
NAMES = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20
)  # printable, as the check wants
UNITS = st.integers(1, 2**62)
PRICES = st.floats(1e-9, 1e12)
START = (TIMES, NAMES, st.integers(0, 2**62))

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
