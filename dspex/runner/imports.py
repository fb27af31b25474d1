"""Code by name, and only from modules that this process was allowed to import."""

from __future__ import annotations

import difflib
import importlib
import re
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from dspex.errors import ProgramNotAvailableError, UsageError

_MODULE = re.compile(r"[\w-]+(\.[\w-]+)*")
"""What Python can import, not only what an import statement can spell: scripts are called ``01-train.py``, too."""


class AllowedModules:
    """The modules whose attributes a run may name as ``package.module:attribute``.

    Args:
        modules: Names of modules, imported now. A module allows its submodules.
        aliases: Modules that cannot be imported by their name, such as the running script, by the name that runs use.

    Raises:
        UsageError: a module cannot be imported.
    """

    def __init__(self, modules: Iterable[str] = (), aliases: Mapping[str, ModuleType] | None = None) -> None:
        self._aliases = dict(aliases or {})
        self.names = sorted({*modules, *self._aliases})
        for name in self.names:
            if name not in self._aliases:
                import_module(name)

    def resolve(self, reference: str) -> Any:
        """Return the object that ``package.module:attribute`` names.

        Raises:
            ProgramNotAvailableError: the module is not one that this process was started with.
            UsageError: the module has no such attribute.
        """
        module_name, attribute = split(reference)
        if not any(module_name == name or module_name.startswith(name + ".") for name in self.names):
            raise ProgramNotAvailableError(
                f"{reference!r} needs the module {module_name!r}, which this worker was not started with. "
                f"Start a worker that has it: dspex worker --import {module_name}"
            )
        module = self._aliases.get(module_name) or import_module(module_name)
        return _attribute(module, attribute, reference)


def split(reference: str) -> tuple[str, str]:
    """Take ``package.module:attribute`` apart.

    Raises:
        UsageError: it has another form.
    """
    module, colon, attribute = reference.partition(":")
    if not (colon and attribute and _MODULE.fullmatch(module)):
        raise UsageError(f"{reference!r} does not name code: write package.module:attribute, e.g. myapp.qa:program.")
    return module, attribute


def import_module(name: str) -> ModuleType:
    """Import a user's module, from the current folder too, as ``python -m`` does.

    Raises:
        UsageError: there is no such module, or it fails while it is imported.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise UsageError(f"The module {name!r} imports {error.name!r}, which is not installed.") from error
        raise UsageError(
            f"There is no module {error.name!r} to import. It is looked for in the current folder and in the "
            "installed packages."
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"The module {name!r} failed while it was imported: {type(error).__name__}: {error}"
        ) from error


def _attribute(module: ModuleType, path: str, reference: str) -> Any:
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [name for name in dir(found) if not name.startswith("_")], n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"{reference!r}: {module.__name__} has no {path!r}.{hint}")
        found = getattr(found, part)
    return found
