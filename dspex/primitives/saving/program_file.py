"""Saved programs: DSPy's format, written so that no crash and no full disk leaves half a file.

Both ways: DSPy 3.4.1 loads what this writes, and this loads what DSPy writes. What DSPy does not know of goes into
``metadata["dspex"]``, which its loader leaves alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from dspex.by_value import serialize_by_value
from dspex.errors import UsageError
from dspex.primitives.parameter import ParameterHolder
from dspex.primitives.saving.atomic import write_atomically
from dspex.primitives.unpickling import unpickle

DSPY_FORMAT = "3.4.1"
"""The DSPy release whose program format this is."""

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
PICKLE_WARNING = (
    "Loading untrusted .pkl files can run arbitrary code, which may be dangerous. Where a program's state is enough, "
    'prefer saving it with module.save("module.json").'
)


class CannotSaveError(UsageError, RuntimeError):
    """The program holds something that cannot be saved."""


class NotAFolderError(UsageError, NotADirectoryError):
    """A whole program is saved to a folder, and there is a file of that name."""


class CannotReadError(UsageError, FileNotFoundError):
    """There is no file to load, or it cannot be read."""


def program_json(module: ParameterHolder, metadata: Mapping[str, Any] | None = None) -> bytes:
    """Return the program's state as the bytes of a program file.

    The same program gives the same bytes, in every run and process.

    Args:
        module: The program.
        metadata: Our own data about it; must hold nothing that differs between equal runs (no clock, no ids).

    Raises:
        UsageError: a demo holds a value that JSON cannot.
    """
    state = module.dump_state()
    state["metadata"] = file_metadata(metadata)
    return _json(state)


def get_dependency_versions() -> dict[str, str]:
    """What a program file says that it was made with. DSPy's loader knows these three and refuses any other."""
    import importlib.metadata

    cloudpickle = importlib.metadata.version("cloudpickle")
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "dspy": DSPY_FORMAT,
        "cloudpickle": ".".join(cloudpickle.split(".")[:2]),
    }


def file_metadata(own: Mapping[str, Any] | None = None, versions: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Gather what a program file says about itself.

    Args:
        own: What dspex adds under its own key, for example how the program was compiled.
        versions: The versions of the libraries, by name; by default the installed ones.
    """
    metadata: dict[str, Any] = {"dependency_versions": dict(versions or get_dependency_versions())}
    if own:
        metadata["dspex"] = dict(own)
    return metadata


def other_versions(metadata: Any, here: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each library whose version has changed since a file was written.

    Args:
        metadata: The file's metadata.
        here: The installed versions by name.
    """
    saved = metadata.get("dependency_versions") if isinstance(metadata, Mapping) else None
    for name, version in (saved or {}).items():
        if name in here and here[name] != version:
            yield (
                f"There is a mismatch of {name} version between saved model and current environment. "
                f"You saved with `{name}=={version}`, but now you have `{name}=={here[name]}`. "
                "This might cause errors or performance downgrade on the loaded model: load it where it was saved."
            )


def save_state(module: ParameterHolder, path: str | os.PathLike[str], metadata: Mapping[str, Any]) -> None:
    """Save the state of a module to a file, in DSPy's format.

    Args:
        module: The module.
        path: A ``.json`` or ``.pkl`` file.
        metadata: What `file_metadata` returned.

    Raises:
        CannotSaveError: the state holds something that JSON cannot.
        UsageError: the path has another ending.
    """
    suffix = Path(path).suffix
    if suffix == ".json":
        try:
            content = _json({**module.dump_state(), "metadata": metadata})
        except CannotSaveError as error:
            raise CannotSaveError(f"Failed to save state to {os.fspath(path)} with error: {error}") from error
        write_atomically(path, content)
    elif suffix == ".pkl":
        import cloudpickle

        state = {**module.dump_state(json_mode=False), "metadata": metadata}
        write_atomically(path, cloudpickle.dumps(state))
    else:
        raise UsageError(
            "`path` must end with `.json` or `.pkl` when `save_program=False`, but received: "
            f"{os.fspath(path)}. To save code and all to a folder, pass save_program=True."
        )


def read_state(path: str | os.PathLike[str], *, allow_pickle: bool = False) -> dict[str, Any]:
    """Read the state out of a program file.

    Args:
        path: A ``.json`` or ``.pkl`` file.
        allow_pickle: Whether to read ``.pkl`` files, which can run any code.

    Raises:
        UsageError: there is no such file, or it is no program file, or it is pickled and `allow_pickle` is not set.
    """
    suffix = Path(path).suffix
    if suffix not in (".json", ".pkl"):
        raise UsageError(
            f"`path` must end with `.json` or `.pkl`, but received: {os.fspath(path)}. "
            "A program that was saved to a folder is loaded with dspex.load."
        )
    if suffix == ".pkl":
        if not allow_pickle:
            raise UsageError(
                f"{os.fspath(path)}: Loading .pkl files can run arbitrary code, which may be dangerous. Prefer saving "
                "with .json files if possible. Set `allow_pickle=True` if you are sure where the file comes from."
            )
        state = _unpickled(path)
    else:
        try:
            state = orjson.loads(read_bytes(path))
        except orjson.JSONDecodeError as error:
            raise UsageError(f"{os.fspath(path)} is no program file: {error}.") from error
    if not isinstance(state, dict):
        raise UsageError(f"{os.fspath(path)} is no program file: it does not hold a program's state.")
    return state


def save_program(
    module: ParameterHolder,
    folder: str | os.PathLike[str],
    modules_to_serialize: list[ModuleType] | None,
    metadata: Mapping[str, Any],
) -> None:
    """Save a module, code and all, to a folder (``program.pkl``, ``metadata.json``), in DSPy's format.

    Args:
        module: The module.
        folder: The folder; it is made if need be.
        modules_to_serialize: Python modules whose code goes into the file as well, for a machine that lacks them.
        metadata: What `file_metadata` returned.

    Raises:
        UsageError: the path is that of a file, or the program holds something that cannot be pickled.
    """
    folder = Path(folder)
    if folder.suffix:
        raise UsageError(
            "`path` must point to a directory without a suffix when `save_program=True`, "
            f"but received: {folder}, which names a file."
        )
    if folder.exists() and not folder.is_dir():
        raise NotAFolderError(f"The path '{folder}' exists but is not a directory.")
    pickled = _pickled(module, modules_to_serialize)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "program.pkl", pickled)
    write_atomically(folder / "metadata.json", orjson.dumps(metadata, option=_JSON))


def read_program(
    path: str | os.PathLike[str], allow_pickle: bool, here: Mapping[str, str]
) -> tuple[Any, Sequence[str]]:
    """Read a program that `save_program`, or DSPy, wrote. Reading runs code.

    Args:
        path: The folder.
        allow_pickle: Must be True.
        here: The installed versions by library.

    Returns:
        The program, and a warning for each version that is not the installed one.

    Raises:
        UsageError: `allow_pickle` is not set, or there is no saved program at `path`.
    """
    if not allow_pickle:
        raise UsageError(
            f"{os.fspath(path)}: Loading with pickle is not allowed. Please set `allow_pickle=True` if you are sure "
            "you trust the source of the model: it can run any code."
        )
    folder = Path(path)
    if not folder.exists():
        raise CannotReadError(f"The path '{folder}' does not exist.")
    metadata = orjson.loads(read_bytes(folder / "metadata.json"))
    program = _unpickled(folder / "program.pkl")
    return program, list(other_versions(metadata, here))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a file.

    Raises:
        CannotReadError: there is no such file, or it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CannotReadError(f"Cannot read {os.fspath(path)}: {error.strerror or error}.") from error


def _unpickled(path: str | os.PathLike[str]) -> Any:
    try:
        return unpickle(read_bytes(path))
    except (ImportError, AttributeError) as error:
        raise CannotReadError(
            f"Cannot load {os.fspath(path)}: it needs something that cannot be imported here ({error}). "
            "Install or import it, or save the program's state alone, to a .json file."
        ) from error


def _pickled(module: ParameterHolder, by_value: list[ModuleType] | None) -> bytes:
    import cloudpickle

    try:
        with serialize_by_value(by_value):
            pickled: bytes = cloudpickle.dumps(module)
    except Exception as error:  # a class of the user's may refuse to be pickled in any way it likes
        raise CannotSaveError(
            f"Saving failed with error: {type(error).__name__}: {error}. Remove what cannot be pickled from the "
            "program, or save its state alone to a .json file."
        ) from error
    return pickled


def _json(state: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(state, option=_JSON)
    except TypeError as error:
        raise CannotSaveError(_whats_not_json(state, error)) from error


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
