"""How rows are cut into chunks that last a few seconds."""

from __future__ import annotations

import math

from dspex.temporal.contracts.optimize import Chunking, EvaluateChunkResult

_SMALLEST = 8


def next_size(current: int, remaining: int, chunking: Chunking) -> int:
    """Rows of the next chunk: towards the end they are dealt out evenly, so that no worker is left with a large one."""
    fair = math.ceil(remaining / chunking.in_flight)
    return max(1, min(current, max(fair, _SMALLEST), remaining))


def adapted(current: int, result: EvaluateChunkResult, chunking: Chunking) -> int:
    """The size to go on with, given how long a chunk took."""
    if result.stop - result.start < current:
        return current  # one of the small ones towards the end says nothing about the large
    if result.seconds < chunking.target_seconds / 2:
        return min(current * 2, chunking.largest)
    if result.seconds > chunking.target_seconds * 2:
        return max(current // 2, _SMALLEST)
    return current
