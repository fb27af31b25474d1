"""Data files for a program: which columns it is given, which are labels, and that every row has them."""

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
    from dspex.store.datasets import DatasetRef


@dataclass(frozen=True)
class Columns:
    """What every row of the data must have. `only`, if given, are the columns that are kept."""

    inputs: tuple[str, ...]
    labels: tuple[str, ...] = ()
    only: frozenset[str] | None = None

    def check(self, values: dict[str, Any], place: str) -> None:
        """
        Raises:
            UsageError: a column is missing.
        """
        missing = [name for name in (*self.inputs, *self.labels) if name not in values]
        if missing:
            raise UsageError(f"{place}: no {_listed(missing)}. Columns there: {', '.join(values) or 'none'}.")

    def kept(self, values: dict[str, Any]) -> dict[str, Any]:
        only = self.only
        return values if only is None else {name: value for name, value in values.items() if name in only}


def choose_columns(file: DataFile, code: ResolvedTarget, inputs: str | None) -> Columns:
    """Which columns of the data the program is given, and which labels it cannot do without.

    Raises:
        UsageError: a column is missing, or it cannot be told which are inputs; the message lists those there are.
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


def read_examples(file: DataFile, columns: Columns) -> list[Example]:
    """All rows, as examples with their inputs marked."""
    from dspex.primitives import Example

    return [Example(**row).with_inputs(*columns.inputs) for row in _checked(file, columns)]


async def put_rows(store: Store, file: DataFile, columns: Columns) -> DatasetRef:
    """Put all rows into the store, in constant memory."""
    return await store.datasets.put(_checked(file, columns), sorted(columns.inputs))


def data_file(path: Path | None, option: str) -> DataFile:
    """The file that an option names.

    Raises:
        UsageError: the option is missing, or there is no such file.
    """
    if path is None:
        raise UsageError(f"Name a data file with {option}: .jsonl, .csv or .parquet.")
    return DataFile(path)


def _checked(file: DataFile, columns: Columns) -> Iterator[dict[str, Any]]:
    for number, values in file.rows():
        columns.check(values, file.place(number))
        yield columns.kept(values)


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
    """What `forward` must be and may be given; where it takes anything, what the first predictor may take."""
    forward = getattr(program, "aforward", None) or getattr(program, "forward", None)
    parameters = inspect.signature(forward).parameters.values() if forward else ()
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    if named or not program.predictors():
        required = tuple(each.name for each in named if each.default is each.empty)
        return required, tuple(each.name for each in named if each.default is not each.empty)
    return (), tuple(program.predictors()[0].signature.input_fields)


def _listed(names: list[str]) -> str:
    return f"column {names[0]!r}" if len(names) == 1 else f"columns {', '.join(map(repr, names))}"
