"""The limits of a text, and what it must be before Python's parser may see it (reliability 7.1): the parser itself can be exhausted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from domain.errors import StrategyError

MAX_BYTES = 64 * 1024
MAX_LINE = 2_000
MAX_BRACKETS = 50
MAX_BLOCKS = 20
MAX_ITEMS = 1_000
MAX_ERRORS = 100
MAX_SHOWN = 120
"""Characters of the user's text that a message repeats."""
MAX_VARIABLE = 9_999
MAX_LITERAL = 2**63
MAX_EXPONENT = 64
MAX_DEPTH = 80
"""Operators within operators; what walks the tree and what is generated from it nest as deep as this."""
MAX_BRANCHES = 200
"""`elif`s of one `if`: each nests in the one before."""
MAX_TURNS = 10_000
"""Fuel of all loops of one text on one row, a turn of a short loop being one; beyond it the text ends without a signal."""
MAX_LOOPS = 50
"""Loops of a text: compile time grows with their square."""
MAX_NESTING = 180
"""Brackets within brackets of the generated code; Python's own parser ends at 200."""
MAX_WINDOWS = 64
"""Different lengths of highest and lowest values: each is kept for every row of the day."""
MAX_COST = 5_000
"""Compile cost of both texts together (strategy/cost.py), about 30 s of a slow core."""

_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing: what a person reads is then not what is run, also in a comment."""
_COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
_TOKEN = re.compile(
    r"""(?P<string>(?:'''(?:\\.|[^\\])*?(?:'''|\Z))|(?:\"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z))|(?:'(?:\\.|[^\\'\n])*(?:'|\n|\Z))|(?:"(?:\\.|[^\\"\n])*(?:"|\n|\Z)))"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL,
)


def lines_of(text: str) -> list[str]:
    """Return the lines as Python counts them; `str.splitlines` would also break at form feeds and Unicode separators."""
    return re.split(r"\r\n|\r|\n", text)


def check_text(text: str) -> Iterator[StrategyError]:
    """Yield what forbids to parse `text` at all; nothing when it may be parsed."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        yield StrategyError("strategy.encoding", line, 1)
        return
    if size > MAX_BYTES:
        yield StrategyError("strategy.too_long", 1, 1, size=size, limit=MAX_BYTES)
        return
    if "\0" in text:
        yield StrategyError("strategy.nul", text.count("\n", 0, text.index("\0")) + 1, 1)
        return
    for number, content in enumerate(lines_of(text), 1):
        if number <= 2 and _COOKIE.match(content):
            yield StrategyError("strategy.cookie", number, 1)
        hidden = _BIDI.search(content)
        if hidden is not None:
            yield StrategyError("strategy.bidi", number, hidden.start() + 1, character=f"U+{ord(hidden[0]):04X}")
        if len(content) > MAX_LINE:
            yield StrategyError("strategy.long_line", number, MAX_LINE + 1, length=len(content), limit=MAX_LINE)
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
            if depth > MAX_BRACKETS:
                before = text[: token.start()]
                yield StrategyError("strategy.brackets", before.count("\n") + 1, token.start() - before.rfind("\n"), limit=MAX_BRACKETS)
                return
        elif token["close"]:
            depth = max(depth - 1, 0)


def _is_text(value: str) -> bool:
    """Tell whether a constant is text: an escape like \\ud800 makes half a character, which nothing can store."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def check_depth(tree: ast.AST) -> Iterator[StrategyError]:
    """Yield the first place where an expression or a chain of branches nests too deep to be walked, or a constant is no text."""
    waiting: list[tuple[ast.AST, int, int]] = [(tree, 0, 0)]
    while waiting:
        node, depth, branches = waiting.pop()
        if isinstance(node, ast.expr):
            depth += 1
        elif isinstance(node, ast.stmt):
            depth, branches = 0, branches + 1
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not _is_text(node.value):
            yield StrategyError("strategy.half_character", node.lineno, node.col_offset + 1)
            return
        if depth > MAX_DEPTH or branches > MAX_BRANCHES:
            limit = MAX_DEPTH if depth > MAX_DEPTH else MAX_BRANCHES
            yield StrategyError("strategy.too_deep", getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1, limit=limit)
            return
        waiting += [(child, depth, branches) for child in ast.iter_child_nodes(node)]
