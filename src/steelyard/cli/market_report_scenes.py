"""The scenes of a report: the recording as it is, with derivatives as sources, and each source alone.

A scene is cut from a recorded market by which assets and which sources are listed. Alone means that an asset
has one source and the method asks for a quorum of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from steelyard.cli.market_report_run import Scene
from steelyard.cli.session import opening_events
from steelyard.feeds import RecordedMarket
from steelyard.terms import Method
from steelyard.ticks import (
    AssetListed,
    Event,
    InstrumentsListed,
    PriceTick,
    QuoteTick,
    SourceListed,
)

DERIVATIVE_PREFIX = "as-source:"
WEIGHT_UNSTATED, STALE_UNSTATED_US = 1, 60_000_000
SPOT: Final = "spot"
DERIVATIVE: Final = "derivative"


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is in a recording: the assets asked for, and the sources of each.

    sources: by asset, as listed; kind says what they are. derivatives: markets whose prices the recording has as
    quotes of a perpetual, as sources they could be. streams: origin of a quote → its derivative source.
    """

    market: RecordedMarket
    assets: tuple[str, ...]
    sources: Mapping[str, list[SourceListed]]
    derivatives: Mapping[str, list[SourceListed]]
    streams: Mapping[str, SourceListed]

    def named(self, source: str) -> list[SourceListed]:
        """Return the sources and derivatives of that name."""
        every = [*self.sources.values(), *self.derivatives.values()]
        return [each for listed in every for each in listed if each.source == source]


def cast_of(market: RecordedMarket, assets: Sequence[str]) -> Cast:
    """Return who is in a recording, of the assets named."""
    notes = {each.name: each.note for each in market.sources}
    sources: dict[str, list[SourceListed]] = {}
    for event in market.listings:
        if isinstance(event, SourceListed):
            is_derivative = "perpetual" in notes.get(event.source, "")
            listed = msgspec.structs.replace(event, kind=DERIVATIVE) if is_derivative else event
            sources.setdefault(event.asset, []).append(listed)
    wanted = tuple(assets)
    derivatives: dict[str, list[SourceListed]] = {}
    streams: dict[str, SourceListed] = {}
    underlying = {each.name: each.underlying for each in market.instruments}
    for each in market.sources:
        asset = underlying.get(each.instrument, "")
        if asset not in wanted:
            continue
        beside = sources.get(asset, [])
        derivative = SourceListed(
            market.from_us, DERIVATIVE_PREFIX + each.name, 0, each.name, asset, each.operator,
            max((one.weight for one in beside), default=WEIGHT_UNSTATED),
            min((one.stale_after_us for one in beside), default=STALE_UNSTATED_US),
            kind=DERIVATIVE,
        )  # fmt: skip
        derivatives.setdefault(asset, []).append(derivative)
        streams["recorded:" + each.name] = derivative
    return Cast(
        market,
        wanted,
        {name: sources.get(name, []) for name in wanted},
        derivatives,
        streams,
    )


def recorded_scene(cast: Cast, name: str = "recorded") -> Scene:
    """Return the recording as it is, of the assets asked for."""
    return _scene(cast, name, cast.assets, cast.sources, has_quotes=True)


def derivative_scene(cast: Cast) -> Scene:
    """Return the recording with the prices of perpetuals taken as sources too, where there are any."""
    names = tuple(name for name in cast.assets if cast.derivatives.get(name))
    both = {name: [*cast.sources[name], *cast.derivatives[name]] for name in names}
    return _scene(cast, "with derivatives", names, both, has_quotes=False)


def alone_scenes(cast: Cast, chosen: Mapping[str, Sequence[SourceListed]]) -> list[Scene]:
    """Return scenes in which each asset has one source: as many as an asset has sources to compare."""
    scenes = []
    for number in range(max((len(each) for each in chosen.values()), default=0)):
        one = {name: [each[number]] for name, each in chosen.items() if number < len(each)}
        scenes.append(_scene(cast, f"alone {number + 1}", tuple(one), one, has_quotes=False))
    return scenes


def alone_method(method: Method) -> Method:
    """Return the method with a quorum of one source of one operator, and nothing else changed."""
    index = {
        name: msgspec.structs.replace(rules, quorum_sources=1, quorum_operators=1)
        for name, rules in method.index.items()
    }
    return msgspec.structs.replace(method, index=index)


def _scene(
    cast: Cast,
    name: str,
    assets: Sequence[str],
    sources: Mapping[str, Sequence[SourceListed]],
    *,
    has_quotes: bool,
) -> Scene:
    """Return the scene of some assets and sources; has_quotes: perpetuals are listed and quoted."""
    listed = {(each.asset, each.source): each for name in assets for each in sources[name]}
    take = _taker(cast, frozenset(assets), listed, has_quotes)
    opening: list[Event] = []
    added = [each for each in listed.values() if each.origin.startswith(DERIVATIVE_PREFIX)]
    for event in opening_events(cast.market):
        if isinstance(event, AssetListed):
            if event.asset.name in assets:
                opening.append(event)
        elif isinstance(event, SourceListed):
            if (event.asset, event.source) in listed:
                opening.append(listed[event.asset, event.source])
        elif isinstance(event, InstrumentsListed):
            opening += added
            kept = [each for each in event.instruments if each.underlying in assets]
            if has_quotes and kept:
                opening.append(msgspec.structs.replace(event, instruments=kept))
        else:
            opening += take(event)

    def ticks() -> Iterator[Event]:
        for event in cast.market.ticks():
            yield from take(event)

    return Scene(name, opening, ticks, cast.market.tick_count)


def _taker(
    cast: Cast,
    assets: frozenset[str],
    listed: Mapping[tuple[str, str], SourceListed],
    has_quotes: bool,
) -> Callable[[Event], list[Event]]:
    """Return what makes of one recorded event the events of a scene: itself, a source's price, or none."""
    instruments = {each.name for each in cast.market.instruments if each.underlying in assets}

    def take(event: Event) -> list[Event]:
        if isinstance(event, PriceTick):
            return [event] if (event.asset, event.source) in listed else []
        if not isinstance(event, QuoteTick):
            return [event]
        if has_quotes:
            return [event] if event.instrument in instruments else []
        source = cast.streams.get(event.origin)
        if source is None or (source.asset, source.source) not in listed:
            return []
        price = 0.5 * (event.bid + event.ask)
        return [
            PriceTick(
                event.time_us, source.origin, event.origin_seq, source.source, source.asset,
                price, event.exchange_time_us,
            )
        ]  # fmt: skip

    return take
