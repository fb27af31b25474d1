"""A `History` given as an input, as the turns of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from dspex.adapters.native_tools import native_turn, results_of, tool_calls_in
from dspex.adapters.plan import without
from dspex.adapters.types.base_type import with_content_parts
from dspex.adapters.types.tool import ToolCallResults, ToolCalls
from dspex.clients.canonical.prompt import Message
from dspex.signatures import InputField, make_signature


class TurnFormat(Protocol):
    """What an adapter offers to format a turn: see `dspex.adapters.base.Adapter`."""

    use_native_function_calling: bool

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str: ...

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str: ...


def turn_messages(adapter: TurnFormat, signature: Any, turn: Mapping[str, Any]) -> list[Message]:
    """Write one earlier turn as messages: what was asked, what was answered, what the tools returned.

    The question carries the reminder that it had then, so that a provider knows the conversation again by its prefix.

    Args:
        adapter: Writes inputs and outputs in its own form.
        signature: The signature, without its history field.
        turn: Values of inputs and outputs by field name; tool calls may hold their results.
    """
    messages: list[Message] = []
    asks = any(name in turn for name in signature.input_fields)
    if asked := adapter.format_user_message_content(signature, turn, main_request=asks):
        messages.append(_user(asked))
    field, calls = tool_calls_in(turn)
    results = results_of(calls)
    if calls is not None and adapter.use_native_function_calling:
        return messages + native_turn(_answered_beside_calls(adapter, signature, turn), calls, results)
    if results is not None and calls is not None:
        turn = {**turn, str(field): calls.model_copy(update={"tool_call_results": None})}
    if answered := adapter.format_assistant_message_content(signature, turn):
        messages.append({"role": "assistant", "content": answered})
    if results is not None:
        returned = adapter.format_user_message_content(_results_signature(), {"tool_call_results": results})
        messages.append(_user(returned))
    return messages


def _answered_beside_calls(adapter: TurnFormat, signature: Any, turn: Mapping[str, Any]) -> str:
    """The outputs of a turn that are not tool calls."""
    outputs = signature.output_fields.items()
    left_out = [name for name, field in outputs if field.annotation is ToolCalls or turn.get(name) is None]
    signature = without(signature, *left_out)
    return adapter.format_assistant_message_content(signature, turn) if signature.output_fields else ""


def _user(content: str) -> Message:
    return with_content_parts({"role": "user", "content": content})


@lru_cache(maxsize=1)
def _results_signature() -> Any:
    return make_signature({"tool_call_results": (ToolCallResults, InputField())})
