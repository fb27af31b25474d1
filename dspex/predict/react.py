"""`ReAct`: an agent that thinks, calls a tool, looks at what came of it, and so on until it can answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from dspex.adapters import ChatAdapter
from dspex.adapters.types.tool import Tool
from dspex.errors import ContextWindowExceededError, FailureKind, UsageError, classify, format_error_for_lm
from dspex.predict.chain_of_thought import ChainOfThought
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.predict.predict import Predict
from dspex.predict.tool_errors import explained
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.settings import settings
from dspex.signatures import InputField, OutputField, ensure_signature, make_signature

__all__ = ["ReAct", "Tool"]

logger = logging.getLogger("dspex.predict")

_FINISH = "finish"
_TRUNCATIONS = 3
_KEYS_A_CALL = 4  # thought, tool_name, tool_args, observation
_OWN_FIELDS = ("trajectory", "next_thought", "next_tool_name", "next_tool_args", "max_iters")


class ReAct(Module):
    """Answers a signature with the help of tools: "reasoning and acting" in turns.

    Each turn the LM writes a thought and chooses a tool and its arguments; the tool's result, or its error, is the
    observation that the next turn sees. When the LM chooses ``finish``, or after `max_iters` turns, the outputs are
    drawn from the whole trajectory, which the prediction holds too (``thought_0``, ``tool_name_0``, ``tool_args_0``,
    ``observation_0``, ``thought_1``, ...). Where the trajectory outgrows the model's context window its oldest tool
    calls are dropped: override `truncate_trajectory` for another rule.

    Called with the input fields as keywords, and with `max_iters` for another number of turns in this call.

    Args:
        signature: As for `Predict`.
        tools: Functions (plain or asynchronous), callable objects or `Tool`s.
        max_iters: The most turns.

    Source: Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models" (2022).
    """

    def __init__(self, signature: Any, tools: Sequence[Callable[..., Any]], max_iters: int = 20) -> None:
        super().__init__()
        self.signature = signature = ensure_signature(signature)
        _refuse_own_fields(signature)
        self.max_iters = _checked_turns(max_iters)
        self.tools = tools_by_name(tools, "ReAct")
        if _FINISH in self.tools:
            logger.warning("ReAct: the tool `finish` is replaced by ReAct's own, which ends the task.")
        self.tools[_FINISH] = _finish_tool(_names(signature.output_fields))
        self.react = Predict(_step_signature(signature, self.tools))
        fields = {**signature.input_fields, **signature.output_fields}
        self.extract = ChainOfThought(
            make_signature(fields, signature.instructions).append("trajectory", InputField(), type_=str)
        )

    def forward(self, **input_args: Any) -> Prediction:
        """Answer, with the help of the tools.

        Args:
            **input_args: The signature's input fields, and optionally ``max_iters`` for this call.

        Raises:
            ContextWindowExceededError: the trajectory is too long and cannot be truncated any further.
            LMError: a call failed.
        """
        return run_steps(self._act(SYNC, self._call_with_potential_trajectory_truncation, input_args))

    async def aforward(self, **input_args: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        return await self._act(ASYNC, self._async_call_with_potential_trajectory_truncation, input_args)

    async def _act(self, invoker: Invoker, ask: Callable[..., Any], inputs: dict[str, Any]) -> Prediction:
        turns = _checked_turns(inputs.pop("max_iters", self.max_iters))
        trajectory: dict[str, Any] = {}
        for turn in range(turns):
            step = await self._next_step(invoker, partial(ask, self.react, trajectory, **inputs))
            if step is None:
                break
            trajectory[f"thought_{turn}"] = step.next_thought
            trajectory[f"tool_name_{turn}"] = step.next_tool_name
            trajectory[f"tool_args_{turn}"] = step.next_tool_args
            trajectory[f"observation_{turn}"] = await self._observe(invoker, step.next_tool_name, step.next_tool_args)
            if step.next_tool_name == _FINISH:
                break
        answer = await invoker.run(partial(ask, self.extract, trajectory, **inputs))
        return Prediction(trajectory=trajectory, **answer)

    async def _next_step(self, invoker: Invoker, ask: Callable[[], Any]) -> Prediction | None:
        """The LM's choice of a tool; None where it can make none, which ends the trajectory."""
        try:
            return await invoker.run(ask)  # type: ignore[no-any-return]
        except ContextWindowExceededError as error:
            logger.warning("Ending the trajectory: %s", format_error_for_lm(error, traceback_frames=5))
        except ValueError as error:
            if classify(error) is FailureKind.SETUP:
                raise
            details = format_error_for_lm(error, traceback_frames=5)
            logger.warning("Ending the trajectory: Agent failed to select a valid tool: %s", details)
        return None

    async def _observe(self, invoker: Invoker, name: str, args: Any) -> Any:
        """What the tool returned, or its error in words."""
        try:
            return await invoker.call(self.tools[name], **args)
        except Exception as error:  # noqa: BLE001 - a tool may fail in any way, and the LM gets the error
            return f"Execution error in {name}: {explained(error)}"

    # The trajectory, and its limits

    def _format_trajectory(self, trajectory: dict[str, Any]) -> str:
        """The trajectory as the configured adapter writes input fields."""
        adapter = settings.adapter or ChatAdapter()
        content: str = adapter.format_user_message_content(make_signature(f"{', '.join(trajectory)} -> x"), trajectory)
        return content

    def truncate_trajectory(self, trajectory: dict[str, Any]) -> dict[str, Any]:
        """Drop the oldest tool call. For subclasses to override.

        Raises:
            ContextWindowExceededError: there is but one.
        """
        oldest = list(trajectory)[:_KEYS_A_CALL]
        if len(trajectory) <= _KEYS_A_CALL:
            raise ContextWindowExceededError(
                "The trajectory is too long so your prompt exceeded the context window, but the trajectory cannot be "
                "truncated because it only has one tool call. Let the tools return less, or use another model."
            )
        for key in oldest:
            trajectory.pop(key)
        return trajectory

    def _call_with_potential_trajectory_truncation(
        self, module: Module, trajectory: dict[str, Any], **input_args: Any
    ) -> Any:
        return run_steps(self._truncating(SYNC, module, trajectory, input_args))

    async def _async_call_with_potential_trajectory_truncation(
        self, module: Module, trajectory: dict[str, Any], **input_args: Any
    ) -> Any:
        return await self._truncating(ASYNC, module, trajectory, input_args)

    async def _truncating(
        self, invoker: Invoker, module: Module, trajectory: dict[str, Any], inputs: dict[str, Any]
    ) -> Any:
        last: ContextWindowExceededError | None = None
        for _ in range(_TRUNCATIONS):
            shown = await invoker.run(self._format_trajectory, trajectory)
            try:
                return await invoker.call(module, **inputs, trajectory=shown)
            except ContextWindowExceededError as error:
                logger.warning("Trajectory exceeded the context window, truncating the oldest tool call information.")
                last = error
            trajectory = await invoker.run(self.truncate_trajectory, trajectory)
        raise ContextWindowExceededError(
            f"The context window was exceeded even after {_TRUNCATIONS} attempts to truncate the trajectory."
        ) from last


def tools_by_name(tools: Any, where: str) -> dict[str, Tool]:
    """Make each given function a `Tool`, and index them by name.

    Args:
        tools: Functions, callable objects or `Tool`s.
        where: The module that takes them, for errors.

    Raises:
        UsageError: one is no tool, or two have the same name.
    """
    if isinstance(tools, str | dict) or not hasattr(tools, "__iter__"):
        raise UsageError(f"{where}: tools={tools!r} is not a list of functions or of dspex.Tool objects.")
    named: dict[str, Tool] = {}
    for number, given in enumerate(tools):
        if not isinstance(given, Tool) and not callable(given):
            raise UsageError(f"{where}: tools[{number}]={given!r} is neither a function nor a dspex.Tool.")
        tool = given if isinstance(given, Tool) else Tool(given)
        if tool.name in named:
            raise UsageError(
                f"{where}: two tools are called {tool.name!r}. Name one of them: dspex.Tool(function, name='...')."
            )
        named[str(tool.name)] = tool
    return named


def _names(fields: Any) -> str:
    return ", ".join(f"`{name}`" for name in fields)


def _finish_tool(outputs: str) -> Tool:
    desc = (
        "Marks the task as complete. That is, signals that all information for producing the outputs, i.e. "
        f"{outputs}, are now available to be extracted."
    )
    return Tool(func=lambda: "Completed.", name=_FINISH, desc=desc, args={})


def _step_signature(signature: Any, tools: dict[str, Tool]) -> Any:
    """From the inputs and the trajectory to a thought and the choice of a tool."""
    inputs, outputs = _names(signature.input_fields), _names(signature.output_fields)
    lines = [f"{signature.instructions}\n"] if signature.instructions else []
    lines += [
        f"You are an Agent. In each episode, you will be given the fields {inputs} as input. "
        "And you can see your past trajectory so far.",
        "Your goal is to use one or more of the supplied tools to collect any necessary information for producing "
        f"{outputs}.\n",
        "To do this, you will interleave next_thought, next_tool_name, and next_tool_args in each turn, "
        "and also when finishing the task.",
        "After each tool call, you receive a resulting observation, which gets appended to your trajectory.\n",
        "When writing next_thought, you may reason about the current situation and plan for future steps.",
        "When selecting the next_tool_name and its next_tool_args, the tool must be one of:\n",
        *(f"({number}) {tool}" for number, tool in enumerate(tools.values(), start=1)),
        "When providing `next_tool_args`, the value inside the field must be in JSON format",
    ]
    return (
        make_signature(dict(signature.input_fields), "\n".join(lines))
        .append("trajectory", InputField(), type_=str)
        .append("next_thought", OutputField(), type_=str)
        .append("next_tool_name", OutputField(), type_=Literal[tuple(tools)])
        .append("next_tool_args", OutputField(), type_=dict[str, Any])
    )


def _refuse_own_fields(signature: Any) -> None:
    taken = [name for name in signature.fields if name in _OWN_FIELDS]
    if taken:
        raise UsageError(f"ReAct: it needs the field {_names(taken)} for itself. Rename that field of your signature.")


def _checked_turns(max_iters: Any) -> int:
    if isinstance(max_iters, bool) or not isinstance(max_iters, int) or max_iters < 0:
        raise UsageError(f"ReAct: max_iters={max_iters!r} is not a number of turns, zero or more.")
    return max_iters
