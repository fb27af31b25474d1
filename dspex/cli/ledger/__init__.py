"""``dspex ledger``: look at the ledger of LM calls, make it smaller, copy it."""
