"""The results of an evaluation as rows: for people, for CSV and for JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dspex.primitives.saving.atomic import write_atomically

Results = Sequence[tuple[Any, Any, Any]]

_WORDS = 25


def rows_of(results: Results, metric_name: str) -> list[dict[str, Any]]:
    """Make one dictionary an example: its fields, the prediction's, and the score.

    Args:
        results: ``(example, prediction, score)`` for each example.
        metric_name: The key of the score.
    """
    return [{**_merged(example, prediction), metric_name: score} for example, prediction, score in results]


def prediction_is_dictlike(prediction: Any) -> bool:
    """Say whether a program's result has fields to show, as `Prediction` and `dict` have."""
    return callable(getattr(prediction, "items", None))


def merge_dicts(d1: Any, d2: Any) -> dict[str, Any]:
    """Merge the fields of an example and of a prediction.

    Args:
        d1: The example.
        d2: The prediction. Fields that both have become ``example_...`` and ``pred_...``.
    """
    given, got = _fields(d1), _fields(d2)
    return {
        **{(f"example_{key}" if key in got else key): value for key, value in given.items()},
        **{(f"pred_{key}" if key in given else key): value for key, value in got.items()},
    }


def truncate_cell(content: Any) -> Any:
    """Shorten text in a cell of a table to its first 25 words."""
    words = str(content).split()
    return content if len(words) <= _WORDS else " ".join(words[:_WORDS]) + "..."


def save_csv(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to a CSV file, whole or not at all.

    Args:
        path: The file.
        rows: The rows; the columns are those of all of them, since a failed example has no prediction.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_columns(rows))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def save_json(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows to a file as one JSON list, whole or not at all.

    Args:
        path: The file.
        rows: The rows; values that JSON does not know are written as numbers or as text.
    """
    write_atomically(path, json.dumps(list(rows), default=_as_json).encode())


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a table, long cells cut, without pandas."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    columns = _columns(rows)
    table = Table(*map(escape, columns))
    for row in rows:
        table.add_row(*(escape(_cell(row.get(column, ""))) for column in columns))
    Console().print(table)


def _merged(example: Any, prediction: Any) -> dict[str, Any]:
    if prediction_is_dictlike(prediction):
        return merge_dicts(example, prediction)
    return {**_fields(example), "prediction": prediction}


def _fields(thing: Any) -> dict[str, Any]:
    return thing.toDict() if hasattr(thing, "toDict") else dict(thing.items())


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows, in the order in which they first appear; the score stays last."""
    columns = {column: None for row in rows for column in list(row)[:-1]}
    scores = {list(row)[-1]: None for row in rows}
    return list(columns | scores)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(truncate_cell(value))


def _as_json(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
