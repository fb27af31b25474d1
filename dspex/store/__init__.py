"""What outlives a process: LM responses, data, programs, outcomes and runs, behind one database URL.

SQLite by default (one file that all processes of a host share), PostgreSQL for many hosts. Importing this package is
cheap: SQLAlchemy is loaded by the store's own threads at the first use (``dspex.store.sql``).
"""

from dspex.store.budgets import Budgets
from dspex.store.datasets import Datasets
from dspex.store.jsonable import to_jsonable
from dspex.store.ledger import Ledger
from dspex.store.outcomes import Outcomes
from dspex.store.programs import Programs
from dspex.store.records.bill import Bill, BillLine
from dspex.store.records.budget import BudgetExhausted, CostUpperBound, Payer, Spending
from dspex.store.records.dataset import DatasetRef
from dspex.store.records.ledger import Held, Hit, LedgerEntry, Won
from dspex.store.records.outcome import Failure, Outcome
from dspex.store.records.run import RunRecord
from dspex.store.records.upkeep import LedgerStats, ModelStats, RecordedEntry, Selection
from dspex.store.runs import Runs
from dspex.store.store import Store
from dspex.store.upkeep import Upkeep

__all__ = [
    "Bill",
    "BillLine",
    "BudgetExhausted",
    "Budgets",
    "CostUpperBound",
    "DatasetRef",
    "Datasets",
    "Failure",
    "Held",
    "Hit",
    "Ledger",
    "LedgerEntry",
    "LedgerStats",
    "ModelStats",
    "Outcome",
    "Outcomes",
    "Payer",
    "Programs",
    "RecordedEntry",
    "RunRecord",
    "Runs",
    "Selection",
    "Spending",
    "Store",
    "Upkeep",
    "Won",
    "to_jsonable",
]
