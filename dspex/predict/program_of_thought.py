"""`ProgramOfThought`: answer by a program that computes the answer."""

from __future__ import annotations

import json
import logging
import re
import warnings
from typing import Any

from dspex.errors import format_error_for_lm
from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.primitives.code_interpreter import (
    CodeExecutionError,
    CodeInterpreter,
    FinalOutput,
    InterpreterFactory,
    _create_interpreter,
    _validate_interpreter,
    _validate_interpreter_factory,
)
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.primitives.python_interpreter import PythonInterpreter
from dspex.signatures import InputField, OutputField, ensure_signature, make_signature

logger = logging.getLogger(__name__)

_GENERATED_CODE = "python code that answers the question"


class CodeModule(Module):
    """What modules that run the code of an LM have in common: an interpreter for each call, and what to do with it."""

    _interpreter_factory: InterpreterFactory

    async def _interpreter(self, invoker: Invoker, given: CodeInterpreter | None) -> CodeInterpreter:
        """The caller's own interpreter, or a new one for this call."""
        if given is not None:
            _validate_interpreter(given)
            return given
        return await invoker.run(_create_interpreter, self._interpreter_factory)  # type: ignore[no-any-return]

    def _parse_code(self, code_data: Any) -> tuple[str, str | None]:
        """The code in an LM's answer, and what is wrong with it; its last variable becomes its value."""
        text = code_data.get("generated_code", "").split("---", 1)[0].split("\n\n\n", 1)[0]
        fenced = re.search(r"```python[ \n](.*?)[ \n]```?", text, re.DOTALL)
        code = fenced.group(1) if fenced else text
        if not code:
            return text, "Error: Empty code after parsing."
        if "\n" not in code and code.count("=") > 1:
            return text, "Error: Code format is not correct."
        assigned = re.match(r"^(\w+)\s*=", code.split("\n")[-1].strip())
        return (f"{code}\n{assigned.group(1)}" if assigned else code), None

    def _execute_code(self, code: str, interpreter: CodeInterpreter) -> tuple[str | None, str | None]:
        """What came of the code, as JSON, or the error in words for the LM."""
        if not code:
            return None, "Error: Empty code before execution."
        try:
            result = interpreter.execute(code)
        except (CodeExecutionError, SyntaxError) as error:
            return None, format_error_for_lm(error)
        return json.dumps(result.output if isinstance(result, FinalOutput) else result, default=repr), None

    def _refuse_named_interpreter(self, kwargs: dict[str, Any], fields: Any) -> None:
        if "interpreter" in kwargs and "interpreter" not in fields:
            raise TypeError(
                "To use a caller-owned interpreter, pass it as the first positional argument when calling the module."
            )


class ProgramOfThought(CodeModule):
    """Has the LM write a Python program, runs it in a sandbox, and draws the outputs from what it computed.

    Code that fails is shown to the LM with its error, to be mended. DSPy deprecates this module in favour of `RLM`.

    Called with the input fields as keywords, and optionally with an interpreter as the only positional argument; that
    one is the caller's to shut down.

    Args:
        signature: As for `Predict`.
        max_iters: How many programs the LM may write.
        interpreter_factory: Makes an interpreter for each call (which is then shut down), from several threads at once.
            `PythonInterpreter`, or what ``dspex.configure(interpreter_factory=...)`` says.

    Source: Chen et al., "Program of Thoughts Prompting" (2022).
    """

    def __init__(
        self, signature: Any, max_iters: int = 3, interpreter_factory: InterpreterFactory = PythonInterpreter
    ) -> None:
        super().__init__()
        warn_deprecated("ProgramOfThought")
        _validate_interpreter_factory(interpreter_factory)
        self.signature = signature = ensure_signature(signature)
        self.max_iters = max_iters
        self.input_fields = signature.input_fields
        self.output_fields = signature.output_fields
        self.code_generate = self._step("generate")
        self.code_regenerate = self._step("regenerate")
        self.generate_output = self._step("answer")
        self._interpreter_factory = interpreter_factory

    def forward(self, interpreter: CodeInterpreter | None = None, /, **kwargs: Any) -> Prediction:
        """Write code for the task, run it, and answer from what it returned.

        Args:
            interpreter: The interpreter to run the code in, by position; it stays open. By default each call makes one
                and shuts it down.
            **kwargs: The signature's input fields.

        Raises:
            RuntimeError: the code still failed after `max_iters` attempts.
            CodeInterpreterError: the interpreter cannot be made, or broke down.
        """
        return run_steps(self._answer(SYNC, interpreter, kwargs))

    async def aforward(self, interpreter: CodeInterpreter | None = None, /, **kwargs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        return await self._answer(ASYNC, interpreter, kwargs)

    async def _answer(self, invoker: Invoker, given: CodeInterpreter | None, kwargs: dict[str, Any]) -> Prediction:
        self._refuse_named_interpreter(kwargs, self.input_fields)
        interpreter = await self._interpreter(invoker, given)
        try:
            inputs = {name: kwargs[name] for name in self.input_fields}
            code, output = await self._program(invoker, interpreter, inputs)
            return await invoker.call(  # type: ignore[no-any-return]
                self.generate_output, **inputs, final_generated_code=code, code_output=output
            )
        finally:
            if given is None:
                await invoker.run(interpreter.shutdown)

    async def _program(
        self, invoker: Invoker, interpreter: CodeInterpreter, inputs: dict[str, Any]
    ) -> tuple[str, str | None]:
        """A program that ran, and its output."""
        code_data = await invoker.call(self.code_generate, **inputs)
        for attempt in range(1, max(self.max_iters, 1) + 1):
            output = None
            code, error = self._parse_code(code_data)
            if error is None:
                output, error = await invoker.run(self._execute_code, code, interpreter)
            if error is None:
                return code, output
            logger.error("Error in code execution: %s", error)
            if attempt < self.max_iters:
                code_data = await invoker.call(self.code_regenerate, **inputs, previous_code=code, error=error)
        raise RuntimeError(f"Max hops reached. Failed to run ProgramOfThought: {error}")

    # Its predictors

    def _step(self, mode: str) -> ChainOfThought:
        fields = dict(self._generate_signature(mode).fields)
        return ChainOfThought(make_signature(fields, self._generate_instruction(mode)))

    def _generate_signature(self, mode: str) -> Any:
        own: dict[str, Any] = {
            "generate": {"generated_code": OutputField(desc=_GENERATED_CODE)},
            "regenerate": {
                "previous_code": InputField(desc="previously-generated python code that errored"),
                "error": InputField(desc="error message from previously-generated python code"),
                "generated_code": OutputField(desc=_GENERATED_CODE),
            },
            "answer": {
                "final_generated_code": InputField(desc=_GENERATED_CODE),
                "code_output": InputField(desc="output of previously-generated python code"),
                **self.signature.output_fields,
            },
        }
        return make_signature({**self.input_fields, **own[mode]})

    def _generate_instruction(self, mode: str) -> str:
        signature = self._generate_signature(mode)
        inputs, outputs = names(signature.input_fields), names(signature.output_fields)
        if mode == "generate":
            return (
                f"You will be given {inputs} and you will respond with {outputs}.\n"
                f"Generating executable Python code that programmatically computes the correct {outputs}.\n"
                "After you're done with the computation and think you have the final output, make sure to submit your "
                "output by calling the preloaded function `SUBMIT()`.\n"
                'You must structure your output in a dict, like {"field_a": value_a, ...}, with the correct value '
                f"mapping for the field(s): {names(self.output_fields)}."
            )
        if mode == "regenerate":
            return (
                f"You are given {inputs} due to an error in previous code.\n"
                "Your task is to correct the error and provide the new `generated_code`."
            )
        return f"Given the final code {inputs}, provide the final {outputs}."


def names(fields: Any) -> str:
    """Name `fields` for a prompt: in backticks, with commas between them."""
    return ", ".join(f"`{name}`" for name in fields)


def warn_deprecated(module: str) -> None:
    """Warn, as DSPy does, that `RLM` is to replace the module called `module`."""
    message = f"{module} is deprecated and will be removed in 3.5. RLM is the preferred replacement."
    warnings.warn(message, DeprecationWarning, stacklevel=4)
