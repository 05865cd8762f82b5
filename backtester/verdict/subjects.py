"""Who stands before the court: a study's best set among all it tried, or one run among all that was ever tried of its text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.condition_lines import Lines
from backtester.job import DEFAULT_WINDOW, Job, Loaded, program_of, side_variables, used_variables, vector
from backtester.metrics import Limits
from backtester.optimisers import Space
from backtester.ranges import parse_ranges, space_of
from backtester.verdict.parts import run_days
from backtester.verdict.review import Subject
from backtester.verdict.splits import Division, divide, walk_forward
from domain.errors import InputError
from storage.studies import Studies, Study, Trials
from strategy.program import Program
from strategy.rule_digest import rule_digest


def study_space(job: Job, plan: Mapping[str, Any], program: Program) -> Space:
    """Return the space of a study from its plan; a range takes the place of a stored value."""
    searched = parse_ranges(plan["ranges"], plan["form"])
    fixed = {index: value for index, value in job.variables.items() if index not in searched}
    only = plan.get("options", {}).get("only", "all")
    side = None if only == "all" else side_variables(program, only)
    return space_of(plan["ranges"], plan["form"], fixed, program.n_vars, used_variables(program), DEFAULT_WINDOW, side)


def division_of(plan: Mapping[str, Any], days: list[int]) -> Division:
    """Return how a study's days are divided; all of them to choose on where its plan names no parts."""
    return divide(days, plan.get("split", "none"), plan.get("train_days", 0), plan.get("valid_days", 0), plan.get("test_days", 0))


def windows_of(plan: Mapping[str, Any], days: list[int]) -> list[Division]:
    """Return the windows of a walk-forward study."""
    anchored = plan["walk_forward"] == "anchored"
    lengths = (plan["train_days"], plan["test_days"])
    return walk_forward(days, *lengths, anchored=anchored, valid=plan["valid_days"], embargo=plan["embargo_days"])


def of_study(store: Studies, loaded: Loaded, study: Study, pair: tuple[int, int] | None = None) -> Subject:
    """Return a study's best set as a subject; of a walk-forward its last one, on the days it was chosen on.

    Raises
    ------
    InputError
        ``verdict.no_trials``: the study has evaluated nothing yet; ``verdict.unfinished``: a walk-forward that has not arrived.
    """
    plan, days = study.passport["plan"], run_days(loaded.prepared).tolist()
    walked = study.result.get("walk_forward") if plan.get("walk_forward") else None
    if plan.get("walk_forward") and (walked is None or study.state != "done"):
        raise InputError("verdict.unfinished", study=study.study)
    trials = trials_of(store, study)
    if not len(trials):
        raise InputError("verdict.no_trials", study=study.study)
    division = division_of(plan, days) if walked is None else windows_of(plan, days)[-1]
    best = trials.vectors[int(trials.scores.argmax())] if walked is None else np.array(walked["windows"][-1]["vars"])
    sets = np.unique(trials.vectors, axis=0)
    lines = _lines(plan)
    values = lines.space(float(best[0])).values if lines is not None else study_space(loaded.job, plan, loaded.program).values
    ranges: dict[int, tuple[float, ...] | None] = {index: one for index, one in enumerate(values) if len(one) > 1}
    return Subject(
        kind="study",
        name=study.study,
        vector=best,
        tried=sets,
        trials=max(_tried(store, loaded, trials.vectors.shape[1]).total, len(sets)),
        ranges=_checked(ranges, pair),
        search=division.search,
        test=division.test if walked is None else (),
        objective=plan["objective"],
        limits=Limits.parse(plan["limits"]),
        walk=walked,
        looks=_looks(store, loaded, study),
        pair=pair,
        rule="" if lines is None else _plain_rule(loaded, lines, best),
        drawn=lines is None,
    )


def _lines(plan: Mapping[str, Any]) -> Lines | None:
    kept = plan.get("lines")
    return None if kept is None else Lines(tuple(kept["buy"]), tuple(kept["sell"]), kept["side"])


def _plain_rule(loaded: Loaded, lines: Lines, vector: NDArray[np.float64]) -> str:
    """Return the digest of the chosen lines as a text of their own: what would be traded has no switches."""
    buy, sell = lines.plain(vector)
    job = loaded.job
    return rule_digest(program_of(replace(job, buy_text=buy, sell_text=sell)), vector[:1].tolist(), job.options.orders)


def trials_of(store: Studies, study: Study) -> Trials:
    """Return every trial of a study, of all its windows where it walks forward."""
    if not study.passport["plan"].get("walk_forward"):
        return store.trials(study.study)
    count = len((study.result.get("walk_forward") or {}).get("windows", ()))
    parts = [part for k in range(count) if len(part := store.trials(f"{study.study}/{k + 1}"))]
    if not parts:
        return store.trials(study.study)
    return Trials(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("vectors", "scores", "metrics")))


def of_run(store: Studies, loaded: Loaded, number: int, pair: tuple[int, int] | None = None) -> Subject:
    """Return a run as a subject: among the sets that the library knows of the same text on the same market."""
    own = vector(loaded.program, loaded.job.variables)
    found = _tried(store, loaded, len(own))
    ranges: dict[int, tuple[float, ...] | None] = dict.fromkeys(sorted(used_variables(loaded.program)))
    return Subject(
        kind="run",
        name=str(number),
        vector=own,
        tried=found.vectors,
        trials=found.total,
        ranges=_checked(ranges, pair),
        search=run_days(loaded.prepared).tolist(),
        pair=pair,
    )


def _checked(ranges: dict[int, tuple[float, ...] | None], pair: tuple[int, int] | None) -> dict[int, tuple[float, ...] | None]:
    if pair is not None and (pair[0] == pair[1] or not set(pair) <= set(ranges)):
        raise InputError("verdict.map", x=pair[0], y=pair[1], indices=", ".join(str(index) for index in ranges) or "–")
    return ranges


@dataclass(frozen=True)
class Tried:
    """What the library knows to have been tried of a program.

    Parameters
    ----------
    vectors : ndarray of float64, shape (sets, vars)
        Distinct sets of runs and studies.
    """

    vectors: NDArray[np.float64]

    @property
    def total(self) -> int:
        """How many they are; the one that is judged was tried in any case."""
        return max(len(self.vectors), 1)


def _tried(store: Studies, loaded: Loaded, width: int) -> Tried:
    """Return the sets of `width` variables that were tried."""
    runs, studies = store.of_program(loaded.program.digest, loaded.job.market.code)
    rows = {_vector(loaded, run.passport["vars"]).tobytes() for run in runs}
    for study in studies:
        rows |= {row.tobytes() for row in np.ascontiguousarray(trials_of(store, study).vectors, dtype=np.float64)}
    rows = {row for row in rows if len(row) == width * 8}
    return Tried(np.frombuffer(b"".join(sorted(rows)), dtype=np.float64).reshape(len(rows), width))


def _vector(loaded: Loaded, variables: Mapping[str, float]) -> NDArray[np.float64]:
    return vector(loaded.program, {int(index): value for index, value in variables.items()})


def _looks(store: Studies, loaded: Loaded, study: Study) -> int:
    """Return how many studies of this text on this data kept days unseen, and so have looked at them once each."""
    _, studies = store.of_program(loaded.program.digest, loaded.job.market.code)
    same = [one for one in studies if one.passport.get("data") == study.passport.get("data")]
    return sum(1 for one in same if one.passport.get("plan", {}).get("test_days", 0) > 0)
