"""Make or mend `.venv`, then run something in it. Standard library only; started by make, run.bat, run.sh and stom.py.

    python tools/bootstrap.py install | run [ARGS] | test [ARGS] | bench [ARGS] | lock [ARGS] | clean

The installed set is exactly `requirements/lock.txt`: every file's hash is checked, nothing is compiled. The stamp is
written last, so an install that was interrupted is found and done again by the next call.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
if sys.path and os.path.abspath(sys.path[0]) == _HERE:
    sys.path[0] = os.path.dirname(_HERE)  # started as a script: imports are spelled from the work tree's root

WANTED = (3, 11)
CLEANED = (".venv", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", os.path.join("_database", "cache"))


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def say(line):
    """Print one line of progress on standard error; standard output belongs to the command that is being started."""
    print("stom: " + line, file=sys.stderr, flush=True)


def word(code, **fields):
    """Return a sentence in the language of the environment; tools may be imported only once the path is set above."""
    from tools import environment

    return environment.word(code, **fields)


def check_python(version=None, bits64=None, implementation=None, platform=None, machine=None):
    """Refuse an interpreter that the lock file was not made for.

    Parameters
    ----------
    version, bits64, implementation, platform, machine
        Of this interpreter and machine when None; tests pass others.

    Raises
    ------
    SetupError
        With the sentence that says how to get the right one.
    """
    version = sys.version_info[:2] if version is None else version
    bits64 = sys.maxsize > 2**32 if bits64 is None else bits64
    implementation = sys.implementation.name if implementation is None else implementation
    platform = sys.platform if platform is None else platform
    way = word("setup.get_python." + (platform if platform in ("win32", "darwin") else "linux"))
    if tuple(version) != WANTED or implementation != "cpython":
        raise SetupError(word("setup.python", found="%s %d.%d" % ((implementation,) + tuple(version[:2])), way=way))
    if not bits64:
        raise SetupError(word("setup.python_32", way=way))
    if platform == "linux":
        machine = os.uname().machine if machine is None else machine
        if machine != "x86_64":
            raise SetupError(word("setup.machine", machine=machine))


def lock_digest(root):
    """Return the SHA-256 of the lock file as hexadecimal text; line ends do not count, git may have changed them."""
    with open(os.path.join(root, "requirements", "lock.txt"), "rb") as file:
        return hashlib.sha256(file.read().replace(b"\r\n", b"\n")).hexdigest()


def is_installed(root):
    """Return whether `.venv` holds what the lock file says."""
    from tools import environment

    return _read(_stamp(root)) == lock_digest(root) and os.path.exists(environment.venv_python(root))


def ensure(root=None):
    """Make `.venv` match the lock file and warm the kernel cache; return at once when both are so.

    Parameters
    ----------
    root : str, optional
        The work tree; the one this file lies in when None.

    Returns
    -------
    str
        Path of the environment's interpreter.

    Raises
    ------
    SetupError
        When the environment cannot be made.
    """
    check_python()
    from tools import environment

    root = environment.ROOT if root is None else root
    if not is_installed(root) or not _is_warm(root):
        with _exclusive(root):
            # Whoever held the lock before us may have done the work already.
            if not is_installed(root):
                _install(root)
            if not _is_warm(root):
                _warm(root)
    return environment.venv_python(root)


def enter(arguments, root=None):
    """Run `python ARGUMENTS` in the environment and never return.

    Parameters
    ----------
    arguments : list of str
        A script and what follows it.
    root : str, optional
        The work tree.
    """
    python = ensure(root)
    from tools import environment

    environment.prepare(root=environment.ROOT if root is None else root)
    sys.stdout.flush()
    if os.name == "nt":
        # exec on Windows ends the parent at once, so the console would not wait for the child.
        sys.exit(subprocess.call([python] + arguments))
    os.execv(python, [python] + arguments)


def is_inside(root=None):
    """Return whether this interpreter is the environment's own."""
    from tools import environment

    root = environment.ROOT if root is None else root
    return os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(root, ".venv"))


def _install(root):
    from tools import environment

    started = time.monotonic()
    venv, python, unfinished = os.path.join(root, ".venv"), environment.venv_python(root), _unfinished(root)
    say(word("setup.preparing"))
    if os.path.exists(unfinished) or not os.path.exists(python):
        # Killed in the middle of a package, an installer may leave it half written and yet listed as present.
        shutil.rmtree(venv, ignore_errors=True)
    lock = os.path.join(root, "requirements", "lock.txt")
    if not (shutil.which("uv") and _install_with_uv(venv, python, lock, unfinished)):
        _install_with_pip(venv, python, lock, unfinished)
    # A new file in the old one's place: a copy of the tree made with hard links must not be told that it has what only we have.
    with open(_stamp(root) + ".new", "w", encoding="ascii") as file:
        file.write(lock_digest(root))
    os.replace(_stamp(root) + ".new", _stamp(root))
    os.remove(unfinished)
    say(word("setup.ready", seconds=time.monotonic() - started))


def _install_with_uv(venv, python, lock, unfinished):
    # uv does not read pip's configuration; where only that one names a mirror, pip has to do it.
    if not os.path.exists(python) and _call(["uv", "venv", "--quiet", "--python", sys.executable, venv]):
        return False
    _touch(unfinished)
    command = ["uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "--only-binary", ":all:", "-r", lock]
    if _call(command):
        say(word("setup.uv_failed"))
        return False
    return True


def _install_with_pip(venv, python, lock, unfinished):
    own_pip = os.path.exists(python) and not subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL)
    if not os.path.exists(python):
        # Debian keeps ensurepip in a package of its own; without it the system's pip serves the new environment.
        own_pip = importlib.util.find_spec("ensurepip") is not None
        if _call([sys.executable, "-m", "venv", venv] + ([] if own_pip else ["--without-pip"])):
            raise SetupError(word("setup.no_venv"))
    _touch(unfinished)
    if own_pip:
        pip = [python, "-m", "pip"]
    elif importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "--python", python]
    else:
        raise SetupError(word("setup.no_pip"))
    # Byte code is left to the first import: most modules of the set are never imported, and this saves a third of the time.
    flags = ["-qq", "--no-input", "--disable-pip-version-check", "--no-compile", "--require-hashes", "--only-binary=:all:"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if _call(pip + ["install"] + flags + ["-r", lock], environ):
        raise SetupError(word("setup.not_installed"))


def _call(words, environ=None):
    """Run an installer that goes on holding the work tree's lock should this process be killed (POSIX; see `_exclusive`)."""
    return subprocess.call(words, env=environ, close_fds=os.name == "nt")


def _warm(root):
    from tools import environment
    from tools.warm import WARM_MODULES

    os.makedirs(environment.kernel_cache(root), exist_ok=True)
    if WARM_MODULES:
        say(word("setup.compiling"))
    environ = environment.prepare(dict(os.environ), root)
    # Taken first: a file that changes while it is being compiled makes the next call warm again.
    digest = _kernel_digest(root)
    if WARM_MODULES and subprocess.call([environment.venv_python(root), "-m", "tools.warm"], cwd=root, env=environ, stdout=sys.stderr):
        say(word("setup.not_compiled"))
        return
    with open(_warm_stamp(root), "w", encoding="ascii") as file:
        file.write(digest)


def _is_warm(root):
    return _read(_warm_stamp(root)) == _kernel_digest(root)


def _kernel_digest(root):
    """Return a digest of what compiled code depends on, by the signs Numba itself goes by: path, size and time of each source."""
    from tools.warm import WARM_MODULES

    digest = hashlib.sha256(lock_digest(root).encode())
    for package in sorted({name.split(".")[0] for name in WARM_MODULES}):
        for folder, _folders, files in sorted(os.walk(os.path.join(root, package))):
            for name in sorted(files):
                if name.endswith(".py"):
                    status = os.stat(os.path.join(folder, name))
                    digest.update(("%s %d %d\n" % (os.path.join(folder, name), status.st_size, status.st_mtime_ns)).encode())
    digest.update(repr(WARM_MODULES).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _exclusive(root):
    """Hold the work tree's lock; the system releases it when a process dies, so no stale lock can block a later call."""
    with open(os.path.join(root, ".bootstrap.lock"), "a+b") as file:
        waiting = False
        while not _try_lock(file):
            if not waiting:
                say(word("setup.waiting"))
                waiting = True
            time.sleep(0.2)
        if os.name != "nt":
            # An installer that outlives us still writes; as long as it does, the next call has to wait.
            os.set_inheritable(file.fileno(), True)
        yield


def _try_lock(file):
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _stamp(root):
    return os.path.join(root, ".venv", ".lock-sha256")


def _unfinished(root):
    return os.path.join(root, ".venv", ".unfinished")


def _warm_stamp(root):
    from tools import environment

    # Beside the machine code it vouches for: whoever deletes the cache deletes the claim that it is warm.
    return os.path.join(environment.kernel_cache(root), ".warm-sha256")


def _touch(path):
    with open(path, "w"):
        pass


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _run(arguments, root):
    """Open the desktop, or the terminal's run when there is no screen (stom.py decides and says so)."""
    from tools import display, environment

    environment.prepare(root=root)
    if environment.has_display():
        packages = display.ensure(window=True, say=say)
        if packages:
            raise SetupError(word("setup.qt_missing", command=display.fix(packages)))
    enter([os.path.join(root, "stom.py")] + arguments, root)


def _test(arguments, root):
    from tools import display, environment

    packages = display.ensure(window=False, say=say)
    if packages:
        raise SetupError(word("setup.qt_missing", command=display.fix(packages)))
    environment.prepare_tests(root=root)
    python = ensure(root)
    try:
        sys.exit(subprocess.call([python, os.path.join(root, "tools", "check.py")] + arguments))
    finally:
        shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def _bench(arguments, root):
    from tools import environment

    environment.prepare_tests(root=root)
    python = ensure(root)
    try:
        sys.exit(subprocess.call([python, "-m", "benchmarks.research"] + arguments, cwd=root))
    finally:
        shutil.rmtree(os.environ["XDG_RUNTIME_DIR"], ignore_errors=True)


def _lock(arguments, root):
    if not shutil.which("uv"):
        raise SetupError(word("setup.lock_needs_uv"))
    # Index addresses are left out: the file says what, each machine's own configuration says from where.
    common = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11", "--no-emit-index-url"]
    common += ["--no-emit-find-links", "--custom-compile-command", "make lock"] + arguments
    status = subprocess.call(common + ["-o", "requirements/lock.txt", "requirements/runtime.in", "requirements/dev.in"], cwd=root)
    # The extra must fit what is installed already, so the lock is its bound.
    extra = ["-c", "requirements/lock.txt", "-o", "requirements/ray.txt", "requirements/ray.in"]
    sys.exit(status or subprocess.call(common + extra, cwd=root))


def _clean(_arguments, root):
    for name in CLEANED:
        shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    for folder, folders, _files in os.walk(root):
        if "__pycache__" in folders:
            shutil.rmtree(os.path.join(folder, "__pycache__"), ignore_errors=True)
        folders[:] = [name for name in folders if not name.startswith(".") and name not in ("__pycache__", "_database")]


def _only_install(_arguments, root):
    ensure(root)


COMMANDS = {"install": _only_install, "run": _run, "test": _test, "bench": _bench, "lock": _lock, "clean": _clean}


def main(arguments):
    """Run one of `COMMANDS`; return the exit status (2 when the machine must be mended by a person first)."""
    from tools import environment

    environment.speak_plainly()
    if not arguments or arguments[0] not in COMMANDS:
        say(word("setup.usage", commands="|".join(COMMANDS)))
        return 2
    try:
        check_python()
        os.chdir(environment.ROOT)
        COMMANDS[arguments[0]](arguments[1:], environment.ROOT)
    except SetupError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say(word("setup.interrupted"))
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
