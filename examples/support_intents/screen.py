"""What the demo says."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dspex.clients.cost.pricing import cost_usd

if TYPE_CHECKING:
    from dspex.store.ledger import Bill
    from dspex.temporal import RunResult
    from dspex.temporal.contracts.optimize import Progress
    from examples.support_intents.backstage import Backstage

_PRICED_AS = "openai/gpt-4o-mini"
_PLAIN_EVERY_S = 2.0
_BAR = 24

_DOING = {
    "waiting": "waiting for a worker",
    "baseline": "scoring the program as it is on the held-out messages",
    "optimizing": "trying training messages: what goes well becomes an example in the prompt",
    "final": "scoring the optimized program on the held-out messages",
    "done": "keeping the program",
}


class Screen:
    """Progress: one line that changes on a terminal, a line every two seconds elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._began = time.monotonic()
        self._phase = ""
        self._shown_at = 0.0

    def show(self, progress: Progress, bill: Bill) -> None:
        """Show how far the run is."""
        if progress.phase != self._phase:
            self._phase = progress.phase
            self.say(_DOING.get(progress.phase, progress.phase))
        line = f"{_bar(progress)}{bill.calls} LM calls paid so far"
        if self._live:
            print(f"\r\x1b[K  {self._clock()}    {line}", end="", flush=True)
        elif time.monotonic() - self._shown_at >= _PLAIN_EVERY_S:
            self._shown_at = time.monotonic()
            print(f"  {self._clock()}    {line}", flush=True)

    def say(self, message: str) -> None:
        """Print `message` for good."""
        self.end()
        print(f"  {self._clock()}  {message}", flush=True)

    def end(self) -> None:
        """Wipe the line that changes."""
        if self._live:
            print("\r\x1b[K", end="", flush=True)

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self._began)
        return f"{seconds // 60}:{seconds % 60:02d}"


def _bar(progress: Progress) -> str:
    if not progress.total:
        return ""
    full = round(_BAR * progress.done / progress.total)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {progress.done} of {progress.total} messages, "


def announce(run_id: str, backstage: Backstage, train: int, heldout: int) -> None:
    """Say what is going to happen, and where to look."""
    print(
        f"""
An optimization run that cannot be lost

  task       route a rider's message to one of 10 desks; {train} messages to learn from, {heldout} held out
  optimizer  BootstrapFewShot, as a durable workflow of the Temporal server that runs here
  model      the practice model: a stand-in that compares words. It is no language model and costs nothing.
  run        {run_id}
  watch it   {backstage.server.ui_url}/namespaces/default/workflows/{run_id}   (Temporal Web UI)
  kill it    Ctrl-C, then `make demo` again. Or kill -9 any of: {backstage.processes}
""",
        flush=True,
    )


def report(result: RunResult, file: Path, heldout: int) -> None:
    """Say what came of the run."""
    before, after = result.baseline_score or 0.0, result.score or 0.0
    tokens = {"prompt_tokens": result.prompt_tokens, "completion_tokens": result.completion_tokens}
    price = f", with the stand-in; at gpt-4o-mini's prices these tokens come to ${cost_usd(_PRICED_AS, tokens):.4f}"
    again = "" if result.lm_calls else ": all were paid for by an earlier run"
    print(
        f"""
Done

  score      {before:.2f}% before, {after:.2f}% after: {after - before:+.2f} points on {heldout} held-out messages
  LM calls   {result.lm_calls} paid, {result.lm_calls_from_ledger} answered from the ledger{again}
  tokens     {result.prompt_tokens:,} in, {result.completion_tokens:,} out
  cost       nothing{price if result.lm_calls else ""}
  program    {_shown(file)}   (DSPy's JSON format)
{_NEXT}""",
        flush=True,
    )


def _shown(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


_NEXT = """
Next

  make demo
      Again, as a new run: all its calls are answered from the ledger.

  .venv/bin/dspex dev --state .dspex/temporal --store .dspex/store.db --import examples.support_intents.program
      The server, its Web UI with the runs above, and a worker, until Ctrl-C. Beside it, in another shell:

  .venv/bin/dspex optimize examples.support_intents.program:program --optimizer bootstrap --store .dspex/store.db \\
      --train examples/support_intents/train.jsonl --val examples/support_intents/heldout.jsonl \\
      --metric examples.support_intents.program:metric --lm openai/gpt-4o-mini --out better.json
      The same with a language model, if OPENAI_API_KEY is set in both shells.
"""
