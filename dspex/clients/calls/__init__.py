"""One LM call, from the caller to the ledger."""
