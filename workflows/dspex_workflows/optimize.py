"""OptimizeProgram: an optimization run, from its first evaluation to the program it found."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from temporalio import workflow

from dspex.clients.cost.budget import Budget
from dspex.teleprompt.optimization_run import Phase, RunState, advance, begin, stop
from dspex.teleprompt.registry import make_optimizer
from dspex.teleprompt.runner_protocol import Task
from dspex.temporal.contracts.optimize import (
    FINISH_RUN,
    OPTIMIZE,
    FinishResult,
    FinishTask,
    InspectTask,
    OptimizeJob,
    OptimizeResult,
    Progress,
)
from dspex.temporal.search_attributes import BEST_SCORE
from dspex.temporal.trace_marks import mark
from dspex_workflows.budgets import change_budget
from dspex_workflows.policies import CHUNK
from dspex_workflows.preparation import inspect
from dspex_workflows.temporal_runner import TemporalRunner


@workflow.defn(name=OPTIMIZE)
class OptimizeProgram:
    """Steps the optimizer, shows how it goes, and can be paused, stopped and continued between any two steps."""

    @workflow.init
    def __init__(self, job: OptimizeJob) -> None:
        self.job = job.model_copy(
            update={"first_execution_id": job.first_execution_id or workflow.info().first_execution_run_id}
        )
        self.optimizer = make_optimizer(job.optimizer.name, job.optimizer.arguments)
        self.state: RunState | None = job.state
        self.paused = job.paused
        self.stopping = False
        self.doing = "starting"
        self.evaluation: str | None = None
        self.budget_revision = 0
        self.out_of_budget = ""

    @workflow.query
    def progress(self) -> Progress:
        state = self.state
        return Progress(
            run_id=self.job.run_id,
            phase=self._phase(),
            message=self.out_of_budget or self.doing or (state.note if state else ""),
            step=state.steps if state else 0,
            baseline_score=state.baseline.score if state and state.baseline else None,
            best_score=state.best_score if state else None,
            evaluation=None if self.out_of_budget else self.evaluation,
        )

    @workflow.update
    async def stop(self) -> str:
        """End the run now, with the best program so far."""
        self.stopping = True
        return "stopping with the best program so far"

    @workflow.update
    async def pause(self) -> str:
        """Take no further step until resumed. The step in progress is finished."""
        self.paused = True
        self._show()
        return "paused after the step in progress"

    @workflow.update
    async def resume(self) -> str:
        """Go on after a pause."""
        self.paused = False
        self._show()
        return "resumed"

    @workflow.update
    async def set_budget(self, budget: Budget) -> str:
        """Change what the run may spend in all: its limits that are given. A run that has spent it goes on."""
        await workflow.wait_condition(lambda: self.state is not None)  # its first budget is set by then
        spending = await change_budget(self.job.run_id, budget)
        self.budget_revision += 1
        self.out_of_budget = ""
        self._show()
        return spending

    async def budget_changed(self, message: str, budget_revision: int) -> None:
        """Nothing more can be paid for: wait for a bigger budget, or end here. See `BudgetGate`."""
        if self.budget_revision == budget_revision:
            self.out_of_budget = message
            self.stopping = self.stopping or self.job.stop_when_spent
            self._show()
        await workflow.wait_condition(lambda: self.budget_revision > budget_revision)

    @workflow.run
    async def run(self, job: OptimizeJob) -> OptimizeResult:
        self._show()
        task = job.task or await self._inspect()
        self.state = self.state or begin(self.optimizer, task, score=job.score)
        runner = TemporalRunner(self.job, task, self._note, self)
        while self.state.phase is not Phase.DONE:
            await workflow.wait_condition(lambda: self.stopping or not self.paused)
            self.state = await self._next(self.state, runner)
            self._show()
            if workflow.info().is_continue_as_new_suggested() and self.state.phase is not Phase.DONE:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._carried_on(task, runner))
        result = await self._finish(self.state, runner)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    async def _inspect(self) -> Task:
        task = InspectTask(run_id=self.job.run_id, spec=self.job.spec, budget=self.job.budget)
        inspection = await inspect(task, self._say)
        self._say("")
        return inspection.task

    async def _next(self, state: RunState, runner: TemporalRunner) -> RunState:
        """The next step, unless the run is stopped before it is done."""
        mark(f"step: {state.phase}", step=state.steps, optimizer=self.job.optimizer.name, note=state.note or None)
        step = asyncio.create_task(advance(state, self.optimizer, runner))
        await workflow.wait_condition(lambda: step.done() or self.stopping)
        if step.done():
            return step.result()
        step.cancel()
        with suppress(asyncio.CancelledError, Exception):  # what it was doing no longer counts
            await step
        return stop(state, self.optimizer, "budget" if self.out_of_budget else True)

    async def _finish(self, state: RunState, runner: TemporalRunner) -> OptimizeResult:
        assert state.candidate is not None
        score = state.final.score if state.final else None
        baseline = state.baseline.score if state.baseline else None
        failed = sum(evaluation.n_failed for evaluation in (state.final,) if evaluation)
        self._note("keeping the program", None)
        finish = FinishTask(
            run_id=self.job.run_id,
            spec=self.job.spec,
            candidate=state.candidate,
            first_execution_id=self.job.first_execution_id,
            score=score,
            baseline_score=baseline,
            n_failed=failed,
            stopped=state.stopped,
            calls_from_ledger=self.job.calls_from_ledger + runner.calls_from_ledger,
        )
        finished: FinishResult = await workflow.execute_activity(
            FINISH_RUN, finish, result_type=FinishResult, summary="keep the program, add up the bill", **CHUNK
        )
        self._note("", None)
        return OptimizeResult(
            run_id=self.job.run_id,
            program=finished.program,
            score=score,
            baseline_score=baseline,
            stopped=state.stopped,
            n_failed=failed,
            bill=finished.bill,
        )

    def _carried_on(self, task: Task, runner: TemporalRunner) -> OptimizeJob:
        calls = self.job.calls_from_ledger + runner.calls_from_ledger
        return self.job.model_copy(
            update={"task": task, "state": self.state, "paused": self.paused, "calls_from_ledger": calls}
        )

    def _is_paused(self) -> bool:
        return self.paused and not self.stopping

    def _phase(self) -> Any:
        if self.state is None:
            return "waiting"
        if self.out_of_budget and not self.stopping:
            return "out of budget"
        return "paused" if self._is_paused() else self.state.phase

    def _note(self, doing: str, evaluation: str | None) -> None:
        self.doing, self.evaluation = doing, evaluation
        self._show()

    def _say(self, message: str) -> None:
        self._note(message, None)

    def _show(self) -> None:
        """Tell the Web UI."""
        phase = str(self._phase())
        doing = "" if phase == "out of budget" else self.doing
        workflow.set_current_details(_details(self.job, self.state, doing, phase, self.out_of_budget))
        if not self.job.labels.search_attributes:
            return
        best = self.state.best_score if self.state else None
        if best is not None and workflow.info().typed_search_attributes.get(BEST_SCORE) != best:
            workflow.upsert_search_attributes([BEST_SCORE.value_set(best)])


def _details(job: OptimizeJob, state: RunState | None, doing: str, phase: str, out_of_budget: str) -> str:
    lines = [f"**{job.labels.optimizer}** on `{job.labels.program}`", ""]
    if out_of_budget:
        lines.append(f"- **out of budget**: {out_of_budget}")
        lines.append(f"- to go on: `dspex runs budget {job.run_id} --usd ...` (or `--tokens`, `--calls`)")
    if state is not None:
        lines.append(f"- phase: {phase}, step {state.steps}")
        if state.note:
            lines.append(f"- found: {state.note}")
        if state.baseline is not None:
            lines.append(f"- score before: {state.baseline.score}")
        if state.final is not None:
            lines.append(f"- score after: **{state.final.score}**")
    if doing:
        lines.append(f"- now: {doing}")
    return "\n".join(lines)
