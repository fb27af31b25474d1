"""What every language model has in common: how it is called, what it keeps of its calls, how it is copied and saved."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from typing import Any, TextIO

from dspex.bridge import wait_for
from dspex.callback import notify_callbacks
from dspex.clients.canonical.answer import field, outputs, usage_of
from dspex.clients.canonical.secrets import public
from dspex.clients.history import GLOBAL_HISTORY as GLOBAL_HISTORY
from dspex.clients.history import MAX_HISTORY_SIZE as MAX_HISTORY_SIZE
from dspex.clients.history import inspect_history as inspect_history
from dspex.clients.history import print_history, record_history, stamp
from dspex.observability.callbacks import callbacks_for
from dspex.settings import settings

BUILTIN = "dspy.clients.lm.LM"
"""The class in the state of a built-in LM, which DSPy reads too."""
_BUILTIN_NAMES = {None, BUILTIN, "dspy.LM", "dspex.clients.lm.LM"}

CLASS_KEY = "_dspy_lm_class"
"""Where a saved LM names its class: DSPy's key, so that DSPy loads our programs and we load its."""

Message = dict[str, Any]


class BaseLM:
    """A language model. `LM` calls providers over HTTP; a subclass of your own implements `forward` or `aforward`.

    ``forward(prompt=None, messages=None, **kwargs)`` returns OpenAI's chat completion shape, as objects or dicts. It
    may block: it runs in a thread, unless the class says ``blocking = False``. Inside a run the ledger records its
    answers like all others, each under its place in the run, so that an interrupted run does not ask again.

    Args:
        model: The model's name, for histories, costs and reports. A subclass may give it any meaning.
        model_type: "chat", "text" or "responses": in which of OpenAI's shapes the model answers.
        temperature: The sampling temperature of every request. None leaves it to the model.
        max_tokens: The most tokens of one answer. None leaves it to the model.
        cache: Whether answers that are already recorded may be used again.
        callbacks: Callbacks around this model's calls, besides those of the settings.
        num_retries: Tries after the first one that fails.
        **kwargs: Further parameters of every request, such as ``n`` or ``stop``.
    """

    blocking = True

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool = True,
        callbacks: Sequence[Any] | None = None,
        num_retries: int = 3,
        **kwargs: Any,
    ) -> None:
        self.model = model
        self.model_type = model_type
        self.cache = cache
        self.callbacks = list(callbacks or ())
        self.num_retries = num_retries
        self.kwargs: dict[str, Any] = self._get_initial_kwargs(temperature=temperature, max_tokens=max_tokens, **kwargs)
        self.history: list[dict[str, Any]] = []

    def __call__(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> list[Any]:
        """Ask the model: a list of one output a choice, strings or dicts (`dspex.clients.canonical.answer.outputs`)."""
        return wait_for(self.acall(prompt, messages, **kwargs))

    async def acall(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> list[Any]:
        """Ask the model, from asynchronous code.

        Args:
            prompt: The text of one user message. Ignored where `messages` is given.
            messages: A conversation in OpenAI's chat format.
            **kwargs: Parameters of this request; they win over those of the LM.

        Returns:
            One output a choice: a string, or a dict where the answer holds more than text, such as tool calls.

        Raises:
            LMError: the model could not be asked, or refused.
        """
        callbacks = callbacks_for(self)
        if not callbacks:
            return await self._ask(prompt, messages, kwargs)
        inputs = {"prompt": prompt, "messages": messages, "kwargs": public(kwargs)}
        with notify_callbacks("lm", self, inputs, callbacks) as call:
            call.outputs = await self._ask(prompt, messages, kwargs)
        return list(call.outputs) if isinstance(call.outputs, list) else call.outputs

    def forward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Any:
        """Answer in OpenAI's chat completion shape. Subclasses override this method or `aforward`.

        Args:
            prompt: The text of one user message. Ignored where `messages` is given.
            messages: A conversation in OpenAI's chat format.
            **kwargs: Parameters of this request.

        Raises:
            NotImplementedError: the class implements neither `forward` nor `aforward`.
        """
        raise NotImplementedError(f"{type(self).__name__} implements neither forward nor aforward")

    async def aforward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Any:
        """Answer in OpenAI's chat completion shape, from asynchronous code. By default it calls `forward`.

        Args:
            prompt: The text of one user message. Ignored where `messages` is given.
            messages: A conversation in OpenAI's chat format.
            **kwargs: Parameters of this request.
        """
        from dspex.clients.custom_lm import call_forward

        return await call_forward(self, prompt, messages, kwargs)

    def copy(self, **changes: Any) -> Any:
        """Copy the LM, with an empty history and with `changes`.

        Args:
            **changes: New values for attributes or request parameters. None removes a parameter:
                ``lm.copy(rollout_id=1, temperature=1.0)``, ``lm.copy(rollout_id=None)``.
        """
        new = copy.copy(self)
        new.history, new.callbacks, new.kwargs = [], list(self.callbacks), dict(self.kwargs)
        for name, value in changes.items():
            known = hasattr(self, name)
            if known:
                setattr(new, name, value)
            if name in new.kwargs or not known:
                if value is None:
                    new.kwargs.pop(name, None)
                else:
                    new.kwargs[name] = value
        return new

    def dump_state(self) -> dict[str, Any]:
        """Return everything that `load_state` needs to build this LM again, without its key."""
        return {
            CLASS_KEY: f"{type(self).__module__}.{type(self).__qualname__}",
            "model": self.model,
            "model_type": self.model_type,
            "cache": self.cache,
            "num_retries": self.num_retries,
            **public(self.kwargs),
        }

    @classmethod
    def load_state(cls, state: dict[str, Any], *, allow_custom_lm_class: bool = False) -> BaseLM:
        """Build the LM that `dump_state` described, also one that DSPy saved.

        Args:
            state: The dict from `dump_state`.
            allow_custom_lm_class: Whether the state may name a class of your own, whose module is then imported.

        Raises:
            ValueError: the state names a class of your own and `allow_custom_lm_class` is false.
            ImportError: that class cannot be imported.
            TypeError: that class is not a `BaseLM`.
        """
        if cls is BaseLM:
            return load_lm(state, allow_custom_lm_class)
        return cls(**{name: value for name, value in state.items() if name != CLASS_KEY})

    def inspect_history(self, n: int = 1, file: TextIO | None = None) -> None:
        """Print this LM's last calls.

        Args:
            n: How many calls.
            file: Where to print, without colours. None prints to standard output.
        """
        print_history(self.history, n, file)

    def update_history(self, entry: dict[str, Any]) -> None:
        """Add a call to the histories of the process, of this LM and of the modules that made the call."""
        record_history(self, entry)

    @property
    def supports_function_calling(self) -> bool:
        """Whether the model can call tools by itself."""
        return False

    @property
    def supports_reasoning(self) -> bool:
        """Whether the model takes a reasoning effort."""
        return False

    @property
    def supports_response_schema(self) -> bool:
        """Whether the model can be held to a JSON schema."""
        return False

    @property
    def supported_params(self) -> set[str]:
        """The request parameters that the model takes, in OpenAI's names."""
        return set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.model!r})"

    def _get_initial_kwargs(
        self, *, temperature: float | None, max_tokens: int | None, **kwargs: Any
    ) -> dict[str, Any]:
        return {"temperature": temperature, "max_tokens": max_tokens, **kwargs}

    async def _ask(self, prompt: str | None, messages: list[Message] | None, kwargs: dict[str, Any]) -> list[Any]:
        from dspex.clients.custom_lm import ask_custom

        reply, cost = await ask_custom(self, BaseLM, prompt, messages, kwargs)
        return self.keep(prompt, messages, kwargs, reply, cost)

    def keep(
        self,
        prompt: str | None,
        messages: list[Message] | None,
        kwargs: dict[str, Any],
        reply: Any,
        cost: float | None,
    ) -> list[Any]:
        """Note an answered call in the history and the usage tracker.

        Args:
            prompt: The prompt of the call, as the caller gave it.
            messages: The messages of the call, as the caller gave them.
            kwargs: The parameters of this call alone. The history leaves out those that start with ``api_``.
            reply: The whole answer, in OpenAI's shape.
            cost: What the call cost, in US dollars. None: unknown.

        Returns:
            The outputs of the answer, one a choice, as a call of the LM returns them.
        """
        found = self._outputs(reply, kwargs)
        tracker, quiet = settings.usage_tracker, settings.disable_history
        if tracker is None and quiet:
            return found
        usage = {} if getattr(reply, "cache_hit", False) else usage_of(reply)
        if tracker is not None and usage:
            tracker.add_usage(self.model, usage)
        if not quiet:
            entry = {
                "prompt": prompt,
                "messages": messages,
                "kwargs": public({name: value for name, value in kwargs.items() if not name.startswith("api_")}),
                "response": reply,
                "outputs": found,
                "usage": usage,
                "cost": cost,
                **stamp(),
                "model": self.model,
                "response_model": field(reply, "model"),
                "model_type": self.model_type,
            }
            self.update_history(entry)
        return found

    def _outputs(self, reply: Any, kwargs: dict[str, Any]) -> list[Any]:
        if self.model_type == "responses":
            from dspex.clients.wires.openai.responses import responses_outputs

            return list(responses_outputs(reply))
        return outputs(reply, bool(kwargs.get("logprobs", self.kwargs.get("logprobs"))))


_builtin: list[type[BaseLM]] = []


def register_builtin_lm(cls: type[BaseLM]) -> None:
    """Have states without a class, and those of DSPy's `LM`, loaded as `cls`."""
    _builtin[:] = [cls]


def _builtin_class() -> type[BaseLM]:
    return _builtin[0]  # `dspex.clients` imports it with the package


def load_lm(state: dict[str, Any], allow_custom_lm_class: bool) -> BaseLM:
    """Build the LM that `state` describes. A state without a class stands for an `LM`.

    Args:
        state: The dict from `BaseLM.dump_state`, or from DSPy.
        allow_custom_lm_class: Whether the state may name a class of your own, whose module is then imported.

    Raises:
        ValueError: the state names a class of your own and `allow_custom_lm_class` is false.
        ImportError: that class cannot be imported.
        TypeError: that class is not a `BaseLM`.
    """
    path = state.get(CLASS_KEY)
    if path in _BUILTIN_NAMES:
        return _builtin_class().load_state(state, allow_custom_lm_class=allow_custom_lm_class)
    if not allow_custom_lm_class:
        raise ValueError(
            f"Refusing to import custom serialized LM class `{path}`. If the file is trusted, allow it with "
            "allow_unsafe_lm_state=True."
        )
    found = _import_class(str(path))
    if not issubclass(found, BaseLM):
        raise TypeError(f"Serialized LM class `{path}` must be a subclass of dspy.BaseLM.")
    return found.load_state(state)


def _import_class(path: str) -> type:
    """The class at a dotted path: a module, then a class, perhaps inside others."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        if found is None:
            break
        if not isinstance(found, type):
            raise TypeError(f"Serialized LM class `{path}` did not resolve to a class.")
        return found
    raise ImportError(f"Could not import serialized LM class `{path}`: there is none of that name.")
