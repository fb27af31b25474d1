"""Rows are checked before anything is uploaded, and the error names the row and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from support.finetune_provider import examples

from dspex.errors import UsageError
from dspex.finetuning.rows import rules_for
from dspex.finetuning.training_file import describe, training_file
from dspex.store import Store

ASSISTANT = {"role": "assistant", "content": "Yes."}
USER = {"role": "user", "content": "Is it?"}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("text", "is a str, not an object"),
        ({"prompt": "a", "completion": "b"}, "has no 'messages' .its keys: 'prompt', 'completion'"),
        (chat(), "an empty list for its messages"),
        (chat(USER, ASSISTANT, label=1), "has the key 'label'"),
        (chat("hi", ASSISTANT), "message 0 is a str"),
        (chat({"content": "a"}, ASSISTANT), "message 0 has no 'role'"),
        (chat({"role": "bot", "content": "a"}, ASSISTANT), "message 0 has the role 'bot'"),
        (chat({"role": "user", "content": 5}, ASSISTANT), "message 0 has a int for its content"),
        (chat({"role": "user"}, ASSISTANT), "message 0 has nothing for its content"),
        (chat({"role": "user", "content": [{"text": "a"}]}, ASSISTANT), "a content part without a type"),
        (chat(USER, {"role": "assistant", "content": " "}), "message 1 has no content"),
        (chat(USER), "the last one must be the assistant's"),
        (chat({**USER, "weight": 1}, ASSISTANT), "message 0 has the weight 1"),
        (chat(USER, {**ASSISTANT, "weight": 0.5}), "message 1 has the weight 0.5"),
        (chat({**USER, "mood": "good"}, ASSISTANT), "message 0 has the key 'mood'"),
        (chat({"role": "user", "content": "word " * 70_000}, ASSISTANT), "has at least 70003 tokens"),
        (chat({"role": "user", "content": "half \ud83d"}, ASSISTANT), "half a character"),
    ],
)
async def test_wrong_chat_row_is_named(row: Any, words: str) -> None:
    data = examples(12)
    data[7] = row
    with pytest.raises(UsageError, match=f"1 of 12 rows .*nothing was uploaded:\nrow 7: .*{words}"):
        await describe(data, rules_for("gpt-4o-mini", "chat"))


@pytest.mark.parametrize(
    "row",
    [
        chat({"role": "developer", "content": "Be brief."}, USER, ASSISTANT),
        chat(USER, {**ASSISTANT, "weight": 0}, USER, {**ASSISTANT, "weight": 1}),
        chat({"role": "user", "content": [{"type": "text", "text": "a"}]}, ASSISTANT),
        chat(
            USER,
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "2"},
            ASSISTANT,
            tools=[{"type": "function", "function": {"name": "f"}}],
            parallel_tool_calls=False,
        ),
        chat({"role": "user", "content": ""}, ASSISTANT),
    ],
)
def test_what_the_api_documents_is_let_pass(row: Any) -> None:
    assert rules_for("gpt-4o-mini", "chat").error(row) is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "a"}, "has no 'completion'"),
        ({"prompt": "a", "completion": 1}, "a int for its completion"),
        ({"prompt": "a", "completion": ""}, "an empty completion"),
        ({"prompt": "a", "completion": "b", "id": 1}, "the key 'id'"),
    ],
)
def test_wrong_completion_row_is_told(row: Any, words: str) -> None:
    rules = rules_for("davinci-002", "completion")
    assert words in str(rules.error(row))
    assert rules.error({"prompt": "", "completion": "b"}) is None


async def test_many_wrong_rows_are_counted_and_the_first_told() -> None:
    with pytest.raises(UsageError, match=r"40 of 40 rows") as caught:
        await describe([{}] * 40, rules_for("gpt-4o-mini", "chat"))
    assert "row 4:" in str(caught.value)
    assert "row 5:" not in str(caught.value)
    assert str(caught.value).endswith("... and 35 more")


async def test_too_few_rows_and_no_list_are_refused() -> None:
    rules = rules_for("gpt-4o-mini", "chat")
    with pytest.raises(UsageError, match="has 9 rows; fine-tuning needs 10"):
        await describe(examples(9), rules)
    with pytest.raises(UsageError, match="a list of rows, not a tuple"):
        await describe(tuple(examples()), rules)  # type: ignore[arg-type]


@pytest.mark.parametrize("data_format", [None, "grpo_chat", "csv"])
def test_format_that_is_not_trained_on_is_refused(data_format: Any) -> None:
    with pytest.raises(UsageError, match="chat, completion"):
        rules_for("gpt-4o-mini", data_format)


def test_limit_of_tokens_is_that_of_the_model_and_unknown_models_have_none() -> None:
    assert rules_for("ft:gpt-4o-mini:acme", "chat").most_tokens == 65_536
    assert rules_for("practice", "chat").most_tokens is None


async def test_file_is_the_same_from_a_list_and_from_the_store(store: Store) -> None:
    rules, data = rules_for("practice", "chat"), examples(600)
    data[3]["messages"][0]["content"] = "Füße, 🦊"
    here = await describe(data, rules)
    assert here == await describe(await store.datasets.put(data), rules, store)
    async with training_file(data, rules) as file:
        whole = b"".join([piece async for piece in file.pieces()])
        again = b"".join([piece async for piece in file.pieces()])
    assert (len(whole), whole.count(b"\n"), whole) == (here.size, here.rows, again)
    assert file.facts == here
