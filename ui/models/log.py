"""The log on screen: the newest records of every process, counted by level."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from dataclasses import dataclass

from PyQt5.QtCore import QObject

from ui.format import KST
from ui.models.log_words import said
from ui.models.records import Records
from ui.models.table import CENTRE, LEFT, Column
from ui.text import Said, language, word

RECORDS_MAX = 5_000
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(slots=True)
class LogLine:
    """One log record."""

    created: float
    level: int
    source: str
    logger: str
    text: str
    words: Said | None = None
    """The window's own sentence, which follows its language."""

    @property
    def shown(self) -> str:
        """The text as a sentence of the window's language, where there is one."""
        return said(self.text, language()) if self.words is None else str(self.words)

    @property
    def level_name(self) -> str:
        return level_name(self.level)


def level_name(level: int) -> str:
    """Return the word of a numeric level."""
    for name in reversed(LEVELS):
        if level >= getattr(logging, name.upper()):
            return name
    return "debug"


def _clock(value: float, record: LogLine) -> str:
    return dt.datetime.fromtimestamp(value, KST).strftime("%H:%M:%S.%f")[:-3]


def _tone(record: LogLine) -> str:
    return {"debug": "faint", "info": "text", "warning": "warn", "error": "danger", "critical": "danger"}[record.level_name]


COLUMNS = (
    Column("created", "ui.col.time", CENTRE, _clock, tone=lambda r: "muted", width=11),
    Column("level", "ui.col.level", CENTRE, lambda v, r: word("ui.level", r.level_name), tone=_tone, width=7),
    Column("source", "ui.col.process", LEFT, lambda v, r: v, tone=lambda r: "muted", width=18),
    Column("logger", "ui.col.logger", LEFT, lambda v, r: v, tone=lambda r: "faint", width=26),
    Column("text", "ui.col.text", LEFT, lambda v, r: r.shown, tone=_tone, tip=lambda r: r.text, width=0),
)


class LogModel(Records):
    """The newest `RECORDS_MAX` records; `counts` counts all that came, by level."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(COLUMNS, parent, limit=RECORDS_MAX)
        self.counts: Counter[str] = Counter()
        self._number_given = 0

    def add(self, lines: list[LogLine]) -> None:
        """Append records, oldest first."""
        items = []
        for line in lines:
            self._number_given += 1
            self.counts[line.level_name] += 1
            items.append((self._number_given, line))
        self.upsert(items)
