"""``dspex optimize --dry-run``: what the run would cost at most."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dspex.backend import LOCAL, TEMPORAL, backend
from dspex.bridge import wait_for
from dspex.cli.output.exit import note
from dspex.cli.output.summary import dollars
from dspex.settings import context

if TYPE_CHECKING:
    from dspex.cli.optimize.prepared import Prepared
    from dspex.runner.estimate import Estimate


def show_estimate(prepared: Prepared) -> None:
    """Render the run's prompts, and print the most that they and their answers would cost. No LM is called.

    Raises:
        UsageError: the optimizer cannot say what it will ask for.
    """
    from dspex.runner.references import build

    options, code = prepared.options, prepared.code
    runs_on = backend(LOCAL if options.local else TEMPORAL, options.deployment)
    teacher = build(code.teacher, code.imports) if code.teacher is not None else None
    with context(lm=prepared.lm):
        estimate = wait_for(
            runs_on.estimate(
                prepared.optimizer,
                code.program,
                trainset=prepared.train.examples(),
                valset=prepared.val.examples() if prepared.val is not None else None,
                teacher=teacher,
            )
        )
    if options.as_json:
        print(json.dumps(asdict(estimate)), flush=True)
        return
    print("\n".join(_lines(estimate, prepared)), flush=True)
    for each in estimate.notes:
        note(each)


def _lines(estimate: Estimate, prepared: Prepared) -> list[str]:
    lines = [
        f"{step.step:10}  {step.runs} runs, {step.calls} calls ({step.most_calls} at most), "
        f"{step.most_prompt_tokens} tokens in and {step.most_completion_tokens} out at most, {_cost(step.most_usd)}"
        for step in estimate.steps
    ]
    lines.append(f"at most     {estimate.most_calls} calls, {_cost(estimate.most_usd)}")
    if prepared.options.budget is not None:
        lines.append(f"budget      {prepared.options.budget}")
    return lines


def _cost(usd: float | None) -> str:
    return "price unknown" if usd is None else dollars(usd)
