"""The compile cache: found again by another process, thrown away when anything in it was changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import trading.judge
from strategy import cache

ROOT = Path(__file__).resolve().parents[3]
TEXT = """
from numba import njit

from strategy.kernels import rounded


@njit(nogil=True)
def inner(x):
    return rounded(x, 100.0) + 1.0


@njit(nogil=True)
def outer(x):
    return inner(x) * 2.0


def warm():
    outer(1.0)
"""
KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _nothing_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the compiler itself is asked, not what another test compiled."""
    monkeypatch.setattr(cache, "load", getattr(cache.load, "__wrapped__", cache.load))


def load(folder: Path, key: bytes = KEY) -> object:
    return cache.load("step", TEXT, folder, key)


def home(folder: Path) -> Path:
    return next(one for one in folder.iterdir() if not one.name.startswith("."))


def test_a_module_is_compiled_once_and_then_found(tmp_path: Path) -> None:
    first = load(tmp_path)
    assert first.outer(1.234) == 4.46
    assert not first.from_cache
    stamps = {one: one.stat().st_mtime_ns for one in home(tmp_path).iterdir()}
    again = load(tmp_path)
    assert again.from_cache
    assert again.outer(1.234) == 4.46
    assert sum(again.outer.stats.cache_hits.values()) == 1
    assert not again.outer.stats.cache_misses
    assert stamps == {one: one.stat().st_mtime_ns for one in home(tmp_path).iterdir()}


def test_another_process_finds_it_with_its_callee_linked_in(tmp_path: Path) -> None:
    load(tmp_path)
    script = (
        "import sys; from pathlib import Path; from strategy import cache\n"
        "module = cache.load('step', sys.argv[1], Path(sys.argv[2]), sys.argv[3].encode())\n"
        "print(module.from_cache, module.outer(1.234), len(module.outer.stats.cache_misses), len(module.inner.signatures))\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, TEXT, str(tmp_path), KEY.decode()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.split() == ["True", "4.46", "0", "0"]


def poison(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("pattern", ["*.nbc", "*.nbi", "module.py", "manifest.json"])
def test_a_changed_file_throws_the_directory_away(tmp_path: Path, pattern: str) -> None:
    load(tmp_path)
    poison(next(home(tmp_path).glob(pattern)))
    again = load(tmp_path)
    assert not again.from_cache
    assert again.outer(1.234) == 4.46
    assert load(tmp_path).from_cache


def test_an_added_file_a_missing_file_and_another_key_do_too(tmp_path: Path) -> None:
    load(tmp_path)
    (home(tmp_path) / "module.extra-1.py311.nbi").write_bytes(b"x")
    assert not load(tmp_path).from_cache
    next(home(tmp_path).glob("*.nbc")).unlink()
    assert not load(tmp_path).from_cache
    assert not load(tmp_path, KEY[::-1]).from_cache


def test_what_is_compiled_later_stays_out_of_the_sealed_files(tmp_path: Path) -> None:
    module = load(tmp_path)
    before = {one.name for one in home(tmp_path).iterdir()}
    assert module.outer(3) == 8.0  # another type, compiled now
    assert {one.name for one in home(tmp_path).iterdir()} == before
    assert load(tmp_path).from_cache


def test_a_changed_dependency_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = cache.digest_of(TEXT)
    assert plain == cache.digest_of(TEXT, ("strategy.kernels",))
    assert plain != cache.digest_of(TEXT, ("strategy.limits",))
    assert plain != cache.digest_of(TEXT + "\n")


def test_the_key_is_private(tmp_path: Path) -> None:
    key = cache.mac_key(tmp_path / "mac.key")
    assert len(key) == 32
    assert cache.mac_key(tmp_path / "mac.key") == key
    assert (tmp_path / "mac.key").stat().st_mode & 0o077 == 0


def test_what_is_compiled_in_at_second_hand_names_the_text_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from trading.shared_account import ask_entry\n"
    names = cache.compiled_in({"trading.shared_account"})
    assert {"trading.shared_account", "trading.judge", "trading.risk", "trading.numbers"} <= set(names)
    before = cache.digest_of(text, ("trading.shared_account",))
    assert cache.digest_of(text, ("trading.shared_account",)) == before
    read, judge = Path.read_bytes, Path(trading.judge.__file__)
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"# changed" if path == judge else b""))
    assert cache.digest_of(text, ("trading.shared_account",)) != before


def test_what_is_half_made_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, key: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_seal", full)
        with pytest.raises(OSError, match="No space left"):
            load(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert load(tmp_path).outer(1.234) == 4.46  # type: ignore[attr-defined]
