"""Verdicts along a line of whole numbers: every flip that the scan can know of is found exactly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from steelyard.margin.methods.prices.flips import LIQUIDATION, Crossing, Line, crossings, runs_of
from steelyard.margin.methods.prices.standing import Standing
from steelyard.margin.methods.prices.ticks import scan_points


def line_of(buffer: Callable[[int], float], silent: range = range(0)) -> Line:
    """Return the line of a buffer; nothing is said of the silent numbers."""

    def at(n: int) -> Standing | str:
        value = buffer(n)
        return "silence" if n in silent else Standing(value < 0, value < 0, value, value)

    return Line(at)


def found(line: Line, points: list[int]) -> list[Crossing]:
    return crossings(line, runs_of(line, points), LIQUIDATION)


@given(
    st.lists(st.integers(1, 10**7 - 1), min_size=1, max_size=5, unique=True).map(sorted),
    st.booleans(),
)
def test_LIQP_031_every_flip_between_scanned_points_is_exact(
    flips: list[int], is_low_bad: bool
) -> None:
    def buffer(n: int) -> float:
        passed = len([flip for flip in flips if n >= flip])
        distance = min(abs(n - flip) + 0.5 for flip in flips)
        return -distance if (passed % 2 == 0) is is_low_bad else distance

    line = line_of(buffer)
    points = sorted({0, 10**7, *((one + two) // 2 for one, two in pairwise(flips))})
    points = sorted({*points, *(flip - 1 for flip in flips), *flips})
    want = [Crossing(flip - 1, flip, (i % 2 == 0) is is_low_bad) for i, flip in enumerate(flips)]
    assert found(line, points) == want
    if len(flips) == 1:
        assert found(line, [0, 10**7]) == want
        assert len(line.known) < 80


def test_LIQP_032_a_pair_of_flips_between_two_points_is_found_where_the_buffer_nears_zero() -> None:
    dip = line_of(lambda n: abs(n - 5_123_457) - 40.5)
    points = list(range(0, 10**7 + 1, 10**5))
    want = [Crossing(5_123_416, 5_123_417, False), Crossing(5_123_497, 5_123_498, True)]
    assert found(dip, points) == want
    hill = line_of(lambda n: 40.5 - abs(n - 5_123_457))
    assert [each.is_low_bad for each in found(hill, points)] == [True, False]
    bowl = line_of(lambda n: (n - 5_123_457) ** 2 / 10**6 - 0.5)
    assert len(found(bowl, points)) == 2
    assert found(line_of(lambda n: (n - 5_123_457) ** 2 / 10**6 + 1.0), points) == []
    flat = line_of(lambda _: 7.0)
    assert found(flat, points) == []
    assert len(flat.known) == len(points)  # nothing is searched where nothing nears zero


def test_LIQP_033_nothing_flips_across_what_the_method_does_not_say() -> None:
    line = line_of(lambda n: float(n - 500), range(300, 701))
    points = list(range(0, 1_001, 100))
    assert [(run[0], run[-1]) for run in runs_of(line, points)] == [(0, 299), (701, 1_000)]
    assert found(line, points) == []
    edge = line_of(lambda n: float(n - 290), range(300, 701))
    assert found(edge, points) == [Crossing(289, 290, True)]
    silent = line_of(lambda _: 0.0, range(1_001))
    assert runs_of(silent, points) == []


def test_LIQP_034_the_scan_is_close_near_the_price_and_stops_at_strikes() -> None:
    points = scan_points(1_000_000.0, 10, 10_000_000, [1_234_567.8, 3_000_001.0, 5.0])
    assert points[0] == 10
    assert points[-1] == 10_000_000
    assert {1_000_000, 1_000_001, 1_234_567, 3_000_001} <= set(points)
    for low, high in pairwise(points):
        ratio = high / low
        limit = 1.021 if 770_000 <= low <= 1_290_000 else (1.101 if low > 51_000 else 1.6)
        assert ratio < limit or low < 20
    assert len(points) < 150
