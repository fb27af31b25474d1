"""The address of a data set."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class DatasetRef(BaseModel):
    """The address of a dataset. `inputs` are the fields that a program is given; None if that was not said."""

    model_config = ConfigDict(frozen=True)

    sha: str
    rows: int
    inputs: list[str] | None = None
