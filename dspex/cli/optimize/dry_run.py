"""``dspex optimize --dry-run``: what the run would cost at most."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dspex.cli.inputs.data import read_examples
from dspex.cli.main import note
from dspex.settings import context

if TYPE_CHECKING:
    from dspex.cli.optimize.request import Prepared
    from dspex.runner.estimate import Estimate


def tell_costs(prepared: Prepared) -> None:
    """Render the run's prompts, and say what they and their answers would come to. No call is made, nothing written.

    Raises:
        UsageError: the optimizer cannot say what it will ask for.
    """
    from dspex.bridge import wait_for
    from dspex.runner.estimate import estimate
    from dspex.runner.references import build

    code = prepared.code
    train, val = (read_examples(file, prepared.columns) if file else None for file in (prepared.train, prepared.val))
    teacher = build(code.teacher, code.imports) if code.teacher is not None else None
    with context(lm=prepared.lm):
        found = wait_for(estimate(prepared.optimizer, code.program, trainset=train or [], valset=val, teacher=teacher))
    if prepared.request.as_json:
        print(json.dumps(asdict(found)), flush=True)
    else:
        print("\n".join(_lines(found, prepared)), flush=True)
        for each in found.notes:
            note(each)


def _lines(found: Estimate, prepared: Prepared) -> list[str]:
    lines = [
        f"{step.step:10}  {step.runs} runs, {step.calls} calls ({step.most_calls} at most), "
        f"{step.most_prompt_tokens} tokens in and {step.most_completion_tokens} out at most, {_dollars(step.most_usd)}"
        for step in found.steps
    ]
    lines.append(f"at most     {found.most_calls} calls, {_dollars(found.most_usd)}")
    budget = prepared.request.budget
    if budget is not None:
        lines.append(f"budget      {budget}")
    return lines


def _dollars(usd: float | None) -> str:
    return "price unknown" if usd is None else f"${usd:.4f}"
