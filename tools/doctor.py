"""Say what this machine lacks and how to get it, before Qt is loaded. Standard library only: it must run where nothing is installed.

python tools/doctor.py [--json]
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

from tools import bootstrap, display, environment  # noqa: E402 - the line above makes it findable

FREE_DISK_GB_MIN = 5.0  # the environment takes 1.3 GB, a week of recorded ticks about 3
MEMORY_GB_MIN = 4.0
FONTS = ("NanumGothic.ttf", "NanumGothicBold.ttf", "NanumGothicCoding.ttf")
LIBRARIES = ("PyQt5.QtWidgets", "PyQt5.Qsci", "pyqtgraph", "numba", "pandas", "pyarrow", "talib", "zmq", "msgspec", "sqlalchemy")


def checks(data_dir=None, root=_ROOT):
    """Look at this machine and at the work tree.

    Parameters
    ----------
    data_dir : str, optional
        Where the product writes; `_database` in the work tree when None.
    root : str
        The work tree.

    Returns
    -------
    list of dict
        `name` (a code), `ok` (bool), `detail` (what was found), `fix` (what to do, "" when ok).
    """
    data_dir = os.path.join(root, "_database") if data_dir is None else data_dir
    parts = (
        ("python", _python),
        ("lock", lambda: _lock(root)),
        ("libraries", lambda: _libraries(root)),
        ("fonts", lambda: _fonts(root)),
        ("display", _display),
        ("disk", lambda: _disk(data_dir)),
        ("memory", _memory),
        ("clock", _clock),
        ("zones", lambda: _zones(root)),
        ("ports", _ports),
        ("data_dir", lambda: _data_dir(data_dir)),
        ("kernel_cache", lambda: _data_dir(environment.kernel_cache(root))),
        ("long_paths", _long_paths),
    )
    found = []
    for name, look in parts:
        try:
            ok, detail, fix = look()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            ok, detail, fix = False, f"{type(error).__name__}: {error}", "see the detail"
        found.append({"name": name, "ok": ok, "detail": detail, "fix": "" if ok else fix})
    return found


def _python():
    detail = f"{sys.implementation.name} {sys.version.split()[0]}, {sys.executable}"
    try:
        bootstrap.check_python()
    except bootstrap.SetupError as error:
        return False, detail, str(error)
    return True, detail, ""


def _lock(root):
    if bootstrap.is_installed(root):
        return True, f"environment matches the lock file ({bootstrap.lock_digest(root)[:12]})", ""
    return False, "the environment is missing or does not match requirements/lock.txt", "python tools/bootstrap.py install"


def _libraries(root):
    python = environment.venv_python(root)
    if not os.path.exists(python):
        return False, "no environment", "python tools/bootstrap.py install"
    # In a child: a library that cannot load may end the process instead of raising.
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    environ = environment.prepare(dict(os.environ, QT_QPA_PLATFORM="offscreen"), root)
    done = subprocess.run([python, "-c", program, *LIBRARIES], env=environ, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 0:
        return True, f"{len(LIBRARIES)} load", ""
    lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
    missing = display.missing(window=False)
    return False, lines[-1], display.fix(missing) or "remove .venv and call: python tools/bootstrap.py install"


def _fonts(root):
    folder = os.path.join(root, "icon", "fonts")
    bad = []
    for name in FONTS:
        try:
            with open(os.path.join(folder, name), "rb") as file:
                # A checkout that did not fetch large files leaves a short text in place of the font.
                if file.read(4) != b"\x00\x01\x00\x00":
                    bad.append(name)
        except OSError:
            bad.append(name)
    return not bad, "missing or damaged: " + " ".join(bad) if bad else f"{len(FONTS)} in icon/fonts", "git checkout -- icon/fonts"


def _display():
    if not environment.has_display():
        return True, "no screen here: the terminal's run is used instead of the window", ""
    packages = display.missing(window=True)
    return not packages, "missing: " + " ".join(packages) if packages else "Qt's system libraries load", display.fix(packages)


def _disk(data_dir):
    folder = os.path.abspath(data_dir)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    free_gb = shutil.disk_usage(folder).free / 1e9
    return free_gb >= FREE_DISK_GB_MIN, f"{free_gb:.1f} GB free", f"free {FREE_DISK_GB_MIN:.0f} GB, or give another --data-dir"


def _memory():
    total_gb = _memory_bytes() / 1e9
    if not total_gb:
        return True, "not known on this system", ""
    return total_gb >= MEMORY_GB_MIN, f"{total_gb:.1f} GB", f"{MEMORY_GB_MIN:.0f} GB are wanted; trade fewer symbols at once"


def _memory_bytes():
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [(name, ctypes.c_ulonglong) for name in "tfpqvxe"]

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status.t


def _clock():
    # Without a network only the impossible can be seen; the offset to a venue's clock is measured by the receiver.
    newest = os.path.getmtime(os.path.join(_ROOT, "requirements", "lock.txt"))
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    drift = abs((time.time() - wall) - (time.monotonic() - steady))
    now, fix = time.strftime("%Y-%m-%d %H:%M:%S %z"), "set the clock, and let the system keep it (NTP)"
    if time.time() < newest - 86400:
        return False, f"{now} lies before this program's own files", fix
    return drift < 0.02, f"{now}, steady within {drift * 1e3:.1f} ms", fix


def _zones(root):
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return True, "Asia/Seoul is " + str(ZoneInfo("Asia/Seoul").key), ""
    except ZoneInfoNotFoundError:
        # Windows has no zone files; the environment's own tzdata serves there.
        python = environment.venv_python(root)
        ok = os.path.exists(python) and not subprocess.call([python, "-c", "import zoneinfo; zoneinfo.ZoneInfo('Asia/Seoul')"])
        return ok, "from the environment" if ok else "Asia/Seoul is not known", "python tools/bootstrap.py install"


def _ports():
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.settimeout(2)
        client.connect(server.getsockname())
        return True, "loopback binds and connects", "a firewall keeps programs from talking to themselves on 127.0.0.1; allow python.exe"


def _data_dir(folder):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return True, f"{folder} can be written", "give another --data-dir"


def _long_paths():
    if os.name != "nt":
        return True, "no limit here", ""
    import winreg

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
        enabled = bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    short = len(_ROOT) <= 80
    detail = "enabled" if enabled else f"off, and this folder's path has {len(_ROOT)} characters"
    return enabled or short, detail, "move the folder nearer to the drive's root"


def main(arguments):
    """Print the table, or JSON with --json; return 1 when something is wrong."""
    found = checks()
    if "--json" in arguments:
        print(json.dumps({"checks": found}, ensure_ascii=False))
    else:
        for entry in found:
            print(f"{'ok' if entry['ok'] else 'WRONG':6} {entry['name']:13} {entry['detail']}")
            if entry["fix"]:
                print(f"{'->':>20} {entry['fix']}")
    return 0 if all(entry["ok"] for entry in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
