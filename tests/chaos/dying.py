"""Imported by a worker: kills it at one step of a batch, the first time that it comes there.

``DSPEX_TEST_DIE_AT`` names the step, and ``DSPEX_TEST_DEATHS`` a folder that remembers who has died.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from dspex.clients.batch import collection
from dspex.clients.batch.openai import OpenAIBatch
from dspex.store.batches import Batches

STEPS: dict[str, tuple[type, str, str]] = {
    "before anything is written down": (Batches, "ask", "before"),
    "when the requests are written down": (Batches, "ask", "after"),
    "when the batch is written down": (Batches, "plan", "after"),
    "when the file is with the provider": (OpenAIBatch, "upload", "after"),
    "when the file's name is written down": (Batches, "uploaded", "after"),
    "just before the batch is created": (OpenAIBatch, "create", "before"),
    "when the batch is created and nobody knows": (OpenAIBatch, "create", "after"),
    "when the batch is known": (Batches, "opened", "after"),
    "when the batch has been looked at": (OpenAIBatch, "poll", "after"),
    "in the middle of collecting": (Batches, "settle", "after"),
    "when all is collected": (Batches, "end", "before"),
    "when the batch is done with": (Batches, "end", "after"),
    "when the files are deleted": (OpenAIBatch, "clean_up", "after"),
}


def die_once(step: str, deaths: Path) -> None:
    owner, name, when = STEPS[step]
    method: Any = getattr(owner, name)
    mark = deaths / step.replace(" ", "-")

    def die() -> None:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    async def dying(self: Any, *args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die()
        result = await method(self, *args, **kwargs)
        die()
        return result

    setattr(owner, name, dying)


if "DSPEX_TEST_DIE_AT" in os.environ:
    collection._LINES_A_TRANSACTION = 5
    die_once(os.environ["DSPEX_TEST_DIE_AT"], Path(os.environ["DSPEX_TEST_DEATHS"]))
