"""Asks of each saved strategy, in a process of its own, whether it reads the future; the window stays as quick as it was."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from ui.commands import Commands
from ui.text import tr
from ui.user_library import StrategyDoc


class SaveGuard(QObject):
    """Runs ``strategy guard`` for one save after the other.

    Signals
    -------
    told(str, dict) : code and fields of what was found.
    """

    told = pyqtSignal(str, object)

    def __init__(self, root: Path, commands: Commands, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._root = root
        self._waiting: deque[StrategyDoc] = deque()
        self.runner = commands.runner(self)
        self.runner.finished.connect(self._found)
        self.runner.failed.connect(self._failed)

    def ask(self, doc: StrategyDoc) -> None:
        """Ask of a saved version; at once, or when the one before is answered."""
        self._waiting.append(doc)
        self._next()

    def _next(self) -> None:
        if self._waiting and not self.runner.is_running():
            doc = self._waiting.popleft()
            self.runner.start(
                ["strategy", "guard", doc.name, "--version", str(doc.version), "--data-dir", str(self._root), "--json", "--quiet"]
            )

    def _found(self, result: dict[str, Any]) -> None:
        one = result["strategies"][0]
        found = one["look_ahead"]
        about = {"name": one["name"], "version": one["version"]}
        bad = next((each for each in found["judged"] if not each["ok"]), None)
        if bad is not None:
            self.told.emit("ui.strategy.look_ahead_bad", {**about, "row": bad["row"], "side": tr(f"strategy.side_{bad['side']}")})
        elif found["ok"]:
            cuts = sum(each["cuts"] for each in found["judged"])
            self.told.emit("ui.strategy.look_ahead_ok", {**about, "cuts": cuts, "seconds": f"{found['seconds']:.1f}"})
        self._next()

    def _failed(self, code: str, fields: dict[str, Any]) -> None:
        self.told.emit("ui.strategy.look_ahead_failed", {"reason": tr(code, **fields)})
        self._next()
