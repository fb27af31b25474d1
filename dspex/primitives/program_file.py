"""Saved programs: DSPy's format, written so that no crash and no full disk leaves half a file.

Both ways: DSPy 3.4.1 loads what this writes, and this loads what DSPy writes. What DSPy does not know of goes into
``metadata["dspex"]``, which its loader leaves alone.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from dspex.errors import UsageError
from dspex.primitives.atomic import write_atomically

if TYPE_CHECKING:
    from types import ModuleType

    from dspex.primitives.module import Module

logger = logging.getLogger(__name__)

DSPY_FORMAT = "3.4.1"
"""The DSPy release whose program format this is."""

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_PICKLE_WARNING = (
    "A pickled program runs code when it is loaded. Where the state is enough, save to a .json file instead."
)


def program_json(module: Module, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The program's state as the bytes of a program file.

    The same program gives the same bytes, in every run and process.

    Args:
        module: The program.
        metadata: Our own data about it; must hold nothing that differs between equal runs (no clock, no ids).

    Raises:
        UsageError: a demo holds a value that JSON cannot.
    """
    state = module.dump_state()
    state["metadata"] = file_metadata(metadata)
    try:
        return orjson.dumps(state, option=_JSON)
    except TypeError as error:
        raise UsageError(_whats_not_json(state, error)) from error


def file_metadata(own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What a program file says of itself. DSPy's loader refuses any other key among the `dependency_versions`."""
    import importlib.metadata

    cloudpickle = importlib.metadata.version("cloudpickle")
    metadata: dict[str, Any] = {
        "dependency_versions": {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "dspy": DSPY_FORMAT,
            "cloudpickle": ".".join(cloudpickle.split(".")[:2]),
        }
    }
    if own:
        metadata["dspex"] = dict(own)
    return metadata


def save_state(module: Module, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
    """Save the state of `module` to a ``.json`` or ``.pkl`` file."""
    suffix = Path(path).suffix
    if suffix == ".json":
        write_atomically(path, program_json(module, metadata))
    elif suffix == ".pkl":
        import cloudpickle

        logger.warning(_PICKLE_WARNING)
        state = {**module.dump_state(json_mode=False), "metadata": file_metadata(metadata)}
        write_atomically(path, cloudpickle.dumps(state))
    else:
        raise UsageError(
            f"Cannot tell how to save to {os.fspath(path)}: name a .json or .pkl file, "
            "or pass save_program=True to save code and all to a folder."
        )


def read_state(path: str | os.PathLike[str], *, allow_pickle: bool = False) -> dict[str, Any]:
    """Read a program file.

    Raises:
        UsageError: there is no such file, or it is no program file, or it is pickled and `allow_pickle` is not set.
    """
    suffix = Path(path).suffix
    if suffix not in (".json", ".pkl"):
        raise UsageError(f"Cannot load {os.fspath(path)}: a program's state is a .json or .pkl file.")
    if suffix == ".pkl":
        if not allow_pickle:
            raise UsageError(f"{os.fspath(path)}: {_PICKLE_WARNING} To load it all the same, pass allow_pickle=True.")
        import cloudpickle

        state = cloudpickle.loads(read_bytes(path))
    else:
        try:
            state = orjson.loads(read_bytes(path))
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{os.fspath(path)} is no program file: {error}.") from error
    if not isinstance(state, dict):
        raise UsageError(f"{os.fspath(path)} is no program file: it does not hold a program's state.")
    return state


def save_program(
    module: Module,
    folder: str | os.PathLike[str],
    modules_to_serialize: list[ModuleType] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Save `module`, code and all, to a folder (``program.pkl``, ``metadata.json``).

    Raises:
        UsageError: the path is that of a file, or the program holds something that cannot be pickled.
    """
    folder = Path(folder)
    if folder.suffix or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"save_program=True saves to a folder, and {folder} names a file.")
    logger.warning(_PICKLE_WARNING)
    pickled = _pickled(module, modules_to_serialize or [])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "program.pkl", pickled)
    write_atomically(folder / "metadata.json", orjson.dumps(file_metadata(metadata), option=_JSON))


def load(path: str | os.PathLike[str], allow_pickle: bool = False) -> Module:
    """Load a program that was saved with ``save_program=True``. Loading runs code: only load what you trust.

    Raises:
        UsageError: `allow_pickle` is not set, or there is no saved program at `path`.
    """
    if not allow_pickle:
        raise UsageError(f"{os.fspath(path)}: {_PICKLE_WARNING} To load it all the same, pass allow_pickle=True.")
    import cloudpickle

    folder = Path(path)
    metadata = orjson.loads(read_bytes(folder / "metadata.json"))
    _warn_of_other_versions(metadata.get("dependency_versions", {}))
    program: Module = cloudpickle.loads(read_bytes(folder / "program.pkl"))
    return program


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {os.fspath(path)}: {error.strerror or error}.") from error


def _pickled(module: Module, by_value: list[ModuleType]) -> bytes:
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    registered = [each for each in by_value if each.__name__ not in known]
    for each in registered:
        cloudpickle.register_pickle_by_value(each)
    try:
        pickled: bytes = cloudpickle.dumps(module)
    except Exception as error:  # a class of the user's may refuse to be pickled in any way it likes
        raise UsageError(
            f"The program cannot be pickled ({type(error).__name__}: {error}). Remove what cannot be, "
            "or save its state alone to a .json file."
        ) from error
    finally:
        for each in registered:
            cloudpickle.unregister_pickle_by_value(each)
    return pickled


def _warn_of_other_versions(saved: Mapping[str, str]) -> None:
    for name, version in file_metadata()["dependency_versions"].items():
        if name in saved and saved[name] != version:
            logger.warning("The program was pickled with %s %s, and this is %s.", name, saved[name], version)


def _whats_not_json(value: Any, error: TypeError) -> str:
    path = _path_of_culprit(value)
    return f"The program's state cannot be written as JSON: {path} ({error}). Change it, or save to a .pkl file."


def _path_of_culprit(value: Any, path: str = "") -> str:
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list | tuple):
        children = enumerate(value)
    for key, child in children:
        try:
            orjson.dumps({key: child} if isinstance(value, dict) else child)
        except TypeError:
            return _path_of_culprit(child, f"{path} > {key}" if path else str(key))
    return f"{path} is a {type(value).__name__}"
