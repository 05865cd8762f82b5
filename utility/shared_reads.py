"""Reads that are asked for many times over while many commands are looked at, and made once.

Ten thousand variations of a back-test name the same strategy, file and market. Inside `sharing()` a function marked `shared`
answers a question it has answered before with the same answer; outside it reads anew each time, as files may change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_ANSWERS: ContextVar[dict[Any, Any] | None] = ContextVar("shared_reads", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Keep the answers of `shared` functions until the end of the block, of this thread alone."""
    token = _ANSWERS.set({})
    try:
        yield
    finally:
        _ANSWERS.reset(token)


def shared(function: Callable[P, T]) -> Callable[P, T]:
    """Mark a function whose answer depends on its arguments, the working folder and what does not change while commands are looked at.

    Its answer must not be changed by who gets it. Arguments that cannot be hashed are answered anew; an error is no answer.
    """

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        answers = _ANSWERS.get()
        if answers is None:
            return function(*args, **kwargs)
        key = (function, os.getcwd(), args, tuple(sorted(kwargs.items())))
        try:
            if key in answers:
                return answers[key]  # type: ignore[no-any-return]
        except TypeError:
            return function(*args, **kwargs)
        return answers.setdefault(key, function(*args, **kwargs))  # type: ignore[no-any-return]

    return ask
