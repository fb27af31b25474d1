"""`Adapter`: from a signature and its inputs to messages, and from an LM's answers back to the outputs.

A call is preprocess, format, ask the LM, parse. `format` renders the system message and the demos once for a signature
and its demos (see `prefix_cache`); an adapter of your own overrides any of the ``format_...`` methods and `parse`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from dspex.adapters.plan import plan_of
from dspex.adapters.prefix_cache import PrefixCache
from dspex.adapters.prompt import Message, Prefix, Prompt
from dspex.adapters.types.base_type import Type, with_content_parts
from dspex.adapters.types.history import History
from dspex.bridge import run_sync, wait_for
from dspex.callback import announced, callbacks_for
from dspex.errors import AdapterParseError

_INCOMPLETE = "This is an example of the task, though some input or output fields are not supplied."
_MISSING_IN_DEMO = "Not supplied for this particular example. "
_TOOL_ARGUMENTS = ("tools", "tool_choice", "parallel_tool_calls")
_prefixes = PrefixCache()


class Adapter:
    """The base of adapters.

    Args:
        callbacks: told of every `format` and `parse`.
        use_native_function_calling: let the LM's API carry tool calls, where the LM can.
        native_response_types: output types that the LM's API delivers beside the text (see `Type`).
        parallel_tool_calls: ask the provider for parallel tool calls; None leaves it to the provider.
    """

    _renders_purely = True
    """Whether a prefix depends on nothing but class, `prefix_key`, signature and demos, so that it can be kept."""

    def __init__(
        self,
        callbacks: Sequence[Any] | None = None,
        use_native_function_calling: bool = False,
        native_response_types: Sequence[type[Type]] | None = None,
        parallel_tool_calls: bool | None = None,
    ) -> None:
        self.callbacks = list(callbacks or ())
        self.use_native_function_calling = use_native_function_calling
        self.native_response_types = list(native_response_types or ())
        self.parallel_tool_calls = parallel_tool_calls

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A user's methods may render something else at every call, so what they render is not kept.
        cls._renders_purely = all(_is_ours(getattr(cls, name, None)) for name in _RENDERING_THE_PREFIX)
        if "__call__" in vars(cls) and "acall" not in vars(cls):
            cls.acall = _acall_through_call  # type: ignore[method-assign]

    def __call__(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """`acall`, from synchronous code."""
        overrides = (vars(cls)["acall"] for cls in type(self).__mro__ if "acall" in vars(cls))
        acall = next(method for method in overrides if method is not _acall_through_call)
        return wait_for(acall(self, lm, lm_kwargs, signature, demos, inputs))

    async def acall(
        self,
        lm: Any,
        lm_kwargs: dict[str, Any],
        signature: Any,
        demos: Sequence[Any],
        inputs: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Ask `lm` for the outputs of `signature`: a dict of outputs for each of its answers.

        Raises:
            AdapterParseError: an answer does not hold the outputs.
        """
        lm_kwargs = dict(lm_kwargs)
        asked = self._call_preprocess(lm, lm_kwargs, signature, inputs)
        messages = self._format_announced(asked, demos, inputs)
        if lm_kwargs.get("parallel_tool_calls") is not None:
            lm_kwargs.setdefault("tool_choice", "auto")
        answers = await lm.acall(messages=messages, **lm_kwargs)
        return self._call_postprocess(asked, signature, answers, lm, lm_kwargs)

    def format(self, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]) -> list[Message]:
        """The messages for `inputs`: a `Prompt` of system message, demos, earlier turns and the question."""
        prefix = self._prefix(signature, demos)
        given = dict(inputs)
        turns: list[Message] = []
        history_field = plan_of(signature).history_field
        if history_field is not None:
            signature = plan_of(signature).without(signature, history_field)
            turns = self.format_conversation_history(signature, history_field, given)
        if content := self.format_user_message_content(signature, given, main_request=True):
            turns.append(with_content_parts({"role": "user", "content": content}))
        return Prompt(prefix, turns)

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """The outputs in the text of an answer.

        Raises:
            AdapterParseError: it does not hold them.
        """
        raise NotImplementedError

    # The parts of a prompt, to be overridden

    def format_system_message(self, signature: Any) -> str:
        """The system message: the fields, the form of an interaction, the task."""
        parts = (self.format_field_description, self.format_field_structure, self.format_task_description)
        return "\n".join(part(signature) for part in parts)

    def format_field_description(self, signature: Any) -> str:
        """The list of fields."""
        raise NotImplementedError

    def format_field_structure(self, signature: Any) -> str:
        """The form in which inputs come and outputs must come."""
        raise NotImplementedError

    def format_task_description(self, signature: Any) -> str:
        """The instructions."""
        raise NotImplementedError

    def format_user_message_content(
        self,
        signature: Any,
        inputs: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """The inputs of one turn; those of the `main_request` with a reminder of what is to come back."""
        raise NotImplementedError

    def format_assistant_message_content(
        self, signature: Any, outputs: Mapping[str, Any], missing_field_message: str | None = None
    ) -> str:
        """The outputs of one turn, as the LM should write them."""
        raise NotImplementedError

    def format_demos(self, signature: Any, demos: Sequence[Any]) -> list[Message]:
        """Two messages for each demo: first the demos that lack a field, then the complete ones.

        A demo without any input or without any output is left out.
        """
        names = list(signature.fields)
        inputs, outputs = list(signature.input_fields), list(signature.output_fields)
        incomplete: list[Message] = []
        complete: list[Message] = []
        for demo in demos:
            if all(name in demo and demo[name] is not None for name in names):
                complete += self._demo_turn(signature, demo, "", None)
            elif any(name in demo for name in inputs) and any(name in demo for name in outputs):
                incomplete += self._demo_turn(signature, demo, _INCOMPLETE, _MISSING_IN_DEMO)
        return incomplete + complete

    def format_conversation_history(
        self, signature: Any, history_field_name: str, inputs: dict[str, Any]
    ) -> list[Message]:
        """The turns in the history among `inputs`, which it is taken out of; `signature` is without its field."""
        history = inputs.pop(history_field_name, None)
        if history is None:
            return []
        messages: list[Message] = []
        for turn in History.model_validate(history).messages:
            reminder = any(name in turn for name in signature.input_fields)
            if asked := self.format_user_message_content(signature, turn, main_request=reminder):
                messages.append(with_content_parts({"role": "user", "content": asked}))
            if answered := self.format_assistant_message_content(signature, turn):
                messages.append({"role": "assistant", "content": answered})
        return messages

    def prefix_key(self) -> Hashable:
        """The options of this adapter that show in a prefix; a prefix is shared between adapters that agree in them."""
        return ()

    # Around the call

    def _call_preprocess(self, lm: Any, lm_kwargs: dict[str, Any], signature: Any, inputs: Mapping[str, Any]) -> Any:
        """The signature to ask for: without the outputs that the LM's API delivers; `lm_kwargs` ask for those."""
        if not self.use_native_function_calling:
            for name in _TOOL_ARGUMENTS:
                lm_kwargs.pop(name, None)
        for name, native in self._native_outputs(signature):
            signature = native.adapt_to_native_lm_feature(signature, name, lm, lm_kwargs)
        return signature

    def _call_postprocess(
        self,
        processed_signature: Any,
        original_signature: Any,
        outputs: Sequence[Any],
        lm: Any,
        lm_kwargs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """The outputs in each answer, a string or a dict with ``text``."""
        return [self._outputs_of(answer, processed_signature, original_signature) for answer in outputs]

    def _outputs_of(self, answer: Any, asked: Any, signature: Any) -> dict[str, Any]:
        text = answer.get("text") if isinstance(answer, dict) else answer
        if not text:
            raise AdapterParseError(
                type(self).__name__, signature, str(answer), "The LM returned an empty or null response."
            )
        values = self._parse_announced(asked, text)
        if asked is not signature:
            values = dict.fromkeys(signature.output_fields) | plan_of(signature).complete(values)
        for name, native in self._native_outputs(signature):
            delivered = native.parse_lm_response(answer)
            if delivered is not None:
                values[name] = delivered
        if isinstance(answer, dict) and answer.get("logprobs"):
            values["logprobs"] = answer["logprobs"]
        return values

    def _native_outputs(self, signature: Any) -> list[tuple[str, type[Type]]]:
        if not self.native_response_types:
            return []
        outputs = ((name, field.annotation) for name, field in signature.output_fields.items())
        return [(name, type_) for name, type_ in outputs if type_ in self.native_response_types]

    def _format_announced(self, signature: Any, demos: Sequence[Any], inputs: Mapping[str, Any]) -> list[Message]:
        listeners = callbacks_for(self)
        if not listeners:
            return self.format(signature, demos, inputs)
        told = {"signature": signature, "demos": demos, "inputs": inputs}
        with announced("adapter_format", self, told, listeners) as call:
            call.outputs = self.format(signature, demos, inputs)
            return call.outputs  # type: ignore[no-any-return]

    def _parse_announced(self, signature: Any, completion: str) -> dict[str, Any]:
        listeners = callbacks_for(self)
        if not listeners:
            return self.parse(signature, completion)
        with announced("adapter_parse", self, {"signature": signature, "completion": completion}, listeners) as call:
            call.outputs = self.parse(signature, completion)
            return call.outputs  # type: ignore[no-any-return]

    # The shared part of prompts

    def _prefix(self, signature: Any, demos: Sequence[Any]) -> Prefix:
        if not self._renders_purely:
            return self._render_prefix(signature, demos)
        key = (type(self), self.prefix_key(), signature)
        return _prefixes.get(key, demos, lambda: self._render_prefix(signature, demos))

    def _render_prefix(self, signature: Any, demos: Sequence[Any]) -> Prefix:
        plan_of(signature)
        system = {"role": "system", "content": self.format_system_message(signature)}
        return Prefix([system, *map(with_content_parts, self.format_demos(signature, demos))])

    def _demo_turn(self, signature: Any, demo: Any, note: str, missing: str | None) -> list[Message]:
        asked = self.format_user_message_content(signature, demo, prefix=note)
        answered = self.format_assistant_message_content(signature, demo, missing_field_message=missing)
        return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


_RENDERING_THE_PREFIX = (
    "format_system_message",
    "format_field_description",
    "format_field_structure",
    "format_task_description",
    "format_user_message_content",
    "format_assistant_message_content",
    "format_demos",
    "format_field_with_value",
    "prefix_key",
)


def _is_ours(method: Any) -> bool:
    return method is None or str(getattr(method, "__module__", "")).startswith("dspex.")


async def _acall_through_call(self: Adapter, *args: Any, **kwargs: Any) -> Any:
    """`acall` of a subclass that overrides only `__call__`, as DSPy's synchronous programs may do."""
    return await run_sync(self.__call__, *args, **kwargs)
