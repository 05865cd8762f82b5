"""What is allowed and yet hardly meant: texts that decide nothing, and flags of the other side."""

from __future__ import annotations

from dataclasses import dataclass

from strategy.catalogue import FUTURES_FLAGS, SPOT_FLAGS
from strategy.nodes import SetFlag, Tree
from strategy.program import Program

_DECIDES = frozenset(key for flags in (SPOT_FLAGS, FUTURES_FLAGS) for words in flags.values() for key in words.values())


@dataclass(frozen=True)
class Advice:
    """A warning: its code (``strategy.warn_*``), the text it is about, the name it is about or empty."""

    code: str
    side: str
    name: str = ""


def advice_on(tree: Tree) -> list[Advice]:
    """Return the warnings about one text; empty for a text that decides something by its own flags."""
    found = []
    if not any(isinstance(node, SetFlag) and node.name in _DECIDES for node in tree.nodes()):
        # Buying is on until a text says no, selling is off until a text says yes.
        found.append(Advice("strategy.warn_buys_all" if tree.side == "buy" else "strategy.warn_sells_none", tree.side))
    other = "sell" if tree.side == "buy" else "buy"
    # A flag of the other side is a name like any other here: it is kept, and nobody asks for it.
    theirs = SPOT_FLAGS[other].keys() | FUTURES_FLAGS[other].keys()
    return found + [Advice("strategy.warn_other_side", tree.side, name) for name in tree.locals if name in theirs]


def advice_on_program(program: Program) -> list[Advice]:
    """Return the warnings about both texts."""
    return advice_on(program.buy) + advice_on(program.sell)
