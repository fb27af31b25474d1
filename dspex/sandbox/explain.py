"""The message that tells a model why its code failed: the exception as DSPy words it, and what this sandbox lacks."""

from __future__ import annotations

import builtins
import re

from dspex.sandbox.session import SandboxError

MODULES = (
    *("asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal"),
    *("functools", "hashlib", "itertools", "json", "math", "os", "pathlib", "random", "re", "sys", "time", "tomllib"),
    *("typing", "unicodedata"),
)
"""What sandboxed code can import (`os` and `pathlib` reach nothing unless files were given to the sandbox)."""

SUBSET = (
    "class inheritance (so no exception classes of your own), properties, class and static methods, "
    "generator functions (yield), the del statement, dynamic imports"
)
"""What of the language is missing."""


def explain(error: SandboxError) -> str:
    """Write the message of the `CodeExecutionError`."""
    message = f"{error.kind}: {list(error.arguments) or error.text}"
    hint = _hint(error)
    return f"{message} ({hint})" if hint else message


def _hint(error: SandboxError) -> str:
    if error.undone:
        return "the limits of this sandbox were exceeded; nothing that this code did was kept"
    if error.kind == "NotImplementedError" and "monty" in error.text:
        return f"this sandbox runs a subset of Python, without {SUBSET}; rewrite the code without them"
    if error.kind == "NotImplementedError" and "cannot suspend" in error.text:
        return "call the function in a for loop or a comprehension; map, sorted and the like cannot call it"
    if error.kind == "ModuleNotFoundError":
        return f"no third-party packages here; the modules of this sandbox are {', '.join(MODULES)}"
    if error.kind == "NameError":
        name = re.search(r"name '(\w+)' is not defined", error.text)
        return "this builtin is not available in this sandbox" if name and hasattr(builtins, name[1]) else ""
    if error.kind == "PermissionError":
        return "this sandbox has no access to files, the environment or the network"
    return ""
