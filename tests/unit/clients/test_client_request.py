"""The digest by which the ledger knows a request again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspex.clients.canonical.prompt import Prefix, Prompt
from dspex.clients.wires.openai.chat import OPENAI_CHAT
from dspex.errors import UsageError

URL = "http://provider.test/v1/chat/completions"
texts = st.text(st.characters(codec="utf-8"), max_size=40)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": texts}), max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
params = st.dictionaries(st.sampled_from(["temperature", "stop", "seed", "logit_bias", "metadata"]), values)


def reversed_dicts(value: Any) -> Any:
    """The same value with every dict filled in the opposite order."""
    if isinstance(value, dict):
        return {key: reversed_dicts(one) for key, one in reversed(value.items())}
    return [reversed_dicts(one) for one in value] if isinstance(value, list) else value


def key(said: Any, asked: dict[str, Any], rollout: Any = None, url: str = URL) -> str:
    return OPENAI_CHAT.encode("m", said, asked).key(url, rollout)


@given(messages, params)
def test_order_of_dicts_makes_no_difference(said: list[dict[str, Any]], asked: dict[str, Any]) -> None:
    assert key(said, asked) == key(reversed_dicts(said), reversed_dicts(asked))


@given(messages, messages, params)
def test_prompt_and_plain_list_are_the_same_request(
    stable: list[dict[str, Any]], rest: list[dict[str, Any]], asked: dict[str, Any]
) -> None:
    as_prompt = OPENAI_CHAT.encode("m", Prompt(Prefix(stable), rest), asked)
    as_list = OPENAI_CHAT.encode("m", [*stable, *rest], asked)
    assert as_prompt.body == as_list.body
    assert as_prompt.key(URL) == as_list.key(URL)


@given(messages, params)
def test_body_says_what_was_asked(said: list[dict[str, Any]], asked: dict[str, Any]) -> None:
    body = json.loads(OPENAI_CHAT.encode("m", said, asked).body)
    assert body == {"messages": said, "model": "m", **{name: one for name, one in asked.items() if one is not None}}


@given(messages, messages)
def test_different_messages_are_different_requests(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert (key(one, {}) == key(other, {})) == (one == other)


def test_rollouts_addresses_and_salts_are_different_requests() -> None:
    encoded = OPENAI_CHAT.encode("m", [{"role": "user", "content": "hi"}], {})
    keys = [
        encoded.key(URL),
        encoded.key(URL, 1),
        encoded.key(URL, 2),
        encoded.key("http://b"),
        encoded.key(URL, salt="1"),
    ]
    assert len(set(keys)) == len(keys)
    assert encoded.key(URL) == keys[0]


def test_keys_and_headers_are_not_part_of_it() -> None:
    said = [{"role": "user", "content": "hi"}]
    assert key(said, {"api_key": "a", "extra_headers": {"x": "1"}}) == key(said, {"api_key": "b"})


def test_numbers_as_keys_and_broken_text_are_sent_as_well_as_can_be() -> None:
    body = OPENAI_CHAT.encode("m", [{"role": "user", "content": "a\ud800b"}], {"logit_bias": {50256: -100}}).body
    assert json.loads(body) == {
        "messages": [{"role": "user", "content": "a?b"}],
        "model": "m",
        "logit_bias": {"50256": -100},
    }


def test_what_is_not_json_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="object"):
        OPENAI_CHAT.encode("m", [], {"stop": object()})
