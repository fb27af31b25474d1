"""`LM` as DSPy's users know it: history, copies, saved states; and its key, which is nowhere to be seen."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from client_fakes import BASE, KEY, FakeTransport, response

from dspex import settings as configuration
from dspex.callback import BaseCallback
from dspex.clients import LM, BaseLM
from dspex.clients.history import GLOBAL_HISTORY
from dspex.errors import UsageError

Make = Callable[..., LM]


async def test_history_says_what_was_asked_answered_and_paid(make_lm: Make) -> None:
    lm = make_lm(temperature=0.5)
    await lm.acall("hi", n=1)
    (entry,) = lm.history
    assert entry["prompt"] == "hi"
    assert entry["outputs"] == ["Paris"]
    assert entry["usage"] == {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    assert entry["cost"] == pytest.approx(4.5e-6)
    assert entry["kwargs"] == {"n": 1}  # those of the call, as in DSPy
    assert (entry["model"], entry["response_model"], entry["model_type"]) == (lm.model, "served-model", "chat")
    assert GLOBAL_HISTORY[-1] is entry


async def test_hit_has_a_cost_but_no_usage(make_lm: Make) -> None:
    lm = make_lm()
    await lm.acall("hi")
    await lm.acall("hi")
    assert lm.history[1]["usage"] == {}
    assert lm.history[1]["cost"] == lm.history[0]["cost"]
    assert lm.history[1]["response"].cache_hit


async def test_unknown_model_costs_nothing_known(make_lm: Make) -> None:
    lm = make_lm(model="openai/practice")
    await lm.acall("hi")
    assert lm.history[-1]["cost"] is None


async def test_history_is_bounded_and_can_be_off(make_lm: Make) -> None:
    lm = make_lm()
    with configuration.context(max_history_size=2):
        for i in range(4):
            await lm.acall(str(i))
    assert [entry["prompt"] for entry in lm.history] == ["2", "3"]
    with configuration.context(disable_history=True):
        await lm.acall("5")
    assert len(lm.history) == 2


async def test_history_can_be_printed(make_lm: Make) -> None:
    lm = make_lm()
    await lm.acall(messages=[{"role": "user", "content": "what is the capital?"}])
    out = io.StringIO()
    lm.inspect_history(file=out)
    assert "User message:" in out.getvalue()
    assert "what is the capital?" in out.getvalue()
    assert "Paris" in out.getvalue()


async def test_copy_changes_parameters_and_attributes_but_no_more(make_lm: Make) -> None:
    lm = make_lm(temperature=0.5)
    await lm.acall("hi")
    other = lm.copy(temperature=1.0, rollout_id=7, num_retries=1, model="openai/gpt-4o")
    assert (other.kwargs["temperature"], other.kwargs["rollout_id"], other.num_retries) == (1.0, 7, 1)
    assert other.history == []
    assert (lm.kwargs["temperature"], lm.num_retries, len(lm.history)) == (0.5, 3, 1)
    assert "rollout_id" not in other.copy(rollout_id=None).kwargs
    await other.acall("hi")
    assert other.transport.bodies()[-1]["model"] == "gpt-4o"


def test_state_names_the_variable_and_the_address(make_lm: Make) -> None:
    state = make_lm(api_key_env="MY_KEY", temperature=0.5, timeout=5).dump_state()
    assert state["_dspy_lm_class"] == "dspy.clients.lm.LM"
    assert (state["api_base"], state["api_key_env"], state["timeout"]) == (BASE, "MY_KEY", 5)
    again = BaseLM.load_state(state)
    assert isinstance(again, LM)
    assert again.dump_state() == state


def test_state_of_a_reasoning_model_comes_back() -> None:
    state = LM("openai/o3", max_tokens=20_000).dump_state()
    assert state["max_tokens"] == 20_000
    assert LM.load_state(state).kwargs["max_completion_tokens"] == 20_000


class EchoLM(BaseLM):
    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        return {"choices": [{"message": {"content": prompt}}], "model": "echo"}


def test_class_of_the_users_own_is_loaded_only_when_allowed() -> None:
    state = EchoLM("echo").dump_state()
    with pytest.raises(ValueError, match="allow_unsafe_lm_state"):
        BaseLM.load_state(state)
    assert type(BaseLM.load_state(state, allow_custom_lm_class=True)).__qualname__ == "EchoLM"


def test_vain_rollout_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="rollout_id"):
        LM("openai/x", temperature=0, rollout_id=1)


async def test_nothing_to_ask_is_refused(make_lm: Make) -> None:
    with pytest.raises(UsageError, match="prompt"):
        await make_lm().acall()


async def test_callbacks_hear_of_a_call(make_lm: Make) -> None:
    heard: list[Any] = []

    class Listener(BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            heard.append(inputs["prompt"])

        def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            heard.append(outputs)

    assert await make_lm(callbacks=[Listener()]).acall("hi") == ["Paris"]
    assert heard == ["hi", ["Paris"]]


async def test_subclass_may_wrap_forward(make_lm: Make) -> None:
    class Shouting(LM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            answer = super().forward(prompt, messages, **kwargs)
            answer["choices"][0]["message"]["content"] = answer.choices[0].message.content.upper()
            return answer

    network = FakeTransport()
    assert await Shouting("openai/x", api_base=BASE, transport=network).acall("hi") == ["PARIS"]


def test_key_is_nowhere_to_be_seen(make_lm: Make) -> None:
    lm = make_lm(extra_headers={"X-Token": KEY})
    shown = [repr(lm), str(vars(lm)["api_key"]), repr(lm.dump_state()), repr(lm.__getstate__()["api_key"])]
    assert KEY not in "".join(shown)
    assert KEY.encode() not in pickle.dumps(make_lm().copy(transport=None))


def test_copies_keep_the_key(make_lm: Make) -> None:
    for lm in (make_lm().copy(), copy.copy(make_lm()), copy.deepcopy(make_lm())):
        assert lm.api_key is not None
        assert lm.api_key.reveal() == KEY
    assert make_lm().copy(api_key="sk-other").api_key.reveal() == "sk-other"


async def test_key_is_in_no_history_error_or_log(make_lm: Make, caplog: Any, naps: list[float]) -> None:
    caplog.set_level(logging.DEBUG)
    network = FakeTransport(response(), response(401, {"error": {"message": f"Incorrect API key: {KEY}"}}))
    lm = make_lm(network)
    await lm.acall("hi", api_key=KEY)
    assert KEY not in repr(lm.history)
    with pytest.raises(Exception, match=r"Incorrect API key: \*\*\*") as caught:
        await lm.acall("ho")
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert KEY not in told + caplog.text
    assert network.sent[0][1]["Authorization"] == f"Bearer {KEY}"
