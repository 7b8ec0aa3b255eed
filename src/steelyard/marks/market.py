"""The state of the market in columns. The engine owns one; this room's verbs write into it.

Assets, instruments and sources have stable slots in order of listing. Asset slot 0 is the
accounting asset, whose price in itself is one and never protected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from steelyard.marks.guard import TRUSTED, AssetIndex
from steelyard.marks.implied_guard import DOUBTED, ImpliedGuard
from steelyard.marks.liquidity import LiquidityState
from steelyard.marks.signals import SignalState
from steelyard.marks.sources import NEVER_US, SourceTerms
from steelyard.marks.volatility import VolatilityState
from steelyard.terms import Asset, Instrument
from steelyard.terms.asset import USDC

if TYPE_CHECKING:
    from steelyard.marks.funding import Premium
    from steelyard.marks.surfaces import SurfaceColumns
    from steelyard.ticks import HestonUpdate, SourceListed

Cell = TypeVar("Cell", bound=np.generic)

INITIAL_CAPACITY = 64
USD = "USD"


class SourceNotice(NamedTuple):
    """A source has another verdict: asset slot, its name, the verdict and its last price."""

    asset: int
    source: str
    verdict: str
    price: float


class IndexNotice(NamedTuple):
    """An index is in another condition: asset slot, condition, how many sources of how many operators
    agree, how many are used, and the uncertainty of what is shown in ppm."""

    asset: int
    condition: str
    agreeing: int
    operators: int
    used: int
    age_ppm: int


class ImpliedNotice(NamedTuple):
    """The volatilities of an underlying are believed or doubted for another reason."""

    asset: int
    condition: str
    level: float
    fitters: int


class MarketState:
    """Columns of the market.

    Assets: index_units (int64, 10^-price_exponent USD, 0 = no price yet), is_protected (bool),
    age_ppm (int64: what an old price adds to the initial requirement), implied_age_ppm (the same of old volatilities), quote_rate
    (float64: USD of one unit where prices are quoted in it, 0 = not to be converted). Instruments: mark_units (int64), has_mark (bool), basis_ppb, volatility (float64,
    decimal, 0 = none), forward_ratio (float64), and of the terms lots_per_unit, mark_scale,
    mark_limit. `indices[asset]` holds the sources and the guard. `notices` are what changed since the
    engine last took them, has_aged whether an age_ppm did. `ordered_protection` holds the assets that persons protect. `surfaces` and `heston` hold the
    last fits by asset slot.
    """

    def __init__(self) -> None:
        self.time_us = 0
        self.assets: list[Asset] = []
        self.asset_slots: dict[str, int] = {}
        self.instruments: list[Instrument] = []
        self.instrument_slots: dict[str, int] = {}
        self.perpetuals_of: list[list[int]] = []
        self.options_of: list[list[int]] = []
        self.indices: list[AssetIndex] = []
        self.quoted_in: dict[int, list[int]] = {}
        self.notices: list[SourceNotice | IndexNotice | ImpliedNotice] = []
        self.operators: dict[str, int] = {}
        self.changes_at_us: list[int] = []
        self.quote_time_us: dict[int, int] = {}
        self.decayed_us = 0
        self.implied: dict[int, ImpliedGuard] = {}
        self.liquidity = LiquidityState()
        self.volatilities = VolatilityState()
        self.signals = SignalState()
        self.has_aged = False
        self.ordered_protection: dict[int, None] = {}
        self.premiums: dict[int, Premium] = {}
        self.expiring: list[tuple[int, int]] = []
        self.averages: dict[tuple[int, int], tuple[int, int]] = {}
        self.surfaces: dict[int, SurfaceColumns] = {}
        self.heston: dict[int, HestonUpdate] = {}
        self.index_units = np.zeros(INITIAL_CAPACITY, np.int64)
        self.is_protected = np.zeros(INITIAL_CAPACITY, np.bool_)
        self.age_ppm = np.zeros(INITIAL_CAPACITY, np.int64)
        self.implied_age_ppm = np.zeros(INITIAL_CAPACITY, np.int64)
        self.quote_rate = np.zeros(INITIAL_CAPACITY, np.float64)
        self.underlying_of = np.zeros(INITIAL_CAPACITY, np.int32)
        self.settlement_of = np.zeros(INITIAL_CAPACITY, np.int32)
        self.mark_units = np.zeros(INITIAL_CAPACITY, np.int64)
        self.has_mark = np.zeros(INITIAL_CAPACITY, np.bool_)
        self.is_settled = np.zeros(INITIAL_CAPACITY, np.bool_)
        self.basis_ppb = np.zeros(INITIAL_CAPACITY, np.int64)
        self.volatility = np.zeros(INITIAL_CAPACITY, np.float64)
        self.forward_ratio = np.ones(INITIAL_CAPACITY, np.float64)
        self.lots_per_unit = np.ones(INITIAL_CAPACITY, np.float64)
        self.mark_scale = np.ones(INITIAL_CAPACITY, np.float64)
        self.mark_limit = np.zeros(INITIAL_CAPACITY, np.int64)
        self._option_slots: dict[int, NDArray[np.int32]] = {}
        self.list_asset(USDC)
        self.index_units[0] = 10**USDC.price_exponent
        self.is_protected[0] = False
        self.quote_rate[0] = 1.0  # by definition, until it has sources of its own

    def list_asset(self, asset: Asset) -> int:
        """Give an asset its slot and return it; it is protected until its index has a quorum."""
        assert asset.name not in self.asset_slots
        slot = len(self.assets)
        self.assets.append(asset)
        self.asset_slots[asset.name] = slot
        self.perpetuals_of.append([])
        self.options_of.append([])
        self.indices.append(AssetIndex())
        self.changes_at_us.append(NEVER_US)
        if slot >= len(self.index_units):
            self.index_units = _grown(self.index_units)
            self.is_protected = _grown(self.is_protected)
            self.age_ppm = _grown(self.age_ppm)
            self.implied_age_ppm = _grown(self.implied_age_ppm)
            self.quote_rate = _grown(self.quote_rate)
        self.is_protected[slot] = True
        return slot

    def list_instrument(self, instrument: Instrument) -> int:
        """Give an instrument its slot and return it; it has no mark yet."""
        assert instrument.name not in self.instrument_slots
        slot = len(self.instruments)
        if slot >= len(self.mark_units):
            for name in (
                "underlying_of", "settlement_of", "mark_units", "has_mark", "is_settled",
                "basis_ppb", "volatility", "forward_ratio", "lots_per_unit", "mark_scale", "mark_limit",
            ):  # fmt: skip
                setattr(self, name, _grown(getattr(self, name)))
        self.instruments.append(instrument)
        self.instrument_slots[instrument.name] = slot
        underlying = self.asset_slots[instrument.underlying]
        self.underlying_of[slot] = underlying
        self.settlement_of[slot] = self.asset_slots[instrument.settlement]
        self.forward_ratio[slot] = 1.0
        self.lots_per_unit[slot] = float(10**instrument.lot_exponent)
        self.mark_scale[slot] = float(10**instrument.mark_exponent)
        self.mark_limit[slot] = instrument.mark_max
        self._option_slots.pop(underlying, None)
        of = self.options_of if instrument.is_option else self.perpetuals_of
        of[underlying].append(slot)
        return slot

    def list_source(self, listed: SourceListed) -> None:
        """Add a source of an asset, or change the terms of one; its last price is kept."""
        asset = self.asset_slots[listed.asset]
        quote = -1 if listed.quote in (USD, listed.asset) else self.asset_slots[listed.quote]
        terms = SourceTerms(
            self._operator(listed.operator),
            listed.weight,
            listed.stale_after_us,
            listed.kind,
            quote,
            listed.tier,
            tuple(sorted(self._operator(each) for each in listed.resells)),
            listed.frozen_after_us,
        )
        self.indices[asset].list_source(listed.source, terms)
        if quote >= 0 and asset not in self.quoted_in.setdefault(quote, []):
            self.quoted_in[quote].append(asset)

    def restore_index(self, asset: int, record: list[Any]) -> None:
        """Fill the index of an asset from its record in a snapshot."""
        index = AssetIndex.restore(record)
        self.indices[asset] = index
        for source in index.sources:
            quote = source.terms.quote
            if quote >= 0 and asset not in self.quoted_in.setdefault(quote, []):
                self.quoted_in[quote].append(asset)

    def _operator(self, name: str) -> int:
        return self.operators.setdefault(name, len(self.operators))

    def protect(self, asset: int) -> None:
        """Protect an asset whose index is not trusted, whose mark does not fit, or whose options have doubtful
        volatilities, or that persons protect; end the protection of any other."""
        if asset:
            guard = self.implied.get(asset)
            is_doubted = guard is not None and guard.condition in DOUBTED
            is_trusted = self.indices[asset].condition in TRUSTED
            self.is_protected[asset] = (
                not is_trusted
                or asset in self.ordered_protection
                or self.indices[asset].has_unfit_mark
                or (is_doubted and bool(self.options_of[asset]))
            )

    def option_slots(self, asset: int) -> NDArray[np.int32]:
        """Return the slots of an underlying's options that have a volatility and have not settled."""
        listed = self._option_slots.get(asset)
        if listed is None:
            listed = np.array(self.options_of[asset], np.int32)
            self._option_slots[asset] = listed
        return listed[(self.volatility[listed] > 0.0) & ~self.is_settled[listed]]

    def index_price(self, asset: int) -> float:
        """Return the quantised index of an asset in USD (0.0 when there was never a price)."""
        scale = int(10 ** self.assets[asset].price_exponent)
        return int(self.index_units[asset]) / scale


def _grown(column: NDArray[Cell]) -> NDArray[Cell]:
    wider = np.zeros(2 * len(column), column.dtype)
    wider[: len(column)] = column
    return wider
