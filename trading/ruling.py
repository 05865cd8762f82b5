"""What the court of research says of exactly the rule that is to be armed (docs/research.md).

A rule goes live past that court, or overruled in writing. A verdict is of one text with one set of variables and one set of
order settings: a changed number is another rule, which nobody has judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.instruments import Market
from domain.process_config import LiveOptions
from storage.studies import Studies
from strategy.rule_digest import rule_digest
from trading.texts import program_of
from utility.paths import DataDir

PASS = "pass"
OVERRULE_LEAST = 10
"""Characters of an overruling sentence, blanks not counted: "y" is no reason."""


def is_reason(text: str) -> bool:
    """Tell whether a text is long enough to be a sentence, and not one key held down."""
    letters = "".join(text.split())
    return len(letters) >= OVERRULE_LEAST and len(set(letters)) >= OVERRULE_LEAST // 2


@dataclass(frozen=True)
class Ruling:
    """The newest verdict on a rule, and what a person wrote where it did not pass.

    Parameters
    ----------
    rule : str
        Digest of text and variables.
    number : int
        Of the verdict; 0 = the rule was never judged.
    result : str
        pass, fail, unproven; "" = never judged.
    said : mapping of str to str
        The verdict's sentence in each language.
    overrule : str
    """

    rule: str
    number: int = 0
    result: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    overrule: str = ""

    @property
    def passes(self) -> bool:
        """Whether the court passed the rule."""
        return self.result == PASS

    @property
    def stands(self) -> bool:
        """Whether real money may be moved by it: passed, or overruled in writing."""
        return self.passes or is_reason(self.overrule)


def ruling_of(data: DataDir, options: LiveOptions, market: Market) -> Ruling:
    """Return the newest verdict on what would be traded.

    Raises
    ------
    DataError
        The library cannot be read.
    """
    strategy = options.strategy
    assert strategy is not None  # the preflight has refused a run without one
    program = program_of(strategy, market, options.interval_s)
    rule = rule_digest(program, strategy.variables, strategy.orders)
    kept = Studies(data.user_library).verdict_of(rule=rule)
    return Ruling(rule) if kept is None else Ruling(rule, kept.verdict, kept.result, dict(kept.body["verdict"]["sentence"]))
