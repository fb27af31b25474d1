"""The durable side of a run: what Temporal replays."""

from dspex_workflows.batch import EvaluateByBatch
from dspex_workflows.evaluate import EvaluateProgram
from dspex_workflows.finetune import FinetuneModel
from dspex_workflows.optimize import OptimizeProgram

ALL_WORKFLOWS = [OptimizeProgram, EvaluateProgram, EvaluateByBatch, FinetuneModel]

__all__ = ["ALL_WORKFLOWS", "EvaluateByBatch", "EvaluateProgram", "FinetuneModel", "OptimizeProgram"]
