"""Is the best set a plateau or a needle? Its neighbours in each variable, a map of two variables, and random ones around it.

All points are evaluated together. The robustness score is the share of neighbours whose objective keeps
at least 80 % of the centre's (services 7.5); neighbours that trade exactly as the centre does say nothing and are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.metrics import NO_TRADES, OUT_OF_LIMITS, TC

KEEPS = 0.8
STEPS_PCT = (-50, -20, -10, 10, 20, 50)
"""How far a variable without a range is moved (services 7.5)."""
NEAR = 5
"""Values each side of the centre in a sweep of one variable."""
MAP = 4
"""Values each side of the centre in the map of two."""
WHOLE_FROM = 5.0
"""A whole number from here on counts something (rows, seconds) and stays whole; a smaller one may be a percentage."""


@dataclass(frozen=True)
class Axis:
    """The values of one variable around the centre, ascending; the centre's own stands at `place`."""

    index: int
    values: tuple[float, ...]
    place: int


def axis_of(index: int, centre: float, values: Sequence[float] | None) -> Axis:
    """Return the axis of a variable: its range's values, or −50 … +50 % of the centre where it has none."""
    if values is None:
        moved = [centre * (1.0 + pct / 100.0) for pct in STEPS_PCT]
        if index == 0 or (centre == int(centre) and abs(centre) >= WHOLE_FROM):
            moved = [float(round(one)) for one in moved]
            moved += [centre - 1.0, centre + 1.0] if abs(centre) < 10.0 else []
        values = [max(one, 1.0) if index == 0 else one for one in moved]
    ordered = sorted({float(one) for one in values} | {float(centre)})
    return Axis(index, tuple(ordered), ordered.index(float(centre)))


def near(axis: Axis, reach: int) -> Axis:
    """Return the part of an axis within `reach` places of the centre."""
    low = max(axis.place - reach, 0)
    return Axis(axis.index, axis.values[low : axis.place + reach + 1], axis.place - low)


def influence(vectors: NDArray[np.float64], scores: NDArray[np.float64], index: int) -> float:
    """Return the share of the scores' variance that lies between the values of one variable."""
    values, which = np.unique(vectors[:, index], return_inverse=True)
    if len(values) < 2 or not np.ptp(scores) > 0.0:
        return 0.0
    counts = np.bincount(which)
    means = np.bincount(which, weights=scores) / counts
    return float((counts * (means - scores.mean()) ** 2).sum() / ((scores - scores.mean()) ** 2).sum())


@dataclass(frozen=True)
class Points:
    """What is to be evaluated around a centre.

    Parameters
    ----------
    vectors : ndarray of float64, shape (points, vars)
        Distinct; the centre first.
    axes : tuple of Axis
        One a variable that is moved.
    pair : (Axis, Axis) or None
        The map's two variables.
    random : ndarray of int64
        Rows of `vectors` that were drawn.
    rows : dict
        Bytes of a vector → its row.
    """

    vectors: NDArray[np.float64]
    axes: tuple[Axis, ...]
    pair: tuple[Axis, Axis] | None
    random: NDArray[np.int64]
    rows: Mapping[bytes, int]

    def row(self, changes: Mapping[int, float]) -> int:
        """Return the row of the centre with some variables changed."""
        vector = self.vectors[0].copy()
        for index, value in changes.items():
            vector[index] = value
        return self.rows[vector.tobytes()]


def points_around(
    centre: NDArray[np.float64],
    ranges: Mapping[int, Sequence[float] | None],
    pair: tuple[int, int] | None,
    random: int,
    band_pct: float,
    seed: int,
) -> Points:
    """Lay out the points around a set.

    Parameters
    ----------
    centre : ndarray of float64, shape (vars,)
    ranges : mapping of int to values or None
        Variables to move; None where the study has no values for it.
    pair : (int, int), optional
        Variables of the map, both in `ranges`.
    random : int
        Sets drawn evenly within `band_pct` % of the centre in every variable at once.
    seed : int
    """
    rows: dict[bytes, int] = {}

    def put(changes: Mapping[int, float]) -> int:
        vector = centre.astype(np.float64).copy()
        for index, value in changes.items():
            vector[index] = value
        return rows.setdefault(vector.tobytes(), len(rows))

    put({})
    full = {index: axis_of(index, float(centre[index]), values) for index, values in sorted(ranges.items())}
    axes = tuple(near(axis, NEAR) for axis in full.values() if len(axis.values) > 1)
    for axis in axes:
        for value in axis.values:
            put({axis.index: value})
    map_axes = None
    if pair is not None:
        map_axes = (near(full[pair[0]], MAP), near(full[pair[1]], MAP))
        for x in map_axes[0].values:
            for y in map_axes[1].values:
                put({map_axes[0].index: x, map_axes[1].index: y})
    rng = np.random.default_rng(seed)
    drawn = []
    for factors in 1.0 + rng.uniform(-band_pct, band_pct, size=(random if axes else 0, len(axes))) / 100.0:
        changes = {}
        for axis, factor in zip(axes, factors.tolist(), strict=True):
            value = float(centre[axis.index]) * factor
            whole = axis.index == 0 or (centre[axis.index] == int(centre[axis.index]) and abs(centre[axis.index]) >= WHOLE_FROM)
            changes[axis.index] = max(float(round(value)), 1.0) if axis.index == 0 else float(round(value)) if whole else value
        drawn.append(put(changes))
    vectors = np.frombuffer(b"".join(rows), dtype=np.float64).reshape(len(rows), len(centre))
    return Points(vectors, axes, map_axes, np.array(drawn, dtype=np.int64), rows)


def _shown(score: float) -> float | None:
    return None if score in (NO_TRADES, OUT_OF_LIMITS) or not np.isfinite(score) else float(score)


def read_points(points: Points, scores: NDArray[np.float64], metrics: NDArray[np.float64]) -> dict[str, Any]:
    """Return sweeps, tornado, map and robustness from the scores of `points.vectors`.

    Parameters
    ----------
    points : Points
    scores : ndarray of float64, shape (points,)
        With the penalties of workstation 9.3; those are shown as None.
    metrics : ndarray of float64, shape (points, len(METRIC_KEYS))
    """
    centre = float(scores[0])
    sweeps, neighbours = [], []
    for axis in points.axes:
        rows = [points.row({axis.index: value}) for value in axis.values]
        beside = [rows[k] for k in (axis.place - 1, axis.place + 1) if 0 <= k < len(rows)]
        neighbours += [row for row in beside if not np.array_equal(metrics[row], metrics[0])]
        own = scores[rows]
        sweeps.append(
            {
                "index": axis.index,
                "centre": axis.values[axis.place],
                "values": list(axis.values),
                "scores": [_shown(score) for score in own.tolist()],
                "trades": [int(count) for count in metrics[rows, TC].tolist()],
                "swing": float(own.max() - own.min()) if all(_shown(s) is not None for s in own.tolist()) else None,
            }
        )
    sweeps.sort(key=lambda one: -(np.inf if one["swing"] is None else one["swing"]))
    good = centre > 0.0
    kept = [float(np.clip(scores[row] / centre, 0.0, 1.0)) for row in neighbours] if good else []
    drawn = scores[points.random]
    return {
        "centre": _shown(centre),
        "variables": sweeps,
        "map": _map(points, scores),
        "neighbours": len(neighbours),
        "robustness": float(np.mean([scores[row] >= KEEPS * centre for row in neighbours])) if good and neighbours else None,
        "plateau": float(np.mean(kept)) if kept else None,
        "random": {
            "count": len(drawn),
            "share": float((drawn >= KEEPS * centre).mean()) if good and len(drawn) else None,
            "profitable": float((drawn > 0.0).mean()) if len(drawn) else None,
        },
    }


def _map(points: Points, scores: NDArray[np.float64]) -> dict[str, Any] | None:
    if points.pair is None:
        return None
    x, y = points.pair
    table = [[_shown(float(scores[points.row({x.index: a, y.index: b})])) for a in x.values] for b in y.values]
    return {"x": x.index, "y": y.index, "xs": list(x.values), "ys": list(y.values), "scores": table}
