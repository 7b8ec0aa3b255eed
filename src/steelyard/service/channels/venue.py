"""`overview` and `transparency`: the venue at a glance, for its risk desk and for anybody."""

from __future__ import annotations

from typing import Any

import msgspec

from steelyard.service.channels.payloads import OverviewData, TransparencyData
from steelyard.service.channels.publisher import Mark, Publisher
from steelyard.service.host.figures import (
    MethodName,
    fund_micro,
    method_name,
    open_interest,
    totals_micro,
    units_by_state,
)
from steelyard.service.host.scene import Scene


class OverviewPublisher(Publisher[OverviewData]):
    """Tells everything each time; an event that changes nothing but the time is not told."""

    def read(self, scene: Scene, before: OverviewData | None) -> OverviewData:
        """Return the venue now."""
        del before
        return overview(scene)

    def whole(self, state: OverviewData, mark: Mark) -> OverviewData:
        """Return the venue as it was read."""
        del mark
        return state

    def change(self, before: OverviewData, state: OverviewData, mark: Mark) -> OverviewData | None:
        """Return the venue where more differs than the time."""
        return None if _timeless(before) == _timeless(state) else self.whole(state, mark)


class TransparencyPublisher(Publisher[TransparencyData]):
    """Tells everything each time; an event that changes nothing but the time is not told."""

    def read(self, scene: Scene, before: TransparencyData | None) -> TransparencyData:
        """Return what anybody may see now."""
        del before
        return transparency(scene)

    def whole(self, state: TransparencyData, mark: Mark) -> TransparencyData:
        """Return what was read."""
        del mark
        return state

    def change(
        self, before: TransparencyData, state: TransparencyData, mark: Mark
    ) -> TransparencyData | None:
        """Return everything where more differs than the time."""
        return None if _timeless(before) == _timeless(state) else self.whole(state, mark)


def overview(scene: Scene) -> OverviewData:
    """Return the venue at a glance, as of the scene's event."""
    tally = scene.chronicle.tally
    equity, required = scene.once("totals", totals_micro)
    return OverviewData(
        **_common(scene),
        bad_debt_uncovered_micro=tally.bad_debt_uncovered,
        called=len(tally.margin_called),
        reduced=len(tally.reduced),
        bankrupt=len(tally.bankrupt),
        refused=scene.chronicle.refused.total(),
        total_equity_micro=equity,
        total_maintenance_requirement_micro=required,
        controls=scene.controls(),
    )


def transparency(scene: Scene) -> TransparencyData:
    """Return what anybody may see, as of the scene's event: sums and proofs, no account."""
    market, proof = scene.engine.market, scene.checkpoint
    return TransparencyData(
        **_common(scene),
        bad_debt_uncovered_micro=scene.chronicle.tally.bad_debt_uncovered,
        state_hash=proof.state_hash,
        state_hash_seq=proof.seq,
        sums_are_zero=proof.sums_are_zero,
        indices={
            asset.name: market.index_price(slot)
            for slot, asset in enumerate(market.assets)
            if slot and market.index_units[slot] > 0
        },
        conditions={
            asset.name: market.indices[slot].condition
            for slot, asset in enumerate(market.assets)
            if slot
        },
    )


def _common(scene: Scene) -> dict[str, Any]:
    """Return the fields that both have."""
    engine, tally = scene.engine, scene.chronicle.tally
    method: MethodName = scene.once("method", method_name)
    return {
        "as_of_seq": engine.seq,
        "time_us": engine.market.time_us,
        "title": scene.title,
        "currency": method.currency,
        "method": method.name,
        "method_version": method.version,
        "method_hash": method.digest,
        "accounts": scene.owners(),
        "units_by_state": scene.once("states", units_by_state),
        "open_interest_usd": scene.once("interest", open_interest).usd_by_underlying,
        "insurance_fund_micro": scene.once("fund", fund_micro),
        "bad_debt_micro": tally.bad_debt,
        "liquidated": len(tally.liquidated),
    }


def _timeless(state: OverviewData | TransparencyData) -> OverviewData | TransparencyData:
    return msgspec.structs.replace(state, as_of_seq=0, time_us=0)
