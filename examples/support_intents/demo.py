"""The demo: a durable optimization run on this machine, from nothing to a better program. ``make demo`` runs it.

Everything it keeps is in ``.dspex/`` of this clone. Interrupted, or killed with all that it has started, it goes on
where it was when it is started again; started again after its end, it repeats the run, answered from the ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.client import WorkflowExecutionStatus

import dspex
from dspex.errors import DSPyError, UsageError
from dspex.temporal import Client, Run, RunResult
from examples.support_intents import program as task
from examples.support_intents.backstage import ROOT, Backstage, Notes, only_one
from examples.support_intents.screen import Screen, announce, report

if TYPE_CHECKING:
    from dspex.store.ledger import Ledger

FOLDER = Path(os.environ.get("DSPEX_DEMO", ROOT / ".dspex")).absolute()
NOTES = FOLDER / "demo.json"


async def main() -> None:
    """One run, to its end."""
    notes = Notes.read(NOTES)
    screen = Screen()
    backstage = Backstage(FOLDER, notes, screen.say)
    try:
        await backstage.start()
        await backstage.during(optimize(backstage, notes, screen))
    finally:
        backstage.stop()
        notes.write(NOTES)


async def optimize(backstage: Backstage, notes: Notes, screen: Screen) -> None:
    """Start the run, or attach to the one in progress; watch it; say what came of it."""
    train, heldout = messages("train"), messages("heldout")
    client = await Client.connect(backstage.server.address, store=str(FOLDER / "store.db"))
    run = await start(client, backstage.practice_url, notes, train, heldout)
    announce(run.id, backstage, len(train), len(heldout))
    if paid := (await client.store.ledger.bill(run.id)).calls:
        screen.say(f"The run goes on where it was: {paid} LM calls are paid already.")
    await watch(run, client.store.ledger, screen)
    result = await run.result()
    report(result, keep(result), len(heldout))
    notes.run, notes.started = notes.run + 1, False


def messages(name: str) -> list[dspex.Example]:
    """The examples of a file next to this one."""
    lines = (Path(__file__).parent / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [dspex.Example(**json.loads(line)).with_inputs("message") for line in lines]


async def start(
    client: Client, url: str, notes: Notes, train: list[dspex.Example], heldout: list[dspex.Example]
) -> Run:
    """Start the run, or attach to the one in progress under its id."""

    async def attach() -> Run:
        return await client.optimize(
            task.program,
            optimizer=dspex.BootstrapFewShot(task.metric, max_bootstrapped_demos=16, max_labeled_demos=48),
            trainset=train,
            valset=heldout,
            lm=dspex.LM("openai/practice", api_base=url, max_concurrency=4),
            id=f"demo-{notes.run}",
        )

    try:
        run = await attach()
    except UsageError as error:
        if not notes.started:
            raise
        print(f"  {error}\n  So this is a new run.\n")  # program.py or the data were changed meanwhile
        notes.run += 1
        run = await attach()
    notes.started = True
    notes.write(NOTES)
    return run


async def watch(run: Run, ledger: Ledger, screen: Screen) -> None:
    """Show how the run goes, until it ends. What is paid stands in the ledger, where every worker writes it down."""
    while await run.status() is WorkflowExecutionStatus.RUNNING:
        screen.show(await run.progress(), await ledger.bill(run.id))
        await asyncio.sleep(0.4)
    screen.end()


def keep(result: RunResult) -> Path:
    """Write the program that was found as a file."""
    path = FOLDER / f"{result.run_id}.json"
    path.write_text(json.dumps(result.document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def on_this_machine_only() -> None:
    """Leave out of this process, and of those that it starts, what the user has set up for other servers."""
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "DSPEX_"))]:
        del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = str(FOLDER / "no-profile.toml")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def run_demo() -> int:
    """The exit status."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    on_this_machine_only()
    try:
        with only_one(FOLDER):
            asyncio.run(main())
    except KeyboardInterrupt:
        print("\n  Interrupted. Nothing is lost: `make demo` goes on where it was.")
        return 130
    except DSPyError as error:
        print(f"\n  {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = run_demo()
    sys.stdout.flush()
    os._exit(status)  # threads of Temporal's core can abort a Python that is being torn down
