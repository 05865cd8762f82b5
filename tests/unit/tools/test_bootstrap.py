"""The bootstrap without a network: what it refuses, when it does nothing, how it mends, and that two calls do not meet."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools import bootstrap, environment


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with a lock file and nothing else; its path has Hangul and a space, as a Windows user's home may."""
    root = tmp_path / "내 문서" / "stom"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "lock.txt").write_text("a==1\n", encoding="utf-8")
    return root


@pytest.fixture
def installs(tree: Path, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Replace the installer; each call is recorded as whether the environment existed before it."""
    calls: list[bool] = []

    def pip(venv: str, python: str, lock: str, unfinished: str) -> None:
        calls.append(Path(venv).exists())
        Path(python).parent.mkdir(parents=True, exist_ok=True)
        Path(python).touch()
        Path(unfinished).touch()

    monkeypatch.setattr(bootstrap, "_install_with_pip", pip)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap, "_warm", lambda root: None)
    monkeypatch.setattr(bootstrap, "_is_warm", lambda root: True)
    return calls


def test_right_python_is_accepted() -> None:
    bootstrap.check_python((3, 11), True, "cpython", "linux", "x86_64")


@pytest.mark.parametrize(
    ("version", "bits64", "implementation", "platform", "machine", "way"),
    [
        ((3, 10), True, "cpython", "linux", "x86_64", "apt-get install python3.11"),
        ((3, 13), True, "cpython", "win32", "AMD64", "py -3.11"),
        ((3, 12), True, "cpython", "darwin", "arm64", "brew install python@3.11"),
        ((3, 11), False, "cpython", "win32", "x86", "64-bit"),
        ((3, 11), True, "pypy", "linux", "x86_64", "CPython"),
        ((3, 11), True, "cpython", "linux", "aarch64", "x86_64"),
    ],
)
def test_wrong_python_is_told_the_way(version, bits64, implementation, platform, machine, way) -> None:
    with pytest.raises(bootstrap.SetupError, match=way.replace("+", r"\+")):
        bootstrap.check_python(version, bits64, implementation, platform, machine)


def test_digest_ignores_line_ends(tree: Path) -> None:
    unix = bootstrap.lock_digest(str(tree))
    (tree / "requirements" / "lock.txt").write_bytes(b"a==1\r\n")
    assert bootstrap.lock_digest(str(tree)) == unix


def test_second_call_installs_nothing(tree: Path, installs: list[bool]) -> None:
    assert bootstrap.ensure(str(tree)) == environment.venv_python(str(tree))
    bootstrap.ensure(str(tree))
    assert installs == [False]


def test_changed_lock_updates_in_place(tree: Path, installs: list[bool]) -> None:
    bootstrap.ensure(str(tree))
    (tree / "requirements" / "lock.txt").write_text("a==2\n", encoding="utf-8")
    bootstrap.ensure(str(tree))
    assert installs == [False, True]


def test_interrupted_install_starts_from_nothing(tree: Path, installs: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap._install_with_pip

    def killed(venv: str, python: str, lock: str, unfinished: str) -> None:
        whole(venv, python, lock, unfinished)
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "_install_with_pip", killed)
    with pytest.raises(KeyboardInterrupt):
        bootstrap.ensure(str(tree))
    assert not bootstrap.is_installed(str(tree))
    monkeypatch.setattr(bootstrap, "_install_with_pip", whole)
    bootstrap.ensure(str(tree))
    assert installs == [False, False]
    assert bootstrap.is_installed(str(tree))


def test_missing_interpreter_is_mended(tree: Path, installs: list[bool]) -> None:
    bootstrap.ensure(str(tree))
    Path(environment.venv_python(str(tree))).unlink()
    bootstrap.ensure(str(tree))
    assert installs == [False, False]


def test_two_calls_install_once(tree: Path, installs: list[bool]) -> None:
    with bootstrap._exclusive(str(tree)):
        threads = [threading.Thread(target=bootstrap.ensure, args=(str(tree),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        threads[0].join(0.5)
        assert installs == []
    for thread in threads:
        thread.join(10)
    assert installs == [False]


def test_failed_install_raises_and_leaves_no_stamp(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda *words, **named: 1)
    with pytest.raises(bootstrap.SetupError, match="python3-venv"):
        bootstrap.ensure(str(tree))
    assert not bootstrap.is_installed(str(tree))


@pytest.mark.parametrize("has_ensurepip", [True, False])
def test_pip_of_system_serves_where_venv_has_none(tree: Path, monkeypatch: pytest.MonkeyPatch, has_ensurepip: bool) -> None:
    called: list[list[str]] = []

    def call(words: list[str], **_named: object) -> int:
        called.append(words)
        if "venv" in words:
            (tree / ".venv").mkdir()
        return 0

    known = bootstrap.importlib.util.find_spec
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(bootstrap.subprocess, "call", call)
    monkeypatch.setattr(
        bootstrap.importlib.util,
        "find_spec",
        lambda name: has_ensurepip or None if name == "ensurepip" else known("os") if name == "pip" else known(name),
    )
    python = environment.venv_python(str(tree))
    bootstrap._install_with_pip(str(tree / ".venv"), python, "lock.txt", str(tree / ".venv" / ".unfinished"))
    make, install = called
    assert ("--without-pip" in make) is not has_ensurepip
    assert install[:3] == ([python, "-m", "pip"] if has_ensurepip else [sys.executable, "-m", "pip"])
    assert ("--python" in install) is not has_ensurepip
    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["fly"]) == 2
    assert "tools/bootstrap.py install|run" in capsys.readouterr().err


def test_setting_up_speaks_the_environments_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, said in (("ko_KR.UTF-8", "컴파일"), ("C", "컴파일"), ("en_US.UTF-8", "Compiling")):
        monkeypatch.setenv("LC_ALL", name)
        assert said in bootstrap.word("setup.compiling")


def test_lock_covers_both_systems_and_names_no_address() -> None:
    text = Path(environment.ROOT, "requirements", "lock.txt").read_text(encoding="utf-8")
    assert "pyqt5-qt5==5.15.2 ; sys_platform == 'win32'" in text
    assert "pyqt5-qt5==5.15.19 ; sys_platform != 'win32'" in text
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_old_python_can_read_the_refusal() -> None:
    # The sentence about the right version is of no use when an old interpreter stumbles over the syntax before it.
    import ast

    for name in ("bootstrap.py", "environment.py", "display.py"):
        ast.parse(Path(environment.ROOT, "tools", name).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_script_starts_from_any_folder(tmp_path: Path) -> None:
    script = Path(environment.ROOT, "tools", "bootstrap.py")
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert done.returncode == 2
    assert "tools/bootstrap.py install|run" in done.stderr
