"""What an optimizer may change and a saved program holds."""

from __future__ import annotations

from typing import Any


class Parameter:
    """A part of a program with state of its own, which `Module.named_parameters` lists and `Module.save` keeps.

    A subclass has `reset()`, `dump_state(json_mode=True)` and `load_state(state)`.
    """


class ParameterHolder:
    """A program or a part of one that has parameters and submodules: the base of `BaseModule`.

    The files below `BaseModule` (traversal, copies, saved state) know programs by this class.
    """

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """The parameters with their paths."""
        raise NotImplementedError

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Return the state of every parameter by path."""
        raise NotImplementedError


class Predictor(Parameter):
    """A parameter that prompts a language model: its signature, its demos, its LM. `Predict` is one."""

    signature: Any
    demos: list[Any]
    lm: Any

    def load_state(self, state: Any, *, allow_unsafe_lm_state: bool = False) -> Any:
        """Take over a state, all of it or nothing, and return this predictor.

        Args:
            state: What `dump_state`, or DSPy's, returned.
            allow_unsafe_lm_state: As for `Module.load_state`.

        Raises:
            UsageError: the state does not fit.
        """
        self.__dict__.update(self.read_state(state, where="self", allow_unsafe_lm_state=allow_unsafe_lm_state))
        return self

    def read_state(self, state: Any, *, where: str, allow_unsafe_lm_state: bool = False) -> dict[str, Any]:
        """Check a state and return the attributes it stands for; this changes nothing.

        Args:
            state: What `dump_state`, or DSPy's, returned.
            where: The path of the predictor in its program, for errors.
            allow_unsafe_lm_state: As for `Module.load_state`.

        Raises:
            UsageError: the state does not fit.
        """
        raise NotImplementedError
