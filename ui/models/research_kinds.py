"""The kinds of research and the commands behind them: which options stand in front, which have no field and why. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ui.models.command_options import OWN, Option

JOB = ("--market", "--interval", "--strategy", "--source", "--from", "--to", "--symbols")
COSTS = ("--betting", "--fees", "--fill", "--slippage", "--latency")
SEARCH = (*JOB, "--method", "--objective", "--ranges-form", "--ranges")
SPLITS = ("--split", "--train-weeks", "--valid-weeks", "--test-weeks")


@dataclass(frozen=True)
class Kind:
    """One sub-tab.

    Parameters
    ----------
    id : str
        Its words are ``ui.kind.<id>``.
    commands : tuple of str
        Words of its commands, the first is shown first; one that ends with ``*`` stands for all actions of the family.
    first : mapping of str to tuple of str
        Options in front, by command; all others follow below a fold in the order of their declaration.
    left_out : mapping of str to str
        Options without a field and the code of the sentence why.
    hidden : tuple of str
        Commands of the family that are reached in another way (`BESIDE`).
    needed : tuple of str
        Options that must be said here, though the command does without.
    """

    id: str
    commands: tuple[str, ...]
    first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    icon: str = ""

    def paths(self, known: Mapping[str, tuple[Option, ...]]) -> list[str]:
        """Return the commands that there are; a family's actions of tomorrow among them."""
        out: list[str] = []
        for command in self.commands:
            stem = command.removesuffix("*")
            out += [path for path in known if path not in out and (path == command or (command.endswith("*") and path.startswith(stem)))]
        return [path for path in out if path not in self.hidden]

    def why_out(self, name: str) -> str:
        """Return the code of the sentence why an option has no field; empty when it has one."""
        return self.left_out.get(name) or OWN.get(name, "")


RESUMED = {"--resume": "ui.form.own.resume", "--yes": "ui.form.own.yes"}
KINDS = (
    Kind("backtest", ("backtest",), {"backtest": (*JOB, *COSTS)}, icon="backtest"),
    Kind(
        "search",
        ("optimise",),
        {"optimise": (*SEARCH, "--split")},
        {**RESUMED, "--walk-forward": "ui.form.own.walk"},
        icon="ga",
    ),
    Kind(
        "walk",
        ("optimise",),
        {"optimise": (*SEARCH, "--walk-forward", "--train-weeks", "--test-weeks")},
        RESUMED,
        needed=("--walk-forward",),
        icon="follow",
    ),
    Kind("verdict", ("verdict",), {"verdict": ("subject", "--map", "--workers")}, icon="apply"),
    Kind("find", ("find",), {"find": (*JOB, "--buy", "--ahead", "--rise", "--columns")}, icon="search"),
    Kind(
        "batch",
        ("batch edit", "batch run", "batch remove", "batch*"),
        {
            "batch edit": ("jobs", "--at", "--on", "--zone", "--change", "--rename", "--once", "--off", "--again", "--first"),
            "batch run": ("jobs", "--stay", "--grace"),
            "batch remove": ("jobs",),
        },
        {"words": "ui.form.own.words"},
        hidden=("batch add", "batch list"),
        icon="log",
    ),
    Kind(
        "runs",
        ("report", "compare", "rerun", "runs"),
        {
            "report": ("number", "--html", "--pdf", "--theme"),
            "compare": ("numbers", "--out", "--theme"),
            "rerun": ("number", "--workers"),
            "runs": ("number", "--limit"),
        },
        icon="diff",
    ),
    Kind("realised", ("realised",), {"realised": ("--market", "--account", "--by", "--out", "--theme")}, icon="save"),
    Kind(
        "data",
        ("data make", "data import", "data*"),
        {
            "data make": ("--market", "--symbols", "--days", "--hours", "--seed", "--start", "--events"),
            "data import": ("sources", "--market", "--symbol", "--map", "--dry-run"),
            "data export": ("--market", "--interval", "--symbol", "--source", "--from", "--to", "--out", "--names"),
            "data list": ("--market",),
            "data verify": ("--keep",),
        },
        icon="import",
    ),
)
QUEUE_FIRST = Kind(
    "queue",
    ("batch add",),
    {"batch add": ("--name", "--at", "--on", "--zone", "--vary")},
    {"words": "ui.form.own.words"},
)
"""The form in which a command is put into the queue."""
BY_ID = {kind.id: kind for kind in KINDS}

BESIDE = {
    "batch add": "ui.form.beside.batch_add",
    "batch list": "ui.form.beside.batch_list",
}
"""Commands that are no form of a sub-tab of their own, each with the sentence where they are."""

HEAVY = ("backtest", "optimise", "verdict", "find", "rerun", "batch run", "data make", "data import", "data download")
"""Commands that take every core for long: one of them at a time."""
QUEUED = ("backtest", "optimise", "find", "verdict", "report", "compare", "rerun", "data")
"""Commands that can wait in the queue (cli/batch_words.py holds the same list; a test compares them)."""
