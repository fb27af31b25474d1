"""LM calls through the providers' batch APIs: at half the price, within a day.

Inside `batch_api` (`local`), or in a durable evaluation with ``batch=True``, a call that is not in the ledger is not
sent: it is written down (`collect`), submitted together with others (`desk`), and answered when the provider is done.
A `BatchWire` is how one provider's batches are spoken.
"""
