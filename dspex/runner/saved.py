"""A program as a document: DSPy's JSON, plus the name of its code, so that it can be loaded from the file alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import ValidationError

from dspex.errors import UsageError
from dspex.runner.imports import AllowedModules
from dspex.runner.references import ProgramRef, build

if TYPE_CHECKING:
    from dspex.primitives import Module


def program_document(program: Module, code: ProgramRef | None) -> dict[str, Any]:
    """Make the JSON document of a program: what `Module.save` writes, plus the name of its code.

    It holds no time and no run's id, so that the same program gives the same document.

    Args:
        program: The program.
        code: The program's code, which goes under ``metadata.dspex``; None if it has no name.
    """
    document: dict[str, Any] = orjson.loads(program_bytes(program, code))
    return document


def program_bytes(program: Module, code: ProgramRef | None) -> bytes:
    """Make the bytes of a program's file.

    Args:
        program: The program.
        code: As in `program_document`.
    """
    from dspex.primitives.saving.program_file import program_json

    compiled = bool(getattr(program, "_compiled", False))
    named = {"program": code.code()} if code is not None else {}
    return program_json(program, metadata={**named, "compiled": compiled})


def document_bytes(document: dict[str, Any]) -> bytes:
    """Encode a document as the bytes of a file: those of `program_bytes`."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_program(path: Path) -> tuple[dict[str, Any], ProgramRef]:
    """Read a file that a run wrote: its document, and a reference to its code.

    Raises:
        UsageError: no such file, not a saved program, or saved without its code (by DSPy, or by `Module.save`).
    """
    document = _read(path)
    code = _own_metadata(document).get("program")
    if not code:
        raise UsageError(
            f"{path} does not say which code it belongs to. Name that code as the target instead, and load the file "
            "into it: program.load(path)."
        )
    try:
        return document, ProgramRef.model_validate({"label": path.stem, **code})
    except (TypeError, ValidationError) as error:
        raise UsageError(f"{path} is damaged: what it says of its code is {code!r}.") from error


def load_program(path: Path, imports: AllowedModules) -> tuple[Module, ProgramRef]:
    """Load a program from a file that a run wrote.

    Args:
        path: The file.
        imports: The code that it may name.

    Returns:
        The program, and a reference to its code.

    Raises:
        UsageError: as `read_program`, or its code cannot be made.
    """
    document, ref = read_program(path)
    return load_document(document, ref, imports), ref


def load_document(document: dict[str, Any], code: ProgramRef, imports: AllowedModules) -> Module:
    """Make a program of a document's state.

    Args:
        document: The document.
        code: The program's code.
        imports: The code that may be named.
    """
    program = build(code.model_copy(update={"state": None}), imports)
    program.load_state({name: state for name, state in document.items() if name != "metadata"})
    program._compiled = bool(_own_metadata(document).get("compiled", False))
    return program


def _own_metadata(document: dict[str, Any]) -> dict[str, Any]:
    """What we say of a program; nothing in a file that DSPy wrote."""
    metadata = document.get("metadata")
    own = metadata.get("dspex") if isinstance(metadata, dict) else None
    return own if isinstance(own, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"Cannot read the program {path}: {error.strerror}.") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{path} is not a saved program: {error}.") from error
    if not isinstance(document, dict) or "metadata" not in document:
        raise UsageError(f"{path} is not a saved program: it has no `metadata`.")
    return document
