"""`LM`: a language model behind a provider's HTTP API."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.bridge import wait_for
from dspex.clients.base_lm import BUILTIN, CLASS_KEY, BaseLM, Message, register_builtin_lm
from dspex.clients.calls.abandonment import refuse_if_abandoned
from dspex.clients.calls.call import ResolvedEndpoint
from dspex.clients.canonical.answer import field
from dspex.clients.canonical.prompt_caching import as_plain
from dspex.clients.canonical.secrets import Secret, public, refuse_secrets_in
from dspex.clients.capabilities import Capabilities, capabilities, is_reasoning_model
from dspex.clients.cost.pricing import checked_price
from dspex.clients.custom_lm import own_forward
from dspex.clients.engines.lm15_request import ask_typed, is_request
from dspex.clients.lm_state import dumped_engine, lm_arguments
from dspex.clients.training import Trainable
from dspex.clients.wires.endpoints import parse_model, wire_for
from dspex.errors import LMConfigurationError, UsageError

if TYPE_CHECKING:
    from dspex.clients.engines.lm15_transport import EngineTransport
    from dspex.clients.http.transport import Transport

logger = logging.getLogger(__name__)

_ENGINES = ("auto", "lm15", "litellm")

DEFAULT_TIMEOUT = 120.0
"""Seconds for one try of a call, from the first byte sent to the last one received."""


class LM(Trainable, BaseLM):
    """A language model by name, as DSPy's users write it: ``LM("openai/gpt-4o-mini")``.

    Args:
        model: ``provider/name``. With `api_base` it may be any name that the server knows, in OpenAI's format.
        model_type: Which of the provider's APIs to call: "chat", "text" or "responses".
        temperature: The sampling temperature of every request. None leaves it to the model.
        max_tokens: The most tokens of one answer. None leaves it to the model.
        cache: Whether the ledger may answer a request that it has seen before. Without it every call is made, once: a
            run records the answer under its place in the run, so that an interrupted run does not pay for it again.
        callbacks: Callbacks around this LM's calls, besides those of the settings.
        num_retries: Tries after the first, for rate limits, failing servers, timeouts and broken connections.
        provider: The `Provider` that launches and trains the model. None chooses one by the model's name.
        finetuning_model: The model that `finetune` trains, where it is not `model`.
        launch_kwargs: Arguments that a provider's `launch` may read from the LM, as in DSPy.
        train_kwargs: Arguments for the provider's training, unless `finetune` is given its own.
        use_developer_role: Whether system messages go out under the role ``developer`` (`model_type` "responses").
        engine: "auto" (the providers that dspex calls itself, any `api_base`, and litellm, if it is installed, for the
            others), "lm15" (DSPy's word for never litellm), "litellm", or an engine object of your own with
            ``complete(Request) -> Response`` in lm15's types. With litellm `timeout` is litellm's own by default.
        async_engine: The asynchronous counterpart of such an engine object.
        prompt_cache: What part of a prompt Anthropic caches. None: the part that is the same in every call, if it is
            long enough; True: always; "1h": for an hour; False: nothing; or DSPy's ``CacheConfig``. Other providers
            cache without being asked. See `dspex.clients.canonical.prompt_caching`.
        api_base: Where the API is served, up to and with ``/v1``. Default: the provider's, or ``OPENAI_API_BASE``.
        api_key: The key. It stays in this process's memory; a durable run needs the environment variable instead.
        api_key_env: The environment variable that holds the key, on every host.
        timeout: Seconds for one try, 120 by default.
        max_concurrency: The most calls at a time to one address with one key.
        rpm: Requests a minute that this process may make to the address, if you know your account's limit. Without it
            dspex finds the pace from the provider's headers and from the requests that the provider refuses.
        tpm: Tokens a minute, likewise.
        transport: How to send (`dspex.clients.http.transport.Transport`). Default: a pool that all LMs share.
        price: US dollars per million tokens, where they differ from the known ones: ``{"input": 0.15, "output": 0.6}``,
            with ``cached_input`` and ``cache_write`` where they differ from ``input``.
        **kwargs: Further parameters of every request, such as ``n``, ``stop``, ``seed``. A new `rollout_id` asks again
            for what has been answered; it is not sent.

    Raises:
        LMConfigurationError: the model does not allow the arguments, such as a temperature that it cannot take.
        UsageError: an argument is malformed, such as a negative `num_retries`.
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
        engine: Any = "auto",
        async_engine: Any = None,
        prompt_cache: Any = None,
        *,
        api_base: str | None = None,
        api_key: str | None = None,
        api_key_env: str | None = None,
        timeout: float | None = None,
        max_concurrency: int = 64,
        rpm: float | None = None,
        tpm: float | None = None,
        transport: Transport | None = None,
        price: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        _check(model, num_retries, max_concurrency, timeout)
        _check_limits(rpm=rpm, tpm=tpm)
        _check_engine(engine, async_engine)
        self.model_name = parse_model(model)
        wire_for(model_type, self.model_name.provider if engine == "auto" else None)
        if prompt_cache is not None:
            kwargs["prompt_cache"] = as_plain(prompt_cache)
        api_base = api_base or kwargs.pop("base_url", None)
        super().__init__(model, model_type, temperature, max_tokens, cache, callbacks, num_retries, **kwargs)
        self.provider = provider or self.infer_provider()
        self.finetuning_model = finetuning_model
        self.launch_kwargs = launch_kwargs or {}
        self.train_kwargs = train_kwargs or {}
        self.use_developer_role = use_developer_role
        self.api_base = refuse_secrets_in(api_base)
        self.api_key = Secret(api_key) if api_key else None
        self.api_key_env = api_key_env
        self.own_timeout = timeout
        self.timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self.max_concurrency = max_concurrency
        self.rpm, self.tpm = rpm, tpm
        self.transport = transport
        self.price = None if price is None else checked_price(price, model)
        self.resolved_endpoint: ResolvedEndpoint | None = (
            None  # found at the first call, where the environment has the key
        )
        self._warned_zero_temp_rollout = False
        self._choose_engine(engine, async_engine)
        self._warn_of_vain_rollout(self.kwargs)

    def forward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Any:
        """Ask the model and return the whole answer, in OpenAI's shape.

        Args:
            prompt: The text of one user message. Ignored where `messages` is given.
            messages: A conversation in OpenAI's chat format.
            **kwargs: Parameters of this request; they win over those of the LM.

        Raises:
            UsageError: there is neither a prompt nor messages.
            LMError: the provider could not be asked, or refused.
        """
        return wait_for(self.aforward(prompt, messages, **kwargs))

    async def aforward(self, prompt: str | None = None, messages: list[Message] | None = None, **kwargs: Any) -> Any:
        """Do what `forward` does, with the same arguments, from asynchronous code."""
        reply, _ = await self.obtain(prompt, messages, kwargs)
        return reply

    def copy(self, **changes: Any) -> Any:
        """Copy the LM with `changes`, as `BaseLM.copy` does; also with a new `engine`, `api_key` or `api_base`."""
        if isinstance(changes.get("api_key"), str):
            changes["api_key"] = Secret(changes["api_key"])
        if "base_url" in changes:
            changes["api_base"] = changes.pop("base_url")
        refuse_secrets_in(changes.get("api_base"))
        engine = changes.pop("engine", self.engine)
        async_engine = changes.pop("async_engine", self.async_engine if engine is self.engine else None)
        _check_engine(engine, async_engine)
        if "prompt_cache" in changes:
            changes["prompt_cache"] = as_plain(changes["prompt_cache"])
        if "timeout" in changes:
            changes["own_timeout"] = changes["timeout"]
        new = super().copy(**changes)
        new.model_name, new.resolved_endpoint, new._warned_zero_temp_rollout = parse_model(new.model), None, False
        new._choose_engine(engine, async_engine)
        return new

    def close(self) -> None:
        """Do nothing. DSPy has this method; here all LMs of the process share their connections."""

    async def aclose(self) -> None:
        """Do nothing, as `close`."""

    @property
    def engine(self) -> Any:
        """How calls are sent: "auto", "litellm", or an engine of the user's."""
        return self._engine

    @property
    def async_engine(self) -> Any:
        """The user's asynchronous engine, or None."""
        return self._async_engine

    def goes_through_litellm(self, params: dict[str, Any]) -> bool:
        """Tell whether litellm sends a call with `params`. dspex itself calls an address that `params` name."""
        if not self._through_litellm:
            return False
        return self._engine == "litellm" or not (params.get("api_base") or params.get("base_url"))

    def dump_state(self) -> dict[str, Any]:
        """DSPy's state of an LM, with our `api_base`, `api_key_env` and the like where they are set; never the key."""
        state = super().dump_state()
        if type(self) is LM:
            state[CLASS_KEY] = BUILTIN
        if "max_completion_tokens" in state:
            state["max_tokens"] = state.pop("max_completion_tokens")
        state["finetuning_model"] = self.finetuning_model
        state |= {"launch_kwargs": public(self.launch_kwargs), "train_kwargs": public(self.train_kwargs)}
        if self._engine != "auto":
            state["engine"] = dumped_engine(self._engine, "engine")
            if self._async_engine is not None:
                state["async_engine"] = dumped_engine(self._async_engine, "async_engine")
        ours: dict[str, Any] = {"use_developer_role": False, "api_base": None, "api_key_env": None}
        ours |= {"timeout": DEFAULT_TIMEOUT, "max_concurrency": 64, "rpm": None, "tpm": None, "price": None}
        return state | {name: getattr(self, name) for name, usual in ours.items() if getattr(self, name) != usual}

    @classmethod
    def load_state(cls, state: dict[str, Any], *, allow_custom_lm_class: bool = False) -> LM:
        """Build the LM that `dump_state` described, also one that DSPy saved. Its key comes from the environment.

        Args:
            state: The dict from `dump_state`.
            allow_custom_lm_class: Whether to import an engine class that the state names. If not, that is a ValueError.
        """
        return cls(**lm_arguments(state, allow_custom_lm_class))

    @property
    def supports_function_calling(self) -> bool:
        return self._capabilities().function_calling

    @property
    def supports_reasoning(self) -> bool:
        return self._capabilities().reasoning

    @property
    def supports_response_schema(self) -> bool:
        return self._capabilities().response_schema

    @property
    def supported_params(self) -> set[str]:
        return self._capabilities().params

    def _capabilities(self) -> Capabilities:
        if self._through_litellm:
            from dspex.clients.engines.litellm import litellm_capabilities

            return litellm_capabilities(self.model)
        return capabilities(self.model)

    def __repr__(self) -> str:
        base = f", api_base={self.api_base!r}" if self.api_base else ""
        return f"{type(self).__name__}({self.model!r}{base})"

    def __getstate__(self) -> dict[str, Any]:
        """A pickled LM has no key, no history and no connections."""
        kept = {**vars(self), "kwargs": public(self.kwargs), "api_key": None}
        return {**kept, "history": [], "callbacks": [], "transport": None, "resolved_endpoint": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_name" in state:  # pickled by dspex 0.1
            state = {**state, "model_name": state["_name"], "resolved_endpoint": None}
            del state["_name"], state["_address"]
        vars(self).update(state)

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
                "OpenAI's reasoning models require passing temperature=1.0 or None and max_tokens >= 16000 or None to "
                f"`dspy.LM(...)`: {self.model} is one of them.",
                model=self.model,
            )
        return {"temperature": temperature, "max_completion_tokens": max_tokens, **kwargs}

    async def _ask(self, prompt: str | None, messages: list[Message] | None, kwargs: dict[str, Any]) -> list[Any]:
        if prompt is not None and is_request(prompt):
            return await ask_typed(self, prompt, messages, kwargs)  # type: ignore[no-any-return]
        own = own_forward(self, LM)
        if own is not None:
            refuse_if_abandoned()
            return self.keep(prompt, messages, kwargs, await own(prompt, messages, kwargs), None)
        reply, cost = await self.obtain(prompt, messages, kwargs)
        return self.keep(prompt, messages, kwargs, reply, cost)

    async def obtain(
        self, prompt: str | None, messages: list[Message] | None, kwargs: dict[str, Any]
    ) -> tuple[Any, float | None]:
        """Ask the model, without noting the call in the history. Arguments and errors are those of `forward`.

        Returns:
            The whole answer in OpenAI's shape, and what it cost in US dollars (None: unknown).
        """
        from dspex.clients.calls.pipeline import answer
        from dspex.clients.prepare import prepare

        refuse_if_abandoned()
        params = {**self.kwargs, **kwargs}
        if params.get("rollout_id") is not None:
            self._warn_of_vain_rollout(params)
        if (params.get("n") or 1) != 1:
            from dspex.clients.fan_out import asks_one_by_one, fan_out

            if asks_one_by_one(self, params):
                reply, calls = await fan_out(self, prompt, messages, params)
                self._check_truncation(reply)
                return reply, _sum_of_known([call.entry.cost_usd for call in calls])
        reply, finished = await answer(prepare(self, prompt, messages, params))
        if finished.paid:
            self._check_truncation(reply)
        return reply, finished.entry.cost_usd

    def _choose_engine(self, engine: Any, async_engine: Any) -> None:
        self._engine, self._async_engine = engine, async_engine
        self.engine_transport: EngineTransport | None = None
        self._through_litellm = engine == "litellm"
        if not isinstance(engine, str):
            from dspex.clients.engines.lm15_transport import EngineTransport

            self.engine_transport = EngineTransport(engine, async_engine)
        elif engine == "auto" and self.model_name.provider is None and self.api_base is None:
            from dspex.clients.engines.litellm import is_installed

            self._through_litellm = is_installed()

    def _warn_of_vain_rollout(self, params: dict[str, Any]) -> None:
        vain = params.get("rollout_id") is not None and params.get("temperature") == 0
        if vain and not self._warned_zero_temp_rollout:
            self._warned_zero_temp_rollout = True
            warnings.warn(
                "rollout_id has no effect when temperature=0; set temperature>0 to bypass the cache.",
                stacklevel=3,
            )

    def _check_truncation(self, reply: Any) -> None:
        """Warn of an answer that was cut off: what cannot be parsed in it is not the model's fault."""
        for choice in field(reply, "choices") or ():
            if field(choice, "finish_reason") != "length":
                continue
            limit = self.kwargs.get("max_tokens", self.kwargs.get("max_completion_tokens"))
            logger.warning(
                "LM response was truncated due to exceeding max_tokens=%s. dspex.inspect_history() shows it. To avoid "
                "truncation, pass a larger max_tokens to dspex.LM; or, if it repeats itself, a higher temperature "
                "(currently %s).",
                limit,
                self.kwargs.get("temperature"),
            )
            return


register_builtin_lm(LM)


def _sum_of_known(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _check(model: str, num_retries: int, max_concurrency: int, timeout: float | None) -> None:
    if not isinstance(model, str):
        raise UsageError(f'An LM\'s model is its name, such as "openai/gpt-4o-mini", not {model!r}')
    if not model:
        raise UsageError('An LM\'s model must be a non-empty string, such as "openai/gpt-4o-mini"')
    if isinstance(num_retries, bool) or not isinstance(num_retries, int) or num_retries < 0:
        raise UsageError(f"num_retries={num_retries!r} is not a number of tries, zero or more")
    if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
        raise UsageError(f"max_concurrency={max_concurrency!r} is not a number of calls, one or more")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"timeout={timeout!r} is not a number of seconds above zero")


def _check_limits(**limits: float | None) -> None:
    for name, limit in limits.items():
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
            raise UsageError(f"{name}={limit!r} is not a number a minute, above zero")


def _check_engine(engine: Any, async_engine: Any) -> None:
    if isinstance(engine, str) and engine not in _ENGINES:
        raise UsageError(
            f"engine={engine!r} is not one of {', '.join(map(repr, _ENGINES))}, nor an engine object. dspex speaks to "
            'providers itself with engine="auto".'
        )
    from dspex.clients.engines.lm15_transport import check_engines

    check_engines(engine, async_engine)
