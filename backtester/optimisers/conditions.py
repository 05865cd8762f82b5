"""Which of a set of condition lines are best together (workstation 10.4).

A set says of each line whether it takes part; every set has the same number of buy lines and of sell lines, drawn
without replacement, and no set comes twice. How lines become a strategy: `backtester.condition_lines`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations, product
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

from backtester.known import Known
from backtester.optimisers import Goals, Space, options

TRIALS = 1_000
LISTED = 100_000
"""Up to so many combinations are listed and shuffled; above they are drawn."""
DRAWS = 50
"""Times that a batch is drawn before it says that all is explored."""


@dataclass(frozen=True)
class ConditionsOptions(options.Options):
    """`buy_lines` and `sell_lines` of each set, all of a list that has fewer."""

    trials: int = options.option(TRIALS, 0, 10**12)
    buy_lines: int = options.option(10, 1, 1_000)
    sell_lines: int = options.option(5, 1, 1_000)


class Conditions:
    """Draws lines at random; every combination has the same chance."""

    Options = ConditionsOptions
    goals: Goals = ()
    form = "lines"

    def __init__(self, space: Space, options: ConditionsOptions) -> None:
        self.space = space
        wanted = (options.buy_lines, options.sell_lines)
        self._groups = [
            (np.array(group, dtype=np.int64), min(count, len(group))) for group, count in zip(space.groups, wanted, strict=True)
        ]
        count = prod(comb(len(group), k) for group, k in self._groups)
        self.total = min(options.trials or TRIALS, count)
        self._rng = np.random.default_rng(options.seed)
        self._seen = Known(0)
        self._asked = 0
        self._listed = self._all() if count <= LISTED else None

    def _all(self) -> NDArray[np.int64]:
        """Return every combination in a random order, as the lines that take part."""
        each = [combinations(group.tolist(), k) for group, k in self._groups]
        rows = np.array([sum(parts, ()) for parts in product(*each)], dtype=np.int64)
        return self._rng.permutation(rows)

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next `n` sets that were never asked; none when all are explored or the bound is reached."""
        n = min(max(n, 1), self.total - self._asked)
        chosen = self._draw(n) if self._listed is None else self._listed[self._asked : self._asked + n]
        self._asked = self._asked + len(chosen) if len(chosen) == n else self.total
        indices = np.zeros((len(chosen), len(self.space.values)), dtype=np.int64)
        np.put_along_axis(indices, chosen, 1, axis=1)
        return self.space.vectors(indices)

    def _draw(self, n: int) -> NDArray[np.int64]:
        found: dict[bytes, NDArray[np.int64]] = {}
        width = sum(k for _, k in self._groups)
        for _ in range(DRAWS):
            if len(found) >= n:
                break
            parts = []
            for group, k in self._groups:
                places = np.argsort(self._rng.random((n, len(group))), axis=1, kind="stable")[:, :k]
                parts.append(np.sort(group[places], axis=1))
            rows = np.concatenate(parts, axis=1)
            digests = [blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
            for digest, row, number in zip(digests, rows, self._seen.find(digests).tolist(), strict=True):
                if number < 0 and len(found) < n:
                    found.setdefault(digest, row)
        self._seen.add(list(found), np.zeros((len(found), 0)))
        return np.array(list(found.values()), dtype=np.int64).reshape(len(found), width)

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Nothing to learn: the draws do not depend on the answers."""
