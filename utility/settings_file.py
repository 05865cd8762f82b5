"""`settings.json`: read, checked field by field, changed, written whole or not at all.

The structs of domain/settings.py are the only description of a setting. A dotted path such as
``risk.max_order_pct`` names a field everywhere: on the command line, in the window, in messages.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import re
import tempfile
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import SettingError
from domain.settings import SETTINGS_VERSION, Group, Settings
from utility.shared_reads import shared

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version → function that carries a file of that version to the next one."""

_SIZE_MAX = 1 << 20
_DEFAULTS = Settings()


class Field(msgspec.Struct, frozen=True):
    """One setting as the form, the command line and the documentation see it.

    Parameters
    ----------
    path : str
        Dotted path from the root.
    type : type
        bool, int, float or str.
    default : Any
    ko, en, unit : str
    apply : str
        ``now`` or ``restart``.
    choices : tuple of str
        Empty unless the value is one of a list.
    source : str
        Names what a form takes its choices from, when only the running program knows them.
    low, high : float or None
        Bounds; `low_open` when the lower one is not itself allowed.
    """

    path: str
    type: type
    default: Any
    ko: str
    en: str
    unit: str
    apply: str
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    low_open: bool
    source: str = ""

    def bounds(self) -> str:
        """Return what the value may be, as signs that every language reads."""
        low = "" if self.low is None else f"{'>' if self.low_open else '≥'} {self.low:,g}"
        high = "" if self.high is None else f"≤ {self.high:,g}"
        return ", ".join(part for part in (low, high) if part) or "–"

    def title(self, language: str) -> str:
        """Return the title in `language`."""
        return self.en if language == "en" else self.ko


def _annotation(hint: Any) -> tuple[type, msgspec.Meta | None]:
    if typing.get_origin(hint) is typing.Annotated:
        kind, *rest = typing.get_args(hint)
        return kind, next((item for item in rest if isinstance(item, msgspec.Meta)), None)
    return hint, None


def fields() -> Iterator[Field]:
    """Yield every setting, in declared order."""
    yield from _all_fields()


@functools.cache
def _all_fields() -> tuple[Field, ...]:
    """Every setting; the structs do not change while a program runs, and reading their annotations takes milliseconds."""
    return tuple(_fields(Settings, ""))


def _fields(group: type[Group], prefix: str) -> Iterator[Field]:
    hints = typing.get_type_hints(group, include_extras=True)
    for info in msgspec.structs.fields(group):
        kind, meta = _annotation(hints[info.name])
        path = prefix + info.name
        if isinstance(kind, type) and issubclass(kind, Group):
            yield from _fields(kind, path + ".")
        elif meta is not None:
            extra = meta.extra or {}
            yield Field(
                path=path,
                type=kind,
                default=get(_DEFAULTS, path),  # of the whole: the markets' groups are one struct with other defaults
                ko=extra.get("ko", path),
                en=extra.get("en", path),
                unit=extra.get("unit", ""),
                apply=extra.get("apply", "restart"),
                choices=tuple(extra.get("choices", ())),
                low=meta.ge if meta.ge is not None else meta.gt,
                high=meta.le if meta.le is not None else meta.lt,
                low_open=meta.gt is not None,
                source=extra.get("source", ""),
            )


def field(path: str) -> Field:
    """Return the setting named by `path`; SettingError when there is none."""
    for found in fields():
        if found.path == path:
            return found
    raise unknown(path)


def unknown(path: str) -> SettingError:
    """Return the error of a path that names no setting, with the nearest one that exists."""
    paths = {info.path for info in fields()}
    groups = {path.rpartition(".")[0] for path in paths} | {path.partition(".")[0] for path in paths}
    meant = difflib.get_close_matches(path, sorted(paths | groups), n=1, cutoff=0.5)
    return SettingError("settings.unknown_near" if meant else "settings.unknown", file="", path=path, meant="".join(meant))


def get(settings: Settings, path: str) -> Any:
    """Return the value of the setting (or group) at `path`; SettingError when there is none."""
    value: Any = settings
    for name in path.split(".") if path else []:
        if not isinstance(value, Group) or name not in value.__struct_fields__:
            raise unknown(path)
        value = getattr(value, name)
    return value


def change(settings: Settings, path: str, value: Any) -> Settings:
    """Return `settings` with one value changed; text is read as the setting's type.

    Raises
    ------
    SettingError
        Unknown path, wrong type, out of bounds or not one of the choices; nothing was changed.
    """
    info = field(path)
    tree = msgspec.to_builtins(settings)
    node = tree
    *groups, name = path.split(".")
    for group in groups:
        node = node[group]
    node[name] = _typed(info, value)
    return check(tree)


def _typed(info: Field, value: Any) -> Any:
    if not isinstance(value, str) or info.type is str:
        return value
    text = value.strip()
    try:
        if info.type is bool:
            return {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}[text.lower()]
        return info.type(text)
    except (KeyError, ValueError) as error:
        raise SettingError("settings.type", file="", path=info.path, expected=info.type.__name__, value=value) from error


def check(tree: Any) -> Settings:
    """Return checked Settings from plain data; SettingError names the path of the first bad field."""
    try:
        settings = msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise _explained(str(error), tree) from error
    for info in fields():
        value = get(settings, info.path)
        if info.choices and value not in info.choices:
            raise SettingError("settings.choice", file="", path=info.path, value=value, choices=", ".join(info.choices))
        if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
            raise SettingError("settings.range", file="", path=info.path, value=value, bounds=info.bounds())
    return settings


def _explained(text: str, tree: Any) -> SettingError:
    """Return msgspec's complaint as an error of ours: which setting, what it was, what it may be."""
    complaint, _, where = text.partition(" - at `$")
    path = where.strip("`.")
    key = re.match(r"Object contains unknown field `(.*)`", complaint)
    if key is not None:
        full = f"{path}.{key[1]}".strip(".")
        return SettingError("settings.unknown_key", **{**unknown(full).fields, "path": path or "settings", "key": full})
    value = tree
    for name in path.split(".") if path else []:
        value = value.get(name) if isinstance(value, dict) else None
    info = next((one for one in fields() if one.path == path), None)
    if info is None:
        return SettingError("settings.group", file="", path=path or "settings", value=value)
    # JSON knows one kind of number: 3 is a float where one is wanted, and true is none.
    if isinstance(value, bool) != (info.type is bool) or not isinstance(value, (int, float) if info.type is float else info.type):
        return SettingError("settings.type", file="", path=path, expected=info.type.__name__, value=value)
    if info.type is str:
        return SettingError("settings.pattern", file="", path=path, value=value)
    return SettingError("settings.range", file="", path=path, value=value, bounds=info.bounds())


def read_tree(tree: Any) -> Settings:
    """Return Settings from the data of a file of any known version."""
    if not isinstance(tree, dict):
        raise SettingError("settings.group", file="", path="settings", value=tree)
    version = tree.get("version", SETTINGS_VERSION)
    if not isinstance(version, int) or version > SETTINGS_VERSION:
        raise SettingError("settings.version", file="", path="version", found=version, known=SETTINGS_VERSION)
    while version < SETTINGS_VERSION:
        if version not in MIGRATIONS:
            raise SettingError("settings.version", file="", path="version", found=version, known=SETTINGS_VERSION)
        tree = MIGRATIONS[version](dict(tree))
        version += 1
    return check(tree | {"version": SETTINGS_VERSION})


@shared
def load(path: Path) -> Settings:
    """Return the settings of `path`, the defaults when there is no file.

    Raises
    ------
    SettingError
        The file is no JSON, too large, or a field is bad; the file is left as it is. `file` and `path` name
        the place.
    """
    if not path.exists():
        return Settings()
    try:
        if path.stat().st_size > _SIZE_MAX:
            raise SettingError("settings.too_large", file=str(path))
        tree = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_once)
        return read_tree(tree)
    except OSError as error:
        raise SettingError("settings.unreadable", file=str(path), reason=error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise SettingError("settings.file", file=str(path), line=error.lineno, column=error.colno) from error
    except UnicodeDecodeError as error:
        raise SettingError("settings.encoding", file=str(path), byte=error.start) from error
    except RecursionError as error:
        raise SettingError("settings.file", file=str(path), line=1, column=1) from error
    except SettingError as error:
        raise SettingError(error.code, **{**error.fields, "file": error.fields.get("file") or f"{path}: "}) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; a key that stands twice is refused, because nobody can tell which one was meant."""
    tree = dict(pairs)
    if len(tree) != len(pairs):
        names = [name for name, _ in pairs]
        raise SettingError("settings.twice", file="", path=next(name for name in names if names.count(name) > 1))
    return tree


def save(settings: Settings, path: Path) -> None:
    """Write `settings` to `path`: a new file beside it, synced, then renamed over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(msgspec.to_builtins(settings), ensure_ascii=False, indent=2) + "\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".settings-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
