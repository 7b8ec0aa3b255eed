"""The volatility state of the market: what every move of an index teaches, O(1), and what it says.

For each asset: realised volatility by horizon, ranges of bars, jumps, a regime, GARCH with given
parameters and the implied volatilities in use; over all assets their correlations. The parts are in `realised`,
`ranges`, `regime`, `garch` and `correlation`. Only an index that moves teaches anything: one that stands still
leaves all as it was, see `realised`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any, NamedTuple

from steelyard.marks.correlation import CorrelationReading, Correlations
from steelyard.marks.garch import Garch, GarchParameters
from steelyard.marks.logarithms import log_ratio
from steelyard.marks.ranges import Bar, RangeReading, Ranges
from steelyard.marks.realised import HorizonReading, Realised
from steelyard.marks.regime import Regime, next_regime
from steelyard.quantities import PPM
from steelyard.terms.checks import YEAR_US
from steelyard.terms.volatility_rules import VolatilityRules

INFINITY = float("inf")

ImpliedTerm = tuple[int, float]
"""An expiry in microseconds and the volatility at the money, a year."""


class JumpReading(NamedTuple):
    """The last jump: its log return (0.0: none yet), when it was seen, and how many there were."""

    move: float
    time_us: int
    number: int


class ImpliedReading(NamedTuple):
    """Volatility at the money at the two tenors of the rules, and the term it was read from.

    Between expiries total variance is linear in time, outside the volatility is that of the nearest.
    """

    short: float
    long: float
    term: tuple[ImpliedTerm, ...]


class VolatilityReading(NamedTuple):
    """What is known of an asset's volatility at `time_us`; age_us: since its index last moved."""

    slot: int
    time_us: int
    age_us: int
    horizons: tuple[HorizonReading, ...]
    ranges: RangeReading
    jump: JumpReading
    regime: Regime
    regime_since_us: int
    implied: ImpliedReading | None
    garch_volatility: float | None


class AssetVolatility:
    """Everything of one asset. wake_us: until then a move only widens the bar."""

    __slots__ = (
        "bar_end_us", "bar_start_us", "before", "before_end_us", "high", "horizons",
        "jump", "low", "moves", "open", "price", "ranges", "regime", "regime_since_us",
        "time_us", "wake_us",
    )  # fmt: skip

    def __init__(self, price: float, time_us: int) -> None:
        self.price = price
        self.time_us = time_us
        self.wake_us = time_us
        self.horizons: list[Realised] = []
        self.open = self.high = self.low = price
        self.moves = 0
        self.bar_start_us = 0
        self.bar_end_us = 0  # no bar yet
        self.before = 0.0
        self.before_end_us = 0
        self.ranges = Ranges()
        self.jump = JumpReading(0.0, 0, 0)
        self.regime = int(Regime.UNKNOWN)
        self.regime_since_us = time_us

    def record(self) -> list[object]:
        """Return the state as plain values, for a snapshot."""
        bar = [self.open, self.high, self.low, self.moves, self.bar_start_us, self.bar_end_us]
        return [
            [self.price, self.time_us, self.wake_us],
            [each.record() for each in self.horizons],
            [*bar, self.before, self.before_end_us],
            self.ranges.record(),
            list(self.jump),
            [self.regime, self.regime_since_us],
        ]

    @staticmethod
    def restore(record: Sequence[Any]) -> AssetVolatility:
        """Return the state of a record."""
        index, horizons, bar, ranges, jump, regime = record
        restored = AssetVolatility(0.0, 0)
        restored.price, restored.time_us, restored.wake_us = index
        restored.horizons = [Realised.restore(each) for each in horizons]
        (
            restored.open, restored.high, restored.low, restored.moves, restored.bar_start_us,
            restored.bar_end_us, restored.before, restored.before_end_us,
        ) = bar  # fmt: skip
        restored.ranges = Ranges.restore(ranges)
        restored.jump = JumpReading(*jump)
        restored.regime, restored.regime_since_us = regime
        return restored


class VolatilityState:
    """The assets that have been seen, by slot, their correlations, and the bar these stand in."""

    def __init__(self) -> None:
        self.assets: dict[int, AssetVolatility] = {}
        self.correlations = Correlations()
        self.implied: dict[int, tuple[ImpliedTerm, ...]] = {}
        self.garch: dict[int, Garch] = {}
        self.bar_start_us = 0
        self.bar_end_us = 0

    def record(self) -> list[object]:
        """Return the whole state as plain values that msgpack carries bit for bit."""
        assets = [[slot, each.record()] for slot, each in sorted(self.assets.items())]
        times = [self.bar_start_us, self.bar_end_us]
        implied = [
            [slot, [list(each) for each in term]] for slot, term in sorted(self.implied.items())
        ]
        garch = [
            [slot, list(each.parameters), each.variance]
            for slot, each in sorted(self.garch.items())
        ]
        return [times, assets, self.correlations.record(), implied, garch]

    @staticmethod
    def restore(record: Sequence[Any]) -> VolatilityState:
        """Return the state of a record; it goes on as the recorded one would have."""
        restored = VolatilityState()
        times, assets, correlations, implied, garch = record
        restored.bar_start_us, restored.bar_end_us = times
        for slot, each in assets:
            restored.assets[slot] = AssetVolatility.restore(each)
        restored.correlations = Correlations.restore(correlations)
        for slot, term in implied:
            restored.implied[slot] = tuple((expiry, at) for expiry, at in term)
        for slot, parameters, variance in garch:
            restored.garch[slot] = Garch(GarchParameters(*parameters))
            restored.garch[slot].variance = variance
        return restored


def observe_index(
    state: VolatilityState, asset_slot: int, price: float, time_us: int, rules: VolatilityRules
) -> None:
    """Take an index price, positive and finite, at `time_us`; an unchanged one teaches nothing.

    A time before the asset's last counts as the last. Most moves only widen the bar; once a sample_us a
    horizon samples, once a bar the ranges and GARCH are brought up, once in correlation_bars all pairs.
    """
    assert 0.0 < price < INFINITY
    if time_us >= state.bar_end_us:
        _close_common_bar(state, time_us, rules)
    asset = state.assets.get(asset_slot)
    if asset is None:
        _first_price(state, asset_slot, price, time_us, rules)
        return
    if price == asset.price:
        return
    if time_us < asset.wake_us:
        if price > asset.high:
            asset.high = price
        elif price < asset.low:
            asset.low = price
        asset.moves += 1
        asset.price = price
        if time_us > asset.time_us:
            asset.time_us = time_us
        return
    if time_us >= asset.bar_end_us:
        _close_bar(asset, state.garch.get(asset_slot), rules)
        _begin_bar(asset, price, time_us, rules)
    else:
        asset.high = max(asset.high, price)
        asset.low = min(asset.low, price)
        asset.moves += 1
    _sample(asset, price, time_us, rules)


def _first_price(
    state: VolatilityState, asset_slot: int, price: float, time_us: int, rules: VolatilityRules
) -> None:
    asset = AssetVolatility(price, time_us)
    asset.horizons = [Realised(price, time_us) for _ in rules.horizons]
    state.assets[asset_slot] = asset
    if len(state.correlations.slots) < rules.correlation_assets_max:
        state.correlations.add_asset(asset_slot, price)
    _begin_bar(asset, price, time_us, rules)
    _set_wake(asset, rules)


def _sample(asset: AssetVolatility, price: float, time_us: int, rules: VolatilityRules) -> None:
    """Take a move at every horizon whose sample is due, and set when the next one is."""
    if len(asset.horizons) != len(rules.horizons):  # a parameter has changed
        del asset.horizons[len(rules.horizons) :]
        while len(asset.horizons) < len(rules.horizons):
            asset.horizons.append(Realised(asset.price, asset.time_us))
    is_sampled = False
    for number, horizon in enumerate(rules.horizons):
        realised = asset.horizons[number]
        if time_us - realised.time_us >= horizon.sample_us:
            if number == 0:
                _watch_jump(asset, price, time_us, rules)
            realised.sample(price, time_us, horizon)
            is_sampled |= number == rules.regime_short
    asset.price = price
    asset.time_us = max(asset.time_us, time_us)
    if is_sampled:
        _follow_regime(asset, time_us, rules)
    _set_wake(asset, rules)


def _set_wake(asset: AssetVolatility, rules: VolatilityRules) -> None:
    wake_us = asset.bar_end_us
    for realised, horizon in zip(asset.horizons, rules.horizons, strict=True):
        due_us = realised.time_us + horizon.sample_us
        if due_us < wake_us:
            wake_us = due_us
    asset.wake_us = wake_us


def _begin_bar(asset: AssetVolatility, price: float, time_us: int, rules: VolatilityRules) -> None:
    asset.open = asset.high = asset.low = price
    asset.moves = 1
    asset.bar_start_us = time_us // rules.bar_us * rules.bar_us
    asset.bar_end_us = asset.bar_start_us + rules.bar_us


def _close_bar(asset: AssetVolatility, garch: Garch | None, rules: VolatilityRules) -> None:
    """Count the bar that ended: its range if it has enough moves, its return if it follows another."""
    is_adjacent = asset.before > 0.0 and asset.before_end_us == asset.bar_start_us
    before = asset.before if is_adjacent else 0.0
    if asset.moves >= rules.bar_moves_min:
        bar = Bar(asset.open, asset.high, asset.low, asset.price, before)
        asset.ranges.add(bar, rules.bar_us / rules.bar_half_life_us)
    if is_adjacent and garch is not None:
        garch.add(log_ratio(asset.price, before), rules.bar_us)
    asset.before = asset.price
    asset.before_end_us = asset.bar_end_us


def _watch_jump(asset: AssetVolatility, price: float, time_us: int, rules: VolatilityRules) -> None:
    """Note a return of horizon 0 beyond jump_z deviations, unless it spans a silence.

    A deviation is that of the robust volatility, or of volatility_floor where that is higher.
    """
    realised, horizon = asset.horizons[0], rules.horizons[0]
    spans = time_us - realised.time_us
    if realised.robust_weight < rules.weight_min or spans > horizon.half_life_us:
        return
    move = log_ratio(price, realised.price)
    floor = rules.volatility_floor * rules.volatility_floor
    variance = max(floor, realised.robust / realised.robust_weight) * (spans / YEAR_US)
    if move * move > rules.jump_z * rules.jump_z * variance:
        asset.jump = JumpReading(move, time_us, asset.jump.number + 1)


def _follow_regime(asset: AssetVolatility, time_us: int, rules: VolatilityRules) -> None:
    short, long = asset.horizons[rules.regime_short], asset.horizons[rules.regime_long]
    if short.weight < rules.weight_min or long.weight < rules.weight_min:
        return
    near, far = short.total / short.weight, long.total / long.weight
    regime = next_regime(asset.regime, asset.regime_since_us, near, far, time_us, rules)
    if regime != asset.regime:
        asset.regime, asset.regime_since_us = regime, time_us


def _close_common_bar(state: VolatilityState, time_us: int, rules: VolatilityRules) -> None:
    """Close the bar of the correlations for all assets and begin the one of `time_us`."""
    length = rules.correlation_bars * rules.bar_us
    start_us = time_us // length * length
    if state.bar_end_us:
        assets = [state.assets[slot] for slot in state.correlations.slots]
        prices = [asset.price for asset in assets]
        moved = [asset.time_us >= state.bar_start_us for asset in assets]
        state.correlations.close_bar(prices, moved, start_us > state.bar_end_us, rules)
    state.bar_start_us, state.bar_end_us = start_us, start_us + length


def set_implied(state: VolatilityState, asset_slot: int, term: Sequence[ImpliedTerm]) -> None:
    """Keep the volatilities at the money by expiry, each positive, in any order; the last list counts."""
    assert all(0.0 < volatility < INFINITY for _, volatility in term)
    state.implied[asset_slot] = tuple(sorted((int(end), float(at)) for end, at in term))


def set_garch(state: VolatilityState, asset_slot: int, parameters: GarchParameters | None) -> None:
    """Give an asset the parameters of a fit, or none; new ones start at their long-run variance."""
    known = state.garch.get(asset_slot)
    if parameters is None:
        state.garch.pop(asset_slot, None)
    elif known is None or known.parameters != parameters:
        state.garch[asset_slot] = Garch(parameters)


def read_volatility(
    state: VolatilityState, asset_slot: int, now_us: int, rules: VolatilityRules
) -> VolatilityReading | None:
    """Return what is known of an asset at `now_us`, or None if its index was never observed.

    Reading changes nothing: two readings of one state are equal but for the age.
    """
    asset = state.assets.get(asset_slot)
    if asset is None:
        return None
    garch = state.garch.get(asset_slot)
    return VolatilityReading(
        slot=asset_slot,
        time_us=now_us,
        age_us=max(0, now_us - asset.time_us),
        horizons=tuple(
            realised.read(asset.price, asset.time_us, horizon, rules.weight_min)
            for realised, horizon in zip(asset.horizons, rules.horizons, strict=False)
        ),
        ranges=asset.ranges.read(rules.bar_us),
        jump=asset.jump,
        regime=Regime(asset.regime),
        regime_since_us=asset.regime_since_us,
        implied=read_implied(state.implied.get(asset_slot, ()), now_us, rules.implied_tenors_us),
        garch_volatility=garch.volatility() if garch else None,
    )


def read_correlation(
    state: VolatilityState, now_us: int, rules: VolatilityRules
) -> CorrelationReading:
    """Return the correlations of the bars closed so far, and their age.

    Of all assets observed, up to correlation_assets_max; `left_out` counts those beyond.
    """
    left_out = len(state.assets) - len(state.correlations.slots)
    return state.correlations.read(max(0, now_us - state.bar_start_us), left_out, rules)


def drift_ppm(state: VolatilityState, asset_slot: int, age_us: int, rules: VolatilityRules) -> int:
    """Return by how many parts per million an index price of `age_us` may be off, rounded up.

    z·σ·√(age/year)·10⁶, at most drift_ppm_max. σ: the higher robust volatility of the two shortest horizons, so
    that it rises with the first and does not fall into every lull, kept between floor and ceiling; while
    neither is known volatility_unknown.

    >>> [drift_ppm(VolatilityState(), 1, age, VolatilityRules()) for age in (0, 1_000_000, 60_000_000)]
    [0, 1603, 12415]
    """
    assert age_us >= 0
    asset = state.assets.get(asset_slot)
    variance = -1.0
    if asset is not None:
        for realised in asset.horizons[:2]:
            if realised.robust_weight >= rules.weight_min:
                variance = max(variance, realised.robust / realised.robust_weight)
    volatility = rules.volatility_unknown
    if variance >= 0.0:
        volatility = max(rules.volatility_floor, min(rules.volatility_ceiling, sqrt(variance)))
    drift = rules.drift_z * volatility * sqrt(age_us / YEAR_US) * PPM
    return min(rules.drift_ppm_max, ceil(drift))


def read_implied(
    term: tuple[ImpliedTerm, ...], now_us: int, tenors_us: tuple[int, int]
) -> ImpliedReading | None:
    """Return a term read at two tenors, or None where all of it has expired."""
    alive = tuple(each for each in term if each[0] > now_us)
    if not alive:
        return None
    short, long = (implied_at(alive, now_us, tenor) for tenor in tenors_us)
    return ImpliedReading(short, long, alive)


def implied_at(term: Sequence[ImpliedTerm], now_us: int, tenor_us: int) -> float:
    """Return the volatility at a tenor, from expiries after now in ascending order.

    >>> round(implied_at([(1_000, 0.2), (3_000, 0.4)], 0, 2_000) ** 2, 12)  # (0.04·1 + 0.16·3)/2/2
    0.13
    """
    last_us, last = 0, 0.0
    for expiry_us, volatility in term:
        years_us = expiry_us - now_us
        if years_us >= tenor_us:
            if not last_us:
                return volatility
            near, far = last * last * last_us, volatility * volatility * years_us
            total = near + (far - near) * ((tenor_us - last_us) / (years_us - last_us))
            return sqrt(total / tenor_us)
        last_us, last = years_us, volatility
    return last
