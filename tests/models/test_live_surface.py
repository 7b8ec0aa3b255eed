"""A surface that follows its quotes, and the events it hands to an engine."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from steelyard.models.example import START_US, example_chain
from steelyard.models.live_surface import LiveSurface, carried_event, surface_event
from steelyard.models.surface_fit import fit_surface
from steelyard.quantities import InputError
from steelyard.ticks import check_event, decode_event, encode_event

CHAIN = example_chain()


def test_SURF_070_each_change_of_quotes_is_an_event_with_the_next_number() -> None:
    live = LiveSurface()
    numbers = []
    for second in range(3):
        moved = dataclasses.replace(CHAIN, time_us=START_US + second * 1_000_000)
        event = live.offer(moved)
        assert event is not None
        check_event(event)
        assert decode_event(encode_event(event)) == event
        assert event.exchange_time_us == moved.time_us
        numbers.append(event.origin_seq)
    assert numbers == [1, 2, 3]
    late = live.offer(CHAIN, START_US + 5_000_000)
    assert late is not None
    assert (late.time_us, late.exchange_time_us) == (START_US + 5_000_000, START_US)


def test_SURF_070_the_event_carries_the_smiles_to_the_last_bit() -> None:
    surface = fit_surface(CHAIN)
    event = surface_event(surface, START_US, "surface:BTC", 1)
    for smile, row, source in zip(event.smiles, surface.smiles, surface.sources, strict=True):
        head = (smile.a, smile.b, smile.rho, smile.m, smile.sigma, smile.start, smile.inverse_step)
        assert head == tuple(row[:7].tolist())
        assert smile.coefficients == row[8 : 8 + int(row[7])].tolist()
        assert smile.origin == source.value
    assert event.index_price == surface.index


def test_SURF_071_quotes_that_give_nothing_leave_the_last_surface() -> None:
    live = LiveSurface()
    assert live.offer(CHAIN) is not None
    last = live.surface
    crossed = dataclasses.replace(CHAIN, bid=CHAIN.ask, ask=CHAIN.bid * 0.5)
    assert live.offer(crossed) is None
    assert live.surface is last
    assert (live.carried, live.number) == (1, 1)
    assert live.offer(CHAIN) is not None
    assert live.number == 2


def test_SURF_072_a_surface_without_an_index_is_no_event() -> None:
    blind = dataclasses.replace(CHAIN, index=np.full(len(CHAIN), np.nan))
    with pytest.raises(InputError) as caught:
        surface_event(fit_surface(blind), START_US, "surface:BTC", 1)
    assert caught.value.code == "SURF-E03"


def test_SURF_073_a_surface_is_carried_by_tenor_and_moneyness() -> None:
    event = surface_event(fit_surface(CHAIN), START_US, "surface:BTC", 1)
    carried = carried_event(event, START_US + 7_000_000, 30_000.0)
    check_event(carried)
    for before, after in zip(event.smiles, carried.smiles, strict=True):
        assert (
            after.expiry_us - carried.exchange_time_us == before.expiry_us - event.exchange_time_us
        )
        assert after.forward == pytest.approx(before.forward / 2.0)
        assert (after.a, after.coefficients) == (before.a, before.coefficients)
