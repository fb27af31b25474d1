"""Programs and metrics by name, so that they can travel: code stays code, state travels as data."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from dspex.errors import UsageError
from dspex.runner.imports import AllowedModules

if TYPE_CHECKING:
    from dspex.primitives import Module

_BUILT_IN = ("Predict", "ChainOfThought")
_PLAIN = (str, int, float, bool, bytes, list, tuple, dict, set, type(None))


class ProgramRef(BaseModel):
    """A program by name: code that the worker's operator has imported, plus state as data.

    Either `target` (``package.module:attribute``: an instance, a class or a factory without arguments) or `module` and
    `signature` (a built-in module over a signature that JSON can describe).
    """

    target: str | None = None
    module: str | None = None
    signature: dict[str, Any] | None = None
    config: dict[str, Any] = {}
    state: dict[str, Any] | None = None
    """The program's own state (demos, instructions), as `Module.dump_state` gives it."""
    compiled: bool = False
    label: str = ""
    """What to call it in lists and in the Web UI."""

    def code(self) -> dict[str, Any]:
        """The part that names the code: what a saved program needs to be loaded without its maker."""
        return self.model_dump(mode="json", include={"target", "module", "signature", "config"}, exclude_defaults=True)


def build(ref: ProgramRef, imports: AllowedModules) -> Module:
    """Make the program that a reference names.

    Args:
        ref: The reference.
        imports: The code that it may name.

    Raises:
        ProgramNotAvailableError: this process was not started with its module.
        UsageError: what it names is no program, or does not fit its state.
    """
    program = _from_code(ref.target, imports) if ref.target else _built_in(ref)
    if ref.state is not None:
        _take_over(program, ref.state)
    program._compiled = ref.compiled or bool(getattr(program, "_compiled", False))
    return program


def _take_over(program: Module, state: Mapping[str, Any]) -> None:
    """Load a state that came with a run. Its LMs keep their endpoints, as the run's own LM does, but bring no code."""
    from dspex.clients import BaseLM

    parts = [state, *(part for part in state.values() if isinstance(part, Mapping))]
    for lm in [part["lm"] for part in parts if part.get("lm")]:
        try:
            BaseLM.load_state(lm)
        except ValueError as error:
            raise UsageError(f"A worker cannot make the LM of a predictor: {error}") from error
    program.load_state(state, allow_unsafe_lm_state=True)


def signature_program(signature: Any, module: str = "Predict") -> Module:
    """Make a built-in module over a signature.

    Args:
        signature: A class, or a string such as ``"question -> answer"``.
        module: The module's name, such as ``"ChainOfThought"``.

    Raises:
        UsageError: the signature does not parse, or there is no such module.
    """
    import dspex.predict as built_in

    if module not in _BUILT_IN:
        raise UsageError(f"There is no module {module!r} to put a signature in. Modules: {', '.join(_BUILT_IN)}.")
    program: Module = getattr(built_in, module)(signature)
    return program


def reference(program: Module) -> ProgramRef:
    """Name `program`, so that a worker can make an equal one.

    A built-in module over a plain signature is described in full. Any other program must be an attribute of an
    importable module, or an instance of a class there that needs no arguments.

    Raises:
        UsageError: it is neither; the message says how to change that.
    """
    _refuse_lms_that_cannot_travel(program)
    state = program.dump_state()
    common: dict[str, Any] = {"state": state, "compiled": bool(getattr(program, "_compiled", False))}
    described = _describe_built_in(program)
    if described is not None:
        return described.model_copy(update=common)
    name = _importable(program)
    return ProgramRef(target=name, label=name, **common)


def _refuse_lms_that_cannot_travel(program: Module) -> None:
    from dspex.clients import LM

    for name, predictor in program.named_predictors():
        lm = predictor.lm
        if lm is not None and type(lm) is not LM:
            raise UsageError(
                f"A durable run cannot carry the {type(lm).__name__} of predictor {name}: workers make their LMs from "
                "settings. Use LM."
            )
        if lm is not None and lm.api_key is not None:
            raise UsageError(
                f"A durable run never carries a key, and the LM of predictor {name} has one in `api_key`. Put it into "
                'an environment variable of the workers and name that: dspex.LM(..., api_key_env="MY_KEY").'
            )


def reference_code(value: Callable[..., Any], kind: str) -> str:
    """Name a function, such as a metric, as ``module:attribute``.

    Args:
        value: The function.
        kind: What it is, in the error.

    Raises:
        UsageError: a worker could not import it (a lambda, a closure).
    """
    name = _qualified_name(value)
    if name is not None:
        return name
    shown = getattr(value, "__qualname__", repr(value))
    raise UsageError(
        f"A durable run cannot name the {kind} {shown!r}: workers import code by name. Define it with `def` at the "
        "top level of a module."
    )


def module_name(name: str) -> str:
    """The name that runs use for a module: the running script's own name instead of ``__main__``."""
    if name != "__main__":
        return name
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"


def this_process() -> AllowedModules:
    """What the current process may run: all it has imported already, its script under the script's own name."""
    script = module_name("__main__")
    aliases = {script: sys.modules["__main__"]}
    imported = [name for name, module in list(sys.modules.items()) if module is not None and "." not in name]
    return AllowedModules((name for name in imported if name.isidentifier()), aliases)


def _from_code(target: str, imports: AllowedModules) -> Module:
    from dspex.primitives import Module

    found = imports.resolve(target)
    if isinstance(found, Module):
        return found.deepcopy()
    if not callable(found):
        raise UsageError(f"{target!r} is a {type(found).__name__}; a program is a Module, its class, or a factory.")
    try:
        made = found()
    except TypeError as error:
        raise UsageError(
            f"{target!r} cannot be made without arguments: {error}. Name a factory or an instance."
        ) from error
    if not isinstance(made, Module):
        raise UsageError(f"{target!r} makes a {type(made).__name__}, not a dspex Module.")
    return made


def _built_in(ref: ProgramRef) -> Module:
    import dspex.predict as built_in
    from dspex.signatures.portable import rebuild

    if ref.module not in _BUILT_IN or ref.signature is None:
        raise UsageError("A program is named by `target`, or by a built-in `module` and a `signature`.")
    program: Module = getattr(built_in, ref.module)(rebuild(ref.signature), **ref.config)
    return program


def _describe_built_in(program: Module) -> ProgramRef | None:
    from dspex.predict import ChainOfThought, Predict
    from dspex.signatures.portable import describe

    if type(program) is Predict:
        signature, config = program.signature, program.config
    elif type(program) is ChainOfThought and next(iter(program.predict.signature.output_fields)) == "reasoning":
        signature, config = program.predict.signature.delete("reasoning"), program.predict.config
    else:
        return None
    try:
        described = describe(signature)
    except UsageError:
        return None  # its types need code: name the program instead
    kind = type(program).__name__
    ref = ProgramRef(module=kind, signature=described, config=config, label=f"{kind}({signature.signature})")
    return ref if _same_fields(program, ref) else None


def _same_fields(program: Module, ref: ProgramRef) -> bool:
    """Whether what `ref` makes prompts as `program` does (a ChainOfThought may have a rationale field of its own)."""
    made = dict(build(ref, AllowedModules()).named_predictors())
    return all(made[name].signature.equals(each.signature) for name, each in program.named_predictors() if name in made)


def _importable(program: Module) -> str:
    """An attribute of a module or, failing that, a class that makes an equal program.

    The script's own attributes come last: other processes cannot import what it sets under ``__main__``.
    """
    cls = type(program)
    name = _attribute_name(program, _modules_of_the_user(cls))
    if name is not None:
        return name
    class_name = None if cls.__module__.startswith("dspex.") else _qualified_name(cls)
    unlike = _why_unlike_new(program) if class_name is not None else "that is not at the top level of a module"
    if class_name is not None and unlike is None:
        return class_name
    name = _attribute_name(program, ["__main__"])
    if name is not None:
        return name
    raise UsageError(
        f"A durable run cannot name this {cls.__name__}: workers make programs from code that they import, here from a "
        f"class {unlike}. Put the program into a module as an attribute: program = {cls.__name__}(...)."
    )


def _attribute_name(program: Module, modules: Iterable[str]) -> str | None:
    for name in modules:
        module = sys.modules.get(name)
        for attribute, value in list(vars(module).items()) if module else ():
            if value is program:
                return f"{module_name(name)}:{attribute}"
    return None


def _modules_of_the_user(cls: type) -> list[str]:
    """The class's own module first, then the others, but for the script."""
    others = [name for name in list(sys.modules) if name != cls.__module__ and not name.startswith(("dspex", "_"))]
    return others if cls.__module__ == "__main__" else [cls.__module__, *others]


def _why_unlike_new(program: Module) -> str | None:
    """What is wrong with the program that its class makes without arguments, as a worker would; None if nothing is."""
    try:
        new = type(program)()
    except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything
        return f"that cannot be made without arguments ({type(error).__name__}: {error})"
    for what, own, made in _differences(program, new):
        return f"that without arguments makes another program: {what} is then {made!r} instead of {own!r}"
    return None


def _differences(program: Module, new: Module) -> Iterator[tuple[str, Any, Any]]:
    """Where `program` is unlike `new` in what no state carries: the constructor's arguments, and its predictors."""
    for name in inspect.signature(type(program).__init__).parameters:
        own, made = vars(program).get(name), vars(new).get(name)
        if isinstance(own, _PLAIN) and isinstance(made, _PLAIN) and own != made:
            yield name, own, made
    ours, theirs = dict(program.named_predictors()), dict(new.named_predictors())
    if list(ours) != list(theirs):
        yield "the list of predictors", list(ours), list(theirs)
    for name, predictor in ours.items():
        if name in theirs:
            own, made = predictor.signature.signature, theirs[name].signature.signature
            if own != made:
                yield f"the signature of {name}", own, made
            if predictor.config != theirs[name].config:
                yield f"the config of {name}", predictor.config, theirs[name].config


def _qualified_name(value: Any) -> str | None:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "<locals>")
    if module is None or "<" in name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module_name(module)}:{name}" if found is value else None


def resolve_metric(name: str, imports: AllowedModules) -> Callable[..., Any]:
    """Return the metric that a name stands for.

    Args:
        name: A built-in metric's, or ``module:attribute``.
        imports: The code that may be named.

    Raises:
        ProgramNotAvailableError: this process was not started with its module.
        UsageError: there is no such metric.
    """
    from dspex.evaluate.metrics import builtin_metric

    found = imports.resolve(name) if ":" in name else builtin_metric(name)
    if not callable(found):
        raise UsageError(f"The metric {name!r} is a {type(found).__name__}, which cannot be called.")
    metric: Callable[..., Any] = found
    return metric


def metric_name(metric: Callable[..., Any]) -> str:
    """The name of `metric` for `resolve_metric`.

    Raises:
        UsageError: a worker could not import it.
    """
    from dspex.evaluate.metrics import BUILTIN_METRICS

    for name, each in BUILTIN_METRICS.items():
        if each is metric:
            return name
    return reference_code(metric, "metric")


_ADAPTERS = {"chat": "ChatAdapter", "json": "JSONAdapter", "xml": "XMLAdapter", "baml": "BAMLAdapter"}


def adapter_name(adapter: Any) -> str:
    """The name of `adapter` for `resolve_adapter`.

    Raises:
        UsageError: a worker could not make the same one: it has options or an LM, or its class cannot be imported.
    """
    for name, kind in _ADAPTERS.items():
        if type(adapter).__name__ == kind and _options(adapter) == _options(resolve_adapter(name, AllowedModules())):
            return name
    if type(adapter).__module__.startswith("dspex."):
        raise UsageError(
            f"A durable run cannot carry the options of this {type(adapter).__name__}: workers make adapters by name. "
            "Define a subclass at the top level of a module whose __init__ sets them, and configure that."
        )
    return reference_code(type(adapter), "adapter")


def _options(adapter: Any) -> dict[str, Any]:
    return {"class": type(adapter), **vars(adapter), "callbacks": None}


def resolve_adapter(name: str, imports: AllowedModules) -> Any:
    """Return the adapter that a name stands for.

    Args:
        name: ``chat``, ``json``, ``xml``, ``baml``, or ``module:attribute`` of an instance or a class.
        imports: The code that may be named.

    Raises:
        ProgramNotAvailableError: this process was not started with its module.
        UsageError: there is no such adapter.
    """
    if name in _ADAPTERS:
        return getattr(importlib.import_module(f"dspex.adapters.{name}_adapter"), _ADAPTERS[name])()
    found = imports.resolve(name)
    return found() if isinstance(found, type) else found
