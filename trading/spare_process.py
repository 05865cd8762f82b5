"""The spare's own side: everything loaded and compiled that receiver, strategy host and trader need, and nothing told.

It waits on its standard input, a socket. Each request carries the read end of a start pipe and a file
for errors; a fork of this process then is the role, exactly as a newly started interpreter would be
from the moment it reads its configuration. The spare itself reads no configuration, so that it
never holds a key, and it opens no socket of its own. Linux only (`os.fork` beside other systems'
frameworks is not safe).
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from utility.build import build
from utility.spared_imports import spare_linear_algebra

GENTLE = 5
"""Niceness of the loading: whoever trades meanwhile goes first."""
REQUEST_BYTES = 256


def main(modules: Mapping[str, str], become: Callable[[str], int]) -> int:
    """Load the modules of the roles, then fork on request until main is gone.

    Parameters
    ----------
    modules : mapping
        Role → module; a module's ``preload()`` loads what it needs later.
    become : callable (role) -> exit status
        Reads the configuration from standard input and does the role.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=os.dup(0))
    # A thread may be nice by itself, and forks come from this one, which is not.
    loader = threading.Thread(target=_load, args=(tuple(modules.values()),), name="loader")
    loader.start()
    loader.join()
    role = _serve(control)
    return 0 if role is None else become(role)


def _load(modules: tuple[str, ...]) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GENTLE)
    build()  # of the sources as they are being loaded: mixed builds are found by it
    spare_linear_algebra()
    for name in modules:
        importlib.import_module(name).preload()
    gc.collect()
    gc.freeze()  # the forks share these pages as long as nobody counts in them


def _serve(control: socket.socket) -> str | None:
    """Fork on request; return the role in the fork, None in the spare when main is gone."""
    with selectors.DefaultSelector() as selector:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # rings the pipe
        selector.register(control, selectors.EVENT_READ)
        selector.register(reader, selectors.EVENT_READ)
        try:
            control.send(b"ready")
            while True:
                for key, _ in selector.select():
                    if key.fileobj is control:
                        role = _fork(control)
                        if role != "":
                            return role
                    else:
                        os.read(reader, 4096)
                _report(control)
        except (BrokenPipeError, ConnectionResetError):
            return None
        finally:
            signal.set_wakeup_fd(before)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(reader)
            os.close(writer)


def _fork(control: socket.socket) -> str | None:
    """Carry one request out: "" in the spare, the role in the fork, None when main is gone."""
    request, files, _, _ = socket.recv_fds(control, REQUEST_BYTES, 2)
    if not request:
        return None
    role = request.decode()
    child = os.fork()
    if child:
        for one in files:
            os.close(one)
        control.send(f"started {child}".encode())
        return ""
    os.setsid()
    Path("/proc/self/comm").write_text(role)  # what a list of processes shows
    start_pipe, errors = files
    for target, source in ((0, start_pipe), (1, errors), (2, errors)):
        os.dup2(source, target)
    for one in files:
        os.close(one)
    control.close()
    return role


def _report(control: socket.socket) -> None:
    """Tell main of every fork that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        control.send(f"ended {pid} {os.waitstatus_to_exitcode(status)}".encode())
