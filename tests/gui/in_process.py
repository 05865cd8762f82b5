"""A runner that runs the very command in the test's own process: what a window asks for is what is run, without a second interpreter."""

from __future__ import annotations

import contextlib
import io

from PyQt5.QtCore import QObject, QTimer

from cli.main import run_command
from ui.commands import Commands
from ui.process_runner import ProcessRunner, read_answer


class CommandsInProcess(Commands):
    """Makes runners that start no process."""

    def runner(self, parent: QObject | None = None) -> ProcessRunner:
        return InProcess(self, parent)


class InProcess(ProcessRunner):
    """Runs a command in the next turn of the event loop and tells what a process would tell."""

    said: list[list[str]]

    def __init__(self, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(commands, parent)
        self.said = []

    def start(self, arguments: list[str]) -> None:
        """Run ``stom.py <arguments>`` soon."""
        self.said.append(list(arguments))
        self.stopping = False
        self.process = object()  # type: ignore[assignment]
        QTimer.singleShot(0, lambda: self._run(arguments))

    def stop(self) -> None:
        """Nothing runs that could be stopped: a command here ends before anybody can ask."""

    def _run(self, arguments: list[str]) -> None:
        if self.commands.is_closed:
            return
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            status = run_command(arguments)
        self.take_errors(errors.getvalue().encode())
        self.process = None
        read_answer(self, out.getvalue().encode(), status)
