"""The ledger against a model of it, over every order of things that hypothesis thinks of."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from entries import entry
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from dspex.store import Held, Hit, Store, Won
from dspex.store.sql.schema import owners

KEYS = st.sampled_from(["a", "b", "c"])
OWNERS = st.integers(0, 2)


class LedgerMachine(RuleBasedStateMachine):
    """Three owners, three keys. At most one living owner holds a key; what is recorded never changes."""

    @initialize()
    def open_stores(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.stores = [self.new_store() for _ in range(3)]
        self.holder: dict[str, int] = {}
        self.void: set[str] = set()
        self.recorded: dict[str, bytes] = {}
        self.answers = 0

    def new_store(self) -> Store:
        return Store(Path(self.directory.name) / "store.db")

    @rule(owner=OWNERS, key=KEYS)
    def claim(self, owner: int, key: str) -> None:
        answer = self.loop.run_until_complete(self.stores[owner].ledger.claim(key))
        if key in self.recorded:
            assert answer == Hit(entry(key, response=self.recorded[key]))
        elif key in self.holder and key not in self.void:
            assert answer == Held()
        else:
            assert answer == Won()
            self.holder[key] = owner
            self.void.discard(key)

    @rule(owner=OWNERS, key=KEYS)
    def record(self, owner: int, key: str) -> None:
        """Also by one who does not hold the claim: its process had been taken for dead."""
        self.answers += 1
        mine = b"%d" % self.answers
        standing = self.loop.run_until_complete(self.stores[owner].ledger.record(entry(key, response=mine)))
        assert standing.response == self.recorded.setdefault(key, mine)
        self.holder.pop(key, None)
        self.void.discard(key)

    @rule(owner=OWNERS, key=KEYS)
    def release(self, owner: int, key: str) -> None:
        self.loop.run_until_complete(self.stores[owner].ledger.release(key))
        if self.holder.get(key) == owner:
            del self.holder[key]
            self.void.discard(key)

    @rule(owner=OWNERS)
    def die(self, owner: int) -> None:
        """Stops its heartbeat, as if killed some seconds ago; a new process takes the place."""
        dead = self.stores[owner]
        work = dead.ledger._work
        dead.ledger._batcher._work = _Silent()
        dead._database.transact(
            lambda connection: connection.execute(update(owners).where(owners.c.id == work.owner).values(beat=0.0))
        )
        dead.close()
        self.void |= {key for key, holder in self.holder.items() if holder == owner}
        self.holder = {key: -1 if key in self.void else holder for key, holder in self.holder.items()}
        self.stores[owner] = self.new_store()

    @rule(owner=OWNERS)
    def leave(self, owner: int) -> None:
        self.stores[owner].close()
        self.holder = {key: holder for key, holder in self.holder.items() if holder != owner}
        self.stores[owner] = self.new_store()

    @invariant()
    def recorded_entries_stand(self) -> None:
        for key, response in getattr(self, "recorded", {}).items():
            found = self.loop.run_until_complete(self.stores[0].ledger.lookup(key))
            assert found is not None
            assert found.response == response

    def teardown(self) -> None:
        for store in getattr(self, "stores", []):
            store.close()
        if hasattr(self, "loop"):
            self.loop.close()
            self.directory.cleanup()


class _Silent:
    """The ledger's thread of a process that is no more."""

    def due_in(self) -> None:
        return None

    def do(self, batch: object) -> None:
        assert not batch

    def finish(self) -> None:
        return None


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
