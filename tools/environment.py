"""Environment variables that must stand before the first import of Qt, Numba or matplotlib.

Every entry point calls `prepare` (or `prepare_tests`) before it imports anything that is not in the standard library.
"""

import codecs
import hashlib
import json
import locale
import os
import sys
import tempfile

from tools.kernel_files import doubt_kernel_files

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Folders whose files may hold compiled functions.
KERNEL_PACKAGES = ("domain", "strategy", "trading", "paper", "backtester", "storage")

# Other wheels may bring another Qt binding; libraries that can use several must be told which before they are imported.
QT_BINDING = {"QT_API": "pyqt5", "PYQTGRAPH_QT_LIB": "PyQt5", "PYTEST_QT_API": "pyqt5"}


def venv_python(root=ROOT):
    """Return the path of the environment's interpreter, which need not exist yet."""
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(root, ".venv", *parts)


def kernel_cache(root=ROOT):
    """Return the directory where Numba keeps machine code: in the work tree, so that removing the tree removes it.

    It is named by a digest of our sources that hold compiled functions, because Numba only looks at
    the file of the outermost one: after an update it would go on running the old code of an inner one.
    """
    digest = hashlib.blake2b(digest_size=8)
    for package in KERNEL_PACKAGES:
        for folder, _, names in sorted(os.walk(os.path.join(root, package))):
            for name in sorted(names):
                if name.endswith(".py"):
                    with open(os.path.join(folder, name), "rb") as file:
                        text = file.read()
                    if b"numba" in text or b"njit" in text:
                        digest.update(name.encode() + b"\0" + text)
    return os.path.join(root, "_database", "cache", "kernels", digest.hexdigest())


def prepare(environ=None, root=ROOT):
    """Set what every process of ours needs, and return the mapping.

    Parameters
    ----------
    environ : mutable mapping of str to str, optional
        `os.environ` when None. A value the user has set already is kept.
    root : str
        The work tree.

    Returns
    -------
    mapping
        `environ` itself.
    """
    environ = os.environ if environ is None else environ
    for name, value in QT_BINDING.items():
        environ.setdefault(name, value)
    environ.setdefault("NUMBA_CACHE_DIR", kernel_cache(root))
    doubt_kernel_files()
    _keep_bytecode(environ, root)
    # Files and standard streams hold Hangul; the code page of Windows does not decide how they are read.
    environ.setdefault("PYTHONUTF8", "1")
    return environ


def language(environ=None):
    """Return the language of the environment, "en" where it says so, else "ko", before any command could ask `cli.words`."""
    environ = os.environ if environ is None else environ
    name = environ.get("LC_ALL") or environ.get("LANG") or locale.getlocale()[0] or ""
    return "en" if name.startswith("en") else "ko"


def word(code, **fields):
    """Return a sentence of setting up, in the environment's language.

    `utility.text` is for Python 3.11; what tells an old interpreter's user what to do has to be readable to that one.
    """
    path = os.path.join(ROOT, "utility", "locale", language(), "setup.json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)[code].format(**fields)


def speak_plainly(streams=None):
    """Let standard output and error take every sentence of ours, whatever the locale says.

    A stream that says ASCII is one whose locale says nothing (cron, services, containers): it gets UTF-8. Another
    encoding is kept, and what it cannot hold is replaced; a command must not end because its answer has Hangul in it.

    Parameters
    ----------
    streams : iterable of text streams, optional
        `sys.stdout` and `sys.stderr` when None; what cannot be set is left alone.
    """
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if not hasattr(stream, "reconfigure"):
            continue
        try:
            name = codecs.lookup(stream.encoding).name
        except (LookupError, TypeError):
            name = "ascii"
        # A file name that is no text reaches us as lone surrogates: UTF-8 cannot hold those, so they are written as escapes.
        if name in ("ascii", "utf-8"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        else:
            stream.reconfigure(errors="replace")


def _keep_bytecode(environ, root):
    """Let byte code be kept where the machine forbids it beside the sources, as containers do.

    Without any, each of our processes parses hundreds of library modules at its start, which takes longer
    than all the rest of a restart.
    """
    if environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        environ.setdefault("PYTHONPYCACHEPREFIX", os.path.join(root, "_database", "cache", "bytecode"))
    if environ is os.environ and "PYTHONPYCACHEPREFIX" in environ:
        sys.pycache_prefix, sys.dont_write_bytecode = environ["PYTHONPYCACHEPREFIX"], False


def prepare_tests(environ=None, root=ROOT):
    """Set what a test run needs on top of `prepare`: no screen, no user's directories, one binding; values are forced.

    Parameters
    ----------
    environ : mutable mapping of str to str, optional
        `os.environ` when None.
    root : str
        The work tree.

    Returns
    -------
    mapping
        `environ` itself. `XDG_RUNTIME_DIR` names a new private directory; the caller removes it.
    """
    environ = prepare(environ, root)
    environ.update(QT_BINDING)
    environ.update(QT_QPA_PLATFORM="offscreen", MPLBACKEND="Agg", PYTHONUTF8="1")
    # Qt complains, and our tests turn Qt's complaints into failures, when this is missing or not private to the user.
    environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="stom-run-")
    return environ


def has_display(environ=None, platform=sys.platform):
    """Return whether a window can be shown: always on Windows and macOS, elsewhere when X11 or Wayland is announced."""
    environ = os.environ if environ is None else environ
    if platform in ("win32", "darwin"):
        return True
    if environ.get("QT_QPA_PLATFORM", "").split(":")[0] in ("offscreen", "minimal", "vnc", "linuxfb", "eglfs"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def choose_platform(environ=None, platform=sys.platform):
    """Let a program that must have a window run without a screen: Qt is told to paint offscreen when there is none.

    Returns
    -------
    bool
        Whether the window will be seen.
    """
    environ = os.environ if environ is None else environ
    if has_display(environ, platform):
        return True
    environ["QT_QPA_PLATFORM"] = "offscreen"
    return False
