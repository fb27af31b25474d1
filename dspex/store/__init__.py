"""What outlives a process: LM responses, data, programs, outcomes and runs, behind one database URL.

SQLite by default (one file that all processes of a host share), PostgreSQL for many hosts. Importing this room is
cheap: SQLAlchemy is loaded by the store's own threads at the first use (``dspex.store.sql``).
"""

from dspex.store.budgets import BudgetExhausted, Budgets, CostUpperBound, Payer, Spending
from dspex.store.datasets import DatasetRef, Datasets
from dspex.store.jsonable import to_jsonable
from dspex.store.ledger import Held, Hit, Ledger, LedgerEntry, Won
from dspex.store.outcomes import Failure, Outcome, Outcomes
from dspex.store.programs import Programs
from dspex.store.records.bill import Bill, BillLine
from dspex.store.runs import RunRecord, Runs
from dspex.store.store import Store
from dspex.store.upkeep import Kept, LedgerStats, ModelStats, Selection, Upkeep

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
    "Kept",
    "Ledger",
    "LedgerEntry",
    "LedgerStats",
    "ModelStats",
    "Outcome",
    "Outcomes",
    "Payer",
    "Programs",
    "RunRecord",
    "Runs",
    "Selection",
    "Spending",
    "Store",
    "Upkeep",
    "Won",
    "to_jsonable",
]
