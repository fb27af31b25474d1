"""`Dataset`: the base of data sets with three splits."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from dspex.dotdict import dotdict
from dspex.errors import UsageError
from dspex.primitives.example import Example


class TooFewExamplesError(UsageError, AssertionError):
    """A split is smaller than what is to be taken of it (DSPy asserts that it is not)."""


class Dataset:
    """Three splits of rows, each shuffled with its seed, cut to its size and turned into examples when asked for.

    A subclass sets `_train`, `_dev` and `_test`, iterables of dictionaries, and may set `do_shuffle` to False. Each
    example also has a `dspy_uuid` and, as `dspy_split`, the name of its split.

    Args:
        train_seed, eval_seed: Seeds of the training split, and of the other two.
        train_size, dev_size, test_size: How many examples at most; None for all.
        input_keys: The fields that are inputs.
    """

    _train: Iterable[Mapping[str, Any]]
    _dev: Iterable[Mapping[str, Any]]
    _test: Iterable[Mapping[str, Any]]

    def __init__(
        self,
        train_seed: int = 0,
        train_size: int | None = None,
        eval_seed: int = 0,
        dev_size: int | None = None,
        test_size: int | None = None,
        input_keys: list[str] | None = None,
    ) -> None:
        self.train_seed, self.train_size = train_seed, train_size
        self.dev_seed, self.dev_size = eval_seed, dev_size
        self.test_seed, self.test_size = eval_seed, test_size
        self.input_keys = input_keys or []
        self.do_shuffle = True
        self.name = type(self).__name__

    def reset_seeds(
        self,
        train_seed: int | None = None,
        train_size: int | None = None,
        eval_seed: int | None = None,
        dev_size: int | None = None,
        test_size: int | None = None,
    ) -> None:
        """Change seeds and sizes, and draw the splits anew. None leaves a value as it is.

        Args:
            train_seed: The seed of the training split.
            train_size: The most training examples.
            eval_seed: The seed of the development and test splits.
            dev_size: The most development examples.
            test_size: The most test examples.
        """
        given = {
            "train_seed": train_seed,
            "train_size": train_size,
            "dev_seed": eval_seed,
            "dev_size": dev_size,
            "test_seed": eval_seed,
            "test_size": test_size,
        }
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        for drawn in ("_train_", "_dev_", "_test_"):
            vars(self).pop(drawn, None)

    @property
    def train(self) -> list[Example]:
        """The training examples, shuffled and cut as the arguments of the class say."""
        return self._drawn("train", self.train_size, self.train_seed)

    @property
    def dev(self) -> list[Example]:
        """The development examples, shuffled and cut as the arguments of the class say."""
        return self._drawn("dev", self.dev_size, self.dev_seed)

    @property
    def test(self) -> list[Example]:
        """The test examples, shuffled and cut as the arguments of the class say."""
        return self._drawn("test", self.test_size, self.test_seed)

    @classmethod
    def prepare_by_seed(
        cls,
        train_seeds: list[int] | None = None,
        train_size: int = 16,
        dev_size: int = 1000,
        divide_eval_per_seed: bool = True,
        eval_seed: int = 2023,
        **kwargs: Any,
    ) -> Any:
        """Draw several training sets, one a seed, and an evaluation set for each.

        Args:
            train_seeds: The seeds; 1 to 5 by default.
            train_size: The number of examples of each training set.
            dev_size: The number of examples of all evaluation sets together, or of each if they are not divided.
            divide_eval_per_seed: Whether the evaluation examples are divided among the seeds; else all have the same.
            eval_seed: The seed of the evaluation split.
            **kwargs: The data set's own arguments.

        Returns:
            An object with `train_sets` and `eval_sets`, in the order of the seeds.

        Raises:
            TooFewExamplesError: there are not as many.
        """
        seeds = train_seeds or [1, 2, 3, 4, 5]
        dataset = cls(train_size=train_size, eval_seed=eval_seed, dev_size=dev_size, test_size=0, **kwargs)
        held_out = dataset.dev
        count = dev_size // len(seeds) if divide_eval_per_seed else dev_size
        train_sets, eval_sets = [], []
        for number, seed in enumerate(seeds):
            dataset.reset_seeds(train_seed=seed)
            first = number * count if divide_eval_per_seed else 0
            train_sets.append(_exactly(train_size, dataset.train, "train"))
            eval_sets.append(_exactly(count, held_out[first : first + count], "dev"))
        return dotdict(train_sets=train_sets, eval_sets=eval_sets)

    def _drawn(self, split: str, size: int | None, seed: int) -> list[Example]:
        known: list[Example] | None = vars(self).get(f"_{split}_")
        if known is None:
            rows = getattr(self, f"_{split}", None)
            if rows is None:
                raise UsageError(f"The data set {self.name} has no {split} split.")
            known = self._shuffle_and_sample(split, rows, size, seed)
            setattr(self, f"_{split}_", known)
        return known

    def _shuffle_and_sample(
        self, split: str, data: Iterable[Mapping[str, Any]], size: int | None, seed: int = 0
    ) -> list[Example]:
        rows = list(data)
        if self.do_shuffle:
            random.Random(seed).shuffle(rows)  # all of them, so that a smaller set is the start of a larger one
        examples = [Example({**row, "dspy_uuid": str(uuid.uuid4()), "dspy_split": split}) for row in rows[:size]]
        return [example.with_inputs(*self.input_keys) for example in examples] if self.input_keys else examples


def _exactly(count: int, examples: list[Example], split: str) -> list[Example]:
    if len(examples) != count:
        raise TooFewExamplesError(f"{count} examples of the {split} split are wanted, and there are {len(examples)}.")
    return examples
