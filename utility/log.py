"""Logging of a system of processes: children send records over `control`, main writes the files.

One logger a module, lines of ``key=value``. A child's handler puts records into a bounded queue that
its loop empties; what does not fit is counted, never waited for. One file per process and day.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from domain.messages import LogRecord
from utility.secrets import RedactionFilter

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
QUEUE_MAX = 2_000
TEXT_MAX = 8_000


if logging.lastResort is not None:
    logging.lastResort.addFilter(RedactionFilter())  # what is logged before `install` goes to standard error


class QueueHandler(logging.Handler):
    """Keeps records as messages until the process's loop sends them."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self.queue: deque[LogRecord] = deque()
        self.dropped = 0
        self._ring = ring
        self.addFilter(RedactionFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record; the oldest goes when there is no room."""
        if len(self.queue) >= QUEUE_MAX:
            self.queue.popleft()
            self.dropped += 1
        text = _text(record)
        self.queue.append(LogRecord(level=record.levelno, logger=record.name, created=record.created, text=text[:TEXT_MAX]))
        self._ring()


def _text(record: logging.LogRecord) -> str:
    """Return message and traceback. The filter has masked both and made the traceback text: places without locals (P40)."""
    return f"{record.getMessage()} {record.exc_text}" if record.exc_text else record.getMessage()


def install(handler: logging.Handler, level: str) -> None:
    """Make `handler` the only one of the root logger; none is without the filter that masks secrets."""
    if not any(isinstance(one, RedactionFilter) for one in handler.filters):
        handler.addFilter(RedactionFilter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS.get(level, logging.INFO))
    # These write a line for every request; the trader's ledger has them all.
    for name in ("httpx", "httpcore", "websocket", "asyncio", "aiohttp.access", "numba", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


def format_line(record: LogRecord) -> str:
    """Return one line of a log file: UTC time, level, logger, text."""
    when = dt.datetime.fromtimestamp(record.created, dt.UTC)
    text = record.text.replace("\n", "\\n")
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z {logging.getLevelName(record.level)} {record.logger} {text}"


class LogFiles:
    """One file per process and day; a file that cannot be written loses lines, never the caller."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[str, TextIO]] = {}
        self.lost = 0

    def write(self, process: str, record: LogRecord) -> None:
        """Append one record to the file of `process`."""
        day = dt.datetime.fromtimestamp(record.created, dt.UTC).strftime("%Y%m%d")
        try:
            self._file(process, day).write(format_line(record) + "\n")
        except OSError:
            self.lost += 1

    def flush(self) -> None:
        """Hand what was written to the system."""
        for _, file in self._open.values():
            try:
                file.flush()
            except OSError:
                self.lost += 1

    def close(self) -> None:
        """Close all files."""
        for _, file in self._open.values():
            try:
                file.close()
            except OSError:
                self.lost += 1
        self._open.clear()

    def _file(self, process: str, day: str) -> TextIO:
        held = self._open.get(process)
        if held is not None and held[0] == day:
            return held[1]
        if held is not None:
            del self._open[process]
            held[1].close()
        self._folder.mkdir(parents=True, exist_ok=True)
        safe = "".join(c if c.isalnum() or c in ".-_" else "_" for c in process)
        file = (self._folder / f"{day}-{safe}.log").open("a", encoding="utf-8")
        self._open[process] = (day, file)
        return file


class FileHandler(logging.Handler):
    """The main process's own records, into the same files."""

    def __init__(self, files: LogFiles, process: str = "main") -> None:
        super().__init__()
        self._files = files
        self._process = process
        self.addFilter(RedactionFilter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        text = _text(record)
        self._files.write(self._process, LogRecord(level=record.levelno, logger=record.name, created=record.created, text=text[:TEXT_MAX]))


class StderrHandler(logging.Handler):
    """Lines on what standard error is at the time of the record."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        sys.stderr.write(self.format(record) + "\n")


def to_stderr(level: str) -> None:
    """Log to standard error: commands without a supervisor, and a supervisor that has closed its files."""
    handler = StderrHandler()
    handler.addFilter(RedactionFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    install(handler, level)
