"""Shared libraries that Qt needs from the system, found by name before Qt is loaded: a missing one makes Qt abort, not raise."""

import ctypes
import os
import shutil
import subprocess
import sys

from tools import environment

# From the NEEDED entries of the wheels' libraries and plugins (PyQt5-Qt5 5.15.19): file name -> Debian package.
OFFSCREEN = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libz.so.1": "zlib1g",
}
WINDOW = {
    **OFFSCREEN,
    "libEGL.so.1": "libegl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def missing(window, platform=sys.platform):
    """Return the Debian packages of shared libraries that do not load.

    Parameters
    ----------
    window : bool
        True for a window on a screen, False for the offscreen platform that tests use.
    platform : str
        Other systems than Linux carry everything in the wheel, so the answer there is empty.

    Returns
    -------
    list of str
        Sorted, each once.
    """
    if not platform.startswith("linux"):
        return []
    return sorted({package for name, package in (WINDOW if window else OFFSCREEN).items() if not _loads(name)})


def install_command(packages):
    """Return the command, as a list of words, that installs Debian `packages`."""
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def fix(packages):
    """Return the sentence that tells a person how to install `packages` on this machine."""
    if not packages:
        return ""
    if shutil.which("apt-get"):
        return "sudo " + " ".join(install_command(packages))
    return "install what your system calls: " + " ".join(packages)


def ensure(window, say=print):
    """Install missing libraries when this user may do so.

    Parameters
    ----------
    window : bool
        As for `missing`.
    say : callable
        Takes one line of progress.

    Returns
    -------
    list of str
        Packages that are still missing; empty when Qt can start.
    """
    packages = missing(window)
    if not packages or not shutil.which("apt-get") or os.geteuid() != 0:
        return packages
    say(environment.word("setup.qt_installing", packages=" ".join(packages)))
    environ = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # A fresh machine has no package lists yet; one that has fresh ones loses a few seconds here, once.
    for command in (["apt-get", "update", "-qq"], install_command(packages)):
        done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            say((done.stderr or done.stdout).strip()[-2000:])
            break
    return missing(window)


def _loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
