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
    "nsga2": {"population": 40, "generations": 5, "goals": "tp:max,tg:max,tc:max"},
    "ga-stom": {"batch": 60},
    "tpe": {"trials": 80},
    "optuna": {"trials": 80, "sampler": "nsga2"},
    "conditions": {"buy_lines": 3, "sell_lines": 2},
}
"""Options that keep a method small; a method that is not here runs as it comes."""


def bowl(vectors: np.ndarray) -> np.ndarray:
    away = np.abs(vectors[:, :5] - TARGET)
    away[:, 3] = away[:, 3] > 0
    return -(away**2).sum(axis=1)


def flat(vectors: np.ndarray) -> np.ndarray:
    return np.zeros(len(vectors))


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
    assert set(ask_all(method, Space(((5.0,),), (0,)), quick(method), flat, most=2_000)[:, 0]) == {5.0}
    two = ask_all(method, Space(((5.0, 6.0), (1.0,)), (0, 0)), quick(method), lambda v: v[:, 0], most=2_000)
    assert set(two[:, 0]) == {5.0, 6.0}


@pytest.mark.parametrize("method", ["ga", "sweep", "cmaes", "tpe"])
def test_it_climbs(method: str) -> None:
    asked = ask_all(method, SPACE, {**quick(method), "trials": 200 if method == "tpe" else 600})
    assert bowl(asked).max() >= -2


def test_ga_begins_with_the_texts_best_and_another_seed_asks_otherwise() -> None:
    a, b = (ask_all("ga", SPACE, {"seed": seed, "population": 30, "generations": 3}) for seed in (1, 2))
    assert a[0].tolist() == [0, 0, 0, 30, 0, 4]
    assert not np.array_equal(a, b)


def test_ga_begins_anew_around_the_best() -> None:
    space = Space((LINE,) * 6, (0,) * 6)
    options = {"population": 20, "generations": 40, "patience": 2, "restarts": 3, "seed": 1}
    asked = ask_all("ga", space, options, lambda v: (v == 3).all(axis=1) * 1.0)
    bare = ask_all("ga", space, {**options, "restarts": 0}, lambda v: (v == 3).all(axis=1) * 1.0)
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


# --- sweep --------------------------------------------------------------------------------------------


def stages(method: str, space: Space, options: dict[str, Any], answer: Any) -> list[np.ndarray]:
    made, out = make(method, space, options), []
    while len(vectors := made.ask(50)):
        out.append(vectors)
        made.tell(vectors, answer(vectors))
    return out


def test_a_sweep_moves_every_variable_to_its_winner_at_once() -> None:
    space = Space(((1.0, 2.0, 3.0), (30.0, 20.0, 10.0), (7.0,)), (0, 1, 0))
    got = stages("sweep", space, {}, lambda v: v[:, 0] * 10 - np.abs(v[:, 1] - 10))
    start = [1.0, 20.0, 7.0]
    assert got[0].tolist() == [start, *([a, 20.0, 7.0] for a in (1.0, 2.0, 3.0)), *([1.0, b, 7.0] for b in (30.0, 20.0, 10.0))]
    # Both winners, 3 and 10, are taken although they were never seen together; the second stage changes nothing and ends it.
    assert got[1].tolist() == [*([a, 10.0, 7.0] for a in (1.0, 2.0, 3.0)), *([3.0, b, 7.0] for b in (30.0, 20.0, 10.0))]
    assert len(got) == 2


def test_on_a_tie_a_rising_range_takes_the_larger_value_and_a_falling_one_the_smaller() -> None:
    space = Space(((1.0, 2.0, 3.0), (30.0, 20.0, 10.0)), (1, 1))
    got = stages("sweep", space, {"stages": 2}, flat)
    assert set(got[1][:3, 1]) == {10.0}
    assert set(got[1][3:, 0]) == {3.0}


def test_a_sweep_of_n_stages_and_its_start_outside_the_list() -> None:
    space = Space((LINE, LINE), (-1, 3))
    got = stages("sweep", space, {"stages": 3, "seed": 4}, flat)
    assert len(got) == 3
    assert got[0][0, 0] in LINE
    assert got[0][0, 1] == 3
    anywhere = {tuple(stages("sweep", space, {"seed": s, "random_start": True}, lambda v: v[:, 0])[0][0]) for s in range(6)}
    assert len(anywhere) > 3


def test_values_that_never_traded_leave_a_sweep() -> None:
    space = Space(((1.0, 2.0, 3.0, 4.0),), (0,))
    got = stages("sweep", space, {"stages": 2}, lambda v: np.where(v[:, 0] >= 3, NO_TRADES, v[:, 0]))
    assert got[1][:, 0].tolist() == [1.0, 2.0]


def test_automatic_ranges_fix_narrow_and_move_on() -> None:
    space = Space((tuple(float(x) for x in range(7)), (1.0, 2.0, 3.0), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)), (0, 0, 0))

    def answer(vectors: np.ndarray) -> np.ndarray:
        poor = np.where(vectors[:, 2] > 0.45, -90, vectors[:, 2])
        return 100.0 + vectors[:, 0] + poor

    got = stages("sweep", space, {"auto_range": True, "stages": 3}, answer)
    # The first variable's best is its last of seven values: one more behind it, and again. The second gives one score: fixed.
    assert sorted(set(got[1][:, 0])) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert sorted(set(got[2][:, 0])) == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert set(got[1][:, 1]) == {3.0}
    # 100 + 6 − 90 is below a quarter: two of six values go.
    assert sorted(set(got[1][:, 2])) == [0.1, 0.2, 0.3, 0.4]


# --- STOM's GA ----------------------------------------------------------------------------------------


def test_stoms_ga_shrinks_its_lists_to_the_values_of_the_best() -> None:
    space = Space((LINE,) * 8, (8,) * 8)
    made = make("ga-stom", space, {"batch": 200, "seed": 3})
    rounds = []
    while len(vectors := made.ask(50)):
        rounds.append(vectors)
        made.tell(vectors, -((vectors - 4) ** 2).sum(axis=1))
    asked = np.concatenate(rounds)
    assert len(np.unique(asked, axis=0)) == len(asked)
    first = asked[: 8 * 200]
    best = first[np.argsort((((first - 4) ** 2).sum(axis=1)), kind="stable")[:5]]
    for k in range(8):
        second = asked[8 * 200 : 16 * 200, k]
        assert set(second) <= set(best[:, k]) | {8.0}
    assert ((asked - 4) ** 2).sum(axis=1).min() <= 3


def test_stoms_ga_says_that_all_is_explored() -> None:
    space = Space(((1.0, 2.0, 3.0), (1.0, 2.0)), (0, 0))
    asked = ask_all("ga-stom", space, {}, lambda v: v.sum(axis=1))
    assert len(asked) == 6


# --- several goals, sequences, Optuna -----------------------------------------------------------------


def test_nsga2_finds_sets_between_its_goals() -> None:
    space = Space((LINE, LINE), (0, 0))
    asked = ask_all("nsga2", space, {"population": 20, "generations": 8, "goals": "tp:max,mdd:min,tc:max"})
    for a in (2.0, 3.0, 4.0, 5.0, 6.0):  # the diagonal between the two optima is the front
        assert [a, a] in asked.tolist()


@pytest.mark.parametrize("text", ["tp", "tp:up", "luck:max", "tp:max,tp:min", ""])
def test_bad_goals_are_named(text: str) -> None:
    with pytest.raises(InputError, match=r"optimise\.goals"):
        make("nsga2", SPACE, {"goals": text})


def test_random_draws_each_set_once_where_they_can_be_counted() -> None:
    asked = ask_all("random", Space((LINE, LINE), (0, 0)), {"trials": 500}, flat)
    assert len(asked) == len(np.unique(asked, axis=0)) == 81
    wide = ask_all("random", Space((LINE,) * 30, (0,) * 30), {"trials": 500}, flat)
    assert len(np.unique(wide, axis=0)) == 500


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
def test_quasi_random_points_lie_evenly(sequence: str) -> None:
    eight = tuple(float(x) for x in range(8))
    asked = ask_all("quasi", Space((eight, eight), (0, 0)), {"trials": 256, "sequence": sequence}, flat)
    counts = np.bincount((asked[:, 0] * 8 + asked[:, 1]).astype(int), minlength=64)
    assert counts.min() >= 2
    assert counts.max() <= 6


def test_optuna_brute_force_covers_a_space_and_patience_ends() -> None:
    space = Space(((1.0, 2.0, 3.0), (1.0, 2.0), (9.0,)), (0, 0, 0))
    asked = ask_all("optuna", space, {"sampler": "bruteforce", "batch": 2}, lambda v: v[:, 0])
    assert len(np.unique(asked, axis=0)) == len(asked) == 6
    ended = ask_all("tpe", SPACE, {"patience": 12, "batch": 4, "trials": 400}, flat)
    assert len(ended) == 16
    stom = ask_all("tpe", SPACE, {"stom_stop": True, "batch": 2, "trials": 400}, flat)
    assert len(stom) == 6  # five variables: five trials that bring nothing
    with pytest.raises(InputError, match=r"optimise\.option"):
        make("tpe", SPACE, {"trials": 20_000})


def test_free_steps_reach_what_the_range_leaves_out() -> None:
    space = Space(((10.0, 20.0, 30.0), (0.1, 0.2)), (1, 0))
    asked = ask_all("optuna", space, {"sampler": "random", "free_step": True, "trials": 100, "seed": 1}, flat)
    assert set(asked[:, 0]) - {10.0, 20.0, 30.0}
    assert asked[:, 0].min() >= 10
    assert asked[:, 0].max() <= 30
    assert set(asked[:, 1]) <= {round(0.1 + k / 100, 2) for k in range(11)}


def test_cmaes_leaves_the_global_draws_alone() -> None:
    np.random.seed(7)
    expected = np.random.random(3)
    np.random.seed(7)
    ask_all("cmaes", SPACE, {"trials": 60})
    assert np.array_equal(np.random.random(3), expected)


# --- conditions ---------------------------------------------------------------------------------------


def test_conditions_draw_as_many_lines_of_each_list_and_no_set_twice() -> None:
    asked = ask_all("conditions", LINES, {"buy_lines": 3, "sell_lines": 2, "trials": 2_000}, flat)
    assert set(asked[:, 1:8].sum(axis=1)) == {3.0}
    assert set(asked[:, 8:].sum(axis=1)) == {2.0}
    assert len(asked) == len(np.unique(asked, axis=0)) == 35 * 10
    assert set(asked[:, 0]) == {30.0}
    few = ask_all("conditions", LINES, {"trials": 2_000}, flat)  # 10 and 5 of 7 and 5: all of them
    assert few.tolist() == [[30.0, *[1.0] * 12]]


def test_conditions_of_long_lists_are_drawn_without_repeating() -> None:
    space = Space(((30.0,), *((0.0, 1.0),) * 80), (0,) * 81, (tuple(range(1, 51)), tuple(range(51, 81))))
    asked = ask_all("conditions", space, {"trials": 300}, flat)
    assert len(np.unique(asked, axis=0)) == len(asked) == 300
    assert set(asked[:, 1:51].sum(axis=1)) == {10.0}


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
