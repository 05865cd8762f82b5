"""Work that may take a while, in one thread beside the window: files, databases, Parquet.

`run` returns at once; `done` or `failed` is called in the GUI thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from domain.errors import StomError

log = logging.getLogger(__name__)
Done = Callable[[Any], None]


class Jobs(QObject):
    """One worker thread, jobs in order.

    It is nobody's child, the thread holds it: a job may outlast the window, and its end must find this object.
    """

    _finished = pyqtSignal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._queue: queue.Queue[tuple[Callable[[], Any], Done, Done] | None] = queue.Queue()
        self._finished.connect(lambda call, value: call(value))
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()
        self.waiting = 0

    def run(self, do: Callable[[], Any], done: Done, failed: Done) -> None:
        """Call ``do()`` in the thread, then ``done(result)`` or ``failed(StomError)`` here."""
        self.waiting += 1
        self._queue.put((do, self._counted(done), self._counted(failed)))

    def _counted(self, call: Done) -> Done:
        def counted(value: Any) -> None:
            self.waiting -= 1
            call(value)

        return counted

    def stop(self) -> None:
        """End the thread after what was asked of it; of what ends from now on nobody hears."""
        self._finished.disconnect()
        self._queue.put(None)
        self._thread.join(3.0)

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            do, done, failed = job
            try:
                value, call = do(), done
            except StomError as error:
                value, call = error, failed
            except (OSError, ValueError, KeyError, ImportError) as error:
                log.error("event=job_failed", exc_info=True)
                value, call = StomError("ui.job_failed", reason=f"{type(error).__name__}: {error}"), failed
            self._finished.emit(call, value)
