"""Record the histories that `test_kept_histories` replays: ``python tests/replay/record.py VERSION [NAME...]``.

With names, only those are written: for a workflow that is new. Run it once for each released version, and keep what it
writes: runs outlive deployments, so every workflow that any version started must replay with the code of today.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
HISTORIES = Path(__file__).parent / "histories"
sys.path.insert(0, str(TESTS))


async def record(version: str, names: list[str], folder: Path) -> None:
    from durable import task
    from durable.task import right_kind

    import dspex
    from dspex.runner.imports import AllowedModules
    from dspex.temporal.client import Client
    from dspex.temporal.contracts.batch import BatchOptions
    from dspex.temporal.contracts.optimize import Chunking
    from dspex.temporal.server import EmbeddedServer, free_port
    from dspex.worker.worker import make_worker
    from dspex_practice import PracticeOptions, PracticeServer

    os.environ["DSPEX_STORE"] = str(folder / "store.db")
    server = EmbeddedServer(folder, port=free_port(), ui_port=free_port())
    server.start()
    await server.ready()
    try:
        with PracticeServer(PracticeOptions(batch_seconds=0.5)) as model:
            dspex.configure(lm=dspex.LM("openai/practice", api_base=model.url))
            client = await Client.connect(server.address)
            async with make_worker(client.temporal, AllowedModules(["durable.task"]), store=client.store):
                optimizer = dspex.BootstrapFewShot(metric=right_kind, max_bootstrapped_demos=3, max_labeled_demos=6)
                run = await client.optimize(
                    task.Fragile(), optimizer=optimizer, trainset=task.examples(30), valset=task.examples(90, 1000)
                )
                await run.result()
                chunks = Chunking(first=4, largest=64, in_flight=4)
                evaluated = await client.evaluate(
                    task.program, devset=task.examples(400), metric=right_kind, chunking=chunks
                )
                await evaluated.result()
                soon = BatchOptions(first_look=0.2, longest_look=0.5, settle=0.1)
                batched = await client.evaluate(
                    task.TwoSteps(), devset=task.examples(40), metric=right_kind, batch=soon
                )
                await batched.result()
                limited = await client.optimize(
                    task.program,
                    optimizer=optimizer,
                    trainset=task.examples(30, 5000),
                    valset=task.examples(40, 6000),
                    budget=dspex.Budget(calls=20),
                )
                for calls in (43, 1000):  # the first is spent while it evaluates, the second while it traces
                    while (await limited.progress()).phase != "out of budget":  # noqa: ASYNC110  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                    await limited.set_budget(calls=calls)
                await limited.result()
            for workflow_id, name in (
                (run.id, "optimize-bootstrap"),
                (f"{run.id}/final", "evaluate-child"),
                (evaluated.id, "evaluate-alone"),
                (batched.id, "evaluate-by-batch"),
                (limited.id, "optimize-out-of-budget"),
            ):
                if names and name not in names:
                    continue
                history = await client.temporal.get_workflow_handle(workflow_id).fetch_history()
                kept = HISTORIES / f"{version}-{name}.json.gz"
                kept.write_bytes(gzip.compress(history.to_json().encode(), mtime=0))
    finally:
        server.stop()


if __name__ == "__main__":
    HISTORIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(record(sys.argv[1], sys.argv[2:], Path(made)))
    sys.stdout.flush()
    os._exit(0)
