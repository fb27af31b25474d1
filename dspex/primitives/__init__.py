"""Programs and the data they run on: `Module`, `Example`, `Prediction`."""

from dspex.primitives.base_module import BaseModule
from dspex.primitives.code_interpreter import (
    CodeExecutionError,
    CodeInterpreter,
    CodeInterpreterError,
    FinalOutput,
    resolve_interpreter_factory,
)
from dspex.primitives.example import Example
from dspex.primitives.local_interpreter import LocalInterpreter
from dspex.primitives.module import Module, ProgramMeta
from dspex.primitives.parameter import Parameter, Predictor
from dspex.primitives.prediction import Completions, Prediction
from dspex.primitives.python_interpreter import PythonInterpreter
from dspex.primitives.sandbox_serializable import SandboxSerializable
from dspex.primitives.saving.program_file import program_json
from dspex.primitives.usage import UsageTracker, track_usage

__all__ = [
    "BaseModule",
    "CodeExecutionError",
    "CodeInterpreter",
    "CodeInterpreterError",
    "Completions",
    "Example",
    "FinalOutput",
    "LocalInterpreter",
    "Module",
    "Parameter",
    "Prediction",
    "Predictor",
    "ProgramMeta",
    "PythonInterpreter",
    "SandboxSerializable",
    "UsageTracker",
    "program_json",
    "resolve_interpreter_factory",
    "track_usage",
]
