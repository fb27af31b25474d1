"""What a run came to: for people, and as the one JSON object that scripts read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dspex.store.outcomes import Failure
    from dspex.store.records.bill import Bill
    from dspex.temporal.run import RunResult

_FAILURES_SHOWN = 5
_WIDEST_ERROR = 300


@dataclass(frozen=True)
class Summary:
    """The keys of ``--json``, in their order; None where something is unknown or is not.

    `stopped` says whether the run ended before its time (``"budget"``: because that was used up); `bill` are the lines
    of the bill, by model and predictor (`dspex.store.BillLine`).
    """

    run_id: str
    workflow_id: str | None = None
    score: float | None = None
    baseline_score: float | None = None
    program_path: str | None = None
    lm_calls: int | None = None
    lm_calls_from_ledger: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    n_failed: int | None = None
    stopped: bool | str = False
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    bill: Sequence[dict[str, Any]] = ()

    def json(self) -> str:
        return json.dumps(asdict(self))

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"run      {self.run_id}"]
        if self.score is not None and self.baseline_score is not None:
            gain = self.score - self.baseline_score
            lines.append(f"score    {self.baseline_score} before, {self.score} after ({gain:+.2f})")
        elif self.score is not None:
            lines.append(f"score    {self.score}")
        if self.n_failed:
            lines.append(f"failed   {self.n_failed} examples, each scored as a failure")
        if self.stopped:
            why = "its budget is used up" if self.stopped == "budget" else "it was told to"
            lines.append(f"stopped  {why}; this is the best so far")
        lines.append(f"calls    {self.lm_calls} paid, {self.lm_calls_from_ledger} from the ledger")
        lines.append(f"tokens   {self.prompt_tokens} in{self._of_these(self.cached_tokens, 'cached')}, "
                     f"{self.completion_tokens} out{self._of_these(self.reasoning_tokens, 'reasoning')}")  # fmt: skip
        lines.append("cost     unknown (no price known)" if self.cost_usd is None else f"cost     ${self.cost_usd:.4f}")
        if len(self.bill) > 1:
            lines += [f"         {line}" for line in bill_lines(self.bill)]
        if self.program_path:
            lines.append(f"program  {self.program_path}")
        return lines

    @staticmethod
    def _of_these(count: int | None, what: str) -> str:
        return f" ({count} {what})" if count else ""


def show(summary: Summary, *, as_json: bool, failures: Sequence[Failure] = ()) -> None:
    """Print the summary: on standard output the JSON or the lines for people."""
    from dspex.cli.main import note

    for line in failure_lines(failures):
        note(line)
    if as_json:
        print(summary.json(), flush=True)
    else:
        print("\n".join(summary.lines()), flush=True)


def bill_lines(bill: Sequence[dict[str, Any]]) -> list[str]:
    """The bill by model and predictor, for people."""
    widest = max((len(f"{line['model']} {line['predictor'] or '-'}") for line in bill), default=0)
    lines = []
    for line in bill:
        name = f"{line['model']} {line['predictor'] or '-'}"
        cost = "price unknown" if line["unpriced"] == line["calls"] else f"${line['cost_usd']:.4f}"
        tokens = f"{line['prompt_tokens']} in, {line['completion_tokens']} out"
        lines.append(f"{name:{widest}}  {cost}  {line['calls']} calls  {tokens}")
    return lines


def failure_lines(failures: Sequence[Failure]) -> list[str]:
    """The first failures of a program, with the examples they belong to."""
    first = sorted(failures, key=lambda failure: (failure.path, failure.index))[:_FAILURES_SHOWN]
    lines = [f"failed: {failure.path}, example {failure.index}: {_cut(failure.error)}" for failure in first]
    if len(failures) > len(first):
        lines.append(f"... and {len(failures) - len(first)} more")
    return lines


def of_durable(result: RunResult, path: Path | None) -> Summary:
    """The summary of a durable run."""
    return Summary(
        run_id=result.run_id,
        workflow_id=result.run_id,
        score=result.score,
        baseline_score=result.baseline_score,
        program_path=None if path is None else str(path),
        lm_calls=result.lm_calls,
        lm_calls_from_ledger=result.lm_calls_from_ledger,
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
        cost_usd=_known(result.cost_usd, result.lm_calls),
        n_failed=result.n_failed,
        stopped=result.stopped,
        **_split(result.bill),
    )


def of_local(
    run_id: str,
    bill: Bill,
    *,
    score: float | None,
    baseline_score: float | None,
    n_failed: int,
    calls_from_ledger: int,
    path: Path | None,
    stopped: bool | str = False,
) -> Summary:
    """The summary of a run in this process."""
    return Summary(
        run_id=run_id,
        score=score,
        baseline_score=baseline_score,
        program_path=None if path is None else str(path),
        lm_calls=bill.calls,
        lm_calls_from_ledger=calls_from_ledger,
        prompt_tokens=bill.prompt_tokens,
        completion_tokens=bill.completion_tokens,
        cost_usd=_known(bill.cost_usd, bill.calls),
        n_failed=n_failed,
        stopped=stopped,
        **_split(bill),
    )


def _split(bill: Bill) -> dict[str, Any]:
    return {
        "cached_tokens": bill.cached_tokens,
        "reasoning_tokens": bill.reasoning_tokens,
        "bill": [asdict(line) for line in bill.lines],
    }


def _known(cost: float, calls: int) -> float | None:
    """The ledger adds the prices it knows: calls that came to nothing are calls whose price it does not know."""
    return None if calls and not cost else cost


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST_ERROR else f"{line[:_WIDEST_ERROR]}..."
