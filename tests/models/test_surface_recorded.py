"""Recorded chains, where the files are at hand: no arbitrage, half a point, and forwards near the futures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from steelyard.feeds.option_chain import ChainQuotes, list_snapshots, read_chain
from steelyard.models.forwards import ForwardSource, find_forwards
from steelyard.models.quotes import FitTarget, SurfaceSettings
from steelyard.models.surface_fit import fit_surface
from tests.models.surface_roles import FAR, arbitrage_of, level_of

EVERY = 8
DAYS_LEAST = 3.0


@pytest.fixture(scope="module")
def chains(market_data: Path) -> list[ChainQuotes]:
    """Both underlyings of every eighth snapshot."""
    folder = market_data / "deribit_chains"
    if not folder.is_dir():
        pytest.skip(f"no recorded chains at {folder}")

    def every() -> Iterator[ChainQuotes]:
        for name in list_snapshots(folder)[::EVERY]:
            yield from read_chain(folder, name).chains.values()

    return list(every())


def test_SURF_050_two_recorded_chains_leave_no_arbitrage(market_data: Path) -> None:
    read = read_chain(market_data / "deribit_chains")
    for chain in read.chains.values():
        for target in FitTarget:
            surface = fit_surface(chain, SurfaceSettings(target=target))
            assert arbitrage_of(surface) == []
            assert surface.is_arbitrage_free
            assert level_of(surface) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("target", list(FitTarget))
def test_SURF_041_SURF_050_recorded_chains_leave_no_arbitrage(
    chains: list[ChainQuotes], target: FitTarget
) -> None:
    wrong = {}
    for chain in chains:
        surface = fit_surface(chain, SurfaceSettings(target=target))
        found = arbitrage_of(surface) + arbitrage_of(surface, FAR)
        if found or not surface.is_arbitrage_free:
            wrong[chain.underlying, chain.time_us] = found
    assert wrong == {}


@pytest.mark.slow
def test_SURF_051_recorded_chains_are_fitted_closely(chains: list[ChainQuotes]) -> None:
    errors, inside, two_sided = [], 0.0, 0
    for chain in chains:
        surface = fit_surface(chain, SurfaceSettings(target=FitTarget.MARK))
        both = (chain.bid > 0.0) & (chain.ask >= chain.bid)
        for i, each in enumerate(surface.slices):
            if each.time_years * 365.0 < DAYS_LEAST:
                continue
            errors.append(each.rmse_mark)
            count = int((both & (surface.points.expiry_of == i)).sum())
            if count:
                inside += each.inside * count
                two_sided += count
    assert len(errors) > 200
    assert np.mean(np.array(errors) <= 0.5) >= 0.95
    assert inside / two_sided >= 0.95


def test_SURF_052_recorded_parity_is_close_to_the_futures(chains: list[ChainQuotes]) -> None:
    close = []
    for chain in chains:
        expiry_us, expiry_of = np.unique(chain.expiry_us, return_inverse=True)
        found = find_forwards(chain, expiry_us, expiry_of)
        for i, source in enumerate(found.source):
            assert found.value[i] > 0.0
            if source is ForwardSource.FUTURE and found.parity[i] > 0.0:
                miss = abs(found.parity[i] / found.value[i] - 1.0)
                close.append(miss <= max(found.width[i] / found.value[i], 1e-3))
    assert len(close) > 100
    assert np.mean(close) >= 0.95
