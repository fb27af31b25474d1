"""A predictor's state in DSPy's format: to and from it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from dspex.clients import BaseLM
from dspex.errors import UsageError
from dspex.primitives.example import Example
from dspex.primitives.saving.program_state import MissingStateError

logger = logging.getLogger("dspex.predict.predict")

_UNSAFE_LM_KEYS = ("api_base", "base_url", "model_list")
"""Options by which a file could send the prompts and the key of the user who loads it elsewhere."""


class TooOldError(UsageError, NotImplementedError):
    """A state in a format of old."""


def dump(predictor: Any, json_mode: bool) -> dict[str, Any]:
    """Return the state of a predictor, as program files hold it (in DSPy's format).

    Args:
        predictor: The predictor.
        json_mode: Whether demos become plain dictionaries that JSON can hold.
    """
    state: dict[str, Any] = {
        "traces": [_jsonable(trace) for trace in predictor.traces],
        "train": [_jsonable(example) for example in predictor.train],
        "demos": [_demo(demo, json_mode) for demo in predictor.demos],
        "signature": predictor.signature.dump_state(),
    }
    if predictor.fields:
        state["fields"] = copy.deepcopy(predictor.fields)
    state["lm"] = predictor.lm.dump_state() if predictor.lm else None
    return state


def read(predictor: Any, state: Any, where: str, allow_unsafe_lm_state: bool) -> dict[str, Any]:
    """Check a state against a predictor and return the attributes it stands for; the predictor stays as it is.

    Args:
        predictor: The predictor that the state is for.
        state: What `dump`, or DSPy, wrote.
        where: The path of the predictor in its program, for errors.
        allow_unsafe_lm_state: Whether to keep endpoint URLs and import LM classes that the state names.

    Raises:
        UsageError: the state does not fit; names `where` and the field.
    """
    if not isinstance(state, Mapping):
        raise _misfit(where, "its state is not an object", state)
    if "extended_signature" in state:
        raise TooOldError(
            f"predictor {where}: Loading extended_signature is no longer supported in DSPy 2.6+: save it anew."
        )
    return {
        "traces": _list(state, "traces", where),
        "train": _list(state, "train", where),
        "demos": _demos(state, where),
        "signature": _signature(predictor.signature, state, where),
        "fields": copy.deepcopy(state.get("fields") or {}),
        "lm": _lm(state.get("lm"), where, allow_unsafe_lm_state),
    }


def serialize_object(obj: Any) -> Any:
    """`obj` with pydantic models turned into what JSON holds, in lists, tuples and dictionaries too."""
    if isinstance(obj, BaseModel):
        return obj.model_dump(mode="json")
    if isinstance(obj, list):
        return [serialize_object(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_object(item) for item in obj)
    if isinstance(obj, Mapping):
        return {key: serialize_object(value) for key, value in obj.items()}
    return obj


def _demo(demo: Any, json_mode: bool) -> Any:
    plain = {key: serialize_object(demo[key]) for key in demo}
    if isinstance(demo, Mapping):
        return plain
    return demo.copy(**plain) if not json_mode else Example(plain).toDict()


def _jsonable(value: Any) -> Any:
    """A trace or an example of the training set: what `serialize_object` gives, of examples too."""
    if isinstance(value, Example):
        return serialize_object(value.toDict())
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return serialize_object(value)


def _list(state: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = state.get(name, [])
    if not isinstance(value, list):
        raise _misfit(where, f"`{name}` is not a list", value)
    return list(value)


def _demos(state: Mapping[str, Any], where: str) -> list[Any]:
    demos = _list(state, "demos", where)
    for number, demo in enumerate(demos):
        if not isinstance(demo, Mapping | Example):
            raise _misfit(where, f"`demos[{number}]` is not an object", demo)
    return demos


def _signature(signature: Any, state: Mapping[str, Any], where: str) -> Any:
    if "signature" not in state:
        raise MissingStateError(f"predictor {where}: its state holds no `signature`. It holds: {', '.join(state)}.")
    saved = state["signature"]
    if not isinstance(saved, Mapping) or not isinstance(saved.get("instructions"), str):
        raise _misfit(where, "`signature` does not hold `instructions`", saved)
    fields = saved.get("fields")
    if not isinstance(fields, list) or not all(_is_field(field) for field in fields):
        raise _misfit(where, "`signature.fields` is not a list of objects with `prefix` and `description`", fields)
    ours = signature.dump_state()["fields"]
    _refuse_other_fields(list(signature.fields), ours, fields, where)
    return signature.load_state({"instructions": saved["instructions"], "fields": _in_our_order(ours, fields)})


def _is_field(field: Any) -> bool:
    return isinstance(field, Mapping) and all(isinstance(field.get(key), str) for key in ("prefix", "description"))


def _refuse_other_fields(
    names: Sequence[str], ours: Sequence[Mapping[str, str]], saved: Sequence[Mapping[str, str]], where: str
) -> None:
    if len(ours) == len(saved):
        return
    there, here = [field["prefix"] for field in saved], [field["prefix"] for field in ours]
    missing = [name for name, field in zip(names, ours, strict=True) if field["prefix"] not in there]
    unknown = [prefix for prefix in there if prefix not in here]
    raise UsageError(
        f"predictor {where}: its signature has {len(ours)} fields ({', '.join(names)}) and the saved one {len(saved)}"
        + (f"; not saved: field {', '.join(missing)}" if missing else "")
        + (f"; not in the program: {' '.join(unknown)}" if unknown else "")
        + "."
    )


def _in_our_order(ours: Sequence[Mapping[str, str]], saved: list[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The format has fields by position, without names. If the prefixes show another order, it is followed."""
    by_prefix = {field["prefix"]: field for field in saved}
    if len(by_prefix) == len(saved) and by_prefix.keys() == {field["prefix"] for field in ours}:
        return [by_prefix[field["prefix"]] for field in ours]
    return saved


def _lm(state: Any, where: str, allow_unsafe: bool) -> Any:
    if not state:
        return None
    if not isinstance(state, Mapping):
        raise _misfit(where, "`lm` is not an object", state)
    try:
        return BaseLM.load_state(_safe(state, where, allow_unsafe), allow_custom_lm_class=allow_unsafe)
    except (ValueError, TypeError, ImportError) as error:
        raise UsageError(f"predictor {where}: its `lm` cannot be loaded: {error}") from error


def _safe(state: Mapping[str, Any], where: str, allow_unsafe: bool) -> dict[str, Any]:
    unsafe = sorted(key for key in _UNSAFE_LM_KEYS if key in state)
    if unsafe and not allow_unsafe:
        logger.warning(
            "Ignoring unsafe LM config key(s) during state load: %s. Pass allow_unsafe_lm_state=True to preserve these "
            "keys for trusted files: with them predictor %s could send prompts anywhere.",
            unsafe, where,
        )  # fmt: skip
        return {key: value for key, value in state.items() if key not in unsafe}
    return dict(state)


def _misfit(where: str, what: str, value: Any) -> UsageError:
    return UsageError(f"predictor {where}: {what} (it is {str(value)[:80]!r}).")
