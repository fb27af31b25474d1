"""`DataLoader`: examples from files, data frames, Hugging Face and retrieval models."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dspex.datasets import tables
from dspex.datasets.dataset import Dataset
from dspex.datasets.hub import load_dataset
from dspex.errors import UsageError
from dspex.primitives.example import Example
from dspex.settings import settings

if TYPE_CHECKING:
    import pandas as pd


class UnknownFieldError(UsageError, KeyError):
    """A row has no such field."""

    __str__ = Exception.__str__


class DataLoader(Dataset):
    """Makes lists of `Example` of data from elsewhere.

    Everywhere `fields` are the columns to take (by default all), and `input_keys` those that are inputs.

    Source: DSPy's class of this name.
    """

    def __init__(self) -> None:
        pass

    def from_huggingface(
        self,
        dataset_name: str,
        *args: Any,
        input_keys: tuple[str, ...] = (),
        fields: tuple[str, ...] | None = None,
        **kwargs: Any,
    ) -> Mapping[str, list[Example]] | list[Example]:
        """Load a data set from the Hugging Face hub.

        Args:
            dataset_name: Its name on the hub.
            *args: As for ``datasets.load_dataset``.
            input_keys: The columns that are inputs.
            fields: The columns to take; all by default.
            **kwargs: As for ``datasets.load_dataset``, such as ``split="train"``.

        Returns:
            Examples by split, or with ``split="..."`` a list of them.

        Raises:
            ImportError: the library ``datasets`` is not installed.
            UsageError: `fields` or `input_keys` is not a tuple.
        """
        if fields and not isinstance(fields, tuple):
            raise UsageError("Invalid fields provided. Please provide a tuple of fields.")
        if not isinstance(input_keys, tuple):
            raise UsageError("Invalid input keys provided. Please provide a tuple of input keys.")
        dataset = load_dataset(f"The data set {dataset_name!r}")(dataset_name, *args, **kwargs)
        splits = kwargs.get("split")
        if isinstance(dataset, list) and isinstance(splits, list):
            dataset = dict(zip(splits, dataset, strict=True))
        if hasattr(dataset, "keys"):
            return {name: _examples(dataset[name], fields, input_keys) for name in dataset.keys()}  # noqa: SIM118
        return _examples(dataset, fields, input_keys)

    def from_csv(
        self, file_path: tables.Paths, fields: Sequence[str] | None = None, input_keys: tuple[str, ...] = ()
    ) -> list[Example]:
        """Read examples from a CSV file, or several, whose first line names the columns.

        A column that holds nothing but whole numbers, numbers or true and false is converted; an empty cell is None.

        Args:
            file_path: One path, or several.
            fields: The columns to take; all by default.
            input_keys: The columns that are inputs.
        """
        return _examples(tables.csv_rows(file_path), fields, input_keys)

    def from_json(
        self, file_path: tables.Paths, fields: Sequence[str] | None = None, input_keys: tuple[str, ...] = ()
    ) -> list[Example]:
        """Read examples from a file, or several, with one JSON object a line, or with one list of them.

        Args:
            file_path: One path, or several.
            fields: The keys to take; all by default. A key that is missing in an object is None.
            input_keys: The keys that are inputs.
        """
        return _examples(tables.json_rows(file_path), fields, input_keys)

    def from_parquet(
        self, file_path: tables.Paths, fields: Sequence[str] | None = None, input_keys: tuple[str, ...] = ()
    ) -> list[Example]:
        """Read examples from a Parquet file, or several.

        Args:
            file_path: One path, or several.
            fields: The columns to take; all by default.
            input_keys: The columns that are inputs.
        """
        return _examples(tables.parquet_rows(file_path), fields, input_keys)

    def from_pandas(
        self, df: pd.DataFrame, fields: Sequence[str] | None = None, input_keys: tuple[str, ...] = ()
    ) -> list[Example]:
        """Make examples of the rows of a data frame; values are Python's own, not numpy's.

        Args:
            df: The data frame.
            fields: The columns to take; all by default.
            input_keys: The columns that are inputs.

        Raises:
            UnknownFieldError: the data frame lacks one of the `fields`.
        """
        names = list(df.columns) if fields is None else list(fields)
        missing = [name for name in names if name not in df.columns]
        if missing:
            raise UnknownFieldError(f"The data frame has no column {missing[0]!r}; it has: {', '.join(df.columns)}.")
        columns = [df[name].tolist() for name in names]
        return _examples((dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)), names, input_keys)

    def from_rm(self, num_samples: int, fields: Sequence[str], input_keys: Sequence[str]) -> list[Example]:
        """Make examples of objects of the configured retrieval model, by its method ``get_objects(num_samples=,
        fields=)``.

        Args:
            num_samples: How many objects.
            fields: The properties to take.
            input_keys: The properties that are inputs.

        Raises:
            UsageError: there is no retrieval model, or it has no such method.
        """
        rm = settings.rm
        if rm is None:
            raise UsageError(
                "Retrieval module not found. Please set a retrieval module using `dspex.configure(rm=...)`."
            )
        if not hasattr(rm, "get_objects"):
            raise UsageError(
                "Retrieval module does not support `get_objects`. Please use a different retrieval module."
            )
        return _examples(rm.get_objects(num_samples=num_samples, fields=fields), fields, input_keys)

    def sample(self, dataset: list[Example], n: int, *args: Any, **kwargs: Any) -> list[Example]:
        """Draw examples with Python's shared random numbers (``random.sample``).

        Args:
            dataset: The examples to draw from.
            n: How many to draw, none twice.
            *args: As for ``random.sample``.
            **kwargs: As for ``random.sample``.

        Raises:
            UsageError: `dataset` is not a list.
        """
        if not isinstance(dataset, list):
            raise UsageError(
                f"Invalid dataset provided of type {type(dataset)}. Please provide a list of `dspex.Example`s."
            )
        return random.sample(dataset, n, *args, **kwargs)

    def train_test_split(
        self,
        dataset: list[Example],
        train_size: int | float = 0.75,
        test_size: int | float | None = None,
        random_state: int | None = None,
    ) -> Mapping[str, list[Example]]:
        """Shuffle examples, and split them in two.

        Args:
            dataset: The examples; the list is not changed.
            train_size, test_size: Numbers of examples, or shares of all (between 0 and 1); None for the rest.
            random_state: A seed; without one Python's shared random numbers are used.

        Returns:
            The lists ``train`` and ``test``.
        """
        shuffled = list(dataset)
        (random.Random(random_state) if random_state is not None else random).shuffle(shuffled)
        train = _count("train", train_size, len(shuffled))
        test = len(shuffled) - train if test_size is None else _count("test", test_size, len(shuffled))
        if test_size is not None and train + test > len(shuffled):
            raise UsageError(
                "`train_size` + `test_size` cannot exceed the total number of samples. Received "
                f"`train_size`: {train}, `test_size`: {test}, and `dataset_size`: {len(shuffled)}."
            )
        return {"train": shuffled[:train], "test": shuffled[train : train + max(test, 0)]}


def _examples(rows: Iterable[Any], fields: Sequence[str] | None, input_keys: Iterable[str]) -> list[Example]:
    return [_example(row, fields).with_inputs(*input_keys) for row in rows]


def _example(row: Mapping[str, Any], fields: Sequence[str] | None) -> Example:
    if not fields:
        return Example(dict(row))
    missing = [field for field in fields if field not in row]
    if missing:
        raise UnknownFieldError(f"There is no field {missing[0]!r} in the data; there are: {', '.join(row)}.")
    return Example({field: row[field] for field in fields})


def _count(split: str, size: Any, total: int) -> int:
    if isinstance(size, float) and 0 < size < 1:
        return int(total * size)
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    raise UsageError(
        f"Invalid `{split}_size`. Please provide a float between 0 and 1 to represent the proportion of the dataset to "
        f"include in the {split} split or an int to represent the absolute number of samples to include in the {split} "
        f"split. Received `{split}_size`: {size}."
    )
