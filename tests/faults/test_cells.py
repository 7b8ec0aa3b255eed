"""The matrix is whole: every cell is judged, or on record as one that cannot occur."""

from __future__ import annotations

import itertools
import random

from tests.faults.cells import (
    CANNOT_OCCUR,
    FAULTS,
    KNOWN,
    SHARES,
    TARGETS,
    UNKNOWABLE,
    Cell,
    every_cell,
)
from tests.faults.stage import LAYOUTS, chosen, weights_of
from tests.faults.test_prices import cells as priced_cells
from tests.faults.test_volatilities import FUNDING, VOLATILITY


def test_FALT_010_every_cell_is_judged_or_on_record_with_a_reason() -> None:
    cells = every_cell()
    assert len(cells) == len(set(cells)) == 13 * 4 * 5 == 260
    judged = [c for t in ("index", "collateral", "fx") for c in priced_cells(t, SHARES)]
    judged += VOLATILITY + FUNDING
    assert len(judged) == len(set(judged))
    assert set(judged).isdisjoint(CANNOT_OCCUR)
    assert set(judged) | set(CANNOT_OCCUR) == set(cells)
    assert (len(judged), len(CANNOT_OCCUR)) == (216, 44)
    assert all(len(reason) > 40 for reason in CANNOT_OCCUR.values())
    assert set(FAULTS) == set(KNOWN)
    assert {c.target for c in cells} == set(TARGETS)


def test_FALT_010_what_cannot_be_known_is_judged_and_has_a_reason() -> None:
    assert set(UNKNOWABLE).isdisjoint(CANNOT_OCCUR)
    assert {cell.share for cell in UNKNOWABLE} == {"all"}
    assert all(len(reason) > 40 for reason in UNKNOWABLE.values())


def test_FALT_010_shares_are_by_weight_after_the_cap() -> None:
    rng = random.Random(0)
    for speakers in LAYOUTS:
        weights = dict(zip([s.name for s in speakers], weights_of(speakers), strict=True))
        total = sum(weights.values())
        for _, share in itertools.product(range(50), SHARES):
            part = sum(weights[name] for name in chosen(share, speakers, rng))
            holds = {
                "one": 5 * part <= 2 * total,
                "minority": 2 * part < total,
                "half": 2 * part == total,
                "all": part == total,
            }
            assert holds[share], (share, part, total)
    assert Cell("nan", "one", "fx") in every_cell()
