"""What a command takes, read off its argparse declaration: one table for the command line, `forms` and the window's forms.

An option is declared once, with ``add_argument``. Its kind, bounds and choices are taken from there; what argparse has no
word for is said beside the declaration by `offer` and `belongs`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

KINDS = {"FILE": "file", "SRC": "file", "DIR": "folder", "DATE": "day", "HHMMSS": "clock", "HH:MM": "clock"}
"""Placeholder of an option without a reader of its own → what it holds."""
MANY = ("*", "+")


def offer(action: argparse.Action, choices: Iterable[str], *, strict: bool = True) -> None:
    """Say which values an option is usually given; with `strict` it takes no others, though argparse leaves the refusal to the command."""
    vars(action)["offers"] = {"values": list(choices), "strict": strict}


def belongs(action: argparse.Action, option: str, usual: Mapping[str, Any]) -> None:
    """Say that an option means something for some values of another one only, and its default for each of them."""
    vars(action)["belongs"] = {"to": option, "usual": dict(usual)}


def described(parser: argparse.ArgumentParser) -> list[dict[str, Any]]:
    """Return the options and arguments of one command in the order of their declaration.

    Returns
    -------
    list of dict
        ``name`` (``--from``, or the argument's own), ``dest``, ``kind`` (flag, choice, int, float, day, clock, file, folder, text),
        ``metavar``, ``choices``, ``is_open`` (other values are taken, too), ``low``, ``high``, ``low_open``, ``default`` (None: what
        the command decides), ``many``, ``repeats`` (one value, or the option again), ``required``, ``positional``, ``const`` (the
        value of the bare option, or None), ``to`` and ``usual`` (`belongs`), ``group`` (number of the group of which one alone may
        be given, or None).
    """
    exclusive = {id(action): number for number, group in enumerate(parser._mutually_exclusive_groups) for action in group._group_actions}
    out = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        out.append(_one(action) | {"group": exclusive.get(id(action))})
    return out


def _one(action: argparse.Action) -> dict[str, Any]:
    form: dict[str, Any] = getattr(action.type, "form", {})
    offers: dict[str, Any] = vars(action).get("offers", {})
    belonging: dict[str, Any] = vars(action).get("belongs", {})
    names = sorted(action.option_strings, key=len)
    choices = list(action.choices) if action.choices is not None else offers.get("values", [])
    is_flag = action.nargs == 0
    kind = "flag" if is_flag else "choice" if choices else form.get("kind") or KINDS.get(_metavar(action), "text")
    return {
        "name": names[-1] if names else action.dest,
        "dest": action.dest,
        "kind": kind,
        "metavar": _metavar(action),
        "choices": [str(one) for one in choices],
        "is_open": bool(offers) and not offers["strict"],
        "low": form.get("low"),
        "high": form.get("high"),
        "low_open": form.get("low_open", False),
        "default": _plain(action.default),
        "repeats": bool(getattr(action, "repeats", False)),
        "many": isinstance(action, argparse._AppendAction) or action.nargs in MANY or action.nargs == argparse.REMAINDER,
        "required": action.required and action.nargs not in ("?", "*", argparse.REMAINDER),
        "positional": not action.option_strings,
        "const": None if is_flag or action.const is None else str(action.const),
        "to": belonging.get("to", ""),
        "usual": belonging.get("usual", {}),
    }


def _metavar(action: argparse.Action) -> str:
    text = action.metavar
    return " ".join(text) if isinstance(text, tuple) else text or action.dest.upper()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else str(value)
