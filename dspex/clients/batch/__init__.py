"""LM calls through the providers' batch APIs: at half the price, within a day.

Inside `batch_api` (`local`), or in a durable evaluation with ``batch=True``, a call that is not in the ledger is not
sent at once: it is written down (`requests`), submitted together with others (`submitter`), and answered when the
provider is done. A `BatchWire` speaks one provider's batch API.
"""
