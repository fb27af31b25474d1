"""A list of values as one bound parameter, so that a statement's text does not change with the list's length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, Text, bindparam, cast, func, select

Dialect = Literal["sqlite", "postgresql"]


def listed(dialect: Dialect, name: str, of: type[Text] | type[BigInteger] = Text) -> Select[Any]:
    """``SELECT value FROM <the list bound to name>``."""
    return select(listed_value(dialect, name, of))


def listed_value(dialect: Dialect, name: str, of: type[Text] | type[BigInteger] = Text) -> ColumnElement[Any]:
    """The column of the list bound to `name`."""
    if dialect == "sqlite":
        return func.json_each(bindparam(name, type_=Text)).table_valued("value").c.value
    return func.unnest(cast(bindparam(name), ARRAY(of))).column_valued("value")


def bind_list(dialect: Dialect, values: Sequence[Any]) -> Any:
    """The parameter for `listed`."""
    return json.dumps(values) if dialect == "sqlite" else list(values)
