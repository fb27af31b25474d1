"""Data files for a program: which columns are its inputs, which are labels, and that every row has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspex.datafiles import DataFile
from dspex.errors import UsageError

if TYPE_CHECKING:
    from dspex.cli.inputs.target import ResolvedTarget
    from dspex.primitives import Example, Module
    from dspex.store import Store
    from dspex.store.records.dataset import DatasetRef


@dataclass(frozen=True)
class Columns:
    """The columns that every row of the data must have.

    Args:
        inputs: What the program is given.
        labels: What the metric compares with.
        only: The columns that are kept; all unless given.
    """

    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    only: frozenset[str] | None = None

    def check(self, values: dict[str, Any], place: str) -> None:
        """Refuse a row, `values`, in which a column is missing; `place` names the row.

        Raises:
            UsageError: a column is missing.
        """
        missing = [name for name in (*self.inputs, *self.labels) if name not in values]
        if missing:
            raise UsageError(f"{place}: no {_listed(missing)}. Columns there: {', '.join(values) or 'none'}.")

    def kept(self, values: dict[str, Any]) -> dict[str, Any]:
        """The part of a row, `values`, that the run sees."""
        only = self.only
        return values if only is None else {name: value for name, value in values.items() if name in only}


@dataclass(frozen=True)
class FileRows:
    """All rows of a data file, with these columns. A `dspex.backend.RowSource`."""

    file: DataFile
    columns: Columns

    def examples(self) -> list[Example]:
        """The rows as examples with their inputs marked.

        Raises:
            UsageError: a row cannot be read, or has not all columns.
        """
        from dspex.primitives import Example

        return [Example(**row).with_inputs(*self.columns.inputs) for row in self._checked()]

    async def put(self, store: Store) -> DatasetRef:
        """Put the rows into `store`, in constant memory. Raises as `examples`."""
        return await store.datasets.put(self._checked(), sorted(self.columns.inputs))

    def _checked(self) -> Iterator[dict[str, Any]]:
        for number, values in self.file.rows():
            self.columns.check(values, self.file.place(number))
            yield self.columns.kept(values)


def choose_columns(file: DataFile, code: ResolvedTarget, inputs: str | None) -> Columns:
    """Which columns of the data are the program's inputs, and which labels its metric needs.

    Args:
        file: The data; its first row is looked at.
        code: The program and its metric.
        inputs: The inputs' names, separated by commas, where the command line gives them.

    Raises:
        UsageError: a column is missing, or nothing says which are inputs; the message lists the columns.
    """
    first = file.first()
    given = _given(first, code, inputs, file)
    if not code.compares_labels:
        return Columns(given)
    if code.outputs is None:
        if not set(first) - set(given):
            raise UsageError(
                f"{file.path}: the metric {code.metric_name} compares labels, and every column ({', '.join(first)}) is "
                "an input. Name the inputs with --inputs."
            )
        return Columns(given)
    labels = tuple(name for name in code.outputs if name not in given)
    columns = Columns(given, labels, frozenset((*given, *labels)))
    columns.check(first, str(file.path))
    return columns


def data_file(path: Path | None, option: str) -> DataFile:
    """The file that an option names.

    Raises:
        UsageError: the option is missing, or there is no such file.
    """
    if path is None:
        raise UsageError(f"Name a data file with {option}: .jsonl, .csv or .parquet.")
    return DataFile(path)


def _given(first: dict[str, Any], code: ResolvedTarget, inputs: str | None, file: DataFile) -> tuple[str, ...]:
    if inputs is not None:
        named = tuple(dict.fromkeys(name.strip() for name in inputs.split(",") if name.strip()))
        if not named:
            raise UsageError("--inputs names no column.")
        Columns(named).check(first, str(file.path))
        return named
    if code.inputs is not None:
        Columns(code.inputs).check(first, str(file.path))
        return code.inputs
    required, optional = _parameters(code.program)
    Columns(required).check(first, str(file.path))
    found = (*required, *(name for name in optional if name in first))
    if found:
        return found
    raise UsageError(
        f"Which columns of {file.path} is {code.ref.label} given? Name them with --inputs. Columns: {', '.join(first)}."
    )


def _parameters(program: Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The required and the optional arguments of `forward`; where it takes anything, those of the first predictor."""
    forward = getattr(program, "aforward", None) or getattr(program, "forward", None)
    parameters = inspect.signature(forward).parameters.values() if forward else ()
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    if named or not program.predictors():
        required = tuple(each.name for each in named if each.default is each.empty)
        return required, tuple(each.name for each in named if each.default is not each.empty)
    return (), tuple(program.predictors()[0].signature.input_fields)


def _listed(names: list[str]) -> str:
    return f"column {names[0]!r}" if len(names) == 1 else f"columns {', '.join(map(repr, names))}"
