"""Modules that write code say the same to the LM, byte for byte, and make the same of its answers.

Both sides run the code in their own `LocalInterpreter`, whose Python is the same.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal

import pydantic
import pytest

import dspex

dspy = pytest.importorskip("dspy")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SIDES = (dspy, dspex)


def completion(**fields: Any) -> str:
    written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in written.items()) + "\n\n[[ ## completed ## ]]"


def scripted(library: Any, answers: Sequence[str]) -> tuple[Any, list[Any]]:
    """An LM that gives the answers in order, and the list of what it is asked."""
    asked: list[Any] = []

    class Scripted(library.BaseLM):  # type: ignore[misc]
        blocking = False

        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            asked.append([dict(message) for message in messages or [{"role": "user", "content": prompt}]])
            choice = SimpleNamespace(message=SimpleNamespace(content=answers[len(asked) - 1]), finish_reason="stop")
            return SimpleNamespace(choices=[choice], usage={"total_tokens": 1}, model="m")

        async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            return self.forward(prompt, messages, **kwargs)

    return Scripted("scripted"), asked


def both(make: Any, answers: Sequence[str], inputs: dict[str, Any], use_async: bool = False) -> list[Any]:
    """What each side asked and answered."""
    outcomes = []
    for library in SIDES:
        lm, asked = scripted(library, answers)
        with library.context(lm=lm, adapter=library.ChatAdapter()):
            module = make(library)
            try:
                run = module.acall(**inputs) if use_async else module(**inputs)
                found: Any = dict((asyncio.run(run) if use_async else run).items())
            except Exception as error:  # noqa: BLE001 - errors are compared, too
                found = (type(error).__name__, str(error))
        outcomes.append({"asked": asked, "found": found})
    return outcomes


def assert_alike(outcomes: list[Any]) -> None:
    theirs, ours = outcomes
    assert json.dumps(ours["asked"], indent=1) == json.dumps(theirs["asked"], indent=1)
    assert ours["found"] == theirs["found"]


def code(text: str, **more: Any) -> str:
    return completion(reasoning="Let me see.", generated_code=f"```python\n{text}\n```", **more)


POT_ANSWERS = {
    "submits": [code("SUBMIT({'answer': 40 + 2})"), completion(reasoning="r", answer="42")],
    "last variable": [code("total = sum(range(4))"), completion(reasoning="r", answer="6")],
    "mended": [code("1 / 0"), code("def f(:"), code("print('é', 3)"), completion(reasoning="r", answer="3")],
    "empty": [code(""), code("x = 1; y = 2; z = 3"), code("None"), completion(reasoning="r", answer="3")],
    "unfenced": [completion(reasoning="r", generated_code="a = 5\nb = a"), completion(reasoning="r", answer="5")],
    "hopeless": [code("1 / 0")] * 3,
}


@pytest.mark.parametrize("answers", POT_ANSWERS.values(), ids=POT_ANSWERS)
def test_program_of_thought(answers: list[str]) -> None:
    make = lambda lib: lib.ProgramOfThought("question -> answer", interpreter_factory=lib.LocalInterpreter)  # noqa: E731
    assert_alike(both(make, answers, {"question": "How many?"}))


def test_program_of_thought_with_a_typed_signature() -> None:
    def make(library: Any) -> Any:
        class Sum(library.Signature):  # type: ignore[misc]
            """Add the numbers."""

            numbers: list[int] = library.InputField(desc="to add")
            total: int = library.OutputField(desc="their sum")
            parity: Literal["even", "odd"] = library.OutputField()

        return library.ProgramOfThought(Sum, interpreter_factory=library.LocalInterpreter)

    answers = [code("total = 3\nSUBMIT({'total': total})"), completion(reasoning="r", total=3, parity="odd")]
    assert_alike(both(make, answers, {"numbers": [1, 2]}))


def double(n: int) -> int:
    """Twice as many."""
    return 2 * n


def greet(name: str, loud: bool = False) -> str:
    return name.upper() if loud else name


ACT_ANSWERS = {
    "one turn": [
        code("print(double(4), greet('a', loud=True))", finished=True),
        completion(reasoning="r", answer="8"),
    ],
    "errors": [
        code("", finished=False),
        code("double()", finished=False),
        code("x = double(4)", finished=False),
        code("x + 1", finished=True),
        completion(reasoning="r", answer="9"),
    ],
}


@pytest.mark.parametrize("answers", ACT_ANSWERS.values(), ids=ACT_ANSWERS)
def test_code_act(answers: list[str]) -> None:
    def make(library: Any) -> Any:
        tools = [double, library.Tool(greet, desc="Say hello\nto somebody")]
        return library.CodeAct("question -> answer", tools, interpreter_factory=library.LocalInterpreter)

    answers = [answer.replace("[[ ## reasoning ## ]]\nLet me see.\n\n", "") for answer in answers]
    assert_alike(both(make, answers, {"question": "How many?"}))


def step(text: str) -> str:
    return completion(reasoning="I think.", code=f"```python\n{text}\n```")


RLM_ANSWERS = {
    "submits": [step("print(len(context))"), step("SUBMIT(answer=len(context))")],
    "errors": [
        step("1 / 0"),
        step("SUBMIT(context)"),
        step("SUBMIT(answer='many')"),
        completion(reasoning="I think.", code="```sql\nselect\n```"),
        completion(reasoning="I think.", code="print('no fence')"),
        step("None"),
        step("[1, 'a']"),
        step("print('x' * 300)"),
        completion(answer="7"),
    ],
    "asks": [
        step("print(llm_query('one?'), llm_query_batched(['two?', 'three?']))"),
        *("uno", "dos", "tres"),
        step("print(llm_query_batched([]))\nllm_query('')"),
        step("llm_query_batched(['a'] * 90)"),
        step("SUBMIT(3)"),
    ],
    "tools and sub-agents": [
        step("print(double(n=21))"),
        step("import dspy\nask = dspy.Predict('q: str -> a: int')\nprint(ask(q='hm').a, ask(q='hm'))"),
        completion(a=5),
        completion(a=6),
        step("print(dspy.ChainOfThought(dspy.Signature('q -> a', 'Be brief.'))(q='?')['a'])"),
        completion(reasoning="r", a="yes"),
        step("dspy.Predict('q -> a', lm='x')(q=1)"),
        step("dspy.BestOfN"),
        step("SUBMIT(answer='12')"),
    ],
}


def rlm(library: Any, **options: Any) -> Any:
    class Count(library.Signature):  # type: ignore[misc]
        """Count the words."""

        context: str = library.InputField(desc="a long text")
        query: dict[str, Any] = library.InputField()
        answer: int = library.OutputField(desc="how many", ge=0)

    options = {"max_iters": 8, "max_output_chars": 200, "tools": [double], **options}
    return library.RLM(Count, interpreter_factory=library.LocalInterpreter, **options)


LONG = "Call me Ishmael. " * 100


@pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("answers", RLM_ANSWERS.values(), ids=RLM_ANSWERS)
def test_rlm(answers: list[str], use_async: bool) -> None:
    inputs = {"context": LONG, "query": {"word": "é", "at": [1, 2]}}
    assert_alike(both(rlm, answers, inputs, use_async))


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(pydantic.BaseModel):
    x: int
    y: float | None = None


def typed(library: Any) -> Any:
    class Typed(library.Signature):  # type: ignore[misc]
        things: list[str] = library.InputField()
        colour: Colour = library.OutputField()
        point: Point = library.OutputField()
        maybe: int | None = library.OutputField()

    return library.RLM(Typed, max_iters=2, interpreter_factory=library.LocalInterpreter)


def test_rlm_reads_submitted_values_in_their_types() -> None:
    last = step("SUBMIT(colour='red', point={'x': 1}, maybe=None)")
    wrong = step("SUBMIT(colour='green', point={'x': 'a'}, maybe='b')")
    theirs, ours = both(typed, [wrong, last], {"things": ["a", "b"]})
    assert ours["found"]["point"] == theirs["found"]["point"] == Point(x=1)
    assert ours["found"]["colour"] == theirs["found"]["colour"] == Colour.RED
    assert ours["asked"][0] == theirs["asked"][0]


def test_the_configured_interpreter_describes_itself_in_the_prompt() -> None:
    def make(library: Any) -> Any:
        class Factory:
            execution_instructions = "Runs on Mars."

            def __call__(self) -> Any:
                return library.LocalInterpreter()

        with library.context(interpreter_factory=Factory()):
            return library.RLM("context -> answer", max_iters=1)

    theirs, ours = [make(library).generate_action.signature.instructions for library in SIDES]
    assert ours == theirs
    assert "Execution environment:\nRuns on Mars.\n" in ours


def another(library: Any) -> Any:
    """Made for one interpreter, called with another that cannot run sub-agents."""

    class Bare:
        execution_instructions = "Bare."

        def __init__(self) -> None:
            self.tools: dict[str, Any] = {}

        def start(self) -> None: ...
        def shutdown(self) -> None: ...
        def execute(self, code: str, variables: Any = None) -> Any:
            if "_dspy" in code:
                raise library.CodeExecutionError("no underscores")
            return library.FinalOutput({"answer": code})

    module = library.RLM("context -> answer", interpreter_factory=library.LocalInterpreter)
    return functools.partial(module, interpreter_factory=Bare)


def test_rules_of_another_interpreter_replace_those_it_was_made_with() -> None:
    assert_alike(both(another, [step("1")], {"context": "c"}))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda lib: lib.RLM("context -> answer", tools={"a": double}),
        lambda lib: lib.RLM("context -> answer", tools=[3]),
        lambda lib: lib.RLM("context -> answer", tools=[lib.Tool(double, name="not a name")]),
        lambda lib: lib.RLM("context -> answer", tools=[lib.Tool(double, name="llm_query")]),
        lambda lib: lib.RLM("context -> answer", tools=[lib.Tool(double, name="_dspy_x")]),
        lambda lib: lib.RLM("context -> answer", tools=[double, double]),
        lambda lib: lib.RLM("SUBMIT -> answer"),
        lambda lib: lib.RLM("double -> answer", tools=[double]),
        lambda lib: lib.RLM("interpreter_factory -> answer"),
        lambda lib: lib.RLM("context -> trajectory"),
        lambda lib: lib.RLM("context -> answer")(question="q"),
        lambda lib: lib.RLM("context -> answer")(),
        lambda lib: lib.RLM("context -> answer", interpreter_factory=lib.LocalInterpreter()),
        lambda lib: lib.RLM("context -> answer", interpreter_factory=3),
        lambda lib: lib.ProgramOfThought("a -> b", interpreter_factory="x"),
        lambda lib: lib.ProgramOfThought("a -> b")(interpreter=1, a="x"),
        lambda lib: lib.ProgramOfThought("a -> b")(3, a="x"),
        lambda lib: lib.CodeAct("a -> b", tools=[print]),
        lambda lib: lib.LocalInterpreter(execution_timeout=0),
        lambda lib: lib.LocalInterpreter(tools={"a b": double}),
        lambda lib: lib.LocalInterpreter(output_fields=[{"name": "a"}, {"name": "a"}]),
        lambda lib: lib.PythonInterpreter(deno_command={}),
    ],
)
def test_misuse_is_refused_with_the_same_kind_of_error(wrong: Any) -> None:
    kinds = []
    for library in SIDES:
        with pytest.raises(Exception) as caught:
            wrong(library)
        kinds.append([kind.__name__ for kind in caught.type.__mro__ if kind.__module__ == "builtins"])
    assert set(kinds[0]) <= set(kinds[1])


def test_saved_programs_name_the_same_predictors() -> None:
    makers = (
        lambda lib: lib.ProgramOfThought("a -> b"),
        lambda lib: lib.CodeAct("a -> b", tools=[double]),
        lambda lib: lib.RLM("a -> b"),
    )
    for make in makers:
        assert list(make(dspex).dump_state()) == list(make(dspy).dump_state())


REPL_VALUES = [
    "text",
    "x" * 2000,
    {"a": [1, {"b": None}]},
    [1, 2],
    None,
    3.5,
    Point(x=1),
    {1, 2},
    Colour.RED,
    "é" * 1001,
]


@pytest.mark.parametrize("value", REPL_VALUES, ids=range(len(REPL_VALUES)))
def test_variables_are_described_alike(value: Any) -> None:
    told = []
    for library in SIDES:
        module = library.RLM("context, other -> answer", interpreter_factory=library.LocalInterpreter)
        told.append([variable.format() for variable in module._build_variables(context=value, other=1)])
    assert told[1] == told[0]


@pytest.mark.parametrize("limit", [10_000, 10, 5, 1, 0])
def test_histories_are_formatted_alike(limit: int) -> None:
    from dspy.primitives.repl_types import REPLHistory as Theirs

    from dspex.primitives.repl_types import REPLHistory as Ours

    texts = []
    for history_class in (Theirs, Ours):
        history: Any = history_class(max_output_chars=limit)
        texts.append([history.format()])
        history = history.append(code="x", output="0123456789a").append(reasoning="hm", code="y\nz", output="")
        texts[-1] += [history.format(), json.dumps(history.model_dump()), len(history), bool(history)]
        texts[-1] += [entry.model_dump() for entry in history]
    assert texts[1] == texts[0]


FENCES = [
    "x = 1",
    "```python\nx = 1\n```",
    "```\nx\n```",
    "Sure:\n```py\nx\n```\nand\n```python\ny\n```",
    "```\n```python\nx\n```\n```",
    "```python\nx",
    "```",
    "```json\n{}\n```",
    "``` Python extra\nx\n```",
    "a ``` b",
    "",
]


@pytest.mark.parametrize("text", FENCES)
def test_code_is_taken_out_of_fences_alike(text: str) -> None:
    from dspy.predict.rlm import _strip_code_fences as theirs

    from dspex.predict.rlm import _strip_code_fences as ours

    outcomes = []
    for strip in (theirs, ours):
        try:
            outcomes.append(strip(text))
        except SyntaxError as error:
            outcomes.append(str(error))
    assert outcomes[1] == outcomes[0]


EXECUTIONS = [
    "x = 2\nprint('a')",
    "x * 3",
    "print('a')\nx",
    "twice(4)",
    "twice(n=4)",
    "twice()",
    "fail()",
    "SUBMIT(1, 'b')",
    "SUBMIT(a=1, b=2)",
    "SUBMIT(1)",
    "SUBMIT(1, b=2)",
    "raise ValueError('v', 2)",
    "def f(",
    "import sys; print('e', file=sys.stderr); sys.stdout.write('o')",
    "[i for i in range(3)]",
    "object",
    "given",
    "try:\n    SUBMIT(a=1, b=2)\nexcept Exception:\n    print('not caught')",
]


def test_local_interpreters_return_and_raise_alike() -> None:
    def fail() -> None:
        raise KeyError("k")

    outcomes: list[list[Any]] = [[], []]
    for library, outcome in zip(SIDES, outcomes, strict=True):
        fields = [{"name": "a"}, {"name": "b"}]
        tools = {"twice": lambda n: 2 * n, "fail": fail}
        with library.LocalInterpreter(tools=tools, output_fields=fields) as interpreter:
            for piece in EXECUTIONS:
                try:
                    outcome.append(repr(interpreter.execute(piece, {"given": {"a": [1, None]}})))
                except (library.CodeExecutionError, SyntaxError) as error:
                    outcome.append((type(error).__name__, str(error).partition(": a, b")[0]))
    assert dict(zip(EXECUTIONS, outcomes[1], strict=True)) == dict(zip(EXECUTIONS, outcomes[0], strict=True))
