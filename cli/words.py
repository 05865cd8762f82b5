"""The language a command speaks, and argparse taught to speak it.

The language is settled before any argument is read, because a wrong argument is answered in it, too:
``--lang``, else `settings.json` of the data directory, else the environment, else Korean.
"""

from __future__ import annotations

import argparse
import difflib
import json
import locale
import os
from collections.abc import Iterable, Sequence
from typing import Any

from utility.paths import DataDir
from utility.text import LANGUAGES, catalogue, sentence

_SAID = {
    "usage: ": "usage",
    "positional arguments": "positional",
    "options": "options",
    "show this help message and exit": "help",
    "argument %(argument_name)s: %(message)s": "argument",
    "unknown parser %(parser_name)r (choices: %(choices)s)": "unknown_parser",
    "unrecognized arguments: %s": "unrecognized",
    "not allowed with argument %s": "not_with",
    "ignored explicit argument %r": "no_value",
    "the following arguments are required: %s": "required",
    "one of the arguments %s is required": "one_required",
    "expected one argument": "one_value",
    "expected at most one argument": "at_most_one",
    "expected at least one argument": "at_least_one",
    "ambiguous option: %(option)s could match %(matches)s": "ambiguous",
    "unexpected option string: %s": "unexpected",
    "invalid %(type)s value: %(value)r": "bad_value",
    "invalid choice: %(value)r (choose from %(choices)s)": "bad_choice",
    "%(prog)s: error: %(message)s\n": "error",
    "expected %s argument": "some_values",
    "expected %s arguments": "some_values",
}
"""argparse's sentence → its code in the catalogue (``argparse.<code>``); what is not here is for programmers."""

_language = "ko"


def settle(argv: Sequence[str]) -> str:
    """Choose the language of this command from its words, its data directory and the environment; return it."""
    global _language
    _language = _named(argv, "--lang", LANGUAGES) or _of_settings(_named(argv, "--data-dir")) or of_environment()
    return _language


def chosen() -> str:
    """Return the language that `settle` chose."""
    return _language


def say(code: str, /, **fields: Any) -> str:
    """Return the sentence of `code` in the command's language."""
    return sentence(code, _language, **fields)


def of_environment() -> str:
    """Return the language of the environment: English where it says so, else Korean."""
    name = os.environ.get("LC_ALL") or os.environ.get("LANG") or (locale.getlocale()[0] or "")
    return "en" if name.startswith("en") else "ko"


def _named(argv: Sequence[str], option: str, choices: Sequence[str] = ()) -> str:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        value = following if word == option else word.partition("=")[2] if word.startswith(option + "=") else ""
        if value and (not choices or value in choices):
            return value
    return ""


def _of_settings(data_dir: str) -> str:
    # Read plainly: a broken file is somebody else's error, and is told in whatever language is left.
    try:
        tree = json.loads(DataDir(data_dir or None).settings.read_text("utf-8"))
        found = tree["general"]["language"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if found in LANGUAGES else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, or empty."""
    words = list(known)
    folded = {one.casefold(): one for one in words}
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else ""


def hint(word: str, known: Iterable[str]) -> str:
    """Return the sentence that names what was probably meant, with a space before it, or empty."""
    meant = nearest(word, known)
    return " " + say("cli.meant", word=meant) if meant else ""


def _translate(text: str) -> str:
    code = _SAID.get(text)
    return text if code is None else catalogue(_language)[f"argparse.{code}"]


def _translate_number(one: str, many: str, count: int) -> str:
    return _translate(one if count == 1 else many)


# argparse asks gettext by these names of its own module; it has no other door for another language.
vars(argparse)["_"] = _translate
vars(argparse)["ngettext"] = _translate_number
