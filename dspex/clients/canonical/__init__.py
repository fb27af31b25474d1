"""Requests and answers in OpenAI's shape, which the ledger keeps and every wire format translates from and to."""
