"""The queue of research work in `library.db`: jobs, when they are due, and what became of each time they ran.

A job is the words of a command. Every time it is due is one *turn*, a row under (job, turn) that is written before the work begins
and finished in the transaction that says what comes next. A process that dies leaves its turn at ``running``; the
next runner takes the same turn again, so that no turn is ever counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, func, insert, select, update
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import InputError
from storage.user_library import make_tables, open_library, trouble

metadata = MetaData()
WAITING, RUNNING, DONE, FAILED, OFF = "waiting", "running", "done", "failed", "off"
MISSED = "missed"
JOBS_MAX = 100_000

jobs = Table(
    "batch_jobs",
    metadata,
    Column("job", Integer, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("words", Text, nullable=False),  # JSON list: command and arguments
    Column("folder", Text, nullable=False),  # relative paths in the words are below it
    Column("schedule", Text, nullable=False),  # "" = once
    Column("state", Text, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("turn", Integer, nullable=False),  # of the last turn that began
    Column("attempts", Integer, nullable=False),  # of that turn
    Column("created_ns", BigInteger, nullable=False),
    sqlite_autoincrement=True,  # a number that was removed is not given again: turns are kept under it
)
"""One row a job; a job that is repeated goes back to waiting with its next time."""

turns = Table(
    "batch_turns",
    metadata,
    Column("job", Integer, primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("due_ns", BigInteger, nullable=False),
    Column("began_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=False),  # 0 while it runs
    Column("attempts", Integer, nullable=False),
    Column("state", Text, nullable=False),  # running, done, failed, missed
    Column("study", Text, nullable=False),  # a study that can be gone on with
    Column("progress", Text, nullable=False),  # JSON
    Column("result", Text, nullable=False),  # JSON
    sqlite_with_rowid=False,
)
"""One row each time a job was due; kept when the job is removed."""


@dataclass(frozen=True)
class BatchJob:
    """A queued command."""

    job: int
    batch: str
    words: list[str]
    folder: str
    schedule: str
    state: str
    due_ns: int
    turn: int
    attempts: int
    created_ns: int


@dataclass(frozen=True)
class Turn:
    """What became of a job one of the times it was due."""

    job: int
    turn: int
    batch: str
    words: list[str]
    due_ns: int
    began_ns: int
    ended_ns: int
    attempts: int
    state: str
    study: str
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def ticket(self) -> str:
        """Name under which the turn's run is stored, so that it can be found again."""
        return f"batch-{self.job}-{self.turn}"


class Batches:
    """The queue of a data directory.

    Parameters
    ----------
    path : Path
        ``library.db``; its tables are made on first use.

    Raises
    ------
    DataError
        ``studies.unreadable``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._engine: Engine = open_library(path)
            make_tables(self._engine, metadata)
        except SQLAlchemyError as error:
            raise trouble("studies.unreadable", path, error) from error

    # --- jobs ---------------------------------------------------------------------------------------

    def add(self, batch: str, many: Sequence[Sequence[str]], folder: str, schedule: str, due_ns: int, now_ns: int) -> list[int]:
        """Queue commands, all or none, and return their numbers; InputError ``batch.too_many`` past JOBS_MAX."""
        with self._engine.begin() as connection:
            count = int(connection.execute(select(func.count()).select_from(jobs)).scalar_one())
            if count + len(many) > JOBS_MAX:
                raise InputError("batch.too_many", count=count + len(many), most=JOBS_MAX)
            if not many:
                return []
            same = {"batch": batch, "folder": folder, "schedule": schedule, "state": WAITING, "due_ns": due_ns}
            same |= {"turn": 0, "attempts": 0, "created_ns": now_ns}
            connection.execute(insert(jobs), [same | {"words": _json(list(words))} for words in many])
            # The first insert has locked the file, so that nobody's numbers stand between ours.
            last = int(connection.execute(select(func.max(jobs.c.job))).scalar_one())
        return list(range(last - len(many) + 1, last + 1))

    def all(self) -> list[BatchJob]:
        """Return every job by number."""
        with self._engine.connect() as connection:
            return [_job(dict(row)) for row in connection.execute(select(jobs).order_by(jobs.c.job)).mappings()]

    def change(self, numbers: Iterable[int], **values: Any) -> int:
        """Set fields of jobs that are not running and return how many there were; `words` as a mapping of job to words."""
        wanted = sorted(set(numbers))
        words: dict[int, list[str]] = values.pop("words", {})
        changed = 0
        with self._engine.begin() as connection:
            for number in wanted:
                row = dict(values)
                if number in words:
                    row["words"] = _json(words[number])
                query = update(jobs).where(jobs.c.job == number, jobs.c.state != RUNNING).values(**row)
                changed += int(connection.execute(query).rowcount)
        return changed

    def to_front(self, numbers: Iterable[int]) -> int:
        """Put waiting jobs before all others, in the order of their numbers, and return how many there were.

        What is due at once is taken in the order of `due_ns`, then number; so the front is the time before every other's.
        """
        wanted = sorted(set(numbers))
        with self._engine.begin() as connection:
            least = connection.execute(select(func.min(jobs.c.due_ns)).where(jobs.c.state == WAITING)).scalar_one()
            first = min(int(least or 0), 0) - len(wanted)
            return sum(
                int(connection.execute(update(jobs).where(jobs.c.job == one, jobs.c.state == WAITING).values(due_ns=first + k)).rowcount)
                for k, one in enumerate(wanted)
            )

    def remove(self, numbers: Iterable[int]) -> int:
        """Take jobs that are not running out of the queue; what became of their turns is kept."""
        wanted = sorted(set(numbers))
        with self._engine.begin() as connection:
            return sum(int(connection.execute(delete(jobs).where(jobs.c.job == one, jobs.c.state != RUNNING)).rowcount) for one in wanted)

    # --- turns --------------------------------------------------------------------------------------

    def recover(self) -> list[int]:
        """Put jobs that a dead runner left running back at the head of the queue; only who holds the runner's lock may ask."""
        with self._engine.begin() as connection:
            found = [int(row[0]) for row in connection.execute(select(jobs.c.job).where(jobs.c.state == RUNNING))]
            connection.execute(update(jobs).where(jobs.c.state == RUNNING).values(state=WAITING, due_ns=0))
        return found

    def begin(self, now_ns: int, only: Sequence[int] | None = None) -> tuple[BatchJob, Turn] | None:
        """Take the next job that is due, or the next of `only` whether due or not; its turn is running from then on.

        A turn that was begun and never finished is taken up again.
        """
        query = select(jobs).where(jobs.c.state == WAITING)
        query = query.where(jobs.c.due_ns <= now_ns) if only is None else query.where(jobs.c.job.in_(list(only)))
        while True:
            with self._engine.begin() as connection:
                row = connection.execute(query.order_by(jobs.c.due_ns, jobs.c.job).limit(1)).mappings().first()
                if row is None:
                    return None
                job = _job(dict(row))
                claim = update(jobs).where(jobs.c.job == job.job, jobs.c.state == WAITING).values(state=RUNNING)
                if connection.execute(claim).rowcount == 0:
                    continue  # somebody changed or took it between our read and our write
                number = self._take(connection, job, now_ns)
            return self.job(job.job), self.turn(job.job, number)

    def _take(self, connection: Connection, job: BatchJob, now_ns: int) -> int:
        """Open the next turn of a job, or take up the one that is open; return its number."""
        number = self._open(connection, job.job)
        attempts = 1 if number is None else job.attempts + 1
        if number is None:
            number = job.turn + 1
            row = {
                "job": job.job,
                "turn": number,
                "batch": job.batch,
                "words": _json(job.words),
                "due_ns": max(job.due_ns, 0),
                "began_ns": now_ns,
                "ended_ns": 0,
                "attempts": attempts,
                "state": RUNNING,
                "study": "",
                "progress": "{}",
                "result": "{}",
            }
            connection.execute(insert(turns), row)
        else:
            connection.execute(_turn_is(job.job, number).values(attempts=attempts))
        connection.execute(update(jobs).where(jobs.c.job == job.job).values(turn=number, attempts=attempts))
        return number

    def _open(self, connection: Connection, job: int) -> int | None:
        query = select(turns.c.turn).where(turns.c.job == job, turns.c.ended_ns == 0)
        found = connection.execute(query).first()
        return None if found is None else int(found[0])

    def tell(self, turn: Turn, study: str | None = None, progress: dict[str, Any] | None = None) -> None:
        """Note the study a turn works on, or how far it is."""
        values: dict[str, Any] = {}
        if study is not None:
            values["study"] = study
        if progress is not None:
            values["progress"] = _json(progress)
        with self._engine.begin() as connection:
            connection.execute(_turn_is(turn.job, turn.turn).values(**values))

    def put_back(self, turn: Turn, due_ns: int, kept_attempts: bool = True) -> None:
        """Let a turn wait for another attempt; one that was stopped by a person does not count as an attempt."""
        with self._engine.begin() as connection:
            values: dict[str, Any] = {"state": WAITING, "due_ns": due_ns}
            if not kept_attempts:
                values["attempts"] = jobs.c.attempts - 1
            connection.execute(update(jobs).where(jobs.c.job == turn.job).values(**values))

    def finish(self, turn: Turn, state: str, result: dict[str, Any], now_ns: int, next_ns: int | None) -> None:
        """Close a turn and say when the job is due again (None: it is over), in one transaction."""
        with self._engine.begin() as connection:
            values = {"state": state, "ended_ns": now_ns, "result": _json(result)}
            connection.execute(_turn_is(turn.job, turn.turn).values(**values))
            after: dict[str, Any] = {"attempts": 0, "state": state, "due_ns": now_ns}
            if next_ns is not None:
                after |= {"state": WAITING, "due_ns": next_ns}
            connection.execute(update(jobs).where(jobs.c.job == turn.job, jobs.c.state == RUNNING).values(**after))

    def job(self, number: int) -> BatchJob:
        """Return a job; InputError ``batch.no_job``."""
        with self._engine.connect() as connection:
            row = connection.execute(select(jobs).where(jobs.c.job == number)).mappings().first()
        if row is None:
            raise InputError("batch.no_job", job=number)
        return _job(dict(row))

    def turn(self, job: int, number: int) -> Turn:
        """Return a turn; InputError ``batch.no_job``."""
        for one in self.turns(job):
            if one.turn == number:
                return one
        raise InputError("batch.no_job", job=job)

    def turns(self, job: int | None = None, batch: str | None = None) -> list[Turn]:
        """Return turns in the order of job and turn, of one job or one batch when it is named."""
        query = select(turns).order_by(turns.c.job, turns.c.turn)
        if job is not None:
            query = query.where(turns.c.job == job)
        if batch is not None:
            query = query.where(turns.c.batch == batch)
        with self._engine.connect() as connection:
            return [_turn(dict(row)) for row in connection.execute(query).mappings()]


def _turn_is(job: int, number: int) -> Any:
    return update(turns).where(turns.c.job == job, turns.c.turn == number)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _job(row: dict[str, Any]) -> BatchJob:
    return BatchJob(**{**row, "words": msgspec.json.decode(row["words"])})


def _turn(row: dict[str, Any]) -> Turn:
    decoded = {name: msgspec.json.decode(row[name]) for name in ("words", "progress", "result")}
    return Turn(**{**row, **decoded})
