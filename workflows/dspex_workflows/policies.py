"""How long work may take, and how it is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from dspex.temporal.contracts.optimize import SETUP_ERROR

# Attempts are unlimited because a worker's death or shutdown counts as one; time bounds them instead. For the same
# reason the interval does not grow: an activity says itself how long a provider's trouble is to be waited out.
# "PayloadsTooLarge" is retryable by default and would pay for the work again, for the same end.
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=300),
    backoff_coefficient=1.0,
    non_retryable_error_types=[SETUP_ERROR, "PayloadsTooLarge"],
)

# Workers send a heartbeat every second. A dead one is noticed within three; its work then starts again elsewhere.
HEARTBEAT_TIMEOUT = timedelta(seconds=3)
TASK_TIMEOUT = timedelta(seconds=5)

SHORT: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=2), "retry_policy": RETRY}
"""For what takes moments once a worker has it."""

CHUNK: dict[str, Any] = {
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "start_to_close_timeout": timedelta(hours=12),
    "schedule_to_close_timeout": timedelta(days=7),
    "retry_policy": RETRY,
}
