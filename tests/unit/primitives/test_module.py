import copy
from typing import Any

import cloudpickle
import pytest
from support.answering import AnsweringLM

from dspex.callback import BaseCallback
from dspex.errors import UsageError
from dspex.predict import ChainOfThought, Predict
from dspex.primitives import Example, Module, Parameter, Prediction
from dspex.settings import context, settings


class Forgetful(Module):
    """Does not call ``super().__init__``."""

    def __init__(self) -> None:
        self.ask = Predict("question -> answer")

    def forward(self, question: str) -> Prediction:
        return self.ask(question=question)


class Program(Module):
    def __init__(self) -> None:
        super().__init__()
        self.gen = ChainOfThought("question -> answer")
        self.steps = [Predict("a -> b"), Predict("b -> c")]
        self.pair = (Predict("c -> d"),)
        self.table = {"x": Predict("d -> e"), "y": ChainOfThought("e -> f")}
        self.again = self.steps[0]


PATHS = ["gen.predict", "steps[0]", "steps[1]", "pair[0]", "table['x']", "table['y'].predict"]


def test_predictors_are_named_by_their_paths_each_once() -> None:
    program = Program()
    assert [path for path, _ in program.named_predictors()] == PATHS
    assert [program.predictor_name(predictor) for predictor in program.predictors()] == PATHS
    assert program.predictor_name(Predict("x -> y")) is None


def test_a_bare_predictor_is_self() -> None:
    predictor = Predict("question -> answer")
    assert predictor.named_predictors() == [("self", predictor)]


def test_predictors_of_a_compiled_submodule_are_frozen() -> None:
    program = Program()
    program.gen._compiled = True
    assert "gen.predict" not in dict(program.named_predictors())


def test_a_module_is_complete_even_without_super_init() -> None:
    program = Forgetful()
    assert program.callbacks == []
    assert program.history == []
    assert program._compiled is False


def test_sub_modules_are_found_wherever_they_are() -> None:
    program = Program()
    names = [name for name, _ in program.named_sub_modules()]
    assert names[0] == "self"
    assert {"self.gen", "self.gen.predict", "self.steps[1]", "self.table[y]", "self.table[y].predict"} <= set(names)
    chains = [name for name, _ in program.named_sub_modules(ChainOfThought)]
    assert chains == ["self.gen", "self.table[y]"]


def test_map_named_predictors_replaces_them_where_they_are() -> None:
    program = Program()
    program.map_named_predictors(lambda old: Predict(old.signature, temperature=0.5))
    assert [path for path, _ in program.named_predictors()][: len(PATHS)] == PATHS
    assert all(p.config == {"temperature": 0.5} for path, p in program.named_predictors() if path in PATHS)
    assert isinstance(program.pair, tuple)


def test_a_bare_predictor_cannot_be_replaced_inside_itself() -> None:
    with pytest.raises(UsageError, match="bare predictor"):
        Predict("a -> b").map_named_predictors(lambda old: Predict("c -> d"))


def test_set_lm_reaches_every_predictor() -> None:
    program, lm = Program(), AnsweringLM({})
    program.set_lm(lm)
    assert program.get_lm() is lm
    program.steps[0].lm = AnsweringLM({})
    with pytest.raises(UsageError, match="Multiple LMs are being used"):
        program.get_lm()


@pytest.mark.parametrize("copied_by", [lambda program: program.deepcopy(), copy.deepcopy])
def test_copies_share_lms_and_signatures_and_nothing_else(copied_by: Any) -> None:
    program = Program()
    lm = AnsweringLM({})
    program.set_lm(lm)
    program.steps[0].demos = [Example(a=["x"], b="y")]
    copied = copied_by(program)
    copied.steps[0].demos[0].a.append("z")
    copied.steps[0].demos.append(Example())
    assert program.steps[0].demos == [Example(a=["x"], b="y")]
    assert copied.get_lm() is lm
    assert [p.signature for p in copied.predictors()] == [p.signature for p in program.predictors()]
    assert copied.again is copied.steps[0]
    assert not {id(p) for p in copied.predictors()} & {id(p) for p in program.predictors()}


def test_a_copy_shares_what_refuses_to_be_copied(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn:
        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("no copies")

        __copy__ = __deepcopy__

    program: Any = Program()
    program.client = Stubborn()
    assert program.deepcopy().client is program.client
    assert "Failed to deep copy attribute 'client' of Program" in caplog.text


def test_reset_copy_forgets_demos_and_lms() -> None:
    program = Program()
    program.set_lm(AnsweringLM({}))
    program.steps[0].demos = [Example(a=1)]
    fresh = program.reset_copy()
    assert fresh.steps[0].demos == []
    assert fresh.get_lm() is None
    assert program.steps[0].demos == [Example(a=1)]


def test_pickling_leaves_history_and_callbacks_behind() -> None:
    program = Predict("a -> b", callbacks=[BaseCallback()])
    program.history.append({"x": 1})
    loaded = cloudpickle.loads(cloudpickle.dumps(program))
    assert (loaded.history, loaded.callbacks) == ([], [])
    assert loaded.signature.equals(program.signature)


def test_history_goes_to_every_module_on_the_way() -> None:
    program = Forgetful()
    with context(lm=AnsweringLM({"answer": "a"})):
        program(question="q")
    assert len(program.history) == len(program.ask.history) == 1
    assert settings.caller_modules is None


def test_inspect_history_prints_the_last_calls(capsys: pytest.CaptureFixture[str]) -> None:
    program = Forgetful()
    with context(lm=AnsweringLM({"answer": "forty-two"})):
        program(question="what is it?")
    program.inspect_history()
    assert "forty-two" in capsys.readouterr().out


class Listener(BaseCallback):
    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.heard.append(("start", type(instance).__name__))

    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.heard.append(("end", outputs if exception is None else type(exception).__name__))


async def test_callbacks_hear_of_every_module_sync_and_async() -> None:
    listener = Listener()
    with context(lm=AnsweringLM({"answer": "a"}), callbacks=[listener]):
        await Forgetful().acall(question="q")
    answer = Prediction(answer="a")
    assert listener.heard == [("start", "Forgetful"), ("start", "Predict"), ("end", answer), ("end", answer)]


def test_a_failing_callback_does_not_fail_the_call(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BaseCallback):
        def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            raise RuntimeError("broken callback")

    with context(lm=AnsweringLM({"answer": "a"}), callbacks=[Broken()]):
        assert Forgetful()(question="q").answer == "a"
    assert "broken callback" in caplog.text


def test_usage_is_tracked_on_request() -> None:
    with context(lm=AnsweringLM({"answer": "a"}), track_usage=True):
        usage = Forgetful()(question="q").get_lm_usage()
    assert usage is not None
    assert usage["answering"]["total_tokens"] == 5


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(UsageError, match="forward"):
        Module()()


class Sync(Module):
    def forward(self) -> str:
        return "sync"


class Both(Sync):
    async def aforward(self) -> str:
        return "async"


class SyncAgain(Both):
    def forward(self) -> str:
        return "sync again"


class Async(Module):
    async def aforward(self) -> str:
        return "async"


@pytest.mark.parametrize(
    ("program", "called", "awaited"),
    [(Sync, "sync", "sync"), (Async, "async", "async"), (SyncAgain, "sync again", "sync again")],
)
async def test_the_nearest_definition_runs_however_it_is_called(program: Any, called: str, awaited: str) -> None:
    from dspex.bridge import run_sync

    assert await run_sync(program()) == called
    assert await program().acall() == awaited
    assert program()() == called


def test_a_forward_put_on_the_instance_wins() -> None:
    program: Any = Both()
    program.forward = lambda: "patched"
    assert program() == "patched"


async def test_an_asynchronous_forward_is_awaited() -> None:
    class Async(Module):
        async def forward(self, x: int) -> int:
            return x

    assert await Async().acall(x=1) == 1
    assert await Async()(x=2) == 2


def test_a_parameter_of_the_users_own_is_saved_loaded_and_given_an_lm() -> None:
    class Own(Module, Parameter):
        lm: Any = None
        value = 0

        def reset(self) -> None:
            self.value = 0

        def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
            return {"value": self.value}

        def load_state(self, state: Any, *, allow_unsafe_lm_state: bool = False) -> None:
            if state["value"] < 0:
                raise ValueError("negative")
            self.value = state["value"]

    program: Any = Module()
    program.own, program.ask = Own(), Predict("a -> b")
    lm = AnsweringLM({})
    program.set_lm(lm)
    assert program.own.lm is program.get_lm() is lm
    program.set_lm(None)
    program.load_state({**program.dump_state(), "own": {"value": 3}})
    assert program.own.value == 3
    with pytest.raises(ValueError, match="negative"):
        program.load_state({"ask": Predict("a -> b").dump_state(), "own": {"value": -1}})
    assert program.own.value == 3


def test_a_predictor_that_loads_its_state_its_own_way_does_so_in_a_program_too() -> None:
    class Loud(Predict):
        loaded = 0

        def load_state(self, state: Any, *, allow_unsafe_lm_state: bool = False) -> Any:
            self.loaded += 1
            return super().load_state(state, allow_unsafe_lm_state=allow_unsafe_lm_state)

    program: Any = Module()
    program.ask = Loud("a -> b")
    program.load_state(program.dump_state())
    assert program.ask.loaded == 1
