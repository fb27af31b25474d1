"""`RLM` in the sandbox: its queries, its sub-agents, its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest
from support.answering import AnsweringLM, GatedLM

from dspex.clients import BaseLM
from dspex.errors import LMNotConfiguredError, LMRateLimitError
from dspex.predict import RLM, Predict
from dspex.primitives import CodeExecutionError, LocalInterpreter, PythonInterpreter, SandboxSerializable
from dspex.settings import configure, context, reset
from dspex.utils.dummies import DummyLM


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    reset()
    yield
    reset()


def step(text: str) -> dict[str, str]:
    return {"reasoning": "r", "code": f"```python\n{text}\n```"}


def answered(module: RLM, steps: list[str], use_async: bool = False, **inputs: Any) -> Any:
    configure(lm=DummyLM([step(text) for text in steps]))
    return asyncio.run(module.acall(**inputs)) if use_async else module(**inputs)


def outputs(prediction: Any) -> list[str]:
    return [entry["output"] for entry in prediction.trajectory]


class Echo(AnsweringLM):
    """Answers a bare prompt with itself in capitals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__({}, **kwargs)
        self.prompts: list[str] = []

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        asked = prompt or messages[-1]["content"]
        self.prompts.append(asked)
        return {"model": "m", "choices": [{"message": {"content": asked.upper()}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("factory", [PythonInterpreter, LocalInterpreter])
def test_it_works_through_its_inputs_by_code(factory: Any, use_async: bool) -> None:
    lm = Echo()
    rlm = RLM("context, query -> answer: int", sub_lm=lm, interpreter_factory=factory)
    steps = [
        "print(len(context), query['word'])",
        "parts = llm_query_batched([context[:2], 'é'])\nprint(parts, llm_query('b'))",
        "SUBMIT(answer=context.count('x'))",
    ]
    found = answered(rlm, steps, use_async, context="x" * 50_000, query={"word": "x"})
    assert found.answer == 50_000
    assert found.final_reasoning == "r"
    assert [line.strip() for line in outputs(found)] == ["50000 x", "['XX', 'É'] B", "FINAL: {'answer': 50000}"]
    assert sorted(lm.prompts) == sorted(["xx", "é", "b"])


def test_the_queries_of_a_batch_are_in_flight_at_once() -> None:
    class Gate(GatedLM):
        def respond(self, messages: Any, kwargs: Any) -> Any:
            return {"model": "m", "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}

    rlm = RLM("context -> answer", sub_lm=Gate({}, expected=30))
    found = answered(rlm, ["SUBMIT(len(llm_query_batched([context] * 30)))"], context="c")
    assert found.answer == "30"


def test_a_query_that_fails_is_told_in_its_place() -> None:
    class Failing(Echo):
        def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
            if "bad" in str(prompt or messages):
                raise LMRateLimitError("slow down")
            return super().forward(prompt, messages, **kwargs)

    tools = RLM("context -> answer", sub_lm=Failing(num_retries=0))._make_llm_tools()
    good, bad = tools["llm_query_batched"](["good", "bad"])
    assert (good, bad) == ("GOOD", "[ERROR] slow down")
    with pytest.raises(LMRateLimitError):
        tools["llm_query"]("bad")


def test_any_callable_is_asked_in_threads() -> None:
    tools = RLM("context -> answer", sub_lm=lambda prompt: [prompt * 2])._make_llm_tools()
    assert tools["llm_query"]("a") == "aa"
    assert tools["llm_query_batched"](["a", "b", "c"]) == ["aa", "bb", "cc"]
    assert tools["llm_query_batched"]([]) == []
    for wrong in ("text", [], [3], [{"no": "text"}], None):
        with pytest.raises(TypeError, match="Sub-LM"):
            RLM("context -> answer", sub_lm=lambda prompt, wrong=wrong: wrong)._make_llm_tools()["llm_query"]("a")


def test_queries_are_counted_however_they_are_made() -> None:
    rlm = RLM("context -> answer", sub_lm=lambda prompt: [prompt], max_llm_calls=3)
    tools = rlm._make_llm_tools()
    tools["llm_query_batched"](["a", "b"])
    with pytest.raises(RuntimeError, match=r"LLM call limit exceeded: 2 \+ 2 > 3"):
        tools["llm_query_batched"](["a", "b"])
    tools["llm_query"]("a")
    with pytest.raises(RuntimeError, match="limit exceeded"):
        tools["llm_query"]("a")
    with pytest.raises(ValueError, match="prompt cannot be empty"):
        tools["llm_query"]("")


def test_without_an_lm_it_says_so() -> None:
    with pytest.raises(LMNotConfiguredError):
        RLM("context -> answer")._make_llm_tools()["llm_query"]("a")


class Sub(AnsweringLM):
    """A sub-agent's LM."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__({"a": "five", "reasoning": "r"}, **kwargs)


SUB_AGENTS = [
    "import dspy\nask = dspy.Predict('q -> a')\nfirst = ask(q='?')\nprint(first.a, first['a'], ask(q='!'))",
    "from dspy import ChainOfThought as C\nprint(C(dspy.Signature('q -> a', 'Be brief.'))(q='?').reasoning)",
    "def f(q):\n    return dspy.Predict('q -> a', temperature=0.5)(q=q).a\nprint(f('x'))",
    "dspy.Predict('q -> a', api_base='http://evil')(q='?')",
    "dspy.RLM('c -> a', interpreter_factory='mine')(c='?')",
    "dspy.ReActV2('q -> a', tools=[f])(q='?')",
    "dspy.ReActV2('q -> a', tools=[greet])",
    "SUBMIT('done')",
]


def greet(name: str) -> str:
    """Say hello."""
    return f"hello {name}"


def test_code_builds_sub_agents_that_run_on_the_host() -> None:
    lm = Sub(temperature=0.1)
    rlm = RLM("context -> answer", sub_lm=lm, tools=[greet])
    told = outputs(answered(rlm, SUB_AGENTS, context="c"))
    assert told[0] == "five five Prediction({'a': 'five'})\n"
    assert told[1] == "r\n"
    assert told[2] == "five\n"
    assert "Sandboxed code may not set LM option(s) ['api_base']" in told[3]
    assert "cannot choose its interpreter_factory" in told[4]
    assert "referenced tool 'f', which was not provided" in told[5]
    assert "Be brief." in lm.requests[2]["messages"][0]["content"]
    assert lm.requests[3]["temperature"] == 0.5


def test_sub_agents_spend_the_same_budget() -> None:
    rlm = RLM("context -> answer", sub_lm=Sub(), max_llm_calls=2)
    spend = "import dspy\nask = dspy.Predict('q -> a')\nfor n in range(3):\n    ask(q=str(n))"
    told = outputs(answered(rlm, [spend, "SUBMIT('done')"], context="c"))
    assert "LLM call limit exceeded" in told[0]


def test_a_sub_agent_may_be_an_rlm() -> None:
    inner = [step("print(c)"), step("SUBMIT(a=c * 2)")]
    outer = [step("import dspy\nr = dspy.RLM('c -> a')(c='xy')\nprint(r.a)"), *inner, step("SUBMIT(answer=r.a)")]
    configure(lm=DummyLM(outer))
    assert RLM("context -> answer")(context="c").answer == "xyxy"


def test_an_interpreter_without_sub_agents_is_not_told_of_them(caplog: pytest.LogCaptureFixture) -> None:
    class Bare(PythonInterpreter):
        def provide_module(self, name: str, code: str) -> None:
            raise CodeExecutionError("cannot")

    lm = DummyLM([step("SUBMIT('done')")])
    configure(lm=lm)
    assert RLM("context -> answer")(context="c", interpreter_factory=Bare).answer == "done"
    assert "Sub-agents" not in lm.history[0]["messages"][0]["content"]


def test_errors_are_told_to_the_lm_and_do_not_end_the_work() -> None:
    steps = [
        "1 / 0",
        "import numpy",
        "SUBMIT('many')",
        "SUBMIT(1, 2)",
        "while True:\n    pass",
        "def f(:",
        "print('x' * 50)",
        "SUBMIT(answer=3)",
    ]
    rlm = RLM("context -> answer: int", interpreter_factory=lambda: PythonInterpreter(max_seconds=0.2))
    found = answered(rlm, steps, context="c")
    told = outputs(found)
    assert found.answer == 3
    assert told[0] == "[Error] ZeroDivisionError: ['division by zero']"
    assert "[Error] ModuleNotFoundError" in told[1]
    assert told[2].startswith("[Type Error] answer: expected int, got str")
    assert "SUBMIT(answer)" in told[3]
    assert "nothing that this code did was kept" in told[4]
    assert told[5].startswith("[Error] Invalid Python syntax")


@pytest.mark.parametrize("use_async", [False, True])
def test_at_the_end_of_its_turns_it_answers_from_what_it_found(use_async: bool) -> None:
    configure(lm=DummyLM([step("print(1)"), step("print(2)"), {"answer": "three"}]))
    rlm = RLM("context -> answer", max_iters=2)
    found = asyncio.run(rlm.acall(context="c")) if use_async else rlm(context="c")
    assert (found.answer, found.final_reasoning) == ("three", "Extract forced final output")
    assert outputs(found) == ["1\n", "2\n"]


class Table(SandboxSerializable):
    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def sandbox_setup(self) -> str:
        return "import json"

    def to_sandbox(self) -> bytes:
        return self.payload

    def sandbox_assignment(self, var_name: str, data_expr: str) -> str:
        return f"{var_name} = json.loads({data_expr}) if isinstance({data_expr}, str) else len({data_expr})"

    def rlm_preview(self, max_chars: int = 500) -> str:
        return "a table"


@pytest.mark.parametrize(("payload", "seen"), [(b'{"rows": [1, 2]}', {"rows": [1, 2]}), (b"\xff\xfe\x00", 3)])
def test_values_that_enter_by_code_of_their_own(payload: bytes, seen: Any) -> None:
    from dspex.signatures import InputField, OutputField, make_signature

    lm = DummyLM([step("SUBMIT(answer=str(table))")])
    configure(lm=lm)
    signature = make_signature({"table": (Table, InputField(desc="rows")), "answer": (str, OutputField())})
    assert RLM(signature)(table=Table(payload)).answer == str(seen)
    told = lm.history[0]["messages"][-1]["content"]
    assert "a table" in told
    assert "Sandbox imports available:\n    import json" in told


def test_tools_of_every_kind_are_called_by_code() -> None:
    async def later(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    class Counter:
        """Count."""

        def __call__(self, by: int = 2) -> int:
            return by * 2

    from dspex.adapters.types.tool import Tool

    rlm = RLM("context -> answer", tools=[greet, later, Tool(Counter(), name="count")])
    code = "SUBMIT([greet('a'), greet(name='b'), later(1), count(), count(by=5)])"
    assert rlm.tools.keys() == {"greet", "later", "count"}
    assert answered(rlm, [code], context="c").answer == "['hello a', 'hello b', 2, 4, 10]"


def test_hundreds_run_at_once() -> None:
    count = 200

    class Program(BaseLM):
        blocking = False

        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            text = "[[ ## reasoning ## ]]\nr\n\n[[ ## code ## ]]\nSUBMIT(answer=int(llm_query(context)) * 2)"
            text = prompt or text
            return {"model": "m", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    configure(lm=Program("program"))
    rlm = RLM("context -> answer: int")

    async def run() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(rlm.acall(context=str(number))) for number in range(count)]
        return [task.result().answer for task in tasks]

    assert asyncio.run(run()) == [2 * number for number in range(count)]


def test_it_is_copied_pickled_saved_and_loaded(tmp_path: Any) -> None:
    rlm = RLM("context -> answer: int", tools=[greet], max_iters=7)
    rlm.generate_action.demos = [{"variables_info": "v", "code": "print(1)"}]
    for other in (rlm.deepcopy(), cloudpickle.loads(cloudpickle.dumps(rlm))):
        assert other.dump_state() == rlm.dump_state()
        assert answered(other, ["SUBMIT(len(greet(context)))"], context="c").answer == 7
    rlm.save(tmp_path / "rlm.json")
    fresh = RLM("context -> answer: int", tools=[greet])
    fresh.load(tmp_path / "rlm.json")
    assert fresh.dump_state() == rlm.dump_state()


def test_an_optimizers_instructions_are_kept() -> None:
    rlm = RLM("context -> answer")
    rlm.generate_action.signature = rlm.generate_action.signature.with_instructions("Be quick.")
    lm = DummyLM([step("SUBMIT('a')")] * 2)
    configure(lm=lm)
    rlm(context="c")
    with context(interpreter_factory=LocalInterpreter):
        rlm(context="c")
    first, second = [entry["messages"][0]["content"] for entry in lm.history]
    assert "Be quick." in first
    assert "Execution environment" not in first
    assert f"Be quick.\n        Execution environment:\n        {LocalInterpreter.execution_instructions}" in second


def test_predictors_are_seen_by_optimizers() -> None:
    assert [name for name, _ in RLM("a -> b").named_predictors()] == ["generate_action", "extract"]
    assert all(isinstance(part, Predict) for part in RLM("a -> b").predictors())
