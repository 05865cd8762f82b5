"""Where recorded market data lies, None where it is missing: tests that need it skip with that reason."""

from __future__ import annotations

from pathlib import Path

_SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"
RECORDED: Path | None = _SHARED if _SHARED.is_dir() else None
