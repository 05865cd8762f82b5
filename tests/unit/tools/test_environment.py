"""Variables, display libraries, warming, structure rules and the doctor's list."""

import io
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tools import check, display, doctor, environment, warm


def test_prepare_keeps_what_the_user_set() -> None:
    environ = environment.prepare({"NUMBA_CACHE_DIR": "/elsewhere"}, root="/tree")
    assert environ["NUMBA_CACHE_DIR"] == "/elsewhere"
    assert environ["QT_API"] == "pyqt5"


def test_kernel_cache_lies_in_the_work_tree() -> None:
    environ = environment.prepare({}, root="/tree")
    assert os.path.dirname(environ["NUMBA_CACHE_DIR"]) == os.path.join("/tree", "_database", "cache", "kernels")


@pytest.mark.parametrize(("declared", "written"), [("ascii", "utf-8"), ("cp949", "cp949"), ("utf-8", "utf-8")])
def test_a_stream_of_any_encoding_takes_every_sentence(declared: str, written: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=declared)
    environment.speak_plainly([stream, None])
    stream.write("현금 ₩1 – \udcff")
    stream.flush()
    told = raw.getvalue().decode(written)
    assert told.startswith("현금 ")
    assert ("–" in told) is (written == "utf-8")


def test_a_command_without_a_locale_answers_in_its_language(tmp_path: Path) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    told = subprocess.run(
        [sys.executable, "stom.py", "settings", "get", "general.language", "--data-dir", str(tmp_path / "nowhere"), "--lang", "ko"],
        env=bare | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        timeout=60,
    )
    assert told.returncode == 2
    assert "폴더가 없습니다" in told.stderr.decode()


def test_byte_code_is_kept_where_the_machine_forbids_it_beside_the_sources() -> None:
    environ = environment.prepare({"PYTHONDONTWRITEBYTECODE": "1"}, root="/tree")
    assert "PYTHONDONTWRITEBYTECODE" not in environ
    assert environ["PYTHONPYCACHEPREFIX"] == os.path.join("/tree", "_database", "cache", "bytecode")
    assert "PYTHONPYCACHEPREFIX" not in environment.prepare({}, root="/tree")
    chosen = environment.prepare({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/elsewhere"}, root="/tree")
    assert chosen["PYTHONPYCACHEPREFIX"] == "/elsewhere"


def test_a_process_of_ours_finds_the_byte_code_of_the_one_before(tmp_path: Path) -> None:
    script = "import sys; sys.path.insert(0, {!r}); from tools import environment; environment.prepare(root={!r}); import domain.orders"
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environ.pop("PYTHONPYCACHEPREFIX", None)
    words = [sys.executable, "-c", script.format(environment.ROOT, str(tmp_path))]
    subprocess.run(words, env=environ, check=True)
    kept = {path.name.split(".")[0] for path in (tmp_path / "_database" / "cache" / "bytecode").rglob("*.pyc")}
    assert "orders" in kept


def test_kernel_cache_changes_with_the_sources_that_are_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "trading"
    folder.mkdir()
    (folder / "plain.py").write_text("x = 1\n", "utf-8")
    kernel = folder / "kernel.py"
    kernel.write_text("import numba\n", "utf-8")
    before = environment.kernel_cache(str(tmp_path))
    (folder / "plain.py").write_text("x = 2\n", "utf-8")
    assert environment.kernel_cache(str(tmp_path)) == before
    kernel.write_text("import numba  # changed\n", "utf-8")
    assert environment.kernel_cache(str(tmp_path)) != before


def test_tests_never_open_a_window() -> None:
    environ = environment.prepare_tests({"QT_QPA_PLATFORM": "xcb", "MPLBACKEND": "QtAgg"})
    runtime = Path(environ["XDG_RUNTIME_DIR"])
    try:
        assert environ["QT_QPA_PLATFORM"] == "offscreen"
        assert environ["MPLBACKEND"] == "Agg"
        assert os.name == "nt" or runtime.stat().st_mode & 0o077 == 0
    finally:
        runtime.rmdir()


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"QT_QPA_PLATFORM": "offscreen"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_display_is_found(environ: dict[str, str], platform: str, expected: bool) -> None:
    assert environment.has_display(environ, platform) is expected


def test_missing_libraries_become_packages_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "_loads", lambda name: not name.startswith(("libglib", "libgthread", "libxcb-icccm")))
    assert display.missing(window=True, platform="linux") == ["libglib2.0-0", "libxcb-icccm4"]
    assert display.missing(window=False, platform="linux") == ["libglib2.0-0"]
    assert display.missing(window=True, platform="win32") == []


def test_without_root_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "missing", lambda window: ["libgl1"])
    monkeypatch.setattr(display.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(display.os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(display.subprocess, "run", lambda *words, **named: pytest.fail("asked for rights it does not have"))
    assert display.ensure(window=True, say=lambda line: None) == ["libgl1"]
    assert display.fix(["libgl1"]) == "sudo apt-get install -y --no-install-recommends libgl1"


def test_warm_takes_an_empty_list() -> None:
    assert warm.warm(()) == []


def test_warm_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    warmed = []
    modules = {"good": types.SimpleNamespace(warm=lambda: warmed.append("good")), "bad": types.SimpleNamespace()}
    monkeypatch.setattr(warm.importlib, "import_module", modules.__getitem__)
    failures = warm.warm(("bad", "good"))
    assert warmed == ["good"]
    assert [line.split(":")[0] for line in failures] == ["bad"]


def test_long_file_must_say_why() -> None:
    text = "x = 1\n" * (check.LINES_MAX + 1)
    assert check.complaints_about(Path("domain/long.py"), text)
    assert not check.complaints_about(Path("domain/long.py"), "# long: one table, nothing to split\n" + text)
    assert not check.complaints_about(Path("domain/short.py"), "x = 1\n" * check.LINES_MAX)


@pytest.mark.parametrize("line", ["import pickle", "from pickle import loads", "    import _pickle", "import shelve"])
def test_pickle_is_refused(line: str) -> None:
    assert check.complaints_about(Path("utility/bus.py"), line + "\n")


def test_the_top_is_not_imported() -> None:
    assert check.complaints_about(Path("cli/live.py"), "from tools import doctor\n")
    assert not check.complaints_about(Path("stom.py"), "from tools import bootstrap\n")


def test_no_tests_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "run", lambda *words, **named: 5)
    assert check.tests([]) == check.FAILED


def test_failed_stage_fails_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = {"lint": lambda words: check.FAILED, "tests": lambda words: check.PASSED, "examples": lambda words: check.SKIPPED}
    monkeypatch.setattr(check, "STAGES", stages)
    assert check.main([]) == 1
    assert check.main(["--only", "tests"]) == 0


def test_doctor_answers_every_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_libraries", lambda root: (True, "not loaded here", ""))
    found = doctor.checks(data_dir=str(tmp_path))
    assert {"python", "lock", "libraries", "fonts", "display", "disk", "memory", "clock", "zones", "ports", "data_dir"} <= {
        entry["name"] for entry in found
    }
    assert all(set(entry) == {"name", "ok", "detail", "fix"} for entry in found)
    assert all(entry["ok"] or entry["fix"] for entry in found)


def test_doctor_sees_a_damaged_font(tmp_path: Path) -> None:
    folder = tmp_path / "icon" / "fonts"
    folder.mkdir(parents=True)
    (folder / "NanumGothic.ttf").write_text("version https://example", encoding="utf-8")
    ok, detail, fix = doctor._fonts(str(tmp_path))
    assert not ok
    assert "NanumGothic.ttf" in detail
    assert fix
