"""DSPy's small functions of old, for programs that still import them. New code has better ones in `itertools`."""

from __future__ import annotations

import datetime
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from dspex.dotdict import dotdict

__all__ = [
    "NullContextManager",
    "batch",
    "create_directory",
    "deduplicate",
    "dotdict",
    "dotdict_lax",
    "flatten",
    "groupby_first_item",
    "grouper",
    "int_or_float",
    "lengths2offsets",
    "print_message",
    "process_grouped_by_first_item",
    "timestamp",
    "zip_first",
    "zipstar",
]

NullContextManager = nullcontext


class dotdict_lax(dict[str, Any]):
    """A dict whose keys are attributes too; one that is missing reads as None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__


def deduplicate(seq: Iterable[str]) -> list[str]:
    """List the distinct items in the order in which they come first."""
    return list(dict.fromkeys(seq))


def batch(group: Sequence[Any], bsize: int, provide_offset: bool = False) -> Iterator[Any]:
    """Cut a sequence into slices.

    Args:
        group: The items.
        bsize: The number of items in a slice; the last one may be shorter.
        provide_offset: Whether to yield (offset, slice) instead of the slice.
    """
    for offset in range(0, len(group), bsize):
        items = group[offset : offset + bsize]
        yield (offset, items) if provide_offset else items


def flatten(data_list: Iterable[Iterable[Any]]) -> list[Any]:
    """Join the items of all lists in one."""
    return list(itertools.chain.from_iterable(data_list))


def zipstar(data_list: Sequence[Sequence[Any]], lazy: bool = False) -> Any:
    """Turn rows into columns.

    Args:
        data_list: Rows of equal length.
        lazy: Whether to return an iterator; of no effect on rows of fewer than 100 items.

    Returns:
        Columns: lists for rows of fewer than 100 items, else tuples.
    """
    if not data_list:
        return data_list
    width = len(data_list[0])
    if width < 100:
        return [[row[column] for row in data_list] for column in range(width)]
    columns = zip(*data_list, strict=False)
    return columns if lazy else list(columns)


def zip_first(list1: Iterable[Any], list2: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Pair the items of two lists, as many as the first has.

    Args:
        list1: The first list.
        list2: The second list; it may be longer.

    Raises:
        AssertionError: the second has fewer items.
    """
    pairs = list(zip(list1, list2, strict=False))
    if isinstance(list1, list | tuple) and len(list1) != len(pairs):
        raise AssertionError(f"The second of the two has {len(pairs)} items, fewer than the first: {len(list1)}.")
    return pairs


def int_or_float(val: str) -> int | float:
    """Read the number that `val` spells: a float where it has a point."""
    return float(val) if "." in val else int(val)


def groupby_first_item(lst: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Group the rests of tuples by their first items; a rest of one item is that item."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for first, *rest in lst:
        groups[first].append(rest[0] if len(rest) == 1 else rest)
    return groups


def process_grouped_by_first_item(lst: Iterable[Sequence[Any]]) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each first item with its rests, for tuples that are sorted by it already."""
    for first, group in itertools.groupby(lst, key=lambda row: row[0]):
        rests = [list(row[1:]) for row in group]
        yield first, [rest[0] if len(rest) == 1 else rest for rest in rests]


def grouper(iterable: Iterable[Any], n: int, fillvalue: Any = None) -> Iterator[tuple[Any, ...]]:
    """Group items into tuples of equal length.

    Args:
        iterable: The items.
        n: The length of each tuple.
        fillvalue: What the last one is filled up with.
    """
    items = iter(iterable)
    return itertools.zip_longest(*[items] * n, fillvalue=fillvalue)


def lengths2offsets(lengths: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each of several pieces that lie one behind the other."""
    offset = 0
    for length in lengths:
        yield offset, offset + length
        offset += length


def timestamp(daydir: bool = False) -> str:
    """Now, for file names; with `daydir` as a folder for the day and a file for the time."""
    return datetime.datetime.now().strftime("%Y-%m/%d/%H.%M.%S" if daydir else "%Y-%m-%d_%H.%M.%S")


def print_message(*s: Any, condition: bool = True, pad: bool = False, sep: str | None = None) -> str:
    """Print a message behind the date and time, and return it.

    Args:
        *s: The message, in pieces.
        condition: Whether to print it at all.
        pad: Whether to print an empty line before and after it.
        sep: DSPy's, of no effect: the pieces are joined by blanks.
    """
    now = datetime.datetime.now().strftime("%b %d, %H:%M:%S")
    message = f"[{now}] {' '.join(map(str, s))}"
    if condition:
        message = f"\n{message}\n" if pad else message
        print(message, flush=True, sep=sep)
    return message


def create_directory(path: str) -> None:
    """Make the folder `path` and those above it, and say so."""
    exists = os.path.exists(path)
    print_message("#> Output directory", path, "already exists" if exists else "is made", pad=True)
    os.makedirs(path, exist_ok=True)
