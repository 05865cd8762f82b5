"""Runs, studies and their trials in `library.db` (architecture 3.3), beside the strategies.

Trials are written in bulk, one short transaction a batch, so that a killed search loses at most the
batch it was in. A study is resumed by asking its seeded optimiser again from the start and answering
from here: what comes out is what an uninterrupted search would have found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from domain.errors import DataError, InputError
from storage import evaluations
from storage.user_library import make_tables, open_library, trouble

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("passport", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("trades", Integer, nullable=False),
    Column("trades_sha256", Text, nullable=False),
    Column("trades_path", Text, nullable=False),
)
"""One backtest: where it came from (passport, JSON) and what it gave."""

studies = Table(
    "studies",
    metadata,
    Column("study", Text, primary_key=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("state", Text, nullable=False),  # running, stopped, done, ended (from outside)
    Column("passport", Text, nullable=False),
    Column("result", Text, nullable=False),
)
"""One search; `passport` is all that is needed to go on with it."""

trials = Table(
    "trials",
    metadata,
    Column("study", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("vars", LargeBinary, nullable=False),  # float64, little-endian
    Column("score", Float, nullable=False),
    Column("metrics", LargeBinary, nullable=False),  # float64, little-endian, in the order named by the study's passport
    sqlite_with_rowid=False,
)
"""One parameter set of a study with its score; numbers are the order of evaluation."""


verdicts = Table(
    "verdicts",
    metadata,
    Column("verdict", Integer, primary_key=True),
    Column("created_ns", BigInteger, nullable=False),
    Column("rule", Text, nullable=False, index=True),  # strategy.rule_digest.rule_digest
    Column("subject", Text, nullable=False, index=True),  # study:<name> or run:<number>
    Column("result", Text, nullable=False),  # pass, fail, unproven
    Column("body", Text, nullable=False),
)
"""What the court said of a rule; never changed, the newest of a rule counts."""


@dataclass(frozen=True)
class Judgement:
    """A stored verdict.

    Parameters
    ----------
    verdict : int
        Its number; 0 before it is stored.
    rule : str
        Digest of text and variables.
    subject : str
        ``study:<name>`` or ``run:<number>``.
    result : str
        pass, fail or unproven.
    body : dict
        Figures, reasons, limits, sentences.
    """

    verdict: int
    created_ns: int
    rule: str
    subject: str
    result: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A stored backtest."""

    run: int
    kind: str
    created_ns: int
    passport: dict[str, Any]
    metrics: dict[str, float]
    trades: int
    trades_sha256: str
    trades_path: str


@dataclass(frozen=True)
class Study:
    """A stored search, without its trials."""

    study: str
    created_ns: int
    updated_ns: int
    method: str
    state: str
    passport: dict[str, Any]
    result: dict[str, Any]


@dataclass(frozen=True)
class Trials:
    """All trials of a study in the order of evaluation.

    Parameters
    ----------
    vectors : ndarray of float64, shape (n, n_vars)
    scores : ndarray of float64, shape (n,)
    metrics : ndarray of float64, shape (n, n_metrics)
    """

    vectors: NDArray[np.float64]
    scores: NDArray[np.float64]
    metrics: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.scores)


class Studies:
    """Runs and studies of a data directory.

    Parameters
    ----------
    path : Path
        ``library.db``; made with its tables on first use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._engine: Engine = open_library(path)
            make_tables(self._engine, metadata)
            make_tables(self._engine, evaluations.metadata)
        except OperationalError as error:
            raise trouble("studies.unreadable", path, error) from error
        except DatabaseError as error:
            raise trouble("studies.file_damaged", path, error) from error
        except SQLAlchemyError as error:
            raise trouble("studies.unreadable", path, error) from error

    @contextmanager
    def _open(self, write: bool = False) -> Iterator[Connection]:
        """Give a connection; a damaged file, also one whose JSON is, is said by name, and left as it is."""
        try:
            with self._engine.begin() if write else self._engine.connect() as connection:
                if write:  # the lock comes first: what is counted before it is another process's, too
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except OperationalError as error:  # locked for long, or the disk is full: not damage
            raise trouble("studies.unreadable", self.path, error) from error
        except (DatabaseError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise trouble("studies.file_damaged", self.path, error) from error

    # --- runs ------------------------------------------------------------------------------------

    def add_run(self, run: Run) -> None:
        """Store a finished backtest under its run number."""
        row = {
            "run": run.run,
            "kind": run.kind,
            "created_ns": run.created_ns,
            "passport": _json(run.passport),
            "metrics": _json(run.metrics),
            "trades": run.trades,
            "trades_sha256": run.trades_sha256,
            "trades_path": self._kept(Path(run.trades_path)),
        }
        with self._open(write=True) as connection:
            connection.execute(insert(runs), row)

    def run(self, number: int) -> Run:
        """Return run `number`; InputError ``studies.no_run``."""
        with self._open() as connection:
            # A number that the file could not hold is no run's.
            row = connection.execute(select(runs).where(runs.c.run == number)).mappings().first() if number < 2**63 else None
            if row is None:
                raise InputError("studies.no_run", run=number)
            return self._run(dict(row))

    def runs_of_ticket(self, ticket: str) -> list[Run]:
        """Return the runs stored under a ticket (`backtester.record.ticketed`)."""
        query = select(runs).where(func.json_extract(runs.c.passport, "$.ticket") == ticket).order_by(runs.c.run)
        with self._open() as connection:
            return [self._run(dict(row)) for row in connection.execute(query).mappings()]

    def runs(self, limit: int = 100) -> list[Run]:
        """Return the newest runs, newest first."""
        with self._open() as connection:
            rows = connection.execute(select(runs).order_by(runs.c.run.desc()).limit(limit)).mappings().all()
            return [self._run(dict(row)) for row in rows]

    def _run(self, row: dict[str, Any]) -> Run:
        kept = Path(row["trades_path"])
        # Runs of before kept whole paths: where the directory was moved or copied since, theirs is the same place in it.
        path = self.path.parent / (Path("runs", str(row["run"]), kept.name) if kept.is_absolute() else kept)
        read = {"passport": msgspec.json.decode(row["passport"]), "metrics": msgspec.json.decode(row["metrics"])}
        return Run(**{**row, **read, "trades_path": str(path)})

    def _kept(self, path: Path) -> str:
        """Return a path as it is stored: from the data directory on, so that the directory may be moved, copied or restored."""
        home = self.path.parent
        return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)

    # --- studies -----------------------------------------------------------------------------------

    def new_study(self, method: str, passport: dict[str, Any], utc_ns: int) -> str:
        """Store a study that begins and return its name, ``<method>-<number>``."""
        with self._open(write=True) as connection:
            # Under the write lock two processes never agree on one number.
            number = int(connection.execute(select(func.count()).select_from(studies)).scalar_one()) + 1
            while True:
                name = f"{method}-{number}"
                taken = connection.execute(select(studies.c.study).where(studies.c.study == name)).first()
                if taken is None:
                    break
                number += 1
            row = {
                "study": name,
                "created_ns": utc_ns,
                "updated_ns": utc_ns,
                "method": method,
                "state": "running",
                "passport": _json(passport),
                "result": "{}",
            }
            connection.execute(insert(studies), row)
            evaluations.trim(connection)
        return name

    def study(self, name: str) -> Study:
        """Return a study; InputError ``studies.no_study``."""
        with self._open() as connection:
            row = connection.execute(select(studies).where(studies.c.study == name)).mappings().first()
            if row is None:
                raise InputError("studies.no_study", study=name)
            return _study(dict(row))

    def studies(self, limit: int = 100) -> list[Study]:
        """Return the newest studies, newest first."""
        with self._open() as connection:
            rows = connection.execute(select(studies).order_by(studies.c.created_ns.desc()).limit(limit)).mappings().all()
            return [_study(dict(row)) for row in rows]

    def in_state(self, *states: str) -> list[Study]:
        """Return the studies in one of these states, newest first."""
        query = select(studies).where(studies.c.state.in_(states)).order_by(studies.c.created_ns.desc())
        with self._open() as connection:
            return [_study(dict(row)) for row in connection.execute(query).mappings().all()]

    def set_state(self, name: str, state: str, result: dict[str, Any], utc_ns: int) -> None:
        """Store how a study stands: running, stopped, done or ended, and its best so far."""
        with self._open(write=True) as connection:
            connection.execute(update(studies).where(studies.c.study == name).values(state=state, result=_json(result), updated_ns=utc_ns))

    def add_trials(
        self,
        name: str,
        first: int,
        vectors: NDArray[np.float64],
        scores: NDArray[np.float64],
        metrics: NDArray[np.float64],
        keys: Sequence[bytes] = (),
    ) -> None:
        """Store a batch of trials in one transaction.

        Parameters
        ----------
        name : str
            Study.
        first : int
            Number of the first one; a number that is there already is an error of ours.
        vectors, scores, metrics : ndarray of float64, shape (n, n_vars), (n,), (n, n_metrics)
        keys : sequence of bytes, optional
            Of `evaluations.keys_of`, one a trial: later studies find the figures by them.
        """
        if not len(scores):
            return
        vectors, metrics = np.ascontiguousarray(vectors, dtype="<f8"), np.ascontiguousarray(metrics, dtype="<f8")
        rows = [
            {"study": name, "number": first + k, "vars": vectors[k].tobytes(), "score": float(scores[k]), "metrics": metrics[k].tobytes()}
            for k in range(len(scores))
        ]
        with self._open(write=True) as connection:
            connection.execute(insert(trials), rows)
            evaluations.add(connection, name, first, keys)

    def evaluated(self, keys: Sequence[bytes], width: int) -> dict[int, NDArray[np.float64]]:
        """Return the metrics of those `keys` that any study has evaluated, by place in `keys`; rows of another width are not taken."""
        with self._open() as connection:
            found = evaluations.find(connection, trials, keys)
        return {
            place: np.frombuffer(found[key], dtype="<f8").astype(np.float64)
            for place, key in enumerate(keys)
            if key in found and len(found[key]) == 8 * width
        }

    def trials(self, name: str) -> Trials:
        """Return every trial of a study; DataError ``studies.damaged`` when a number is missing or a trial is no trial."""
        query = select(trials.c.number, trials.c.vars, trials.c.score, trials.c.metrics).where(trials.c.study == name)
        with self._open() as connection:
            rows = connection.execute(query.order_by(trials.c.number)).all()
        if [row[0] for row in rows] != list(range(len(rows))):
            raise DataError("studies.damaged", study=name)
        try:
            return Trials(
                vectors=_matrix([row[1] for row in rows]),
                scores=np.array([row[2] for row in rows], dtype=np.float64),
                metrics=_matrix([row[3] for row in rows]),
            )
        except (ValueError, TypeError) as error:  # a length or a type that nobody wrote
            raise DataError("studies.damaged", study=name) from error

    def trial_counts(self, names: Sequence[str]) -> dict[str, int]:
        """Return how many trials each study has, of a walk-forward those of all its windows (``<name>/1``, …)."""
        last = select(func.max(trials.c.number))
        found = {}
        with self._open() as connection:

            def count(name: str) -> int:
                number = connection.execute(last.where(trials.c.study == name)).scalar_one()
                return 0 if number is None else int(number) + 1

            for name in names:
                found[name], window = count(name), 1
                while more := count(f"{name}/{window}"):
                    found[name], window = found[name] + more, window + 1
        return found

    def of_program(self, digest: str, market: str) -> tuple[list[Run], list[Study]]:
        """Return every run and study of a program on a market, oldest first: what was tried of it."""
        with self._open() as connection:
            found = connection.execute(select(runs).where(runs.c.passport.contains(digest)).order_by(runs.c.run)).mappings().all()
            other = connection.execute(select(studies).where(studies.c.passport.contains(digest)).order_by(studies.c.created_ns))
            rest = other.mappings().all()
            made, searched = [self._run(dict(row)) for row in found], [_study(dict(row)) for row in rest]

        def same(passport: dict[str, Any]) -> bool:
            return passport.get("program") == digest and passport.get("market") == market

        return [one for one in made if same(one.passport)], [one for one in searched if same(one.passport)]

    # --- verdicts ----------------------------------------------------------------------------------

    def add_verdict(self, judgement: Judgement) -> int:
        """Store what the court said and return its number."""
        row = {
            "created_ns": judgement.created_ns,
            "rule": judgement.rule,
            "subject": judgement.subject,
            "result": judgement.result,
            "body": _json(judgement.body),
        }
        with self._open(write=True) as connection:
            return int(connection.execute(insert(verdicts), row).inserted_primary_key[0])  # type: ignore[index]

    def verdict_of(self, rule: str = "", subject: str = "") -> Judgement | None:
        """Return the newest verdict on a rule, or on a study or run; None when there is none."""
        query = select(verdicts).where(verdicts.c.rule == rule if rule else verdicts.c.subject == subject)
        with self._open() as connection:
            row = connection.execute(query.order_by(verdicts.c.verdict.desc()).limit(1)).mappings().first()
            return None if row is None else Judgement(**{**row, "body": msgspec.json.decode(row["body"])})


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _matrix(blobs: Sequence[bytes]) -> NDArray[np.float64]:
    if not blobs:
        return np.zeros((0, 0), dtype=np.float64)
    return np.frombuffer(b"".join(blobs), dtype="<f8").astype(np.float64).reshape(len(blobs), -1)


def _study(row: dict[str, Any]) -> Study:
    return Study(**{**row, "passport": msgspec.json.decode(row["passport"]), "result": msgspec.json.decode(row["result"])})
