"""`Teleprompter`: DSPy's base class of optimizers, and its way to write one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspex.callback_methods import compile_with_callbacks

if TYPE_CHECKING:
    from dspex.primitives import Example, Module


class Teleprompter:
    """Base of all optimizers. A subclass need only override `compile`; it then runs in this process only.

    For an optimizer whose runs are durable, see `Optimizer`.
    """

    callbacks: Sequence[Any] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Notify callbacks also of a `compile` that a subclass defines."""
        super().__init_subclass__(**kwargs)
        if "compile" in vars(cls):
            cls.compile = compile_with_callbacks(cls.compile)  # type: ignore[method-assign]

    def compile(
        self,
        student: Module,
        *,
        trainset: Sequence[Example],
        teacher: Module | None = None,
        valset: Sequence[Example] | None = None,
        **kwargs: Any,
    ) -> Module:
        """Optimize a program.

        Args:
            student: The program to optimize.
            trainset: Examples to learn from.
            teacher: Another program to learn from.
            valset: Examples to compare candidates on.
            kwargs: What a subclass takes besides.

        Returns:
            The optimized program.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement `compile`.")

    def get_params(self) -> dict[str, Any]:
        """Return the optimizer's attributes."""
        return vars(self)
