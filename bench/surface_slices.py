"""Slices of recorded chains, 30 quotes each, for the bench of a single SVI smile."""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS = 30
DAYS_LEAST = 3.0
Array = Any


def slice_sample(snapshots: list[dict[str, Any]]) -> tuple[Array, Array]:
    """Return (columns, offsets) of every slice with 30 usable quotes, thinned evenly to 30.

    columns (3, quotes): log-moneyness, total variance, 1/uncertainty² of it; every 30 are a slice.
    """
    from steelyard.models.surface_fit import fit_surface

    parts = []
    for quotes in (quotes for snapshot in snapshots for quotes in snapshot.values()):
        points = fit_surface(quotes).points
        for i in range(len(points.expiry_us)):
            rows = np.flatnonzero((points.expiry_of == i) & (points.use == 0))
            rows = rows[np.argsort(points.log_moneyness[rows], kind="stable")]
            if len(rows) < POINTS or points.time_years[rows[0]] * 365.0 < DAYS_LEAST:
                continue
            rows = rows[np.linspace(0, len(rows) - 1, POINTS).round().astype(int)]
            years, target = points.time_years[rows], points.target[rows]
            spread = 2.0 * target * years * points.uncertainty[rows]
            columns = (points.log_moneyness[rows], target**2 * years, 1.0 / spread**2)
            parts.append(np.vstack(columns))
    data = np.ascontiguousarray(np.hstack(parts))
    return data, np.arange(len(parts) + 1, dtype=np.int64) * POINTS
