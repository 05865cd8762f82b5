"""The one owner of every process that a window starts: what ends with the window is decided here and nowhere else."""

from __future__ import annotations

from functools import partial

from PyQt5.QtCore import QObject, QProcess

from ui.process_runner import ProcessRunner


class Commands(QObject):
    """Makes the runners of one window and owns their processes.

    A process is a child of this object and of no page or dialog, whose own end therefore ends no command. `close` and the
    destruction of this object both leave no process behind, in whatever state one is; after `close` none can be started, so
    nothing that comes late (a timer, an answer of the job thread) starts one into a window that is gone.

    Attributes
    ----------
    is_closed : bool
        The window closes or has closed.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_closed = False
        self._running: dict[QProcess, ProcessRunner] = {}
        # Whoever forgets to close still leaves nothing: this is told before the children, the processes, are destroyed.
        self.destroyed.connect(partial(_end_all, self._running))

    def runner(self, parent: QObject | None = None) -> ProcessRunner:
        """Return a new runner of commands."""
        return ProcessRunner(self, parent)

    def process(self, runner: ProcessRunner) -> QProcess | None:
        """Return a process for a runner, not started yet; None once the window closes."""
        if self.is_closed:
            return None
        process = QProcess(self)
        self._running[process] = runner
        return process

    def release(self, process: QProcess) -> None:
        """Take back a process that has ended or could not be started."""
        self._running.pop(process, None)
        process.deleteLater()

    def close(self) -> None:
        """End what runs and start nothing more."""
        self.is_closed = True
        _end_all(self._running)


def _end_all(running: dict[QProcess, ProcessRunner]) -> None:
    """End each process, whether it is starting, running or about to be told of as ended; none of them tells anybody."""
    while running:
        process, runner = running.popitem()
        runner.process = None
        process.blockSignals(True)
        while process.state() != QProcess.NotRunning:
            process.kill()
            process.waitForFinished(1_000)
