"""An optimizer in DSPy's way: a subclass of `Teleprompter` that overrides `compile`."""

from typing import Any

import pytest

import dspex
from dspex.callback import BaseCallback
from dspex.settings import context
from dspex.teleprompt.bootstrap import BootstrapFewShot
from dspex.teleprompt.teleprompt import Teleprompter
from dspex.teleprompt.vanilla import LabeledFewShot


class Shortest(Teleprompter):
    """Takes the shortest example as the demo."""

    def __init__(self, k: int = 1) -> None:
        super().__init__()
        self.k = k

    def compile(self, student: Any, *, trainset: Any, **kwargs: Any) -> Any:
        compiled = student.reset_copy()
        compiled.demos = sorted(trainset, key=len)[: self.k]
        return compiled


def test_a_subclass_needs_compile_alone_and_callbacks_hear_of_it() -> None:
    heard: list[Any] = []

    class Listener(BaseCallback):
        def on_compile_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            heard.append((type(instance), sorted(inputs)))

        def on_compile_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
            heard.append(outputs)

    trainset = [dspex.Example(question="q", answer="a").with_inputs("question")]
    with context(callbacks=[Listener()]):
        compiled = Shortest().compile(dspex.Predict("question -> answer"), trainset=trainset)
    assert compiled.demos == trainset
    assert heard[0][0] is Shortest
    assert {"student", "trainset"} <= set(heard[0][1])
    assert heard[1] is compiled


def test_the_base_cannot_compile_and_tells_its_parameters() -> None:
    with pytest.raises(NotImplementedError):
        Teleprompter().compile(dspex.Predict("question -> answer"), trainset=[])
    assert Shortest(3).get_params() == {"k": 3}


def test_every_optimizer_is_a_teleprompter_under_dspys_names() -> None:
    assert isinstance(BootstrapFewShot(), Teleprompter)
    assert isinstance(LabeledFewShot(), Teleprompter)
    assert dspex.Teleprompter is Teleprompter
    assert dspex.LabeledFewShot is LabeledFewShot
