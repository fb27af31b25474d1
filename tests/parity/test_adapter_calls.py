"""A call of an adapter asks the LM for the same, with the same arguments, and makes the same of its answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest
from signature_table import OURS, Author

dspy = pytest.importorskip("dspy")
pytest.importorskip("dspy.adapters.baml_adapter")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def find(place: str, near: int = 3) -> str:
    """Find a place."""
    return place * near


def qa(lib: Any) -> Any:
    return lib.Signature("question -> answer: int")


def tools(lib: Any, **more: Any) -> Any:
    made = {
        "question": (str, lib.InputField()),
        "tools": (list[lib.Tool], lib.InputField()),
        **{name: (type_, lib.OutputField()) for name, type_ in more.items()},
        "calls": (lib.ToolCalls, lib.OutputField()),
    }
    return lib.Signature(made, "Use them.")


def answering_tools(lib: Any) -> Any:
    return tools(lib, answer=str)


def one_tool(lib: Any) -> Any:
    made = {"tool": (lib.Tool, lib.InputField()), "calls": (lib.ToolCalls, lib.OutputField())}
    return lib.Signature(made, "Use it.")


def calls_without_tools(lib: Any) -> Any:
    return lib.Signature({"question": (str, lib.InputField()), "calls": (lib.ToolCalls, lib.OutputField())}, "Use.")


def thinking(lib: Any) -> Any:
    made = {
        "question": (str, lib.InputField()),
        "reasoning": (lib.Reasoning, lib.OutputField()),
        "answer": (str, lib.OutputField()),
    }
    return lib.Signature(made, "Think.")


def called(name: str = "find", arguments: Any = '{"place": "x"}', id_: str | None = "call_1") -> Any:
    return SimpleNamespace(id=id_, type="function", function=SimpleNamespace(name=name, arguments=arguments))


def chat(**values: Any) -> str:
    return "".join(f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in values.items()) + "[[ ## completed ## ]]"


def message(text: str | None = None, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(content=text, **more)


@dataclass
class Case:
    """A call: `answers` are the messages of the LM's choices, call after call."""

    name: str
    signature: Any
    answers: list[list[SimpleNamespace]]
    adapter: Any = lambda lib: lib.ChatAdapter()
    inputs: Any = lambda lib: {"question": "q"}
    lm: dict[str, Any] = field(default_factory=dict)
    kwargs: dict[str, Any] = field(default_factory=dict)


def with_tools(lib: Any) -> dict[str, Any]:
    return {"question": "q", "tools": [lib.Tool(find), lib.Tool(find, name="seek")]}


def native(lib: Any, **more: Any) -> Any:
    return lib.ChatAdapter(use_native_function_calling=True, **more)


CALLER = {"supports_function_calling": True}
SCHEMAS = {"supports_response_schema": True, "supported_params": {"response_format"}}
NATIVE: dict[str, Any] = {"adapter": native, "inputs": with_tools, "lm": CALLER}
THINKER = {"supports_reasoning": True}
GOOD, BAD = [message(chat(answer=1))], [message("nonsense")]

CASES = [
    Case("plain", qa, [GOOD]),
    Case("two choices", qa, [[*GOOD, message(chat(answer=2))]], kwargs={"n": 2, "temperature": 1.0}),
    Case("fallback to JSON", qa, [BAD, [message('{"answer": 1}')]]),
    Case("fallback with a schema", qa, [BAD, [message('{"answer": 1}')]], lm=SCHEMAS),
    Case("fallback that fails", qa, [BAD, BAD]),
    Case("fallback after one bad choice", qa, [[*GOOD, *BAD], [message('{"answer": 1}')] * 2]),
    Case("no fallback", qa, [BAD], adapter=lambda lib: lib.ChatAdapter(use_json_adapter_fallback=False)),
    Case("XML falls back too", qa, [BAD, [message('{"answer": 1}')]], adapter=lambda lib: lib.XMLAdapter()),
    Case("JSON does not", qa, [BAD], adapter=lambda lib: lib.JSONAdapter()),
    Case("no text", qa, [[message(None)], [message("")]]),
    Case("logprobs", qa, [GOOD], kwargs={"logprobs": True}),
    Case("JSON without formats", qa, [[message('{"answer": 1}')]], adapter=lambda lib: lib.JSONAdapter()),
    Case("JSON with a schema", qa, [[message('{"answer": 1}')]], adapter=lambda lib: lib.JSONAdapter(), lm=SCHEMAS),
    Case(
        "JSON mode",
        qa,
        [[message('{"answer": 1}')]],
        adapter=lambda lib: lib.JSONAdapter(),
        lm={"supported_params": {"response_format"}},
    ),
    Case(
        "JSON mode for open mappings",
        lambda lib: lib.Signature("question -> answer: dict[str, int]"),
        [[message('{"answer": {"x": 1}}')]],
        adapter=lambda lib: lib.JSONAdapter(),
        lm=SCHEMAS,
    ),
    Case(
        "a schema of models",
        lambda lib: lib.Signature(
            {"question": (str, lib.InputField()), "answer": (list[Author], lib.OutputField())}, "i"
        ),
        [[message('{"answer": [{"name": "N"}]}')]],
        adapter=lambda lib: lib.adapters.baml_adapter.BAMLAdapter(),
        lm=SCHEMAS,
    ),
    Case("tools", tools, [[message(None, tool_calls=[called(), called("seek", "{}", "b")])]], **NATIVE),
    Case("tools and text", answering_tools, [[message(chat(answer="a"), tool_calls=[called()])]], **NATIVE),
    Case("tools and other text", answering_tools, [[message("hm", tool_calls=[called()])]], **NATIVE),
    Case("tools and an answer instead", answering_tools, [[message(chat(answer="a"))]], **NATIVE),
    Case(
        "tools and broken arguments", tools, [[message(None, tool_calls=[called(arguments='{"place": "x')])]], **NATIVE
    ),
    Case("tools without arguments", tools, [[message(None, tool_calls=[called(arguments=None, id_=None)])]], **NATIVE),
    Case("nothing comes", tools, [[message(None)], [message(None)]], **NATIVE),
    Case(
        "one tool",
        one_tool,
        [[message(None, tool_calls=[called()])]],
        adapter=native,
        inputs=lambda lib: {"tool": lib.Tool(find)},
        lm=CALLER,
    ),
    Case(
        "tools in parallel",
        tools,
        [[message(None, tool_calls=[called()])]],
        **{**NATIVE, "adapter": lambda lib: native(lib, parallel_tool_calls=True)},
    ),
    Case(
        "tools one by one",
        tools,
        [[message(None, tool_calls=[called()])]],
        **{**NATIVE, "adapter": lambda lib: native(lib, parallel_tool_calls=False)},
    ),
    Case(
        "the call's own word on parallel tools",
        tools,
        [[message(None, tool_calls=[called()])]],
        **NATIVE,
        kwargs={"parallel_tool_calls": True, "tool_choice": "required"},
    ),
    Case("tools of the caller's", qa, [GOOD], kwargs={"tools": [1], "tool_choice": "auto"}),
    Case("tools of the caller's, kept", qa, [GOOD], adapter=native, kwargs={"tools": [1]}),
    Case(
        "an LM that cannot call",
        tools,
        [[message(chat(calls='{"tool_calls": [{"name": "find", "args": {"place": "x"}}]}'))]],
        adapter=native,
        inputs=with_tools,
        kwargs={"tool_choice": "auto"},
    ),
    Case(
        "tool calls in text",
        tools,
        [[message(chat(calls='[{"name": "find", "args": {}}]'))]],
        inputs=with_tools,
    ),
    Case(
        "tool calls in JSON",
        answering_tools,
        [[message('{"answer": "a", "calls": {"tool_calls": [{"name": "find", "arguments": "{}"}]}}')]],
        adapter=lambda lib: lib.JSONAdapter(use_native_function_calling=False),
        inputs=with_tools,
        lm=SCHEMAS | CALLER,
    ),
    Case(
        "JSON with native tools",
        answering_tools,
        [[message('{"answer": "a"}', tool_calls=[called()])]],
        adapter=lambda lib: lib.JSONAdapter(),
        inputs=with_tools,
        lm=SCHEMAS | CALLER,
    ),
    Case("calls without tools", calls_without_tools, [], adapter=native, lm=CALLER),
    Case("native reasoning", thinking, [[message(chat(answer="a"), reasoning_content="hm")]], lm=THINKER),
    Case("native reasoning that stays away", thinking, [[message(chat(answer="a"))]], lm=THINKER),
    Case(
        "native reasoning with an effort",
        thinking,
        [[message(chat(answer="a"), reasoning_content="hm")]],
        lm=THINKER,
        kwargs={"reasoning_effort": "high"},
    ),
    Case("reasoning as text", thinking, [[message(chat(reasoning="r", answer="a"))]]),
    Case(
        "reasoning as text on demand",
        thinking,
        [[message(chat(reasoning="r", answer="a"))]],
        lm=THINKER,
        kwargs={"reasoning_effort": None},
    ),
    Case(
        "no native types",
        thinking,
        [[message(chat(reasoning="r", answer="a"))]],
        adapter=lambda lib: lib.ChatAdapter(native_response_types=[lib.Code]),
        lm=THINKER,
    ),
]


def recording_lm(lib: Any, case: Case, asked: list[Any]) -> Any:
    answers = iter(case.answers)

    class Recording(lib.BaseLM):  # type: ignore[misc]
        blocking = False

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            asked.append({"messages": [dict(each) for each in messages], **{k: plain(v) for k, v in kwargs.items()}})
            choices = [
                SimpleNamespace(message=each, finish_reason="stop", logprobs={"content": [1]}) for each in next(answers)
            ]
            return SimpleNamespace(choices=choices, usage={"total_tokens": 1}, model="m")

        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return self.forward(prompt, messages, **kwargs)

    for name in ("supports_function_calling", "supports_reasoning", "supports_response_schema"):
        setattr(Recording, name, case.lm.get(name, False))
    Recording.supported_params = case.lm.get("supported_params", set())
    return Recording("model", cache=False)


def plain(value: Any) -> Any:
    if isinstance(value, type) and issubclass(value, pydantic.BaseModel):
        return [value.__name__, without_defaults(value.model_json_schema())]
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump()
    return value


def without_defaults(schema: Any) -> Any:
    """DSPy leaves defaults in the schemas of models, which strict structured outputs refuse."""
    if isinstance(schema, dict):
        return {key: without_defaults(value) for key, value in schema.items() if key != "default"}
    return [without_defaults(value) for value in schema] if isinstance(schema, list) else schema


def outcome(lib: Any, errors: Any, case: Case, call: Any) -> tuple[list[Any], Any]:
    asked: list[Any] = []
    lm = recording_lm(lib, case, asked)
    try:
        found = call(case.adapter(lib), lm, dict(case.kwargs), case.signature(lib), [], case.inputs(lib))
    except errors as error:
        return asked, (type(error).__name__, error.adapter_name)
    except ValueError:
        return asked, "refused"
    return asked, [{name: plain(value) for name, value in each.items()} for each in found]


def synchronously(adapter: Any, *arguments: Any) -> Any:
    return adapter(*arguments)


def asynchronously(adapter: Any, *arguments: Any) -> Any:
    return asyncio.run(adapter.acall(*arguments))


@pytest.mark.parametrize("call", [synchronously, asynchronously])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_calls_are_the_same(case: Case, call: Any) -> None:
    from dspex.errors import AdapterParseError

    asked, found = outcome(OURS, AdapterParseError, case, call)
    their_asked, their_found = outcome(dspy, dspy.utils.exceptions.AdapterParseError, case, call)
    assert found == their_found
    assert asked == their_asked
