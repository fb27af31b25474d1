"""Program states, under the hash of their JSON."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dspex.errors import NotInStoreError
from dspex.store.jsonable import decode, encode, sha256

if TYPE_CHECKING:
    from dspex.store.database import Database


class Programs:
    """Content-addressed JSON objects: what a program was at some step of a run.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, state: dict[str, Any]) -> str:
        """Keep a state, as `Module.dump_state` makes it. Putting the same again changes nothing.

        Returns:
            Its address.
        """
        body = encode(state)
        sha = sha256(body)

        def write() -> None:
            from dspex.store.sql.programs import add

            self._database.transact(lambda connection: add(connection, sha, body, time.time()))

        await self._database.run(write)
        return sha

    async def get(self, sha: str) -> dict[str, Any]:
        """Return the state at the address `sha`.

        Raises:
            NotInStoreError: this store does not hold it.
        """

        def read() -> bytes | None:
            from dspex.store.sql.programs import body

            return self._database.query(lambda connection: body(connection, sha))

        found = await self._database.run(read)
        if found is None:
            raise not_in_store("program", sha, self._database.url.shown)
        state: dict[str, Any] = decode(found)
        return state


def not_in_store(what: str, sha: str, shown_url: str) -> NotInStoreError:
    """Make the error for a thing that this store does not hold.

    Args:
        what: Its kind, such as ``"dataset"``.
        sha: Its address.
        shown_url: The store's URL, without its password.
    """
    return NotInStoreError(
        f"The store {shown_url} holds no {what} {sha[:12]}. All hosts of a run share one store: set DSPEX_STORE to the "
        "same database on each of them."
    )
