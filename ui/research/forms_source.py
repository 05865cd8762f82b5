"""The options of the commands, asked once of `stom.py forms` and kept beside the caches until the program changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from domain.errors import StomError
from ui.commands import Commands
from ui.jobs import Jobs
from ui.models.command_options import Forms, decode
from utility.build import RESEARCH, build

PACKAGES = (*RESEARCH, "cli")
"""What decides the options."""


class FormsSource(QObject):
    """Asks for the options.

    Signals
    -------
    ready : `forms` is there.
    failed(str, dict)
    """

    ready = pyqtSignal()
    failed = pyqtSignal(str, object)

    def __init__(self, data_dir: Path, jobs: Jobs, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.data_dir, self.jobs = data_dir, jobs
        self.forms: Forms = {}
        self.runner = commands.runner(self)
        self.runner.finished.connect(self._answered)
        self.runner.failed.connect(self.failed)
        self._asked = False

    def ask(self) -> None:
        """Read the options, from the file of this build or from the command; `ready` comes once."""
        if self._asked:
            return
        self._asked = True
        self.jobs.run(self._read, self._found, self._error)

    def _path(self) -> Path:
        return self.data_dir / "cache" / f"forms-{build(PACKAGES).rpartition('+')[2]}.json"

    def _read(self) -> dict[str, Any] | None:
        try:
            body = json.loads(self._path().read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) and "forms" in body else None

    def _found(self, body: dict[str, Any] | None) -> None:
        if body is None:
            self.runner.start(["forms", "--json"])
        else:
            self._take(body)

    def _answered(self, body: dict[str, Any]) -> None:
        self.jobs.run(lambda: self._keep(body), lambda _: None, self._error)
        self._take(body)

    def _keep(self, body: dict[str, Any]) -> None:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob("forms-*.json"):
            old.unlink(missing_ok=True)
        new = path.with_suffix(".tmp")
        new.write_text(json.dumps(body), "utf-8")
        os.replace(new, path)

    def _take(self, body: dict[str, Any]) -> None:
        self.forms = decode(body)
        self.ready.emit()

    def _error(self, error: StomError) -> None:
        self.failed.emit(error.code, dict(error.fields))
