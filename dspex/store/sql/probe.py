"""Whether the store takes a row, and gives it back."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from dspex.errors import StoreError
from dspex.store.sql.schema import probes

_BODY = bytes(range(256)) * 16
"""Some pages' worth, so that a disk with room for nothing else is noticed."""


def probe_write(connection: Connection, probe: str) -> None:
    connection.execute(insert(probes).values(id=probe, body=_BODY))
    if connection.execute(select(probes.c.body).where(probes.c.id == probe)).scalar() != _BODY:
        raise StoreError("The store does not give back what was written to it.")
    connection.execute(delete(probes).where(probes.c.id == probe))
