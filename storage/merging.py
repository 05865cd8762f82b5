"""Several ordered streams into one, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def merge(streams: Sequence[Iterator[np.ndarray]], field: str) -> Iterator[np.ndarray]:
    """Yield the records of all streams in the order of `field`; of equal ones the earlier stream's come first.

    Parameters
    ----------
    streams : sequence of iterators of structured arrays
        Each ascending in `field` within and across its chunks. A stream is opened when the merge reaches
        its turn at the latest; only one chunk of each is held.
    field : str
        An integer field.
    """
    held: list[np.ndarray] = []
    sources: list[Iterator[np.ndarray]] = []
    for stream in streams:
        chunk = _next(stream)
        if chunk is not None:
            held.append(chunk)
            sources.append(stream)
    while held:
        if len(held) == 1:
            yield held[0]
            yield from (chunk for chunk in sources[0] if len(chunk))
            return
        # All that is not after the earliest last record may go: no stream can still bring something before it.
        limit = min(int(chunk[field][-1]) for chunk in held)
        ready = []
        for k, chunk in enumerate(held):
            cut = int(np.searchsorted(chunk[field], limit, side="right"))
            ready.append(chunk[:cut])
            held[k] = chunk[cut:]
        together = np.concatenate(ready)
        yield together[np.argsort(together[field], kind="stable")]
        for k in range(len(held) - 1, -1, -1):
            if not len(held[k]):
                chunk = _next(sources[k])
                if chunk is None:
                    del held[k], sources[k]
                else:
                    held[k] = chunk


def _next(stream: Iterator[np.ndarray]) -> np.ndarray | None:
    """Return the stream's next chunk that is not empty; None at its end."""
    for chunk in stream:
        if len(chunk):
            return chunk
    return None
