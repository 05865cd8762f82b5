"""One command of research at a time: started, stopped with its result saved, paused and gone on with by its study.

A pause ends the process and a resume goes on by the name of the study. Holding a process still is not the same on every system, keeps
its memory, and is lost when the window closes; a study keeps every finished trial in the library, its seeded optimiser asks the same
questions again and is answered from there, so what comes out is what an uninterrupted search would have found.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from ui.commands import Commands
from ui.models.command_options import Forms
from ui.text import language

STOPPED = "ui.research.stopped"
OF_THE_RUN = ("--workers", "--no-verdict", "--no-cache")
"""Options of a search that its study does not keep: who goes on says them again."""


@dataclass
class Task:
    """A command that was started from a form.

    Parameters
    ----------
    path : str
        Command and action.
    words : list of str
        What was asked, without the window's own options.
    values : dict
        Of the form.
    state : str
        running, paused, stopped, done, failed.
    study : str
        The study it works on, as soon as it is known.
    """

    path: str
    words: list[str]
    values: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    study: str = ""
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def can_resume(self) -> bool:
        """Whether it can be gone on with."""
        return self.state in ("paused", "stopped", "failed") and bool(self.study) and self.path == "optimise"


class Session(QObject):
    """Runs tasks.

    Signals
    -------
    began(Task), told(Task, dict), ended(Task)
    """

    began = pyqtSignal(object)
    told = pyqtSignal(object, object)
    ended = pyqtSignal(object)

    def __init__(self, data_dir: Path, forms: Forms, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.data_dir, self.forms = data_dir, forms
        self.runner = commands.runner(self)
        self.runner.progressed.connect(self._progressed)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self.task: Task | None = None
        self._pausing = False

    def is_running(self) -> bool:
        """Tell whether a command is running."""
        return self.runner.is_running()

    def start(self, path: str, words: list[str], values: dict[str, Any] | None = None) -> Task:
        """Start a command; nothing may be running."""
        task = self.task = Task(path, list(words), dict(values or {}))
        self._pausing = False
        self.began.emit(task)
        self.runner.start([*_before_rest(words, self._own(path))])
        return task

    def _own(self, path: str) -> list[str]:
        known = {one.name for one in self.forms.get(path, ())}
        out = ["--data-dir", str(self.data_dir), "--lang", language(), "--json"]
        return [*out, "--progress", "json"] if "--progress" in known else out

    def stop(self) -> None:
        """End the command; what it found is saved."""
        self.runner.stop()

    def pause(self) -> None:
        """End the command so that it can be gone on with."""
        self._pausing = True
        self.runner.stop()

    def resume(self, task: Task | str) -> None:
        """Go on with a task, or with a study by its name."""
        study, words = (task, []) if isinstance(task, str) else (task.study, task.words)
        values = {} if isinstance(task, str) else task.values
        kept = [word for word in words if word.split("=")[0] in OF_THE_RUN]
        self.start("optimise", ["optimise", f"--resume={study}", *kept] if study else words, values)

    def _progressed(self, told: dict[str, Any]) -> None:
        if self.task is None:
            return
        if told.get("study"):
            self.task.study = str(told["study"])
        self.told.emit(self.task, told)

    def _finished(self, result: dict[str, Any]) -> None:
        if self.task is None:
            return
        self.task.result = result
        self.task.study = str(result.get("study") or self.task.study)
        stopped = result.get("state") == "stopped" or bool(result.get("stopped"))
        self._end("done" if not stopped else "paused" if self._pausing else "stopped")

    def _failed(self, code: str, fields: dict[str, Any]) -> None:
        if self.task is None:
            return
        self.task.code, self.task.fields = code, dict(fields)
        self._end("failed" if code != STOPPED else "paused" if self._pausing else "stopped")

    def _end(self, state: str) -> None:
        task = self.task
        assert task is not None
        task.state, task.seconds = state, time.monotonic() - task.began
        self.ended.emit(task)


def _before_rest(words: list[str], own: list[str]) -> list[str]:
    """Return the words with the window's own before a ``--``, behind which everything belongs to somebody else."""
    place = words.index("--") if "--" in words else len(words)
    return [*words[:place], *own, *words[place:]]
