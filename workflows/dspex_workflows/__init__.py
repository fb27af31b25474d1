"""The durable side of a run: what Temporal replays."""

from dspex_workflows.evaluate import EvaluateProgram
from dspex_workflows.optimize import OptimizeProgram

ALL_WORKFLOWS = [OptimizeProgram, EvaluateProgram]

__all__ = ["ALL_WORKFLOWS", "EvaluateProgram", "OptimizeProgram"]
