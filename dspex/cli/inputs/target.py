"""The code that a command line names: the program, the teacher, the metric, and the modules they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.primitives import Module
    from dspex.runner.imports import AllowedModules
    from dspex.runner.references import ProgramRef


@dataclass(frozen=True)
class TargetOptions:
    """The code of a run as given on the command line.

    Args:
        target: The program: a signature, ``package.module:attribute``, or the path of a saved program.
        metric: The metric: its name, or ``package.module:function``.
        teacher: Another program to learn from, written as `target`.
        module: The module that a signature is put in.
        instructions: The instructions of a signature.
        imports: Modules whose code the run may name.
    """

    target: str
    metric: str | None = None
    teacher: str | None = None
    module: str | None = None
    instructions: str | None = None
    imports: Sequence[str] = ()


@dataclass(frozen=True)
class ResolvedTarget:
    """The code of a run, imported and checked. A `dspex.backend.RunCode`.

    Local and durable runs make their programs from the same `ref`.
    """

    ref: ProgramRef
    program: Module
    imports: AllowedModules
    metric: Callable[..., Any] | None
    metric_name: str | None
    inputs: tuple[str, ...] | None
    """The input fields of a signature; None for other programs."""
    outputs: tuple[str, ...] | None
    """The output fields of a signature; None for other programs."""
    teacher: ProgramRef | None = None

    @property
    def compares_labels(self) -> bool:
        """Whether the metric compares the example's labels with the prediction's fields (the built-in ones do)."""
        return self.metric_name is not None and ":" not in self.metric_name

    @property
    def modules(self) -> list[str]:
        """The modules that a worker must have imported."""
        named = [self.ref.target, self.teacher.target if self.teacher else None, self.metric_name]
        return sorted({name.partition(":")[0] for name in named if name and ":" in name})


def resolve_target(options: TargetOptions) -> ResolvedTarget:
    """Import and check the code that `options` name. Nothing is run.

    Raises:
        UsageError: a module, attribute, file, signature or metric is not there, or is something else.
    """
    from dspex.runner.imports import AllowedModules
    from dspex.runner.references import build, resolve_metric

    imports = AllowedModules([*options.imports, *_modules(options)])
    ref = _program(options.target, options, imports)
    inputs, outputs = _fields(ref)
    return ResolvedTarget(
        ref=ref,
        program=build(ref, imports),
        imports=imports,
        metric=resolve_metric(options.metric, imports) if options.metric else None,
        metric_name=options.metric,
        inputs=inputs,
        outputs=outputs,
        teacher=_program(options.teacher, options, imports) if options.teacher else None,
    )


def _modules(options: TargetOptions) -> list[str]:
    """The modules that the command line itself names: in this process, naming code allows it."""
    from dspex.runner.imports import split

    targets = [target for target in (options.target, options.teacher) if target]
    references = [
        _saved_code(target) if target.endswith(".json") else target for target in targets if "->" not in target
    ]
    references += [options.metric] if options.metric and ":" in options.metric else []
    return [split(_checked(reference))[0] for reference in references if reference]


def _checked(reference: str) -> str:
    if ":" not in reference:
        raise UsageError(
            f'{reference!r} is no program: write a signature ("question -> answer"), package.module:attribute, or the '
            "path of a saved program (.json)."
        )
    return reference


def _saved_code(path: str) -> str | None:
    from dspex.runner.saved import read_program

    return read_program(Path(path))[1].target


def _program(target: str, options: TargetOptions, imports: AllowedModules) -> ProgramRef:
    from dspex.runner.references import ProgramRef, build, reference, signature_program
    from dspex.runner.saved import load_program

    if "->" in target:
        return reference(signature_program(_signature(target, options.instructions), options.module or "Predict"))
    _refuse_signature_options(options)
    if target.endswith(".json"):
        program, ref = load_program(Path(target), imports)
    else:
        ref = ProgramRef(target=target, label=target)
        program = build(ref, imports)
    compiled = bool(getattr(program, "_compiled", False))
    return ref.model_copy(update={"state": program.dump_state(), "compiled": compiled})


def _signature(text: str, instructions: str | None) -> Any:
    from dspex.signatures import make_signature

    return make_signature(text, instructions or None)


def _refuse_signature_options(options: TargetOptions) -> None:
    given = {"--module": options.module, "--instructions": options.instructions}
    for name, value in given.items():
        if value is not None and "->" not in options.target:
            raise UsageError(f"{name} is for a signature; {options.target!r} has its own.")


def _fields(ref: ProgramRef) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    from dspex.signatures.portable import rebuild

    if ref.signature is None:
        return None, None
    signature = rebuild(ref.signature)
    return tuple(signature.input_fields), tuple(signature.output_fields)
