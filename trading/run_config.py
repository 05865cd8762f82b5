"""What a run's paper exchange is told, and the keys of its account."""

from __future__ import annotations

import hmac
from pathlib import Path

from domain.process_config import ExchangeOptions, LiveOptions
from domain.settings import Settings

REPLAY_RATE_FACTOR = 1000.0
"""A replay's clock runs ahead of the machine's, by which venue and adapter count: their limits are out of its way."""


def paper_keys(seed: str) -> tuple[str, str]:
    """Return key and secret of the paper account: they follow from the run's own keys, so that no file holds them."""
    digest = hmac.digest(seed.encode(), b"paper account", "sha512").hex()
    return digest[:32], digest[32:80]


def exchange_options(options: LiveOptions, settings: Settings, truth: Path) -> ExchangeOptions:
    """Return how the paper exchange of a run plays; `truth` is where its own record goes."""
    haste = 1.0 if options.replay is None else REPLAY_RATE_FACTOR
    return ExchangeOptions(
        cash=options.cash,
        codes=options.codes,
        symbols=settings.paper.symbols,
        seed=options.seed or settings.paper.seed,
        speed=options.speed if options.replay is None else options.replay.speed,
        replay=options.replay,
        faults=options.faults,
        truth_path=str(truth),
        rate_factor=max(options.rate_factor, haste),
    )
