"""The results of an evaluation as rows: for people, for CSV and for JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dspex.primitives.atomic import write_atomically

Results = Sequence[tuple[Any, Any, Any]]

_WORDS = 25


def rows_of(results: Results, metric_name: str) -> list[dict[str, Any]]:
    """One dictionary an example: its fields, the prediction's, the score under the metric's name.

    A field that both have is told apart as ``example_...`` and ``pred_...``.
    """
    return [{**_merged(example, prediction), metric_name: score} for example, prediction, score in results]


def save_csv(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_columns(rows))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def save_json(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    write_atomically(path, json.dumps(list(rows), ensure_ascii=False, default=_as_json).encode())


def show_table(rows: Sequence[Mapping[str, Any]], limit: int | None) -> None:
    """Print the rows, at most `limit` of them, long cells cut."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = rows if limit is None else rows[:limit]
    table = Table(*map(escape, _columns(shown)))
    for row in shown:
        table.add_row(*(escape(_cut(row.get(column, ""))) for column in _columns(shown)))
    console = Console()
    console.print(table)
    if len(shown) < len(rows):
        console.print(f"... {len(rows) - len(shown)} more rows")


def _merged(example: Any, prediction: Any) -> dict[str, Any]:
    given = _fields(example)
    if not hasattr(prediction, "items"):
        return {**given, "prediction": prediction}
    got = _fields(prediction)
    return {
        **{(f"example_{key}" if key in got else key): value for key, value in given.items()},
        **{(f"pred_{key}" if key in given else key): value for key, value in got.items()},
    }


def _fields(thing: Any) -> dict[str, Any]:
    return thing.toDict() if hasattr(thing, "toDict") else dict(thing.items())


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows, in the order in which they first appear; the score stays last."""
    columns = {column: None for row in rows for column in list(row)[:-1]}
    scores = {list(row)[-1]: None for row in rows}
    return list(columns | scores)


def _cut(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    words = text.split()
    return text if len(words) <= _WORDS else " ".join(words[:_WORDS]) + "..."


def _as_json(value: Any) -> Any:
    return float(value) if hasattr(value, "__float__") else str(value)
