"""`RLM`: a language model that works through long inputs by program, and asks language models about parts of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from dspex.adapters.types.tool import Tool
from dspex.errors import format_error_for_lm
from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.code_act import CodeAct
from dspex.predict.code_fences import strip_code_fences as _strip_code_fences
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.predict.predict import Predict
from dspex.predict.program_of_thought import ProgramOfThought
from dspex.predict.react import ReAct
from dspex.predict.react_v2 import ReActV2
from dspex.predict.rlm.exchange import code_to_make, interpreter_tool, read_submitted
from dspex.predict.rlm.names import check_inputs, check_names, tools_by_name
from dspex.predict.rlm.prompt import (
    SUB_AGENT_INSTRUCTIONS,
    action_signature,
    extract_signature,
    interpreter_rules,
)
from dspex.predict.rlm.queries import LLMCallBudget as _LLMCallBudget
from dspex.predict.rlm.queries import llm_tools
from dspex.primitives.code_interpreter import (
    SIMPLE_TYPES,
    CodeExecutionError,
    CodeInterpreter,
    FinalOutput,
    InterpreterFactory,
    _validate_interpreter,
    _validate_interpreter_factory,
    resolve_interpreter_factory,
)
from dspex.primitives.facade import CALL_TOOL, CONSTRUCT_TOOL, FacadeInvocation
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.primitives.python_interpreter import PythonInterpreter
from dspex.primitives.repl_types import REPLEntry, REPLHistory, REPLVariable
from dspex.primitives.sandbox_serializable import SandboxSerializable, build_repl_variable
from dspex.signatures import ensure_signature

logger = logging.getLogger("dspex.predict.rlm")


class RLM(Module):
    """Answers a signature whose inputs may be longer than any prompt: a recursive language model.

    The inputs are variables of an interpreter. The LM sees what kind of values they hold, and writes code, piece by
    piece, to look at them. The code may ask an LM about parts of them (``llm_query``, ``llm_query_batched``), build
    sub-agents (``import dspy``), call `tools`, and ends the work with ``SUBMIT(...)``. After `max_iters` pieces the
    outputs are drawn from what was found until then. The prediction holds the `trajectory` and `final_reasoning`, too.

    Called with the input fields as keywords, and with `interpreter_factory` for another interpreter in this call.

    Args:
        signature: As for `Predict`.
        max_iters: The most pieces of code.
        max_llm_calls: The most LM calls that the code may make, its sub-agents' included.
        max_output_chars: How much the LM sees of what a piece of code printed.
        verbose: Log each step.
        tools: Functions or `Tool`s that the code may call.
        sub_lm: The LM that the code asks; ``settings.lm`` when None.
        interpreter_factory: Makes an interpreter for each call, which is then shut down. Its attribute
            ``execution_instructions``, if any, tells the LM about it. `PythonInterpreter`, or what
            ``dspex.configure(interpreter_factory=...)`` says.

    Source: Zhang, Kraska and Khattab, "Recursive Language Models" (2025).
    """

    _RESERVED_SANDBOX_NAMES = frozenset({"llm_query", "llm_query_batched", "SUBMIT", "print"})
    _RESERVED_RESULT_NAMES = frozenset({"trajectory", "final_reasoning"})

    def __init__(
        self,
        signature: Any,
        max_iters: int = 20,
        max_llm_calls: int = 50,
        max_output_chars: int = 10_000,
        verbose: bool = False,
        tools: list[Callable[..., Any]] | None = None,
        sub_lm: Any = None,
        interpreter_factory: InterpreterFactory = PythonInterpreter,
    ) -> None:
        super().__init__()
        _validate_interpreter_factory(interpreter_factory)
        self.signature = ensure_signature(signature)
        self.max_iters = max_iters
        self.max_llm_calls = max_llm_calls
        self.max_output_chars = max_output_chars
        self.verbose = verbose
        self.sub_lm = sub_lm
        self._interpreter_factory = interpreter_factory
        self._user_tools = self._normalize_tools(tools)
        self._validate_namespace(self._user_tools)
        self._action_signature, extract = self._build_signatures()
        self.generate_action = Predict(self._action_signature)
        self.extract = Predict(extract)

    @property
    def tools(self) -> dict[str, Tool]:
        """The user's tools by name."""
        return dict(self._user_tools)

    # Answering

    def forward(self, *, interpreter_factory: InterpreterFactory | None = None, **input_args: Any) -> Prediction:
        """Explore the inputs by code, and answer.

        Args:
            interpreter_factory: Makes the interpreter of this call, in place of the module's own factory.
            **input_args: The signature's input fields, all of them.

        Raises:
            ValueError: inputs are missing, or are none of the signature's.
            CodeInterpreterError: the interpreter cannot be made, or broke down.
        """
        return run_steps(self._answer(SYNC, interpreter_factory, input_args))

    async def aforward(self, *, interpreter_factory: InterpreterFactory | None = None, **input_args: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        return await self._answer(ASYNC, interpreter_factory, input_args)

    async def _answer(self, invoker: Invoker, factory: InterpreterFactory | None, inputs: dict[str, Any]) -> Prediction:
        self._validate_inputs(inputs)
        factory = resolve_interpreter_factory(self._interpreter_factory) if factory is None else factory
        budget = _LLMCallBudget(self.max_llm_calls)
        tools = self._prepare_execution_tools(budget)
        variables = self._build_variables(**inputs)
        repl = await invoker.run(self._make_interpreter, factory)
        try:
            self._inject_execution_context(repl, tools)
            sub_agent_rules = await invoker.run(self._setup_facade, repl, budget, factory)
            plain = await invoker.run(self._prepare_serializable_vars, inputs, repl)
            history = REPLHistory(max_output_chars=self.max_output_chars)
            for turn in range(self.max_iters):
                signature = self._action_signature_for_current_factory(factory, sub_agent_rules)
                outcome = await self._turn(invoker, turn, signature, repl, variables, history, plain)
                if isinstance(outcome, Prediction):
                    return outcome
                history = outcome
            return await self._extract_outputs(invoker, variables, history)
        finally:
            await invoker.run(repl.shutdown)

    async def _turn(
        self,
        invoker: Invoker,
        turn: int,
        signature: Any,
        repl: CodeInterpreter,
        variables: list[REPLVariable],
        history: REPLHistory,
        inputs: dict[str, Any],
    ) -> Prediction | REPLHistory:
        """One piece of code: the prediction when it submitted one, else the longer history."""
        number = f"{turn + 1}/{self.max_iters}"
        step = await invoker.call(
            self.generate_action,
            signature=signature,
            variables_info=[variable.format() for variable in variables],
            repl_history=history,
            iteration=number,
        )
        if self.verbose:
            logger.info("RLM iteration %s\nReasoning: %s\nCode:\n%s", number, step.reasoning, step.code)
        try:
            code = _strip_code_fences(step.code or "")
        except SyntaxError as error:
            code, result = step.code, f"[Error] {format_error_for_lm(error)}"
        else:
            result = await invoker.run(self._execute_code, repl, code, inputs)
        return self._process_execution_result(step, code, result, history, list(self.signature.output_fields))

    async def _extract_outputs(
        self, invoker: Invoker, variables: list[REPLVariable], history: REPLHistory
    ) -> Prediction:
        logger.warning("RLM reached max iterations, using extract to get final output")
        described = [variable.format() for variable in variables]
        found = await invoker.call(self.extract, variables_info=described, repl_history=history)
        return Prediction(
            trajectory=[entry.model_dump() for entry in history],
            final_reasoning="Extract forced final output",
            **{name: getattr(found, name) for name in self.signature.output_fields},
        )

    def _execute_code(self, repl: CodeInterpreter, code: str, input_args: dict[str, Any]) -> Any:
        """What the interpreter returns, or the code's error in words for the LM."""
        try:
            return repl.execute(code, variables=dict(input_args))
        except (CodeExecutionError, SyntaxError) as error:
            return f"[Error] {format_error_for_lm(error)}"

    # What came of a piece of code

    def _process_execution_result(
        self, pred: Prediction, code: str, result: Any, history: REPLHistory, output_field_names: list[str]
    ) -> Prediction | REPLHistory:
        if isinstance(result, FinalOutput):
            parsed, error = self._process_final_output(result, output_field_names)
            if parsed is None:
                return history.append(reasoning=pred.reasoning, code=code, output=error or "")
            last = history.append(reasoning=pred.reasoning, code=code, output=f"FINAL: {parsed}")
            trajectory = [entry.model_dump() for entry in last]
            return Prediction(**parsed, trajectory=trajectory, final_reasoning=pred.reasoning)
        if isinstance(result, list):
            result = "\n".join(map(str, result))
        output = self._format_output(str(result) if result else "")
        if self.verbose and not output.startswith("[Error]"):
            logger.info(REPLEntry.format_output(output, self.max_output_chars))
        return history.append(reasoning=pred.reasoning, code=code, output=output)

    def _process_final_output(
        self, result: FinalOutput, output_field_names: list[str]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """The outputs in the signature's types, or what is wrong with them in words for the LM."""
        return read_submitted(self.signature, result.output, output_field_names)

    def _format_output(self, output: str) -> str:
        return output or "(no output - did you forget to print?)"

    # The interpreter, and what is put into it

    def _make_interpreter(self, factory: InterpreterFactory) -> CodeInterpreter:
        _validate_interpreter_factory(factory)
        interpreter = factory()
        _validate_interpreter(interpreter)
        return interpreter

    def _inject_execution_context(self, interpreter: Any, execution_tools: dict[str, Callable[..., Any]]) -> None:
        interpreter.tools.update(execution_tools)
        if hasattr(interpreter, "output_fields"):
            interpreter.output_fields = self._get_output_fields_info()
        if hasattr(interpreter, "_tools_registered"):  # DSPy's way to have tools read anew
            interpreter._tools_registered = False

    def _setup_facade(self, repl: CodeInterpreter, budget: _LLMCallBudget, interpreter_factory: Any) -> str:
        """Make sub-agents possible; returns the prompt's rules for them, empty where they are not possible."""
        sub_agents = FacadeInvocation(
            self._user_tools,
            interpreter_factory,
            None,
            modules=_SUB_AGENTS,
            lm=self.sub_lm,
            reserve=budget.reserve,
        )
        try:
            sub_agents.install(repl)
        except (CodeExecutionError, SyntaxError) as error:
            for name in (CONSTRUCT_TOOL, CALL_TOOL):
                repl.tools.pop(name, None)
            logger.warning("RLM sub-agents are unavailable on %s: %s", type(repl).__name__, error)
            return ""
        return SUB_AGENT_INSTRUCTIONS

    def _prepare_serializable_vars(self, input_args: dict[str, Any], repl: CodeInterpreter) -> dict[str, Any]:
        """Make the inputs that know how to enter an interpreter; returns the others."""
        repl.start()
        plain = {}
        for name, value in input_args.items():
            if isinstance(value, SandboxSerializable):
                code, variables = code_to_make(name, value)
                repl.execute(code, variables=variables)
            else:
                plain[name] = value
        return plain

    def _prepare_execution_tools(self, budget: _LLMCallBudget | None = None) -> dict[str, Callable[..., Any]]:
        tools = self._make_llm_tools(budget)
        return tools | {name: interpreter_tool(tool) for name, tool in self._user_tools.items()}

    def _make_llm_tools(
        self, budget: _LLMCallBudget | None = None, max_workers: int = 8
    ) -> dict[str, Callable[..., Any]]:
        return llm_tools(budget or _LLMCallBudget(self.max_llm_calls), self.sub_lm, max_workers)

    # The prompt

    def _build_signatures(self) -> tuple[Any, Any]:
        factory = resolve_interpreter_factory(self._interpreter_factory)
        self._initial_execution_instructions = self._get_execution_instructions(factory)
        self._initial_sub_agent_rules = SUB_AGENT_INSTRUCTIONS
        self._initial_interpreter_rules = interpreter_rules(
            self._initial_execution_instructions, self._initial_sub_agent_rules
        )
        action = action_signature(self.signature, self._user_tools, self._initial_interpreter_rules, self.max_llm_calls)
        return action, extract_signature(self.signature)

    @staticmethod
    def _get_execution_instructions(factory: InterpreterFactory) -> str:
        instructions = getattr(factory, "execution_instructions", "")
        if not isinstance(instructions, str):
            raise TypeError("interpreter_factory.execution_instructions must be a string")
        return instructions

    def _action_signature_for_current_factory(self, factory: InterpreterFactory, sub_agent_rules: str) -> Any:
        """The predictor's signature, with the rules of the interpreter of this call in place of those it was made with.

        An optimizer may have rewritten the instructions: where it dropped the rules, those of another interpreter are
        added at the end.
        """
        current = getattr(self.generate_action, "signature", self._action_signature)
        execution = self._get_execution_instructions(factory)
        if (execution, sub_agent_rules) == (self._initial_execution_instructions, self._initial_sub_agent_rules):
            return current
        before, rules = self._initial_interpreter_rules, interpreter_rules(execution, sub_agent_rules)
        instructions = current.instructions
        if before and before in instructions:
            return current.with_instructions(instructions.replace(before, rules, 1))
        return current.with_instructions(instructions + rules)

    def _get_output_fields_info(self) -> list[dict[str, Any]]:
        """The parameters of ``SUBMIT``."""
        fields = []
        for name, field in self.signature.output_fields.items():
            kind = field.annotation
            fields.append({"name": name, "type": kind.__name__} if kind in SIMPLE_TYPES else {"name": name})
        return fields

    def _build_variables(self, **input_args: Any) -> list[REPLVariable]:
        variables = []
        for name, value in input_args.items():
            field = self.signature.input_fields.get(name)
            if isinstance(value, SandboxSerializable):
                variables.append(build_repl_variable(value, name, field_info=field))
            else:
                variables.append(REPLVariable.from_value(name, value, field_info=field))
        return variables

    # Bad input

    def _validate_inputs(self, input_args: dict[str, Any]) -> None:
        check_inputs(self.signature, input_args)

    def _normalize_tools(self, tools: Sequence[Any] | None) -> dict[str, Tool]:
        return tools_by_name(tools)

    def _validate_namespace(self, tools: dict[str, Tool]) -> None:
        check_names(self.signature, tools, self._RESERVED_SANDBOX_NAMES, self._RESERVED_RESULT_NAMES)


_SUB_AGENTS: dict[str, type] = {
    cls.__name__: cls for cls in (Predict, ChainOfThought, RLM, CodeAct, ProgramOfThought, ReAct, ReActV2)
}
"""The modules that the code may build: see `dspex.primitives.facade.BRIDGEABLE_KINDS`."""
