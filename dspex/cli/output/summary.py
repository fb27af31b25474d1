"""What a run came to: for people, and as the one JSON object that scripts read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dspex.cli.output.exit import note

if TYPE_CHECKING:
    from dspex.store.records.outcome import Failure
    from dspex.store.records.run_summary import RunSummary

_FAILURES_SHOWN = 5
_WIDEST_ERROR = 300


def show_summary(summary: RunSummary, *, as_json: bool, failures: Sequence[Failure] = ()) -> None:
    """Print the summary on standard output, and the first of the failures on standard error.

    Args:
        summary: What the run came to.
        as_json: Print one JSON object in place of lines for people.
        failures: The examples on which the program failed.
    """
    for line in failure_lines(failures):
        note(line)
    print(json.dumps(asdict(summary)) if as_json else "\n".join(_lines(summary)), flush=True)


def bill_lines(bill: Sequence[dict[str, Any]]) -> list[str]:
    """The bill by model and predictor, for people. Its lines are `dspex.store.BillLine`s as dictionaries."""
    names = [f"{line['model']} {line['predictor'] or '-'}" for line in bill]
    widest = max(map(len, names), default=0)
    lines = []
    for name, line in zip(names, bill, strict=True):
        cost = "price unknown" if line["unpriced"] == line["calls"] else dollars(line["cost_usd"])
        tokens = f"{line['prompt_tokens']} in, {line['completion_tokens']} out"
        lines.append(f"{name:{widest}}  {cost}  {line['calls']} calls  {tokens}")
    return lines


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """The first failures of a program, with the examples they belong to."""
    first = sorted(failures, key=lambda failure: (failure.path, failure.index))[:_FAILURES_SHOWN]
    lines = [f"failed: {failure.path}, example {failure.index}: {_shortened(failure.error)}" for failure in first]
    if len(failures) > len(first):
        lines.append(f"... and {len(failures) - len(first)} more")
    return lines


def cost_line(cost_usd: float | None) -> str:
    """The line that names the cost of a run, in US dollars; None where it is unknown."""
    return f"cost     {'unknown (no price known)' if cost_usd is None else dollars(cost_usd)}"


def dollars(usd: float) -> str:
    """An amount in US dollars, to a hundredth of a cent."""
    return f"${usd:.4f}"


def _lines(summary: RunSummary) -> list[str]:
    lines = [f"run      {summary.run_id}", *_score_lines(summary)]
    if summary.n_failed:
        lines.append(f"failed   {summary.n_failed} examples, each scored as a failure")
    if summary.stopped:
        why = "its budget is used up" if summary.stopped == "budget" else "it was told to"
        lines.append(f"stopped  {why}; this is the best so far")
    lines.append(f"calls    {summary.lm_calls} paid, {summary.lm_calls_from_ledger} from the ledger")
    tokens_in = f"{summary.prompt_tokens} in{_of_these(summary.cached_tokens, 'cached')}"
    tokens_out = f"{summary.completion_tokens} out{_of_these(summary.reasoning_tokens, 'reasoning')}"
    lines.append(f"tokens   {tokens_in}, {tokens_out}")
    lines.append(cost_line(summary.cost_usd))
    if len(summary.bill) > 1:
        lines += [f"         {line}" for line in bill_lines(summary.bill)]
    if summary.program_path:
        lines.append(f"program  {summary.program_path}")
    return lines


def _score_lines(summary: RunSummary) -> list[str]:
    if summary.score is None:
        return []
    if summary.baseline_score is None:
        return [f"score    {summary.score}"]
    gain = summary.score - summary.baseline_score
    return [f"score    {summary.baseline_score} before, {summary.score} after ({gain:+.2f})"]


def _of_these(count: int | None, what: str) -> str:
    return f" ({count} {what})" if count else ""


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST_ERROR else f"{line[:_WIDEST_ERROR]}..."
