"""A restart in a moment: a spare process that has everything loaded, and of which a killed role is forked anew.

A new interpreter spends more than a second of processor time on libraries and compiled functions
before it can read its configuration; on a loaded machine that is most of the time without a trader.
The spare is started when trading runs quietly, loads at low priority, knows no key (spare_process.py),
and is used where the system can fork. Everywhere else, and until it is loaded, a child is a new
interpreter: the two differ in nothing else. See docs/decisions/0020-a-spare-process.md.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from domain.process_config import ProcessConfig
from trading.launch import launch, open_errors, start, tell
from trading.run_file import is_alive

log = logging.getLogger(__name__)

ROLES = ("receiver", "strategy", "trader")
FIRST_S = 10.0
"""How long after everything was ready for the first time the spare is loaded beside it."""
ANSWER_S = 2.0
STARTS_MAX = 3
"""A spare that does not come up is given up after so many."""
MESSAGE_BYTES = 64


class Forked:
    """A process forked from the spare; what `subprocess.Popen` is for one that was started.

    Parameters
    ----------
    pid : int
    stdin : file
        The start pipe's write end.
    spare : Spare
        Hears of its end, for it is the spare's child.
    """

    def __init__(self, pid: int, stdin: IO[bytes], spare: Spare) -> None:
        self.pid = pid
        self.stdin = stdin
        self._spare = spare
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self._status is None:
            self._status = self._spare.status_of(self.pid)
        return self._status

    def kill(self) -> None:
        """End it now."""
        if self.poll() is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                log.debug("event=killed_too_late pid=%d", self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended."""
        deadline = time.monotonic() + (3600.0 if timeout is None else timeout)
        while True:
            status = self.poll()
            if status is not None:
                return status
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout or 0.0)
            time.sleep(0.005)


class Spare:
    """The spare process, and how a child is started with or without it.

    Parameters
    ----------
    data_dir : Path
    is_on : bool
        False: every child is a new interpreter.
    """

    def __init__(self, data_dir: Path, *, is_on: bool = True) -> None:
        self._data_dir = data_dir
        self._is_on = is_on and sys.platform == "linux"
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_loaded = False
        self._starts = 0
        self._due_s = 0.0
        self._running: set[int] = set()
        self._orphans: set[int] = set()  # their spare, which would have told of their end, is gone
        self._ended: dict[int, int] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether a role would be forked now."""
        self._read()
        return self._is_loaded

    def launch(self, config: ProcessConfig) -> subprocess.Popen[bytes] | Forked:
        """Start the process of a configuration."""
        if config.role in ROLES and self.is_loaded:
            forked = self._fork(config)
            if forked is not None:
                return forked
        return launch(config)

    def tend(self, now_s: float, *, is_quiet: bool) -> None:
        """Start the spare when nothing else is being started; called often."""
        self._read()
        if not self._is_on or not is_quiet or self._process is not None or self._starts >= STARTS_MAX:
            return
        self._due_s = self._due_s or now_s + FIRST_S
        if now_s >= self._due_s:
            self._start()

    def close(self) -> None:
        """Let the spare go; it ends by itself when its socket does."""
        self._is_on = False
        self._drop()

    # --- the other side -----------------------------------------------------------------------------

    def _start(self) -> None:
        self._starts += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with open_errors(self._data_dir, "spare") as errors, theirs:
            self._process = start("spare", theirs, errors)
        ours.settimeout(ANSWER_S)
        self._poll = select.poll()
        self._poll.register(ours, select.POLLIN)
        self._control = ours
        log.info("event=spare_started pid=%d", self._process.pid)

    def _fork(self, config: ProcessConfig) -> Forked | None:
        assert self._control is not None
        reader, writer = os.pipe()
        try:
            with open_errors(self._data_dir, config.name) as errors:
                socket.send_fds(self._control, [config.role.encode()], [reader, errors.fileno()])
            pid = self._answer()
        except OSError as error:
            os.close(writer)  # a fork that nobody waits for reads the end of its pipe and goes
            log.warning("event=spare_lost reason=%s", type(error).__name__)
            self._drop()
            return None
        finally:
            os.close(reader)
        self._running.add(pid)
        process = Forked(pid, os.fdopen(writer, "wb", 0), self)
        tell(process.stdin, config)
        return process

    def _answer(self) -> int:
        """Return the number of the process that was asked for; OSError when none comes."""
        assert self._control is not None
        while True:
            message = self._control.recv(MESSAGE_BYTES)
            if not message:
                raise ConnectionResetError
            if message.startswith(b"started"):
                return int(message.split()[1])
            self._take(message)

    def _read(self) -> None:
        """Take what the spare has said, without waiting."""
        while self._control is not None and self._poll.poll(0):
            try:
                message = self._control.recv(MESSAGE_BYTES)
            except OSError:
                message = b""
            if not message:
                self._drop()
                return
            self._take(message)

    def _take(self, message: bytes) -> None:
        words = message.split()
        if words[0] == b"ready":
            self._is_loaded = True
            log.info("event=spare_loaded")
        elif words[0] == b"ended":
            self._running.discard(int(words[1]))
            self._ended[int(words[1])] = int(words[2])

    def _drop(self) -> None:
        control, self._control = self._control, None
        self._is_loaded = False
        self._orphans |= self._running
        self._running.clear()
        if control is not None:
            control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def status_of(self, pid: int) -> int | None:
        """Return the exit status of a fork, None while it runs."""
        self._read()
        if pid in self._running or (pid in self._orphans and is_alive(pid)):
            return None
        self._orphans.discard(pid)  # nobody knows how it ended
        return self._ended.get(pid, -signal.SIGKILL)
