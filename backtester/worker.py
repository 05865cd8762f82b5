"""What a node of a cluster does: makes a job's ground for itself once, and evaluates sets on it until it is told another.

A node has a folder of its own, laid out like a data directory: compiled steps under a signature that only this node can make, and
the columns it was given. Nothing of the person's data directory but columns comes here: no key, no ledger, no setting.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Engine, Steps, needed_columns, prepare
from backtester.executors import LocalExecutor
from backtester.executors.base import Answer
from backtester.far import place, stays_whole
from backtester.ground import Ground, Shard
from backtester.job import Job, compiled_code
from backtester.metrics import Metrics
from backtester.verdict.parts import restrict, run_days
from domain.errors import RefusedError, StomError
from storage.columns import RowSet, map_column, save_column
from utility.build import RESEARCH, build, lock_digest
from utility.memory import budget
from utility.paths import DataDir

UNSEEN = "unseen"
"""Answer of `Worker.stand` where the column files cannot be reached from the node."""
ROW_TIME = "row_time"


def here() -> str:
    """Return what must be the same on every machine that works on one study: source and locked libraries."""
    return f"{build(RESEARCH)} {lock_digest()[:12]}"


@dataclass(frozen=True)
class Setup:
    """What a node needs to make a ground.

    Parameters
    ----------
    key : str
        Digest of all of it.
    folder : str
        Where the column files are, as the asking machine sees it.
    place : str
        Path of that folder below the data directory: the same in the node's own folder.
    build : str
        `here()` of who asks.
    """

    key: str
    job: Job
    shard: Shard
    folder: str
    place: str
    build: str


@dataclass(frozen=True)
class Failure:
    """What went wrong in the work: an error that the person is told, or a cause and where it happened."""

    error: StomError | None
    cause: str
    trace: str


def columns_of(job: Job, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the files that a job's ground is made of."""
    return (*needed_columns(columns, job.options, job.interval_s), ROW_TIME)


class Worker:
    """The grounds of one node.

    Parameters
    ----------
    folder : Path
        The node's own; made when missing.
    threads : int
    """

    def __init__(self, folder: Path, threads: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data = DataDir(folder)
        self.executor = LocalExecutor(threads)
        self._grounds: dict[str, tuple[Ground, Shard]] = {}
        self._code: tuple[tuple[object, ...], Steps, ModuleType] | None = None

    def stand(self, setup: Setup, sent: Mapping[str, NDArray[Any]] | None = None) -> str | Failure:
        """Make a ground; `UNSEEN` where its columns were not sent and cannot be seen from here."""
        try:
            return self._stand(setup, sent)
        except Exception as error:  # noqa: BLE001 - told to who asked, whatever it is
            return failure(error)

    def evaluate(self, key: str, vectors: NDArray[np.float64], metrics: bool, trades: bool) -> Answer | Failure:
        """Evaluate sets on the ground `key`.

        Parameters
        ----------
        metrics : bool
            Whether figures are wanted: of a shard they would be those of its rows alone.
        trades : bool
            Trades are wanted, with the numbers of the whole run and sets counted from 0.
        """
        try:
            return self._evaluate(key, vectors, metrics, trades)
        except Exception as error:  # noqa: BLE001 - told to who asked, whatever it is
            return failure(error)

    def drop(self, keys: list[str]) -> str:
        """Forget grounds that nobody will ask for again."""
        for key in keys:
            self._grounds.pop(key, None)
        return ""

    def close(self) -> None:
        """End the node's threads."""
        self.executor.close()

    def _stand(self, setup: Setup, sent: Mapping[str, NDArray[Any]] | None) -> str:
        if setup.build != here():
            raise RefusedError("executor.other_build", there=setup.build, here=here())
        if setup.key in self._grounds:
            return setup.key
        steps, module = self._compiled(setup.job)
        job, keys = setup.job, columns_of(setup.job, steps.columns)
        rows = self._sent(setup, sent) if sent is not None else self._mapped(setup, keys, budget())
        if rows is None:
            return UNSEEN
        prepared = prepare(rows, steps.columns, job.market, job.options)
        if prepared.window_rows and stays_whole(prepared):
            prepared = prepare(self._mapped(setup, keys, 0) or rows, steps.columns, job.market, job.options)
        if tuple(run_days(prepared).tolist()) != setup.shard.days:
            prepared, _ = restrict(prepared, setup.shard.days)
        ground = Ground(Engine(module, steps, self.executor), prepared, Metrics(prepared, self.executor))
        self._grounds[setup.key] = (ground, setup.shard)
        return setup.key

    def _compiled(self, job: Job) -> tuple[Steps, ModuleType]:
        """Return a job's code: compiled once, from the node's signed cache where an earlier study has left it."""
        texts = (job.market.code, job.interval_s, job.buy_text, job.sell_text, job.rows_since, job.options.orders is not None)
        if self._code is None or self._code[0] != texts:
            _, steps, module = compiled_code(job, self.data)
            self._code = (texts, steps, module)
        return self._code[1:]

    def _evaluate(self, key: str, vectors: NDArray[np.float64], metrics: bool, trades: bool) -> Answer:
        ground, shard = self._grounds[key]
        if metrics:
            answer = ground.answer(vectors, trades)
        else:
            result = ground.engine.run(ground.prepared, vectors, again=True)
            answer = Answer(np.zeros((len(vectors), 0)), result.raw, len(result.raw), result.seconds)
        if answer.raw is None:
            return answer
        raw = answer.raw.copy()  # it stands in memory that the next question writes over, and this one travels
        place(raw, shard.block, shard.begin)
        return replace(answer, raw=raw)

    # --- columns ------------------------------------------------------------------------------------

    def _sent(self, setup: Setup, sent: Mapping[str, NDArray[Any]]) -> RowSet:
        arrays = {key: array.view() for key, array in sent.items()}
        for array in arrays.values():
            array.flags.writeable = False  # as mapped columns are: one machine code serves both
        return replace(setup.shard.rows, row_time=arrays.pop(ROW_TIME), columns=arrays)

    def _mapped(self, setup: Setup, keys: tuple[str, ...], memory: int) -> RowSet | None:
        """Map the node's own copy of the columns, made first where it is not there; past `memory` bytes a window at a time."""
        source, shard = Path(setup.folder), setup.shard
        home = self.data.root / setup.place
        own = home / f"{shard.begin}-{shard.end}"
        missing = [key for key in keys if not (own / f"{key}.npy").exists()]
        if missing and not all((source / f"{key}.npy").exists() for key in missing):
            return None
        own.mkdir(parents=True, exist_ok=True)
        for key in missing:
            _copy(source / f"{key}.npy", own / f"{key}.npy", shard.begin, shard.end)
        _forget_others(home)
        names = [key for key in keys if key != ROW_TIME]
        row_bytes = 8 * len(names)
        is_far = bool(memory) and (shard.end - shard.begin) * row_bytes > memory
        return replace(
            shard.rows,
            columns={key: map_column(own / f"{key}.npy", is_far) for key in names},
            row_time=np.load(own / f"{ROW_TIME}.npy", mmap_mode="r"),
            window_rows=max(memory // row_bytes // 2, 1) if is_far else 0,
        )


def failure(error: Exception) -> Failure:
    """Return an error as something that can travel."""
    known = error if isinstance(error, StomError) else None
    return Failure(known, f"{type(error).__name__}: {error}", traceback.format_exc(limit=-8))


def _copy(source: Path, target: Path, begin: int, end: int) -> None:
    """Give the node its own file of rows `begin` … `end` − 1; of all rows on one volume it is a second name of the same bytes."""
    column = np.load(source, mmap_mode="r")
    if begin == 0 and end == len(column):
        with contextlib.suppress(OSError):
            os.link(source, target)
        if target.exists():
            return
    save_column(target, column[begin:end])


def _forget_others(home: Path) -> None:
    """Delete the columns of the dataset's earlier states."""
    for other in home.parent.iterdir():
        if other != home and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
