"""`CodeAct`: an agent whose actions are pieces of Python."""

from __future__ import annotations

import inspect
import logging
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

from dspex.adapters.types.tool import Tool
from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.predict.predict import Predict
from dspex.predict.program_of_thought import ProgramOfThought, names, warn_deprecated
from dspex.predict.react import ReAct
from dspex.primitives.code_interpreter import (
    CodeExecutionError,
    CodeInterpreter,
    InterpreterFactory,
    _validate_interpreter_factory,
)
from dspex.primitives.prediction import Prediction
from dspex.primitives.python_interpreter import PythonInterpreter
from dspex.signatures import InputField, OutputField, ensure_signature, make_signature

logger = logging.getLogger(__name__)


class CodeAct(ReAct, ProgramOfThought):
    """Answers a signature by writing code step by step, with the help of functions, in a sandbox that keeps its state.

    Each turn the LM writes code, sees what it printed or what its value was, and says whether it has finished. The
    outputs are then drawn from the whole trajectory, which the prediction holds too. The functions' own source is run
    in the sandbox; a function that the sandbox cannot define (its source is not to be had, or goes beyond the
    sandbox's Python) is called on the host instead. DSPy deprecates this module in favour of `RLM`.

    Called as `ProgramOfThought`, and with `max_iters` for another number of turns in this call.

    Args:
        signature: As for `Predict`.
        tools: Functions, or `Tool`s of functions.
        max_iters: The most turns.
        interpreter_factory: As for `ProgramOfThought`.

    Source: Wang et al., "Executable Code Actions Elicit Better LLM Agents" (2024).
    """

    def __init__(
        self,
        signature: Any,
        tools: list[Callable[..., Any]],
        max_iters: int = 5,
        interpreter_factory: InterpreterFactory = PythonInterpreter,
    ) -> None:
        warn_deprecated("CodeAct")
        _validate_interpreter_factory(interpreter_factory)
        self.signature = signature = ensure_signature(signature)
        self.max_iters = max_iters
        found = [tool if isinstance(tool, Tool) else Tool(tool) for tool in tools]
        if not all(inspect.isfunction(tool.func) for tool in found):
            raise ValueError("CodeAct only accepts functions and not callable objects.")
        self.tools = {str(tool.name): tool for tool in found}
        self.codeact = Predict(self._step_signature())
        fields = {**signature.input_fields, **signature.output_fields}
        self.extractor = ChainOfThought(
            make_signature(fields, signature.instructions).append("trajectory", InputField(), type_=str)
        )
        self._interpreter_factory = interpreter_factory

    def forward(self, interpreter: CodeInterpreter | None = None, /, **kwargs: Any) -> Prediction:
        """Write and run code until the LM says that it has finished, then answer.

        Args:
            interpreter: The interpreter to run the code in, by position; it stays open. By default each call makes one
                and shuts it down.
            **kwargs: The signature's input fields, and optionally ``max_iters`` for this call.

        Raises:
            CodeInterpreterError: the interpreter cannot be made, or broke down.
        """
        extract = self._call_with_potential_trajectory_truncation
        return run_steps(self._turns(SYNC, extract, interpreter, kwargs))

    async def aforward(self, interpreter: CodeInterpreter | None = None, /, **kwargs: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        extract = self._async_call_with_potential_trajectory_truncation
        return await self._turns(ASYNC, extract, interpreter, kwargs)

    async def _turns(
        self, invoker: Invoker, extract: Callable[..., Any], given: CodeInterpreter | None, kwargs: dict[str, Any]
    ) -> Prediction:
        self._refuse_named_interpreter(kwargs, self.signature.input_fields)
        turns = kwargs.pop("max_iters", self.max_iters)
        trajectory: dict[str, Any] = {}
        interpreter = await self._interpreter(invoker, given)
        try:
            await invoker.run(self._define_tools, interpreter)
            for turn in range(turns):
                if await self._turn(invoker, turn, interpreter, trajectory, kwargs):
                    break
            answer = await invoker.run(partial(extract, self.extractor, trajectory, **kwargs))
        finally:
            if given is None:
                await invoker.run(interpreter.shutdown)
        return Prediction(trajectory=trajectory, **answer)

    async def _turn(
        self,
        invoker: Invoker,
        turn: int,
        interpreter: CodeInterpreter,
        trajectory: dict[str, Any],
        inputs: dict[str, Any],
    ) -> bool:
        """Write and run one piece of code; whether it was the last."""
        step = await invoker.call(self.codeact, trajectory=trajectory, **inputs)
        code, error = self._parse_code(step)
        if error:
            trajectory[f"observation_{turn}"] = f"Failed to parse the generated code: {error}"
            return False
        trajectory[f"generated_code_{turn}"] = code
        output, error = await invoker.run(self._execute_code, code, interpreter)
        if error:
            trajectory[f"observation_{turn}"] = f"Failed to execute the generated code: {error}"
        else:
            trajectory[f"code_output_{turn}"] = output
        return bool(step.finished)

    def _define_tools(self, interpreter: CodeInterpreter) -> None:
        """Define the tools in the interpreter or, where it cannot, let it call them here."""
        for name, tool in self.tools.items():
            try:
                interpreter.execute(textwrap.dedent(inspect.getsource(tool.func)))
            except (OSError, CodeExecutionError, SyntaxError) as error:
                if not isinstance(getattr(interpreter, "tools", None), dict):
                    raise
                logger.debug("The sandbox calls the tool %s on the host, as it cannot define it: %s", name, error)
                interpreter.tools[name] = tool.func

    # Its first predictor

    def _step_signature(self) -> Any:
        fields = dict(self.signature.input_fields)
        code = "Python code that when executed, produces output relevant to answering the question"
        done = "a boolean flag to determine if the process is done"
        return (
            make_signature(fields, "\n".join(self._build_instructions(self.signature, self.tools)))
            .append("trajectory", InputField(), type_=str)
            .append("generated_code", OutputField(desc=code), type_=str)
            .append("finished", OutputField(desc=done), type_=bool)
        )

    def _build_instructions(self, signature: Any, tools: dict[str, Tool]) -> list[str]:
        inputs, outputs = names(signature.input_fields), names(signature.output_fields)
        lines = [f"{signature.instructions}\n"] if signature.instructions else []
        lines.append(
            f"You are an intelligent agent. For each episode, you will receive the fields {inputs} as input.\n"
            "Your goal is to generate executable Python code that collects any necessary information for producing "
            f"{outputs}.\n"
            "For each iteration, you will generate a code snippet that either solves the task or progresses towards "
            "the solution.\n"
            "Ensure any output you wish to extract from the code is printed to the console. The code should be "
            "enclosed in a fenced code block.\n"
            f"When all information for producing the outputs ({outputs}) are available to be extracted, mark "
            "`finished=True` besides the final Python code.\n"
            "You have access to the Python Standard Library and the following functions:"
        )
        return lines + [f"({number}) {tool}" for number, tool in enumerate(tools.values(), start=1)]
