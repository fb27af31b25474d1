"""How long work may take, and how it is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from dspex.temporal.contracts import SETUP_ERROR

# Attempts are unlimited because a worker's shutdown counts as one; time bounds them instead. "PayloadsTooLarge" is
# retryable by default and would pay for the work again, for the same end.
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    non_retryable_error_types=[SETUP_ERROR, "PayloadsTooLarge"],
)

# Workers beat every second. A dead one is noticed within four, so that its work starts again elsewhere at once.
HEARTBEAT_TIMEOUT = timedelta(seconds=4)
TASK_TIMEOUT = timedelta(seconds=5)

CHUNK: dict[str, Any] = {
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "start_to_close_timeout": timedelta(hours=12),
    "schedule_to_close_timeout": timedelta(days=7),
    "retry_policy": RETRY,
}
