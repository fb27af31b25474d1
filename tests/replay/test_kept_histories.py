"""Runs that were started by any released version go on with today's code: their histories replay."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from dspex.worker.worker import replayer

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json.gz"))


def test_there_are_histories_to_replay() -> None:
    assert HISTORIES


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.name.removesuffix(".json.gz"))
async def test_kept_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, gzip.decompress(path.read_bytes()).decode())
    await replayer().replay_workflow(history)


REPLAY = """
import asyncio, gzip, os, sys
from pathlib import Path
from temporalio.client import WorkflowHistory
from dspex.worker.worker import replayer

async def main():
    for name in sys.argv[1:]:
        text = gzip.decompress(Path(name).read_bytes()).decode()
        await replayer().replay_workflow(WorkflowHistory.from_json("kept", text))

asyncio.run(main())
print("replayed")
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_histories_replay_whatever_the_order_of_sets_is(seed: str) -> None:
    """Replay does not compare inputs, so an order that hashing decides would go unnoticed: another seed shows it."""
    command = [sys.executable, "-c", REPLAY, *map(str, HISTORIES)]
    environment = {"PYTHONHASHSEED": seed, "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "replayed", done.stderr
