"""Words to the person: the line under the top bar, and the same words in the log."""

from __future__ import annotations

import logging
import time
from typing import Any

from PyQt5.QtCore import QObject, QTimer

from domain.errors import StomError
from ui.models.log import LogLine, LogModel
from ui.pages.log import ScreenHandler
from ui.text import Said, tr, word
from ui.widgets.notice import Notice

DRAIN_MS = 250
WARNINGS = (
    "ui.order.refused",
    "ui.strategy.has_errors",
    "ui.strategy.look_ahead_bad",
    "ui.research.busy",
    "ui.research.refused",
    "ui.research.ended",
)


class Teller(QObject):
    """Says what happened in the window's language.

    Parameters
    ----------
    notice : Notice
    lines : LogModel
        Gets every sentence, and what this process's own loggers say.
    """

    def __init__(self, notice: Notice, lines: LogModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.notice, self.lines = notice, lines
        self.screen_log = ScreenHandler()
        self.listen()
        drain = QTimer(self)
        drain.setInterval(DRAIN_MS)
        drain.timeout.connect(self._drain)
        drain.start()

    def listen(self) -> None:
        """Hear the process's loggers; the supervisor makes its file handler the only one, so it is asked for again."""
        logging.getLogger().addHandler(self.screen_log)

    def close(self) -> None:
        """Hear nothing more (the window closes)."""
        logging.getLogger().removeHandler(self.screen_log)

    def tell(self, code: str, fields: dict[str, Any]) -> None:
        """Say a sentence; refusals and errors of a text are warnings."""
        if code == "ui.order.refused":
            fields = {**fields, "rule": said("ui.rule", fields["rule"])}
        level = "warn" if code in WARNINGS or code.startswith("ui.ranges") else "info"
        self.notice.tell(code, fields, level)
        self.line(logging.WARNING if level == "warn" else logging.INFO, code, fields)

    def forget(self, start: str) -> None:
        """Take a sentence away whose code begins so: what it spoke of is over."""
        if self.notice.code.startswith(start):
            self.notice.dismiss()

    def error(self, error: StomError) -> None:
        """Say what went wrong."""
        self.notice.tell(error.code, dict(error.fields), "error")
        self.line(logging.ERROR, error.code, error.fields)

    def line(self, level: int, code: str, fields: dict[str, Any]) -> None:
        """Put a sentence of the window into the log."""
        self.add(level, "window", "ui", code, fields)

    def add(self, level: int, process: str, logger: str, code: str, fields: dict[str, Any]) -> None:
        """Put a sentence of a process into the log, as it is now and as the window's language will have it."""
        self.lines.add([LogLine(time.time(), level, process, logger, tr(code, **fields), Said(lambda: tr(code, **fields)))])

    def _drain(self) -> None:
        lines = self.screen_log.drain()
        if lines:
            self.lines.add(lines)


def said(prefix: str, value: str) -> Said:
    """Return the word of an enum value inside a sentence, said anew when the language changes."""
    return Said(lambda: word(prefix, value))
