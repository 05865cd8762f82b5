"""Every optimiser by itself: what it asks, what it learns, and that the same seed asks the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backtester.metrics import NO_TRADES
from backtester.optimisers import METHODS, Space, entries, make, optimiser
from domain.errors import InputError

LINE = tuple(float(x) for x in range(9))
SPACE = Space((LINE, LINE, LINE, (30.0, 5.0, 60.0, 10.0), LINE, (4.0,)), (0, 0, 0, 0, 0, 0))
"""Four variables with neighbours, one choice, one fixed."""
TARGET = np.array([6, 6, 2, 60, 7])
QUICK: dict[str, dict[str, Any]] = {
    "ga": {"population": 40, "generations": 12},
}
"""Options that keep a method small; a method that is not here runs as it comes."""


def bowl(vectors: np.ndarray) -> np.ndarray:
    away = np.abs(vectors[:, :5] - TARGET)
    away[:, 3] = away[:, 3] > 0
    return -(away**2).sum(axis=1)


def goals(vectors: np.ndarray) -> np.ndarray:
    """Two goals that pull apart, and one that is always the same."""
    return np.column_stack([-((vectors[:, :2] - 2) ** 2).sum(axis=1), -((vectors[:, :2] - 6) ** 2).sum(axis=1), np.ones(len(vectors))])


def ask_all(method: str, space: Space, options: dict[str, Any], answer: Any = bowl, most: int = 20_000) -> np.ndarray:
    asked, count = [], 0
    made = make(method, space, options)
    while count < most and len(vectors := made.ask(50)):
        asked.append(vectors)
        count += len(vectors)
        made.tell(vectors, goals(vectors) if made.goals else answer(vectors))
    return np.concatenate(asked)


def quick(method: str) -> dict[str, Any]:
    own = {one.name for one in entries(optimiser(method).Options)}
    return {"seed": 5, **({"trials": 200} if "trials" in own else {}), **QUICK.get(method, {})}


def space_for(method: str) -> Space:
    return LINES if method == "conditions" else SPACE


LINES = Space(((30.0,), *((0.0, 1.0),) * 12), (0,) * 13, ((1, 2, 3, 4, 5, 6, 7), (8, 9, 10, 11, 12)))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_same_seed_asks_the_same_of_the_space(method: str) -> None:
    space = space_for(method)
    first, second = (ask_all(method, space, quick(method), most=400) for _ in range(2))
    assert first.shape == second.shape
    assert len(first) > 10
    assert np.array_equal(first, second)
    for k, values in enumerate(space.values):
        assert set(first[:, k]) <= set(values)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_single_set_and_two_sets_come_to_an_end(method: str) -> None:
    if method == "conditions":
        pytest.skip("its space is made of lines")
    assert set(ask_all(method, Space(((5.0,),), (0,)), quick(method), lambda v: np.zeros(len(v)), most=2_000)[:, 0]) == {5.0}
    two = ask_all(method, Space(((5.0, 6.0), (1.0,)), (0, 0)), quick(method), lambda v: v[:, 0], most=2_000)
    assert set(two[:, 0]) == {5.0, 6.0}


@pytest.mark.parametrize("method", [one for one in ("ga",) if one in METHODS])
def test_it_climbs(method: str) -> None:
    asked = ask_all(method, SPACE, {**quick(method), "trials": 600})
    assert bowl(asked).max() >= -1


def test_ga_begins_with_the_texts_best_and_another_seed_asks_otherwise() -> None:
    a, b = (ask_all("ga", SPACE, {"seed": seed, "population": 30, "generations": 3}) for seed in (1, 2))
    assert a[0].tolist() == [0, 0, 0, 30, 0, 4]
    assert not np.array_equal(a, b)


def test_ga_begins_anew_around_the_best() -> None:
    flat = Space((LINE,) * 6, (0,) * 6)
    options = {"population": 20, "generations": 40, "patience": 2, "restarts": 3, "seed": 1}
    asked = ask_all("ga", flat, options, lambda v: (v == 3).all(axis=1) * 1.0)
    bare = ask_all("ga", flat, {**options, "restarts": 0}, lambda v: (v == 3).all(axis=1) * 1.0)
    assert not np.array_equal(asked, bare)
    assert np.array_equal(asked[:60], bare[:60])  # the same until patience is at its end


# --- grid ---------------------------------------------------------------------------------------------


def test_grid_is_the_product() -> None:
    space = Space(((1.0, 2.0), (5.0,), (7.0, 8.0, 9.0)), (0, 0, 0))
    grid = make("grid", space, {})
    got = np.concatenate([grid.ask(4), grid.ask(4)])
    assert got.tolist() == [[a, 5.0, c] for a in (1.0, 2.0) for c in (7.0, 8.0, 9.0)]
    assert len(grid.ask(4)) == 0


def test_a_grid_past_every_integer_still_begins() -> None:
    space = Space((LINE * 2,) * 30, (0,) * 30)
    grid = make("grid", space, {})
    assert grid.total == 18**30
    assert grid.ask(3)[:, -1].tolist() == [0, 1, 2]


def test_pruning_leaves_out_what_never_traded_or_is_poor() -> None:
    space = Space((LINE, (1.0, 2.0, 3.0)), (4, 1))

    def answer(vectors: np.ndarray) -> np.ndarray:
        score = 100.0 - 20 * np.abs(vectors[:, 0] - 4)
        score[vectors[:, 1] == 3] = NO_TRADES
        return score

    whole = ask_all("grid", space, {"prune": "none"}, answer)
    traded = ask_all("grid", space, {"prune": "no-trades"}, answer)
    poor = ask_all("grid", space, {"prune": "quarter"}, answer)
    assert len(whole) == 27
    first = 1 + 9 + 3
    assert {tuple(row) for row in traded[first:]} == {(a, b) for a in LINE for b in (1.0, 2.0)}
    # 100 − 20·|a − 4| ≥ 25 for a in 1 … 7; two of three values of the second variable are left.
    assert {tuple(row) for row in poor[first:]} == {(a, b) for a in LINE[1:8] for b in (1.0, 2.0)}


# --- options ------------------------------------------------------------------------------------------


def test_unknown_names_and_bad_values_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"optimise\.method"):
        make("luck", SPACE, {})
    for options, code in (
        ({"population": 1}, "optimise.option"),
        ({"population": 2.5}, "optimise.option"),
        ({"population": float("nan")}, "optimise.option"),
        ({"crossover": 1.5}, "optimise.option"),
        ({"only": "both"}, "optimise.option"),
        ({"prune": "none"}, "optimise.option_unknown"),
    ):
        with pytest.raises(InputError) as found:
            make("ga", SPACE, options)
        assert found.value.code == code


def test_an_option_is_one_thing_in_every_method() -> None:
    kinds: dict[str, Any] = {}
    for method in METHODS:
        for one in entries(optimiser(method).Options):
            assert kinds.setdefault(one.name, (one.kind, one.low, one.high, one.choices)) == (one.kind, one.low, one.high, one.choices)
            assert one.read(one.default) == one.default
