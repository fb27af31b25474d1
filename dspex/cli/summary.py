"""What a run came to: for people, and as the one JSON object that scripts read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dspex.store.bill import Bill
    from dspex.store.outcomes import Failure
    from dspex.temporal.run import RunResult

_FAILURES_SHOWN = 5
_WIDEST_ERROR = 300


@dataclass(frozen=True)
class Summary:
    """The keys of ``--json``, in their order; None where something is unknown or is not."""

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
        lines.append(f"calls    {self.lm_calls} paid, {self.lm_calls_from_ledger} from the ledger")
        lines.append(f"tokens   {self.prompt_tokens} in, {self.completion_tokens} out")
        lines.append("cost     unknown (no price known)" if self.cost_usd is None else f"cost     ${self.cost_usd:.4f}")
        if self.program_path:
            lines.append(f"program  {self.program_path}")
        return lines


def show(summary: Summary, *, as_json: bool, failures: Sequence[Failure] = ()) -> None:
    """Print the summary: on standard output the JSON or the lines for people."""
    from dspex.cli.ending import note

    for line in failure_lines(failures):
        note(line)
    if as_json:
        print(summary.json(), flush=True)
    else:
        print("\n".join(summary.lines()), flush=True)


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
        cost_usd=_known(round(bill.cost_usd, 6), bill.calls),
        n_failed=n_failed,
    )


def _known(cost: float, calls: int) -> float | None:
    """The ledger adds the prices it knows: calls that came to nothing are calls whose price it does not know."""
    return None if calls and not cost else cost


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST_ERROR else f"{line[:_WIDEST_ERROR]}..."
