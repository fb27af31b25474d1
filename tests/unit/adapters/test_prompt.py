"""Prompts share what is the same in every call, and nobody can change it for the others."""

from __future__ import annotations

import copy
import enum
import hashlib
import json
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pydantic
import pytest

from dspex.adapters import ChatAdapter, JSONAdapter
from dspex.adapters.prefix_cache import PrefixCache
from dspex.clients.canonical.prompt import Prefix, Prompt
from dspex.primitives.example import Example
from dspex.signatures import OutputField, Signature
from dspex.signatures.portable import describe, rebuild

QA = Signature("question, context: list[str] -> answer")


def demos() -> list[Any]:
    return [{"question": f"q{n}", "context": ["c"], "answer": f"a{n}"} for n in range(3)]


def prompt(of: list[Any] | None = None, question: str = "q", adapter: Any = None) -> Any:
    adapter = adapter or ChatAdapter()
    return adapter.format(QA, demos() if of is None else of, {"question": question, "context": []})


def plain(messages: Any) -> Any:
    return json.loads(orjson.dumps(messages))


def test_prompts_of_one_predictor_share_their_prefix() -> None:
    mine = demos()
    first, second = prompt(mine, "one"), prompt(mine, "two")
    assert len(first.stable) == 7
    assert first.stable is second.stable
    assert first.prefix_json is second.prefix_json


def test_equal_demos_share_their_prefix_whoever_holds_them() -> None:
    assert prompt(demos()).stable is prompt(demos()).stable
    assert prompt([Example(**demo) for demo in demos()]).stable is prompt([Example(**demo) for demo in demos()]).stable


def test_the_encoding_of_the_prefix_is_that_of_its_messages() -> None:
    messages = prompt()
    encoded = orjson.dumps(list(messages.stable), option=orjson.OPT_SORT_KEYS)[1:-1]
    assert messages.prefix_json == encoded
    assert messages.prefix_hash.hexdigest() == hashlib.sha256(encoded).hexdigest()


def test_what_json_cannot_say_is_left_to_the_client() -> None:
    messages = prompt([{"question": "\ud800", "context": [], "answer": "a"}])
    assert messages.prefix_json == b""


class Shade(enum.Enum):
    LIGHT = 1
    DARK = 2


class Note(pydantic.BaseModel):
    text: str


CHANGES: list[Callable[[list[Any]], Any]] = [
    lambda d: d.append({"question": "new", "context": [], "answer": "new"}),
    lambda d: d.pop(),
    lambda d: d.reverse(),
    lambda d: d[1].update(answer="changed"),
    lambda d: d[1].update(answer=None),
    lambda d: d[1].update(answer=1),
    lambda d: d[1].pop("answer"),
    lambda d: d[2]["context"].append("more"),
    lambda d: d[2]["nested"]["deep"].append(1),
    lambda d: d[2].update(answer=Shade.DARK),
    lambda d: setattr(d[0]["answer"], "text", "changed"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_place_is_seen(change: Callable[[list[Any]], Any]) -> None:
    mine = demos()
    mine[0]["answer"] = Note(text="note")
    mine[2].update(nested={"deep": []}, context=["x"])
    prompt(mine), prompt(mine)
    change(mine)
    fresh = ChatAdapter()._render_prefix(QA, mine)
    assert plain(prompt(mine)[:-1]) == plain(fresh.messages)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ([1], [True]), ((1,), [1]), (Note, Shade)]
)
def test_values_that_are_equal_but_print_differently_are_told_apart(one: Any, other: Any) -> None:
    def rendered(value: Any) -> Any:
        return plain(prompt([{"question": value, "context": [], "answer": "a"}]))

    def fresh(value: Any) -> Any:
        return plain(ChatAdapter()._render_prefix(QA, [{"question": value, "context": [], "answer": "a"}]).messages)

    assert (rendered(one)[:-1], rendered(other)[:-1]) == (fresh(one), fresh(other))


def test_demos_that_cannot_be_compared_are_rendered_each_time() -> None:
    class Odd:
        says = "one"

        def __str__(self) -> str:
            return self.says

    odd = Odd()
    mine = [{"question": odd, "context": [], "answer": "a"}]
    assert "one" in prompt(mine)[1]["content"]
    odd.says = "two"
    assert "two" in prompt(mine)[1]["content"]


def test_adapters_signatures_and_instructions_do_not_share() -> None:
    mine = demos()
    assert prompt(mine, adapter=JSONAdapter())[0] != prompt(mine)[0]
    other = QA.with_instructions("Other.")
    assert ChatAdapter().format(other, mine, {})[0] != prompt(mine)[0]


def test_the_cache_forgets_what_was_not_used_for_longest() -> None:
    cache, rendered = PrefixCache(size=2), []

    def get(name: str) -> None:
        mine = [{"x": name}]
        cache.get("key", mine, lambda: rendered.append(name) or Prefix([{"role": "user", "content": name}]))

    for name in ["a", "b", "a", "c", "a", "b"]:
        get(name)
    assert rendered == ["a", "b", "c", "b"]


def no_change(messages: Any) -> None:
    list.append(messages, {"role": "user", "content": "tail"})
    messages[-1]["content"] = "changed"
    _ = messages[7:]


USES: list[Callable[[Any], Any]] = [
    lambda m: m[0].update(content="changed"),
    lambda m: m[-8].update(content="changed"),
    lambda m: [one.update(content="changed") for one in m],
    lambda m: [one.update(content="changed") for one in m[:2]],
    lambda m: [one.update(content="changed") for one in m[::-1]],
    lambda m: [one.update(content="changed") for one in reversed(m)],
    lambda m: m.pop(0).update(content="changed"),
    lambda m: next(iter(m)).update(content="changed"),
    lambda m: next(iter(m)).update(content="changed"),
    lambda m: (m * 1)[0].update(content="changed"),
    lambda m: m.copy()[0].update(content="changed"),
    lambda m: copy.copy(m)[0].update(content="changed"),
    lambda m: next(iter(m)).update(content="changed"),
    lambda m: m.insert(1, {"role": "user", "content": "x"}),
    lambda m: m.reverse(),
    lambda m: m.clear(),
    lambda m: m.__setitem__(0, {}),
]


@pytest.mark.parametrize("use", USES)
def test_whatever_is_done_to_a_prompt_the_next_one_is_whole(use: Callable[[Any], Any]) -> None:
    mine = demos()
    before = plain(prompt(mine))
    used = prompt(mine)
    use(used)
    assert used.stable == ()
    assert used.prefix_json == b""
    assert used.prefix_hash.hexdigest() == hashlib.sha256().hexdigest()
    assert plain(prompt(mine)) == before


def test_using_the_end_of_a_prompt_leaves_the_prefix_shared() -> None:
    messages = prompt()
    no_change(messages)
    assert len(messages.stable) == 7
    assert [one["content"] for one in messages][-1] == "changed"


def test_a_prompt_travels_as_a_plain_list() -> None:
    messages = prompt()
    expected = plain(messages)
    for copied in (pickle.loads(pickle.dumps(prompt())), copy.deepcopy(prompt())):
        assert type(copied) is list
        assert copied == expected


def test_content_parts_are_copied_too() -> None:
    prefix = Prefix([{"role": "user", "content": [{"type": "text", "text": "x"}]}])
    Prompt(prefix, [])[0]["content"][0]["text"] = "changed"
    assert prefix.messages[0]["content"][0]["text"] == "x"


def test_a_client_makes_the_same_request_of_a_prompt_as_of_a_plain_list() -> None:
    from dspex.clients.canonical.request import encode_messages

    body, digest = encode_messages(prompt())
    plain_body, plain_digest = encode_messages(list(prompt()))
    assert (body, digest.hexdigest()) == (plain_body, plain_digest.hexdigest())


@pytest.mark.parametrize("adapter", [ChatAdapter(), JSONAdapter()])
@pytest.mark.parametrize(
    "spelled",
    [
        "q -> a",
        "q: list[int], r -> a: Literal['x', 2], b: Optional[dict[str, float]]",
        "q: Any -> a: int | str, b: List",
    ],
)
def test_a_signature_that_travelled_as_data_prompts_the_same(adapter: Any, spelled: str) -> None:
    signature = Signature(spelled, "Do.\n  Well.").append("more", OutputField(ge=1, desc="d"), int)
    rebuilt = rebuild(json.loads(json.dumps(describe(signature))))
    given = {"q": [1, 2], "r": "x"}
    assert list(adapter.format(rebuilt, [], given)) == list(adapter.format(signature, [], given))
