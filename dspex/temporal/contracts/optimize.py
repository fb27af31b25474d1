"""What travels between client, workflows and activities: references, ids and scores, and no data.

These models are durable schemas: runs outlive deployments, so fields are only ever added, with defaults.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dspex.clients.cost.budget import Budget
from dspex.runner.references import ProgramRef
from dspex.store.records.bill import Bill
from dspex.store.records.dataset import DatasetRef
from dspex.teleprompt.candidate import Candidate, DataName
from dspex.teleprompt.optimization_run import Phase, RunState, Stopped
from dspex.teleprompt.runner_protocol import Task, Traced, TraceRequest
from dspex.temporal.contracts.bill import BillPayload

OPTIMIZE = "OptimizeProgram"
EVALUATE = "EvaluateProgram"
INSPECT_RUN = "inspect_run"
EVALUATE_CHUNK = "evaluate_chunk"
TRACE_CHUNK = "trace_chunk"
FINISH_RUN = "finish_run"
SET_BUDGET = "set_budget"

DEFAULT_TASK_QUEUE = "dspex"
SETUP_ERROR = "SetupError"
"""Type of the failures that no retry can mend; their message is for the user."""

Sha = str
"""The address of a document in the store."""


class OptimizerSpec(BaseModel):
    """An optimizer by name, with JSON arguments."""

    name: str
    arguments: dict[str, Any] = {}


class RunSpec(BaseModel):
    """All that a worker must know of a run. Kept in the store under its hash; the history holds only that hash."""

    run_id: str
    student: ProgramRef
    teacher: ProgramRef | None = None
    optimizer: OptimizerSpec | None = None
    metric: str | None = None
    data: dict[DataName, DatasetRef] = {}
    lm: dict[str, Any] | None = None
    teacher_lm: dict[str, Any] | None = None
    adapter: str | None = None
    max_errors: int = 10
    failure_score: float = 0.0
    concurrency: int = 64
    prices: dict[str, dict[str, float]] | None = None
    """The user's own prices by model."""


class RunLabels(BaseModel):
    """What people see of a run."""

    optimizer: str = ""
    program: str = ""
    search_attributes: bool = True
    """Whether the server knows dspex's search attributes."""


class Chunking(BaseModel):
    """How the rows of an evaluation are cut into activities."""

    first: int = 16
    largest: int = 256
    target_seconds: float = 3.0
    in_flight: int = 8


class OptimizeJob(BaseModel):
    """Input of `OptimizeProgram`. `task` and `state` are filled in by continue-as-new."""

    model_config = ConfigDict(populate_by_name=True)
    run_id: str
    spec: Sha
    optimizer: OptimizerSpec
    labels: RunLabels = RunLabels()
    chunking: Chunking = Chunking()
    task: Task | None = None
    state: RunState | None = None
    score: bool = True
    """Whether to score the program on the validation set, before and after."""
    paused: bool = False
    calls_from_ledger: int = 0
    first_execution_id: str = Field("", alias="epoch")
    """Tells this start of the run from an earlier one under the same id, whose outcomes may be of other code."""
    budget: Budget | None = None
    stop_when_spent: bool = False
    """Whether to end with the best so far when the budget is used up, and not to wait for a bigger one."""


class OptimizeResult(BaseModel):
    """What a finished run found."""

    run_id: str
    program: Sha
    """The optimized program's state, in the store."""
    score: float | None = None
    baseline_score: float | None = None
    stopped: Stopped = False
    n_failed: int = 0
    bill: BillPayload = Bill()


class EvaluateJob(BaseModel):
    """Input of `EvaluateProgram`: score a candidate on a data set. The last fields are filled in by continue-as-new."""

    model_config = ConfigDict(populate_by_name=True)
    run_id: str
    spec: Sha
    candidate: Candidate
    data: DataName
    rows: int
    path: str
    chunking: Chunking = Chunking()
    labels: RunLabels = RunLabels()
    standalone: bool = False
    """Started by a client: wait for a worker that has the program, and present the bill at the end."""
    next_row: int = 0
    total: str = "0/1"
    n_failed: int = 0
    calls_from_ledger: int = 0
    chunk_rows: int | None = None
    first_execution_id: str = Field("", alias="epoch")
    budget: Budget | None = None


class EvaluateResult(BaseModel):
    """The score of a candidate."""

    path: str
    rows: int
    score: float
    n_failed: int = 0
    calls_from_ledger: int = 0
    bill: BillPayload | None = None
    out_of_budget: str = ""
    """Which call the run's budget did not suffice for; the evaluation then broke off, and has no score."""


class Inspection(BaseModel):
    """What a worker found when it looked at a run before starting it."""

    task: Task


class InspectTask(BaseModel):
    """Input of `inspect_run`."""

    run_id: str
    spec: Sha
    budget: Budget | None = None


class BudgetTask(BaseModel):
    """Input of `set_budget`."""

    run_id: str
    budget: Budget


class EvaluateChunk(BaseModel):
    """Input of `evaluate_chunk`: rows ``start <= i < stop``."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    run_id: str
    spec: Sha
    candidate: Candidate
    data: DataName
    path: str
    start: int
    stop: int
    first_execution_id: str = Field(alias="epoch")


class EvaluateChunkResult(BaseModel):
    """Names the work it answers, because a replay does not compare an activity's inputs."""

    path: str
    start: int
    stop: int
    total: str
    """The exact sum of the scores (`ExactSum`)."""
    n_failed: int
    calls_from_ledger: int
    seconds: float
    out_of_budget: str = ""


class TraceChunk(BaseModel):
    """Input of `trace_chunk`."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    run_id: str
    spec: Sha
    request: TraceRequest
    first_execution_id: str = Field(alias="epoch")


class TraceChunkResult(BaseModel):
    """Names the work it answers."""

    path: str
    indices: list[int]
    outcomes: list[Traced]
    calls_from_ledger: int
    out_of_budget: str = ""


class FinishTask(BaseModel):
    """Input of `finish_run`: keep the program, add up the bill, write the run down."""

    model_config = ConfigDict(populate_by_name=True)
    run_id: str
    spec: Sha
    candidate: Candidate
    first_execution_id: str = Field(alias="epoch")
    score: float | None = None
    baseline_score: float | None = None
    n_failed: int = 0
    stopped: Stopped = False
    calls_from_ledger: int = 0
    kind: Literal["optimize", "evaluate"] = "optimize"


class FinishResult(BaseModel):
    """The program's address and the bill."""

    program: Sha
    bill: BillPayload


class Progress(BaseModel):
    """How a run is doing; the answer to the `progress` query."""

    run_id: str
    phase: Phase | Literal["waiting", "paused", "evaluating", "out of budget"]
    message: str = ""
    step: int = 0
    done: int = 0
    total: int = 0
    baseline_score: float | None = None
    best_score: float | None = None
    n_failed: int = 0
    evaluation: str | None = None
    """The workflow id of the evaluation in progress, which knows how far that is."""
