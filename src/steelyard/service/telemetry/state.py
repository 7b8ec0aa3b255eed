"""The state of a running service, read when a scraper asks."""

from __future__ import annotations

from steelyard.service.channels import Hub
from steelyard.service.channels.venue import transparency
from steelyard.service.host import Host
from steelyard.service.rewind.rewind import Rewind
from steelyard.service.telemetry.metrics import Reading
from steelyard.service.web.service import Service

MICRO = 1e6


class StateReader:
    """Reads a host, its hub and the service around them; remembers which commits were told."""

    def __init__(self, host: Host, hub: Hub, service: Service, rewind: Rewind | None) -> None:
        self._host = host
        self._hub = hub
        self._service = service
        self._rewind = rewind
        self._flushed = 0

    def read(self) -> Reading:
        """Return the state now, on the loop's thread."""
        host, engine = self._host, self._host.engine
        market, vitals, venue = engine.market, host.vitals(), transparency(host.scene)
        assets = [(slot, asset.name) for slot, asset in enumerate(market.assets) if slot]
        priced = [(slot, name) for slot, name in assets if market.index_units[slot] > 0]
        return Reading(
            seq=engine.seq,
            durable_seq=vitals.durable_seq,
            market_time_s=market.time_us / MICRO,
            is_stale=vitals.is_stale,
            units_by_state=venue.units_by_state,
            insurance_fund_usdc=venue.insurance_fund_micro / MICRO,
            bad_debt_usdc=venue.bad_debt_micro / MICRO,
            liquidated_accounts=venue.liquidated,
            index_prices_usd={name: market.index_price(slot) for slot, name in priced},
            index_ages_s={
                name: (market.time_us - market.indices[slot].price_time_us) / MICRO
                for slot, name in priced
            },
            protected=frozenset(name for slot, name in assets if market.is_protected[slot]),
            sources_used={
                name: sum(each.verdict == "used" for each in market.indices[slot].sources)
                for slot, name in assets
            },
            connections=len(self._service.connections),
            subscriptions=self._hub.subscriptions,
            changes_encoded=self._hub.encoded,
            readers_restarted=self._hub.restarted,
            rewind_restarts=0 if self._rewind is None else self._rewind.process.restarts,
            flushes_s=self._flushes(),
        )

    def _flushes(self) -> list[float]:
        """Return the durations of the commits since the last reading, as far as they are remembered."""
        committer = self._host.journaled.committer
        count = committer.flushes - self._flushed
        self._flushed = committer.flushes
        return [us / MICRO for us in list(committer.flush_us.copy())[-count:]] if count else []
