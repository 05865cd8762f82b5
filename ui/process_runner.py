"""A research command as a process of its own: progress line by line, one JSON result, SIGINT to stop and save."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, pyqtSignal

if TYPE_CHECKING:
    from ui.commands import Commands

ROOT = Path(__file__).resolve().parent.parent
STOP_MS = 8_000
ERROR_BYTES = 4_000


class ProcessRunner(QObject):
    """Runs `stom.py …` once at a time.

    Signals
    -------
    progressed(dict) : done, total, rate, left_s, best, note (what was said).
    finished(dict) : the command's one JSON object.
    failed(str, dict) : code and fields of what went wrong.
    """

    progressed = pyqtSignal(object)
    finished = pyqtSignal(object)
    failed = pyqtSignal(str, object)

    def __init__(self, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.commands = commands
        self.program: tuple[str, ...] = (sys.executable, str(ROOT / "stom.py"))
        self.process: QProcess | None = None
        self.stopping = False
        self._out = b""
        self._half = b""
        self._errors = b""

    def is_running(self) -> bool:
        """Tell whether a command is running."""
        return self.process is not None

    def start(self, arguments: list[str]) -> None:
        """Start ``stom.py <arguments>``; nothing once the window closes."""
        assert self.process is None
        self._out = self._half = self._errors = b""
        self.stopping = False
        process = self.process = self.commands.process(self)
        if process is None:
            return
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        environment.insert("PYTHONUTF8", "1")
        process.setProcessEnvironment(environment)
        process.setWorkingDirectory(str(ROOT))
        process.readyReadStandardOutput.connect(self._read_out)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._ended)
        process.errorOccurred.connect(self._broken)
        process.start(self.program[0], [*self.program[1:], *arguments])

    def stop(self) -> None:
        """Ask the command to stop and save; it is ended when it does not in STOP_MS."""
        process = self.process
        if process is None or self.stopping:
            return
        self.stopping = True
        if os.name == "nt":
            process.terminate()
        elif process.processId():
            os.kill(int(process.processId()), signal.SIGINT)
        QTimer.singleShot(STOP_MS, process.kill)  # nothing when it has ended by then

    def _read_out(self) -> None:
        if self.process is not None:
            self._out += bytes(self.process.readAllStandardOutput())

    def _read_errors(self) -> None:
        if self.process is None:
            return
        self.take_errors(bytes(self.process.readAllStandardError()))

    def take_errors(self, more: bytes) -> None:
        """Take what came on standard error: progress is told, the rest kept for the case that the command fails."""
        *lines, self._half = (self._half + more).split(b"\n")
        newest: dict[str, Any] | None = None
        for line in lines:
            told = _object(line)
            if told is None:
                self._errors = (self._errors + line + b"\n")[-ERROR_BYTES:]
                continue
            if newest is not None and newest.get("best") != told.get("best"):
                self.progressed.emit(newest)
            newest = told
        if newest is not None:
            self.progressed.emit(newest)

    def _broken(self, error: int) -> None:
        if error == QProcess.FailedToStart and self.process is not None:
            self._release()
            self.failed.emit("ui.research.no_start", {"program": self.program[0]})

    def _ended(self, status: int, how: int) -> None:
        if self.process is None:
            return
        self._read_out()
        self._read_errors()
        self._release()
        read_answer(self, self._out, status)

    def _release(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            self.commands.release(process)

    @property
    def last_words(self) -> str:
        """The last line on standard error that was no progress."""
        text = self._errors.decode("utf-8", "replace").strip().splitlines()
        return text[-1] if text else ""


def read_answer(runner: ProcessRunner, out: bytes, status: int) -> None:
    """Tell what a command that has ended printed: its one object, its error, or that there is none."""
    lines = [line for line in out.splitlines() if line.strip()]
    result = _object(lines[-1]) if lines else None
    if result is not None and "error" not in result:
        runner.finished.emit(result)
    elif result is not None:
        error = result["error"]
        told = {key: value for key, value in error.items() if key not in ("message", "code")}
        runner.failed.emit("ui.research.refused", {**told, "reason": error.get("message", ""), "code": error.get("code", "")})
    elif runner.stopping:
        runner.failed.emit("ui.research.stopped", {})
    else:
        runner.failed.emit("ui.research.ended", {"status": status, "reason": runner.last_words})


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
