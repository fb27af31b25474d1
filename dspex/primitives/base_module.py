"""`BaseModule`: the parts of a program by their paths, its copies, and its saved form."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dspex.errors import UsageError
from dspex.primitives.copying import copy_module
from dspex.primitives.parameter import Parameter, ParameterHolder
from dspex.primitives.saving import program_file
from dspex.primitives.saving.program_file import get_dependency_versions
from dspex.primitives.saving.program_state import apply_state
from dspex.primitives.traversal import parameters_of, sub_modules_of

if TYPE_CHECKING:
    from types import ModuleType

logger = logging.getLogger(__name__)

__all__ = ["BaseModule", "get_dependency_versions"]


class BaseModule(ParameterHolder):
    """Something that has parameters and submodules, and is saved and copied with them. `Module` can be called too."""

    # Parts

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """The parameters with their paths; those of compiled (frozen) submodules are left out."""
        return [(path, parameter) for path, parameter, _ in parameters_of(self)]

    def parameters(self) -> list[Parameter]:
        """The parameters, without their paths: see `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_sub_modules(self, type_: type | None = None, skip_compiled: bool = False) -> Iterator[tuple[str, Any]]:
        """Walk this module and all under it.

        Args:
            type_: The class to look for; by default any module.
            skip_compiled: Whether to leave out what is inside modules that an optimizer has finished.

        Returns:
            Pairs of a path, such as ``self.steps[0]``, and what is there.
        """
        return sub_modules_of(self, type_, skip_compiled)

    # Copies

    def deepcopy(self) -> Self:
        """An independent copy. LMs and signatures are shared; demos and all else are copied."""
        return copy_module(self, {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy_module(self, memo)

    def reset_copy(self) -> Self:
        """A copy without demos, traces and LMs of its own."""
        copied = self.deepcopy()
        for parameter in copied.parameters():
            parameter.reset()  # type: ignore[attr-defined]
        return copied

    # Saving

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """Return the state of every parameter by path, as values that JSON can hold."""
        return {path: part.dump_state(json_mode=json_mode) for path, part in self.named_parameters()}  # type: ignore[attr-defined]

    def load_state(self, state: Mapping[str, Any], *, allow_unsafe_lm_state: bool = False) -> Any:
        """Take over `state`: all of it or, when anything in it does not fit, nothing.

        Args:
            state: What `dump_state`, or DSPy's, returned: the state of each predictor by its path.
            allow_unsafe_lm_state: Whether to keep endpoint URLs and import LM classes that the state names. Only for
                files whose source you trust.

        Raises:
            UsageError: the state does not fit; names the predictor and the field.
        """
        apply_state(self, state, allow_unsafe_lm_state=allow_unsafe_lm_state)

    def save(
        self,
        path: str | os.PathLike[str],
        save_program: bool = False,
        modules_to_serialize: list[ModuleType] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Save the state to a ``.json`` or ``.pkl`` file or, with `save_program`, code and all to a folder.

        The file is written whole or not at all.

        Args:
            path: The file or, with `save_program`, the folder.
            save_program: Whether to pickle the program itself, for `dspex.load`.
            modules_to_serialize: Modules that are pickled with their code, for those who cannot import them.
            metadata: Our own data about the program, kept in the file under ``metadata["dspex"]``.

        Raises:
            UsageError: the path is wrong, or the program holds something that cannot be saved.
            StoreFullError: the disk has no room.
        """
        known = program_file.file_metadata(metadata, get_dependency_versions())
        if save_program or Path(path).suffix == ".pkl":
            logger.warning(program_file.PICKLE_WARNING)
        if save_program:
            program_file.save_program(self, path, modules_to_serialize, known)
        else:
            program_file.save_state(self, path, known)

    def load(
        self, path: str | os.PathLike[str], allow_pickle: bool = False, allow_unsafe_lm_state: bool = False
    ) -> None:
        """Load a state that `save`, or DSPy's, wrote. It warns if the file comes from other versions.

        Args:
            path: A ``.json`` or ``.pkl`` file.
            allow_pickle: Whether to read ``.pkl`` files, which can run any code.
            allow_unsafe_lm_state: As for `load_state`.

        Raises:
            UsageError: there is no such file, it is no program file, or it does not fit this program.
        """
        state = program_file.read_state(path, allow_pickle=allow_pickle)
        for warning in program_file.other_versions(state.get("metadata"), get_dependency_versions()):
            logger.warning(warning)
        try:
            self.load_state(state, allow_unsafe_lm_state=allow_unsafe_lm_state)
        except UsageError as error:
            raise type(error)(f"{os.fspath(path)} does not fit this program: {error}") from error
