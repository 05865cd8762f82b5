"""`stom.py settings get|set|list|export|import`: typed settings without a window."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from cli.output import language
from cli.parser import add_common
from domain.errors import InputError, SettingError
from domain.settings import Settings
from utility import settings_file
from utility.paths import DataDir
from utility.text import sentence


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    parser = subparsers.add_parser("settings")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, arguments in (
        ("get", run_get, ("path",)),
        ("set", run_set, ("path", "value")),
        ("list", run_list, ()),
        ("export", run_export, ("file",)),
        ("import", run_import, ("file",)),
    ):
        action = actions.add_parser(name)
        for argument in arguments:
            action.add_argument(argument)
        add_common(action)
        action.set_defaults(run=run, show=show)


def _path(args: argparse.Namespace) -> Path:
    return DataDir(args.data_dir).settings


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print settings one a line with title and unit."""
    code = language(args)
    for path, value in result["settings"].items():
        try:
            info = settings_file.field(path)
            note = " ".join(part for part in (info.title(code), f"({info.unit})" if info.unit else "") if part)
        except SettingError:
            note = ""
        sys.stdout.write(f"{path} = {json.dumps(value, ensure_ascii=False)}    {note}".rstrip() + "\n")
    if "note" in result:
        sys.stdout.write(result["note"] + "\n")


def run_get(args: argparse.Namespace) -> dict[str, Any]:
    """Return one setting, or all of a group."""
    settings = settings_file.load(_path(args))
    value = settings_file.get(settings, args.path)
    if isinstance(value, msgspec.Struct):
        chosen = [info.path for info in settings_file.fields() if info.path.startswith(args.path + ".")]
        return {"settings": {path: settings_file.get(settings, path) for path in chosen}}
    return {"settings": {args.path: value}}


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Return all settings."""
    settings = settings_file.load(_path(args))
    return {"settings": {info.path: settings_file.get(settings, info.path) for info in settings_file.fields()}}


def run_set(args: argparse.Namespace) -> dict[str, Any]:
    """Change one setting and say when it takes effect."""
    path = _path(args)
    before = settings_file.load(path)
    after = settings_file.change(before, args.path, args.value)
    settings_file.save(after, path)
    value = settings_file.get(after, args.path)
    code = "settings.saved" if settings_file.field(args.path).apply == "now" else "settings.saved_restart"
    note = sentence(code, language(args), path=args.path, value=value, before=settings_file.get(before, args.path))
    return {"settings": {args.path: value}, "note": note}


def run_export(args: argparse.Namespace) -> dict[str, Any]:
    """Write all settings to a file."""
    settings = settings_file.load(_path(args))
    settings_file.save(settings, Path(args.file))
    return {"settings": {}, "note": sentence("settings.exported", language(args), file=args.file)}


def run_import(args: argparse.Namespace) -> dict[str, Any]:
    """Read settings from a file; all of them are checked before one is changed."""
    source = Path(args.file)
    if not source.exists():  # without a file there are defaults, and they are not what somebody wants to import
        raise InputError("settings.no_file", file=args.file)
    settings = settings_file.load(source)
    settings_file.save(settings, _path(args))
    changed = {
        info.path: value for info in settings_file.fields() if (value := settings_file.get(settings, info.path)) != default(info.path)
    }
    return {
        "settings": changed,
        "note": sentence("settings.imported", language(args), file=args.file, count=len(list(settings_file.fields()))),
    }


def default(path: str) -> Any:
    """Return the default of a setting."""
    return settings_file.get(Settings(), path)
