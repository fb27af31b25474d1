"""`ReActV2`: an agent in the form of a conversation, whose LM calls tools natively where it can. Experimental."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import pydantic

from dspex.adapters.types.history import History
from dspex.adapters.types.reasoning import Reasoning
from dspex.adapters.types.tool import Tool, ToolCallResults, ToolCalls
from dspex.errors import (
    AdapterParseError,
    ContextWindowExceededError,
    FailureKind,
    UsageError,
    classify,
    format_error_for_lm,
)
from dspex.predict.invoker import ASYNC, SYNC, Invoker, run_steps
from dspex.predict.predict import Predict
from dspex.predict.react import tools_by_name
from dspex.predict.tool_errors import explained
from dspex.primitives.module import Module
from dspex.primitives.prediction import Prediction
from dspex.signatures import InputField, OutputField, ensure_signature, make_signature
from dspex.signatures.field import extra_of

logger = logging.getLogger("dspex.predict")

_SUBMIT = "submit"
_NOT_AS_OUTPUTS = ("history", "termination_reason")  # every prediction has these besides the outputs
_NOT_AS_INPUTS = ("history", "tools", "max_iters")
_MUST_SUBMIT = {"tool_choice": {"type": "function", "function": {"name": _SUBMIT}}, "reasoning_effort": None}


class ReActV2(Module):
    """Answers a signature with the help of tools, in one growing conversation. Experimental, as in DSPy.

    Each turn the LM thinks and calls tools, several at once if it likes; the results go into the conversation. It ends
    by calling ``submit`` with the outputs. When it does not, or after `max_iters` turns, it is made to.

    Called with the input fields as keywords, `history` for a conversation to go on with (it is not changed), and
    `max_iters` for another number of turns in this call. The prediction has, besides the outputs, ``history`` and
    ``termination_reason`` (``"submit"`` or ``"forced_submit"``).

    Args:
        signature: As for `Predict`.
        tools: Functions (plain or asynchronous), callable objects or `Tool`s.
        max_iters: The most turns.

    Source: DSPy's module of this name; Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models" (2022).
    """

    def __init__(self, signature: Any, tools: Sequence[Callable[..., Any]], max_iters: int = 20) -> None:
        super().__init__()
        self.signature = ensure_signature(signature)
        _refuse_reserved(self.signature)
        self.max_iters = max_iters
        self.tools = tools_by_name(tools, "ReActV2")
        if _SUBMIT in self.tools:
            raise UsageError("`submit` is reserved by ReActV2 as the final-output tool. Name your tool otherwise.")
        self.tools[_SUBMIT] = _submit_tool(self.signature)
        self.react = Predict(_turn_signature(self.signature, self.tools))

    def forward(self, **input_args: Any) -> Prediction:
        """Answer, with the help of the tools.

        Args:
            **input_args: The signature's input fields, and optionally ``history`` and ``max_iters`` for this call.

        Raises:
            ValueError: the LM did not submit the outputs, even when it was made to.
            LMError: a call failed.
        """
        return run_steps(self._converse(SYNC, input_args))

    async def aforward(self, **input_args: Any) -> Prediction:
        """`forward`, for asynchronous code."""
        return await self._converse(ASYNC, input_args)

    async def _converse(self, invoker: Invoker, given: dict[str, Any]) -> Prediction:
        turns = given.pop("max_iters", self.max_iters)
        history = _own_history(given.pop("history", None))
        fresh = {name: given[name] for name in self.signature.input_fields if name in given}
        why_ended = "max_iters"
        for turn in range(turns):
            try:
                step = await self._turn(invoker, history, fresh, turn)
            except (AdapterParseError, ValueError, ContextWindowExceededError) as error:
                if classify(error) is FailureKind.SETUP:
                    raise
                too_long = isinstance(error, ContextWindowExceededError)
                why_ended = "context_window_exceeded" if too_long else "parse_error"
                logger.warning(
                    "Ending ReActV2 loop after %s: %s",
                    "context window exceeded" if too_long else "parse failure",
                    format_error_for_lm(error, traceback_frames=5),
                )
                break
            if not step.calls.tool_calls:
                why_ended = "empty_tool_calls"
                break
            done = await self._execute(invoker, step.calls)
            _remember(history, fresh, step, done)
            fresh = {}
            if done.outputs is not None:
                return Prediction(**done.outputs, history=history, termination_reason=_SUBMIT)
        return await self._forced_submit(invoker, history, fresh, why_ended, turns)

    async def _turn(self, invoker: Invoker, history: History, fresh: dict[str, Any], turn: int, **more: Any) -> _Turn:
        """One question to the LM: what it thinks, and what it wants called."""
        tools = list(self.tools.values())
        prediction = await invoker.call(self.react, history=history, tools=tools, **fresh, **more)
        calls = prediction.get("tool_calls")
        calls = ToolCalls(tool_calls=[]) if calls is None else ToolCalls.model_validate(calls)
        return _Turn(prediction.get("next_thought"), _numbered(calls, turn))

    async def _execute(self, invoker: Invoker, calls: ToolCalls) -> _ToolOutcome:
        values, failed, outputs = [], [], None
        for call in calls.tool_calls:
            value, error = await self._call(invoker, call.name, call.args or {})
            values.append(value)
            failed.append(error)
            if call.name == _SUBMIT and not error:
                outputs = value
        return _ToolOutcome(ToolCallResults.from_tool_calls_and_values(calls, values, failed), outputs)

    async def _call(self, invoker: Invoker, name: str, args: dict[str, Any]) -> tuple[Any, bool]:
        """What the tool returned, or its error in words, and which of the two it is."""
        if name not in self.tools:
            return f"Unknown tool: {name}", True
        try:
            return await invoker.call(self.tools[name], **args), False
        except Exception as error:  # noqa: BLE001 - a tool may fail in any way, and the LM gets the error
            return f"Execution error in {name}: {explained(error)}", True

    async def _forced_submit(
        self, invoker: Invoker, history: History, fresh: dict[str, Any], why_ended: str, turn: int
    ) -> Prediction:
        try:
            step = await self._turn(invoker, history, fresh, turn, config=dict(_MUST_SUBMIT))
        except (AdapterParseError, ValueError, ContextWindowExceededError) as error:
            logger.warning("Forced submit failed: %s", format_error_for_lm(error, traceback_frames=5))
            raise
        calls = ToolCalls(tool_calls=[call for call in step.calls.tool_calls if call.name == _SUBMIT])
        failure = f"ReActV2 failed to produce final outputs after {why_ended}"
        if not calls.tool_calls:
            raise ValueError(f"{failure}: no submit call.")
        done = await self._execute(invoker, calls)
        _remember(history, fresh, _Turn(step.thought, calls), done)
        if done.outputs is None:
            errors = "\n".join(str(result.value) for result in done.results.tool_call_results if result.is_error)
            raise ValueError(f"{failure}: submit failed.\n{errors}")
        return Prediction(**done.outputs, history=history, termination_reason="forced_submit")


class _Turn(NamedTuple):
    """The LM's part of one turn."""

    thought: Any
    calls: ToolCalls


class _ToolOutcome(NamedTuple):
    """What came of its calls; `outputs` are those it submitted, if it did."""

    results: ToolCallResults
    outputs: dict[str, Any] | None


def _remember(history: History, fresh: dict[str, Any], step: _Turn, done: _ToolOutcome) -> None:
    """Add a turn to the conversation: what was asked, thought, called and given back."""
    event = dict(fresh)
    if step.thought is not None:
        event["next_thought"] = step.thought
    event["tool_calls"] = step.calls.model_copy(update={"tool_call_results": done.results})
    history.messages.append(event | (done.outputs or {}))


def _numbered(calls: ToolCalls, turn: int) -> ToolCalls:
    """The calls, each with an id that links it to its result."""
    return ToolCalls(
        tool_calls=[
            call.model_copy(update={"id": f"call_{turn}_{index}"}) if call.id is None else call
            for index, call in enumerate(calls.tool_calls)
        ]
    )


def _own_history(given: Any) -> History:
    """A conversation to add to: the caller's stays as it is."""
    if given is None:
        return History(messages=[])
    before: History = given if isinstance(given, History) else History.model_validate(given)
    return before.model_copy(update={"messages": list(before.messages)})


def _submit_tool(signature: Any) -> Tool:
    names = list(signature.output_fields)

    def submit(**kwargs: Any) -> dict[str, Any]:
        missing = [name for name in names if name not in kwargs]
        if missing:
            raise ValueError(f"Missing required final output field(s): {', '.join(missing)}")
        return {name: kwargs[name] for name in names}

    fields = signature.output_fields.items()
    return Tool(
        submit,
        name=_SUBMIT,
        desc="Submit the final outputs for the task.",
        args={name: _schema(field.annotation) for name, field in fields},
        arg_types={name: field.annotation for name, field in fields},
    )


def _schema(annotation: Any) -> dict[str, Any]:
    try:
        return pydantic.TypeAdapter(annotation).json_schema()
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation):
        return {"type": "string"}


def _turn_signature(signature: Any, tools: dict[str, Tool]) -> Any:
    """From the inputs (of the first turn only), the conversation and the tools to a thought and tool calls."""
    fields: dict[str, Any] = {
        name: (_or_none(field.annotation), InputField(desc=extra_of(field).get("desc")))
        for name, field in signature.input_fields.items()
    }
    fields["history"] = (History, InputField())
    fields["tools"] = (list[Tool], InputField())
    fields["next_thought"] = (Reasoning, OutputField())
    fields["tool_calls"] = (ToolCalls, OutputField())
    inputs, outputs = _names(signature.input_fields), _names(signature.output_fields)
    lines = [
        signature.instructions,
        f"You are an Agent. Use the supplied tools to produce {outputs} from {inputs}.",
        "Call tools when more information is needed.",
        f"When the final answer is ready, call `submit` with {outputs}.",
        f"The available tools are: {_names(tools)}.",
    ]
    return make_signature(fields, "\n".join(lines).strip())


def _names(fields: Any) -> str:
    return ", ".join(f"`{name}`" for name in fields)


def _or_none(annotation: Any) -> Any:
    if type(None) in get_args(annotation):
        return annotation
    try:
        return annotation | None
    except TypeError:
        return annotation


def _refuse_reserved(signature: Any) -> None:
    outputs = sorted(set(_NOT_AS_OUTPUTS) & set(signature.output_fields))
    if outputs:
        raise UsageError(
            f"Output field name(s) {_names(outputs)} are reserved by ReActV2, whose predictions have them besides "
            "your outputs. Rename these output fields of your signature."
        )
    inputs = sorted(set(_NOT_AS_INPUTS) & set(signature.input_fields))
    if inputs:
        raise UsageError(
            f"Input field name(s) {_names(inputs)} are reserved by ReActV2 for its conversation, its tools and its "
            "limit of turns. Rename these input fields of your signature."
        )
