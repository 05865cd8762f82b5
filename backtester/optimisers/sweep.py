"""STOM's grid: a sweep along the coordinates (workstation 10.1).

Each stage varies every variable alone around the current set, in one batch, and moves all of them at once to their
winners; how they act together is not checked before the next stage, as in the origin. The baseline that a winner
has to beat is the highest score so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtester.figures import NO_TRADES
from backtester.optimisers import Goals, Space, options

STAGES_MAX = 100
FEW, MANY, MOST = 5, 7, 20
"""Values past which poor ones are deleted, from which a range is moved on, and that a range may have."""
SHARE = 4.0


@dataclass(frozen=True)
class SweepOptions(options.Options):
    """`stages` 0 goes on until nothing changes; `auto_range` is 범위자동관리; `random_start` begins anywhere."""

    stages: int = options.option(0, 0, STAGES_MAX)
    auto_range: bool = options.option(False)
    random_start: bool = options.option(False)


class Sweep:
    """The lists of values change while it runs, so it keeps its own."""

    Options = SweepOptions
    goals: Goals = ()
    form = "grid"

    def __init__(self, space: Space, options: SweepOptions) -> None:
        self.options = options
        self.lists = [list(values) for values in space.values]
        self.ordered = space.ordered
        rng = np.random.default_rng(options.seed)
        self.current = [
            values[place if place >= 0 and not options.random_start else int(rng.integers(len(values)))]
            for values, place in zip(self.lists, space.best, strict=True)
        ]
        self.total = 1 + int(space.sizes[space.free].sum()) * (options.stages or 3)
        self._base: float | None = None
        self._stage = 0
        self._over = False
        self._deleted: list[set[float]] = [set() for _ in self.lists]

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return every value of every variable with the others where they are; before the first stage also the start."""
        if self._over:
            return np.zeros((0, len(self.lists)))
        rows = [self.current] if self._base is None else []
        for k in self._free():
            rows += [[*self.current[:k], value, *self.current[k + 1 :]] for value in self.lists[k]]
        return np.array(rows).reshape(len(rows), len(self.lists))

    def _free(self) -> list[int]:
        return [k for k, values in enumerate(self.lists) if len(values) > 1]

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Move each variable to its winner and tend the ranges."""
        place = 0
        if self._base is None:
            self._base, place = float(scores[0]), 1
        top, winners = self._base, list(self.current)
        gained: dict[int, NDArray[np.float64]] = {}
        for k in self._free():
            gained[k] = scores[place : place + len(self.lists[k])]
            place += len(self.lists[k])
            winners[k], best = self._winner(k, gained[k])
            top = max(top, best)
        self._base = top
        changed = winners != self.current
        self.current = winners
        for k, own in gained.items():
            self._tend(k, own)
        self._stage += 1
        last = self.options.stages or STAGES_MAX
        self._over = self._stage >= last or not self._free() or (not changed and not self.options.stages)

    def _winner(self, k: int, gained: NDArray[np.float64]) -> tuple[float, float]:
        """Return the value that beats the baseline by most; on a tie the larger one, in a falling range the smaller."""
        assert self._base is not None
        values, kept, best = self.lists[k], self.current[k], self._base
        rising = values[-1] >= values[0]
        for value, score in zip(values, gained.tolist(), strict=True):
            if score > best or (score == best and (value > kept if rising else value < kept)):
                kept, best = value, score
        return kept, best

    def _tend(self, k: int, gained: NDArray[np.float64]) -> None:
        """Narrow or move the range of a variable; its current value always stays."""
        values, kept = self.lists[k], self.current[k]
        assert self._base is not None
        if not self.options.auto_range or self._base <= 0:
            if not self.options.auto_range and (gained != NO_TRADES).any():
                self._delete(k, gained == NO_TRADES)
            return
        if len(set(gained.tolist())) <= 2:
            self.lists[k] = [kept]
            return
        if len(values) > FEW:
            self._delete(k, gained < self._base / SHARE)
        values = self.lists[k]
        if len(values) >= MANY and self.ordered[k] and kept in (values[0], values[-1]):
            self._move_on(k, upper=kept == values[-1])

    def _delete(self, k: int, poor: NDArray[np.bool_]) -> None:
        bad = {value for value, is_poor in zip(self.lists[k], poor.tolist(), strict=True) if is_poor and value != self.current[k]}
        self._deleted[k] |= bad
        self.lists[k] = [value for value in self.lists[k] if value not in bad]

    def _move_on(self, k: int, upper: bool) -> None:
        """Add one value beyond the end where the best is; past MOST the other end goes."""
        values = self.lists[k]
        end, before = (values[-1], values[-2]) if upper else (values[0], values[1])
        further = round(end + (end - before), 2)
        if further in self._deleted[k]:
            return
        values = [*values, further] if upper else [further, *values]
        if len(values) > MOST:
            values = values[1:] if upper else values[:-1]
        self.lists[k] = values
