"""A run, local or durable, as `dspex runs list` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. Times are Unix seconds; scores are None until known; `workflow_id` is None for a local run."""

    run_id: str
    status: str
    optimizer: str | None
    program: str | None
    score: float | None
    baseline: float | None
    workflow_id: str | None
    started_at: float
    updated_at: float
    finished_at: float | None
    result: dict[str, Any] | None
