"""Programs and the data they run on: `Module`, `Example`, `Prediction`."""

from dspex.primitives.base_module import BaseModule
from dspex.primitives.example import Example
from dspex.primitives.module import Module, ProgramMeta
from dspex.primitives.parameter import Parameter, Predictor
from dspex.primitives.prediction import Completions, Prediction
from dspex.primitives.program_file import program_json
from dspex.primitives.usage import UsageTracker, track_usage

__all__ = [
    "BaseModule",
    "Completions",
    "Example",
    "Module",
    "Parameter",
    "Prediction",
    "Predictor",
    "ProgramMeta",
    "UsageTracker",
    "program_json",
    "track_usage",
]
