"""`LM`: a language model behind a provider's HTTP API."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.bridge import wait_for
from dspex.clients.base_lm import CLASS_KEY, BaseLM, Message
from dspex.clients.capabilities import capabilities, is_reasoning_model
from dspex.clients.lm_state import BUILTIN, lm_arguments
from dspex.clients.providers import parse_model, wire_for
from dspex.clients.secrets import Secret
from dspex.errors import LMConfigurationError, UsageError

if TYPE_CHECKING:
    from dspex.clients.answer import Answer
    from dspex.clients.prepare import Address
    from dspex.clients.transport import Transport

DEFAULT_TIMEOUT = 120.0
"""Seconds for one try of a call, from the first byte sent to the last one received."""


class LM(BaseLM):
    """A language model by name, as DSPy's users write it: ``LM("openai/gpt-4o-mini")``.

    Args:
        model: ``provider/name``. With `api_base` any name is served there in OpenAI's format.
        cache: answer from the ledger what has been answered before. Without it every call is made, once: inside a run
            its answer is recorded under its place in the run, so that an interrupted run does not pay for it again.
        num_retries: tries after the first, for rate limits, failing servers, timeouts and broken connections.
        api_base: where the API is served, up to and with ``/v1``. Default: the provider's, or ``OPENAI_API_BASE``.
        api_key: the key. It stays in this process's memory; a durable run needs the variable instead.
        api_key_env: the environment variable that holds the key, on every host.
        timeout: seconds for one try, 120 by default.
        max_concurrency: calls under way at once to one address with one key.
        transport: how to send (`dspex.clients.transport.Transport`). Default: a pool that all LMs share.
        **kwargs: parameters of the request, such as ``n``, ``stop``, ``seed``; `rollout_id` asks anew for what has been
            answered, and is not sent.

    Raises:
        LMConfigurationError: what is asked for cannot be, such as a temperature for a model that takes none.
    """

    def __init__(
        self,
        model: str,
        model_type: str = "chat",
        temperature: float | None = None,
        max_tokens: int | None = None,
        cache: bool = True,
        callbacks: Sequence[Any] | None = None,
        num_retries: int = 3,
        provider: Any = None,
        finetuning_model: str | None = None,
        launch_kwargs: dict[str, Any] | None = None,
        train_kwargs: dict[str, Any] | None = None,
        use_developer_role: bool = False,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        api_key_env: str | None = None,
        timeout: float | None = None,
        max_concurrency: int = 64,
        transport: Transport | None = None,
        **kwargs: Any,
    ) -> None:
        _check(model, num_retries, max_concurrency, timeout)
        self._name = parse_model(model)
        wire_for(model_type)
        api_base = api_base or kwargs.pop("base_url", None)
        super().__init__(model, model_type, temperature, max_tokens, cache, callbacks, num_retries, **kwargs)
        self.provider = provider
        self.finetuning_model = finetuning_model
        self.launch_kwargs = launch_kwargs or {}
        self.train_kwargs = train_kwargs or {}
        self.use_developer_role = use_developer_role
        self.api_base = api_base
        self.api_key = Secret(api_key) if api_key else None
        self.api_key_env = api_key_env
        self.timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self.max_concurrency = max_concurrency
        self.transport = transport
        self._address: Address | None = None  # found at the first call, where the environment has the key
        self._warn_of_vain_rollout()

    def forward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Answer:
        """The whole answer, in OpenAI's shape."""
        return wait_for(self.aforward(prompt, messages, **kwargs))

    async def aforward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Answer:
        """The whole answer, in OpenAI's shape."""
        reply, _ = await self._obtain(prompt, messages, kwargs)
        return reply

    def copy(self, **changes: Any) -> Any:
        """A copy with `changes` (see `BaseLM.copy`)."""
        if isinstance(changes.get("api_key"), str):
            changes["api_key"] = Secret(changes["api_key"])
        if "base_url" in changes:
            changes["api_base"] = changes.pop("base_url")
        new = super().copy(**changes)
        new._name, new._address = parse_model(new.model), None
        return new

    def dump_state(self) -> dict[str, Any]:
        """DSPy's state of an LM, with our `api_base`, `api_key_env` and the like where they are set; never the key."""
        state = super().dump_state()
        if type(self) is LM:
            state[CLASS_KEY] = BUILTIN
        if "max_completion_tokens" in state:
            state["max_tokens"] = state.pop("max_completion_tokens")
        names = ("finetuning_model", "launch_kwargs", "train_kwargs")
        state |= {name: getattr(self, name) for name in names}
        ours: dict[str, Any] = {"use_developer_role": False, "api_base": None, "api_key_env": None}
        ours |= {"timeout": DEFAULT_TIMEOUT, "max_concurrency": 64}
        return state | {name: getattr(self, name) for name, usual in ours.items() if getattr(self, name) != usual}

    @classmethod
    def load_state(cls, state: dict[str, Any], *, allow_custom_lm_class: bool = False) -> LM:
        """Build the LM that `dump_state` described, also one that DSPy saved. Its key comes from the environment."""
        return cls(**lm_arguments(state))

    @property
    def supports_function_calling(self) -> bool:
        return capabilities(self.model).function_calling

    @property
    def supports_reasoning(self) -> bool:
        return capabilities(self.model).reasoning

    @property
    def supports_response_schema(self) -> bool:
        return capabilities(self.model).response_schema

    @property
    def supported_params(self) -> set[str]:
        return capabilities(self.model).params

    def __repr__(self) -> str:
        base = f", api_base={self.api_base!r}" if self.api_base else ""
        return f"{type(self).__name__}({self.model!r}{base})"

    def __getstate__(self) -> dict[str, Any]:
        """A pickled LM has no key, no history and no connections."""
        return {**vars(self), "api_key": None, "history": [], "callbacks": [], "transport": None, "_address": None}

    def __copy__(self) -> LM:
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> LM:
        new: LM = self.copy()
        return new

    def _get_initial_kwargs(
        self, *, temperature: float | None, max_tokens: int | None, **kwargs: Any
    ) -> dict[str, Any]:
        if kwargs.get("rollout_id", ...) is None:
            del kwargs["rollout_id"]
        if not is_reasoning_model(self.model):
            return super()._get_initial_kwargs(temperature=temperature, max_tokens=max_tokens, **kwargs)
        if (temperature and temperature != 1.0) or (max_tokens and max_tokens < 16_000):
            raise LMConfigurationError(
                f"{self.model} is one of OpenAI's reasoning models: they take temperature=1.0 or None and "
                "max_tokens of 16000 or more, or None.",
                model=self.model,
            )
        return {"temperature": temperature, "max_completion_tokens": max_tokens, **kwargs}

    async def _ask(self, prompt: str | None, messages: list[Message] | None, kwargs: dict[str, Any]) -> list[Any]:
        cls = type(self)
        if cls.aforward is not LM.aforward:
            return self._keep(prompt, messages, kwargs, await self.aforward(prompt, messages, **kwargs), None)
        if cls.forward is not LM.forward:
            from dspex.clients.custom import call_forward

            return self._keep(prompt, messages, kwargs, await call_forward(self, prompt, messages, kwargs), None)
        reply, cost = await self._obtain(prompt, messages, kwargs)
        return self._keep(prompt, messages, kwargs, reply, cost)

    async def _obtain(
        self, prompt: str | None, messages: list[Message] | None, kwargs: dict[str, Any]
    ) -> tuple[Answer, float | None]:
        from dspex.clients.pipeline import answer
        from dspex.clients.prepare import prepare

        reply, finished = await answer(prepare(self, prompt, messages, {**self.kwargs, **kwargs}))
        return reply, finished.entry.cost_usd

    def _warn_of_vain_rollout(self) -> None:
        if self.kwargs.get("rollout_id") is not None and self.kwargs.get("temperature") == 0:
            warnings.warn("rollout_id has no effect at temperature=0: the model answers the same.", stacklevel=3)


def _check(model: str, num_retries: int, max_concurrency: int, timeout: float | None) -> None:
    if not isinstance(model, str):
        raise UsageError(f'An LM\'s model is its name, such as "openai/gpt-4o-mini", not {model!r}')
    if isinstance(num_retries, bool) or not isinstance(num_retries, int) or num_retries < 0:
        raise UsageError(f"num_retries={num_retries!r} is not a number of tries, zero or more")
    if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
        raise UsageError(f"max_concurrency={max_concurrency!r} is not a number of calls, one or more")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"timeout={timeout!r} is not a number of seconds above zero")
