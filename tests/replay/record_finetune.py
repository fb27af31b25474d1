"""As `record`, for fine-tuning: ``python tests/replay/record_finetune.py VERSION``.

The run goes on in a new history after two looks; the first of its histories is kept, and the last.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

HISTORIES = Path(__file__).parent / "histories"


async def record(version: str, folder: Path) -> None:
    from support.finetune_provider import examples

    import dspex
    from dspex.finetuning.polling import Polling
    from dspex.runner.imports import AllowedModules
    from dspex.temporal.client import Client
    from dspex.temporal.server import EmbeddedServer, free_port
    from dspex.worker.worker import make_worker
    from dspex_practice import PracticeOptions, PracticeServer

    os.environ["DSPEX_STORE"] = str(folder / "store.db")
    server = EmbeddedServer(folder, port=free_port(), ui_port=free_port())
    server.start()
    await server.ready()
    try:
        client = await Client.connect(server.address)
        with PracticeServer(PracticeOptions(tuning_seconds=2)) as model:
            lm = dspex.LM("openai/practice", api_base=model.url)
            polling = Polling(first=0.1, longest=0.1, looks_a_history=2)
            async with make_worker(client.temporal, AllowedModules([]), store=client.store):
                run = await client.finetune(lm, examples(), train_kwargs={"n_epochs": 1}, polling=polling)
                await run.result()
        described = await client.temporal.get_workflow_handle(run.id).describe()
        first = described.raw_description.workflow_execution_info.first_run_id
        for name, run_id in (("begun", first), ("ended", described.run_id)):
            history = await client.temporal.get_workflow_handle(run.id, run_id=run_id).fetch_history()
            kept = HISTORIES / f"{version}-finetune-{name}.json.gz"
            kept.write_bytes(gzip.compress(history.to_json().encode(), mtime=0))
    finally:
        server.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(record(sys.argv[1], Path(made)))
    sys.stdout.flush()
    os._exit(0)
